/* SPDX-License-Identifier: ISC */
/*
 * Which delivery to another server is tried when. Each domain has a struct destination (with a
 * smarthost there is one for all); they know nothing of each other, so that a dead one delays nobody.
 *
 * A destination with deliveries that are ready is
 *
 *	runnable  in one of three lists, by what is known of it: REACHED, NEW (never tried), FAILED
 *	busy      it has as many jobs as its window allows; the end of one makes it runnable
 *	away      it could not be reached; at again_ms it is runnable, with a window of one
 *
 * The window begins with one and grows by one with each job that succeeds. Jobs of FAILED
 * destinations take at most half of all, NEW and FAILED together three quarters, so that the rest
 * is always there for those that answer. A delivery that failed for now waits in its destination's
 * heap; destinations that wait for a time, in one heap. No event looks at more than it is about.
 *
 * A slot is free again when the job has ended and its results are on stable storage: a crash repeats
 * what was in flight, and that is at most jobs_max transactions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "mail/address.h"
#include "queue/job.h"
#include "queue/queue_priv.h"

enum {
	/* Messages in a row for a destination that others wait behind: its connection is kept
	 * that long. */
	STREAK_MAX = 20,
	/* The clock is looked at again after this, whatever was computed. */
	LOOK_MS = 60000,
	/* Results wait this long for others before they are committed together. */
	COMMIT_MS = 10,
	COMMIT_RESULTS = 64,
	FAILED_COMMIT_MS = 1000, /* a commit that failed is tried again after this */
	/* After delivery ended in the middle: sooner than after an answer of a server. */
	BROKEN_MS = 10000,
};

struct destination {
	struct destination *same_hash;
	size_t refs; /* deliveries that name it */
	TAILQ_ENTRY(destination) run;
	struct heap_node wake;
	struct delivery_list ready;
	struct heap later;
	unsigned jobs, window, failures, streak;
	uint64_t again_ms;
	enum destination_class class;
	bool runs, wakes;        /* in a list; in the heap */
	struct job_answer *last; /* why it is away */
	char domain[];
};
TAILQ_HEAD(destination_list, destination);

struct remote {
	struct queue *queue;
	struct ipc_channel *ch;
	struct map *destinations; /* by hash of the domain */
	struct destination *smarthost;
	struct destination_list runnable[CLASS__MAX];
	struct heap wake;
	struct io_timer *timer, *commit;
	struct map *jobs; /* by id */
	struct job_list sending;
	uint64_t last_id, random;
	unsigned running[CLASS__MAX];
	unsigned unsure; /* jobs that have ended and whose results are not on disk */
	unsigned turn;
	bool pumping;
};

static void pump(struct remote *o);

/* --- destinations ------------------------------------------------------------------------------ */
static uint64_t
hash(struct str s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * UINT64_C(1099511628211);
	return h;
}

static struct destination *
destination_find(const struct remote *o, struct str domain)
{
	struct destination *to = map_get(o->destinations, hash(domain));

	while (to && !str_eq(str_of(to->domain), domain))
		to = to->same_hash;
	return to;
}

static struct destination *
destination_get(struct remote *o, struct str domain)
{
	struct destination *to = destination_find(o, domain);

	if (to)
		return to;
	to = xcalloc(1, sizeof(*to) + domain.n + 1);
	memcpy(to->domain, domain.p, domain.n);
	to->class = CLASS_NEW;
	to->window = 1;
	TAILQ_INIT(&to->ready);
	to->same_hash = map_put(o->destinations, hash(domain), to);
	return to;
}

/* What is behind the last '@'; the address is in normal form. */
static struct str
domain_of(struct str address)
{
	size_t at = address.n;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	return str_from(address.p + at, address.n - at);
}

struct destination *
remote_destination(struct remote *o, struct str address)
{
	struct destination *to = destination_get(o, domain_of(address));

	to->refs++;
	return to;
}

static void
destination_free(struct destination *to)
{
	free(to->last);
	free(to);
}

static void
leave_lists(struct remote *o, struct destination *to)
{
	if (to->runs)
		TAILQ_REMOVE(&o->runnable[to->class], to, run);
	if (to->wakes)
		heap_remove(&o->wake, &to->wake);
	to->runs = to->wakes = false;
}

