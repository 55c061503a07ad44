/* SPDX-License-Identifier: ISC */
/*
 * Deliveries to other servers: what queue's other parts may do with them. destination.c knows which
 * is tried when, transfer.c what is on its way.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/remote_priv.h"

enum {
	COMMIT_RESULTS = 64,     /* results that are not waited behind any longer */
	FAILED_COMMIT_MS = 1000, /* a commit that failed is tried again after this */
};

/* --- the end of a delivery --------------------------------------------------------------------- */
void
delivery_settle(struct remote *o, struct delivery *d, enum delivery_state state)
{
	delivery_wait_no_more(o, d);
	d->phase = PHASE_SETTLED;
	spool_settle(o->queue->spool, d, state);
	queue_busy(o->queue);
}

void
delivery_log(const struct delivery *d, const char *event, const struct answer *a)
{
	char id[QUEUE_ID_SIZE];

	log_info(queue_id_print(id, d->message->number),
	    "event=%s delivery=%u domain=\"%s\" relay=\"%s\" code=%u status=\"%s\" text=\"%s\"",
	    event, (unsigned)(d - d->message->delivery), LOGS(str_of(d->destination->domain)),
	    LOGS(a->remote), a->code, LOGS(a->enhanced), LOGS(a->text));
}

void
delivery_fail(struct remote *o, struct delivery *d, bool told, const struct answer *a)
{
	told = told && !d->message->removed;
	delivery_log(d, told ? "failed" : "dropped", a);
	spool_note(o->queue->spool, d, a, 0);
	delivery_settle(o, d, told ? DELIVERY_FAILED : DELIVERY_DONE);
}

/* It failed for now. */
void
delivery_defer(struct remote *o, struct delivery *d, const struct answer *a, uint64_t due_ms)
{
	uint64_t age = remote_now(o) - d->message->arrival_ms;

	delivery_log(d, "deferred", a);
	if (remote_now(o) >= d->message->arrival_ms && age >= o->queue->options.expire_after_ms) {
		queue_expire(o->queue, d, a);
		return;
	}
	spool_note(o->queue->spool, d, a, due_ms);
	if ((d->message->flags & MESSAGE_HELD) == 0) {
		delivery_wait_later(o, d, due_ms);
		return;
	}
	d->phase = PHASE_NONE;
	d->later.key = 0;
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
	       (o->unsure > 0 && remote_running(o) + o->unsure >= o->queue->options.jobs_max);
}

void
remote_committed(struct remote *o)
{
	if (o->unsure == 0)
		return;
	o->unsure = 0;
	io_timer_stop(o->commit);
	remote_pump(o);
}

/* --- messages ---------------------------------------------------------------------------------- */
void
remote_message(struct remote *o, struct message *m)
{
	uint64_t now = remote_now(o), most = now + 2 * o->queue->options.remote_retry_max_ms;

	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];
		uint64_t due = d->later.key;

		if (d->state != DELIVERY_PENDING || d->target != TARGET_REMOTE ||
		    (m->flags & MESSAGE_HELD) || d->phase != PHASE_NONE)
			continue;
		if (due > now && due < most)
			delivery_wait_later(o, d, due);
		else
			delivery_wait_ready(o, d);
		destination_place(o, delivery_place(o, d), false);
	}
	remote_pump(o);
}

void
remote_hold(struct remote *o, struct delivery *d)
{
	struct destination *to = delivery_place(o, d);

	if (d->phase != PHASE_WAIT && d->phase != PHASE_LATER)
		return;
	delivery_wait_no_more(o, d);
	d->later.key = 0;
	destination_place(o, to, false);
}

void
remote_retry(struct remote *o, struct delivery *d)
{
	struct destination *to = delivery_place(o, d);

	if (d->phase == PHASE_LATER) {
		delivery_wait_no_more(o, d);
		delivery_wait_ready(o, d);
	}
	to->again_ms = 0;
	destination_place(o, to, false);
	remote_pump(o);
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
		delivery_wait_ready(o, heap_entry(first, struct delivery, later));
	}
	TAILQ_FOREACH(d, &to->ready, link)
		n++;
	to->again_ms = 0;
	destination_place(o, to, false);
	remote_pump(o);
	return n;
}

void
remote_settle(struct remote *o, struct delivery *d, enum delivery_state state)
{
	struct destination *to = delivery_place(o, d);

	delivery_settle(o, d, state);
	destination_place(o, to, false);
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
	const struct destination *to = delivery_place(o, d);

	return to->last ? &to->last->answer : NULL;
}

void
remote_view(const struct remote *o, const struct delivery *d, struct delivery_view *v)
{
	const struct destination *to = delivery_place(o, d);

	v->domain = d->destination->domain;
	if (d->phase == PHASE_LATER)
		v->due_ms = d->later.key;
	else if (d->phase == PHASE_WAIT && to->again_ms > remote_now(o))
		v->due_ms = to->again_ms;
}

/* --- life -------------------------------------------------------------------------------------- */
static void
on_timer(void *arg)
{
	remote_time_passed(arg);
}

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
