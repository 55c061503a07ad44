/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "mailbox/store_priv.h"

void
tally_put(struct tally *t, uint64_t segment, uint64_t bytes)
{
	for (size_t i = t->n; i-- > 0;) {
		if (t->rows[i].segment == segment) {
			t->rows[i].bytes += bytes;
			return;
		}
	}
	if (t->n == t->cap) {
		t->cap = t->cap + t->cap / 2 + 8;
		t->rows = xrealloc(t->rows, t->cap * sizeof(*t->rows));
	}
	t->rows[t->n++] = (struct tally_row){ segment, bytes };
}

void
tally_add(struct tally *t, struct journal_ref ref)
{
	tally_put(t, ref.pos >> 32, ref.size);
}

void
tally_merge(struct tally *into, struct tally *from)
{
	for (size_t i = 0; i < from->n; i++)
		tally_put(into, from->rows[i].segment, from->rows[i].bytes);
	from->n = 0;
}

void
tally_drop(struct tally *t, uint64_t segment)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].segment == segment)
			t->rows[i--] = t->rows[--t->n];
}

uint64_t
tally_sum(const struct tally *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->n; i++)
		sum += t->rows[i].bytes;
	return sum;
}

/* The journal counts bytes by segment: one call for all records of one is as good. */
void
tally_dead(struct tally *t, struct journal *j)
{
	for (size_t i = 0; i < t->n; i++) {
		uint64_t left = t->rows[i].bytes;

		while (left > 0) {
			uint32_t some = left > 1u << 30 ? 1u << 30 : (uint32_t)left;

			journal_dead(j, (struct journal_ref){ t->rows[i].segment << 32, some });
			left -= some;
		}
	}
	t->n = 0;
}

void
tally_free(struct tally *t)
{
	free(t->rows);
	*t = (struct tally){ 0 };
}
