/* SPDX-License-Identifier: ISC */
#include "reception/origin.h"

#include <string.h>

#include "idn/idn.h"

const char *
origin_code_word(enum origin_code code)
{
#define X(id, word) word,
	static const char *const words[] = { ORIGIN_CODES(X) };
#undef X

	return words[code];
}

static struct str
last_label(const char *domain)
{
	const char *dot = strrchr(domain, '.');

	return str_of(dot != NULL ? dot + 1 : domain);
}

/* The fact, or NULL and the question is asked. */
static const struct dns_fact *
look(const struct dns_facts *facts, const struct dns_name *name, uint16_t type,
    struct origin_result *out)
{
	const struct dns_fact *fact = dns_facts_find(facts, name, type);

	if (fact == NULL)
		out->questions[out->question_count++] =
		    (struct dns_question){ .name = *name, .type = type };
	return fact;
}

/* One MX record, of the root (rfc7505:3). */
static bool
is_null_mx(struct str records)
{
	struct str record, more;
	struct dns_name host;
	size_t at = 0, i = 2;

	return dns_record_next(records, &at, &record) && record.n > 2 &&
	       dns_name_read((const uint8_t *)record.p, record.n, &i, &host) && host.n == 1 &&
	       !dns_record_next(records, &at, &more);
}

static int
by_address(const struct dns_name *name, const struct dns_facts *facts, struct origin_result *out)
{
	const struct dns_fact *four = look(facts, name, DNS_A, out);
	const struct dns_fact *six = look(facts, name, DNS_AAAA, out);

	if ((four && four->state == DNS_FACT_FOUND) || (six && six->state == DNS_FACT_FOUND)) {
		out->question_count = 0;
		out->code = ORIGIN_ADDRESS;
		return ORIGIN_DONE;
	}
	if (four == NULL || six == NULL)
		return ORIGIN_NEED;
	out->code = four->state >= DNS_FACT_TEMP || six->state >= DNS_FACT_TEMP ? ORIGIN_TEMPERROR
										: ORIGIN_NOWHERE;
	return ORIGIN_DONE;
}

int
origin_check(struct str domain, const struct tlds *tlds, struct str more_tlds,
    const struct dns_facts *facts, struct origin_result *out)
{
	char ascii[IDN_SIZE];
	const struct dns_fact *mx;
	struct dns_name name;

	out->question_count = 0;
	out->code = ORIGIN_LITERAL;
	if (domain.n > 0 && domain.p[0] == '[')
		return ORIGIN_DONE;
	out->code = ORIGIN_UNKNOWN;
	if (idn_to_ascii(domain, ascii) <= 0 || !dns_name_parse(str_of(ascii), &name))
		return ORIGIN_DONE;
	out->code = ORIGIN_TLD;
	if (!tlds_know(tlds, last_label(ascii), more_tlds))
		return ORIGIN_DONE;
	mx = look(facts, &name, DNS_MX, out);
	if (mx == NULL)
		return ORIGIN_NEED;
	switch (mx->state) {
	case DNS_FACT_FOUND:
		out->code = is_null_mx(mx->records) ? ORIGIN_NULL_MX : ORIGIN_MX;
		return ORIGIN_DONE;
	case DNS_FACT_NONE:
		return by_address(&name, facts, out);
	case DNS_FACT_NXDOMAIN:
		out->code = ORIGIN_UNKNOWN;
		return ORIGIN_DONE;
	default:
		out->code = ORIGIN_TEMPERROR;
		return ORIGIN_DONE;
	}
}
