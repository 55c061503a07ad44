/* SPDX-License-Identifier: ISC */
#include "resolver/event.h"

#include <stdlib.h>
#include <sys/time.h>
#include <unbound-event.h>

#include "base/xalloc.h"

typedef void event_fn(int fd, short bits, void *arg);

struct events {
	struct ub_event_base ub; /* first: libunbound knows only this */
	struct io_loop *loop;
};

struct event {
	struct ub_event ub; /* first */
	struct events *events;
	int fd;
	short bits;
	event_fn *fn;
	void *arg;
	struct io_watch *watch;
	struct io_timer *timer;
	uint64_t timeout_ms; /* 0: none */
};

static struct event *
of(struct ub_event *ub)
{
	return (struct event *)ub;
}

static uint64_t
milliseconds(const struct timeval *tv)
{
	/* Rounded up: a timer that fires early makes its owner ask again and again. */
	return (uint64_t)tv->tv_sec * 1000 + ((uint64_t)tv->tv_usec + 999) / 1000;
}

static void
stop(struct event *e)
{
	if (e->watch != NULL)
		io_watch_set(e->watch, 0);
	if (e->timer != NULL)
		io_timer_stop(e->timer);
}

/* What fired once is over, what persists waits anew. The callback may free the event. */
static void
fire(struct event *e, short bits)
{
	if (!(e->bits & UB_EV_PERSIST))
		stop(e);
	else if (e->timeout_ms > 0)
		io_timer_set(e->timer, e->timeout_ms);
	e->fn(e->fd, bits, e->arg);
}

static void
on_watch(void *arg, int events)
{
	fire(arg,
	    (short)((events & IO_READ ? UB_EV_READ : 0) | (events & IO_WRITE ? UB_EV_WRITE : 0)));
}

static void
on_timer(void *arg)
{
	fire(arg, UB_EV_TIMEOUT);
}

static void
set_timeout(struct event *e, const struct timeval *tv)
{
	e->timeout_ms = tv != NULL ? milliseconds(tv) : 0;
	if (tv == NULL) {
		if (e->timer != NULL)
			io_timer_stop(e->timer);
		return;
	}
	if (e->timer == NULL)
		e->timer = io_timer_new(e->events->loop, on_timer, e);
	io_timer_set(e->timer, e->timeout_ms);
}

static int
event_add(struct ub_event *ub, struct timeval *tv)
{
	struct event *e = of(ub);
	int events = (e->bits & UB_EV_READ ? IO_READ : 0) | (e->bits & UB_EV_WRITE ? IO_WRITE : 0);

	if (e->fd >= 0 && events != 0) {
		if (e->watch == NULL)
			e->watch = io_watch_new(e->events->loop, e->fd, events, on_watch, e);
		else
			io_watch_set(e->watch, events);
	}
	set_timeout(e, tv);
	return 0;
}

static int
event_del(struct ub_event *ub)
{
	stop(of(ub));
	return 0;
}

static void
event_add_bits(struct ub_event *ub, short bits)
{
	of(ub)->bits |= bits;
}

static void
event_del_bits(struct ub_event *ub, short bits)
{
	of(ub)->bits &= (short)~bits;
}

static void
event_set_fd(struct ub_event *ub, int fd)
{
	struct event *e = of(ub);

	if (fd != e->fd)
		io_watch_free(&e->watch);
	e->fd = fd;
}

static void
event_free(struct ub_event *ub)
{
	struct event *e = of(ub);

	io_watch_free(&e->watch);
	io_timer_free(&e->timer);
	free(e);
}

static int
event_add_timer(
    struct ub_event *ub, struct ub_event_base *base, event_fn *fn, void *arg, struct timeval *tv)
{
	struct event *e = of(ub);

	(void)base;
	e->fn = fn;
	e->arg = arg;
	set_timeout(e, tv);
	return 0;
}

static int
event_add_signal(struct ub_event *ub, struct timeval *tv)
{
	(void)ub;
	(void)tv;
	return -1; /* libunbound does not call it */
}

static struct ub_event_vmt event_calls = {
	.add_bits = event_add_bits,
	.del_bits = event_del_bits,
	.set_fd = event_set_fd,
	.free = event_free,
	.add = event_add,
	.del = event_del,
	.add_timer = event_add_timer,
	.del_timer = event_del,
	.add_signal = event_add_signal,
	.del_signal = event_del,
};

static struct ub_event *
base_new_event(struct ub_event_base *base, int fd, short bits, event_fn *fn, void *arg)
{
	struct event *e = xcalloc(1, sizeof(*e));

	e->ub.magic = UB_EVENT_MAGIC;
	e->ub.vmt = &event_calls;
	e->events = (struct events *)base;
	e->fd = fd;
	e->bits = bits;
	e->fn = fn;
	e->arg = arg;
	return &e->ub;
}

static void
base_free(struct ub_event_base *base)
{
	(void)base; /* belongs to the resolver */
}

static int
base_dispatch(struct ub_event_base *base)
{
	(void)base; /* the daemon's loop runs */
	return 0;
}

static int
base_loopexit(struct ub_event_base *base, struct timeval *tv)
{
	(void)base;
	(void)tv;
	return 0;
}

static struct ub_event_base_vmt base_calls = {
	.free = base_free,
	.dispatch = base_dispatch,
	.loopexit = base_loopexit,
	.new_event = base_new_event,
};

struct ub_event_base *
resolver_events_new(void)
{
	struct events *events = xcalloc(1, sizeof(*events));

	events->ub.magic = UB_EVENT_MAGIC;
	events->ub.vmt = &base_calls;
	return &events->ub;
}

void
resolver_events_set_loop(struct ub_event_base *base, struct io_loop *loop)
{
	((struct events *)base)->loop = loop;
}

void
resolver_events_free(struct ub_event_base **base)
{
	free(*base);
	*base = NULL;
}
