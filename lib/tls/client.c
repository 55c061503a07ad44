/* SPDX-License-Identifier: ISC */
#include "tls/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "tls/tls_priv.h"

/* Against listeners a weak cipher is better than none; without a certificate asked for, anonymous
 * ones are as good as others, but last. */
#define CIPHERS_ANY "HIGH:+aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0"
#define CIPHERS_VERIFIED "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!PSK:!aNULL"

struct tls_client {
	SSL_CTX *any, *verified;
};

static SSL_CTX *
context_new(const char *ciphers, int oldest, int level)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		fatal("cannot make a TLS context: %s", ERR_reason_error_string(ERR_get_error()));
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(ctx, level);
	SSL_CTX_set_read_ahead(ctx, 1);
	if (!SSL_CTX_set_min_proto_version(ctx, oldest) || !SSL_CTX_set_cipher_list(ctx, ciphers))
		fatal("cannot set up a TLS context: %s", ERR_reason_error_string(ERR_get_error()));
	return ctx;
}

static const char *
load_trusted(SSL_CTX *ctx, const char *ca_file)
{
	unsigned long e;
	const char *why;

	if (SSL_CTX_load_verify_file(ctx, ca_file) == 1)
		return NULL;
	e = ERR_peek_last_error();
	why = e != 0 ? ERR_reason_error_string(e) : NULL;
	ERR_clear_error();
	return why != NULL ? why : "no certificate in it";
}

struct tls_client *
tls_client_new(const char *ca_file, const char **why)
{
	struct tls_client *t = xcalloc(1, sizeof(*t));

	tls_openssl_start();
	*why = NULL;
	t->any = context_new(CIPHERS_ANY, TLS1_VERSION, 0);
	SSL_CTX_set_verify(t->any, SSL_VERIFY_NONE, NULL);
	t->verified = context_new(CIPHERS_VERIFIED, TLS1_2_VERSION, 2);
	SSL_CTX_set_verify(t->verified, SSL_VERIFY_PEER, NULL);
	if (ca_file != NULL)
		*why = load_trusted(t->verified, ca_file);
	return t;
}

void
tls_client_free(struct tls_client **tp)
{
	struct tls_client *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	SSL_CTX_free(t->any);
	SSL_CTX_free(t->verified);
	free(t);
}

/* The name for SNI and, where it counts, for the comparison (rfc9525: no partial wildcards). */
static bool
set_host(SSL *ssl, const char *host, enum tls_verify verify)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	unsigned char address[16];
	bool ip = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

	if (!ip && host[0] != '\0' && SSL_set_tlsext_host_name(ssl, host) != 1)
		return false;
	if (verify == TLS_ANY)
		return true;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (host[0] == '\0') /* without a name nothing can be proved */
		return false;
	return ip ? X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1
		  : X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

SSL *
tls_client_session(struct tls_client *t, const char *host)
{
	SSL *ssl = SSL_new(t->verified);

	if (ssl == NULL || !set_host(ssl, host, TLS_VERIFIED)) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	/* A bufferevent asks for what SSL_pending tells, which does not know what was read ahead. */
	SSL_set_read_ahead(ssl, 0);
	return ssl;
}

const char *
tls_session_error(const SSL *ssl, unsigned long code, bool *certificate)
{
	long verified = SSL_get_verify_result(ssl);
	const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;

	*certificate = verified != X509_V_OK;
	if (*certificate)
		return X509_verify_cert_error_string(verified);
	return why != NULL && ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING ? why : "";
}

enum tls_start
io_stream_tls_connect(
    struct io_stream *s, struct tls_client *t, const char *host, enum tls_verify verify)
{
	SSL *ssl = SSL_new(verify == TLS_ANY ? t->any : t->verified);

	if (ssl == NULL || !set_host(ssl, host, verify)) {
		SSL_free(ssl);
		ERR_clear_error();
		return TLS_START_UNAVAILABLE;
	}
	SSL_set_connect_state(ssl);
	return tls_stream_start(s, ssl);
}
