/* SPDX-License-Identifier: ISC */
/*
 * The exchanges of one auth process: from imapd's auth_start to auth_ok with the descriptor of the
 * mailbox. Nothing here waits: verifier and mailbox are asked for by messages, and passwords are
 * checked one after the other from a bounded queue, between which all channels are served.
 */
#ifndef POSTERN_AUTH_SERVER_H
#define POSTERN_AUTH_SERVER_H

#include "auth/verify.h"
#include "io/io.h"
#include "ipc/ipc.h"
#include "settings/settings.h"

enum {
	/* Exchanges at one time, most of them waiting for their client: imapd's default
	   connections. */
	SERVER_EXCHANGES_MAX = 1024,
	/* Time in which passwords are checked before the channels are looked at again. */
	SERVER_SLICE_MS = 5,
};

struct server;

/* settings are borrowed until server_settings. */
struct server *server_new(struct io_loop *loop, const struct settings *settings);
void server_free(struct server **s);
void server_settings(struct server *s, const struct settings *settings);
/* Server end of `auth` or client end of `accounts_auth`; takes over fd. */
void server_peer(struct server *s, enum ipc_channel_kind kind, enum ipc_side side, int fd);
size_t server_exchanges(const struct server *s);
const struct verify *server_verify(const struct server *s);

#endif
