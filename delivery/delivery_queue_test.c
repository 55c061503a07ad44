/* SPDX-License-Identifier: ISC */
/* What queue may do at any moment: cancel, go away, break the rules, send much. */
#include "delivery/test_peers.h"

static void
test_cancel(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, END };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .size = 100000, .cancel_at_want = true };

	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_mx(f, "a.test", 20, "mx2.test"); /* not tried after that */
	dns_address(f, "mx2.test", "127.0.0.2");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	run_until(f, &f->s[0].heard->closed, 1);
	assert_int_equal(f->s[0].heard->dots, 0);
	assert_int_equal(f->s[1].heard->connections, 0);
}

/* A tick until the whole content is in the dialogue, though the server takes no more of it. */
static void
on_content_given(void *arg)
{
	struct fixture *f = arg;
	const struct job *j = LIST_FIRST(&f->d->jobs);

	if (j != NULL && j->conn != NULL &&
	    smtp_client_phase(j->conn->engine) == SMTP_CLIENT_DATA_DONE &&
	    buf_len(smtp_client_out(j->conn->engine)) == 0 &&
	    io_stream_out_pending(j->conn->stream) > 0)
		io_loop_stop(f->loop);
	else
		io_timer_set(f->given, 2);
}

/* The final dot that was written, but has not left, never leaves. */
static void
test_cancel_dot_waits(void **state)
{
	static const struct fake_step script[] = { TO_DATA, { SAY, "354 go\r\n", 0 },
		{ HOLD, NULL, 0 }, { CONTENT, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order endless = { .size = 50000000 }, o = { 0 };
	uint64_t id;

	/* How much fits between us and a server that does not read. */
#ifdef POSTERN_SANITIZE
	f->o.command_ms = 6000;
#else
	f->o.command_ms = 1500; /* a busy machine stalls for less */
#endif
	simple(f, scripts);
	deliver(f, &endless);
	assert_int_equal(endless.r[0].result, IPC_TEMP);
	o.size = endless.sent - DELIVERY_WINDOW - SMTP_CLIENT_CONTENT_HIGH - 32768;
	f->d->o.command_ms = 20000;
	id = give(f, &o);
	f->given = io_timer_new(f->loop, on_content_given, f);
	io_timer_set(f->given, 1);
	run(f);
	io_timer_free(&f->given);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_true(o.done);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	assert_string_equal(o.r[0].text, "given up by the queue (DATA_DONE)");
	f->s[0].heard->release = 1;
	run_until(f, &f->s[0].heard->closed, 2);
	assert_int_equal(f->s[0].heard->dots, 0);
}

/* What is complete is not stopped: the result is the truth. */
static void
test_cancel_too_late(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA,
		{ CONTENT, NULL, 0 }, { DRIP, "250 2.0.0 taken\r\n", 20 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };
	uint64_t id;

	simple(f, scripts);
	id = give(f, &o);
	run_until(f, &f->s[0].heard->dots, 1);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_int_equal(o.r[0].result, IPC_OK);
}

/* Cancelled while the first of two servers has not greeted: the second is not tried. */
static void
test_cancel_before_greeting(void **state)
{
	static const struct fake_step script[] = { END };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };
	uint64_t id;

	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_address(f, "mx2.test", "127.0.0.2");
	id = give(f, &o);
	run_until(f, &f->s[0].heard->connections, 1);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	run_until(f, &f->s[0].heard->closed, 1);
	assert_int_equal(f->s[1].heard->connections, 0);
}

/* Cancelled while its route is looked for, and before all recipients have come. */
static void
test_cancel_early(void **state)
{
	struct fixture *f = *state;
	struct order o = { .text = TEXT }, half = { .text = TEXT, .nrcpts = 2 };
	static const char *const rcpts[] = { "bob@a.test", "eve@a.test" };
	uint64_t id;

	simple(f, all_healthy);
	id = give(f, &o);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	half.rcpts = rcpts;
	f->jobs[f->njobs] = &half;
	f->open++;
	ipc_send_job_begin(f->queue, f->njobs,
	    &(struct ipc_job_begin){ .domain = STR("a.test"), .size = 5, .recipients = 2 });
	ipc_send_job_recipient(
	    f->queue, f->njobs, &(struct ipc_job_recipient){ .address = STR("bob@a.test") });
	ipc_send_job_cancel(f->queue, f->njobs++, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_true(half.done);
	assert_int_equal(half.r[1].result, IPC_TEMP);
}

/* The server waits for content in vain, and is left without the dot. */
static void
test_queue_gone(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, END };
	static const struct fake_step *const scripts[] = { script, healthy, NULL };
	struct fixture *f = *state;
	struct order o = { .size = 1000, .no_content = true }, again = { .text = TEXT };

	simple(f, scripts);
	give(f, &o);
	run_until_heard(f, "1: DATA");
	ipc_channel_free(&f->queue);
	run_until(f, &f->s[0].heard->closed, 1);
	assert_int_equal(f->s[0].heard->dots, 0);
	f->open = 0;
	attach_queue(f);
	deliver(f, &again);
	assert_int_equal(again.r[0].result, IPC_OK);
}

static void
cut_off(struct fixture *f)
{
	run(f);
	assert_true(f->queue_closed);
	assert_true(LIST_EMPTY(&f->d->jobs));
	assert_int_equal(f->d->in_flight, 0);
	f->queue_closed = false;
	f->open = 0;
	attach_queue(f);
}

/* What a queue that was taken over may not do. */
static void
test_violations(void **state)
{
	struct fixture *f = *state;
	struct order o = { .text = TEXT, .no_content = true }, good = { .text = TEXT };
	uint64_t id;

	simple(f, all_healthy);
	id = give(f, &o); /* content that nobody asked for */
	ipc_send_job_content(f->queue, id,
	    &(struct ipc_job_content){ .bytes = STR("0123456789012345678901234567890123456789") });
	cut_off(f);
	ipc_send_job_begin(f->queue, 70,
	    &(struct ipc_job_begin){ .domain = STR("a.test"), .recipients = 0xffffffff });
	cut_off(f);
	ipc_send_job_begin(
	    f->queue, 71, &(struct ipc_job_begin){ .domain = STR("a.test"), .recipients = 0 });
	cut_off(f);
	ipc_send_job_recipient(
	    f->queue, 72, &(struct ipc_job_recipient){ .address = STR("a@a.test") });
	cut_off(f);
	deliver(f, &good);
	assert_int_equal(good.r[0].result, IPC_OK);
}

/* Many at one time: what is asked of queue stays bounded, and all arrive. */
static void
test_many(void **state)
{
	static struct order o[100];
	struct fixture *f = *state;

	simple(f, all_healthy);
	memset(o, 0, sizeof(o));
	for (int i = 0; i < 100; i++) {
		o[i].size = 300000;
		give(f, &o[i]);
	}
	run(f);
	for (int i = 0; i < 100; i++)
		assert_int_equal(o[i].r[0].result, IPC_OK);
	assert_int_equal(f->s[0].heard->dots, 100);
	assert_int_equal(f->d->in_flight, 0);
	assert_true(f->d->nidle <= DELIVERY_IDLE_PER_DESTINATION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_cancel),
		T(test_cancel_dot_waits),
		T(test_cancel_too_late),
		T(test_cancel_before_greeting),
		T(test_cancel_early),
		T(test_queue_gone),
		T(test_violations),
		T(test_many),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
