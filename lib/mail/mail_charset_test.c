/* SPDX-License-Identifier: ISC */
/* Each character set beside the iconv of this machine, at every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <iconv.h>
#include <stdio.h>
#include <string.h>

#include "mail/charset.h"

enum { TEXT_MAX = 1 << 20 };

static void
decode(enum mail_charset cs, struct str in, size_t cut, struct buf *out)
{
	struct mail_charset_state st = { .cs = cs };
	struct buf left;
	ptrdiff_t used;

	buf_clear(out);
	buf_init(&left, in.n + 1);
	buf_put(&left, in.p, cut);
	used = mail_charset_decode(&st, str_from(buf_data(&left), cut), false, out);
	assert_in_range(used, cut > MAIL_CHARSET_HELD ? cut - MAIL_CHARSET_HELD : 0, cut);
	buf_drain(&left, (size_t)used);
	buf_put(&left, in.p + cut, in.n - cut);
	used = mail_charset_decode(&st, str_from(buf_data(&left), left.len), true, out);
	assert_int_equal(used, left.len);
	buf_free(&left);
}

static void
check(const char *name, struct str in, const char *want)
{
	enum mail_charset cs = mail_charset_find(str_of(name));
	struct buf out;

	assert_int_not_equal(cs, MAIL_CHARSET_UNKNOWN);
	buf_init(&out, TEXT_MAX);
	for (size_t cut = 0; cut <= in.n; cut++) {
		decode(cs, in, cut, &out);
		buf_putc(&out, 0);
		if (strcmp((const char *)buf_data(&out), want) != 0)
			print_error("%s, cut at %zu\n", name, cut);
		assert_string_equal((const char *)buf_data(&out), want);
	}
	buf_free(&out);
}

static void
test_words(void **state)
{
	(void)state;
	check("koi8-r", STR("\xf0\xd2\xc9\xd7\xc5\xd4"),
	    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82");
	check("KOI8-U", STR("\xa4\xa6\xb7\xad"), "\xd1\x94\xd1\x96\xd0\x87\xd2\x91");
	check("windows-1251", STR("\xcf\xf0\xe8"), "\xd0\x9f\xd1\x80\xd0\xb8");
	check("iso-8859-2", STR("\xb3\xf3"), "\xc5\x82\xc3\xb3");
	check("iso-8859-8-i", STR("\xf9\xec"), "\xd7\xa9\xd7\x9c");
	check("big5",
	    STR("\xba\x7e"
		"a\xa6r"),
	    "\xe6\xbc\xa2"
	    "a\xe5\xad\x97");
	check("big5", STR("\x87\x45"), "\xf0\xa7\x89\xa7");
	check(
	    "shift_jis", STR("\x8a\xbf\x8e\x9a\xb1\\~"), "\xe6\xbc\xa2\xe5\xad\x97\xef\xbd\xb1\\~");
	check("euc-jp", STR("\xb4\xc1\x8e\xb1\x8f\xb0\xa1z"),
	    "\xe6\xbc\xa2\xef\xbd\xb1\xe4\xb8\x82z");
	check("iso-2022-jp", STR("a\033$B4A;z\033(Bb\033(I1\033(J\\\033$(D0!\n4A"),
	    "a\xe6\xbc\xa2\xe5\xad\x97"
	    "b\xef\xbd\xb1\\\xe4\xb8\x82\n4A");
	check("euc-kr", STR("\xc7\xd1\xb1\xdb"), "\xed\x95\x9c\xea\xb8\x80");
	check("ks_c_5601-1987", STR("\xc7\xd1"), "\xed\x95\x9c");
	check("cp949", STR("\x81\x41"), "\xea\xb0\x82");
	check("iso-2022-kr", STR("\033$)C\016GQ1[\017 GQ"), "\xed\x95\x9c\xea\xb8\x80 GQ");
	check("gb2312", STR("\xba\xba\xd7\xd6"), "\xe6\xb1\x89\xe5\xad\x97");
	check("gbk", STR("\x80\x81\x40"), "\xe2\x82\xac\xe4\xb8\x82");
	check("gb18030", STR("\x81\x30\x81\x30\x94\x39\xda\x33\xe3\x32\x9a\x35"),
	    "\xc2\x80\xf0\x9f\x92\xa9\xf4\x8f\xbf\xbf");
	check("hz-gb-2312", STR("a~~~{::WV~}b~\nc~{::\n::"),
	    "a~\xe6\xb1\x89\xe5\xad\x97"
	    "bc\xe6\xb1\x89\n::");
	check("utf-7", STR("Hi Mom -+Jjo--! +- +2D3cqQ-x +AOQ a"),
	    "Hi Mom -\xe2\x98\xba-! + \xf0\x9f\x92\xa9x \xc3\xa4 a");
	check("utf-16", STR("\xff\xfe\x41\x00\x3d\xd8\xa9\xdc"), "A\xf0\x9f\x92\xa9");
	check("utf-16", STR("\x00\x41\x20\xac"), "A\xe2\x82\xac");
	check("utf-16le", STR("\xac\x20"), "\xe2\x82\xac");
	check("utf-8", STR("\xe2\x82\xac\xf0\x9f\x92\xa9"), "\xe2\x82\xac\xf0\x9f\x92\xa9");
}

#define BAD "\xef\xbf\xbd"

/* What is wrong swallows nothing behind it that is ASCII. */
static void
test_broken(void **state)
{
	(void)state;
	check("utf-8",
	    STR("\xe2\x82"
		"a\xf0\x9f"),
	    BAD BAD "a" BAD BAD);
	check("us-ascii", STR("a\x80"), "a" BAD);
	check("windows-1252", STR("\x81z"), BAD "z");
	check("big5", STR("\xba\nx\xba"), BAD "\nx" BAD);
	check("big5",
	    STR("\xff"
		"a\x80\xff"),
	    BAD "a" BAD BAD);
	check("gbk",
	    STR("\x81\x30"
		"abc"),
	    BAD "0abc");
	check("gb18030", STR("\x81\x30\x81"), BAD "0" BAD);
	check("gb18030", STR("\xfe\x39\xfe\x39"), BAD);
	check("shift_jis", STR("\x81\n\xfd\xfd"), BAD "\n" BAD);
	check("euc-jp", STR("\x8f\xa2\n\x8f\x41\xa1"), BAD "\n" BAD "A" BAD);
	check("euc-kr", STR("\xc7\n"), BAD "\n");
	check("iso-2022-jp", STR("\033$B4\n\033x\033"), BAD "\n\033x" BAD);
	check("iso-2022-jp", STR("\xe4\033$B\x7f"), BAD "\x7f");
	check("hz-gb-2312", STR("~{:\n~"), BAD "\n" BAD);
	check("utf-7", STR("+2D0-a \xe4+2D3-+"), "a " BAD BAD);
	check("utf-16be", STR("\xdc\x00\xd8\x00\x00\x41\x41"), BAD BAD "A" BAD);
}

