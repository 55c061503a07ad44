/* SPDX-License-Identifier: ISC */
#include "queue/queue.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "queue/queue_priv.h"

enum {
	/* Done marks are on disk this long after the delivery, if nothing else is committed. */
	DONE_MS = 500,
	/* Compaction and space checks while the queue is in use. */
	TICK_MS = 100,
};

/* --- the spool's news -------------------------------------------------------------------------- */
static void
on_message(void *arg, struct message *m)
{
	struct queue *q = arg;

	age_message(q->age, m);
	deliverer_message(q->deliverer, m);
	remote_message(q->remote, m);
	owed_message(q->owed, m);
}

static void
on_settled(void *arg, struct delivery *d)
{
	struct queue *q = arg;

	if (d->target < TARGET_NOBODY)
		deliverer_settled(q->deliverer, d);
	if (d->state != DELIVERY_DONE)
		owed_add(q->owed, d->message);
}

static struct destination *
on_destination(void *arg, struct str address)
{
	struct queue *q = arg;

	return remote_destination(q->remote, address);
}

static void
on_destination_done(void *arg, struct destination *to)
{
	struct queue *q = arg;

	if (q->remote)
		remote_destination_done(q->remote, to);
}

static void
on_gone(void *arg, struct message *m)
{
	struct queue *q = arg;

	if (q->age)
		age_gone(q->age, m);
	if (q->owed)
		owed_gone(q->owed, m);
}

static void
on_committed(void *arg)
{
	struct queue *q = arg;

	if (q->remote)
		remote_committed(q->remote);
}

static void
on_stored(void *arg, void *cookie, int result, const struct message *m)
{
	struct queue *q = arg;
	struct stored_cookie *c = cookie;

	c->stored(q, c, result, m);
}

bool
queue_tells(struct queue *q, const struct delivery *d, enum dsn_kind kind)
{
	struct journal_record r;
	struct envelope e;

	/* What cannot be read is kept: somebody has to look at it. */
	return spool_read(q->spool, d->message, &e, &r, NULL) != 0 ||
	       report_wanted(&e, (uint32_t)(d - d->message->delivery), kind);
}

/* --- time -------------------------------------------------------------------------------------- */
uint64_t
queue_now(const struct queue *q)
{
	struct timespec ts;

	if (q->options.now_ms)
		return q->options.now_ms(q->options.arg);
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
queue_time_passed(struct queue *q)
{
	age_time_passed(q->age);
	remote_time_passed(q->remote);
}

static void
on_tick(void *arg)
{
	struct queue *q = arg;

	if (spool_tick(q->spool) || q->ticking)
		io_timer_set(q->tick, TICK_MS);
	q->ticking = false;
	accept_room(q->accept);
}

void
queue_busy(struct queue *q)
{
	q->ticking = true;
	if (!io_timer_pending(q->tick))
		io_timer_set(q->tick, TICK_MS);
}

static void
on_done_timer(void *arg)
{
	struct queue *q = arg;

	spool_commit(q->spool);
	queue_busy(q);
	ipc_flush_all();
}

static void
after_turn(void *arg)
{
	struct queue *q = arg;

	if (remote_commit_wanted(q->remote))
		spool_commit(q->spool);
	spool_turn(q->spool);
	accept_room(q->accept);
	if (spool_dirty(q->spool) && !io_timer_pending(q->done_timer))
		io_timer_set(q->done_timer, DONE_MS);
	ipc_flush_all();
}

/* --- life -------------------------------------------------------------------------------------- */
int
queue_new(struct io_loop *loop, int dirfd, const struct queue_options *o, struct queue **out)
{
	struct queue *q = xcalloc(1, sizeof(*q));
	struct spool_ops ops = {
		.on_message = on_message,
		.on_settled = on_settled,
		.on_stored = on_stored,
		.on_gone = on_gone,
		.destination = on_destination,
		.destination_done = on_destination_done,
		.on_committed = on_committed,
		.arg = q,
	};
	int r;

	*out = NULL;
	q->loop = loop;
	q->options = *o;
	LIST_INIT(&q->redirections);
	q->remote = remote_new(q);
	r = spool_open(dirfd, &o->spool, &ops, &q->spool);
	if (r != 0) {
		remote_free(&q->remote);
		free(q);
		return r;
	}
	q->ask = ask_new(q);
	q->owed = owed_new(q);
	q->age = age_new(q);
	q->done_timer = io_timer_new(loop, on_done_timer, q);
	q->tick = io_timer_new(loop, on_tick, q);
	q->accept = accept_new(q);
	q->deliverer = deliverer_new(q);
	q->admin = admin_new(q);
	io_loop_after_turn(loop, after_turn, q);
	spool_start(q->spool);
	queue_busy(q);
	*out = q;
	return 0;
}

void
queue_free(struct queue **qp)
{
	struct queue *q = *qp;

	if (q == NULL)
		return;
	spool_commit(q->spool);
	ipc_flush_all();
	admin_free(&q->admin);
	queue_redirections_end(q);
	owed_free(&q->owed);
	accept_free(&q->accept);
	ask_free(&q->ask);
	deliverer_free(&q->deliverer);
	age_free(&q->age);
	remote_free(&q->remote);
	spool_close(&q->spool);
	io_timer_free(&q->done_timer);
	io_timer_free(&q->tick);
	io_loop_after_turn_remove(q->loop, q);
	free(q);
	*qp = NULL;
}

void
queue_set_options(struct queue *q, const struct queue_options *o)
{
	q->options = *o;
	spool_set_limits(q->spool, &o->spool.limits);
	age_time_passed(q->age);
}

void
queue_accounts_peer(struct queue *q, int fd)
{
	ask_peer(q->ask, fd);
}

void
queue_delivery_peer(struct queue *q, int fd)
{
	remote_peer(q->remote, fd);
}

void
queue_accept_peer(struct queue *q, int fd)
{
	accept_peer(q->accept, fd);
}

void
queue_admin_peer(struct queue *q, int fd)
{
	admin_peer(q->admin, fd);
}

void
queue_mailbox_opened(struct queue *q, uint32_t account, enum ipc_result result, int fd)
{
	deliverer_opened(q->deliverer, account, result, fd);
}
