/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "journal/journal_priv.h"

/* A record that is being moved, and its content until the commit. */
struct move {
	uint64_t key;
	journal_pos from;
	struct journal_ref to;
	uint8_t *content;
	bool tell; /* the owner; not for kill records */
};

struct compaction {
	struct journal *j;
	struct segment *s;
	const struct journal_mover *m;
	struct move *moves;
	size_t count, cap;
};

/* Less than a quarter live, sealed, and nothing hangs on its file. */
static bool
is_candidate(const struct journal *j, const struct segment *s)
{
	if (s == j->cur || s->held || (s->cuts && segment_find(j, s->cuts)))
		return false;
	return s->live * 4 < s->end - JOURNAL_HEADER_SIZE || s->end == JOURNAL_HEADER_SIZE;
}

static struct segment *
pick(const struct journal *j)
{
	struct segment *best = NULL;

	if (!j->compact_hint || j->failed)
		return NULL;
	for (size_t i = 0; i < j->count; i++) {
		struct segment *s = j->segments[i];

		if (is_candidate(j, s) && (best == NULL || s->live < best->live))
			best = s;
	}
	return best;
}

bool
journal_compact_wanted(const struct journal *j)
{
	return pick(j) != NULL;
}

static int
read_content(struct compaction *c, const struct journal_record *r, uint8_t **out)
{
	uint64_t off = journal_pos_offset(r->ref.pos) + JOURNAL_RECORD_HEADER + r->meta_len;
	size_t got, n = (size_t)r->content_len;
	int ret;

	*out = xmalloc(n + 1);
	ret = read_all(c->j, c->s->fd, *out, n, off, &got);
	if (ret == 0 && (got < n || journal_crc(0, *out, n) != r->content_crc))
		ret = JOURNAL_DAMAGED;
	if (ret == JOURNAL_DAMAGED)
		damage_report(c->j, c->s->number, off, n, "content");
	return ret;
}

static int
move_record(
    struct compaction *c, const struct journal_record *r, struct journal_write *w, uint64_t key)
{
	struct large_ref large = { r->large_id, r->content_len, r->content_crc };
	size_t n = (size_t)r->content_len;
	struct move *mv;
	struct iovec v;
	int ret;

	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->moves = xrealloc(c->moves, c->cap * sizeof(*c->moves));
	}
	mv = &c->moves[c->count];
	*mv = (struct move){ .key = key, .from = r->ref.pos, .tell = !r->kill };
	c->count++;
	w->urgent = true;
	w->large = NULL;
	w->content_n = 0;
	if (r->large_id == 0 && r->content_len > 0) {
		ret = read_content(c, r, &mv->content);
		if (ret != 0)
			return ret;
		if (!r->kill && c->m->content != NULL)
			c->m->content(c->m->arg, w, &mv->content, &n);
		v = (struct iovec){ mv->content, n };
		w->content = &v;
		w->content_n = 1;
	}
	return append_record(c->j, w, r->large_id ? &large : NULL, false, &mv->to);
}

static int
compact_record(void *arg, const struct journal_record *r, const struct journal_record_header *h)
{
	struct compaction *c = arg;
	struct journal_write w = {
		.type = r->type,
		.kill = r->kill,
		.about = r->about,
		.meta = r->meta,
		.meta_len = r->meta_len,
	};
	uint64_t about = journal_pos_segment(r->about.pos), key = 0;

	(void)h;
	if (about != 0 && (about == c->s->number || segment_find(c->j, about) == NULL))
		return 0;
	if (!r->kill && !c->m->live(c->m->arg, r, &w, &key))
		return 0;
	return move_record(c, r, &w, key);
}

/* Nothing was written yet: takes the copies back. */
static void
give_up(struct compaction *c, bool damaged)
{
	batch_drop(c->j);
	c->s->held = damaged;
	for (size_t i = 0; i < c->count; i++)
		if (c->moves[i].to.pos)
			live_subtract(
			    c->j, journal_pos_segment(c->moves[i].to.pos), c->moves[i].to.size);
}

static void
tell_moves(struct compaction *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->moves[i].tell)
			c->m->moved(c->m->arg, c->moves[i].key, c->moves[i].from, c->moves[i].to);
}

int
journal_compact(struct journal *j, const struct journal_mover *m)
{
	struct compaction c = { .j = j, .s = pick(j), .m = m };
	bool damaged;
	int r;

	if (j->failed)
		return JOURNAL_FAILED;
	if (journal_dirty(j))
		return JOURNAL_LIMIT;
	if (c.s == NULL) {
		j->compact_hint = false;
		return 0;
	}
	r = segment_scan(j, c.s, c.s->end, &damaged, compact_record, &c);
	if (r != 0 || damaged)
		give_up(&c, damaged || r == JOURNAL_DAMAGED);
	else
		r = journal_commit(j);
	if (r == 0 && !damaged) {
		tell_moves(&c);
		r = segment_delete(j, c.s);
		if (r == 0)
			r = 1;
	}
	for (size_t i = 0; i < c.count; i++)
		free(c.moves[i].content);
	free(c.moves);
	return r == 0 ? 1 : r;
}
