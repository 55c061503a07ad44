/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/session_harness.h"

enum { MAX_SIZE = 2000 };

static const struct smtp_policy port25 = {
	.hostname = "mx.example.test", .max_size = MAX_SIZE, .max_recipients = SMTP_RCPT_MIN
};
static const struct smtp_policy full = { .hostname = "mx.example.test",
	.max_size = MAX_SIZE,
	.max_recipients = SMTP_RCPT_MIN,
	.pipelining = true,
	.chunking = true };

#define ENVELOPE "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@here.test>\r\n"

static int
code_of(struct harness *h, const char *line)
{
	harness_code(h);
	harness_say(h, line);
	return harness_code(h);
}

/* --- dialogues: each line and the code of its reply ---------------------------------------------
 */

struct step {
	const char *say;
	int want; /* 0: no reply yet */
};
struct dialogue {
	const char *name;
	const struct smtp_policy *policy;
	struct step steps[16];
	unsigned accepted;
	bool closed;
};

#define S60 "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
#define S480 S60 S60 S60 S60 S60 S60 S60 S60

static const struct dialogue dialogues[] = {
	{ "plain message", &port25,
	    { { "HELO c.test\r\n", 250 }, { "MAIL FROM:<a@b.test>\r\n", 250 },
		{ "RCPT TO:<u@here.test>\r\n", 250 }, { "DATA\r\n", 354 },
		{ "Subject: x\r\n\r\nbody\r\n.\r\n", 250 }, { "QUIT\r\n", 221 } },
	    1, true },
	{ "lower case, two messages", &port25,
	    { { "ehlo [127.0.0.1]\r\n", 250 }, { "mail from: <>\r\n", 250 },
		{ "rcpt to: <postmaster>\r\n", 250 }, { "data\r\n", 354 }, { ".\r\n", 250 },
		{ "DATA\r\n", 503 }, { "MAIL FROM:<a@b> SIZE=2000 BODY=8BITMIME\r\n", 250 },
		{ "RCPT TO:<u@x>\r\n", 250 }, { "DATA\r\n", 354 }, { "a\r\n..\r\n", 0 },
		{ ".\r\n", 250 } },
	    2, false },
	{ "sequence", &port25,
	    { { "MAIL FROM:<a@b>\r\n", 503 }, { "RCPT TO:<a@b>\r\n", 503 }, { "DATA\r\n", 503 },
		{ "EHLO x\r\n", 250 }, { "RCPT TO:<a@b>\r\n", 503 }, { "MAIL FROM:<a@b>\r\n", 250 },
		{ "MAIL FROM:<a@b>\r\n", 503 }, { "DATA\r\n", 554 }, { "RCPT TO:<no@b>\r\n", 550 },
		{ "DATA\r\n", 554 }, { "RCPT TO:<u@b>\r\n", 250 }, { "EHLO x\r\n", 250 },
		{ "RCPT TO:<u@b>\r\n", 503 } },
	    0, false },
	{ "small commands", &port25,
	    { { "NOOP\r\n", 250 }, { "NOOP some words\r\n", 250 }, { "VRFY bob\r\n", 252 },
		{ "VRFY\r\n", 501 }, { "EXPN list\r\n", 502 }, { "HELP\r\n", 214 },
		{ "HELP MAIL\r\n", 214 }, { "RSET\r\n", 250 }, { "RSET x\r\n", 501 },
		{ "ETRN x\r\n", 502 }, { "\r\n", 500 }, { "BDAT 3\r\n", 502 },
		{ "XCLIENT ADDR=1.2.3.4\r\n", 550 }, { "STARTTLS x\r\n", 501 },
		{ "QUIT x\r\n", 501 }, { "QUIT\r\n", 221 } },
	    0, true },
	{ "names of hosts", &port25,
	    { { "EHLO\r\n", 501 }, { "HELO a b\r\n", 501 }, { "EHLO [IPv6:::::]\r\n", 501 },
		{ "EHLO \"x\"\r\n", 501 }, { "EHLO \xc3\xa4.test\r\n", 501 },
		{ "HELO " S480 "\r\n", 501 }, { "EHLO my_pc.local\r\n", 250 },
		{ "HELO [IPv6:::1]\r\n", 250 } },
	    0, false },
	{ "parameters of MAIL", &port25,
	    { { "EHLO x\r\n", 250 }, { "MAIL FROM:<a@b> SIZE=2001\r\n", 552 },
		{ "MAIL FROM:<a@b> SIZE=18446744073709551616\r\n", 552 },
		{ "MAIL FROM:<a@b> SIZE=-1\r\n", 501 }, { "MAIL FROM:<a@b> AUTH=<>\r\n", 555 },
		{ "MAIL FROM:<a@b> SIZE=1 SIZE=1\r\n", 501 }, { "MAIL FROM:<a@b> X=\"\\\r\n", 555 },
		{ "MAIL FROM:<a@b> ENVID=+00\r\n", 501 },
		{ "MAIL FROM:<a@b> ENVID=a+0D+0A\r\n", 501 },
		{ "MAIL FROM:<a@b> ENVID=a+zz\r\n", 501 }, { "MAIL FROM:<a@b>SIZE=1\r\n", 501 },
		{ "MAIL FROM:<a@b> BODY=7BIT RET=HDRS ENVID=QQ+2B SMTPUTF8\r\n", 250 },
		{ "RSET\r\n", 250 }, { "MAIL FROM:<a@b> SIZE=00000000000000000000\r\n", 250 } },
	    0, false },
	{ "parameters of RCPT", &port25,
	    { { "EHLO x\r\n", 250 }, { "MAIL FROM:<a@b>\r\n", 250 },
		{ "RCPT TO:<u@b> NOTIFY=NEVER,SUCCESS\r\n", 501 },
		{ "RCPT TO:<u@b> NOTIFY=SUCCESS,SUCCESS\r\n", 501 },
		{ "RCPT TO:<u@b> NOTIFY=DELAY,\r\n", 501 }, { "RCPT TO:<u@b> ORCPT=x@y\r\n", 501 },
		{ "RCPT TO:<u@b> ORCPT=rfc822;+00\r\n", 501 },
		{ "RCPT TO:<u@b> ORCPT=;a\r\n", 501 },
		{ "RCPT TO:<u@b> ORCPT=rfc822;a@b RET=FULL\r\n", 555 },
		{ "RCPT TO:<u@b> ORCPT=utf-8;\xc3\xa4@b\r\n", 501 },
		{ "RCPT TO:<u@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2BBox@b\r\n", 250 },
		{ "RCPT TO:<u@b> NOTIFY=NEVER\r\n", 250 } },
	    0, false },
	{ "UTF-8 needs SMTPUTF8", &port25,
	    { { "EHLO x\r\n", 250 }, { "MAIL FROM:<\xc3\xa4@b>\r\n", 553 },
		{ "MAIL FROM:<\xc0\xaf@b> SMTPUTF8\r\n", 501 }, { "MAIL FROM:<a@b>\r\n", 250 },
		{ "RCPT TO:<\xc3\xa4@b>\r\n", 553 }, { "RSET\r\n", 250 },
		{ "MAIL FROM:<\xc3\xa4@b> SMTPUTF8\r\n", 250 }, { "RCPT TO:<\xc3\xb6@b>\r\n", 250 },
		{ "RCPT TO:<u@b> ORCPT=utf-8;\xc3\xa4+2B@b\r\n", 250 } },
	    0, false },
	{ "NUL and control bytes are no end", &port25,
	    { { "EHLO x\r\n", 250 }, { "NOOP \x01\r\n", 501 }, { "MAIL FROM:<a\x07@b>\r\n", 501 },
		{ "NOOP\r\n", 250 } },
	    0, false },
	{ "bare LF ends the session", &port25, { { "EHLO x\r\n", 250 }, { "NOOP\n", 500 } }, 0,
	    true },
	{ "bare CR ends the session", &port25, { { "NOOP\rRSET\r\n", 500 } }, 0, true },
	{ "CR CR LF ends the session", &port25, { { "NOOP\r\r\n", 500 } }, 0, true },
	{ "HTTP", &port25, { { "POST / HTTP/1.1\r\nHost: x\r\n", 554 } }, 0, true },
	{ "TLS at once", &port25, { { "\x16\x03\x01\x02\x05", 554 } }, 0, true },
	{ "SSH", &port25, { { "SSH-2.0-OpenSSH_9.2\r\n", 554 } }, 0, true },
	{ "PROXY", &port25, { { "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", 554 } }, 0, true },
	{ "long line", &port25,
	    { { "NOOP " S480 "12345678901234567890123456\r\n", 500 },
		{ "NOOP " S480 "1234567890123456789012345\r\n", 250 }, { "EHLO x\r\n", 250 },
		{ "MAIL FROM:<a@b> X=" S480 S60 "\r\n", 555 },
		{ "MAIL FROM:<a@b> X=" S480 S480 "\r\n", 500 } },
	    0, false },
	{ "chunks", &full,
	    { { ENVELOPE, 250 }, { "BDAT 5\r\nabc\r\n", 250 }, { "DATA\r\n", 503 },
		{ "RCPT TO:<x@y>\r\n", 503 }, { "BDAT 6 LAST\r\ndef.\r\n", 250 },
		{ "BDAT 2 LAST\r\nxx", 503 }, { "NOOP\r\n", 250 } },
	    1, false },
	{ "empty last chunk", &full,
	    { { ENVELOPE, 250 }, { "BDAT 3\r\na\r\n", 250 }, { "BDAT 0 LAST\r\n", 250 } }, 1,
	    false },
	{ "chunk split inside CR LF", &full,
	    { { ENVELOPE, 250 }, { "BDAT 2\r\na\r", 250 }, { "BDAT 1 LAST\r\n\n", 250 } }, 1,
	    false },
	{ "chunk without line end", &full, { { ENVELOPE, 250 }, { "BDAT 1 LAST\r\na", 550 } }, 0,
	    false },
	{ "chunk with bare LF", &full,
	    { { ENVELOPE, 250 }, { "BDAT 4\r\na\nb\r", 550 }, { "BDAT 1 LAST\r\n\n", 503 },
		{ "NOOP\r\n", 250 } },
	    0, false },
	{ "chunk without recipient", &full,
	    { { "EHLO x\r\n", 250 }, { "MAIL FROM:<>\r\n", 250 },
		{ "BDAT 6 LAST\r\nQUIT\r\n", 554 }, { "BDAT 6 LAST\r\nQUIT\r\n", 554 } },
	    0, false },
	{ "chunk too big", &full, { { ENVELOPE, 250 }, { "BDAT 4294967296\r\n", 552 } }, 0, true },
	{ "chunk of 2^64", &full, { { "BDAT 18446744073709551616 LAST\r\n", 552 } }, 0, true },
	{ "chunk of 2^64-1 later", &full,
	    { { ENVELOPE, 250 }, { "BDAT 3\r\na\r\n", 250 },
		{ "BDAT 18446744073709551615\r\n", 552 } },
	    0, true },
	{ "chunks too big together", &full,
	    { { ENVELOPE, 250 }, { "BDAT 3\r\na\r\n", 250 }, { "BDAT 1050576\r\n", 552 } }, 0,
	    true },
	{ "chunk without size", &full, { { "BDAT\r\n", 501 } }, 0, true },
	{ "chunk of -1", &full, { { "BDAT -1\r\n", 501 } }, 0, true },
	{ "chunk in hex", &full, { { "BDAT 0x10\r\n", 501 } }, 0, true },
	{ "chunk with junk", &full, { { "BDAT 1 LAST x\r\n", 501 } }, 0, true },
	{ "bytes behind STARTTLS", &port25, { { "STARTTLS\r\nNOOP\r\n", 554 } }, 0, true },
	{ "host refuses", &port25,
	    { { "EHLO x\r\n", 250 }, { "MAIL FROM:<trouble@x>\r\n", 451 },
		{ "MAIL FROM:<a@x>\r\n", 250 }, { "RCPT TO:<no@x>\r\n", 550 },
		{ "RCPT TO:<u@x>\r\n", 250 }, { "DATA\r\n", 354 },
		{ "X-Refuse: yes\r\n.\r\n", 451 }, { "DATA\r\n", 503 } },
	    0, false },
};

