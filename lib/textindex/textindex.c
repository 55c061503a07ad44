/* SPDX-License-Identifier: ISC */
/* Reading a segment, and making one of several. */
#include "textindex/textindex.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/le.h"
#include "base/xalloc.h"
#include "textindex/writer.h"

int
textindex_info_get(const uint8_t *f, uint64_t size, struct textindex_info *info)
{
	uint64_t end, pages;

	if (memcmp(f, "PSTNTRIX", 8) != 0 || le_get32(f + 60) != (uint32_t)crc32_z(0, f, 60) ||
	    le_get32(f + 8) != TEXTINDEX_VERSION)
		return TEXTINDEX_DAMAGED;
	*info = (struct textindex_info){ .ndocs = le_get32(f + 12),
		.nlists = le_get32(f + 16),
		.lo = le_get64(f + 24),
		.hi = le_get64(f + 32),
		.dictionary = le_get64(f + 40),
		.size = le_get64(f + 48),
		.sums = le_get32(f + 56) };
	if (info->size != size || info->ndocs > TEXTINDEX_DOCS_MAX || info->nlists > 1 << 24 ||
	    info->lo > info->hi || info->dictionary > UINT32_MAX || info->dictionary % 8 != 0)
		return TEXTINDEX_DAMAGED;
	end = info->dictionary + 8 * ((uint64_t)info->nlists + 1) + 8 * (uint64_t)info->ndocs +
	      textindex_set_bytes(info->ndocs);
	pages = (end + TEXTINDEX_PAGE - 1) / TEXTINDEX_PAGE;
	return size == pages * (TEXTINDEX_PAGE + 4) + TEXTINDEX_FOOTER ? 0 : TEXTINDEX_DAMAGED;
}

int
textindex_segment_open(struct textindex_segment *s, const uint8_t *p, size_t n)
{
	*s = (struct textindex_segment){ .p = p };
	if (n < TEXTINDEX_FOOTER || textindex_info_get(p + n - TEXTINDEX_FOOTER, n, &s->info) != 0)
		return TEXTINDEX_DAMAGED;
	s->pages = (n - TEXTINDEX_FOOTER) / (TEXTINDEX_PAGE + 4);
	if (crc32_z(0, p + s->pages * TEXTINDEX_PAGE, s->pages * 4) != s->info.sums)
		return TEXTINDEX_DAMAGED;
	s->checked = xcalloc(s->pages / 8 + 1, 1);
	return 0;
}

void
textindex_segment_close(struct textindex_segment *s)
{
	free(s->checked);
	*s = (struct textindex_segment){ 0 };
}

/* Are these bytes there, and as they were written? */
static bool
good(struct textindex_segment *s, uint64_t at, uint64_t n)
{
	if (at + n > s->pages * TEXTINDEX_PAGE)
		return false;
	for (uint64_t page = at / TEXTINDEX_PAGE; page * TEXTINDEX_PAGE < at + n; page++) {
		const uint8_t *p = s->p + page * TEXTINDEX_PAGE;

		if (s->checked[page / 8] >> (page % 8) & 1)
			continue;
		if (le_get32(s->p + s->pages * TEXTINDEX_PAGE + page * 4) !=
		    (uint32_t)crc32_z(0, p, TEXTINDEX_PAGE))
			return false;
		textindex_set_add(s->checked, (uint32_t)page);
	}
	return true;
}

int
textindex_segment_number(struct textindex_segment *s, uint32_t i, uint64_t *number)
{
	uint64_t at = s->info.dictionary + 8 * ((uint64_t)s->info.nlists + 1) + 8 * (uint64_t)i;

	if (i >= s->info.ndocs || !good(s, at, 8))
		return TEXTINDEX_DAMAGED;
	*number = le_get64(s->p + at);
	return 0;
}

/* --- lists ---------------------------------------------------------------------------------------
 */

struct entry {
	uint32_t trigram, at, end;
};

static int
entry_get(struct textindex_segment *s, uint32_t i, struct entry *e)
{
	uint64_t at = s->info.dictionary + 8 * (uint64_t)i;

	if (!good(s, at, 16))
		return TEXTINDEX_DAMAGED;
	e->trigram = le_get32(s->p + at);
	e->at = le_get32(s->p + at + 4);
	e->end = le_get32(s->p + at + 12);
	return e->at <= e->end && e->end <= s->info.dictionary ? 0 : TEXTINDEX_DAMAGED;
}

