/* SPDX-License-Identifier: ISC */
#include "queue/spool.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"

/* Records of the journal. */
enum { R_MESSAGE = 1, R_STATES = 2, R_NUMBERS = 3, R_NOTE = 4 };

/* How far numbers jump after a restore: above all that were given out since the backup. */
#define RENUMBER_STEP (UINT64_C(1) << 32)

struct fresh {
	struct message *message;
	void *cookie;
};

/* A note in the batch. */
struct fresh_note {
	struct delivery *delivery;
	struct journal_ref ref;
};

/* One that was found; its message may stand behind it. */
struct found_note {
	uint64_t number, due_ms;
	struct journal_ref ref;
	uint32_t delivery;
	uint16_t tries;
};

struct spool {
	struct journal *journal;
	struct spool_ops ops;
	struct spool_limits limits;
	struct map *messages; /* by number */
	struct message_age by_age;
	uint64_t bytes; /* received bytes of all messages */
	bool room, opened, started, newer, compaction_failed;

	uint64_t number, number_end; /* next one; end of what is reserved on disk */
	uint64_t number_asked;       /* end of what is reserved with the next commit */
	struct journal_ref numbers_ref, numbers_next;

	struct fresh *fresh; /* in the batch */
	size_t fresh_count, fresh_cap, inside_count;
	struct message_list dirty; /* states changed, not in the batch yet */
	size_t dirty_count;
	struct fresh_note *notes; /* in the batch */
	size_t notes_count, notes_cap;
	struct found_note *found; /* while the journal is opened */
	size_t found_count, found_cap;
	struct buf scratch, states, note;
};

/* --- numbers ----------------------------------------------------------------------------------- */
static int
append_numbers(struct spool *s, uint64_t end)
{
	uint64_t le = htole64(end);
	struct journal_write w = {
		.type = R_NUMBERS,
		.urgent = true,
		.meta = &le,
		.meta_len = sizeof(le),
	};
	int r = journal_append(s->journal, &w, &s->numbers_next);

	if (r == 0)
		s->number_asked = end;
	return r;
}

static void
numbers_committed(struct spool *s, bool good)
{
	if (s->number_asked == 0)
		return;
	if (good) {
		if (s->numbers_ref.pos)
			journal_dead(s->journal, s->numbers_ref);
		s->numbers_ref = s->numbers_next;
		s->number_end = s->number_asked;
	}
	s->number_asked = 0;
}

/* n numbers in a row; 0 when the block is used up, which a failing disk can cause. */
static uint64_t
numbers_take(struct spool *s, uint64_t n)
{
	uint64_t first = s->number;

	if (s->number_end - s->number < SPOOL_NUMBER_BLOCK / 2 && s->number_asked == 0)
		(void)append_numbers(s, s->number_end + SPOOL_NUMBER_BLOCK);
	if (s->number_end - s->number < n)
		return 0;
	s->number += n;
	return first;
}

/* --- messages ---------------------------------------------------------------------------------- */
static struct message *
message_new(uint64_t number, uint32_t deliveries)
{
	struct message *m = xcalloc(1, sizeof(*m) + (size_t)deliveries * sizeof(struct delivery));

	m->number = number;
	m->deliveries = (uint16_t)deliveries;
	for (uint32_t i = 0; i < deliveries; i++)
		m->delivery[i].message = m;
	return m;
}

/* What it is for; counts those that are pending. */
static void
delivery_init(
    struct spool *s, struct delivery *d, uint32_t target, uint8_t state, struct str address)
{
	d->target = target;
	d->state = state;
	d->durable = state != DELIVERY_PENDING;
	d->message->pending += state == DELIVERY_PENDING;
	if (target == TARGET_REMOTE)
		d->destination = s->ops.destination(s->ops.arg, address);
}

static void
message_free(struct spool *s, struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++)
		if (m->delivery[i].target == TARGET_REMOTE && m->delivery[i].destination)
			s->ops.destination_done(s->ops.arg, m->delivery[i].destination);
	free(m);
}

static void
note_dead(struct spool *s, struct delivery *d)
{
	if (d->note)
		journal_dead(s->journal, (struct journal_ref){ d->note, d->note_size });
	d->note = 0;
}

