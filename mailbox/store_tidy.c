/* SPDX-License-Identifier: ISC */
/*
 * Space. Records about messages (flags, expunges, copies) are needed until what they say has been
 * said again: BEGIN, chunks that name every message, END. From then on only content that a message
 * refers to is needed of everything before BEGIN, and the journal can empty its segments.
 */
#include <string.h>

#include "base/xalloc.h"
#include "mailbox/store_priv.h"

static bool
is_state(unsigned type)
{
	return type == REC_COPY || type == REC_FLAGS || type == REC_EXPUNGE || type == REC_CHUNK ||
	       type == REC_BEGIN || type == REC_END;
}

void
store_saw_state(struct store *s, unsigned type, struct str meta, struct journal_ref ref)
{
	uint64_t id;

	if (!is_state(type))
		return;
	if (type == REC_BEGIN && rec_get_mark(meta, &id) == 0) {
		s->again_id = id;
		s->again.begin = ref.pos;
		tally_merge(&s->before, &s->since);
	}
	tally_add(&s->since, ref);
	if (type == REC_END && rec_get_mark(meta, &id) == 0 && id == s->again_id && s->opening) {
		s->said_from = s->again.begin;
		tally_merge(&s->dead, &s->before);
	}
}

/* --- saying it again ---------------------------------------------------------------------------
 */

static uint64_t
again_cost(const struct store *s)
{
	enum { BYTES = 28 }; /* of a message in a chunk */
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->m->nfolders; i++)
		n += s->m->folders[i]->n;
	return n * BYTES;
}

static bool
again_wanted(const struct store *s)
{
	uint64_t bytes = tally_sum(&s->before) + tally_sum(&s->since);
	size_t min = s->config.state_min != 0 ? s->config.state_min : STORE_STATE_MIN;

	return bytes > min && bytes > 3 * again_cost(s);
}

static int
again_begin(struct store *s)
{
	uint64_t id = store_modseq(s);

	if (id == 0)
		return STORE_FULL;
	rec_put_mark(store_record(s), id);
	if (store_emit(s, REC_BEGIN, true) != 0)
		return STORE_FULL;
	s->again = (struct store_again){
		.running = true, .id = id, .folder = 0, .uid = 1, .begin = s->again.begin
	};
	return 0;
}

/* The first folder with at least this id; NULL: none. */
static struct folder *
folder_from(const struct store *s, uint32_t id)
{
	for (uint32_t i = 0; i < s->m->nfolders; i++)
		if (s->m->folders[i]->id >= id && !s->m->folders[i]->gone)
			return s->m->folders[i];
	return NULL;
}

static int
again_end(struct store *s)
{
	s->again.running = false;
	rec_put_mark(store_record(s), s->again.id);
	if (store_emit(s, REC_END, true) != 0 || store_sync(s) != 0)
		return STORE_FULL;
	s->said_from = s->again.begin;
	tally_dead(&s->before, s->j);
	return 0;
}

/* One slice. An interrupted one does no harm: what it said was true. */
static int
again_slice(struct store *s)
{
	struct folder *f;

	for (uint32_t n = 0; n < STORE_SLICE; n += REC_MESSAGES_MAX) {
		f = folder_from(s, s->again.folder);
		if (f == NULL)
			return again_end(s);
		if (f->id != s->again.folder || s->again.uid == 0)
			s->again.uid = 1;
		s->again.folder = f->id;
		if (s->again.uid < f->uidnext) {
			s->again.uid =
			    model_put_chunk(s->m, f, s->again.uid, f->uidnext - 1, store_record(s));
			if (store_emit(s, REC_CHUNK, true) != 0) {
				s->again.running = false;
				return STORE_FULL;
			}
		} else {
			s->again.uid = 0;
		}
		if (s->again.uid == 0)
			s->again.folder++;
	}
	return 0;
}

/* --- compaction --------------------------------------------------------------------------------
 */

