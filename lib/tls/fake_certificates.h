/* SPDX-License-Identifier: ISC */
/*
 * For tests only: a certificate authority and servers' certificates of every kind, for the host
 * mx.test and the address 127.0.0.1, and the server's end of a handshake with one of them.
 */
#ifndef POSTERN_TLS_FAKE_CERTIFICATES_H
#define POSTERN_TLS_FAKE_CERTIFICATES_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum fake_certificate {
	FAKE_GOOD,
	FAKE_EXPIRED,
	FAKE_SELF_SIGNED,
	FAKE_WRONG_NAME,
	FAKE_UNKNOWN_CA,
	FAKE_RSA_1024,
	FAKE_SHA_1,
	FAKE_TLS_1_0, /* the good one, but the server speaks nothing newer */
	FAKE_NONE,    /* no certificate at all: an anonymous key exchange */
	FAKE__MAX
};

static const char *const fake_names[FAKE__MAX] = { "good", "expired", "self-signed", "wrong name",
	"unknown CA", "RSA 1024", "SHA-1", "TLS 1.0", "none" };

static struct {
	EVP_PKEY *ca_key, *key[FAKE__MAX];
	X509 *ca, *crt[FAKE__MAX];
	char ca_file[64];
} fake;

static X509 *
fake_make(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key, long from, long to,
    const EVP_MD *md)
{
	X509 *x = X509_new();
	X509_EXTENSION *e;
	char san[128];
	static long serial;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(
	    x, issuer != NULL ? X509_get_subject_name(issuer) : X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	if (issuer == NULL && strncmp(name, "CA", 2) == 0) {
		e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
	} else {
		snprintf(san, sizeof(san), "DNS:%s,IP:127.0.0.1", name);
		e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	}
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	if (X509_sign(x, issuer_key != NULL ? issuer_key : key, md) <= 0)
		abort();
	return x;
}

/* All certificates, and the CA's in a file. */
static void
fake_certificates_make(void)
{
	EVP_PKEY *stranger_key = EVP_EC_gen("P-256");
	X509 *stranger =
	    fake_make(stranger_key, "CA of others", NULL, NULL, -3600, 3600, EVP_sha256());
	int fd;
	FILE *f;

	fake.ca_key = EVP_EC_gen("P-256");
	fake.ca = fake_make(fake.ca_key, "CA", NULL, NULL, -3600, 3600, EVP_sha256());
	for (int i = 0; i < FAKE__MAX; i++) {
		const char *name = i == FAKE_WRONG_NAME ? "other.test" : "mx.test";
		X509 *issuer = i == FAKE_UNKNOWN_CA ? stranger : fake.ca;
		EVP_PKEY *by = i == FAKE_UNKNOWN_CA ? stranger_key : fake.ca_key;

		fake.key[i] = i == FAKE_RSA_1024 ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
		if (i == FAKE_SELF_SIGNED)
			issuer = NULL, by = NULL;
		fake.crt[i] = fake_make(fake.key[i], name, issuer, by, -3600,
		    i == FAKE_EXPIRED ? -60 : 3600, i == FAKE_SHA_1 ? EVP_sha1() : EVP_sha256());
	}
	snprintf(fake.ca_file, sizeof(fake.ca_file), "/tmp/fake-ca-XXXXXX");
	if ((fd = mkstemp(fake.ca_file)) < 0 || (f = fdopen(fd, "w")) == NULL)
		abort();
	PEM_write_X509(f, fake.ca);
	fclose(f);
	X509_free(stranger);
	EVP_PKEY_free(stranger_key);
}

static void
fake_certificates_free(void)
{
	unlink(fake.ca_file);
	X509_free(fake.ca);
	EVP_PKEY_free(fake.ca_key);
	for (int i = 0; i < FAKE__MAX; i++) {
		X509_free(fake.crt[i]);
		EVP_PKEY_free(fake.key[i]);
	}
}

/* The handshake on a blocking socket; NULL: it failed. The context goes with SSL_free. */
static SSL *
fake_accept(int fd, enum fake_certificate kind)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	if (kind == FAKE_TLS_1_0)
		SSL_CTX_set_max_proto_version(ctx, TLS1_VERSION);
	if (kind == FAKE_NONE) {
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
		SSL_CTX_set_cipher_list(ctx, "aNULL:@SECLEVEL=0");
		SSL_CTX_set_dh_auto(ctx, 1);
	} else if (SSL_CTX_use_certificate(ctx, fake.crt[kind]) != 1 ||
		   SSL_CTX_use_PrivateKey(ctx, fake.key[kind]) != 1) {
		abort();
	}
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

#endif
