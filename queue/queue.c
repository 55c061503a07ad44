/* SPDX-License-Identifier: ISC */
#include "queue/queue.h"

#include <stdlib.h>

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

	deliverer_message(q->deliverer, m);
}

static void
on_settled(void *arg, struct delivery *d)
{
	struct queue *q = arg;

	deliverer_settled(q->deliverer, d);
}

static struct destination *
on_destination(void *arg, struct str address)
{
	(void)arg;
	(void)address;
	return NULL;
}

static void
on_destination_done(void *arg, struct destination *to)
{
	(void)arg;
	(void)to;
}

static void
on_gone(void *arg, struct message *m)
{
	(void)arg;
	(void)m;
}

static void
on_stored(void *arg, void *cookie, int result, const struct message *m)
{
	struct queue *q = arg;

	accept_stored(q->accept, cookie, result, m);
}

/* --- time -------------------------------------------------------------------------------------- */
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
		.arg = q,
	};
	int r;

	*out = NULL;
	q->loop = loop;
	q->options = *o;
	r = spool_open(dirfd, &o->spool, &ops, &q->spool);
	if (r != 0) {
		free(q);
		return r;
	}
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
	accept_free(&q->accept);
	deliverer_free(&q->deliverer);
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
