/* SPDX-License-Identifier: ISC */
/*
 * The certificates and private keys of a directory: NAME.crt (PEM, leaf first, then intermediate
 * ones) with NAME.key (PEM, not encrypted); "default" is shown to clients that ask for no name we
 * have. Only certificates are ever handed out, made anew from what was parsed: a .crt file that
 * holds a private key by mistake does not leak it.
 */
#ifndef POSTERN_KEYS_KEYRING_H
#define POSTERN_KEYS_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tls/key_algorithm.h"

enum {
	KEYRING_MAX = 64,          /* equals what lib/tls takes */
	KEYRING_FILE_MAX = 65536,  /* a chain of ten RSA certificates has 20 KiB */
	KEYRING_CHAIN_MAX = 32768, /* the message's field */
	KEYRING_RSA_MIN = 2048,
	KEYRING_RSA_MAX = 8192, /* KEY_SIGNATURE_MAX bytes */
};

struct keyring;

/* Before the sandbox: everything that OpenSSL would open or ask for later. */
void keyring_preload(void);
/* Reads the directory; never NULL: what cannot be used is logged and left out. */
struct keyring *keyring_load(int dirfd);
/* Wipes the keys. */
void keyring_free(struct keyring **r);

size_t keyring_count(const struct keyring *r);
struct keyring_entry {
	uint32_t key; /* made from the public key: the same after a reload */
	bool is_default;
	struct str chain; /* PEM, borrowed */
};
void keyring_get(const struct keyring *r, size_t i, struct keyring_entry *e);

enum { KEYRING_OK = 0, KEYRING_UNKNOWN = -1, KEYRING_INVALID = -2, KEYRING_FAILED = -3 };
/*
 * KEYRING_INVALID: no such algorithm, not one for this key, or the digest has not its length.
 * *n: length of what stands in signature.
 */
int keyring_sign(struct keyring *r, uint32_t key, unsigned algorithm, struct str digest,
    uint8_t signature[KEY_SIGNATURE_MAX], size_t *n);

#endif
