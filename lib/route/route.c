/* SPDX-License-Identifier: ISC */
#include "route/route.h"

#include <arpa/inet.h>

#include "base/hash.h"

enum { NO_CUT = 65536 };

/* What one call works on. */
struct work {
	const struct route_input *in;
	const struct dns_facts *facts;
	struct route_result *out;
	uint64_t keys[ROUTE_HOSTS_MAX]; /* order of hosts with equal preference */
	unsigned cut;                   /* preferences from here on are ours or behind us */
	bool looped, refused;           /* why hosts or addresses were left out */
};

static int
done(struct work *w, enum route_class class, const char *status, const char *reason)
{
	w->out->class = class;
	w->out->status = status;
	w->out->reason = reason;
	w->out->question_count = 0;
	if (class != ROUTE_OK)
		w->out->host_count = w->out->hop_count = 0;
	return ROUTE_DONE;
}

static int
done_dns(struct work *w, enum dns_fact_state state)
{
	if (state == DNS_FACT_NXDOMAIN)
		return done(w, ROUTE_PERM, "5.1.2", "the domain does not exist");
	return done(w, ROUTE_TEMP, "4.4.3",
	    state == DNS_FACT_BOGUS ? "DNSSEC refuses the answer about the domain"
				    : "DNS gives no answer about the domain at the moment");
}

static int
done_loop(struct work *w)
{
	return done(w, ROUTE_PERM, "5.4.6", "mail for the domain would come back to this server");
}

static uint64_t
key_of(uint64_t seed, const void *p, size_t n)
{
	return hash_mix(hash_add(HASH_START ^ seed, str_from(p, n)));
}

static bool
own_name(const struct work *w, const struct dns_name *name)
{
	if (w->in->flags & ROUTE_ALLOW_OWN)
		return false;
	for (size_t i = 0; i < w->in->own_name_count; i++)
		if (dns_name_eq(&w->in->own_names[i], name))
			return true;
	return false;
}

