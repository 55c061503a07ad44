/* SPDX-License-Identifier: ISC */
/* DKIM: cases written from rfc6376, rfc8301, rfc8463 and rfc8616; canonical forms; the fixed vectors of
 * tests/corpus/dkim, cut at many places. */
#include "dkim/test_sign.h"

#include <dirent.h>

#include "dkim/test_vector.h"

#define HEADER "From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: hello\r\n"
#define BODY "one\r\ntwo  words \r\n"
#define START "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s; "
#define REST "h=from:to:subject; bh=" TEST_BH "; b=" TEST_B
#define WITH(tags) START tags REST
#define KEY "v=DKIM1; p=%R"

enum { NOW = 1800000000 };

/* NULL in tags, header, body, key: as above. find is replaced in the signed message. */
struct row {
	const char *title, *tags, *header, *body, *find, *by, *key;
	enum dkim_code code;
	const char *reason;
};

#define TAGS(title, tags, code, reason) \
	{ \
		title, tags, NULL, NULL, NULL, NULL, NULL, code, reason \
	}
#define CHANGE(title, tags, find, by, code, reason) \
	{ \
		title, tags, NULL, NULL, find, by, NULL, code, reason \
	}
#define RECORD(title, key, code, reason) \
	{ \
		title, NULL, NULL, NULL, NULL, NULL, key, code, reason \
	}
#define BOTH(title, tags, key, code, reason) \
	{ \
		title, tags, NULL, NULL, NULL, NULL, key, code, reason \
	}

static const struct row rows[] = {
#include "dkim/dkim_cases.h"
};

static struct vector vector;
static struct dkim_result result;

static void
verify(struct str message, size_t piece)
{
	struct dkim_message *m = dkim_message_new(0);

	for (size_t at = 0; at < message.n; at += piece)
		dkim_message_write(
		    m, message.p + at, message.n - at < piece ? message.n - at : piece);
	dkim_message_end(m);
	while (dkim_check(m, vector.now, &vector.facts, &result) == DKIM_NEED) {
		assert_true(result.question_count > 0);
		for (size_t i = 0; i < result.question_count; i++)
			assert_true(vector_answer(&vector, &result.questions[i]));
	}
	dkim_message_free(&m);
}

/* The key that fits: of Ed25519, or the first whose letter the record has. */
static const struct test_key *
signer(const struct row *r)
{
	if (r->tags != NULL && strstr(r->tags, "a=ed25519") != NULL)
		return test_key_of('E');
	for (const char *p = r->key != NULL ? r->key : KEY; (p = strchr(p, '%')) != NULL; p++)
		if (test_key_of(p[1]) != NULL && !test_key_of(p[1])->ed25519)
			return test_key_of(p[1]);
	return test_key_of('R');
}

/* "||" separates records. */
static void
put_zone(char *out, const char *records)
{
	static char text[TEST_TEXT];
	char *at = text;

	test_expand(records, text);
	for (char *end; at != NULL; at = end) {
		if ((end = strstr(at, "||")) != NULL) {
			*end = '\0';
			end += 2;
		}
		sprintf(out + strlen(out), "s._domainkey.example.com %s\n", at);
	}
}

static void
check_row(const struct row *r)
{
	static char field[TEST_TEXT], message[TEST_TEXT], file[2 * TEST_TEXT];
	static const size_t pieces[] = { TEST_TEXT, 1, 3, 64 };
	const char *key = r->key != NULL ? r->key : KEY;

	snprintf(
	    field, sizeof(field), "DKIM-Signature: %s\r\n", r->tags != NULL ? r->tags : WITH(""));
	snprintf(message, sizeof(message), "%s\r\n%s", r->header != NULL ? r->header : HEADER,
	    r->body != NULL ? r->body : BODY);
	test_sign_field(DKIM_KIND_DKIM, field, message, signer(r));
	strcat(field, message);
	if (r->find != NULL)
		test_replace(field, r->find, r->by);
	sprintf(file, "%d x\n", NOW);
	if (strcmp(key, "NXDOMAIN") != 0)
		put_zone(file, key);
	strcat(file, "\n");
	strcat(file, field);
	vector_open(&vector, str_of(file));
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		verify(vector.message, pieces[i]);
		assert_true(result.count >= 1);
		if (result.signatures[0].code != r->code ||
		    strstr(result.signatures[0].reason, r->reason) == NULL)
			fail_msg("%s: %s (%s), not %s (%s)", r->title,
			    dkim_code_word(result.signatures[0].code), result.signatures[0].reason,
			    dkim_code_word(r->code), r->reason);
	}
	vector_close(&vector);
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	print_message("#! %zu cases of DKIM\n", sizeof(rows) / sizeof(rows[0]));
	assert_true(sizeof(rows) / sizeof(rows[0]) >= 100);
}

