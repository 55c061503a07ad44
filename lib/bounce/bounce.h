/* SPDX-License-Identifier: ISC */
/*
 * Bounces, delivery reports and read receipts: which messages are such, and of which messages of ours
 * they speak. Looks at the beginning of a message while it streams by. Lenient, because each server
 * writes its bounces differently: a Message-ID counts wherever a line of the report gives it.
 *
 *	bounce_header()            the whole header is there
 *	while (content comes)
 *		bounce_body()
 *	bounce_ids()
 *
 * Pure: no descriptors, no clock.
 */
#ifndef POSTERN_BOUNCE_BOUNCE_H
#define POSTERN_BOUNCE_BOUNCE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum bounce_kind {
	BOUNCE_NONE, /* an ordinary message; also a report about something else than one message
			 * (rfc5965, rfc8460): it need not refer to any */
	BOUNCE_NULL, /* a message without a sender (rfc5321:4.5.5) */
	BOUNCE_REPORT, /* multipart/report with the status of a delivery (rfc3464), or of no known type */
	BOUNCE_RECEIPT, /* the same about the reading of a message (rfc8098) */
};

enum {
	/* Header and body of which are looked at: the reports stand before the returned message, and
	 * real ones with the returned header are below 40 KB. */
	BOUNCE_LOOK_MAX = 128 << 10,
	BOUNCE_IDS_MAX = 16384, /* as one question to reputation takes */
};

struct bounce {
	enum bounce_kind kind;
	/* private */
	size_t header; /* length of it in seen */
	struct buf seen;
};

/* b is all zero or was freed. header: with its empty line. */
void bounce_header(struct bounce *b, struct str header, bool null_sender);
void bounce_body(struct bounce *b, struct str run);
/* Appends the Message-IDs it refers to, as smtp_message_id gives them, each ended by NUL; never more
 * than BOUNCE_IDS_MAX bytes. What finds no room is left out. */
void bounce_ids(const struct bounce *b, struct buf *ids);
void bounce_free(struct bounce *b);

/* "null", "delivery", "receipt" or "none", for the log. */
const char *bounce_kind_word(enum bounce_kind kind);

#endif