static void
run_dialogue(const struct dialogue *d)
{
	struct harness h;

	harness_start(&h, d->policy);
	assert_int_equal(harness_code(&h), 220);
	for (size_t i = 0; i < 16 && d->steps[i].say != NULL; i++) {
		int got = code_of(&h, d->steps[i].say);

		if (got != d->steps[i].want)
			fail_msg("%s: step %zu: got %d want %d", d->name, i, got, d->steps[i].want);
	}
	if (h.accepted != d->accepted || h.closed != d->closed)
		fail_msg("%s: accepted %u closed %d", d->name, h.accepted, h.closed);
	harness_end(&h);
}

static void
test_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++)
		run_dialogue(&dialogues[i]);
}

/* Every pipelined or unpipelined split of a stream has the same replies and content. */
static void
all_splits(const struct smtp_policy *policy, const char *stream, size_t n)
{
	struct harness whole, split;

	harness_start(&whole, policy);
	harness_feed(&whole, stream, n);
	for (size_t at = 0; at <= n; at++) {
		harness_start(&split, policy);
		if (at == 0) { /* byte by byte */
			for (size_t i = 0; i < n; i++)
				harness_feed(&split, stream + i, 1);
		} else {
			harness_feed(&split, stream, at);
			harness_feed(&split, stream + at, n - at);
		}
		if (!str_eq(harness_text(&split.out), harness_text(&whole.out)) ||
		    !str_eq(harness_text(&split.stored), harness_text(&whole.stored)) ||
		    split.accepted != whole.accepted || split.closed != whole.closed)
			fail_msg("split at %zu of \"%.*s\" differs", at, (int)n, stream);
		harness_end(&split);
	}
	harness_end(&whole);
}

