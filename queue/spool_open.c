/* SPDX-License-Identifier: ISC */
/* The spool as it is found on disk at start, and its end. */
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/spool_priv.h"

/* How far numbers jump after a restore: above all that were given out since the backup. */
#define RENUMBER_STEP (UINT64_C(1) << 32)

/* --- records ----------------------------------------------------------------------------------- */
static struct message *
message_found(struct spool *s, const struct envelope *e)
{
	struct message *m = spool_message_new(e->number, e->deliveries);
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r = { 0 };

	m->arrival_ms = e->arrival_ms;
	m->flags = e->message_flags;
	for (uint32_t i = 0; i < e->deliveries; i++) {
		uint32_t target = envelope_target(e, i);

		if (target == TARGET_REMOTE)
			(void)envelope_recipient_at(e, &c, envelope_recipient_of(e, i), &r);
		spool_delivery_init(s, &m->delivery[i], target, e->states[i], r.address);
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
		spool_message_free(s, old);
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
		spool_message_forget(s, m);
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
		spool_note_dead(s, d);
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
	r = spool_numbers_reserve(s, s->number + SPOOL_NUMBER_BLOCK);
	if (r == 0)
		r = journal_commit(s->journal);
	spool_numbers_committed(s, r == 0);
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
		if (spool_is_over(m))
			spool_message_dirty(s, m);
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
