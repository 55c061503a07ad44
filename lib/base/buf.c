/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum { BUF_FIRST = 256 };

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void
buf_free_secret(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

size_t
buf_room(const struct buf *b)
{
	return b->max - b->len;
}

/* Moves the unread bytes to the front when that alone makes room. */
static void
buf_compact(struct buf *b)
{
	if (b->off == 0)
		return;
	memmove(b->data, b->data + b->off, b->len);
	b->off = 0;
}

static void
buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;

	while (cap < need)
		cap *= 2;
	if (cap > b->max && need <= b->max)
		cap = b->max;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
	if (n > b->max - b->len)
		return NULL;
	if (b->cap - b->off - b->len < n) {
		buf_compact(b);
		if (b->cap - b->len < n)
			buf_grow(b, b->len + n);
	}
	return b->data + b->off + b->len;
}

void
buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->off - b->len);
	b->len += n;
}

int
buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *to;

	if (n == 0)
		return 0;
	if ((to = buf_reserve(b, n)) == NULL)
		return BUF_LIMIT;
	memcpy(to, p, n);
	b->len += n;
	return 0;
}

int
buf_puts(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

int
buf_putc(struct buf *b, int c)
{
	uint8_t byte = (uint8_t)c;

	return buf_put(b, &byte, 1);
}

int
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	uint8_t *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	/* vsnprintf writes a NUL; reserve it, but do not count it. At the very limit print apart. */
	if ((size_t)n > buf_room(b))
		return BUF_LIMIT;
	if ((to = buf_reserve(b, (size_t)n + 1)) != NULL) {
		vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
	} else {
		char *tmp = xmalloc((size_t)n + 1);

		vsnprintf(tmp, (size_t)n + 1, fmt, ap);
		to = buf_reserve(b, (size_t)n);
		memcpy(to, tmp, (size_t)n);
		free(tmp);
	}
	b->len += (size_t)n;
	return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

void
buf_drain(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->off += n;
	b->len -= n;
	if (b->len == 0)
		b->off = 0;
}

void
buf_clear(struct buf *b)
{
	b->off = b->len = 0;
}
