/* SPDX-License-Identifier: ISC */
/*
 * Up to the first newline: lists as the setting writes them. Then the client (4 bytes), and for each
 * question one byte of state, one of length, so many bytes of records. Oracle: one round; no question
 * twice; the weight is that of the lists that name the client; what is listed has an accepted answer and
 * a class; whoever is in no list is not refused.
 */
#include <assert.h>

#include "base/fuzz_input.h"
#include "reception/dnsbl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_lists(const struct dnsbl_lists *lists)
{
	assert(lists->n <= DNSBL_LISTS_MAX);
	for (size_t i = 0; i < lists->n; i++) {
		const struct dnsbl_list *l = &lists->list[i];

		assert(l->ranges >= 1 && l->ranges <= DNSBL_RANGES_MAX);
		assert(l->weight >= 1 && l->weight <= DNSBL_REFUSE);
		for (size_t k = 0; k < l->ranges; k++)
			assert(l->range[k].first >> 24 == 127 &&
			       l->range[k].first <= l->range[k].last);
	}
}

static void
check_result(const struct dnsbl_lists *lists, const struct dnsbl_result *r)
{
	unsigned weight = 0;

	for (size_t i = 0; i < lists->n; i++) {
		const struct dnsbl_found *f = &r->found[i];

		assert(!f->listed || (f->trouble == NULL && f->class != NULL));
		assert(f->listed == (f->answer != 0) && f->answer >> 8 != 0x7fffff);
		weight += f->listed ? lists->list[i].weight : 0;
	}
	assert(weight == r->weight && r->refuse == (weight >= DNSBL_REFUSE));
	assert(weight == 0 || r->found[r->heaviest].listed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_fact list[DNSBL_QUESTIONS_MAX];
	struct str rest = str_from(data, size), text;
	struct reception_client client = { .n = 4 };
	struct dns_facts facts = { list, 0 };
	struct dnsbl_lists lists;
	struct dnsbl_result r;
	struct buf why;
	ptrdiff_t nl = str_chr(rest, '\n');

	buf_init(&why, 1024);
	text = take(&rest, nl < 0 ? rest.n : (size_t)nl);
	(void)take_byte(&rest);
	(void)dnsbl_parse(text, &lists, &why);
	check_lists(&lists);
	buf_free(&why);
	for (int i = 0; i < 4; i++)
		client.bytes[i] = (uint8_t)take_byte(&rest);
	if (dnsbl_check(&client, &lists, &facts, &r) == DNSBL_NEED) {
		for (size_t i = 0; i < r.question_count; i++) {
			unsigned state = take_byte(&rest);

			list[facts.n++] = (struct dns_fact){ .asked = r.questions[i],
				.name = r.questions[i].name,
				.state = state % 5,
				.records = take_counted(&rest) };
		}
		assert(dnsbl_check(&client, &lists, &facts, &r) == DNSBL_DONE);
	}
	check_result(&lists, &r);
	return 0;
}
