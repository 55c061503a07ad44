/* SPDX-License-Identifier: ISC */
/* The server with real channels and codecs; imapd and accounts are played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth/exchange.h"
#include "auth/fake_client.h"
#include "auth/server.h"

#define ALICE "alice@example.test"
#define APP "k7mzq-abcde-99999-zzzzz"
#define PLAIN_GOOD "\0" ALICE "\0secret"

enum { LATE = -1 }; /* accounts does not answer */

static struct io_loop *loop;
static struct settings *settings;
static struct server *server;
static struct ipc_channel *imapd, *imapd2, *accounts;

/* How accounts behaves, and what it was asked. */
static struct {
	int verifier_result, open_result;
	uint64_t generation;
	char verifier[crypto_pwhash_STRBYTES];
	uint8_t salt[SCRAM_SALT];
	size_t salt_n;
	struct scram_keys keys[2];
	unsigned submission; /* of the last login_open */
	unsigned verifiers, opens;
	uint64_t open_generation, last_id;
} acc;

/* What came back to imapd. */
static struct {
	unsigned ok, failed, temp, challenges, closed;
	uint64_t id;
	unsigned want; /* stop after that many answers */
	char login[512], challenge[256];
} got;

static void
answered(uint64_t id)
{
	got.id = id;
	if (got.ok + got.failed + got.temp + got.challenges >= got.want)
		io_loop_stop(loop);
}

static void
on_challenge(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_challenge *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	got.challenges++;
	(void)snprintf(got.challenge, sizeof(got.challenge), "%.*s", STRF(m->challenge));
	answered(id);
}

static void
on_failed(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_failed *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	if (m->result == IPC_TEMP)
		got.temp++;
	else
		got.failed++;
	assert_true(m->result == IPC_TEMP || m->result == IPC_NO);
	(void)snprintf(got.login, sizeof(got.login), "%.*s", STRF(m->login));
	answered(id);
}

static void
on_ok(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_ok *m, int fd)
{
	(void)arg;
	(void)ch;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(m->account, 7);
	assert_true(str_eq(m->hidden_capabilities, STR("SORT")));
	got.ok++;
	(void)snprintf(got.login, sizeof(got.login), "%.*s", STRF(m->login));
	answered(id);
}

static unsigned
imapd_state(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return IPC_ST_BUSY;
}

static void
on_imapd_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	got.closed++;
	ipc_channel_free(arg);
	io_loop_stop(loop);
}

static const union ipc_handler imapd_handlers[IPC__MAX] = {
	IPC_ON(auth_challenge, on_challenge),
	IPC_ON(auth_failed, on_failed),
	IPC_ON(auth_ok, on_ok),
};
static const struct ipc_ops imapd_ops = {
	.handlers = imapd_handlers,
	.state = imapd_state,
	.on_close = on_imapd_close,
};

static void
on_verifier_get(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_verifier_get *m, int fd)
{
	bool known = str_eq_nocase(m->login, STR(ALICE));
	int result = known ? acc.verifier_result : IPC_NO;

	(void)arg;
	(void)fd;
	acc.verifiers++;
	acc.last_id = id;
	if (acc.verifier_result == LATE)
		return;
	ipc_send_verifier_is(ch, id,
	    &(struct ipc_verifier_is){ .result = (uint8_t)result,
		.account = result == IPC_OK ? 7 : 0,
		.generation = result == IPC_OK ? acc.generation : 0,
		.verifier = str_of(result == IPC_OK ? acc.verifier : ""),
		.salt = str_from(acc.salt, acc.salt_n),
		/* auth must not take them when the result says no */
		.keys = str_from(acc.keys, known ? sizeof(acc.keys) : 0) });
}

static void
on_login_open(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_login_open *m, int fd)
{
	(void)arg;
	(void)fd;
	acc.opens++;
	acc.open_generation = m->generation;
	acc.submission = m->submission;
	assert_int_equal(m->account, 7);
	if (acc.open_result == IPC_OK)
		ipc_send_login_opened(ch, id,
		    &(struct ipc_login_opened){ .hidden_capabilities = STR("SORT") },
		    open("/dev/null", O_RDONLY));
	else if (acc.open_result != LATE)
		ipc_send_login_refused(
		    ch, id, &(struct ipc_login_refused){ .result = (uint8_t)acc.open_result });
}

static void
on_accounts_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	ipc_channel_free(arg);
}