static void
destination_forget(struct remote *o, struct destination *to)
{
	uint64_t h = hash(str_of(to->domain));
	struct destination *first = map_get(o->destinations, h), *d = first;

	if (to->jobs > 0 || to == o->smarthost)
		return;
	leave_lists(o, to);
	if (first == to) {
		map_del(o->destinations, h);
		if (to->same_hash)
			map_put(o->destinations, h, to->same_hash);
	} else {
		while (d->same_hash != to)
			d = d->same_hash;
		d->same_hash = to->same_hash;
	}
	destination_free(to);
}

void
remote_destination_done(struct remote *o, struct destination *to)
{
	if (--to->refs == 0)
		destination_forget(o, to);
}

/* Where the delivery waits. */
static struct destination *
place_of(const struct remote *o, const struct delivery *d)
{
	return o->smarthost ? o->smarthost : d->destination;
}

/* --- time -------------------------------------------------------------------------------------- */
static uint64_t
now_ms(const struct remote *o)
{
	return queue_now(o->queue);
}

/* 3/4 to 5/4 of ms. */
static uint64_t
jitter(struct remote *o, uint64_t ms)
{
	o->random ^= o->random << 13;
	o->random ^= o->random >> 7;
	o->random ^= o->random << 17;
	return ms - ms / 4 + o->random % (ms / 2 + 1);
}

static uint64_t
back_off(struct remote *o, unsigned failures)
{
	const struct queue_options *opt = &o->queue->options;
	uint64_t ms = opt->remote_retry_min_ms;

	while (--failures > 0 && ms < opt->remote_retry_max_ms)
		ms *= 2;
	return jitter(o, ms < opt->remote_retry_max_ms ? ms : opt->remote_retry_max_ms);
}

/* A time that far ahead was not computed from this clock: it was set back since. */
static bool
is_due(const struct remote *o, uint64_t key, uint64_t now)
{
	return key <= now || key - now > 2 * o->queue->options.remote_retry_max_ms;
}

static void
set_timer(struct remote *o)
{
	struct heap_node *first = heap_first(&o->wake);
	uint64_t now = now_ms(o), ms = LOOK_MS;

	if (first == NULL) {
		io_timer_stop(o->timer);
		return;
	}
	if (is_due(o, first->key, now))
		ms = 0;
	else if (first->key - now < ms)
		ms = first->key - now;
	io_timer_set(o->timer, ms);
}

/* --- lists ------------------------------------------------------------------------------------- */
/* When there will be something to do for it without anything else happening; 0: never. */
static uint64_t
next_time(const struct destination *to, uint64_t now)
{
	const struct heap_node *first = heap_first(&to->later);
	uint64_t t = first ? first->key : 0;

	if (!TAILQ_EMPTY(&to->ready) && to->again_ms > now && (t == 0 || to->again_ms < t))
		t = to->again_ms;
	return t;
}

/* Puts it where it belongs after anything changed. hot: its turn is next, for a connection is open. */
static void
place(struct remote *o, struct destination *to, bool hot)
{
	uint64_t now = now_ms(o), t = next_time(to, now);
	bool runs = !TAILQ_EMPTY(&to->ready) && to->jobs < to->window && to->again_ms <= now;

	if (to->runs && (!runs || hot)) {
		TAILQ_REMOVE(&o->runnable[to->class], to, run);
		to->runs = false;
	}
	if (runs && !to->runs) {
		if (hot)
			TAILQ_INSERT_HEAD(&o->runnable[to->class], to, run);
		else
			TAILQ_INSERT_TAIL(&o->runnable[to->class], to, run);
		to->runs = true;
	}
	if (to->wakes && t != to->wake.key) {
		heap_remove(&o->wake, &to->wake);
		to->wakes = false;
	}
	if (t != 0 && !to->wakes) {
		heap_add(&o->wake, &to->wake, t);
		to->wakes = true;
		if (heap_first(&o->wake) == &to->wake)
			set_timer(o);
	}
}

