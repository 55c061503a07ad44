/* SPDX-License-Identifier: ISC */
/*
 * The jobs that delivery has: which destination gets the next one, the content on its way, the results.
 *
 * Jobs of FAILED destinations take at most half of all, NEW and FAILED together three quarters, so
 * that the rest is always there for those that answer. A slot is free again when the job has ended and
 * its results are on stable storage: a crash repeats what was in flight, and that is at most jobs_max
 * transactions.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "queue/remote_priv.h"

enum {
	/* Messages in a row for a destination that others wait behind: its connection is kept
	 * that long. */
	STREAK_MAX = 20,
	/* Results wait this long for others before they are committed together. */
	COMMIT_MS = 10,
	/* After delivery ended in the middle: sooner than after an answer of a server. */
	BROKEN_MS = 10000,
};

/* --- jobs -------------------------------------------------------------------------------------- */
unsigned
remote_running(const struct remote *o)
{
	return o->running[CLASS_REACHED] + o->running[CLASS_NEW] + o->running[CLASS_FAILED];
}

static bool
has_slot(const struct remote *o, enum destination_class class)
{
	unsigned max = o->queue->options.jobs_max;
	unsigned unproved = o->running[CLASS_NEW] + o->running[CLASS_FAILED];

	if (TAILQ_EMPTY(&o->runnable[class]) || remote_running(o) + o->unsure >= max)
		return false;
	if (class != CLASS_REACHED && unproved >= max - max / 4)
		return false;
	return class != CLASS_FAILED || o->running[CLASS_FAILED] < (max + 1) / 2;
}

/* The ready deliveries of the same message to the same place that can share a transaction with the
 * first, which is among them; they leave the list. */
static uint32_t
gather(struct remote *o, struct destination *to, struct delivery **out)
{
	struct delivery *first = TAILQ_FIRST(&to->ready);
	struct message *m = first->message;
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r, f = { 0 };
	struct journal_record record;
	struct envelope e;
	uint32_t n = 0, at = (uint32_t)(first - m->delivery);
	bool known = m->deliveries > 1 && spool_read(o->queue->spool, m, &e, &record, NULL) == 0 &&
		     envelope_recipient_at(&e, &c, envelope_recipient_of(&e, at), &f);
	uint32_t forwarded = known && f.from != envelope_recipient_of(&e, at) ? f.from : UINT32_MAX;

	out[n++] = first;
	for (uint32_t i = at + 1; known && i < m->deliveries && n < JOB_RECIPIENTS_MAX; i++) {
		struct delivery *d = &m->delivery[i];
		uint32_t index = envelope_recipient_of(&e, i);

		if (d->target != TARGET_REMOTE || d->phase != PHASE_WAIT ||
		    delivery_place(o, d) != to || !envelope_recipient_at(&e, &c, index, &r))
			continue;
		if ((r.from != index ? r.from : UINT32_MAX) == forwarded &&
		    str_eq(r.reverse_path, f.reverse_path))
			out[n++] = d;
	}
	return n;
}

static const struct answer damaged = { .result = IPC_NO, .text = { "damaged on disk", 15 } };
static const struct answer unreadable = { .result = IPC_TEMP,
	.text = { "the message cannot be read just now", 35 } };

static void
cannot_begin(struct remote *o, struct delivery *d, int r)
{
	struct answer a = r == JOURNAL_DAMAGED || r == JOURNAL_GONE ? damaged : unreadable;

	a.time_ms = remote_now(o);
	log_error(NULL, "event=unreadable reason=\"%s\"", journal_strerror(r));
	if (a.result == IPC_NO)
		delivery_fail(o, d, true, &a);
	else
		delivery_defer(o, d, &a, remote_now(o) + remote_back_off(o, ++d->tries));
}

