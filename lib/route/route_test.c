/* SPDX-License-Identifier: ISC */
/*
 * A table of domains and facts. Facts are written as "TYPE NAME VALUE ...;": TYPE is MX, A or AAAA;
 * a value is a record ("10:host" for MX), "none", "nx", "temp", "bogus", "bad" (a record of three
 * bytes), "=name" (behind an alias) or "!" (secure). The own name is me.test, the own addresses are
 * 198.51.100.1 and 2001:db8::1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "route/route.h"

#define HOST ROUTE_HOST
#define PRIV ROUTE_ALLOW_PRIVATE
#define OWN ROUTE_ALLOW_OWN
#define NO4 ROUTE_NO_IPV4
#define NO6 ROUTE_NO_IPV6
#define MX1 "MX d.test 10:a.test;"
#define A1 "A a.test 192.0.2.1;AAAA a.test none"
#define ONLY(v4) MX1 "A a.test " v4 ";AAAA a.test none"
#define ONLY6(v6) MX1 "A a.test none;AAAA a.test " v6
#define REFUSED "PERM 5.4.4"

static const struct {
	const char *what, *domain;
	unsigned flags;
	const char *facts, *want;
} t[] = {
	/* what is asked for */
	{ "first round", "d.test", 0, "", "NEED MX d.test" },
	{ "last dot", "d.test.", 0, "", "NEED MX d.test" },
	{ "upper case", "D.Test", 0, "", "NEED MX d.test" },
	{ "second round", "d.test", 0, MX1, "NEED AAAA a.test A a.test" },
	{ "half of it", "d.test", 0, MX1 "A a.test 192.0.2.1", "NEED AAAA a.test" },
	{ "IPv4 only", "d.test", NO6, MX1, "NEED A a.test" },
	{ "IPv6 only", "d.test", NO4, MX1, "NEED AAAA a.test" },
	{ "two hosts", "d.test", NO6, "MX d.test 20:b.test 10:a.test", "NEED A a.test A b.test" },
	{ "implicit MX asks", "d.test", 0, "MX d.test none", "NEED AAAA d.test A d.test" },
	{ "configured host", "d.test", HOST, "", "NEED AAAA d.test A d.test" },
	/* plain results */
	{ "one host", "d.test", 0, MX1 A1, "OK a.test 192.0.2.1" },
	{ "one host by IPv6", "d.test", 0, ONLY6("2001:db8::2"), "OK a.test 2001:db8::2" },
	{ "both families", "d.test", 0, MX1 "A a.test 192.0.2.1;AAAA a.test 2001:db8::2",
	    "OK a.test 2001:db8::2 a.test 192.0.2.1" },
	{ "by preference", "d.test", 0,
	    "MX d.test 20:b.test 10:a.test;" A1 ";A b.test 192.0.2.2;AAAA b.test none",
	    "OK a.test 192.0.2.1 b.test 192.0.2.2" },
	{ "preference 65535", "d.test", 0, "MX d.test 65535:a.test;" A1, "OK a.test 192.0.2.1" },
	{ "secure", "d.test", 0, "MX d.test ! 10:a.test;A a.test ! 192.0.2.1;AAAA a.test ! none",
	    "OK! a.test! 192.0.2.1" },
	{ "secure MX only", "d.test", 0,
	    "MX d.test ! 10:a.test;A a.test 192.0.2.1;AAAA a.test ! none", "OK! a.test 192.0.2.1" },
	{ "host twice", "d.test", 0, "MX d.test 20:a.test 10:a.test 30:a.test;" A1,
	    "OK a.test 192.0.2.1" },
	{ "address twice", "d.test", 0, ONLY("192.0.2.1 192.0.2.1"), "OK a.test 192.0.2.1" },
	{ "record of three bytes", "d.test", 0, ONLY("bad 192.0.2.1"), "OK a.test 192.0.2.1" },
	{ "malformed MX beside a good one", "d.test", 0, "MX d.test bad 10:a.test;" A1,
	    "OK a.test 192.0.2.1" },
	{ "malformed MX alone", "d.test", 0, "MX d.test bad", "TEMP 4.4.3" },
	{ "implicit MX", "d.test", 0, "MX d.test none;A d.test 192.0.2.1;AAAA d.test none",
	    "OK d.test 192.0.2.1" },
	{ "configured host", "d.test", HOST, "A d.test 192.0.2.1;AAAA d.test none",
	    "OK d.test 192.0.2.1" },
	{ "configured host looks at no MX", "d.test", HOST,
	    MX1 "A d.test 192.0.2.1;AAAA d.test none", "OK d.test 192.0.2.1" },
	/* null MX */
	{ "null MX", "d.test", 0, "MX d.test 0:.", "PERM 5.1.10" },
	{ "null MX with another preference", "d.test", 0, "MX d.test 7:.", "PERM 5.1.10" },
	{ "null MX beside a host", "d.test", 0, "MX d.test 0:. 10:a.test;" A1,
	    "OK a.test 192.0.2.1" },
	{ "null MX of a configured host", "d.test", HOST,
	    "MX d.test 0:.;A d.test 192.0.2.1;AAAA d.test none", "OK d.test 192.0.2.1" },
	/* aliases */
	{ "domain is an alias", "d.test", 0, "MX d.test =e.test 10:a.test;" A1,
	    "OK a.test 192.0.2.1" },
	{ "alias without MX", "d.test", 0,
	    "MX d.test =e.test none;A d.test =e.test 192.0.2.1;AAAA d.test =e.test none",
	    "OK d.test 192.0.2.1" },
	{ "host is an alias", "d.test", 0,
	    MX1 "A a.test =c.test 192.0.2.1;AAAA a.test =c.test none", "OK a.test 192.0.2.1" },
	{ "alias of us", "d.test", 0, "MX d.test =me.test none", "PERM 5.4.6" },
	{ "host is an alias of us", "d.test", 0,
	    MX1 "A a.test =me.test 192.0.2.1;AAAA a.test =me.test none", "PERM 5.4.6" },
	/* the cut at ourselves */
	{ "we are the best", "d.test", 0, "MX d.test 10:me.test 20:a.test", "PERM 5.4.6" },
	{ "we are the only one", "d.test", 0, "MX d.test 10:me.test", "PERM 5.4.6" },
	{ "our equal goes too", "d.test", 0, "MX d.test 10:me.test 10:a.test", "PERM 5.4.6" },
	{ "what is better stays", "d.test", 0, "MX d.test 20:me.test 10:a.test 30:b.test;" A1,
	    "OK a.test 192.0.2.1" },
	{ "we stand there twice", "d.test", 0, "MX d.test 20:me.test 5:me.test 10:a.test",
	    "PERM 5.4.6" },
	{ "the domain is us", "me.test", 0, "MX me.test none", "PERM 5.4.6" },
	{ "our own name in capitals", "ME.test", 0, "MX me.test none", "PERM 5.4.6" },
	{ "own address", "d.test", 0, ONLY("198.51.100.1"), "PERM 5.4.6" },
	{ "own IPv6 address", "d.test", 0, ONLY6("2001:db8::1"), "PERM 5.4.6" },
	{ "own address beside another", "d.test", 0, ONLY("192.0.2.1 198.51.100.1"), "PERM 5.4.6" },
	{ "own address behind a better host", "d.test", 0,
	    "MX d.test 10:a.test 20:b.test 30:c.test;" A1
	    ";A b.test 198.51.100.1;AAAA b.test none;A c.test 192.0.2.3;AAAA c.test none",
	    "OK a.test 192.0.2.1" },
	{ "null MX beside us", "d.test", 0, "MX d.test 0:. 10:me.test", "PERM 5.4.6" },
	{ "own name allowed", "d.test", OWN,
	    "MX d.test 10:me.test;A me.test 192.0.2.1;AAAA me.test none", "OK me.test 192.0.2.1" },
	{ "own address allowed", "d.test", OWN, ONLY("198.51.100.1"), "OK a.test 198.51.100.1" },
	{ "own is not private", "d.test", PRIV, ONLY("198.51.100.1"), "PERM 5.4.6" },
	/* troubles of DNS */
	{ "no such domain", "d.test", 0, "MX d.test nx", "PERM 5.1.2" },
	{ "no answer", "d.test", 0, "MX d.test temp", "TEMP 4.4.3" },
	{ "forged answer", "d.test", 0, "MX d.test bogus", "TEMP 4.4.3" },
	{ "no MX, no address", "d.test", 0, "MX d.test none;A d.test none;AAAA d.test none",
	    REFUSED },
	{ "no MX, no answer for A", "d.test", 0, "MX d.test none;A d.test temp;AAAA d.test none",
	    "TEMP 4.4.3" },
	{ "no MX, forged A", "d.test", 0, "MX d.test none;A d.test bogus;AAAA d.test none",
	    "TEMP 4.4.3" },
	{ "host does not exist", "d.test", 0, MX1 "A a.test nx;AAAA a.test nx", REFUSED },
	{ "host without answer", "d.test", 0, MX1 "A a.test temp;AAAA a.test temp", "TEMP 4.4.3" },
	{ "one family without answer", "d.test", 0, MX1 "A a.test 192.0.2.1;AAAA a.test temp",
	    "OK~ a.test 192.0.2.1" },
	{ "one host without answer", "d.test", 0,
	    "MX d.test 10:b.test 20:a.test;" A1 ";A b.test temp;AAAA b.test bogus",
	    "OK~ a.test 192.0.2.1" },
	{ "private and no answer", "d.test", 0, MX1 "A a.test 10.0.0.1;AAAA a.test temp",
	    "TEMP 4.4.3" },
	{ "configured host does not exist", "d.test", HOST, "A d.test nx;AAAA d.test nx", REFUSED },
	{ "configured host without answer", "d.test", HOST, "A d.test temp;AAAA d.test temp",
	    "TEMP 4.4.3" },
	/* addresses nobody may send us to */
	{ "loopback", "d.test", 0, ONLY("127.0.0.1"), REFUSED },
	{ "all of loopback", "d.test", 0, ONLY("127.255.255.255"), REFUSED },
	{ "10/8", "d.test", 0, ONLY("10.255.0.1"), REFUSED },
	{ "172.16/12", "d.test", 0, ONLY("172.31.255.255"), REFUSED },
	{ "before 172.16/12", "d.test", 0, ONLY("172.15.255.255"), "OK a.test 172.15.255.255" },
	{ "behind 172.16/12", "d.test", 0, ONLY("172.32.0.0"), "OK a.test 172.32.0.0" },
	{ "192.168/16", "d.test", 0, ONLY("192.168.0.1"), REFUSED },
	{ "link-local", "d.test", 0, ONLY("169.254.169.254"), REFUSED },
	{ "carrier NAT", "d.test", 0, ONLY("100.127.0.1"), REFUSED },
	{ "behind carrier NAT", "d.test", 0, ONLY("100.128.0.1"), "OK a.test 100.128.0.1" },
	{ "unspecified", "d.test", 0, ONLY("0.0.0.0"), REFUSED },
	{ "multicast", "d.test", 0, ONLY("239.1.2.3"), REFUSED },
	{ "broadcast", "d.test", 0, ONLY("255.255.255.255"), REFUSED },
	{ "IPv6 unspecified", "d.test", 0, ONLY6("::"), REFUSED },
	{ "IPv6 loopback", "d.test", 0, ONLY6("::1"), REFUSED },
	{ "mapped", "d.test", 0, ONLY6("::ffff:192.0.2.1"), REFUSED },
	{ "unique local", "d.test", 0, ONLY6("fd00::1"), REFUSED },
	{ "IPv6 link-local", "d.test", 0, ONLY6("fe80::1"), REFUSED },
	{ "end of link-local", "d.test", 0, ONLY6("febf::1"), REFUSED },
	{ "site-local", "d.test", 0, ONLY6("fec0::1"), REFUSED },
	{ "IPv6 multicast", "d.test", 0, ONLY6("ff02::1"), REFUSED },
	{ "NAT64 of loopback", "d.test", 0, ONLY6("64:ff9b::127.0.0.1"), REFUSED },
	{ "NAT64", "d.test", 0, ONLY6("64:ff9b::192.0.2.1"), "OK a.test 64:ff9b::c000:201" },
	{ "6to4 of private", "d.test", 0, ONLY6("2002:a00:1::1"), REFUSED },
	{ "6to4", "d.test", 0, ONLY6("2002:c000:201::1"), "OK a.test 2002:c000:201::1" },
	{ "private beside public", "d.test", 0, ONLY("10.0.0.1 192.0.2.1"), "OK a.test 192.0.2.1" },
	{ "private allowed", "d.test", PRIV, ONLY("127.0.0.1"), "OK a.test 127.0.0.1" },
	{ "IPv6 loopback allowed", "d.test", PRIV, ONLY6("::1"), "OK a.test ::1" },
	/* address literals and what is no domain */
	{ "literal", "[192.0.2.1]", 0, "", "OK . 192.0.2.1" },
	{ "IPv6 literal", "[IPv6:2001:db8::2]", 0, "", "OK . 2001:db8::2" },
	{ "loopback literal", "[127.0.0.1]", 0, "", REFUSED },
	{ "loopback literal allowed", "[127.0.0.1]", HOST | PRIV, "", "OK . 127.0.0.1" },
	{ "own literal", "[198.51.100.1]", 0, "", "PERM 5.4.6" },
	{ "own literal allowed", "[198.51.100.1]", OWN, "", "OK . 198.51.100.1" },
	{ "family of the literal is off", "[192.0.2.1]", NO4, "", REFUSED },
	{ "broken literal", "[192.0.2]", 0, "", "PERM 5.1.3" },
	{ "empty literal", "[]", 0, "", "PERM 5.1.3" },
	{ "long literal", "[IPv6:1111111111111111111111111111111111111111111111111]", 0, "",
	    "PERM 5.1.3" },
	{ "root", ".", 0, "", "PERM 5.1.2" },
	{ "empty", "", 0, "", "PERM 5.1.2" },
	{ "two dots", "a..b", 0, "", "PERM 5.1.2" },
	{ "not ASCII", "b\xc3\xbc.test", 0, "", "PERM 5.1.2" },
};