static void
test_splits(void **state)
{
	static const char *const streams[] = {
		ENVELOPE "DATA\r\nA: b\r\n\r\n.\r.\r\n..\r\n.x\r\n.\r\nQUIT\r\n",
		ENVELOPE
		"DATA\r\nReceived: b\r\nrecEIVED: \r\n\r\nReceived:\r\n\r\n.\r\nNOOP\r\nQUIT\r\n",
		ENVELOPE "BDAT 5\r\nab\r\nc BDAT 9 LAST\r\n\r\n.\r\n\r\n..",
		ENVELOPE "BDAT 5\r\nab\r\ncBDAT 9 LAST\r\n\r\n.\r\n\r\n\r\nNOOP\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		all_splits(&full, streams[i], strlen(streams[i]));
}

/* --- all sequences against a model ---------------------------------------------------------------
 */

enum action {
	A_EHLO,
	A_HELO,
	A_STARTTLS,
	A_MAIL,
	A_MAIL_BAD,
	A_RCPT,
	A_RCPT_UNKNOWN,
	A_DATA,
	A_DATA_BIG,
	A_DATA_BARE,
	A_CHUNK,
	A_CHUNK_LAST,
	A_RSET,
	A_VRFY,
	A_NOOP,
	A_QUIT,
	A__COUNT
};

static const char *const action_text[A__COUNT] = {
	[A_EHLO] = "EHLO c.test\r\n",
	[A_HELO] = "HELO c.test\r\n",
	[A_STARTTLS] = "STARTTLS\r\n",
	[A_MAIL] = "MAIL FROM:<a@b>\r\n",
	[A_MAIL_BAD] = "MAIL FROM:<a b>\r\n",
	[A_RCPT] = "RCPT TO:<u@b>\r\n",
	[A_RCPT_UNKNOWN] = "RCPT TO:<no@b>\r\n",
	[A_DATA] = "DATA\r\n",
	[A_DATA_BIG] = "DATA\r\n",
	[A_DATA_BARE] = "DATA\r\n",
	[A_CHUNK] = "BDAT 3\r\na\r\n",
	[A_CHUNK_LAST] = "BDAT 3 LAST\r\na\r\n",
	[A_RSET] = "RSET\r\n",
	[A_VRFY] = "VRFY x\r\n",
	[A_NOOP] = "NOOP\r\n",
	[A_QUIT] = "QUIT\r\n",
};

/* The reference: what a session should be in, said in the shortest way. */
struct model {
	bool hello, tls, mail, chunk, closed;
	unsigned rcpts, accepted;
};

static int
model_data(struct model *m, int verdict)
{
	if (!m->mail || m->chunk)
		return 503;
	if (m->rcpts == 0)
		return 554;
	m->mail = false;
	m->accepted += verdict == 250;
	return verdict;
}

static int
model_chunk(struct model *m, bool last)
{
	if (!m->mail)
		return 503;
	if (m->rcpts == 0)
		return 554;
	m->chunk = true;
	if (last) {
		m->mail = false;
		m->accepted++;
	}
	return 250;
}

static int
model_step(struct model *m, enum action a)
{
	if (m->closed)
		return 0;
	switch (a) {
	case A_EHLO:
	case A_HELO:
		m->hello = true;
		m->mail = false;
		return 250;
	case A_STARTTLS:
		if (m->tls || m->mail)
			return 503;
		m->tls = true;
		m->hello = false;
		return 220;
	case A_MAIL:
	case A_MAIL_BAD:
		if (!m->hello || m->mail)
			return 503;
		if (a == A_MAIL_BAD)
			return 501;
		m->mail = true;
		m->chunk = false;
		m->rcpts = 0;
		return 250;
	case A_RCPT:
	case A_RCPT_UNKNOWN:
		if (!m->mail || m->chunk)
			return 503;
		if (a == A_RCPT_UNKNOWN)
			return 550;
		m->rcpts++;
		return 250;
	case A_DATA:
		return model_data(m, 250);
	case A_DATA_BIG:
		return model_data(m, 552);
	case A_DATA_BARE:
		return model_data(m, 550);
	case A_CHUNK:
	case A_CHUNK_LAST:
		return model_chunk(m, a == A_CHUNK_LAST);
	case A_RSET:
		m->mail = false;
		return 250;
	case A_VRFY:
		return 252;
	case A_NOOP:
		return 250;
	case A_QUIT:
		m->closed = true;
		return 221;
	case A__COUNT:
		break;
	}
	return -1;
}

static int
real_step(struct harness *h, enum action a)
{
	static char big[MAX_SIZE + 64];
	int code = code_of(h, action_text[a]);

	if (a == A_STARTTLS && code == 220)
		smtp_session_tls_started(h->s, 0);
	if (code != 354)
		return code;
	if (a == A_DATA_BIG) {
		memset(big, 'x', MAX_SIZE + 1);
		memcpy(big + MAX_SIZE + 1, "\r\n.\r\n", 6);
		return code_of(h, big);
	}
	return code_of(h, a == A_DATA_BARE ? "a\nb\r\n.\r\n" : "a\r\n.\r\n");
}

static void
run_sequence(const enum action *first, size_t first_n, unsigned number, size_t length)
{
	struct model m = { 0 };
	struct harness h;

	harness_start(&h, &full);
	for (size_t i = 0; i < first_n + length; i++) {
		enum action a = i < first_n ? first[i] : (enum action)(number % A__COUNT);
		int want = model_step(&m, a), got = real_step(&h, a);

		if (i >= first_n)
			number /= A__COUNT;
		if (got != want || h.accepted != m.accepted || h.closed != m.closed)
			fail_msg("step %zu action %d: got %d want %d, accepted %u want %u", i, a,
			    got, want, h.accepted, m.accepted);
	}
	harness_end(&h);
}

/* All sequences of 4, and all of 3 behind each of the useful beginnings. */
static void
test_model(void **state)
{
	static const enum action starts[][3] = { { A_EHLO, A_MAIL, A_RCPT },
		{ A_EHLO, A_MAIL, A_MAIL }, { A_STARTTLS, A_EHLO, A_MAIL },
		{ A_HELO, A_MAIL, A_RCPT_UNKNOWN } };
	unsigned count = 1;

	(void)state;
	for (int i = 0; i < 3; i++)
		count *= A__COUNT;
	for (unsigned n = 0; n < count * A__COUNT; n++)
		run_sequence(NULL, 0, n, 4);
	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
		for (unsigned n = 0; n < count; n++)
			run_sequence(starts[s], 3, n, 3);
}

/* --- smuggling -----------------------------------------------------------------------------------
 */

/* T037-T039: none of these ends a message, at no split of the stream. */
static void
test_smuggling(void **state)
{
	static const struct {
		const char *fake;
		size_t n;
		bool refused;
	} fakes[] = {
#define FAKE(s, refused) { s, sizeof(s) - 1, refused }
		FAKE("\n.\n", true),
		FAKE("\n.\r", true),
		FAKE("\n.\r\n", true),
		FAKE("\r.\r", true),
		FAKE("\r.\n", true),
		FAKE("\r.\r\n", true),
		FAKE("\r\n.\n", true),
		FAKE("\r\n.\r", true),
		FAKE("\r\n\0.\r\n", false),
		FAKE("\r\n.\0\r\n", false),
		FAKE("\r\n.\r\r\n", true),
		FAKE("\r\r\n.\r\r\n", true),
		FAKE("\r\r\n.\r\n.\r\n", true),
		FAKE("\n\n.\r\n", true),
		FAKE("\r\n..\r\n", false),
#undef FAKE
	};
	static const char head[] = ENVELOPE "DATA\r\nSubject: x\r\n\r\nbody";
	static const char tail[] = "MAIL FROM:<evil@b>\r\nRCPT TO:<u@here.test>\r\nDATA\r\n"
				   "From: evil\r\n\r\nsmuggled\r\n";

	(void)state;
	for (size_t i = 0; i < sizeof(fakes) / sizeof(fakes[0]); i++) {
		char stream[1024];
		size_t n = 0;
		struct harness h;

		memcpy(stream, head, sizeof(head) - 1);
		n = sizeof(head) - 1;
		memcpy(stream + n, fakes[i].fake, fakes[i].n);
		n += fakes[i].n;
		memcpy(stream + n, tail, sizeof(tail) - 1);
		n += sizeof(tail) - 1;
		if (i != 12) { /* that one holds the true end of data itself: see below */
			memcpy(stream + n, ".\r\n", 3);
			n += 3;
		}
		harness_start(&h, &port25);
		harness_feed(&h, stream, n);
		if (i == 12) { /* the first message is refused, the rest is a dialogue of its own */
			assert_int_equal(h.refused_content, 1);
		} else if (h.accepted != !fakes[i].refused ||
			   h.refused_content != fakes[i].refused) {
			fail_msg(
			    "fake %zu: accepted %u refused %u", i, h.accepted, h.refused_content);
		}
		assert_false(h.closed);
		harness_end(&h);
		all_splits(&port25, stream, n);
	}
}

/* --- limits --------------------------------------------------------------------------------------
 */

static void
test_dot_unstuffing(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, ENVELOPE "DATA\r\n..a\r\n.b\r\nc.\r\n...\r\n.\r\n");
	assert_int_equal(h.accepted, 1);
	assert_true(str_eq(harness_text(&h.stored), STR(".a\r\nb\r\nc.\r\n..\r\n")));
	harness_end(&h);
}

