/* SPDX-License-Identifier: ISC */
/* Limits of commands after login (limits.h): what is at the limit is taken, one more is not, and the
 * session goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

/* "a " head, n times unit (a number stands for %u), separated by sep, tail: is it BAD? */
static bool
is_bad(struct client *c, const char *head, const char *unit, const char *sep, unsigned n,
    const char *tail)
{
	const char *p, *last;
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b, "a %s", head);
	for (unsigned i = 0; i < n; i++) {
		buf_puts(&b, i > 0 ? sep : "");
		for (const char *u = unit; *u != 0; u++) {
			if (*u == '#')
				buf_printf(&b, "%u", 2 * i + 1);
			else
				buf_putc(&b, *u);
		}
	}
	buf_printf(&b, "%s\r\n", tail);
	feed(c, (const char *)buf_data(&b), b.len);
	buf_free(&b);
	p = got(c);
	last = strstr(p, "a BAD ");
	if (last != NULL) {
		EXPECT(c, "b noop\r\n", "b OK Done\r\n");
		return true;
	}
	assert_true(strstr(p, "a OK ") != NULL || strstr(p, "a NO ") != NULL);
	return false;
}

static void
test_counts(void **state)
{
	static const struct {
		const char *head, *unit, *sep;
		unsigned most;
		const char *tail;
	} cases[] = {
		{ "search ", "all", " ", IMAP_SEARCH_KEYS_MAX - 1, "" },
		{ "search ", "uid #", " ", IMAP_SEARCH_KEYS_MAX - 1, "" },
		{ "uid search uid ", "#", ",", IMAP_SET_RANGES_MAX, "" },
		{ "uid fetch ", "#", ",", IMAP_SET_RANGES_MAX, " flags" },
		{ "fetch 1 (", "flags", " ", IMAP_FETCH_ITEMS_MAX, ")" },
		{ "fetch 1 body.peek[header.fields (", "x#", " ", IMAP_HEADER_FIELDS_MAX, ")]" },
		{ "fetch 1 body.peek[", "1", ".", IMAP_SECTION_DEPTH_MAX, "]" },
		{ "store 1 flags (", "\\Seen", " ", IMAP_STORE_FLAGS_MAX, ")" },
		{ "list \"\" (", "x#", " ", IMAP_LIST_PATTERNS_MAX, ")" },
		{ "id (", "\"n#\" \"v\"", " ", IMAP_ID_FIELDS_MAX, ")" },
		{ "search ", "text {1+}\r\nx", " ", IMAP_LITERALS_MAX, "" },
	};
	struct client c;

	(void)state;
	in_inbox(&c, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (is_bad(&c, cases[i].head, cases[i].unit, cases[i].sep, cases[i].most,
			cases[i].tail))
			fail_msg("%s: %u is refused", cases[i].head, cases[i].most);
		if (!is_bad(&c, cases[i].head, cases[i].unit, cases[i].sep, cases[i].most + 1,
			cases[i].tail))
			fail_msg("%s: %u is taken", cases[i].head, cases[i].most + 1);
	}
	done(&c);
}

/* A client that only errs is sent away; a good command in between is enough to stay. */
static void
test_bad_commands(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	for (int i = 0; i < IMAP_BAD_MAX; i++)
		say(&c, "a nonsense\r\n");
	got(&c);
	say(&c, "a noop\r\n");
	assert_string_equal(got(&c), "a OK Done\r\n");
	for (int i = 0; i < IMAP_BAD_MAX; i++)
		say(&c, "a nonsense\r\n");
	assert_null(strstr(got(&c), "BYE"));
	say(&c, "a nonsense\r\n");
	assert_non_null(strstr(got(&c), "* BYE "));
	assert_int_equal(c.why, IMAP_RUN_CLOSE);
	done(&c);
}

/* A client that reads nothing: the session stops with what one more answer may add, and no more is
 * taken from it. */
static void
test_unread_output(void **state)
{
	struct client c;
	struct buf *out;

	(void)state;
	in_inbox(&c, 200);
	out = imap_session_out(c.s);
	for (int i = 0; i < 500; i++)
		buf_puts(&c.in, "a fetch 1:* (flags envelope bodystructure body.peek[])\r\n");
	while (imap_session_run(c.s, &c.in) == IMAP_RUN_AGAIN)
		assert_true(out->len <= IMAP_OUT_MAX);
	assert_in_range(out->len, IMAP_OUT_LOW, IMAP_OUT_MAX);
	assert_true(c.in.len > 400 * 50);
	assert_int_equal(imap_session_run(c.s, &c.in), IMAP_RUN_OUTPUT);
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_bad_commands),
		cmocka_unit_test(test_unread_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
