/* SPDX-License-Identifier: ISC */
/* Commands about one mailbox: its process carries them out, accounts knows whose address it is. */
#include <stdlib.h>

#include "accounts/service_priv.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "command/command.h"

struct relay {
	LIST_ENTRY(relay) link;
	struct peer *peer;
	uint64_t their_id;
	struct ipc_channel *ch;
};

static void
relay_free(struct relay *r)
{
	LIST_REMOVE(r, link);
	ipc_channel_free(&r->ch);
	free(r);
}

static void
on_row(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_row *m, int fd)
{
	struct relay *r = arg;

	(void)ch;
	(void)id;
	(void)fd;
	ipc_send_admin_row(r->peer->ch, r->their_id, m);
}

static void
on_end(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_end *m, int fd)
{
	struct relay *r = arg;

	(void)ch;
	(void)id;
	(void)fd;
	ipc_send_admin_end(r->peer->ch, r->their_id, m);
	relay_free(r);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct relay *r = arg;

	(void)ch;
	command_end(r->peer->ch, r->their_id, IPC_TEMP, "the mailbox's process ended; try again");
	relay_free(r);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(admin_row, on_row),
	IPC_ON(admin_end, on_end),
};
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

void
relay_begin(struct service *s, const struct pending *p, int fd)
{
	struct relay *r;

	if (fd < 0) {
		command_end(p->peer->ch, p->their_id, IPC_TEMP, "the mailbox cannot be opened now");
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->peer = p->peer;
	r->their_id = p->their_id;
	LIST_INSERT_HEAD(&s->relays, r, link);
	r->ch = ipc_channel_new(s->loop, fd, IPC_CH_admin, IPC_CLIENT, &ops, r);
	ipc_send_admin_request(r->ch, 1,
	    &(struct ipc_admin_request){ .verb = p->verb,
		.args = str_from(p->address, strlen(p->address) + 1),
		.secret = STR("") });
}

void
relays_forget(struct service *s, const struct peer *peer)
{
	struct relay *r, *next;

	for (r = LIST_FIRST(&s->relays); r != NULL; r = next) {
		next = LIST_NEXT(r, link);
		if (peer == NULL || r->peer == peer)
			relay_free(r);
	}
}
