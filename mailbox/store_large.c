/* SPDX-License-Identifier: ISC */
/* Content on its way into a file of its own, as it came or compressed piece by piece. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "mailbox/store_priv.h"

struct store_large {
	struct store *s;
	struct journal_large *file;
	uint8_t *piece; /* what has come of the next frame; NULL: not compressed */
	size_t n;
	uint64_t size;
	bool packed;
};

int
store_large_new(struct store *s, struct store_large **out)
{
	struct journal_large *file;
	int e;

	*out = NULL;
	e = s->failed ? STORE_TROUBLE : store_error(s, journal_large_new(s->j, false, &file));
	if (e != 0)
		return e;
	*out = xcalloc(1, sizeof(**out));
	(*out)->s = s;
	(*out)->file = file;
	(*out)->packed = s->config.compress;
	if ((*out)->packed)
		(*out)->piece = xmalloc(PACK_FRAME);
	return 0;
}

static int
write_piece(struct store_large *l)
{
	struct buf frame;
	int e;

	if (l->n == 0)
		return 0;
	buf_init(&frame, PACK_FRAME_MAX);
	e = pack_frame(store_pack(l->s), l->piece, l->n, &frame);
	if (e == 0)
		e = journal_large_write(l->file, buf_data(&frame), buf_len(&frame));
	buf_free(&frame);
	l->n = 0;
	return e;
}

int
store_large_write(struct store_large *l, const void *p, size_t n)
{
	const uint8_t *at = p;
	int e = 0;

	l->size += n;
	if (l->piece == NULL)
		return store_error(l->s, journal_large_write(l->file, p, n));
	while (n > 0 && e == 0) {
		size_t some = n < PACK_FRAME - l->n ? n : PACK_FRAME - l->n;

		memcpy(l->piece + l->n, at, some);
		l->n += some;
		at += some;
		n -= some;
		if (l->n == PACK_FRAME)
			e = write_piece(l);
	}
	return e == 0 ? 0 : store_error(l->s, e);
}

int
store_large_end(struct store_large *l)
{
	int e = l->piece != NULL ? write_piece(l) : 0;

	free(l->piece);
	l->piece = NULL;
	return e == 0 ? 0 : store_error(l->s, e);
}

struct journal_large *
store_large_file(const struct store_large *l, bool *packed, uint64_t *size)
{
	*packed = l->packed;
	*size = l->size;
	return l->file;
}

void
store_large_taken(struct store_large **l)
{
	free((*l)->piece);
	free(*l);
	*l = NULL;
}

void
store_large_abort(struct store_large **l)
{
	if (*l == NULL)
		return;
	journal_large_abort(&(*l)->file);
	store_large_taken(l);
}