static void
test_size_limit(void **state)
{
	struct harness h;
	char line[MAX_SIZE + 3];

	(void)state;
	for (int over = 0; over <= 1; over++) {
		harness_start(&h, &port25);
		harness_say(&h, ENVELOPE "DATA\r\n");
		memset(line, 'x', MAX_SIZE);
		memcpy(line + MAX_SIZE - 2 + over, "\r\n", 3);
		harness_say(&h, line);
		assert_int_equal(code_of(&h, ".\r\n"), over ? 552 : 250);
		harness_end(&h);
	}
	/* Endless content is cut, and no more than the limit is handed out. */
	harness_start(&h, &port25);
	harness_say(&h, ENVELOPE "DATA\r\n");
	memset(line, 'x', MAX_SIZE);
	for (int i = 0; i < 2 * SMTP_OVERSIZE_DRAIN / MAX_SIZE && !h.closed; i++)
		harness_feed(&h, line, MAX_SIZE);
	assert_true(h.closed);
	assert_int_equal(h.close, SMTP_CLOSE_OVERSIZE);
	assert_int_equal(harness_code(&h), 552);
	assert_true(buf_len(&h.content) <= MAX_SIZE);
	assert_true(h.offset <= MAX_SIZE + SMTP_OVERSIZE_DRAIN + MAX_SIZE + 200);
	harness_end(&h);
}

