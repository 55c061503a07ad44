/* SPDX-License-Identifier: ISC */
/*
 * lib/dkim and lib/arc from a command line, for second opinions and measurements:
 *
 *	dkim_tool verify        many files of lib/dkim/test_vector.h on standard input, each behind its
 *	                        size in a line; prints "CODES ARC REASON" for each
 *	dkim_tool sign ALGORITHM HEADER BODY DOMAIN SELECTOR KEY TIME
 *	                        a message on standard input, the signed one on standard output; KEY: PEM
 *	dkim_tool time BYTES ROUNDS
 *	                        one RSA signature and a body of so many bytes, verified again and again,
 *	                        beside SHA-256 over the same bytes and one check of the signature
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arc/arc.h"
#include "base/xalloc.h"
#include "dkim/test_vector.h"
#include "mail/decode.h"

enum { PIECE = 65536, INPUT_MAX = 256 << 20 };

static struct vector vector;

static void
die(const char *why)
{
	fprintf(stderr, "dkim_tool: %s\n", why);
	exit(1);
}

/* --- verify ----------------------------------------------------------------------------------- */

static void
verify_one(struct str file)
{
	struct dkim_message *m = dkim_message_new(0);
	static struct dkim_result r;
	static struct arc_result a;
	char codes[256];

	vector_open(&vector, file);
	dkim_message_write(m, vector.message.p, vector.message.n);
	dkim_message_end(m);
	while (dkim_check(m, vector.now, &vector.facts, &r) == DKIM_NEED)
		for (size_t i = 0; i < r.question_count; i++)
			if (!vector_answer(&vector, &r.questions[i]))
				die("too many questions");
	while (arc_check(m, vector.now, &vector.facts, &a) == ARC_NEED)
		for (size_t i = 0; i < a.question_count; i++)
			if (!vector_answer(&vector, &a.questions[i]))
				die("too many questions");
	vector_codes(&r, codes);
	printf("%s %s %s\n", codes, arc_code_word(a.code),
	    r.count > 0 ? r.signatures[0].reason : a.reason);
	fflush(stdout);
	vector_close(&vector);
	dkim_message_free(&m);
}

static int
verify(void)
{
	char line[32];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		size_t n = strtoul(line, NULL, 10);
		char *file;

		if (n == 0 || n > INPUT_MAX)
			die("no size");
		file = xmalloc(n);
		if (fread(file, 1, n, stdin) != n)
			die("the input is cut off");
		verify_one(str_from(file, n));
		free(file);
	}
	return 0;
}

/* --- sign ------------------------------------------------------------------------------------- */

static size_t
raw_sign(EVP_PKEY *key, bool rsa, const uint8_t *digest, uint8_t *out, size_t size)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t n = size;
	bool ok;

	if (rsa)
		ok = EVP_PKEY_sign_init(ctx) == 1 &&
		     EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
		     EVP_PKEY_sign(ctx, out, &n, digest, DKIM_DIGEST_SIZE) == 1;
	else
		ok = EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
		     EVP_DigestSign(md, out, &n, digest, DKIM_DIGEST_SIZE) == 1;
	if (!ok)
		die("the key does not sign");
	EVP_MD_CTX_free(md);
	EVP_PKEY_CTX_free(ctx);
	return n;
}

static void
make_field(struct dkim_message *m, const struct dkim_sign *s, EVP_PKEY *key, struct buf *field)
{
	uint8_t digest[DKIM_DIGEST_SIZE], signature[2048];
	size_t n;

	if (dkim_sign_begin(m, s, field, digest) != 0)
		die("nothing to sign");
	n = raw_sign(key, s->algorithm == DKIM_RSA_SHA256, digest, signature, sizeof(signature));
	if (dkim_sign_finish(field, signature, n) != 0)
		die("the field is too long");
}

static int
sign(char **argv)
{
	struct dkim_message *m = dkim_message_new(DKIM_SIGN_SIMPLE | DKIM_SIGN_RELAXED);
	struct dkim_sign s = { .domain = str_of(argv[3]),
		.selector = str_of(argv[4]),
		.algorithm =
		    strcmp(argv[0], "rsa-sha256") == 0 ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256,
		.header_canon = strcmp(argv[1], "relaxed") == 0 ? DKIM_RELAXED : DKIM_SIMPLE,
		.body_canon = strcmp(argv[2], "relaxed") == 0 ? DKIM_RELAXED : DKIM_SIMPLE,
		.time = atoll(argv[6]) };
	FILE *f = fopen(argv[5], "r");
	EVP_PKEY *key = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	struct buf message, field;
	uint8_t *p;
	size_t n;

	if (key == NULL)
		die("no key");
	fclose(f);
	buf_init(&message, INPUT_MAX);
	buf_init(&field, DKIM_FIELD_MAX);
	while ((p = buf_reserve(&message, PIECE)) != NULL && (n = fread(p, 1, PIECE, stdin)) > 0) {
		dkim_message_write(m, p, n);
		buf_commit(&message, n);
	}
	dkim_message_end(m);
	make_field(m, &s, key, &field);
	fwrite(buf_data(&field), 1, buf_len(&field), stdout);
	fwrite(buf_data(&message), 1, buf_len(&message), stdout);
	EVP_PKEY_free(key);
	buf_free(&field);
	buf_free(&message);
	dkim_message_free(&m);
	return 0;
}

