/* SPDX-License-Identifier: ISC */
/* Exchanges, the verifier's cache and its bounds: no channels, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth/exchange.h"
#include "auth/verify.h"

static unsigned checks;

static enum ipc_result
check(void *arg, struct str login, struct str password)
{
	checks++;
	if (arg)
		return IPC_TEMP;
	return str_eq_nocase(login, STR("alice@example.test")) && str_eq(password, STR("secret"))
		   ? IPC_OK
		   : IPC_NO;
}

static int
setup(void **state)
{
	struct buf why;

	(void)state;
	buf_init(&why, 256);
	setenv("SASL_CONF_PATH", "/nonexistent", 1);
	setenv("SASL_PATH", "/nonexistent", 1);
	if (sodium_init() < 0 || exchange_init(&why) != 0) {
		print_message("%.*s\n", (int)buf_len(&why), (const char *)buf_data(&why));
		return -1;
	}
	buf_free(&why);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	exchange_end();
	return 0;
}

struct step {
	const char *p;
	size_t n;
};
#define S(lit) \
	{ \
		lit, sizeof(lit) - 1 \
	}
#define GOOD "alice@example.test"

static void
test_exchanges(void **state)
{
	static const struct {
		const char *mechanism;
		bool initial;
		unsigned n;
		struct step step[3];
		const char *known;
		enum exchange_result want;
		const char *text; /* login, or the challenge */
	} cases[] = {
		/* PLAIN, rfc4616 */
		{ "PLAIN", true, 1, { S("\0" GOOD "\0secret") }, NULL, EXCHANGE_NEED, GOOD },
		{ "PLAIN", true, 1, { S("\0" GOOD "\0secret") }, GOOD, EXCHANGE_PROVEN, GOOD },
		{ "plain", true, 1, { S("\0" GOOD "\0secret") }, GOOD, EXCHANGE_PROVEN, GOOD },
		{ "PLAIN", false, 0, { S("") }, NULL, EXCHANGE_CHALLENGE, "" },
		{ "PLAIN", false, 1, { S("\0" GOOD "\0secret") }, GOOD, EXCHANGE_PROVEN, GOOD },
		{ "PLAIN", true, 1, { S(GOOD "\0" GOOD "\0secret") }, GOOD, EXCHANGE_PROVEN, GOOD },
		{ "PLAIN", true, 1, { S("bob@example.test\0" GOOD "\0secret") }, GOOD,
		    EXCHANGE_FAILED, GOOD },
		{ "PLAIN", true, 1, { S("\0" GOOD "\0wrong") }, GOOD, EXCHANGE_FAILED, GOOD },
		{ "PLAIN", true, 1, { S("\0" GOOD "\0secre") }, GOOD, EXCHANGE_FAILED, GOOD },
		{ "PLAIN", true, 1, { S("\0" GOOD "\0secrett") }, GOOD, EXCHANGE_FAILED, GOOD },
		/* another login than the verifier is for */
		{ "PLAIN", true, 1, { S("\0" GOOD "\0secret") }, "bob@example.test", EXCHANGE_TEMP,
		    GOOD },
		/* malformed: NULs missing or too many, empty parts */
		{ "PLAIN", true, 1, { S("") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S("\0") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S("\0\0") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S("\0\0secret") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S(GOOD "\0secret") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S("secret") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S("\0" GOOD "\0secret\0") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S("\0" GOOD "\0sec\0ret") }, GOOD, EXCHANGE_FAILED, "" },
		/* names that are trimmed or cut elsewhere */
		{ "PLAIN", true, 1, { S("\0" GOOD " \0secret") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S("\0 " GOOD "\0secret") }, GOOD, EXCHANGE_FAILED, "" },
		{ "PLAIN", true, 1, { S("\0a\nb\0secret") }, GOOD, EXCHANGE_FAILED, "" },
		/* input behind the end */
		{ "PLAIN", true, 2, { S("\0" GOOD "\0secret"), S("x") }, GOOD, EXCHANGE_FAILED,
		    GOOD },
		/* LOGIN */
		{ "LOGIN", false, 0, { S("") }, NULL, EXCHANGE_CHALLENGE, "Username:" },
		{ "LOGIN", false, 1, { S(GOOD) }, NULL, EXCHANGE_CHALLENGE, "Password:" },
		{ "LOGIN", false, 2, { S(GOOD), S("secret") }, NULL, EXCHANGE_NEED, GOOD },
		{ "LOGIN", false, 2, { S(GOOD), S("secret") }, GOOD, EXCHANGE_PROVEN, GOOD },
		{ "LOGIN", true, 2, { S(GOOD), S("secret") }, GOOD, EXCHANGE_PROVEN, GOOD },
		{ "LOGIN", false, 2, { S(GOOD), S("wrong") }, GOOD, EXCHANGE_FAILED, GOOD },
		{ "LOGIN", false, 2, { S(""), S("secret") }, GOOD, EXCHANGE_FAILED, "" },
		{ "LOGIN", false, 2, { S(GOOD), S("") }, GOOD, EXCHANGE_FAILED, NULL },
		/* others are not there, whatever the library could load */
		{ "ANONYMOUS", true, 1, { S("x") }, GOOD, EXCHANGE_FAILED, "" },
		{ "CRAM-MD5", false, 0, { S("") }, GOOD, EXCHANGE_FAILED, "" },
		{ "SCRAM-SHA-1", true, 1, { S("n,,n=a,r=b") }, GOOD, EXCHANGE_FAILED, "" },
		{ "SCRAM-SHA-256-", true, 1, { S("n,,n=a,r=b") }, GOOD, EXCHANGE_FAILED, "" },
		{ "EXTERNAL", true, 1, { S(GOOD) }, GOOD, EXCHANGE_FAILED, "" },
		{ "", false, 0, { S("") }, GOOD, EXCHANGE_FAILED, "" },
	};
	struct exchange_output out;

	(void)state;
	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exchange_input in = { .service = "imap",
			.hostname = "mail.example.test",
			.mechanism = cases[i].mechanism,
			.has_initial = cases[i].initial,
			.n = cases[i].n,
			.known = cases[i].known,
			.check = check };
		enum exchange_result got;
		const char *text;

		for (unsigned k = 0; k < in.n; k++)
			in.input[k] = str_from(cases[i].step[k].p, cases[i].step[k].n);
		checks = 0;
		got = exchange_run(&in, &out);
		if (got != cases[i].want)
			fail_msg("case %zu: got %d want %d", i, got, cases[i].want);
		assert_in_range(checks, 0, 1);
		if (got == EXCHANGE_NEED)
			assert_int_equal(checks, 0);
		assert_int_equal(buf_putc(&out.challenge, 0), 0);
		text =
		    got == EXCHANGE_CHALLENGE ? (const char *)buf_data(&out.challenge) : out.login;
		if (cases[i].text && strcmp(text, cases[i].text) != 0)
			fail_msg("case %zu: got \"%s\" want \"%s\"", i, text, cases[i].text);
	}
	buf_free(&out.challenge);
}

