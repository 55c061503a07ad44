/* SPDX-License-Identifier: ISC */
/* The auth processes, as their clients see them: each exchange goes to the one that has the fewest
 * under way. */
#ifndef POSTERN_AUTH_CLIENT_AUTH_CLIENT_H
#define POSTERN_AUTH_CLIENT_AUTH_CLIENT_H

#include <stdbool.h>

#include "base/str.h"
#include "io/io.h"
#include "ipc/ipc.h"

enum { AUTH_MECHANISMS_MAX = 128 }; /* the names of all, with spaces between */
/* The SASL mechanisms that auth knows, separated by spaces; bound: also those that need a channel
 * binding. Returns out. */
const char *auth_mechanisms(char out[AUTH_MECHANISMS_MAX], bool bound);

struct auth_pool;
struct auth_exchange;

struct auth_pool *auth_pool_new(struct io_loop *loop);
/* Exchanges under way are refused (IPC_TEMP). */
void auth_pool_free(struct auth_pool **p);
/* Takes over the client end of an "auth" channel. */
void auth_pool_add(struct auth_pool *p, uint32_t instance, int fd);

/* A good login, borrowed for the call; what is behind account and login goes to the mailbox as it is
 * (ipc_table.h: login_opened). */
struct auth_login {
	uint32_t account;
	struct str login;
	struct str hidden_capabilities;
};

/* What comes of an exchange: challenges, then exactly one of refused and ok, at which the exchange
 * is gone already. */
struct auth_client_ops {
	void (*challenge)(void *arg, struct str challenge);
	/* IPC_TEMP: could not be checked, also when the process dies. login: as far as it is known,
	 * not to be trusted. */
	void (*refused)(void *arg, enum ipc_result result, struct str login);
	/* Takes over fd: the descriptor that is the answer to a good password. */
	void (*ok)(void *arg, const struct auth_login *login, int fd);
};

/* One that begins; borrowed for the call. */
struct auth_request {
	struct str service;   /* "imap" or "smtp": which descriptor is wanted */
	struct str mechanism; /* of SASL */
	const char *client_address;
	const struct io_stream *stream; /* its channel bindings go along */
	bool has_initial;
	struct str initial; /* secret */
};

/* NULL: no auth process is there. */
struct auth_exchange *auth_start(struct auth_pool *p, const struct auth_client_ops *ops, void *arg,
    const struct auth_request *request);
void auth_continue(struct auth_exchange *x, struct str response);
/* Nothing comes any more; what auth still answers is dropped. */
void auth_cancel(struct auth_exchange **x);

#endif
