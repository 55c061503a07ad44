/* SPDX-License-Identifier: ISC */
/* The service with its store on disk, asked by the library that smtpd and submission ask it with; the
 * clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "db/db.h"
#include "reputation/service.h"
#include "reputation_client/reputation_client.h"

enum { BEGIN = 1800000000, MINUTE = 60, HOUR = 3600, DAY = 86400 };

static struct {
	char dir[64];
	struct io_loop *loop;
	struct settings *settings;
	struct store *store;
	struct service *service;
	struct reputation *client;
	struct io_timer *limit;
	uint32_t now;
	/* the last answer */
	bool answered;
	uint32_t wait;
	enum reputation_known known;
	uint64_t since;
} t;

static uint32_t
fake_clock(void)
{
	return t.now;
}

static void
on_limit(void *arg)
{
	(void)arg;
	fail_msg("no answer within 30 s");
}

static void
open_store(void)
{
	struct buf why;

	buf_init(&why, 1024);
	t.store = store_open(t.now, settings_u64(t.settings, SET_reputation_sent_messages), &why);
	if (t.store == NULL)
		fail_msg("%.*s", (int)buf_len(&why), (const char *)buf_data(&why));
	buf_free(&why);
	t.service = service_new(t.loop, t.store, t.settings, fake_clock);
}

static void
connect_client(void)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	service_peer(t.service, sv[0]);
	reputation_open(t.client, sv[1]);
}

static int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	strcpy(t.dir, "/tmp/postern-reputation-XXXXXX");
	if (sodium_init() < 0 || mkdtemp(t.dir) == NULL || chdir(t.dir) != 0)
		return -1;
	t.now = BEGIN;
	t.loop = io_loop_new();
	t.limit = io_timer_new(t.loop, on_limit, NULL);
	io_timer_set(t.limit, 30000);
	t.settings = settings_new();
	t.client = reputation_new(t.loop);
	open_store();
	connect_client();
	return 0;
}

static void
close_store(void)
{
	service_free(&t.service);
	store_close(&t.store);
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	reputation_free(&t.client);
	close_store();
	settings_free(&t.settings);
	io_timer_free(&t.limit);
	io_loop_free(&t.loop);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", t.dir);
	return chdir("/") != 0 || system(cmd) != 0 ? -1 : 0;
}

/* Another start of reputation, as after a crash or a stop. */
static void
restart(void)
{
	close_store();
	open_store();
	connect_client();
}

static void
on_grey(void *arg, uint32_t wait)
{
	(void)arg;
	t.answered = true;
	t.wait = wait;
	io_loop_stop(t.loop);
}

static void
on_sent(void *arg, enum reputation_known known, uint64_t since)
{
	(void)arg;
	t.answered = true;
	t.known = known;
	t.since = since;
	io_loop_stop(t.loop);
}

static uint32_t
grey(const char *client, const char *sender, const char *recipient, const char *domain)
{
	t.answered = false;
	(void)reputation_ask_grey(t.client,
	    &(struct reputation_grey){ .client = client,
		.sender = str_of(sender),
		.recipient = str_of(recipient),
		.domain = str_of(domain) },
	    on_grey, NULL);
	assert_false(t.answered); /* never inside the asking call */
	io_loop_run(t.loop);
	assert_true(t.answered);
	return t.wait;
}

static enum reputation_known
sent(const char *ids, size_t n)
{
	t.answered = false;
	(void)reputation_ask_sent(t.client, str_from(ids, n), on_sent, NULL);
	io_loop_run(t.loop);
	assert_true(t.answered);
	return t.known;
}
#define SENT(ids) sent(ids, sizeof(ids))

static struct net_address
address(const char *text)
{
	struct net_address a;

	assert_true(net_parse(str_of(text), &a));
	return a;
}

/* All that was said before has been heard: questions are answered in their order. */
static void
settle(void)
{
	(void)SENT("nothing");
}

static void
note(const char *client, enum offence what, uint32_t count)
{
	struct net_address a = address(client);

	reputation_note(t.client, &a, what, count);
	settle();
}

static uint32_t
refused(const char *client)
{
	struct net_address a = address(client);

	return reputation_refused(t.client, &a);
}

static bool
watched(const char *client)
{
	struct net_address a = address(client);

	return reputation_watched(t.client, &a);
}

/* --- greylist ----------------------------------------------------------------------------------- */

#define A "203.0.113.5", "a@example.net", "b@example.test", ""

static void
test_comes_again(void **state)
{
	(void)state;
	assert_int_equal(grey(A), 300);
	t.now += 100;
	assert_int_equal(grey(A), 200);
	t.now += 200;
	assert_int_equal(grey(A), 0);
	t.now += 30 * DAY;
	assert_int_equal(grey(A), 0);
	t.now += 36 * DAY;
	assert_int_equal(grey(A), 300);
}

