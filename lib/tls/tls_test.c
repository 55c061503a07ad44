/* SPDX-License-Identifier: ISC */
/* A child process plays keys; the client is OpenSSL's own on the other end of a socketpair. */
#include "tls/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tls/fake_keys.h"
#include "tls/key_client.h"

static struct io_loop *loop;
static struct io_timer *guard;

/* --- one session -------------------------------------------------------------------------- */

struct fixture {
	struct tls_server *server;
	pid_t keys;
	struct io_stream *s;
	int peer;
	SSL_CTX *client_ctx;
	SSL *client;
	SSL_SESSION *ticket;
	bool tls, ended;
	enum io_end why;
	size_t got;
	char error[64];
};

static void
on_data(void *arg, struct buf *in)
{
	struct fixture *f = arg;

	f->got += buf_len(in);
	/* Echo. */
	assert_int_equal(io_stream_write(f->s, buf_data(in), buf_len(in)), 0);
	buf_drain(in, buf_len(in));
}

static void
on_tls(void *arg)
{
	struct fixture *f = arg;

	f->tls = true;
}

static void
on_end(void *arg, enum io_end why)
{
	struct fixture *f = arg;

	f->ended = true;
	f->why = why;
	snprintf(f->error, sizeof(f->error), "%s", tls_stream_error(f->s));
	io_stream_free(&f->s);
}

static const struct io_stream_ops OPS = { .on_data = on_data, .on_end = on_end, .on_tls = on_tls };

static void
stop_loop(void *arg)
{
	(void)arg;
	io_loop_stop(loop);
}

static void
run(uint64_t ms)
{
	io_timer_set(guard, ms);
	io_loop_run(loop);
}

static int
keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct fixture *f = SSL_get_app_data(ssl);

	SSL_SESSION_free(f->ticket);
	f->ticket = session;
	return 1;
}

static void
server_start(struct fixture *f)
{
	int fd;

	f->keys = spawn_keys(&fd);
	f->server = tls_server_new(loop);
	assert_false(tls_server_ready(f->server));
	tls_server_set_keys(f->server, fd);
	assert_true(tls_server_ready(f->server));
}

