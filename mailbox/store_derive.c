/* SPDX-License-Identifier: ISC */
#include "mailbox/store_derive.h"

#include "imap/facts.h"
#include "imap/structure.h"
#include "mailbox/index.h"
#include "mailbox/store_priv.h"

static void
on_report(void *arg, const char *line)
{
	store_report(arg, "%s", line);
}

void
derive_open(struct store *s)
{
	s->derive = (struct derive){ .base = s->m->last_email, .stable = s->m->last_email };
	if (s->config.index != NULL)
		s->derive.index = index_new(s->config.index, on_report, s);
}

/* Opens the index, and compares it once with the journal. */
static bool
ready(struct store *s)
{
	struct derive *d = &s->derive;

	if (d->index == NULL || !index_ready(d->index))
		return false;
	if (!d->known) {
		d->known = true;
		if (index_complete(d->index) > s->m->last_email) {
			/* Of another mailbox, or newer than the journal. */
			store_report(s, "what=index-disagrees");
			index_clear(d->index);
			if (!index_ready(d->index))
				return false;
		}
		d->gap |= index_complete(d->index) < d->base;
	}
	if (index_lost(d->index)) {
		d->gap = true;
		d->filling = false;
	}
	return true;
}

static void
flush(struct store *s)
{
	struct derive *d = &s->derive;

	if (ready(s))
		index_flush(d->index, d->gap || d->filling ? index_complete(d->index) : d->stable);
}

void
derive_close(struct store *s)
{
	if (s->derive.index != NULL && index_pending(s->derive.index) > 0)
		flush(s);
	index_free(&s->derive.index);
}

void
derive_abandon(struct store *s)
{
	index_abandon(&s->derive.index);
}

/* ---- what comes and goes ----------------------------------------------------------------------
 */

/* The record of one message into the index. */
static void
index_message(struct store *s, uint64_t email, struct str bytes)
{
	struct arena *a = arena_new(IMAP_STRUCTURE_ARENA);
	struct mime_tree t = { 0 };
	struct buf record;

	buf_init(&record, IMAP_FACTS_MAX);
	mime_parse(bytes, &t);
	if (imap_facts_put(&record, bytes, &t, a) == 0)
		index_put(s->derive.index, email, str_from(buf_data(&record), record.len));
	buf_free(&record);
	mime_tree_free(&t);
	arena_free(&a);
}

void
derive_added(struct store *s, uint64_t email, struct str bytes)
{
	struct derive *d = &s->derive;

	if (d->index == NULL)
		return;
	if (bytes.p == NULL) {
		d->gap = true; /* read again when there is time */
		return;
	}
	index_message(s, email, bytes);
	if (index_pending(d->index) > INDEX_PENDING_MAX)
		flush(s);
}

void
derive_gone(struct store *s, uint64_t email)
{
	if (s->derive.index != NULL && !s->opening)
		index_drop(s->derive.index, email);
}

void
derive_synced(struct store *s)
{
	s->derive.stable = s->m->last_email;
}

void
derive_turn(struct store *s)
{
	if (s->derive.index != NULL && index_pending(s->derive.index) > INDEX_PENDING_MAX / 4)
		flush(s);
}

/* ---- filling ----------------------------------------------------------------------------------
 */

static void
fill_begin(struct store *s)
{
	struct derive *d = &s->derive;

	d->filling = true;
	d->gap = false;
	d->place = 0;
	d->upto = d->stable;
	d->filled = 0;
}

static bool
is_missing(struct store *s, uint64_t email)
{
	struct buf record;
	bool there;

	buf_init(&record, IMAP_FACTS_MAX);
	there = index_get(s->derive.index, email, &record);
	buf_free(&record);
	return !there;
}

/* Bytes that were read for it. What is damaged stays without a record. */
static size_t
fill_one(struct store *s, uint32_t index)
{
	const struct content *c = &s->m->contents[index];
	struct store_content content;
	size_t n;

	if (c->email == 0 || c->email <= index_complete(s->derive.index) ||
	    c->email > s->derive.upto || !is_missing(s, c->email))
		return 0;
	if (store_content_at(s, index, &content) != 0)
		return 0;
	n = content.n;
	index_message(s, c->email, str_from(content.p, content.n));
	store_content_release(s, &content);
	s->derive.filled++;
	return n;
}

static void
fill_end(struct store *s)
{
	struct derive *d = &s->derive;

	d->filling = false;
	index_flush(d->index, d->gap ? d->upto : d->stable);
	if (d->filled > 0)
		store_note(s, "what=index-filled messages=%llu", (unsigned long long)d->filled);
}

static bool
fill_slice(struct store *s)
{
	struct derive *d = &s->derive;
	size_t bytes = 0;

	for (unsigned n = 0; n < DERIVE_SLICE_MESSAGES && bytes < DERIVE_SLICE_BYTES;) {
		size_t got;

		if (d->place >= s->m->ncontents) {
			fill_end(s);
			return d->gap;
		}
		got = fill_one(s, d->place++);
		bytes += got;
		n += got > 0;
	}
	if (index_pending(d->index) > INDEX_PENDING_MAX / 4)
		index_flush(d->index, index_complete(d->index));
	return true;
}

bool
derive_tidy(struct store *s)
{
	struct derive *d = &s->derive;

	if (d->index == NULL ||
	    (index_pending(d->index) == 0 && !d->gap && !d->filling && d->known))
		return false;
	if (!ready(s))
		return false;
	if (!d->filling && index_pending(d->index) > 0)
		flush(s);
	if (index_count(d->index) > 2 * (uint64_t)s->m->live_contents + INDEX_STALE_MAX)
		derive_clear(s);
	if (d->gap && !d->filling)
		fill_begin(s);
	return d->filling && fill_slice(s);
}

void
derive_rest(struct store *s)
{
	if (s->derive.index != NULL)
		index_rest(s->derive.index);
}

void
derive_clear(struct store *s)
{
	if (s->derive.index == NULL)
		return;
	index_clear(s->derive.index);
	ready(s);
}
