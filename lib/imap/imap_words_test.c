/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/frame.h"
#include "imap/limits.h"
#include "imap/mutf7.h"
#include "imap/name.h"
#include "imap/parse.h"
#include "imap/respond.h"
#include "imap/uidset.h"

static void
test_mutf7(void **state)
{
	static const struct {
		const char *wire, *utf8; /* NULL: not valid */
	} cases[] = {
		{ "", "" },
		{ "INBOX/a", "INBOX/a" },
		{ "Tom &- Jerry", "Tom & Jerry" },
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
		    "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "M&APw-ller", "M\xc3\xbcller" },
		{ "&2D3eAA-", "\xf0\x9f\x98\x80" },
		{ "&AOQ-&-", "\xc3\xa4&" },
		{ "&", NULL },
		{ "&APw", NULL },
		{ "&AGE-", NULL },      /* 'a' must stand for itself */
		{ "&APx-", NULL },      /* bits left over */
		{ "&2D0-", NULL },      /* half of a pair */
		{ "&3gDYPQ-", NULL },   /* halves in the wrong order */
		{ "&APw-&AOQ-", NULL }, /* two runs where one is right */
		{ "&AP/8-", NULL },
		{ "\xc3\xa4", NULL },
		{ "a\nb", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;
		bool ok;

		buf_init(&out, 256);
		ok = imap_mutf7_decode(str_of(cases[i].wire), &out);
		assert_int_equal(ok, cases[i].utf8 != NULL);
		if (ok) {
			assert_true(
			    str_eq(str_from(buf_data(&out), out.len), str_of(cases[i].utf8)));
			buf_clear(&out);
			assert_int_equal(imap_mutf7_encode(str_of(cases[i].utf8), &out), 0);
			assert_true(
			    str_eq(str_from(buf_data(&out), out.len), str_of(cases[i].wire)));
		}
		buf_free(&out);
	}
}

static void
test_names(void **state)
{
	static const struct {
		const char *wire, *name;
	} cases[] = {
		{ "inbox", "INBOX" },
		{ "iNbOx/Sub", "INBOX/Sub" },
		{ "Inboxes", "Inboxes" },
		{ "a/b/", "a/b" },
		{ "..", ".." }, /* a key like any other */
		{ "../../etc/passwd", "../../etc/passwd" },
		{ "", NULL },
		{ "/", NULL },
		{ "/a", NULL },
		{ "a//b", NULL },
		{ "a//", NULL },
		{ "a*", NULL },
		{ "a%", NULL },
		{ "a&AAk-", NULL },
		{ "a&AIU-", NULL },
		{ "a&ICg-", NULL },
		{ "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/"
		  "30/31/32/33",
		    NULL },
	};
	struct arena *a = arena_new(65536);
	char longest[IMAP_COMMAND_MAX / 100];
	struct str name;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = imap_name_parse(str_of(cases[i].wire), false, a, &name);

		if (cases[i].name == NULL) {
			assert_non_null(why);
		} else {
			assert_null(why);
			assert_true(str_eq(name, str_of(cases[i].name)));
		}
	}
	memset(longest, 'x', sizeof(longest));
	assert_null(imap_name_parse(str_from(longest, 255), false, a, &name));
	assert_string_equal(
	    imap_name_parse(str_from(longest, 256), false, a, &name), "Folder name is too long");
	arena_free(&a);
}

static void
test_patterns(void **state)
{
	static const struct {
		const char *name, *pattern;
		bool matches;
	} cases[] = {
		{ "a", "a", true },
		{ "a", "A", false },
		{ "INBOX", "inbox", true },
		{ "INBOX/x", "inbox/x", true },
		{ "INBOX/x", "inbox/X", false },
		{ "INBOXX", "inboxx", false },
		{ "a/b", "%", false },
		{ "a/b", "*", true },
		{ "a/b", "a/%", true },
		{ "a/b/c", "a/%", false },
		{ "a/b/c", "a/%/c", true },
		{ "a/b/c", "*c", true },
		{ "a/b", "a%b", false },
		{ "a/b", "a%/%", true },
		{ "abc", "%b%", true },
		{ "abc", "", false },
		{ "abc", "abcd", false },
		{ "abc", "abc%*", true },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*ab", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(imap_name_matches(str_of(cases[i].name), str_of(cases[i].pattern)),
		    cases[i].matches);
}

static void
test_sets(void **state)
{
	static const struct {
		const char *text, *want; /* with * = 10; NULL: not a set */
	} cases[] = {
		{ "1", "1-1 " },
		{ "*", "10-10 " },
		{ "5:3,1,4:7", "1-1 3-7 " },
		{ "1:2,3:4", "1-4 " },
		{ "*:8,20", "8-10 20-20 " },
		{ "4294967295,1:*", "1-10 4294967295-4294967295 " },
		{ "0", NULL },
		{ "4294967296", NULL },
		{ "1,", NULL },
		{ ":1", NULL },
		{ "1:", NULL },
		{ "a", NULL },
	};
	struct arena *a = arena_new(65536);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct imap_parse p;
		struct imap_set set;
		struct buf out;

		imap_parse_init(&p, str_of(cases[i].text), a);
		assert_int_equal(imap_parse_set(&p, &set), cases[i].want != NULL);
		if (cases[i].want == NULL)
			continue;
		imap_set_resolve(&set, 10);
		buf_init(&out, 256);
		for (size_t k = 0; k < set.n; k++)
			buf_printf(&out, "%u-%u ", set.r[k].lo, set.r[k].hi);
		buf_putc(&out, 0);
		assert_string_equal((const char *)buf_data(&out), cases[i].want);
		assert_true(imap_set_has(&set, set.r[0].lo));
		assert_false(imap_set_has(&set, set.r[0].lo - 1));
		buf_free(&out);
	}
	arena_free(&a);
}

