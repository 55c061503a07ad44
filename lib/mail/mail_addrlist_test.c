/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mail/addrlist.h"

/* name|route|local|domain, "[name" a group, "]" its end */
static void
render(const struct mail_addr *m, struct buf *out)
{
	for (; m != NULL; m = m->next) {
		if (m->kind == MAIL_ADDR_GROUP)
			buf_printf(out, "[%.*s ", STRF(m->name));
		else if (m->kind == MAIL_ADDR_GROUP_END)
			buf_puts(out, "] ");
		else
			buf_printf(out, "%.*s|%.*s|%.*s|%.*s ", STRF(m->name), STRF(m->route),
			    STRF(m->local), STRF(m->domain));
	}
}

static const struct {
	const char *in, *want;
} cases[] = {
	{ "", "" },
	{ " , ,, ", "" },
	{ "a@b", "||a|b " },
	{ "A <a@b>", "A||a|b " },
	{ "\"A, \\\"B\\\"\" <a@b>, c@d", "A, \"B\"||a|b ||c|d " },
	{ "a@b (A B)", "A B||a|b " },
	{ "(x) a (y) @ (z) b.c (n)", "n||a|b.c " },
	{ "Joe Q. Public <john.q.public@example.com>",
	    "Joe Q. Public||john.q.public|example.com " },
	{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
	    "||boss|nil.test Giant; \"Big\" Box||sysservices|example.net " },
	{ "A Group:Ed Jones <joe@a.test>,joe@where.test,John <jdoe@one.test>;",
	    "[A Group Ed Jones||joe|a.test ||joe|where.test John||jdoe|one.test ] " },
	{ "Undisclosed recipients:;", "[Undisclosed recipients ] " },
	{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
	    "[Hidden recipients ] " },
	{ "g: root;", "[g ||root| ] " },
	{ "g: a@b", "[g ||a|b ] " },
	{ "g: a@b; c@d", "[g ||a|b ] ||c|d " },
	{ "Mary Smith <@node.test,@b:mary@example.net>",
	    "Mary Smith|@node.test,@b|mary|example.net " },
	{ "\"quoted local\"@x", "||quoted local|x " },
	{ "John . Doe @ example . com", "||John.Doe|example.com " },
	{ "a@[127.0.0.1]", "||a|[127.0.0.1] " },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
	    "Pete||pete|silly.test " },
	{ "root", "||root| " },
	{ "root, a@b", "||root| ||a|b " },
	{ "=?utf-8?q?J=C3=B6rg?= <j@x>", "=?utf-8?q?J=C3=B6rg?=||j|x " },
	{ "<>", "||| " },
	{ "a b <c", "a b||c| " },
	{ "@", "||| " },
	{ ">> a@b", "||a|b " },
	{ "a\r\n b <c@d>", "a b||c|d " },
	{ "\"open", "||open| " },
	{ "(open", "" },
	{ "a@b c@d, e@f", "||a|b ||e|f " },
	{ "g: h: a@b;", "[g ] [h ||a|b ] " },
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *a = arena_new(1 << 20);
		struct buf out;

		buf_init(&out, 4096);
		render(mail_addrlist_parse(str_of(cases[i].in), a), &out);
		buf_putc(&out, 0);
		assert_string_equal((const char *)buf_data(&out), cases[i].want);
		buf_free(&out);
		arena_free(&a);
	}
}

/* Every prefix of every case gives some list and stays within bounds. */
static void
test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t n = 0; n < strlen(cases[i].in); n++) {
			struct arena *a = arena_new(1 << 20);
			struct str copy = arena_str(a, str_from(cases[i].in, n));

			mail_addrlist_parse(copy, a);
			arena_free(&a);
		}
	}
}

static void
test_limits(void **state)
{
	struct arena *a = arena_new(1 << 20), *tiny = arena_new(100);
	const struct mail_addr *m;
	struct buf in;
	size_t n = 0;

	(void)state;
	buf_init(&in, 1 << 20);
	for (int i = 0; i < 100000; i++)
		buf_puts(&in, "a@b,");
	for (m = mail_addrlist_parse(str_from(buf_data(&in), in.len), a); m != NULL; m = m->next)
		n++;
	assert_int_equal(n, MAIL_ADDRS_MAX);
	assert_null(mail_addrlist_parse(str_from(buf_data(&in), in.len), tiny));
	buf_free(&in);
	arena_free(&a);
	arena_free(&tiny);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
