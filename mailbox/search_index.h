/* SPDX-License-Identifier: ISC */
/*
 * A user's index of texts: tells SEARCH which messages cannot match (lib/textindex). It follows the
 * store in the background and nobody waits for it: what it does not know yet is looked at message by
 * message. Its files ("texts.NUMBER") are derived; what is damaged, of another version or missing is
 * made again. They are never synced: sums tell what a power loss has spoilt.
 *
 * The documents are the contents of the model, which copies share, named by their email ids: these
 * ascend, so "all up to here" says what is in the index.
 */
#ifndef POSTERN_MAILBOX_SEARCH_INDEX_H
#define POSTERN_MAILBOX_SEARCH_INDEX_H

#include "base/str.h"
#include "mailbox/store.h"

enum {
	/* So many new messages are taken up together; fewer are looked at in each search: 2 ms. */
	SEARCH_INDEX_NEW_MIN = 64,
	/* A slice of work ends after this. */
	SEARCH_INDEX_SLICE_US = 1000,
	/* Segments with this many messages are not made larger. */
	SEARCH_INDEX_FULL = 3072,
	/* So many smaller ones in a row are made one. */
	SEARCH_INDEX_ROW = 16,
	/* After a failure to write (no space) it is left alone for so long. */
	SEARCH_INDEX_RETRY_MS = 60000,
};
#define SEARCH_INDEX_PREFIX "texts."

struct search_index;
struct search_probe;

struct search_index_config {
	struct store *store;
	int dirfd; /* stays the caller's */
	/* Messages that are taken up together at least; 0: SEARCH_INDEX_NEW_MIN. For tests. */
	uint32_t new_min;
	/* One line about damage; optional. */
	void (*report)(void *arg, const char *line);
	void *arg;
};

/* Takes what is on disk as far as it fits the store; never fails. */
struct search_index *search_index_new(const struct search_index_config *config);
void search_index_free(struct search_index **x);
/* Everything that has arrived until now is on stable storage: may be taken up. */
void search_index_stable(struct search_index *x);
/* A slice of work; true: there is more to do. */
bool search_index_work(struct search_index *x);

struct search_index_state {
	uint64_t covered; /* email id: all messages up to here are in the index */
	uint32_t segments, documents;
	uint64_t bytes;
};
void search_index_state(const struct search_index *x, struct search_index_state *out);

/* What is known of messages with these bytes (folded, imap/text.h); NULL: too few. */
struct search_probe *search_probe_new(struct search_index *x, struct str text);
/* False: the content with this email id does not have them. */
bool search_probe_may(struct search_index *x, struct search_probe *p, uint64_t email);
void search_probe_free(struct search_index *x, struct search_probe **p);

#endif
