/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dsn/dsn.h"
#include "dsn/text.h"
#include "mail/mime.h"
#include "smtp/command.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define ORIGINAL \
	"From: Anna <anna@here.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" \
	"Message-ID: <1@here.test>\r\n\r\nHello\r\n"

#include "dsn/golden.h"

static struct buf out;
static struct dsn_result result;

static struct dsn_recipient
recipient(void)
{
	return (struct dsn_recipient){ .address = STR("bob@there.test"),
		.orcpt = STR("rfc822;Bob+2BX@there.test"),
		.status = STR("5.1.1"),
		.remote_mta = STR("mx.there.test"),
		.remote_reply = STR("550-5.1.1 <bob@there.test>:\r\n550 5.1.1 no such user"),
		.last_attempt = 1700000100,
		.retry_until = 1700400000 };
}

static struct dsn_input
input(enum dsn_kind kind, const struct dsn_recipient *r)
{
	return (struct dsn_input){ .kind = kind,
		.reporting_mta = STR("mx.here.test"),
		.from = STR("postmaster@here.test"),
		.to = STR("anna@here.test"),
		.message_id = STR("77.dsn@mx.here.test"),
		.envid = STR("QQ+2B314"),
		.now = { 1700000200, 60 },
		.arrival = 1700000000,
		.seed = 0x1234,
		.original = STR(ORIGINAL),
		.original_size = sizeof(ORIGINAL) - 1,
		.recipients = r,
		.recipient_count = 1 };
}

/* Builds and checks what holds for every notification; the text ends in a NUL. */
static const char *
build(const struct dsn_input *in)
{
	struct mime_tree t = { 0 };
	struct str s;
	size_t line = 0;

	buf_free(&out);
	buf_init(&out, DSN_MESSAGE_MAX);
	assert_int_equal(dsn_build(in, &out, &result), 0);
	s = str_from(buf_data(&out), buf_len(&out));
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r') {
			assert_true(i + 1 < s.n && s.p[i + 1] == '\n');
			i++;
			line = 0;
			continue;
		}
		assert_true(s.p[i] != '\n' && s.p[i] != '\0' && ++line <= 998);
		assert_true(result.eightbit || (unsigned char)s.p[i] < 0x80);
	}
	mime_parse(s, &t);
	assert_int_equal(t.parts[0].kind, MIME_MULTIPART);
	s.n = 1;
	for (int32_t c = t.parts[0].child; c != MIME_NO_PART; c = t.parts[c].next)
		s.n++;
	assert_int_equal(s.n, 4);
	mime_tree_free(&t);
	buf_putc(&out, '\0');
	return (const char *)buf_data(&out);
}

static void
has(const char *text, const char *want)
{
	if (strstr(text, want) == NULL)
		fail_msg("\"%s\" is not in:\n%s", want, text);
}

static void
has_not(const char *text, const char *bad)
{
	if (strstr(text, bad) != NULL)
		fail_msg("\"%s\" is in:\n%s", bad, text);
}

