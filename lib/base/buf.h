/* SPDX-License-Identifier: ISC */
/*
 * A byte queue with a hard limit from birth: bytes are appended at the end and drained from the
 * front. No call ever grows it past its limit; running out of memory ends the process (xalloc.h).
 */
#ifndef POSTERN_BASE_BUF_H
#define POSTERN_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf {
	uint8_t *data; /* start of the allocation; use buf_data() for the first unread byte */
	size_t off;    /* bytes already drained */
	size_t len;    /* unread bytes */
	size_t cap;    /* size of the allocation */
	size_t max;    /* limit of len */
};

/* The one error of this module: the limit would be passed. Nothing was changed. */
#define BUF_LIMIT (-1)

void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer can be used again as if just initialised. */
void buf_free(struct buf *b);
/* As buf_free, but wipes the bytes first: for secrets. */
void buf_free_secret(struct buf *b);

static inline const uint8_t *
buf_data(const struct buf *b)
{
	return b->off == 0 ? b->data : b->data + b->off; /* NULL + 0 is undefined */
}

static inline size_t
buf_len(const struct buf *b)
{
	return b->len;
}

/* Bytes that may still be appended before the limit. */
size_t buf_room(const struct buf *b);

/* Makes room for n more bytes and returns where to write them (then buf_commit); NULL: limit. */
uint8_t *buf_reserve(struct buf *b, size_t n);
/* Takes over n bytes that were written at the place buf_reserve returned. */
void buf_commit(struct buf *b, size_t n);

/* Append; 0 or BUF_LIMIT. */
int buf_put(struct buf *b, const void *p, size_t n);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, int c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Removes the first n (<= len) bytes. */
void buf_drain(struct buf *b, size_t n);
void buf_clear(struct buf *b);

#endif
