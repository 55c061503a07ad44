/* SPDX-License-Identifier: ISC */
/* Opening: recovery, a new mailbox, one that was restored or repaired; and closing. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/xalloc.h"
#include "imap/imap_backend.h"
#include "mailbox/store_priv.h"

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
on_content_gone(void *arg, uint64_t email)
{
	derive_gone(arg, email);
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

	/* The oldest program that understands it may read it. */
	rec_put_format(store_record(s), REC_VERSION_PLAIN);
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
	    (e = store_write_counters(s, s->m->modseq)) != 0 || (e = store_sync(s)) != 0)
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
	const struct model_ops ops = { on_dead, on_large_dead, on_content_gone, on_folder_gone, s };

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
	derive_open(s);
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
	const struct model_ops ops = { on_dead, on_large_dead, on_content_gone, on_folder_gone, s };
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
	derive_abandon(s);
	store_unpacked_forget(s);
	journal_close(&s->j);
	store_release_held(s);
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
		store_write_counters(s, s->m->modseq);
	if (!s->failed && store_turn(s) == 0 && store_sync(s) == 0)
		checkpoint_write(s);
	derive_close(s);
	store_abandon(sp);
}
