/* SPDX-License-Identifier: ISC */
/* The auth processes: each exchange goes to the one that has the fewest under way. */
#ifndef POSTERN_IMAPD_AUTH_POOL_H
#define POSTERN_IMAPD_AUTH_POOL_H

#include "imapd/imapd.h"

struct auth_pool *auth_pool_new(struct io_loop *loop);
void auth_pool_free(struct auth_pool **p);
/* Takes over the client end of an "auth" channel. */
void auth_pool_add(struct auth_pool *p, uint32_t instance, int fd);

/*
 * Begins an exchange for c; NULL: no auth process is there. Its end comes as client_auth_ok or
 * client_auth_refused (IPC_TEMP also when the process dies), in between client_auth_challenge.
 */
struct auth_exchange *auth_start(
    struct auth_pool *p, struct client *c, const struct imap_pre_auth *auth);
void auth_continue(struct auth_exchange *x, struct str response);
/* Nothing comes any more; what auth still answers is dropped. */
void auth_cancel(struct auth_exchange **x);

#endif
