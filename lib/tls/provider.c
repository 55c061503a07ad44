/* SPDX-License-Identifier: ISC */
#include "tls/provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "tls/tls.h"

#define PROVIDER_NAME "postern"
#define PROPERTY "provider=" PROVIDER_NAME
#define PARAM_KEY "postern-key"
#define PARAM_PUBLIC "postern-public"

static struct key_client *client;

void
tls_provider_set_client(struct key_client *k)
{
	client = k;
}

/* --- keys --------------------------------------------------------------------------------------
 */

struct remote_key {
	EVP_PKEY *public; /* of the default provider */
	uint32_t key;
	int refs;
};

static void *
key_new(void *provider)
{
	struct remote_key *k = xcalloc(1, sizeof(*k));

	(void)provider;
	k->refs = 1;
	return k;
}

static void
key_free(void *data)
{
	struct remote_key *k = data;

	if (k == NULL || --k->refs > 0)
		return;
	EVP_PKEY_free(k->public);
	free(k);
}

/* The private half counts as there. */
static int
key_has(const void *data, int selection)
{
	const struct remote_key *k = data;

	(void)selection;
	return k != NULL && k->public != NULL;
}

static int
key_match(const void *a, const void *b, int selection)
{
	const struct remote_key *ka = a, *kb = b;

	(void)selection;
	return ka->public != NULL && kb->public != NULL && EVP_PKEY_eq(ka->public, kb->public) == 1;
}

static int
key_import(void *data, int selection, const OSSL_PARAM params[])
{
	struct remote_key *k = data;
	const OSSL_PARAM *key = OSSL_PARAM_locate_const(params, PARAM_KEY);
	const OSSL_PARAM *public = OSSL_PARAM_locate_const(params, PARAM_PUBLIC);
	const void *der;
	const unsigned char *p;
	size_t n;

	(void)selection;
	/* Keys of other providers are not for us. */
	if (key == NULL || public == NULL || k->public != NULL ||
	    !OSSL_PARAM_get_uint32(key, &k->key) ||
	    !OSSL_PARAM_get_octet_string_ptr(public, &der, &n))
		return 0;
	p = der;
	k->public = d2i_PUBKEY_ex(NULL, &p, (long)n, NULL, "provider=default");
	return k->public != NULL;
}

static const OSSL_PARAM *
key_import_types(int selection)
{
	static const OSSL_PARAM types[] = { OSSL_PARAM_uint32(PARAM_KEY, NULL),
		OSSL_PARAM_octet_string(PARAM_PUBLIC, NULL, 0), OSSL_PARAM_END };

	(void)selection;
	return types;
}

/* Only the public half can leave; asking for the private one fails. */
static int
key_export(void *data, int selection, OSSL_CALLBACK *callback, void *arg)
{
	struct remote_key *k = data;
	OSSL_PARAM *params = NULL;
	int r;

	if (k->public == NULL || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ||
	    !EVP_PKEY_todata(k->public, EVP_PKEY_PUBLIC_KEY, &params))
		return 0;
	r = callback(params, arg);
	OSSL_PARAM_free(params);
	return r;
}

static const OSSL_PARAM *
key_export_types(int selection)
{
	static const OSSL_PARAM types[] = { OSSL_PARAM_utf8_string(
						OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0), OSSL_PARAM_END };

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL : types;
}

static int
key_get_params(void *data, OSSL_PARAM params[])
{
	struct remote_key *k = data;

	return k->public != NULL && EVP_PKEY_get_params(k->public, params);
}

static const OSSL_PARAM *
key_gettable_params(void *provider)
{
	static const OSSL_PARAM types[] = { OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0), OSSL_PARAM_END };

	(void)provider;
	return types;
}

static const char *
ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC";
}

static const char *
rsa_operation(int operation)
{
	(void)operation;
	return "RSA";
}