static void
set_class(struct remote *o, struct destination *to, enum destination_class class)
{
	if (to->runs)
		TAILQ_REMOVE(&o->runnable[to->class], to, run);
	to->runs = false;
	to->class = class;
}

static void
wait_ready(struct remote *o, struct delivery *d)
{
	d->phase = PHASE_WAIT;
	TAILQ_INSERT_TAIL(&place_of(o, d)->ready, d, link);
}

static void
wait_later(struct remote *o, struct delivery *d, uint64_t due_ms)
{
	d->phase = PHASE_LATER;
	heap_add(&place_of(o, d)->later, &d->later, due_ms);
}

/* Out of its list, if it is in one. */
static void
wait_no_more(struct remote *o, struct delivery *d)
{
	if (d->phase == PHASE_WAIT)
		TAILQ_REMOVE(&place_of(o, d)->ready, d, link);
	else if (d->phase == PHASE_LATER)
		heap_remove(&place_of(o, d)->later, &d->later);
	d->phase = PHASE_NONE;
}

/* --- the end of a delivery --------------------------------------------------------------------- */
static void
settle(struct remote *o, struct delivery *d, enum delivery_state state)
{
	wait_no_more(o, d);
	d->phase = PHASE_SETTLED;
	spool_settle(o->queue->spool, d, state);
	queue_busy(o->queue);
}

static void
log_answer(const struct delivery *d, const char *event, const struct answer *a)
{
	char id[QUEUE_ID_SIZE];

	log_info(queue_id_print(id, d->message->number),
	    "event=%s delivery=%u domain=\"%s\" relay=\"%s\" code=%u status=\"%s\" text=\"%s\"",
	    event, (unsigned)(d - d->message->delivery), LOGS(str_of(d->destination->domain)),
	    LOGS(a->remote), a->code, LOGS(a->enhanced), LOGS(a->text));
}

static void
fail(struct remote *o, struct delivery *d, bool told, const struct answer *a)
{
	told = told && !d->message->removed;
	log_answer(d, told ? "failed" : "dropped", a);
	spool_note(o->queue->spool, d, a, 0);
	settle(o, d, told ? DELIVERY_FAILED : DELIVERY_DONE);
}

/* It failed for now. */
static void
defer(struct remote *o, struct delivery *d, const struct answer *a, uint64_t due_ms)
{
	uint64_t age = now_ms(o) - d->message->arrival_ms;

	log_answer(d, "deferred", a);
	if (now_ms(o) >= d->message->arrival_ms && age >= o->queue->options.expire_after_ms) {
		queue_expire(o->queue, d, a);
		return;
	}
	spool_note(o->queue->spool, d, a, due_ms);
	if ((d->message->flags & MESSAGE_HELD) == 0) {
		wait_later(o, d, due_ms);
		return;
	}
	d->phase = PHASE_NONE;
	d->later.key = 0;
}

/* --- jobs -------------------------------------------------------------------------------------- */
static unsigned
all_running(const struct remote *o)
{
	return o->running[CLASS_REACHED] + o->running[CLASS_NEW] + o->running[CLASS_FAILED];
}

static bool
has_slot(const struct remote *o, enum destination_class class)
{
	unsigned max = o->queue->options.jobs_max;
	unsigned unproved = o->running[CLASS_NEW] + o->running[CLASS_FAILED];

	if (TAILQ_EMPTY(&o->runnable[class]) || all_running(o) + o->unsure >= max)
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

		if (d->target != TARGET_REMOTE || d->phase != PHASE_WAIT || place_of(o, d) != to ||
		    !envelope_recipient_at(&e, &c, index, &r))
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

	a.time_ms = now_ms(o);
	log_error(NULL, "event=unreadable reason=\"%s\"", journal_strerror(r));
	if (a.result == IPC_NO)
		fail(o, d, true, &a);
	else
		defer(o, d, &a, now_ms(o) + back_off(o, ++d->tries));
}

