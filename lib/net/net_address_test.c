/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/address.h"

static struct net_address
address(const char *text)
{
	struct net_address a;

	assert_true(net_parse(str_of(text), &a));
	return a;
}

static void
test_text(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: no address */
	} t[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "2001:DB8:0:0::1", "2001:db8::1" },
		{ "::1", "::1" },
		{ "", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "[::1]", NULL },
		{ "fe80::1%lo", NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL },
	};
	struct net_address a;
	char out[NET_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(net_parse(str_of(t[i].text), &a), t[i].want != NULL);
		if (t[i].want != NULL)
			assert_string_equal(net_print(&a, out), t[i].want);
	}
	assert_false(net_parse(str_from("1.2.3.4\0", 8), &a));
}

static void
test_loopback_and_equality(void **state)
{
	struct net_address a = address("127.9.9.9"), b = address("::1"), c = address("::2");
	struct net_address mapped = address("::ffff:127.9.9.9");

	(void)state;
	assert_true(net_is_loopback(&a) && net_is_loopback(&b) && !net_is_loopback(&c));
	assert_true(net_eq(&a, &mapped));
	assert_false(net_eq(&a, &b) || net_eq(&b, &c));
}

/* Which two addresses are one client, one network, one pool. */
static void
test_keys(void **state)
{
	static const struct {
		const char *a, *b;
		bool client, network, pool;
	} t[] = {
		{ "192.0.2.1", "192.0.2.1", true, true, true },
		{ "192.0.2.1", "192.0.2.2", false, true, true },
		{ "192.0.2.1", "192.0.3.1", false, false, false },
		{ "2001:db8::1", "2001:db8::ffff:1", true, true, true },
		{ "2001:db8::1", "2001:db8:0:1::1", false, true, false },
		{ "2001:db8::1", "2001:db8:1::1", false, false, false },
		{ "192.0.2.1", "2001:db8::1", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct net_address a = address(t[i].a), b = address(t[i].b);

		assert_int_equal(net_client_key(&a) == net_client_key(&b), t[i].client);
		assert_int_equal(net_network_key(&a) == net_network_key(&b), t[i].network);
		assert_int_equal(net_pool_key(&a) == net_pool_key(&b), t[i].pool);
	}
}

/* A client is never taken for a network, and the other way round. */
static void
test_kinds_of_keys_are_apart(void **state)
{
	struct net_address four = address("192.0.2.0"), six = address("2001:db8::");
	struct net_address local = address("fc00::"), last = address("255.255.255.0");

	(void)state;
	assert_true(net_client_key(&four) != net_network_key(&four));
	assert_true(net_client_key(&six) != net_network_key(&six));
	assert_true(net_client_key(&last) != net_network_key(&last));
	assert_true(net_network_key(&six) != net_client_key(&local));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_loopback_and_equality),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_kinds_of_keys_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
