/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mail/originator.h"

/* Each address and a space; those from a name in brackets. */
static void
note(void *arg, const struct address *a, bool mailbox)
{
	char text[ADDRESS_TEXT_SIZE];

	assert_true(address_print(a, text, sizeof(text)) > 0);
	buf_printf(arg, mailbox ? "%s " : "[%s] ", text);
}

/* want NULL: refused. */
static const struct {
	const char *in;
	int mailboxes;
	const char *want;
} cases[] = {
	{ "me@own.test", 1, "me@own.test " },
	{ " \r\n me@own.test", 1, "me@own.test " },
	{ "<me@own.test>", 1, "me@own.test " },
	{ "< me@own.test >", 1, "me@own.test " },
	{ "Me <me@OWN.test>", 1, "me@own.test " },
	{ "John Q. Public <me+tag@own.test>", 1, "me+tag@own.test " },
	{ "\"Doe, John\" <me@own.test>", 1, "me@own.test " },
	{ "\"A \\\"B\\\\\" <me@own.test> (office)", 1, "me@own.test " },
	{ "me@own.test (Cron Daemon)", 1, "me@own.test " },
	{ "me@own.test(Cron)", 1, "me@own.test " },
	{ "a@own.test, B <b@own.test>", 2, "a@own.test b@own.test " },
	{ "=?utf-8?q?J=C3=B6rg?=\r\n =?utf-8?B?IE3DvGxsZXI=?= <me@own.test>", 1, "me@own.test " },
	{ "=?iso-8859-1?q?J=F6rg?= <me@own.test>", 1, "me@own.test " },
	{ "J\303\266rg <me@own.test>", 1, "me@own.test " },
	{ "\"me@own.test\" <me@own.test>", 1, "[me@own.test] me@own.test " },
	{ "\"'me@own.test'\" <me@own.test>", 1, "[me@own.test] me@own.test " },
	{ "\"Anna @ home\" <me@own.test>", 1, "me@own.test " },
	{ "\"anna@home\" <me@own.test>", 1, "me@own.test " },

	{ "Me (at work) <me@own.test>", 1, "me@own.test " },
	{ "(Me) <me@own.test>", 1, "me@own.test " },
	{ "\"Me (x\" (y) <me@own.test> (z)", 1, "me@own.test " },

	/* what a name shows is told, in every disguise */
	{ "\"boss@bank.test\" <me@own.test>", 1, "[boss@bank.test] me@own.test " },
	{ "\"Boss <boss@bank.test>\" <me@own.test>", 1, "[boss@bank.test] me@own.test " },
	{ "=?utf-8?q?boss=40bank=2Etest?= <me@own.test>", 1, "[boss@bank.test] me@own.test " },
	{ "=?utf-8?b?Ym9zc0BiYW5rLnRlc3Q=?= <me@own.test>", 1, "[boss@bank.test] me@own.test " },
	{ "=?utf-8?q?boss?= =?utf-8?q?=40bank.test?= <me@own.test>", 1,
	    "[boss@bank.test] me@own.test " },
	{ "\"=?utf-8?q?boss=40bank.test?=\" <me@own.test>", 1, "[boss@bank.test] me@own.test " },
	{ "me@own.test (boss@bank.test)", 1, "me@own.test [boss@bank.test] " },
	{ "Me (boss@bank.test) <me@own.test>", 1, "[boss@bank.test] me@own.test " },
	{ "boss\357\274\240bank.test <me@own.test>", 1, "[boss@bank.test] me@own.test " },
	{ "boss\357\271\253bank\357\274\216test <me@own.test>", 1,
	    "[boss@bank.test] me@own.test " },
	{ "\"x@y@bank.test\" <me@own.test>", 1, "[y@bank.test] me@own.test " },
	{ "\"boss@bank.test via a@b.test\" <me@own.test>", 1,
	    "[boss@bank.test] [a@b.test] me@own.test " },

	{ "", 0, NULL },
	{ " ", 0, NULL },
	{ "me", 0, NULL },
	{ "<>", 0, NULL },
	{ "Me", 0, NULL },
	{ "Me <me@own.test", 0, NULL },
	{ "Me me@own.test>", 0, NULL },
	{ "<boss@bank.test> <me@own.test>", 0, NULL },
	{ "<me@own.test> boss@bank.test", 0, NULL },
	{ "boss@bank.test <me@own.test>", 0, NULL },
	{ "boss@bank.test me@own.test", 0, NULL },
	{ "me@own.test,", 0, NULL },
	{ ",me@own.test", 0, NULL },
	{ "a@own.test,,b@own.test", 0, NULL },
	{ "a@own.test; b@own.test", 0, NULL },
	{ "Doe, John <me@own.test>", 0, NULL },
	{ "undisclosed: me@own.test;", 0, NULL },
	{ "g:;", 0, NULL },
	{ "<@bank.test:me@own.test>", 0, NULL },
	{ "<@bank.test,@own.test:me@own.test>", 0, NULL },
	{ "(boss@bank.test) me@own.test", 0, NULL },
	{ "boss@bank.test(<me@own.test>)", 0, NULL },
	{ "me@own.test (a (b))", 0, NULL },
	{ "me@own.test (a) b (c)", 0, NULL },
	{ "me@own.test (a\\)", 0, NULL },
	{ "Me (a (b)) <me@own.test>", 0, NULL },
	{ "Me (<boss@bank.test>) <me@own.test>", 0, NULL },
	{ "Me (open <me@own.test>", 0, NULL },
	{ "Me (a\\) <boss@bank.test>) <me@own.test>", 0, NULL },
	{ "Me (a\"b) \" <boss@bank.test>) <me@own.test>", 0, NULL },
	{ "me@own.test (a) (b)", 0, NULL },
	{ "me@own.test (a (b)", 0, NULL },
	{ "me(x)@own.test", 0, NULL },
	{ "me @own.test", 0, NULL },
	{ "me@ own.test", 0, NULL },
	{ "<me@own.test(x)>", 0, NULL },
	{ "<me@own.\r\n test>", 0, NULL },
	{ "\"boss@bank.test> <x\"@own.test", 0, NULL },
	{ "<\"me x\"@own.test>", 0, NULL },
	{ "\"open <me@own.test>", 0, NULL },
	{ "\"a\\b\" <me@own.test>", 0, NULL },
	{ "=?utf-8?q?boss=40bank.test?=@own.test", 0, NULL },
	{ "<=?utf-8?q?me?=@own.test>", 0, NULL },
	{ "=?utf-8?q?boss=0A=0D?= <me@own.test>", 0, NULL },
	{ "=?utf-8?q?boss=00?= <me@own.test>", 0, NULL },
	{ "=?utf-8?q?boss=E2=80=AE?= <me@own.test>", 0, NULL },
	{ "=?utf-8?q?=3D=3Futf-8=3Fq=3Fboss=3F=3D?= <me@own.test>", 0, NULL },
	{ "=?utf-7?q?boss+AEA-bank.test?= <me@own.test>", 0, NULL },
	{ "=?iso-2022-jp?b?GyRCNEE=?=x <me@own.test>", 1, "me@own.test " },
	{ "=?iso-2022-jp?q?=1B=1B?= <me@own.test>", 0, NULL },
	{ "=?iso-2022-kr?q?=0Eboss=40bank=2Etest=0F?= <me@own.test>", 0, NULL },
	{ "=?utf-8?q?boss=40bank.test <me@own.test>", 0, NULL },
	{ "=?us-ascii?b?xA==?= <me@own.test>", 0, NULL },
	{ "\"boss@bank..test\" <me@own.test>", 0, NULL },
	{ "J\366rg <me@own.test>", 0, NULL },
	{ "boss\342\200\256 <me@own.test>", 0, NULL },
	{ "m\303\266@own.test", 0, NULL },
	{ "me@own.test.", 0, NULL },
	{ "Me\v<me@own.test>", 0, NULL },
	{ "Me\rx <me@own.test>", 0, NULL },
	{ "Me\nx <me@own.test>", 0, NULL },
	{ "Me\r\nx <me@own.test>", 0, NULL },
	{ "Me\r\n \r\n <me@own.test>", 0, NULL },
	{ "me@own.test\r\n ", 0, NULL },
	{ "me@own.test\r", 0, NULL },
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf got;
		int n;

		buf_init(&got, 4096);
		n = mail_originators(str_of(cases[i].in), 0, note, &got);
		buf_putc(&got, '\0');
		if (n != (cases[i].want ? cases[i].mailboxes : -1))
			fail_msg("%s: %d", cases[i].in, n);
		if (cases[i].want != NULL)
			assert_string_equal((const char *)buf_data(&got), cases[i].want);
		buf_free(&got);
	}
}

static void
test_utf8_and_nul(void **state)
{
	struct buf got;

	(void)state;
	buf_init(&got, 4096);
	assert_int_equal(mail_originators(STR("m\303\266@own.test"), ADDRESS_UTF8, note, &got), 1);
	assert_int_equal(mail_originators(STR("Me\0 <me@own.test>"), 0, note, &got), -1);
	assert_int_equal(mail_originators(STR("me@own.test (\0)"), ADDRESS_UTF8, note, &got), -1);
	assert_int_equal(mail_originators(STR("<@>"), ADDRESS_POSTMASTER, note, &got), -1);
	assert_int_equal(mail_originators(STR("<postmaster>"), ADDRESS_POSTMASTER, note, &got), -1);
	buf_free(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_utf8_and_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
