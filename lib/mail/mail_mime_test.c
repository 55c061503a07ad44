/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mail/mime.h"

/* The tree as text: kind, body in brackets (leaves), children in parentheses. */
static void
render(struct str msg, const struct mime_tree *t, int32_t n, struct buf *out)
{
	const struct mime_part *p = &t->parts[n];
	struct str body = mime_body(msg, p);

	buf_putc(out, "LTMR"[p->kind]);
	if (p->kind == MIME_LEAF || p->kind == MIME_TEXT)
		buf_printf(out, "[%.*s]%u", STRF(body), p->lines);
	if (p->child == MIME_NO_PART)
		return;
	buf_putc(out, '(');
	for (int32_t i = p->child; i != MIME_NO_PART; i = t->parts[i].next)
		render(msg, t, i, out);
	buf_putc(out, ')');
}

#define MP(b) "Content-Type: multipart/mixed; boundary=" b "\n\n"

static const struct {
	const char *msg, *want;
} cases[] = {
	{ "", "T[]0" },
	{ "A: b", "T[]0" },
	{ "\nx\ny", "T[x\ny]1" },
	{ "Content-Type: image/png\n\nx\n", "L[x\n]1" },
	{ "Content-Type: rubbish\n\nx\n", "T[x\n]1" },
	{ MP("b") "--b\n\none\n--b\n\ntwo\n\n--b--\nepi", "M(T[one]0T[two\n]1)" },
	{ MP("b") "pre\n--b\r\nA: b\r\n\r\none\r\n--b--", "M(T[one]0)" },
	/* no empty line, no body */
	{ MP("b") "--b\n--b\nA: b\n--b--", "M(T[]0T[]0)" },
	{ MP("b") "--b\n\n--b--", "M(T[]0)" },
	/* never closed; nothing there; boundary of its own line only */
	{ MP("b") "--b\n\none\ntwo", "M(T[one\ntwo]1)" },
	{ MP("b") "nothing", "M" },
	{ MP("b") "--b\n\nx --b\n--bb\n--b x\n--b\t \n\ny", "M(T[x --b\n--bb\n--b x]2T[y]0)" },
	{ "Content-Type: multipart/mixed\n\n--b\n\nx", "M" },
	{ "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx", "M" },
	{ "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--b\n--a\n\nx", "M(T[x]0)" },
	{ MP("\"a b \"") "--a b\n\nx\n--a b --\n--a b--\n", "M(T[x\n--a b --]1)" },
	/* the outer boundary ends the inner multipart */
	{ MP("o") "--o\n" MP("i") "--i\n\nx\n--o\n\ny\n--o--", "M(M(T[x]0)T[y]0)" },
	{ MP("o") "--o\n" MP("i") "--i\n\nx\n--i--\nepi\n--i\n\nz\n--o--", "M(M(T[x]0))" },
	{ MP("b") "--b\n" MP("b") "--b\n\nx\n--b--\n\n--b--", "M(M(T[x]0))" },
	{ "Content-Type: message/rfc822\n\nA: b\n\nx\n", "R(T[x\n]1)" },
	{ "Content-Type: message/rfc822\n\n" MP("b") "--b\n\nx\n--b--\n", "R(M(T[x]0))" },
	{ "Content-Type: message/rfc822\n", "R(T[]0)" },
	{ "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTog", "L[QTog]0" },
	{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b\n"
	  "Content-Type: text/plain\n\ny\n--b--",
	    "M(R(T[x]0)T[y]0)" },
	{ MP("o") "--o\nContent-Type: message/rfc822\n\n" MP("i") "--i\n\nx\n--o\n\ny\n--o--",
	    "M(R(M(T[x]0))T[y]0)" },
};

static void
parse(const char *text, struct mime_tree *t, struct buf *out)
{
	mime_parse(str_of(text), t);
	render(str_of(text), t, 0, out);
	buf_putc(out, 0);
}

static void
test_trees(void **state)
{
	struct mime_tree t = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;

		buf_init(&out, 4096);
		parse(cases[i].msg, &t, &out);
		assert_string_equal((const char *)buf_data(&out), cases[i].want);
		assert_false(t.truncated);
		buf_free(&out);
	}
	mime_tree_free(&t);
}

static void
test_offsets(void **state)
{
	static const char msg[] = MP("b") "--b\nA: b\n\none\n--b--\n";
	struct mime_tree t = { 0 };

	(void)state;
	mime_parse(STR(MP("b") "--b\nA: b\n\none\n--b--\n"), &t);
	assert_int_equal(t.count, 2);
	assert_int_equal(t.parts[0].body, strlen(MP("b")));
	assert_int_equal(t.parts[0].end, sizeof(msg) - 1);
	assert_int_equal(t.parts[0].lines, 5);
	assert_true(
	    str_eq(mime_header(str_from(msg, sizeof(msg) - 1), &t.parts[1]), STR("A: b\n\n")));
	assert_int_equal(t.parts[1].parent, 0);
	mime_tree_free(&t);
}

/* Deep and broad bombs stay within the limits. */
static void
test_limits(void **state)
{
	struct mime_tree t = { 0 };
	struct buf msg;

	(void)state;
	buf_init(&msg, 1 << 24);
	for (int i = 0; i < 2000; i++)
		buf_puts(&msg, "Content-Type: message/rfc822\n\n");
	mime_parse(str_from(buf_data(&msg), msg.len), &t);
	assert_true(t.truncated);
	assert_int_equal(t.count, MIME_DEPTH_MAX + 1);
	buf_clear(&msg);
	for (int i = 0; i < 2000; i++)
		buf_printf(
		    &msg, "Content-Type: multipart/mixed; boundary=\"b%d\"\n\n--b%d\n", i, i);
	mime_parse(str_from(buf_data(&msg), msg.len), &t);
	assert_true(t.truncated);
	assert_int_equal(t.count, MIME_DEPTH_MAX + 1);
	buf_clear(&msg);
	buf_puts(&msg, MP("b"));
	for (int i = 0; i < 50000; i++)
		buf_puts(&msg, "--b\n\n");
	mime_parse(str_from(buf_data(&msg), msg.len), &t);
	assert_true(t.truncated);
	assert_int_equal(t.count, MIME_PARTS_MAX);
	assert_int_equal(t.parts[0].end, msg.len);
	assert_int_equal(t.parts[0].lines, 100000);
	buf_clear(&msg);
	/* many multiparts side by side */
	buf_puts(&msg, MP("o"));
	for (int i = 0; i < 4000; i++)
		buf_printf(&msg,
		    "--o\nContent-Type: multipart/mixed; boundary=\"in%d\"\n\n--in%d\n\nx\n", i, i);
	mime_parse(str_from(buf_data(&msg), msg.len), &t);
	assert_false(t.truncated);
	assert_int_equal(t.count, 8001);
	buf_free(&msg);
	mime_tree_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
