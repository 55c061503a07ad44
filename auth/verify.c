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

/* Groups of small letters and digits with hyphens between them. */
bool
verify_is_app_password(struct str password)
{
	enum { GROUPS = 4, SIGNS = 5 };

	if (password.n != GROUPS * (SIGNS + 1) - 1)
		return false;
	for (size_t i = 0; i < password.n; i++) {
		char c = password.p[i];

		if (i % (SIGNS + 1) == SIGNS ? c != '-'
					     : !((c >= 'a' && c <= 'z') || (c >= '2' && c <= '9')))
			return false;
	}
	return true;
}

/* The same work for everybody, whatever keys there are. */
static bool
fits_keys(const struct verify_facts *facts, struct str password)
{
	struct scram_keys keys;
	bool found = false;

	scram_keys_make(password, facts->salt, &keys);
	for (unsigned i = 0; i < EXCHANGE_KEYS_MAX; i++)
		if (sodium_memcmp(keys.stored, facts->keys[i].stored, SCRAM_KEY) == 0)
			found = found || i < facts->nkeys;
	sodium_memzero(&keys, sizeof(keys));
	return found;
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
		bool app = verify_is_app_password(password) && fits_keys(facts, password) && known;

		r = app ? IPC_OK : argon2(v, known ? facts->verifier : v->dummy, password);
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
