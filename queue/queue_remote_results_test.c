/* SPDX-License-Identifier: ISC */
/* What becomes of results: reports, age, and that neither is lost or told twice. */
#include "queue/test_remote_world.h"

static void
test_recipients_share(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	mail_out(w, "yes@good.test no@good.test later@good.test other@else.test");
	target = 2;
	assert_true(run_for(w, all_answered, 3000));
	assert_string_equal(w->sent[0].to, "yes@good.test no@good.test later@good.test");
	target = 1;
	assert_true(run_for(w, mail_came, 3000));
	assert_true(has(&w->mail, "Action: failed"));
	assert_true(has(&w->mail, "no@good.test"));
	assert_true(has(&w->mail, "who is that?"));
	assert_false(has(&w->mail, "later@good.test"));
	time_passes(w, 10 * MINUTE);
	target = 3;
	assert_true(run_for(w, all_answered, 3000));
	assert_string_equal(w->sent[2].to, "later@good.test");
	settle_down(w);
	assert_int_equal(w->delivered, 1);
	world_free(w);
}

static void
test_reports(void **unused)
{
	struct world *w = world_new();
	struct mail m = { .from = "", .to = "a@perm.test" };

	(void)unused;
	/* Nobody to tell; somebody who does not want to know. */
	send_mail(w, w->door, &m);
	m.from = "me@example.test";
	m.notify = SMTP_NOTIFY_NEVER;
	send_mail(w, w->door, &m);
	target = 2;
	assert_true(run_for(w, answered, 3000));
	assert_true(run_for(w, is_empty, 3000));
	settle_down(w);
	assert_int_equal(w->delivered, 0);
	/* Success: told by us, unless the other server does. */
	m.notify = SMTP_NOTIFY_SUCCESS;
	m.to = "a@good.test b@dsn.test you@example.test";
	target = 3;
	send_mail(w, w->door, &m);
	assert_true(run_for(w, answered, 3000));
	target = 3;
	assert_true(run_for(w, mail_came, 3000));
	assert_true(run_for(w, is_empty, 3000));
	assert_true(has(&w->mail, "Action: relayed"));
	assert_true(has(&w->mail, "Action: delivered"));
	assert_true(has(&w->mail, "a@good.test"));
	assert_false(has(&w->mail, "b@dsn.test"));
	assert_int_equal(w->delivered, 3);
	world_free(w);
}

static void
test_age(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	mail_out(w, "a@grey.test");
	mails_out(w, "b#@dead.test", 3);
	target = 2;
	assert_true(run_for(w, all_answered, 3000));
	settle_down(w);
	time_passes(w, 4 * HOUR - 1);
	settle_down(w);
	assert_int_equal(w->delivered, 0);
	time_passes(w, 1);
	target = 4;
	assert_true(run_for(w, mail_came, 3000));
	assert_true(has(&w->mail, "Action: delayed"));
	assert_true(has(&w->mail, "come back later"));
	assert_true(has(&w->mail, "connection refused"));
	/* Once, also after a new start. */
	assert_false(run_for(w, NULL, 600));
	queue_stop(w);
	queue_start(w);
	time_passes(w, HOUR);
	settle_down(w);
	assert_int_equal(w->delivered, 4);
	buf_clear(&w->mail);
	time_passes(w, 115 * (uint64_t)HOUR);
	target = 8;
	assert_true(run_for(w, mail_came, 3000));
	assert_true(run_for(w, is_empty, 3000));
	assert_true(has(&w->mail, "Action: failed"));
	assert_true(has(&w->mail, "come back later"));
	settle_down(w);
	assert_int_equal(w->delivered, 8);
	world_free(w);
}

/* Nothing is lost when delivery ends in the middle. */
static void
test_delivery_dies(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->hold = true;
	mails_out(w, "a@good#.test", 20);
	settle_down(w);
	assert_int_equal(w->running, 20);
	/* Half of them were through. */
	for (unsigned i = 0; i < 10; i++)
		job_answer(w, &w->sent[i]);
	settle_down(w);
	ipc_channel_free(&w->delivery);
	settle_down(w);
	assert_int_equal(spool_count(w->queue->spool), 10);
	w->hold = false;
	connect_delivery(w);
	settle_down(w);
	assert_int_equal(w->jobs, 20);
	time_passes(w, 15000);
	assert_true(run_for(w, is_empty, 3000));
	assert_int_equal(w->jobs, 30);
	world_free(w);
}

/* --- crashes ----------------------------------------------------------------------------------- */
static bool
choose(void *arg, size_t i)
{
	uint64_t *s = arg;

	(void)i;
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 63;
}

/* Of the message that failed and its report there is exactly one at each moment: what is owed is
 * neither lost nor told twice. */
static void
check_report(struct crashsim *disk, size_t at, uint64_t seed, bool stored)
{
	struct world *w = world_bare();
	struct crashsim *after = crashsim_crash(disk, at, choose, &seed);
	unsigned owed = 0, reports = 0;
	struct journal_record r;
	struct envelope e;
	struct message *m;

	w->options.spool.io = crashsim_io(after);
	w->no_box = true;
	assert_int_equal(queue_new(w->loop, w->dirfd, &w->options, &w->queue), 0);
	TAILQ_FOREACH(m, spool_by_age(w->queue->spool), age_link) {
		assert_int_equal(spool_read(w->queue->spool, m, &e, &r, NULL), 0);
		if (e.reverse_path.n == 0)
			reports++;
		else
			owed += m->delivery[0].state == DELIVERY_FAILED ||
				m->delivery[0].state == DELIVERY_PENDING;
	}
	if (stored)
		assert_int_equal(owed + reports, 1);
	else
		assert_true(owed + reports <= 1);
	world_free(w);
	crashsim_free(&after);
}

static bool
has_report(struct world *w)
{
	struct message *m = TAILQ_LAST(spool_by_age(w->queue->spool), message_age);

	return m && m->delivery[0].target == ME;
}

static void
test_report_and_crash(void **unused)
{
	struct world *w = world_bare();
	struct crashsim *disk = crashsim_new();
	size_t stored;

	(void)unused;
	w->options.spool.io = crashsim_io(disk);
	w->no_box = true;
	queue_start(w);
	mail_out(w, "a@perm.test");
	stored = crashsim_ops(disk);
	assert_true(run_for(w, has_report, 3000));
	settle_down(w);
	for (size_t at = 0; at <= crashsim_ops(disk); at++)
		for (uint64_t seed = 1; seed <= 4; seed++)
			check_report(disk, at, seed, at >= stored);
	world_free(w);
	crashsim_free(&disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipients_share),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_delivery_dies),
		cmocka_unit_test(test_report_and_crash),
	};

	log_open("queue", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
