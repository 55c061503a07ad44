/* SPDX-License-Identifier: ISC */
/*
 * Rows as text, for backup and restore: one a line, "KEY VALUE\n", both in hexadecimal (lower
 * case). m/next and m/generation are among them, so numbers are not used twice after a restore;
 * t/ rows and verifiers too. A restore puts them into the file "import" in the directory of
 * accounts, which is read when the store is empty.
 */
#ifndef POSTERN_ACCOUNTS_IMPORT_H
#define POSTERN_ACCOUNTS_IMPORT_H

#include "accounts/store.h"

enum {
	IMPORT_LINE_MAX = 2 * (1024 + 65536) + 2, /* the largest key and value (db.h) in hex */
	IMPORT_BATCH = 1000,                      /* rows in one transaction */
};

/*
 * 1: rows were taken over, load again; 0: nothing to do; -1: malformed file, with a sentence in
 * *why. Starts over when it was interrupted. The file is removed at the end. Every account gets
 * TODO_CREATE, so that its mailbox directory exists.
 */
int import_run(struct store *s, struct buf *why);
/* Appends the hexadecimal form. 0 or BUF_LIMIT. */
int import_put_hex(struct buf *out, struct str bytes);

#endif