static bool
address_eq(const struct route_address *a, const struct route_address *b)
{
	return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

static bool
own_address(const struct work *w, const struct route_address *a)
{
	if (w->in->flags & ROUTE_ALLOW_OWN)
		return false;
	for (size_t i = 0; i < w->in->own_address_count; i++)
		if (address_eq(&w->in->own_addresses[i], a))
			return true;
	return false;
}

static bool
refused(const struct work *w, const struct route_address *a)
{
	return !(w->in->flags & ROUTE_ALLOW_PRIVATE) && route_address_refused(a) != NULL;
}

/* The fact, or NULL and the question is noted. */
static const struct dns_fact *
ask(struct work *w, const struct dns_name *name, uint16_t type)
{
	struct route_result *r = w->out;

	return dns_facts_ask(
	    w->facts, name, type, r->questions, &r->question_count, ROUTE_QUESTIONS_MAX);
}

static bool
mx_read(struct str record, unsigned *preference, struct dns_name *host)
{
	const uint8_t *p = (const uint8_t *)record.p;
	size_t at = 2;

	if (record.n < 3 || !dns_name_read(p, record.n, &at, host) || at != record.n)
		return false;
	*preference = (unsigned)p[0] << 8 | p[1];
	return true;
}

static void
host_remove(struct work *w, size_t i)
{
	struct route_result *r = w->out;
	size_t behind = --r->host_count - i;

	memmove(&r->hosts[i], &r->hosts[i + 1], behind * sizeof(r->hosts[0]));
	memmove(&w->keys[i], &w->keys[i + 1], behind * sizeof(w->keys[0]));
}

/* Keeps the ROUTE_HOSTS_MAX best, sorted; of a host that comes twice the better place. */
static void
host_insert(struct work *w, const struct dns_name *name, unsigned preference)
{
	struct route_result *r = w->out;
	uint64_t key = key_of(w->in->seed, name->wire, name->n);
	size_t at = 0;

	for (size_t i = 0; i < r->host_count; i++) {
		if (!dns_name_eq(&r->hosts[i].name, name))
			continue;
		if (r->hosts[i].preference <= preference)
			return;
		host_remove(w, i);
		break;
	}
	while (at < r->host_count &&
	       (r->hosts[at].preference < preference ||
		   (r->hosts[at].preference == preference && w->keys[at] <= key)))
		at++;
	if (at == ROUTE_HOSTS_MAX)
		return;
	if (r->host_count == ROUTE_HOSTS_MAX)
		r->host_count--;
	memmove(&r->hosts[at + 1], &r->hosts[at], (r->host_count - at) * sizeof(r->hosts[0]));
	memmove(&w->keys[at + 1], &w->keys[at], (r->host_count - at) * sizeof(w->keys[0]));
	r->hosts[at] = (struct route_host){ .name = *name, .preference = (uint16_t)preference };
	w->keys[at] = key;
	r->host_count++;
}

/* 1: hosts are there; 0: done. Two passes: our own preference must be known before the first
 * host is taken, so that the limit counts only what is better. */
static int
hosts_from_mx(struct work *w, struct str records)
{
	bool null = false;
	struct dns_name host;
	struct str record;
	unsigned preference;

	for (size_t at = 0; dns_record_next(records, &at, &record);)
		if (mx_read(record, &preference, &host) && own_name(w, &host) &&
		    preference < w->cut)
			w->cut = preference;
	for (size_t at = 0; dns_record_next(records, &at, &record);) {
		if (!mx_read(record, &preference, &host))
			continue;
		/* The root stands for "no mail"; beside other hosts it means nothing. */
		if (host.n == 1)
			null = true;
		else if (preference < w->cut)
			host_insert(w, &host, preference);
	}
	if (w->out->host_count > 0)
		return 1;
	if (w->cut != NO_CUT)
		done_loop(w);
	else if (null)
		done(w, ROUTE_PERM, "5.1.10", "the domain says that it takes no mail");
	else
		done_dns(w, DNS_FACT_TEMP); /* not one record that can be read */
	return 0;
}

/* Up to max distinct good addresses of one fact, the lowest keys first. */
static size_t
addresses(struct work *w, const struct dns_fact *f, uint16_t preference, struct route_address *list)
{
	uint64_t keys[ROUTE_ADDRESSES_MAX];
	struct str record;
	size_t n = 0;

	for (size_t pos = 0; dns_record_next(f->records, &pos, &record);) {
		struct route_address a = { .n = f->asked.type == DNS_A ? 4 : 16 };
		size_t at = 0, again = 0;
		uint64_t key;

		if (record.n != a.n)
			continue;
		memcpy(a.bytes, record.p, a.n);
		if (own_address(w, &a) && preference < w->cut)
			w->cut = preference;
		if (refused(w, &a)) {
			w->refused = true;
			continue;
		}
		while (again < n && !address_eq(&list[again], &a))
			again++;
		if (again < n)
			continue;
		key = key_of(w->in->seed, a.bytes, a.n);
		while (at < n && keys[at] <= key)
			at++;
		if (at == ROUTE_ADDRESSES_MAX)
			continue;
		if (n == ROUTE_ADDRESSES_MAX)
			n--;
		memmove(&list[at + 1], &list[at], (n - at) * sizeof(list[0]));
		memmove(&keys[at + 1], &keys[at], (n - at) * sizeof(keys[0]));
		list[at] = a;
		keys[at] = key;
		n++;
	}
	return n;
}

/* The addresses of one host, IPv6 and IPv4 by turns so that one dead family costs little. */
static void
hops_of_host(struct work *w, size_t i)
{
	static const uint16_t types[2] = { DNS_AAAA, DNS_A };
	static const unsigned off[2] = { ROUTE_NO_IPV6, ROUTE_NO_IPV4 };
	struct route_address list[2][ROUTE_ADDRESSES_MAX];
	struct route_host *host = &w->out->hosts[i];
	size_t count[2] = { 0, 0 }, taken = 0;

	host->secure = true;
	for (int k = 0; k < 2; k++) {
		const struct dns_fact *f;

		if (w->in->flags & off[k])
			continue;
		f = dns_facts_find(w->facts, &host->name, types[k]);
		host->secure = host->secure && f->secure;
		if (f->state == DNS_FACT_TEMP || f->state == DNS_FACT_BOGUS)
			w->out->incomplete = true;
		if (f->state != DNS_FACT_FOUND)
			continue;
		if (own_name(w, &f->name) && host->preference < w->cut)
			w->cut = host->preference;
		count[k] = addresses(w, f, host->preference, list[k]);
	}
	for (size_t j = 0; j < ROUTE_ADDRESSES_MAX; j++)
		for (int k = 0; k < 2; k++)
			if (j < count[k] && taken < ROUTE_ADDRESSES_MAX) {
				w->out->hops[w->out->hop_count++] =
				    (struct route_hop){ (uint8_t)i, list[k][j] };
				taken++;
			}
}

/* An alias or an address may have shown that a host is this server: cut there as well. */
static void
cut_hops(struct work *w)
{
	struct route_result *r = w->out;

	if (w->cut == NO_CUT)
		return;
	w->looped = true;
	while (r->host_count > 0 && r->hosts[r->host_count - 1].preference >= w->cut)
		r->host_count--;
	while (r->hop_count > 0 && r->hops[r->hop_count - 1].host >= r->host_count)
		r->hop_count--;
}

static int
hosts_to_hops(struct work *w)
{
	struct route_result *r = w->out;

	for (size_t i = 0; i < r->host_count; i++) {
		if (!(w->in->flags & ROUTE_NO_IPV6))
			ask(w, &r->hosts[i].name, DNS_AAAA);
		if (!(w->in->flags & ROUTE_NO_IPV4))
			ask(w, &r->hosts[i].name, DNS_A);
	}
	if (r->question_count > 0)
		return ROUTE_NEED;
	for (size_t i = 0; i < r->host_count; i++)
		hops_of_host(w, i);
	cut_hops(w);
	if (r->hop_count > 0)
		return done(w, ROUTE_OK, "", "");
	if (w->looped && r->host_count == 0)
		return done_loop(w);
	if (r->incomplete)
		return done(w, ROUTE_TEMP, "4.4.3",
		    "DNS gives no addresses of the domain's mail servers at the moment");
	if (w->refused)
		return done(w, ROUTE_PERM, "5.4.4",
		    "the domain's mail servers have only addresses that are not public");
	return done(
	    w, ROUTE_PERM, "5.4.4", "none of the domain's mail servers has a usable address");
}

static int
route_literal(struct work *w)
{
	struct str s = str_from(w->in->domain.p + 1, w->in->domain.n - 2);
	struct route_address a = { .n = 4 };
	char text[INET6_ADDRSTRLEN];

	if (str_starts_nocase(s, STR("IPv6:"))) {
		s = str_from(s.p + 5, s.n - 5);
		a.n = 16;
	}
	if (s.n >= sizeof(text))
		return done(w, ROUTE_PERM, "5.1.3", "not an address literal");
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (strlen(text) != s.n || inet_pton(a.n == 4 ? AF_INET : AF_INET6, text, a.bytes) != 1)
		return done(w, ROUTE_PERM, "5.1.3", "not an address literal");
	if (own_address(w, &a))
		return done_loop(w);
	if (refused(w, &a))
		return done(w, ROUTE_PERM, "5.4.4", "the address is not public");
	if (w->in->flags & (a.n == 4 ? ROUTE_NO_IPV4 : ROUTE_NO_IPV6))
		return done(w, ROUTE_PERM, "5.4.4", "addresses of this kind are not reached here");
	w->out->host_count = w->out->hop_count = 1;
	w->out->hops[0] = (struct route_hop){ 0, a };
	return done(w, ROUTE_OK, "", "");
}

/* No MX records: the domain itself is the host, in the place of preference 0. */
static int
route_implicit(struct work *w, const struct dns_name *name, const struct dns_name *alias)
{
	if (own_name(w, name) || own_name(w, alias))
		return done_loop(w);
	host_insert(w, name, 0);
	return hosts_to_hops(w);
}

int
route_mx(const struct route_input *in, const struct dns_facts *facts, struct route_result *out)
{
	struct work w = { .in = in, .facts = facts, .out = out, .cut = NO_CUT };
	const struct dns_fact *mx;
	struct dns_name name;

	memset(out, 0, sizeof(*out));
	out->status = out->reason = "";
	if (in->domain.n >= 2 && in->domain.p[0] == '[' && in->domain.p[in->domain.n - 1] == ']')
		return route_literal(&w);
	if (!dns_name_parse(in->domain, &name) || name.n == 1)
		return done(&w, ROUTE_PERM, "5.1.2", "not the name of a domain");
	if (in->flags & ROUTE_HOST)
		return route_implicit(&w, &name, &name);
	mx = ask(&w, &name, DNS_MX);
	if (mx == NULL)
		return ROUTE_NEED;
	out->mx_secure = mx->secure;
	if (mx->state == DNS_FACT_NONE)
		return route_implicit(&w, &name, &mx->name);
	if (mx->state != DNS_FACT_FOUND)
		return done_dns(&w, mx->state);
	if (!hosts_from_mx(&w, mx->records))
		return ROUTE_DONE;
	out->from_mx = true;
	return hosts_to_hops(&w);
}