static void
server_stop(struct fixture *f)
{
	tls_server_free(&f->server);
	kill(f->keys, SIGKILL);
	waitpid(f->keys, NULL, 0);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memset((void *)(uintptr_t)mode, 0, sizeof(*mode));
	f->client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(f->client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(f->client_ctx, keep_ticket);
	server_start(f);
	f->peer = -1;
	*state = f;
	return 0;
}

static void
session_close(struct fixture *f)
{
	/* A session that seems cut off is not resumed. */
	if (f->client != NULL)
		SSL_set_shutdown(f->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(f->client);
	f->client = NULL;
	io_stream_free(&f->s);
	if (f->peer >= 0)
		close(f->peer);
	f->peer = -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	session_close(f);
	server_stop(f);
	SSL_SESSION_free(f->ticket);
	SSL_CTX_free(f->client_ctx);
	free(f);
	return 0;
}

/* A fresh connection; TLS is not begun. */
static void
session_open(struct fixture *f)
{
	struct io_stream_limits limits = { 65536, 1 << 20, 0 };
	int sv[2];

	session_close(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	f->peer = sv[1];
	f->s = io_stream_new(loop, sv[0], &OPS, &limits, f);
	f->tls = f->ended = false;
	f->got = 0;
	f->client = SSL_new(f->client_ctx);
	SSL_set_fd(f->client, f->peer);
	SSL_set_app_data(f->client, f);
	SSL_set_connect_state(f->client);
}

/* Both ends step until the client is through or has failed. */
static bool
handshake(struct fixture *f)
{
	for (int i = 0; i < 400; i++) {
		int r = SSL_do_handshake(f->client), e = SSL_get_error(f->client, r);

		if (r == 1) {
			run(2);
			return true;
		}
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			return false;
		run(2);
	}
	return false;
}

static bool
connect_to(struct fixture *f, enum tls_service service)
{
	session_open(f);
	assert_int_equal(io_stream_starttls(f->s, f->server, service), TLS_START_OK);
	return handshake(f);
}

/* n bytes there and back. */
static void
echo(struct fixture *f, size_t n)
{
	char *out = malloc(n), *in = malloc(n);
	size_t sent = 0, got = 0;

	memset(out, 'e', n);
	for (int i = 0; i < 2000 && got < n; i++) {
		size_t k;

		if (sent < n &&
		    SSL_write_ex(f->client, out + sent, n - sent < 8192 ? n - sent : 8192, &k))
			sent += k;
		while (got < n && SSL_read_ex(f->client, in + got, n - got, &k))
			got += k;
		if (got < n)
			run(1);
	}
	assert_int_equal(got, n);
	assert_memory_equal(in, out, n);
	free(out);
	free(in);
}

static const char *
peer_name(struct fixture *f, char out[64])
{
	X509 *x = SSL_get1_peer_certificate(f->client);

	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, 64);
	X509_free(x);
	return out;
}

/* --- tests -------------------------------------------------------------------------------- */

static void
test_versions(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct fixture *f = *state;
	struct tls_facts facts;
	char text[TLS_DESCRIPTION_MAX];

	for (int i = 0; i < 2; i++) {
		SSL_CTX_set_max_proto_version(f->client_ctx, versions[i]);
		assert_true(connect_to(f, TLS_SMTP));
		assert_true(f->tls);
		assert_true(io_stream_is_tls(f->s));
		assert_true(tls_stream_facts(f->s, &facts));
		assert_string_equal(facts.version, i ? "TLSv1.3" : "TLSv1.2");
		assert_string_equal(facts.sni, "");
		assert_false(facts.resumed);
		assert_true(facts.bits >= 128);
		tls_stream_describe(f->s, text);
		assert_memory_equal(text, facts.version, 7);
		echo(f, 5);
		echo(f, 300000);
		/* An orderly end both ways. */
		SSL_shutdown(f->client);
		run(5);
		assert_true(f->ended);
		assert_int_equal(f->why, IO_END_EOF);
		run(5);
		assert_int_equal(SSL_read(f->client, text, 1), 0);
		assert_int_equal(SSL_get_error(f->client, 0), SSL_ERROR_ZERO_RETURN);
	}
	SSL_CTX_set_security_level(f->client_ctx, 0);
	SSL_CTX_set_min_proto_version(f->client_ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_1_VERSION);
	assert_false(connect_to(f, TLS_SMTP));
	assert_true(f->ended);
	assert_int_equal(f->why, IO_END_ERROR);
	assert_true(f->error[0] != '\0');
}

/* Both ends see the same, and what is not safe or not known is empty. */
static void
expect_bindings(struct fixture *f, bool exporter, bool unique, bool end_point)
{
	unsigned char want[TLS_BINDING_MAX];
	struct tls_bindings b;
	unsigned int n = 0;
	X509 *cert;

	tls_stream_bindings(f->s, &b);
	assert_int_equal(b.exporter.n, exporter ? 32 : 0);
	assert_int_equal(b.unique.n, unique ? 12 : 0);
	assert_int_equal(b.end_point.n, end_point ? 32 : 0);
	if (exporter) {
		assert_int_equal(SSL_export_keying_material(f->client, want, 32,
				     "EXPORTER-Channel-Binding", 24, NULL, 0, 0),
		    1);
		assert_memory_equal(b.exporter.p, want, 32);
	}
	if (unique) {
		assert_int_equal(SSL_session_reused(f->client)
				     ? SSL_get_peer_finished(f->client, want, sizeof(want))
				     : SSL_get_finished(f->client, want, sizeof(want)),
		    12);
		assert_memory_equal(b.unique.p, want, 12);
	}
	if (end_point) {
		cert = SSL_get1_peer_certificate(f->client);
		assert_int_equal(X509_digest(cert, EVP_sha256(), want, &n), 1);
		X509_free(cert);
		assert_int_equal(n, 32);
		assert_memory_equal(b.end_point.p, want, 32);
	}
}

static void
test_bindings(void **state)
{
	struct fixture *f = *state;
	struct tls_bindings b;

	session_open(f);
	tls_stream_bindings(f->s, &b);
	assert_int_equal(b.exporter.n + b.unique.n + b.end_point.n, 0);

	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_3_VERSION);
	assert_true(connect_to(f, TLS_IMAP));
	expect_bindings(f, true, false, true);
	echo(f, 5);
	session_open(f);
	SSL_set_session(f->client, f->ticket);
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_IMAP), TLS_START_OK);
	assert_true(handshake(f));
	assert_true(SSL_session_reused(f->client));
	expect_bindings(f, true, false, false);

	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_2_VERSION);
	session_open(f);
	SSL_set_tlsext_host_name(f->client, "b.test"); /* not the first certificate */
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_IMAP), TLS_START_OK);
	assert_true(handshake(f));
	expect_bindings(f, false, true, true);
	echo(f, 5);
	session_open(f);
	SSL_set_session(f->client, f->ticket);
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_IMAP), TLS_START_OK);
	assert_true(handshake(f));
	assert_true(SSL_session_reused(f->client));
	expect_bindings(f, false, true, false);

	SSL_CTX_set_options(f->client_ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	assert_true(connect_to(f, TLS_IMAP));
	expect_bindings(f, false, false, true);
}

