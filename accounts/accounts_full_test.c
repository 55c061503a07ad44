/* SPDX-License-Identifier: ISC */
/* The service of accounts: mailboxes that are full. */
#include "accounts/test_service.h"

/* ---- requests ---------------------------------------------------------------------------------
 */

static unsigned
times_asked(enum service_request what)
{
	unsigned n = 0;

	for (unsigned i = 0; i < asked_n; i++)
		n += asked[i].what == what;
	return n;
}

/* Runs until queue and smtpd were told that answers may be wrong. */
static void
await_change(void)
{
	unsigned before = changed;
	struct io_timer *t = io_timer_new(loop, timeout, NULL);

	io_timer_set(t, 30000);
	stop_at_change = true;
	io_loop_run(loop);
	stop_at_change = false;
	io_timer_free(&t);
	assert_int_not_equal(changed, before);
}

static bool
full_for_queue(const char *address)
{
	ipc_send_address_expand(
	    queue, 7, &(struct ipc_address_expand){ .address = str_of(address) });
	wait_reply();
	assert_int_equal(got.type, IPC_address_targets);
	assert_int_equal(got.result, IPC_OK);
	assert_int_equal(got.n, 1);
	return got.full;
}

/* As a new process finds it. */
static void
restart(void)
{
	struct buf say;

	buf_init(&say, 512);
	service_free(&service);
	ipc_channel_free(&lookup);
	ipc_channel_free(&admin);
	ipc_channel_free(&auth);
	ipc_channel_free(&queue);
	store_close(&store);
	assert_int_equal(store_open(STR("example.test"), 1000, &store, &say), 0);
	buf_free(&say);
	asked_n = 0;
	service = service_new(loop, store, settings, ask, NULL);
	connect_peer(IPC_CH_accounts_lookup, &lookup);
	connect_peer(IPC_CH_accounts_queue, &queue);
	connect_peer(IPC_CH_admin, &admin);
}

/* Mail for a full mailbox is refused where it is addressed to it alone. */
static void
test_full(void **state)
{
	const char *why;

	(void)state;
	connect_peer(IPC_CH_accounts_queue, &queue);
	assert_int_equal(
	    command(CMD_user_add, "alice@example.test", NULL, "correct horse"), IPC_OK);
	assert_int_equal(command(CMD_user_add, "bob@example.test", NULL, "correct horse"), IPC_OK);
	assert_int_equal(
	    command(CMD_alias_add, "info@example.test", "alice@example.test", NULL), IPC_OK);
	assert_int_equal(quota("100", "none"), IPC_OK);
	assert_int_equal(times_asked(SERVICE_LIMIT), 1);
	service_holds(service, 1, 99, 5);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	/* Each report is answered with the limits. */
	assert_int_equal(times_asked(SERVICE_LIMIT), 2);
	service_holds(service, 1, 100, 6);
	await_change();
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	assert_int_equal(got.n, 0);
	assert_int_equal(look_up("Alice+detail@example.test"), IPC_FULL);
	assert_int_equal(look_up("info@example.test"), IPC_OK);
	assert_int_equal(look_up("postmaster@example.test"), IPC_OK);
	assert_int_equal(look_up("bob@example.test"), IPC_OK);
	assert_true(full_for_queue("alice@example.test"));
	assert_false(full_for_queue("info@example.test"));
	/* It is noted, and whoever is noted is opened once. */
	restart();
	assert_int_equal(times_asked(SERVICE_COMMAND), 1);
	assert_int_equal(asked[0].account, 1);
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	assert_int_equal(service_pending(service), 0);
	/* Another limit counts at once. */
	assert_int_equal(quota("101", "none"), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_int_equal(quota("none", "6"), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	service_holds(service, 1, 100, 5);
	await_change();
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	restart();
	assert_int_equal(times_asked(SERVICE_COMMAND), 0);
	/* What was to be noted in a moment is noted by an orderly end. */
	service_holds(service, 1, 100, 6);
	restart();
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	service_holds(service, 1, 100, 5);
	restart();
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_int_equal(times_asked(SERVICE_COMMAND), 0);
	/* The limit for all. */
	assert_int_equal(quota("default", "default"), IPC_OK);
	service_holds(service, 1, 5000, 1);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_int_equal(settings_set(settings, SET_mailbox_quota_bytes, "5000", &why), 0);
	service_settings(service, settings);
	await_change();
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	assert_int_equal(quota("none", "default"), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	/* With a forward that keeps a copy it is not the only place. */
	assert_int_equal(quota("10", "none"), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	assert_int_equal(
	    command(CMD_forward_add, "alice@example.test", "bob@example.test", NULL), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_int_equal(
	    command(CMD_forward_remove, "alice@example.test", "bob@example.test", NULL), IPC_OK);
	/* There and back before it is noted: who asked in between hears of it. */
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	service_holds(service, 1, 0, 0);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	service_holds(service, 1, 10, 1);
	await_change();
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	service_holds(service, 77, 1, 1); /* nobody */
	assert_int_equal(command(CMD_user_remove, "alice@example.test", NULL, NULL), IPC_DENIED);
	assert_int_equal(command(CMD_alias_remove, "info@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_user_remove, "alice@example.test", NULL, NULL), IPC_OK);
	restart();
	assert_int_equal(times_asked(SERVICE_COMMAND), 0);
}

/* Noted so many seconds ago that it is full. */
static void
note_full(uint64_t seconds)
{
	struct buf say;

	buf_init(&say, 1000);
	assert_int_equal(
	    store_note_full(
		store, &(struct store_note){ 1, true, (uint64_t)time(NULL) - seconds }, 1, &say),
	    IPC_OK);
	buf_free(&say);
}

static bool
refused_for_good(const char *grace)
{
	const char *why;

	assert_int_equal(settings_set(settings, SET_mailbox_quota_grace, grace, &why), 0);
	service_settings(service, settings);
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	return got.for_good;
}

/* Mail is put off at first, in the end it is refused for good. */
static void
test_full_for_long(void **state)
{
	const struct account *a;

	(void)state;
	connect_peer(IPC_CH_accounts_queue, &queue);
	assert_int_equal(
	    command(CMD_user_add, "alice@example.test", NULL, "correct horse"), IPC_OK);
	assert_int_equal(quota("100", "none"), IPC_OK);
	service_holds(service, 1, 100, 6);
	await_change();
	a = directory_by_id(store_directory(store), 1);
	assert_true(a->noted && a->holds.since + 60 > (uint64_t)time(NULL));
	assert_false(refused_for_good("1000"));
	note_full(500);
	assert_false(refused_for_good("1000"));
	assert_true(refused_for_good("400"));
	assert_false(refused_for_good("0"));
	/* more mail does not begin it anew, a restart neither, nor does a clock that goes back end it */
	service_holds(service, 1, 200, 12);
	restart();
	assert_true(refused_for_good("400"));
	note_full((uint64_t)-1000);
	assert_false(refused_for_good("400"));
	/* room ends it, and it begins anew */
	note_full(500);
	assert_true(refused_for_good("400"));
	service_holds(service, 1, 99, 5);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_false(got.for_good);
	await_change();
	service_holds(service, 1, 100, 6);
	await_change();
	assert_false(refused_for_good("400"));
	/* an earlier version did not write since when */
	note_full((uint64_t)time(NULL));
	restart();
	a = directory_by_id(store_directory(store), 1);
	assert_true(a->noted && a->holds.since == 0);
	assert_false(refused_for_good("400"));
	service_holds(service, 1, 100, 6);
	await_change();
	assert_true(a->holds.since > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_for_long, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