static void
begin(struct remote *o, struct destination *to)
{
	struct delivery *d[JOB_RECIPIENTS_MAX];
	uint32_t n = gather(o, to, d);
	struct job *j = job_new(++o->last_id, to, n);
	int r;

	for (uint32_t i = 0; i < n; i++) {
		wait_no_more(o, d[i]);
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

static void
pump(struct remote *o)
{
	struct destination *to;

	if (o->pumping)
		return;
	o->pumping = true;
	while (o->ch && ipc_channel_pending(o->ch) < IPC_OUT_LOW &&
	       (to = next_destination(o)) != NULL) {
		begin(o, to);
		/* To the end of its list, if its window allows one more. */
		set_class(o, to, to->class);
		place(o, to, false);
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

	log_answer(d, "sent", a);
	if (tell || d->message->deliveries > 1)
		spool_note(o->queue->spool, d, a, 0);
	settle(o, d, tell ? DELIVERY_RELAYED : DELIVERY_DONE);
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
		fail(o, i->delivery, told(j, i, DSN_FAILED), a);
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
		.time_ms = now_ms(o),
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
	to->again_ms = now_ms(o) + back_off(o, to->failures);
	set_class(o, to, CLASS_FAILED);
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
		set_class(o, to, CLASS_REACHED);
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
			settle(o, item->delivery, DELIVERY_DONE);
		else
			defer(o, item->delivery, &item->later->answer, due_ms);
	}
}

static void
answer_rest(struct remote *o, struct job *j, const char *why)
{
	struct answer a = { .result = IPC_TEMP, .time_ms = now_ms(o), .text = str_of(why) };

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
	place(o, to, hot);
	if (to->refs == 0)
		destination_forget(o, to);
	pump(o);
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
	due = to->again_ms ? to->again_ms : now_ms(o) + back_off(o, most_tries(j));
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
		uint64_t now = now_ms(o), soon;

		answer_rest(o, j, "delivery ended before the result was known");
		soon = back_off(o, most_tries(j));
		defer_items(o, j, now + (soon < BROKEN_MS ? soon : jitter(o, BROKEN_MS)));
		job_end(o, j);
		destination_next(o, to);
	}
}

static void
on_drained(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	send_content(arg);
	pump(arg);
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
	pump(o);
}

/* --- commits ----------------------------------------------------------------------------------- */
static void
on_commit(void *arg)
{
	struct remote *o = arg;

	if (o->unsure > 0)
		spool_commit(o->queue->spool);
	if (o->unsure > 0)
		io_timer_set(o->commit, FAILED_COMMIT_MS);
	ipc_flush_all();
}

bool
remote_commit_wanted(const struct remote *o)
{
	return o->unsure >= COMMIT_RESULTS ||
	       (o->unsure > 0 && all_running(o) + o->unsure >= o->queue->options.jobs_max);
}

void
remote_committed(struct remote *o)
{
	if (o->unsure == 0)
		return;
	o->unsure = 0;
	io_timer_stop(o->commit);
	pump(o);
}

/* --- time passes ------------------------------------------------------------------------------- */
static void
wake(struct remote *o, struct destination *to, uint64_t now)
{
	struct heap_node *first;

	heap_remove(&o->wake, &to->wake);
	to->wakes = false;
	while ((first = heap_first(&to->later)) != NULL && is_due(o, first->key, now)) {
		struct delivery *d = heap_entry(first, struct delivery, later);

		heap_remove(&to->later, first);
		wait_ready(o, d);
	}
	if (to->again_ms && is_due(o, to->again_ms, now))
		to->again_ms = 0;
	place(o, to, false);
}

void
remote_time_passed(struct remote *o)
{
	uint64_t now = now_ms(o);
	struct heap_node *first;

	while ((first = heap_first(&o->wake)) != NULL && is_due(o, first->key, now))
		wake(o, heap_entry(first, struct destination, wake), now);
	set_timer(o);
	pump(o);
}

static void
on_timer(void *arg)
{
	remote_time_passed(arg);
}

/* --- messages ---------------------------------------------------------------------------------- */
void
remote_message(struct remote *o, struct message *m)
{
	uint64_t now = now_ms(o), most = now + 2 * o->queue->options.remote_retry_max_ms;

	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];
		uint64_t due = d->later.key;

		if (d->state != DELIVERY_PENDING || d->target != TARGET_REMOTE ||
		    (m->flags & MESSAGE_HELD) || d->phase != PHASE_NONE)
			continue;
		if (due > now && due < most)
			wait_later(o, d, due);
		else
			wait_ready(o, d);
		place(o, place_of(o, d), false);
	}
	pump(o);
}