/* --- canonical forms -------------------------------------------------------------------------- */

static const struct {
	enum dkim_canon canon;
	const char *in, *out;
} bodies[] = {
	{ DKIM_SIMPLE, "", "\r\n" },
	{ DKIM_SIMPLE, "\r\n", "\r\n" },
	{ DKIM_SIMPLE, "\r\n\r\n\r\n", "\r\n" },
	{ DKIM_SIMPLE, "a", "a\r\n" },
	{ DKIM_SIMPLE, "a\r\n\r\n", "a\r\n" },
	{ DKIM_SIMPLE, "a \t\r\n b\r\n", "a \t\r\n b\r\n" },
	{ DKIM_SIMPLE, "\r\n\r\na\r\n\r\nb\r\n\r\n", "\r\n\r\na\r\n\r\nb\r\n" },
	{ DKIM_SIMPLE, " \r\n\r\n", " \r\n" },
	{ DKIM_SIMPLE, "a\r", "a\r\r\n" },
	{ DKIM_SIMPLE, "a\rb\nc\r\n", "a\rb\nc\r\n" },
	{ DKIM_SIMPLE, "a\r\r\n\r\n", "a\r\r\n" },
	{ DKIM_SIMPLE, "a\n\r\n\r", "a\n\r\n\r\r\n" },
	{ DKIM_RELAXED, "", "" },
	{ DKIM_RELAXED, "\r\n\r\n", "" },
	{ DKIM_RELAXED, " \t\r\n\t\r\n", "" },
	{ DKIM_RELAXED, " ", "" },
	{ DKIM_RELAXED, "a", "a\r\n" },
	{ DKIM_RELAXED, "a \r\n", "a\r\n" },
	{ DKIM_RELAXED, "a \t ", "a\r\n" },
	{ DKIM_RELAXED, "a  b\t\tc \t d\r\n", "a b c d\r\n" },
	{ DKIM_RELAXED, "\ta\r\n  b\r\n", " a\r\n b\r\n" },
	{ DKIM_RELAXED, " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n" },
	{ DKIM_RELAXED, "a\r\n \t\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n" },
	{ DKIM_RELAXED, "a \t \r\nb", "a\r\nb\r\n" },
	{ DKIM_RELAXED, "a \rb\r\n", "a \rb\r\n" },
	{ DKIM_RELAXED, "a \t\r \r\n", "a \r\r\n" },
	{ DKIM_RELAXED, "a \n b\r\n", "a \n b\r\n" },
	{ DKIM_RELAXED, "a\r\n\r", "a\r\n\r\r\n" },
	{ DKIM_RELAXED, "\xc3\xa9 \xff\t\x80\r\n", "\xc3\xa9 \xff \x80\r\n" },
	{ DKIM_RELAXED, "a\r\n\t b\r\n\t \r\n \t", "a\r\n b\r\n" },
};

