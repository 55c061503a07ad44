/* SPDX-License-Identifier: ISC */
/* Asking the index about one text. A segment is asked when the first of its messages comes. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "mailbox/search_index_priv.h"

struct search_probe {
	uint32_t trigrams[TEXTINDEX_QUERY_MAX];
	size_t n;
	unsigned epoch;
	uint8_t **sets; /* of each part, NULL: not asked yet */
	size_t nsets;
	size_t part;  /* of the message asked about last */
	uint32_t doc; /* its place there */
};

struct search_probe *
search_probe_new(struct search_index *x, struct str text)
{
	struct search_probe *p;

	if (text.n < 3)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->n = textindex_query(text, p->trigrams);
	p->epoch = x->epoch - 1;
	search_index_use(x);
	return p;
}

static void
forget(struct search_probe *p)
{
	for (size_t i = 0; i < p->nsets; i++)
		free(p->sets[i]);
	free(p->sets);
	p->sets = NULL;
	p->nsets = 0;
	p->part = 0;
	p->doc = 0;
}

void
search_probe_free(struct search_index *x, struct search_probe **pp)
{
	if (*pp == NULL)
		return;
	forget(*pp);
	free(*pp);
	*pp = NULL;
	search_index_unuse(x);
}

/* The part that knows this message: there is one. */
static void
part_find(struct search_index *x, struct search_probe *p, uint64_t email)
{
	if (email > x->parts[p->part].info.lo && email <= x->parts[p->part].info.hi)
		return;
	p->part = search_part_of(x, email);
	if (p->part == x->n)
		p->part--;
	p->doc = 0;
}

/* -1: the index turned out damaged and is gone. */
static int
part_ask(struct search_index *x, struct search_probe *p)
{
	struct search_part *part = &x->parts[p->part];

	if (search_part_map(x, part) != 0)
		return -1;
	if (p->sets[p->part] != NULL)
		return 0;
	p->sets[p->part] = xmalloc(TEXTINDEX_SET);
	if (textindex_segment_find(&part->segment, p->trigrams, p->n, p->sets[p->part]) == 0)
		return 0;
	search_index_discard(x, "damaged, made again");
	return -1;
}

/* 1: p->doc is its place, 0: it is not there, -1: damaged. Messages mostly come in their order. */
static int
doc_find(struct textindex_segment *s, struct search_probe *p, uint64_t email)
{
	uint32_t lo = 0, hi = s->info.ndocs;
	uint64_t number;

	for (uint32_t i = p->doc; i < hi && i < p->doc + 2; i++) {
		if (textindex_segment_number(s, i, &number) != 0)
			return -1;
		if (number == email) {
			p->doc = i;
			return 1;
		}
	}
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (textindex_segment_number(s, mid, &number) != 0)
			return -1;
		if (number == email) {
			p->doc = mid;
			return 1;
		}
		if (number < email)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

bool
search_probe_may(struct search_index *x, struct search_probe *p, uint64_t email)
{
	int r;

	if (email > x->covered || x->n == 0)
		return true;
	if (p->epoch != x->epoch) {
		forget(p);
		p->epoch = x->epoch;
		p->nsets = x->n;
		p->sets = xcalloc(x->n, sizeof(p->sets[0]));
	}
	part_find(x, p, email);
	if (part_ask(x, p) != 0)
		return true;
	r = doc_find(&x->parts[p->part].segment, p, email);
	if (r < 0)
		search_index_discard(x, "damaged, made again");
	return r <= 0 || p->sets[p->part][p->doc / 8] >> (p->doc % 8) & 1;
}
