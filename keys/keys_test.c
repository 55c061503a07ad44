/* SPDX-License-Identifier: ISC */
/* The keyring on files, and the server in a child process on the other end of a channel. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/frame.h"
#include "keys/keyring.h"
#include "keys/server.h"

static char dir[] = "/tmp/keys_test.XXXXXX";
static int dirfd_;
static EVP_PKEY *ec, *rsa, *small;

/* --- files --------------------------------------------------------------------------------------
 */

static FILE *
create(const char *name)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	return fdopen(fd, "w");
}

static void
write_pair(const char *name, EVP_PKEY *key, EVP_PKEY *other, bool key_in_crt)
{
	X509 *x = X509_new();
	char path[64];
	FILE *f;

	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	snprintf(path, sizeof(path), "%s.crt", name);
	f = create(path);
	if (key_in_crt)
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_X509(f, x);
	fclose(f);
	snprintf(path, sizeof(path), "%s.key", name);
	f = create(path);
	PEM_write_PrivateKey(f, other, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
}

static void
remove_all(void)
{
	static const char *const names[] = { "default", "rsa", "small", "wrong", "alone", "big",
		"junk", ".hidden" };
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s.crt", names[i]);
		unlinkat(dirfd_, path, 0);
		snprintf(path, sizeof(path), "%s.key", names[i]);
		unlinkat(dirfd_, path, 0);
	}
}