static void
test_what_makes_a_triplet(void **state)
{
	(void)state;
	assert_int_equal(grey(A), 300);
	t.now += 300;
	assert_int_equal(grey("203.0.114.5", "a@example.net", "b@example.test", ""), 300);
	assert_int_equal(grey("203.0.113.5", "c@example.net", "b@example.test", ""), 300);
	assert_int_equal(grey("203.0.113.5", "a@example.net", "c@example.test", ""), 300);
	/* another server of the same network, letters, an address for each message */
	assert_int_equal(grey("203.0.113.77", "A+x1@Example.NET", "B@Example.test", ""), 0);
	assert_int_equal(grey("2001:db8::1", "", "b@example.test", ""), 300);
	t.now += 300;
	assert_int_equal(grey("2001:db8::2", "", "b@example.test", ""), 0);
	assert_int_equal(grey("no address", "", "b@example.test", ""), 0);
}

/* With SPF the domain stands for all of its servers. */
static void
test_pool_of_a_big_sender(void **state)
{
	(void)state;
	assert_int_equal(grey("198.51.100.1", "a@big.test", "b@example.test", "big.test"), 300);
	t.now += 300;
	assert_int_equal(grey("203.0.113.9", "a@big.test", "b@example.test", "big.test"), 0);
	assert_int_equal(grey("203.0.113.9", "a@big.test", "b@example.test", ""), 300);
}

static void
good_for_hours(const char *client, const char *domain, bool spf, int hours)
{
	for (int i = 0; i < hours; i++) {
		for (int k = 0; k < 5; k++)
			reputation_good(t.client, client, str_of(domain), spf);
		settle();
		t.now += HOUR;
	}
}

static void
test_known_good_senders_are_not_delayed(void **state)
{
	(void)state;
	good_for_hours("203.0.113.5", "new.test", true, 2);
	assert_int_equal(grey("203.0.113.5", "x@new.test", "b@example.test", "new.test"), 300);
	good_for_hours("203.0.113.5", "new.test", true, 1);
	assert_int_equal(grey("203.0.113.5", "y@new.test", "b@example.test", "new.test"), 0);
	assert_int_equal(grey("192.0.2.77", "y@new.test", "b@example.test", "new.test"), 0);
	assert_int_equal(grey("192.0.2.77", "y@new.test", "b@example.test", ""), 300);
	/* DKIM vouches for the domain, so only where it comes from counts along with it */
	good_for_hours("203.0.113.5", "dkim.test", false, 3);
	assert_int_equal(grey("203.0.113.6", "x@dkim.test", "b@example.test", ""), 0);
	assert_int_equal(grey("192.0.2.77", "x@dkim.test", "b@example.test", ""), 300);
	assert_int_equal(grey("203.0.113.6", "x@other.test", "b@example.test", ""), 300);
}

/* A network that has come again three times will do so always. */
static void
test_who_comes_again_is_known(void **state)
{
	char sender[] = "x@example.net";

	(void)state;
	for (int i = 0; i < 3; i++) {
		sender[0] = (char)('a' + i);
		assert_int_equal(grey("203.0.113.5", sender, "b@example.test", ""), 300);
		t.now += HOUR;
		assert_int_equal(grey("203.0.113.5", sender, "b@example.test", ""), 0);
	}
	assert_int_equal(grey("203.0.113.5", "z@example.net", "b@example.test", ""), 0);
}

/* --- penalties ---------------------------------------------------------------------------------- */

static void
test_penalties(void **state)
{
	(void)state;
	note("203.0.113.5", OFFENCE_UNKNOWN_RECIPIENT, 1);
	assert_false(watched("203.0.113.5"));
	note("203.0.113.5", OFFENCE_UNKNOWN_RECIPIENT, 3);
	assert_true(watched("203.0.113.5"));
	assert_int_equal(refused("203.0.113.5"), 0);
	note("203.0.113.5", OFFENCE_UNKNOWN_RECIPIENT, 30);
	assert_in_range(refused("203.0.113.5"), 20, 30);
	assert_int_equal(refused("203.0.113.6"), 0);
	assert_false(watched("203.0.113.6"));
	note("203.0.113.5", OFFENCE_ACCEPTED, 1);
	assert_int_equal(refused("203.0.113.5"), 0);
	note("::1", OFFENCE_INJECTION, 100);
	note("127.0.0.1", OFFENCE_INJECTION, 100);
	assert_int_equal(refused("::1"), 0);
	assert_int_equal(refused("127.0.0.1"), 0);
}

