/* SPDX-License-Identifier: ISC */
#include "keys/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { NAME_LENGTH_MAX = 200 };

struct entry {
	EVP_PKEY *key;
	char *chain;
	uint32_t id;
	enum key_type type;
	bool is_default;
};

struct keyring {
	struct entry list[KEYRING_MAX];
	size_t n;
};

void
keyring_preload(void)
{
	unsigned char seed[1];
	EVP_PKEY *warm;

	/* The system's openssl.cnf must not change what is promised here. */
	if (!OPENSSL_init_crypto(
		OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) ||
	    RAND_bytes(seed, sizeof(seed)) != 1 || (warm = EVP_EC_gen("P-256")) == NULL)
		fatal("cannot use OpenSSL");
	EVP_PKEY_free(warm);
}

void
keyring_free(struct keyring **rp)
{
	struct keyring *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	for (size_t i = 0; i < r->n; i++) {
		EVP_PKEY_free(r->list[i].key); /* OpenSSL clears the private numbers */
		free(r->list[i].chain);
	}
	free(r);
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* NULL with errno. The caller wipes and frees it; it has a NUL behind its *n bytes. */
static char *
read_file(int dirfd, const char *name, size_t *n)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *p;
	ssize_t r = 0;

	if (fd < 0)
		return NULL;
	p = xcalloc(1, KEYRING_FILE_MAX + 1);
	for (*n = 0; *n < KEYRING_FILE_MAX; *n += (size_t)r)
		if ((r = read(fd, p + *n, KEYRING_FILE_MAX - *n)) <= 0)
			break;
	if (r > 0)
		errno = EFBIG;
	close(fd);
	if (r == 0)
		return p;
	OPENSSL_cleanse(p, KEYRING_FILE_MAX);
	free(p);
	return NULL;
}

static EVP_PKEY *
read_key(int dirfd, const char *name)
{
	size_t n;
	char *p = read_file(dirfd, name, &n);
	EVP_PKEY *key;
	BIO *bio;

	if (p == NULL)
		return NULL;
	bio = BIO_new_mem_buf(p, (int)n);
	/* An empty pass phrase instead of asking for one at the terminal. */
	key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
	BIO_free(bio);
	OPENSSL_cleanse(p, KEYRING_FILE_MAX);
	free(p);
	return key;
}