static const union ipc_handler accounts_handlers[IPC__MAX] = {
	IPC_ON(verifier_get, on_verifier_get),
	IPC_ON(login_open, on_login_open),
};
static const struct ipc_ops accounts_ops = {
	.handlers = accounts_handlers,
	.on_close = on_accounts_close,
};

static void
connect_accounts(void)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	server_peer(server, IPC_CH_accounts_auth, IPC_CLIENT, sv[0]);
	accounts = ipc_channel_new(
	    loop, sv[1], IPC_CH_accounts_auth, IPC_SERVER, &accounts_ops, &accounts);
}

static void
connect_imapd(struct ipc_channel **ch)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	server_peer(server, IPC_CH_auth, IPC_SERVER, sv[0]);
	*ch = ipc_channel_new(loop, sv[1], IPC_CH_auth, IPC_CLIENT, &imapd_ops, ch);
}

static void
flush(void *arg)
{
	(void)arg;
	ipc_flush_all();
}

static int
setup(void **state)
{
	const char *why;

	(void)state;
	settings = settings_new();
	if (settings_set(settings, SET_auth_memory, "8M", &why) != 0 ||
	    settings_set(settings, SET_auth_passes, "1", &why) != 0 ||
	    settings_set(settings, SET_auth_exchange_time, "5", &why) != 0 ||
	    settings_set(settings, SET_auth_queue, "20", &why) != 0)
		return -1;
	memset(&acc, 0, sizeof(acc));
	memset(&got, 0, sizeof(got));
	acc.generation = 1;
	acc.salt_n = SCRAM_SALT;
	memset(acc.salt, 0x11, SCRAM_SALT);
	randombytes_buf(acc.keys, sizeof(acc.keys));
	scram_keys_make(STR(APP), acc.salt, &acc.keys[1]);
	if (crypto_pwhash_str(acc.verifier, "secret", 6, 1, 8 << 20) != 0)
		return -1;
	loop = io_loop_new();
	io_loop_after_turn(loop, flush, NULL);
	server = server_new(loop, settings);
	connect_accounts();
	connect_imapd(&imapd);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	server_free(&server);
	ipc_channel_free(&imapd);
	ipc_channel_free(&imapd2);
	ipc_channel_free(&accounts);
	io_loop_free(&loop);
	settings_free(&settings);
	return 0;
}

static void
on_timeout(void *arg)
{
	(void)arg;
	io_loop_stop(loop);
}

/* Runs until n more answers came, or the time is over. */
static void
wait_answers(unsigned n, uint64_t ms)
{
	struct io_timer *t = io_timer_new(loop, on_timeout, NULL);

	got.want = got.ok + got.failed + got.temp + got.challenges + n;
	io_timer_set(t, ms);
	io_loop_run(loop);
	io_timer_free(&t);
}

static void
start(struct ipc_channel *ch, uint64_t id, const char *mechanism, bool initial, struct str bytes)
{
	ipc_send_auth_start(ch, id,
	    &(struct ipc_auth_start){ .service = STR("imap"),
		.mechanism = str_of(mechanism),
		.client_address = STR("192.0.2.1"),
		.has_initial = initial,
		.initial = initial ? bytes : STR("") });
}

static void
respond(uint64_t id, struct str bytes)
{
	ipc_send_auth_continue(imapd, id, &(struct ipc_auth_continue){ .response = bytes });
}

static void
test_login(void **state)
{
	(void)state;
	start(imapd, 1, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 5000);
	assert_int_equal(got.ok, 1);
	assert_int_equal(got.id, 1);
	assert_string_equal(got.login, ALICE);
	assert_int_equal(acc.open_generation, 1);

	start(imapd, 2, "PLAIN", false, STR(""));
	wait_answers(1, 5000);
	assert_int_equal(got.challenges, 1);
	respond(2, STR(PLAIN_GOOD));
	wait_answers(1, 5000);
	assert_int_equal(got.ok, 2);

	start(imapd, 3, "LOGIN", false, STR(""));
	wait_answers(1, 5000);
	assert_string_equal(got.challenge, "Username:");
	respond(3, STR(ALICE));
	wait_answers(1, 5000);
	assert_string_equal(got.challenge, "Password:");
	respond(3, STR("secret"));
	wait_answers(1, 5000);
	assert_int_equal(got.ok, 3);
	/* one argon2 for three logins */
	assert_int_equal(verify_hashes(server_verify(server)), 1);
	assert_int_equal(verify_cache_hits(server_verify(server)), 2);

	/* a new password: the old one is out at once */
	acc.generation = 2;
	assert_int_equal(crypto_pwhash_str(acc.verifier, "fresh one", 9, 1, 8 << 20), 0);
	start(imapd, 4, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 5000);
	assert_int_equal(got.failed, 1);
	assert_int_equal(server_exchanges(server), 0);
}

