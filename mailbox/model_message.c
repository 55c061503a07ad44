/* SPDX-License-Identifier: ISC */
/* Messages in folders and the content they share. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bisect.h"
#include "base/xalloc.h"
#include "mailbox/model_priv.h"

/* Growth by an eighth: at 100,000 messages doubling would waste megabytes. */
static uint32_t
grown(uint32_t cap, uint32_t need)
{
	uint32_t to = cap + cap / 8 + 16;

	return to < need ? need : to;
}

/* --- content -----------------------------------------------------------------------------------
 */

static void *
index_value(uint32_t index)
{
	return (void *)((uintptr_t)index + 1);
}

static void
email_map(struct model *m)
{
	if (m->by_email != NULL)
		return;
	m->by_email = map_new();
	for (uint32_t i = 0; i < m->ncontents; i++)
		if (m->contents[i].email != 0)
			map_put(m->by_email, m->contents[i].email, index_value(i));
}

int64_t
model_content_find(struct model *m, uint64_t email)
{
	/* The usual case while living: a new one. */
	if (email > m->last_email)
		return -1;
	email_map(m);
	return (int64_t)(uintptr_t)map_get(m->by_email, email) - 1;
}

void
model_content_forget(struct model *m)
{
	map_free(&m->by_email);
}

/* From place `from` on nothing is known yet. */
static void
blocks_grow(struct model *m, uint32_t from)
{
	if (m->blocks == NULL)
		return;
	m->blocks = xrealloc(m->blocks, m->contents_cap * sizeof(*m->blocks));
	memset(&m->blocks[from], 0, (m->contents_cap - from) * sizeof(*m->blocks));
}

static void
blocks_set(struct model *m, uint32_t index, uint32_t stored)
{
	uint32_t n = (stored + MODEL_BLOCK - 1) / MODEL_BLOCK;

	if (m->blocks == NULL && n == 0)
		return;
	if (m->blocks == NULL)
		m->blocks = xcalloc(m->contents_cap, sizeof(*m->blocks));
	m->blocks[index] = (uint16_t)n;
}

static uint32_t
content_new(struct model *m, uint64_t email)
{
	uint32_t i = m->free_content;

	if (i != 0) {
		i--;
		m->free_content = (uint32_t)m->contents[i].pos;
	} else {
		if (m->ncontents == m->contents_cap) {
			m->contents_cap = grown(m->contents_cap, 0);
			m->contents = xrealloc(m->contents, m->contents_cap * sizeof(*m->contents));
			blocks_grow(m, m->ncontents);
		}
		i = m->ncontents++;
	}
	memset(&m->contents[i], 0, sizeof(m->contents[i]));
	m->contents[i].email = email;
	m->live_contents++;
	if (email > m->last_email)
		m->last_email = email;
	if (m->by_email != NULL)
		map_put(m->by_email, email, index_value(i));
	return i;
}

uint32_t
content_for(struct model *m, uint64_t email)
{
	int64_t i = model_content_find(m, email);

	return i >= 0 ? (uint32_t)i : content_new(m, email);
}

uint64_t
model_content_large(const struct model *m, uint32_t index)
{
	return (uint64_t)(uintptr_t)map_get(m->large, (uint64_t)index + 1);
}

struct journal_ref
model_content_ref(const struct model *m, uint32_t index)
{
	const struct content *c = &m->contents[index];
	size_t n = c->size;

	if (model_content_large(m, index) != 0)
		n = 0;
	else if (m->blocks != NULL && m->blocks[index] != 0)
		n = (size_t)m->blocks[index] * MODEL_BLOCK;
	return (struct journal_ref){ c->pos, journal_record_size(REC_ARRIVAL_SIZE, n) };
}

uint32_t
content_set(struct model *m, const struct rec_arrival *a, struct journal_ref ref, uint32_t stored,
    uint64_t large_id)
{
	uint32_t i = content_for(m, a->email);
	struct content *c = &m->contents[i];

	/* Twice only when compaction was cut off between writing the new and removing the old. */
	if (c->pos != 0 && c->pos != ref.pos)
		m->ops.dead(m->ops.arg, model_content_ref(m, i));
	c->pos = ref.pos;
	c->thread = a->thread;
	c->seconds = a->seconds;
	/* The instant is kept in any case. */
	c->quarters = a->zone % 15 == 0 ? a->zone / 15 : 0;
	c->size = a->packed ? a->size : stored;
	blocks_set(m, i, a->packed && large_id == 0 ? stored : 0);
	if (large_id != 0)
		map_put(m->large, (uint64_t)i + 1, (void *)(uintptr_t)large_id);
	return i;
}

