/* SPDX-License-Identifier: ISC */
/*
 * Reports that are owed to senders. A delivery that ended in a way its sender has to hear of stays
 * in its state (failed, delivered, relayed, expanded) until the report is a message of the queue:
 * both get to the disk in one batch, so that a crash neither loses nor doubles a report. The same
 * for the warning of a delay, whose mark is a flag of the message.
 *
 * A report goes to the reverse-path as any mail would: accounts says whose it is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/job.h"
#include "queue/queue_priv.h"
#include "queue/report.h"
#include "queue/trace.h"
#include "smtp/command.h"

enum {
	/* Reports made in one turn: acceptance goes on meanwhile. */
	OWED_TURN = 50,
	/* Questions and reports on their way to the disk. */
	OWED_BUSY_MAX = 100,
	/* After a failure of ours: accounts away, disk full. */
	OWED_AGAIN_MS = 30000,
};

/* What happens to the deliveries of a message, by kind of report. */
static const struct {
	enum dsn_kind kind;
	enum delivery_state state;
} kinds[] = {
	{ DSN_FAILED, DELIVERY_FAILED },
	{ DSN_DELIVERED, DELIVERY_DELIVERED },
	{ DSN_RELAYED, DELIVERY_RELAYED },
	{ DSN_EXPANDED, DELIVERY_EXPANDED },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* One report, from the question to the disk. */
struct report {
	struct stored_cookie cookie;
	LIST_ENTRY(report) link;
	struct owed *owed;
	uint64_t number; /* of the message it is about */
	bool delay;
	bool stored; /* in the batch: what follows is filled */
	enum dsn_kind kind;
	uint32_t *settled; /* indexes of its deliveries */
	size_t settled_count;
	struct buf text; /* borrowed by the journal until the commit */
	struct envelope_writer envelope;
};

struct owed {
	struct queue *queue;
	LIST_HEAD(, report) reports;
	unsigned busy;
	uint64_t *numbers; /* messages that owe something; a ring would save little */
	size_t count, cap, at;
	struct map *delayed; /* numbers of messages whose delay is to be told */
	struct io_timer *timer, *again;
};

/* --- what is owed ------------------------------------------------------------------------------ */
static bool
owes(const struct message *m, enum delivery_state state)
{
	for (uint32_t i = 0; i < m->deliveries; i++)
		if (m->delivery[i].state == state && m->delivery[i].durable)
			return true;
	return false;
}

void
owed_add(struct owed *o, struct message *m)
{
	if (m->owed)
		return;
	m->owed = true;
	if (o->count == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 64;
		o->numbers = xrealloc(o->numbers, o->cap * sizeof(*o->numbers));
	}
	o->numbers[o->count++] = m->number;
	if (!io_timer_pending(o->timer))
		io_timer_set(o->timer, 0);
}

void
owed_message(struct owed *o, struct message *m)
{
	for (size_t k = 0; k < KINDS; k++)
		if (owes(m, kinds[k].state))
			owed_add(o, m);
}

void
owed_delay(struct owed *o, struct message *m)
{
	map_put(o->delayed, m->number, m);
	owed_add(o, m);
}

/* --- the text ---------------------------------------------------------------------------------- */
struct items {
	struct report_item *item;
	struct job_answer **kept;
	size_t count;
};

static void
items_free(struct items *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->kept[i]);
	free(l->kept);
	free(l->item);
}

/* The last that is known of the delivery; of one that still waits perhaps its destination's. */
static void
last_answer(struct owed *o, const struct delivery *d, struct answer *a)
{
	const struct answer *why;
	struct note n;

	if (spool_note_read(o->queue->spool, d, &n)) {
		*a = n.answer;
		return;
	}
	why = d->target == TARGET_REMOTE && d->state == DELIVERY_PENDING
		  ? remote_why(o->queue->remote, d)
		  : NULL;
	*a = why ? *why : (struct answer){ .result = IPC_TEMP };
}

static bool
wanted(const struct report *r, const struct message *m, const struct envelope *e, uint32_t i)
{
	const struct delivery *d = &m->delivery[i];

	if (r->delay)
		return d->state == DELIVERY_PENDING && report_wanted(e, i, DSN_DELAYED);
	for (size_t k = 0; k < KINDS; k++)
		if (kinds[k].kind == r->kind && d->state == kinds[k].state && d->durable)
			return true;
	return false;
}

