/* SPDX-License-Identifier: ISC */
/* reputation's side of its channels. Nobody waits for what it writes: see store.h. */
#ifndef POSTERN_REPUTATION_SERVICE_H
#define POSTERN_REPUTATION_SERVICE_H

#include "io/io.h"
#include "reputation/store.h"
#include "settings/settings.h"

enum {
	SERVICE_GOOD_HOURS = 3600, /* a sender's history grows by one in so many seconds at most */
	/* What a client does counts for its network by one part in so many: eight bad clients make
	 * a bad network. */
	SERVICE_NETWORK_SHARE = 8,
	SERVICE_NOTE_MAX = 1000, /* one note counts no more than so often */
	SERVICE_FULL_MS = 60000, /* how often writing is tried while the disk is full */
};

struct service;

/* store and settings are borrowed; service_settings gives others. clock: seconds since 1970. */
struct service *service_new(struct io_loop *loop, struct store *store,
    const struct settings *settings, uint32_t (*clock)(void));
void service_free(struct service **s);
void service_settings(struct service *s, const struct settings *settings);
/* Takes over the server end of a channel. */
void service_peer(struct service *s, int fd);

#endif
