/* SPDX-License-Identifier: ISC */
/* SEARCH: each key, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "imap/limits.h"
#include "imap/test_client.h"

static const char searched[] =
    "Date: 1 Jan 2020 23:30:00 -0800\r\n"
    "From: =?utf-8?Q?J=C3=B6rg?= <j@example.org>\r\n"
    "Subject: =?iso-8859-1?Q?Gr=FC=DFe?= aus\r\n =?iso-8859-1?Q?K=D6LN?=\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=windows-1252\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    "F=DCR 5 =80 nach=\r\nnahme\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n"
    "w4RwZmVsIHVuZCBCaXJuZW4=\r\n--b--\r\n";

static const struct {
	const char *keys, *want;
} searches[] = {
	{ "all", " 1 2 3" },
	{ "2:*", " 2 3" },
	{ "uid 1:2", " 1 2" },
	{ "not seen", " 2 3" },
	{ "or seen 3", " 1 3" },
	{ "seen undeleted", " 1" },
	{ "new", " 2 3" },
	{ "old", "" },
	{ "subject \"wg mtg\"", " 1 2" },
	{ "subject {10+}\r\nGR\xc3\x9c\xc3\x9f"
	  "E AU",
	    " 3" },
	{ "charset iso-8859-1 subject \"aus K\xf6ln\"", " 3" },
	{ "from J\xc3\x96RG", "" },
	{ "from \"J\xc3\x96RG\"", " 3" },
	{ "header message-id \"\"", " 1 2" },
	{ "header x-none \"\"", "" },
	{ "body \"f\xc3\xbcr 5 \xe2\x82\xac nachnahme\"", " 3" },
	{ "body \"\xc3\xa4PFEL\"", " 3" },
	{ "body grüße", "" },
	{ "body \"gr\xc3\xbc\xc3\x9f"
	  "e\"",
	    "" },
	{ "text \"gr\xc3\xbc\xc3\x9f"
	  "e\"",
	    " 3" },
	{ "text \"hello world\"", " 1 2" },
	{ "body klensin", "" },
	{ "sentsince 1-Jan-2020 sentbefore 2-jan-2020", " 3" },
	{ "senton \"17-Jul-1996\"", " 1 2" },
	{ "on 9-Sep-2001", " 1 2 3" },
	{ "before 9-Sep-2001", "" },
	{ "since 10-Sep-2001", "" },
	{ "larger 5000", "" },
	{ "smaller 5000 larger 10", " 1 2 3" },
	{ "(or (2 unseen) (1 not (text x)))", " 2" },
	{ "not or 1 2 unflagged undraft unanswered", " 3" },
};

static void
test_search(void **state)
{
	struct client c;
	char line[256], want[256];

	(void)state;
	in_inbox(&c, 2);
	memory_deliver(&mem, "INBOX", str_of(searched), 0);
	say(&c, "a store 1 flags.silent \\Seen\r\n");
	got(&c);
	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
		bool bad =
		    strstr(searches[i].keys, "from J") || strstr(searches[i].keys, "body gr\xc3");

		snprintf(line, sizeof(line), "a search %s\r\n", searches[i].keys);
		snprintf(want, sizeof(want), "* SEARCH%s\r\na OK Search completed\r\n",
		    searches[i].want);
		say(&c, line);
		assert_string_equal(
		    got(&c), bad ? "a BAD Unexpected text at the end of the command\r\n" : want);
	}
	done(&c);
}

static void
test_search_refused(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2);
	EXPECT(&c, "a search charset x-foo text y\r\n",
	    "a NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252 ISO-8859-2 "
	    "ISO-8859-3 ISO-8859-4 ISO-8859-5 ISO-8859-6 ISO-8859-7 ISO-8859-8 ISO-8859-9 "
	    "ISO-8859-10 ISO-8859-13 ISO-8859-14 ISO-8859-16 WINDOWS-874 WINDOWS-1250 "
	    "WINDOWS-1251 WINDOWS-1253 WINDOWS-1254 WINDOWS-1255 WINDOWS-1256 WINDOWS-1257 "
	    "WINDOWS-1258 KOI8-R KOI8-U IBM437 IBM850 IBM852 IBM855 IBM866 MACINTOSH "
	    "MAC-CYRILLIC ARMSCII-8 GB18030 GBK GB2312 HZ-GB-2312 BIG5 SHIFT_JIS EUC-JP "
	    "ISO-2022-JP EUC-KR ISO-2022-KR UTF-7 UTF-16 UTF-16BE UTF-16LE)] Unknown character "
	    "set\r\n");
	EXPECT(&c, "a uid search uid 2:3 (1:* )\r\n", "a BAD Missing or invalid argument\r\n");
	EXPECT(&c, "a search\r\n", "a BAD Missing argument\r\n");
	EXPECT(&c, "a search foo\r\n", "a BAD Unknown search key\r\n");
	done(&c);
}

static void
test_deep_search(void **state)
{
	struct client c;
	char line[4096] = "a search ";

	(void)state;
	in_inbox(&c, 1);
	for (int i = 0; i < 100; i++)
		strcat(line, "not ");
	strcat(line, "all\r\n");
	EXPECT(&c, line, "a BAD Search keys are nested too deep\r\n");
	memset(line, '(', 2000);
	memcpy(line, "a search ", 9);
	strcpy(line + 2000, "\r\n");
	EXPECT(&c, line, "a BAD Search keys are nested too deep\r\n");
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_search_refused),
		cmocka_unit_test(test_deep_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
