/* SPDX-License-Identifier: ISC */
/* SCRAM exchanges with a client of the test's own: what must succeed, and every way to cheat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth/exchange.h"
#include "auth/fake_client.h"

#define LOGIN "alice@example.test"
#define PASSWORD "k7mzq-abcde-99999-zzzzz"
#define EXPORTER "0123456789abcdef0123456789abcdef"
#define UNIQUE "unique-bytes"
#define END_POINT "the hash of the certificate, 32!"

static uint8_t salt[SCRAM_SALT];
static struct scram_keys keys[EXCHANGE_KEYS_MAX];

static int
setup(void **state)
{
	struct buf why;

	(void)state;
	buf_init(&why, 256);
	if (sodium_init() < 0 || exchange_init(&why) != 0) {
		print_message("%.*s\n", (int)buf_len(&why), (const char *)buf_data(&why));
		return -1;
	}
	buf_free(&why);
	randombytes_buf(salt, sizeof(salt));
	for (int i = 0; i < EXCHANGE_KEYS_MAX; i++) {
		char password[64];

		(void)snprintf(password, sizeof(password), PASSWORD "%d", i);
		scram_keys_make(str_of(password), salt, &keys[i]);
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	exchange_end();
	return 0;
}

/* ---- the server -------------------------------------------------------------------------------
 */

static struct exchange_input
server(const char *mechanism, bool bindings)
{
	struct exchange_input in = { .service = "imap",
		.hostname = "mail.example.test",
		.mechanism = mechanism,
		.has_initial = true,
		.known = LOGIN,
		.keys = keys,
		.nkeys = EXCHANGE_KEYS_MAX };

	if (bindings)
		in.bindings =
		    (struct exchange_bindings){ STR(EXPORTER), STR(UNIQUE), STR(END_POINT) };
	randombytes_buf(in.seed, sizeof(in.seed));
	memcpy(in.salt, salt, sizeof(salt));
	return in;
}

static enum exchange_result
run(const struct exchange_input *in, char challenge[CLIENT_TEXT])
{
	struct exchange_output out;
	enum exchange_result r;

	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	r = exchange_run(in, &out);
	(void)snprintf(challenge, CLIENT_TEXT, "%.*s", (int)buf_len(&out.challenge),
	    buf_len(&out.challenge) ? (const char *)buf_data(&out.challenge) : "");
	if (r == EXCHANGE_PROVEN)
		assert_string_equal(out.login, LOGIN);
	buf_free(&out.challenge);
	return r;
}

/* As far as it goes; the last result. */
static enum exchange_result
login(struct client *c, struct exchange_input *in)
{
	enum exchange_result r;
	char text[CLIENT_TEXT];

	client_first(c);
	in->input[0] = str_of(c->first);
	in->n = 1;
	if ((r = run(in, c->challenge)) != EXCHANGE_CHALLENGE)
		return r;
	client_final(c);
	in->input[1] = str_of(c->final);
	in->n = 2;
	if ((r = run(in, text)) != EXCHANGE_CHALLENGE)
		return r;
	assert_string_equal(text, c->signature); /* the server proves itself, too */
	in->input[2] = STR("");
	in->n = 3;
	return run(in, text);
}

#define PLAIN_SCRAM "SCRAM-SHA-256"
#define PLUS "SCRAM-SHA-256-PLUS"

/* ---- tests ------------------------------------------------------------------------------------
 */