static void
test_names(void **state)
{
	(void)state;
	assert_int_equal(mail_charset_find(STR("")), MAIL_CHARSET_UNKNOWN);
	assert_int_equal(mail_charset_find(STR("x-unknown")), MAIL_CHARSET_UNKNOWN);
	assert_int_equal(mail_charset_find(STR("unknown-8bit")), MAIL_CHARSET_UNKNOWN);
	assert_int_equal(mail_charset_find(STR("iso-8859-99")), MAIL_CHARSET_UNKNOWN);
	assert_int_equal(mail_charset_find(STR("a name that is much too long to be one utf-8")),
	    MAIL_CHARSET_UNKNOWN);
	assert_int_equal(mail_charset_find(STR("UTF8*en")), MAIL_CHARSET_UTF8);
	assert_int_equal(mail_charset_find(STR("'Shift-JIS'")), MAIL_CHARSET_SJIS);
	for (enum mail_charset cs = MAIL_CHARSET_ASCII; cs < MAIL_CHARSETS; cs++)
		assert_int_equal(mail_charset_find(str_of(mail_charset_name(cs))), cs);
	assert_null(mail_charset_name(MAIL_CHARSETS));
}

/* ---- beside iconv -----------------------------------------------------------------------------
 */
static bool
converts(iconv_t cd, struct str in, char out[static 64], size_t *n)
{
	char *from = (char *)(uintptr_t)in.p, *to = out;
	size_t left = in.n, room = 64;

	iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &from, &left, &to, &room) == (size_t)-1 ||
	    iconv(cd, NULL, NULL, &to, &room) == (size_t)-1)
		return false;
	*n = 64 - room;
	return true;
}

