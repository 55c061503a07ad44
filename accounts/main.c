/* SPDX-License-Identifier: ISC */
/* accounts: knows domains, accounts, addresses and verifiers, and opens mailboxes to proven logins.
 */
#include <sodium.h>
#include <unistd.h>

#include "accounts/service.h"
#include "base/log.h"
#include "daemon/daemon.h"

static struct store *store;
static struct service *service;

static void
ask_open(struct ipc_channel *master, uint64_t id, uint32_t account, uint8_t purpose)
{
	const struct account *a = directory_by_id(store_directory(store), account);

	ipc_send_mailbox_open(master, id,
	    &(struct ipc_mailbox_open){ .account = account,
		.purpose = purpose,
		.quota_bytes = a ? a->quota_bytes : 0,
		.quota_messages = a ? a->quota_messages : 0 });
}

static void
tell_limit(struct ipc_channel *master, uint32_t account)
{
	const struct account *a = directory_by_id(store_directory(store), account);

	if (a)
		ipc_send_mailbox_limit(master, 0,
		    &(struct ipc_mailbox_limit){ .account = account,
			.quota_bytes = a->quota_bytes,
			.quota_messages = a->quota_messages });
}

static void
ask(void *arg, enum service_request what, uint64_t id, uint32_t account)
{
	struct ipc_channel *master = daemon_master(arg);

	switch (what) {
	case SERVICE_OPEN:
		ask_open(master, id, account, IPC_MAILBOX_SESSION);
		break;
	case SERVICE_COMMAND:
		ask_open(master, id, account, IPC_MAILBOX_COMMAND);
		break;
	case SERVICE_LIMIT:
		tell_limit(master, account);
		break;
	case SERVICE_CREATE:
		ipc_send_mailbox_create(
		    master, id, &(struct ipc_mailbox_create){ .account = account });
		break;
	case SERVICE_REMOVE:
		ipc_send_mailbox_remove(
		    master, id, &(struct ipc_mailbox_remove){ .account = account });
		break;
	case SERVICE_KICK:
		ipc_send_mailbox_kick(master, id, &(struct ipc_mailbox_kick){ .account = account });
		break;
	}
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
	if (store_open(str_of(settings_text(st, SET_general_domain)),
		(uint32_t)settings_u64(st, SET_general_mailbox_uid_count), &store, &why) != 0)
		fatal("accounts store: %.*s", (int)buf_len(&why), (const char *)buf_data(&why));
	buf_free(&why);
	service = service_new(daemon_loop(d), store, st, ask, d);
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)d;
	(void)peer;
	(void)instance;
	if (side == IPC_SERVER && service)
		service_peer(service, kind, fd);
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
	ipc_flush_all();
	service_free(&service);
	store_close(&store);
	daemon_exit(d);
}

static void
on_mailbox_opened(struct daemon *d, uint64_t id, enum ipc_result result, int fd)
{
	(void)d;
	if (service)
		service_opened(service, id, result, fd);
	else if (fd >= 0)
		close(fd);
}

static void
on_done(struct daemon *d, uint64_t id, enum ipc_result result)
{
	(void)d;
	if (service)
		service_done(service, id, result);
}

static void
on_holds(struct daemon *d, uint32_t account, uint64_t bytes, uint64_t messages)
{
	(void)d;
	if (service)
		service_holds(service, account, bytes, messages);
}

static const struct daemon_spec spec = {
	.name = "accounts",
	.preload = preload,
	.start = start,
	.on_peer = on_peer,
	.on_reload = on_reload,
	.on_stop = on_stop,
	.on_mailbox_opened = on_mailbox_opened,
	.on_done = on_done,
	.on_holds = on_holds,
};

int
main(int argc, char **argv)
{
	return daemon_main(argc, argv, &spec);
}
