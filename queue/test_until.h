/* SPDX-License-Identifier: ISC */
/* How both worlds of the queue's tests run their loop. Included where struct world is known, with its members loop,
 * timer (of on_timeout), until and timed_out; check_until is called after each event. */
#ifndef POSTERN_QUEUE_TEST_UNTIL_H
#define POSTERN_QUEUE_TEST_UNTIL_H

static inline void
check_until(void *arg)
{
	struct world *w = arg;

	if (w->until && w->until(w))
		io_loop_stop(w->loop);
}

static inline void
on_timeout(void *arg)
{
	struct world *w = arg;

	w->timed_out = true;
	io_loop_stop(w->loop);
}

/* Runs the loop until until says so, for at most so many milliseconds. False: the time was over. */
static inline bool
run_for(struct world *w, bool (*until)(struct world *w), uint64_t ms)
{
	w->until = until;
	w->timed_out = false;
	io_timer_set(w->timer, ms);
	if (until == NULL || !until(w))
		io_loop_run(w->loop);
	io_timer_stop(w->timer);
	w->until = NULL;
	return !w->timed_out;
}

#endif