enum { FACTS_MAX = 64 };

struct made {
	struct dns_fact facts[FACTS_MAX];
	char records[FACTS_MAX][2048];
	size_t n;
};

static void
record_add(struct dns_fact *f, char *to, const void *p, size_t n)
{
	to += f->records.n;
	to[0] = (char)(n >> 8);
	to[1] = (char)n;
	memcpy(to + 2, p, n);
	f->records.n += n + 2;
	f->state = DNS_FACT_FOUND;
}

static void
value_add(struct dns_fact *f, char *to, char *v)
{
	static const char *const states[] = { "found", "none", "nx", "temp", "bogus" };
	uint8_t bytes[DNS_NAME_MAX + 2];
	struct dns_name name;
	char *colon = strchr(v, ':');

	for (unsigned i = 0; i < 5; i++)
		if (strcmp(v, states[i]) == 0) {
			f->state = i;
			return;
		}
	if (strcmp(v, "!") == 0) {
		f->secure = true;
	} else if (v[0] == '=') {
		assert_true(dns_name_parse(str_of(v + 1), &f->name));
	} else if (strcmp(v, "bad") == 0) {
		record_add(f, to, "\1\2\3", 3);
	} else if (f->asked.type == DNS_MX) {
		unsigned preference = (unsigned)atoi(v);

		assert_non_null(colon);
		assert_true(dns_name_parse(str_of(colon + 1), &name));
		bytes[0] = (uint8_t)(preference >> 8);
		bytes[1] = (uint8_t)preference;
		memcpy(bytes + 2, name.wire, name.n);
		record_add(f, to, bytes, name.n + 2U);
	} else {
		bool v4 = f->asked.type == DNS_A;

		assert_int_equal(inet_pton(v4 ? AF_INET : AF_INET6, v, bytes), 1);
		record_add(f, to, bytes, v4 ? 4 : 16);
	}
}