static int
setup(void **state)
{
	(void)state;
	write_pair("default", ec, ec, true);
	write_pair("rsa", rsa, rsa, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	remove_all();
	return 0;
}

static uint32_t
number_of(struct keyring *r, bool is_default)
{
	struct keyring_entry e;

	for (size_t i = 0; i < keyring_count(r); i++) {
		keyring_get(r, i, &e);
		if (e.is_default == is_default)
			return e.key;
	}
	fail();
	return 0;
}

/* --- keyring ------------------------------------------------------------------------------------
 */

static void
test_load(void **state)
{
	struct keyring *r, *again;
	FILE *f;

	(void)state;
	write_pair("small", small, small, false);
	write_pair("wrong", ec, rsa, false);
	write_pair("alone", ec, ec, false);
	unlinkat(dirfd_, "alone.key", 0);
	write_pair(".hidden", ec, ec, false);
	f = create("junk.crt");
	fputs("-----BEGIN CERTIFICATE-----\nnonsense\n", f);
	fclose(f);
	f = create("big.crt");
	for (int i = 0; i < KEYRING_FILE_MAX; i++)
		fputs("x\n", f);
	fclose(f);
	r = keyring_load(dirfd_);
	again = keyring_load(dirfd_);
	assert_int_equal(keyring_count(r), 2);
	assert_int_equal(number_of(r, true), number_of(again, true));
	assert_int_not_equal(number_of(r, true), number_of(r, false));
	/* A private key in a .crt file stays here. */
	for (size_t i = 0; i < 2; i++) {
		struct keyring_entry e;

		keyring_get(r, i, &e);
		assert_true(str_find_nocase(e.chain, STR("BEGIN CERTIFICATE")) >= 0);
		assert_true(str_find_nocase(e.chain, STR("PRIVATE")) < 0);
	}
	keyring_free(&r);
	keyring_free(&again);
}

static bool
verifies(EVP_PKEY *key, int padding, const EVP_MD *md, const uint8_t *digest, size_t digest_n,
    const uint8_t *sig, size_t n)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool ok =
	    EVP_PKEY_verify_init(ctx) == 1 &&
	    (padding == KEY_PADDING_NONE ||
		EVP_PKEY_CTX_set_rsa_padding(ctx,
		    padding == KEY_PADDING_PSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1) &&
	    EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 &&
	    (padding != KEY_PADDING_PSS ||
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1) &&
	    EVP_PKEY_verify(ctx, sig, n, digest, digest_n) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static void
test_sign(void **state)
{
	static const struct {
		unsigned number;
		enum key_type type;
		enum key_padding padding;
		const char *hash;
		size_t length;
	} rows[] = {
#define X(name, number, type, padding, hash, length) \
	{ number, KEY_TYPE_##type, KEY_PADDING_##padding, hash, length },
		KEY_ALGORITHMS(X)
#undef X
	};
	struct keyring *r = keyring_load(dirfd_);
	uint8_t digest[128] = { 1, 2, 3 }, sig[KEY_SIGNATURE_MAX];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_ec = rows[i].type == KEY_TYPE_EC;
		uint32_t mine = number_of(r, is_ec), other = number_of(r, !is_ec);

		assert_int_equal(keyring_sign(r, mine, rows[i].number,
				     str_from(digest, rows[i].length), sig, &n),
		    KEYRING_OK);
		assert_true(verifies(is_ec ? ec : rsa, (int)rows[i].padding,
		    EVP_get_digestbyname(rows[i].hash), digest, rows[i].length, sig, n));
		assert_int_equal(keyring_sign(r, other, rows[i].number,
				     str_from(digest, rows[i].length), sig, &n),
		    KEYRING_INVALID);
		for (size_t length = 0; length <= KEY_DIGEST_MAX; length++)
			if (length != rows[i].length)
				assert_int_equal(keyring_sign(r, mine, rows[i].number,
						     str_from(digest, length), sig, &n),
				    KEYRING_INVALID);
	}
	assert_int_equal(keyring_sign(r, number_of(r, true) + 1, 1, str_from(digest, 32), sig, &n),
	    KEYRING_UNKNOWN);
	for (unsigned a = 0; a < 256; a++)
		if (a == 0 || a > sizeof(rows) / sizeof(rows[0]))
			assert_int_equal(
			    keyring_sign(r, number_of(r, true), a, str_from(digest, 32), sig, &n),
			    KEYRING_INVALID);
	keyring_free(&r);
}

/* --- server -------------------------------------------------------------------------------------
 */

struct fixture {
	pid_t pid;
	int smtpd, smtpd2, imapd;
};

static struct keys_server *server;

static void
reload(void *arg)
{
	(void)arg;
	keys_server_reload(server);
}

static int
server_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int a[2], b[2], c[2];

	setup(state);
	assert_int_equal(ipc_pair(a) + ipc_pair(b) + ipc_pair(c), 0);
	f->pid = fork();
	if (f->pid == 0) {
		struct io_loop *loop = io_loop_new();

		close(a[0]);
		close(b[0]);
		close(c[0]);
		server = keys_server_new(loop, dirfd_);
		keys_server_add(server, "smtpd", a[1]);
		keys_server_add(server, "smtpd", b[1]);
		keys_server_add(server, "imapd", c[1]);
		io_signal_new(loop, SIGHUP, reload, NULL);
		io_loop_run(loop);
		_exit(0);
	}
	close(a[1]);
	close(b[1]);
	close(c[1]);
	f->smtpd = a[0];
	f->smtpd2 = b[0];
	f->imapd = c[0];
	*state = f;
	return 0;
}

static int
server_teardown(void **state)
{
	struct fixture *f = *state;

	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	close(f->smtpd);
	close(f->smtpd2);
	close(f->imapd);
	free(f);
	return teardown(state);
}

/* The number of the key with the given flag, from the list. */
static uint32_t
ask_list(int sock, bool is_default, int *count)
{
	enum ipc_type got;
	union ipc_any m;
	struct buf storage;
	uint32_t key = 0;
	int fd, r;

	buf_init(&storage, 1 << 18);
	*count = 0;
	r = ipc_call(sock, IPC_CH_keys, IPC_key_list, 7, &(struct ipc_key_list){ 0 }, &storage,
	    &got, &m, &fd, 2000);
	for (;;) {
		assert_int_equal(r, 0);
		assert_int_equal(got, IPC_key_info);
		*count += m.key_info.chain.n > 0;
		if (m.key_info.is_default == is_default)
			key = m.key_info.key;
		if (m.key_info.last)
			break;
		r = ipc_call_more(sock, IPC_CH_keys, 7, &storage, &got, &m, &fd, 2000);
	}
	buf_free(&storage);
	return key;
}

/* -1, or the result. */
static int
ask_sign(int sock, uint32_t key, uint8_t algorithm, size_t length)
{
	static const char digest[KEY_DIGEST_MAX];
	struct ipc_key_sign ask = {
		.key = key, .algorithm = algorithm, .digest = str_from(digest, length)
	};
	enum ipc_type got;
	union ipc_any m;
	struct buf storage;
	int fd, r;

	buf_init(&storage, 1 << 18);
	r = ipc_call(sock, IPC_CH_keys, IPC_key_sign, 9, &ask, &storage, &got, &m, &fd, 2000);
	if (r == 0 && got == IPC_key_signature) {
		r = m.key_signature.result;
		assert_int_equal(m.key_signature.signature.n > 0, r == IPC_OK);
	}
	buf_free(&storage);
	return r;
}

static void
ask_tickets(int sock, uint8_t out[160])
{
	enum ipc_type got;
	union ipc_any m;
	struct buf storage;
	int fd;

	buf_init(&storage, 1 << 18);
	assert_int_equal(ipc_call(sock, IPC_CH_keys, IPC_ticket_keys, 3,
			     &(struct ipc_ticket_keys){ 0 }, &storage, &got, &m, &fd, 2000),
	    0);
	assert_int_equal(got, IPC_ticket_keys_are);
	assert_int_equal(m.ticket_keys_are.current.n, 80);
	assert_int_equal(m.ticket_keys_are.previous.n, 80);
	memcpy(out, m.ticket_keys_are.current.p, 80);
	memcpy(out + 80, m.ticket_keys_are.previous.p, 80);
	buf_free(&storage);
}

static void
test_requests(void **state)
{
	struct fixture *f = *state;
	int n;
	uint32_t key = ask_list(f->smtpd, true, &n);

	assert_int_equal(n, 2);
	assert_int_equal(ask_sign(f->smtpd, key, KEY_ECDSA_SHA256, 32), IPC_OK);
	assert_int_equal(ask_sign(f->smtpd, key, KEY_ECDSA_SHA256, 31), IPC_INVALID);
	assert_int_equal(ask_sign(f->smtpd, key, KEY_ECDSA_SHA256, 64), IPC_INVALID);
	assert_int_equal(ask_sign(f->smtpd, key, KEY_ECDSA_SHA256, 0), IPC_INVALID);
	assert_int_equal(ask_sign(f->smtpd, key, KEY_RSA_PSS_SHA256, 32), IPC_INVALID);
	assert_int_equal(ask_sign(f->smtpd, key, 200, 32), IPC_INVALID);
	assert_int_equal(ask_sign(f->smtpd, key ^ 1, KEY_ECDSA_SHA256, 32), IPC_NO);
	/* None of that cost the channel. */
	assert_int_equal(ask_sign(f->smtpd, key, KEY_ECDSA_SHA256, 32), IPC_OK);
	key = ask_list(f->smtpd, false, &n);
	assert_int_equal(ask_sign(f->imapd, key, KEY_RSA_PSS_SHA256, 32), IPC_OK);
}

static void
test_tickets(void **state)
{
	struct fixture *f = *state;
	uint8_t a[160], b[160], c[160];

	ask_tickets(f->smtpd, a);
	ask_tickets(f->smtpd2, b);
	ask_tickets(f->imapd, c);
	/* One service, one key; nothing in common with another's. */
	assert_memory_equal(a, b, 160);
	assert_memory_not_equal(a, c, 16);
	assert_memory_not_equal(a + 80, c + 80, 16);
	assert_memory_not_equal(a, a + 80, 16);
}

static bool
is_cut(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	char tmp[65536];
	ssize_t n;

	for (;;) {
		if (poll(&p, 1, 3000) != 1)
			return false;
		n = recv(sock, tmp, sizeof(tmp), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
	}
}

/* Rubbish on one channel costs that channel only. */
static void
test_malformed(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[40];
		size_t n;
	} rows[] = {
		{ "zeros", { 0 }, 40 },
		{ "huge length", { 0xff, 0xff, 0xff, 0x7f, IPC_key_sign }, 16 },
		{ "trailing bytes",
		    { 3, 0, 0, 0, IPC_key_list, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3 }, 19 },
		{ "short request",
		    { 2, 0, 0, 0, IPC_key_sign, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2 }, 18 },
		{ "our own answer", { 0, 0, 0, 0, IPC_key_changed }, 16 },
		{ "another channel", { 0, 0, 0, 0, IPC_auth_cancel }, 16 },
	};
	int n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f;

		if (i > 0)
			server_setup(state);
		f = *state;
		assert_int_equal(send(f->smtpd, rows[i].bytes, rows[i].n, 0), rows[i].n);
		if (!is_cut(f->smtpd))
			fail_msg("%s: not cut off", rows[i].what);
		assert_int_equal(
		    ask_sign(f->imapd, ask_list(f->imapd, true, &n), KEY_ECDSA_SHA256, 32), IPC_OK);
		if (i + 1 < sizeof(rows) / sizeof(rows[0]))
			server_teardown(state);
	}
}