static void
test_who(void **state)
{
	static const struct {
		const char *header, *name, *password;
		unsigned nkeys;
		enum exchange_result want;
	} cases[] = {
		{ "n,,", LOGIN, PASSWORD "0", EXCHANGE_KEYS_MAX, EXCHANGE_PROVEN },
		{ "n,,", LOGIN, PASSWORD "7", EXCHANGE_KEYS_MAX, EXCHANGE_PROVEN },
		{ "n,,", LOGIN, PASSWORD "20", EXCHANGE_KEYS_MAX, EXCHANGE_PROVEN },
		{ "n,,", LOGIN, PASSWORD "0", 1, EXCHANGE_PROVEN },
		{ "n,a=" LOGIN ",", LOGIN, PASSWORD "0", 1, EXCHANGE_PROVEN },
		{ "y,,", LOGIN, PASSWORD "0", 1, EXCHANGE_PROVEN },
		{ "n,,", LOGIN, PASSWORD "20", 20, EXCHANGE_FAILED }, /* taken back */
		{ "n,,", LOGIN, PASSWORD "0", 0, EXCHANGE_FAILED },   /* unknown, suspended */
		{ "n,,", LOGIN, PASSWORD, EXCHANGE_KEYS_MAX, EXCHANGE_FAILED },
		{ "n,,", LOGIN, "", EXCHANGE_KEYS_MAX, EXCHANGE_FAILED },
		/* T078 */
		{ "n,a=bob@example.test,", LOGIN, PASSWORD "0", 1, EXCHANGE_FAILED },
		/* the keys are another login's */
		{ "n,,", "bob@example.test", PASSWORD "0", 1, EXCHANGE_TEMP },
		{ "n,,", "Alice@example.test", PASSWORD "0", 1, EXCHANGE_TEMP },
		{ "n,,", "alice @example.test", PASSWORD "0", 1, EXCHANGE_FAILED },
		{ "n,,", "a=2", PASSWORD "0", 1, EXCHANGE_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c = { .header = cases[i].header,
			.name = cases[i].name,
			.password = cases[i].password };
		struct exchange_input in = server(PLAIN_SCRAM, false);
		enum exchange_result got;

		in.nkeys = cases[i].nkeys;
		got = login(&c, &in);
		if (got != cases[i].want)
			fail_msg("case %zu: got %d want %d", i, got, cases[i].want);
	}
}

static void
test_bindings(void **state)
{
	static const struct {
		const char *mechanism, *header;
		struct str data;
		bool there;
		enum exchange_result want;
	} cases[] = {
		{ PLUS, "p=tls-exporter,,", { EXPORTER, 32 }, true, EXCHANGE_PROVEN },
		{ PLUS, "p=tls-unique,,", { UNIQUE, 12 }, true, EXCHANGE_PROVEN },
		{ PLUS, "p=tls-server-end-point,,", { END_POINT, 32 }, true, EXCHANGE_PROVEN },
		{ PLUS, "p=tls-unique,a=" LOGIN ",", { UNIQUE, 12 }, true, EXCHANGE_PROVEN },
		{ "scram-sha-256-plus", "p=tls-unique,,", { UNIQUE, 12 }, true, EXCHANGE_PROVEN },
		{ PLAIN_SCRAM, "n,,", { NULL, 0 }, true, EXCHANGE_PROVEN },
		/* somebody in the middle: his TLS session, not ours */
		{ PLUS, "p=tls-exporter,,", { UNIQUE, 12 }, true, EXCHANGE_FAILED },
		{ PLUS, "p=tls-unique,,", { "unique-bytez", 12 }, true, EXCHANGE_FAILED },
		{ PLUS, "p=tls-unique,,", { UNIQUE, 11 }, true, EXCHANGE_FAILED },
		{ PLUS, "p=tls-unique,,", { UNIQUE "x", 13 }, true, EXCHANGE_FAILED },
		{ PLUS, "p=tls-unique,,", { NULL, 0 }, true, EXCHANGE_FAILED },
		/* bindings we do not have, or no name of one */
		{ PLUS, "p=tls-unique,,", { NULL, 0 }, false, EXCHANGE_FAILED },
		{ PLUS, "p=tls-uniqu,,", { UNIQUE, 12 }, true, EXCHANGE_FAILED },
		{ PLUS, "p=TLS-UNIQUE,,", { UNIQUE, 12 }, true, EXCHANGE_FAILED },
		{ PLUS, "p=,,", { UNIQUE, 12 }, true, EXCHANGE_FAILED },
		/* flag and mechanism must fit */
		{ PLUS, "n,,", { NULL, 0 }, true, EXCHANGE_FAILED },
		{ PLUS, "y,,", { NULL, 0 }, true, EXCHANGE_FAILED },
		{ PLAIN_SCRAM, "p=tls-unique,,", { UNIQUE, 12 }, true, EXCHANGE_FAILED },
		/* -PLUS was announced and the client says it was not */
		{ PLAIN_SCRAM, "y,,", { NULL, 0 }, true, EXCHANGE_FAILED },
		{ PLAIN_SCRAM, "y,,", { NULL, 0 }, false, EXCHANGE_PROVEN },
		/* data without a binding */
		{ PLAIN_SCRAM, "n,,", { UNIQUE, 12 }, true, EXCHANGE_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c = { .header = cases[i].header,
			.name = LOGIN,
			.password = PASSWORD "3",
			.data = cases[i].data };
		struct exchange_input in = server(cases[i].mechanism, cases[i].there);
		enum exchange_result got = login(&c, &in);

		if (got != cases[i].want)
			fail_msg("case %zu: got %d want %d", i, got, cases[i].want);
	}
}

/* One at a time: each kind of binding alone, and the other names then are not there. */
static void
test_one_binding(void **state)
{
	struct client c = { .header = "p=tls-exporter,,",
		.name = LOGIN,
		.password = PASSWORD "3",
		.data = STR(UNIQUE) };
	struct exchange_input in = server(PLUS, false);

	(void)state;
	in.bindings.unique = STR(UNIQUE);
	assert_int_equal(login(&c, &in), EXCHANGE_FAILED);
	c.header = "p=tls-unique,,";
	assert_int_equal(login(&c, &in), EXCHANGE_PROVEN);
}

/* The same nonce in each run of an exchange, another one in each exchange. */
static void
test_nonce(void **state)
{
	struct exchange_input in = server(PLAIN_SCRAM, false), other = server(PLAIN_SCRAM, false);
	char a[CLIENT_TEXT], b[CLIENT_TEXT];

	(void)state;
	in.input[0] = other.input[0] = STR("n,,n=" LOGIN ",r=x");
	in.n = other.n = 1;
	assert_int_equal(run(&in, a), EXCHANGE_CHALLENGE);
	assert_int_equal(run(&in, b), EXCHANGE_CHALLENGE);
	assert_string_equal(a, b);
	assert_int_equal(strcspn(a, ","), 2 + 1 + 32);
	assert_int_equal(run(&other, b), EXCHANGE_CHALLENGE);
	assert_string_not_equal(a, b);
	/* for who has no keys the challenge looks the same */
	in.nkeys = 0;
	assert_int_equal(run(&in, b), EXCHANGE_CHALLENGE);
	assert_string_equal(a, b);
	assert_non_null(strstr(a, ",i=4096"));
	/* nothing is said before the login's salt is known */
	in.known = NULL;
	assert_int_equal(run(&in, b), EXCHANGE_NEED);
	assert_string_equal(b, "");
}

/* What was heard once is worth nothing the next time. */
static void
test_replay(void **state)
{
	struct client c = { .header = "n,,", .name = LOGIN, .password = PASSWORD "0" };
	struct exchange_input in = server(PLAIN_SCRAM, false), again;
	char text[CLIENT_TEXT];

	(void)state;
	assert_int_equal(login(&c, &in), EXCHANGE_PROVEN);
	again = in;
	assert_int_equal(run(&again, text), EXCHANGE_PROVEN);
	randombytes_buf(again.seed, sizeof(again.seed));
	for (again.n = 2; again.n <= 3; again.n++)
		assert_int_equal(run(&again, text), EXCHANGE_FAILED);
	/* nor with another salt or other keys */
	again = in;
	again.salt[0] ^= 1;
	assert_int_equal(run(&again, text), EXCHANGE_FAILED);
	again = in;
	again.keys = keys + 1;
	again.nkeys--;
	assert_int_equal(run(&again, text), EXCHANGE_FAILED);
}

/* Each byte of the client's last message matters, and so does where it ends. */
static void
test_damaged_final(void **state)
{
	struct client c = { .header = "n,,", .name = LOGIN, .password = PASSWORD "0" };
	struct exchange_input in = server(PLAIN_SCRAM, false);
	char text[CLIENT_TEXT], damaged[CLIENT_TEXT + 8];
	size_t n;

	(void)state;
	assert_int_equal(login(&c, &in), EXCHANGE_PROVEN);
	n = strlen(c.final);
	in.n = 2;
	for (size_t i = 0; i < n; i++) {
		memcpy(damaged, c.final, n);
		damaged[i] ^= 4; /* the last sign of base64 has two bits nobody reads */
		in.input[1] = str_from(damaged, n);
		if (run(&in, text) != EXCHANGE_FAILED)
			fail_msg("byte %zu", i);
		in.input[1] = str_from(c.final, i);
		if (run(&in, text) != EXCHANGE_FAILED)
			fail_msg("length %zu", i);
	}
	(void)snprintf(damaged, sizeof(damaged), "%s,x=1", c.final);
	in.input[1] = str_of(damaged);
	assert_int_equal(run(&in, text), EXCHANGE_FAILED);
	in.input[1] = str_from(c.final, n + 1); /* NUL */
	assert_int_equal(run(&in, text), EXCHANGE_FAILED);
	/* behind the end there is only an empty answer */
	in.input[1] = str_of(c.final);
	in.input[2] = STR("x");
	in.n = 3;
	assert_int_equal(run(&in, text), EXCHANGE_FAILED);
}

static void
test_no_initial(void **state)
{
	struct client c = { .header = "n,,", .name = LOGIN, .password = PASSWORD "0" };
	struct exchange_input in = server(PLAIN_SCRAM, false);
	char text[CLIENT_TEXT];

	(void)state;
	in.has_initial = false;
	assert_int_equal(run(&in, text), EXCHANGE_CHALLENGE);
	assert_string_equal(text, "");
	assert_int_equal(login(&c, &in), EXCHANGE_PROVEN);
	/* an empty initial response is none of SCRAM's */
	in = server(PLAIN_SCRAM, false);
	in.input[0] = STR("");
	in.n = 1;
	assert_int_equal(run(&in, text), EXCHANGE_FAILED);
}

/* Lengths: as much as the client can send. */
static void
test_long(void **state)
{
	static char big[EXCHANGE_INPUT_MAX];
	struct exchange_input in = server(PLAIN_SCRAM, false);
	char text[CLIENT_TEXT];
	int n;

	(void)state;
	n = snprintf(big, sizeof(big), "n,,n=" LOGIN ",r=");
	memset(big + n, 'r', sizeof(big) - (size_t)n);
	in.n = 1;
	in.input[0] = str_from(big, sizeof(big));
	assert_int_equal(run(&in, text), EXCHANGE_FAILED);
	in.input[0] = str_from(big, SCRAM_MESSAGE_MAX + 1);
	assert_int_equal(run(&in, text), EXCHANGE_FAILED);
	in.input[0] = str_from(big, SCRAM_MESSAGE_MAX);
	assert_int_equal(run(&in, text), EXCHANGE_CHALLENGE);
	in.input[1] = str_from(big, sizeof(big));
	in.n = 2;
	assert_int_equal(run(&in, text), EXCHANGE_FAILED);
}

static double
once_us(const struct exchange_input *in)
{
	struct timespec a, b;
	char text[CLIENT_TEXT];

	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(run(in, text), EXCHANGE_FAILED);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

/* T083: a wrong proof takes as long for who has no keys as for who has many. The best of many runs
 * is what the work itself takes. */
static void
test_same_time(void **state)
{
	struct client c = { .header = "n,,", .name = LOGIN, .password = "wrong" };
	struct exchange_input in = server(PLAIN_SCRAM, false);
	double many = 1e9, none = 1e9;

	(void)state;
	assert_int_equal(login(&c, &in), EXCHANGE_FAILED);
	for (int i = 0; i < 1000; i++) {
		double t;

		in.nkeys = EXCHANGE_KEYS_MAX;
		many = (t = once_us(&in)) < many ? t : many;
		in.nkeys = 0;
		none = (t = once_us(&in)) < none ? t : none;
	}
	print_message("a wrong proof: %.1f us with 21 passwords, %.1f us with none\n", many, none);
	assert_true(none > many * 0.8 && none < many * 1.25);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_one_binding),
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_damaged_final),
		cmocka_unit_test(test_no_initial),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_same_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
