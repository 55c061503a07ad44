/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/repeats.h"

static void
test_counts(void **state)
{
	struct repeats *r = repeats_new();

	(void)state;
	for (uint32_t n = 1; n <= 5; n++)
		assert_int_equal(repeats_note(r, STR("a.test"), STR("sig"), 1000 + n), n);
	assert_int_equal(repeats_note(r, STR("b.test"), STR("sig"), 1010), 1);
	assert_int_equal(repeats_note(r, STR("a.test"), STR("gis"), 1010), 1);
	assert_int_equal(repeats_note(r, STR("a.tests"), STR("ig"), 1010), 1);
	/* an hour after the first one the window is over */
	assert_int_equal(
	    repeats_note(r, STR("a.test"), STR("sig"), 1001 + REPEATS_WINDOW_S - 1), 6);
	assert_int_equal(repeats_note(r, STR("a.test"), STR("sig"), 1001 + REPEATS_WINDOW_S), 1);
	repeats_free(&r);
	assert_null(r);
}

/* What came often is not driven out by many others. */
static void
test_full(void **state)
{
	struct repeats *r = repeats_new();
	char text[32];

	(void)state;
	for (uint32_t n = 1; n <= 5; n++)
		repeats_note(r, STR("a.test"), STR("sig"), 1000);
	for (unsigned i = 0; i < 20 * REPEATS_PLACES; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(repeats_note(r, STR("other.test"), str_of(text), 1001), 1);
	}
	assert_int_equal(repeats_note(r, STR("a.test"), STR("sig"), 1002), 6);
	repeats_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_counts),
		cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
