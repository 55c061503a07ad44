/* SPDX-License-Identifier: ISC */
#include "tls/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "tls/provider.h"
#include "tls/tls.h"

struct certificate {
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	bool is_default;
};

struct tls_certificates {
	struct certificate list[TLS_CERTIFICATES_MAX];
	size_t n;
	int refs;
};

struct tls_certificates *
tls_certificates_new(void)
{
	struct tls_certificates *set = xcalloc(1, sizeof(*set));

	set->refs = 1;
	return set;
}

struct tls_certificates *
tls_certificates_ref(struct tls_certificates *set)
{
	set->refs++;
	return set;
}

static void
certificate_clear(struct certificate *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
}

void
tls_certificates_unref(struct tls_certificates **sp)
{
	struct tls_certificates *set = *sp;

	*sp = NULL;
	if (set == NULL || --set->refs > 0)
		return;
	for (size_t i = 0; i < set->n; i++)
		certificate_clear(&set->list[i]);
	free(set);
}

size_t
tls_certificates_count(const struct tls_certificates *set)
{
	return set->n;
}

/* Leaf and intermediate certificates; false when there is not even a leaf. */
static bool
read_chain(struct certificate *c, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x;

	if (bio == NULL || (c->chain = sk_X509_new_null()) == NULL)
		fatal("out of memory");
	c->leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	while (c->leaf != NULL && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		/* A root is known to the client or not; sending it helps nobody. */
		if (X509_self_signed(x, 0) == 1 || !sk_X509_push(c->chain, x))
			X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error();
	return c->leaf != NULL;
}

void
tls_certificates_add(struct tls_certificates *set, uint32_t key, bool is_default, struct str chain)
{
	struct certificate c = { .is_default = is_default };
	EVP_PKEY *public;

	if (set->n == TLS_CERTIFICATES_MAX) {
		log_warn("", "event=certificate-ignored key=%08x reason=\"too many\"", key);
		return;
	}
	if (read_chain(&c, chain) && (public = X509_get0_pubkey(c.leaf)) != NULL)
		c.key = tls_provider_key(public, key);
	if (c.key == NULL) {
		log_warn("", "event=certificate-ignored key=%08x reason=\"not usable\"", key);
		certificate_clear(&c);
		ERR_clear_error();
		return;
	}
	set->list[set->n++] = c;
}

int
tls_certificates_default(const struct tls_certificates *set, SSL_CTX *ctx)
{
	bool marked = false;
	int r = set->n > 0 ? 0 : -1;

	for (size_t i = 0; i < set->n; i++)
		marked |= set->list[i].is_default;
	for (size_t i = 0; i < set->n && r == 0; i++) {
		const struct certificate *c = &set->list[i];

		if (marked ? !c->is_default : i > 0)
			continue;
		if (SSL_CTX_use_cert_and_key(ctx, c->leaf, c->key, c->chain, 1) != 1)
			r = -1;
	}
	return r;
}

int
tls_certificates_choose(const struct tls_certificates *set, SSL *ssl, const char *name)
{
	bool match[TLS_CERTIFICATES_MAX], any = false;

	for (size_t i = 0; i < set->n; i++) {
		match[i] = X509_check_host(set->list[i].leaf, name, strlen(name), 0, NULL) == 1;
		/* The default is in place already. */
		if (match[i] && set->list[i].is_default)
			return 0;
		any |= match[i];
	}
	if (!any)
		return 0;
	SSL_certs_clear(ssl);
	for (size_t i = 0; i < set->n; i++) {
		const struct certificate *c = &set->list[i];

		if (match[i] && SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) != 1)
			return -1;
	}
	return 0;
}
