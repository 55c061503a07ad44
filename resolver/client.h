/* SPDX-License-Identifier: ISC */
/* A daemon that asks: one channel. */
#ifndef POSTERN_RESOLVER_CLIENT_H
#define POSTERN_RESOLVER_CLIENT_H

#include "ipc/ipc.h"
#include "resolver/resolve.h"

/* Questions of one client that wait; further ones fail for now, so what a taken-over worker can do to others is
 * bounded. An honest one has fewer out and lets the others wait at home. */
enum { CLIENT_WAITING_MAX = 512 };

struct client;

/* Takes over fd; frees itself when the other end is gone. */
void client_new(struct resolve *r, struct io_loop *loop, const char *peer, int fd);

#endif
