/* SPDX-License-Identifier: ISC */
/* What administrators do with mail that waits. */
#include "queue/test_remote_world.h"

static struct message *
only_message(struct world *w)
{
	return TAILQ_FIRST(spool_by_age(w->queue->spool));
}

static void
test_hold(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	mail_out(w, "a@grey.test");
	target = 1;
	assert_true(run_for(w, all_answered, 3000));
	settle_down(w);
	queue_hold(w->queue, only_message(w));
	assert_false(run_for(w, NULL, 600));
	for (int again = 0; again < 2; again++) {
		time_passes(w, 2 * HOUR);
		queue_retry(w->queue, only_message(w));
		settle_down(w);
		assert_int_equal(w->jobs, 1);
		if (again == 0) {
			queue_stop(w);
			queue_start(w);
		}
	}
	queue_release(w->queue, only_message(w));
	target = 2;
	assert_true(run_for(w, all_answered, 3000));
	settle_down(w);
	/* Now, not when it is due. */
	queue_retry(w->queue, only_message(w));
	target = 3;
	assert_true(run_for(w, all_answered, 3000));
	settle_down(w);
	assert_int_equal(queue_retry_domain(w->queue, STR("grey.test")), 1);
	target = 4;
	assert_true(run_for(w, all_answered, 3000));
	settle_down(w);
	assert_int_equal(queue_retry_domain(w->queue, STR("other.test")), 0);
	queue_remove(w->queue, only_message(w));
	assert_true(run_for(w, is_empty, 3000));
	settle_down(w);
	assert_int_equal(w->delivered, 0);
	world_free(w);
}

static void
test_remove_on_its_way(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->hold = true;
	mail_out(w, "a@perm.test");
	settle_down(w);
	queue_remove(w->queue, only_message(w));
	settle_down(w);
	assert_int_equal(spool_count(w->queue->spool), 1);
	answer_all(w);
	assert_true(run_for(w, is_empty, 3000));
	assert_int_equal(w->delivered, 0);
	world_free(w);
}

static unsigned redirected;
static char redirected_id[QUEUE_ID_SIZE];

static void
on_redirected(void *arg, enum ipc_result result, const char *id)
{
	struct world *w = arg;

	redirected = 1 + result;
	w->answers++;
	snprintf(redirected_id, sizeof(redirected_id), "%s", id);
}

static void
test_redirect(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	for (size_t size = 0; size <= 200000; size += 200000) {
		unsigned before = w->jobs;

		target = w->answers + 1;
		send_mail(w, w->door,
		    &(struct mail){
			.from = "me@example.test", .to = "a@grey.test b@dead.test", .size = size });
		assert_true(run_for(w, answered, 3000));
		target = before + 1;
		assert_true(run_for(w, all_answered, 3000));
		settle_down(w);
		target = w->answers + 1;
		queue_redirect(w->queue, only_message(w)->number, STR("nobody@example.test"),
		    on_redirected, w);
		assert_true(run_for(w, answered, 3000));
		assert_int_equal(redirected, 1 + IPC_NO);
		target = w->answers + 1;
		queue_redirect(
		    w->queue, only_message(w)->number, STR("you@example.test"), on_redirected, w);
		assert_true(run_for(w, answered, 3000));
		assert_int_equal(redirected, 1 + IPC_OK);
		assert_true(redirected_id[0] == 'Q');
		assert_true(run_for(w, is_empty, 3000));
	}
	assert_int_equal(w->delivered, 2);
	assert_true(buf_len(&w->mail) > 200000);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_remove_on_its_way),
		cmocka_unit_test(test_redirect),
	};

	log_open("queue", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
