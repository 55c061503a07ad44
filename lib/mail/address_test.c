/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/address.h"

#define X8 "xxxxxxxx"
#define X63 X8 X8 X8 X8 X8 X8 X8 "xxxxxxx"
#define L64 X8 X8 X8 X8 X8 X8 X8 X8

struct path_case {
	const char *in;
	unsigned flags;
	int want; /* 1 or the error */
	const char *normal;
};

static const struct path_case paths[] = {
	{ "<a@b>", 0, 1, "a@b" },
	{ "<Alice@EXAMPLE.Test>", 0, 1, "Alice@example.test" },
	{ "<a.b+c@d.e>", 0, 1, "a.b+c@d.e" },
	{ "<!#$%&'*+-/=?^_`{|}~@x>", 0, 1, "!#$%&'*+-/=?^_`{|}~@x" },
	{ "<\"a\"@b>", 0, 1, "a@b" },
	{ "<\"a b\"@b>", 0, 1, "\"a b\"@b" },
	{ "<\"a\\b\"@b>", 0, 1, "ab@b" },
	{ "<\"a\\\"b\\\\\"@b>", 0, 1, "\"a\\\"b\\\\\"@b" },
	{ "<\"a@c\"@b>", 0, 1, "\"a@c\"@b" },
	{ "<\"a.\"@b>", 0, 1, "\"a.\"@b" },
	{ "<\"\"@d>", 0, 1, "\"\"@d" },
	{ "<\"\\\xc3\xa4\"@b>", ADDRESS_UTF8, ADDRESS_ERR_SYNTAX, NULL },
	{ "<@a,@b.c:u@d>", 0, 1, "u@d" },
	{ "<@a:u@d>", 0, 1, "u@d" },
	{ "<@a:>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<@a,b:u@d>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<@a,@b>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@[192.0.2.1]>", 0, 1, "a@[192.0.2.1]" },
	{ "<a@[ipv6:2001:DB8:0::1]>", 0, 1, "a@[IPv6:2001:db8::1]" },
	{ "<a@[IPv6:::ffff:192.0.2.1]>", 0, 1, "a@[IPv6:::ffff:192.0.2.1]" },
	{ "<a@[192.0.2.256]>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@[192.0.2]>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@[192.0.2.1>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@[IPv6:::::]>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@[IPv6:]>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@[]>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@[x:y]>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@[192.0.2.1]x>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<>", ADDRESS_NULL, 1, "" },
	{ "<>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<PostMaster>", ADDRESS_POSTMASTER, 1, "PostMaster" },
	{ "<postmaster>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<abuse>", ADDRESS_POSTMASTER, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<@>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<@d>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<u@>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<\"\">", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<\"a@b>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<\"a\\>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<\"a\"b@c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<\"a\nb\"@c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<\"a\\\tb\"@c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<.a@b>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a.@b>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a..b@c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a b@c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a(x)@c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@b@c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@.b>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@b.>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@b..c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@-b>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@b->", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@b-.c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@b c>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@b", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "a@b>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<a@my_host.test>", 0, 1, "a@my_host.test" },
	{ "<;sleep 66;@x>", 0, ADDRESS_ERR_SYNTAX, NULL },
	{ "<|cmd@x>", 0, 1, "|cmd@x" },
	{ "<`id`@x>", 0, 1, "`id`@x" },
	{ "<${run{x}}@x>", 0, 1, "${run{x}}@x" },
	{ "<u%other.test@here.test>", 0, 1, "u%other.test@here.test" },
	{ "<gr\xc3\xbc\xc3\x9f@b>", ADDRESS_UTF8, 1, "gr\xc3\xbc\xc3\x9f@b" },
	{ "<gr\xc3\xbc@b>", 0, ADDRESS_ERR_8BIT, NULL },
	{ "<a@b\xc3\xbc.De>", ADDRESS_UTF8, 1, "a@b\xc3\xbc.de" },
	{ "<a@b\xc3\xbc.de>", 0, ADDRESS_ERR_8BIT, NULL },
	{ "<\xc0\xaf@b>", ADDRESS_UTF8, ADDRESS_ERR_8BIT, NULL },
	{ "<\xe0\x80\xaf@b>", ADDRESS_UTF8, ADDRESS_ERR_8BIT, NULL },
	{ "<\xf0\x80\x80\xaf@b>", ADDRESS_UTF8, ADDRESS_ERR_8BIT, NULL },
	{ "<\xed\xa0\x80@b>", ADDRESS_UTF8, ADDRESS_ERR_8BIT, NULL },
	{ "<\xf4\x90\x80\x80@b>", ADDRESS_UTF8, ADDRESS_ERR_8BIT, NULL },
	{ "<\xe2\x82@b>", ADDRESS_UTF8, ADDRESS_ERR_8BIT, NULL },
	{ "<\xff@b>", ADDRESS_UTF8, ADDRESS_ERR_8BIT, NULL },
	{ "<\xc2\x85@b>", ADDRESS_UTF8, ADDRESS_ERR_SYNTAX, NULL },
	{ "<\xf0\x9f\x93\xac@b>", ADDRESS_UTF8, 1, "\xf0\x9f\x93\xac@b" },
	{ "<" L64 "@b>", 0, 1, L64 "@b" },
	{ "<" L64 "x@b>", 0, ADDRESS_ERR_LONG, NULL },
	{ "<\"" L64 "\"@b>", 0, ADDRESS_ERR_LONG, NULL },
	{ "<a@" X63 ".d>", 0, 1, "a@" X63 ".d" },
	{ "<a@" X63 "x.d>", 0, ADDRESS_ERR_LONG, NULL },
	/* 1+1+1+ (63+1)*3+60 +1 = 256, then 257 */
	{ "<a@" X63 "." X63 "." X63 "." X8 X8 X8 X8 X8 X8 X8 "xxxx>", 0, 1,
	    "a@" X63 "." X63 "." X63 "." X8 X8 X8 X8 X8 X8 X8 "xxxx" },
	{ "<a@" X63 "." X63 "." X63 "." X8 X8 X8 X8 X8 X8 X8 "xxxxx>", 0, ADDRESS_ERR_LONG, NULL },
};

static void
test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct path_case *c = &paths[i];
		char text[ADDRESS_TEXT_SIZE];
		struct address a, again;
		size_t used = 0;
		int got = address_parse_path(str_of(c->in), c->flags, &a, &used);

		if (got != c->want)
			fail_msg("%s: got %d want %d", c->in, got, c->want);
		if (got < 0)
			continue;
		assert_int_equal(used, strlen(c->in));
		assert_true(address_print(&a, text, sizeof(text)) >= 0);
		assert_string_equal(text, c->normal);
		assert_int_equal(address_parse_mailbox(str_of(text), c->flags, &again), 1);
		assert_true(address_equal(&a, &again));
	}
}