static void
message_forget(struct spool *s, struct message *m)
{
	if (s->started) {
		s->ops.on_gone(s->ops.arg, m);
		TAILQ_REMOVE(&s->by_age, m, age_link);
		for (uint32_t i = 0; i < m->deliveries; i++)
			note_dead(s, &m->delivery[i]);
	}
	s->bytes -= m->size;
	map_del(s->messages, m->number);
	message_free(s, m);
}

static void
message_dirty(struct spool *s, struct message *m)
{
	if (m->dirty)
		return;
	m->dirty = true;
	s->dirty_count++;
	STAILQ_INSERT_TAIL(&s->dirty, m, dirty_link);
}

static bool
is_over(const struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++)
		if (m->delivery[i].state != DELIVERY_DONE)
			return false;
	return true;
}

/* The meta of an R_STATES record in s->states. */
static void
states_of(struct spool *s, const struct message *m)
{
	uint64_t le = htole64(m->number);

	buf_clear(&s->states);
	buf_put(&s->states, &le, sizeof(le));
	for (uint32_t i = 0; i < m->deliveries; i++)
		buf_putc(&s->states, m->delivery[i].state);
	buf_putc(&s->states, m->flags);
}

/* --- recovery ---------------------------------------------------------------------------------- */
static struct message *
message_found(struct spool *s, const struct envelope *e)
{
	struct message *m = message_new(e->number, e->deliveries);
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r = { 0 };

	m->arrival_ms = e->arrival_ms;
	m->flags = e->message_flags;
	for (uint32_t i = 0; i < e->deliveries; i++) {
		uint32_t target = envelope_target(e, i);

		if (target == TARGET_REMOTE)
			(void)envelope_recipient_at(e, &c, envelope_recipient_of(e, i), &r);
		delivery_init(s, &m->delivery[i], target, e->states[i], r.address);
	}
	return m;
}

static void
recover_message(struct spool *s, const struct journal_record *r)
{
	struct message *m, *old;
	struct envelope e;
	int ret = envelope_read(str_from(r->meta, r->meta_len), &e);

	if (ret != 0) {
		s->newer |= ret == ENVELOPE_NEWER;
		log_error(NULL, "event=queue-damage what=envelope segment=%llu",
		    (unsigned long long)(r->ref.pos >> 32));
		return;
	}
	m = message_found(s, &e);
	m->ref = r->ref;
	m->large_id = r->large_id;
	m->size = (uint32_t)r->content_len;
	s->bytes += m->size;
	old = map_put(s->messages, m->number, m);
	if (old) {
		s->bytes -= old->size;
		message_free(s, old);
	}
	if (e.number + e.deliveries >= s->number)
		s->number = e.number + e.deliveries + 1;
}

static void
recover_states(struct spool *s, const struct journal_record *r)
{
	struct message *m;
	uint64_t number;

	if (r->meta_len < sizeof(number))
		return;
	memcpy(&number, r->meta, sizeof(number));
	m = map_get(s->messages, le64toh(number));
	if (m == NULL)
		return;
	if (r->kill) {
		message_forget(s, m);
		return;
	}
	/* Records of envelopes of version 1 have no flags. */
	if (r->meta_len != sizeof(number) + m->deliveries &&
	    r->meta_len != sizeof(number) + m->deliveries + 1)
		return;
	if (r->meta_len > sizeof(number) + m->deliveries)
		m->flags = r->meta[r->meta_len - 1];
	m->pending = 0;
	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];

		d->state = r->meta[sizeof(number) + i];
		d->durable = d->state != DELIVERY_PENDING;
		m->pending += d->state == DELIVERY_PENDING;
	}
}

static void
recover_note(struct spool *s, const struct journal_record *r)
{
	struct note n;

	if (note_read(str_from(r->meta, r->meta_len), &n) != 0)
		return;
	if (s->found_count == s->found_cap) {
		s->found_cap = s->found_cap ? s->found_cap * 2 : 64;
		s->found = xrealloc(s->found, s->found_cap * sizeof(*s->found));
	}
	s->found[s->found_count++] =
	    (struct found_note){ n.number, n.due_ms, r->ref, n.delivery, n.tries };
}

