/* SPDX-License-Identifier: ISC */
/*
 * Messages into threads (rfc5256:3), in slices and without recursion: time is n log n but for loops of
 * references made on purpose, whose search is cut in slices as well.
 */
#ifndef POSTERN_IMAP_THREAD_H
#define POSTERN_IMAP_THREAD_H

#include "base/buf.h"
#include "base/str.h"
#include "imap/order.h"

enum imap_thread_algorithm { IMAP_THREAD_ORDEREDSUBJECT, IMAP_THREAD_REFERENCES };

enum { IMAP_THREAD_NONE = UINT32_MAX };

/* Texts as headerkeys.h gives them; borrowed. */
struct imap_thread_message {
	int64_t date;
	struct str subject, id;
	const struct str *refs;
	size_t nrefs;
	bool reply;
};

/* Text to the node that has it; the texts stand elsewhere. */
struct imap_thread_table {
	uint32_t *slot;
	size_t size, used; /* size: a power of two */
};

struct imap_thread_node {
	uint32_t parent, child, last, next; /* last: of its children; next: sibling */
};

/* The nodes below n are the messages, in the order of the folder; the others stand for messages that
 * are only referred to. */
struct imap_thread {
	enum imap_thread_algorithm how;
	const struct imap_thread_message *m;
	size_t n;
	struct imap_thread_node *node;
	const struct str **id; /* of nodes from n on */
	size_t nodes, cap;
	struct imap_thread_table ids;
	struct imap_order order; /* by date */
	uint32_t top, top_last;
	enum { IMAP_THREAD_IDS, IMAP_THREAD_LINK, IMAP_THREAD_SORT, IMAP_THREAD_BUILT } step;
	size_t at;    /* message that is linked next */
	uint32_t put; /* node that is written next */
	bool entering;
};

void imap_thread_begin(struct imap_thread *t, enum imap_thread_algorithm how,
    const struct imap_thread_message *m, size_t n);
/* One slice; true: the threads are there. */
bool imap_thread_step(struct imap_thread *t);
/* Then: appends "(1 2)(3 (4)(5))" until out has at least low bytes; true: that was all. number gives
 * what stands for the i-th message. */
bool imap_thread_put(struct imap_thread *t, struct buf *out, size_t low,
    uint32_t (*number)(void *arg, uint32_t i), void *arg);
void imap_thread_free(struct imap_thread *t);

#endif