/* These are read as Windows reads them, which is what mail programs mean. */
static bool
differs(enum mail_charset cs, uint32_t code)
{
	static const uint32_t japanese[] = { 0x5c, 0x7e, 0xa5, 0xa2, 0xa3, 0xa6, 0xac, 0x2014,
		0x2016, 0x203e, 0x2212, 0x301c };

	if (cs == MAIL_CHARSET_ISO_2022_KR)
		return code == 0x327e; /* of 2002; Windows does not have it */
	if (cs == MAIL_CHARSET_GB2312)
		return code == 0x2015 || code == 0x30fb;
	if (cs != MAIL_CHARSET_EUC_JP && cs != MAIL_CHARSET_ISO_2022_JP)
		return false;
	for (size_t i = 0; i < sizeof(japanese) / sizeof(japanese[0]); i++)
		if (japanese[i] == code)
			return true;
	return false;
}

/* Every character that iconv can write in the set is read as iconv reads it. */
static size_t
check_set(enum mail_charset cs, const char *iconv_name)
{
	iconv_t to = iconv_open(iconv_name, "UTF-8"), from = iconv_open("UTF-8", iconv_name);
	char utf8[4], there[64], back[64];
	uint32_t end = cs == MAIL_CHARSET_UTF8 || cs >= MAIL_CHARSET_GB18030 ? 0x30000 : 0xffff;
	size_t checked = 0, n, m;
	struct buf out;

	assert_true(to != (iconv_t)-1 && from != (iconv_t)-1);
	buf_init(&out, TEXT_MAX);
	for (uint32_t code = 1; code < end; code++) {
		if ((code >= 0xd800 && code < 0xe000) || code == 0xfeff || code == 0x1b ||
		    differs(cs, code))
			continue;
		n = mail_utf8_put(code, utf8);
		if (!converts(to, str_from(utf8, n), there, &m) ||
		    !converts(from, str_from(there, m), back, &n))
			continue;
		if (cs >= MAIL_CHARSET_GB18030 && m == 1 && (code >> 5 == 4 || code >> 8 == 0xf8))
			continue; /* a byte that is nothing but itself */
		if (m > 1 && cs > MAIL_CHARSET_LATIN1 && cs < MAIL_CHARSET_GB18030)
			continue; /* a letter and marks, which iconv joins */
		buf_clear(&out);
		assert_int_equal(mail_charset_to_utf8(cs, str_from(there, m), &out), 0);
		if (out.len != n || memcmp(buf_data(&out), back, n) != 0)
			fail_msg("%s: U+%04X", mail_charset_name(cs), code);
		checked++;
	}
	buf_free(&out);
	iconv_close(to);
	iconv_close(from);
	return checked;
}

static void
test_iconv(void **state)
{
	(void)state;
	for (enum mail_charset cs = MAIL_CHARSET_ASCII; cs < MAIL_CHARSETS; cs++) {
		const char *name = mail_charset_name(cs);
		size_t least = 126;

		if (cs == MAIL_CHARSET_HZ) /* iconv has none */
			continue;
		if (cs == MAIL_CHARSET_BIG5)
			name = "BIG5-HKSCS";
		else if (cs == MAIL_CHARSET_SJIS)
			name = "CP932";
		else if (cs == MAIL_CHARSET_EUC_KR)
			name = "UHC";
		else if (cs == MAIL_CHARSET_UTF16) /* with a mark */
			name = "UNICODE";
		if (cs >= MAIL_CHARSET_GB18030)
			least = 6900;
		else if (cs > MAIL_CHARSET_LATIN1)
			least = 170;
		assert_true(check_set(cs, name) >= least);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_iconv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