static void
test_penalty_of_a_network(void **state)
{
	char client[32];

	(void)state;
	for (int i = 1; i <= 8; i++) {
		assert_int_equal(refused("203.0.113.99"), 0);
		snprintf(client, sizeof(client), "203.0.113.%d", i);
		note(client, OFFENCE_INJECTION, 3);
	}
	assert_in_range(refused("203.0.113.99"), 1, 600);
	assert_int_equal(refused("203.0.114.99"), 0);
}

static void
test_penalties_outlive_a_restart(void **state)
{
	(void)state;
	note("2001:db8::5", OFFENCE_INJECTION, 6);
	assert_in_range(refused("2001:db8::ffff"), 601, 1200);
	restart();
	settle();
	assert_in_range(refused("2001:db8::ffff"), 601, 1200);
	t.now += HOUR; /* faded: a new start tells nothing of it */
	restart();
	settle();
	assert_int_equal(refused("2001:db8::ffff"), 0);
}

/* --- what was sent ------------------------------------------------------------------------------ */

static void
test_sent(void **state)
{
	(void)state;
	assert_int_equal(SENT("1@example.test"), REPUTATION_NO);
	assert_int_equal(t.since, BEGIN);
	reputation_sent(t.client, STR("1@example.test"));
	reputation_sent(t.client, STR(""));
	assert_int_equal(SENT("1@example.test"), REPUTATION_YES);
	assert_int_equal(SENT("x@y\0z@y\0001@example.test"), REPUTATION_YES);
	assert_int_equal(SENT("1@Example.test"), REPUTATION_NO);
	assert_int_equal(SENT(""), REPUTATION_NO);
	assert_int_equal(sent("", 0), REPUTATION_NO);
	assert_int_equal(sent("1@example.test", 14), REPUTATION_YES);
	t.now += 30 * DAY;
	restart();
	assert_int_equal(SENT("1@example.test"), REPUTATION_YES);
	assert_int_equal(t.since, BEGIN);
	t.now += 20 * DAY; /* above the age of 45 days */
	assert_int_equal(SENT("1@example.test"), REPUTATION_NO);
}

/* An id that had to make room before its time: the memory begins behind it. */
static void
test_full_memory_says_so(void **state)
{
	char id[32];
	const char *why;

	(void)state;
	assert_int_equal(settings_set(t.settings, SET_reputation_sent_messages, "1000", &why), 0);
	service_settings(t.service, t.settings);
	for (int i = 0; i < 1003; i++) {
		snprintf(id, sizeof(id), "%d@example.test", i);
		reputation_sent(t.client, str_of(id));
		if (i < 3 || i % 100 == 0)
			settle();
		t.now += i < 3;
	}
	settle();
	assert_int_equal(table_count(store_table(t.store, STORE_SENT)), 1000);
	assert_int_equal(SENT("2@example.test"), REPUTATION_NO);
	assert_int_equal(SENT("3@example.test"), REPUTATION_YES);
	assert_int_equal(t.since, BEGIN + 3);
	restart();
	assert_int_equal(SENT("3@example.test"), REPUTATION_YES);
	assert_int_equal(t.since, BEGIN + 3);
}

/* --- away --------------------------------------------------------------------------------------- */

static void
test_away_everything_passes(void **state)
{
	struct reputation_question *q;

	(void)state;
	note("203.0.113.5", OFFENCE_INJECTION, 9);
	service_free(&t.service);
	assert_int_equal(grey(A), 0);
	assert_int_equal(SENT("1@example.test"), REPUTATION_UNKNOWN);
	q = reputation_ask_sent(t.client, STR("x"), on_sent, NULL);
	reputation_forget(&q);
	assert_null(q);
	reputation_sent(t.client, STR("kept@example.test"));
	t.service = service_new(t.loop, t.store, t.settings, fake_clock);
	connect_client();
	assert_int_equal(SENT("kept@example.test"), REPUTATION_YES);
	assert_int_equal(t.since, BEGIN);
}

static void
test_lost_notes_are_a_gap(void **state)
{
	(void)state;
	service_free(&t.service);
	settle();
	for (int i = 0; i <= REPUTATION_NOTES_MAX; i++)
		reputation_sent(t.client, STR("x@example.test"));
	t.now += DAY;
	t.service = service_new(t.loop, t.store, t.settings, fake_clock);
	connect_client();
	assert_int_equal(SENT("x@example.test"), REPUTATION_YES);
	assert_int_equal(t.since, BEGIN + DAY);
}

/* A process that hangs costs REPUTATION_ANSWER_MS, no more. */
static void
test_no_answer_is_not_waited_for(void **state)
{
	uint64_t began;
	int sv[2];

	(void)state;
	assert_int_equal(ipc_pair(sv), 0);
	reputation_open(t.client, sv[1]); /* nobody reads the other end */
	began = io_now_ms(t.loop);
	assert_int_equal(grey(A), 0);
	assert_true(io_now_ms(t.loop) - began >= REPUTATION_ANSWER_MS - 10);
	close(sv[0]);
}

