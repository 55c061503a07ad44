/* SPDX-License-Identifier: ISC */
/* How fuzz targets cut their input into parts; each taker shortens rest from its front. */
#ifndef POSTERN_BASE_FUZZ_INPUT_H
#define POSTERN_BASE_FUZZ_INPUT_H

#include "base/str.h"

/* n bytes, or as many as there are; a part of the input. */
static inline struct str
take(struct str *rest, size_t n)
{
	struct str s = str_from(rest->p, n < rest->n ? n : rest->n);

	*rest = str_from(rest->p + s.n, rest->n - s.n);
	return s;
}

/* 0 at the end of the input. */
static inline unsigned
take_byte(struct str *rest)
{
	struct str s = take(rest, 1);

	return s.n > 0 ? (unsigned char)s.p[0] : 0;
}

/* A byte that is the length of what follows, and that. */
static inline struct str
take_counted(struct str *rest)
{
	return take(rest, take_byte(rest));
}

#endif
