/* SPDX-License-Identifier: ISC */
/* The server's contexts: one for each service, made anew when the certificates change. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "tls/certificates.h"
#include "tls/key_client.h"
#include "tls/provider.h"
#include "tls/tls_priv.h"

/* Only what keys can sign, and nothing with SHA-1. */
#define SIGNATURES \
	"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:" \
	"RSA+SHA256:RSA+SHA384:RSA+SHA512"
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"

enum { RETRY_MS = 1000, TICKET_NAME = 16, TICKET_KEY = 32 };

/* One ticket key: name, AES-256 key, HMAC key (KEY_TICKET_BYTES together). */
struct ticket_key {
	uint8_t name[TICKET_NAME], aes[TICKET_KEY], hmac[TICKET_KEY];
};
_Static_assert(sizeof(struct ticket_key) == KEY_TICKET_BYTES, "equals the message's field");

struct tls_server {
	struct io_loop *loop;
	struct key_client *client;
	struct io_watch *watch;
	struct io_timer *timer; /* next try, or next look at the ticket keys */
	SSL_CTX *contexts[TLS_SERVICE__MAX];
	struct ticket_key current, previous;
	bool have_tickets;
};

static const struct {
	const char *id, *alpn;
} services[TLS_SERVICE__MAX] = {
#define X(name, id, alpn) { "postern-" id, alpn },
	TLS_SERVICES(X)
#undef X
};

static int context_set = -1; /* ex_data: struct tls_certificates */

/* --- callbacks of a handshake -------------------------------------------------------------------
 */

static int
on_certificate(SSL *ssl, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	return name == NULL || tls_certificates_choose(arg, ssl, name) == 0;
}

/* A client that names protocols and none of ours is in the wrong room (rfc7301:3.2). */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
    unsigned int inlen, void *arg)
{
	const char *want = arg;
	size_t n = strlen(want);

	(void)ssl;
	for (unsigned int i = 0; i < inlen; i += in[i] + 1u) {
		if (in[i] == n && inlen - i > n && memcmp(in + i + 1, want, n) == 0) {
			*out = in + i + 1;
			*outlen = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int
ticket_init(const struct ticket_key *k, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
    int encrypt)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
				    (void *)(uintptr_t)k->hmac, sizeof(k->hmac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end() };

	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv, encrypt) &&
	       EVP_MAC_CTX_set_params(mac, params);
}

/* 1: use it; 2: use it and send a new one; 0: not our ticket; -1: trouble. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int encrypt)
{
	struct tls_server *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!t->have_tickets)
		return 0;
	if (encrypt) {
		memcpy(name, t->current.name, TICKET_NAME);
		return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
			       ticket_init(&t->current, iv, cipher, mac, 1)
			   ? 1
			   : -1;
	}
	/* With TLS 1.3 clients use a ticket once: they need a new one each time. */
	if (memcmp(name, t->current.name, TICKET_NAME) == 0)
		return !ticket_init(&t->current, iv, cipher, mac, 0) ? -1
		       : SSL_version(ssl) >= TLS1_3_VERSION          ? 2
								     : 1;
	if (memcmp(name, t->previous.name, TICKET_NAME) == 0)
		return ticket_init(&t->previous, iv, cipher, mac, 0) ? 2 : -1;
	return 0;
}

/* --- contexts -----------------------------------------------------------------------------------
 */

static void
drop_set(void *parent, void *set, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct tls_certificates *certificates = set;

	(void)parent, (void)ad, (void)index, (void)argl, (void)argp;
	tls_certificates_unref(&certificates);
}

static int
context_setup(
    struct tls_server *t, SSL_CTX *ctx, enum tls_service service, struct tls_certificates *set)
{
	const unsigned char *id = (const unsigned char *)services[service].id;

	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
				     (t->have_tickets ? 0 : SSL_OP_NO_TICKET));
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, TLS_SESSION_S);
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_read_ahead(ctx, 1); /* one recv for header and record */
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_cert_cb(ctx, on_certificate, set);
	if (services[service].alpn[0] != '\0')
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, (void *)(uintptr_t)services[service].alpn);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
		       SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) &&
		       SSL_CTX_set1_groups_list(ctx, GROUPS) &&
		       SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) &&
		       SSL_CTX_set_num_tickets(ctx, t->have_tickets ? 1 : 0) &&
		       SSL_CTX_set_session_id_context(
			   ctx, id, (unsigned int)strlen((const char *)id)) &&
		       SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket)
		   ? 0
		   : -1;
}

/* NULL: the certificates cannot be used. */
static SSL_CTX *
context_new(struct tls_server *t, enum tls_service service, struct tls_certificates *set)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(NULL, TLS_PROPERTIES, TLS_server_method());

	if (ctx == NULL || !SSL_CTX_set_ex_data(ctx, context_set, tls_certificates_ref(set)) ||
	    context_setup(t, ctx, service, set) != 0)
		fatal("cannot make a TLS context: %s", ERR_reason_error_string(ERR_get_error()));
	if (tls_certificates_default(set, ctx) != 0) {
		const char *why = ERR_reason_error_string(ERR_get_error());

		log_error("", "event=certificates-not-usable reason=\"%s\"", why ? why : "none");
		SSL_CTX_free(ctx);
		ERR_clear_error();
		return NULL;
	}
	return ctx;
}

