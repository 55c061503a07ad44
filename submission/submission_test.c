/* SPDX-License-Identifier: ISC */
/* Real TLS with a fake keys process; auth and queue's end of the door are played by the test. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "submission/budget.h"
#include "submission/session.h"
#include "tls/fake_keys.h"
#include "tls/test_peer.h"

enum { PEERS = 3 };

static struct {
	/* auth */
	struct ipc_channel *auth;
	bool good, temp, silent;
	unsigned started, cancelled;
	uint64_t exchange;
	char service[16];
	/* queue */
	struct ipc_channel *door;
	struct ipc_channel *older[PEERS]; /* doors of sessions before, if they are kept */
	unsigned kept;
	bool keep;
	bool mute;       /* door_ask is not answered */
	unsigned result; /* of commits */
	bool mute_commit;
	unsigned begun, committed, aborted;
	uint64_t asked, message;
	char from[512], rcpt[512], prepend[2048], content[4096];
	size_t content_n;
} t;

static struct settings *settings;
static struct submission *d;
static pid_t keys;
static struct peer peers[PEERS];

/* --- the door: may send as alice@, all recipients but no@ are good ------------------------------- */

static void
on_ask(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_ask *m, int fd)
{
	uint8_t result;

	(void)arg, (void)fd;
	t.asked = id;
	if (m->what == 0)
		result = str_starts_nocase(m->address, STR("alice@")) ? IPC_OK : IPC_DENIED;
	else
		result = str_starts_nocase(m->address, STR("no@"))     ? IPC_NO
			 : str_starts_nocase(m->address, STR("full@")) ? IPC_FULL
								       : IPC_OK;
	if (!t.mute)
		ipc_send_door_answer(ch, id, &(struct ipc_door_answer){ .result = result });
}

static void
on_begin(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_begin *m, int fd)
{
	(void)arg, (void)ch, (void)fd;
	t.begun++;
	t.message = id;
	t.content_n = 0;
	snprintf(t.from, sizeof(t.from), "%.*s", STRF(m->reverse_path));
}

static void
on_recipient(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_recipient *m, int fd)
{
	(void)arg, (void)ch, (void)id, (void)fd;
	assert_int_equal(m->accounts.n, 0); /* nobody's word but that of accounts */
	snprintf(t.rcpt, sizeof(t.rcpt), "%.*s", STRF(m->address));
}

static void
on_content(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_content *m, int fd)
{
	(void)arg, (void)ch, (void)id, (void)fd;
	assert_true(t.content_n + m->bytes.n < sizeof(t.content));
	memcpy(t.content + t.content_n, m->bytes.p, m->bytes.n);
	t.content_n += m->bytes.n;
}

static void
on_commit(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_commit *m, int fd)
{
	(void)arg, (void)fd;
	t.committed++;
	assert_int_equal(m->size, t.content_n);
	snprintf(t.prepend, sizeof(t.prepend), "%.*s", STRF(m->prepend));
	if (!t.mute_commit)
		ipc_send_msg_stored(ch, id,
		    &(struct ipc_msg_stored){ .result = (uint8_t)t.result, .queue_id = STR("Q1") });
}

static void
on_abort(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_abort *m, int fd)
{
	(void)arg, (void)ch, (void)id, (void)m, (void)fd;
	t.aborted++;
}

static void
on_door_close(void *arg, struct ipc_channel *ch)
{
	(void)arg;
	if (ch == t.door)
		ipc_channel_free(&t.door);
	for (unsigned i = 0; i < t.kept; i++)
		if (ch == t.older[i])
			ipc_channel_free(&t.older[i]);
}

static unsigned
any_state(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return IPC_ANY;
}

static const union ipc_handler door_handlers[IPC__MAX] = {
	IPC_ON(door_ask, on_ask),
	IPC_ON(msg_begin, on_begin),
	IPC_ON(msg_recipient, on_recipient),
	IPC_ON(msg_content, on_content),
	IPC_ON(msg_commit, on_commit),
	IPC_ON(msg_abort, on_abort),
};
static const struct ipc_ops door_ops = {
	.handlers = door_handlers, .state = any_state, .on_close = on_door_close
};

/* --- auth ---------------------------------------------------------------------------------------- */

