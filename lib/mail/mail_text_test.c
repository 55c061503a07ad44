/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/xalloc.h"
#include "mail/charset.h"
#include "mail/decode.h"
#include "mail/param.h"
#include "mail/word.h"

/* Decoders give the same at every split of their input. */
static void
check_decoder(struct str in, struct str want, bool base64)
{
	uint8_t out[1024];

	for (size_t cut = 0; cut <= in.n; cut++) {
		struct mail_base64 b = { 0 };
		struct mail_qp q = { 0 };
		size_t n = 0;

		for (int half = 0; half < 2; half++) {
			struct str part =
			    half ? str_from(in.p + cut, in.n - cut) : str_from(in.p, cut);

			n += base64 ? mail_base64_decode(&b, part, out + n)
				    : mail_qp_decode(&q, part, false, out + n);
		}
		n += base64 ? mail_base64_end(&b, out + n) : mail_qp_end(&q, out + n);
		assert_true(str_eq(str_from(out, n), want));
	}
}

static void
test_base64(void **state)
{
	uint8_t out[16];
	char text[16];
	size_t n;

	(void)state;
	check_decoder(STR("SGVsbG8sIFdvcmxk\r\nIQ==\r\nIQ=="), STR("Hello, World!"), true);
	check_decoder(STR("SGV sb!G8"), STR("Hello"), true);
	check_decoder(STR("SGVsbA"), STR("Hell"), true);
	check_decoder(STR("="), STR(""), true);
	assert_true(mail_base64_strict(STR("AHUAcA=="), out, &n));
	assert_int_equal(n, 4);
	assert_memory_equal(out, "\0u\0p", 4);
	assert_false(mail_base64_strict(STR("AHUAcA="), out, &n));
	assert_false(mail_base64_strict(STR("AH=AcA=="), out, &n));
	assert_false(mail_base64_strict(STR("A==="), out, &n));
	assert_false(mail_base64_strict(STR("AHU AcA="), out, &n));
	n = mail_base64_encode("\0u\0p", 4, text);
	assert_true(str_eq(str_from(text, n), STR("AHUAcA==")));
	n = mail_base64_encode("abcde", 5, text);
	assert_true(str_eq(str_from(text, n), STR("YWJjZGU=")));
}

static void
test_qp(void **state)
{
	(void)state;
	check_decoder(STR("a=3Db =\r\nc=\nd  \r\ne\t\n=zz=4"), STR("a=b cd\r\ne\n=zz=4"), false);
	check_decoder(STR("x ="), STR("x "), false);
	check_decoder(STR("x=\r"), STR("x"), false);
	check_decoder(STR("x\ry"), STR("x\ry"), false);
	check_decoder(STR("=E4=f6"), STR("\xe4\xf6"), false);
}

static void
check_word(const char *in, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(mail_words_decode(str_of(in), &out), 0);
	buf_putc(&out, 0);
	assert_string_equal((const char *)buf_data(&out), want);
	buf_free(&out);
}

