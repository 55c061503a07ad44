/* SPDX-License-Identifier: ISC */
/* New documents: their distinct trigrams, then sorted by trigram. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "textindex/writer.h"

enum {
	SLOTS_FIRST = 4096,
	SLOTS_MAX = 2 * TEXTINDEX_TRIGRAMS_MAX,
	LISTS_A_CALL = 4096,
};

#define FREE UINT32_MAX

struct textindex_batch {
	uint32_t *slots; /* a hash set: the trigrams of the document at hand */
	uint32_t nslots, nset;
	bool any_now;
	uint32_t *postings; /* trigram << 8 | document */
	uint32_t n;
	uint64_t numbers[TEXTINDEX_BATCH_DOCS];
	uint32_t ndocs;
	uint8_t any[TEXTINDEX_BATCH_DOCS / 8];
	/* writing */
	bool writing;
	uint32_t at;
	struct textindex_writer w;
};

struct textindex_batch *
textindex_batch_new(void)
{
	struct textindex_batch *b = xcalloc(1, sizeof(*b));

	b->nslots = SLOTS_FIRST;
	b->slots = xmalloc(b->nslots * sizeof(b->slots[0]));
	b->postings = xmalloc(TEXTINDEX_BATCH_MAX * sizeof(b->postings[0]));
	return b;
}

void
textindex_batch_free(struct textindex_batch **bp)
{
	struct textindex_batch *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	if (b->writing)
		textindex_writer_free(&b->w);
	free(b->slots);
	free(b->postings);
	free(b);
}

/* --- one document --------------------------------------------------------------------------------
 */

static uint32_t *
slot_of(uint32_t *slots, uint32_t n, uint32_t trigram)
{
	uint32_t i = (trigram * 0x9e3779b1u) >> 7 & (n - 1);

	while (slots[i] != FREE && slots[i] != trigram)
		i = (i + 1) & (n - 1);
	return &slots[i];
}

static void
grow(struct textindex_batch *b)
{
	uint32_t n = 2 * b->nslots, *slots = xmalloc(n * sizeof(slots[0]));

	memset(slots, 0xff, n * sizeof(slots[0]));
	for (uint32_t i = 0; i < b->nslots; i++)
		if (b->slots[i] != FREE)
			*slot_of(slots, n, b->slots[i]) = b->slots[i];
	free(b->slots);
	b->slots = slots;
	b->nslots = n;
}

/* The document at hand is complete: into the postings with it. */
static void
document_end(struct textindex_batch *b)
{
	uint32_t doc = b->ndocs - 1;

	if (b->ndocs == 0)
		return;
	if (b->any_now)
		textindex_set_add(b->any, doc);
	for (uint32_t i = 0; i < b->nslots && b->nset > 0 && !b->any_now; i++)
		if (b->slots[i] != FREE)
			b->postings[b->n++] = b->slots[i] << 8 | doc;
	b->nset = 0;
	b->any_now = false;
}

bool
textindex_batch_has_room(const struct textindex_batch *b)
{
	return b->ndocs < TEXTINDEX_BATCH_DOCS &&
	       b->n + b->nset + TEXTINDEX_TRIGRAMS_MAX <= TEXTINDEX_BATCH_MAX;
}

void
textindex_batch_begin(struct textindex_batch *b, uint64_t number)
{
	document_end(b);
	if (b->nslots > SLOTS_FIRST) {
		b->nslots = SLOTS_FIRST;
		b->slots = xrealloc(b->slots, b->nslots * sizeof(b->slots[0]));
	}
	memset(b->slots, 0xff, b->nslots * sizeof(b->slots[0]));
	b->numbers[b->ndocs++] = number;
}

void
textindex_batch_text(struct textindex_batch *b, struct str text)
{
	const uint8_t *p = (const uint8_t *)text.p;
	uint32_t trigram, *slot;

	if (text.n < 3)
		return;
	trigram = (uint32_t)p[0] << 8 | p[1];
	for (size_t i = 2; i < text.n && !b->any_now; i++) {
		trigram = (trigram << 8 | p[i]) & 0xffffff;
		slot = slot_of(b->slots, b->nslots, trigram);
		if (*slot == trigram)
			continue;
		if (b->nset == TEXTINDEX_TRIGRAMS_MAX) {
			textindex_batch_any(b);
			return;
		}
		*slot = trigram;
		if (++b->nset > b->nslots / 2 && b->nslots < SLOTS_MAX)
			grow(b);
	}
}

void
textindex_batch_any(struct textindex_batch *b)
{
	b->any_now = true;
	b->nset = 0;
}

/* --- writing -------------------------------------------------------------------------------------
 */

/* By trigram, three bytes one after the other; the documents keep their order. */
static void
sort(struct textindex_batch *b)
{
	uint32_t *from = b->postings, *to = xmalloc(((size_t)b->n + 1) * sizeof(*to)), *swap;

	for (unsigned shift = 8; shift < 32; shift += 8) {
		uint32_t place[256] = { 0 }, sum = 0;

		for (uint32_t i = 0; i < b->n; i++)
			place[from[i] >> shift & 255]++;
		for (unsigned v = 0; v < 256; v++) {
			uint32_t count = place[v];

			place[v] = sum;
			sum += count;
		}
		for (uint32_t i = 0; i < b->n; i++)
			to[place[from[i] >> shift & 255]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	b->postings = from;
	free(to);
}

int
textindex_batch_write(
    struct textindex_batch *b, uint64_t lo, uint64_t hi, textindex_sink *sink, void *arg)
{
	uint8_t set[TEXTINDEX_SET];

	if (!b->writing) {
		document_end(b);
		sort(b);
		textindex_writer_init(&b->w, b->ndocs, sink, arg);
		b->writing = true;
		return 1;
	}
	for (unsigned lists = 0; b->at < b->n && lists < LISTS_A_CALL; lists++) {
		uint32_t trigram = b->postings[b->at] >> 8;

		memset(set, 0, textindex_set_bytes(b->ndocs));
		for (; b->at < b->n && b->postings[b->at] >> 8 == trigram; b->at++)
			textindex_set_add(set, b->postings[b->at] & 255);
		textindex_writer_list(&b->w, trigram, set);
	}
	if (b->w.failed)
		return TEXTINDEX_FAILED;
	return b->at < b->n ? 1 : textindex_writer_end(&b->w, lo, hi, b->numbers, b->any);
}
