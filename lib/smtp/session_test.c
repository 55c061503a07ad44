/* SPDX-License-Identifier: ISC */
/* Dialogues line by line, in one piece and in all splits, and messages that try to end early. */
#include "smtp/test_session.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_smuggling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