static void
body_digest(enum dkim_canon canon, const char *in, size_t n, size_t cut, uint8_t digest[32])
{
	struct dkim_body_hash h = { .canon = canon, .md = EVP_MD_CTX_new() };
	static struct dkim_body b;

	memset(&b, 0, sizeof(b));
	b.canon = canon;
	b.hashes[b.hashes_n++] = &h;
	EVP_DigestInit_ex(h.md, EVP_sha256(), NULL);
	dkim_body_write(&b, (const uint8_t *)in, cut);
	dkim_body_write(&b, (const uint8_t *)in + cut, n - cut);
	dkim_body_end(&b);
	memcpy(digest, h.digest, 32);
}

/* Behind a long run that takes the quick way, too, and at every cut. */
static void
test_bodies(void **state)
{
	static char in[4096], out[4096];
	uint8_t want[32], got[32];

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		for (size_t before = 0; before < 3000; before += 71 + before * 4) {
			memset(in, 'x', before);
			memset(out, 'x', before);
			strcpy(in + before, bodies[i].in);
			strcpy(out + before, bodies[i].out);
			if (before > 0 && bodies[i].out[0] == '\0')
				strcpy(out + before, "\r\n");
			if (before > 0 && strcmp(bodies[i].in, bodies[i].out) != 0 &&
			    strcmp(bodies[i].out, "\r\n") == 0)
				continue; /* an empty body: with something before it is none */
			EVP_Digest(out, strlen(out), want, NULL, EVP_sha256(), NULL);
			for (size_t cut = 0; cut <= strlen(in); cut++) {
				body_digest(bodies[i].canon, in, strlen(in), cut, got);
				if (memcmp(want, got, 32) != 0)
					fail_msg(
					    "body %zu, %zu before, cut at %zu", i, before, cut);
			}
		}
	}
}

static const struct {
	enum dkim_canon canon;
	const char *in, *name, *out;
} fields[] = {
	{ DKIM_SIMPLE, "A: X\r\n", "A", "A: X\r\n" },
	{ DKIM_SIMPLE, "A : X \r\n\ty\r\n", "A", "A : X \r\n\ty\r\n" },
	{ DKIM_RELAXED, "A: X\r\n", "A", "a:X\r\n" },
	{ DKIM_RELAXED, "SUBJect\t :\t a  b \t\r\n", "SUBJect", "subject:a b\r\n" },
	{ DKIM_RELAXED, "B : Y\t\r\n\tZ  \r\n", "B", "b:Y Z\r\n" },
	{ DKIM_RELAXED, "A:\r\n", "A", "a:\r\n" },
	{ DKIM_RELAXED, "A: \r\n \r\n\t\r\n", "A", "a:\r\n" },
	{ DKIM_RELAXED, "A:b\rc\r\n", "A", "a:b\rc\r\n" },
	{ DKIM_RELAXED, "A: b:c : d", "A", "a:b:c : d\r\n" },
	{ DKIM_RELAXED, "A: b\n c\n", "A", "a:b c\r\n" },
};

static void
test_fields(void **state)
{
	uint8_t want[32], got[32];
	struct dkim_hash h;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		EVP_Digest(fields[i].out, strlen(fields[i].out), want, NULL, EVP_sha256(), NULL);
		dkim_hash_open(&h);
		dkim_hash_field(&h, fields[i].canon, str_of(fields[i].in), str_of(fields[i].name),
		    (struct str){ NULL, 0 }, true);
		dkim_hash_close(&h, got);
		if (memcmp(want, got, 32) != 0)
			fail_msg("field %zu", i);
	}
}

/* --- vectors ---------------------------------------------------------------------------------- */

static size_t
load(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, size, f);
	fclose(f);
	assert_true(n > 0 && n < size);
	return n;
}

static void
test_vectors(void **state)
{
	static char file[TEST_TEXT];
	char path[512], codes[256];
	struct dirent *e;
	DIR *d = opendir("tests/corpus/dkim");
	int n = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strncmp(e->d_name, "odd-", 4) == 0)
			continue;
		snprintf(path, sizeof(path), "tests/corpus/dkim/%s", e->d_name);
		vector_open(&vector, str_from(file, load(path, file, sizeof(file))));
		for (size_t piece = 1; piece < 200; piece += 3) {
			verify(vector.message, piece);
			vector_codes(&result, codes);
			if (!str_eq(str_of(codes), vector.codes))
				fail_msg("%s: %s in pieces of %zu", e->d_name, codes, piece);
		}
		vector_close(&vector);
		n++;
	}
	closedir(d);
	assert_true(n >= 36);
}

