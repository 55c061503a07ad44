/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "catalogue/event.h"

#define HEAD "2026-11-28T16:55:59.123456Z "

static void
check(const char *line, enum language lang, const char *want)
{
	struct event_line e;
	struct buf out;

	buf_init(&out, EVENT_TEXT_MAX);
	assert_true(event_parse(str_of(line), &e));
	assert_int_equal(event_text(&out, &e, lang), 0);
	buf_putc(&out, '\0');
	assert_string_equal((const char *)buf_data(&out), want);
	buf_free(&out);
}

static void
test_sentences(void **state)
{
	(void)state;
	check(HEAD "mailbox[3] info Q7 event=delivered result=0 uid=12 size=9 repeat=0", LANG_EN,
	    "Put into the mailbox as number 12.");
	check(HEAD
	    "smtpd[0] info s1 event=refused client=192.0.2.1 from=\"a b\" rcpt=\"x@y\" code=550 5.1.1 "
	    "reason=UNKNOWN_RECIPIENT",
	    LANG_DE,
	    "Von 192.0.2.1 den Empf\u00e4nger <x@y> einer Nachricht von <a b> nicht angenommen: Diese "
	    "Mailadresse gibt es hier nicht (P504) (550).");
	/* the holes of the refusal's text are filled from the line, too */
	check(HEAD
	    "smtpd[0] info s1 event=refused client=192.0.2.1 reason=HELO_OURS helo=\"mx.test\"",
	    LANG_EN,
	    "Refused to 192.0.2.1: HELO gives mx.test, which is a name of this server (P509).");
	check(HEAD "smtpd[0] info s1 event=refused client=192.0.2.1 reason=queue-full", LANG_EN,
	    "Refused to 192.0.2.1: queue-full.");
	/* nothing steers a terminal, nothing fills a hole that is in a value */
	check(HEAD "smtpd[0] info s1 event=closed client=x reason=\"\x1b[31m\xc3\xa4{client}\"",
	    LANG_EN, "The session ended (?[31m??{client}).");
	check(HEAD "queue[0] info Q7 event=report kind=1", LANG_EN,
	    "A notification about  to its sender.");
}

static void
test_parts(void **state)
{
	static const struct {
		const char *rest, *key, *want;
	} cases[] = {
		{ "event=a x=1 y=\"2 x=3\" z=4", "y", "2 x=3" },
		{ "event=a x=1 y=\"2 x=3\" z=4", "z", "4" },
		{ "event=a word x=1", "x", "1" },
		{ "event=a y=\"x=5\"", "x", "" },
		{ "event=a y=\"no end", "y", "no end" },
		{ "event=a y=", "y", "" },
		{ "event=a =b c", "", "b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event_line e = { .rest = str_of(cases[i].rest) };

		if (!str_eq(event_value(&e, str_of(cases[i].key)), str_of(cases[i].want)))
			fail_msg("case %zu", i);
	}
}

static void
test_other_lines(void **state)
{
	static const char *const lines[] = { "", "a", "a b", HEAD "smtpd info s1 event=closed",
		HEAD "smtpd[0] info s1 x=1",
		HEAD "control[0] info - admin uid=0 command=\"event=x\"" };
	struct event_line e;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (event_parse(str_of(lines[i]), &e))
			fail_msg("line %zu", i);
	assert_true(event_parse(STR(HEAD "imapd[0] info i1 event=closed"), &e));
	assert_false(event_is_told(&e)); /* another program's */
	assert_true(event_parse(STR(HEAD "smtpd[1] info s1 event=closed"), &e));
	assert_true(event_is_told(&e));
	assert_true(str_eq(e.program, STR("smtpd")) && str_eq(e.id, STR("s1")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_other_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
