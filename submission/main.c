/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "submission/submission.h"

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
	daemon_set_data(d, submission_new(daemon_loop(d), daemon_settings(d), daemon_instance(d)));
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)peer;
	if (side == IPC_CLIENT)
		submission_peer(daemon_data(d), kind, instance, fd);
	else
		close(fd);
}

static void
on_listener(struct daemon *d, const char *service, int fd)
{
	struct submission *s = daemon_data(d);

	smtp_host_listen(&s->host, fd, strcmp(service, "submissions") == 0);
}

static void
on_reload(struct daemon *d)
{
	submission_reload(daemon_data(d), daemon_settings(d));
}

static void
on_stopped(void *arg)
{
	daemon_exit_after(arg, SUBMISSION_LAST_WORDS_MS);
}

static void
on_stop(struct daemon *d)
{
	struct submission *s = daemon_data(d);

	smtp_host_stop(&s->host, on_stopped, d);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "submission",
		.preload = preload,
		.start = start,
		.on_peer = on_peer,
		.on_listener = on_listener,
		.on_reload = on_reload,
		.on_stop = on_stop,
	};

	return daemon_main(argc, argv, &spec);
}
