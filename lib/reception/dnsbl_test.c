/* SPDX-License-Identifier: ISC */
/*
 * A table of lists, a client and DNS records ("OWNER TYPE VALUE", separated by ";"). What is wanted is
 * "clear" or "refuse", then for each list "ZONE=ANSWER", "ZONE=-" or "ZONE!TROUBLE".
 */
#include <stdlib.h>

#include "dns/test_zone.h"
#include "reception/dnsbl.h"

#define ZEN "zen.spamhaus.org"
#define ALIVE(zone) "2.0.0.127." zone " A 127.0.0.2;"
#define ZEN_SAYS(answer) ALIVE(ZEN) "5.113.0.203." ZEN " A " answer ";"
#define BL_SAYS(answer) ALIVE("bl.test") "5.113.0.203.bl.test A " answer ";"
#define V6 "2001:db8::5"
#define V6_NIBBLES "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."

static const struct {
	const char *what, *lists, *client, *zone, *want;
} t[] = {
	{ "no lists", "", "", "", "clear" },
	{ "not listed", ZEN, "", ALIVE(ZEN), "clear zen.spamhaus.org=-" },
	{ "listed", ZEN, "", ZEN_SAYS("127.0.0.2"), "refuse zen.spamhaus.org=127.0.0.2" },
	{ "last of a range", ZEN, "", ZEN_SAYS("127.0.0.11"),
	    "refuse zen.spamhaus.org=127.0.0.11" },
	{ "answers beyond the table do not count", ZEN, "", ZEN_SAYS("127.0.0.12"),
	    "clear zen.spamhaus.org=-" },
	{ "nor do others of 127/8", ZEN, "", ZEN_SAYS("127.1.0.2"), "clear zen.spamhaus.org=-" },
	{ "IPv6", ZEN, V6, ALIVE(ZEN) V6_NIBBLES ZEN " A 127.0.0.4;",
	    "refuse zen.spamhaus.org=127.0.0.4" },
	{ "IPv4 inside of IPv6", ZEN, "::ffff:203.0.113.5", ZEN_SAYS("127.0.0.2"),
	    "refuse zen.spamhaus.org=127.0.0.2" },
	{ "the gravest class of several answers", ZEN, "",
	    ZEN_SAYS("127.0.0.10") "5.113.0.203." ZEN " A 127.0.0.4;",
	    "refuse zen.spamhaus.org=127.0.0.4" },
	/* what has kept mail from coming elsewhere */
	{ "error code of an open resolver", ZEN, "", ZEN_SAYS("127.255.255.254"),
	    "clear zen.spamhaus.org!error-code" },
	{ "error code of too many questions", ZEN, "", ZEN_SAYS("127.255.255.255"),
	    "clear zen.spamhaus.org!error-code" },
	{ "error code of a wrong name", ZEN, "", ZEN_SAYS("127.255.255.252"),
	    "clear zen.spamhaus.org!error-code" },
	{ "error code for everything", ZEN, "",
	    "*." ZEN " A 127.255.255.254;2.0.0.127." ZEN " A 127.255.255.254;1.0.0.127." ZEN
	    " A 127.255.255.254;5.113.0.203." ZEN " A 127.255.255.254",
	    "clear zen.spamhaus.org!error-code" },
	{ "error code beside an answer", ZEN, "",
	    ZEN_SAYS("127.0.0.2") "5.113.0.203." ZEN " A 127.255.255.254;",
	    "clear zen.spamhaus.org!error-code" },
	{ "a wide range does not cover error codes", "bl.test/127.0.0.2-255,127.255.255.0-255", "",
	    BL_SAYS("127.255.255.254"), "clear bl.test!error-code" },
	{ "lists everything", ZEN, "", ZEN_SAYS("127.0.0.2") "1.0.0.127." ZEN " A 127.0.0.2;",
	    "clear zen.spamhaus.org!lists-everything" },
	{ "lists everything with another answer", ZEN, "",
	    ZEN_SAYS("127.0.0.2") "1.0.0.127." ZEN " A 127.0.0.99;",
	    "clear zen.spamhaus.org!lists-everything" },
	{ "lists nothing", ZEN, "", "5.113.0.203." ZEN " A 127.0.0.2;",
	    "clear zen.spamhaus.org!lists-nothing" },
	{ "the zone is gone", ZEN, "", "", "clear zen.spamhaus.org!lists-nothing" },
	{ "domain for sale: every name leads to a shop", ZEN, "",
	    "1.0.0.127." ZEN " A 192.0.2.80;2.0.0.127." ZEN " A 192.0.2.80;5.113.0.203." ZEN
	    " A 192.0.2.80",
	    "clear zen.spamhaus.org!not-a-list" },
	{ "an answer that is none", ZEN, "", ZEN_SAYS("10.0.0.2"),
	    "clear zen.spamhaus.org!not-a-list" },
	{ "an answer that is none beside one", ZEN, "",
	    ZEN_SAYS("127.0.0.2") "5.113.0.203." ZEN " A 192.0.2.1;",
	    "clear zen.spamhaus.org!not-a-list" },
	{ "no answer", ZEN, "", ZEN_SAYS("TEMP"), "clear zen.spamhaus.org!timeout" },
	{ "no answer about the test entry", ZEN, "",
	    "2.0.0.127." ZEN " A TEMP;5.113.0.203." ZEN " A 127.0.0.2",
	    "clear zen.spamhaus.org!timeout" },
	{ "no answer about the other test entry", ZEN, "",
	    ZEN_SAYS("127.0.0.2") "1.0.0.127." ZEN " A TEMP;", "clear zen.spamhaus.org!timeout" },
	{ "forged", ZEN, "", ZEN_SAYS("BOGUS"), "clear zen.spamhaus.org!bogus" },
	/* several lists */
	{ "one list in trouble does not spare from the other", ZEN " bl.test", "",
	    ZEN_SAYS("TEMP") BL_SAYS("127.0.0.2"),
	    "refuse zen.spamhaus.org!timeout bl.test=127.0.0.2" },
	{ "weights that do not reach", "bl.test//60 b2.test//30", "",
	    BL_SAYS("127.0.0.2") ALIVE("b2.test") "5.113.0.203.b2.test A 127.0.0.3",
	    "clear bl.test=127.0.0.2 b2.test=127.0.0.3" },
	{ "weights that reach", "b2.test//30 bl.test//70", "",
	    BL_SAYS("127.0.0.2") ALIVE("b2.test") "5.113.0.203.b2.test A 127.0.0.3",
	    "refuse b2.test=127.0.0.3 bl.test=127.0.0.2*" },
	{ "answers of the setting", "bl.test/127.0.0.5-9,127.0.1.2", "", BL_SAYS("127.0.1.2"),
	    "refuse bl.test=127.0.1.2" },
	{ "answers beyond the setting", "bl.test/127.0.0.5-9,127.0.1.2", "", BL_SAYS("127.0.0.4"),
	    "clear bl.test=-" },
	{ "the setting narrows the table", ZEN "/127.0.0.2-9", "", ZEN_SAYS("127.0.0.10"),
	    "clear zen.spamhaus.org=-" },
};

