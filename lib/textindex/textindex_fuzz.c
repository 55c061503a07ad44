/* SPDX-License-Identifier: ISC */
/* Bytes of a segment whose sums are made right, so that all of the reading is reached: looked up,
 * merged, and the merge opened again. The first eight bytes say how many lists and documents. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/le.h"
#include "textindex/textindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
sink(void *arg, const void *p, size_t n)
{
	return buf_put(arg, p, n) == 0;
}

/* The bytes as pages, with sums and footer. */
static void
frame(struct buf *b, const uint8_t *data, size_t n, uint32_t nlists, uint32_t ndocs)
{
	uint64_t tail = 8 * ((uint64_t)nlists + 1) + 8 * (uint64_t)ndocs + (ndocs + 7) / 8;
	uint64_t pages, all = n > tail ? n : tail, dictionary = (all - tail) / 8 * 8;
	uint8_t footer[TEXTINDEX_FOOTER] = "PSTNTRIX", sum[4];
	size_t sums;

	pages = (dictionary + tail + TEXTINDEX_PAGE - 1) / TEXTINDEX_PAGE;
	buf_put(b, data, n < pages * TEXTINDEX_PAGE ? n : pages * TEXTINDEX_PAGE);
	while (b->len < pages * TEXTINDEX_PAGE)
		buf_putc(b, 0);
	sums = b->len;
	for (uint64_t i = 0; i < pages; i++) {
		le_put32(
		    sum, (uint32_t)crc32_z(0, buf_data(b) + i * TEXTINDEX_PAGE, TEXTINDEX_PAGE));
		buf_put(b, sum, 4);
	}
	le_put32(footer + 8, TEXTINDEX_VERSION);
	le_put32(footer + 12, ndocs);
	le_put32(footer + 16, nlists);
	le_put64(footer + 32, 1000);
	le_put64(footer + 40, dictionary);
	le_put64(footer + 48, b->len + TEXTINDEX_FOOTER);
	le_put32(footer + 56, (uint32_t)crc32_z(0, buf_data(b) + sums, b->len - sums));
	le_put32(footer + 60, (uint32_t)crc32_z(0, footer, 60));
	buf_put(b, footer, sizeof(footer));
}

static void
merge(struct textindex_segment *s, struct textindex_segment *other)
{
	static const uint64_t live[] = { 1, 2, 3, 300, 70000 };
	struct textindex_segment *in[2] = { s, other }, again;
	struct textindex_merge *m = textindex_merge_new(in, 2, live, 5);
	struct buf out;
	int r = 1;

	if (m == NULL)
		return;
	buf_init(&out, 1 << 24);
	while (r > 0)
		r = textindex_merge_step(m, sink, &out);
	/* what a merge has written can be read */
	if (r == 0) {
		if (textindex_segment_open(&again, buf_data(&out), out.len) != 0)
			abort();
		textindex_segment_close(&again);
	}
	textindex_merge_free(&m);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t trigrams[] = { 0x616263, 0, 0x656565 };
	struct textindex_segment s, t;
	uint8_t set[TEXTINDEX_SET];
	struct buf b;
	uint64_t number;

	if (size < 8)
		return 0;
	buf_init(&b, 1 << 24);
	frame(&b, data + 8, size - 8, le_get32(data) % 1000, le_get32(data + 4) % 5000);
	if (textindex_segment_open(&s, buf_data(&b), b.len) == 0) {
		for (uint32_t i = 0; i < s.info.ndocs; i++)
			if (textindex_segment_number(&s, i, &number) != 0)
				abort();
		for (size_t i = 1; i < 4; i++)
			textindex_segment_find(&s, trigrams, i, set);
		if (textindex_segment_open(&t, buf_data(&b), b.len) == 0)
			merge(&s, &t);
		textindex_segment_close(&t);
		textindex_segment_close(&s);
	}
	/* and as they come */
	if (textindex_segment_open(&s, data, size) == 0)
		textindex_segment_close(&s);
	buf_free(&b);
	return 0;
}
