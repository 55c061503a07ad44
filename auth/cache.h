/* SPDX-License-Identifier: ISC */
/*
 * Remembers proven logins so that a mail program's next one needs no argon2: a keyed hash of
 * (login, account, generation, password). The key is random and lives as long as the process, so
 * what is in the table says nothing without it; the generation changes with every new password and
 * state, so an old entry can never match again. Only good logins are put in: guessing stays slow.
 */
#ifndef POSTERN_AUTH_CACHE_H
#define POSTERN_AUTH_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	CACHE_DIGEST = 32,
	CACHE_WAYS = 4, /* places an entry may take; the oldest of them gives way */
};

struct cache;

/* entries: at most that many are kept (rounded up to a multiple of CACHE_WAYS); 0: none. */
struct cache *cache_new(size_t entries);
/* Wipes key and table. */
void cache_free(struct cache **c);

void cache_digest(const struct cache *c, struct str login, uint32_t account, uint64_t generation,
    struct str password, uint8_t out[CACHE_DIGEST]);
/* Is it there and not older than age_ms? */
bool cache_has(
    const struct cache *c, const uint8_t digest[CACHE_DIGEST], uint64_t now_ms, uint64_t age_ms);
void cache_add(struct cache *c, const uint8_t digest[CACHE_DIGEST], uint64_t now_ms);

#endif
