/* SPDX-License-Identifier: ISC */
#include "reception/iprev.h"

#include <stdio.h>
#include <string.h>

#include "mail/address.h"

const char *
iprev_code_word(enum iprev_code code)
{
#define X(id, word) word,
	static const char *const words[] = { IPREV_CODES(X) };
#undef X

	return words[code];
}

static bool
has_address(const struct dns_fact *fact, const struct reception_client *client)
{
	struct str record;
	size_t at = 0;

	while (dns_record_next(fact->records, &at, &record))
		if (record.n == client->n && memcmp(record.p, client->bytes, client->n) == 0)
			return true;
	return false;
}

/* A name that may stand in a header; false for others. */
static bool
host_name(struct str record, struct dns_name *name, char text[IPREV_NAME_SIZE])
{
	char printed[DNS_TEXT_MAX], normal[ADDRESS_DOMAIN_MAX];
	size_t at = 0;
	int n;

	if (!dns_name_read((const uint8_t *)record.p, record.n, &at, name))
		return false;
	n = address_parse_domain(str_of(dns_name_text(name, printed)), 0, normal);
	if (n <= 0)
		return false;
	snprintf(text, IPREV_NAME_SIZE, "%.*s", n, normal);
	return true;
}

/* The names one after the other: the first that leads back decides. */
static int
confirm(const struct reception_client *client, const struct dns_facts *facts, struct str names,
    struct iprev_result *out)
{
	bool trouble = false;
	struct str record;
	size_t at = 0;

	for (unsigned tried = 0; tried < IPREV_NAMES_MAX && dns_record_next(names, &at, &record);) {
		struct dns_question q = { .type = client->n == 4 ? DNS_A : DNS_AAAA };
		const struct dns_fact *fact;
		char text[IPREV_NAME_SIZE];

		if (!host_name(record, &q.name, text))
			continue;
		tried++;
		if (out->claimed[0] == '\0')
			memcpy(out->claimed, text, sizeof(text));
		fact = dns_facts_find(facts, &q.name, q.type);
		if (fact == NULL) {
			out->questions[out->question_count++] = q;
		} else if (fact->state == DNS_FACT_FOUND && has_address(fact, client)) {
			memcpy(out->name, text, sizeof(text));
			out->code = IPREV_PASS;
			out->question_count = 0;
			return IPREV_DONE;
		} else if (fact->state == DNS_FACT_TEMP || fact->state == DNS_FACT_BOGUS) {
			trouble = true;
		}
	}
	out->code = trouble ? IPREV_TEMPERROR : IPREV_FAIL;
	return out->question_count > 0 ? IPREV_NEED : IPREV_DONE;
}

int
iprev_check(
    const struct reception_client *client, const struct dns_facts *facts, struct iprev_result *out)
{
	struct dns_question q = { .type = DNS_PTR };
	const struct dns_fact *fact;

	out->name[0] = out->claimed[0] = '\0';
	out->question_count = 0;
	out->code = IPREV_PERMERROR;
	if (!reception_client_reverse(client, "", &q.name))
		return IPREV_DONE;
	fact = dns_facts_find(facts, &q.name, q.type);
	if (fact == NULL) {
		out->questions[out->question_count++] = q;
		return IPREV_NEED;
	}
	switch (fact->state) {
	case DNS_FACT_FOUND:
		return confirm(client, facts, fact->records, out);
	case DNS_FACT_NONE:
	case DNS_FACT_NXDOMAIN:
		return IPREV_DONE;
	default:
		out->code = IPREV_TEMPERROR;
		return IPREV_DONE;
	}
}