static void
test_loop(void **state)
{
	static const struct smtp_policy roomy = {
		.hostname = "mx", .max_size = 1 << 20, .max_recipients = 100
	};
	struct harness h;

	(void)state;
	for (int n = SMTP_HOPS_MAX; n <= SMTP_HOPS_MAX + 1; n++) {
		harness_start(&h, &roomy);
		harness_say(&h, ENVELOPE "DATA\r\n");
		for (int i = 0; i < n; i++)
			harness_say(&h,
			    i & 1 ? "Received: from x\r\n" : "RECEIVED:by y\r\n\tReceived:\r\n");
		harness_say(&h, "X-Received: a\r\n\r\nReceived: in the body\r\n");
		harness_say(&h, "Received: in the body\r\n");
		assert_int_equal(code_of(&h, ".\r\n"), n > SMTP_HOPS_MAX ? 554 : 250);
		harness_end(&h);
	}
}

static void
test_recipients(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, "EHLO x\r\nMAIL FROM:<>\r\n");
	for (int i = 0; i < SMTP_RCPT_MIN; i++)
		assert_int_equal(code_of(&h, "RCPT TO:<u@x>\r\n"), 250);
	for (int i = 0; i < SMTP_RCPT_OVER_MAX; i++)
		assert_int_equal(code_of(&h, "RCPT TO:<u@x>\r\n"), 452);
	assert_int_equal(code_of(&h, "RCPT TO:<u@x>\r\n"), 421);
	assert_true(h.closed);
	harness_end(&h);

	harness_start(&h, &port25);
	harness_say(&h, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<u@x>\r\n");
	for (int i = 0; i < SMTP_RCPT_REFUSED_MAX; i++)
		assert_int_equal(code_of(&h, "RCPT TO:<no@x>\r\n"), 550);
	assert_int_equal(code_of(&h, "RCPT TO:<no@x>\r\n"), 421);
	assert_true(h.closed);
	harness_end(&h);
}

