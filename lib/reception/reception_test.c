/* SPDX-License-Identifier: ISC */
/* iprev, the sender's domain, dial-up names: each case is a DNS, an input and a verdict. */
#include <stdlib.h>

#include "dns/test_zone.h"

#include "base/xalloc.h"
#include "reception/dynamic.h"
#include "reception/iprev.h"
#include "reception/origin.h"

static const char dns[] = "5.113.0.203.in-addr.arpa PTR client.example.net\n"
			  "client.example.net A 203.0.113.5\n"
			  "6.113.0.203.in-addr.arpa PTR liar.example.net\n"
			  "6.113.0.203.in-addr.arpa PTR honest.example.net\n"
			  "liar.example.net A 203.0.113.99\n"
			  "honest.example.net A 203.0.113.6\n"
			  "7.113.0.203.in-addr.arpa PTR liar.example.net\n"
			  "8.113.0.203.in-addr.arpa PTR TEMP\n"
			  "9.113.0.203.in-addr.arpa PTR slow.example.net\n"
			  "slow.example.net A TEMP\n"
			  "mx.example.net MX mail.example.net\n"
			  "null.example.net MX .\n"
			  "two.example.net MX .\n"
			  "two.example.net MX mail.example.net\n"
			  "four.example.net A 192.0.2.1\n"
			  "six.example.net AAAA 2001:db8::1\n"
			  "text.example.net TXT here\n"
			  "trouble.example.net MX TEMP\n"
			  "bogus.example.net MX BOGUS\n"
			  "half.example.net A TEMP\n"
			  "half.example.net TXT here\n";

static void
load(void)
{
	char copy[sizeof(dns)];

	test_zone_clear();
	test_facts.n = 0;
	memcpy(copy, dns, sizeof(dns));
	for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n"))
		test_zone_line(line);
}

static void
answer(const struct dns_question *q, size_t n, size_t most)
{
	assert_in_range(n, 1, most);
	for (size_t i = 0; i < n; i++) {
		assert_null(dns_facts_find(&test_facts, &q[i].name, q[i].type));
		test_zone_answer(&q[i]);
	}
}

static struct iprev_result
iprev(const char *address)
{
	struct reception_client client;
	struct iprev_result r;

	load();
	assert_true(reception_client_parse(address, &client));
	for (int round = 0; iprev_check(&client, &test_facts, &r) == IPREV_NEED; round++) {
		assert_in_range(round, 0, 1);
		answer(r.questions, r.question_count, IPREV_QUESTIONS_MAX);
	}
	return r;
}

static void
test_iprev(void **unused)
{
	(void)unused;
	assert_int_equal(iprev("203.0.113.5").code, IPREV_PASS);
	assert_string_equal(iprev("203.0.113.5").name, "client.example.net");
	assert_int_equal(iprev("::ffff:203.0.113.5").code, IPREV_PASS);
	assert_string_equal(iprev("203.0.113.6").name, "honest.example.net");
	assert_int_equal(iprev("203.0.113.7").code, IPREV_FAIL);
	assert_string_equal(iprev("203.0.113.7").name, "");
	assert_string_equal(iprev("203.0.113.7").claimed, "liar.example.net");
	assert_int_equal(iprev("203.0.113.8").code, IPREV_TEMPERROR);
	assert_int_equal(iprev("203.0.113.9").code, IPREV_TEMPERROR);
	assert_int_equal(iprev("203.0.113.10").code, IPREV_PERMERROR);
	assert_int_equal(iprev("2001:db8::5").code, IPREV_PERMERROR);
}

static enum origin_code
origin(const char *domain)
{
	struct origin_result r;

	load();
	for (int round = 0;
	     origin_check(str_of(domain), NULL, STR("lan intern"), &test_facts, &r) == ORIGIN_NEED;
	     round++) {
		assert_in_range(round, 0, 1);
		answer(r.questions, r.question_count, ORIGIN_QUESTIONS_MAX);
	}
	return r.code;
}

static void
test_origin(void **unused)
{
	(void)unused;
	assert_int_equal(origin("mx.example.net"), ORIGIN_MX);
	assert_int_equal(origin("null.example.net"), ORIGIN_NULL_MX);
	assert_int_equal(origin("two.example.net"), ORIGIN_MX);
	assert_int_equal(origin("four.example.net"), ORIGIN_ADDRESS);
	assert_int_equal(origin("six.example.net"), ORIGIN_ADDRESS);
	assert_int_equal(origin("text.example.net"), ORIGIN_NOWHERE);
	assert_int_equal(origin("nothing.example.net"), ORIGIN_UNKNOWN);
	assert_int_equal(origin("trouble.example.net"), ORIGIN_TEMPERROR);
	assert_int_equal(origin("bogus.example.net"), ORIGIN_TEMPERROR);
	assert_int_equal(origin("half.example.net"), ORIGIN_TEMPERROR);
	assert_int_equal(origin("host.local"), ORIGIN_TLD);
	assert_int_equal(origin("localhost"), ORIGIN_TLD);
	assert_int_equal(
	    origin("host.intern"), ORIGIN_UNKNOWN); /* named as one by the administrator */
	assert_int_equal(origin("[192.0.2.1]"), ORIGIN_LITERAL);
	assert_int_equal(origin("b\303\274cher.d\303\251"), ORIGIN_TLD);
}

