/* SPDX-License-Identifier: ISC */
/* smtpd: sessions, and the peers they need. */
#include "smtpd/test_peers.h"

static void
test_message(void **state)
{
	static const char want[] = "Subject: x\r\n\r\n.dot\r\n";

	(void)state;
	envelope();
	assert_int_equal(ask("RCPT TO:<Postmaster>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask("Subject: x\r\n\r\n..dot\r\n.\r\n"), 250);
	assert_int_equal(t.begins, 1);
	assert_int_equal(t.commits, 1);
	assert_int_equal(t.recipients, 2);
	assert_string_equal(t.from, "bob@b.test");
	assert_int_equal(buf_len(&t.content), sizeof(want) - 1);
	assert_memory_equal(buf_data(&t.content), want, sizeof(want) - 1);
	assert_non_null(strstr(t.prepend, "Received: from c.test ([127.0.0.1])"));
	assert_null(strstr(t.prepend, "alice"));
	/* nothing of the first is left for the second */
	assert_int_equal(ask("DATA\r\n"), 503);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask(".\r\n"), 250);
	assert_string_equal(t.from, "");
	assert_int_equal(t.recipients, 1);
	assert_non_null(strstr(t.prepend, "<alice@here.test>;"));
	assert_int_equal(ask("QUIT\r\n"), 221);
	assert_int_equal(t.aborts, 0);
	assert_int_equal(t.d->host.count, 0);
}

static void
test_recipient_codes(void **state)
{
	(void)state;
	envelope();
	assert_int_equal(ask("RCPT TO:<nobody@here.test>\r\n"), 550);
	assert_non_null(strstr(t.line, "550 5.1.1 "));
	assert_int_equal(ask("RCPT TO:<gone@here.test>\r\n"), 550);
	assert_non_null(strstr(t.line, "550 5.1.1 "));
	assert_int_equal(ask("RCPT TO:<far@away.test>\r\n"), 550);
	assert_non_null(strstr(t.line, "550 5.7.1 "));
	/* That it is full is not remembered. */
	assert_int_equal(ask("RCPT TO:<full@here.test>\r\n"), 452);
	assert_non_null(strstr(t.line, "452 4.2.2 "));
	assert_int_equal(ask("RCPT TO:<full@here.test>\r\n"), 452);
	assert_int_equal(ask("RCPT TO:<fulllong@here.test>\r\n"), 552);
	assert_non_null(strstr(t.line, "552 5.2.2 "));
	assert_int_equal(ask("RCPT TO:<trouble@here.test>\r\n"), 451);
	assert_int_equal(ask("RCPT TO:<empty@here.test>\r\n"), 451);
	assert_int_equal(t.lookups, 9);
}

static void
test_queue_says_no(void **state)
{
	static const struct {
		enum queue_mode mode;
		int want;
	} cases[] = { { SAY_FULL, 452 }, { SAY_CIRCLE, 554 }, { REFUSE_EARLY, 452 },
		{ STORE, 250 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t.mode = cases[i].mode;
		envelope();
		assert_int_equal(ask("DATA\r\n"), 354);
		say("a\r\n");
		run(20);
		assert_int_equal(ask(".\r\n"), cases[i].want);
		assert_int_equal(ask("NOOP\r\n"), 250);
	}
	assert_int_equal(t.aborts, 1); /* of the one that was refused */
}

/* Queue hears what leaves this server, also when the answer of accounts was kept. */
static void
test_elsewhere(void **state)
{
	static const struct {
		const char *rcpt;
		unsigned elsewhere;
		size_t accounts_n;
	} cases[] = {
		{ "RCPT TO:<away@here.test>\r\n", 1, 0 },
		{ "RCPT TO:<both@here.test>\r\n", 1, 4 },
		{ "RCPT TO:<alice@here.test>\r\n", 0, 4 },
	};
	unsigned lookups = 0;

	(void)state;
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		size_t k = i / 2;

		assert_int_equal(ask("MAIL FROM:<a@away.test>\r\n"), 250);
		assert_int_equal(ask(cases[k].rcpt), 250);
		lookups += i % 2 == 0;
		assert_int_equal(t.lookups, lookups); /* the second comes from the cache */
		assert_int_equal(ask("DATA\r\n"), 354);
		assert_int_equal(ask("a\r\n.\r\n"), 250);
		assert_int_equal(t.recipients, 1);
		assert_int_equal(t.elsewhere, cases[k].elsewhere);
		assert_int_equal(t.accounts_n, cases[k].accounts_n);
	}
}

/* Peers that die cost a 451, not the session; the next one is used at once. */
static void
test_lost_peers(void **state)
{
	(void)state;
	envelope();
	t.mute_accounts = true;
	say("RCPT TO:<other@here.test>\r\n");
	run(1000);
	ipc_channel_free(&t.accounts);
	assert_int_equal(reply_code(), 451);
	/* nor is what was known before: a change would not be heard of */
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 451);
	t.mute_accounts = false;
	t.accounts = connect_peer(IPC_CH_accounts_lookup);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);

	assert_int_equal(ask("DATA\r\n"), 354); /* lost inside content */
	say("a\r\n");
	run(20);
	ipc_channel_free(&t.queue);
	run(20);
	assert_int_equal(ask("b\r\n.\r\n"), 451);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 451); /* away */
	t.queue = connect_peer(IPC_CH_queue_accept);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 354); /* lost while storing */
	t.mode = SILENT;
	say(".\r\n");
	run(1000);
	ipc_channel_free(&t.queue);
	assert_int_equal(reply_code(), 451);
	t.mode = STORE;
	t.queue = connect_peer(IPC_CH_queue_accept);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask(".\r\n"), 250);
}

