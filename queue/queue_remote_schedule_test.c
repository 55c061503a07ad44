/* SPDX-License-Identifier: ISC */
/* When the queue tries which domain, and how many at once. */
#include "queue/test_remote_world.h"

static void
test_back_off(void **unused)
{
	struct world *w = world_new();
	uint64_t base = 5 * MINUTE;

	(void)unused;
	mail_out(w, "a@grey.test");
	for (unsigned i = 1; i <= 7; i++) {
		target = i;
		assert_true(run_for(w, all_answered, 3000));
		settle_down(w);
		assert_int_equal(w->jobs, i);
		time_passes(w, base * 3 / 4 - 1);
		settle_down(w);
		assert_int_equal(w->jobs, i);
		if (i == 3) {
			/* It is remembered. */
			queue_stop(w);
			queue_start(w);
			settle_down(w);
			assert_int_equal(w->jobs, i);
		}
		time_passes(w, base / 2 + 2);
		target = i + 1;
		assert_true(run_for(w, jobs_begun, 3000));
		base = base * 2 > HOUR ? HOUR : base * 2;
	}
	/* The clock is set back by a year: nothing waits a year. */
	target = 8;
	assert_true(run_for(w, all_answered, 3000));
	settle_down(w);
	time_passes(w, 0 - UINT64_C(365) * 24 * HOUR);
	target = 9;
	assert_true(run_for(w, jobs_begun, 3000));
	world_free(w);
}

static void
test_dead_domain(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	mails_out(w, "a#@dead.test", 50);
	mails_out(w, "a#@good.test", 50);
	target = 51;
	assert_true(run_for(w, all_answered, 5000));
	settle_down(w);
	/* One found out, the others were not tried. */
	assert_int_equal(w->jobs, 51);
	assert_int_equal(spool_count(w->queue->spool), 50);
	time_passes(w, 5 * MINUTE * 5 / 4 + 1);
	target = 52;
	assert_true(run_for(w, all_answered, 5000));
	settle_down(w);
	assert_int_equal(w->jobs, 52);
	assert_string_not_equal(w->sent[51].to, w->sent[0].to);
	world_free(w);
}

static void
test_limits(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->hold = true;
	mails_out(w, "a@dead#.test", 100);
	settle_down(w);
	/* Never tried: three quarters. */
	assert_int_equal(w->running, 30);
	w->hold = false;
	answer_all(w);
	target = 100;
	assert_true(run_for(w, all_answered, 5000));
	assert_int_equal(w->most_running, 30);
	/* Not reached last time: half. */
	w->hold = true;
	w->most_running = 0;
	time_passes(w, 7 * MINUTE);
	settle_down(w);
	assert_int_equal(w->running, 20);
	/* Who answers has the rest, one at first, then more. */
	for (unsigned i = 0; i < 5; i++) {
		char pattern[32];

		snprintf(pattern, sizeof(pattern), "a#@good%u.test", i);
		mails_out(w, pattern, 30);
	}
	settle_down(w);
	assert_int_equal(w->running, 25);
	for (unsigned i = 0; i < 60; i++) {
		for (unsigned k = 0; k < w->jobs; k++)
			if (!w->sent[k].done && !is_dead(&w->sent[k]))
				job_answer(w, &w->sent[k]);
		settle_down(w);
		assert_true(w->running <= 40);
	}
	assert_int_equal(w->most_running, 40);
	assert_int_equal(spool_count(w->queue->spool), 100);
	world_free(w);
}

static void
test_window(void **unused)
{
	static const unsigned want[] = { 1, 2, 4, 8, 10, 10 };
	struct world *w = world_new();

	(void)unused;
	w->hold = true;
	mails_out(w, "a#@good.test", 60);
	for (size_t i = 0; i < 6; i++) {
		settle_down(w);
		assert_int_equal(w->running, want[i]);
		answer_all(w);
	}
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_back_off),
		cmocka_unit_test(test_dead_domain),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_window),
	};

	log_open("queue", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
