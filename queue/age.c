/* SPDX-License-Identifier: ISC */
/*
 * Mail that grows old: its sender is warned, later it is returned. Messages stand in the order of
 * their arrival, and two places in that order move forward as time passes; nothing is searched. What
 * is on its way at that moment is looked at when it comes back (remote.c, deliver.c).
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "queue/job.h"
#include "queue/queue_priv.h"

enum {
	/* The ages are hours; tests have seconds. */
	AGE_LOOK_MIN_MS = 500,
	AGE_LOOK_MAX_MS = 60000,
};

struct age {
	struct queue *queue;
	/* Nothing before these is left to warn of, or to return. NULL: all was looked at. */
	struct message *warn, *expire;
	struct io_timer *timer;
};

static bool
is_older(const struct age *a, const struct message *m, uint64_t ms)
{
	uint64_t now = queue_now(a->queue);

	return now >= m->arrival_ms && now - m->arrival_ms >= ms;
}

static const struct answer too_old = {
	.result = IPC_NO, .enhanced = { "4.4.7", 5 }, .text = { "it was tried for too long", 25 }
};

/* The last answer says why; without one it is the time. */
void
queue_expire(struct queue *q, struct delivery *d, const struct answer *last)
{
	struct answer a = last && last->text.n > 0 ? *last : too_old;
	char id[QUEUE_ID_SIZE];
	bool told = queue_tells(q, d, DSN_FAILED);

	log_info(queue_id_print(id, d->message->number), "event=expired delivery=%u",
	    (unsigned)(d - d->message->delivery));
	spool_note(q->spool, d, &a, 0);
	if (d->target == TARGET_REMOTE)
		remote_settle(q->remote, d, told ? DELIVERY_FAILED : DELIVERY_DONE);
	else
		deliverer_settle(q->deliverer, d, told ? DELIVERY_FAILED : DELIVERY_DONE);
}

static void
expire_waiting(struct queue *q, struct delivery *d)
{
	const struct answer *why = d->target == TARGET_REMOTE ? remote_why(q->remote, d) : NULL;
	struct note n;

	if (spool_note_read(q->spool, d, &n)) {
		struct job_answer *kept = job_answer_new(&n.answer);

		queue_expire(q, d, &kept->answer);
		free(kept);
		return;
	}
	queue_expire(q, d, why);
}

static void
expire(struct age *a, struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];

		if (d->state == DELIVERY_PENDING && d->phase != PHASE_SENT)
			expire_waiting(a->queue, d);
	}
}

static void
look(struct age *a)
{
	const struct queue_options *o = &a->queue->options;
	struct message *m;

	while (a->expire && is_older(a, a->expire, o->expire_after_ms)) {
		m = a->expire;
		a->expire = TAILQ_NEXT(m, age_link);
		if ((m->flags & MESSAGE_HELD) == 0)
			expire(a, m);
	}
	while (a->warn && o->warn_after_ms > 0 && is_older(a, a->warn, o->warn_after_ms)) {
		m = a->warn;
		a->warn = TAILQ_NEXT(m, age_link);
		if ((m->flags & (MESSAGE_HELD | MESSAGE_WARNED)) == 0 && m->pending > 0)
			owed_delay(a->queue->owed, m);
	}
}

/* A tenth of the shorter time is exact enough. */
static void
set_timer(struct age *a)
{
	const struct queue_options *o = &a->queue->options;
	uint64_t ms = o->expire_after_ms;

	if (o->warn_after_ms > 0 && o->warn_after_ms < ms)
		ms = o->warn_after_ms;
	ms /= 10;
	if (ms < AGE_LOOK_MIN_MS)
		ms = AGE_LOOK_MIN_MS;
	if (a->warn || a->expire)
		io_timer_set(a->timer, ms < AGE_LOOK_MAX_MS ? ms : AGE_LOOK_MAX_MS);
	else
		io_timer_stop(a->timer);
}

void
age_time_passed(struct age *a)
{
	look(a);
	set_timer(a);
}

static void
on_timer(void *arg)
{
	age_time_passed(arg);
}

void
age_message(struct age *a, struct message *m)
{
	if (a->warn == NULL)
		a->warn = m;
	if (a->expire == NULL)
		a->expire = m;
	if (!io_timer_pending(a->timer))
		set_timer(a);
}

void
age_gone(struct age *a, struct message *m)
{
	if (a->warn == m)
		a->warn = TAILQ_NEXT(m, age_link);
	if (a->expire == m)
		a->expire = TAILQ_NEXT(m, age_link);
}

void
age_again(struct age *a, struct message *m)
{
	if (a->warn == NULL || m->number < a->warn->number)
		a->warn = m;
	if (a->expire == NULL || m->number < a->expire->number)
		a->expire = m;
	if (!io_timer_pending(a->timer))
		set_timer(a);
}

struct age *
age_new(struct queue *q)
{
	struct age *a = xcalloc(1, sizeof(*a));

	a->queue = q;
	a->timer = io_timer_new(q->loop, on_timer, a);
	return a;
}

void
age_free(struct age **ap)
{
	struct age *a = *ap;

	if (a == NULL)
		return;
	io_timer_free(&a->timer);
	free(a);
	*ap = NULL;
}
