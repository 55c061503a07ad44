/* SPDX-License-Identifier: ISC */
/* Opening, writing records, the end of a turn. */
#include "mailbox/store.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/xalloc.h"
#include "imap/imap_backend.h"
#include "mailbox/store_priv.h"

const char *
store_strerror(int result)
{
	static const char *const text[] = { "success", "no space", "limit reached",
		"does not exist", "exists", "not possible", "has folders below it",
		"input/output trouble", "damaged", "written by a newer version" };

	return result <= 0 && result >= STORE_NEWER ? text[-result] : "unknown";
}

void
store_report(struct store *s, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (s->config.report == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->config.report(s->config.arg, line);
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

/* --- what the model and the journal tell -------------------------------------------------------
 */

static void
on_dead(void *arg, struct journal_ref ref)
{
	struct store *s = arg;

	if (s->opening)
		tally_add(&s->dead, ref);
	else
		journal_dead(s->j, ref);
}

/*
 * Not before the record that says so is on stable storage: after a crash the message would be back
 * without its content. While opening nothing is dropped: the files that are not used are collected
 * afterwards.
 */
static void
on_large_dead(void *arg, uint64_t id)
{
	struct store *s = arg;

	if (s->opening)
		return;
	if (s->ndrops == s->drops_cap) {
		s->drops_cap = s->drops_cap * 2 + 8;
		s->drops = xrealloc(s->drops, s->drops_cap * sizeof(*s->drops));
	}
	s->drops[s->ndrops++] = id;
}

static void
drop_large(struct store *s)
{
	for (size_t i = 0; i < s->ndrops; i++)
		journal_large_drop(s->j, s->drops[i]);
	s->ndrops = 0;
}

static void
on_folder_gone(void *arg, struct folder *f)
{
	struct store *s = arg;

	if (s->config.folder_gone != NULL)
		s->config.folder_gone(s->config.arg, f);
}

static void
on_record(void *arg, const struct journal_record *r)
{
	struct store *s = arg;
	struct str meta = str_from(r->meta, r->meta_len);

	if (model_apply(s->m, r->type, meta, r->ref, r->content_len, r->large_id) != 0)
		store_report(s, "what=unknown-record type=%u segment=%llu offset=%llu", r->type,
		    (unsigned long long)(r->ref.pos >> 32),
		    (unsigned long long)(r->ref.pos & UINT32_MAX));
	store_saw_state(s, r->type, meta, r->ref);
}

static void
on_damage(void *arg, const struct journal_damage *d)
{
	struct store *s = arg;

	s->damaged = true;
	store_report(s, "what=damage segment=%llu offset=%llu length=%llu detail=\"%s\"",
	    (unsigned long long)d->segment, (unsigned long long)d->offset,
	    (unsigned long long)d->length, d->what);
}

/* --- writing -----------------------------------------------------------------------------------
 */

struct buf *
store_record(struct store *s)
{
	buf_clear(&s->record);
	return &s->record;
}

static void
release_held(struct store *s)
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

static void
hold(struct store *s, void *p)
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
	release_held(s);
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
	if (v != NULL)
		hold(s, v->iov_base);
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

static int
write_counters(struct store *s, uint64_t modseq)
{
	rec_put_counters(store_record(s), &(struct rec_counters){ modseq, s->m->floor });
	s->floor_written = s->m->floor;
	return store_emit(s, REC_COUNTERS, true);
}

uint64_t
store_modseq(struct store *s)
{
	if (s->m->modseq + 1 > s->m->reserved) {
		/* Nothing of this turn is told before the block is on stable storage. */
		if (write_counters(s, s->m->modseq + STORE_MODSEQ_BLOCK) != 0)
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
	release_held(s);
	drop_large(s);
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
		write_counters(s, s->m->reserved);
	if (s->m->keep_deliveries && floor > s->restored_below) {
		/* No delivery from before the restore can come any more. */
		s->m->keep_deliveries = false;
		unlinkat(s->config.dirfd, STORE_RESTORED, 0);
	}
}

/* --- arrivals ----------------------------------------------------------------------------------
 */

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
	struct iovec v = { a->bytes, a->size };
	int e;

	rec_put_arrival(store_record(s), &r);
	if (a->large != NULL)
		e = store_emit_content(s, REC_ARRIVAL, NULL, a->large, a->size);
	else
		e = store_emit_content(s, REC_ARRIVAL, &v, NULL, a->size);
	if (e != 0)
		return e;
	a->bytes = NULL;
	a->large = NULL;
	s->want_commit = true;
	return 0;
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
	uint64_t now = s->config.now_ms(s->config.arg);
	struct journal_space space;

	if (now < s->space_at || now >= s->space_at + 1000) {
		s->space_at = now;
		journal_space(s->j, &space);
		s->low = space.full || space.free_bytes < s->config.min_free;
	}
	return s->low;
}

void
store_set_min_free(struct store *s, uint64_t bytes)
{
	s->config.min_free = bytes;
}

int
store_large_new(struct store *s, struct journal_large **out)
{
	return s->failed ? STORE_TROUBLE : store_error(s, journal_large_new(s->j, false, out));
}

/* --- open and close ----------------------------------------------------------------------------
 */

static uint64_t
seconds(struct store *s)
{
	return s->config.now_ms(s->config.arg) / 1000;
}

static int
begin_new(struct store *s)
{
	static const struct {
		const char *name;
		uint8_t special;
	} first[] = { { "INBOX", IMAP_SPECIAL_NONE }, { "Archive", IMAP_SPECIAL_ARCHIVE },
		{ "Drafts", IMAP_SPECIAL_DRAFTS }, { "Junk", IMAP_SPECIAL_JUNK },
		{ "Sent", IMAP_SPECIAL_SENT }, { "Trash", IMAP_SPECIAL_TRASH } };
	const uint32_t n = sizeof(first) / sizeof(first[0]);
	uint32_t validity = (uint32_t)seconds(s);
	int e;

	rec_put_format(store_record(s), REC_VERSION);
	if ((e = store_emit(s, REC_FORMAT, false)) != 0)
		return e;
	rec_put_folders(store_record(s), n + 1, validity + n, n);
	for (uint32_t i = 0; i < n; i++)
		rec_put_folder(&s->record, &(struct rec_folder){ i + 1, validity + i + 1, 1,
					       first[i].special, str_of(first[i].name) });
	if ((e = store_emit(s, REC_FOLDERS, false)) != 0)
		return e;
	rec_put_subscriptions(store_record(s), n);
	for (uint32_t i = 0; i < n; i++)
		rec_put_name(&s->record, str_of(first[i].name));
	if ((e = store_emit(s, REC_SUBSCRIPTIONS, false)) != 0)
		return e;
	return store_sync(s);
}

/* Numbers that may have been given between the backup and its restore must not come again. */
static int
jump(struct store *s)
{
	int e;

	for (uint32_t i = 0; i < s->m->nfolders; i++) {
		struct folder *f = s->m->folders[i];

		f->uidnext = f->uidnext > UINT32_MAX - STORE_RESTORE_UIDS
				 ? UINT32_MAX
				 : f->uidnext + STORE_RESTORE_UIDS;
	}
	s->m->modseq += (uint64_t)1 << 32;
	model_put_folders(s->m, store_record(s));
	if ((e = store_emit(s, REC_FOLDERS, true)) != 0 ||
	    (e = write_counters(s, s->m->modseq)) != 0 || (e = store_sync(s)) != 0)
		return e;
	if (renameat(s->config.dirfd, STORE_DEDUPE_ALL, s->config.dirfd, STORE_RESTORED) != 0)
		return STORE_TROUBLE;
	fsync(s->config.dirfd);
	store_report(s, "what=restored detail=\"UIDs and MODSEQs continue above a gap\"");
	return 0;
}

static bool
large_in_use(void *arg, uint64_t id)
{
	return map_get(arg, id) != NULL;
}

static void
collect_large(struct store *s)
{
	struct map *used = map_new();
	uint64_t key;
	size_t it = 0;
	void *id;

	while ((id = map_next(s->m->large, &it, &key)) != NULL)
		map_put(used, (uint64_t)(uintptr_t)id, id);
	journal_large_collect(s->j, large_in_use, used);
	map_free(&used);
}

static bool
there(struct store *s, const char *name)
{
	return faccessat(s->config.dirfd, name, F_OK, 0) == 0;
}

static void
fresh_model(struct store *s)
{
	const struct model_ops ops = { on_dead, on_large_dead, on_folder_gone, s };

	model_free(&s->m);
	s->m = model_new(&ops);
	s->m->keep_deliveries = s->restored;
	tally_free(&s->before);
	tally_free(&s->since);
	tally_free(&s->dead);
	s->said_from = 0;
	s->again = (struct store_again){ 0 };
	s->again_id = 0;
}

static int
open_journal(struct store *s, const struct buf *resume)
{
	const struct journal_options o = { .kind = "mailbox",
		.segment_bytes =
		    s->config.segment_bytes != 0 ? s->config.segment_bytes : STORE_SEGMENT,
		.fill_step = STORE_FILL,
		.reserve_bytes = STORE_RESERVE,
		.resume = resume != NULL ? buf_data(resume) : NULL,
		.resume_len = resume != NULL ? buf_len(resume) : 0,
		.on_record = on_record,
		.on_damage = on_damage,
		.arg = s };

	return journal_open(s->config.dirfd, &o, &s->j);
}

/* From the checkpoint and what came after it, or from the beginning. The memory of deliveries in a
 * checkpoint may have been trimmed: after a restore all is read. */
static int
open_from(struct store *s)
{
	struct buf resume;
	int r = JOURNAL_STALE;

	buf_init(&resume, JOURNAL_META_MAX);
	fresh_model(s);
	if (!s->restored && checkpoint_read(s, &resume) == 0)
		r = open_journal(s, &resume);
	buf_free(&resume);
	if (r != JOURNAL_STALE)
		return r;
	fresh_model(s);
	return open_journal(s, NULL);
}

static int
recover(struct store *s)
{
	int r;

	s->opening = true;
	r = open_from(s);
	if (r != 0) {
		store_report(s, "what=open-failed reason=\"%s\"", journal_strerror(r));
		return store_error(s, r);
	}
	if (s->m->version > REC_VERSION)
		return STORE_NEWER;
	model_settle(s->m);
	s->opening = false;
	/* With a hole in the journal nothing is sure to be useless. */
	if (!s->damaged) {
		tally_dead(&s->dead, s->j);
		collect_large(s);
	}
	if (s->m->unresolved > 0)
		store_report(
		    s, "what=content-lost messages=%llu", (unsigned long long)s->m->unresolved);
	return 0;
}

static int
repair_folders(struct store *s)
{
	int e;

	store_report(s, "what=folders-recovered folders=%u", s->m->rescued);
	model_put_folders(s->m, store_record(s));
	if ((e = store_emit(s, REC_FOLDERS, true)) != 0)
		return e;
	if (model_folder_named(s->m, STR("INBOX")) == NULL)
		e = store_create(s, STR("INBOX"), IMAP_SPECIAL_NONE);
	return e == 0 ? store_sync(s) : e;
}

static int
open_steps(struct store *s)
{
	bool restored = there(s, STORE_DEDUPE_ALL);
	int e;

	s->restored = restored || there(s, STORE_RESTORED);
	if ((e = recover(s)) != 0)
		return e;
	if (s->m->ndeliveries > 0)
		s->restored_below = s->m->deliveries[s->m->ndeliveries - 1].number;
	s->floor_written = s->m->floor;
	if (s->m->nfolders == 0)
		e = begin_new(s);
	else if (s->m->rescued > 0 || model_folder_named(s->m, STR("INBOX")) == NULL)
		e = repair_folders(s);
	return e == 0 && restored ? jump(s) : e;
}

int
store_open(const struct store_config *config, struct store **out)
{
	struct store *s = xcalloc(1, sizeof(*s));
	const struct model_ops ops = { on_dead, on_large_dead, on_folder_gone, s };
	int e;

	*out = NULL;
	s->config = *config;
	s->m = model_new(&ops);
	buf_init(&s->record, JOURNAL_META_MAX);
	e = open_steps(s);
	if (e != 0) {
		store_abandon(&s);
		return e;
	}
	*out = s;
	return 0;
}

void
store_abandon(struct store **sp)
{
	struct store *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	journal_close(&s->j);
	release_held(s);
	free(s->held);
	free(s->waits);
	free(s->drops);
	model_free(&s->m);
	buf_free(&s->record);
	if (s->spare != NULL)
		buf_free(s->spare);
	free(s->spare);
	tally_free(&s->before);
	tally_free(&s->since);
	tally_free(&s->dead);
	free(s);
}

void
store_close(struct store **sp)
{
	struct store *s = *sp;

	if (s == NULL)
		return;
	/* The unused rest of the block goes back. */
	if (!s->failed && s->m->reserved != s->m->modseq)
		write_counters(s, s->m->modseq);
	if (!s->failed && store_turn(s) == 0 && store_sync(s) == 0)
		checkpoint_write(s);
	store_abandon(sp);
}
