/* SPDX-License-Identifier: ISC */
/* What a mailbox process does not take: too much, too many, rubbish. */
#include "mailbox/test_host.h"

/* --- tests ------------------------------------------------------------------------------------- */

static void
limits(struct world *w, uint64_t bytes, uint64_t messages)
{
	send_message(w->control, IPC_mailbox_limits, 0,
	    &(struct ipc_mailbox_limits){ .quota_bytes = bytes, .quota_messages = messages });
}

/* The next report of what it holds is this one. */
static void
check_usage(struct world *w, uint64_t bytes, uint64_t messages)
{
	enum { SIZE = IPC_HEADER + 16 };
	struct pollfd p = { w->control, POLLIN, 0 };
	struct ipc_frame f;
	union ipc_any m;
	const char *why;
	struct buf in;

	buf_init(&in, SIZE);
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(recv(w->control, buf_reserve(&in, SIZE), SIZE, MSG_WAITALL), SIZE);
	buf_commit(&in, SIZE);
	assert_int_equal(ipc_frame_peek(&in, IPC_CH_master, IPC_CLIENT, &f, &why), 1);
	assert_int_equal(f.type, IPC_mailbox_usage);
	assert_int_equal(ipc_decode(f.type, f.payload, &m), 0);
	assert_int_equal(m.mailbox_usage.messages, messages);
	assert_int_equal(m.mailbox_usage.bytes, bytes);
	buf_free(&in);
}

/* Limits of the account hold for what its user adds, not for what was accepted for it. */
static void
test_quota(void **state)
{
	struct world w;
	const size_t stored = sizeof(mail) - 1 + strlen("Return-Path: <bob@example.test>\r\n");
	struct client *c;
	int d;

	(void)state;
	world_new(&w);
	d = attach(&w, 1);
	deliver_send(d, 1, "", mail, sizeof(mail) - 1);
	deliver_sync(d);
	assert_int_equal(delivered(d, 1), 1);
	check_usage(&w, 0, 0); /* at the start */
	limits(&w, UINT64_MAX, 3);
	check_usage(&w, stored, 1);
	limits(&w, UINT64_MAX, 3); /* nothing new */
	c = login(&w, "a1 SELECT INBOX\r\n");
	check(c, "a1 OK");
	command(c, "a GETQUOTAROOT INBOX\r\n", "* QUOTA \"Mailbox\" (MESSAGE 1 3)\r\na OK");
	command(c, "b APPEND INBOX {5+}\r\na\r\nb\r {5+}\r\na\r\nb\r {5+}\r\na\r\nb\r\r\n",
	    "b NO [OVERQUOTA]");
	command(c, "c APPEND INBOX {5+}\r\na\r\nb\r\r\n", "c OK");
	command(c, "d COPY 1:2 Sent\r\n", "d NO [OVERQUOTA]");
	command(c, "e COPY 1 Sent\r\n", "e OK");
	check_usage(&w, 2 * stored + 5, 3);
	command(c, "f APPEND INBOX {5+}\r\na\r\nb\r\r\n", "f NO [OVERQUOTA]");
	command(c, "g MOVE 1:2 Trash\r\n", "g OK");
	for (uint64_t n = 2; n <= 4; n++)
		deliver_send(d, n, "", mail, sizeof(mail) - 1);
	deliver_sync(d);
	for (uint64_t n = 2; n <= 4; n++)
		assert_int_equal(delivered(d, n), n + 1);
	command(c, "h GETQUOTA Mailbox\r\n", "(MESSAGE 6 3)\r\n");
	check(c, "h OK");
	client_free(&c);
	/* by size: of what is there and what comes */
	limits(&w, 10240, 0);
	hidden = "SORT THREAD=REFERENCES";
	c = login(&w, "a1 NOOP\r\n");
	check(c, " ESORT ");
	assert_null(strstr(c->text, " SORT "));
	assert_null(strstr(c->text, "THREAD=REFERENCES"));
	check_usage(&w, 5 * stored + 5, 6);
	command(c, "b APPEND INBOX {10000}\r\n", "b NO [OVERQUOTA]");
	command(c, "c APPEND INBOX {5+}\r\na\r\nb\r\r\n", "c OK");
	command(c, "d GETQUOTA Mailbox\r\n", "(STORAGE 1 10)\r\nd OK");
	client_free(&c);
	hidden = "";
	close(d);
	world_free(&w);
}

