/* SPDX-License-Identifier: ISC */
/* keys: owns the private keys and signs with them; no byte of them ever leaves this process. */
#include <unistd.h>

#include "daemon/daemon.h"
#include "keys/keyring.h"
#include "keys/server.h"

static struct ipc_channel *admin;

static void
preload(struct daemon *d)
{
	(void)d;
	keyring_preload();
}

static void
start(struct daemon *d)
{
	daemon_set_data(d, keys_server_new(daemon_loop(d), daemon_dir(d)));
}

static void
on_admin_close(void *arg, struct ipc_channel *ch)
{
	(void)arg, (void)ch;
	ipc_channel_free(&admin);
}

/* There is no administration command for keys yet: any request is a violation. */
static void
add_admin(struct daemon *d, int fd)
{
	static const union ipc_handler none[IPC__MAX];
	static const struct ipc_ops ops = { .handlers = none, .on_close = on_admin_close };

	ipc_channel_free(&admin);
	admin = ipc_channel_new(daemon_loop(d), fd, IPC_CH_admin, IPC_SERVER, &ops, NULL);
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)instance;
	if (kind == IPC_CH_keys && side == IPC_SERVER)
		keys_server_add(daemon_data(d), peer, fd);
	else if (kind == IPC_CH_admin && side == IPC_SERVER)
		add_admin(d, fd);
	else
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	keys_server_reload(daemon_data(d));
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "keys",
		.preload = preload,
		.start = start,
		.on_peer = on_peer,
		.on_reload = on_reload,
	};

	return daemon_main(argc, argv, &spec);
}
