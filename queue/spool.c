/* SPDX-License-Identifier: ISC */
/* The messages in the queue: numbers, acceptance, what becomes of them, the commit. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/spool_priv.h"

/* --- numbers ----------------------------------------------------------------------------------- */
int
spool_numbers_reserve(struct spool *s, uint64_t end)
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

void
spool_numbers_committed(struct spool *s, bool good)
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
		(void)spool_numbers_reserve(s, s->number_end + SPOOL_NUMBER_BLOCK);
	if (s->number_end - s->number < n)
		return 0;
	s->number += n;
	return first;
}

/* --- messages ---------------------------------------------------------------------------------- */
struct message *
spool_message_new(uint64_t number, uint32_t deliveries)
{
	struct message *m = xcalloc(1, sizeof(*m) + (size_t)deliveries * sizeof(struct delivery));

	m->number = number;
	m->deliveries = (uint16_t)deliveries;
	for (uint32_t i = 0; i < deliveries; i++)
		m->delivery[i].message = m;
	return m;
}

void
spool_delivery_init(
    struct spool *s, struct delivery *d, uint32_t target, uint8_t state, struct str address)
{
	d->target = target;
	d->state = state;
	d->durable = state != DELIVERY_PENDING;
	d->message->pending += state == DELIVERY_PENDING;
	if (target == TARGET_REMOTE)
		d->destination = s->ops.destination(s->ops.arg, address);
}

void
spool_message_free(struct spool *s, struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++)
		if (m->delivery[i].target == TARGET_REMOTE && m->delivery[i].destination)
			s->ops.destination_done(s->ops.arg, m->delivery[i].destination);
	free(m);
}

void
spool_note_dead(struct spool *s, struct delivery *d)
{
	if (d->note)
		journal_dead(s->journal, (struct journal_ref){ d->note, d->note_size });
	d->note = 0;
}

void
spool_message_forget(struct spool *s, struct message *m)
{
	if (s->started) {
		s->ops.on_gone(s->ops.arg, m);
		TAILQ_REMOVE(&s->by_age, m, age_link);
		for (uint32_t i = 0; i < m->deliveries; i++)
			spool_note_dead(s, &m->delivery[i]);
	}
	s->bytes -= m->size;
	map_del(s->messages, m->number);
	spool_message_free(s, m);
}

void
spool_message_dirty(struct spool *s, struct message *m)
{
	if (m->dirty)
		return;
	m->dirty = true;
	s->dirty_count++;
	STAILQ_INSERT_TAIL(&s->dirty, m, dirty_link);
}

bool
spool_is_over(const struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++)
		if (m->delivery[i].state != DELIVERY_DONE)
			return false;
	return true;
}

void
spool_states_of(struct spool *s, const struct message *m)
{
	uint64_t le = htole64(m->number);

	buf_clear(&s->states);
	buf_put(&s->states, &le, sizeof(le));
	for (uint32_t i = 0; i < m->deliveries; i++)
		buf_putc(&s->states, m->delivery[i].state);
	buf_putc(&s->states, m->flags);
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
	struct message *m = spool_message_new(number, envelope_deliveries(w));

	m->arrival_ms = arrival_ms;
	m->flags = w->message_flags;
	for (uint32_t i = 0; i < m->deliveries; i++)
		spool_delivery_init(s, &m->delivery[i], envelope_writer_target(w, i),
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
		spool_message_free(s, m);
		return r;
	}
	*large = NULL;
	fresh_add(s, m, cookie);
	return 0;
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

		spool_note_dead(s, d);
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

/* --- the commit -------------------------------------------------------------------------------- */
void
spool_settle(struct spool *s, struct delivery *d, enum delivery_state state)
{
	struct message *m = d->message;

	if (d->state == DELIVERY_PENDING && state != DELIVERY_PENDING)
		m->pending--;
	d->state = (uint8_t)state;
	spool_message_dirty(s, m);
}

void
spool_owe_again(struct spool *s, struct delivery *d, enum delivery_state state)
{
	d->state = (uint8_t)state;
	spool_message_dirty(s, d->message);
}

void
spool_set_flags(struct spool *s, struct message *m, uint8_t flags)
{
	if (m->flags == flags)
		return;
	m->flags = flags;
	spool_message_dirty(s, m);
}

bool
spool_dirty(const struct spool *s)
{
	return s->dirty_count > 0 || s->notes_count > 0;
}

static int
append_states(struct spool *s, struct message *m)
{
	struct journal_write w = { .type = R_STATES, .urgent = true, .about = m->ref };
	struct journal_ref ref;

	spool_states_of(s, m);
	w.kill = spool_is_over(m);
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
	bool over = spool_is_over(m);

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
	spool_message_forget(s, m);
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
			spool_message_free(s, m);
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
	spool_numbers_committed(s, r == 0);
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