/* A list as a set. */
static int
list_get(struct textindex_segment *s, const struct entry *e, uint8_t *set)
{
	uint32_t bytes = textindex_set_bytes(s->info.ndocs), next = 0;
	const uint8_t *p = s->p + e->at, *end = s->p + e->end;

	if (!good(s, e->at, e->end - e->at) || e->end - e->at > bytes)
		return TEXTINDEX_DAMAGED;
	if (e->end - e->at == bytes) {
		memcpy(set, p, bytes);
		return 0;
	}
	memset(set, 0, bytes);
	while (p < end) {
		uint32_t d = *p++;

		if (d >= 128) {
			if (p == end)
				return TEXTINDEX_DAMAGED;
			d = (d & 127) | (uint32_t)*p++ << 7;
		}
		if (d >= s->info.ndocs - next)
			return TEXTINDEX_DAMAGED;
		textindex_set_add(set, next + d);
		next += d + 1;
	}
	return 0;
}

/* 1: found, 0: no document has it. */
static int
entry_find(struct textindex_segment *s, uint32_t trigram, struct entry *e)
{
	uint32_t lo = 0, hi = s->info.nlists;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (entry_get(s, mid, e) != 0)
			return TEXTINDEX_DAMAGED;
		if (e->trigram == trigram)
			return 1;
		if (e->trigram < trigram)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

static int
any_get(struct textindex_segment *s, const uint8_t **any)
{
	uint64_t at =
	    s->info.dictionary + 8 * ((uint64_t)s->info.nlists + 1) + 8 * (uint64_t)s->info.ndocs;

	*any = s->p + at;
	return good(s, at, textindex_set_bytes(s->info.ndocs)) ? 0 : TEXTINDEX_DAMAGED;
}

int
textindex_segment_find(
    struct textindex_segment *s, const uint32_t *trigrams, size_t n, uint8_t *set)
{
	uint32_t bytes = textindex_set_bytes(s->info.ndocs);
	uint8_t one[TEXTINDEX_SET];
	const uint8_t *any;
	struct entry e;
	int r = 1;

	memset(set, 0, TEXTINDEX_SET);
	memset(set, 0xff, bytes);
	for (size_t i = 0; i < n && r > 0; i++) {
		if ((r = entry_find(s, trigrams[i], &e)) > 0) {
			if (list_get(s, &e, one) != 0)
				return TEXTINDEX_DAMAGED;
			for (uint32_t k = 0; k < bytes; k++)
				set[k] &= one[k];
		}
	}
	if (r < 0 || any_get(s, &any) != 0)
		return TEXTINDEX_DAMAGED;
	if (r == 0)
		memset(set, 0, bytes);
	for (uint32_t k = 0; k < bytes; k++)
		set[k] |= any[k];
	return 0;
}

size_t
textindex_query(struct str text, uint32_t trigrams[TEXTINDEX_QUERY_MAX])
{
	const uint8_t *p = (const uint8_t *)text.p;
	size_t all = text.n < 3 ? 0 : text.n - 2, n = 0;
	size_t count = all < TEXTINDEX_QUERY_MAX ? all : TEXTINDEX_QUERY_MAX;

	for (size_t k = 0; k < count; k++) {
		size_t i = count == 1 ? 0 : k * (all - 1) / (count - 1), same = 0;
		uint32_t trigram = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];

		while (same < n && trigrams[same] != trigram)
			same++;
		if (same == n)
			trigrams[n++] = trigram;
	}
	return n;
}

/* --- merging -------------------------------------------------------------------------------------
 */

enum {
	LISTS_A_STEP = 512,
	NOT_NEEDED = UINT16_MAX,
};

struct input {
	struct textindex_segment *s;
	uint32_t next; /* list */
	struct entry e;
	uint16_t *to; /* new place of each document */
};

struct textindex_merge {
	struct input in[TEXTINDEX_MERGE_MAX];
	size_t n;
	uint64_t *numbers;
	uint32_t ndocs;
	uint8_t any[TEXTINDEX_SET];
	bool begun;
	struct textindex_writer w;
};

