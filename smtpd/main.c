/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "smtpd/smtpd.h"

static void
preload(struct daemon *d)
{
	(void)d;
	tls_preload();
	tzset();
}

static void
start(struct daemon *d)
{
	daemon_set_data(d, smtpd_new(daemon_loop(d), daemon_settings(d), daemon_instance(d)));
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)peer;
	(void)instance;
	if (side == IPC_CLIENT)
		smtpd_peer(daemon_data(d), kind, fd);
	else
		close(fd);
}

static void
on_listener(struct daemon *d, const char *service, int fd)
{
	if (strcmp(service, "smtp") == 0)
		smtp_host_listen(&((struct smtpd *)daemon_data(d))->host, fd, false);
	else
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	smtpd_reload(daemon_data(d), daemon_settings(d));
}

static void
on_stopped(void *arg)
{
	daemon_exit_after(arg, SMTPD_LAST_WORDS_MS);
}

static void
on_stop(struct daemon *d)
{
	smtp_host_stop(&((struct smtpd *)daemon_data(d))->host, on_stopped, d);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "smtpd",
		.preload = preload,
		.start = start,
		.on_peer = on_peer,
		.on_listener = on_listener,
		.on_reload = on_reload,
		.on_stop = on_stop,
	};

	return daemon_main(argc, argv, &spec);
}
