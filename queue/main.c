/* SPDX-License-Identifier: ISC */
/* queue: keeps accepted messages until they are delivered. */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "queue/queue.h"

static struct queue *queue;

static void
open_mailbox(void *arg, uint32_t account)
{
	ipc_send_mailbox_open(daemon_master(arg), account,
	    &(struct ipc_mailbox_open){ .account = account, .purpose = IPC_MAILBOX_DELIVER });
}

static struct queue_options
options(struct daemon *d)
{
	const struct settings *st = daemon_settings(d);

	struct queue_options o = {
	    .spool.limits =
		{
		    .max_messages = settings_u64(st, SET_queue_max_messages),
		    .max_bytes = settings_u64(st, SET_queue_max_size),
		    .min_free = settings_u64(st, SET_queue_min_free),
		},
	    .message_max = settings_u64(st, SET_general_message_size),
	    .retry_min_ms = settings_u64(st, SET_queue_retry_min) * 1000,
	    .retry_max_ms = settings_u64(st, SET_queue_retry_max) * 1000,
	    .mailboxes_max = (unsigned)settings_u64(st, SET_queue_max_deliveries),
	    .remote_retry_min_ms = settings_u64(st, SET_queue_remote_retry_min) * 1000,
	    .remote_retry_max_ms = settings_u64(st, SET_queue_remote_retry_max) * 1000,
	    .jobs_max = (unsigned)settings_u64(st, SET_queue_max_jobs),
	    .per_destination_max = (unsigned)settings_u64(st, SET_queue_max_jobs_per_domain),
	    .warn_after_ms = settings_u64(st, SET_queue_warn_after) * 1000,
	    .expire_after_ms = settings_u64(st, SET_queue_expire_after) * 1000,
	    .open_mailbox = open_mailbox,
	    .arg = d,
	};

	snprintf(o.hostname, sizeof(o.hostname), "%s", settings_text(st, SET_general_hostname));
	snprintf(o.smarthost, sizeof(o.smarthost), "%s", settings_text(st, SET_delivery_smarthost));
	return o;
}

static void
start(struct daemon *d)
{
	struct queue_options o = options(d);
	int r = queue_new(daemon_loop(d), daemon_dir(d), &o, &queue);

	if (r != 0)
		fatal("the queue's journal does not open: %s", journal_strerror(r));
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)d;
	(void)peer;
	(void)instance;
	if (queue && side == IPC_SERVER && kind == IPC_CH_queue_accept)
		queue_accept_peer(queue, fd);
	else if (queue && side == IPC_CLIENT && kind == IPC_CH_accounts_queue)
		queue_accounts_peer(queue, fd);
	else if (queue && side == IPC_CLIENT && kind == IPC_CH_delivery)
		queue_delivery_peer(queue, fd);
	else if (queue && side == IPC_SERVER && kind == IPC_CH_admin)
		queue_admin_peer(queue, fd);
	else
		close(fd);
}

static void
on_mailbox_opened(struct daemon *d, uint64_t id, enum ipc_result result, int fd)
{
	(void)d;
	if (queue)
		queue_mailbox_opened(queue, (uint32_t)id, result, fd);
	else if (fd >= 0)
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	struct queue_options o = options(d);

	queue_set_options(queue, &o);
}

static void
on_stop(struct daemon *d)
{
	queue_free(&queue);
	daemon_exit(d);
}

static const struct daemon_spec spec = {
	.name = "queue",
	.start = start,
	.on_peer = on_peer,
	.on_reload = on_reload,
	.on_stop = on_stop,
	.on_mailbox_opened = on_mailbox_opened,
};

int
main(int argc, char **argv)
{
	return daemon_main(argc, argv, &spec);
}
