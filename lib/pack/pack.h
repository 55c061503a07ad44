/* SPDX-License-Identifier: ISC */
/*
 * Compressed content: one zstd frame (rfc8878) after another, each of at most PACK_FRAME bytes of the
 * original, with their number and a checksum in it; `zstd -d` restores the whole. Frames are small so that
 * content can be compressed while it comes, and so that reading it needs room for one of them only, whatever
 * its bytes claim. Pure.
 */
#ifndef POSTERN_PACK_PACK_H
#define POSTERN_PACK_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
	PACK_FRAME = 128 * 1024, /* larger ones hardly save more */
	PACK_LEVEL = 3, /* zstd's usual one: several hundred MiB/s; mail hardly gains above */
	/* What a frame can take: incompressible bytes, with a few more around them. */
	PACK_FRAME_MAX = PACK_FRAME + 1024,
};

/* Memory for the work, about a megabyte while compressing; made when it is first needed. */
struct pack;

struct pack *pack_new(void);
void pack_free(struct pack **p);

/* Appends the frame of n bytes (1 to PACK_FRAME) to out. 0, or BUF_LIMIT. */
int pack_frame(struct pack *p, const void *bytes, size_t n, struct buf *out);

/*
 * The next frame, at the front of *in, which moves behind it: its bytes to out, which has room for `room`
 * of them. How many it was (more than 0); 0: *in is empty; -1: no frame as above, damaged, or larger.
 */
ptrdiff_t pack_next(struct pack *p, struct str *in, uint8_t *out, size_t room);

/* All of it, exactly `size` bytes. 0 or -1. */
int pack_restore(struct pack *p, struct str in, uint8_t *out, size_t size);

#endif
