/* SPDX-License-Identifier: ISC */
/* FNV-1a with 64 bits. Who wants collisions finds them: only where they do no harm. */
#ifndef POSTERN_BASE_HASH_H
#define POSTERN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t
hash_byte(uint64_t h, uint8_t byte)
{
	return (h ^ byte) * UINT64_C(0x100000001b3);
}

static inline uint64_t
hash_add(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = hash_byte(h, (uint8_t)s.p[i]);
	return h;
}

/* Spreads each bit into all bits. */
static inline uint64_t
hash_mix(uint64_t h)
{
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

#endif
