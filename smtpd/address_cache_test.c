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
test_put_get_clear(void **state)
{
	struct address_cache *c = address_cache_new();
	struct str got;

	(void)state;
	assert_false(address_cache_get(c, STR("a@x.test"), &got));
	address_cache_put(c, STR("a@x.test"), str_from("\0\0\0\1", 4));
	assert_true(address_cache_get(c, STR("a@x.test"), &got));
	assert_true(str_eq(got, str_from("\0\0\0\1", 4)));
	assert_false(address_cache_get(c, STR("A@x.test"), &got));
	assert_false(address_cache_get(c, STR("a@x.tes"), &got));
	address_cache_put(c, STR("a@x.test"), str_from("\0\0\0\2\0\0\0\3", 8));
	assert_true(address_cache_get(c, STR("a@x.test"), &got));
	assert_true(str_eq(got, str_from("\0\0\0\2\0\0\0\3", 8)));
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
		address_cache_put(c, str_of(address), str_from(&i, sizeof(i)));
	}
	for (uint32_t i = 0; i < 10 * ADDRESS_CACHE_PLACES; i++) {
		char address[32];
		struct str got;

		snprintf(address, sizeof(address), "u%u@x.test", i);
		if (!address_cache_get(c, str_of(address), &got))
			continue;
		assert_int_equal(got.n, sizeof(i));
		assert_memory_equal(got.p, &i, sizeof(i));
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