static void
on_start(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_start *m, int fd)
{
	int sv[2];

	(void)arg, (void)fd;
	t.started++;
	t.exchange = id;
	snprintf(t.service, sizeof(t.service), "%.*s", STRF(m->service));
	if (t.silent)
		return;
	if (!t.good) {
		ipc_send_auth_failed(ch, id,
		    &(struct ipc_auth_failed){
			.result = t.temp ? IPC_TEMP : IPC_NO, .login = STR("x") });
		return;
	}
	assert_int_equal(ipc_pair(sv), 0);
	if (t.keep && t.door != NULL)
		t.older[t.kept++] = t.door;
	else
		ipc_channel_free(&t.door);
	t.door = ipc_channel_new(loop, sv[0], IPC_CH_queue_accept, IPC_SERVER, &door_ops, NULL);
	ipc_send_auth_ok(
	    ch, id, &(struct ipc_auth_ok){ .account = 7, .login = STR("alice@a.test") }, sv[1]);
}

static void
on_cancel(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_cancel *m, int fd)
{
	(void)arg, (void)ch, (void)id, (void)m, (void)fd;
	t.cancelled++;
}

static void
on_auth_close(void *arg, struct ipc_channel *ch)
{
	(void)arg, (void)ch;
	ipc_channel_free(&t.auth);
}

static const union ipc_handler auth_handlers[IPC__MAX] = {
	IPC_ON(auth_start, on_start),
	IPC_ON(auth_cancel, on_cancel),
};
static const struct ipc_ops auth_ops = {
	.handlers = auth_handlers, .state = any_state, .on_close = on_auth_close
};

/* --- fixture ------------------------------------------------------------------------------------- */

static void
set(enum setting which, const char *value)
{
	const char *why;

	assert_int_equal(settings_set(settings, which, value, &why), 0);
	submission_reload(d, settings);
}

static int
setup(void **state)
{
	int fd, sv[2];

	(void)state;
	memset(&t, 0, sizeof(t));
	t.good = true;
	memset((void *)(uintptr_t)mode, 0, sizeof(*mode));
	settings = settings_new();
	d = submission_new(loop, settings, 0);
	keys = spawn_keys(&fd);
	submission_peer(d, IPC_CH_keys, 0, fd);
	assert_int_equal(ipc_pair(sv), 0);
	t.auth = ipc_channel_new(loop, sv[0], IPC_CH_auth, IPC_SERVER, &auth_ops, NULL);
	submission_peer(d, IPC_CH_auth, 0, sv[1]);
	for (int i = 0; i < PEERS; i++)
		peers[i].fd = -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < PEERS; i++)
		peer_close(&peers[i]);
	run(5);
	submission_free(&d);
	settings_free(&settings);
	kill(keys, SIGKILL);
	waitpid(keys, NULL, 0);
	run(5);
	ipc_channel_free(&t.auth);
	ipc_channel_free(&t.door);
	for (unsigned i = 0; i < t.kept; i++)
		ipc_channel_free(&t.older[i]);
	return 0;
}

static void
peer_open(struct peer *p, bool implicit_tls)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	smtp_conn_new(&d->host, peer_pair(p), (struct sockaddr *)&sa, implicit_tls);
}

#define MESSAGE "From: alice@a.test\r\n\r\n.\r\n"
#define ENVELOPE "MAIL FROM:<alice@a.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
#define LOGIN "AUTH PLAIN AGFsaWNlAHB3\r\n"

static void
open_tls(struct peer *p)
{
	peer_open(p, true);
	assert_true(peer_tls(p));
	dialog(p, NULL, "220 ");
	dialog(p, "EHLO [192.0.2.77]\r\n", "250 ENHANCEDSTATUSCODES");
}

static void
log_in(struct peer *p)
{
	open_tls(p);
	dialog(p, LOGIN, "235 ");
}

/* --- tests --------------------------------------------------------------------------------------- */

