/* SPDX-License-Identifier: ISC */
/* reputation: remembers clients, greylisted mail and the Message-IDs of mail that was sent. */
#include <sodium.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "reputation/service.h"

static struct store *store;
static struct service *service;

static uint32_t
now(void)
{
	return (uint32_t)time(NULL);
}

static void
preload(struct daemon *d)
{
	(void)d;
	if (sodium_init() < 0)
		fatal("libsodium does not start");
}

static void
start(struct daemon *d)
{
	const struct settings *st = daemon_settings(d);
	struct buf why;

	buf_init(&why, 1024);
	store = store_open(now(), settings_u64(st, SET_reputation_sent_messages), &why);
	if (store == NULL)
		fatal("reputation store: %.*s", (int)buf_len(&why), (const char *)buf_data(&why));
	buf_free(&why);
	service = service_new(daemon_loop(d), store, st, now);
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)d, (void)peer, (void)instance;
	if (kind == IPC_CH_reputation && side == IPC_SERVER)
		service_peer(service, fd);
	else
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	service_settings(service, daemon_settings(d));
}

static void
on_stop(struct daemon *d)
{
	service_free(&service);
	store_close(&store);
	daemon_exit(d);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "reputation",
		.preload = preload,
		.start = start,
		.on_peer = on_peer,
		.on_reload = on_reload,
		.on_stop = on_stop,
	};

	return daemon_main(argc, argv, &spec);
}
