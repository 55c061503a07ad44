/* SPDX-License-Identifier: ISC */
/*
 * What is derived from messages and kept beside the journal: here it is told of each content that
 * comes or goes, whatever the way (delivery, APPEND, the last copy's expunge, a deleted folder).
 * None of it is needed: it is made again from the journal when it is not there, and a failure to
 * write it is never the message's.
 */
#ifndef POSTERN_MAILBOX_STORE_DERIVE_H
#define POSTERN_MAILBOX_STORE_DERIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct store;
struct index;

enum {
	/* Messages looked at in one slice when something is missing in the index: about 4 ms. */
	DERIVE_SLICE_MESSAGES = 50,
	/* Bytes of the same slice; a larger message is one of its own. */
	DERIVE_SLICE_BYTES = 256 * 1024,
	/* Messages that wait in memory until their answers are on the way ... */
	DERIVE_WAIT_MESSAGES = 64,
	/* ... and their bytes; when there are more all of them are looked at at once. */
	DERIVE_WAIT_BYTES = 256 * 1024,
};

/* A message that came in this turn. */
struct derive_wait {
	uint64_t email;
	uint8_t *bytes;
	size_t n;
};

struct derive {
	struct index *index; /* NULL: this store keeps none */
	bool known;          /* it was opened and compared with the journal */
	bool gap;            /* records may be missing between its stamp and last_email */
	bool filling;
	uint32_t place; /* next content to look at */
	uint64_t upto;  /* ... as far as this email id */
	uint64_t filled;
	uint64_t base;   /* last email id when the store was opened */
	uint64_t stable; /* last email id on stable storage */
	struct derive_wait waits[DERIVE_WAIT_MESSAGES];
	size_t nwaits, wait_bytes;
};

void derive_open(struct store *s);
/* Writes what waits. */
void derive_close(struct store *s);
void derive_abandon(struct store *s);

/*
 * A content has been added. Takes over bytes, which the batch may borrow until it is written; NULL: they are in
 * a file of their own. Nobody should wait for what is made from a message, so it is looked at in derive_turn.
 */
void derive_added(struct store *s, uint64_t email, uint8_t *bytes, size_t n);
/* Its last message is gone. */
void derive_gone(struct store *s, uint64_t email);
/* Everything up to now is on stable storage. */
void derive_synced(struct store *s);
/* When answers are on their way. */
void derive_turn(struct store *s);
/* Looks at what waits: before the index is asked about it. */
void derive_waiting(struct store *s);
/* When there is time, one slice. true: there is more to do. */
bool derive_tidy(struct store *s);
/* Nothing has happened for a while: gives memory back. */
void derive_rest(struct store *s);
/* Begins anew; derive_tidy fills it. */
void derive_clear(struct store *s);

#endif