void
model_content_moved(struct model *m, uint32_t index, struct journal_ref to)
{
	struct content *c = &m->contents[index];

	c->pos = to.pos;
	if (model_content_large(m, index) == 0 &&
	    to.size != journal_record_size(REC_ARRIVAL_SIZE, c->size))
		blocks_set(m, index, to.size - journal_record_size(REC_ARRIVAL_SIZE, 0));
}

static void
content_free(struct model *m, uint32_t index)
{
	struct content *c = &m->contents[index];
	uint64_t large = model_content_large(m, index);

	if (c->pos != 0)
		m->ops.dead(m->ops.arg, model_content_ref(m, index));
	if (large != 0) {
		m->ops.large_dead(m->ops.arg, large);
		map_del(m->large, (uint64_t)index + 1);
	}
	if (m->by_email != NULL)
		map_del(m->by_email, c->email);
	m->ops.content_gone(m->ops.arg, c->email);
	memset(c, 0, sizeof(*c));
	blocks_set(m, index, 0);
	c->pos = m->free_content;
	m->free_content = index + 1;
	m->live_contents--;
}

static void
content_unref(struct model *m, uint32_t index)
{
	assert(m->contents[index].refs > 0);
	if (--m->contents[index].refs == 0 && !m->recovering)
		content_free(m, index);
}

enum rec_type
model_content_state(
    const struct model *m, uint32_t index, const struct rec_arrival *was, struct rec_arrival *now)
{
	const struct folder *f = model_folder(m, was->folder);
	const struct message *g = f != NULL && !f->gone ? model_message(f, was->uid) : NULL;

	*now = *was;
	if (g == NULL || g->content != index)
		return REC_CONTENT;
	now->modseq = message_modseq(g);
	now->flags = message_flags(g);
	return REC_ARRIVAL;
}

/* --- messages ----------------------------------------------------------------------------------
 */

uint32_t
model_find(const struct folder *f, uint32_t uid)
{
	uint32_t at;

	BISECT(at, f->n, i, f->messages[i].uid < uid);
	return at;
}

struct message *
model_message(const struct folder *f, uint32_t uid)
{
	uint32_t i = model_find(f, uid);

	return i < f->n && f->messages[i].uid == uid ? &f->messages[i] : NULL;
}

void
folder_reserve(struct folder *f, uint32_t more)
{
	if (f->cap - f->n >= more)
		return;
	f->cap = grown(f->cap, f->n + more);
	f->messages = xrealloc(f->messages, f->cap * sizeof(*f->messages));
}

static void
count_flags(struct folder *f, uint64_t flags, int by)
{
	if (!(flags & MODEL_SEEN))
		f->unseen += (uint32_t)by;
	if (flags & MODEL_DELETED)
		f->deleted += (uint32_t)by;
}

static void
put_state(struct message *g, uint64_t modseq, uint64_t flags)
{
	g->modseq_lo = (uint32_t)modseq;
	g->modseq_hi = (uint16_t)(modseq >> 32);
	g->flags_lo = (uint32_t)flags;
	g->flags_hi = (uint32_t)(flags >> 32);
}

void
message_flags_set(struct folder *f, struct message *g, uint64_t modseq, uint64_t flags)
{
	if (modseq <= message_modseq(g))
		return;
	count_flags(f, message_flags(g), -1);
	put_state(g, modseq, flags);
	count_flags(f, flags, 1);
}

void
message_set(struct model *m, struct folder *f, uint32_t content, const struct rec_message *r)
{
	uint32_t at = f->n > 0 && f->messages[f->n - 1].uid < r->uid ? f->n : model_find(f, r->uid);
	struct message *g;

	if (at < f->n && f->messages[at].uid == r->uid) {
		message_flags_set(f, &f->messages[at], r->modseq, r->flags);
		return;
	}
	/* The store never makes so many; a damaged journal must not make the count wrap. */
	if (m->contents[content].refs == MODEL_COPIES_MAX)
		return;
	folder_reserve(f, 1);
	g = &f->messages[at];
	memmove(g + 1, g, (f->n - at) * sizeof(*g));
	*g = (struct message){
		.uid = r->uid, .content = content, .saved = r->saved < 0 ? 0 : (uint32_t)r->saved
	};
	put_state(g, r->modseq, r->flags);
	count_flags(f, r->flags, 1);
	f->n++;
	f->bytes += m->contents[content].size;
	m->contents[content].refs++;
}

static void
message_drop(struct model *m, struct folder *f, const struct message *g)
{
	count_flags(f, message_flags(g), -1);
	f->bytes -= m->contents[g->content].size;
	content_unref(m, g->content);
}

