/* SPDX-License-Identifier: ISC */
/*
 * For tests only: a child process that plays keys, with certificates for a.test (the default),
 * b.test, rsa.test, and new.test in place of a.test when told to renew.
 */
#ifndef POSTERN_TLS_FAKE_KEYS_H
#define POSTERN_TLS_FAKE_KEYS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/frame.h"
#include "tls/key_algorithm.h"

enum { KEYS = 4, EC_A = 0, EC_B, RSA_C, EC_NEW };

static struct {
	EVP_PKEY *key;
	X509 *crt;
	char pem[16384];
} made[KEYS];

/* What the child does; shared with it. */
struct keys_mode {
	int stuck;   /* does not answer signature requests */
	int renewed; /* EC_NEW stands in EC_A's place */
	int notify;  /* sends key_changed once */
	int signs;   /* count */
};
static volatile struct keys_mode *mode;

static void
make(int i, EVP_PKEY *key, const char *host)
{
	X509 *x = X509_new();
	char san[128];
	BIO *bio = BIO_new(BIO_s_mem());
	X509_EXTENSION *e;
	int n;

	snprintf(san, sizeof(san), "DNS:%s", host);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), i + 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	if (X509_sign(x, key, EVP_sha256()) <= 0)
		abort();
	PEM_write_bio_X509(bio, x);
	n = BIO_read(bio, made[i].pem, sizeof(made[i].pem) - 1);
	if (n <= 0)
		abort();
	made[i].pem[n] = '\0';
	BIO_free(bio);
	made[i].key = key;
	made[i].crt = x;
}

/* --- the child -----------------------------------------------------------------------------------
 */

static void
reply(int fd, enum ipc_type type, uint64_t id, const void *m)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	ipc_encode(&out, type, id, m);
	if (ipc_send_fd(fd, buf_data(&out), buf_len(&out), -1, 0) < 0)
		_exit(1);
	buf_free(&out);
}

static void
reply_list(int fd, uint64_t id)
{
	int first = mode->renewed ? EC_NEW : EC_A;
	const int order[] = { EC_B, first, RSA_C };

	for (int i = 0; i < 3; i++) {
		struct ipc_key_info m = { .last = i == 2,
			.key = (uint32_t)order[i] + 100,
			.is_default = order[i] == first,
			.chain = str_of(made[order[i]].pem) };

		reply(fd, IPC_key_info, id, &m);
	}
}

static void
reply_signature(int fd, uint64_t id, const struct ipc_key_sign *ask)
{
	unsigned char sig[1024];
	size_t n = sizeof(sig);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(made[ask->key - 100].key, NULL);
	const char *hash = NULL;
	int padding = 0;

#define X(name, number, type, pad, md, length) \
	if (ask->algorithm == number && ask->digest.n == length) { \
		hash = md; \
		padding = KEY_PADDING_##pad; \
	}
	KEY_ALGORITHMS(X)
#undef X
	EVP_PKEY_sign_init(ctx);
	if (padding == KEY_PADDING_PSS) {
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
	}
	EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbyname(hash));
	if (EVP_PKEY_sign(ctx, sig, &n, (const unsigned char *)ask->digest.p, ask->digest.n) != 1)
		n = 0;
	EVP_PKEY_CTX_free(ctx);
	mode->signs++;
	reply(fd, IPC_key_signature, id,
	    &(struct ipc_key_signature){
		.result = n > 0 ? IPC_OK : IPC_INVALID, .signature = str_from(sig, n) });
}

static void
answer(int fd, const struct ipc_frame *f)
{
	static char current[80], previous[80];
	union ipc_any m;

	memset(current, 'c', sizeof(current));
	memset(previous, 'p', sizeof(previous));
	if (ipc_decode(f->type, f->payload, &m) < 0)
		_exit(1);
	if (f->type == IPC_key_list)
		reply_list(fd, f->id);
	else if (f->type == IPC_key_sign && !mode->stuck)
		reply_signature(fd, f->id, &m.key_sign);
	else if (f->type == IPC_ticket_keys)
		reply(fd, IPC_ticket_keys_are, f->id,
		    &(struct ipc_ticket_keys_are){
			.current = str_from(current, 80), .previous = str_from(previous, 80) });
}

static void
child_main(int fd)
{
	struct ipc_frame f;
	const char *why;
	struct buf in;
	int got;

	buf_init(&in, 1 << 16);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (mode->notify) {
			mode->notify = 0;
			reply(fd, IPC_key_changed, 0, &(struct ipc_key_changed){ 0 });
		}
		if (poll(&p, 1, 5) == 0)
			continue;
		n = ipc_recv_fd(fd, buf_reserve(&in, 4096), 4096, &got, 0);
		if (n <= 0)
			_exit(0);
		buf_commit(&in, (size_t)n);
		while (ipc_frame_peek(&in, IPC_CH_keys, IPC_CLIENT, &f, &why) == 1) {
			answer(fd, &f);
			buf_drain(&in, IPC_HEADER + f.payload.n);
		}
	}
}

static pid_t
spawn_keys(int *fd)
{
	int sv[2];
	pid_t pid;

	if (ipc_pair(sv) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		close(sv[0]);
		child_main(sv[1]);
	}
	close(sv[1]);
	*fd = sv[0];
	return pid;
}

/* Once, before anything else. */
static void
fake_keys_setup(void)
{
	mode = mmap(NULL, sizeof(*mode), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	make(EC_A, EVP_EC_gen("P-256"), "a.test");
	make(EC_B, EVP_EC_gen("P-256"), "b.test");
	make(RSA_C, EVP_RSA_gen(2048), "rsa.test");
	make(EC_NEW, EVP_EC_gen("P-256"), "new.test");
}

static void
fake_keys_teardown(void)
{
	for (int i = 0; i < KEYS; i++) {
		EVP_PKEY_free(made[i].key);
		X509_free(made[i].crt);
	}
}

#endif
