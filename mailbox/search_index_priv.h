/* SPDX-License-Identifier: ISC */
/* Between search_index.c, search_index_work.c and search_probe.c. */
#ifndef POSTERN_MAILBOX_SEARCH_INDEX_PRIV_H
#define POSTERN_MAILBOX_SEARCH_INDEX_PRIV_H

#include "imap/text.h"
#include "mailbox/search_index.h"
#include "textindex/textindex.h"

enum { SEARCH_NAME_SIZE = 24 };

/* A segment's file. */
struct search_part {
	uint32_t number;
	struct textindex_info info;
	uint8_t *map; /* NULL: not mapped */
	struct textindex_segment segment;
};

/* A message that is to be taken up. */
struct search_new {
	uint64_t email;
	uint32_t content; /* its place in the model, if it is still there */
};

struct search_index {
	struct search_index_config config;
	struct search_part *parts; /* ascending, without gap from 0 on */
	size_t n, cap;
	unsigned epoch; /* changes when parts does */
	unsigned users; /* probes, and a merge: parts may be mapped */
	uint32_t next_number;
	uint64_t covered, stable; /* email ids */
	uint64_t retry_at;        /* milliseconds of config.store's clock; 0: now */

	/* the work at hand: one of batch, merge */
	struct textindex_batch *batch;
	struct textindex_merge *merge;
	size_t merge_first, merge_n;
	bool writing;
	int fd; /* of the new file; -1 */
	uint64_t written;
	/* batch: what is taken up, and the message at hand */
	struct search_new fresh[TEXTINDEX_BATCH_DOCS];
	size_t nfresh, next_fresh;
	uint64_t batch_hi;
	bool has_content;
	struct store_content content;
	struct mime_tree tree;
	struct mime_parser *parser;
	struct imap_text text;
};

void search_report(struct search_index *x, const char *what);
/* The part that knows this message; x->n: it is newer than all parts. */
size_t search_part_of(const struct search_index *x, uint64_t email);
/* The part is mapped: 0, or it cannot be used: everything was discarded. */
int search_part_map(struct search_index *x, struct search_part *p);
void search_index_use(struct search_index *x);
void search_index_unuse(struct search_index *x);
/* Throws all away; it is made again. */
void search_index_discard(struct search_index *x, const char *why);
/* Puts the new file of size bytes in the place of parts first .. first + n - 1: 0 or -1. */
int search_part_put(struct search_index *x, size_t first, size_t n);
/* Gives up the work at hand. */
void search_work_drop(struct search_index *x);

#endif