static void
collect(struct report *r, const struct message *m, const struct envelope *e, struct items *l)
{
	size_t room = m->deliveries < DSN_RECIPIENTS_MAX ? m->deliveries : DSN_RECIPIENTS_MAX;

	l->item = xcalloc(room, sizeof(*l->item));
	l->kept = xcalloc(room, sizeof(*l->kept));
	for (uint32_t i = 0; i < m->deliveries && l->count < room; i++) {
		struct answer a;

		if (!wanted(r, m, e, i))
			continue;
		last_answer(r->owed, &m->delivery[i], &a);
		l->kept[l->count] = job_answer_new(&a);
		l->item[l->count].delivery = i;
		l->item[l->count].last = l->kept[l->count]->answer;
		l->count++;
	}
}

/* The beginning of the message as it was accepted, all of it if it is not too long. */
static int
original(struct owed *o, const struct envelope *e, const struct journal_record *r,
    const uint8_t *content, struct buf *out)
{
	uint64_t n = r->content_len < DSN_FULL_MAX ? r->content_len : DSN_FULL_MAX;
	int fd = -1, ret;
	uint8_t *p;

	buf_put(out, e->prepend.p, e->prepend.n);
	if (content) {
		buf_put(out, content, (size_t)n);
		return 0;
	}
	ret = spool_large_open(o->queue->spool, r, &fd);
	if (ret != 0)
		return ret;
	p = buf_reserve(out, (size_t)n);
	if (p == NULL || pread(fd, p, (size_t)n, 0) != (ssize_t)n)
		ret = JOURNAL_EIO;
	else
		buf_commit(out, (size_t)n);
	close(fd);
	return ret;
}

static uint64_t
random_number(void)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		fatal("no random numbers");
	return n;
}

/* 0 and the text in r->text with how it is to be sent; or a journal_result. */
static int
build(struct report *r, const struct message *m, struct dsn_result *result, struct items *l)
{
	struct queue *q = r->owed->queue;
	struct journal_record record;
	const uint8_t *content;
	struct envelope e;
	struct buf message;
	int ret;

	buf_init(&message, DSN_FULL_MAX + 16384);
	ret = spool_read(q->spool, m, &e, &record, &content);
	if (ret == 0)
		ret = original(r->owed, &e, &record, content, &message);
	if (ret == 0)
		collect(r, m, &e, l);
	if (ret == 0 && l->count > 0)
		ret = report_build(
			  &(struct report_input){
			      .kind = r->kind,
			      .envelope = &e,
			      .items = l->item,
			      .count = l->count,
			      .message = str_from(buf_data(&message), buf_len(&message)),
			      .message_size = e.prepend.n + record.content_len,
			      .now_ms = queue_now(q),
			      .retry_until_ms = m->arrival_ms + q->options.expire_after_ms,
			      .hostname = str_of(q->options.hostname),
			      .seed = random_number(),
			  },
			  &r->text, result) == 0
			  ? 0
			  : JOURNAL_LIMIT;
	buf_free(&message);
	return ret;
}

/* --- the end of a report ----------------------------------------------------------------------- */
static void
report_free(struct report *r)
{
	if (!r->stored)
		ask_forget(r->owed->queue->ask, r);
	LIST_REMOVE(r, link);
	r->owed->busy--;
	free(r->settled);
	buf_free(&r->text);
	envelope_writer_free(&r->envelope);
	free(r);
}

/* Later again: all that the message owes is still there. */
static void
put_off(struct report *r, const char *why)
{
	struct owed *o = r->owed;
	struct message *m = spool_find(o->queue->spool, r->number);
	char id[QUEUE_ID_SIZE];

	log_warn(queue_id_print(id, r->number), "event=report-put-off reason=\"%s\"", why);
	if (m) {
		m->owed = false;
		if (!io_timer_pending(o->again))
			io_timer_set(o->again, OWED_AGAIN_MS);
	}
	report_free(r);
}

/* The message may owe one of another kind. */
static void
report_over(struct report *r)
{
	struct owed *o = r->owed;
	struct message *m = spool_find(o->queue->spool, r->number);

	report_free(r);
	if (m == NULL)
		return;
	m->owed = false;
	owed_message(o, m);
	if (map_get(o->delayed, m->number))
		owed_add(o, m);
}

/* What the report is about is settled, or marked, in memory; the commit does the rest. */
static void
mark(struct report *r, struct message *m, const struct items *l)
{
	struct spool *s = r->owed->queue->spool;

	if (r->delay) {
		map_del(r->owed->delayed, m->number);
		spool_set_flags(s, m, m->flags | MESSAGE_WARNED);
		return;
	}
	r->settled = xcalloc(l->count + 1, sizeof(*r->settled));
	for (size_t i = 0; i < l->count; i++) {
		r->settled[r->settled_count++] = l->item[i].delivery;
		spool_settle(s, &m->delivery[l->item[i].delivery], DELIVERY_DONE);
	}
}

