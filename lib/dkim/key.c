/* SPDX-License-Identifier: ISC */
/* Key records (rfc6376:3.6, rfc8463:4) and the check of a signature with a key. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>

#include "dkim/parts.h"

struct key {
	bool ed25519;
	bool testing, exact;
	size_t n; /* 0: revoked */
	uint8_t bytes[DKIM_RECORD_MAX];
};

static bool
key_name(const struct dkim_parsed *p, struct dns_name *name)
{
	char text[2 * IDN_SIZE + 16];

	snprintf(text, sizeof(text), "%s._domainkey.%s", p->shown.selector, p->shown.domain);
	return dns_name_parse(str_of(text), name);
}

void
dkim_key_name_check(struct dkim_parsed *p)
{
	struct dns_name name;

	if (!p->decided && !key_name(p, &name))
		dkim_decide(p, DKIM_PERMERROR, "s= and d= are too long for DNS");
}

const struct dns_fact *
dkim_key_ask(const struct dkim_parsed *p, const struct dns_facts *facts, struct dns_question *list,
    size_t *n, size_t most)
{
	struct dns_name name;

	if (p->decided || !key_name(p, &name))
		return NULL;
	return dns_facts_ask(facts, &name, DNS_TXT, list, n, most);
}

/* --- the record ------------------------------------------------------------------------------- */

/* The strings of a TXT record joined; false: too long or malformed. */
static bool
join(struct str rdata, char out[DKIM_RECORD_MAX], size_t *n)
{
	const uint8_t *p = (const uint8_t *)rdata.p, *end = p + rdata.n;

	for (*n = 0; p < end; p += *p + 1) {
		if (*p >= end - p || *p > DKIM_RECORD_MAX - *n)
			return false;
		memcpy(out + *n, p + 1, *p);
		*n += *p;
	}
	return true;
}

/* NULL, or what is wrong. */
static const char *
key_flags(const struct dkim_tags *tags, struct key *key)
{
	const struct dkim_tag *h = dkim_tag_find(tags, "h"), *s = dkim_tag_find(tags, "s");
	const struct dkim_tag *t = dkim_tag_find(tags, "t"), *k = dkim_tag_find(tags, "k");

	if (k != NULL && str_eq_nocase(k->value, STR("ed25519")))
		key->ed25519 = true;
	else if (k != NULL && !str_eq_nocase(k->value, STR("rsa")))
		return "the key is of a kind that is not known here";
	if (h != NULL && !dkim_list_has(h->value, STR("sha256")))
		return "the key is not for SHA-256";
	if (s != NULL && !dkim_list_has(s->value, STR("*")) &&
	    !dkim_list_has(s->value, STR("email")))
		return "the key is not for mail";
	if (t != NULL) {
		key->testing = dkim_list_has(t->value, STR("y"));
		key->exact = dkim_list_has(t->value, STR("s"));
	}
	return NULL;
}

/* One TXT record. NULL: *key is filled; *is_key: it was meant to be one. */
static const char *
key_parse(struct str rdata, struct key *key, bool *is_key)
{
	char text[DKIM_RECORD_MAX];
	const struct dkim_tag *v, *p;
	const char *why;
	struct dkim_tags tags;
	ptrdiff_t got;
	size_t n;

	*is_key = false;
	*key = (struct key){ 0 };
	if (!join(rdata, text, &n) || !dkim_tags_parse(str_from(text, n), &tags))
		return "the key record is malformed";
	v = dkim_tag_find(&tags, "v");
	p = dkim_tag_find(&tags, "p");
	if (p == NULL || (v != NULL && (v != tags.tag || !str_eq(v->value, STR("DKIM1")))))
		return "the record is no key";
	*is_key = true;
	if ((why = key_flags(&tags, key)) != NULL)
		return why;
	if (p->value.n == 0)
		return NULL;
	got = dkim_base64(p->value, key->bytes, sizeof(key->bytes));
	if (got < 0)
		return "p= of the key is not base64";
	key->n = (size_t)got;
	return NULL;
}

/* Of several records that mean to be keys nobody can say which is: none counts. */
static const char *
key_find(struct str records, struct key *key)
{
	static const char several[] = "several key records";
	const char *why = "the record is no key", *one;
	struct key other;
	bool is_key, found = false;
	struct str rdata;

	for (size_t at = 0; dns_record_next(records, &at, &rdata);) {
		one = key_parse(rdata, &other, &is_key);
		if (is_key && found)
			return several;
		if (is_key || !found)
			why = one;
		if (is_key)
			*key = other;
		found = found || is_key;
	}
	return why;
}

/* --- RSA -------------------------------------------------------------------------------------- */

/* Takes one DER element with this tag off *in: definite, shortest lengths only. */
static bool
der_take(struct str *in, uint8_t tag, struct str *out)
{
	const uint8_t *p = (const uint8_t *)in->p;
	size_t n, head = 2;

	if (in->n < 2 || p[0] != tag)
		return false;
	n = p[1];
	if (n >= 0x80) {
		size_t bytes = n & 0x7f;

		if (bytes == 0 || bytes > 2 || in->n < 2 + bytes || p[2] == 0)
			return false;
		n = bytes == 1 ? p[2] : (size_t)p[2] << 8 | p[3];
		if (n < 0x80 || (bytes == 2 && n < 0x100))
			return false;
		head += bytes;
	}
	if (in->n - head < n)
		return false;
	*out = str_from(in->p + head, n);
	*in = str_from(in->p + head + n, in->n - head - n);
	return true;
}