static void
facts_make(const char *text, struct made *m)
{
	char copy[4096], *rest = copy, *fact;

	m->n = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	while ((fact = strsep(&rest, ";")) != NULL) {
		struct dns_fact *f = &m->facts[m->n];
		char *type = strsep(&fact, " "), *name = strsep(&fact, " "), *v;

		if (name == NULL)
			continue;
		*f = (struct dns_fact){ .records = { m->records[m->n], 0 } };
		f->asked.type = strcmp(type, "MX") == 0  ? DNS_MX
				: strcmp(type, "A") == 0 ? DNS_A
							 : DNS_AAAA;
		assert_true(dns_name_parse(str_of(name), &f->asked.name));
		f->name = f->asked.name;
		while ((v = strsep(&fact, " ")) != NULL)
			value_add(f, m->records[m->n], v);
		m->n++;
	}
}

static void
show(int rc, const struct route_result *r, char *out, size_t size)
{
	char text[DNS_TEXT_MAX], address[INET6_ADDRSTRLEN];
	size_t n = 0;

	out[0] = '\0';
	if (rc == ROUTE_NEED) {
		n = (size_t)snprintf(out, size, "NEED");
		for (size_t i = 0; i < r->question_count; i++)
			n += (size_t)snprintf(out + n, size - n, " %s %s",
			    r->questions[i].type == DNS_MX  ? "MX"
			    : r->questions[i].type == DNS_A ? "A"
							    : "AAAA",
			    dns_name_text(&r->questions[i].name, text));
		return;
	}
	if (r->class != ROUTE_OK) {
		assert_int_equal(r->hop_count, 0);
		assert_true(r->reason[0] != '\0');
		snprintf(out, size, "%s %s", r->class == ROUTE_PERM ? "PERM" : "TEMP", r->status);
		return;
	}
	n = (size_t)snprintf(
	    out, size, "OK%s%s", r->mx_secure ? "!" : "", r->incomplete ? "~" : "");
	for (size_t i = 0; i < r->hop_count; i++) {
		const struct route_hop *h = &r->hops[i];
		const struct route_host *host = &r->hosts[h->host];

		inet_ntop(h->address.n == 4 ? AF_INET : AF_INET6, h->address.bytes, address,
		    sizeof(address));
		n += (size_t)snprintf(out + n, size - n, " %s%s %s",
		    host->name.n == 0 ? "." : dns_name_text(&host->name, text),
		    host->secure && host->name.n > 0 ? "!" : "", address);
	}
}

