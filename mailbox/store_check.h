/* SPDX-License-Identifier: ISC */
/*
 * Looking at a whole mailbox, and making what is derived from it anew, while it is in use: a step at
 * a time, each a few milliseconds (the one that reads the journal into a second model: up to half a
 * second for 100,000 messages).
 *
 * check reads header and meta of every record, the content of every message, and compares the
 * index's records with the messages. rebuild reads the journal into a fresh model, compares that with
 * the one in use, writes the checkpoint and makes the index anew: UIDs, UIDVALIDITY, flags, keywords
 * and MODSEQs are those of the journal before and after. Should they differ, memory is not to be
 * trusted: the checkpoint is removed, and the store fails, so that the next process reads the journal.
 */
#ifndef POSTERN_MAILBOX_STORE_CHECK_H
#define POSTERN_MAILBOX_STORE_CHECK_H

#include "mailbox/store.h"

enum {
	/* Messages of one step: sessions have their turn between two. */
	STORE_CHECK_MESSAGES = 100,
	/* Bytes of one step: some milliseconds of reading. */
	STORE_CHECK_BYTES = 1024 * 1024,
	/* UIDs of damaged messages named in a row; all of them are in the log. */
	STORE_CHECK_UIDS = 100,
};

enum store_check_step { STORE_CHECK_MORE, STORE_CHECK_ROW, STORE_CHECK_END };

struct store_check_row {
	const char *what; /* "segment", "journal", "folder", "index" */
	char name[260];
	uint64_t read, damaged;
	char detail[1100];
};

struct store_check;

struct store_check *store_check_new(struct store *s, bool rebuild);
void store_check_free(struct store_check **c);
/* ROW: *row is filled. END: nothing more. */
enum store_check_step store_check_step(struct store_check *c, struct store_check_row *row);
/* Of all rows until now. */
uint64_t store_check_damaged(const struct store_check *c);

#endif
