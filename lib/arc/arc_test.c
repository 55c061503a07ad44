/* SPDX-License-Identifier: ISC */
/* ARC: cases written from rfc8617, with chains sealed here; those that dkimpy sealed are in
 * tests/corpus/arc. */
#include "dkim/test_sign.h"

#include <dirent.h>

#include "arc/arc.h"
#include "dkim/test_vector.h"

#define HEADER "From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: hello\r\n"
#define BODY "one\r\ntwo  words \r\n"
#define AMS "ARC-Message-Signature: i=%u; "
#define AMS_ON "a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s; "
#define AMS_END "h=from:to:subject; bh=" TEST_BH "; b=" TEST_B "\r\n"
#define AS "ARC-Seal: i=%u; a=rsa-sha256; "
#define AS_END "d=example.com; s=s; b=" TEST_B "\r\n"

enum { NOW = 1800000000, HOPS = 51 };
enum { MANY_KEYS = 1, BELOW = 2 }; /* flags of a row */

struct row {
	const char *title;
	unsigned hops;
	/* One field of one hop is another: 'A'uthentication-Results, 'M'essage signature, 'S'eal. */
	unsigned at;
	char part;
	const char *text;
	unsigned skip;   /* a hop that is left out */
	unsigned append; /* the hop before which the body gets a line more */
	unsigned flags;
	const char *find, *by; /* afterwards */
	const char *key;       /* of selector t; NULL: a good one */
	enum arc_code code;
	const char *reason;
	unsigned failed, oldest;
};

static const struct row rows[] = {
#include "arc/arc_cases.h"
};

static char sets[HOPS + 1][3][4096]; /* seal, message signature, results */
static char message[8 * TEST_TEXT];
static struct vector vector;
static struct arc_result result;

static const char *
template_of(const struct row *r, unsigned hop, char part, const char *usual)
{
	return r->at == hop && r->part == part ? r->text : usual;
}

static const struct test_key *
signer(const char *field)
{
	return test_key_of(strstr(field, "ed25519") != NULL ? 'E' : '1');
}

/* The seal covers all sets so far from the lowest, itself at last (rfc8617:5.1.1). */
static void
seal(char field[TEST_TEXT], unsigned hop)
{
	uint8_t digest[DKIM_DIGEST_SIZE];
	struct mail_field f;
	struct dkim_parsed p;
	struct dkim_hash h;
	char text[4096];
	size_t off = 0;

	dkim_hash_open(&h);
	for (unsigned i = 1; i <= hop; i++) {
		for (int k = 2; k >= (i == hop ? 1 : 0); k--) {
			off = 0;
			if (mail_field_next(str_of(sets[i][k]), &off, &f))
				dkim_hash_field(
				    &h, DKIM_RELAXED, f.raw, f.name, (struct str){ NULL, 0 }, true);
		}
	}
	off = 0;
	if (!mail_field_next(str_of(field), &off, &f)) {
		dkim_hash_drop(&h);
		return;
	}
	dkim_signature_parse(DKIM_KIND_ARC_SEAL, &f, &p);
	dkim_hash_field(&h, DKIM_RELAXED, f.raw, f.name, p.hole, false);
	dkim_hash_close(&h, digest);
	test_sign_digest(signer(field), digest, text);
	if (strstr(field, TEST_B) != NULL)
		test_replace(field, TEST_B, text);
}

static void
print_field(char field[TEST_TEXT], const char *template, unsigned hop, unsigned flags)
{
	static char number[16], selector[32];

	strcpy(field, template);
	sprintf(number, "%u", hop);
	if (strstr(field, "%u") != NULL)
		test_replace(field, "%u", number);
	sprintf(selector, "s=s%u;", hop);
	if ((flags & MANY_KEYS) != 0 && strstr(field, "s=s;") != NULL)
		test_replace(field, "s=s;", selector);
}

static void
add_hop(const struct row *r, unsigned hop)
{
	static char field[TEST_TEXT], rest[8 * TEST_TEXT];
	char(*set)[4096] = sets[hop];

	print_field(field,
	    template_of(r, hop, 'A', "ARC-Authentication-Results: i=%u; mx.test; spf=pass\r\n"),
	    hop, r->flags);
	strcpy(set[2], field);
	print_field(field, template_of(r, hop, 'M', AMS AMS_ON AMS_END), hop, r->flags);
	if (field[0] != '\0')
		test_sign_field(DKIM_KIND_ARC_MESSAGE, field, message, signer(field));
	strcpy(set[1], field);
	print_field(field,
	    template_of(r, hop, 'S', hop == 1 ? AS "cv=none; " AS_END : AS "cv=pass; " AS_END), hop,
	    r->flags);
	seal(field, hop);
	strcpy(set[0], field);
	if (r->skip == hop)
		return;
	strcpy(rest, message);
	if ((r->flags & BELOW) != 0) {
		char *end = strstr(rest, "\r\n\r\n") + 2;

		sprintf(
		    message, "%.*s%s%s%s%s", (int)(end - rest), rest, set[2], set[0], set[1], end);
	} else {
		sprintf(message, "%s%s%s%s", set[0], set[1], set[2], rest);
	}
}

