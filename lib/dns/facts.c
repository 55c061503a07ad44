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