static void
test_top_level_domains(void **unused)
{
	(void)unused;
	assert_true(tlds_know(NULL, STR("com"), STR("")));
	assert_true(tlds_know(NULL, STR("DE"), STR("")));
	assert_true(tlds_know(NULL, STR("aaa"), STR("")));
	assert_true(tlds_know(NULL, STR("zw"), STR("")));
	assert_true(tlds_know(NULL, STR("xn--p1ai"), STR("")));
	assert_false(tlds_know(NULL, STR(""), STR("")));
	assert_false(tlds_know(NULL, STR("co"), STR("")) && tlds_know(NULL, STR("c"), STR("")));
	assert_false(tlds_know(NULL, STR("comm"), STR("")));
	assert_false(tlds_know(NULL, STR("test"), STR("")));
	assert_false(tlds_know(NULL, STR("zzzz"), STR("")));
	assert_true(tlds_know(NULL, STR("zzzz"), STR(" test  ZZZZ ")));
	assert_true(tlds_know(NULL, STR("test"), STR("test zzzz")));
	assert_false(tlds_know(NULL, STR("zz"), STR("zzzz")));
	assert_false(tlds_know(NULL, STR(""), STR("  ")));
}

/* A list of the administrator: all but one of what is in the table, if that is enough. */
static struct tlds *
list(const char *head, int names, const char *tail)
{
	char *text = xmalloc(64 * 1024);
	const char *why;
	struct tlds *t;
	size_t n;

	n = (size_t)sprintf(text, "%s", head);
	for (int i = 0; i < names; i++)
		n += (size_t)sprintf(text + n, "T%d\n", i);
	n += (size_t)sprintf(text + n, "%s", tail);
	t = tlds_parse(str_from(text, n), &why);
	assert_true((t == NULL) == (why != NULL));
	free(text);
	return t;
}

static void
test_list_of_the_administrator(void **unused)
{
	static const char *const wrong[] = { "two words.test\n", "a_b\n", "-a\n", "<html>\n",
		"\303\274\n",
		"a123456789012345678901234567890123456789012345678901234567890123\n" };
	struct tlds *t = list("# Version 2026112900\r\n\nXN--P1AI\r\n", TLDS_LEAST - 2, "new #\n");
	const char *why;

	(void)unused;
	assert_non_null(t);
	assert_true(tlds_know(t, STR("t0"), STR("")) && tlds_know(t, STR("T997"), STR("")));
	assert_true(tlds_know(t, STR("xn--p1ai"), STR("")) && tlds_know(t, STR("NEW"), STR("")));
	assert_true(tlds_know(t, STR("lan"), STR("lan")));
	assert_false(tlds_know(t, STR("com"), STR("")) || tlds_know(t, STR("t"), STR("")));
	tlds_free(&t);
	assert_null(t);
	assert_null(list("", TLDS_LEAST - 1, ""));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (list("", TLDS_LEAST, wrong[i]) != NULL)
			fail_msg("%s", wrong[i]);
	assert_null(tlds_parse(str_from("a\n\0b\n", 5), &why));
	assert_null(tlds_parse(STR(""), &why));
}

static void
test_inside(void **unused)
{
	static const struct {
		const char *address;
		bool inside;
	} cases[] = { { "127.0.0.1", true }, { "127.255.0.1", true }, { "10.9.8.7", true },
		{ "172.16.0.1", true }, { "172.31.255.255", true }, { "172.32.0.1", false },
		{ "192.168.1.1", true }, { "192.169.1.1", false }, { "100.64.0.1", true },
		{ "100.128.0.1", false }, { "169.254.1.1", true }, { "203.0.113.5", false },
		{ "8.8.8.8", false }, { "::1", true }, { "::2", false }, { "fd00::1", true },
		{ "fe80::1", true }, { "fec0::1", false }, { "2001:db8::1", false },
		{ "::ffff:10.0.0.1", true } };
	struct reception_client c;

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(reception_client_parse(cases[i].address, &c));
		if (reception_client_inside(&c) != cases[i].inside)
			fail_msg("%s", cases[i].address);
	}
	assert_false(reception_client_parse("client", &c));
}

static void
test_dynamic(void **unused)
{
	static const struct {
		const char *address, *name;
		bool dynamic;
	} cases[] = { { "203.0.113.5", "203-0-113-5.dyn.example.net", true },
		{ "203.0.113.5", "p5-113.example.net", true },
		{ "203.0.113.5", "host113-005.example.net", true },
		{ "203.0.113.5", "pcb007105.dip0.example.net", true },
		{ "203.0.113.5", "pcb007105x5.dip.example.net", true },
		{ "203.0.113.5", "xcb007105.example.net", true },
		{ "203.0.113.5", "203-0-113-5.static.example.net", false },
		{ "203.0.113.5", "mail5-113.mx.example.net", false },
		{ "203.0.113.5", "client.example.net", false },
		{ "203.0.113.5", "pool.example.net", false }, { "203.0.113.5", "", false } };
	struct reception_client c;

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(reception_client_parse(cases[i].address, &c));
		if (dynamic_name(&c, str_of(cases[i].name)) != cases[i].dynamic)
			fail_msg("%s", cases[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iprev),
		cmocka_unit_test(test_origin),
		cmocka_unit_test(test_top_level_domains),
		cmocka_unit_test(test_list_of_the_administrator),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_dynamic),
	};

	test_zone_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
