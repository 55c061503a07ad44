/* SPDX-License-Identifier: ISC */
/*
 * What a sender is told of the deliveries of a message: the queue says what happened, this makes
 * the notification (lib/dsn) of it. Pure: no descriptors, no clock.
 */
#ifndef POSTERN_QUEUE_REPORT_H
#define POSTERN_QUEUE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "dsn/dsn.h"
#include "queue/envelope.h"

/* The last that was heard of a delivery; also what a note in the journal holds (queue/note.h). */
struct answer {
	enum ipc_result result; /* IPC_OK, IPC_TEMP, IPC_NO */
	uint32_t code;          /* of the other server's reply; 0: our own words */
	uint64_t time_ms;       /* since 1970; 0: never tried */
	struct str enhanced;    /* "4.2.1", or empty */
	struct str text;        /* of the reply, or why not */
	struct str remote;      /* the other server's name, or empty */
};

struct report_item {
	uint32_t delivery; /* index in the envelope */
	struct answer last;
};

struct report_input {
	enum dsn_kind kind; /* all items are of this kind */
	const struct envelope *envelope;
	const struct report_item *items; /* one to DSN_RECIPIENTS_MAX */
	size_t count;
	/* The message as it was accepted (prepend and received bytes) from its start: all of it if it
	 * is not above DSN_FULL_MAX, else at least DSN_HEADER_MAX bytes. */
	struct str message;
	uint64_t message_size; /* of all of it */
	uint64_t now_ms;
	uint64_t retry_until_ms; /* of DSN_DELAYED: when the message will be returned */
	struct str hostname;     /* ours */
	uint64_t seed;           /* random */
};

/*
 * Appends the notification to out, header and body as they are to be stored: the queue adds nothing
 * to it and sends it to envelope->reverse_path with the null reverse-path and NOTIFY=NEVER.
 * A RET=FULL counts for failures (rfc3461:4.3). 0, or a DSN_ERR_*.
 */
int report_build(const struct report_input *in, struct buf *out, struct dsn_result *result);

/*
 * Is somebody to be told this about the delivery? By its NOTIFY, for which `relayed` and
 * `delivered` count as success; never for the null reverse-path.
 */
bool report_wanted(const struct envelope *e, uint32_t delivery, enum dsn_kind kind);

#endif
