/* SPDX-License-Identifier: ISC */
/* The queue between a fake smtpd and fake mailboxes, with the real codecs and a real directory. */
#include "queue/test_world.h"

/* --- tests ------------------------------------------------------------------------------------- */
static void
test_message_arrives(void **unused)
{
	static const size_t sizes[] = { 20, 4096, 65536, 131072, 131073, 3000000 };
	struct world *w = world_new();

	(void)unused;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		send_message(w, i + 1, 1, sizes[i]);
	target = 6;
	assert_true(run_for(w, answered, 5000));
	assert_int_equal(w->stored, 6);
	assert_true(run_for(w, delivered, 5000));
	for (size_t k = 1; k <= 6; k++)
		assert_int_equal(w->delivered[1][k], 1);
	assert_false(run_for(w, NULL, 700));
	/* Done marks are durable soon: nothing is left after an orderly restart. */
	queue_stop(w);
	queue_start(w);
	target = 7;
	assert_false(run_for(w, delivered, 150));
	assert_int_equal(w->box[1].opened, 1);
	world_free(w);
}

static void
test_interleaved_and_aborted(void **unused)
{
	struct world *w = world_new();
	static const uint32_t both[] = { 1, 2 };

	(void)unused;
	for (uint64_t k = 1; k <= 4; k++)
		send_begin(w, k);
	for (uint64_t k = 4; k >= 1; k--) {
		/* account 1 by two addresses: one copy */
		send_recipient(w, k, "a@example.test", both, 2);
		send_recipient(w, k, "b@example.test", both, 1);
	}
	for (uint64_t k = 1; k <= 4; k++)
		send_content(w, k, 1000);
	ipc_send_msg_abort(w->smtpd, 2, &(struct ipc_msg_abort){ 0 });
	for (uint64_t k = 1; k <= 4; k++)
		if (k != 2)
			send_commit(w, k, k == 3 ? 999 : 1000);
	target = 3;
	assert_true(run_for(w, answered, 5000));
	assert_int_equal(w->stored, 2);
	assert_int_equal(w->answer[3], 2);
	target = 4;
	assert_true(run_for(w, delivered, 5000));
	for (uint64_t k = 1; k <= 4; k++)
		for (int a = 1; a <= 2; a++)
			assert_int_equal(w->delivered[a][k], k == 1 || k == 4);
	/* An abort of what was never begun is no crime. */
	ipc_send_msg_abort(w->smtpd, 77, &(struct ipc_msg_abort){ 0 });
	send_message(w, 8, 1, 50);
	target = 5;
	assert_true(run_for(w, delivered, 5000));
	world_free(w);
}

/* The folder is remembered as long as the message waits. */
static void
test_junk(void **unused)
{
	uint32_t account = 1;
	struct world *w = world_new();

	(void)unused;
	w->box[1].behaviour = TEMPORARY;
	send_begin(w, 1);
	send_recipient(w, 1, "to@example.test", &account, 1);
	send_content(w, 1, 100);
	ipc_send_msg_commit(w->smtpd, 1,
	    &(struct ipc_msg_commit){
		.size = w->expected_size, .junk = 1, .prepend = str_of(prepend) });
	target = 1;
	assert_true(run_for(w, answered, 5000));
	queue_stop(w);
	queue_start(w);
	w->box[1].behaviour = GOOD;
	assert_true(run_for(w, delivered, 20000));
	assert_string_equal(w->box[1].folder, "Junk");
	send_message(w, 2, 1, 100);
	target = 2;
	assert_true(run_for(w, delivered, 20000));
	assert_string_equal(w->box[1].folder, "");
	world_free(w);
}

static void
test_one_sync_serves_all(void **unused)
{
	struct world *w = world_new();
	uint64_t t0, t1;
	struct timespec ts;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	t0 = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	for (uint64_t k = 1; k <= 2000; k++)
		send_message(w, k, k % 3, 4000);
	target = 2000;
	assert_true(run_for(w, answered, 20000));
	assert_int_equal(w->stored, 2000);
	assert_true(run_for(w, delivered, 20000));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	t1 = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	print_message("2000 messages stored and delivered in %u ms\n", (unsigned)(t1 - t0));
	world_free(w);
}

/* A mailbox that is away, silent, broken or gone delays nobody else and loses nothing. */
static void
test_bad_mailboxes(void **unused)
{
	static const enum behaviour bad[] = { SILENT, TEMPORARY, DROPS, REFUSED };

	(void)unused;
	for (size_t i = 0; i < 4; i++) {
		struct world *w = world_new();

		w->box[1].behaviour = bad[i];
		for (uint64_t k = 1; k <= 20; k++)
			send_message(w, k, 1 + k % 2, 500);
		target = 10;
		assert_true(run_for(w, delivered, 3000));
		assert_false(run_for(w, NULL, 300));
		assert_int_equal(delivered_total(w), 10);
		if (bad[i] != SILENT)
			assert_true(w->box[1].opened + w->box[1].begun >= 3);
		w->box[1].behaviour = GOOD;
		if (bad[i] == SILENT) {
			/* the process dies */
			ipc_channel_free(&w->box[1].ch);
		}
		target = 20;
		assert_true(run_for(w, delivered, 3000));
		for (uint64_t k = 1; k <= 20; k++)
			assert_int_equal(w->delivered[1 + k % 2][k], 1);
		world_free(w);
	}
}

static void
test_admin_and_lost_account(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->box[1].behaviour = GONE;
	send_message(w, 1, 1, 500);
	target = 1;
	assert_true(run_for(w, answered, 3000));
	assert_false(run_for(w, NULL, 100));
	for (int again = 0; again < 2; again++) {
		/* Kept, visible, also after a restart. */
		assert_int_equal(admin(w, CMD_queue_list, NULL), IPC_OK);
		assert_int_equal(w->row_count, 1);
		assert_non_null(strstr(w->rows, w->last_id));
		assert_non_null(strstr(w->rows, "|failed|"));
		assert_non_null(strstr(w->rows, "|from@example.org|to@example.test|"));
		assert_int_equal(admin(w, CMD_queue_show, w->last_id), IPC_OK);
		assert_non_null(strstr(w->rows, "delivery|to@example.test account=1 failed|"));
		assert_non_null(strstr(w->rows, "header|Key: 0000000001|"));
		assert_int_equal(admin(w, CMD_queue_show, "Q0000"), IPC_NO);
		assert_int_equal(admin(w, CMD_user_add, "x"), IPC_INVALID);
		if (again == 0) {
			queue_stop(w);
			queue_start(w);
		}
	}
	assert_int_equal(w->box[1].opened, 1);
	/* A long list comes in pieces. */
	w->box[2].behaviour = REFUSED;
	for (uint64_t k = 2; k <= 1000; k++)
		send_message(w, k, 2, 100);
	target = 1000;
	assert_true(run_for(w, answered, 10000));
	assert_int_equal(admin(w, CMD_queue_list, NULL), IPC_OK);
	assert_int_equal(w->row_count, 1000);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_arrives),
		cmocka_unit_test(test_interleaved_and_aborted),
		cmocka_unit_test(test_junk),
		cmocka_unit_test(test_one_sync_serves_all),
		cmocka_unit_test(test_bad_mailboxes),
		cmocka_unit_test(test_admin_and_lost_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