/* --- time ------------------------------------------------------------------------------------- */

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Header, then words in lines of 76 characters, or lines of base64. */
static void
fill(struct buf *out, size_t bytes, bool text)
{
	static const char words[] = "Words of a letter with their spaces, as people "
				    "write them to each other, some";
	static const char base64[] = "SGVsbG8gd29ybGQsIHRoaXMgaXMgYSBsaW5lIG9mIGJhc2U2NCB"
				     "hcyBpbiBhdHRhY2htZW50cyBv";

	buf_puts(out, "From: Author <author@example.com>\r\nTo: reader@example.net\r\n"
		      "Subject: a measurement\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\n"
		      "Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
		      "Content-Type: text/plain\r\n\r\n");
	while (buf_len(out) < bytes)
		buf_printf(out, "%.76s\r\n", text ? words : base64);
}

static void
feed(struct dkim_message *m, const struct buf *field, const struct buf *message)
{
	const uint8_t *p = buf_data(message);

	if (field != NULL)
		dkim_message_write(m, buf_data(field), buf_len(field));
	for (size_t at = 0; at < buf_len(message); at += PIECE)
		dkim_message_write(
		    m, p + at, buf_len(message) - at < PIECE ? buf_len(message) - at : PIECE);
	dkim_message_end(m);
}

static double
time_verify(const struct buf *field, const struct buf *message)
{
	static struct dkim_result r;
	double began = now_us();
	struct dkim_message *m = dkim_message_new(0);

	feed(m, field, message);
	while (dkim_check(m, 1, &vector.facts, &r) == DKIM_NEED)
		vector_answer(&vector, &r.questions[0]);
	dkim_message_free(&m);
	if (r.code != DKIM_PASS)
		die(r.signatures[0].reason);
	return now_us() - began;
}

/* Each message is signed once. */
static double
time_openssl(EVP_PKEY *key, const struct buf *message)
{
	static uint8_t signature[512], digest[DKIM_DIGEST_SIZE];
	static const struct buf *last;
	static size_t n;
	double began;
	unsigned length;
	EVP_PKEY_CTX *ctx;

	if (last != message) {
		last = message;
		EVP_Digest(
		    buf_data(message), buf_len(message), digest, &length, EVP_sha256(), NULL);
		n = raw_sign(key, true, digest, signature, sizeof(signature));
	}
	began = now_us();
	EVP_Digest(buf_data(message), buf_len(message), digest, &length, EVP_sha256(), NULL);
	ctx = EVP_PKEY_CTX_new(key, NULL);
	if (EVP_PKEY_verify_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1 ||
	    EVP_PKEY_verify(ctx, signature, n, digest, sizeof(digest)) != 1)
		die("OpenSSL refuses its own signature");
	EVP_PKEY_CTX_free(ctx);
	return now_us() - began;
}

static void
zone_of(EVP_PKEY *key, struct buf *zone)
{
	uint8_t *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	char text[2048];

	text[mail_base64_encode(der, (size_t)n, text)] = '\0';
	buf_printf(zone, "1 pass\ns._domainkey.example.com v=DKIM1; k=rsa; p=%s\n\n", text);
	OPENSSL_free(der);
}

/* The quickest round counts: other programs only make the others slower. */
static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(EVP_PKEY *key, size_t bytes, int rounds, bool text, enum dkim_canon canon)
{
	struct dkim_sign s = { STR("example.com"), STR("s"), DKIM_RSA_SHA256, DKIM_RELAXED, canon,
		1, 0 };
	struct dkim_message *m = dkim_message_new(DKIM_SIGN_SIMPLE | DKIM_SIGN_RELAXED);
	double *ours = xcalloc((size_t)rounds, sizeof(*ours));
	double *theirs = xcalloc((size_t)rounds, sizeof(*theirs));
	static struct buf messages[8], *next = messages;
	struct buf *message = next++, field, zone;

	buf_init(message, INPUT_MAX);
	buf_init(&field, DKIM_FIELD_MAX);
	buf_init(&zone, 8192);
	fill(message, bytes, text);
	feed(m, NULL, message);
	make_field(m, &s, key, &field);
	zone_of(key, &zone);
	vector_open(&vector, str_from(buf_data(&zone), buf_len(&zone)));
	for (int i = 0; i < rounds; i++) {
		ours[i] = time_verify(&field, message);
		theirs[i] = time_openssl(key, message);
	}
	qsort(ours, (size_t)rounds, sizeof(*ours), compare);
	qsort(theirs, (size_t)rounds, sizeof(*theirs), compare);
	printf("%s %s bytes %zu verify_us %.1f openssl_us %.1f share %.1f\n",
	    canon == DKIM_RELAXED ? "relaxed" : "simple", text ? "text" : "base64", bytes, ours[0],
	    theirs[0], 100 * theirs[0] / ours[0]);
	vector_close(&vector);
	buf_free(&zone);
	buf_free(&field);
	buf_free(message);
	free(theirs);
	free(ours);
	dkim_message_free(&m);
}

static int
measure_all(size_t bytes, int rounds)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);

	if (key == NULL || bytes == 0 || bytes > INPUT_MAX / 2 || rounds < 1)
		die("usage: dkim_tool time BYTES ROUNDS");
	measure(key, bytes, rounds, true, DKIM_RELAXED);
	measure(key, bytes, rounds, false, DKIM_RELAXED);
	measure(key, bytes, rounds, true, DKIM_SIMPLE);
	EVP_PKEY_free(key);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "verify") == 0)
		return verify();
	if (argc == 9 && strcmp(argv[1], "sign") == 0)
		return sign(argv + 2);
	if (argc == 4 && strcmp(argv[1], "time") == 0)
		return measure_all(strtoul(argv[2], NULL, 10), atoi(argv[3]));
	die("usage: dkim_tool verify | sign ... | time BYTES ROUNDS");
}
