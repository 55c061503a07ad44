/* SPDX-License-Identifier: ISC */
/* Between service.c and admin.c. */
#ifndef POSTERN_ACCOUNTS_SERVICE_PRIV_H
#define POSTERN_ACCOUNTS_SERVICE_PRIV_H

#include <sys/queue.h>

#include "accounts/service.h"

struct peer {
	LIST_ENTRY(peer) link;
	struct service *s;
	struct ipc_channel *ch;
};

/* What goes on when master has answered. */
enum pending_kind {
	PENDING_LOGIN,       /* open: pass the descriptor on */
	PENDING_USER_ADD,    /* create: make the account */
	PENDING_USER_REMOVE, /* remove: drop the note, answer */
	PENDING_KICK,        /* kick: answer */
	PENDING_TODO,        /* create, remove from before: drop the note */
};

struct pending {
	enum pending_kind kind;
	uint32_t account;
	struct peer *peer; /* who waits; NULL: nobody any more */
	uint64_t their_id;
	char *address, *verifier; /* of PENDING_USER_ADD */
};

struct service {
	struct io_loop *loop;
	struct store *store;
	const struct settings *settings;
	service_ask_fn *ask;
	void *ask_arg;
	LIST_HEAD(, peer) peers;
	struct map *pending;
	uint64_t next_id;
	uint64_t announced; /* store_changes that smtpd has been told of */
};

/* NULL: too many; otherwise master has been asked. */
struct pending *service_request(struct service *s, enum pending_kind kind,
    enum service_request what, uint32_t account, struct peer *peer, uint64_t their_id);
void admin_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_request *m, int fd);
/* master's answer for PENDING_USER_ADD, _REMOVE and _KICK. */
void admin_done(struct service *s, struct pending *p, enum ipc_result result);

#endif
