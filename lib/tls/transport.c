/* SPDX-License-Identifier: ISC */
/* A stream's bytes through an SSL. */
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "io/stream_priv.h"
#include "tls/tls_priv.h"

enum {
	/* Messages of TLS itself behind the handshake that may come without any content between them: new
	 * keys and tickets are rare, each costs a peer nothing and us some 30 us. */
	IDLE_MESSAGES_MAX = 16,
};

struct tls_stream {
	SSL *ssl;
	const char *error; /* static text of OpenSSL's tables, or of here */
	unsigned messages; /* of TLS itself, since content came last */
	bool established;
};

/* What an unsuccessful call means for lib/io. */
static int
tls_result(struct tls_stream *t, int r)
{
	unsigned long e;

	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return IO_T_READABLE;
	case SSL_ERROR_WANT_WRITE:
		return IO_T_WRITABLE;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		break;
	}
	e = ERR_peek_error();
	if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		t->error = X509_verify_cert_error_string(SSL_get_verify_result(t->ssl));
		ERR_clear_error();
		return IO_T_FAILED;
	}
	t->error = e != 0 ? ERR_reason_error_string(e) : NULL;
	if (t->error == NULL)
		t->error = "connection lost";
	ERR_clear_error();
	return IO_T_FAILED;
}

/* SSL_read would go on as long as such messages come: behind too many it finds no socket any more. */
static void
on_message(int sent, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
	struct tls_stream *t = arg;

	(void)version;
	(void)p;
	(void)n;
	if (sent || type != SSL3_RT_HANDSHAKE || !t->established ||
	    t->messages++ != IDLE_MESSAGES_MAX)
		return;
	t->error = "too many handshake messages";
	BIO_set_fd(SSL_get_rbio(ssl), -1, BIO_NOCLOSE);
}

static int
tls_handshake(void *state)
{
	struct tls_stream *t = state;
	int r;

	ERR_clear_error();
	if ((r = SSL_do_handshake(t->ssl)) == 1) {
		t->established = true;
		return 1;
	}
	r = tls_result(t, r);
	return r == 0 ? IO_T_FAILED : r;
}

static ssize_t
tls_read(void *state, void *p, size_t n)
{
	struct tls_stream *t = state;
	size_t got;

	ERR_clear_error();
	if (t->messages > IDLE_MESSAGES_MAX)
		return IO_T_FAILED;
	if (SSL_read_ex(t->ssl, p, n, &got) == 1) {
		if (t->messages <= IDLE_MESSAGES_MAX)
			t->messages = 0;
		return (ssize_t)got;
	}
	return t->messages > IDLE_MESSAGES_MAX ? IO_T_FAILED : tls_result(t, 0);
}

static ssize_t
tls_write(void *state, const void *p, size_t n)
{
	struct tls_stream *t = state;
	size_t done;
	int r;

	ERR_clear_error();
	if (SSL_write_ex(t->ssl, p, n, &done) == 1)
		return (ssize_t)done;
	r = tls_result(t, 0);
	return r == 0 ? IO_T_FAILED : r;
}

static bool
tls_pending(void *state)
{
	struct tls_stream *t = state;

	return SSL_has_pending(t->ssl) == 1;
}

static void
tls_shutdown(void *state)
{
	struct tls_stream *t = state;

	ERR_clear_error();
	if (t->error == NULL && SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

static void
tls_free(void *state)
{
	struct tls_stream *t = state;

	SSL_free(t->ssl);
	free(t);
}

static const struct io_transport tls_transport = {
	.handshake = tls_handshake,
	.read = tls_read,
	.write = tls_write,
	.pending = tls_pending,
	.shutdown = tls_shutdown,
	.free = tls_free,
};

void
tls_openssl_start(void)
{
	unsigned char seed[1];

	if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, NULL) ||
	    RAND_bytes(seed, sizeof(seed)) != 1)
		fatal("cannot start OpenSSL");
}

enum tls_start
tls_stream_start(struct io_stream *s, SSL *ssl)
{
	struct tls_stream *t = xcalloc(1, sizeof(*t));
	enum io_upgrade r;

	t->ssl = ssl;
	if (!SSL_set_fd(ssl, io_stream_fd(s))) {
		tls_free(t);
		return TLS_START_UNAVAILABLE;
	}
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, t);
	r = io_stream_upgrade(s, &tls_transport, t, TLS_HANDSHAKE_MS);
	if (r == IO_UPGRADE_OK)
		return TLS_START_OK;
	tls_free(t);
	return r == IO_UPGRADE_INJECTED ? TLS_START_INJECTED : TLS_START_UNAVAILABLE;
}

SSL *
tls_stream_ssl(const struct io_stream *s)
{
	const struct tls_stream *t = io_stream_transport_state(s, &tls_transport);

	return t != NULL && io_stream_is_tls(s) ? t->ssl : NULL;
}

bool
tls_stream_facts(const struct io_stream *s, struct tls_facts *facts)
{
	const SSL *ssl = tls_stream_ssl(s);
	const char *sni;

	if (ssl == NULL)
		return false;
	sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	*facts = (struct tls_facts){
		.version = SSL_get_version(ssl),
		.cipher = SSL_get_cipher_name(ssl),
		.bits = SSL_get_cipher_bits(ssl, NULL),
		.sni = sni != NULL ? sni : "",
		.resumed = SSL_session_reused(ssl) != 0,
	};
	return true;
}

const char *
tls_stream_describe(const struct io_stream *s, char out[TLS_DESCRIPTION_MAX])
{
	struct tls_facts f;

	out[0] = '\0';
	if (tls_stream_facts(s, &f))
		snprintf(out, TLS_DESCRIPTION_MAX, "%s %s %d", f.version, f.cipher, f.bits);
	return out;
}

const char *
tls_stream_error(const struct io_stream *s)
{
	const struct tls_stream *t = io_stream_transport_state(s, &tls_transport);

	return t != NULL && t->error != NULL ? t->error : "";
}
