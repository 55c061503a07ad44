/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/date.h"

static void
test_days(void **state)
{
	static const struct {
		struct mail_date d;
		int64_t days;
	} cases[] = {
		{ { 1970, 1, 1 }, 0 },
		{ { 1969, 12, 31 }, -1 },
		{ { 2000, 2, 29 }, 11016 },
		{ { 2000, 3, 1 }, 11017 },
		{ { 2026, 11, 23 }, 20780 },
		{ { 1, 1, 1 }, -719162 },
		{ { 9999, 12, 31 }, 2932896 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mail_date d = mail_date_of_days(cases[i].days);

		assert_int_equal(mail_days(cases[i].d), cases[i].days);
		assert_memory_equal(&d, &cases[i].d, sizeof(d));
	}
	for (int64_t n = -800000; n < 3000000; n += 37)
		assert_int_equal(mail_days(mail_date_of_days(n)), n);
}

static void
test_rfc5322(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: not a date */
		int zone;
	} cases[] = {
		{ "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", 837595405, -420 },
		{ " Wed ,\r\n 17 (c(o)) Jul 1996 02 : 23 : 25 -0700", 837595405, -420 },
		{ "17 jul 96 02:23 PDT", 837595380, -420 },
		{ "1 Jan 70 00:00:00 GMT", 0, 0 },
		{ "1 Jan 1970 01:00:00 +0100", 0, 60 },
		{ "1 Jan 1970 00:00:00 X", 0, 0 },
		{ "1 Jan 1970 00:00:00", 0, 0 },
		{ "1 Jan 49 00:00:00 +0000", 2493072000, 0 },
		{ "31 Dec 2016 23:59:60 +0000", 1483228799, 0 },
		{ "29 Feb 2023 00:00:00 +0000", -1, 0 },
		{ "1 Foo 2023 00:00:00 +0000", -1, 0 },
		{ "1 Jan 2023 24:00:00 +0000", -1, 0 },
		{ "1 Jan 2023", -1, 0 },
		{ "99999999999 Jan 2023 00:00:00", -1, 0 },
		{ "", -1, 0 },
		{ "(", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mail_time t;

		assert_int_equal(
		    mail_date_parse(str_of(cases[i].text), &t), cases[i].seconds != -1);
		if (cases[i].seconds == -1)
			continue;
		assert_int_equal(t.seconds, cases[i].seconds);
		assert_int_equal(t.zone, cases[i].zone);
	}
}

static void
test_imap(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
		int zone;
		bool ok;
	} cases[] = {
		{ "17-Jul-1996 02:44:25 -0700", 837596665, -420, true },
		{ " 1-Jan-1970 00:00:00 +0000", 0, 0, true },
		{ "01-Jan-1970 05:30:00 +0530", 0, 330, true },
		{ "31-Dec-1969 23:59:59 +0000", -1, 0, true },
		{ "17-Jul-1996 02:44:25 -0700 ", 0, 0, false },
		{ "17-Jul-96 02:44:25 -0700", 0, 0, false },
		{ "17-Jul-1996 2:44:25 -0700", 0, 0, false },
		{ "32-Jul-1996 02:44:25 -0700", 0, 0, false },
		{ "17-Jul-1996 02:44:25 -7000", 0, 0, false },
		{ "17-Jul-1996 02:44:25", 0, 0, false },
		{ "", 0, 0, false },
	};
	char text[MAIL_IMAP_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mail_time t;

		assert_int_equal(mail_time_parse_imap(str_of(cases[i].text), &t), cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(t.seconds, cases[i].seconds);
		assert_int_equal(t.zone, cases[i].zone);
		mail_time_format_imap(t, text);
		assert_int_equal(strlen(text), 26);
		assert_string_equal(text + 2, cases[i].text + 2);
	}
	mail_time_format_imap((struct mail_time){ INT64_MAX, 30000 }, text);
	assert_int_equal(strlen(text), 26);
	mail_time_format_imap((struct mail_time){ INT64_MIN, -30000 }, text);
	assert_int_equal(strlen(text), 26);
}

static void
test_format_rfc5322(void **state)
{
	char text[MAIL_RFC5322_TIME_SIZE];

	(void)state;
	assert_int_equal(mail_time_format_rfc5322((struct mail_time){ 837595405, -420 }, text), 31);
	assert_string_equal(text, "Wed, 17 Jul 1996 02:23:25 -0700");
}

static void
test_day(void **state)
{
	struct mail_date d;

	(void)state;
	/* late in the west is the day before */
	assert_int_equal(mail_time_day((struct mail_time){ 86400 + 3600, -120 }), 0);
	assert_int_equal(mail_time_day((struct mail_time){ -1, 0 }), -1);
	assert_true(mail_date_parse_imap(STR("1-feb-1994"), &d));
	assert_int_equal(mail_days(d), 8797);
	assert_false(mail_date_parse_imap(STR("1-February-1994"), &d));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_rfc5322),
		cmocka_unit_test(test_imap),
		cmocka_unit_test(test_format_rfc5322),
		cmocka_unit_test(test_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
