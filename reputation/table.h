/* SPDX-License-Identifier: ISC */
/*
 * A bounded table of small rows, in memory: a keyed hash and two numbers. When it is full, the row
 * that was not used for the longest time makes room. It knows which rows have changed since they were
 * last written. However fast rows come and go while nothing is written, what waits to be written is never
 * more than its rows and as many again that are still to be removed from disk.
 */
#ifndef POSTERN_REPUTATION_TABLE_H
#define POSTERN_REPUTATION_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct row {
	TAILQ_ENTRY(row) used, changed;
	uint64_t key;
	uint32_t v[2];
	bool dirty;  /* is among the changed */
	bool stored; /* is on disk, though maybe not as it is here */
	bool gone;   /* only among the changed any more */
};

struct table;

/* which: the index in v of the time by which rows are ordered when they are loaded. */
struct table *table_new(uint64_t most, unsigned which);
void table_free(struct table **t);
/* A smaller limit takes effect with the next rows. */
void table_set_most(struct table *t, uint64_t most);
uint64_t table_count(const struct table *t);

/* Borrowed until the next change; NULL: there is none. Does not count as use. */
const struct row *table_get(const struct table *t, uint64_t key);
/* Sets it, and makes it the last used. *out, when given, gets the row that made room, if one did. */
bool table_put(struct table *t, uint64_t key, uint32_t v0, uint32_t v1, struct row *out);
void table_del(struct table *t, uint64_t key);
/* The one not used for the longest time; NULL: the table is empty. */
const struct row *table_oldest(const struct table *t);
/* Walks from the longest unused one on: start with NULL. */
const struct row *table_next(const struct table *t, const struct row *r);

/* --- for the store --- */
/* As table_put, but nothing changed; then table_loaded once. */
void table_load(struct table *t, uint64_t key, uint32_t v0, uint32_t v1);
void table_loaded(struct table *t);
/* The next changed row; NULL: none. table_written: it is on disk. */
const struct row *table_changed(const struct table *t, const struct row *after);
void table_written(struct table *t, const struct row *r);

#endif