static void
test_message(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	open_tls(p);
	assert_non_null(strstr(p->text, "250-AUTH "));
	assert_non_null(strstr(p->text, "250-PIPELINING\r\n"));
	assert_non_null(strstr(p->text, "250-CHUNKING\r\n"));
	assert_null(strstr(p->text, "STARTTLS"));
	dialog(p, "MAIL FROM:<alice@a.test>\r\n", "530 ");
	dialog(p, LOGIN, "235 ");
	assert_string_equal(t.service, "smtp");
	dialog(p, "MAIL FROM:<bob@a.test>\r\n", "550 5.7.1");
	dialog(p,
	    "MAIL FROM:<alice@a.test>\r\nRCPT TO:<no@x.test>\r\nRCPT TO:<full@x.test>\r\n"
	    "RCPT TO:<bob@x.test>\r\n",
	    "250 2.1.5");
	assert_non_null(strstr(p->text, "550 5.1.1"));
	assert_non_null(strstr(p->text, "452 4.2.2"));
	dialog(p, "DATA\r\n", "354 ");
	assert_int_equal(t.begun, 0);
	dialog(p, "From: alice@a.test\r\n\r\nHi\r\n.\r\n", "250 2.0.0 Stored as Q1");
	assert_string_equal(t.from, "alice@a.test");
	assert_string_equal(t.rcpt, "bob@x.test");
	assert_memory_equal(t.content, "From: alice@a.test\r\n\r\nHi\r\n", t.content_n);
	assert_memory_equal(t.prepend, "Received: by ", 13);
	assert_non_null(strstr(t.prepend, "ESMTPSA"));
	assert_null(strstr(t.prepend, "192.0.2.77"));
	assert_null(strstr(t.prepend, "127.0.0.1"));
	assert_non_null(strstr(t.prepend, "\nDate: "));
	assert_non_null(strstr(t.prepend, "\nMessage-ID: <"));
	dialog(p, "MAIL FROM:<>\r\n", "250 "); /* a receipt */
	dialog(p, "QUIT\r\n", "221 ");
}

static void
test_starttls(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	peer_open(p, false);
	dialog(p, "EHLO c\r\n", "250-STARTTLS\r\n");
	assert_null(strstr(p->text, "AUTH"));
	dialog(p, LOGIN, "538 ");
	dialog(p, "STARTTLS\r\n", "220 2.0.0");
	assert_true(peer_tls(p));
	dialog(p, "EHLO c\r\n", "250-AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n");
	dialog(p, LOGIN, "235 ");
	assert_int_equal(t.started, 1);
}

/* Each refusal takes longer; after the fifth the session is over. */
static void
test_failures(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	set(SET_submission_max_login_failures, "2");
	t.good = false;
	open_tls(p);
	dialog(p, LOGIN, "");
	assert_int_equal(p->n, 0); /* not yet */
	run(SUBMISSION_DELAY_MS);
	dialog(p, NULL, "535 5.7.8");
	t.temp = true;
	peer_send(p, LOGIN);
	run(2 * SUBMISSION_DELAY_MS + 50);
	dialog(p, NULL, "454 4.7.0");
	t.temp = false;
	peer_send(p, LOGIN);
	run(2 * SUBMISSION_DELAY_MS + 50);
	dialog(p, NULL, "421 4.7.0");
	assert_true(p->eof);
	assert_int_equal(d->host.count, 0);
}

static void
test_cancel(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	t.silent = true;
	open_tls(p);
	peer_send(p, LOGIN);
	run(15);
	assert_int_equal(t.started, 1);
	peer_close(p); /* in the middle of the exchange */
	run(15);
	ipc_channel_free(&t.auth);
	run(15);
	open_tls(&peers[1]);
	dialog(&peers[1], LOGIN, "454 4.7.0");
}

/* The account is locked, or queue restarts: at each moment the session ends with a word. */
static void
test_door_lost(void **state)
{
	struct peer *p = peers;

	(void)state;
	log_in(&p[0]); /* between commands */
	ipc_channel_free(&t.door);
	dialog(&p[0], NULL, "421 4.3.2");
	assert_true(p[0].eof);

	log_in(&p[1]); /* while queue is asked */
	t.mute = true;
	peer_send(&p[1], "MAIL FROM:<alice@a.test>\r\n");
	run(15);
	ipc_channel_free(&t.door);
	dialog(&p[1], NULL, "451 4.3.0");
	assert_non_null(strstr(p[1].text, "421 4.3.2"));

	t.mute = false; /* while the message is being stored */
	t.mute_commit = true;
	log_in(&p[2]);
	peer_send(&p[2], ENVELOPE);
	dialog(&p[2], NULL, "354 ");
	peer_send(&p[2], MESSAGE);
	run(15);
	assert_int_equal(t.committed, 1);
	ipc_channel_free(&t.door);
	dialog(&p[2], NULL, "451 4.3.0");
	assert_non_null(strstr(p[2].text, "421 4.3.2"));
	assert_int_equal(d->host.count, 0);
}

