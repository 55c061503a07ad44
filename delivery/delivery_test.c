/* SPDX-License-Identifier: ISC */
/* Transactions with one server, connections that are kept, and the stop. */
#include "delivery/test_peers.h"

/* --- transactions ----------------------------------------------------------------------------- */

static void
test_results(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL,
		{ HEAR, "RCPT TO:<bob@a.test>", 0 }, { SAY, "250 ok\r\n", 0 },
		{ HEAR, "RCPT TO:<eve@a.test>", 0 }, { SAY, "550 5.1.1 no eve here\r\n", 0 },
		{ HEAR, "RCPT TO:<tom@a.test>", 0 }, { SAY, "451 later\r\n", 0 }, DATA, ACCEPT,
		BYE };
	static const struct fake_step *const scripts[] = { script, NULL };
	static const char *const rcpts[] = { "bob@a.test", "eve@a.test", "tom@a.test" };
	struct fixture *f = *state;
	struct order o = { .rcpts = rcpts, .nrcpts = 3, .text = TEXT };
	char remote[64];

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.destination, IPC_OK);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(o.r[0].code, 250);
	assert_string_equal(o.r[0].enhanced, "2.0.0");
	assert_string_equal(o.r[0].text, "taken");
	assert_int_equal(o.r[0].dsn, 1);
	assert_int_equal(o.r[1].result, IPC_NO);
	assert_int_equal(o.r[1].code, 550);
	assert_string_equal(o.r[1].enhanced, "5.1.1");
	assert_int_equal(o.r[1].dsn, 0);
	assert_int_equal(o.r[2].result, IPC_TEMP);
	assert_string_equal(o.r[2].enhanced, "4.0.0");
	snprintf(remote, sizeof(remote), "mx.test [127.0.0.1]:%u", f->port);
	assert_string_equal(o.r[0].remote, remote);
	assert_true(heard(f, 0, "1: ..dot\n1: end\n1: .\n"));
	assert_int_equal(f->s[0].heard->connections, 1);
	nothing_wrong(f);
}

/* Larger than all windows together; each byte arrives. */
static void
test_large(void **state)
{
	struct fixture *f = *state;
	struct order o = { .size = 5000000 };

	simple(f, all_healthy);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(o.wanted, o.size);
	assert_int_equal(f->s[0].heard->content, o.size + 3);
}

static void
test_helo(void **state)
{
	static const struct fake_step script[] = { GREET, { SAY, "500 what?\r\n", 0 },
		{ HEAR, "HELO own.test", 0 }, { SAY, "250 hello\r\n", 0 }, MAIL, RCPT, DATA, ACCEPT,
		BYE };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(o.r[0].dsn, 0);
	nothing_wrong(f);
}

/* More recipients than the server says it takes: the rest waits. */
static void
test_recipient_limit(void **state)
{
	static const struct fake_step script[] = { GREET,
		{ SAY, "250-mx.test\r\n250 LIMITS RCPTMAX=1\r\n", 0 }, MAIL, RCPT, DATA, ACCEPT,
		BYE };
	static const struct fake_step *const scripts[] = { script, NULL };
	static const char *const rcpts[] = { "bob@a.test", "eve@a.test" };
	struct fixture *f = *state;
	struct order o = { .text = TEXT, .rcpts = rcpts, .nrcpts = 2 };

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(o.r[1].result, IPC_TEMP);
	assert_string_equal(o.r[1].enhanced, "4.5.3");
	assert_int_equal(o.destination, IPC_OK);
}

/* --- connections ------------------------------------------------------------------------------ */

static void
test_reuse(void **state)
{
	struct fixture *f = *state;

	f->o.max_messages = 2;
	simple(f, all_healthy);
	for (int i = 0; i < 5; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		assert_int_equal(o.r[0].result, IPC_OK);
	}
	assert_int_equal(f->s[0].heard->connections, 3);
	assert_int_equal(f->asked, 3 * 3); /* no question for a kept connection */
	assert_false(heard(f, 0, "RSET"));
	assert_true(heard(f, 0, "2: DATA"));
	/* The first two had their two messages and were told so. */
	run_until(f, &f->s[0].heard->closed, 2);
	assert_true(heard(f, 0, "1: QUIT"));
	assert_true(heard(f, 0, "2: QUIT"));
	assert_false(heard(f, 0, "3: QUIT"));
}

