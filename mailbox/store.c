/* SPDX-License-Identifier: ISC */
/* Writing records, the end of a turn, arrivals. */
#include "mailbox/store.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mailbox/store_priv.h"

const char *
store_strerror(int result)
{
	static const char *const text[] = { "success", "no space", "limit reached",
		"does not exist", "exists", "not possible", "has folders below it",
		"input/output trouble", "damaged", "written by a newer version" };

	return result <= 0 && result >= STORE_NEWER ? text[-result] : "unknown";
}

static void
say(void (*to)(void *arg, const char *line), void *arg, const char *fmt, va_list ap)
{
	char line[256];

	vsnprintf(line, sizeof(line), fmt, ap);
	if (to != NULL)
		to(arg, line);
}

void
store_report(struct store *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(s->config.report, s->config.arg, fmt, ap);
	va_end(ap);
}

void
store_note(struct store *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(s->config.note, s->config.arg, fmt, ap);
	va_end(ap);
}

int
store_error(struct store *s, int r)
{
	switch (r) {
	case JOURNAL_OK:
		return STORE_OK;
	case JOURNAL_FULL:
		return STORE_FULL;
	case JOURNAL_LIMIT:
		return STORE_LIMIT;
	case JOURNAL_NEWER:
		return STORE_NEWER;
	case JOURNAL_GONE:
	case JOURNAL_DAMAGED:
		return STORE_DAMAGED;
	default:
		if (r == JOURNAL_FAILED)
			s->failed = true;
		return STORE_TROUBLE;
	}
}

/* --- writing -----------------------------------------------------------------------------------
 */

struct buf *
store_record(struct store *s)
{
	buf_clear(&s->record);
	return &s->record;
}

void
store_release_held(struct store *s)
{
	for (size_t i = 0; i < s->nheld; i++)
		free(s->held[i]);
	s->nheld = 0;
	if (s->held_cap > 64) {
		free(s->held);
		s->held = NULL;
		s->held_cap = 0;
	}
}

void
store_hold(struct store *s, void *p)
{
	if (s->nheld == s->held_cap) {
		s->held_cap = s->held_cap * 2 + 16;
		s->held = xrealloc(s->held, s->held_cap * sizeof(void *));
	}
	s->held[s->nheld++] = p;
}

static int
lost(struct store *s, int r)
{
	store_report(s, "what=commit-failed reason=\"%s\"", journal_strerror(r));
	s->failed = true;
	return STORE_TROUBLE;
}

int
store_flush(struct store *s)
{
	int r = journal_flush(s->j);

	if (r != 0)
		return lost(s, r);
	store_release_held(s);
	return 0;
}

int
store_emit_content(struct store *s, unsigned type, const struct iovec *v,
    struct journal_large *large, uint64_t size)
{
	struct journal_write w = { .type = (uint8_t)type,
		.meta = buf_data(&s->record),
		.meta_len = buf_len(&s->record),
		.content = v,
		.content_n = v != NULL,
		.large = large };
	struct journal_ref ref;
	uint64_t large_id = large != NULL ? journal_large_id(large) : 0;
	int r;

	if (s->failed)
		return STORE_TROUBLE;
	r = journal_append(s->j, &w, &ref);
	if (r != 0)
		return store_error(s, r);
	s->records++;
	r = model_apply(s->m, type, str_from(w.meta, w.meta_len), ref, size, large_id);
	assert(r == 0);
	return r;
}

int
store_emit(struct store *s, unsigned type, bool urgent)
{
	struct journal_write w = { .type = (uint8_t)type,
		.urgent = urgent,
		.meta = buf_data(&s->record),
		.meta_len = buf_len(&s->record) };
	struct str meta = str_from(w.meta, w.meta_len);
	struct journal_ref ref;
	int r;

	if (s->failed)
		return STORE_TROUBLE;
	r = journal_append(s->j, &w, &ref);
	if (r != 0)
		return store_error(s, r);
	s->records++;
	r = model_apply(s->m, type, meta, ref, 0, 0);
	assert(r == 0);
	store_saw_state(s, type, meta, ref);
	return r;
}

int
store_write_counters(struct store *s, uint64_t modseq)
{
	rec_put_counters(store_record(s), &(struct rec_counters){ modseq, s->m->floor });
	s->floor_written = s->m->floor;
	return store_emit(s, REC_COUNTERS, true);
}