/* What comes back when a record was moved: a content's index, or which table. */
enum {
	KEY_CONTENT,
	KEY_FORMAT,
	KEY_FOLDERS,
	KEY_SUBSCRIPTIONS,
	KEY_COUNTERS,
	KEY_KEYWORDS,
	KEY_STATE
};

static uint64_t
key_make(unsigned kind, uint32_t number)
{
	return (uint64_t)kind << 32 | number;
}

static bool
live_content(
    struct store *s, const struct journal_record *r, struct journal_write *w, uint64_t *key)
{
	struct rec_arrival was, now;
	int64_t index;

	if (rec_get_arrival(str_from(r->meta, r->meta_len), &was) != 0)
		return false;
	index = model_content_find(s->m, was.email);
	if (index < 0 || s->m->contents[index].pos != r->ref.pos) {
		/* A delivery that may come again must be known, even if its message is gone. */
		*key = key_make(KEY_STATE, 0);
		w->type = REC_CONTENT;
		return s->damaged ||
		       (index < 0 && model_delivered(s->m, was.number, was.origin) != NULL &&
			   was.delivered);
	}
	w->type = (uint8_t)model_content_state(s->m, (uint32_t)index, &was, &now);
	rec_put_arrival(store_record(s), &now);
	w->meta = buf_data(&s->record);
	w->meta_len = buf_len(&s->record);
	*key = key_make(KEY_CONTENT, (uint32_t)index);
	return true;
}

/* Copies and chunks are replayed after what came since: so they say what is true now. */
static bool
restate_range(struct store *s, uint32_t folder, uint32_t lo, uint32_t hi, bool empty_too,
    struct journal_write *w)
{
	const struct folder *f = model_folder(s->m, folder);
	uint32_t at;

	if (f == NULL || f->gone)
		return false;
	at = model_find(f, lo);
	if (!empty_too && (at == f->n || f->messages[at].uid > hi))
		return false;
	model_put_chunk(s->m, f, lo, hi, store_record(s));
	w->type = REC_CHUNK;
	w->meta = buf_data(&s->record);
	w->meta_len = buf_len(&s->record);
	return true;
}

static bool
live_state(struct store *s, const struct journal_record *r, struct journal_write *w)
{
	struct str meta = str_from(r->meta, r->meta_len);
	struct rec_copy copy;
	struct rec_chunk chunk;
	struct rec_runs runs;
	const struct folder *f;

	if (r->ref.pos < s->said_from)
		return false;
	switch (r->type) {
	case REC_COPY:
		return rec_get_copy(meta, &copy) == 0 &&
		       restate_range(
			   s, copy.folder, copy.first_uid, copy.first_uid + copy.n - 1, false, w);
	case REC_CHUNK:
		return rec_get_chunk(meta, &chunk) == 0 &&
		       restate_range(s, chunk.folder, chunk.lo, chunk.hi, true, w);
	case REC_FLAGS:
	case REC_EXPUNGE:
		/* True for ever; an older state of flags is told by its MODSEQ. */
		if ((r->type == REC_FLAGS ? rec_get_flags : rec_get_expunge)(meta, &runs) != 0)
			return false;
		f = model_folder(s->m, runs.folder);
		return f != NULL && !f->gone;
	default:
		return false; /* marks: only bookkeeping is lost, until it is all said again */
	}
}

static bool
live_table(struct journal_ref have, const struct journal_record *r, unsigned kind, uint64_t *key)
{
	*key = key_make(kind, 0);
	return have.pos == r->ref.pos;
}

static bool
live_keywords(struct store *s, const struct journal_record *r, uint64_t *key)
{
	struct rec_names names;
	const struct folder *f;

	if (rec_get_keywords(str_from(r->meta, r->meta_len), &names) != 0)
		return false;
	f = model_folder(s->m, names.folder);
	*key = key_make(KEY_KEYWORDS, names.folder);
	return f != NULL && f->keywords_ref.pos == r->ref.pos;
}

