/* SPDX-License-Identifier: ISC */
/* The client's address: networks, texts, and the names that are proved to be its own. */
#include <arpa/inet.h>
#include <stdio.h>

#include "spf/impl.h"

bool
spf_address_in(const struct spf_address *a, const struct spf_address *network, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (a->n != network->n || bits > 8U * a->n)
		return false;
	return memcmp(a->bytes, network->bytes, bytes) == 0 &&
	       (rest == 0 || (a->bytes[bytes] ^ network->bytes[bytes]) >> (8 - rest) == 0);
}

uint16_t
spf_address_type(const struct spf_work *w)
{
	return w->client.n == 4 ? DNS_A : DNS_AAAA;
}

bool
spf_client_in_records(struct spf_work *w, const struct dns_fact *fact, const struct spf_term *t)
{
	unsigned bits = w->client.n == 4 ? 32 : 128;
	struct str record;

	if (t != NULL)
		bits = w->client.n == 4 ? t->prefix4 : t->prefix6;
	for (size_t at = 0; dns_record_next(fact->records, &at, &record);) {
		struct spf_address a = { .n = w->client.n };

		if (record.n != a.n)
			continue;
		memcpy(a.bytes, record.p, a.n);
		if (spf_address_in(&w->client, &a, bits))
			return true;
	}
	return false;
}

size_t
spf_address_dotted(const struct spf_address *a, char out[64])
{
	static const char hex[] = "0123456789abcdef";
	size_t o = 0;

	if (a->n == 4)
		return spf_address_text(a, out);
	for (size_t i = 0; i < 16; i++) {
		out[o++] = hex[a->bytes[i] >> 4];
		out[o++] = '.';
		out[o++] = hex[a->bytes[i] & 15];
		out[o++] = '.';
	}
	out[--o] = '\0';
	return o;
}

size_t
spf_address_text(const struct spf_address *a, char out[64])
{
	if (inet_ntop(a->n == 4 ? AF_INET : AF_INET6, a->bytes, out, 64) == NULL)
		out[0] = '\0';
	return strlen(out);
}

/* d.c.b.a.in-addr.arpa or the nibbles below ip6.arpa. */
static void
reverse_name(const struct spf_address *a, struct dns_name *out)
{
	char text[80];
	size_t n = 0;

	if (a->n == 4) {
		snprintf(text, sizeof(text), "%u.%u.%u.%u.in-addr.arpa", a->bytes[3], a->bytes[2],
		    a->bytes[1], a->bytes[0]);
	} else {
		for (int i = 15; i >= 0; i--)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%x.%x.",
			    a->bytes[i] & 15, a->bytes[i] >> 4);
		snprintf(text + n, sizeof(text) - n, "ip6.arpa");
	}
	dns_name_parse(str_of(text), out);
}

/* name is domain or below it. */
static bool
is_within(const struct dns_name *name, const struct dns_name *domain)
{
	size_t p = 0;

	if (domain->n == 0 || name->n < domain->n)
		return false;
	while (name->n - p > domain->n)
		p += 1U + name->wire[p];
	return name->n - p == domain->n && memcmp(name->wire + p, domain->wire, domain->n) == 0;
}

/* The name leads back to the client: MATCH; NEED; else NO, also for trouble of DNS (rfc7208:5.5). */
static enum spf_eval
leads_back(struct spf_work *w, const struct dns_name *name)
{
	const struct dns_fact *f = spf_ask(w, name, spf_address_type(w));

	if (f == NULL)
		return SPF_EVAL_NEED;
	return f->state == DNS_FACT_FOUND && spf_client_in_records(w, f, NULL) ? SPF_EVAL_MATCH
									       : SPF_EVAL_NO;
}

/* Of the first names: *best is the domain itself before what is below it. */
static enum spf_eval
among(struct spf_work *w, struct str records, const struct dns_name *domain, struct dns_name *best,
    struct dns_name *any)
{
	enum spf_eval e = SPF_EVAL_NO;
	struct str record;
	size_t at = 0;

	for (int i = 0; i < SPF_NAMES_MAX && dns_record_next(records, &at, &record); i++) {
		struct dns_name name;
		size_t end = 0;

		if (!dns_name_read((const uint8_t *)record.p, record.n, &end, &name) || name.n == 1)
			continue;
		switch (leads_back(w, &name)) {
		case SPF_EVAL_NEED:
			e = SPF_EVAL_NEED;
			break;
		case SPF_EVAL_MATCH:
			if (any->n == 0)
				*any = name;
			if (e == SPF_EVAL_NEED || !is_within(&name, domain) ||
			    (e == SPF_EVAL_MATCH && !dns_name_eq(&name, domain)))
				break;
			*best = name;
			e = SPF_EVAL_MATCH;
			break;
		default:
			break;
		}
	}
	return e;
}

enum spf_eval
spf_validated_name(struct spf_work *w, const struct dns_name *domain, struct dns_name *name,
    struct dns_name *any, bool *empty)
{
	struct dns_name reverse;
	const struct dns_fact *f;

	any->n = name->n = 0;
	*empty = false;
	reverse_name(&w->client, &reverse);
	f = spf_ask(w, &reverse, DNS_PTR);
	if (f == NULL)
		return SPF_EVAL_NEED;
	*empty = f->state == DNS_FACT_NONE || f->state == DNS_FACT_NXDOMAIN;
	if (f->state != DNS_FACT_FOUND)
		return SPF_EVAL_NO;
	return among(w, f->records, domain, name, any);
}