/* Whom the header names must belong to the login; nothing of a refused message stays in queue. */
static void
test_header(void **state)
{
	static const struct {
		const char *header, *want;
	} cases[] = {
		{ "From: alice@a.test\r\nSender: alice@a.test\r\n", "250 " },
		{ "From: bob@a.test\r\n", "550 5.7.1" },
		{ "From: alice@a.test, bob@a.test\r\nSender: alice@a.test\r\n", "550 5.7.1" },
		{ "From: alice@a.test\r\nSender: bob@a.test\r\n", "550 5.7.1" },
		{ "From: alice@a.test\r\nFrom: alice@a.test\r\n", "550 5.6.0" },
		{ "Subject: x\r\n", "550 5.6.0" },
		{ "From: alice@a.test\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n"
		  "Message-ID: <1@a.test>\r\n",
		    "250 " },
	};
	struct peer *p = &peers[0];
	unsigned good = 0;

	(void)state;
	log_in(p);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool accepted = cases[i].want[0] == '2';

		dialog(p, ENVELOPE, "354 ");
		peer_send(p, cases[i].header);
		dialog(p, "\r\nbody\r\n.\r\n", cases[i].want);
		good += accepted;
		assert_int_equal(t.committed, good);
		assert_int_equal(t.begun, t.committed + t.aborted);
	}
	assert_null(strstr(t.prepend, "Date: "));
	assert_null(strstr(t.prepend, "Message-ID: "));
}

/* Queue answers after all of the message has come. */
static void
test_header_late(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	log_in(p);
	for (int good = 0; good < 2; good++) {
		t.mute = false;
		dialog(p, ENVELOPE, "354 ");
		t.mute = true;
		dialog(p, MESSAGE, "");
		assert_int_equal(p->n, 0);
		assert_int_equal(t.committed, 0);
		ipc_send_door_answer(t.door, t.asked,
		    &(struct ipc_door_answer){ .result = good ? IPC_OK : IPC_TEMP });
		dialog(p, NULL, good ? "250 2.0.0" : "451 4.3.0");
	}
	t.mute = false;
	dialog(p, ENVELOPE, "354 ");
	t.mute = true;
	dialog(p, MESSAGE, "");
	ipc_channel_free(&t.door);
	dialog(p, NULL, "451 4.3.0");
	assert_non_null(strstr(p->text, "421 4.3.2"));
}

static void
test_queue_says_no(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	log_in(p);
	t.result = IPC_DENIED;
	dialog(p, ENVELOPE, "354 ");
	dialog(p, MESSAGE, "550 5.7.1");
	t.result = IPC_FULL;
	dialog(p, ENVELOPE, "354 ");
	dialog(p, MESSAGE, "452 4.3.1");
	ipc_send_queue_room(t.door, 0, &(struct ipc_queue_room){ .result = IPC_FULL });
	run(5);
	dialog(p, ENVELOPE, "452 4.3.1");
}

static void
test_sending_limit(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	set(SET_submission_messages_per_hour, "2");
	log_in(p);
	for (int i = 0; i < 2; i++) {
		dialog(p, ENVELOPE, "354 ");
		dialog(p, MESSAGE, "250 2.0.0");
	}
	dialog(p, "MAIL FROM:<alice@a.test>\r\n", "451 4.7.0");
	set(SET_submission_messages_per_hour, "0");
	set(SET_submission_recipients_per_hour, "4");
	dialog(p, "MAIL FROM:<alice@a.test>\r\nRCPT TO:<b@x.test>\r\n", "250 2.1.5");
	dialog(p, "RCPT TO:<c@x.test>\r\nRCPT TO:<d@x.test>\r\n", "451 4.7.0");
}

/* Two sessions in the middle of a message: the last of the budget is for one of them only. What queue
 * refuses costs nothing. */
