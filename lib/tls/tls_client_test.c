/* SPDX-License-Identifier: ISC */
/* A child plays a server with a certificate of each kind, over a socketpair. */
#include "tls/tls_client.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tls/fake_certificates.h"

static struct io_loop *loop;
static struct io_timer *guard;

struct fixture {
	struct io_stream *s;
	bool tls, ended;
	char error[128], got[64];
};

static void
on_data(void *arg, struct buf *in)
{
	struct fixture *f = arg;

	snprintf(f->got, sizeof(f->got), "%.*s", (int)buf_len(in), (const char *)buf_data(in));
	buf_drain(in, buf_len(in));
	io_loop_stop(loop);
}

static void
on_tls(void *arg)
{
	struct fixture *f = arg;

	f->tls = true;
	assert_int_equal(io_stream_write(f->s, "ping", 4), 0);
}

static void
on_end(void *arg, enum io_end why)
{
	struct fixture *f = arg;

	(void)why;
	f->ended = true;
	snprintf(f->error, sizeof(f->error), "%s", tls_stream_error(f->s));
	io_loop_stop(loop);
}

static const struct io_stream_ops OPS = { .on_data = on_data, .on_end = on_end, .on_tls = on_tls };

static void
stop_loop(void *arg)
{
	(void)arg;
	io_loop_stop(loop);
}

/* The server: echoes what comes first. */
static pid_t
serve(int fd, enum fake_certificate kind)
{
	pid_t pid = fork();
	char bytes[64];
	SSL *ssl;
	int n;

	if (pid != 0)
		return pid;
	alarm(20);
	signal(SIGPIPE, SIG_IGN);
	ssl = fake_accept(fd, kind);
	if (ssl != NULL && (n = SSL_read(ssl, bytes, sizeof(bytes))) > 0)
		SSL_write(ssl, bytes, n);
	_exit(0);
}

static void
connect_to(struct fixture *f, struct tls_client *t, enum fake_certificate kind, const char *host,
    enum tls_verify verify)
{
	struct io_stream_limits limits = { 4096, 4096, 0 };
	int sv[2];
	pid_t pid;

	memset(f, 0, sizeof(*f));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	pid = serve(sv[1], kind);
	close(sv[1]);
	f->s = io_stream_new(loop, sv[0], &OPS, &limits, f);
	assert_int_equal(io_stream_tls_connect(f->s, t, host, verify), TLS_START_OK);
	io_timer_set(guard, 20000);
	io_loop_run(loop);
	io_stream_free(&f->s);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Whatever the server has is better than clear text. */
static void
test_any(void **state)
{
	const char *why;
	struct tls_client *t = tls_client_new(NULL, &why);
	struct fixture f;

	(void)state;
	assert_null(why);
	for (int i = 0; i < FAKE__MAX; i++) {
		connect_to(&f, t, (enum fake_certificate)i, "mx.test", TLS_ANY);
		if (!f.tls)
			print_error("%s: %s\n", fake_names[i], f.error);
		assert_true(f.tls);
		assert_string_equal(f.got, "ping");
	}
	connect_to(&f, t, FAKE_GOOD, "", TLS_ANY);
	assert_true(f.tls);
	tls_client_free(&t);
}

static void
test_verified(void **state)
{
	static const char *const want[FAKE__MAX] = {
		[FAKE_EXPIRED] = "certificate has expired",
		[FAKE_SELF_SIGNED] = "self-signed certificate",
		[FAKE_WRONG_NAME] = "hostname mismatch",
		[FAKE_UNKNOWN_CA] = "unable to get local issuer certificate",
		[FAKE_RSA_1024] = "EE certificate key too weak",
		[FAKE_SHA_1] = "CA signature digest algorithm too weak",
		[FAKE_TLS_1_0] = "tlsv1 alert protocol version",
		[FAKE_NONE] = "",
	};
	const char *why;
	struct tls_client *t = tls_client_new(fake.ca_file, &why);
	struct fixture f;

	(void)state;
	assert_null(why);
	for (int i = 0; i < FAKE__MAX; i++) {
		connect_to(&f, t, (enum fake_certificate)i, "mx.test", TLS_VERIFIED);
		if (f.tls != (i == FAKE_GOOD) ||
		    (want[i] != NULL && strstr(f.error, want[i]) == NULL))
			print_error("%s: %d %s\n", fake_names[i], f.tls, f.error);
		assert_int_equal(f.tls, i == FAKE_GOOD);
		assert_string_equal(f.got, i == FAKE_GOOD ? "ping" : "");
		if (want[i] != NULL && i != FAKE_TLS_1_0)
			assert_non_null(strstr(f.error, want[i]));
	}
	tls_client_free(&t);
}

static void
test_names(void **state)
{
	const char *why;
	struct tls_client *t = tls_client_new(fake.ca_file, &why);
	struct fixture f;

	(void)state;
	connect_to(&f, t, FAKE_GOOD, "127.0.0.1", TLS_VERIFIED);
	assert_true(f.tls);
	connect_to(&f, t, FAKE_GOOD, "127.0.0.2", TLS_VERIFIED);
	assert_false(f.tls);
	connect_to(&f, t, FAKE_GOOD, "a.mx.test", TLS_VERIFIED);
	assert_false(f.tls);
	tls_client_free(&t);
}

/* Without trusted certificates nothing is verified, and nothing passes. */
static void
test_no_ca(void **state)
{
	static const char *const files[] = { NULL, "/nonexistent/ca.pem", "/dev/null" };
	struct fixture f;

	(void)state;
	for (int i = 0; i < 3; i++) {
		const char *why;
		struct tls_client *t = tls_client_new(files[i], &why);

		assert_int_equal(why != NULL, files[i] != NULL);
		connect_to(&f, t, FAKE_GOOD, "mx.test", TLS_VERIFIED);
		assert_false(f.tls);
		tls_client_free(&t);
	}
}

/* Without a name there is nothing to verify. */
static void
test_no_name(void **state)
{
	const char *why;
	struct tls_client *t = tls_client_new(fake.ca_file, &why);
	struct io_stream_limits limits = { 4096, 4096, 0 };
	struct fixture f = { 0 };
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	f.s = io_stream_new(loop, sv[0], &OPS, &limits, &f);
	assert_int_equal(io_stream_tls_connect(f.s, t, "", TLS_VERIFIED), TLS_START_UNAVAILABLE);
	io_stream_free(&f.s);
	close(sv[1]);
	tls_client_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_verified),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_ca),
		cmocka_unit_test(test_no_name),
	};
	int r;

	loop = io_loop_new();
	guard = io_timer_new(loop, stop_loop, NULL);
	fake_certificates_make();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	fake_certificates_free();
	io_timer_free(&guard);
	io_loop_free(&loop);
	return r;
}