/* What others announce is what this knows. */
static void
test_announced(void **state)
{
	static const char *const names[] = {
#define SASL_MECHANISM(name, bound) name,
#include "scram/mechanisms.h"
#undef SASL_MECHANISM
	};
	struct exchange_output out;

	(void)state;
	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct exchange_input in = { .service = "smtp",
			.hostname = "mail.example.test",
			.mechanism = names[i],
			.check = check };

		if (exchange_run(&in, &out) != EXCHANGE_CHALLENGE)
			fail_msg("%s is not known", names[i]);
	}
	buf_free(&out.challenge);
}

static void
test_trouble(void **state)
{
	static const char message[] = "\0" GOOD "\0secret";
	struct exchange_input in = { .service = "imap",
		.hostname = "h",
		.mechanism = "PLAIN",
		.has_initial = true,
		.n = 1,
		.known = GOOD,
		.check = check,
		.arg = &checks };
	struct exchange_output out;
	char big[EXCHANGE_INPUT_MAX];

	(void)state;
	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	in.input[0] = str_from(message, sizeof(message) - 1);
	assert_int_equal(exchange_run(&in, &out), EXCHANGE_TEMP);
	/* as long as a message can be: no login, a huge login, a huge password */
	in.arg = NULL;
	memset(big, 'a', sizeof(big));
	in.input[0] = str_from(big, sizeof(big));
	assert_int_equal(exchange_run(&in, &out), EXCHANGE_FAILED);
	big[0] = big[sizeof(big) - 2] = 0;
	assert_int_equal(exchange_run(&in, &out), EXCHANGE_FAILED);
	assert_string_equal(out.login, "");
	memset(big, 'a', sizeof(big));
	memcpy(big, message, sizeof(message) - 1);
	assert_int_equal(exchange_run(&in, &out), EXCHANGE_FAILED);
	buf_free(&out.challenge);
}

