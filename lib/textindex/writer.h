/* SPDX-License-Identifier: ISC */
/* The bytes of a segment in order: for batches and merges. */
#ifndef POSTERN_TEXTINDEX_WRITER_H
#define POSTERN_TEXTINDEX_WRITER_H

#include "textindex/textindex.h"

struct textindex_writer {
	textindex_sink *sink;
	void *arg;
	bool failed;
	uint32_t ndocs;
	struct buf out; /* pages that are not full yet */
	uint64_t at;    /* bytes so far */
	struct buf dictionary, sums;
};

void textindex_writer_init(
    struct textindex_writer *w, uint32_t ndocs, textindex_sink *sink, void *arg);
void textindex_writer_free(struct textindex_writer *w);
/* The documents of one trigram (not none), trigrams ascending. */
void textindex_writer_list(struct textindex_writer *w, uint32_t trigram, const uint8_t *set);
/* The rest; 0 or FAILED. */
int textindex_writer_end(struct textindex_writer *w, uint64_t lo, uint64_t hi,
    const uint64_t *numbers, const uint8_t *any);

/* Number of the first bit that is set at or above i; n: none. */
static inline uint32_t
textindex_set_next(const uint8_t *set, uint32_t i, uint32_t n)
{
	while (i < n) {
		uint8_t rest = (uint8_t)(set[i / 8] >> (i % 8));

		if (rest != 0)
			return i + (uint32_t)__builtin_ctz(rest);
		i = (i / 8 + 1) * 8;
	}
	return n;
}

static inline void
textindex_set_add(uint8_t *set, uint32_t i)
{
	set[i / 8] = (uint8_t)(set[i / 8] | 1u << (i % 8));
}

static inline uint32_t
textindex_set_bytes(uint32_t n)
{
	return (n + 7) / 8;
}

#endif