/* The certificates alone as PEM; *leaf is the first. NULL when there is none or too much. */
static char *
read_chain(int dirfd, const char *name, X509 **leaf)
{
	size_t n;
	char *p = read_file(dirfd, name, &n), *data, *chain = NULL;
	BIO *in, *out;
	X509 *x;
	long length;

	*leaf = NULL;
	if (p == NULL)
		return NULL;
	in = BIO_new_mem_buf(p, (int)n);
	out = BIO_new(BIO_s_mem());
	while ((x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		PEM_write_bio_X509(out, x);
		if (*leaf == NULL)
			*leaf = x;
		else
			X509_free(x);
	}
	length = BIO_get_mem_data(out, &data);
	if (length > 0 && length <= KEYRING_CHAIN_MAX)
		chain = xstrndup(data, (size_t)length);
	BIO_free(in);
	BIO_free(out);
	OPENSSL_cleanse(p, KEYRING_FILE_MAX);
	free(p);
	return chain;
}

/* A reason why not, or NULL. */
static const char *
check_key(EVP_PKEY *key, X509 *leaf, enum key_type *type)
{
	if (EVP_PKEY_is_a(key, "EC"))
		*type = KEY_TYPE_EC;
	else if (EVP_PKEY_is_a(key, "RSA"))
		*type = KEY_TYPE_RSA;
	else
		return "neither RSA nor ECDSA";
	if (*type == KEY_TYPE_RSA &&
	    (EVP_PKEY_get_bits(key) < KEYRING_RSA_MIN || EVP_PKEY_get_bits(key) > KEYRING_RSA_MAX))
		return "RSA key is too short or too long";
	if (*type == KEY_TYPE_EC && EVP_PKEY_get_bits(key) < 256)
		return "curve is too small";
	return X509_check_private_key(leaf, key) == 1 ? NULL : "key and certificate differ";
}

static uint32_t
key_number(X509 *leaf)
{
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	int n = i2d_PUBKEY(X509_get0_pubkey(leaf), &der);
	unsigned int length = 0;

	if (n <= 0 || EVP_Digest(der, (size_t)n, digest, &length, EVP_sha256(), NULL) != 1)
		fatal("cannot hash a public key");
	OPENSSL_free(der);
	return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
	       digest[3];
}

static void
load_pair(struct keyring *r, int dirfd, const char *name)
{
	char path[NAME_LENGTH_MAX + 8];
	struct entry e = { .is_default = strcmp(name, "default") == 0 };
	const char *why = NULL;
	X509 *leaf;

	snprintf(path, sizeof(path), "%s.crt", name);
	e.chain = read_chain(dirfd, path, &leaf);
	snprintf(path, sizeof(path), "%s.key", name);
	e.key = e.chain != NULL ? read_key(dirfd, path) : NULL;
	if (e.chain == NULL)
		why = "no certificate, or too many";
	else if (e.key == NULL)
		why = "no private key, or it is encrypted";
	else if (r->n == KEYRING_MAX)
		why = "too many keys";
	else
		why = check_key(e.key, leaf, &e.type);
	if (why != NULL) {
		log_error(
		    "", "event=key-ignored name=\"%s\" reason=\"%s\"", LOGS(str_of(name)), why);
		EVP_PKEY_free(e.key);
		free(e.chain);
	} else {
		e.id = key_number(leaf);
		r->list[r->n++] = e;
		log_info("", "event=key-loaded name=\"%s\" key=%08x type=%s bits=%d default=%d",
		    LOGS(str_of(name)), e.id, e.type == KEY_TYPE_EC ? "ECDSA" : "RSA",
		    EVP_PKEY_get_bits(e.key), e.is_default);
	}
	X509_free(leaf);
	ERR_clear_error();
}

/* "name.crt" without ".crt", into out. */
static bool
certificate_name(const char *file, char out[NAME_LENGTH_MAX])
{
	size_t n = strlen(file);

	if (n <= 4 || n - 4 >= NAME_LENGTH_MAX || file[0] == '.' ||
	    strcmp(file + n - 4, ".crt") != 0)
		return false;
	memcpy(out, file, n - 4);
	out[n - 4] = '\0';
	return true;
}

struct keyring *
keyring_load(int dirfd)
{
	struct keyring *r = xcalloc(1, sizeof(*r));
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	char name[NAME_LENGTH_MAX];
	struct dirent *d;

	if (dir == NULL) {
		log_error("", "event=keys-unreadable error=\"%s\"", strerror(errno));
		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((d = readdir(dir)) != NULL)
		if (certificate_name(d->d_name, name))
			load_pair(r, dirfd, name);
	closedir(dir);
	return r;
}

size_t
keyring_count(const struct keyring *r)
{
	return r->n;
}

void
keyring_get(const struct keyring *r, size_t i, struct keyring_entry *e)
{
	const struct entry *from = &r->list[i];

	*e = (struct keyring_entry){ from->id, from->is_default, str_of(from->chain) };
}

/* --- signing ------------------------------------------------------------------------------------
 */

static const struct algorithm {
	unsigned number;
	enum key_type type;
	enum key_padding padding;
	const char *hash;
	size_t length;
} algorithms[] = {
#define X(name, number, type, padding, hash, length) \
	{ number, KEY_TYPE_##type, KEY_PADDING_##padding, hash, length },
	KEY_ALGORITHMS(X)
#undef X
};

static const struct algorithm *
find_algorithm(unsigned number)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (algorithms[i].number == number)
			return &algorithms[i];
	return NULL;
}

static EVP_PKEY_CTX *
signing_context(EVP_PKEY *key, const struct algorithm *a)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	char *hash = (char *)(uintptr_t)a->hash;
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
				    OSSL_SIGNATURE_PARAM_DIGEST, hash, 0),
		OSSL_PARAM_construct_end() };
	bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1;

	if (ok && a->padding == KEY_PADDING_PSS)
		ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1;
	ok = ok && EVP_PKEY_CTX_set_params(ctx, params) == 1;
	if (ok && a->padding == KEY_PADDING_PSS)
		ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	if (ok)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

int
keyring_sign(struct keyring *r, uint32_t key, unsigned algorithm, struct str digest,
    uint8_t signature[KEY_SIGNATURE_MAX], size_t *n)
{
	const struct algorithm *a = find_algorithm(algorithm);
	const struct entry *e = NULL;
	EVP_PKEY_CTX *ctx;
	int ok;

	for (size_t i = 0; i < r->n && e == NULL; i++)
		if (r->list[i].id == key)
			e = &r->list[i];
	if (e == NULL)
		return KEYRING_UNKNOWN;
	if (a == NULL || a->type != e->type || digest.n != a->length)
		return KEYRING_INVALID;
	*n = KEY_SIGNATURE_MAX;
	ctx = signing_context(e->key, a);
	ok = ctx != NULL &&
	     EVP_PKEY_sign(ctx, signature, n, (const uint8_t *)digest.p, digest.n) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? KEYRING_OK : KEYRING_FAILED;
}