/* Now that all messages are known: whose notes are these? The last one of a delivery holds. */
static void
notes_assign(struct spool *s)
{
	for (size_t i = 0; i < s->found_count; i++) {
		const struct found_note *f = &s->found[i];
		struct message *m = map_get(s->messages, f->number);
		struct delivery *d;

		if (m == NULL || f->delivery >= m->deliveries) {
			journal_dead(s->journal, f->ref);
			continue;
		}
		d = &m->delivery[f->delivery];
		note_dead(s, d);
		d->note = f->ref.pos;
		d->note_size = f->ref.size;
		d->tries = f->tries;
		if (d->target == TARGET_REMOTE)
			d->later.key = f->due_ms;
	}
	free(s->found);
	s->found = NULL;
	s->found_count = s->found_cap = 0;
}

static void
recover_record(void *arg, const struct journal_record *r)
{
	struct spool *s = arg;
	uint64_t end;

	switch (r->type) {
	case R_MESSAGE:
		recover_message(s, r);
		break;
	case R_STATES:
		recover_states(s, r);
		break;
	case R_NOTE:
		recover_note(s, r);
		break;
	case R_NUMBERS:
		if (r->meta_len != sizeof(end))
			break;
		memcpy(&end, r->meta, sizeof(end));
		s->numbers_ref = r->ref;
		if (le64toh(end) > s->number)
			s->number = le64toh(end);
		break;
	default:
		break;
	}
}

static void
recover_damage(void *arg, const struct journal_damage *d)
{
	(void)arg;
	log_error(NULL, "event=queue-damage segment=%llu offset=%llu length=%llu what=\"%s\"",
	    (unsigned long long)d->segment, (unsigned long long)d->offset,
	    (unsigned long long)d->length, d->what);
}

static int
number_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t *
spool_numbers(struct spool *s, size_t *n)
{
	uint64_t *v = xmalloc((map_count(s->messages) + 1) * sizeof(*v));
	size_t it = 0;

	for (*n = 0; map_next(s->messages, &it, &v[*n]) != NULL;)
		++*n;
	if (*n)
		qsort(v, *n, sizeof(*v), number_order);
	return v;
}

static bool
large_in_use(void *arg, uint64_t id)
{
	return map_get(arg, id) != NULL;
}

static void
collect_large(struct spool *s)
{
	struct map *ids = map_new();
	struct message *m;
	size_t it = 0;

	while ((m = map_next(s->messages, &it, NULL)) != NULL)
		if (m->large_id)
			map_put(ids, m->large_id, m);
	journal_large_collect(s->journal, large_in_use, ids);
	map_free(&ids);
}

/* Reserves the first block of numbers of this process. */
static int
first_numbers(struct spool *s, int dirfd)
{
	int fd = openat(dirfd, "renumber", O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd != -1) {
		close(fd);
		s->number += RENUMBER_STEP;
		log_info(NULL, "event=renumbered number=%llu", (unsigned long long)s->number);
	}
	s->number_end = s->number;
	r = append_numbers(s, s->number + SPOOL_NUMBER_BLOCK);
	if (r == 0)
		r = journal_commit(s->journal);
	numbers_committed(s, r == 0);
	if (r == 0 && fd != -1 && (unlinkat(dirfd, "renumber", 0) == -1 || fsync(dirfd) == -1))
		r = JOURNAL_EIO;
	return r;
}

