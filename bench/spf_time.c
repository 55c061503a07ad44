/* SPDX-License-Identifier: ISC */
/*
 * spf_time: how long one evaluation of a policy takes whose DNS answers are all there. The policies
 * are a small one and one of a large sender: three includes, a hundred networks, hosts of an mx; the
 * client is in the last network, or in none. The hostile one uses every limit there is.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "spf/spf.h"

enum { FACTS = 32, RECORDS = 16384, EVALUATIONS = 200000 };

static struct dns_fact list[FACTS];
static uint8_t records[FACTS][RECORDS];
static struct dns_facts facts = { list, 0 };

static uint8_t *
fact_new(const char *name, uint16_t type, size_t n)
{
	struct dns_fact *f = &list[facts.n];

	f->asked.type = type;
	if (!dns_name_parse(str_of(name), &f->asked.name))
		abort();
	f->name = f->asked.name;
	f->state = DNS_FACT_FOUND;
	records[facts.n][0] = (uint8_t)(n >> 8);
	records[facts.n][1] = (uint8_t)n;
	f->records = str_from(records[facts.n], n + 2);
	return records[facts.n++] + 2;
}

static void
txt(const char *name, const char *text)
{
	size_t n = strlen(text);
	uint8_t *p = fact_new(name, DNS_TXT, n + (n + 254) / 255);

	for (size_t i = 0; i < n; i += 255) {
		size_t take = n - i < 255 ? n - i : 255;

		*p++ = (uint8_t)take;
		memcpy(p, text + i, take);
		p += take;
	}
}

static void
mx(const char *name, const char *host)
{
	struct dns_name h;
	uint8_t *p;

	dns_name_parse(str_of(host), &h);
	p = fact_new(name, DNS_MX, 2U + h.n); /* the preference stays 0 */
	memcpy(p + 2, h.wire, h.n);
	inet_pton(AF_INET, "198.51.100.7", fact_new(host, DNS_A, 4));
}

static void
networks(const char *name, int first, const char *end)
{
	char text[2048] = "v=spf1";

	for (int i = first; i < first + 33; i++)
		sprintf(text + strlen(text), " ip4:10.%d.0.0/16", i);
	strcat(text, end);
	txt(name, text);
}

/* As much as the limits allow: each of 11 records has 8 KiB and includes the next. */
static void
hostile(void)
{
	char name[32], text[SPF_RECORD_MAX + 1];

	for (int i = 0; i <= SPF_LOOKUPS_MAX; i++) {
		size_t n = (size_t)sprintf(text, "v=spf1");

		while (n < sizeof(text) - 64)
			n += (size_t)sprintf(text + n, " ip4:9.9.9.9");
		if (i < SPF_LOOKUPS_MAX)
			sprintf(text + n, " include:h%d.example", i + 1);
		sprintf(name, "h%d.example", i);
		txt(name, text);
	}
}

static void
measure(const char *what, const char *mail, const char *client, int evaluations)
{
	struct spf_input in = { .identity = SPF_MAIL_FROM,
		.client.n = 4,
		.helo = STR("mail.example.com"),
		.mail_from = str_of(mail) };
	static struct spf_result r;
	struct timespec a, b;
	double us;

	inet_pton(AF_INET, client, in.client.bytes);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int i = 0; i < evaluations; i++)
		if (spf_check(&in, &facts, &r) != SPF_DONE)
			abort();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	us = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1e3;
	printf("%-32s %-9s %7.2f us\n", what, spf_code_word(r.code), us / evaluations);
}

int
main(void)
{
	txt("small.example", "v=spf1 mx ip4:192.0.2.0/24 ip6:2001:db8::/32 -all");
	mx("small.example", "mail.small.example");
	txt("large.example", "v=spf1 include:_spf1.large.example include:_spf2.large.example "
			     "include:_spf3.large.example mx ~all");
	networks("_spf1.large.example", 0, " ~all");
	networks("_spf2.large.example", 33, " ~all");
	networks("_spf3.large.example", 66, " ip4:192.0.2.0/24 ~all");
	mx("large.example", "mail.large.example");
	measure("small policy", "user@small.example", "192.0.2.1", EVALUATIONS);
	measure("small policy, another client", "user@small.example", "203.0.113.1", EVALUATIONS);
	measure("large policy", "user@large.example", "192.0.2.1", EVALUATIONS);
	measure("large policy, another client", "user@large.example", "203.0.113.1", EVALUATIONS);
	hostile();
	measure("hostile policy", "user@h0.example", "192.0.2.1", EVALUATIONS / 100);
	return 0;
}
