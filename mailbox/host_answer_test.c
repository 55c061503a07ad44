/* SPDX-License-Identifier: ISC */
/*
 * Nobody waits for what is derived from a message: its answer is with the client before the message is parsed. Host
 * and client are one process here, and the client looks at the end of each round of the loop, so that both can be seen
 * at one moment.
 */
#include "mailbox/test_host.h"

#include "mailbox/store_priv.h"

struct look {
	struct host *h;
	struct client c;
	const char *answer; /* the last one; NULL: the first bytes are all of them */
	size_t most;        /* messages that waited at once */
	bool early;         /* one was parsed before its answer was there */
	bool late;          /* one still waited when it was */
	bool late_timer;
};

/* Everything that has been written for the client. */
static void
take(struct client *c)
{
	ssize_t r;

	while ((r = recv(c->fd, c->text + c->n, sizeof(c->text) - c->n - 1, MSG_DONTWAIT)) > 0)
		c->n += (size_t)r;
	c->text[c->n] = '\0';
}

static size_t
inbox_count(struct host *h)
{
	return model_folder_named(store_model(host_store(h)), STR("INBOX"))->n;
}

/* Runs behind the host's own hook of the same round, before the streams write. */
static void
on_round(void *arg)
{
	struct look *l = arg;
	const struct store *s = host_store(l->h);
	bool answered;

	take(&l->c);
	answered = l->answer != NULL ? strstr(l->c.text, l->answer) != NULL : l->c.n > 0;
	if (s->derive.nwaits > l->most)
		l->most = s->derive.nwaits;
	l->early |= !answered && s->derive.nwaits < inbox_count(l->h);
	l->late |= answered && s->derive.nwaits > 0;
	if (answered && s->derive.nwaits == 0)
		io_loop_stop(loop);
}

static void
on_too_late(void *arg)
{
	struct look *l = arg;

	l->late_timer = true;
	io_loop_stop(loop);
}

static void
world_here(struct world *w, struct look *l)
{
	struct host_config config = { .message_max = 1000000,
		.idle_exit_ms = 1000000,
		.idle_limit_ms = 1000000,
		.max_sessions = 5,
		.on_idle = on_idle,
		.on_stopped = on_stopped,
		.on_failed = on_failed };

	world_dir(w);
	log_open("mailbox", open("/dev/null", O_WRONLY));
	loop = io_loop_new();
	config.loop = loop;
	config.dirfd = w->dirfd;
	config.index = w->index;
	assert_int_equal(host_new(&config, &l->h), 0);
	io_loop_after_turn(loop, on_round, l);
}

/* Until the answer is there and nothing waits. */
static void
run(struct look *l)
{
	struct io_timer *t = io_timer_new(loop, on_too_late, l);

	io_timer_set(t, 20000);
	io_loop_run(loop);
	io_timer_free(&t);
	assert_false(l->late_timer);
}

static void
world_here_free(struct world *w, struct look *l)
{
	host_free(&l->h);
	io_loop_free(&loop);
	close(l->c.fd);
	world_free(w);
}

/* A pair of sockets; the host has the other end. */
static int
attach_here(struct host *h, uint8_t purpose)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	host_attach(h, purpose, sv[1]);
	return sv[0];
}

static void
test_append(void **state)
{
	static struct look l;
	struct world w;

	(void)state;
	l = (struct look){ .answer = "c OK" };
	world_here(&w, &l);
	l.c.fd = attach_here(l.h, IPC_MAILBOX_SESSION);
	send_handover(l.c.fd, "a APPEND INBOX {5+}\r\na\r\nb\r\r\n"
			      "b APPEND INBOX {5+}\r\na\r\nc\r\r\n"
			      "c APPEND INBOX {5+}\r\na\r\nd\r\r\n");
	run(&l);
	assert_false(l.early);
	assert_false(l.late);
	assert_int_equal(l.most, 3);
	assert_int_equal(inbox_count(l.h), 3);
	world_here_free(&w, &l);
}

/* No session has an answer to write: nothing is waited for. The answer to queue goes out within the host's hook. */
static void
test_delivery(void **state)
{
	static struct look l;
	struct world w;

	(void)state;
	l = (struct look){ .answer = NULL };
	world_here(&w, &l);
	l.c.fd = attach_here(l.h, IPC_MAILBOX_DELIVER);
	for (uint64_t n = 1; n <= 3; n++)
		deliver_send(l.c.fd, n, "", mail, sizeof(mail) - 1);
	deliver_sync(l.c.fd);
	run(&l);
	assert_false(l.late);
	assert_int_equal(inbox_count(l.h), 3);
	world_here_free(&w, &l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_delivery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
