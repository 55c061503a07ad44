/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtpd/address_cache.h"

static void
put(struct address_cache *c, struct str address, struct str accounts, bool elsewhere)
{
	address_cache_put(
	    c, address, &(struct address_answer){ .accounts = accounts, .elsewhere = elsewhere });
}

static void
test_put_get_clear(void **state)
{
	struct address_cache *c = address_cache_new();
	struct address_answer got;

	(void)state;
	assert_false(address_cache_get(c, STR("a@x.test"), &got));
	put(c, STR("a@x.test"), str_from("\0\0\0\1", 4), false);
	assert_true(address_cache_get(c, STR("a@x.test"), &got));
	assert_true(str_eq(got.accounts, str_from("\0\0\0\1", 4)));
	assert_false(got.elsewhere);
	assert_false(address_cache_get(c, STR("A@x.test"), &got));
	assert_false(address_cache_get(c, STR("a@x.tes"), &got));
	put(c, STR("a@x.test"), str_from("\0\0\0\2\0\0\0\3", 8), true);
	assert_true(address_cache_get(c, STR("a@x.test"), &got));
	assert_true(str_eq(got.accounts, str_from("\0\0\0\2\0\0\0\3", 8)));
	assert_true(got.elsewhere);
	/* nobody here */
	put(c, STR("a@x.test"), str_from(NULL, 0), true);
	assert_true(address_cache_get(c, STR("a@x.test"), &got));
	assert_int_equal(got.accounts.n, 0);
	assert_true(got.elsewhere);
	address_cache_clear(c);
	assert_false(address_cache_get(c, STR("a@x.test"), &got));
	address_cache_free(&c);
	assert_null(c);
}

/* Many more addresses than places: each answer is the right one or none. */
static void
test_never_another_ones(void **state)
{
	struct address_cache *c = address_cache_new();
	unsigned found = 0;

	(void)state;
	for (uint32_t i = 0; i < 10 * ADDRESS_CACHE_PLACES; i++) {
		char address[32];

		snprintf(address, sizeof(address), "u%u@x.test", i);
		put(c, str_of(address), str_from(&i, sizeof(i)), i % 2 != 0);
	}
	for (uint32_t i = 0; i < 10 * ADDRESS_CACHE_PLACES; i++) {
		char address[32];
		struct address_answer got;

		snprintf(address, sizeof(address), "u%u@x.test", i);
		if (!address_cache_get(c, str_of(address), &got))
			continue;
		assert_int_equal(got.accounts.n, sizeof(i));
		assert_memory_equal(got.accounts.p, &i, sizeof(i));
		assert_int_equal(got.elsewhere, i % 2 != 0);
		found++;
	}
	assert_true(found > ADDRESS_CACHE_PLACES / 2 && found <= ADDRESS_CACHE_PLACES);
	address_cache_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get_clear),
		cmocka_unit_test(test_never_another_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