static void
test_path_is_prefix(void **state)
{
	struct address a;
	size_t used = 0;

	(void)state;
	assert_int_equal(address_parse_path(STR("<a@b> SIZE=1"), 0, &a, &used), 1);
	assert_int_equal(used, 5);
	assert_int_equal(address_parse_mailbox(STR("a@b "), 0, &a), ADDRESS_ERR_SYNTAX);
	assert_int_equal(
	    address_parse_path(str_from("<a\0b@c>", 7), 0, &a, &used), ADDRESS_ERR_SYNTAX);
}

static void
test_domains(void **state)
{
	char out[ADDRESS_DOMAIN_MAX];

	(void)state;
	assert_int_equal(address_parse_domain(STR("Mail.Example"), 0, out), 12);
	assert_memory_equal(out, "mail.example", 12);
	assert_int_equal(address_parse_domain(STR(""), 0, out), ADDRESS_ERR_SYNTAX);
	assert_int_equal(address_parse_domain(STR("a b"), 0, out), ADDRESS_ERR_SYNTAX);
	assert_int_equal(address_parse_domain(STR("a\"b"), 0, out), ADDRESS_ERR_SYNTAX);
	assert_int_equal(
	    address_parse_domain(STR(X63 "." X63 "." X63 "." X63), 0, out), ADDRESS_DOMAIN_MAX);
	assert_int_equal(
	    address_parse_domain(STR(X63 "." X63 "." X63 "." X63 ".a"), 0, out), ADDRESS_ERR_LONG);
	assert_int_equal(address_parse_literal(STR("[127.0.0.1]"), out), 11);
	assert_int_equal(address_parse_literal(STR("[127.0.0.1"), out), ADDRESS_ERR_SYNTAX);
	assert_int_equal(address_parse_literal(STR("["), out), ADDRESS_ERR_SYNTAX);
}

static void
test_detail(void **state)
{
	static const struct {
		const char *in, *user, *detail;
		bool want;
	} cases[] = {
		{ "a@b", "a", "", false },
		{ "a+x@b", "a", "x", true },
		{ "a+x+y@b", "a", "x+y", true },
		{ "a+@b", "a", "", true },
		{ "+x@b", "+x", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address a;
		struct str user, detail;

		assert_int_equal(address_parse_mailbox(str_of(cases[i].in), 0, &a), 1);
		assert_int_equal(address_split_detail(&a, &user, &detail), cases[i].want);
		assert_true(str_eq(user, str_of(cases[i].user)));
		assert_true(str_eq(detail, str_of(cases[i].detail)));
	}
}

static void
test_print_space(void **state)
{
	struct address a;
	char text[4];

	(void)state;
	assert_int_equal(address_parse_mailbox(STR("a@b"), 0, &a), 1);
	assert_int_equal(address_print(&a, text, 4), 3);
	assert_int_equal(address_print(&a, text, 3), ADDRESS_ERR_SPACE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_path_is_prefix),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_detail),
		cmocka_unit_test(test_print_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
