/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/format.h"

#define ME "From: me@own.test\r\n"
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X90 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct smtp_format_rules strict = {
	.twice = true, .required = true, .nul = true, .ascii_header = true, .line = 100
};
static const struct smtp_format_rules lenient = { 0 };
static const struct smtp_format_rules inside = { .twice = true, .nul = true, .line = 100 };

static const struct {
	const char *message;
	size_t n; /* 0: to the NUL */
	enum smtp_reply_id strict, inside, lenient;
} cases[] = {
	{ ME "\r\nbody\r\n", 0, SMTP_OK, SMTP_OK, SMTP_OK },
	{ ME, 0, SMTP_OK, SMTP_OK, SMTP_OK },
	{ "from:\r\n me@own.test\r\nSubject: a\r\n b\r\n\t\r\n c\r\n\r\n", 0, SMTP_OK, SMTP_OK,
	    SMTP_OK },
	{ ME "Received: a\r\nReceived: b\r\nResent-From: a\r\nResent-From: b\r\n\r\n", 0, SMTP_OK,
	    SMTP_OK, SMTP_OK },
	{ ME "\r\nFrom: x\r\nFrom: y\r\nno field\r\n\xe4\r\n", 0, SMTP_OK, SMTP_OK, SMTP_OK },
	{ "", 0, SMTP_FROM_MISSING, SMTP_OK, SMTP_OK },
	{ "Subject: a\r\n\r\nFrom: me@own.test\r\n", 0, SMTP_FROM_MISSING, SMTP_OK, SMTP_OK },
	{ "X-From: a\r\nFro: b\r\n\r\n", 0, SMTP_FROM_MISSING, SMTP_OK, SMTP_OK },
	{ ME ME "\r\n", 0, SMTP_HEADER_TWICE, SMTP_HEADER_TWICE, SMTP_OK },
	{ ME "FROM : boss\r\n\r\n", 0, SMTP_HEADER_BAD, SMTP_HEADER_TWICE, SMTP_OK },
	{ ME "Subject: a\r\nsubject: b\r\n\r\n", 0, SMTP_HEADER_TWICE, SMTP_HEADER_TWICE, SMTP_OK },
	{ ME "Date: a\r\nTo: x\r\nDate: b", 0, SMTP_HEADER_TWICE, SMTP_HEADER_TWICE, SMTP_OK },
	{ ME "no field\r\n\r\n", 0, SMTP_HEADER_BAD, SMTP_OK, SMTP_OK },
	{ " folded\r\n" ME "\r\n", 0, SMTP_HEADER_BAD, SMTP_OK, SMTP_OK },
	{ ME ": x\r\n\r\n", 0, SMTP_HEADER_BAD, SMTP_OK, SMTP_OK },
	{ ME X90 X90 X90 X90 ": x\r\n\r\n", 0, SMTP_HEADER_BAD, SMTP_LONG_LINE, SMTP_OK },
	{ ME "Subject: \xe4\r\n\r\n", 0, SMTP_HEADER_8BIT, SMTP_OK, SMTP_OK },
	{ ME "Subject: " X50 X50 "\xe4\r\n\r\n", 0, SMTP_HEADER_8BIT, SMTP_LONG_LINE, SMTP_OK },
	{ ME "\r\na\0b\r\n", sizeof(ME) + 6, SMTP_NUL, SMTP_NUL, SMTP_OK },
	{ ME "\r\n" X50 X50 "\r\n", 0, SMTP_OK, SMTP_OK, SMTP_OK },
	{ ME "\r\n" X50 X50 "x\r\n", 0, SMTP_LONG_LINE, SMTP_LONG_LINE, SMTP_OK },
	{ ME "\r\n" X50 X50 "xx", 0, SMTP_LONG_LINE, SMTP_LONG_LINE, SMTP_OK },
};

static enum smtp_reply_id
look(const struct smtp_format_rules *rules, struct str msg, size_t piece)
{
	struct smtp_format f;

	smtp_format_init(&f, rules);
	while (msg.n > 0) {
		size_t n = msg.n < piece ? msg.n : piece;

		smtp_format_content(&f, str_from(msg.p, n));
		msg = str_from(msg.p + n, msg.n - n);
	}
	return smtp_format_end(&f);
}

static void
want(size_t i, const struct smtp_format_rules *rules, enum smtp_reply_id reply)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 100000 };
	struct str msg =
	    str_from(cases[i].message, cases[i].n > 0 ? cases[i].n : strlen(cases[i].message));

	for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
		enum smtp_reply_id got = look(rules, msg, pieces[k]);

		if (got != reply)
			fail_msg("case %zu in pieces of %zu: %s", i, pieces[k],
			    smtp_reply_get(got)->name);
	}
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		want(i, &strict, cases[i].strict);
		want(i, &inside, cases[i].inside);
		want(i, &lenient, cases[i].lenient);
	}
}

static void
test_message_id(void **state)
{
	static const char *const messages[] = {
		"Message-ID: <a.B@Example.TEST>\r\n\r\n",
		"Subject: x\r\nMESSAGE-id:\r\n <a.B@EXAMPLE.test>\r\n <c@d>\r\nTo: x\r\n\r\n",
		"Message-ID: a.B@example.test",
		"Message-ID: <a.B@example.test> \r\nMessage-ID: <x@y>\r\n\r\nMessage-ID: <z@z>\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct smtp_format f;

		smtp_format_init(&f, &lenient);
		for (const char *p = messages[i]; *p != '\0'; p++)
			smtp_format_content(&f, str_from(p, 1));
		smtp_format_end(&f);
		assert_string_equal(f.message_id, "a.B@example.test");
	}
}

/* As many times this field; a header of this many bytes. */
static enum smtp_reply_id
repeated(const char *field, unsigned count)
{
	struct smtp_format f;

	smtp_format_init(&f, &lenient);
	for (unsigned i = 0; i < count; i++)
		smtp_format_content(&f, str_of(field));
	smtp_format_content(&f, STR("\r\nbody\r\n"));
	return smtp_format_end(&f);
}

static void
test_limits(void **state)
{
	(void)state;
	assert_int_equal(repeated("X: y\r\n", SMTP_FIELDS_MAX), SMTP_OK);
	assert_int_equal(repeated("X: y\r\n", SMTP_FIELDS_MAX + 1), SMTP_TOO_MANY_FIELDS);
	assert_int_equal(repeated(" folded to 16.\r\n", SMTP_HEADER_MAX / 16 - 1), SMTP_OK);
	assert_int_equal(
	    repeated(" folded to 16.\r\n", SMTP_HEADER_MAX / 16 + 1), SMTP_HEADER_TOO_LONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_message_id),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