/* dispatch.h declares no types for the functions of a table. */
#define FN(f) (void (*)(void))(f)
#define KEY_FUNCTIONS(operation_name) \
	{ OSSL_FUNC_KEYMGMT_NEW, FN(key_new) }, { OSSL_FUNC_KEYMGMT_FREE, FN(key_free) }, \
	    { OSSL_FUNC_KEYMGMT_HAS, FN(key_has) }, { OSSL_FUNC_KEYMGMT_MATCH, FN(key_match) }, \
	    { OSSL_FUNC_KEYMGMT_IMPORT, FN(key_import) }, \
	    { OSSL_FUNC_KEYMGMT_IMPORT_TYPES, FN(key_import_types) }, \
	    { OSSL_FUNC_KEYMGMT_EXPORT, FN(key_export) }, \
	    { OSSL_FUNC_KEYMGMT_EXPORT_TYPES, FN(key_export_types) }, \
	    { OSSL_FUNC_KEYMGMT_GET_PARAMS, FN(key_get_params) }, \
	    { OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, FN(key_gettable_params) }, \
	    { OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, FN(operation_name) }, \
	{ \
		0, NULL \
	}

static const OSSL_DISPATCH ec_keys[] = { KEY_FUNCTIONS(ec_operation) };
static const OSSL_DISPATCH rsa_keys[] = { KEY_FUNCTIONS(rsa_operation) };

/* --- signatures --------------------------------------------------------------------------------
 */

struct signing {
	struct remote_key *key;
	EVP_MD *md;
	EVP_MD_CTX *hash;
	bool pss;
};

static void *
sign_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return xcalloc(1, sizeof(struct signing));
}

static void
sign_free(void *ctx)
{
	struct signing *s = ctx;

	if (s == NULL)
		return;
	EVP_MD_CTX_free(s->hash);
	EVP_MD_free(s->md);
	key_free(s->key);
	free(s);
}

/* OpenSSL finishes a signature on a copy. */
static void *
sign_dup(void *ctx)
{
	struct signing *from = ctx, *to = xcalloc(1, sizeof(*to));

	to->pss = from->pss;
	if ((to->key = from->key) != NULL)
		to->key->refs++;
	if (from->md != NULL && EVP_MD_up_ref(from->md))
		to->md = from->md;
	if (from->hash != NULL &&
	    ((to->hash = EVP_MD_CTX_new()) == NULL || !EVP_MD_CTX_copy_ex(to->hash, from->hash))) {
		sign_free(to);
		return NULL;
	}
	return to;
}

static int
sign_set_params(void *ctx, const OSSL_PARAM params[])
{
	struct signing *s = ctx;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	const char *name;
	int mode;

	if (p == NULL)
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		if (!OSSL_PARAM_get_utf8_string_ptr(p, &name))
			return 0;
		mode = strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0       ? RSA_PKCS1_PSS_PADDING
		       : strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
									   : 0;
	} else if (!OSSL_PARAM_get_int(p, &mode)) {
		return 0;
	}
	s->pss = mode == RSA_PKCS1_PSS_PADDING;
	return s->pss || mode == RSA_PKCS1_PADDING;
}

/* TLS wants a salt as long as the hash and MGF1 with the same hash: keys does nothing else. */
static const OSSL_PARAM *
sign_settable_params(void *ctx, void *provider)
{
	static const OSSL_PARAM types[] = { OSSL_PARAM_utf8_string(
						OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0), OSSL_PARAM_END };

	(void)ctx;
	(void)provider;
	return types;
}

static int
sign_init(void *ctx, const char *mdname, void *key, const OSSL_PARAM params[])
{
	struct signing *s = ctx;
	struct remote_key *k = key;

	if (k == NULL || k->public == NULL || mdname == NULL)
		return 0;
	EVP_MD_free(s->md);
	EVP_MD_CTX_free(s->hash);
	key_free(s->key);
	s->key = k;
	k->refs++;
	s->md = EVP_MD_fetch(NULL, mdname, "provider=default");
	s->hash = EVP_MD_CTX_new();
	return s->md != NULL && s->hash != NULL && EVP_DigestInit_ex2(s->hash, s->md, NULL) &&
	       (params == NULL || sign_set_params(s, params));
}

static int
sign_update(void *ctx, const unsigned char *data, size_t n)
{
	struct signing *s = ctx;

	return s->hash != NULL && EVP_DigestUpdate(s->hash, data, n);
}

