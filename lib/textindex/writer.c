/* SPDX-License-Identifier: ISC */
#include "textindex/writer.h"

#include <string.h>
#include <zlib.h>

#include "base/le.h"

enum {
	FLUSH = 16 * TEXTINDEX_PAGE,
	OUT_MAX = 2 * FLUSH,
	/* Every trigram there can be. */
	DICTIONARY_MAX = 8 * ((1 << 24) + 1),
	/* Of a segment of 4 GiB. */
	SUMS_MAX = 4 << 20,
};

void
textindex_writer_init(struct textindex_writer *w, uint32_t ndocs, textindex_sink *sink, void *arg)
{
	*w = (struct textindex_writer){ .sink = sink, .arg = arg, .ndocs = ndocs };
	buf_init(&w->out, OUT_MAX);
	buf_init(&w->dictionary, DICTIONARY_MAX);
	buf_init(&w->sums, SUMS_MAX);
}

void
textindex_writer_free(struct textindex_writer *w)
{
	buf_free(&w->out);
	buf_free(&w->dictionary);
	buf_free(&w->sums);
}

static void
put32(struct textindex_writer *w, struct buf *b, uint32_t v)
{
	uint8_t bytes[4];

	le_put32(bytes, v);
	w->failed |= buf_put(b, bytes, 4) != 0;
}

static void
flush(struct textindex_writer *w)
{
	size_t n = w->out.len / TEXTINDEX_PAGE * TEXTINDEX_PAGE;

	for (size_t at = 0; at < n; at += TEXTINDEX_PAGE)
		put32(w, &w->sums, (uint32_t)crc32_z(0, buf_data(&w->out) + at, TEXTINDEX_PAGE));
	if (!w->failed && n > 0)
		w->failed = !w->sink(w->arg, buf_data(&w->out), n);
	buf_drain(&w->out, n);
}

static void
put(struct textindex_writer *w, const void *p, size_t n)
{
	const uint8_t *from = p;

	w->at += n;
	while (n > 0) {
		size_t some = n < FLUSH ? n : FLUSH;

		w->failed |= buf_put(&w->out, from, some) != 0;
		if (w->out.len >= FLUSH)
			flush(w);
		from += some;
		n -= some;
	}
}

static void
pad(struct textindex_writer *w, size_t to)
{
	static const uint8_t zeros[TEXTINDEX_PAGE];

	put(w, zeros, (to - w->at % to) % to);
}

/* The distances of a set; 0: it takes max bytes or more. */
static size_t
distances(const uint8_t *set, uint32_t ndocs, uint8_t *to, size_t max)
{
	uint32_t next = 0;
	size_t n = 0;

	for (uint32_t i = 0; (i = textindex_set_next(set, i, ndocs)) < ndocs; i++) {
		uint32_t d = i - next;

		if (n + 1 + (d >= 128) >= max)
			return 0;
		if (d >= 128)
			to[n++] = (uint8_t)(d | 0x80);
		to[n++] = (uint8_t)(d >= 128 ? d >> 7 : d);
		next = i + 1;
	}
	return n;
}

void
textindex_writer_list(struct textindex_writer *w, uint32_t trigram, const uint8_t *set)
{
	uint8_t bytes[TEXTINDEX_SET];
	uint32_t max = textindex_set_bytes(w->ndocs);
	size_t n = distances(set, w->ndocs, bytes, max);

	put32(w, &w->dictionary, trigram);
	put32(w, &w->dictionary, (uint32_t)w->at);
	w->failed |= w->at > UINT32_MAX;
	put(w, n > 0 ? bytes : set, n > 0 ? n : max);
}

static void
footer_put(struct textindex_writer *w, uint64_t lo, uint64_t hi, uint32_t nlists,
    uint64_t dictionary, uint8_t out[TEXTINDEX_FOOTER])
{
	memcpy(out, "PSTNTRIX", 8);
	le_put32(out + 8, TEXTINDEX_VERSION);
	le_put32(out + 12, w->ndocs);
	le_put32(out + 16, nlists);
	le_put32(out + 20, 0);
	le_put64(out + 24, lo);
	le_put64(out + 32, hi);
	le_put64(out + 40, dictionary);
	le_put64(out + 48, w->at + w->sums.len + TEXTINDEX_FOOTER);
	le_put32(out + 56, (uint32_t)crc32_z(0, buf_data(&w->sums), w->sums.len));
	le_put32(out + 60, (uint32_t)crc32_z(0, out, 60));
}

int
textindex_writer_end(struct textindex_writer *w, uint64_t lo, uint64_t hi, const uint64_t *numbers,
    const uint8_t *any)
{
	uint32_t nlists = (uint32_t)(w->dictionary.len / 8);
	uint8_t bytes[TEXTINDEX_FOOTER];
	uint64_t dictionary;

	put32(w, &w->dictionary, UINT32_MAX);
	put32(w, &w->dictionary, (uint32_t)w->at);
	pad(w, 8);
	dictionary = w->at;
	put(w, buf_data(&w->dictionary), w->dictionary.len);
	for (uint32_t i = 0; i < w->ndocs; i++) {
		le_put64(bytes, numbers[i]);
		put(w, bytes, 8);
	}
	put(w, any, textindex_set_bytes(w->ndocs));
	pad(w, TEXTINDEX_PAGE);
	flush(w);
	footer_put(w, lo, hi, nlists, dictionary, bytes);
	if (!w->failed)
		w->failed = !w->sink(w->arg, buf_data(&w->sums), w->sums.len) ||
			    !w->sink(w->arg, bytes, sizeof(bytes));
	return w->failed ? TEXTINDEX_FAILED : 0;
}