/* The batch was lost and the report with it. */
static void
unmark(struct report *r)
{
	struct queue *q = r->owed->queue;
	struct message *m = spool_find(q->spool, r->number);

	if (m == NULL)
		return;
	if (r->delay) {
		spool_set_flags(q->spool, m, m->flags & (uint8_t)~MESSAGE_WARNED);
		map_put(r->owed->delayed, m->number, m);
	}
	for (size_t i = 0; i < r->settled_count; i++)
		for (size_t k = 0; k < KINDS; k++)
			if (kinds[k].kind == r->kind)
				spool_owe_again(
				    q->spool, &m->delivery[r->settled[i]], kinds[k].state);
}

static void
on_stored(struct queue *q, struct stored_cookie *cookie, int result, const struct message *m)
{
	struct report *r = (struct report *)(void *)cookie;
	char id[QUEUE_ID_SIZE], about[QUEUE_ID_SIZE];

	(void)q;
	if (result != 0) {
		unmark(r);
		put_off(r, journal_strerror(result));
		return;
	}
	log_info(queue_id_print(id, m->number), "event=report kind=%d about=%s", (int)r->kind,
	    queue_id_print(about, r->number));
	report_over(r);
}

/* Nobody can be told. */
static void
drop(struct report *r, const char *why)
{
	struct owed *o = r->owed;
	struct message *m = spool_find(o->queue->spool, r->number);
	char id[QUEUE_ID_SIZE];

	log_warn(queue_id_print(id, r->number), "event=report-dropped kind=%d reason=\"%s\"",
	    (int)r->kind, why);
	for (uint32_t i = 0; m && !r->delay && i < m->deliveries; i++)
		for (size_t k = 0; k < KINDS; k++)
			if (kinds[k].kind == r->kind && m->delivery[i].state == kinds[k].state &&
			    m->delivery[i].durable)
				spool_settle(o->queue->spool, &m->delivery[i], DELIVERY_DONE);
	if (m && r->delay) {
		map_del(o->delayed, m->number);
		spool_set_flags(o->queue->spool, m, m->flags | MESSAGE_WARNED);
	}
	report_over(r);
}

/* --- making one -------------------------------------------------------------------------------- */
static int
address_it(struct report *r, struct str to, const struct ipc_address_targets *m,
    const struct dsn_result *result)
{
	struct envelope_recipient recipient = {
		.address = to,
		.notify = SMTP_NOTIFY_NEVER,
		.from = ENVELOPE_ITSELF,
	};
	char about[QUEUE_ID_SIZE];

	envelope_begin(&r->envelope,
	    &(struct ipc_msg_begin){ .session = str_of(queue_id_print(about, r->number)),
		.body_8bit = result->eightbit,
		.smtputf8 = result->utf8 });
	if (envelope_recipient(&r->envelope, &recipient) != 0)
		return -1;
	if (m->result == IPC_NOT_LOCAL)
		return envelope_delivery(&r->envelope, 0, TARGET_REMOTE, DELIVERY_PENDING);
	return expand_targets(&r->envelope, 0, m, &(struct expand_from){ .rewrite = false });
}

static int
large_text(struct report *r, struct journal_large **large)
{
	int ret;

	if (buf_len(&r->text) <= JOURNAL_INLINE_MAX)
		return 0;
	ret = spool_large_new(r->owed->queue->spool, large);
	return ret ? ret : journal_large_write(*large, buf_data(&r->text), buf_len(&r->text));
}

/* The report and what it is about go into the same batch. */
static int
store(struct report *r, struct message *m, const struct items *l)
{
	struct queue *q = r->owed->queue;
	struct journal_large *large = NULL;
	struct str text = str_from(buf_data(&r->text), buf_len(&r->text));
	int ret = large_text(r, &large);

	if (ret == 0)
		ret = spool_add(q->spool, &r->envelope, queue_now(q), STR(""),
		    large ? STR("") : text, &large, r);
	if (ret != 0) {
		journal_large_abort(&large);
		return ret;
	}
	r->stored = true;
	spool_inside(q->spool);
	mark(r, m, l);
	return 0;
}