static void
test_large(void **state)
{
	enum { SIZE = 700000 };
	struct world w;
	struct client *c;
	char *text = malloc(SIZE), *big = malloc(2000000);
	int d;

	(void)state;
	world_new(&w);
	memset(text, 'x', SIZE);
	memset(big, 'y', 2000000);
	memcpy(text, mail, sizeof(mail) - 1);
	d = attach(&w, 1);
	deliver_send(d, 1, "Archive", text, SIZE);
	deliver_send(d, 2, "", big, 2000000);
	deliver_send(d, 3, "No such folder", mail, sizeof(mail) - 1);
	deliver_sync(d);
	assert_int_equal(delivered(d, 1), 1);
	assert_int_equal(delivered(d, 2), 0); /* too big */
	assert_int_equal(delivered(d, 3), 1);
	end(&w, SIGKILL);
	start(&w);
	c = login(&w, "a1 SELECT Archive\r\n");
	check(c, "a1 OK");
	command(c, "a2 FETCH 1 (RFC822.SIZE BODY[]<600000.9>)\r\n", "RFC822.SIZE 700033");
	check(c, "{9}\r\nxxxxxxxxx");
	command(c, "a3 STATUS INBOX (MESSAGES)\r\n", "MESSAGES 1");
	client_free(&c);
	close(d);
	world_free(&w);
	free(text);
	free(big);
}

/* --- several sessions at random ----------------------------------------------------------------- */

static bool
is_closed(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char c;

	return poll(&p, 1, 3000) == 1 && read(fd, &c, 1) <= 0;
}

/* Rubbish ends its own channel, and nothing else. */
static void
test_rubbish(void **state)
{
	static const struct {
		const char *what;
		enum ipc_type type;
	} cases[] = { { "content before begin", IPC_deliver_content },
		{ "a row of another channel", IPC_session_handover },
		{ "a row only the server sends", IPC_delivered } };
	struct world w;
	struct client *c;
	union ipc_any m;
	int d;

	(void)state;
	world_new(&w);
	c = login(&w, "");
	check(c, "a0 OK");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&m, 0, sizeof(m));
		d = attach(&w, 1);
		send_message(d, cases[i].type, 1, &m);
		if (!is_closed(d))
			fail_msg("%s: still open", cases[i].what);
		close(d);
	}
	d = attach(&w, 1);
	deliver_send(d, 9, "", mail, 20);
	send_message(
	    d, IPC_deliver_content, 9, &(struct ipc_deliver_content){ .bytes = STR("more") });
	assert_true(is_closed(d) || delivered(d, 9) == 1);
	close(d);
	d = attach(&w, 1);
	send_message(d, IPC_deliver_begin, 9,
	    &(struct ipc_deliver_begin){ .number = 10, .queue_id = STR("q"), .size = 3 });
	send_message(
	    d, IPC_deliver_content, 9, &(struct ipc_deliver_content){ .bytes = STR("four") });
	assert_true(is_closed(d));
	close(d);
	/* A size that an addition would carry around to a small one. */
	d = attach(&w, 1);
	send_message(d, IPC_deliver_begin, 11,
	    &(struct ipc_deliver_begin){
		.number = 11, .queue_id = STR("q"), .size = UINT64_MAX - 5 });
	send_message(d, IPC_deliver_content, 11,
	    &(struct ipc_deliver_content){ .bytes = str_from(mail, 20) });
	close(d);
	d = attach(&w, 0);
	send_all(d, "GET / HTTP/1.0\r\n\r\n", 18);
	assert_true(is_closed(d));
	close(d);
	command(c, "a1 NOOP\r\n", "a1 OK");
	client_free(&c);
	world_free(&w);
}

static void
test_too_many(void **state)
{
	struct world w;
	struct client *c[6];

	(void)state;
	world_new(&w);
	for (int i = 0; i < 5; i++) {
		c[i] = login(&w, "");
		check(c[i], "a0 OK");
	}
	c[5] = login(&w, "");
	check(c[5], "a0 NO [LIMIT]");
	client_free(&c[4]);
	usleep(50000);
	c[4] = login(&w, "");
	check(c[4], "a0 OK");
	for (int i = 0; i < 6; i++)
		client_free(&c[i]);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
