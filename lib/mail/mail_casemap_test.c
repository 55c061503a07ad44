/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/casemap.h"
#include "mail/charset.h"

static void
expect(const char *in, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	assert_int_equal(mail_casemap(str_of(in), &b), 0);
	buf_putc(&b, 0);
	assert_string_equal(buf_data(&b), want);
	buf_free(&b);
}

static void
test_casemap(void **state)
{
	(void)state;
	expect("", "");
	expect("Hello, World 42!", "HELLO, WORLD 42!");
	/* title case, then decomposition: both forms of a letter meet */
	expect("\xc3\xa4", "A\xcc\x88");
	expect("\xc3\x84", "A\xcc\x88");
	expect("A\xcc\x88", "A\xcc\x88");
	expect("stra\xc3\x9f"
	       "e",
	    "STRA\xc3\x9f"
	    "E");
	expect("\xcf\x82\xcf\x83\xce\xa3", "\xce\xa3\xce\xa3\xce\xa3"); /* sigmas */
	expect("\xd1\x8f", "\xd0\xaf");                                 /* Cyrillic */
	/* U+01C6: title case is U+01C5, which is D and z with caron: D, z, U+030C */
	expect("\xc7\x86", "Dz\xcc\x8c");
	expect("\xef\xac\x81", "fi");                   /* a ligature has no simple title case */
	expect("\xef\xbc\xa1", "A");                    /* full width */
	expect("\xe1\xba\xa4", "A\xcc\x82\xcc\x81");    /* decomposed to the end */
	expect("\xe2\x85\xb3", "IV");                   /* small roman four, by its title case */
	expect("\xed\x95\x9c", "\xed\x95\x9c");         /* Hangul stays */
	expect("\xf0\x90\x90\xa8", "\xf0\x90\x90\x80"); /* Deseret, four bytes */
	/* no UTF-8: as it is */
	expect("a\xff\xc3", "A\xff\xc3");
}

/* What is one text for SORT is one for SEARCH: both tables have one source. */
static void
test_agrees_with_fold(void **state)
{
	struct buf mapped, want, got;

	(void)state;
	buf_init(&mapped, 1000);
	buf_init(&want, 1000);
	buf_init(&got, 1000);
	for (uint32_t code = 1; code < 0x110000; code++) {
		char utf8[4];
		size_t n;

		if (code >= 0xd800 && code < 0xe000)
			continue;
		n = mail_utf8_put(code, utf8);
		buf_clear(&mapped);
		buf_clear(&want);
		buf_clear(&got);
		mail_fold(str_from(utf8, n), &want);
		mail_casemap(str_from(utf8, n), &mapped);
		mail_fold(str_from(buf_data(&mapped), mapped.len), &got);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(buf_data(&got), buf_data(&want), want.len);
	}
	buf_free(&mapped);
	buf_free(&want);
	buf_free(&got);
}

static void
test_growth(void **state)
{
	size_t most = 0;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (uint32_t code = 1; code < 0x110000; code++) {
		char utf8[4];
		size_t n;

		if (code >= 0xd800 && code < 0xe000)
			continue;
		n = mail_utf8_put(code, utf8);
		buf_clear(&b);
		assert_int_equal(mail_casemap(str_from(utf8, n), &b), 0);
		assert_true(mail_utf8_is_valid(str_from(buf_data(&b), b.len)));
		assert_true(b.len <= n * MAIL_CASEMAP_GROWTH);
		if ((b.len + n - 1) / n > most)
			most = (b.len + n - 1) / n;
	}
	assert_int_equal(most, MAIL_CASEMAP_GROWTH);
	/* at the limit of the buffer */
	buf_free(&b);
	buf_init(&b, 2);
	assert_int_equal(mail_casemap(STR("abc"), &b), BUF_LIMIT);
	assert_int_equal(mail_casemap(STR("\xc3\xa4"), &b), BUF_LIMIT);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_casemap),
		cmocka_unit_test(test_agrees_with_fold),
		cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