/* Every reason looks alike: the same answer, the same work. */
static void
test_refusals(void **state)
{
	static const struct {
		struct str bytes;
		int verifier_result, open_result;
		unsigned temp;
	} cases[] = {
		{ { "\0" ALICE "\0wrong", 25 }, IPC_OK, IPC_OK, 0 },
		{ { "\0nobody@example.test\0secret", 27 }, IPC_OK, IPC_OK, 0 },
		{ { PLAIN_GOOD, sizeof(PLAIN_GOOD) - 1 }, IPC_SUSPENDED, IPC_OK, 0 },
		{ { PLAIN_GOOD, sizeof(PLAIN_GOOD) - 1 }, IPC_NO, IPC_OK, 0 },
		{ { PLAIN_GOOD, sizeof(PLAIN_GOOD) - 1 }, IPC_TEMP, IPC_OK, 1 },
		{ { PLAIN_GOOD, sizeof(PLAIN_GOOD) - 1 }, 99, IPC_OK, 1 },
		/* the account was locked or changed between proof and door */
		{ { PLAIN_GOOD, sizeof(PLAIN_GOOD) - 1 }, IPC_OK, IPC_NO, 0 },
		{ { PLAIN_GOOD, sizeof(PLAIN_GOOD) - 1 }, IPC_OK, IPC_TEMP, 1 },
		{ { "bob\0" ALICE "\0secret", 29 }, IPC_OK, IPC_OK, 0 },
		{ { "junk", 4 }, IPC_OK, IPC_OK, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&got, 0, sizeof(got));
		acc.verifier_result = cases[i].verifier_result;
		acc.open_result = cases[i].open_result;
		start(imapd, i, "PLAIN", true, cases[i].bytes);
		wait_answers(1, 5000);
		if (got.ok != 0 || got.temp != cases[i].temp || got.failed != 1 - cases[i].temp)
			fail_msg(
			    "case %zu: ok %u failed %u temp %u", i, got.ok, got.failed, got.temp);
	}
	start(imapd, 100, "SCRAM-SHA-1", true, STR("n,,n=a,r=b"));
	wait_answers(1, 5000);
	assert_int_equal(got.failed, 2);
	assert_int_equal(server_exchanges(server), 0);
}

static void
start_scram(uint64_t id, const char *service, struct client *c, struct str exporter)
{
	client_first(c);
	ipc_send_auth_start(imapd, id,
	    &(struct ipc_auth_start){ .service = str_of(service),
		.mechanism = exporter.n ? STR("SCRAM-SHA-256-PLUS") : STR("SCRAM-SHA-256"),
		.client_address = STR("192.0.2.1"),
		.tls_exporter = exporter,
		.has_initial = 1,
		.initial = str_of(c->first) });
	wait_answers(1, 5000);
	(void)snprintf(c->challenge, sizeof(c->challenge), "%s", got.challenge);
}

/* Both services, with and without a binding; the door fits the service. */
static void
test_scram(void **state)
{
	struct client c = { .header = "n,,", .name = ALICE, .password = APP };
	unsigned challenges = 0;
	uint64_t id = 0;

	(void)state;
	for (int k = 0; k < 4; k++) {
		struct str exporter = STR("0123456789abcdef0123456789abcdef");

		if (k < 2)
			exporter.n = 0;
		else
			c = (struct client){ .header = "p=tls-exporter,,",
				.name = ALICE,
				.password = APP,
				.data = exporter };
		start_scram(++id, k % 2 ? "smtp" : "imap", &c, exporter);
		assert_int_equal(got.challenges, ++challenges);
		assert_int_equal(acc.opens, k);
		client_final(&c);
		respond(id, str_of(c.final));
		wait_answers(1, 5000);
		assert_int_equal(got.challenges, ++challenges);
		assert_string_equal(got.challenge, c.signature);
		assert_int_equal(acc.opens, k);
		respond(id, STR(""));
		wait_answers(1, 5000);
		assert_int_equal(got.ok, k + 1);
		assert_int_equal(acc.submission, k % 2);
		assert_string_equal(got.login, ALICE);
	}
	/* PLAIN with the same password: no argon2 for it */
	start(imapd, ++id, "PLAIN", true, STR("\0" ALICE "\0" APP));
	wait_answers(1, 5000);
	assert_int_equal(got.ok, 5);
	assert_int_equal(verify_hashes(server_verify(server)), 0);
	assert_int_equal(server_exchanges(server), 0);
}