static void
test_flood(void **state)
{
	struct fixture *f = *state;
	struct ipc_key_sign ask = { .algorithm = KEY_RSA_PSS_SHA256 };
	char digest[32] = { 0 };
	struct buf out;
	int n;

	ask.key = ask_list(f->smtpd, false, &n);
	ask.digest = str_from(digest, 32);
	buf_init(&out, 1 << 20);
	for (uint64_t i = 0; i < 1000; i++)
		ipc_encode(&out, IPC_key_sign, i, &ask);
	send(f->smtpd, buf_data(&out), buf_len(&out), MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_free(&out);
	/* Another client is served before the flood could be worked off (a second of RSA). */
	assert_int_equal(ask_sign(f->imapd, ask.key, KEY_RSA_PSS_SHA256, 32), IPC_OK);
	assert_true(is_cut(f->smtpd));
	assert_int_equal(ask_sign(f->smtpd2, ask.key, KEY_RSA_PSS_SHA256, 32), IPC_OK);
}

static void
test_reload(void **state)
{
	struct fixture *f = *state;
	uint8_t header[IPC_HEADER];
	int n;
	uint32_t before = ask_list(f->imapd, true, &n), after;

	write_pair("default", rsa, rsa, false);
	kill(f->pid, SIGHUP);
	assert_int_equal(recv(f->imapd, header, sizeof(header), MSG_WAITALL), IPC_HEADER);
	assert_int_equal(header[4], IPC_key_changed);
	after = ask_list(f->imapd, true, &n);
	assert_int_not_equal(before, after);
	/* Without any usable key the old ones stay. */
	remove_all();
	kill(f->pid, SIGHUP);
	assert_int_equal(ask_list(f->imapd, true, &n), after);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define S(name) cmocka_unit_test_setup_teardown(name, server_setup, server_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_load),
		T(test_sign),
		S(test_requests),
		S(test_tickets),
		S(test_malformed),
		S(test_flood),
		S(test_reload),
	};
	int r;

	keyring_preload();
	ec = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	small = EVP_RSA_gen(1024);
	if (mkdtemp(dir) == NULL || (dirfd_ = open(dir, O_RDONLY | O_DIRECTORY)) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	remove_all();
	rmdir(dir);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(small);
	return r;
}