/* Says the line until the session ends; how many times it took. */
static int
until_closed(const char *line, int *code)
{
	struct harness h;
	int n = 0;

	harness_start(&h, &port25);
	while (!h.closed && n < 100000) {
		*code = code_of(&h, line);
		n++;
	}
	harness_end(&h);
	return n;
}

static void
test_useless_commands(void **state)
{
	static const struct {
		const char *line;
		int want, code;
	} cases[] = {
		{ "XYZZY\r\n", SMTP_BAD_MAX + 1, 421 },
		{ "DATA\r\n", SMTP_BAD_MAX + 1, 421 },
		{ "EXPN x\r\n", SMTP_BAD_MAX + 1, 421 },
		{ "BDAT 1\r\n", SMTP_BAD_MAX + 1, 421 },
		{ "NOOP\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "RSET\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "VRFY x\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "EHLO x\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "HELP\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "xxxxxxxxxxxxxxxx", (SMTP_LINE_HARD_MAX + 1 + 15) / 16, 500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int code = 0, got = until_closed(cases[i].line, &code);

		if (got != cases[i].want || code != cases[i].code)
			fail_msg("%s: ended after %d with %d", cases[i].line, got, code);
	}
}

static void
test_policy_limits(void **state)
{
	static const struct smtp_policy strict = { .hostname = "mx",
		.max_size = MAX_SIZE,
		.max_recipients = SMTP_RCPT_MIN,
		.max_errors = 2,
		.max_commands = 5 };
	struct harness h;

	(void)state;
	harness_start(&h, &strict);
	assert_int_equal(code_of(&h, "X\r\n"), 500);
	assert_int_equal(code_of(&h, "X\r\n"), 500);
	assert_int_equal(code_of(&h, "X\r\n"), 421);
	harness_end(&h);
	harness_start(&h, &strict);
	for (int i = 0; i < 5; i++)
		assert_int_equal(code_of(&h, "NOOP\r\n"), 250);
	assert_int_equal(code_of(&h, "NOOP\r\n"), 421);
	assert_true(h.closed);
	harness_end(&h);
}

/* Neither the limit of junk nor that of refused recipients is reached, but that of bytes. */
static void
test_bytes_before_rcpt(void **state)
{
	static const char rcpt[] = "RCPT TO:<no@x> NOTIFY=SUCCESS,FAILURE,DELAY "
				   "ORCPT=rfc822;" S480 "\r\n";
	struct harness h;
	size_t sent = 0;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, "EHLO x\r\nMAIL FROM:<>\r\n");
	for (int i = 0; i < SMTP_JUNK_MAX - 1; i++, sent += 492)
		assert_int_equal(code_of(&h, "NOOP 12345" S480 "\r\n"), 250);
	for (int i = 0; i < SMTP_RCPT_REFUSED_MAX - 1 && !h.closed; i++, sent += sizeof(rcpt) - 1)
		harness_say(&h, rcpt);
	assert_true(h.closed);
	assert_int_equal(harness_code(&h), 421);
	assert_in_range(sent, SMTP_BEFORE_RCPT_MAX - 22, SMTP_BEFORE_RCPT_MAX + sizeof(rcpt));
	harness_end(&h);
}

/* --- extensions ----------------------------------------------------------------------------------
 */