/* A kept connection ends by itself, politely. */
static void
test_idle_time(void **state)
{
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	f->o.idle_ms = 30;
	simple(f, all_healthy);
	deliver(f, &o);
	run_until_heard(f, "1: QUIT");
}

static void
test_no_reuse(void **state)
{
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT };

	f->o.idle_ms = 0;
	simple(f, all_healthy);
	deliver(f, &a);
	deliver(f, &b);
	assert_int_equal(f->s[0].heard->connections, 2);
	run_until(f, &f->s[0].heard->closed, 2);
	assert_true(heard(f, 0, "2: QUIT"));
}

/* Another destination never gets the connection of this one. */
static void
test_reuse_is_by_domain(void **state)
{
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT, .domain = "b.test" };

	simple(f, all_healthy);
	dns_mx(f, "b.test", 10, "mx.test");
	deliver(f, &a);
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_OK);
	assert_int_equal(f->s[0].heard->connections, 2);
}

/* A server that gave up a kept connection in whatever way costs no attempt. */
static void
test_stale(void **state)
{
	static const struct fake_step closes[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, ACCEPT,
		{ OVER, NULL, 0 } };
	static const struct fake_step says_421[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, ACCEPT,
		{ HEAR, "MAIL", 0 }, { SAY, "421 4.4.2 idle too long\r\n", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step closes_at_mail[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA,
		ACCEPT, { HEAR, "MAIL", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step resets_at_mail[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA,
		ACCEPT, { HEAR, "MAIL", 0 }, { RESET, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { closes, says_421, closes_at_mail,
		resets_at_mail, healthy, NULL };
	struct fixture *f = *state;

	simple(f, scripts);
	for (int i = 0; i < 6; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		assert_int_equal(o.r[0].result, IPC_OK);
		assert_int_equal(o.destination, IPC_OK);
		if (i == 0)
			run_until(f, &f->s[0].heard->closed, 1);
	}
	assert_int_equal(f->s[0].heard->connections, 5);
	assert_int_equal(f->s[0].heard->dots, 6);
	nothing_wrong(f);
}

/* --- stop ------------------------------------------------------------------------------------- */

static void
on_stopped(void *arg)
{
	struct fixture *f = arg;

	f->stopped = true;
	io_loop_stop(f->loop);
}

/* The reply to a final dot is waited for and told; other jobs are dropped without a word. */
static void
test_stop(void **state)
{
	static const struct fake_step slow[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA,
		{ CONTENT, NULL, 0 }, { DRIP, "250 2.0.0 taken\r\n", 20 }, { OVER, NULL, 0 } };
	static const struct fake_step waits[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, END };
	static const struct fake_step *const s_slow[] = { slow, NULL }, *const s_wait[] = { waits,
		NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT },
		     b = { .size = 1000, .domain = "b.test", .no_content = true };

	simple(f, s_slow);
	server(f, 1, "127.0.0.2", s_wait);
	dns_address(f, "b.test", "127.0.0.2");
	give(f, &a);
	give(f, &b);
	run_until(f, &f->s[0].heard->dots, 1);
	run_until(f, &f->s[1].heard->connections, 1);
	delivery_stop(f->d, on_stopped, f);
	assert_false(f->stopped);
	run(f);
	assert_true(f->stopped);
	f->open = 1;
	while (!a.done)
		run(f);
	assert_int_equal(a.r[0].result, IPC_OK);
	assert_false(b.done);
	run_until(f, &f->s[1].heard->closed, 1);
	assert_int_equal(f->s[1].heard->dots, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_results),
		T(test_large),
		T(test_helo),
		T(test_recipient_limit),
		T(test_reuse),
		T(test_idle_time),
		T(test_no_reuse),
		T(test_reuse_is_by_domain),
		T(test_stale),
		T(test_stop),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
