/* SPDX-License-Identifier: ISC */
/*
 * Delivered-To fields (rfc9228): each copy that goes to a mailbox or is forwarded begins with one that
 * names the address it came for. A forward that leads back to an address the message has been at
 * must end. Also: what an address stands for, as recipients and deliveries of an envelope. Pure.
 */
#ifndef POSTERN_QUEUE_TRACE_H
#define POSTERN_QUEUE_TRACE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "queue/envelope.h"

enum {
	/* The addresses of Delivered-To fields that are looked at: each step of a way adds one, and
	 * after 50 steps the count of Received fields ends it. */
	TRACE_SEEN_MAX = 100 * 257,
	TRACE_FIELD_MAX = 600, /* "Delivered-To: " and an address of ipc_table.h's 512 bytes */
	EXPAND_KEY = 32,
};

/* Appends the addresses of the Delivered-To fields of a message, each ended by NUL, as far as they
 * fit; that there was nothing as a single NUL. */
void trace_seen(struct str message, struct buf *seen);
/* Is one of the envelope's recipients that lead to other servers among them? */
bool trace_goes_round(const struct envelope_writer *w, const struct buf *seen);
/* Replaces what is in out (TRACE_FIELD_MAX) by the field for a copy of this delivery; nothing for
 * what a user sends to another server. */
void trace_field(const struct envelope *e, uint32_t delivery, struct buf *out);

struct expand_from {
	bool rewrite;       /* the reverse-path is not ours: forwards need another one */
	const uint8_t *key; /* of EXPAND_KEY bytes for that, or NULL */
	uint64_t now_ms;
};
/*
 * Deliveries of this recipient to all that the answer names. Those on other servers become
 * recipients of their own. 0, or -1: over a limit, or the answer makes no sense.
 */
int expand_targets(struct envelope_writer *w, uint32_t recipient,
    const struct ipc_address_targets *m, const struct expand_from *from);

#endif