uint64_t
store_modseq(struct store *s)
{
	/* 1 is what an empty folder says: the first change must be above. */
	if (s->m->modseq == 0)
		s->m->modseq = 1;
	if (s->m->modseq + 1 > s->m->reserved) {
		/* Nothing of this turn is told before the block is on stable storage. */
		if (store_write_counters(s, s->m->modseq + STORE_MODSEQ_BLOCK) != 0)
			return 0;
		s->want_commit = true;
	}
	return ++s->m->modseq;
}

/* --- the end of a turn -------------------------------------------------------------------------
 */

void
store_wait(struct store *s, void (*fn)(void *arg), void *arg)
{
	if (s->nwaits == s->waits_cap) {
		s->waits_cap = s->waits_cap * 2 + 8;
		s->waits = xrealloc(s->waits, s->waits_cap * sizeof(*s->waits));
	}
	s->waits[s->nwaits++] = (struct store_wait){ fn, arg };
}

void
store_forget(struct store *s, const void *arg)
{
	for (size_t i = 0; i < s->nwaits; i++)
		if (s->waits[i].arg == arg)
			s->waits[i].fn = NULL;
}

static void
drop_large(struct store *s)
{
	for (size_t i = 0; i < s->ndrops; i++)
		journal_large_drop(s->j, s->drops[i]);
	s->ndrops = 0;
}

int
store_sync(struct store *s)
{
	int r;

	if (s->failed)
		return STORE_TROUBLE;
	r = journal_commit(s->j);
	if (r != 0)
		return lost(s, r);
	s->want_commit = false;
	store_release_held(s);
	drop_large(s);
	derive_synced(s);
	return 0;
}

int
store_turn(struct store *s)
{
	size_t n = s->nwaits;
	int r = 0;

	if (s->failed)
		return STORE_TROUBLE;
	if (s->want_commit || n > 0)
		r = store_sync(s);
	else if (journal_batch_bytes(s->j) > 0)
		r = store_flush(s);
	if (r != 0)
		return r;
	if (n == 0)
		return 0;
	/* What they start waits for the next turn. */
	for (size_t i = 0; i < n; i++)
		if (s->waits[i].fn != NULL)
			s->waits[i].fn(s->waits[i].arg);
	memmove(s->waits, &s->waits[n], (s->nwaits - n) * sizeof(*s->waits));
	s->nwaits -= n;
	return 0;
}

void
store_turn_late(struct store *s)
{
	derive_turn(s);
}

void
store_rest(struct store *s)
{
	derive_rest(s);
	store_unpacked_forget(s);
}

bool
store_unsynced(const struct store *s)
{
	return !s->failed && journal_dirty(s->j);
}

bool
store_failed(const struct store *s)
{
	return s->failed;
}

struct model *
store_model(struct store *s)
{
	return s->m;
}

void
store_floor(struct store *s, uint64_t floor)
{
	enum { STEP = 64 }; /* an older floor after a restart only costs memory */

	if (floor > s->m->floor)
		s->m->floor = floor;
	if (s->m->floor - s->floor_written >= STEP)
		store_write_counters(s, s->m->reserved);
	if (s->m->keep_deliveries && floor > s->restored_below) {
		/* No delivery from before the restore can come any more. */
		s->m->keep_deliveries = false;
		unlinkat(s->config.dirfd, STORE_RESTORED, 0);
	}
}

/* --- arrivals ----------------------------------------------------------------------------------
 */

/* An older program must not take compressed content for a message. */
int
store_format(struct store *s, uint32_t version)
{
	if (s->m->version >= version)
		return 0;
	rec_put_format(store_record(s), version);
	return store_emit(s, REC_FORMAT, true);
}

bool
store_compress(struct store *s, const uint8_t *bytes, size_t n, struct buf *out)
{
	buf_init(out, PACK_FRAME_MAX);
	if (s->config.compress && n >= STORE_PACK_MIN && n <= PACK_FRAME &&
	    pack_frame(store_pack(s), bytes, n, out) == 0 && buf_len(out) <= n - n / 8)
		return true;
	buf_free(out);
	return false;
}

