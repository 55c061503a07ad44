/* SPDX-License-Identifier: ISC */
/*
 * The admin socket. Whoever connects must be root or the user the instance runs as; each request is
 * passed to the owner of its command and the answers go back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "command/command.h"
#include "daemon/daemon.h"

enum {
	CLIENTS_MAX = 32, /* an administrator and a few scripts */
	NOBODY = 65534,   /* how root looks from the user namespace of an ordinary user's instance;
			 * the mode of the socket keeps all others out */
	OWNER_TIMEOUT_MS = 60000, /* an owner that says nothing for so long has lost the request */
};

struct client {
	TAILQ_ENTRY(client) link;
	struct ipc_channel *ch;
	unsigned requests;
	uid_t uid;
};

/* A request on its way: to the owner it goes under a number of our own. */
struct request {
	struct client *client; /* NULL: the client has left */
	uint64_t client_id, id;
	enum command_owner owner;
	struct io_timer *timer;
};

static struct {
	struct daemon *d;
	struct io_listener *listener;
	TAILQ_HEAD(, client) clients;
	unsigned clients_n;
	struct ipc_channel *owner[COMMAND__OWNERS];
	struct map *requests;
	uint64_t next_id;
} control;

/* --- requests ------------------------------------------------------------------------------------ */

static void
request_free(struct request *r)
{
	map_del(control.requests, r->id);
	if (r->client != NULL)
		r->client->requests--;
	io_timer_free(&r->timer);
	free(r);
}

static void
request_end(struct request *r, enum ipc_result result, const char *message)
{
	if (r->client != NULL)
		command_end(r->client->ch, r->client_id, result, "%s", message);
	request_free(r);
}

static void
on_request_timeout(void *arg)
{
	request_end(arg, IPC_TEMP, "The responsible process does not answer.");
}

static struct request *
request_new(struct client *c, uint64_t client_id, enum command_owner owner)
{
	struct request *r = xcalloc(1, sizeof(*r));

	*r = (struct request){
		.client = c, .client_id = client_id, .id = ++control.next_id, .owner = owner
	};
	r->timer = io_timer_new(daemon_loop(control.d), on_request_timeout, r);
	io_timer_set(r->timer, OWNER_TIMEOUT_MS);
	map_put(control.requests, r->id, r);
	c->requests++;
	return r;
}

static void
pass_on(struct client *c, uint64_t id, const struct ipc_admin_request *m, enum command_owner owner)
{
	struct request *r;

	if (control.owner[owner] == NULL) {
		command_end(c->ch, id, IPC_TEMP,
		    "The responsible process is not running just now; try again.");
		return;
	}
	r = request_new(c, id, owner);
	ipc_send_admin_request(control.owner[owner], r->id, m);
}

static void
own_command(struct client *c, uint64_t id, const struct ipc_admin_request *m)
{
	struct request *r = request_new(c, id, COMMAND_control);
	struct ipc_channel *master = daemon_master(control.d);

	if (m->verb == CMD_status)
		ipc_send_status_query(master, r->id, &(struct ipc_status_query){ 0 });
	else if (m->verb == CMD_reload)
		ipc_send_reload_request(master, r->id, &(struct ipc_reload_request){ 0 });
	else
		request_end(r, IPC_INVALID, "This command is not known here.");
}

static void
on_status_row(struct daemon *d, uint64_t id, const struct ipc_status_row *row)
{
	struct request *r = map_get(control.requests, id);
	char *cells[7];

	(void)d;
	if (r == NULL)
		return;
	cells[0] = xstrndup(row->program.p, row->program.n);
	cells[1] = xasprintf("%u", row->instance);
	cells[2] = xasprintf("%u", row->pid);
	cells[3] = xstrndup(row->state.p, row->state.n);
	cells[4] = xasprintf("%u", row->restarts);
	cells[5] = xasprintf("%llu", (unsigned long long)row->uptime_s);
	cells[6] = xstrndup(row->sandbox.p, row->sandbox.n);
	if (r->client != NULL)
		command_row(r->client->ch, r->client_id, 7, (const char *const *)cells);
	for (int i = 0; i < 7; i++)
		free(cells[i]);
	if (row->last)
		request_end(r, IPC_OK, "");
}

static void
on_done(struct daemon *d, uint64_t id, enum ipc_result result)
{
	struct request *r = map_get(control.requests, id);

	(void)d;
	if (r != NULL)
		request_end(r, result,
		    result == IPC_OK ? ""
				     : "The settings have errors; nothing was changed. "
				       "\"postern config check\" tells them.");
}

/* --- clients --------------------------------------------------------------------------------------- */

static void
client_free(struct client *c)
{
	struct request *r;
	size_t it = 0;

	while ((r = map_next(control.requests, &it, NULL)) != NULL)
		if (r->client == c)
			r->client = NULL;
	TAILQ_REMOVE(&control.clients, c, link);
	control.clients_n--;
	ipc_channel_free(&c->ch);
	free(c);
}

/* With the number under which an owner of the command logs what it does. */
static void
log_request(const struct client *c, const struct ipc_admin_request *m, const struct command *cmd)
{
	struct buf all;
	struct str rest = m->args, word;

	buf_init(&all, m->args.n + 1);
	while (command_cell_next(&rest, &word)) {
		if (buf_len(&all) > 0)
			(void)buf_putc(&all, ' ');
		(void)buf_put(&all, word.p, word.n);
	}
	log_info(NULL, "admin uid=%u request=%llu command=\"%s\" target=\"%s\"", c->uid,
	    (unsigned long long)control.next_id + 1, cmd->words,
	    LOGS(str_from(buf_data(&all), buf_len(&all))));
	buf_free(&all);
}

