/* SPDX-License-Identifier: ISC */
/* The spool's room on disk: compaction, and whether more may come. */
#include <endian.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "queue/spool_priv.h"

/* --- what is moved ----------------------------------------------------------------------------- */
static bool
mover_message(
    struct spool *s, const struct journal_record *r, struct journal_write *w, uint64_t *key)
{
	struct envelope e;
	struct message *m;

	if (envelope_read(str_from(r->meta, r->meta_len), &e) != 0)
		return false;
	m = map_get(s->messages, e.number);
	if (m == NULL || m->ref.pos != r->ref.pos || m->deliveries != e.deliveries)
		return false;
	buf_clear(&s->scratch);
	buf_put(&s->scratch, r->meta, r->meta_len - m->deliveries);
	for (uint32_t i = 0; i < m->deliveries; i++)
		buf_putc(&s->scratch, m->delivery[i].state);
	s->scratch.data[s->scratch.off + ENVELOPE_FLAGS_AT] = m->flags;
	w->meta = buf_data(&s->scratch);
	w->meta_len = buf_len(&s->scratch);
	*key = m->number << 1;
	return true;
}

static bool
mover_states(struct spool *s, const struct journal_record *r, struct journal_write *w)
{
	struct message *m;
	uint64_t number;

	if (r->meta_len < sizeof(number))
		return false;
	memcpy(&number, r->meta, sizeof(number));
	m = map_get(s->messages, le64toh(number));
	if (m == NULL || m->ref.pos != r->about.pos)
		return false;
	spool_states_of(s, m);
	w->meta = buf_data(&s->states);
	w->meta_len = buf_len(&s->states);
	return true;
}

/* The delivery that this is the note of, or NULL. */
static struct delivery *
note_owner(struct spool *s, const struct journal_record *r)
{
	struct message *m;
	struct note n;

	if (note_read(str_from(r->meta, r->meta_len), &n) != 0)
		return NULL;
	m = map_get(s->messages, n.number);
	if (m == NULL || n.delivery >= m->deliveries || m->delivery[n.delivery].note != r->ref.pos)
		return NULL;
	return &m->delivery[n.delivery];
}

/* Keys are odd for notes (the address of the delivery, which stays while segments are moved), even
 * for messages. */
static bool
mover_live(void *arg, const struct journal_record *r, struct journal_write *w, uint64_t *key)
{
	struct spool *s = arg;

	*key = 0;
	if (r->type == R_MESSAGE)
		return mover_message(s, r, w, key);
	if (r->type == R_STATES)
		return mover_states(s, r, w);
	if (r->type == R_NOTE) {
		*key = (uint64_t)(uintptr_t)note_owner(s, r) | 1;
		return *key != 1;
	}
	return r->type == R_NUMBERS && r->ref.pos == s->numbers_ref.pos;
}

static void
mover_moved(void *arg, uint64_t key, journal_pos from, struct journal_ref to)
{
	struct spool *s = arg;
	struct message *m = key ? map_get(s->messages, key >> 1) : NULL;
	struct delivery *d = (struct delivery *)(uintptr_t)(key & ~UINT64_C(1));

	if (key & 1) {
		d->note = to.pos;
		d->note_size = to.size;
	} else if (m)
		m->ref = to;
	else if (from == s->numbers_ref.pos)
		s->numbers_ref = to;
}

/* --- room -------------------------------------------------------------------------------------- */
static void
compact(struct spool *s)
{
	struct journal_mover mover = { .live = mover_live, .moved = mover_moved, .arg = s };
	int r;

	if (!journal_compact_wanted(s->journal))
		return;
	if (journal_dirty(s->journal))
		spool_commit(s);
	r = journal_compact(s->journal, &mover);
	/* It is tried again and again: one line will do. */
	if (r < 0 && !s->compaction_failed)
		log_error(NULL, "event=queue-compaction-failed reason=\"%s\"", journal_strerror(r));
	s->compaction_failed = r < 0;
	if (r == JOURNAL_FAILED)
		fatal("the queue's journal failed; starting again");
}

bool
spool_tick(struct spool *s)
{
	struct journal_space sp;

	compact(s);
	journal_space(s->journal, &sp);
	if (sp.full) {
		journal_recover_space(s->journal);
		journal_space(s->journal, &sp);
	}
	s->room = !sp.full && sp.free_bytes >= s->limits.min_free &&
		  sp.total_bytes < s->limits.max_bytes + SPOOL_RESERVE_BYTES;
	return !s->room || journal_compact_wanted(s->journal);
}
