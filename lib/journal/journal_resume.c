/* SPDX-License-Identifier: ISC */
/* What a checkpoint of the owner remembers of the segments, so that opening need not read them. */
#include "journal/journal_priv.h"

enum { ROW = 40, VERSION = 1 };

static int
put_u64(struct buf *b, uint64_t v)
{
	uint8_t p[8];

	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> 8 * i);
	return buf_put(b, p, sizeof(p));
}

static uint64_t
get_u64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

int
journal_save(const struct journal *j, struct buf *out)
{
	int r;

	if (j->failed || journal_dirty(j))
		return JOURNAL_LIMIT;
	r = put_u64(out, VERSION) | put_u64(out, j->next_seq) | put_u64(out, j->next_large);
	for (size_t i = 0; i < j->count && r == 0; i++) {
		const struct segment *s = j->segments[i];

		if (s->pin_count > 0 || s->held)
			return JOURNAL_LIMIT;
		r = put_u64(out, s->number) | put_u64(out, s->salt) | put_u64(out, s->end) |
		    put_u64(out, s->live) | put_u64(out, s->first_seq);
	}
	return r == 0 ? 0 : JOURNAL_LIMIT;
}

static const uint8_t *
find_row(const struct journal_options *o, uint64_t number)
{
	const uint8_t *p = o->resume;

	for (size_t at = 24; at + ROW <= o->resume_len; at += ROW)
		if (get_u64(p + at) == number)
			return p + at;
	return NULL;
}

int
journal_resume(struct journal *j, const struct journal_options *o)
{
	const uint8_t *p = o->resume;
	uint64_t last;

	if (o->resume_len < 24 + ROW || (o->resume_len - 24) % ROW != 0 || get_u64(p) != VERSION)
		return JOURNAL_STALE;
	last = get_u64(p + o->resume_len - ROW);
	if (segment_find(j, last) == NULL)
		return JOURNAL_STALE;
	for (size_t i = 0; i < j->count && j->segments[i]->number <= last; i++) {
		struct segment *s = j->segments[i];
		const uint8_t *row = find_row(o, s->number);

		if (row == NULL || get_u64(row + 8) != s->salt || get_u64(row + 16) > s->filled ||
		    get_u64(row + 16) < JOURNAL_HEADER_SIZE || get_u64(row + 32) != s->first_seq)
			return JOURNAL_STALE;
		s->known = (uint32_t)get_u64(row + 16);
		if (s->number < last && s->end != 0 && s->end != s->known)
			return JOURNAL_STALE;
		s->live = get_u64(row + 24);
	}
	j->resumed = last;
	if (j->next_seq < get_u64(p + 8))
		j->next_seq = get_u64(p + 8);
	if (j->next_large < get_u64(p + 16))
		j->next_large = get_u64(p + 16);
	return 0;
}
