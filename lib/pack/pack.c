/* SPDX-License-Identifier: ISC */
#include "pack/pack.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/xalloc.h"

struct pack {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *restore;
};

struct pack *
pack_new(void)
{
	return xcalloc(1, sizeof(struct pack));
}

void
pack_free(struct pack **p)
{
	if (*p == NULL)
		return;
	ZSTD_freeCCtx((*p)->compress);
	ZSTD_freeDCtx((*p)->restore);
	free(*p);
	*p = NULL;
}

static ZSTD_CCtx *
compressor(struct pack *p)
{
	if (p->compress != NULL)
		return p->compress;
	p->compress = ZSTD_createCCtx();
	if (p->compress == NULL ||
	    ZSTD_isError(
		ZSTD_CCtx_setParameter(p->compress, ZSTD_c_compressionLevel, PACK_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(p->compress, ZSTD_c_checksumFlag, 1)))
		abort(); /* no memory, as in xalloc.c */
	return p->compress;
}

int
pack_frame(struct pack *p, const void *bytes, size_t n, struct buf *out)
{
	uint8_t *to;
	size_t made;

	if (n == 0 || n > PACK_FRAME || (to = buf_reserve(out, PACK_FRAME_MAX)) == NULL)
		return BUF_LIMIT;
	made = ZSTD_compress2(compressor(p), to, PACK_FRAME_MAX, bytes, n);
	if (ZSTD_isError(made))
		return BUF_LIMIT;
	buf_commit(out, made);
	return 0;
}

ptrdiff_t
pack_next(struct pack *p, struct str *in, uint8_t *out, size_t room)
{
	unsigned long long claims;
	size_t length, made;

	if (in->n == 0)
		return 0;
	claims = ZSTD_getFrameContentSize(in->p, in->n);
	length = ZSTD_findFrameCompressedSize(in->p, in->n);
	/* Not known, an error, a frame to be skipped (0). */
	if (claims == 0 || claims > PACK_FRAME || claims > room || ZSTD_isError(length))
		return -1;
	if (p->restore == NULL && (p->restore = ZSTD_createDCtx()) == NULL)
		abort();
	made = ZSTD_decompressDCtx(p->restore, out, (size_t)claims, in->p, length);
	if (ZSTD_isError(made) || made != claims)
		return -1;
	*in = str_from(in->p + length, in->n - length);
	return (ptrdiff_t)made;
}

int
pack_restore(struct pack *p, struct str in, uint8_t *out, size_t size)
{
	size_t at = 0;
	ptrdiff_t n;

	while ((n = pack_next(p, &in, out + at, size - at)) > 0)
		at += (size_t)n;
	return n == 0 && at == size ? 0 : -1;
}