static bool
on_live(void *arg, const struct journal_record *r, struct journal_write *w, uint64_t *key)
{
	struct store *s = arg;

	s->compacting = r->ref.pos >> 32;
	switch (r->type) {
	case REC_FORMAT:
		return live_table(s->m->format_ref, r, KEY_FORMAT, key);
	case REC_FOLDERS:
		return live_table(s->m->folders_ref, r, KEY_FOLDERS, key);
	case REC_SUBSCRIPTIONS:
		return live_table(s->m->subscriptions_ref, r, KEY_SUBSCRIPTIONS, key);
	case REC_COUNTERS:
		return live_table(s->m->counters_ref, r, KEY_COUNTERS, key);
	case REC_KEYWORDS:
		return live_keywords(s, r, key);
	case REC_ARRIVAL:
	case REC_CONTENT:
		return live_content(s, r, w, key);
	default:
		*key = key_make(KEY_STATE, 0);
		return live_state(s, r, w);
	}
}

/* Written anyway: compressed from now on. */
static void
on_content(void *arg, struct journal_write *w, uint8_t **content, size_t *n)
{
	struct rec_arrival a;
	struct store *s = arg;
	struct buf packed;

	if (rec_get_arrival(str_from(w->meta, w->meta_len), &a) != 0 || a.packed ||
	    s->m->version < REC_VERSION || !store_compress(s, *content, *n, &packed))
		return;
	a.packed = true;
	a.size = (uint32_t)*n;
	*n = buf_len(&packed);
	memcpy(*content, buf_data(&packed), *n);
	buf_free(&packed);
	rec_put_arrival(store_record(s), &a);
	w->meta = buf_data(&s->record);
	w->meta_len = buf_len(&s->record);
}

static void
on_moved(void *arg, uint64_t key, journal_pos from, struct journal_ref to)
{
	struct store *s = arg;
	uint32_t number = (uint32_t)key;
	struct folder *f;

	(void)from;
	switch (key >> 32) {
	case KEY_CONTENT:
		model_content_moved(s->m, number, to);
		break;
	case KEY_FORMAT:
		s->m->format_ref = to;
		break;
	case KEY_FOLDERS:
		s->m->folders_ref = to;
		break;
	case KEY_SUBSCRIPTIONS:
		s->m->subscriptions_ref = to;
		break;
	case KEY_COUNTERS:
		s->m->counters_ref = to;
		break;
	case KEY_KEYWORDS:
		if ((f = model_folder(s->m, number)) != NULL)
			f->keywords_ref = to;
		break;
	default:
		tally_add(&s->since, to);
	}
}

static void
compact(struct store *s)
{
	const struct journal_mover mover = {
		.live = on_live, .content = on_content, .moved = on_moved, .arg = s
	};
	int r;

	/* What is being said again counts on its order. */
	if ((s->config.compress && store_format(s, REC_VERSION) != 0) || store_sync(s) != 0)
		return;
	s->compacting = 0;
	r = journal_compact(s->j, &mover);
	if (r == 1 && s->compacting != 0) {
		tally_drop(&s->before, s->compacting);
		tally_drop(&s->since, s->compacting);
		s->records++;
	} else if (r == JOURNAL_FAILED) {
		s->failed = true;
	} else if (r < 0) {
		store_report(s, "what=compaction-failed reason=\"%s\"", journal_strerror(r));
	}
}

int
store_again(struct store *s)
{
	int e = s->again.running ? 0 : again_begin(s);

	while (e == 0 && s->again.running)
		e = again_slice(s);
	return e;
}

bool
store_tidy(struct store *s)
{
	struct journal_space space;

	if (s->failed)
		return false;
	journal_space(s->j, &space);
	if (space.full)
		journal_recover_space(s->j);
	if (s->again.running) {
		again_slice(s);
		return true;
	}
	if (again_wanted(s))
		return again_begin(s) == 0;
	if (journal_compact_wanted(s->j)) {
		compact(s);
		return !s->failed;
	}
	model_content_forget(s->m);
	if (s->records >= STORE_CHECKPOINT_RECORDS)
		checkpoint_write(s);
	return derive_tidy(s);
}
