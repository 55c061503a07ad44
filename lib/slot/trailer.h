/* SPDX-License-Identifier: ISC */
/*
 * A slot: one of two partitions that hold a whole system. Its payload (a squashfs, then the tree of
 * hashes by which the kernel checks each block of it) begins at 0; the trailer is the last 4096
 * bytes of the partition. A slot file is the payload and the same trailer behind it. A slot with no
 * valid trailer is empty, whatever else is in it.
 *
 *     postern-slot 1
 *     version=0.1.0
 *     serial=1764367200     grows with each release; a smaller one is a downgrade
 *     arch=amd64
 *     size=14123008         of the payload
 *     data=13900000         where the tree begins
 *     salt=HEX
 *     root=HEX              hash at the root of the tree
 *     sha256=HEX            of the payload
 *
 * Each line stands once and in this order; then NUL up to the signature (Ed25519) of all before it.
 * Pure functions.
 */
#ifndef POSTERN_SLOT_TRAILER_H
#define POSTERN_SLOT_TRAILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	SLOT_BLOCK = 4096, /* payloads are a multiple of it: what the kernel checks at a time */
	SLOT_TRAILER_SIZE = 4096,
	SLOT_SIGNED_SIZE = SLOT_TRAILER_SIZE - 64, /* what the signature covers */
	SLOT_VERSION_MAX = 32,                     /* bytes of the text that people read */
	SLOT_ARCH_MAX = 16,                        /* as uname -m names machines */
	SLOT_HEX_MAX = 128,                        /* salt and root: 512 bits at most */
	SLOT_KEYS_MAX = 8,                         /* keys in use and their successors */
	SLOT_KEY_SIZE = 32,
	SLOT_SUM_SIZE = 32,
};

/* Larger than any disk this runs on: numbers of a trailer never overflow when they are added. */
#define SLOT_SIZE_MAX (1ULL << 40)

struct slot_trailer {
	char version[SLOT_VERSION_MAX + 1];
	uint64_t serial;
	char arch[SLOT_ARCH_MAX + 1];
	uint64_t size, data;
	char salt[SLOT_HEX_MAX + 1], root[SLOT_HEX_MAX + 1];
	uint8_t sha256[SLOT_SUM_SIZE];
};

struct slot_keys {
	uint8_t key[SLOT_KEYS_MAX][SLOT_KEY_SIZE];
	size_t n;
};

/* 0, or -1 with the reason for people in *why. Says nothing of the signature. */
int slot_trailer_parse(
    const uint8_t raw[SLOT_TRAILER_SIZE], struct slot_trailer *t, const char **why);
/* One of the keys signed it. */
bool slot_trailer_signed(const uint8_t raw[SLOT_TRAILER_SIZE], const struct slot_keys *keys);

/* A file of public keys: one in hexadecimal a line; empty lines and # comments. 0, or -1 when a line is
 * no key, there are too many, or none. */
int slot_keys_parse(struct str text, struct slot_keys *keys);

#endif