/* --- what a table cannot say ------------------------------------------------------------------ */

static void
open_zone(void)
{
	static char file[TEST_TEXT];

	sprintf(file, "%d x\n", NOW);
	put_zone(file, KEY);
	strcat(file, "\n");
	vector_open(&vector, str_of(file));
}

static void
signed_message(const char *tags, char field[TEST_TEXT])
{
	snprintf(field, TEST_TEXT, "DKIM-Signature: %s\r\n", tags);
	test_sign_field(DKIM_KIND_DKIM, field, HEADER "\r\n" BODY, test_key_of('R'));
}

static void
test_many_signatures(void **state)
{
	static char field[TEST_TEXT], text[16 * TEST_TEXT];

	(void)state;
	signed_message(WITH(""), field);
	text[0] = '\0';
	for (int i = 0; i < DKIM_SIGNATURES_MAX + 3; i++)
		strcat(text, field);
	strcat(text, HEADER "\r\n" BODY);
	open_zone();
	verify(str_of(text), 1000);
	assert_int_equal(result.count, DKIM_SIGNATURES_MAX);
	assert_int_equal(result.ignored, 3);
	assert_int_equal(result.code, DKIM_PASS);
	assert_int_equal(vector.facts.n, 1); /* one question for all */
	vector_close(&vector);
}

static void
test_report(void **state)
{
	static char field[TEST_TEXT];
	const struct dkim_signature *s = &result.signatures[0];

	(void)state;
	signed_message(START "t=1700000000; x=1900000000; i=u@Sub.Example.com; "
			     "h=from:from:to:subject:date; bh=" TEST_BH "; b=" TEST_B,
	    field);
	strcat(field, HEADER "\r\n" BODY);
	open_zone();
	verify(str_of(field), 100);
	assert_int_equal(s->code, DKIM_PASS);
	assert_string_equal(s->domain, "example.com");
	assert_string_equal(s->selector, "s");
	assert_string_equal(s->identity, "u@Sub.Example.com");
	assert_int_equal(s->time, 1700000000);
	assert_int_equal(s->expiry, 1900000000);
	assert_int_equal(s->bits, 2048);
	assert_int_equal(strlen(s->shown), DKIM_SHOWN_MAX);
	assert_int_equal(s->covered,
	    1U << DKIM_W_FROM | 1U << DKIM_W_TO | 1U << DKIM_W_SUBJECT | 1U << DKIM_W_DATE);
	assert_int_equal(s->oversigned, 1U << DKIM_W_FROM | 1U << DKIM_W_DATE);
	vector_close(&vector);
}

/* Questions are named when the header is over, and the body may still come. */
static void
test_questions_early(void **state)
{
	struct dkim_message *m = dkim_message_new(0);
	static char field[TEST_TEXT];

	(void)state;
	signed_message(WITH(""), field);
	strcat(field, HEADER);
	open_zone();
	dkim_message_write(m, field, strlen(field));
	assert_int_equal(dkim_check(m, NOW, &vector.facts, &result), DKIM_NEED);
	assert_int_equal(result.question_count, 0);
	dkim_message_write(m, "\r\n", 2);
	assert_true(dkim_message_header_over(m));
	assert_int_equal(dkim_check(m, NOW, &vector.facts, &result), DKIM_NEED);
	assert_int_equal(result.question_count, 1);
	assert_true(vector_answer(&vector, &result.questions[0]));
	assert_int_equal(dkim_check(m, NOW, &vector.facts, &result), DKIM_NEED);
	assert_int_equal(result.question_count, 0);
	dkim_message_write(m, BODY, strlen(BODY));
	dkim_message_end(m);
	assert_int_equal(dkim_check(m, NOW, &vector.facts, &result), DKIM_DONE);
	assert_int_equal(result.code, DKIM_PASS);
	dkim_message_free(&m);
	vector_close(&vector);
}

