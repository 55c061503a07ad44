/* SPDX-License-Identifier: ISC */
/* mailbox: one user's mail, sole reader and writer of that user's journal. */
#include <malloc.h>
#include <time.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "ipc/ipc.h"
#include "mailbox/host.h"

enum {
	/* Memory goes back to the system as soon as it is not used: one process per user. */
	MALLOC_TRIM = 64 * 1024,
	MALLOC_MMAP = 64 * 1024,
	MALLOC_PAD = 16 * 1024,
};

static struct host_config
settings(struct daemon *d)
{
	const struct settings *s = daemon_settings(d);

	return (struct host_config){
		.message_max = settings_u64(s, SET_general_message_size),
		.min_free = settings_u64(s, SET_queue_min_free),
		.compress = settings_bool(s, SET_mailbox_compress),
		.idle_exit_ms = settings_u64(s, SET_mailbox_idle_exit) * 1000,
		.idle_limit_ms = settings_u64(s, SET_imapd_idle_timeout) * 1000,
		.max_sessions = (unsigned)settings_u64(s, SET_mailbox_max_sessions),
		.quota_bytes = settings_u64(s, SET_mailbox_quota_bytes),
		.quota_messages = settings_u64(s, SET_mailbox_quota_messages),
	};
}

static void
on_idle(void *arg, uint64_t attached)
{
	struct daemon *d = arg;

	ipc_send_mailbox_idle(
	    daemon_master(d), 0, &(struct ipc_mailbox_idle){ .attached = attached });
}

static void
on_usage(void *arg, uint64_t bytes, uint64_t messages)
{
	ipc_send_mailbox_usage(daemon_master(arg), 0,
	    &(struct ipc_mailbox_usage){ .bytes = bytes, .messages = messages });
}

static void
on_stopped(void *arg)
{
	daemon_exit(arg);
}

/* What was not safe has not been told to anyone; a fresh process reads what is. */
static void
on_failed(void *arg)
{
	(void)arg;
	fatal("the mailbox could not be written");
}

static void
preload(struct daemon *d)
{
	(void)d;
	tzset();
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, MALLOC_TRIM);
	mallopt(M_MMAP_THRESHOLD, MALLOC_MMAP);
	mallopt(M_TOP_PAD, MALLOC_PAD);
}

static void
start(struct daemon *d)
{
	struct host_config config = settings(d);
	struct host *h;
	int e;

	config.loop = daemon_loop(d);
	config.dirfd = daemon_dir(d);
	config.index = "index";
	config.on_idle = on_idle;
	config.on_usage = on_usage;
	config.on_stopped = on_stopped;
	config.on_failed = on_failed;
	config.arg = d;
	e = host_new(&config, &h);
	if (e != 0)
		fatal("cannot open the mailbox of account %u: %s", daemon_instance(d),
		    store_strerror(e));
	daemon_set_data(d, h);
}

static void
on_attach(struct daemon *d, uint8_t purpose, int fd)
{
	host_attach(daemon_data(d), purpose, fd);
}

static void
on_limits(struct daemon *d, uint64_t bytes, uint64_t messages)
{
	host_limits(daemon_data(d), bytes, messages);
}

static void
on_reload(struct daemon *d)
{
	const struct host_config config = settings(d);

	host_settings(daemon_data(d), &config);
}

static void
on_stop(struct daemon *d)
{
	host_stop(daemon_data(d));
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "mailbox",
		.preload = preload,
		.start = start,
		.on_attach = on_attach,
		.on_limits = on_limits,
		.on_reload = on_reload,
		.on_stop = on_stop,
	};

	return daemon_main(argc, argv, &spec);
}