static void
test_ciphers(void **state)
{
	static const struct {
		const char *cipher;
		bool want;
	} rows[] = {
		{ "ECDHE-ECDSA-AES128-GCM-SHA256", true },
		{ "ECDHE-ECDSA-CHACHA20-POLY1305", true },
		{ "ECDHE-RSA-AES256-GCM-SHA384", false }, /* the default key is ECDSA */
		{ "ECDHE-ECDSA-AES128-SHA256", false },
		{ "DHE-RSA-AES128-GCM-SHA256", false },
		{ "AES128-GCM-SHA256", false },
	};
	struct fixture *f = *state;

	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_2_VERSION);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		SSL_CTX_set_cipher_list(f->client_ctx, rows[i].cipher);
		assert_int_equal(connect_to(f, TLS_SMTP), rows[i].want);
	}
}

static void
test_sni(void **state)
{
	static const struct {
		const char *sni, *cn;
		int version;
	} rows[] = {
		{ "b.test", "b.test", TLS1_3_VERSION },
		{ "B.TEST", "b.test", TLS1_2_VERSION },
		{ "rsa.test", "rsa.test", TLS1_3_VERSION },
		{ "rsa.test", "rsa.test", TLS1_2_VERSION },
		{ "unknown.test", "a.test", TLS1_3_VERSION },
		{ "a.test", "a.test", TLS1_2_VERSION },
	};
	struct fixture *f = *state;
	struct tls_facts facts;
	char cn[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		SSL_CTX_set_max_proto_version(f->client_ctx, rows[i].version);
		session_open(f);
		SSL_set_tlsext_host_name(f->client, rows[i].sni);
		assert_int_equal(io_stream_starttls(f->s, f->server, TLS_IMAP), TLS_START_OK);
		assert_true(handshake(f));
		assert_string_equal(peer_name(f, cn), rows[i].cn);
		assert_true(tls_stream_facts(f->s, &facts));
		assert_string_equal(facts.sni, rows[i].sni);
		echo(f, 100);
	}
}

/* Each signature scheme an RSA key may be asked for. */
static void
test_rsa_schemes(void **state)
{
	static const char *const schemes[] = { "RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512",
		"RSA+SHA256", "RSA+SHA384", "RSA+SHA512" };
	struct fixture *f = *state;

	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_2_VERSION);
	for (size_t i = 0; i < 6; i++) {
		SSL_CTX_set1_sigalgs_list(f->client_ctx, schemes[i]);
		session_open(f);
		SSL_set_tlsext_host_name(f->client, "rsa.test");
		assert_int_equal(io_stream_starttls(f->s, f->server, TLS_IMAP), TLS_START_OK);
		assert_true(handshake(f));
	}
}