static void
replace_contexts(struct tls_server *t, struct tls_certificates *set)
{
	for (int i = 0; i < TLS_SERVICE__MAX; i++) {
		SSL_CTX *ctx = set != NULL && tls_certificates_count(set) > 0
				   ? context_new(t, (enum tls_service)i, set)
				   : NULL;

		SSL_CTX_free(t->contexts[i]); /* running sessions hold their own reference */
		t->contexts[i] = ctx;
	}
}

enum tls_start
io_stream_starttls(struct io_stream *s, struct tls_server *t, enum tls_service service)
{
	SSL *ssl;

	if (t->contexts[service] == NULL)
		return TLS_START_UNAVAILABLE;
	if ((ssl = SSL_new(t->contexts[service])) == NULL)
		return TLS_START_UNAVAILABLE;
	SSL_set_accept_state(ssl);
	return tls_stream_start(s, ssl);
}

/* --- what keys tells -----------------------------------------------------------------------------
 */

static void
on_key_info(void *arg, uint32_t key, bool is_default, struct str chain)
{
	tls_certificates_add(arg, key, is_default, chain);
}

static void
fetch_tickets(struct tls_server *t)
{
	struct ticket_key current, previous;

	/* When keys does not answer, the old ones are still better than none. */
	if (key_client_tickets(
		t->client, (uint8_t *)&current, (uint8_t *)&previous, TLS_FETCH_MS) == 0) {
		t->current = current;
		t->previous = previous;
		t->have_tickets = true;
	}
	OPENSSL_cleanse(&current, sizeof(current));
	OPENSSL_cleanse(&previous, sizeof(previous));
}

static void
unwatch_broken(struct tls_server *t)
{
	if (!key_client_broken(t->client))
		return;
	io_watch_free(&t->watch);
	key_client_set_fd(t->client, -1);
}

static void
tell_certificates(size_t n)
{
	if (n > 0)
		log_info("", "event=certificates n=%zu", n);
	else
		log_warn("",
		    "event=certificates n=0: there is no TLS until keys/ holds one and its key");
}

static void
fetch_all(struct tls_server *t)
{
	struct tls_certificates *set = tls_certificates_new();

	fetch_tickets(t);
	if (key_client_list(t->client, on_key_info, set, TLS_FETCH_MS) == 0) {
		replace_contexts(t, set);
		tell_certificates(tls_certificates_count(set));
		io_timer_set(t->timer, TLS_TICKET_FETCH_MS);
	} else if (key_client_fd(t->client) >= 0) {
		io_timer_set(t->timer, RETRY_MS);
	}
	tls_certificates_unref(&set);
	unwatch_broken(t);
}

static void
on_keys(void *arg, int events)
{
	struct tls_server *t = arg;

	(void)events;
	if (key_client_changed(t->client))
		fetch_all(t);
	else
		unwatch_broken(t);
}

static void
on_timer(void *arg)
{
	struct tls_server *t = arg;

	if (key_client_fd(t->client) < 0)
		return;
	if (!tls_server_ready(t)) {
		fetch_all(t);
		return;
	}
	fetch_tickets(t);
	unwatch_broken(t);
	io_timer_set(t->timer, TLS_TICKET_FETCH_MS);
}

/* --- life ----------------------------------------------------------------------------------------
 */

void
tls_preload(void)
{
	SSL_CTX *ctx;

	tls_openssl_start();
	tls_provider_load();
	if (context_set < 0)
		context_set = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, drop_set);
	ctx = SSL_CTX_new_ex(NULL, TLS_PROPERTIES, TLS_server_method());
	if (context_set < 0 || ctx == NULL)
		fatal("cannot use OpenSSL");
	SSL_CTX_free(ctx);
}

struct tls_server *
tls_server_new(struct io_loop *loop)
{
	struct tls_server *t = xcalloc(1, sizeof(*t));

	tls_preload();
	t->loop = loop;
	t->client = key_client_new();
	t->timer = io_timer_new(loop, on_timer, t);
	tls_provider_set_client(t->client);
	return t;
}

void
tls_server_free(struct tls_server **tp)
{
	struct tls_server *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	replace_contexts(t, NULL);
	tls_provider_set_client(NULL);
	io_watch_free(&t->watch);
	io_timer_free(&t->timer);
	key_client_free(&t->client);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

void
tls_server_set_keys(struct tls_server *t, int fd)
{
	io_watch_free(&t->watch);
	key_client_set_fd(t->client, fd);
	if (fd < 0)
		return;
	t->watch = io_watch_new(t->loop, fd, IO_READ, on_keys, t);
	key_client_changed(t->client); /* everything is asked for now */
	fetch_all(t);
}

bool
tls_server_ready(const struct tls_server *t)
{
	return t->contexts[0] != NULL;
}
