/* SPDX-License-Identifier: ISC */
/* For tests of lib/dkim and lib/arc: keys, and signatures with any tags, right or wrong. */
#ifndef POSTERN_DKIM_TEST_SIGN_H
#define POSTERN_DKIM_TEST_SIGN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "dkim/parts.h"
#include "mail/decode.h"

enum { TEST_TEXT = 65536 };

struct test_key {
	char letter; /* in records: "%R" stands for its p= */
	bool ed25519;
	unsigned bits;
	EVP_PKEY *key;
	char p[4096];
};

static struct test_key test_keys[] = { { 'R', false, 2048, NULL, "" },
	{ '1', false, 1024, NULL, "" }, { 'S', false, 1016, NULL, "" },
	{ 'E', true, 256, NULL, "" } };

enum { TEST_KEYS = sizeof(test_keys) / sizeof(test_keys[0]) };

static inline void
test_keys_make(void)
{
	for (size_t i = 0; i < TEST_KEYS; i++) {
		struct test_key *k = &test_keys[i];
		uint8_t *der = NULL;
		int n;

		k->key =
		    k->ed25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_RSA_gen(k->bits);
		assert_non_null(k->key);
		n = i2d_PUBKEY(k->key, &der);
		assert_true(n > 32);
		k->p[k->ed25519 ? mail_base64_encode(der + n - 32, 32, k->p)
				: mail_base64_encode(der, (size_t)n, k->p)] = '\0';
		OPENSSL_free(der);
	}
}

static inline struct test_key *
test_key_of(char letter)
{
	for (size_t i = 0; i < TEST_KEYS; i++)
		if (test_keys[i].letter == letter)
			return &test_keys[i];
	return NULL;
}

/* "%R" and the like become the keys. */
static inline void
test_expand(const char *in, char out[TEST_TEXT])
{
	size_t n = 0;

	for (; *in != '\0'; in++) {
		const struct test_key *k = in[0] == '%' ? test_key_of(in[1]) : NULL;

		if (k == NULL) {
			out[n++] = *in;
			continue;
		}
		n += (size_t)sprintf(out + n, "%s", k->p);
		in++;
	}
	out[n] = '\0';
}

static inline void
test_replace(char text[TEST_TEXT], const char *find, const char *by)
{
	static char copy[TEST_TEXT];
	char *at = strstr(text, find);

	assert_non_null(at);
	strcpy(copy, at + strlen(find));
	strcpy(at, by);
	strcat(at, copy);
}

/* base64 of a signature of the digest. */
static inline void
test_sign_digest(const struct test_key *k, const uint8_t *digest, char out[4096])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->key, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t bytes[1024];
	size_t n = sizeof(bytes);

	if (k->ed25519) {
		assert_int_equal(EVP_DigestSignInit(md, NULL, NULL, NULL, k->key), 1);
		assert_int_equal(EVP_DigestSign(md, bytes, &n, digest, DKIM_DIGEST_SIZE), 1);
	} else {
		assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
		EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
		assert_int_equal(EVP_PKEY_sign(ctx, bytes, &n, digest, DKIM_DIGEST_SIZE), 1);
	}
	out[mail_base64_encode(bytes, n, out)] = '\0';
	EVP_MD_CTX_free(md);
	EVP_PKEY_CTX_free(ctx);
}

#define TEST_BH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define TEST_B "QUJD"

/*
 * field has TEST_BH for its bh= and TEST_B for its b=: they become right for the message, which follows
 * the field. A field that is refused before its signature matters stays as it is.
 */
static inline void
test_sign_field(
    enum dkim_kind kind, char field[TEST_TEXT], const char *message, const struct test_key *key)
{
	char text[4096];

	for (int round = 0; round < 2; round++) {
		struct dkim_message *m = dkim_message_new(DKIM_SIGN_SIMPLE | DKIM_SIGN_RELAXED);
		uint8_t digest[DKIM_DIGEST_SIZE];
		struct mail_field f;
		struct dkim_parsed p;
		const uint8_t *body;
		size_t off = 0;
		bool partial;

		dkim_message_write(m, field, strlen(field));
		dkim_message_write(m, message, strlen(message));
		dkim_message_end(m);
		assert_true(mail_field_next(str_of(field), &off, &f));
		dkim_signature_parse(kind, &f, &p);
		body = p.decided ? NULL : dkim_message_body(m, &p, &partial);
		if (body != NULL && round == 0 && strstr(field, TEST_BH) != NULL) {
			text[mail_base64_encode(body, DKIM_DIGEST_SIZE, text)] = '\0';
			test_replace(field, TEST_BH, text);
		} else if (body != NULL && round == 1) {
			dkim_message_digest(m, &p, digest);
			test_sign_digest(key, digest, text);
			test_replace(field, TEST_B, text);
		}
		dkim_message_free(&m);
	}
}

#endif