static struct dns_name own_name;
static const struct route_address own_addresses[] = {
	{ 4, { 198, 51, 100, 1 } },
	{ 16, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
};

static struct made made;
static struct route_result result;

static const char *
run(const char *domain, unsigned flags, const char *facts, uint64_t seed)
{
	static char got[4096];
	struct route_input in = { .domain = str_of(domain),
		.flags = flags,
		.seed = seed,
		.own_names = &own_name,
		.own_name_count = 1,
		.own_addresses = own_addresses,
		.own_address_count = 2 };

	assert_true(dns_name_parse(STR("me.test"), &own_name));
	facts_make(facts, &made);
	show(route_mx(&in, &(struct dns_facts){ made.facts, made.n }, &result), &result, got,
	    sizeof(got));
	return got;
}

static void
test_table(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const char *got = run(t[i].domain, t[i].flags, t[i].facts, 7);

		if (strcmp(got, t[i].want) != 0) {
			print_error("%s: got \"%s\" want \"%s\"\n", t[i].what, got, t[i].want);
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

/* Equal hosts: each comes first about as often, and the order of the records says nothing. */
static void
test_equal_hosts(void **state)
{
	int first[3] = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < 3000; seed++) {
		char one[512];

		snprintf(one, sizeof(one), "%s",
		    run("d.test", NO6, "MX d.test 5:a.test 5:b.test 5:c.test", seed));
		assert_string_equal(
		    one, run("d.test", NO6, "MX d.test 5:c.test 5:a.test 5:b.test", seed));
		first[one[strlen("NEED A ")] - 'a']++;
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(first[i], 850, 1150);
}

/* 30 hosts: the ten best are asked for; our own place beyond them cuts none of these. */
static void
test_limits(void **state)
{
	char facts[4096];
	size_t n = (size_t)snprintf(facts, sizeof(facts), "MX d.test 25:me.test");

	(void)state;
	for (int i = 30; i > 0; i--)
		n += (size_t)snprintf(facts + n, sizeof(facts) - n, " %d:h%d.test", i, i);
	run("d.test", 0, facts, 1);
	assert_int_equal(result.question_count, ROUTE_QUESTIONS_MAX);
	assert_int_equal(result.host_count, ROUTE_HOSTS_MAX);
	for (unsigned i = 0; i < ROUTE_HOSTS_MAX; i++)
		assert_int_equal(result.hosts[i].preference, i + 1);

	run("d.test", 0,
	    MX1 "A a.test 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6;"
		"AAAA a.test 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8::5 2001:db8::6",
	    1);
	assert_int_equal(result.hop_count, ROUTE_ADDRESSES_MAX);
	for (size_t i = 0; i < ROUTE_ADDRESSES_MAX; i++)
		assert_int_equal(result.hops[i].address.n, i % 2 == 0 ? 16 : 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_equal_hosts),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