/* T076: the client goes away at any step; nothing stays behind (the sanitizer build tells). */
static void
test_many(void **state)
{
	struct exchange_output out;

	(void)state;
	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	for (int i = 0; i < 3000; i++) {
		struct exchange_input in = { .service = "imap",
			.hostname = "h",
			.mechanism = i % 2 ? "LOGIN" : "PLAIN",
			.n = (unsigned)i % 3,
			.known = i % 5 ? GOOD : NULL,
			.check = check };

		in.input[0] = STR(GOOD);
		in.input[1] = i % 7 ? STR("secret") : STR("wrong");
		(void)exchange_run(&in, &out);
	}
	buf_free(&out.challenge);
}

/* ---- verify -----------------------------------------------------------------------------------
 */

static void
facts_for(struct verify_facts *f, const char *password, uint64_t generation)
{
	char text[crypto_pwhash_STRBYTES];

	assert_int_equal(crypto_pwhash_str(text, password, strlen(password), 1, 8 << 20), 0);
	memset(f, 0, sizeof(*f));
	f->result = IPC_OK;
	f->account = 7;
	f->generation = generation;
	strcpy(f->verifier, text);
}

static void
test_verify(void **state)
{
	struct verify *v = verify_new(16, 8 << 20, 1);
	struct verify_facts f, g;

	(void)state;
	facts_for(&f, "secret", 1);
	assert_int_equal(verify_password(v, &f, STR("a"), STR("secret"), 1000, 5000), IPC_OK);
	assert_int_equal(verify_hashes(v), 1);
	assert_int_equal(verify_password(v, &f, STR("a"), STR("secret"), 2000, 5000), IPC_OK);
	assert_int_equal(verify_hashes(v), 1);
	assert_int_equal(verify_cache_hits(v), 1);
	/* wrong ones are never remembered, nor taken for good ones */
	assert_int_equal(verify_password(v, &f, STR("a"), STR("secreT"), 2000, 5000), IPC_NO);
	assert_int_equal(verify_password(v, &f, STR("a"), STR("secreT"), 2000, 5000), IPC_NO);
	assert_int_equal(verify_hashes(v), 3);
	/* too old */
	assert_int_equal(verify_password(v, &f, STR("a"), STR("secret"), 6001, 5000), IPC_OK);
	assert_int_equal(verify_hashes(v), 4);
	/* T088: another user, another account, a new password: none gets this one's result */
	assert_int_equal(verify_password(v, &f, STR("b"), STR("secret"), 6002, 5000), IPC_OK);
	assert_int_equal(verify_hashes(v), 5);
	facts_for(&g, "other", 1);
	g.account = 8;
	assert_int_equal(verify_password(v, &g, STR("a"), STR("secret"), 6002, 5000), IPC_NO);
	facts_for(&g, "other", 2);
	assert_int_equal(verify_password(v, &g, STR("a"), STR("secret"), 6002, 5000), IPC_NO);
	g = f;
	g.result = IPC_SUSPENDED;
	assert_int_equal(verify_password(v, &g, STR("a"), STR("secret"), 6002, 5000), IPC_NO);
	g.result = IPC_NO;
	assert_int_equal(verify_password(v, &g, STR("a"), STR("secret"), 6002, 5000), IPC_NO);
	assert_int_equal(verify_hashes(v), 9);
	g.result = IPC_TEMP;
	assert_int_equal(verify_password(v, &g, STR("a"), STR("secret"), 6002, 5000), IPC_TEMP);
	verify_free(&v);
}