static void
on_admin_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_request *m, int fd)
{
	struct client *c = arg;
	const struct command *cmd = command_get(m->verb);
	const char *args[COMMAND_ARGS_MAX];

	(void)fd;
	if (cmd == NULL || command_arguments(m, args) < 0) {
		command_end(ch, id, IPC_INVALID, "Not a command, or with wrong arguments.");
		return;
	}
	log_request(c, m, cmd);
	if (cmd->owner == COMMAND_control)
		own_command(c, id, m);
	else if (cmd->owner == COMMAND_local)
		command_end(ch, id, IPC_INVALID, "This command is not for the running instance.");
	else
		pass_on(c, id, m, cmd->owner);
}

static void
on_client_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	client_free(arg);
}

static const union ipc_handler client_handlers[IPC__MAX] = {
	IPC_ON(admin_request, on_admin_request),
};
static const struct ipc_ops client_ops = { client_handlers, NULL, on_client_close, NULL };

static void
on_accept(void *arg, int fd, const struct sockaddr *sa, socklen_t salen)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct client *c;

	(void)arg;
	(void)sa;
	(void)salen;
	/* The file's mode says the same; this holds even if somebody changed it. The socket was
	 * made by master: its owner shows in the credentials of our own channel to it. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    control.clients_n >= CLIENTS_MAX) {
		close(fd);
		return;
	}
	if (cred.uid != 0) {
		struct ucred master;
		socklen_t mlen = sizeof(master);

		if (getsockopt(DAEMON_MASTER_FD, SOL_SOCKET, SO_PEERCRED, &master, &mlen) < 0 ||
		    (cred.uid != master.uid && (master.uid == 0 || cred.uid != NOBODY))) {
			log_warn(NULL, "admin-denied uid=%u", cred.uid);
			close(fd);
			return;
		}
	}
	c = xcalloc(1, sizeof(*c));
	c->uid = cred.uid;
	TAILQ_INSERT_TAIL(&control.clients, c, link);
	control.clients_n++;
	c->ch =
	    ipc_channel_new(daemon_loop(control.d), fd, IPC_CH_admin, IPC_SERVER, &client_ops, c);
}

/* --- owners ---------------------------------------------------------------------------------------- */

/* A request that this owner was asked; others' numbers it does not get to use. */
static struct request *
owners_request(struct ipc_channel *ch, uint64_t id)
{
	struct request *r = map_get(control.requests, id);

	return r != NULL && control.owner[r->owner] == ch ? r : NULL;
}

static void
on_admin_row(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_row *m, int fd)
{
	struct request *r = owners_request(ch, id);

	(void)arg;
	(void)fd;
	if (r == NULL || r->client == NULL)
		return;
	io_timer_set(r->timer, OWNER_TIMEOUT_MS);
	ipc_send_admin_row(r->client->ch, r->client_id, m);
}

static void
on_admin_end(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_end *m, int fd)
{
	struct request *r = owners_request(ch, id);

	(void)arg;
	(void)fd;
	if (r == NULL)
		return;
	if (r->client != NULL)
		ipc_send_admin_end(r->client->ch, r->client_id, m);
	request_free(r);
}

static void
on_owner_close(void *arg, struct ipc_channel *ch)
{
	struct request *r;
	size_t it = 0;

	(void)arg;
	for (unsigned i = 0; i < COMMAND__OWNERS; i++) {
		if (control.owner[i] != ch)
			continue;
		while ((r = map_next(control.requests, &it, NULL)) != NULL)
			if (r->owner == i)
				request_end(
				    r, IPC_TEMP, "The responsible process ended; try again.");
		ipc_channel_free(&control.owner[i]);
		return;
	}
}

static const union ipc_handler owner_handlers[IPC__MAX] = {
	IPC_ON(admin_row, on_admin_row),
	IPC_ON(admin_end, on_admin_end),
};
static const struct ipc_ops owner_ops = { owner_handlers, NULL, on_owner_close, NULL };

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	enum command_owner owner = COMMAND_local;

	(void)instance;
	if (strcmp(peer, "accounts") == 0)
		owner = COMMAND_accounts;
	else if (strcmp(peer, "queue") == 0)
		owner = COMMAND_queue;
	else if (strcmp(peer, "logger") == 0)
		owner = COMMAND_logger;
	if (kind != IPC_CH_admin || side != IPC_CLIENT || owner == COMMAND_local) {
		close(fd);
		return;
	}
	if (control.owner[owner] != NULL)
		on_owner_close(NULL, control.owner[owner]);
	control.owner[owner] =
	    ipc_channel_new(daemon_loop(d), fd, IPC_CH_admin, IPC_CLIENT, &owner_ops, NULL);
}

/* --- start ------------------------------------------------------------------------------------------ */

static void
start(struct daemon *d)
{
	control.d = d;
	control.requests = map_new();
	TAILQ_INIT(&control.clients);
}

static void
on_listener(struct daemon *d, const char *service, int fd)
{
	(void)service;
	control.listener = io_listener_new(daemon_loop(d), fd, on_accept, NULL);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "control",
		.start = start,
		.on_peer = on_peer,
		.on_listener = on_listener,
		.on_status_row = on_status_row,
		.on_done = on_done,
	};

	return daemon_main(argc, argv, &spec);
}
