/* SPDX-License-Identifier: ISC */
/* Base subjects and message ids (rfc5256). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/xalloc.h"
#include "imap/headerkeys.h"
#include "imap/msgid.h"
#include "imap/subject.h"

#include <stdlib.h>

static void
test_base(void **state)
{
	static const struct {
		const char *subject, *base;
		bool reply;
	} cases[] = {
		{ "", "", false },
		{ "hello", "hello", false },
		{ "  hello  there\t\tyou ", "hello there you", false },
		{ "hello\r\n\tthere", "hello there", false },
		{ "Re: hello", "hello", true },
		{ "RE:hello", "hello", true },
		{ "Fw: hello", "hello", true },
		{ "FWD: hello", "hello", true },
		{ "Re  : hello", "hello", true },
		{ "Re [5]: hello", "hello", true },
		{ "Re[5] : hello", "hello", true },
		{ "Re: Fwd: RE: hello", "hello", true },
		{ "hello (fwd)", "hello", true },
		{ "hello (FWD) (fwd) ", "hello", true },
		{ "hello(fwd)", "hello", true },
		{ "hello (fw)", "hello (fw)", false },
		{ "[list] hello", "hello", false },
		{ "[list] [other]hello", "hello", false },
		{ "[list] Re: [list] hello", "hello", true },
		{ "Re: [list] hello (fwd)", "hello", true },
		/* a blob stays where nothing else would */
		{ "[list]", "[list]", false },
		{ "Re: [list] ", "[list]", true },
		{ "[a] [b]", "[b]", false },
		{ "[a [b] hello", "[a [b] hello", false },
		{ "[open hello", "[open hello", false },
		{ "Re: ", "", true },
		{ "Re", "Re", false },
		{ "Reply: hello", "Reply: hello", false },
		{ "Re [a] [b]: hello", "Re [a] [b]: hello", false },
		{ "[Fwd: hello]", "hello", true },
		{ "[Fwd: Re: hello (fwd)]", "hello", true },
		{ "[fwd: [fwd: hello] ]", "hello", true },
		{ "Re: [Fwd: hello] (fwd)", "hello", true },
		{ "[Fwd: ]", "", true },
		{ "[Fwd: hello", "[Fwd: hello", false },
		{ "[Fwd: hello] there", "there", false },
		{ "=?utf-8?q?Re=3A_gr=C3=BC=C3=9Fe?=",
		    "gr\xc3\xbc\xc3\x9f"
		    "e",
		    true },
		{ "Re: =?us-ascii?q?a?= =?us-ascii?q?b?=", "ab", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;
		struct str s;
		char text[200];
		bool reply;

		buf_init(&b, 4 * IMAP_SUBJECT_MAX);
		s = imap_subject_base(str_of(cases[i].subject), &b, &reply);
		memcpy(text, s.n ? s.p : "", s.n);
		text[s.n] = 0;
		assert_string_equal(text, cases[i].base);
		assert_int_equal(reply, cases[i].reply);
		buf_free(&b);
	}
}

/* Work is in proportion to the length: these would take very long otherwise. */
static void
test_hostile(void **state)
{
	static const char *const parts[] = { "[]", "[", "re:", "[]re:", "(fwd)", "[fwd:", "]", " ",
		"re[", "[a]re[b]" };
	char *text = xmalloc(IMAP_SUBJECT_MAX + 100);
	struct buf b;
	bool reply;

	(void)state;
	buf_init(&b, 4 * IMAP_SUBJECT_MAX);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t n = 0;

		while (n < IMAP_SUBJECT_MAX) {
			memcpy(text + n, parts[i], strlen(parts[i]));
			n += strlen(parts[i]);
		}
		for (int k = 0; k < 100; k++)
			imap_subject_base(str_from(text, n), &b, &reply);
		assert_true(b.len <= IMAP_SUBJECT_MAX);
	}
	free(text);
	buf_free(&b);
}

static void
ids(const char *value, const char *want)
{
	char id[IMAP_MSGID_MAX], got[1000] = "";
	struct str v = str_of(value);
	size_t n, at = 0;

	while ((n = imap_msgid_next(&v, id)) > 0) {
		if (at > 0)
			got[at++] = '|';
		memcpy(got + at, id, n);
		got[at += n] = 0;
	}
	assert_string_equal(got, want);
}