static void
test_alpn(void **state)
{
	static const struct {
		enum tls_service service;
		const char *offer;
		bool want;
	} rows[] = {
		{ TLS_IMAP, "\4imap", true },
		{ TLS_IMAP, "\2h2\4imap", true },
		{ TLS_IMAP, "\2h2\10http/1.1", false },
		{ TLS_SMTP, "\2h2", true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		session_open(f);
		SSL_set_alpn_protos(f->client, (const unsigned char *)rows[i].offer,
		    (unsigned)strlen(rows[i].offer));
		ERR_clear_error();
		assert_int_equal(
		    io_stream_starttls(f->s, f->server, rows[i].service), TLS_START_OK);
		assert_int_equal(handshake(f), rows[i].want);
		if (!rows[i].want)
			assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
			    SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
	}
}

static void
test_starttls(void **state)
{
	struct fixture *f = *state;
	char text[16];

	session_open(f);
	io_stream_write(f->s, "220 go\r\n", 8);
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_SMTP), TLS_START_OK);
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_SMTP), TLS_START_UNAVAILABLE);
	/* What is written now belongs behind the handshake. */
	io_stream_write(f->s, "hello", 5);
	run(5);
	assert_int_equal(recv(f->peer, text, sizeof(text), 0), 8);
	assert_memory_equal(text, "220 go\r\n", 8);
	assert_true(handshake(f));
	run(5);
	assert_int_equal(SSL_read(f->client, text, sizeof(text)), 5);
	assert_memory_equal(text, "hello", 5);
	echo(f, 70000);
}

static void
keep_data(void *arg, struct buf *in)
{
	struct fixture *f = arg;

	f->got = buf_len(in);
}

static void
test_injection(void **state)
{
	static const struct io_stream_ops ops = { .on_data = keep_data, .on_end = on_end };
	struct io_stream_limits limits = { 4096, 4096, 0 };
	struct fixture *f = *state;
	int sv[2];

	/* Behind the command, in the same segment. */
	session_open(f);
	io_stream_free(&f->s);
	close(f->peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	f->peer = sv[1];
	f->s = io_stream_new(loop, sv[0], &ops, &limits, f);
	assert_int_equal(send(f->peer, "NOOP\r\n", 6, 0), 6);
	run(5);
	assert_int_equal(f->got, 6);
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_SMTP), TLS_START_INJECTED);

	/* In a segment of its own: it is taken for TLS and fails. */
	session_open(f);
	assert_int_equal(send(f->peer, "NOOP\r\n", 6, 0), 6);
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_SMTP), TLS_START_OK);
	run(5);
	assert_true(f->ended);
	assert_int_equal(f->why, IO_END_ERROR);
	assert_int_equal(f->got, 0);
}

static void
test_truncation(void **state)
{
	struct fixture *f = *state;

	assert_true(connect_to(f, TLS_SMTP));
	shutdown(f->peer, SHUT_WR);
	run(5);
	assert_true(f->ended);
	assert_int_equal(f->why, IO_END_ERROR);
}

static void
test_finish(void **state)
{
	struct fixture *f = *state;
	char text[8];

	assert_true(connect_to(f, TLS_SMTP));
	io_stream_write(f->s, "bye", 3);
	io_stream_finish(&f->s);
	run(5);
	assert_int_equal(SSL_read(f->client, text, sizeof(text)), 3);
	assert_int_equal(SSL_read(f->client, text, sizeof(text)), 0);
	assert_int_equal(SSL_get_error(f->client, 0), SSL_ERROR_ZERO_RETURN);
	assert_false(f->ended);
}

static bool
resumes(struct fixture *f, enum tls_service service)
{
	struct tls_facts facts;

	assert_non_null(f->ticket);
	session_open(f);
	SSL_set_session(f->client, f->ticket);
	assert_int_equal(io_stream_starttls(f->s, f->server, service), TLS_START_OK);
	assert_true(handshake(f));
	assert_true(tls_stream_facts(f->s, &facts));
	assert_int_equal(facts.resumed, SSL_session_reused(f->client));
	echo(f, 10);
	return facts.resumed;
}

