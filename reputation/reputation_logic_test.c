/* SPDX-License-Identifier: ISC */
/* The decisions of reputation, as functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reputation/greylist.h"
#include "reputation/penalty.h"

static const struct grey_policy policy = { .delay = 60, .window = 3600, .lifetime = 86400 };
enum { NOW = 1000000 };

static void
test_greylist(void **state)
{
	static const struct {
		const char *what;
		struct grey_memory memory;
		bool pass;
		uint32_t wait;
		struct grey_memory after;
	} t[] = {
		{ "never seen", { 0, 0 }, false, 60, { NOW, 0 } },
		{ "again at once", { NOW, 0 }, false, 60, { NOW, 0 } },
		{ "too early", { NOW - 59, 0 }, false, 1, { NOW - 59, 0 } },
		{ "just in time", { NOW - 60, 0 }, true, 0, { 0, NOW } },
		{ "at the end of the window", { NOW - 3600, 0 }, true, 0, { 0, NOW } },
		{ "too late", { NOW - 3601, 0 }, false, 60, { NOW, 0 } },
		{ "known", { 0, NOW - 1 }, true, 0, { 0, NOW } },
		{ "known for long", { 0, NOW - 86400 }, true, 0, { 0, NOW } },
		{ "forgotten", { 0, NOW - 86401 }, false, 60, { NOW, 0 } },
		{ "clock set back while it waited", { NOW + 1, 0 }, false, 60, { NOW, 0 } },
		{ "clock set back since it passed", { 0, NOW + 1 }, false, 60, { NOW, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct grey_decision d = grey_decide(&policy, t[i].memory, NOW);

		if (d.pass != t[i].pass || d.wait != t[i].wait ||
		    d.memory.first != t[i].after.first || d.memory.last != t[i].after.last)
			fail_msg("%s: pass %d wait %u first %u last %u", t[i].what, d.pass, d.wait,
			    d.memory.first, d.memory.last);
	}
}

/* Who does as the answer says passes at the first retry. */
static void
test_greylist_keeps_its_word(void **state)
{
	(void)state;
	for (uint32_t hurry = 0; hurry < 60; hurry++) {
		struct grey_decision d = grey_decide(&policy, (struct grey_memory){ 0 }, NOW);

		d = grey_decide(&policy, d.memory, NOW + hurry);
		assert_false(d.pass);
		d = grey_decide(&policy, d.memory, NOW + hurry + d.wait);
		assert_true(d.pass);
	}
}

static void
test_sender(void **state)
{
	static const struct {
		const char *sender, *want;
	} t[] = {
		{ "", "" },
		{ "Anna@Example.ORG", "anna@example.org" },
		{ "list-return-1234-5@example.org", "list-return-#-#@example.org" },
		{ "bounce+anna=example.org@list.test", "bounce@list.test" },
		{ "+x@example.org", "+x@example.org" },
		{ "a@1.example.org", "a@1.example.org" },
		{ "\"a@b\"@example.org", "\"a@b\"@example.org" },
	};
	char out[GREY_SENDER_MAX];
	char longest[600];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		unsigned n = grey_sender(str_of(t[i].sender), out);

		assert_int_equal(n, strlen(t[i].want));
		assert_memory_equal(out, t[i].want, n);
	}
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(grey_sender(str_from(longest, sizeof(longest)), out), GREY_SENDER_MAX);
}

enum { HALF = 600 };

static void
test_penalty_fades(void **state)
{
	struct penalty p = { 80000, NOW };

	(void)state;
	assert_int_equal(penalty_now(&p, NOW, HALF), 80000);
	assert_int_equal(penalty_now(&p, NOW + HALF / 2, HALF), 60000);
	assert_int_equal(penalty_now(&p, NOW + HALF, HALF), 40000);
	assert_int_equal(penalty_now(&p, NOW + 3 * HALF, HALF), 10000);
	assert_int_equal(penalty_now(&p, NOW + 40 * HALF, HALF), 0);
	assert_int_equal(penalty_now(&p, NOW - 1000, HALF), 80000);
	for (uint32_t t = 1; t < 20 * HALF; t++)
		assert_true(penalty_now(&p, NOW + t, HALF) <= penalty_now(&p, NOW + t - 1, HALF));
}

static void
test_penalty_grows(void **state)
{
	struct penalty p = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		penalty_add(&p, NOW, HALF, 20000);
	assert_int_equal(penalty_until(&p, NOW, HALF, PENALTY_REFUSE), 0);
	penalty_add(&p, NOW, HALF, 20000);
	assert_int_equal(p.points, PENALTY_REFUSE);
	assert_int_equal(penalty_until(&p, NOW, HALF, PENALTY_REFUSE), 1);
	penalty_add(&p, NOW, HALF, PENALTY_REFUSE);
	assert_int_equal(penalty_until(&p, NOW, HALF, PENALTY_REFUSE), HALF + 1);
	penalty_add(&p, NOW, HALF, INT32_MAX);
	assert_int_equal(p.points, PENALTY_MAX);
	assert_int_equal(penalty_until(&p, NOW, HALF, PENALTY_REFUSE), 4 * HALF + 1);
	penalty_add(&p, NOW - 5, HALF, -20000); /* the clock went back: nothing is younger for it */
	assert_int_equal(p.points, PENALTY_MAX - 20000);
	assert_int_equal(p.at, NOW);
	penalty_add(&p, NOW, HALF, -(int64_t)PENALTY_MAX);
	assert_int_equal(p.points, 0);
}

static void
test_penalty_until_is_exact(void **state)
{
	(void)state;
	for (uint32_t points = PENALTY_REFUSE; points <= PENALTY_MAX; points += 7777) {
		struct penalty p = { points, NOW };
		uint32_t s = penalty_until(&p, NOW, HALF, PENALTY_REFUSE);

		assert_true(penalty_now(&p, NOW + s, HALF) < PENALTY_REFUSE);
		assert_true(penalty_now(&p, NOW + s - 1, HALF) >= PENALTY_REFUSE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greylist),
		cmocka_unit_test(test_greylist_keeps_its_word),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_penalty_fades),
		cmocka_unit_test(test_penalty_grows),
		cmocka_unit_test(test_penalty_until_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
