/* SPDX-License-Identifier: ISC */
#include "ca/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SERIAL_BYTES = 16, HOUR = 3600, DAY = 24 * HOUR, NAME_MAX_ = 253, CN_MAX = 64 };

struct extension {
	int nid;
	const char *value;
};

/* A name goes into an extension's text form: nothing but letters, digits, "-" and "." may. */
static int
is_host_name(const char *s)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

	return *s != '\0' && strlen(s) <= NAME_MAX_ && strspn(s, ok) == strlen(s);
}

static int
fail(char error[CA_ERROR_MAX], const char *what)
{
	unsigned long e = ERR_get_error();

	snprintf(error, CA_ERROR_MAX, "%s: %s", what,
	    e != 0 ? ERR_reason_error_string(e) : strerror(errno));
	ERR_clear_error();
	return CA_FAILED;
}

static int
set_serial(X509 *x)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *n;
	int ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, always as long */
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	return ok;
}

static int
add_extensions(X509 *x, X509 *issuer, const struct extension *e)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	for (; e->value != NULL; e++) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, e->nid, e->value);
		int ok = ext != NULL && X509_add_ext(x, ext, -1);

		X509_EXTENSION_free(ext);
		if (!ok)
			return 0;
	}
	return 1;
}

/* issuer NULL: signs itself. The start lies a day back: clocks differ. */
static X509 *
make_certificate(const char *cn, int days, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
    const struct extension *extensions)
{
	X509 *x = X509_new();
	X509_NAME *name = x != NULL ? X509_get_subject_name(x) : NULL;
	const unsigned char *text = (const unsigned char *)cn;

	if (x != NULL && X509_set_version(x, X509_VERSION_3) && set_serial(x) &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -DAY) &&
	    X509_gmtime_adj(X509_getm_notAfter(x), (long)(days - 1) * DAY) &&
	    X509_set_pubkey(x, key) &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0) &&
	    X509_set_issuer_name(x, issuer != NULL ? X509_get_subject_name(issuer) : name) &&
	    add_extensions(x, issuer != NULL ? issuer : x, extensions) &&
	    X509_sign(x, issuer_key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

static X509 *
make_ca(const char *domain, EVP_PKEY *key)
{
	static const struct extension ext[] = {
		{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
		{ NID_key_usage, "critical,keyCertSign,cRLSign" },
		{ NID_subject_key_identifier, "hash" },
		{ 0, NULL },
	};
	char cn[CN_MAX + 1];

	snprintf(cn, sizeof(cn), "%.44s mail server CA", domain);
	return make_certificate(cn, CA_DAYS, key, NULL, key, ext);
}

static X509 *
make_server(const char *hostname, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
	char san[NAME_MAX_ + 64], cn[CN_MAX + 1];
	const struct extension ext[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth" },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" },
		{ NID_subject_alt_name, san },
		{ 0, NULL },
	};

	snprintf(san, sizeof(san), "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", hostname);
	snprintf(cn, sizeof(cn), "%.64s", hostname);
	return make_certificate(cn, CA_SERVER_DAYS, key, ca, ca_key, ext);
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return fsync(fd);
}

/* Under another name, synced, then renamed: never half a file, never a moment too readable. */
static int
put_file(int dir, const char *name, mode_t mode, BIO *bio)
{
	char tmp[64];
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	int fd, ok;

	snprintf(tmp, sizeof(tmp), ".%s.new", name);
	unlinkat(dir, tmp, 0);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -1;
	ok = fchmod(fd, mode) == 0 && write_all(fd, p, (size_t)n) == 0;
	if (close(fd) != 0 || !ok || renameat(dir, tmp, dir, name) != 0 || fsync(dir) != 0) {
		unlinkat(dir, tmp, 0);
		return -1;
	}
	return 0;
}

static int
put_certificates(int dir, const char *name, mode_t mode, X509 *first, X509 *second)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int r = -1;

	if (bio != NULL && PEM_write_bio_X509(bio, first) &&
	    (second == NULL || PEM_write_bio_X509(bio, second)))
		r = put_file(dir, name, mode, bio);
	BIO_free(bio);
	return r;
}

static int
put_key(int dir, const char *name, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	int r = -1;

	if (bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		r = put_file(dir, name, 0600, bio);
	BIO_free(bio);
	return r;
}

static int
open_keys(int dirfd)
{
	if (mkdirat(dirfd, "keys", 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(dirfd, "keys", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
ca_create(int dirfd, const char *domain, const char *hostname, char error[CA_ERROR_MAX])
{
	EVP_PKEY *ca_key = NULL, *key = NULL;
	X509 *ca = NULL, *server = NULL;
	int keys = -1, r = CA_FAILED;

	error[0] = '\0';
	if (faccessat(dirfd, "ca.pem", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		snprintf(error, CA_ERROR_MAX, "ca.pem exists already");
		return CA_EXISTS;
	}
	if (!is_host_name(domain) || !is_host_name(hostname)) {
		snprintf(error, CA_ERROR_MAX, "not a host name in ASCII: %.200s",
		    is_host_name(domain) ? hostname : domain);
		return CA_FAILED;
	}
	if ((ca_key = EVP_EC_gen("P-256")) == NULL || (key = EVP_EC_gen("P-256")) == NULL ||
	    (ca = make_ca(domain, ca_key)) == NULL ||
	    (server = make_server(hostname, key, ca, ca_key)) == NULL)
		fail(error, "cannot make the certificates");
	else if ((keys = open_keys(dirfd)) < 0)
		fail(error, "cannot open the directory keys");
	/* ca.pem last: it tells that all is there. */
	else if (put_key(keys, "ca.key", ca_key) != 0 || put_key(keys, "default.key", key) != 0 ||
		 put_certificates(keys, "default.crt", 0600, server, ca) != 0 ||
		 put_certificates(dirfd, "ca.pem", 0644, ca, NULL) != 0)
		fail(error, "cannot write certificates and keys");
	else
		r = CA_OK;
	if (keys >= 0)
		close(keys);
	X509_free(server);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return r;
}
