/* SPDX-License-Identifier: ISC */
#include "auth/verify.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct verify {
	struct cache *cache;
	char dummy[VERIFIER_TEXT_MAX + 1];
	uint64_t hits, hashes;
};

/*
 * A well-formed verifier nobody knows a password for. Salt and hash are random: checking against
 * it costs what a true one costs, making it costs nothing.
 */
void
verify_set_cost(struct verify *v, uint64_t memory, uint64_t passes)
{
	uint8_t salt[16], hash[32];
	char salt64[32], hash64[64];

	randombytes_buf(salt, sizeof(salt));
	randombytes_buf(hash, sizeof(hash));
	(void)sodium_bin2base64(
	    salt64, sizeof(salt64), salt, sizeof(salt), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	(void)sodium_bin2base64(
	    hash64, sizeof(hash64), hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	(void)snprintf(v->dummy, sizeof(v->dummy), "$argon2id$v=19$m=%llu,t=%llu,p=1$%s$%s",
	    (unsigned long long)memory / 1024, (unsigned long long)passes, salt64, hash64);
}

struct verify *
verify_new(size_t cache_entries, uint64_t memory, uint64_t passes)
{
	struct verify *v = xcalloc(1, sizeof(*v));

	v->cache = cache_new(cache_entries);
	verify_set_cost(v, memory, passes);
	return v;
}

void
verify_free(struct verify **v)
{
	if (*v == NULL)
		return;
	cache_free(&(*v)->cache);
	free(*v);
	*v = NULL;
}

/* A damaged row must not make us take gigabytes or minutes. */
static bool
cost_is_bounded(const char *verifier)
{
	unsigned memory, passes, lanes;

	return sscanf(verifier, "$argon2id$v=19$m=%10u,t=%10u,p=%10u$", &memory, &passes, &lanes) ==
		   3 &&
	       memory <= VERIFY_MEMORY_MAX_KB && passes <= VERIFY_PASSES_MAX && lanes == 1;
}

/* libsodium maps the memory and unmaps it again: nothing stays behind in the heap. */
static enum ipc_result
argon2(struct verify *v, const char *verifier, struct str password)
{
	v->hashes++;
	if (!cost_is_bounded(verifier))
		return IPC_TEMP;
	errno = 0;
	if (crypto_pwhash_str_verify(verifier, password.p, password.n) == 0)
		return IPC_OK;
	return errno == EINVAL ? IPC_NO : IPC_TEMP; /* EINVAL: it ran and did not match */
}

enum ipc_result
verify_password(struct verify *v, const struct verify_facts *facts, struct str login,
    struct str password, uint64_t now_ms, uint64_t cache_age_ms)
{
	bool known = facts->result == IPC_OK;
	uint8_t digest[CACHE_DIGEST];
	enum ipc_result r;

	if (facts->result != IPC_OK && facts->result != IPC_NO && facts->result != IPC_SUSPENDED)
		return IPC_TEMP;
	if (password.n > VERIFY_PASSWORD_MAX || password.n == 0) {
		password = STR("x");
		known = false;
	}
	cache_digest(v->cache, login, facts->account, facts->generation, password, digest);
	if (known && cache_has(v->cache, digest, now_ms, cache_age_ms)) {
		v->hits++;
		r = IPC_OK;
	} else {
		r = argon2(v, known ? facts->verifier : v->dummy, password);
		if (!known && r == IPC_OK)
			r = IPC_NO;
		if (r == IPC_OK)
			cache_add(v->cache, digest, now_ms);
	}
	sodium_memzero(digest, sizeof(digest));
	return r;
}

uint64_t
verify_cache_hits(const struct verify *v)
{
	return v->hits;
}

uint64_t
verify_hashes(const struct verify *v)
{
	return v->hashes;
}