static void
test_ids(void **state)
{
	char value[IMAP_MSGID_MAX + 10], id[IMAP_MSGID_MAX];
	struct str v;

	(void)state;
	ids("", "");
	ids("<a@b>", "a@b");
	ids(" <a@b>\r\n\t<c@d> ", "a@b|c@d");
	ids("<a@b><c@d>", "a@b|c@d");
	/* rfc5256:3: with and without quotes it is the same */
	ids("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>", "01KF8JCEOCBS0045PS@xxx.yyy.com");
	ids("<01KF8JCEOCBS0045PS@xxx.yyy.com>", "01KF8JCEOCBS0045PS@xxx.yyy.com");
	ids("<\"a\\\"b@c\"@d>", "a\"b@c@d");
	ids("< a @ b >", "a@b");
	ids("Your message of Monday <a@b> \"x\"", "a@b");
	/* none of these is one */
	ids("a@b", "");
	ids("<a>", "");
	ids("<@b> <a@> <>", "");
	ids("<a@b", "");
	ids("<a <c@d>", "c@d");
	ids("<\"a@b>", "");
	memset(value, 'x', sizeof(value));
	value[0] = '<';
	value[3] = '@';
	value[IMAP_MSGID_MAX + 1] = '>';
	v = str_from(value, IMAP_MSGID_MAX + 2);
	assert_int_equal(imap_msgid_next(&v, id), IMAP_MSGID_MAX);
	value[IMAP_MSGID_MAX + 1] = 'x';
	value[IMAP_MSGID_MAX + 2] = '>';
	v = str_from(value, IMAP_MSGID_MAX + 3);
	assert_int_equal(imap_msgid_next(&v, id), 0);
}

static void
is(struct str s, const char *want)
{
	assert_int_equal(s.n, strlen(want));
	assert_memory_equal(s.n ? s.p : "", want, s.n);
}

static const char mail[] = "Subject: Re: =?iso-8859-1?q?=E4rger?=\r\n"
			   "Date: Mon, 1 Jan 2024 01:00:00 +0100\r\n"
			   "From: Fred <fred@example.test>, b@c\r\n"
			   "To: team: a@b, c@d;\r\n"
			   "Cc: \"M\xc3\xbcller\" <m\xc3\xbcller@example.test>\r\n"
			   "Message-ID: <4@x>\r\n"
			   "In-Reply-To: <9@x>\r\n"
			   "References: <1@x> <2@x>\r\n <\"3\"@x>\r\n"
			   "\r\n"
			   "Subject: no\r\n";

static void
test_keys(void **state)
{
	struct imap_keys_reader r;
	struct imap_header_keys k;
	struct arena *a = arena_new(10000), *tiny = arena_new(16);

	(void)state;
	imap_keys_reader_init(&r);
	assert_true(imap_keys_read(&r, str_of(mail), 63, a, &k));
	assert_true(k.has_date && k.date == 1704067200 && k.reply);
	is(k.subject, "A\xcc\x88RGER");
	is(k.from, "FRED");
	is(k.to, "TEAM");
	is(k.cc, "MU\xcc\x88LLER");
	is(k.id, "4@x");
	assert_int_equal(k.nrefs, 3);
	is(k.refs[0], "1@x");
	is(k.refs[2], "3@x");
	/* only what is wanted */
	assert_true(imap_keys_read(&r, str_of(mail), IMAP_WANT_FROM, a, &k));
	assert_true(!k.has_date && k.subject.n == 0 && k.id.n == 0 && k.nrefs == 0);
	is(k.from, "FRED");
	/* the first id of In-Reply-To counts when References has none */
	assert_true(imap_keys_read(&r,
	    STR("References: none\r\nIn-Reply-To: <a@b> <c@d>\r\nDate: yesterday\r\n\r\n"), 63, a,
	    &k));
	assert_int_equal(k.nrefs, 1);
	is(k.refs[0], "a@b");
	assert_false(k.has_date);
	assert_true(imap_keys_read(&r, STR(""), 63, a, &k));
	assert_false(imap_keys_read(&r, str_of(mail), 63, tiny, &k));
	imap_keys_reader_free(&r);
	arena_free(&a);
	arena_free(&tiny);
}

/* Of very many references the last ones count. */
static void
test_many_references(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct imap_keys_reader r;
	struct imap_header_keys k;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_puts(&b, "References:");
	for (int i = 0; i < IMAP_KEYS_REFS_MAX + 5; i++)
		buf_printf(&b, " <%d@x>", i);
	imap_keys_reader_init(&r);
	assert_true(imap_keys_read(&r, str_from(buf_data(&b), b.len), IMAP_WANT_IDS, a, &k));
	assert_int_equal(k.nrefs, IMAP_KEYS_REFS_MAX);
	is(k.refs[0], "5@x");
	imap_keys_reader_free(&r);
	arena_free(&a);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_many_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
