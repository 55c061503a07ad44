/* SPDX-License-Identifier: ISC */
/* The life of a child: a table of state x event. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "master/master.h"

static const char *const state_names[CHILD_STATE__MAX] = {
	[CHILD_DOWN] = "down",
	[CHILD_STARTING] = "starting",
	[CHILD_UP] = "up",
	[CHILD_STOPPING] = "stopping",
	[CHILD_GONE] = "gone",
};

static const char *const event_names[CHILD_EVENT__MAX] = {
	[EV_START] = "start",
	[EV_READY] = "ready",
	[EV_EXIT] = "exit",
	[EV_STOP] = "stop",
	[EV_TIMEOUT] = "timeout",
};

const char *
child_state_name(enum child_state state)
{
	return state < CHILD_STATE__MAX ? state_names[state] : "?";
}

/* --- actions: each returns the next state --------------------------------------------------------- */

static enum child_state
wait_for_start(struct child *c)
{
	uint64_t now = io_now_ms(c->m->loop);

	if (c->up_ms != 0 && now - c->up_ms >= BACKOFF_RESET_MS)
		c->backoff_ms = 0;
	c->up_ms = 0;
	io_timer_set(c->timer, c->backoff_ms);
	c->backoff_ms = c->backoff_ms == 0 ? BACKOFF_FIRST_MS : c->backoff_ms * 2;
	if (c->backoff_ms > BACKOFF_MAX_MS)
		c->backoff_ms = BACKOFF_MAX_MS;
	return CHILD_DOWN;
}

static enum child_state
do_start(struct child *c)
{
	if (child_spawn(c) < 0)
		return wait_for_start(c);
	c->started_ms = io_now_ms(c->m->loop);
	io_timer_set(c->timer, START_TIMEOUT_MS);
	return CHILD_STARTING;
}

static enum child_state
do_ready(struct child *c)
{
	io_timer_stop(c->timer);
	c->up_ms = io_now_ms(c->m->loop);
	log_info(NULL, "up program=%s instance=%u pid=%d after-ms=%llu %s", proc_rows[c->proc].name,
	    c->instance, c->pid, (unsigned long long)(c->up_ms - c->started_ms), c->sandbox);
	return CHILD_UP;
}

static enum child_state
do_restart(struct child *c)
{
	if (c->proc == PROC_mailbox && !mailbox_wanted(c))
		return CHILD_GONE;
	c->restarts++;
	return wait_for_start(c);
}

static enum child_state
do_stop(struct child *c)
{
	ipc_send_stop(c->ch, 0, &(struct ipc_stop){ 0 });
	io_timer_set(c->timer, STOP_TIMEOUT_MS);
	return CHILD_STOPPING;
}

static enum child_state
do_kill(struct child *c)
{
	log_error(NULL,
	    "killed program=%s instance=%u pid=%d reason=\"no answer in time\" state=%s",
	    proc_rows[c->proc].name, c->instance, c->pid, child_state_name(c->state));
	kill(c->pid, SIGKILL);
	return c->state;
}

static enum child_state
do_stopped(struct child *c)
{
	io_timer_stop(c->timer);
	/* A mailbox that left because it was idle may be wanted again meanwhile. */
	if (!c->m->stopping && c->proc == PROC_mailbox && mailbox_wanted(c)) {
		c->backoff_ms = 0;
		return wait_for_start(c);
	}
	return CHILD_GONE;
}

static enum child_state
do_gone(struct child *c)
{
	io_timer_stop(c->timer);
	return CHILD_GONE;
}

/* An event that cannot come in this state has no action. */
static enum child_state (*const actions[CHILD_STATE__MAX][CHILD_EVENT__MAX])(struct child *) = {
	[CHILD_DOWN] = {
		[EV_START] = do_start,
		[EV_TIMEOUT] = do_start,
		[EV_STOP] = do_gone,
	},
	[CHILD_STARTING] = {
		[EV_READY] = do_ready,
		[EV_EXIT] = do_restart,
		[EV_STOP] = do_stop,
		[EV_TIMEOUT] = do_kill,
	},
	[CHILD_UP] = {
		[EV_EXIT] = do_restart,
		[EV_STOP] = do_stop,
	},
	[CHILD_STOPPING] = {
		[EV_READY] = NULL, /* became ready while the stop was on its way */
		[EV_EXIT] = do_stopped,
		[EV_TIMEOUT] = do_kill,
	},
};

static void
child_free(struct child *c)
{
	TAILQ_REMOVE(&c->m->children, c, link);
	mailbox_refuse_waiting(c, IPC_TEMP);
	ipc_channel_free(&c->ch);
	io_timer_free(&c->timer);
	free(c);
}

void
child_event(struct child *c, enum child_event ev)
{
	struct master *m = c->m;

	if (actions[c->state][ev] == NULL) {
		log_debug(NULL, "no-action program=%s state=%s event=%s", proc_rows[c->proc].name,
		    state_names[c->state], event_names[ev]);
		return;
	}
	c->state = actions[c->state][ev](c);
	if (c->state == CHILD_UP && c->proc == PROC_mailbox)
		mailbox_attach_waiting(c);
	if (c->state == CHILD_UP && c->proc == PROC_accounts)
		mailbox_usage_all(c);
	if (c->state == CHILD_GONE && c->proc == PROC_mailbox)
		child_free(c);
	master_progress(m);
}

/* --- life ------------------------------------------------------------------------------------------- */

static void
on_timer(void *arg)
{
	child_event(arg, EV_TIMEOUT);
}

struct child *
child_new(struct master *m, enum proc_id proc, uint32_t instance)
{
	struct child *c = xcalloc(1, sizeof(*c));

	c->m = m;
	c->serial = ++m->next_serial;
	c->proc = proc;
	c->instance = instance;
	c->timer = io_timer_new(m->loop, on_timer, c);
	STAILQ_INIT(&c->opens);
	TAILQ_INSERT_TAIL(&m->children, c, link);
	return c;
}

struct child *
child_find(struct master *m, enum proc_id proc, uint32_t instance)
{
	struct child *c;

	TAILQ_FOREACH(c, &m->children, link)
		if (c->proc == proc && c->instance == instance)
			return c;
	return NULL;
}

struct child *
child_by_serial(struct master *m, uint64_t serial)
{
	struct child *c;

	TAILQ_FOREACH(c, &m->children, link)
		if (c->serial == serial)
			return c;
	return NULL;
}

bool
child_alive(const struct child *c)
{
	return c->ch != NULL && (c->state == CHILD_STARTING || c->state == CHILD_UP);
}

static void
child_exited(struct child *c, int status)
{
	bool wanted = c->state == CHILD_STOPPING && WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (c->doomed)
		log_info(NULL, "ended program=%s instance=%u pid=%d reason=removed",
		    proc_rows[c->proc].name, c->instance, c->pid);
	else if (WIFSIGNALED(status))
		log_error(NULL, "died program=%s instance=%u pid=%d signal=%d",
		    proc_rows[c->proc].name, c->instance, c->pid, WTERMSIG(status));
	else if (!wanted)
		log_error(NULL, "ended program=%s instance=%u pid=%d status=%d",
		    proc_rows[c->proc].name, c->instance, c->pid, WEXITSTATUS(status));
	c->pid = 0;
	c->attached = 0;
	c->usage_said = false;
	ipc_channel_free(&c->ch);
	child_event(c, EV_EXIT);
}

void
child_reap(struct master *m)
{
	struct child *c;
	int status;

again:
	TAILQ_FOREACH(c, &m->children, link) {
		if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid) {
			/* May free this child and others. */
			child_exited(c, status);
			goto again;
		}
	}
}
