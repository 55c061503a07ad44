/* SPDX-License-Identifier: ISC */
/* For tests and fuzz targets: small slots with valid trailers, signed by a key of the test. */
#ifndef POSTERN_SLOT_TEST_SLOT_H
#define POSTERN_SLOT_TEST_SLOT_H

#include <sodium.h>
#include <stdio.h>

#include "slot/trailer.h"

enum { TEST_PAYLOAD = 6 * SLOT_BLOCK, TEST_ROOM = TEST_PAYLOAD + 3 * SLOT_BLOCK };

static uint8_t test_public[crypto_sign_PUBLICKEYBYTES], test_secret[crypto_sign_SECRETKEYBYTES];

static inline void
test_make_key(void)
{
	static const uint8_t seed[crypto_sign_SEEDBYTES] = "a key of the tests";

	crypto_sign_seed_keypair(test_public, test_secret, seed);
}

static inline void
test_sign(uint8_t raw[SLOT_TRAILER_SIZE])
{
	crypto_sign_detached(raw + SLOT_SIGNED_SIZE, NULL, raw, SLOT_SIGNED_SIZE, test_secret);
}

/* A payload of bytes that tell its version from others, and its trailer. */
static inline void
test_make_slot(uint8_t payload[TEST_PAYLOAD], uint8_t raw[SLOT_TRAILER_SIZE], unsigned version)
{
	uint8_t sum[SLOT_SUM_SIZE];
	char hex[2 * SLOT_SUM_SIZE + 1];

	for (size_t i = 0; i < TEST_PAYLOAD; i++)
		payload[i] = (uint8_t)(i * 7 + i / 256 + version * 31);
	crypto_hash_sha256(sum, payload, TEST_PAYLOAD);
	sodium_bin2hex(hex, sizeof(hex), sum, sizeof(sum));
	memset(raw, 0, SLOT_TRAILER_SIZE);
	snprintf((char *)raw, SLOT_SIGNED_SIZE,
	    "postern-slot 1\nversion=0.%u.0\nserial=%u\narch=amd64\nsize=%d\ndata=%d\n"
	    "salt=00ff\nroot=%s\nsha256=%s\n",
	    version, 1000 + version, TEST_PAYLOAD, 4 * SLOT_BLOCK, hex, hex);
	test_sign(raw);
}

#endif
