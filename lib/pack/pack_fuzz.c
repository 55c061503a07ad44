/* SPDX-License-Identifier: ISC */
/* Any bytes restored: never more than the room; and any bytes compressed come back. */
#include <assert.h>
#include <string.h>

#include "pack/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[2 * PACK_FRAME];
	struct pack *p = pack_new();
	struct str in = str_from(data, size);
	size_t at = 0, n = size < PACK_FRAME ? size : PACK_FRAME;
	struct buf b;
	ptrdiff_t got;

	while ((got = pack_next(p, &in, out + at, sizeof(out) - at)) > 0)
		at += (size_t)got;
	assert(at <= sizeof(out) && in.n <= size);
	buf_init(&b, PACK_FRAME_MAX);
	assert((pack_frame(p, data, n, &b) == 0) == (n > 0));
	if (n > 0) {
		assert(pack_restore(p, str_from(buf_data(&b), buf_len(&b)), out, n) == 0);
		assert(memcmp(out, data, n) == 0);
		assert(pack_restore(p, str_from(buf_data(&b), buf_len(&b)), out, n + 1) == -1);
	}
	buf_free(&b);
	pack_free(&p);
	return 0;
}