static int
input_next(struct input *in)
{
	if (in->next >= in->s->info.nlists) {
		in->e.trigram = UINT32_MAX;
		return 0;
	}
	return entry_get(in->s, in->next++, &in->e);
}

/* Which documents are kept, and where they stand. */
static int
input_map(
    struct textindex_merge *m, struct input *in, const uint64_t *live, size_t nlive, size_t *at)
{
	uint32_t n = in->s->info.ndocs;
	const uint8_t *any;
	uint64_t number;

	in->to = xmalloc((n + 1) * sizeof(in->to[0]));
	if (any_get(in->s, &any) != 0)
		return TEXTINDEX_DAMAGED;
	for (uint32_t i = 0; i < n; i++) {
		if (textindex_segment_number(in->s, i, &number) != 0)
			return TEXTINDEX_DAMAGED;
		while (*at < nlive && live[*at] < number)
			(*at)++;
		in->to[i] = NOT_NEEDED;
		if (*at == nlive || live[*at] != number || m->ndocs == TEXTINDEX_DOCS_MAX)
			continue;
		(*at)++;
		if (any[i / 8] >> (i % 8) & 1)
			textindex_set_add(m->any, m->ndocs);
		m->numbers[m->ndocs] = number;
		in->to[i] = (uint16_t)m->ndocs++;
	}
	return 0;
}

struct textindex_merge *
textindex_merge_new(
    struct textindex_segment *const *in, size_t n, const uint64_t *live, size_t nlive)
{
	struct textindex_merge *m = xcalloc(1, sizeof(*m));
	size_t at = 0;
	int r = 0;

	m->numbers = xmalloc(TEXTINDEX_DOCS_MAX * sizeof(m->numbers[0]));
	for (m->n = 0; m->n < n && r == 0; m->n++) {
		m->in[m->n].s = in[m->n];
		r = input_map(m, &m->in[m->n], live, nlive, &at);
		if (r == 0)
			r = input_next(&m->in[m->n]);
	}
	if (r != 0)
		textindex_merge_free(&m);
	return m;
}

void
textindex_merge_free(struct textindex_merge **mp)
{
	struct textindex_merge *m = *mp;

	if (m == NULL)
		return;
	*mp = NULL;
	for (size_t i = 0; i < m->n; i++)
		free(m->in[i].to);
	if (m->begun)
		textindex_writer_free(&m->w);
	free(m->numbers);
	free(m);
}

/* Adds the documents of an input's list. */
static int
list_add(struct input *in, uint8_t *set)
{
	uint32_t n = in->s->info.ndocs;
	uint8_t one[TEXTINDEX_SET];

	if (list_get(in->s, &in->e, one) != 0)
		return TEXTINDEX_DAMAGED;
	for (uint32_t i = 0; (i = textindex_set_next(one, i, n)) < n; i++)
		if (in->to[i] != NOT_NEEDED)
			textindex_set_add(set, in->to[i]);
	return input_next(in);
}

/* The lists of the lowest trigram become one. 1, 0: there was none left, DAMAGED. */
static int
merge_one(struct textindex_merge *m)
{
	uint32_t least = UINT32_MAX;
	uint8_t set[TEXTINDEX_SET] = { 0 };

	for (size_t i = 0; i < m->n; i++)
		if (m->in[i].e.trigram < least)
			least = m->in[i].e.trigram;
	if (least == UINT32_MAX)
		return 0;
	for (size_t i = 0; i < m->n; i++)
		if (m->in[i].e.trigram == least && list_add(&m->in[i], set) != 0)
			return TEXTINDEX_DAMAGED;
	if (textindex_set_next(set, 0, m->ndocs) < m->ndocs)
		textindex_writer_list(&m->w, least, set);
	return 1;
}

int
textindex_merge_step(struct textindex_merge *m, textindex_sink *sink, void *arg)
{
	int r = 1;

	if (!m->begun)
		textindex_writer_init(&m->w, m->ndocs, sink, arg);
	m->begun = true;
	for (unsigned i = 0; i < LISTS_A_STEP && r == 1; i++)
		r = merge_one(m);
	if (m->w.failed)
		return TEXTINDEX_FAILED;
	if (r != 0)
		return r;
	return textindex_writer_end(
	    &m->w, m->in[0].s->info.lo, m->in[m->n - 1].s->info.hi, m->numbers, m->any);
}
