/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "auth_client/auth_client.h"
#include "imapd/imapd.h"

static void
preload(struct daemon *d)
{
	(void)d;
	tls_preload();
}

static void
start(struct daemon *d)
{
	daemon_set_data(d, imapd_new(daemon_loop(d), daemon_settings(d), daemon_instance(d)));
}

static void
accept_imap(void *arg, int fd, const struct sockaddr *sa, socklen_t salen)
{
	imapd_accept(arg, false, fd, sa, salen);
}

static void
accept_imaps(void *arg, int fd, const struct sockaddr *sa, socklen_t salen)
{
	imapd_accept(arg, true, fd, sa, salen);
}

static void
on_listener(struct daemon *d, const char *service, int fd)
{
	bool implicit_tls = strcmp(service, "imaps") == 0;

	io_listener_new(
	    daemon_loop(d), fd, implicit_tls ? accept_imaps : accept_imap, daemon_data(d));
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	struct imapd *i = daemon_data(d);

	(void)peer;
	if (kind == IPC_CH_keys && side == IPC_CLIENT)
		tls_server_set_keys(i->tls, fd);
	else if (kind == IPC_CH_auth && side == IPC_CLIENT)
		auth_pool_add(i->auth, instance, fd);
	else
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	imapd_set_settings(daemon_data(d), daemon_settings(d));
}

static void
stopped(void *arg)
{
	daemon_exit(arg);
}

static void
on_stop(struct daemon *d)
{
	imapd_stop(daemon_data(d), stopped, d);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "imapd",
		.preload = preload,
		.start = start,
		.on_peer = on_peer,
		.on_listener = on_listener,
		.on_reload = on_reload,
		.on_stop = on_stop,
	};

	return daemon_main(argc, argv, &spec);
}