void
remote_hold(struct remote *o, struct delivery *d)
{
	struct destination *to = place_of(o, d);

	if (d->phase != PHASE_WAIT && d->phase != PHASE_LATER)
		return;
	wait_no_more(o, d);
	d->later.key = 0;
	place(o, to, false);
}

void
remote_retry(struct remote *o, struct delivery *d)
{
	struct destination *to = place_of(o, d);

	if (d->phase == PHASE_LATER) {
		wait_no_more(o, d);
		wait_ready(o, d);
	}
	to->again_ms = 0;
	place(o, to, false);
	pump(o);
}

size_t
remote_retry_domain(struct remote *o, struct str domain)
{
	struct destination *to = destination_find(o, domain);
	struct heap_node *first;
	struct delivery *d;
	size_t n = 0;

	if (to == NULL)
		return 0;
	while ((first = heap_first(&to->later)) != NULL) {
		heap_remove(&to->later, first);
		wait_ready(o, heap_entry(first, struct delivery, later));
	}
	TAILQ_FOREACH(d, &to->ready, link)
		n++;
	to->again_ms = 0;
	place(o, to, false);
	pump(o);
	return n;
}

void
remote_settle(struct remote *o, struct delivery *d, enum delivery_state state)
{
	struct destination *to = place_of(o, d);

	settle(o, d, state);
	place(o, to, false);
}

/* The jobs of a message that is to be removed; few messages have more than one. */
void
remote_cancel(struct remote *o, const struct message *m)
{
	struct job *j;
	size_t it = 0;

	while ((j = map_next(o->jobs, &it, NULL)) != NULL)
		if (j->number == m->number && o->ch)
			job_cancel(j, o->ch);
}

const struct answer *
remote_why(const struct remote *o, const struct delivery *d)
{
	const struct destination *to = place_of(o, d);

	return to->last ? &to->last->answer : NULL;
}

void
remote_view(const struct remote *o, const struct delivery *d, struct delivery_view *v)
{
	const struct destination *to = place_of(o, d);

	v->domain = d->destination->domain;
	if (d->phase == PHASE_LATER)
		v->due_ms = d->later.key;
	else if (d->phase == PHASE_WAIT && to->again_ms > now_ms(o))
		v->due_ms = to->again_ms;
}

/* --- life -------------------------------------------------------------------------------------- */
struct remote *
remote_new(struct queue *q)
{
	struct remote *o = xcalloc(1, sizeof(*o));

	o->queue = q;
	o->destinations = map_new();
	o->jobs = map_new();
	TAILQ_INIT(&o->sending);
	for (int i = 0; i < CLASS__MAX; i++)
		TAILQ_INIT(&o->runnable[i]);
	o->timer = io_timer_new(q->loop, on_timer, o);
	o->commit = io_timer_new(q->loop, on_commit, o);
	o->random = (queue_now(q) ^ (uint64_t)getpid() << 32) | 1;
	if (q->options.smarthost[0] != '\0') {
		/* A name that no domain has. */
		o->smarthost = destination_get(o, STR("@smarthost"));
		o->smarthost->refs = 1;
	}
	return o;
}

void
remote_free(struct remote **op)
{
	struct remote *o = *op;
	struct destination *to, *next;
	struct job *j;
	uint64_t key;
	size_t it = 0;

	if (o == NULL)
		return;
	ipc_channel_free(&o->ch);
	while ((j = map_next(o->jobs, &it, &key)) != NULL) {
		map_del(o->jobs, key);
		job_free(j);
	}
	it = 0;
	while ((to = map_next(o->destinations, &it, NULL)) != NULL)
		for (; to; to = next) {
			next = to->same_hash;
			destination_free(to);
		}
	map_free(&o->jobs);
	map_free(&o->destinations);
	io_timer_free(&o->timer);
	io_timer_free(&o->commit);
	free(o);
	*op = NULL;
}
