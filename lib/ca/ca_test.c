/* SPDX-License-Identifier: ISC */
#include "ca/ca.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/ca_test.XXXXXX";
static int dirfd_;

static FILE *
open_file(const char *name, mode_t want)
{
	struct stat st;
	char path[256];

	assert_int_equal(fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, want);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return fopen(path, "r");
}

static X509 *
read_certificate(FILE *f)
{
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);

	assert_non_null(x);
	return x;
}

static int
verify(X509 *ca, X509 *leaf, const char *host)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int r;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(ctx), host, 0);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	r = X509_verify_cert(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return r;
}

static void
test_create(void **state)
{
	char error[CA_ERROR_MAX];
	FILE *f;
	X509 *ca, *leaf, *second;
	EVP_PKEY *key;

	(void)state;
	assert_int_equal(ca_create(dirfd_, "example.test", "mail.example.test", error), CA_OK);
	f = open_file("ca.pem", 0644);
	ca = read_certificate(f);
	fclose(f);
	f = open_file("keys/default.crt", 0600);
	leaf = read_certificate(f);
	second = read_certificate(f);
	fclose(f);
	assert_int_equal(X509_cmp(ca, second), 0);
	f = open_file("keys/default.key", 0600);
	key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	assert_int_equal(X509_check_private_key(leaf, key), 1);
	assert_int_equal(verify(ca, leaf, "mail.example.test"), 1);
	assert_int_equal(verify(ca, leaf, "localhost"), 1);
	assert_int_equal(verify(ca, leaf, "other.example.test"), 0);
	fclose(open_file("keys/ca.key", 0600));
	assert_int_equal(ca_create(dirfd_, "example.test", "x.example.test", error), CA_EXISTS);
	X509_free(ca);
	X509_free(leaf);
	X509_free(second);
	EVP_PKEY_free(key);
}

static void
test_bad_names(void **state)
{
	static const char *const bad[] = { "", "a,DNS:b", "a b", "a\n", "\xc3\xa4.test" };
	char error[CA_ERROR_MAX];

	(void)state;
	unlinkat(dirfd_, "ca.pem", 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ca_create(dirfd_, "example.test", bad[i], error), CA_FAILED);
		assert_true(error[0] != '\0');
		assert_int_equal(ca_create(dirfd_, bad[i], "example.test", error), CA_FAILED);
	}
	assert_int_not_equal(faccessat(dirfd_, "ca.pem", F_OK, 0), 0);
}

int
main(void)
{
	static const char *const files[] = { "ca.pem", "keys/ca.key", "keys/default.crt",
		"keys/default.key" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_bad_names),
	};
	int r;

	if (mkdtemp(dir) == NULL || (dirfd_ = open(dir, O_RDONLY | O_DIRECTORY)) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < 4; i++)
		unlinkat(dirfd_, files[i], 0);
	unlinkat(dirfd_, "keys", AT_REMOVEDIR);
	rmdir(dir);
	return r;
}