/* --- the tables --------------------------------------------------------------------------------- */

static void
test_rows_are_written_once_a_second(void **state)
{
	(void)state;
	assert_int_equal(grey(A), 300);
	assert_true(store_changed(t.store));
	while (store_changed(t.store)) { /* questions about nothing keep the loop turning */
		settle();
		usleep(1000);
	}
	/* As after a kill: nothing is written at the end. */
	restart();
	assert_int_equal(grey(A), 300);
	t.now += 300;
	assert_int_equal(grey(A), 0);
}

static void
test_waiting_triplets_are_bounded(void **state)
{
	char sender[32];

	(void)state;
	for (unsigned i = 0; i < STORE_WAITING_MAX + 10; i++) {
		snprintf(sender, sizeof(sender), "a@%u.example", i);
		table_put(store_table(t.store, STORE_WAITING), i, t.now, 0, NULL);
	}
	assert_int_equal(table_count(store_table(t.store, STORE_WAITING)), STORE_WAITING_MAX);
	assert_null(table_get(store_table(t.store, STORE_WAITING), 9));
	assert_non_null(table_get(store_table(t.store, STORE_WAITING), 10));
}

/* A million networks misbehave: the memory stays as large as it is, and who goes on is still punished. */
static void
test_many_misbehave(void **state)
{
	struct table *clients = store_table(t.store, STORE_CLIENTS);
	struct table *networks = store_table(t.store, STORE_NETWORKS);
	unsigned waiting = 0;

	(void)state;
	for (uint64_t i = 1; i <= 1000000; i++) {
		table_put(clients, i << 20, 1000, t.now, NULL);
		table_put(networks, i << 20, 125, t.now, NULL);
	}
	for (const struct row *r = NULL; (r = table_changed(clients, r)) != NULL;)
		waiting++;
	assert_int_equal(waiting, STORE_CLIENTS_MAX);
	assert_int_equal(table_count(clients), STORE_CLIENTS_MAX);
	assert_int_equal(table_count(networks), STORE_NETWORKS_MAX);
	note("203.0.113.5", OFFENCE_INJECTION, 3);
	assert_true(refused("203.0.113.5") > 0);
	assert_int_equal(table_count(clients), STORE_CLIENTS_MAX);
	/* so that they need not be written at the end */
	table_set_most(clients, 1);
	table_set_most(networks, 1);
	table_put(clients, 1, 1, t.now, NULL);
	table_put(networks, 1, 1, t.now, NULL);
	assert_int_equal(table_count(clients), 1);
}

static void
test_newer_format_is_refused(void **state)
{
	struct db *db;
	struct db_txn *txn;
	struct buf why;

	(void)state;
	close_store();
	buf_init(&why, 1024);
	assert_int_equal(db_open(STORE_FORMAT, &db, &why), 0);
	assert_int_equal(db_begin(db, true, &txn), 0);
	assert_int_equal(db_set_format(txn, STORE_FORMAT + 1), 0);
	assert_int_equal(db_commit(&txn), 0);
	db_close(&db);
	assert_null(store_open(t.now, 1000, &why));
	assert_true(buf_len(&why) > 0);
	buf_free(&why);
}

/* The order of use comes back from disk, and with it who makes room first. */
static void
test_order_outlives_a_restart(void **state)
{
	struct table *table = store_table(t.store, STORE_SENT);

	(void)state;
	table_put(table, 1, BEGIN + 5, 0, NULL);
	table_put(table, 2, BEGIN + 3, 0, NULL);
	table_put(table, 3, BEGIN + 4, 0, NULL);
	table_del(table, 3);
	restart();
	table = store_table(t.store, STORE_SENT);
	assert_int_equal(table_count(table), 2);
	assert_int_equal(table_oldest(table)->key, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_comes_again),
		T(test_what_makes_a_triplet),
		T(test_pool_of_a_big_sender),
		T(test_known_good_senders_are_not_delayed),
		T(test_who_comes_again_is_known),
		T(test_penalties),
		T(test_penalty_of_a_network),
		T(test_penalties_outlive_a_restart),
		T(test_sent),
		T(test_full_memory_says_so),
		T(test_away_everything_passes),
		T(test_lost_notes_are_a_gap),
		T(test_no_answer_is_not_waited_for),
		T(test_rows_are_written_once_a_second),
		T(test_waiting_triplets_are_bounded),
		T(test_many_misbehave),
		T(test_newer_format_is_refused),
		T(test_order_outlives_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
