/* SPDX-License-Identifier: ISC */
/*
 * Is this the password? The cache, the keys of app passwords, argon2id against the verifier that
 * accounts gave. Unknown and locked users cost the same as others, so that time tells nobody who
 * exists.
 */
#ifndef POSTERN_AUTH_VERIFY_H
#define POSTERN_AUTH_VERIFY_H

#include "auth/cache.h"
#include "auth/exchange.h"
#include "ipc/ipc.h"

enum {
	VERIFY_PASSWORD_MAX = 1024,   /* as accounts takes them; longer ones are wrong */
	VERIFY_MEMORY_MAX_KB = 65536, /* of a verifier: what the sandbox's memory limit bears */
	VERIFY_PASSES_MAX = 20,       /* of a verifier: bounds the time of a login */
	VERIFIER_TEXT_MAX = 256,      /* ipc_table.h: verifier_is */
};

/* What accounts said of a login. */
struct verify_facts {
	enum ipc_result result; /* IPC_OK: the rest is set */
	uint32_t account;
	uint64_t generation;
	char verifier[VERIFIER_TEXT_MAX + 1];
	/* Of all passwords that have them; the salt is there in any case. */
	uint8_t salt[SCRAM_SALT];
	struct scram_keys keys[EXCHANGE_KEYS_MAX];
	unsigned nkeys;
};

struct verify;

/* memory (bytes) and passes: what a user's verifier is made with; the dummy's are the same. */
struct verify *verify_new(size_t cache_entries, uint64_t memory, uint64_t passes);
void verify_free(struct verify **v);
void verify_set_cost(struct verify *v, uint64_t memory, uint64_t passes);

/* IPC_OK: proven. IPC_NO: not. IPC_TEMP: the verifier is damaged or memory is out. */
enum ipc_result verify_password(struct verify *v, const struct verify_facts *facts,
    struct str login, struct str password, uint64_t now_ms, uint64_t cache_age_ms);

/* Does it look like a password that accounts makes for apps? (accounts/admin.c) */
bool verify_is_app_password(struct str password);

/* Since the start: logins the cache answered, and argon2 runs. */
uint64_t verify_cache_hits(const struct verify *v);
uint64_t verify_hashes(const struct verify *v);

#endif