static void
test_scram_refusals(void **state)
{
	static const struct {
		const char *name, *password;
		int verifier_result;
		size_t salt_n;
		unsigned challenges, temp;
	} cases[] = {
		{ ALICE, "wrong", IPC_OK, SCRAM_SALT, 1, 0 },
		{ "bob@example.test", APP, IPC_OK, SCRAM_SALT, 1, 0 },
		{ ALICE, APP, IPC_SUSPENDED, SCRAM_SALT, 1, 0 },
		{ ALICE, APP, IPC_NO, SCRAM_SALT, 1, 0 },
		{ ALICE, APP, IPC_TEMP, SCRAM_SALT, 0, 1 },
		{ ALICE, APP, IPC_OK, SCRAM_SALT - 1, 0, 1 },
		{ "a b", APP, IPC_OK, SCRAM_SALT, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c = {
			.header = "n,,", .name = cases[i].name, .password = cases[i].password
		};

		memset(&got, 0, sizeof(got));
		acc.verifier_result = cases[i].verifier_result;
		acc.salt_n = cases[i].salt_n;
		start_scram(i + 1, "imap", &c, STR(""));
		if (got.challenges != cases[i].challenges)
			fail_msg("case %zu: %u challenges", i, got.challenges);
		if (got.challenges) {
			client_final(&c);
			respond(i + 1, str_of(c.final));
			wait_answers(1, 5000);
		}
		if (got.ok || got.temp != cases[i].temp || got.failed != 1 - cases[i].temp)
			fail_msg(
			    "case %zu: ok %u failed %u temp %u", i, got.ok, got.failed, got.temp);
	}
	assert_int_equal(acc.opens, 0);
	assert_int_equal(server_exchanges(server), 0);
}

/* The account is locked or changed between the proof and the door. */
static void
test_scram_too_late(void **state)
{
	struct client c = { .header = "n,,", .name = ALICE, .password = APP };

	(void)state;
	acc.open_result = IPC_NO;
	start_scram(1, "imap", &c, STR(""));
	client_final(&c);
	respond(1, str_of(c.final));
	wait_answers(1, 5000);
	assert_string_equal(got.challenge, c.signature);
	respond(1, STR(""));
	wait_answers(1, 5000);
	assert_int_equal(got.failed, 1);
	assert_int_equal(acc.opens, 1);
}

/* T086: more logins than the queue holds: the rest is told to come later, at once. */
static void
test_queue_bound(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 50; id++)
		start(imapd, id, "PLAIN", true, STR("\0" ALICE "\0wrong"));
	wait_answers(30, 5000);
	assert_int_equal(got.temp, 30);
	assert_in_range(got.failed, 0, 2);
	wait_answers(20 - got.failed, 30000);
	assert_int_equal(got.temp, 30);
	assert_int_equal(got.failed, 20);
	assert_int_equal(server_exchanges(server), 0);
	/* and afterwards all is well */
	start(imapd, 1, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 5000);
	assert_int_equal(got.ok, 1);
}

static void
test_exchanges_bound(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= SERVER_EXCHANGES_MAX + 10; id++)
		start(imapd, id, "PLAIN", false, STR(""));
	wait_answers(SERVER_EXCHANGES_MAX + 10, 10000);
	assert_int_equal(got.challenges, SERVER_EXCHANGES_MAX);
	assert_int_equal(got.temp, 10);
	for (uint64_t id = 1; id <= SERVER_EXCHANGES_MAX; id++)
		ipc_send_auth_cancel(imapd, id, &(struct ipc_auth_cancel){ 0 });
	wait_answers(1, 300);
	assert_int_equal(server_exchanges(server), 0);
}

