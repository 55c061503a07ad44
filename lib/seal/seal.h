/* SPDX-License-Identifier: ISC */
/*
 * Sealed backups: a stream of bytes that only the holder of a passphrase or of a key file can read, and in
 * which nobody can change, leave out, double or exchange a byte unnoticed. libsodium's secretstream
 * (XChaCha20-Poly1305), keys by Argon2id from a passphrase, by BLAKE2b from a key file. Pure functions.
 *
 * The stream is cut into blocks of SEAL_BLOCK bytes, of which only the last, marked as such, may be
 * shorter; sealed each is SEAL_EXTRA bytes longer. Where it is kept it is cut into pieces of any size. The
 * head stands beside it. It tells how the key is made and how much there is, in the clear, and is
 * authenticated:
 *
 *	  0  magic "PSTNSEAL"        8  u32 version (1)         12  u32 kind of key
 *	 16  salt, 16 bytes         32  u64 Argon2id: passes    40  u64 Argon2id: bytes of memory
 *	 48  id, 8 random bytes     56  i64 when it was made (seconds since 1970)
 *	 64  header of the stream, 24 bytes                     88  u32 number of pieces
 *	 92  u32 bytes of a piece   96  u64 bytes of the sealed stream
 *	104  zeros                 224  MAC of all before it, 32 bytes
 *
 * All numbers little-endian.
 */
#ifndef POSTERN_SEAL_SEAL_H
#define POSTERN_SEAL_SEAL_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	SEAL_HEAD_SIZE = 256,
	SEAL_MAC_AT = 224,
	SEAL_KEY_SIZE = 32,
	SEAL_ID_SIZE = 8,
	SEAL_BLOCK = 1 << 16,
	SEAL_EXTRA = 17, /* what the library adds to a block */
	SEAL_BLOCK_SEALED = SEAL_BLOCK + SEAL_EXTRA,
	SEAL_KEY_FILE_MAX = 256,   /* a line of 64 hexadecimal digits */
	SEAL_PASSES = 3,           /* of Argon2id, for a passphrase */
	SEAL_MEMORY = 64 << 20,    /* what a machine of 128 MB still has; a second of time */
	SEAL_PASSES_MAX = 100,     /* a head that is anybody's must not be able to take hours */
	SEAL_MEMORY_MAX = 1 << 30, /* a head must not be able to use up the memory */
	SEAL_PIECE_MAX = 64 << 20, /* is held in memory */
	SEAL_PIECES_MAX = 999999,  /* their names have six digits */
};

enum seal_kind { SEAL_PASSPHRASE = 1, SEAL_KEY_FILE = 2 };

struct seal_head {
	enum seal_kind kind;
	uint8_t salt[crypto_pwhash_SALTBYTES];
	uint64_t passes, memory;
	uint8_t id[SEAL_ID_SIZE];
	int64_t made;
	uint8_t stream[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
	uint32_t pieces, piece_size;
	uint64_t bytes;
};

/* What is known only to the owner; wiped by seal_key_wipe. */
struct seal_key {
	uint8_t head[SEAL_KEY_SIZE], stream[SEAL_KEY_SIZE];
};

/* A new head for a backup of this kind, with salt and id of its own. */
void seal_head_new(struct seal_head *h, enum seal_kind kind, int64_t now);
void seal_head_write(
    const struct seal_head *h, const struct seal_key *key, uint8_t out[SEAL_HEAD_SIZE]);
/* Says nothing of the MAC: the key is made of what it tells. 0, or -1 with the reason in *why. */
int seal_head_read(const uint8_t *p, size_t n, struct seal_head *h, const char **why);
/* The key's owner wrote this head. */
bool seal_head_authentic(const uint8_t p[SEAL_HEAD_SIZE], const struct seal_key *key);

/* From what the head says and a passphrase. -1: there is not as much memory. */
int seal_key_passphrase(struct seal_key *key, const struct seal_head *h, struct str passphrase);
/* From the text of a key file, whose first line is 64 hexadecimal digits. -1: it is none. */
int seal_key_file(struct seal_key *key, const struct seal_head *h, struct str text);
void seal_key_wipe(struct seal_key *key);
/* A new key file's text. */
void seal_key_file_new(char out[SEAL_KEY_SIZE * 2 + 2]);

struct seal {
	crypto_secretstream_xchacha20poly1305_state state;
	bool ended;
};

/* Sealing: puts the stream's header into h. */
void seal_begin(struct seal *s, struct seal_head *h, const struct seal_key *key);
/* n is SEAL_BLOCK unless it is the last. Returns the bytes in out. */
size_t seal_block(
    struct seal *s, const uint8_t *plain, size_t n, bool last, uint8_t out[SEAL_BLOCK_SEALED]);

/* Opening: 0, or -1: h is not of this key. */
int seal_open(struct seal *s, const struct seal_head *h, const struct seal_key *key);
/* One block of n bytes. 0, or -1: it is not what was sealed at this place, or stands behind the last. */
int seal_open_block(
    struct seal *s, const uint8_t *sealed, size_t n, uint8_t out[SEAL_BLOCK], size_t *length);

#endif