static void
test_announcement(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	buf_clear(&h.out);
	harness_say(&h, "EHLO c.test\r\n");
	assert_true(str_eq(harness_text(&h.out),
	    STR("250-mx.example.test\r\n250-SIZE 2000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
		"250-STARTTLS\r\n250-DSN\r\n250-LIMITS RCPTMAX=100\r\n250 "
		"ENHANCEDSTATUSCODES\r\n")));
	harness_end(&h);
	harness_start(&h, &full);
	smtp_session_offer_tls(h.s, false);
	harness_say(&h, "EHLO c.test\r\n");
	assert_true(str_find_nocase(harness_text(&h.out), STR("250-PIPELINING\r\n")) > 0);
	assert_true(str_find_nocase(harness_text(&h.out), STR("250-CHUNKING\r\n")) > 0);
	assert_true(str_find_nocase(harness_text(&h.out), STR("STARTTLS")) < 0);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 454); /* TLS_UNAVAILABLE */
	harness_end(&h);
}

/* With refuse_early: what is said before its turn ends the session with 503; what has a fault of its own
 * says that; a QUIT behind the end of a message is let through. */
static void
test_early_talkers(void **state)
{
	static const struct {
		const char *said;
		size_t before_greeting;
		const char *want;
	} t[] = {
		{ "EHLO c.example\r\nNOOP\r\n", 0, "503" },
		{ "EHLO c.example\r\n", 16, "503" },
		{ "EHLO c.example\r\n", 0, "250" },
		{ "NOOP\r\nQUIT\r\n", 0, "250" },
		{ "NOOP\r\nqui", 0, "250" },
		{ "NOOP\r\nQUIT\r\nx", 0, "503" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct smtp_policy policy = { .hostname = "mx.example",
			.max_size = 1000,
			.max_recipients = 100,
			.refuse_early = true };
		struct smtp_session *s = smtp_session_new(&policy, NULL);
		struct smtp_event ev;

		smtp_session_greet(s, t[i].before_greeting);
		buf_clear(smtp_session_out(s));
		smtp_session_step(s, str_of(t[i].said), &ev);
		if (ev.type == SMTP_EV_HELLO)
			smtp_session_accept(s, NULL);
		assert_memory_equal(buf_data(smtp_session_out(s)), t[i].want, 3);
		smtp_session_free(&s);
	}
}

static void
test_early_bytes(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, "EHLO c.test\r\n");
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 0);
	harness_say(&h, "NOOP\r\nRSET\r\nNOOP\r\n"); /* 12 of 18 were sent ahead */
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 12);
	harness_say(&h, "NOOP\r\nNOOP\r\n");
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 18);
	harness_say(&h, "MAIL FROM:<>\r\n");
	harness_say(&h, "RCPT TO:<u@x>\r\n");
	harness_say(&h, "DATA\r\n");
	harness_say(&h, "a\r\n.\r\n");
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 18);
	harness_end(&h);
	harness_start(&h, &full);
	harness_say(&h, "NOOP\r\nRSET\r\nNOOP\r\n");
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 0);
	harness_end(&h);
}

/* Content that comes before the 354 is nobody's content (and no command either). */
static void
test_strict_data(void **state)
{
	static const struct smtp_policy strict = { .hostname = "mx",
		.max_size = MAX_SIZE,
		.max_recipients = SMTP_RCPT_MIN,
		.strict_data = true };
	struct harness h;

	(void)state;
	harness_start(&h, &strict);
	assert_int_equal(code_of(&h, ENVELOPE "DATA\r\nx\r\n.\r\n"), 554);
	assert_true(h.closed);
	assert_int_equal(h.close, SMTP_CLOSE_EARLY);
	assert_int_equal(h.accepted, 0);
	harness_end(&h);
	harness_start(&h, &strict);
	assert_int_equal(code_of(&h, ENVELOPE "DATA\r\n"), 354);
	assert_int_equal(code_of(&h, "x\r\n.\r\n"), 250);
	harness_end(&h);
}

static void
test_starttls(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	assert_int_equal(code_of(&h, "EHLO c.test\r\n"), 250);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 220);
	smtp_session_tls_started(h.s, 0);
	assert_true(smtp_session_facts(h.s).tls);
	assert_string_equal(smtp_session_facts(h.s).helo, "");
	assert_int_equal(code_of(&h, "MAIL FROM:<>\r\n"), 503);
	harness_say(&h, "EHLO c.test\r\n");
	assert_true(str_find_nocase(harness_text(&h.out), STR("STARTTLS")) < 0);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 503);
	harness_end(&h);
	/* bytes behind the command: no 220 is given */
	harness_start(&h, &port25);
	buf_clear(&h.out);
	harness_say(&h, "STARTTLS\r\nEHLO x\r\n");
	assert_true(str_starts_nocase(harness_text(&h.out), STR("554-")));
	assert_int_equal(h.close, SMTP_CLOSE_INJECTION);
	harness_end(&h);
	/* bytes that came between our 220 and the handshake */
	harness_start(&h, &port25);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 220);
	smtp_session_tls_started(h.s, 6);
	harness_run(&h);
	assert_true(h.closed);
	assert_int_equal(h.close, SMTP_CLOSE_INJECTION);
	harness_end(&h);
}