static void
test_sending_limit_side_by_side(void **state)
{
	(void)state;
	t.keep = true;
	set(SET_submission_messages_per_hour, "2");
	log_in(&peers[0]);
	for (int i = 0; i < 3; i++) {
		t.result = IPC_FULL;
		dialog(&peers[0], ENVELOPE, "354 ");
		dialog(&peers[0], MESSAGE, "452 4.3.1");
	}
	t.result = IPC_OK;
	dialog(&peers[0], ENVELOPE, "354 ");
	dialog(&peers[0], MESSAGE, "250 2.0.0");
	for (int i = 1; i < PEERS; i++) {
		log_in(&peers[i]);
		dialog(&peers[i], ENVELOPE, "354 ");
	}
	dialog(&peers[1], MESSAGE, "250 2.0.0");
	dialog(&peers[2], MESSAGE, "451 4.7.0");
	assert_int_equal(t.committed, 5);
}

/* A client that goes away before the answer has sent its message all the same. */
static void
test_sending_limit_without_waiting(void **state)
{
	(void)state;
	set(SET_submission_messages_per_hour, "1");
	log_in(&peers[0]);
	dialog(&peers[0], ENVELOPE, "354 ");
	t.mute_commit = true;
	dialog(&peers[0], MESSAGE, "");
	assert_int_equal(t.committed, 1);
	peer_close(&peers[0]);
	run(100);
	log_in(&peers[1]);
	dialog(&peers[1], "MAIL FROM:<alice@a.test>\r\n", "451 4.7.0");
}

/* Who has not logged in within the time is sent away, whatever he says meanwhile. */
static void
test_login_time(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	d->login_ms = 60;
	open_tls(p);
	for (int i = 0; i < 20 && !p->eof; i++) {
		if (d->host.count > 0)
			peer_send(p, "NOOP\r\n");
		run(15);
		peer_read(p);
	}
	assert_true(p->eof);
	assert_int_equal(d->host.count, 0);
	log_in(&peers[1]); /* and who has may stay */
	run(100);
	dialog(&peers[1], "NOOP\r\n", "250 ");
}

static void
test_budget(void **state)
{
	struct budgets *b = budgets_new();

	(void)state;
	budgets_set(b, 10, 100);
	for (int i = 0; i < 10; i++) {
		assert_true(budgets_allow(b, 1, 5, 1000));
		budgets_take(b, 1, 5, 1000);
	}
	assert_false(budgets_allow(b, 1, 1, 1000));
	assert_true(budgets_allow(b, 2, 100, 1000));
	assert_false(budgets_allow(b, 2, 101, 1000));
	/* A tenth of the hour gives one message back. */
	assert_false(budgets_allow(b, 1, 1, 1000 + SUBMISSION_BUDGET_MS / 10 - 1000));
	assert_true(budgets_allow(b, 1, 1, 1000 + SUBMISSION_BUDGET_MS / 10 + 1000));
	for (uint32_t i = 0; i < 3 * SUBMISSION_BUDGETS_MAX; i++)
		budgets_take(b, i, 1, 1000 + (uint64_t)i * SUBMISSION_BUDGET_MS / 100);
	assert_false(budgets_allow(b, 3 * SUBMISSION_BUDGETS_MAX - 1, 101,
	    1000 + (uint64_t)3 * SUBMISSION_BUDGETS_MAX * SUBMISSION_BUDGET_MS / 100));
	budgets_free(&b);
}

static int stopped;

static void
on_stopped(void *arg)
{
	(void)arg;
	stopped++;
}

static void
test_stop(void **state)
{
	(void)state;
	log_in(&peers[0]);
	open_tls(&peers[1]);
	smtp_host_stop(&d->host, on_stopped, NULL);
	run(20);
	assert_int_equal(stopped, 1);
	dialog(&peers[0], NULL, "421 4.3.2");
	dialog(&peers[1], NULL, "421 4.3.2");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_message),
		T(test_starttls),
		T(test_failures),
		T(test_cancel),
		T(test_door_lost),
		T(test_header),
		T(test_header_late),
		T(test_queue_says_no),
		T(test_sending_limit),
		T(test_sending_limit_side_by_side),
		T(test_sending_limit_without_waiting),
		T(test_login_time),
		cmocka_unit_test(test_budget),
		T(test_stop),
	};
	int r;

	tls_preload();
	fake_keys_setup();
	peer_setup();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	peer_teardown();
	fake_keys_teardown();
	return r;
}
