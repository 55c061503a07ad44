/* SPDX-License-Identifier: ISC */
/* Looking for a place among ordered things. */
#ifndef POSTERN_BASE_BISECT_H
#define POSTERN_BASE_BISECT_H

#include <stddef.h>

/*
 * Sets place (of any integer type) to the first of n ordered things that is not `before` what is looked for; n: all
 * are. `before` is an expression in which i is the index of a thing; it is true for the first ones and for no other.
 */
#define BISECT(place, n, i, before) \
	do { \
		size_t lo_ = 0, hi_ = (n); \
\
		while (lo_ < hi_) { \
			size_t i = lo_ + (hi_ - lo_) / 2; \
\
			if (before) \
				lo_ = i + 1; \
			else \
				hi_ = i; \
		} \
		(place) = (__typeof__(place))lo_; \
	} while (0)

#endif