int
spool_open(
    int dirfd, const struct spool_options *o, const struct spool_ops *ops, struct spool **out)
{
	struct spool *s = xcalloc(1, sizeof(*s));
	struct journal_options jo = {
		.kind = "queue",
		.segment_bytes = o->segment_bytes,
		.reserve_bytes = SPOOL_RESERVE_BYTES,
		.spare_max = SPOOL_SPARES,
		.io = o->io,
		.on_record = recover_record,
		.on_damage = recover_damage,
		.arg = s,
	};
	int r;

	*out = NULL;
	s->ops = *ops;
	s->limits = o->limits;
	s->messages = map_new();
	s->number = 1;
	STAILQ_INIT(&s->dirty);
	TAILQ_INIT(&s->by_age);
	buf_init(&s->scratch, JOURNAL_RECORD_MAX);
	buf_init(&s->states, 17 + ENVELOPE_DELIVERIES_MAX);
	buf_init(&s->note, JOURNAL_RECORD_MAX);
	r = journal_open(dirfd, &jo, &s->journal);
	if (r == 0 && s->newer)
		r = JOURNAL_NEWER;
	if (r == 0)
		r = first_numbers(s, dirfd);
	if (r != 0) {
		spool_close(&s);
		return r;
	}
	collect_large(s);
	notes_assign(s);
	s->opened = true;
	(void)spool_tick(s);
	*out = s;
	return 0;
}

void
spool_start(struct spool *s)
{
	size_t n;
	uint64_t *v = spool_numbers(s, &n);

	if (n > 0)
		log_info(NULL, "event=queue-recovered messages=%zu", n);
	s->started = true;
	for (size_t i = 0; i < n; i++) {
		struct message *m = map_get(s->messages, v[i]);

		TAILQ_INSERT_TAIL(&s->by_age, m, age_link);
	}
	for (size_t i = 0; i < n; i++) {
		struct message *m = map_get(s->messages, v[i]);

		/* Moved by compaction when its done mark was not on disk yet. */
		if (is_over(m))
			message_dirty(s, m);
		else
			s->ops.on_message(s->ops.arg, m);
	}
	free(v);
}

void
spool_close(struct spool **sp)
{
	struct spool *s = *sp;
	struct message *m;
	size_t it = 0;

	if (s == NULL)
		return;
	if (s->opened)
		spool_commit(s);
	journal_close(&s->journal);
	while ((m = map_next(s->messages, &it, NULL)) != NULL)
		free(m);
	map_free(&s->messages);
	buf_free(&s->scratch);
	buf_free(&s->states);
	buf_free(&s->note);
	free(s->fresh);
	free(s->notes);
	free(s->found);
	free(s);
	*sp = NULL;
}

/* --- acceptance -------------------------------------------------------------------------------- */
void
spool_set_limits(struct spool *s, const struct spool_limits *limits)
{
	s->limits = *limits;
	(void)spool_tick(s);
}

bool
spool_has_room(const struct spool *s)
{
	return s->room && map_count(s->messages) + s->fresh_count < s->limits.max_messages &&
	       s->bytes < s->limits.max_bytes;
}

void
spool_inside(struct spool *s)
{
	s->inside_count++;
}

int
spool_large_new(struct spool *s, struct journal_large **out)
{
	return journal_large_new(s->journal, false, out);
}

static void
fresh_add(struct spool *s, struct message *m, void *cookie)
{
	if (s->fresh_count == s->fresh_cap) {
		s->fresh_cap = s->fresh_cap ? s->fresh_cap * 2 : 64;
		s->fresh = xrealloc(s->fresh, s->fresh_cap * sizeof(*s->fresh));
	}
	s->fresh[s->fresh_count++] = (struct fresh){ m, cookie };
}

static struct message *
message_of(struct spool *s, const struct envelope_writer *w, uint64_t number, uint64_t arrival_ms)
{
	struct message *m = message_new(number, envelope_deliveries(w));

	m->arrival_ms = arrival_ms;
	m->flags = w->message_flags;
	for (uint32_t i = 0; i < m->deliveries; i++)
		delivery_init(s, &m->delivery[i], envelope_writer_target(w, i),
		    (uint8_t)envelope_writer_state(w, i), envelope_writer_address(w, i));
	return m;
}

int
spool_add(struct spool *s, struct envelope_writer *w, uint64_t arrival_ms, struct str prepend,
    struct str content, struct journal_large **large, void *cookie)
{
	struct iovec v = { (void *)(uintptr_t)content.p, content.n };
	struct journal_write jw = {
		.type = R_MESSAGE,
		.content = &v,
		.content_n = content.n ? 1 : 0,
		.large = *large,
	};
	uint64_t number = numbers_take(s, 1 + (uint64_t)envelope_deliveries(w));
	struct message *m;
	int r;