/* Gives memory back when most of it is unused. */
static void
folder_shrink(struct folder *f)
{
	if (f->cap < 64 || f->n > f->cap / 2)
		return;
	f->cap = f->n + f->n / 4 + 16;
	f->messages = xrealloc(f->messages, f->cap * sizeof(*f->messages));
}

void
folder_empty(struct model *m, struct folder *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		message_drop(m, f, &f->messages[i]);
	f->n = 0;
	folder_shrink(f);
}

void
messages_remove(struct model *m, struct folder *f, struct rec_runs *r)
{
	struct rec_run run;
	uint32_t from = 0, to = 0;
	bool first = true;

	if (f->n == 0)
		return;
	/* One pass: what stays between two runs moves down once. */
	while (rec_next_run(r, &run)) {
		uint32_t lo = model_find(f, run.lo), hi = lo;

		while (hi < f->n && f->messages[hi].uid <= run.hi) {
			vanished_note(
			    &f->vanished, f->messages[hi].uid, f->messages[hi].uid, r->modseq);
			message_drop(m, f, &f->messages[hi++]);
		}
		if (!first) {
			memmove(&f->messages[to], &f->messages[from],
			    (lo - from) * sizeof(*f->messages));
			to += lo - from;
		} else {
			to = lo;
			first = false;
		}
		from = hi;
	}
	if (first)
		return;
	memmove(&f->messages[to], &f->messages[from], (f->n - from) * sizeof(*f->messages));
	f->n -= from - to;
	folder_shrink(f);
}

/* Rebuilds the range from the record: what it does not name is gone. */
void
messages_exactly(struct model *m, struct folder *f, struct rec_chunk *r)
{
	struct rec_chunk names = *r;
	uint32_t hi, kept;
	struct rec_message want;
	bool more = rec_next_chunk_message(&names, &want);

	folder_reserve(f, r->n + 1);
	hi = kept = model_find(f, r->lo);
	for (; hi < f->n && f->messages[hi].uid <= r->hi; hi++) {
		while (more && want.uid < f->messages[hi].uid)
			more = rec_next_chunk_message(&names, &want);
		if (more && want.uid == f->messages[hi].uid)
			f->messages[kept++] = f->messages[hi];
		else
			message_drop(m, f, &f->messages[hi]);
	}
	memmove(&f->messages[kept], &f->messages[hi], (f->n - hi) * sizeof(*f->messages));
	f->n -= hi - kept;
	while (rec_next_chunk_message(r, &want))
		message_set(m, f, content_for(m, want.email), &want);
}

/* --- the end of recovery -----------------------------------------------------------------------
 */

/* Sizes were not known when messages came before their content. */
static void
folder_settle(struct model *m, struct folder *f)
{
	uint32_t n = 0;

	f->bytes = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		struct message g = f->messages[i];

		if (m->contents[g.content].pos == 0) {
			count_flags(f, message_flags(&g), -1);
			m->contents[g.content].refs--;
			m->unresolved++;
			continue;
		}
		f->bytes += m->contents[g.content].size;
		f->messages[n++] = g;
	}
	f->n = n;
	folder_shrink(f);
}

void
contents_settle(struct model *m)
{
	for (uint32_t i = 0; i < m->nfolders; i++)
		folder_settle(m, m->folders[i]);
	for (uint32_t i = 0; i < m->ncontents; i++)
		if (m->contents[i].email != 0 && m->contents[i].refs == 0)
			content_free(m, i);
}

uint32_t
model_put_chunk(
    const struct model *m, const struct folder *f, uint32_t lo, uint32_t hi, struct buf *b)
{
	uint32_t at = model_find(f, lo), n = 0, before = lo - 1;
	struct rec_chunk c = {
		.folder = f->id, .uidnext = f->uidnext, .lo = lo, .hi = hi, .highest = f->highest
	};

	while (at + n < f->n && n < REC_MESSAGES_MAX && f->messages[at + n].uid <= hi)
		n++;
	c.n = n;
	if (at + n < f->n && f->messages[at + n].uid <= hi)
		c.hi = f->messages[at + n].uid - 1;
	rec_put_chunk(b, &c);
	for (uint32_t i = at; i < at + n; i++) {
		const struct message *g = &f->messages[i];

		rec_put_chunk_message(b,
		    &(struct rec_message){ g->uid, m->contents[g->content].email, message_modseq(g),
			message_flags(g), g->saved },
		    before);
		before = g->uid;
	}
	return c.hi == hi ? 0 : c.hi + 1;
}
