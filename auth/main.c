/* SPDX-License-Identifier: ISC */
/* auth: proves logins; the answer to a good password is a descriptor. */
#include <sodium.h>
#include <unistd.h>

#include "auth/exchange.h"
#include "auth/server.h"
#include "base/log.h"
#include "daemon/daemon.h"

static struct server *server;

/* Plug-ins are loaded while there still is a file system. */
static void
preload(struct daemon *d)
{
	struct buf why;

	(void)d;
	buf_init(&why, 256);
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	if (exchange_init(&why) != 0)
		fatal("%.*s", (int)buf_len(&why), (const char *)buf_data(&why));
	buf_free(&why);
}

static void
start(struct daemon *d)
{
	server = server_new(daemon_loop(d), daemon_settings(d));
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)d;
	(void)peer;
	(void)instance;
	if (server)
		server_peer(server, kind, side, fd);
	else
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	if (server)
		server_settings(server, daemon_settings(d));
}

static void
on_stop(struct daemon *d)
{
	log_debug(NULL, "logins cached=%llu hashed=%llu",
	    (unsigned long long)verify_cache_hits(server_verify(server)),
	    (unsigned long long)verify_hashes(server_verify(server)));
	server_free(&server);
	daemon_exit(d);
}

static const struct daemon_spec spec = {
	.name = "auth",
	.preload = preload,
	.start = start,
	.on_peer = on_peer,
	.on_reload = on_reload,
	.on_stop = on_stop,
};

int
main(int argc, char **argv)
{
	return daemon_main(argc, argv, &spec);
}
