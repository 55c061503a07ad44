/* SPDX-License-Identifier: ISC */
/* A whole mailbox process without its sandbox: deliveries and real IMAP sessions over sockets. */
#include "mailbox/test_host.h"

/* --- tests ------------------------------------------------------------------------------------- */

static void
test_session(void **state)
{
	struct world w;
	struct client *c;
	int d;

	(void)state;
	world_new(&w);
	d = attach(&w, 1);
	for (uint64_t n = 1; n <= 3; n++)
		deliver_send(d, n, "", mail, sizeof(mail) - 1);
	deliver_sync(d);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(delivered(d, n), n);
	/* Again: known, not stored twice. Also without the sync, after a moment. */
	deliver_send(d, 2, "", mail, sizeof(mail) - 1);
	assert_int_equal(delivered(d, 2), 2);
	c = login(&w, "a1 SELECT INBOX\r\n");
	check(c, "a0 OK [CAPABILITY");
	check(c, "* 3 EXISTS\r\n");
	check(c, "a1 OK [READ-WRITE]");
	command(c, "a LIST \"\" *\r\n", "a OK");
	check(c, "\\Trash");
	command(c, "b FETCH 1 (UID FLAGS RFC822.SIZE BODY.PEEK[])\r\n", "b OK");
	check(c, "Return-Path: <bob@example.test>\r\nFrom: Bob");
	check(c, "\r\n\r\nHello.\r\n");
	command(c, "c STORE 1:2 +FLAGS (\\Deleted $Label1)\r\n", "c OK");
	command(c, "d UID COPY 3 Sent\r\n", "d OK");
	command(c, "e EXPUNGE\r\n", "e OK");
	check(c, "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n");
	command(c, "f APPEND Drafts (\\Draft) {5}\r\n", "+ ");
	command(c, "a\r\nb\r\n\r\n", "f OK");
	command(c, "g STATUS Drafts (MESSAGES UIDNEXT UNSEEN)\r\n", "MESSAGES 1");
	command(c, "h CREATE a/b\r\n", "h OK");
	command(c, "i RENAME INBOX old\r\n", "i OK");
	command(c, "j NOOP\r\n", "j OK");
	command(c, "k SELECT old\r\n", "* 1 EXISTS");
	command(c, "l SEARCH SUBJECT light\r\n", "* SEARCH 1");
	command(c, "m LOGOUT\r\n", "m OK");
	assert_true(expect(c, "* BYE"));
	client_free(&c);
	close(d);
	send_message(w.control, IPC_stop, 1, &(struct ipc_stop){ 0 });
	assert_int_equal(end(&w, 0), 0);
	world_free(&w);
}

static bool
has_texts(const struct world *w)
{
	DIR *d = opendir(w->path);
	struct dirent *e;
	bool found = false;

	while ((e = readdir(d)) != NULL)
		found |=
		    strncmp(e->d_name, "texts.", 6) == 0 && strcmp(e->d_name, "texts.new") != 0;
	closedir(d);
	return found;
}

/* The index of texts waits for a pause; of a client that makes none it does not wait for ever. */
static void
test_index_waits(void **state)
{
	struct timespec begin, now;
	struct client *c;
	struct world w;

	(void)state;
	world_new(&w);
	c = login(&w, "");
	for (int i = 0; i < 70; i++) {
		command(c, "a APPEND INBOX {6+}\r\n", "");
		command(c, "a\r\nb\r\n\r\n", "a OK");
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		command(c, "b NOOP\r\n", "b OK");
		clock_gettime(CLOCK_MONOTONIC, &now);
		assert_true(now.tv_sec - begin.tv_sec < 30);
	} while (!has_texts(&w));
	client_free(&c);
	world_free(&w);
}

static void
test_two_sessions(void **state)
{
	struct world w;
	struct client *a, *b;
	int d;

	(void)state;
	world_new(&w);
	d = attach(&w, 1);
	a = login(&w, "a1 SELECT INBOX\r\n");
	b = login(&w, "b1 SELECT INBOX\r\n");
	check(a, "a1 OK");
	check(b, "b1 OK");
	command(a, "a2 IDLE\r\n", "+ ");
	deliver_send(d, 1, "", mail, sizeof(mail) - 1);
	deliver_sync(d);
	check(a, "* 1 EXISTS\r\n");
	command(b, "b2 NOOP\r\n", "* 1 EXISTS\r\n");
	command(b, "b3 STORE 1 FLAGS (\\Flagged \\Deleted)\r\n", "b3 OK");
	check(a, "* 1 FETCH (");
	check(a, "\\Flagged");
	command(b, "b4 EXPUNGE\r\n", "b4 OK");
	check(a, "* 1 EXPUNGE\r\n");
	command(a, "DONE\r\n", "a2 OK");
	client_free(&b);
	command(a, "a3 NOOP\r\n", "a3 OK");
	client_free(&a);
	close(d);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_two_sessions),
		cmocka_unit_test(test_index_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
