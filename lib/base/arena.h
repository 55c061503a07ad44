/* SPDX-License-Identifier: ISC */
/* Memory for one command or transaction: many small allocations, one reset, a hard limit. */
#ifndef POSTERN_BASE_ARENA_H
#define POSTERN_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena;

/* max: limit of the bytes handed out between two resets. */
struct arena *arena_new(size_t max);
void arena_free(struct arena **a);
/* Gives everything back; keeps the first block, so that a steady user allocates nothing. */
void arena_reset(struct arena *a);
/* Zeroed, aligned to 16; NULL when the limit would be passed. */
void *arena_alloc(struct arena *a, size_t n);
/* A copy with a NUL behind it; p is NULL when the limit would be passed. */
struct str arena_str(struct arena *a, struct str s);
size_t arena_used(const struct arena *a);

#endif
