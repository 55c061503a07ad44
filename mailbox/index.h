/* SPDX-License-Identifier: ISC */
/*
 * The index of a mailbox: for each content (by its email id) the record of imap/facts.h, in Berkeley
 * DB. It is made from the journal and may be lost at any time: what is not there is computed from
 * the message, and filled in again (store_derive.c).
 *
 * Changes gather in memory and are written many at once, without waiting for the disk. Together with
 * them stands up to which email id every content has its record, so that after a crash only what
 * came later is looked at. Files are opened when they are first needed, and closed again when
 * nothing happens (index_rest): an idle mailbox pays nothing for it. Files that are damaged, or were
 * made by another version, are removed and begun anew.
 *
 * Size on disk: a record has 300 to 1,000 bytes, at most IMAP_FACTS_MAX; pages fill to three quarters
 * or more; besides there are five log files of a megabyte at most. Records of content that is gone stay only
 * after crashes; when more than half are such the index is begun anew.
 */
#ifndef POSTERN_MAILBOX_INDEX_H
#define POSTERN_MAILBOX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
	/* Of the content of the index, the records' own version included. */
	INDEX_FORMAT = 1,
	/* Bytes of records that wait in memory; more are written at once. */
	INDEX_PENDING_MAX = 256 * 1024,
	/* Removals that wait in memory: 32 KiB of email ids. */
	INDEX_DROPS_MAX = 4096,
	/* Failures in a row: then this process does without the index. */
	INDEX_TRIES_MAX = 3,
	/* Records of content that is gone, beside as many as there is content. */
	INDEX_STALE_MAX = 1000,
};

struct index;

/* home: its directory, as for db_open_index. Opens nothing. report: one line about trouble. */
struct index *index_new(const char *home, void (*report)(void *arg, const char *line), void *arg);
/* Writes what waits. */
void index_free(struct index **ix);
/* As if the process had been killed: for tests. */
void index_abandon(struct index **ix);

/* False: it cannot be used now, and nothing of what waits is kept. */
bool index_ready(struct index *ix);
void index_put(struct index *ix, uint64_t email, struct str record);
void index_drop(struct index *ix, uint64_t email);
/* Appends the record to out; false: there is none (or no room). */
bool index_get(struct index *ix, uint64_t email, struct buf *out);
/* Does something wait to be written? Bytes. */
size_t index_pending(const struct index *ix);
/* What waits is written; complete: every content up to this email id has its record. */
void index_flush(struct index *ix, uint64_t complete);
/* As of the last flush, of this or an earlier process. Counts are for index_ready only. */
uint64_t index_complete(const struct index *ix);
uint64_t index_count(const struct index *ix);
/* Something was lost or begun anew since the last call: fill in what is missing. */
bool index_lost(struct index *ix);
/* Closes the files until they are needed again. */
void index_rest(struct index *ix);
/* Removes everything: it is begun anew. */
void index_clear(struct index *ix);

#endif
