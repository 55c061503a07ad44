/* SPDX-License-Identifier: ISC */
#include "seal/seal.h"

#include <assert.h>

#include "base/le.h"

enum { VERSION = 1, SUBKEY_HEAD = 1, SUBKEY_STREAM = 2 };

static const char MAGIC[8] = { 'P', 'S', 'T', 'N', 'S', 'E', 'A', 'L' };
static const char CONTEXT[crypto_kdf_CONTEXTBYTES] = { 'P', 'o', 's', 't', 'e', 'r', 'n', 'B' };

static_assert(SEAL_EXTRA == crypto_secretstream_xchacha20poly1305_ABYTES, "of libsodium");
static_assert(SEAL_KEY_SIZE == crypto_kdf_KEYBYTES, "of libsodium");
static_assert(SEAL_KEY_SIZE == crypto_secretstream_xchacha20poly1305_KEYBYTES, "of libsodium");
static_assert(SEAL_HEAD_SIZE - SEAL_MAC_AT == crypto_generichash_BYTES, "of libsodium");
static_assert(crypto_pwhash_SALTBYTES == 16, "its place in the head");

void
seal_head_new(struct seal_head *h, enum seal_kind kind, int64_t now)
{
	memset(h, 0, sizeof(*h));
	h->kind = kind;
	h->made = now;
	randombytes_buf(h->salt, sizeof(h->salt));
	randombytes_buf(h->id, sizeof(h->id));
	if (kind == SEAL_PASSPHRASE) {
		h->passes = SEAL_PASSES;
		h->memory = SEAL_MEMORY;
	}
}

static void
mac_of(const uint8_t *p, const struct seal_key *key, uint8_t mac[crypto_generichash_BYTES])
{
	crypto_generichash(
	    mac, crypto_generichash_BYTES, p, SEAL_MAC_AT, key->head, sizeof(key->head));
}

void
seal_head_write(const struct seal_head *h, const struct seal_key *key, uint8_t out[SEAL_HEAD_SIZE])
{
	memset(out, 0, SEAL_HEAD_SIZE);
	memcpy(out, MAGIC, sizeof(MAGIC));
	le_put32(out + 8, VERSION);
	le_put32(out + 12, h->kind);
	memcpy(out + 16, h->salt, sizeof(h->salt));
	le_put64(out + 32, h->passes);
	le_put64(out + 40, h->memory);
	memcpy(out + 48, h->id, sizeof(h->id));
	le_put64(out + 56, (uint64_t)h->made);
	memcpy(out + 64, h->stream, sizeof(h->stream));
	le_put32(out + 88, h->pieces);
	le_put32(out + 92, h->piece_size);
	le_put64(out + 96, h->bytes);
	mac_of(out, key, out + SEAL_MAC_AT);
}

static bool
numbers_can_be(const struct seal_head *h)
{
	bool key_can_be = h->kind == SEAL_KEY_FILE && h->passes == 0 && h->memory == 0;

	if (h->kind == SEAL_PASSPHRASE)
		key_can_be =
		    h->passes >= crypto_pwhash_OPSLIMIT_MIN && h->passes <= SEAL_PASSES_MAX &&
		    h->memory >= crypto_pwhash_MEMLIMIT_MIN && h->memory <= SEAL_MEMORY_MAX;
	return key_can_be && h->pieces > 0 && h->pieces <= SEAL_PIECES_MAX && h->piece_size > 0 &&
	       h->piece_size <= SEAL_PIECE_MAX &&
	       h->bytes > (uint64_t)(h->pieces - 1) * h->piece_size &&
	       h->bytes <= (uint64_t)h->pieces * h->piece_size;
}

int
seal_head_read(const uint8_t *p, size_t n, struct seal_head *h, const char **why)
{
	memset(h, 0, sizeof(*h));
	*why = "it is no backup";
	if (n < 12 || memcmp(p, MAGIC, sizeof(MAGIC)) != 0)
		return -1;
	*why = "it was made by a newer version of Postern";
	if (le_get32(p + 8) > VERSION)
		return -1;
	*why = "its head is damaged";
	if (n != SEAL_HEAD_SIZE || le_get32(p + 8) != VERSION)
		return -1;
	h->kind = (enum seal_kind)le_get32(p + 12);
	memcpy(h->salt, p + 16, sizeof(h->salt));
	h->passes = le_get64(p + 32);
	h->memory = le_get64(p + 40);
	memcpy(h->id, p + 48, sizeof(h->id));
	h->made = (int64_t)le_get64(p + 56);
	memcpy(h->stream, p + 64, sizeof(h->stream));
	h->pieces = le_get32(p + 88);
	h->piece_size = le_get32(p + 92);
	h->bytes = le_get64(p + 96);
	if (!numbers_can_be(h))
		return -1;
	*why = "";
	return 0;
}

