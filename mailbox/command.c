/* SPDX-License-Identifier: ISC */
/*
 * An administrator's command about this mailbox: an admin channel that accounts has opened. It is
 * carried out in steps between the turns of sessions.
 */
#include "command/command.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "mailbox/host_priv.h"
#include "mailbox/store_check.h"

enum {
	STEP_MS = 1, /* between two steps others get their turn */
};

struct command_run {
	TAILQ_ENTRY(command_run) link;
	struct host *host;
	struct ipc_channel *ch;
	struct io_timer *timer;
	struct store_check *check; /* NULL: nothing asked yet */
	uint64_t id;
};

static void
run_free(struct command_run *r)
{
	TAILQ_REMOVE(&r->host->commands, r, link);
	store_check_free(&r->check);
	io_timer_free(&r->timer);
	ipc_channel_free(&r->ch);
	free(r);
}

static void
row_send(struct command_run *r, const struct store_check_row *row)
{
	char read[24], damaged[24];

	snprintf(read, sizeof(read), "%llu", (unsigned long long)row->read);
	snprintf(damaged, sizeof(damaged), "%llu", (unsigned long long)row->damaged);
	command_row(
	    r->ch, r->id, 5, (const char *[]){ row->what, row->name, read, damaged, row->detail });
}

static void
finish(struct command_run *r)
{
	uint64_t damaged = store_check_damaged(r->check);

	if (damaged > 0)
		command_end(r->ch, r->id, IPC_NO, "%llu places are damaged; all else is served",
		    (unsigned long long)damaged);
	else
		command_end(r->ch, r->id, IPC_OK, "%s", "");
	log_info(NULL, "event=command-end damaged=%llu", (unsigned long long)damaged);
	store_check_free(&r->check);
}

static void
on_step(void *arg)
{
	struct command_run *r = arg;
	struct store_check_row row;
	enum store_check_step step;

	host_busy(r->host);
	if (r->host->store == NULL || store_failed(r->host->store))
		return;
	step = store_check_step(r->check, &row);
	if (step == STORE_CHECK_ROW)
		row_send(r, &row);
	if (step == STORE_CHECK_END) {
		finish(r);
		return;
	}
	io_timer_set(r->timer, STEP_MS);
}

static void
on_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_request *m, int fd)
{
	struct command_run *r = arg;
	const char *args[COMMAND_ARGS_MAX];

	(void)fd;
	if (r->check != NULL || command_arguments(m, args) < 0 ||
	    (m->verb != CMD_mailbox_check && m->verb != CMD_mailbox_rebuild)) {
		command_end(ch, id, IPC_INVALID, "mailbox does not know this command");
		return;
	}
	log_info(NULL, "event=command command=\"%s\"", command_get(m->verb)->words);
	r->id = id;
	r->check = store_check_new(r->host->store, m->verb == CMD_mailbox_rebuild);
	io_timer_set(r->timer, STEP_MS);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	run_free(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(admin_request, on_request),
};
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

void
command_attach(struct host *h, int fd)
{
	struct command_run *r = xcalloc(1, sizeof(*r));

	r->host = h;
	r->timer = io_timer_new(h->config.loop, on_step, r);
	TAILQ_INSERT_TAIL(&h->commands, r, link);
	r->ch = ipc_channel_new(h->config.loop, fd, IPC_CH_admin, IPC_SERVER, &ops, r);
}

void
commands_free(struct host *h)
{
	struct command_run *r;

	while ((r = TAILQ_FIRST(&h->commands)) != NULL)
		run_free(r);
}
