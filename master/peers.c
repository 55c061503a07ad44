/* SPDX-License-Identifier: ISC */
/* Who may talk to whom: a channel for each pair of the process table, made when both are there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "master/master.h"

struct peer_row {
	enum ipc_channel_kind channel;
	enum proc_id server, client;
};

static const struct peer_row peer_rows[] = {
#define PEER(ch, s, c) { IPC_CH_##ch, PROC_##s, PROC_##c },
#include "proc/process_table.h"
};

static void
hand(struct child *to, enum ipc_channel_kind channel, bool as_server, const char *peer,
    uint32_t instance, int fd)
{
	ipc_send_setup_peer(to->ch, 0,
	    &(struct ipc_setup_peer){
		.channel = (uint8_t)channel,
		.as_server = as_server,
		.peer = str_of(peer),
		.peer_instance = instance,
	    },
	    fd);
}

static void
connect_pair(enum ipc_channel_kind channel, struct child *server, struct child *client)
{
	int sv[2];

	if (ipc_pair(sv) < 0) {
		log_error(NULL, "socketpair reason=\"%s\"", strerror(errno));
		return;
	}
	hand(server, channel, true, proc_rows[client->proc].name, client->instance, sv[0]);
	hand(client, channel, false, proc_rows[server->proc].name, server->instance, sv[1]);
}

/* Records: one write is read as one, whole or not at all. Not SOCK_DGRAM, which its holder could
 * point at other sockets. */
static int
log_pair(int sv[2])
{
	int size = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0) {
		log_error(NULL, "socketpair reason=\"%s\"", strerror(errno));
		return -1;
	}
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

static void
connect_log(struct child *logger, struct child *c)
{
	int sv[2];

	if (log_pair(sv) < 0)
		return;
	hand(logger, IPC_CH_log, true, proc_rows[c->proc].name, c->instance, sv[0]);
	hand(c, IPC_CH_log, false, "logger", 0, sv[1]);
}

void
peers_connect_own_log(struct master *m)
{
	struct child *logger = child_find(m, PROC_logger, 0);
	static int old = -1;
	int sv[2];

	if (log_pair(sv) < 0)
		return;
	hand(logger, IPC_CH_log, true, "master", 0, sv[0]);
	log_open("master", sv[1]);
	if (old >= 0)
		close(old);
	old = sv[1];
}

void
peers_connect(struct child *c)
{
	struct child *other, *logger = child_find(c->m, PROC_logger, 0);

	if (c->proc == PROC_logger)
		peers_connect_own_log(c->m);
	else if (logger != NULL && child_alive(logger))
		connect_log(logger, c);
	TAILQ_FOREACH(other, &c->m->children, link) {
		if (other == c || !child_alive(other))
			continue;
		if (c->proc == PROC_logger)
			connect_log(c, other);
		for (size_t i = 0; i < sizeof(peer_rows) / sizeof(peer_rows[0]); i++) {
			const struct peer_row *p = &peer_rows[i];

			if (p->server == c->proc && p->client == other->proc)
				connect_pair(p->channel, c, other);
			else if (p->client == c->proc && p->server == other->proc)
				connect_pair(p->channel, other, c);
		}
	}
}

static bool
may_remake(struct child *c)
{
	uint64_t now = io_now_ms(c->m->loop);

	if (now - c->remade_ms >= 1000) {
		c->remade_ms = now;
		c->remade = 0;
	}
	return c->remade++ < PEERS_REMADE_MAX;
}

void
peers_remake(struct child *client, const struct ipc_peer_lost *lost)
{
	struct child *server;

	TAILQ_FOREACH(server, &client->m->children, link)
		if (str_eq(str_of(proc_rows[server->proc].name), lost->peer) &&
		    server->instance == lost->peer_instance)
			break;
	if (server == NULL || !child_alive(server) || !child_alive(client))
		return; /* connected when it is started */
	for (size_t i = 0; i < sizeof(peer_rows) / sizeof(peer_rows[0]); i++) {
		const struct peer_row *p = &peer_rows[i];

		if ((unsigned)p->channel != lost->channel || p->client != client->proc ||
		    p->server != server->proc || !may_remake(client))
			continue;
		log_warn(NULL, "channel-remade channel=%s server=%s client=%s",
		    ipc_channel_name(p->channel), proc_rows[server->proc].name,
		    proc_rows[client->proc].name);
		connect_pair(p->channel, server, client);
	}
}