static void
test_words(void **state)
{
	(void)state;
	check_word(" plain text\r\n folded", "plain text folded");
	check_word("=?ISO-8859-1?Q?a_=E4?= =?ISO-8859-1?Q?b?=", "a \xc3\xa4"
								"b");
	check_word("=?utf-8?B?w6Q=?=\r\n  =?utf-8?q?x?= y =?utf-8?q?z?=", "\xc3\xa4x y z");
	/* a character cut in two */
	check_word("=?utf-8?B?4oI=?= =?utf-8?B?rA==?=", "\xe2\x82\xac");
	check_word("=?windows-1252?Q?=80?=", "\xe2\x82\xac");
	check_word("=?iso-8859-15*de?Q?=A4?=", "\xe2\x82\xac");
	check_word("=?us-ascii?Q?=80?=", "\xef\xbf\xbd");
	check_word("=?x-unknown?Q?=80?= x", "=?x-unknown?Q?=80?= x");
	check_word("=?koi8-r?Q?=F0=D2=C9?= =?KOI8-R?B?18XU?=",
	    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82");
	/* each word begins in ASCII, whatever the one before forgot */
	check_word("=?iso-2022-jp?B?GyRCNEE=?= =?iso-2022-jp?Q?ab?=", "\xe6\xbc\xa2"
								      "ab");
	check_word("=?utf-7?q?a+AEA-b?= =?hz?q?~{::~}?=", "=?utf-7?q?a+AEA-b?= =?hz?q?~{::~}?=");
	/* a character cut in two */
	check_word("=?gb2312?B?ug==?= =?gb2312?B?ug==?=", "\xe6\xb1\x89");
	check_word("=?utf-8?x?a?=", "=?utf-8?x?a?=");
	check_word("=?utf-8?q?a b?=", "=?utf-8?q?a b?=");
	check_word("=?utf-8?q?", "=?utf-8?q?");
	check_word("=?=?utf-8?q?\?= =", "=? =");
	check_word("a=?utf-8?q?b?=c", "abc");
	check_word("\xc3\xa4 raw", "\xc3\xa4 raw");
	check_word("", "");
}

static void
check_fold(const char *text, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(mail_fold(str_of(text), &out), 0);
	buf_putc(&out, 0);
	assert_string_equal((const char *)buf_data(&out), want);
	buf_free(&out);
}

static void
test_fold(void **state)
{
	struct buf out;
	char utf8[4];

	(void)state;
	check_fold("ABCxyz[ @AZ`az{ANLETTERSOFMANY", "abcxyz[ @az`az{anlettersofmany");
	check_fold(
	    "\xc3\x84\xc3\xb6\xc3\x9f\xe1\xba\x9e\xff", "a\xcc\x88o\xcc\x88\xc3\x9f\xc3\x9f\xff");
	check_fold("O\xcc\x88", "o\xcc\x88");                               /* decomposed already */
	check_fold("\xe1\xbb\x86", "e\xcc\xa3\xcc\x82");                    /* two marks */
	check_fold("\xce\xa3\xcf\x83\xcf\x82", "\xcf\x83\xcf\x83\xcf\x83"); /* sigma, final too */
	check_fold("\xce\x86\xd0\x96\xd0\x81", "\xce\xb1\xcc\x81\xd0\xb6\xd0\xb5\xcc\x88");
	check_fold("\xd4\xb1\xe1\x82\xa0", "\xd5\xa1\xe2\xb4\x80");  /* Armenian, Georgian */
	check_fold("\xf0\x90\x90\x80", "\xf0\x90\x90\xa8");          /* Deseret */
	check_fold("\xef\xbc\xa1\xef\xac\x81\xe2\x85\xa3", "afiiv"); /* wide, ligature, number */
	check_fold("\xc5\xbf\xe2\x84\xaa\xc2\xb5", "sk\xce\xbc");    /* long s, Kelvin, micro */
	check_fold(
	    "\xe6\x97\xa5\xed\x95\x9c\xf0\x9f\x98\x80", "\xe6\x97\xa5\xed\x95\x9c\xf0\x9f\x98\x80");
	/* nothing grows more than was said, and folding twice changes nothing */
	for (uint32_t c = 0x80; c < 0x110000; c++) {
		size_t n = mail_utf8_put(c, utf8), once;

		if (c >= 0xd800 && c < 0xe000)
			continue;
		buf_init(&out, 4096);
		assert_int_equal(mail_fold(str_from(utf8, n), &out), 0);
		once = out.len;
		assert_in_range(once, 1, MAIL_FOLD_TIMES * n);
		assert_int_equal(mail_fold(str_from(buf_data(&out), once), &out), 0);
		assert_int_equal(out.len, 2 * once);
		assert_memory_equal(buf_data(&out), buf_data(&out) + once, once);
		buf_free(&out);
	}
	assert_true(mail_utf8_is_valid(STR("\xf0\x9f\x98\x80")));
	assert_false(mail_utf8_is_valid(STR("\xed\xa0\x80"))); /* surrogate */
	assert_false(mail_utf8_is_valid(STR("\xc0\xaf")));     /* overlong */
	assert_false(mail_utf8_is_valid(STR("\xf4\x90\x80\x80")));
	assert_false(mail_utf8_is_valid(STR("\xe2\x82")));
}

static void
check_param(const char *value, const char *name, const char *want)
{
	struct arena *a = arena_new(65536);
	struct str type, subtype;
	struct mail_lex params;
	struct buf out;
	bool found;

	buf_init(&out, 4096);
	assert_true(mail_ctype_parse(str_of(value), &type, &subtype, &params));
	found = mail_param_get(params, a, str_of(name), &out);
	buf_putc(&out, 0);
	if (want == NULL)
		assert_false(found);
	else
		assert_string_equal((const char *)buf_data(&out), want);
	buf_free(&out);
	arena_free(&a);
}

static void
test_params(void **state)
{
	(void)state;
	check_param(" text/plain; charset=utf-8", "charset", "utf-8");
	check_param("text / plain (c;d=e) ; CHARSET = \"u\\\"t;f\"", "charset", "u\"t;f");
	check_param("a/b; name=\"x;y\"; filename=z", "filename", "z");
	check_param("a/b; x=1; x=2", "x", "1");
	check_param("a/b; x", "x", NULL);
	check_param("a/b;;; =1; y=2", "y", "2");
	check_param("a/b; n*=utf-8'de'%C3%A4%2", "n", "\xc3\xa4%2");
	check_param("a/b; n*1=b; n*0=a; n*2*=%63", "n", "abc");
	check_param("a/b; n*0*=iso-8859-1''%E4; n*1=\"%E4\"; n*3=x", "n", "\xc3\xa4%E4");
	check_param("a/b; n*0=a; n*0=b", "n", "a");
	check_param("a/b; n=old; n*=utf-8''new", "n", "new");
	check_param("a/b; n*999999999=x; n=y", "n", "y");
	check_param("a/b; n=\"=?utf-8?q?=C3=A4?=\"", "n", "\xc3\xa4");
	check_param("a/b; n=\"open", "n", "open");
	check_param("a/b; name2=x", "name", NULL);
}

/* rfc2231 bombs: what is beyond the limit is not used, time is linear. */
static void
test_many_params(void **state)
{
	struct buf value, out;
	struct arena *a = arena_new(65536);
	struct str type, subtype;
	struct mail_lex params;

	(void)state;
	buf_init(&value, 1 << 22);
	buf_init(&out, 4096);
	buf_puts(&value, "a/b");
	for (int i = 0; i < 100000; i++)
		buf_printf(&value, "; n*%d*=x", i);
	assert_true(
	    mail_ctype_parse(str_from(buf_data(&value), value.len), &type, &subtype, &params));
	assert_true(mail_param_get(params, a, STR("n"), &out));
	assert_int_equal(out.len, MAIL_PARAMS_MAX);
	buf_free(&value);
	buf_free(&out);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_qp),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_many_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
