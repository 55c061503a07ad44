/* SPDX-License-Identifier: ISC */
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "delivery/delivery.h"
#include "proc/sandbox.h"

enum { LAST_WORDS_MS = 50 }; /* for QUIT and the last results to leave before the process ends */

static struct delivery_options options;
static struct delivery *delivery;

static void
preload(struct daemon *d)
{
	const struct settings *s = daemon_settings(d);
	const char *ca_file = NULL, *why;

	delivery_options_read(&options, s);
	delivery_options_own(&options, s);
	if (options.smarthost.host[0] != '\0') /* nobody else is verified */
		ca_file = settings_text(s, SET_delivery_ca_file);
	options.tls = tls_client_new(ca_file, &why);
	if (why != NULL)
		log_error(NULL, "ca-file=\"%s\" error=\"%s\": the smarthost cannot be verified",
		    LOGS(str_of(ca_file)), why);
	proc_sandbox_allow_port(options.port);
	if (options.smarthost.host[0] != '\0')
		proc_sandbox_allow_port(options.smarthost.port);
	tzset();
}

static void
start(struct daemon *d)
{
	delivery = delivery_new(daemon_loop(d), &options);
	explicit_bzero(options.smarthost.password, sizeof(options.smarthost.password));
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)d;
	(void)peer;
	(void)instance;
	if (kind == IPC_CH_resolver && side == IPC_CLIENT)
		delivery_resolver(delivery, fd);
	else if (kind == IPC_CH_delivery && side == IPC_SERVER)
		delivery_queue(delivery, fd);
	else
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	delivery_reload(delivery, daemon_settings(d));
}

static void
on_stopped(void *arg)
{
	daemon_exit_after(arg, LAST_WORDS_MS);
}

static void
on_stop(struct daemon *d)
{
	delivery_stop(delivery, on_stopped, d);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "delivery",
		.preload = preload,
		.start = start,
		.on_peer = on_peer,
		.on_reload = on_reload,
		.on_stop = on_stop,
	};

	return daemon_main(argc, argv, &spec);
}
