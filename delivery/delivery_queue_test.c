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

/* The kernel keeps few of our bytes, so that what a server does not read stays with us. */
static void
small_send_buffer(const struct fixture *f)
{
	struct sockaddr_in sin;
	int bytes = 4096, found = 0;

	for (int fd = 3; fd < 256; fd++) {
		socklen_t n = sizeof(sin);

		if (getpeername(fd, (struct sockaddr *)&sin, &n) == 0 &&
		    sin.sin_family == AF_INET && ntohs(sin.sin_port) == f->port)
			found += setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == 0;
	}
	assert_int_equal(found, 1);
}

/* The whole content with its dot is in the stream, and has not left it. */
static bool
dot_waits(const struct fixture *f)
{
	const struct job *j = LIST_FIRST(&f->d->jobs);

	return j != NULL && j->conn != NULL &&
	       smtp_client_phase(j->conn->engine) == SMTP_CLIENT_DATA_DONE &&
	       buf_len(smtp_client_out(j->conn->engine)) == 0 &&
	       io_stream_out_pending(j->conn->stream) > 0;
}

/* The server reads a little at a time, as long as the dot does not wait. */
static void
on_sip(void *arg)
{
	struct fixture *f = arg;
	struct fake_heard *heard = f->s[0].heard;

	if (dot_waits(f)) {
		io_loop_stop(f->loop);
		return;
	}
	if (__atomic_load_n(&heard->sips, __ATOMIC_SEQ_CST) == heard->asked)
		__atomic_add_fetch(&heard->asked, 1, __ATOMIC_SEQ_CST);
	io_timer_set(f->given, 1);
}

/* The final dot that was written, but has not left, never leaves. */
static void
test_cancel_dot_waits(void **state)
{
	static const struct fake_step script[] = { { HOLD, NULL, 0 }, TO_DATA,
		{ SAY, "354 go\r\n", 0 }, { SIP, NULL, 1 }, { CONTENT, NULL, 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	/* Its last piece is nearly as large as the stream takes: more than fits into the kernel at once. */
	struct order o = { .size = 3 * SMTP_CLIENT_CONTENT_HIGH + 64000 };
	uint64_t id;

	simple(f, scripts);
	id = give(f, &o);
	run_until(f, &f->s[0].heard->connections, 1);
	small_send_buffer(f);
	__atomic_store_n(&f->s[0].heard->release, 1, __ATOMIC_SEQ_CST);
	f->given = io_timer_new(f->loop, on_sip, f);
	io_timer_set(f->given, 1);
	run(f);
	io_timer_free(&f->given);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_true(o.done);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	assert_string_equal(o.r[0].text, "given up by the queue (DATA_DONE)");
	__atomic_store_n(&f->s[0].heard->release, 2, __ATOMIC_SEQ_CST);
	run_until(f, &f->s[0].heard->closed, 1);
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
