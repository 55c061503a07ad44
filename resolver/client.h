/* SPDX-License-Identifier: ISC */
/* A daemon that asks: one channel. */
#ifndef POSTERN_RESOLVER_CLIENT_H
#define POSTERN_RESOLVER_CLIENT_H

#include "ipc/ipc.h"
#include "resolver/resolve.h"

/* Questions of one client that wait; further ones fail for now. A worker with 1000 sessions asks
 * two or three questions for each new one; what a taken-over worker can do to others is bounded. */
enum { CLIENT_WAITING_MAX = 256 };

struct client;

/* Takes over fd; frees itself when the other end is gone. */
void client_new(struct resolve *r, struct io_loop *loop, const char *peer, int fd);

#endif