/* A client that goes away at any step, and answers that come too late. */
static void
test_gone(void **state)
{
	(void)state;
	acc.verifier_result = LATE;
	start(imapd, 1, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 200);
	assert_int_equal(server_exchanges(server), 1);
	ipc_send_auth_cancel(imapd, 1, &(struct ipc_auth_cancel){ 0 });
	wait_answers(1, 200);
	assert_int_equal(server_exchanges(server), 0);
	ipc_send_verifier_is(accounts, acc.last_id,
	    &(struct ipc_verifier_is){ .result = IPC_OK, .verifier = STR("") });
	ipc_send_login_opened(
	    accounts, 4711, &(struct ipc_login_opened){ 0 }, open("/dev/null", O_RDONLY));
	wait_answers(1, 200);

	/* imapd dies with exchanges in every state */
	connect_imapd(&imapd2);
	start(imapd2, 1, "PLAIN", true, STR(PLAIN_GOOD));
	start(imapd2, 2, "PLAIN", false, STR(""));
	wait_answers(1, 200);
	acc.verifier_result = IPC_OK;
	acc.open_result = LATE;
	start(imapd2, 3, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 200);
	assert_int_equal(server_exchanges(server), 3);
	ipc_channel_free(&imapd2);
	wait_answers(1, 200);
	assert_int_equal(server_exchanges(server), 0);
	assert_int_equal(got.ok + got.failed + got.temp, 0);
}

/* accounts dies: its askers fail for now; a new one is taken. */
static void
test_accounts_gone(void **state)
{
	(void)state;
	acc.verifier_result = LATE;
	start(imapd, 1, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 200);
	ipc_channel_free(&accounts);
	wait_answers(1, 1000);
	assert_int_equal(got.temp, 1);
	start(imapd, 2, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 1000);
	assert_int_equal(got.temp, 2);
	acc.verifier_result = IPC_OK;
	connect_accounts();
	start(imapd, 3, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 5000);
	assert_int_equal(got.ok, 1);
}

static void
test_too_late(void **state)
{
	(void)state;
	acc.verifier_result = LATE;
	start(imapd, 1, "PLAIN", true, STR(PLAIN_GOOD));
	start(imapd, 2, "PLAIN", false, STR(""));
	wait_answers(1, 1000);
	assert_int_equal(got.challenges, 1);
	wait_answers(2, 8000);
	assert_int_equal(got.temp, 1);
	assert_int_equal(got.failed, 1);
	assert_int_equal(server_exchanges(server), 0);
	/* The client's next word crossed the failure on its way: nobody is to blame. */
	ipc_send_auth_continue(imapd, 2, &(struct ipc_auth_continue){ .response = STR("x") });
	acc.verifier_result = IPC_OK;
	start(imapd, 3, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 5000);
	assert_int_equal(got.closed, 0);
	assert_int_equal(got.ok, 1);
}

/* imapd says what it may not say in this state: its channel ends, the others go on. */
static void
test_violation(void **state)
{
	(void)state;
	connect_imapd(&imapd2);
	ipc_send_auth_continue(imapd2, 9, &(struct ipc_auth_continue){ .response = STR("x") });
	wait_answers(1, 2000);
	assert_int_equal(got.closed, 1);
	assert_null(imapd2);
	connect_imapd(&imapd2);
	start(imapd2, 1, "PLAIN", false, STR(""));
	start(imapd2, 1, "PLAIN", false, STR(""));
	wait_answers(2, 2000);
	assert_int_equal(got.closed, 2);
	start(imapd, 1, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 5000);
	assert_int_equal(got.ok, 1);
}

/* Speed of repeated logins, and what an argon2 leaves behind. */
static void
test_speed(void **state)
{
	struct timespec a, b;
	const char *why;
	double s;

	(void)state;
	assert_int_equal(settings_set(settings, SET_auth_queue, "1000", &why), 0);
	start(imapd, 1, "PLAIN", true, STR(PLAIN_GOOD));
	wait_answers(1, 5000);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (uint64_t id = 0; id < 1000; id += 20) {
		for (uint64_t k = 0; k < 20; k++)
			start(imapd, id + k, "PLAIN", true, STR(PLAIN_GOOD));
		wait_answers(20, 5000);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	assert_int_equal(got.ok, 1001);
	assert_int_equal(verify_hashes(server_verify(server)), 1);
	print_message("%.0f repeated logins a second with test peers in one process\n", 1000 / s);
	assert_true(1000 / s > 400);
}

static int
group_setup(void **state)
{
	struct buf why;
	int rc;

	(void)state;
	buf_init(&why, 256);
	rc = sodium_init() < 0 ? -1 : exchange_init(&why);
	buf_free(&why);
	return rc;
}

static int
group_teardown(void **state)
{
	(void)state;
	exchange_end();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_login, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scram, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scram_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scram_too_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exchanges_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accounts_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_violation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_speed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