/* The bytes to be written, in place of those that came (which are freed then). */
static struct iovec
bytes_to_write(struct store *s, struct store_arrival *a, struct rec_arrival *r)
{
	struct buf packed;
	struct iovec v = { a->bytes, a->size };

	r->packed = store_compress(s, a->bytes, a->size, &packed);
	if (!r->packed)
		return v;
	r->size = (uint32_t)a->size;
	v.iov_len = buf_len(&packed);
	v.iov_base = xmalloc(v.iov_len);
	memcpy(v.iov_base, buf_data(&packed), v.iov_len);
	buf_free(&packed);
	return v;
}

static int
emit_small(struct store *s, struct store_arrival *a, struct rec_arrival *r)
{
	struct iovec v = bytes_to_write(s, a, r);
	int e = r->packed ? store_format(s, REC_VERSION) : 0;

	rec_put_arrival(store_record(s), r);
	if (e == 0)
		e = store_emit_content(s, REC_ARRIVAL, &v, NULL, v.iov_len);
	if (e != 0 && r->packed)
		free(v.iov_base);
	if (e != 0)
		return e;
	if (r->packed)
		store_hold(s, v.iov_base);
	derive_added(s, r->email, a->bytes, a->size);
	a->bytes = NULL;
	return 0;
}

static int
emit_large(struct store *s, struct store_arrival *a, struct rec_arrival *r)
{
	struct journal_large *file;
	uint64_t size;
	int e = store_large_end(a->large);

	file = store_large_file(a->large, &r->packed, &size);
	if (e == 0 && (size > STORE_CONTENT_MAX || size != a->size))
		return STORE_LIMIT;
	if (r->packed) {
		r->size = (uint32_t)size;
		e = e == 0 ? store_format(s, REC_VERSION) : e;
	}
	rec_put_arrival(store_record(s), r);
	if (e == 0)
		e = store_emit_content(s, REC_ARRIVAL, NULL, file, journal_large_size(file));
	if (e != 0)
		return e;
	derive_added(s, r->email, NULL, 0);
	store_large_taken(&a->large);
	return 0;
}

static int
arrive_one(struct store *s, struct folder *f, struct store_arrival *a, uint64_t modseq)
{
	uint64_t now = s->config.now_ms(s->config.arg);
	struct rec_arrival r = { .folder = f->id,
		.uid = f->uidnext,
		.modseq = modseq,
		.flags = a->flags,
		.saved = (int64_t)(now / 1000),
		.email = model_email_next(s->m, now),
		.thread = a->thread,
		.seconds = a->seconds,
		.zone = a->zone % 15 == 0 && abs(a->zone) <= 24 * 60 ? a->zone : 0,
		.delivered = a->delivered,
		.number = a->number,
		.origin = a->origin };
	int e = a->large != NULL ? emit_large(s, a, &r) : emit_small(s, a, &r);

	if (e == 0)
		s->want_commit = true;
	return e;
}

static void
undo(struct store *s, struct folder *f, uint32_t first)
{
	struct rec_run run = { first, f->uidnext - 1, 0 };
	uint64_t modseq = store_modseq(s);

	if (f->uidnext == first)
		return;
	rec_put_expunge(store_record(s), f->id, modseq, f->uidnext, &run, 1);
	store_emit(s, REC_EXPUNGE, true);
}

int
store_arrive(struct store *s, struct folder *f, struct store_arrival *a, size_t n, uint32_t *first)
{
	uint64_t modseq;
	int e = 0;

	if (f->gone)
		return STORE_NONE;
	if (n > UINT32_MAX - f->uidnext)
		return STORE_LIMIT;
	if (journal_batch_bytes(s->j) > STORE_BATCH_MAX && store_flush(s) != 0)
		return STORE_TROUBLE;
	if ((modseq = store_modseq(s)) == 0)
		return s->failed ? STORE_TROUBLE : STORE_FULL;
	*first = f->uidnext;
	for (size_t i = 0; i < n && e == 0; i++)
		e = arrive_one(s, f, &a[i], modseq);
	if (e != 0)
		undo(s, f, *first);
	return e;
}

bool
store_low(struct store *s)
{
	struct journal_space space;

	journal_space(s->j, &space);
	return space.full || space.free_bytes < s->config.min_free;
}

void
store_set_min_free(struct store *s, uint64_t bytes)
{
	s->config.min_free = bytes;
}

void
store_set_compress(struct store *s, bool compress)
{
	s->config.compress = compress;
}