static void
test_xclient(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	smtp_session_allow_xclient(h.s, true);
	assert_int_equal(code_of(&h, "EHLO c.test\r\n"), 250);
	assert_int_equal(code_of(&h, "XCLIENT\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT ADDR=1.2.3\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT ADDR=+00\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT PORT=65536\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT PROTO=X\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT ADDR=1.2.3.4 ADDR=1.2.3.4\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT FOO=1\r\n"), 501);
	assert_int_equal(
	    code_of(&h, "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=25 PROTO=SMTP "
			"HELO=other.test REVERSE_NAME=a+2Db.test LOGIN=joe+20d DESTADDR=192.0.2.25 "
			"DESTPORT=2525\r\n"),
	    220);
	assert_string_equal(h.xclient.attr[SMTP_X_LOGIN].value, "joe d");
	assert_string_equal(h.xclient.attr[SMTP_X_DESTADDR].value, "192.0.2.25");
	assert_string_equal(h.xclient.attr[SMTP_X_DESTPORT].value, "2525");
	assert_string_equal(h.xclient.attr[SMTP_X_ADDR].value, "2001:db8::1");
	assert_string_equal(h.xclient.attr[SMTP_X_REVERSE_NAME].value, "a-b.test");
	assert_int_equal(h.xclient.attr[SMTP_X_NAME].state, SMTP_X_UNAVAILABLE);
	assert_string_equal(smtp_session_facts(h.s).helo, "other.test");
	assert_false(smtp_session_facts(h.s).esmtp);
	assert_int_equal(code_of(&h, "MAIL FROM:<>\r\n"), 250);
	assert_int_equal(code_of(&h, "XCLIENT ADDR=1.2.3.4\r\n"), 503);
	harness_end(&h);

	harness_start(&h, &port25);
	smtp_session_allow_xclient(h.s, true);
	assert_int_equal(code_of(&h, "XCLIENT LOGIN=a+0Ab\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT DESTADDR=here.test\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT DESTPORT=x\r\n"), 501);
	harness_end(&h);
}

static void
test_envelope_facts(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, "EHLO C.Test\r\nMAIL FROM:<@r:A@B.Test> RET=FULL ENVID=Q+2B1 SIZE=9 "
			"BODY=8BITMIME\r\nRCPT TO:<\"u\"@X> NOTIFY=DELAY,FAILURE "
			"ORCPT=rfc822;u+40x\r\n");
	assert_string_equal(smtp_session_facts(h.s).helo, "c.test");
	assert_true(str_eq(address_local(&h.mail.from), STR("A")));
	assert_true(str_eq(address_domain(&h.mail.from), STR("b.test")));
	assert_string_equal(h.mail.envid, "Q+2B1");
	assert_int_equal(h.mail.ret, SMTP_RET_FULL);
	assert_int_equal(h.mail.size, 9);
	assert_true(h.mail.body_8bit);
	assert_true(str_eq(address_local(&h.rcpt.to), STR("u")));
	assert_int_equal(h.rcpt.notify, SMTP_NOTIFY_DELAY | SMTP_NOTIFY_FAILURE);
	assert_string_equal(h.rcpt.orcpt, "rfc822;u+40x");
	harness_end(&h);
}

/* Nothing is read while an answer is outstanding; a 421 of the host ends the session. */
static void
test_waiting(void **state)
{
	struct smtp_session *s = smtp_session_new(&port25, "S1");
	struct smtp_event ev;
	struct str in = STR("EHLO x\r\nNOOP\r\n");

	(void)state;
	assert_int_equal(smtp_session_step(s, in, &ev), 0); /* not greeted */
	smtp_session_greet(s, 0);
	assert_int_equal(smtp_session_step(s, in, &ev), 8);
	assert_int_equal(ev.type, SMTP_EV_HELLO);
	in = str_from(in.p + 8, in.n - 8);
	assert_int_equal(smtp_session_step(s, in, &ev), 0);
	assert_int_equal(ev.type, SMTP_EV_NONE);
	assert_true(smtp_session_waiting(s));
	smtp_session_refuse(s, SMTP_STOPPING);
	assert_int_equal(smtp_session_step(s, in, &ev), 0);
	assert_int_equal(ev.type, SMTP_EV_CLOSE);
	assert_int_equal(ev.close, SMTP_CLOSE_HOST);
	assert_true(smtp_session_closed(s));
	smtp_session_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_smuggling),
		cmocka_unit_test(test_dot_unstuffing),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_useless_commands),
		cmocka_unit_test(test_policy_limits),
		cmocka_unit_test(test_bytes_before_rcpt),
		cmocka_unit_test(test_announcement),
		cmocka_unit_test(test_early_bytes),
		cmocka_unit_test(test_early_talkers),
		cmocka_unit_test(test_strict_data),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_xclient),
		cmocka_unit_test(test_envelope_facts),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
