/* SPDX-License-Identifier: ISC */
#include "io/loop_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/xalloc.h"

struct io_watch {
	struct io_loop *loop;
	struct event ev;
	int fd, events;
	io_watch_fn *fn;
	void *arg;
};

struct io_timer {
	struct event ev;
	io_timer_fn *fn;
	void *arg;
};

struct io_signal {
	struct event ev;
	void (*fn)(void *arg);
	void *arg;
};

/* The end of the turn that it makes does the work. */
static void
on_log_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

struct io_loop *
io_loop_new(void)
{
	struct io_loop *loop = xcalloc(1, sizeof(*loop));
	struct event_config *config = event_config_new();

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		fatal("cannot ignore SIGPIPE: %s", strerror(errno));
	/* One thread, so no locks; the environment must not choose the method. */
	if (config == NULL ||
	    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) !=
		0 ||
	    (loop->base = event_base_new_with_config(config)) == NULL)
		fatal("cannot make the event loop: %s", strerror(errno));
	event_config_free(config);
	TAILQ_INIT(&loop->work);
	evtimer_assign(&loop->log_timer, loop->base, on_log_timer, NULL);
	loop->scratch = xmalloc(IO_SCRATCH);
	return loop;
}

void
io_loop_free(struct io_loop **lp)
{
	struct io_loop *loop = *lp;

	if (loop == NULL)
		return;
	*lp = NULL;
	event_del(&loop->log_timer);
	event_base_free(loop->base);
	free(loop->hooks);
	free(loop->scratch);
	free(loop);
}

static void
send_log(struct io_loop *loop)
{
	struct timeval wait = { .tv_usec = 0 };
	uint64_t now;

	if (!log_pending())
		return;
	now = io_now_ms(loop);
	if (now >= loop->log_ms + IO_LOG_MS) {
		log_flush();
		loop->log_ms = now;
	} else if (!event_pending(&loop->log_timer, EV_TIMEOUT, NULL)) {
		wait.tv_usec = (suseconds_t)(loop->log_ms + IO_LOG_MS - now) * 1000;
		event_add(&loop->log_timer, &wait);
	}
}

/* Hooks and flushing, again while their callbacks made new work. */
static void
end_turn(struct io_loop *loop)
{
	for (int round = 0; round < IO_ROUNDS; round++) {
		loop->again = false;
		for (size_t i = 0; i < loop->nhooks; i++)
			if (loop->hooks[i].fn != NULL)
				loop->hooks[i].fn(loop->hooks[i].arg);
		io_streams_end_turn(loop);
		if (!loop->again && TAILQ_EMPTY(&loop->work))
			break;
	}
	send_log(loop);
}

void
io_loop_run(struct io_loop *loop)
{
	loop->stop = false;
	log_gather(1);
	end_turn(loop); /* what was sent before the loop began */
	while (!loop->stop) {
		bool wait = !loop->again && TAILQ_EMPTY(&loop->work);
		int r;

		loop->now_ms = 0;
		r = event_base_loop(loop->base, wait ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
		if (r < 0)
			fatal("event loop: %s", strerror(errno));
		end_turn(loop);
		/* Nothing is watched and nothing is left to do: nothing can ever happen again. */
		if (r == 1 && !loop->again && TAILQ_EMPTY(&loop->work))
			break;
	}
	log_gather(0);
}

void
io_loop_stop(struct io_loop *loop)
{
	loop->stop = true;
	event_base_loopbreak(loop->base);
}

void
io_loop_again(struct io_loop *loop)
{
	loop->again = true;
}

uint64_t
io_now_ms(struct io_loop *loop)
{
	struct timespec ts;

	if (loop->now_ms == 0) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		loop->now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	}
	return loop->now_ms;
}

void
io_loop_after_turn(struct io_loop *loop, void (*fn)(void *arg), void *arg)
{
	for (size_t i = 0; i < loop->nhooks; i++)
		if (loop->hooks[i].fn == fn && loop->hooks[i].arg == arg)
			return;
	loop->hooks = xrealloc(loop->hooks, (loop->nhooks + 1) * sizeof(*loop->hooks));
	loop->hooks[loop->nhooks++] = (struct io_hook){ fn, arg };
}

void
io_loop_after_turn_remove(struct io_loop *loop, void *arg)
{
	/* Emptied in place: a hook that is being walked over keeps its index. */
	for (size_t i = 0; i < loop->nhooks; i++)
		if (loop->hooks[i].arg == arg && arg != NULL)
			loop->hooks[i].fn = NULL;
	while (loop->nhooks > 0 && loop->hooks[loop->nhooks - 1].fn == NULL)
		loop->nhooks--;
}

static void
watch_event(evutil_socket_t fd, short what, void *arg)
{
	struct io_watch *w = arg;

	(void)fd;
	w->fn(w->arg, (what & EV_READ ? IO_READ : 0) | (what & EV_WRITE ? IO_WRITE : 0));
}

struct io_watch *
io_watch_new(struct io_loop *loop, int fd, int events, io_watch_fn *fn, void *arg)
{
	struct io_watch *w = xcalloc(1, sizeof(*w));

	w->loop = loop;
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	event_assign(&w->ev, loop->base, fd, EV_READ | EV_PERSIST, watch_event, w);
	io_watch_set(w, events);
	return w;
}

void
io_watch_set(struct io_watch *w, int events)
{
	short what = EV_PERSIST;

	if (events == w->events)
		return;
	if (w->events != 0)
		event_del(&w->ev);
	w->events = events;
	if (events == 0)
		return;
	what |= (short)((events & IO_READ ? EV_READ : 0) | (events & IO_WRITE ? EV_WRITE : 0));
	event_assign(&w->ev, w->loop->base, w->fd, what, watch_event, w);
	if (event_add(&w->ev, NULL) != 0)
		fatal("cannot watch descriptor %d: %s", w->fd, strerror(errno));
}

void
io_watch_free(struct io_watch **wp)
{
	struct io_watch *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	event_del(&w->ev);
	free(w);
}

static void
timer_event(evutil_socket_t fd, short what, void *arg)
{
	struct io_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

struct io_timer *
io_timer_new(struct io_loop *loop, io_timer_fn *fn, void *arg)
{
	struct io_timer *t = xcalloc(1, sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	evtimer_assign(&t->ev, loop->base, timer_event, t);
	return t;
}

void
io_timer_set(struct io_timer *t, uint64_t ms)
{
	struct timeval tv = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };

	evtimer_add(&t->ev, &tv);
}

void
io_timer_stop(struct io_timer *t)
{
	evtimer_del(&t->ev);
}

bool
io_timer_pending(const struct io_timer *t)
{
	return evtimer_pending(&t->ev, NULL) != 0;
}

void
io_timer_free(struct io_timer **tp)
{
	struct io_timer *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	evtimer_del(&t->ev);
	free(t);
}

static void
signal_event(evutil_socket_t signo, short what, void *arg)
{
	struct io_signal *s = arg;

	(void)signo;
	(void)what;
	s->fn(s->arg);
}

struct io_signal *
io_signal_new(struct io_loop *loop, int signo, void (*fn)(void *arg), void *arg)
{
	struct io_signal *s = xcalloc(1, sizeof(*s));

	s->fn = fn;
	s->arg = arg;
	evsignal_assign(&s->ev, loop->base, signo, signal_event, s);
	if (evsignal_add(&s->ev, NULL) != 0)
		fatal("cannot watch signal %d: %s", signo, strerror(errno));
	return s;
}

void
io_signal_free(struct io_signal **sp)
{
	struct io_signal *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	evsignal_del(&s->ev);
	free(s);
}