/* 0: keys does not sign so. */
static int
sign_algorithm(const struct signing *s)
{
	enum key_type type =
	    EVP_PKEY_get_base_id(s->key->public) == EVP_PKEY_EC ? KEY_TYPE_EC : KEY_TYPE_RSA;
	enum key_padding padding = type == KEY_TYPE_EC ? KEY_PADDING_NONE
				   : s->pss            ? KEY_PADDING_PSS
						       : KEY_PADDING_PKCS1;

#define X(name, number, t, p, hash, length) \
	if (type == KEY_TYPE_##t && padding == KEY_PADDING_##p && EVP_MD_is_a(s->md, hash)) \
		return number;
	KEY_ALGORITHMS(X)
#undef X
	return 0;
}

static int
sign_final(void *ctx, unsigned char *sig, size_t *n, size_t room)
{
	struct signing *s = ctx;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length;
	int algorithm;

	if (s->key == NULL || s->hash == NULL)
		return 0;
	if (sig == NULL) {
		*n = (size_t)EVP_PKEY_get_size(s->key->public);
		return 1;
	}
	*n = room;
	return client != NULL && (algorithm = sign_algorithm(s)) != 0 &&
	       EVP_DigestFinal_ex(s->hash, digest, &length) &&
	       key_client_sign(client, s->key->key, (enum key_algorithm)algorithm,
		   str_from(digest, length), sig, n, TLS_SIGN_MS) == 0;
}

static const OSSL_DISPATCH signatures[] = { { OSSL_FUNC_SIGNATURE_NEWCTX, FN(sign_new) },
	{ OSSL_FUNC_SIGNATURE_FREECTX, FN(sign_free) },
	{ OSSL_FUNC_SIGNATURE_DUPCTX, FN(sign_dup) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, FN(sign_init) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, FN(sign_update) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, FN(sign_final) },
	{ OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, FN(sign_set_params) },
	{ OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, FN(sign_settable_params) }, { 0, NULL } };

/* --- the provider ------------------------------------------------------------------------------
 */

static const OSSL_ALGORITHM keymgmt_table[] = { { "EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTY,
						    ec_keys, "keys kept elsewhere" },
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTY, rsa_keys, "keys kept elsewhere" },
	{ NULL, NULL, NULL, NULL } };
static const OSSL_ALGORITHM signature_table[] = { { "ECDSA", PROPERTY, signatures,
						      "signed elsewhere" },
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTY, signatures, "signed elsewhere" },
	{ NULL, NULL, NULL, NULL } };

static const OSSL_ALGORITHM *
provider_query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keymgmt_table;
	return operation == OSSL_OP_SIGNATURE ? signature_table : NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **provider)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, FN(provider_query) }, { 0, NULL }
	};

	(void)in;
	*out = functions;
	*provider = (void *)(uintptr_t)handle;
	return 1;
}

void
tls_provider_load(void)
{
	/* Kept for the life of the process. */
	static OSSL_PROVIDER *standard __attribute__((used)), *own;

	if (own != NULL)
		return;
	if (!OSSL_PROVIDER_add_builtin(NULL, PROVIDER_NAME, provider_init) ||
	    (standard = OSSL_PROVIDER_load(NULL, "default")) == NULL ||
	    (own = OSSL_PROVIDER_load(NULL, PROVIDER_NAME)) == NULL ||
	    !EVP_set_default_properties(NULL, TLS_PROPERTIES))
		fatal("cannot load OpenSSL's providers");
}

EVP_PKEY *
tls_provider_key(EVP_PKEY *public, uint32_t key)
{
	const char *type = EVP_PKEY_is_a(public, "EC")    ? "EC"
			   : EVP_PKEY_is_a(public, "RSA") ? "RSA"
							  : NULL;
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *pkey = NULL;
	unsigned char *der = NULL;
	int n = type != NULL ? i2d_PUBKEY(public, &der) : -1;
	OSSL_PARAM params[3] = { OSSL_PARAM_construct_uint32(PARAM_KEY, &key),
		OSSL_PARAM_construct_octet_string(PARAM_PUBLIC, der, n > 0 ? (size_t)n : 0),
		OSSL_PARAM_construct_end() };

	if (n <= 0 || (ctx = EVP_PKEY_CTX_new_from_name(NULL, type, PROPERTY)) == NULL ||
	    EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OPENSSL_free(der);
	return pkey;
}
