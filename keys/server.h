/* SPDX-License-Identifier: ISC */
/*
 * Answers the channels of the keys process: certificates, signatures, ticket keys. A client may
 * have KEYS_PENDING_MAX requests waiting; an honest one has one, as its calls are synchronous. More
 * is a flood and ends its channel. One request of each client is answered in turn, so that
 * a flood or a slow RSA key of one does not stop the handshakes of another.
 */
#ifndef POSTERN_KEYS_SERVER_H
#define POSTERN_KEYS_SERVER_H

#include "io/io.h"

enum {
	KEYS_PENDING_MAX = 8,                /* late ones that the client gave up, and one */
	KEYS_ROTATION_MS = 12 * 3600 * 1000, /* a ticket key lives twice as long: 24 h */
};

struct keys_server;

/* dirfd stays the caller's and open. */
struct keys_server *keys_server_new(struct io_loop *loop, int dirfd);
void keys_server_free(struct keys_server **s);
/* Takes over the server end of a "keys" channel. Clients of the same service share ticket keys. */
void keys_server_add(struct keys_server *s, const char *service, int fd);
/* Reads the directory again and tells all clients. */
void keys_server_reload(struct keys_server *s);

#endif