static void
fill_zone(const char *text)
{
	char copy[4096], *at = copy, *line;

	snprintf(copy, sizeof(copy), "%s", text);
	test_zone_clear();
	test_facts.n = 0;
	while ((line = strsep(&at, ";")) != NULL)
		if (line[0] != '\0')
			test_zone_line(line);
}

static void
describe(char *out, size_t size, const struct dnsbl_lists *lists, const struct dnsbl_result *r)
{
	size_t n = (size_t)snprintf(out, size, "%s", r->refuse ? "refuse" : "clear");

	for (size_t i = 0; i < lists->n; i++) {
		const struct dnsbl_found *f = &r->found[i];

		n += (size_t)snprintf(out + n, size - n, " %s", lists->list[i].zone);
		if (f->trouble != NULL)
			n += (size_t)snprintf(out + n, size - n, "!%s", f->trouble);
		else if (!f->listed)
			n += (size_t)snprintf(out + n, size - n, "=-");
		else
			n += (size_t)snprintf(out + n, size - n, "=127.%u.%u.%u%s",
			    f->answer >> 16 & 255, f->answer >> 8 & 255, f->answer & 255,
			    i > 0 && i == r->heaviest && lists->n > 1 &&
				    r->weight > lists->list[i].weight
				? "*"
				: "");
	}
}

static int
run(const struct reception_client *client, const struct dnsbl_lists *lists, struct dnsbl_result *r)
{
	int rounds = 0;

	while (dnsbl_check(client, lists, &test_facts, r) == DNSBL_NEED) {
		rounds++;
		for (size_t i = 0; i < r->question_count; i++)
			test_zone_answer(&r->questions[i]);
	}
	return rounds;
}

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct reception_client client;
		struct dnsbl_lists lists;
		struct dnsbl_result r;
		struct buf why = { .max = 200 };
		char got[1000];
		int rounds;

		if (!dnsbl_parse(str_of(t[i].lists), &lists, &why))
			fail_msg("%s: %.*s", t[i].what, (int)buf_len(&why), (char *)buf_data(&why));
		assert_true(
		    reception_client_parse(t[i].client[0] ? t[i].client : "203.0.113.5", &client));
		fill_zone(t[i].zone);
		rounds = run(&client, &lists, &r);
		describe(got, sizeof(got), &lists, &r);
		if (strcmp(got, t[i].want) != 0)
			fail_msg("%s: got \"%s\", want \"%s\"", t[i].what, got, t[i].want);
		assert_int_equal(rounds, lists.n > 0);
	}
}