static void
test_strings(void **state)
{
	static const struct {
		const char *in, *string, *astring;
	} cases[] = {
		{ "abc", "\"abc\"", "abc" },
		{ "", "\"\"", "\"\"" },
		{ "nil", "\"nil\"", "\"nil\"" },
		{ "a b", "\"a b\"", "\"a b\"" },
		{ "a\"\\", "\"a\\\"\\\\\"", "\"a\\\"\\\\\"" },
		{ "a\r\nb", "{4}\r\na\r\nb", "{4}\r\na\r\nb" },
		{ "\xc3\xa4", "{2}\r\n\xc3\xa4", "{2}\r\n\xc3\xa4" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;

		buf_init(&out, 256);
		assert_int_equal(imap_put_string(&out, str_of(cases[i].in)), 0);
		assert_true(str_eq(str_from(buf_data(&out), out.len), str_of(cases[i].string)));
		buf_clear(&out);
		assert_int_equal(imap_put_astring(&out, str_of(cases[i].in)), 0);
		assert_true(str_eq(str_from(buf_data(&out), out.len), str_of(cases[i].astring)));
		buf_free(&out);
	}
}

static void
test_uidset(void **state)
{
	struct imap_uidset s = { 0 };
	bool in[600] = { false };
	unsigned x = 7;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint32_t uids[5];
		size_t n = 0;

		x = x * 1103515245 + 12345;
		if (x >> 16 & 3) {
			uint32_t uid = (x >> 18) % 500 + 1;

			for (size_t i = 0; i < (x >> 8 & 3) + 1; i++) {
				in[uid] = true;
				uids[n++] = uid;
				uid += (x >> (i + 4) & 7) + 1;
			}
			imap_uidset_add(&s, uids, n);
		} else if (imap_uidset_count(&s) > 0) {
			uint32_t least = 1;

			while (!in[least])
				least++;
			assert_int_equal(imap_uidset_take(&s), least);
			in[least] = false;
		}
		n = 0;
		for (uint32_t uid = 1; uid < 600; uid++) {
			assert_int_equal(imap_uidset_below(&s, uid), n);
			assert_int_equal(imap_uidset_has(&s, uid), in[uid]);
			n += in[uid];
		}
		assert_int_equal(imap_uidset_count(&s), n);
	}
	imap_uidset_clear(&s);
}

/* Limits of the frame, in pieces of every size. */
static void
test_frame(void **state)
{
	static const struct {
		const char *in,
		    *want; /* commands between brackets, L: literal, T: too big, B: bye */
	} cases[] = {
		{ "a\r\nb\n", "[a][b]" },
		{ "a {3}\r\n{1}\r\n", "L[a {3}\r\n{1}]" },
		{ "a {1+}\r\n}{2+}\r\nxy\r\n", "LL[a {1+}\r\n}{2+}\r\nxy]" },
		{ "a {x}\r\n{}\r\n", "[a {x}][{}]" },
		{ "a {40}\r\nb\r\n", "LT[b]" },
		{ "a {40+}\r\n0123456789012345678901234567890123456789 {3+}\r\nb\r\n\r\nc\r\n",
		    "LT[c]" },
		{ "a 01234567890123456789012345678901234567890\r\nb\r\n", "T[b]" },
		{ "a 012345678901234567890123456789012345 {3+}\r\nb\r\n\r\nc\r\n", "T[c]" },
		{ "a 01234567890123456789012 {300000000000+}\r\n", "B" },
		{ "a {999999999999999999999999999999999+}\r\n", "B" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i].in);

		for (size_t step = 1; step <= n; step++) {
			enum imap_frame_event e = IMAP_FRAME_INPUT;
			struct imap_frame f;
			struct buf in, out;

			imap_frame_init(&f, 32);
			buf_init(&in, 256);
			buf_init(&out, 256);
			for (size_t at = 0; at < n && e != IMAP_FRAME_BYE; at += step) {
				buf_put(&in, cases[i].in + at, n - at < step ? n - at : step);
				while ((e = imap_frame_next(&f, &in)) != IMAP_FRAME_INPUT &&
				       e != IMAP_FRAME_BYE) {
					if (e == IMAP_FRAME_COMMAND)
						buf_printf(&out, "[%.*s]", (int)f.cmd.len,
						    (const char *)buf_data(&f.cmd));
					else
						buf_putc(&out, e == IMAP_FRAME_LITERAL ? 'L' : 'T');
					if (e == IMAP_FRAME_LITERAL)
						imap_frame_take(&f);
				}
			}
			if (e == IMAP_FRAME_BYE)
				buf_putc(&out, 'B');
			buf_putc(&out, 0);
			assert_string_equal((const char *)buf_data(&out), cases[i].want);
			imap_frame_free(&f);
			buf_free(&in);
			buf_free(&out);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutf7),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_uidset),
		cmocka_unit_test(test_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