static void
test_tickets(void **state)
{
	struct fixture *f = *state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		int signs;

		SSL_CTX_set_max_proto_version(f->client_ctx, version);
		SSL_SESSION_free(f->ticket);
		f->ticket = NULL;
		assert_true(connect_to(f, TLS_IMAP));
		echo(f, 10);
		signs = mode->signs;
		assert_true(resumes(f, TLS_IMAP));
		assert_int_equal(mode->signs, signs);
		/* The daemon starts again; the ticket keys are the same. */
		session_close(f);
		server_stop(f);
		server_start(f);
		assert_true(resumes(f, TLS_IMAP));
		/* Another service does not take it, but serves. */
		assert_false(resumes(f, TLS_SMTP));
	}
}

static void
test_reload(void **state)
{
	struct fixture *f = *state, old;
	char cn[64];

	assert_true(connect_to(f, TLS_IMAP));
	assert_string_equal(peer_name(f, cn), "a.test");
	/* Put the session aside; it must live on. */
	old = *f;
	f->client = NULL;
	f->s = NULL;
	f->peer = -1;
	mode->renewed = 1;
	mode->notify = 1;
	run(100);
	assert_true(connect_to(f, TLS_IMAP));
	assert_string_equal(peer_name(f, cn), "new.test");
	session_close(f);
	f->client = old.client;
	f->s = old.s;
	f->peer = old.peer;
	echo(f, 20000);
}

static void
test_keys_stuck(void **state)
{
	struct fixture *f = *state;
	uint64_t t;

	mode->stuck = 1;
	t = io_now_ms(loop);
	assert_false(connect_to(f, TLS_IMAP));
	assert_true(f->ended);
	run(1);
	assert_in_range(io_now_ms(loop) - t, TLS_SIGN_MS, TLS_SIGN_MS + 500);
	/* The next one does not wait. */
	t = io_now_ms(loop);
	assert_false(connect_to(f, TLS_IMAP));
	run(1);
	assert_true(io_now_ms(loop) - t < TLS_SIGN_MS);
	mode->stuck = 0;
	run(KEY_CLIENT_REST_MS);
	assert_true(connect_to(f, TLS_IMAP));
}

static void
test_keys_restarted(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_true(connect_to(f, TLS_IMAP));
	kill(f->keys, SIGKILL);
	waitpid(f->keys, NULL, 0);
	run(10);
	echo(f, 100);
	assert_false(connect_to(f, TLS_IMAP));
	f->keys = spawn_keys(&fd);
	tls_server_set_keys(f->server, fd);
	assert_true(connect_to(f, TLS_IMAP));
}

static void
test_free_in_handshake(void **state)
{
	struct fixture *f = *state;

	session_open(f);
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_SMTP), TLS_START_OK);
	SSL_do_handshake(f->client);
	io_stream_free(&f->s);
	run(5);
	session_open(f);
	io_stream_write(f->s, "220", 3);
	assert_int_equal(io_stream_starttls(f->s, f->server, TLS_SMTP), TLS_START_OK);
	io_stream_write(f->s, "secret", 6);
	io_stream_finish(&f->s);
	run(5);
	/* What belongs behind the handshake never goes out in plain text. */
	assert_int_equal(recv(f->peer, f->error, sizeof(f->error), 0), 3);
	assert_int_equal(recv(f->peer, f->error, sizeof(f->error), 0), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_versions),
		T(test_bindings),
		T(test_ciphers),
		T(test_sni),
		T(test_rsa_schemes),
		T(test_alpn),
		T(test_starttls),
		T(test_injection),
		T(test_truncation),
		T(test_finish),
		T(test_tickets),
		T(test_reload),
		T(test_keys_stuck),
		T(test_keys_restarted),
		T(test_free_in_handshake),
	};
	int r;

	tls_preload();
	fake_keys_setup();
	loop = io_loop_new();
	guard = io_timer_new(loop, stop_loop, NULL);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	io_timer_free(&guard);
	io_loop_free(&loop);
	fake_keys_teardown();
	return r;
}