static void
test_classes(void **state)
{
	struct reception_client client;
	struct dnsbl_lists lists;
	struct dnsbl_result r;
	struct buf why = { .max = 200 };

	(void)state;
	assert_true(dnsbl_parse(STR(ZEN " other.test"), &lists, &why));
	assert_true(reception_client_parse("203.0.113.5", &client));
	fill_zone(ZEN_SAYS("127.0.0.11") ALIVE("other.test") "5.113.0.203.other.test A 127.0.0.4");
	(void)run(&client, &lists, &r);
	assert_true(r.found[0].class->dialup);
	assert_non_null(strstr(r.found[0].class->english, "PBL"));
	assert_non_null(strstr(r.found[0].class->german, "dynamische"));
	assert_false(r.found[1].class->dialup);
	assert_string_equal(r.found[1].class->english, "listed");
	assert_string_equal(lists.list[0].link, "https://check.spamhaus.org/results/?query=");
	assert_string_equal(lists.list[1].link, "");
}

/* At most 30 look-ups before RCPT are allowed to all checks together. */
static void
test_questions(void **state)
{
	struct reception_client client;
	struct dnsbl_lists lists;
	struct dnsbl_result r;
	struct buf why = { .max = 200 };
	char text[DNS_TEXT_MAX];

	(void)state;
	assert_true(dnsbl_parse(STR("a.test b.test c.test d.test e.test"), &lists, &why));
	assert_true(reception_client_parse("203.0.113.5", &client));
	test_facts.n = 0;
	assert_int_equal(dnsbl_check(&client, &lists, &test_facts, &r), DNSBL_NEED);
	assert_int_equal(r.question_count, 15);
	assert_string_equal(dns_name_text(&r.questions[0].name, text), "5.113.0.203.a.test");
	assert_string_equal(dns_name_text(&r.questions[1].name, text), "1.0.0.127.a.test");
	assert_string_equal(dns_name_text(&r.questions[2].name, text), "2.0.0.127.a.test");
	for (size_t i = 0; i < r.question_count; i++)
		assert_int_equal(r.questions[i].type, DNS_A);
}

static const struct {
	const char *text, *why; /* a part of the sentence; NULL: good */
	size_t n;
} settings[] = {
	{ "", NULL, 0 },
	{ "  ", NULL, 0 },
	{ "zen.spamhaus.org  bl.spamcop.net ", NULL, 2 },
	{ "ZEN.Spamhaus.ORG", NULL, 1 },
	{ "bl.test/127.0.0.2/50/https://bl.test/q/?ip=", NULL, 1 },
	{ "bl.test///https://bl.test/", NULL, 1 },
	{ "bl.test//0", "weight", 0 },
	{ "bl.test//101", "weight", 0 },
	{ "bl.test//x", "weight", 0 },
	{ "a.test bl.test/128.0.0.2", "answers", 1 },
	{ "bl.test/127.0.0.9-2", "answers", 0 },
	{ "bl.test/127.0.0.2-256", "answers", 0 },
	{ "bl.test/127.0.0.2-", "answers", 0 },
	{ "bl.test/127.0.0.2,", NULL, 1 },
	{ "bl.test/,127.0.0.2", "answers", 0 },
	{ "bl.test/127.0.0", "answers", 0 },
	{ "bl.test/127.0.0.2.3", "answers", 0 },
	{ "bl.test/127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8,127.0.0.9",
	    "answers", 0 },
	{ "/127.0.0.2", "name", 0 },
	{ "a..test", "name", 0 },
	{ "bl.test///a\"b", "link", 0 },
	{ "a.test A.test", "twice", 1 },
	{ "a.test b.test c.test d.test e.test f.test", "too many", 5 },
};

static void
test_settings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct dnsbl_lists lists;
		struct buf why;
		bool good;

		buf_init(&why, 400);
		good = dnsbl_parse(str_of(settings[i].text), &lists, &why);
		(void)buf_putc(&why, 0);
		if (good != (settings[i].why == NULL) || lists.n != settings[i].n ||
		    (!good && strstr((char *)buf_data(&why), settings[i].why) == NULL))
			fail_msg("\"%s\": %d, %zu lists, \"%s\"", settings[i].text, good, lists.n,
			    (char *)buf_data(&why));
		buf_free(&why);
	}
}

static void
test_parts_of_a_setting(void **state)
{
	struct dnsbl_lists lists;
	struct buf why = { .max = 200 };

	(void)state;
	assert_true(dnsbl_parse(
	    STR("Bl.Test/127.0.0.2,127.0.1.4-7/50/https://bl.test/q/?ip="), &lists, &why));
	assert_string_equal(lists.list[0].zone, "bl.test");
	assert_string_equal(lists.list[0].link, "https://bl.test/q/?ip=");
	assert_int_equal(lists.list[0].weight, 50);
	assert_int_equal(lists.list[0].ranges, 2);
	assert_int_equal(lists.list[0].range[1].first, 0x7f000104);
	assert_int_equal(lists.list[0].range[1].last, 0x7f000107);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_parts_of_a_setting),
	};

	test_zone_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
