/* SPDX-License-Identifier: ISC */
/*
 * What accounts does for others: look-ups of smtpd, verifiers and the login doors of auth, targets
 * and rights of senders for queue, the administrator's commands. Everything that changes or asks master goes
 * through here; the host (main.c, tests) brings descriptors and carries requests to master.
 */
#ifndef POSTERN_ACCOUNTS_SERVICE_H
#define POSTERN_ACCOUNTS_SERVICE_H

#include "accounts/store.h"
#include "io/io.h"
#include "ipc/ipc.h"
#include "settings/settings.h"

enum {
	SERVICE_PENDING_MAX = 2048, /* requests to master without an answer yet; above: IPC_TEMP */
	PASSWORD_MIN = 8,           /* bytes; what guides for passwords ask for at least */
	PASSWORD_MAX = 1024,        /* bytes; ipc_table.h: admin_request.secret */
};

struct service;

enum service_request {
	SERVICE_OPEN,
	SERVICE_COMMAND,
	SERVICE_CREATE,
	SERVICE_REMOVE,
	SERVICE_KICK,
	SERVICE_LIMIT /* its limits are told to its mailbox: no answer comes */
};

/* To master; the answer comes by service_opened or service_done with the same id. */
typedef void service_ask_fn(void *arg, enum service_request what, uint64_t id, uint32_t account);

/* store and settings are borrowed. Asks master for what is owed from before. */
struct service *service_new(struct io_loop *loop, struct store *store,
    const struct settings *settings, service_ask_fn *ask, void *arg);
void service_free(struct service **s);
void service_settings(struct service *s, const struct settings *settings);
/* Server end of accounts_lookup, accounts_auth, accounts_queue or admin; takes over fd. */
void service_peer(struct service *s, enum ipc_channel_kind kind, int fd);
/* fd is -1 when refused. */
void service_opened(struct service *s, uint64_t id, enum ipc_result result, int fd);
void service_done(struct service *s, uint64_t id, enum ipc_result result);
/* What a mailbox says that it holds. */
void service_holds(struct service *s, uint32_t account, uint64_t bytes, uint64_t messages);
/* Requests to master that are not answered yet. */
size_t service_pending(const struct service *s);

#endif
