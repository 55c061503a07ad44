/* SPDX-License-Identifier: ISC */
#include "dns/facts.h"

const struct dns_fact *
dns_facts_find(const struct dns_facts *facts, const struct dns_name *name, uint16_t type)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->facts[i].asked.type == type &&
		    dns_name_eq(&facts->facts[i].asked.name, name))
			return &facts->facts[i];
	return NULL;
}

const struct dns_fact *
dns_facts_ask(const struct dns_facts *facts, const struct dns_name *name, uint16_t type,
    struct dns_question *list, size_t *n, size_t most)
{
	const struct dns_fact *f = dns_facts_find(facts, name, type);

	if (f != NULL)
		return f;
	for (size_t i = 0; i < *n; i++)
		if (list[i].type == type && dns_name_eq(&list[i].name, name))
			return NULL;
	if (*n < most)
		list[(*n)++] = (struct dns_question){ .name = *name, .type = type };
	return NULL;
}

bool
dns_record_next(struct str records, size_t *at, struct str *record)
{
	const uint8_t *p = (const uint8_t *)records.p;
	size_t n;

	if (*at >= records.n || records.n - *at < 2)
		return false;
	n = (size_t)p[*at] << 8 | p[*at + 1];
	if (records.n - *at - 2 < n)
		return false;
	*record = str_from(records.p + *at + 2, n);
	*at += 2 + n;
	return true;
}
