/* SPDX-License-Identifier: ISC */
#include "auth/cache.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct entry {
	uint8_t digest[CACHE_DIGEST];
	uint64_t since; /* 0: empty */
};

struct cache {
	uint8_t key[crypto_generichash_KEYBYTES];
	size_t sets; /* of CACHE_WAYS entries each */
	struct entry *entry;
};

struct cache *
cache_new(size_t entries)
{
	struct cache *c = xcalloc(1, sizeof(*c));

	c->sets = (entries + CACHE_WAYS - 1) / CACHE_WAYS;
	if (c->sets > 0)
		c->entry = xcalloc(c->sets * CACHE_WAYS, sizeof(*c->entry));
	crypto_generichash_keygen(c->key);
	return c;
}

void
cache_free(struct cache **cp)
{
	struct cache *c = *cp;

	if (c == NULL)
		return;
	if (c->entry)
		sodium_memzero(c->entry, c->sets * CACHE_WAYS * sizeof(*c->entry));
	free(c->entry);
	sodium_memzero(c, sizeof(*c));
	free(c);
	*cp = NULL;
}

void
cache_digest(const struct cache *c, struct str login, uint32_t account, uint64_t generation,
    struct str password, uint8_t out[CACHE_DIGEST])
{
	uint64_t head[3] = { account, generation, login.n };
	crypto_generichash_state st;

	/* the login's length stands before it: no two inputs run together alike */
	(void)crypto_generichash_init(&st, c->key, sizeof(c->key), CACHE_DIGEST);
	(void)crypto_generichash_update(&st, (const uint8_t *)head, sizeof(head));
	(void)crypto_generichash_update(&st, (const uint8_t *)login.p, login.n);
	(void)crypto_generichash_update(&st, (const uint8_t *)password.p, password.n);
	(void)crypto_generichash_final(&st, out, CACHE_DIGEST);
	sodium_memzero(&st, sizeof(st));
}

static struct entry *
set_of(const struct cache *c, const uint8_t *digest)
{
	uint64_t h;

	memcpy(&h, digest, sizeof(h));
	return &c->entry[h % c->sets * CACHE_WAYS];
}

bool
cache_has(
    const struct cache *c, const uint8_t digest[CACHE_DIGEST], uint64_t now_ms, uint64_t age_ms)
{
	const struct entry *e;
	bool hit = false;

	if (c->sets == 0)
		return false;
	e = set_of(c, digest);
	for (int i = 0; i < CACHE_WAYS; i++)
		hit |= sodium_memcmp(e[i].digest, digest, CACHE_DIGEST) == 0 && e[i].since != 0 &&
		       now_ms - e[i].since < age_ms;
	return hit;
}

void
cache_add(struct cache *c, const uint8_t digest[CACHE_DIGEST], uint64_t now_ms)
{
	struct entry *e, *to;

	if (c->sets == 0)
		return;
	to = e = set_of(c, digest);
	for (int i = 0; i < CACHE_WAYS; i++) {
		if (sodium_memcmp(e[i].digest, digest, CACHE_DIGEST) == 0) {
			to = &e[i];
			break;
		}
		if (e[i].since < to->since)
			to = &e[i];
	}
	memcpy(to->digest, digest, CACHE_DIGEST);
	to->since = now_ms ? now_ms : 1;
}
