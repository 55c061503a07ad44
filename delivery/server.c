/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "delivery/impl.h"

static void
on_stop_timer(void *arg)
{
	struct delivery *d = arg;
	struct job *j;

	while ((j = LIST_FIRST(&d->jobs)) != NULL) /* the last one calls stopped() */
		job_free(j);
}

struct delivery *
delivery_new(struct io_loop *loop, const struct delivery_options *o)
{
	struct delivery *d = xcalloc(1, sizeof(*d));

	d->loop = loop;
	d->o = *o;
	(void)dns_name_parse(str_of(o->hostname), &d->own_name);
	LIST_INIT(&d->jobs);
	LIST_INIT(&d->conns);
	TAILQ_INIT(&d->idle);
	TAILQ_INIT(&d->credit);
	TAILQ_INIT(&d->waiting);
	d->by_id = map_new();
	d->questions = map_new();
	d->seed = io_now_ms(loop); /* only has to differ from the last start's */
	d->stop_timer = io_timer_new(loop, on_stop_timer, d);
	return d;
}

void
delivery_free(struct delivery **dp)
{
	struct delivery *d = *dp;
	struct job *j;
	struct conn *c;

	if (d == NULL)
		return;
	*dp = NULL;
	d->stopping = false;
	ipc_channel_free(&d->queue);
	while ((j = LIST_FIRST(&d->jobs)) != NULL)
		job_free(j);
	while ((c = LIST_FIRST(&d->conns)) != NULL)
		conn_free(c);
	ipc_channel_free(&d->resolver);
	io_timer_free(&d->stop_timer);
	map_free(&d->by_id);
	map_free(&d->questions);
	explicit_bzero(d, sizeof(*d));
	free(d);
}

void
delivery_reload(struct delivery *d, const struct settings *settings)
{
	d->o.connect_ms = settings_u64(settings, SET_delivery_connect_timeout) * 1000;
	d->o.command_ms = settings_u64(settings, SET_delivery_command_timeout) * 1000;
	d->o.idle_ms = settings_u64(settings, SET_delivery_idle_time) * 1000;
	d->o.max_messages = settings_u64(settings, SET_delivery_max_messages);
}

/* What waited for the old end is settled before the new one takes its place. */
static void
replace(struct delivery *d, struct ipc_channel **slot, enum ipc_channel_kind kind,
    enum ipc_side side, const struct ipc_ops *ops, int fd)
{
	if (*slot != NULL)
		ops->on_close(d, *slot);
	*slot = ipc_channel_new(d->loop, fd, kind, side, ops, d);
}

void
delivery_resolver(struct delivery *d, int fd)
{
	replace(d, &d->resolver, IPC_CH_resolver, IPC_CLIENT, &delivery_resolver_ops, fd);
}

void
delivery_queue(struct delivery *d, int fd)
{
	replace(d, &d->queue, IPC_CH_delivery, IPC_SERVER, &delivery_queue_ops, fd);
}

void
delivery_check_stop(struct delivery *d)
{
	if (!d->stopping || d->stopped == NULL || !LIST_EMPTY(&d->jobs))
		return;
	d->stopped(d->stopped_arg);
	d->stopped = NULL;
}

/* Nobody is told of the end before the last job, so that the walk is over the list alone. */
static void
drop_unfinished(struct delivery *d)
{
	struct job *j, *next;

	for (j = LIST_FIRST(&d->jobs); j != NULL; j = next) {
		next = LIST_NEXT(j, entry);
		if (!job_is_ending(j))
			job_free(j);
	}
}

void
delivery_stop(struct delivery *d, void (*stopped)(void *arg), void *arg)
{
	struct conn *c;

	d->stopping = true;
	while ((c = TAILQ_FIRST(&d->idle)) != NULL) {
		pool_remove(c);
		conn_pump(c); /* idle and not to be kept: it says QUIT and goes */
	}
	drop_unfinished(d);
	d->stopped = stopped;
	d->stopped_arg = arg;
	io_timer_set(d->stop_timer, DELIVERY_STOP_MS);
	delivery_check_stop(d);
}