bool
seal_head_authentic(const uint8_t p[SEAL_HEAD_SIZE], const struct seal_key *key)
{
	uint8_t mac[crypto_generichash_BYTES];

	mac_of(p, key, mac);
	return sodium_memcmp(mac, p + SEAL_MAC_AT, sizeof(mac)) == 0;
}

/* --- keys --------------------------------------------------------------------------------------------- */

static void
derive(struct seal_key *key, uint8_t master[SEAL_KEY_SIZE])
{
	crypto_kdf_derive_from_key(key->head, sizeof(key->head), SUBKEY_HEAD, CONTEXT, master);
	crypto_kdf_derive_from_key(
	    key->stream, sizeof(key->stream), SUBKEY_STREAM, CONTEXT, master);
	sodium_memzero(master, SEAL_KEY_SIZE);
}

int
seal_key_passphrase(struct seal_key *key, const struct seal_head *h, struct str passphrase)
{
	uint8_t master[SEAL_KEY_SIZE];

	if (crypto_pwhash(master, sizeof(master), passphrase.p, passphrase.n, h->salt, h->passes,
		(size_t)h->memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return -1;
	derive(key, master);
	return 0;
}

int
seal_key_file(struct seal_key *key, const struct seal_head *h, struct str text)
{
	uint8_t file[SEAL_KEY_SIZE], master[SEAL_KEY_SIZE];
	ptrdiff_t end = str_chr(text, '\n');
	struct str line = str_trim(str_from(text.p, end < 0 ? text.n : (size_t)end));
	size_t n = 0;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n != (size_t)SEAL_KEY_SIZE * 2 ||
	    sodium_hex2bin(file, sizeof(file), line.p, line.n, NULL, &n, NULL) != 0 ||
	    n != sizeof(file)) {
		sodium_memzero(file, sizeof(file));
		return -1;
	}
	crypto_generichash(master, sizeof(master), h->salt, sizeof(h->salt), file, sizeof(file));
	sodium_memzero(file, sizeof(file));
	derive(key, master);
	return 0;
}

void
seal_key_wipe(struct seal_key *key)
{
	sodium_memzero(key, sizeof(*key));
}

void
seal_key_file_new(char out[SEAL_KEY_SIZE * 2 + 2])
{
	uint8_t key[SEAL_KEY_SIZE];

	randombytes_buf(key, sizeof(key));
	sodium_bin2hex(out, SEAL_KEY_SIZE * 2 + 1, key, sizeof(key));
	out[SEAL_KEY_SIZE * 2] = '\n';
	out[SEAL_KEY_SIZE * 2 + 1] = '\0';
	sodium_memzero(key, sizeof(key));
}

/* --- the stream --------------------------------------------------------------------------------------- */

void
seal_begin(struct seal *s, struct seal_head *h, const struct seal_key *key)
{
	memset(s, 0, sizeof(*s));
	crypto_secretstream_xchacha20poly1305_init_push(&s->state, h->stream, key->stream);
}

size_t
seal_block(
    struct seal *s, const uint8_t *plain, size_t n, bool last, uint8_t out[SEAL_BLOCK_SEALED])
{
	unsigned long long length = 0;

	assert(!s->ended && (last ? n <= SEAL_BLOCK : n == SEAL_BLOCK));
	crypto_secretstream_xchacha20poly1305_push(&s->state, out, &length, plain, n, NULL, 0,
	    last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0);
	s->ended = last;
	return (size_t)length;
}

int
seal_open(struct seal *s, const struct seal_head *h, const struct seal_key *key)
{
	memset(s, 0, sizeof(*s));
	return crypto_secretstream_xchacha20poly1305_init_pull(&s->state, h->stream, key->stream);
}

int
seal_open_block(
    struct seal *s, const uint8_t *sealed, size_t n, uint8_t out[SEAL_BLOCK], size_t *length)
{
	unsigned long long got = 0;
	unsigned char tag = 0;

	if (s->ended || n < SEAL_EXTRA || n > SEAL_BLOCK_SEALED ||
	    crypto_secretstream_xchacha20poly1305_pull(
		&s->state, out, &got, &tag, sealed, n, NULL, 0) != 0)
		return -1;
	s->ended = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
	if (!s->ended && got != SEAL_BLOCK)
		return -1;
	*length = (size_t)got;
	return 0;
}