static void
test_wanted(void **state)
{
	enum {
		NEVER = SMTP_NOTIFY_NEVER,
		S = SMTP_NOTIFY_SUCCESS,
		F = SMTP_NOTIFY_FAILURE,
		D = SMTP_NOTIFY_DELAY
	};
	/* per notify: failed, delayed, delivered, relayed, expanded */
	static const struct {
		unsigned notify;
		bool want[5];
	} t[] = {
		{ 0, { 1, 1, 0, 0, 0 } },
		{ NEVER, { 0, 0, 0, 0, 0 } },
		{ NEVER | S | F | D, { 0, 0, 0, 0, 0 } },
		{ S, { 0, 0, 1, 1, 1 } },
		{ F, { 1, 0, 0, 0, 0 } },
		{ D, { 0, 1, 0, 0, 0 } },
		{ F | D, { 1, 1, 0, 0, 0 } },
		{ S | F | D, { 1, 1, 1, 1, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < N(t); i++)
		for (unsigned k = 0; k < 5; k++) {
			assert_int_equal(dsn_wanted(k, t[i].notify, false), t[i].want[k]);
			assert_false(dsn_wanted(k, t[i].notify, true));
		}
}

static void
test_golden(void **state)
{
	struct dsn_recipient r = recipient();
	struct dsn_input in = input(DSN_FAILED, &r);

	(void)state;
	assert_string_equal(build(&in), GOLDEN_FAILED);
	r.status = STR("4.4.1");
	r.remote_reply = STR("");
	r.remote_mta = STR("");
	r.orcpt = STR("");
	r.reason = STR("connection timed out");
	in.kind = DSN_DELAYED;
	in.full = true;
	assert_string_equal(build(&in), GOLDEN_DELAYED);
}

static void
test_kinds(void **state)
{
	static const struct {
		enum dsn_kind kind;
		const char *status, *want;
	} t[] = {
		{ DSN_FAILED, "5.1.1", "\r\nAction: failed\r\nStatus: 5.1.1\r\n" },
		{ DSN_FAILED, "4.4.7", "\r\nAction: failed\r\nStatus: 5.0.0\r\n" },
		{ DSN_FAILED, "5.1", "\r\nStatus: 5.0.0\r\n" },
		{ DSN_FAILED, "5.1.1\r\nX: y", "\r\nStatus: 5.0.0\r\n" },
		{ DSN_DELAYED, "4.4.1", "\r\nAction: delayed\r\nStatus: 4.4.1\r\n" },
		{ DSN_DELAYED, "4.4.1",
		    "\r\nWill-Retry-Until: Sun, 19 Nov 2023 14:20:00 +0100\r\n" },
		{ DSN_DELIVERED, "2.1.5", "\r\nAction: delivered\r\nStatus: 2.1.5\r\n" },
		{ DSN_RELAYED, "", "\r\nAction: relayed\r\nStatus: 2.0.0\r\n" },
		{ DSN_EXPANDED, "2.0.0", "\r\nAction: expanded\r\nStatus: 2.0.0\r\n" },
		{ DSN_EXPANDED, "2.0.0", "\r\nAuto-Submitted: auto-replied\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < N(t); i++) {
		struct dsn_recipient r = recipient();
		struct dsn_input in = input(t[i].kind, &r);

		r.status = str_of(t[i].status);
		has(build(&in), t[i].want);
	}
}

/* Whatever a stranger says, none of these comes to stand at the start of a line. */
static void
test_injection(void **state)
{
	static const char *const evil[] = {
		"x\r\nBcc: evil@test",
		"x\nBcc: evil@test",
		"x\rBcc: evil@test",
		"x\r\n\r\nBcc: evil@test",
		"x\v\fBcc: evil@test",
		"x\r\n--=_dsn_0000000000001234--",
		"x\n--=_dsn_0000000000001234\nBcc: evil@test",
		"=\r\nBcc: evil@test",
		"\xe2\x80\xa8"
		"Bcc: evil@test",
		"\xff\xfe\r\nBcc: evil@test",
		"\r\n.\r\nBcc: evil@test",
		"\xc2\x85"
		"Bcc: evil@test",
		"\xe2\x80\xae"
		"txt.exe",
		"\x1b[2JBcc: x",
		"+0D+0ABcc:",
		"rfc822;x+0D+0ABcc: evil",
		"rfc822;x\r\nBcc: evil",
		"x\r\nfy;z",
		";",
		"rfc822;",
		"+",
		"=0A=0DBcc: x",
	};

	(void)state;
	for (size_t i = 0; i < N(evil); i++)
		for (int where = 0; where < 20; where++) {
			struct dsn_recipient r = recipient();
			struct dsn_input in = input(where & 1 ? DSN_DELAYED : DSN_FAILED, &r);
			struct str *at[] = { &r.address, &r.orcpt, &r.status, &r.remote_mta,
				&r.remote_reply, &in.envid, &in.to, &in.from, &in.message_id,
				&in.reporting_mta };
			const char *got;

			*at[where / 2] = str_of(evil[i]);
			for (int utf8 = 0; utf8 < 2; utf8++) {
				in.utf8 = utf8;
				got = build(&in);
				has_not(got, "\nBcc:");
				has_not(got, "\n.");
				has_not(got, "\xe2\x80");
				has_not(got, "\x1b");
				has_not(got, "\xc2\x85");
			}
		}
}

static void
test_long(void **state)
{
	static char many[100000];
	struct dsn_recipient r = recipient();
	struct dsn_input in = input(DSN_FAILED, &r);
	static const char fill[] = { 'a', ' ', '\xc3', '=', '\n', '.' };

	(void)state;
	for (size_t i = 0; i < N(fill); i++) {
		memset(many, fill[i], sizeof(many));
		r.address = r.remote_mta = r.remote_reply = str_from(many, sizeof(many));
		in.to = in.message_id = in.reporting_mta = in.original = r.address;
		in.original_size = sizeof(many);
		in.full = true;
		build(&in);
		assert_false(result.full);
	}
}

static void
test_returned(void **state)
{
	static char large[DSN_FULL_MAX + 100];
	struct dsn_recipient r = recipient();
	struct dsn_input in = input(DSN_FAILED, &r);
	const char *got;

	(void)state;
	got = build(&in);
	has(got, "Content-Type: text/rfc822-headers\r\n\r\nFrom: Anna");
	has_not(got, "\r\nHello\r\n");
	in.original = (struct str){ 0 };
	in.original_size = 0;
	build(&in);
	in.full = true;
	build(&in);
	assert_false(result.full);
	in.original = STR(ORIGINAL);
	in.original_size = in.original.n;
	got = build(&in);
	has(got, "Content-Type: message/rfc822\r\n\r\n" ORIGINAL "\r\n--=_dsn_");
	assert_false(result.eightbit);
	in.original_size++; /* not all of it is here */
	has(build(&in), "text/rfc822-headers");

	memset(large, '\n', sizeof(large));
	memcpy(large, ORIGINAL, sizeof(ORIGINAL) - 1);
	in.original = str_from(large, sizeof(large));
	in.original_size = sizeof(large);
	has(build(&in), "text/rfc822-headers");
	in.original = STR("A: b\r\n\r\nlone\nLF\r\n");
	in.original_size = in.original.n;
	has(build(&in), "text/rfc822-headers\r\n\r\nA: b\r\n");
	in.original = STR("A: b\r\n\r\nbytes \xe4\r\n");
	in.original_size = in.original.n;
	has(build(&in), "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA: b");
	assert_true(result.eightbit && result.full && !result.utf8);
	in.full = false;
	in.original = STR("A: b\xe4\xc3\xa4\nB: c\n\nbody");
	has(build(&in), "\r\n\r\nA: b??\r\nB: c\r\n\r\n--");
	in.original = STR("X: =_dsn_0000000000001234\r\n\r\n");
	has(build(&in), "boundary=\"=_dsn_0000000000001235\"");
}

static void
test_utf8(void **state)
{
	struct dsn_recipient r = recipient();
	struct dsn_input in = input(DSN_FAILED, &r);
	const char *got;

	(void)state;
	r.address = STR("b\xc3\xb6"
			"b@there.test");
	has(build(&in), "\r\nFinal-Recipient: utf-8; b\\x{F6}b@there.test\r\n");
	assert_false(result.utf8 || result.eightbit);
	in.utf8 = true;
	got = build(&in);
	has(got, "\r\nFinal-Recipient: utf-8; b\xc3\xb6"
		 "b@there.test\r\n");
	has(got, "\r\nContent-Type: message/global-delivery-status\r\n");
	has(got, "\r\nContent-Type: message/global-headers\r\n");
	assert_true(result.utf8 && result.eightbit);
	in.full = true;
	has(build(&in), "\r\nContent-Type: message/global\r\n");
	in.utf8 = in.full = false;
	in.to = STR("\xc3\xa4@here.test");
	has(build(&in), "\r\nTo: <\xc3\xa4@here.test>\r\n");
	assert_true(result.utf8);
}

static void
test_limits(void **state)
{
	struct dsn_recipient r = recipient();
	struct dsn_input in = input(DSN_FAILED, &r);
	size_t whole = (build(&in), buf_len(&out) - 1);
	struct buf b;

	(void)state;
	for (size_t max = 0; max <= whole; max += 7) {
		buf_init(&b, max);
		assert_int_equal(dsn_build(&in, &b, &result), DSN_ERR_LIMIT);
		buf_free(&b);
	}
	buf_init(&b, whole);
	assert_int_equal(dsn_build(&in, &b, &result), 0);
	in.recipient_count = 0;
	assert_int_equal(dsn_build(&in, &b, &result), DSN_ERR_INPUT);
	in.recipient_count = DSN_RECIPIENTS_MAX + 1;
	assert_int_equal(dsn_build(&in, &b, &result), DSN_ERR_INPUT);
	buf_free(&b);
}

/* The promise of DSN_MESSAGE_MAX: the longest of everything for as many recipients as may be. */
static void
test_largest(void **state)
{
	static struct dsn_recipient many[DSN_RECIPIENTS_MAX];
	static char words[4000], message[DSN_FULL_MAX];
	struct dsn_input in = input(DSN_DELAYED, many);

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(words); i += 2)
		memcpy(words + i, "\xc3\xa4", 2);
	memset(message, 'a', sizeof(message));
	for (size_t i = 2; i + 1 < sizeof(message); i += 80)
		memcpy(message + i, "\r\n", 2);
	for (size_t i = 0; i < N(many); i++) {
		many[i] = recipient();
		many[i].address = str_from(words, 254);
		many[i].written_to = str_from(words, 254);
		many[i].remote_reply = str_from(words, sizeof(words));
	}
	in.recipient_count = N(many);
	in.utf8 = in.full = true;
	in.original = str_from(message, sizeof(message));
	in.original_size = sizeof(message);
	build(&in);
	assert_true(result.full);
}

/* The sender knows an address that leads elsewhere: it stands beside the other, in both languages. */
static void
test_written_to(void **state)
{
	struct dsn_recipient r = recipient();
	struct dsn_input in = input(DSN_FAILED, &r);

	(void)state;
	r.written_to = STR("info@here.test\r\nX: y");
	has(build(&in), "bob@there.test\r\n  (you wrote to info@here.test X: y)\r\n");
	has((const char *)buf_data(&out), "\r\n  (Sie schrieben an info@here.test X: y)\r\n");
}

static void
test_explain(void **state)
{
	static const struct {
		const char *status, *english, *german;
	} t[] = {
		{ "5.1.1", "does not exist", "gibt es nicht" },
		{ "4.2.2", "full", "voll" },
		{ "5.1.10", "takes no mail at all", "keine Post" },
		{ "5.1.99", "wrong with the address", "Mit der Adresse" },
		{ "5.7.26", "SPF", "DKIM" },
		{ "5.7.2", "policy", "Regeln" },
		{ "5.99.1", "No closer reason", "Ein genauerer" },
		{ "", "No closer reason", "Ein genauerer" },
	};
	static const char *const wrong[] = { "", "5", "5.1", "5.1.", "5..1", "3.1.1", "5.1.1.1",
		"5.1.1234", "5.1.1 ", "5x1.1", "55.1.1", ".1.1" };

	(void)state;
	for (size_t i = 0; i < N(t); i++) {
		const char *english, *german;

		dsn_explain(str_of(t[i].status), &english, &german);
		has(english, t[i].english);
		has(german, t[i].german);
	}
	for (size_t i = 0; i < N(wrong); i++)
		assert_false(dsn_status_is_valid(str_of(wrong[i])));
	assert_true(dsn_status_is_valid(STR("5.1.1")) && dsn_status_is_valid(STR("4.123.999")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_returned),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_written_to),
		cmocka_unit_test(test_explain),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&out);
	return rc;
}