static void
verify(size_t piece)
{
	struct dkim_message *m = dkim_message_new(0);

	for (size_t at = 0; at < vector.message.n; at += piece)
		dkim_message_write(m, vector.message.p + at,
		    vector.message.n - at < piece ? vector.message.n - at : piece);
	dkim_message_end(m);
	while (arc_check(m, vector.now, &vector.facts, &result) == ARC_NEED) {
		assert_true(result.question_count > 0);
		for (size_t i = 0; i < result.question_count; i++)
			assert_true(vector_answer(&vector, &result.questions[i]));
	}
	dkim_message_free(&m);
}

static void
build(const struct row *r)
{
	strcpy(message, HEADER "\r\n" BODY);
	for (unsigned hop = 1; hop <= r->hops; hop++) {
		if (r->append == hop)
			strcat(message, "more\r\n");
		add_hop(r, hop);
	}
	if (r->find != NULL) {
		static char rest[8 * TEST_TEXT];
		char *at = strstr(message, r->find);

		assert_non_null(at);
		strcpy(rest, at + strlen(r->find));
		strcpy(at, r->by);
		strcat(at, rest);
	}
}

static void
check_row(const struct row *r)
{
	static char file[9 * TEST_TEXT], text[TEST_TEXT];
	static const size_t pieces[] = { sizeof(message), 1, 50 };

	build(r);
	test_expand("s._domainkey.example.com v=DKIM1; p=%1\n", text);
	sprintf(file, "%d x\n%s", NOW, text);
	if (r->key == NULL || strcmp(r->key, "NXDOMAIN") != 0) {
		test_expand(r->key != NULL ? r->key : "v=DKIM1; p=%1", text);
		sprintf(file + strlen(file), "t._domainkey.example.com %s\n", text);
	}
	sprintf(file + strlen(file), "\n%s", message);
	vector_open(&vector, str_of(file));
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		verify(pieces[i]);
		if (result.code != r->code || strstr(result.reason, r->reason) == NULL ||
		    result.failed != r->failed || result.oldest_pass != r->oldest)
			fail_msg("%s: %s (%s) at %u oldest %u", r->title,
			    arc_code_word(result.code), result.reason, result.failed,
			    result.oldest_pass);
	}
	vector_close(&vector);
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	print_message("#! %zu cases of ARC\n", sizeof(rows) / sizeof(rows[0]));
	assert_true(sizeof(rows) / sizeof(rows[0]) >= 40);
}

static void
test_report(void **state)
{
	static const struct row r = { .hops = 3 };
	struct dkim_message *m = dkim_message_new(0);
	static struct dns_facts none;
	char sealer[IDN_SIZE];

	(void)state;
	build(&r);
	assert_int_equal(arc_check(m, NOW, &none, &result), ARC_NEED);
	assert_int_equal(result.question_count, 0);
	dkim_message_write(m, message, strlen(message));
	assert_int_equal(arc_check(m, NOW, &none, &result), ARC_NEED);
	assert_int_equal(result.question_count, 1); /* one key for all, once */
	assert_string_equal(result.sealer, "example.com");
	assert_int_equal(result.sets, 3);
	assert_true(arc_sealer(m, 1, sealer) && strcmp(sealer, "example.com") == 0);
	assert_false(arc_sealer(m, 4, sealer));
	assert_false(arc_sealer(m, 0, sealer));
	dkim_message_free(&m);
}

static void
test_vectors(void **state)
{
	static char file[TEST_TEXT];
	char path[512];
	struct dirent *e;
	DIR *d = opendir("tests/corpus/arc");
	int n = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		FILE *f;
		size_t size;

		if (strncmp(e->d_name, "dkimpy-", 7) != 0)
			continue;
		snprintf(path, sizeof(path), "tests/corpus/arc/%s", e->d_name);
		assert_non_null(f = fopen(path, "rb"));
		size = fread(file, 1, sizeof(file), f);
		fclose(f);
		vector_open(&vector, str_from(file, size));
		for (size_t piece = 1; piece < 200; piece += 7) {
			verify(piece);
			if (!str_eq(str_of(arc_code_word(result.code)), vector.arc))
				fail_msg("%s: %s in pieces of %zu", e->d_name,
				    arc_code_word(result.code), piece);
		}
		vector_close(&vector);
		n++;
	}
	closedir(d);
	assert_true(n >= 15);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_vectors),
	};

	test_keys_make();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