static void
test_large_header(void **state)
{
	static char text[DKIM_HEADER_MAX + 1000];

	(void)state;
	open_zone();
	memset(text, 'x', sizeof(text));
	verify(str_from(text, sizeof(text)), 5000);
	assert_int_equal(result.code, DKIM_NONE);
	assert_string_equal(result.reason, "the header is too large");
	for (size_t i = 0; i + 4 < sizeof(text); i += 4)
		memcpy(text + i, "a:\r\n", 4);
	memcpy(text + 4 * (DKIM_FIELDS_MAX + 1), "\r\n", 2);
	verify(str_from(text, 100000), 5000);
	assert_string_equal(result.reason, "the header is too large");
	verify(str_from(text + 4, 100000), 5000);
	assert_string_equal(result.reason, "not signed");
	vector_close(&vector);
}

static struct str
sign_ours(struct buf *out, const struct dkim_sign *s, const char *message, int *rc)
{
	struct dkim_message *m = dkim_message_new(DKIM_SIGN_SIMPLE | DKIM_SIGN_RELAXED);
	uint8_t digest[DKIM_DIGEST_SIZE], bytes[512];
	char text[4096];
	size_t n = 0;

	dkim_message_write(m, message, strlen(message));
	dkim_message_end(m);
	*rc = dkim_sign_begin(m, s, out, digest);
	if (*rc == 0) {
		test_sign_digest(
		    test_key_of(s->algorithm == DKIM_RSA_SHA256 ? 'R' : 'E'), digest, text);
		assert_true(mail_base64_strict(str_of(text), bytes, &n));
		assert_int_equal(dkim_sign_finish(out, bytes, n), 0);
		assert_true(buf_len(out) < DKIM_FIELD_MAX);
		buf_puts(out, message);
	}
	dkim_message_free(&m);
	return str_from(buf_data(out), buf_len(out));
}

static void
test_signing(void **state)
{
	struct dkim_sign s = { STR("example.com"), STR("s"), DKIM_RSA_SHA256, DKIM_RELAXED,
		DKIM_SIMPLE, NOW, NOW + 9 };
	struct buf out;
	struct str text;
	int rc;

	(void)state;
	buf_init(&out, TEST_TEXT);
	open_zone();
	text = sign_ours(&out, &s, HEADER "\r\n" BODY, &rc);
	assert_int_equal(rc, 0);
	for (size_t at = 0, width = 0; at < text.n; at++) {
		width = text.p[at] == '\n' ? 0 : width + 1;
		assert_true(width < 100);
	}
	verify(text, 50);
	assert_int_equal(result.code, DKIM_PASS);
	assert_int_equal(result.signatures[0].covered, (1U << DKIM_W_MAX) - 1);
	assert_int_equal(result.signatures[0].oversigned, (1U << DKIM_W_MAX) - 1);
	/* Nothing people see can be added. */
	buf_clear(&out);
	sign_ours(&out, &s, HEADER "\r\n" BODY, &rc);
	{
		static char more[TEST_TEXT];

		snprintf(more, sizeof(more), "Cc: x@example.org\r\n%.*s", (int)buf_len(&out),
		    (const char *)buf_data(&out));
		verify(str_of(more), 50);
		assert_int_equal(result.code, DKIM_FAIL);
	}
	buf_clear(&out);
	sign_ours(&out, &s, "To: nobody\r\n\r\n", &rc);
	assert_int_equal(rc, DKIM_ERR_INPUT);
	s.domain = STR("example.com; l=0");
	sign_ours(&out, &s, HEADER "\r\n" BODY, &rc);
	assert_int_equal(rc, DKIM_ERR_INPUT);
	vector_close(&vector);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_many_signatures),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_questions_early),
		cmocka_unit_test(test_large_header),
		cmocka_unit_test(test_signing),
	};

	test_keys_make();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