static void
begin(struct remote *o, struct destination *to)
{
	struct delivery *d[JOB_RECIPIENTS_MAX];
	uint32_t n = gather(o, to, d);
	struct job *j = job_new(++o->last_id, to, n);
	int r;

	for (uint32_t i = 0; i < n; i++) {
		delivery_wait_no_more(o, d[i]);
		j->item[i].delivery = d[i];
	}
	/* With a smarthost the domain is that of the first recipient: delivery knows where to go. */
	r = job_begin(j, o->queue, o->ch, d[0]->destination->domain);
	if (r != 0) {
		for (uint32_t i = 0; i < n; i++)
			cannot_begin(o, d[i], r);
		job_free(j);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		d[i]->phase = PHASE_SENT;
	d[0]->message->attempts++;
	j->class = to->class;
	o->running[j->class]++;
	to->jobs++;
	map_put(o->jobs, j->id, j);
}

/* The next list that has a slot; those that were reached get every second one at least. */
static struct destination *
next_destination(struct remote *o)
{
	static const uint8_t order[][CLASS__MAX] = {
		{ CLASS_REACHED, CLASS_NEW, CLASS_FAILED },
		{ CLASS_NEW, CLASS_REACHED, CLASS_FAILED },
		{ CLASS_REACHED, CLASS_FAILED, CLASS_NEW },
		{ CLASS_FAILED, CLASS_NEW, CLASS_REACHED },
	};
	const uint8_t *class = order[o->turn++ % 4];

	for (int i = 0; i < CLASS__MAX; i++)
		if (has_slot(o, class[i]))
			return TAILQ_FIRST(&o->runnable[class[i]]);
	return NULL;
}

void
remote_pump(struct remote *o)
{
	struct destination *to;

	if (o->pumping)
		return;
	o->pumping = true;
	while (o->ch && ipc_channel_pending(o->ch) < IPC_OUT_LOW &&
	       (to = next_destination(o)) != NULL) {
		begin(o, to);
		/* To the end of its list, if its window allows one more. */
		destination_set_class(o, to, to->class);
		destination_place(o, to, false);
	}
	o->pumping = false;
}

/* --- content ----------------------------------------------------------------------------------- */
static void
send_stop(struct remote *o, struct job *j)
{
	if (j->sending)
		TAILQ_REMOVE(&o->sending, j, link);
	j->sending = false;
}

/* One piece for each job in turn, as the channel takes them. */
static void
send_content(struct remote *o)
{
	struct job *j;

	while (o->ch && ipc_channel_pending(o->ch) < IPC_OUT_LOW &&
	       (j = TAILQ_FIRST(&o->sending)) != NULL) {
		int r = job_can_send(j) ? job_piece(j, o->queue, o->ch) : 0;

		if (r != 0)
			log_error(NULL, "event=unreadable reason=\"%s\"", journal_strerror(r));
		send_stop(o, j);
		if (job_can_send(j)) {
			TAILQ_INSERT_TAIL(&o->sending, j, link);
			j->sending = true;
		}
	}
}

static void
on_want(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_want *m, int fd)
{
	struct remote *o = arg;
	struct job *j = map_get(o->jobs, id);

	(void)ch;
	(void)fd;
	if (j == NULL || j->ended)
		return;
	j->credit += m->bytes;
	if (j->sending || !job_can_send(j))
		return;
	TAILQ_INSERT_TAIL(&o->sending, j, link);
	j->sending = true;
	send_content(o);
}

/* --- results ----------------------------------------------------------------------------------- */
static bool
told(const struct job *j, const struct job_item *i, enum dsn_kind kind)
{
	return dsn_wanted(kind, i->notify, j->null_path);
}

static void
item_good(struct remote *o, struct job *j, struct job_item *i, const struct answer *a, bool dsn)
{
	struct delivery *d = i->delivery;
	bool tell = !dsn && told(j, i, DSN_RELAYED);

	delivery_log(d, "sent", a);
	if (tell || d->message->deliveries > 1)
		spool_note(o->queue->spool, d, a, 0);
	delivery_settle(o, d, tell ? DELIVERY_RELAYED : DELIVERY_DONE);
	j->good++;
	j->undone++;
}

static void
item_answer(struct remote *o, struct job *j, struct job_item *i, const struct answer *a, bool dsn)
{
	i->answered = true;
	j->answered++;
	i->delivery->tries += i->delivery->tries < UINT16_MAX;
	if (a->result == IPC_OK) {
		item_good(o, j, i, a, dsn);
	} else if (a->result == IPC_NO) {
		delivery_fail(o, i->delivery, told(j, i, DSN_FAILED), a);
		j->undone++;
	} else {
		i->later = job_answer_new(a);
	}
}

static void
on_result(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_result *m, int fd)
{
	struct remote *o = arg;
	struct job *j = map_get(o->jobs, id);
	struct answer a = {
		.result = m->result == IPC_OK || m->result == IPC_NO ? (enum ipc_result)m->result
								     : IPC_TEMP,
		.code = m->code,
		.time_ms = remote_now(o),
		.enhanced = m->enhanced,
		.text = m->text,
		.remote = m->remote,
	};

	(void)ch;
	(void)fd;
	if (j == NULL || j->ended || m->recipient >= j->count || j->item[m->recipient].answered) {
		log_error(NULL, "event=bad-answer from=delivery");
		return;
	}
	item_answer(o, j, &j->item[m->recipient], &a, m->dsn != 0);
}

/* --- the end of a job -------------------------------------------------------------------------- */
static void
unreached(struct remote *o, struct destination *to, const struct job_answer *why)
{
	to->failures++;
	to->window = 1;
	to->again_ms = remote_now(o) + remote_back_off(o, to->failures);
	destination_set_class(o, to, CLASS_FAILED);
	free(to->last);
	to->last = why ? job_answer_new(&why->answer) : NULL;
}

static void
reached(struct remote *o, struct destination *to, bool good)
{
	const unsigned max = o->queue->options.per_destination_max;

	to->failures = 0;
	to->again_ms = 0;
	if (to->class != CLASS_REACHED)
		destination_set_class(o, to, CLASS_REACHED);
	free(to->last);
	to->last = NULL;
	if (good && to->window < max)
		to->window++;
	else if (!good)
		to->window = (to->window + 1) / 2;
	if (to->window > max)
		to->window = max;
}

/* Those that were not taken wait, all until the same time: they share the next job, too. */
static void
defer_items(struct remote *o, struct job *j, uint64_t due_ms)
{
	for (uint32_t i = 0; i < j->count; i++) {
		struct job_item *item = &j->item[i];

		if (item->later == NULL)
			continue;
		if (item->delivery->message->removed)
			delivery_settle(o, item->delivery, DELIVERY_DONE);
		else
			delivery_defer(o, item->delivery, &item->later->answer, due_ms);
	}
}

static void
answer_rest(struct remote *o, struct job *j, const char *why)
{
	struct answer a = { .result = IPC_TEMP, .time_ms = remote_now(o), .text = str_of(why) };

	for (uint32_t i = 0; i < j->count; i++)
		if (!j->item[i].answered)
			item_answer(o, j, &j->item[i], &a, false);
}

static const struct job_answer *
first_later(const struct job *j)
{
	for (uint32_t i = 0; i < j->count; i++)
		if (j->item[i].later)
			return j->item[i].later;
	return NULL;
}

static unsigned
most_tries(const struct job *j)
{
	unsigned most = 1;

	for (uint32_t i = 0; i < j->count; i++)
		if (j->item[i].later && j->item[i].delivery->tries > most)
			most = j->item[i].delivery->tries;
	return most;
}

/* Its slot is free when its results are on disk. */
static void
job_end(struct remote *o, struct job *j)
{
	struct destination *to = j->to;

	send_stop(o, j);
	map_del(o->jobs, j->id);
	o->running[j->class]--;
	to->jobs--;
	if (j->undone > 0) {
		o->unsure++;
		if (!io_timer_pending(o->commit))
			io_timer_set(o->commit, COMMIT_MS);
	}
	job_free(j);
}

static void
destination_next(struct remote *o, struct destination *to)
{
	bool hot = to->class == CLASS_REACHED && ++to->streak < STREAK_MAX;

	if (!hot)
		to->streak = 0;
	destination_place(o, to, hot);
	if (to->refs == 0)
		destination_forget(o, to);
	remote_pump(o);
}

static void
on_done(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_done *m, int fd)
{
	struct remote *o = arg;
	struct job *j = map_get(o->jobs, id);
	struct destination *to;
	uint64_t due;

	(void)ch;
	(void)fd;
	if (j == NULL || j->ended) {
		log_error(NULL, "event=bad-answer from=delivery");
		return;
	}
	j->ended = true;
	to = j->to;
	answer_rest(o, j, "delivery gave no result");
	if (m->destination == IPC_OK || j->good > 0)
		reached(o, to, j->good > 0 || first_later(j) == NULL);
	else
		unreached(o, to, first_later(j));
	due = to->again_ms ? to->again_ms : remote_now(o) + remote_back_off(o, most_tries(j));
	defer_items(o, j, due);
	job_end(o, j);
	destination_next(o, to);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct remote *o = arg;
	struct job *j;
	size_t it;

	(void)ch;
	ipc_channel_free(&o->ch);
	while (it = 0, (j = map_next(o->jobs, &it, NULL)) != NULL) {
		struct destination *to = j->to;
		uint64_t now = remote_now(o), soon;

		answer_rest(o, j, "delivery ended before the result was known");
		soon = remote_back_off(o, most_tries(j));
		defer_items(o, j, now + (soon < BROKEN_MS ? soon : remote_jitter(o, BROKEN_MS)));
		job_end(o, j);
		destination_next(o, to);
	}
}

static void
on_drained(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	send_content(arg);
	remote_pump(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(job_want, on_want),
	IPC_ON(job_result, on_result),
	IPC_ON(job_done, on_done),
};
static const struct ipc_ops ops = {
	.handlers = handlers,
	.on_close = on_close,
	.on_drained = on_drained,
};

void
remote_peer(struct remote *o, int fd)
{
	if (o->ch)
		on_close(o, o->ch);
	o->ch = ipc_channel_new(o->queue->loop, fd, IPC_CH_delivery, IPC_CLIENT, &ops, o);
	remote_pump(o);
}
