/* SPDX-License-Identifier: ISC */
/* A SCRAM-SHA-256 client for tests, written without lib/scram so that it can disagree with it. */
#ifndef POSTERN_AUTH_FAKE_CLIENT_H
#define POSTERN_AUTH_FAKE_CLIENT_H

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { CLIENT_TEXT = 4096, CLIENT_MAC = crypto_auth_hmacsha256_BYTES };

static void
mac(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[CLIENT_MAC])
{
	crypto_auth_hmacsha256_state h;

	crypto_auth_hmacsha256_init(&h, key, key_n);
	crypto_auth_hmacsha256_update(&h, p, n);
	crypto_auth_hmacsha256_final(&h, out);
}

static void
salted(const char *password, const uint8_t *s, size_t s_n, unsigned rounds, uint8_t out[CLIENT_MAC])
{
	uint8_t first[64], u[CLIENT_MAC];

	memcpy(first, s, s_n);
	memcpy(first + s_n, "\0\0\0\1", 4);
	mac(password, strlen(password), first, s_n + 4, u);
	memcpy(out, u, CLIENT_MAC);
	while (--rounds > 0) {
		mac(password, strlen(password), u, CLIENT_MAC, u);
		for (int i = 0; i < CLIENT_MAC; i++)
			out[i] ^= u[i];
	}
}

/* What the client is and sees. */
struct client {
	const char *header; /* GS2: "n,," */
	const char *name;   /* as it stands in the message */
	const char *password;
	struct str data; /* of the binding, as the client sees it */
	char first[CLIENT_TEXT], challenge[CLIENT_TEXT], final[CLIENT_TEXT], signature[64];
};

static void
client_first(struct client *c)
{
	(void)snprintf(c->first, sizeof(c->first), "%sn=%s,r=clientnonce", c->header, c->name);
}

static void
client_final(struct client *c)
{
	char nonce[256], salt64[64], binding[256], binding64[512], proof64[64],
	    message[3 * CLIENT_TEXT];
	uint8_t s[64], pass[CLIENT_MAC], key[CLIENT_MAC], stored[CLIENT_MAC], sig[CLIENT_MAC];
	unsigned rounds;
	size_t s_n, n = strlen(c->header);

	assert_int_equal(
	    sscanf(c->challenge, "r=%255[^,],s=%63[^,],i=%u", nonce, salt64, &rounds), 3);
	assert_int_equal(sodium_base642bin(s, sizeof(s), salt64, strlen(salt64), NULL, &s_n, NULL,
			     sodium_base64_VARIANT_ORIGINAL),
	    0);
	memcpy(binding, c->header, n);
	memcpy(binding + n, c->data.p ? c->data.p : "", c->data.n);
	sodium_bin2base64(binding64, sizeof(binding64), (const uint8_t *)binding, n + c->data.n,
	    sodium_base64_VARIANT_ORIGINAL);
	(void)snprintf(c->final, sizeof(c->final), "c=%s,r=%s", binding64, nonce);
	(void)snprintf(message, sizeof(message), "%s,%s,%s", c->first + n, c->challenge, c->final);
	salted(c->password, s, s_n, rounds, pass);
	mac(pass, CLIENT_MAC, "Client Key", 10, key);
	crypto_hash_sha256(stored, key, CLIENT_MAC);
	mac(stored, CLIENT_MAC, message, strlen(message), sig);
	for (int i = 0; i < CLIENT_MAC; i++)
		sig[i] ^= key[i];
	sodium_bin2base64(
	    proof64, sizeof(proof64), sig, CLIENT_MAC, sodium_base64_VARIANT_ORIGINAL);
	strcat(strcat(c->final, ",p="), proof64);
	mac(pass, CLIENT_MAC, "Server Key", 10, key);
	mac(key, CLIENT_MAC, message, strlen(message), sig);
	memcpy(c->signature, "v=", 2);
	sodium_bin2base64(c->signature + 2, sizeof(c->signature) - 2, sig, CLIENT_MAC,
	    sodium_base64_VARIANT_ORIGINAL);
}

#endif
