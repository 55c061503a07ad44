/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/structure.h"

static const struct {
	const char *msg, *body, *structure; /* structure NULL: as body, extended is not looked at */
} cases[] = {
	{ "\r\nHello\r\n", "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 7 1)",
	    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 7 1 NIL NIL NIL NIL)" },
	{ "Content-Type: image/jpeg; name=\"a \\\"b\\\".jpg\"\r\n"
	  "Content-Transfer-Encoding: base64 (x)\r\nContent-ID: <1@x>\r\n"
	  "Content-Description: A\r\n picture\r\nContent-MD5: Q2hlY2s=\r\n"
	  "Content-Disposition: attachment; filename*0*=utf-8''%C3%A4; size=3\r\n"
	  "Content-Language: de, en\r\nContent-Location: http://x/\r\n\r\nQUJD",
	    "(\"image\" \"jpeg\" (\"name\" \"a \\\"b\\\".jpg\") \"<1@x>\" \"A picture\" \"base64\" 4)",
	    "(\"image\" \"jpeg\" (\"name\" \"a \\\"b\\\".jpg\") \"<1@x>\" \"A picture\" \"base64\" 4 "
	    "\"Q2hlY2s=\" (\"attachment\" (\"filename*0*\" \"utf-8''%C3%A4\" \"size\" \"3\")) "
	    "(\"de\" \"en\") \"http://x/\")" },
	{ "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\na\r\n--b\r\n"
	  "Content-Type: text/html\r\n\r\n<p>\r\n\r\n--b--\r\n",
	    "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0)"
	    "(\"text\" \"html\" NIL NIL NIL \"7BIT\" 5 1) \"alternative\")",
	    "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0 NIL NIL NIL NIL)"
	    "(\"text\" \"html\" NIL NIL NIL \"7BIT\" 5 1 NIL NIL NIL NIL) \"alternative\" "
	    "(\"boundary\" \"b\") NIL NIL NIL)" },
	{ "Content-Type: message/rfc822\r\n\r\nSubject: s\r\nFrom: a@b\r\n\r\nx\r\n",
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 28 (NIL \"s\" ((NIL NIL \"a\" \"b\")) "
	    "((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) "
	    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 1) 4)",
	    NULL },
	{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nx\n--b--",
	    "((\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 13 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL "
	    "NIL) (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0) 2) \"digest\")",
	    NULL },
	{ "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==",
	    "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"base64\" 4)", NULL },
	{ "Content-Type: message/global\n\nA: b\n\nx",
	    "(\"message\" \"global\" NIL NIL NIL \"7BIT\" 7)", NULL },
	{ "Content-Type: multipart/mixed; boundary=b\n\nno part",
	    "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0) \"mixed\")",
	    NULL },
	{ "Content-Type: text/plain; x=\"\xc3\xa4\"; y=\"a\r\n b\"\n\n",
	    "(\"text\" \"plain\" (\"x\" {2}\r\n\xc3\xa4 \"y\" \"a b\") NIL NIL \"7BIT\" 0 0)",
	    NULL },
};

static void
check(const char *text, bool extended, const char *want)
{
	struct arena *a = arena_new(IMAP_STRUCTURE_ARENA);
	struct mime_tree t = { 0 };
	struct str msg = str_of(text);
	struct buf out;

	buf_init(&out, 1 << 20);
	mime_parse(msg, &t);
	assert_int_equal(imap_put_structure(&out, msg, &t, extended, a), 0);
	buf_putc(&out, 0);
	assert_string_equal((const char *)buf_data(&out), want);
	buf_free(&out);
	mime_tree_free(&t);
	arena_free(&a);
}

static void
test_structure(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(cases[i].msg, false, cases[i].body);
		if (cases[i].structure != NULL)
			check(cases[i].msg, true, cases[i].structure);
	}
}

static void
test_envelope(void **state)
{
	static const struct {
		const char *msg, *want;
	} envelopes[] = {
		{ "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "subject:\r\nFrom:\r\n\r\nTo: x@y",
		    "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Subject: a\r\nSubject: b\r\nFrom: A <a@b>\r\nSender: s@b\r\nReply-To: ,\r\n"
		  "To: g: x@y, \"z\\\"\" <z@y>;\r\nCC: \xc3\xa4 <@r,@s:q@y>\r\nIn-Reply-To: <1>\r\n"
		  "Date: \"quoted\" \\ back\r\n",
		    "(\"\\\"quoted\\\" \\\\ back\" \"a\" ((\"A\" NIL \"a\" \"b\")) ((NIL NIL \"s\" "
		    "\"b\")) ((\"A\" NIL \"a\" \"b\")) ((NIL NIL \"g\" NIL)(NIL NIL \"x\" \"y\")"
		    "(\"z\\\"\" NIL \"z\" \"y\")(NIL NIL NIL NIL)) (({2}\r\n\xc3\xa4 \"@r,@s\" \"q\" "
		    "\"y\")) NIL \"<1>\" NIL)" },
		{ "From: root\r\n", "(NIL NIL ((NIL NIL \"root\" \"\")) ((NIL NIL \"root\" \"\")) "
				    "((NIL NIL \"root\" \"\")) NIL NIL NIL NIL NIL)" },
	};
	struct arena *a = arena_new(IMAP_STRUCTURE_ARENA);

	(void)state;
	for (size_t i = 0; i < sizeof(envelopes) / sizeof(envelopes[0]); i++) {
		struct buf out;

		buf_init(&out, 1 << 20);
		assert_int_equal(imap_put_envelope(&out, str_of(envelopes[i].msg), a), 0);
		buf_putc(&out, 0);
		assert_string_equal((const char *)buf_data(&out), envelopes[i].want);
		buf_free(&out);
	}
	arena_free(&a);
}

/* What does not fit leaves the output as it was. */
static void
test_limit(void **state)
{
	struct arena *a = arena_new(IMAP_STRUCTURE_ARENA);
	struct mime_tree t = { 0 };
	struct str msg = STR("Subject: x\r\nFrom: a@b\r\n\r\nx");
	struct buf out;

	(void)state;
	mime_parse(msg, &t);
	for (size_t max = 3; max < 60; max++) {
		buf_init(&out, max);
		buf_puts(&out, "abc");
		assert_int_equal(imap_put_envelope(&out, msg, a), BUF_LIMIT);
		assert_int_equal(out.len, 3);
		assert_int_equal(imap_put_structure(&out, msg, &t, true, a), BUF_LIMIT);
		assert_int_equal(out.len, 3);
		buf_free(&out);
	}
	mime_tree_free(&t);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