	if (number == 0)
		return JOURNAL_EIO;
	if (envelope_end(w, number, arrival_ms, prepend) != 0)
		return JOURNAL_LIMIT;
	jw.meta = buf_data(&w->bytes);
	jw.meta_len = buf_len(&w->bytes);
	m = message_of(s, w, number, arrival_ms);
	m->size = (uint32_t)(*large ? journal_large_size(*large) : content.n);
	m->large_id = *large ? journal_large_id(*large) : 0;
	r = journal_append(s->journal, &jw, &m->ref);
	if (r != 0) {
		message_free(s, m);
		return r;
	}
	*large = NULL;
	fresh_add(s, m, cookie);
	return 0;
}

/* --- the commit -------------------------------------------------------------------------------- */
void
spool_settle(struct spool *s, struct delivery *d, enum delivery_state state)
{
	struct message *m = d->message;

	if (d->state == DELIVERY_PENDING && state != DELIVERY_PENDING)
		m->pending--;
	d->state = (uint8_t)state;
	message_dirty(s, m);
}

void
spool_owe_again(struct spool *s, struct delivery *d, enum delivery_state state)
{
	d->state = (uint8_t)state;
	message_dirty(s, d->message);
}

void
spool_set_flags(struct spool *s, struct message *m, uint8_t flags)
{
	if (m->flags == flags)
		return;
	m->flags = flags;
	message_dirty(s, m);
}

bool
spool_dirty(const struct spool *s)
{
	return s->dirty_count > 0 || s->notes_count > 0;
}

/* --- notes ------------------------------------------------------------------------------------- */
void
spool_note(struct spool *s, struct delivery *d, const struct answer *a, uint64_t due_ms)
{
	struct note n = {
		.number = d->message->number,
		.delivery = (uint32_t)(d - d->message->delivery),
		.tries = d->tries,
		.due_ms = due_ms,
		.answer = *a,
	};
	struct journal_write w = { .type = R_NOTE };
	struct journal_ref ref;

	note_write(&n, &s->note);
	w.meta = buf_data(&s->note);
	w.meta_len = buf_len(&s->note);
	/* When the disk is full, that matters more than who said what. */
	if (journal_append(s->journal, &w, &ref) != 0)
		return;
	if (s->notes_count == s->notes_cap) {
		s->notes_cap = s->notes_cap ? s->notes_cap * 2 : 64;
		s->notes = xrealloc(s->notes, s->notes_cap * sizeof(*s->notes));
	}
	s->notes[s->notes_count++] = (struct fresh_note){ d, ref };
}

static void
notes_done(struct spool *s, bool good)
{
	for (size_t i = 0; good && i < s->notes_count; i++) {
		struct delivery *d = s->notes[i].delivery;

		note_dead(s, d);
		d->note = s->notes[i].ref.pos;
		d->note_size = s->notes[i].ref.size;
	}
	s->notes_count = 0;
}

bool
spool_note_read(struct spool *s, const struct delivery *d, struct note *n)
{
	struct journal_ref ref = { d->note, d->note_size };
	struct journal_record r;

	memset(n, 0, sizeof(*n));
	if (d->note == 0 || journal_read(s->journal, ref, &s->note, &r, NULL) != 0)
		return false;
	if (r.type != R_NOTE || note_read(str_from(r.meta, r.meta_len), n) != 0 ||
	    n->number != d->message->number) {
		memset(n, 0, sizeof(*n));
		return false;
	}
	return true;
}

/* --- the commit, again ------------------------------------------------------------------------- */

static int
append_states(struct spool *s, struct message *m)
{
	struct journal_write w = { .type = R_STATES, .urgent = true, .about = m->ref };
	struct journal_ref ref;

	states_of(s, m);
	w.kill = is_over(m);
	w.meta = buf_data(&s->states);
	w.meta_len = w.kill ? sizeof(uint64_t) : buf_len(&s->states);
	return journal_append(s->journal, &w, &ref);
}