/* T087: a damaged verifier is our trouble, not a wrong password; and it cannot cost much. */
static void
test_damaged(void **state)
{
	static const char *const bad[] = { "", "x", "$argon2id$", "$argon2id$v=19$m=8192,t=1,p=1$",
		"$argon2id$v=19$m=8192,t=1,p=1$AAAA$", "$argon2i$v=19$m=8192,t=1,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=4194304,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=8192,t=4000000,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAAAAAAAAAAAAA",
		"plain:secret" };
	struct verify *v = verify_new(0, 8 << 20, 1);
	struct verify_facts f = { .result = IPC_OK, .account = 1 };
	char longest[VERIFY_PASSWORD_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(f.verifier, bad[i]);
		if (verify_password(v, &f, STR("a"), STR("secret"), 1, 1) != IPC_TEMP)
			fail_msg("verifier \"%s\"", bad[i]);
	}
	memset(longest, 'x', sizeof(longest));
	facts_for(&f, "secret", 1);
	assert_int_equal(
	    verify_password(v, &f, STR("a"), str_from(longest, VERIFY_PASSWORD_MAX + 1), 1, 1),
	    IPC_NO);
	assert_int_equal(verify_password(v, &f, STR("a"), STR(""), 1, 1), IPC_NO);
	/* without a cache each login is hashed */
	assert_int_equal(verify_password(v, &f, STR("a"), STR("secret"), 1, 1000), IPC_OK);
	assert_int_equal(verify_password(v, &f, STR("a"), STR("secret"), 1, 1000), IPC_OK);
	assert_int_equal(verify_cache_hits(v), 0);
	verify_free(&v);
}

static void
test_cache(void **state)
{
	struct cache *c = cache_new(64), *other = cache_new(64);
	uint8_t a[CACHE_DIGEST], b[CACHE_DIGEST];
	unsigned kept = 0;

	(void)state;
	/* the key is the process's own; what runs together differently is different */
	cache_digest(c, STR("ab"), 1, 1, STR("c"), a);
	cache_digest(other, STR("ab"), 1, 1, STR("c"), b);
	assert_memory_not_equal(a, b, CACHE_DIGEST);
	cache_digest(c, STR("a"), 1, 1, STR("bc"), b);
	assert_memory_not_equal(a, b, CACHE_DIGEST);
	cache_digest(c, STR("ab"), 1, 2, STR("c"), b);
	assert_memory_not_equal(a, b, CACHE_DIGEST);
	assert_false(cache_has(c, a, 10, 100));
	cache_add(c, a, 10);
	assert_true(cache_has(c, a, 109, 100));
	assert_false(cache_has(c, a, 110, 100));
	/* bounded: of a thousand at most 64 stay, the newest among them */
	for (uint64_t i = 0; i < 1000; i++) {
		cache_digest(c, STR("x"), 1, i, STR("y"), a);
		cache_add(c, a, 1000 + i);
		assert_true(cache_has(c, a, 1000 + i, 100));
	}
	for (uint64_t i = 0; i < 1000; i++) {
		cache_digest(c, STR("x"), 1, i, STR("y"), a);
		kept += cache_has(c, a, 2000, 100000);
	}
	assert_in_range(kept, 32, 64);
	cache_free(&c);
	cache_free(&other);
}

