/* SPDX-License-Identifier: ISC */
/*
 * Byte 0: flags; byte 1: seed; byte 2: length of the domain, then the domain; byte 3 on: for each
 * fact one byte of state (and 8: secure), one length byte, so many bytes of records. The facts are
 * the answers to the questions in their order. Oracle: at most two rounds; no question twice; hops
 * are sorted by host, hosts by preference; nothing refused comes out; the same again gives the same.
 */
#include <assert.h>

#include "base/fuzz_input.h"
#include "route/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_questions(const struct route_result *r, const struct dns_facts *facts)
{
	assert(r->question_count > 0 && r->question_count <= ROUTE_QUESTIONS_MAX);
	for (size_t i = 0; i < r->question_count; i++) {
		const struct dns_question *q = &r->questions[i];

		assert(dns_facts_find(facts, &q->name, q->type) == NULL);
		for (size_t j = 0; j < i; j++)
			assert(r->questions[j].type != q->type ||
			       !dns_name_eq(&r->questions[j].name, &q->name));
	}
}

static void
check_done(const struct route_input *in, const struct route_result *r)
{
	assert((r->class == ROUTE_OK) == (r->hop_count > 0));
	assert((r->class == ROUTE_OK) == (r->status[0] == '\0'));
	assert(r->host_count <= ROUTE_HOSTS_MAX && r->hop_count <= ROUTE_HOPS_MAX);
	if (r->class != ROUTE_OK)
		assert(r->status[0] == (r->class == ROUTE_PERM ? '5' : '4'));
	for (size_t i = 0; i < r->hop_count; i++) {
		const struct route_hop *h = &r->hops[i];

		assert(h->host < r->host_count && (h->address.n == 4 || h->address.n == 16));
		assert((in->flags & ROUTE_ALLOW_PRIVATE) ||
		       route_address_refused(&h->address) == NULL);
		assert(i == 0 || r->hops[i - 1].host <= h->host);
	}
	for (size_t i = 1; i < r->host_count; i++)
		assert(r->hosts[i - 1].preference <= r->hosts[i].preference);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_fact list[ROUTE_QUESTIONS_MAX + 1];
	static struct route_result r, again;
	static const struct route_address own = { 4, { 192, 0, 2, 1 } };
	static const struct dns_name me = { 4, { 2, 'm', 'e', 0 } };
	struct str rest = str_from(data, size);
	struct dns_facts facts = { list, 0 };
	struct route_input in = {
		.own_names = &me, .own_name_count = 1, .own_addresses = &own, .own_address_count = 1
	};
	int rounds = 0;

	in.flags = take_byte(&rest);
	in.seed = take_byte(&rest);
	in.domain = take_counted(&rest);
	while (route_mx(&in, &facts, &r) == ROUTE_NEED) {
		rounds++;
		assert(rounds <= 2);
		check_questions(&r, &facts);
		for (size_t i = 0; i < r.question_count; i++) {
			unsigned state = take_byte(&rest);

			list[facts.n++] = (struct dns_fact){ .asked = r.questions[i],
				.name = r.questions[i].name,
				.state = (state & 7) % 5,
				.secure = state & 8,
				.records = take_counted(&rest) };
		}
	}
	check_done(&in, &r);
	assert(route_mx(&in, &facts, &again) == ROUTE_DONE);
	assert(r.class == again.class && r.hop_count == again.hop_count);
	assert(memcmp(r.hops, again.hops, sizeof(r.hops)) == 0);
	return 0;
}