/* Those whose states went into the batch leave the list; the others wait for space. */
static void
states_to_batch(struct spool *s, struct message_list *batch)
{
	struct message *m;

	while ((m = STAILQ_FIRST(&s->dirty)) != NULL) {
		if (append_states(s, m) != 0)
			break;
		STAILQ_REMOVE_HEAD(&s->dirty, dirty_link);
		STAILQ_INSERT_TAIL(batch, m, dirty_link);
	}
	/* A message that came from inside (a report, a copy) must not be stored without what makes
	 * its cause settled; after a new start both are tried again. */
	if (m && s->inside_count > 0)
		fatal("no space left for the queue's done marks; starting again");
}

/* The message's states are on disk as they stand. */
static void
message_settled(struct spool *s, struct message *m)
{
	bool over = is_over(m);

	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];

		if (d->state == DELIVERY_PENDING || d->durable)
			continue;
		d->durable = true;
		s->ops.on_settled(s->ops.arg, d);
	}
	if (!over)
		return;
	if (m->large_id)
		journal_large_drop(s->journal, m->large_id);
	message_forget(s, m);
}

static void
states_done(struct spool *s, struct message_list *batch, bool good)
{
	struct message *m;

	if (!good) {
		STAILQ_CONCAT(&s->dirty, batch);
		return;
	}
	while ((m = STAILQ_FIRST(batch)) != NULL) {
		STAILQ_REMOVE_HEAD(batch, dirty_link);
		m->dirty = false;
		s->dirty_count--;
		message_settled(s, m);
	}
}

static void
fresh_done(struct spool *s, int result)
{
	size_t n = s->fresh_count;

	s->fresh_count = s->inside_count = 0;
	for (size_t i = 0; i < n; i++) {
		struct message *m = s->fresh[i].message;

		if (result == 0) {
			map_put(s->messages, m->number, m);
			TAILQ_INSERT_TAIL(&s->by_age, m, age_link);
			s->bytes += m->size;
			for (uint32_t k = 0; k < m->deliveries; k++)
				m->delivery[k].durable = m->delivery[k].state != DELIVERY_PENDING;
		}
		s->ops.on_stored(s->ops.arg, s->fresh[i].cookie, result, m);
		if (result == 0)
			s->ops.on_message(s->ops.arg, m);
		else
			message_free(s, m);
	}
}

void
spool_commit(struct spool *s)
{
	struct message_list batch = STAILQ_HEAD_INITIALIZER(batch);
	int r;

	states_to_batch(s, &batch);
	r = journal_commit(s->journal);
	if (r != 0)
		log_error(NULL, "event=queue-commit-failed reason=\"%s\"", journal_strerror(r));
	numbers_committed(s, r == 0);
	notes_done(s, r == 0);
	states_done(s, &batch, r == 0);
	fresh_done(s, r);
	if (r == JOURNAL_FAILED)
		fatal("the queue's journal failed; starting again");
	if (r == 0)
		s->ops.on_committed(s->ops.arg);
}

void
spool_turn(struct spool *s)
{
	if (s->fresh_count > 0 || s->dirty_count >= SPOOL_DIRTY_MAX ||
	    s->notes_count >= SPOOL_DIRTY_MAX)
		spool_commit(s);
}

/* --- space ------------------------------------------------------------------------------------- */
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
	states_of(s, m);
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

/* --- reading ----------------------------------------------------------------------------------- */
int
spool_read(struct spool *s, const struct message *m, struct envelope *e, struct journal_record *r,
    const uint8_t **content)
{
	int ret = journal_read(s->journal, m->ref, &s->scratch, r, content);

	if (ret != 0)
		return ret;
	if (envelope_read(str_from(r->meta, r->meta_len), e) != 0 || e->number != m->number ||
	    e->deliveries != m->deliveries)
		return JOURNAL_DAMAGED;
	return 0;
}

int
spool_large_open(struct spool *s, const struct journal_record *r, int *fd)
{
	return journal_large_open(s->journal, r, fd);
}

struct message *
spool_find(struct spool *s, uint64_t number)
{
	return map_get(s->messages, number);
}

const struct message_age *
spool_by_age(const struct spool *s)
{
	return &s->by_age;
}

size_t
spool_count(const struct spool *s)
{
	return map_count(s->messages);
}
