/* SPDX-License-Identifier: ISC */
/*
 * An index of trigrams (runs of three bytes) that says which documents cannot contain a text. Pure:
 * it reads and writes memory only, the owner keeps the files.
 *
 * A segment is about up to TEXTINDEX_DOCS_MAX documents, named by ascending numbers of the owner, and
 * never changes. A batch makes a small one of new documents; a merge makes a large one of several and
 * leaves out what is not needed any more. A document with too many trigrams is one that may contain
 * everything. Its bytes, numbers little-endian:
 *
 *	lists       for each trigram the documents that have it: distances less 1, below 128 in one
 *	            byte, else in two (low seven bits with 0x80, then the rest); or, if that is not
 *	            shorter, one bit for each document
 *	dictionary  trigram (u32) and where its list begins (u32), ascending; at the end one that says
 *	            where the last list ends; at a multiple of 8
 *	numbers     of the documents (u64), ascending
 *	any         one bit for each document: may contain everything; zeros up to a multiple of a page
 *	sums        CRC-32 of each page (u32)
 *	footer      textindex.c: footer_put
 *
 * Bytes are only believed when the sum of their page is right, so a damaged segment is found out
 * when it matters.
 */
#ifndef POSTERN_TEXTINDEX_TEXTINDEX_H
#define POSTERN_TEXTINDEX_TEXTINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
	/* Also raised when the texts that are put in are made in another way (mail_fold). */
	TEXTINDEX_VERSION = 3,
	/* Documents of a segment: a set of them is 512 bytes, a distance at most two. */
	TEXTINDEX_DOCS_MAX = 4096,
	TEXTINDEX_SET = TEXTINDEX_DOCS_MAX / 8,
	/* Distinct trigrams of one document, then it may contain everything: a letter of a page has
	 * 1,500, a book in one language 15,000; bounds what a document adds to the index to 64 KiB. */
	TEXTINDEX_TRIGRAMS_MAX = 32768,
	/* Of one batch: documents, and trigrams of all of them: half a MiB of memory. */
	TEXTINDEX_BATCH_DOCS = 256,
	TEXTINDEX_BATCH_MAX = 131072,
	/* Segments of one merge. */
	TEXTINDEX_MERGE_MAX = 64,
	/* Trigrams of a text that are looked up; more hardly tell more. */
	TEXTINDEX_QUERY_MAX = 16,
	TEXTINDEX_PAGE = 4096,
	TEXTINDEX_FOOTER = 64,
};

enum {
	TEXTINDEX_DAMAGED = -1,
	TEXTINDEX_FAILED = -2, /* the sink did not take it */
};

/* --- writing -----------------------------------------------------------------------------------
 */
/* Takes the bytes of a segment in order; false: it cannot, and is not called again. */
typedef bool textindex_sink(void *arg, const void *p, size_t n);

struct textindex_batch;
struct textindex_batch *textindex_batch_new(void);
void textindex_batch_free(struct textindex_batch **b);
/* Is there room for one more document, however large? */
bool textindex_batch_has_room(const struct textindex_batch *b);
/* A new document; numbers ascend. */
void textindex_batch_begin(struct textindex_batch *b, uint64_t number);
/* Text of this document; trigrams across two calls do not count. */
void textindex_batch_text(struct textindex_batch *b, struct str text);
/* This document may contain everything. */
void textindex_batch_any(struct textindex_batch *b);
/*
 * Writes a segment about all documents with numbers in (lo, hi], of which the batch has those that
 * there are. A few thousand lists a call: 1: there is more, 0: done, FAILED. No document may come
 * after the first call.
 */
int textindex_batch_write(
    struct textindex_batch *b, uint64_t lo, uint64_t hi, textindex_sink *sink, void *arg);

/* --- reading -----------------------------------------------------------------------------------
 */
struct textindex_info {
	uint64_t lo, hi; /* it is about all documents with numbers above lo, up to hi */
	uint32_t ndocs, nlists;
	uint64_t dictionary, size;
	uint32_t sums; /* CRC-32 of the sums */
};
/* The last TEXTINDEX_FOOTER bytes of a segment with size bytes: 0 or DAMAGED (or of another version). */
int textindex_info_get(const uint8_t *footer, uint64_t size, struct textindex_info *info);

struct textindex_segment {
	const uint8_t *p;
	struct textindex_info info;
	size_t pages;
	uint8_t *checked; /* pages whose sum was right */
};
/* All bytes of a segment, borrowed: 0 or DAMAGED. */
int textindex_segment_open(struct textindex_segment *s, const uint8_t *p, size_t n);
void textindex_segment_close(struct textindex_segment *s);
/* The number of document i (< ndocs): 0 or DAMAGED. */
int textindex_segment_number(struct textindex_segment *s, uint32_t i, uint64_t *number);
/* Which of its documents may have all of these trigrams: bit i of set (TEXTINDEX_SET bytes). */
int textindex_segment_find(
    struct textindex_segment *s, const uint32_t *trigrams, size_t n, uint8_t *set);

/* Up to TEXTINDEX_QUERY_MAX different trigrams of a text, spread over it; returns how many. */
size_t textindex_query(struct str text, uint32_t trigrams[TEXTINDEX_QUERY_MAX]);

/* --- merging -----------------------------------------------------------------------------------
 */
struct textindex_merge;
/*
 * One of n (1 to TEXTINDEX_MERGE_MAX) segments that follow one another, borrowed as they are opened.
 * live: ascending, the documents that are needed; at most TEXTINDEX_DOCS_MAX of them are in the
 * segments. NULL: one is damaged.
 */
struct textindex_merge *textindex_merge_new(
    struct textindex_segment *const *in, size_t n, const uint64_t *live, size_t nlive);
void textindex_merge_free(struct textindex_merge **m);
/* Some lists: 1: there is more, 0: done, DAMAGED, FAILED. */
int textindex_merge_step(struct textindex_merge *m, textindex_sink *sink, void *arg);

#endif