/* A positive number without its leading zero. */
static bool
der_number(struct str *in, struct str *out)
{
	if (!der_take(in, 0x02, out) || out->n == 0 || (out->p[0] & 0x80) != 0)
		return false;
	if (out->n > 1 && out->p[0] == 0) {
		if ((out->p[1] & 0x80) == 0)
			return false;
		*out = str_from(out->p + 1, out->n - 1);
	}
	return true;
}

/* SubjectPublicKeyInfo, as all publish it, or the bare RSAPublicKey of rfc6376's text. */
static bool
rsa_numbers(struct str der, struct str *n, struct str *e)
{
	static const uint8_t algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
		0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
	struct str outer, bits;

	if (!der_take(&der, 0x30, &outer) || der.n != 0)
		return false;
	if (outer.n > sizeof(algorithm) && memcmp(outer.p, algorithm, sizeof(algorithm)) == 0) {
		outer = str_from(outer.p + sizeof(algorithm), outer.n - sizeof(algorithm));
		if (!der_take(&outer, 0x03, &bits) || outer.n != 0 || bits.n < 1 || bits.p[0] != 0)
			return false;
		bits = str_from(bits.p + 1, bits.n - 1);
		if (!der_take(&bits, 0x30, &outer) || bits.n != 0)
			return false;
	}
	return der_number(&outer, n) && der_number(&outer, e) && outer.n == 0;
}

static unsigned
bits_of(struct str number)
{
	unsigned bits = (unsigned)number.n * 8;

	for (unsigned mask = 0x80; mask > 0 && ((unsigned char)number.p[0] & mask) == 0; mask >>= 1)
		bits--;
	return bits;
}

static EVP_PKEY *
rsa_new(struct str n, struct str e)
{
	BIGNUM *bn = BN_bin2bn((const uint8_t *)n.p, (int)n.n, NULL);
	BIGNUM *be = BN_bin2bn((const uint8_t *)e.p, (int)e.n, NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;

	if (bn != NULL && be != NULL && build != NULL && ctx != NULL &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be) == 1 &&
	    (params = OSSL_PARAM_BLD_to_param(build)) != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(be);
	BN_free(bn);
	return key;
}

static bool
rsa_valid(EVP_PKEY *key, const struct dkim_parsed *p, const uint8_t digest[DKIM_DIGEST_SIZE])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
		  EVP_PKEY_verify(ctx, p->signature, p->signature_n, digest, DKIM_DIGEST_SIZE) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static void
rsa_check(struct dkim_parsed *p, const struct key *key, const uint8_t digest[DKIM_DIGEST_SIZE])
{
	struct str n, e;
	EVP_PKEY *pkey;
	bool valid;

	if (!rsa_numbers(str_from(key->bytes, key->n), &n, &e)) {
		dkim_decide(p, DKIM_PERMERROR, "p= is no RSA key");
		return;
	}
	p->shown.bits = bits_of(n);
	if (p->shown.bits > DKIM_RSA_BITS_MAX || e.n > 4 || (e.p[e.n - 1] & 1) == 0 ||
	    (e.n == 1 && e.p[0] == 1) || (n.p[n.n - 1] & 1) == 0) {
		dkim_decide(p, DKIM_PERMERROR, "an RSA key that cannot be used");
		return;
	}
	if (p->shown.bits < DKIM_RSA_BITS_MIN) {
		dkim_decide(p, DKIM_POLICY, "an RSA key of less than 1024 bits");
		return;
	}
	pkey = rsa_new(n, e);
	valid = pkey != NULL && rsa_valid(pkey, p, digest);
	EVP_PKEY_free(pkey);
	if (!valid)
		dkim_decide(p, DKIM_FAIL, "the signature does not match");
}

/* libsodium refuses points of small order, for which one signature would fit every message. */
static void
ed25519_check(struct dkim_parsed *p, const struct key *key, const uint8_t digest[DKIM_DIGEST_SIZE])
{
	if (key->n != crypto_sign_PUBLICKEYBYTES) {
		dkim_decide(p, DKIM_PERMERROR, "p= is no Ed25519 key");
		return;
	}
	p->shown.bits = 256;
	if (p->signature_n != crypto_sign_BYTES ||
	    crypto_sign_verify_detached(p->signature, digest, DKIM_DIGEST_SIZE, key->bytes) != 0)
		dkim_decide(p, DKIM_FAIL, "the signature does not match");
}

static bool
key_use(struct dkim_parsed *p, const struct dns_fact *fact, struct key *key)
{
	const char *why;

	if (fact->state == DNS_FACT_TEMP || fact->state == DNS_FACT_BOGUS) {
		dkim_decide(p, DKIM_TEMPERROR, "DNS has no answer for the key at the moment");
		return false;
	}
	if (fact->state != DNS_FACT_FOUND) {
		dkim_decide(p, DKIM_PERMERROR, "there is no key");
		return false;
	}
	if ((why = key_find(fact->records, key)) == NULL) {
		p->shown.testing = key->testing;
		if (key->n == 0)
			why = "the key was withdrawn";
		else if (key->ed25519 != (p->shown.algorithm == DKIM_ED25519_SHA256))
			why = "the key is for another algorithm";
		else if (key->exact && p->exact)
			why = "the key is not for subdomains, and i= is in one";
	}
	if (why != NULL)
		dkim_decide(p, DKIM_PERMERROR, why);
	return why == NULL;
}

void
dkim_key_check(
    struct dkim_parsed *p, const struct dns_fact *fact, const uint8_t digest[DKIM_DIGEST_SIZE])
{
	struct key key;

	if (!key_use(p, fact, &key))
		return;
	if (key.ed25519)
		ed25519_check(p, &key, digest);
	else
		rsa_check(p, &key, digest);
}