static void
test_abort(void **state)
{
	(void)state;
	envelope(); /* the client goes away inside content */
	assert_int_equal(ask("DATA\r\n"), 354);
	say("From: a@b.test\r\n\r\na\r\n");
	run(20);
	assert_int_equal(t.begins, 1);
	io_stream_free(&t.client);
	run(1000);
	assert_int_equal(t.aborts, 1);
	assert_int_equal(t.d->host.count, 0);
	envelope(); /* bare LF after some content was handed over */
	assert_int_equal(ask("DATA\r\n"), 354);
	say("From: a@b.test\r\n\r\na\r\n");
	run(20);
	assert_int_equal(ask("b\nc\r\n.\r\n"), 550);
	run(20);
	assert_int_equal(t.aborts, 2);
	assert_int_equal(t.commits, 0);
}

/* Commands at once, then the sending side is shut: every command has its reply. */
static void
test_half_close(void **state)
{
	static const int want[] = { 220, 250, 250, 250, 550, 250, 221 };

	(void)state;
	t.d->host.policy.refuse_early = false;
	client_connect();
	say("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@x>\r\nRCPT TO:<no@x>\r\nRSET\r\nQUIT\r\n");
	run(5);
	shutdown(io_stream_fd(t.client), SHUT_WR);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(reply_code(), want[i]);
	assert_int_equal(reply_code(), 0);
}

/* Content in the packet of the commands is refused; content and end together are the rule. */
static void
test_stuffing(void **state)
{
	(void)state;
	t.d->host.policy.refuse_early = false;
	client_connect();
	assert_int_equal(reply_code(), 220);
	say("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@x>\r\nDATA\r\na\r\n.\r\n");
	for (int i = 0; i < 3; i++)
		assert_int_equal(reply_code(), 250);
	assert_int_equal(reply_code(), 554);
	wait_idle();
	assert_int_equal(t.begins, 0);
}

static void
test_limits(void **state)
{
	struct io_stream *first;

	(void)state;
	t.d->host.max_connections = 1;
	client_connect();
	assert_int_equal(reply_code(), 220);
	first = t.client;
	t.client = NULL;
	client_connect();
	assert_int_equal(reply_code(), 421);
	assert_int_equal(t.d->host.count, 1);
	t.d->host.max_connections = 10;
	t.d->host.max_per_address = 1;
	client_connect();
	assert_int_equal(reply_code(), 421);
	io_stream_free(&first);
	wait_idle();
	client_connect();
	assert_int_equal(reply_code(), 220);
	io_stream_free(&t.client);
	wait_idle();
	assert_int_equal(map_count(t.d->host.per_address), 0);
}