/* The passwords apps have are as good as the main one, and only of those who may log in. */
static void
test_app_passwords(void **state)
{
	static const char *const not_app[] = { "", "abcde-fghij-kmnpq-rstu",
		"abcde-fghij-kmnpq-rstuvw", "abcde-fghij-kmnpq_rstuv", "Abcde-fghij-kmnpq-rstuv",
		"abcde-fghij-kmnpq-rstu1", "abcdefghij-kmnpq-rstuv-" };
	struct str app = STR("abcde-fghij-kmnpq-rst2v");
	struct verify *v = verify_new(16, 8 << 20, 1);
	struct verify_facts f, g;

	(void)state;
	assert_true(verify_is_app_password(app));
	for (size_t i = 0; i < sizeof(not_app) / sizeof(not_app[0]); i++)
		if (verify_is_app_password(str_of(not_app[i])))
			fail_msg("\"%s\"", not_app[i]);
	facts_for(&f, "secret", 1);
	memset(f.salt, 0x5a, sizeof(f.salt));
	assert_int_equal(verify_password(v, &f, STR("a"), app, 1, 1000), IPC_NO);
	f.nkeys = EXCHANGE_KEYS_MAX;
	randombytes_buf(f.keys, sizeof(f.keys));
	scram_keys_make(app, f.salt, &f.keys[EXCHANGE_KEYS_MAX - 1]);
	g = f;
	g.nkeys--; /* it stands there, but does not count */
	assert_int_equal(verify_password(v, &g, STR("a"), app, 1, 1000), IPC_NO);
	g = f;
	g.result = IPC_SUSPENDED;
	assert_int_equal(verify_password(v, &g, STR("a"), app, 1, 1000), IPC_NO);
	g = f;
	g.salt[0] ^= 1;
	assert_int_equal(verify_password(v, &g, STR("a"), app, 1, 1000), IPC_NO);
	assert_int_equal(verify_hashes(v), 4); /* each as much work as a wrong main password */
	assert_int_equal(verify_password(v, &f, STR("a"), app, 1, 1000), IPC_OK);
	assert_int_equal(verify_hashes(v), 4);
	assert_int_equal(verify_password(v, &f, STR("a"), app, 2, 1000), IPC_OK);
	assert_int_equal(verify_cache_hits(v), 1);
	assert_int_equal(verify_password(v, &f, STR("a"), STR("secret"), 1, 1000), IPC_OK);
	/* taken back: a new generation, and the old result is worth nothing */
	f.generation++;
	f.nkeys--;
	assert_int_equal(verify_password(v, &f, STR("a"), app, 3, 1000), IPC_NO);
	verify_free(&v);
}

static double
once_ms(struct verify *v, const struct verify_facts *f, struct str password)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	(void)verify_password(v, f, STR("a"), password, 1, 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* T083 in small: existing and unknown users take the same argon2. */
static void
test_same_time(void **state)
{
	struct verify *v = verify_new(0, 8 << 20, 1);
	struct verify_facts known, unknown = { .result = IPC_NO };
	double a[21], b[21];

	(void)state;
	facts_for(&known, "secret", 1);
	for (int i = 0; i < 21; i++) {
		a[i] = once_ms(v, &known, STR("wrong"));
		b[i] = once_ms(v, &unknown, STR("wrong"));
	}
	qsort(a, 21, sizeof(a[0]), by_size);
	qsort(b, 21, sizeof(b[0]), by_size);
	print_message("median: known user %.2f ms, unknown %.2f ms\n", a[10], b[10]);
	assert_true(b[10] > a[10] / 2 && b[10] < a[10] * 2);
	verify_free(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_announced),
		cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_app_passwords),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_same_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
