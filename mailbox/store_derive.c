/* SPDX-License-Identifier: ISC */
#include "mailbox/store_derive.h"

#include <stdlib.h>
#include <string.h>

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

/* The stamp says that no record is missing: what waits comes first. */
static void
flush(struct store *s)
{
	struct derive *d = &s->derive;

	derive_waiting(s);
	if (ready(s))
		index_flush(d->index, d->gap || d->filling ? index_complete(d->index) : d->stable);
}

void
derive_close(struct store *s)
{
	derive_waiting(s);
	if (s->derive.index != NULL && index_pending(s->derive.index) > 0)
		flush(s);
	index_free(&s->derive.index);
}

void
derive_abandon(struct store *s)
{
	for (size_t i = 0; i < s->derive.nwaits; i++)
		free(s->derive.waits[i].bytes);
	s->derive.nwaits = 0;
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

/* The bytes of a message are not needed here any more; the batch may still borrow them. */
static void
release(struct store *s, uint8_t *bytes)
{
	if (journal_batch_bytes(s->j) > 0)
		store_hold(s, bytes);
	else
		free(bytes);
}

void
derive_waiting(struct store *s)
{
	struct derive *d = &s->derive;

	for (size_t i = 0; i < d->nwaits; i++) {
		struct derive_wait *w = &d->waits[i];

		index_message(s, w->email, str_from(w->bytes, w->n));
		release(s, w->bytes);
	}
	d->nwaits = d->wait_bytes = 0;
}

void
derive_added(struct store *s, uint64_t email, uint8_t *bytes, size_t n)
{
	struct derive *d = &s->derive;

	if (bytes == NULL) {
		d->gap |= d->index != NULL; /* read again when there is time */
		return;
	}
	if (d->index == NULL) {
		store_hold(s, bytes);
		return;
	}
	d->waits[d->nwaits++] = (struct derive_wait){ email, bytes, n };
	d->wait_bytes += n;
	if (d->nwaits == DERIVE_WAIT_MESSAGES || d->wait_bytes > DERIVE_WAIT_BYTES)
		derive_waiting(s);
	if (index_pending(d->index) > INDEX_PENDING_MAX)
		flush(s);
}

/* True: the message waited, and does not any more. */
static bool
forget_waiting(struct store *s, uint64_t email)
{
	struct derive *d = &s->derive;

	for (size_t i = 0; i < d->nwaits; i++) {
		struct derive_wait *w = &d->waits[i];

		if (w->email != email)
			continue;
		release(s, w->bytes);
		d->wait_bytes -= w->n;
		memmove(w, w + 1, (--d->nwaits - i) * sizeof(*w));
		return true;
	}
	return false;
}

void
derive_gone(struct store *s, uint64_t email)
{
	if (s->derive.index != NULL && !s->opening && !forget_waiting(s, email))
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
	derive_waiting(s);
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

	derive_waiting(s);
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
	derive_waiting(s);
	index_clear(s->derive.index);
	ready(s);
}
