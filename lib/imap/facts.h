/* SPDX-License-Identifier: ISC */
/*
 * What FETCH, SORT and THREAD ask about a message again and again, made once when it arrives: a
 * record of some hundred bytes that a store keeps in an index. It depends on the message's bytes
 * alone, so it can always be made anew, and every answer with it equals the one without.
 *
 * Bytes: version 1, flags (FACTS_...), size of the message; then, as far as the flags say, envelope,
 * structure, references (each its length and bytes) and the tree of parts: count, and for each part
 * start of its header, length of header and body, lines, kind + 4 * encoding + 16 if it is a message
 * by default, place of the Content-Type's value within the header + 1 (0: none) and its length,
 * numbers + 1 of parent, child, next. All but the first two bytes are unsigned LEB128 numbers.
 */
#ifndef POSTERN_IMAP_FACTS_H
#define POSTERN_IMAP_FACTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mime.h"

enum {
	IMAP_FACTS_VERSION = 1,
	/* Longest text of each kind that is kept; mail of people needs a tenth. What is longer is
	 * left out and made from the message each time. */
	IMAP_FACTS_TEXT_MAX = 8192,
	/* Of a longer header no text is kept: SORT and THREAD look at the start only. */
	IMAP_FACTS_HEADER_MAX = 256 * 1024,
	/* Parts whose places are kept. */
	IMAP_FACTS_PARTS_MAX = 200,
	/* A record is never longer: three texts, and 50 bytes for each part. */
	IMAP_FACTS_MAX = 3 * IMAP_FACTS_TEXT_MAX + 50 * IMAP_FACTS_PARTS_MAX + 64,
};

enum imap_facts_has {
	FACTS_ENVELOPE = 1,
	FACTS_STRUCTURE = 2,
	FACTS_REFERENCES = 4,
	FACTS_TREE = 8,
	FACTS_TRUNCATED = 16, /* mime_tree.truncated */
};

/* A record taken apart; texts are borrowed from it. */
struct imap_facts {
	unsigned has; /* FACTS_... */
	uint32_t size;
	struct str envelope;   /* as in the answer to ENVELOPE */
	struct str structure;  /* as in the answer to BODYSTRUCTURE */
	struct str references; /* the value of References, unfolded; n == 0: no such field */
	struct str tree;       /* for imap_facts_tree */
};

/* Makes the record of a message; t is its tree. Appends at most IMAP_FACTS_MAX bytes; 0 or
 * BUF_LIMIT (out is then as before). The arena (IMAP_STRUCTURE_ARENA) is reset. */
int imap_facts_put(struct buf *out, struct str msg, const struct mime_tree *t, struct arena *a);
/* False: these bytes are no such record, or one of another version. */
bool imap_facts_get(struct str record, struct imap_facts *out);
/* The tree as mime_parse makes it. False: it is not in the record, or does not fit the message. */
bool imap_facts_tree(const struct imap_facts *f, struct str msg, struct mime_tree *t);

#endif
