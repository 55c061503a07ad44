/* SPDX-License-Identifier: ISC */
/* The queue at its limits, on a full disk, and with peers that break the rules. */
#include "queue/test_world.h"

static void
test_limits(void **unused)
{
	struct world *w = world_bare();

	(void)unused;
	w->options.spool.limits.max_messages = 5;
	w->options.message_max = 100000;
	queue_start(w);
	w->box[1].behaviour = REFUSED;
	for (uint64_t k = 1; k <= 7; k++) {
		send_message(w, k, 1, 100);
		target = k;
		assert_true(run_for(w, answered, 3000));
	}
	assert_int_equal(w->stored, 5);
	assert_int_equal(w->result_full, 2);
	assert_int_equal(w->answer[7], 2);
	assert_int_equal(w->room, IPC_FULL);
	/* Who comes later is told as well. */
	ipc_channel_free(&w->smtpd);
	w->room = IPC_OK;
	connect_smtpd(w);
	assert_false(run_for(w, NULL, 50));
	assert_int_equal(w->room, IPC_FULL);
	w->options.spool.limits.max_messages = 100;
	queue_set_options(w->queue, &w->options);
	assert_false(run_for(w, NULL, 150));
	assert_int_equal(w->room, IPC_OK);
	/* Too long; no recipient: the channel lives on. */
	send_message(w, 8, 1, 300000);
	send_begin(w, 9);
	send_content(w, 9, 50);
	send_commit(w, 9, 50);
	send_message(w, 10, 1, 100);
	target = 10;
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->answer[8], 2);
	assert_int_equal(w->answer[9], 2);
	assert_int_equal(w->answer[10], 1);
	assert_non_null(w->smtpd);
	/* No space on disk. */
	w->options.spool.limits.min_free = UINT64_MAX;
	queue_set_options(w->queue, &w->options);
	send_message(w, 11, 1, 100);
	target = 11;
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->result_full, 3);
	world_free(w);
}

/* The disk fills up: refused with a reason, the rest delivered, and all is well again by itself. */
static void
test_full_disk(void **unused)
{
	struct world *w = world_bare();
	struct crashsim *disk = crashsim_new();
	size_t stored;

	(void)unused;
	crashsim_set_capacity(disk, SPOOL_RESERVE_BYTES + (6 << 20));
	w->options.spool.io = crashsim_io(disk);
	queue_start(w);
	w->box[1].behaviour = REFUSED;
	for (uint64_t k = 1; k <= 3000; k += 100) {
		for (uint64_t i = k; i < k + 100; i++)
			send_message(w, i, 1, 4000);
		target = k + 99;
		assert_true(run_for(w, answered, 5000));
	}
	stored = w->stored;
	assert_true(stored > 800 && stored < 1700);
	assert_true(w->result_full > 1000);
	w->box[1].behaviour = GOOD;
	target = stored;
	assert_true(run_for(w, delivered, 5000));
	assert_false(run_for(w, NULL, 1500));
	for (uint64_t k = 1; k <= 3000; k++)
		assert_int_equal(w->delivered[1][k], w->answer[k] == 1);
	w->stored = w->not_stored = w->refused = 0;
	for (uint64_t k = 3001; k <= 3100; k++)
		send_message(w, k, 1, 4000);
	target = 100;
	assert_true(run_for(w, answered, 5000));
	assert_int_equal(w->stored, 100);
	world_free(w);
	crashsim_free(&disk);
}

/* What was delivered leaves the disk. */
static void
test_space_comes_back(void **unused)
{
	struct world *w = world_new();
	unsigned segments = 0;
	struct dirent *e;
	DIR *dir;

	(void)unused;
	/* One that stays holds up nothing but itself. */
	w->box[2].behaviour = TEMPORARY;
	send_message(w, 1, 2, 4000);
	for (uint64_t k = 2; k <= 4000; k += 200) {
		for (uint64_t i = k; i < k + 200; i++)
			send_message(w, i, 1, 4000);
		target = k + 198;
		assert_true(run_for(w, delivered, 5000));
	}
	assert_false(run_for(w, NULL, 2500));
	dir = opendir(w->dir);
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		segments += strlen(e->d_name) == 20 && strcmp(e->d_name + 16, ".seg") == 0;
	closedir(dir);
	assert_true(segments <= 4);
	w->box[2].behaviour = GOOD;
	target = 4001;
	assert_true(run_for(w, delivered, 5000));
	world_free(w);
}

/* Numbers jump after a restore. */
static void
test_renumber(void **unused)
{
	struct world *w = world_new();
	uint64_t before, after;
	char path[96];

	(void)unused;
	send_message(w, 1, 1, 100);
	target = 1;
	assert_true(run_for(w, answered, 3000));
	assert_true(queue_id_parse(str_of(w->last_id), &before));
	queue_stop(w);
	snprintf(path, sizeof(path), "%s/renumber", w->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	queue_start(w);
	assert_int_equal(access(path, F_OK), -1);
	send_message(w, 2, 1, 100);
	target = 2;
	assert_true(run_for(w, answered, 3000));
	assert_true(queue_id_parse(str_of(w->last_id), &after));
	assert_true(after >= before + (UINT64_C(1) << 32));
	world_free(w);
}

/* A client that breaks the rules loses its channel; others and the queue go on. */
static void
test_violation(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	send_content(w, 1, 100); /* nothing was begun */
	assert_false(run_for(w, NULL, 100));
	assert_null(w->smtpd);
	connect_smtpd(w);
	send_message(w, 2, 1, 100);
	target = 1;
	assert_true(run_for(w, delivered, 3000));
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_space_comes_back),
		cmocka_unit_test(test_renumber),
		cmocka_unit_test(test_violation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