static void
make(struct report *r, struct message *m, struct str to, const struct ipc_address_targets *targets)
{
	struct dsn_result result = { 0 };
	struct items l = { 0 };
	int ret = build(r, m, &result, &l);

	if (ret == JOURNAL_DAMAGED || ret == JOURNAL_GONE || ret == JOURNAL_LIMIT) {
		/* Only its envelope is needed to know that; the report would be about nothing. */
		drop(r, journal_strerror(ret));
	} else if (ret == 0 && l.count == 0) {
		drop(r, "nobody wants to know");
	} else if (ret == 0 && address_it(r, to, targets, &result) != 0) {
		drop(r, "too many targets");
	} else {
		if (ret == 0)
			ret = store(r, m, &l);
		if (ret != 0)
			put_off(r, journal_strerror(ret));
	}
	items_free(&l);
}

static void
on_targets(void *arg, const struct ipc_address_targets *targets)
{
	struct report *r = arg;
	struct spool *s = r->owed->queue->spool;
	struct message *m = spool_find(s, r->number);
	struct journal_record record;
	char to[512];
	struct envelope e;

	if (m == NULL) {
		report_free(r);
	} else if (targets->result == IPC_NO || targets->result == IPC_INVALID ||
		   targets->result == IPC_DENIED) {
		drop(r, "there is no such sender");
	} else if (targets->result != IPC_OK && targets->result != IPC_NOT_LOCAL) {
		put_off(r, "whose the reverse-path is cannot be found out");
	} else if (spool_read(s, m, &e, &record, NULL) != 0 || e.reverse_path.n > sizeof(to)) {
		put_off(r, "the message cannot be read");
	} else {
		memcpy(to, e.reverse_path.p, e.reverse_path.n);
		make(r, m, str_from(to, e.reverse_path.n), targets);
	}
}

/* The kind of report that is owed next; false: none. */
static bool
next_kind(struct owed *o, const struct message *m, enum dsn_kind *kind, bool *delay)
{
	*delay = false;
	for (size_t k = 0; k < KINDS; k++)
		if (owes(m, kinds[k].state)) {
			*kind = kinds[k].kind;
			return true;
		}
	*kind = DSN_DELAYED;
	*delay = map_get(o->delayed, m->number) != NULL && m->pending > 0;
	return *delay;
}

static void
begin(struct owed *o, struct message *m)
{
	struct report *r;
	enum dsn_kind kind;
	struct journal_record record;
	struct envelope e;
	char to[512];
	bool delay;

	if (!next_kind(o, m, &kind, &delay)) {
		m->owed = false;
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->cookie.stored = on_stored;
	r->owed = o;
	r->number = m->number;
	r->kind = kind;
	r->delay = delay;
	buf_init(&r->text, DSN_MESSAGE_MAX);
	envelope_writer_init(&r->envelope);
	LIST_INSERT_HEAD(&o->reports, r, link);
	o->busy++;
	if (spool_read(o->queue->spool, m, &e, &record, NULL) != 0 ||
	    e.reverse_path.n > sizeof(to)) {
		put_off(r, "the message cannot be read");
	} else if (e.reverse_path.n == 0) {
		drop(r, "null reverse-path");
	} else {
		memcpy(to, e.reverse_path.p, e.reverse_path.n);
		ask_targets(o->queue->ask, str_from(to, e.reverse_path.n), on_targets, r);
	}
}

static void
on_timer(void *arg)
{
	struct owed *o = arg;

	for (int i = 0; i < OWED_TURN && o->at < o->count && o->busy < OWED_BUSY_MAX; i++) {
		struct message *m = spool_find(o->queue->spool, o->numbers[o->at++]);

		if (m)
			begin(o, m);
	}
	if (o->at == o->count)
		o->at = o->count = 0;
	else
		io_timer_set(o->timer, 1);
}

/* All messages are looked at: this comes after failures only. */
static void
on_again(void *arg)
{
	struct owed *o = arg;
	struct message *m;

	TAILQ_FOREACH(m, spool_by_age(o->queue->spool), age_link) {
		owed_message(o, m);
		if (map_get(o->delayed, m->number))
			owed_add(o, m);
	}
}

void
owed_gone(struct owed *o, struct message *m)
{
	map_del(o->delayed, m->number);
}

struct owed *
owed_new(struct queue *q)
{
	struct owed *o = xcalloc(1, sizeof(*o));

	o->queue = q;
	LIST_INIT(&o->reports);
	o->delayed = map_new();
	o->timer = io_timer_new(q->loop, on_timer, o);
	o->again = io_timer_new(q->loop, on_again, o);
	return o;
}

void
owed_free(struct owed **op)
{
	struct owed *o = *op;
	struct report *r;

	if (o == NULL)
		return;
	while ((r = LIST_FIRST(&o->reports)) != NULL)
		report_free(r);
	map_free(&o->delayed);
	free(o->numbers);
	io_timer_free(&o->timer);
	io_timer_free(&o->again);
	free(o);
	*op = NULL;
}
