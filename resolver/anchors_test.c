/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "resolver/anchors.h"

static void
join(void *arg, const char *record)
{
	char *out = arg;

	strcat(out, record);
	strcat(out, "|");
}

static void
test_each(void **state)
{
	static const struct {
		const char *text, *want;
		int count;
	} t[] = {
		{ "", "", 0 },
		{ "; nothing\n\n", "", 0 },
		{ "$ORIGIN .\n. IN DS 1 8 2 AB ; comment\n", ". IN DS 1 8 2 AB |", 1 },
		{ ".\t86400\tIN\tDNSKEY\t257 3 8 AA== ;;state=2 [  VALID  ]",
		    ". 86400 IN DNSKEY 257 3 8 AA== |", 1 },
		{ "test. IN DNSKEY (257 3 ;x\n 13\n  AA== )\n. IN NS a.\n. IN DS 1 8 2 CD\n",
		    "test. IN DNSKEY 257 3 13 AA== |. IN DS 1 8 2 CD|", 2 },
		{ "a. IN DS 1 8 2 AB\r\nb. IN DS 1 8 2 AB\r\n",
		    "a. IN DS 1 8 2 AB |b. IN DS 1 8 2 AB |", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char out[1024] = "";

		assert_int_equal(anchors_each(str_of(t[i].text), join, out), t[i].count);
		assert_string_equal(out, t[i].want);
	}
}

static void
test_too_long(void **state)
{
	static char text[ANCHOR_MAX + 10];
	char out[64] = "";

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	assert_int_equal(anchors_each(str_of(text), join, out), -1);
}

static void
test_cover(void **state)
{
	static const struct {
		const char *text, *name;
		bool want;
	} t[] = {
		{ ". IN DS 1 8 2 AB", "test.", false },
		{ "test. IN DS 1 8 2 AB", "test.", true },
		{ "Example.TEST. IN DS 1 8 2 AB", "test.", true },
		{ "latest. IN DS 1 8 2 AB", "test.", false },
		{ "127.in-addr.arpa IN DS 1 8 2 AB", "127.in-addr.arpa.", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(anchors_cover(str_of(t[i].text), t[i].name), t[i].want);
	assert_int_equal(anchors_each(str_of(anchors_of_root), join, (char[512]){ "" }), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_cover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
