/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "idn/idn.h"

/* "": it is no domain name. */
static const struct {
	const char *domain, *ascii;
} cases[] = {
	{ "Example.Test", "Example.Test" },
	{ "_dmarc.example.test", "_dmarc.example.test" },
	{ "m\xc3\xbcller.test", "xn--mller-kva.test" },
	{ "M\xc3\x9cLLER.test", "xn--mller-kva.test" },
	{ "stra\xc3\x9f\x65.test", "xn--strae-oqa.test" },
	/* letters that look like others are another name, and it shows */
	{ "p\xd0\xb0ypal.test", "xn--pypal-4ve.test" },
	{ "\xd0\xb0\xd1\x80\xd1\x80\xd3\x8f\xd0\xb5.test", "xn--80ak6aa92e.test" },
	/* small and wide forms of what separates parts of an address or of a URL */
	{ "bank.test\xef\xbc\x8f.evil.test", "" }, /* U+FF0F / */
	{ "bank.test\xe2\x81\x84.evil.test", "" }, /* U+2044 fraction slash */
	{ "bank.test\xe2\x88\x95.evil.test", "" }, /* U+2215 division slash */
	{ "bank.test\xef\xbc\xa0"
	  "evil.test",
	    "" }, /* U+FF20 @ */
	{ "bank.test\xef\xb9\xab"
	  "evil.test",
	    "" },                                     /* U+FE6B @ */
	{ "bank.test\xef\xbc\x9a\x32\x35.test", "" }, /* U+FF1A : */
	{ "bank.test\xef\xbc\x9f.evil.test", "" },    /* U+FF1F ? */
	{ "bank.test\xe2\x84\x80.evil.test", "" },    /* U+2100 a/c */
	{ "bank\xef\xbc\x9b.test", "" },              /* U+FF1B ; */
	{ "bank\xef\xbc\x88x\xef\xbc\x89.test", "" }, /* U+FF08 ( */
	{ "bank\xe3\x80\x80x.test", "" },             /* U+3000 space */
	{ "bank\xc2\xa0x.test", "" },                 /* U+00A0 no-break space */
	{ "bank\xe2\x80\xaetset.test", "" },          /* U+202E turns the direction */
	{ "bank\xe2\x80\x8d.test", "" },              /* U+200D joiner where none belongs */
	/* dots of other scripts are dots (UTS #46) */
	{ "m\xc3\xbcller\xe3\x80\x82test", "xn--mller-kva.test" },
	/* A-labels that are none, beside a U-label */
	{ "xn--a.m\xc3\xbcller.test", "" },
	{ "xn--\xc3\xbc.test", "" },
	{ "\xc3\xbc\xff.test", "" },
	{ "\xff.test", "" },
};

static void
test_names(void **state)
{
	char out[IDN_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = idn_to_ascii(str_of(cases[i].domain), out);

		if (cases[i].ascii[0] == '\0') {
			if (n >= 0)
				print_error("case %zu: \"%s\"\n", i, out);
			assert_int_equal(n, -1);
			continue;
		}
		if (n < 0)
			print_error("case %zu: no name\n", i);
		assert_int_equal(n, strlen(cases[i].ascii));
		assert_string_equal(out, cases[i].ascii);
	}
}

static void
test_lengths(void **state)
{
	char in[512], out[IDN_SIZE];

	(void)state;
	memset(in, 'a', sizeof(in));
	assert_int_equal(
	    idn_to_ascii(str_from(in, 255), out), 255); /* dns_name_parse knows labels */
	assert_int_equal(idn_to_ascii(str_from(in, 256), out), -1);
	memcpy(in, "\xc3\xbc", 2);
	assert_int_equal(idn_to_ascii(str_from(in, 50), out) > 0, 1);
	assert_int_equal(idn_to_ascii(str_from(in, 64), out), -1); /* a label of 63 at most */
	assert_int_equal(idn_to_ascii(str_from("a\0\xc3\xbc", 4), out), -1);
	assert_int_equal(idn_to_ascii(STR(""), out), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names),
		cmocka_unit_test(test_lengths) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
