/* SPDX-License-Identifier: ISC */
/*
 * Small tables on disk: ordered keys, values, transactions. Engine-neutral; behind it stands
 * Berkeley DB with a private (in-process) transactional environment in the current directory:
 * data.db (one B-tree, pages with checksums), log.* (write-ahead log, removed when no longer
 * needed), reserve (see below), lock.
 *
 * One process owns the directory and is single-threaded; a second one gets DBE_BUSY. Recovery runs
 * at each open. Keys and values are bytes; callers put their tables apart by a prefix of the key.
 * Keys that begin with a NUL byte belong to this module.
 *
 * db_open_index opens the other kind: an index in a directory of its own, made from something that
 * is kept elsewhere. It survives the end of the process, and a power failure without inconsistency
 * (what was written last may be gone), but its commits do not wait for the disk, and it keeps no
 * reserve. When it is damaged its owner removes the files and makes it again.
 *
 * Full disk: a write transaction is refused (DBE_FULL) while less than DB_MIN_FREE is left, so that
 * the log never fails half-way; `reserve` is given up when there is too little space to recover, so
 * that opening always works, and is made again when there is space.
 */
#ifndef POSTERN_DB_DB_H
#define POSTERN_DB_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum db_error {
	DBE_NONE = -1,    /* no such key */
	DBE_FULL = -2,    /* too little disk space; nothing was changed */
	DBE_NEWER = -3,   /* written by a newer version of the program */
	DBE_BUSY = -4,    /* another process owns the directory */
	DBE_LIMIT = -5,   /* key, value or transaction above the limits below */
	DBE_CORRUPT = -6, /* the data do not pass their checksums */
	DBE_BROKEN = -7,  /* failed in a way that only closing and opening again repairs */
};

enum {
	DB_KEY_MAX = 1024,      /* four of them fit a page's smallest fan-out with overflow */
	DB_VALUE_MAX = 65536,   /* an alias with 100 targets needs 25 KiB */
	DB_CACHE = 256 << 10,   /* a few thousand accounts; what is read often is cached above */
	DB_LOG_FILE = 1 << 20,  /* size of one log file; two stay */
	DB_CHECKPOINT_KB = 256, /* log written between two checkpoints: recovery stays short */
	DB_TXN_MAX = 16 << 20,  /* bytes of keys and values in one transaction */
	DB_RESERVE = 4 << 20,   /* recovery: a log file, a checkpoint, some pages */
	DB_MIN_FREE = 2 << 20,  /* a small transaction, its log and its checkpoint */
	/* An index: fewer checkpoints, as each waits for the disk; four log files stay. */
	DB_INDEX_CHECKPOINT_KB = 4096,
	DB_INDEX_PAGE = 8192, /* values of a kilobyte are read one after the other */
};

struct db;
struct db_txn;

/*
 * Opens or creates the store in the current directory; format: the newest version of its content
 * this program knows (a new store gets it). 0 or DBE_*; then *why (any buffer) has a sentence.
 */
int db_open(uint32_t format, struct db **out, struct buf *why);
/* The same for an index in the directory home, which must stay valid as a path from the current
 * directory; it is made if it is not there. */
int db_open_index(const char *home, uint32_t format, struct db **out, struct buf *why);
/* Removes the files of an index that nobody has open. 0, or -1 with errno set. */
int db_remove_index(const char *home);
/* With a checkpoint, so that the next open is quick. A transaction left open is undone. */
void db_close(struct db **db);
/* Version of the content; raise it with db_set_format in the transaction that upgrades. */
uint32_t db_format(const struct db *db);
/* What the engine said last, for the log; never NULL. */
const char *db_why(const struct db *db);

/* One transaction at a time. 0 or DBE_*. Without need_space (removals) the reserve may be used. */
int db_begin(struct db *db, bool need_space, struct db_txn **out);
int db_put(struct db_txn *txn, struct str key, struct str value);
/* DBE_NONE when there was no such key. */
int db_del(struct db_txn *txn, struct str key);
int db_set_format(struct db_txn *txn, uint32_t format);
/*
 * On stable storage when this returns 0 (an index: in the hands of the system). Otherwise DBE_BROKEN or
 * DBE_CORRUPT: whether it was kept is known after the store was closed and opened again. Ends the transaction
 * in any case.
 */
int db_commit(struct db_txn **txn);
/* 0, or DBE_BROKEN: it could not be undone. */
int db_abort(struct db_txn **txn);

/* Sees the open transaction's changes. The value is appended to *value. */
int db_get(struct db *db, struct str key, struct buf *value);
/*
 * Calls fn for each key that begins with prefix, in order; key and value are borrowed for the call,
 * in which nothing may be written. fn returns 0 to go on, anything else ends the walk and is
 * returned. 0 or DBE_*.
 */
int db_range(struct db *db, struct str prefix,
    int (*fn)(void *arg, struct str key, struct str value), void *arg);

#endif