static void
test_timeouts(void **state)
{
	(void)state;
	t.d->host.command_ms = 30;
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(reply_code(), 421);
	t.d->host.command_ms = 1000;
	t.d->host.data_ms = 30;
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	say("a");
	assert_int_equal(reply_code(), 421);
	t.d->host.data_ms = 1000; /* one byte now and then is not enough */
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	LIST_FIRST(&t.d->host.conns)->data_started_ms -= t.d->host.grace_ms + 2000;
	say("a");
	assert_int_equal(reply_code(), 421);
	assert_non_null(strstr(t.reply, "langsam"));
	t.d->host.command_ms = 100000;
	t.d->host.session_ms = 50;
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(reply_code(), 421);
	assert_int_equal(t.d->host.count, 0);
}

static void
on_stopped(void *arg)
{
	(void)arg;
	t.stopped = true;
}

static void
test_stop(void **state)
{
	struct io_stream *storing;

	(void)state;
	t.mode = SILENT;
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	say("a\r\n.\r\n");
	run(1000);
	storing = t.client;
	t.client = NULL;
	client_connect();
	assert_int_equal(reply_code(), 220);
	smtp_host_stop(&t.d->host, on_stopped, NULL);
	assert_int_equal(reply_code(), 421);
	assert_false(t.stopped);
	io_stream_free(&t.client);
	t.client = storing;
	buf_clear(&t.got);
	ipc_send_msg_stored(t.queue, t.waiting,
	    &(struct ipc_msg_stored){ .result = IPC_OK, .queue_id = STR("Q1") });
	assert_int_equal(reply_code(), 250);
	assert_true(t.stopped);
	client_connect();
	assert_int_equal(reply_code(), 421);
}

/* Queue does not read: content waits at the client, not in our memory. */
static void
test_back_pressure(void **state)
{
	static char line[1 << 16];
	int sv[2];

	(void)state;
	set(SET_smtpd_max_line, "0");
	ipc_channel_free(&t.queue);
	run(20);
	assert_int_equal(ipc_pair(sv), 0);
	smtpd_peer(t.d, IPC_CH_queue_accept, sv[0]);
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	say("\r\n"); /* no header */
	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (int i = 0; i < 64; i++)
		assert_int_equal(io_stream_write(t.client, line, sizeof(line)), 0);
	say(".\r\n");
	assert_false(run(200));
	assert_in_range(
	    ipc_channel_pending(t.d->queue.ch), 1, IPC_OUT_LOW + SMTP_HOST_IN_MAX + 1024);
	assert_true(LIST_FIRST(&t.d->host.conns)->throttled);
	close(sv[1]);
	assert_int_equal(reply_code(), 451);
	assert_int_equal(ask("NOOP\r\n"), 250);
}

/* Input that filled the buffer while an answer was outstanding is read on afterwards. */
static void
test_input_behind_a_question(void **state)
{
	static char noop[501];
	enum { COUNT = 90 };

	(void)state;
	t.d->host.policy.refuse_early = false;
	envelope();
	t.mute_accounts = true;
	say("RCPT TO:<alice@here.test>\r\n");
	memset(noop, 'x', sizeof(noop) - 1);
	memcpy(noop, "NOOP ", 5);
	memcpy(noop + 498, "\r\n", 2);
	for (int i = 0; i < COUNT; i++)
		say(noop);
	run(50);
	run(50);
	ipc_send_address_is(t.accounts, t.unanswered,
	    &(struct ipc_address_is){ .result = IPC_OK, .accounts = str_from("\0\0\0\1", 4) });
	for (int i = 0; i <= COUNT; i++)
		assert_int_equal(reply_code(), 250);
}

static void
test_large(void **state)
{
	static char line[80];

	(void)state;
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	say("\r\n"); /* no header */
	memset(line, 'y', sizeof(line));
	memcpy(line, "..", 2);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	for (int i = 0; i < 20000; i++)
		say(line);
	assert_int_equal(ask(".\r\n"), 250);
	assert_int_equal(buf_len(&t.content), 2 + 20000 * 78);
	assert_int_equal(t.commits, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_message),
		T(test_recipient_codes),
		T(test_queue_says_no),
		T(test_elsewhere),
		T(test_lost_peers),
		T(test_abort),
		T(test_half_close),
		T(test_stuffing),
		T(test_limits),
		T(test_timeouts),
		T(test_stop),
		T(test_back_pressure),
		T(test_input_behind_a_question),
		T(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
