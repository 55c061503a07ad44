/* SPDX-License-Identifier: ISC */
/*
 * The supervisor with real processes: this executable plays the mailbox processes, each account
 * number a different character. accounts and queue are channels of the test.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "daemon/daemon.h"
#include "master/master.h"

/* What a mailbox process does, by its account. */
enum {
	HONEST = 1,
	DIES_AT_START,
	IDLE_AT_ONCE, /* says so with a count that knows of no attach */
	SLOW_TO_STOP,
	STUBBORN, /* closes its channel, ignores SIGTERM, stays */
	GREEDY,   /* asks for what only accounts may */
	NEVER_READY,
	RUBBISH, /* sends bytes that are no message, ignores SIGTERM, stays */
};

/* --- the mailbox process --------------------------------------------------------------------------- */

static void
say(enum ipc_type type, const void *m)
{
	struct buf out;

	buf_init(&out, 4096);
	ipc_encode(&out, type, 0, m);
	if (write(DAEMON_MASTER_FD, buf_data(&out), buf_len(&out)) < 0)
		_exit(1);
	buf_free(&out);
}

static void
stay(void)
{
	signal(SIGTERM, SIG_IGN);
	poll(NULL, 0, 20000);
	_exit(0);
}

static void
play_ready(uint32_t account)
{
	if (account == DIES_AT_START)
		_exit(1);
	if (account == NEVER_READY)
		stay();
	say(IPC_ready, &(struct ipc_ready){ .sandbox = STR("none") });
	if (account == IDLE_AT_ONCE)
		say(IPC_mailbox_idle, &(struct ipc_mailbox_idle){ .attached = 0 });
	if (account == GREEDY)
		say(IPC_mailbox_create, &(struct ipc_mailbox_create){ .account = 99 });
	if (account == STUBBORN) {
		close(DAEMON_MASTER_FD);
		stay();
	}
	if (account == RUBBISH) {
		if (write(DAEMON_MASTER_FD, "GET / HTTP/1.0\r\n\r\n", 18) < 0)
			_exit(1);
		stay();
	}
}

static int
play(void)
{
	struct buf storage;
	enum ipc_type type;
	union ipc_any m;
	uint32_t account = 0;
	int fd;

	buf_init(&storage, 64 << 10);
	while (ipc_call_more(DAEMON_MASTER_FD, IPC_CH_master, 0, &storage, &type, &m, &fd, 20000) ==
	       0) {
		if (type == IPC_setup)
			account = m.setup.instance;
		else if (type == IPC_setup_done)
			play_ready(account);
		else if (type == IPC_mailbox_attach && write(fd, "A", 1) != 1)
			close(fd); /* its asker has left already */
		else if (type == IPC_mailbox_limits && m.mailbox_limits.quota_bytes > 0)
			say(IPC_mailbox_usage,
			    &(struct ipc_mailbox_usage){ .bytes = m.mailbox_limits.quota_bytes + 1,
				.messages = m.mailbox_limits.quota_messages + 1 });
		else if (type == IPC_done && m.done.result != IPC_DENIED)
			break;
		if (type == IPC_stop) {
			if (account == SLOW_TO_STOP)
				poll(NULL, 0, 300);
			break;
		}
		/* Attached descriptors stay open until the end. */
	}
	buf_free(&storage);
	return 0;
}

/* --- the house ------------------------------------------------------------------------------------- */

struct asker {
	struct child *child; /* as master sees it */
	struct ipc_channel *ch;
	unsigned opened, refused, done, peers;
	uint64_t last_id;
	unsigned held; /* reports of what a mailbox holds; the last one: */
	struct ipc_mailbox_holds holds;
	struct ipc_setup_peer peer; /* the last one; peer.peer is not kept */
	enum ipc_result result;
	int fd; /* of the last one that was opened */
};

static struct house {
	struct master m;
	struct asker accounts, queue;
	char dir[64];
	struct io_timer *deadline;
	bool late;
} house;

/* Of main.c, which the test replaces. */
void
master_progress(struct master *m)
{
	(void)m;
}

bool
master_reload(struct master *m)
{
	(void)m;
	return true;
}

static void
on_opened(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_opened *m, int fd)
{
	struct asker *a = arg;

	(void)ch, (void)m;
	a->opened++;
	a->last_id = id;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = fd;
}

static void
on_refused(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_refused *m, int fd)
{
	struct asker *a = arg;

	(void)ch, (void)fd;
	a->refused++;
	a->last_id = id;
	a->result = (enum ipc_result)m->result;
}

static void
on_done(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_done *m, int fd)
{
	struct asker *a = arg;

	(void)ch, (void)fd;
	a->done++;
	a->last_id = id;
	a->result = (enum ipc_result)m->result;
}

static void
on_setup_peer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_setup_peer *m, int fd)
{
	struct asker *a = arg;

	(void)ch, (void)id;
	a->peers++;
	a->peer = *m;
	close(fd);
}

static void
on_holds(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_holds *m, int fd)
{
	struct asker *a = arg;

	(void)ch, (void)id, (void)fd;
	a->held++;
	a->holds = *m;
}

static const union ipc_handler asker_handlers[IPC__MAX] = {
	IPC_ON(setup_peer, on_setup_peer),
	IPC_ON(mailbox_opened, on_opened),
	IPC_ON(mailbox_refused, on_refused),
	IPC_ON(done, on_done),
	IPC_ON(mailbox_holds, on_holds),
};
static const struct ipc_ops asker_ops = { .handlers = asker_handlers };
static const union ipc_handler no_handlers[IPC__MAX];
static const struct ipc_ops master_side_ops = { .handlers = no_handlers };

static void
asker_new(struct asker *a, enum proc_id proc)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	*a = (struct asker){ .fd = -1 };
	a->child = child_new(&house.m, proc, 0);
	a->child->state = CHILD_UP;
	a->child->ch = ipc_channel_new(
	    house.m.loop, sv[0], IPC_CH_master, IPC_SERVER, &master_side_ops, a->child);
	a->ch = ipc_channel_new(house.m.loop, sv[1], IPC_CH_master, IPC_CLIENT, &asker_ops, a);
}

static void
asker_free(struct asker *a)
{
	TAILQ_REMOVE(&house.m.children, a->child, link);
	ipc_channel_free(&a->child->ch);
	io_timer_free(&a->child->timer);
	free(a->child);
	ipc_channel_free(&a->ch);
	if (a->fd >= 0)
		close(a->fd);
}

static void
on_child(void *arg)
{
	child_reap(arg);
}

static void
on_deadline(void *arg)
{
	(void)arg;
	house.late = true;
	io_loop_stop(house.m.loop);
}

/* Runs until cond holds; fails after some seconds. */
#define UNTIL(cond) \
	do { \
		for (int turn_ = 0; !(cond); turn_++) { \
			if (turn_ > 500) \
				fail_msg("never: %s", #cond); \
			settle(20); \
		} \
	} while (0)

static void
settle(uint64_t ms)
{
	io_timer_set(house.deadline, ms);
	io_loop_run(house.m.loop);
}

static char self[4096];
static struct io_loop *loop; /* a process has one */

static int
setup(void **state)
{
	struct house *h = &house;
	char path[128];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	assert_true(n > 0);
	if (loop == NULL) {
		loop = io_loop_new();
		io_signal_new(loop, SIGCHLD, on_child, &house.m);
	}
	self[n] = '\0';
	memset(h, 0, sizeof(*h));
	strcpy(h->dir, "/tmp/master_test.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	snprintf(path, sizeof(path), "%s/mailbox", h->dir);
	assert_int_equal(symlink(self, path), 0);
	TAILQ_INIT(&h->m.children);
	STAILQ_INIT(&h->m.listeners);
	h->m.libexec = xstrdup(h->dir);
	h->m.settings = settings_new();
	h->m.dir = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	h->m.lock = openat(h->m.dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(mkdirat(h->m.dir, "mail", 0711), 0);
	h->m.loop = loop;
	h->deadline = io_timer_new(loop, on_deadline, NULL);
	asker_new(&h->accounts, PROC_accounts);
	asker_new(&h->queue, PROC_queue);
	for (uint32_t k = HONEST; k <= RUBBISH; k++)
		mailbox_create(h->accounts.child, k, k);
	UNTIL(h->accounts.done == RUBBISH);
	assert_int_equal(h->accounts.result, IPC_OK);
	h->accounts.done = 0;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = &house;
	char command[128];
	struct child *c;

	(void)state;
	h->m.stopping = true;
	asker_free(&h->accounts);
	asker_free(&h->queue);
	while ((c = TAILQ_FIRST(&h->m.children)) != NULL) {
		if (c->pid > 0)
			kill(c->pid, SIGKILL);
		child_event(c, EV_STOP);
		settle(10);
	}
	io_timer_free(&h->deadline);
	settings_free(&h->m.settings);
	free(h->m.libexec);
	close(h->m.dir);
	close(h->m.lock);
	snprintf(command, sizeof(command), "rm -rf %s", h->dir);
	return system(command);
}

static void
open_as(struct asker *a, uint64_t id, uint32_t account, bool deliver)
{
	mailbox_open(a->child, id,
	    &(struct ipc_mailbox_open){ .account = account,
		.purpose = deliver ? IPC_MAILBOX_DELIVER : IPC_MAILBOX_SESSION });
}

static void
ask_mailbox(struct asker *a, uint64_t id, uint32_t account)
{
	open_as(a, id, account, a == &house.queue);
}

static struct child *
mailbox(uint32_t account)
{
	return child_find(&house.m, PROC_mailbox, account);
}

static char
greeting(int fd)
{
	char c = 0;

	return read(fd, &c, 1) == 1 ? c : 0;
}

static bool
is_dead(pid_t pid)
{
	return kill(pid, 0) < 0;
}

static unsigned
count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* --- tests ------------------------------------------------------------------------------------------ */

static void
test_open(void **state)
{
	struct asker *a = &house.accounts, *q = &house.queue;

	(void)state;
	ask_mailbox(a, 1, HONEST);
	ask_mailbox(a, 2, HONEST); /* while it starts */
	ask_mailbox(q, 3, HONEST);
	UNTIL(a->opened == 2 && q->opened == 1);
	assert_int_equal(greeting(a->fd), 'A');
	assert_int_equal(greeting(q->fd), 'A');
	assert_int_equal(mailbox(HONEST)->attached, 3);
	ask_mailbox(a, 4, 12345); /* no such account */
	UNTIL(a->refused == 1);
	assert_int_equal(a->result, IPC_NO);
	ask_mailbox(a, 5, 0);
	UNTIL(a->refused == 2);
	assert_int_equal(a->result, IPC_NO);
	/* Neither may have the other's kind. */
	open_as(a, 6, HONEST, true);
	open_as(q, 7, HONEST, false);
	UNTIL(a->refused == 3 && q->refused == 1);
	assert_int_equal(a->result, IPC_DENIED);
	assert_int_equal(q->result, IPC_DENIED);
}

static void
limit(struct asker *by, uint32_t account, uint64_t bytes, uint64_t messages)
{
	mailbox_limit(
	    by->child, &(struct ipc_mailbox_limit){
			   .account = account, .quota_bytes = bytes, .quota_messages = messages });
}

/* Limits go to a mailbox with what accounts opens, and by themselves; what it holds comes back under the
 * number that master knows, and again for a new accounts. */
static void
test_usage(void **state)
{
	struct asker *a = &house.accounts, *q = &house.queue;
	struct ipc_mailbox_open open = { .account = HONEST,
		.purpose = IPC_MAILBOX_SESSION,
		.quota_bytes = 10,
		.quota_messages = 20 };

	(void)state;
	mailbox_open(a->child, 1, &open);
	UNTIL(a->held == 1 && a->opened == 1);
	assert_int_equal(a->holds.account, HONEST);
	assert_true(a->holds.bytes == 11 && a->holds.messages == 21);
	limit(a, HONEST, 30, UINT64_MAX);
	UNTIL(a->held == 2);
	assert_true(a->holds.bytes == 31 && a->holds.messages == 0);
	limit(a, 12345, 30, 40); /* does not run */
	/* Not queue's: neither with what it opens nor otherwise. */
	open.purpose = IPC_MAILBOX_DELIVER;
	mailbox_open(q->child, 2, &open);
	limit(q, HONEST, 50, 60);
	mailbox_usage(q->child, 1, 2);
	mailbox_usage_all(a->child);
	UNTIL(a->held == 3 && q->opened == 1);
	assert_int_equal(a->holds.bytes, 31);
	ask_mailbox(a, 3, HONEST);
	UNTIL(a->opened == 2);
	assert_int_equal(a->held, 3);
}

/* One that cannot start costs its askers a refusal, and no descriptors. */
static void
test_dies_at_start(void **state)
{
	struct asker *a = &house.accounts;
	unsigned before = count_descriptors();

	(void)state;
	for (uint64_t id = 1; id <= 3; id++)
		ask_mailbox(a, id, DIES_AT_START);
	UNTIL(a->refused == 3);
	assert_int_equal(a->result, IPC_TEMP);
	UNTIL(mailbox(DIES_AT_START) == NULL);
	assert_int_equal(count_descriptors(), before);
	/* Its directory is gone. */
	assert_int_equal(unlinkat(house.m.dir, "mail/1", AT_REMOVEDIR), 0);
	open_as(a, 9, HONEST, false);
	UNTIL(a->refused == 4);
	assert_int_equal(count_descriptors(), before);
}

/* "Nothing to do" crossed an attach: it stays. Without one it may go. */
static void
test_idle(void **state)
{
	struct asker *a = &house.accounts;
	struct child *c;
	pid_t pid;

	(void)state;
	ask_mailbox(a, 1, IDLE_AT_ONCE);
	UNTIL(a->opened == 1);
	settle(50);
	c = mailbox(IDLE_AT_ONCE);
	assert_non_null(c);
	assert_int_equal(c->state, CHILD_UP);
	assert_int_equal(greeting(a->fd), 'A');
	pid = c->pid;
	mailbox_idle(c, 0);
	assert_int_equal(c->state, CHILD_UP);
	mailbox_idle(c, 1);
	UNTIL(mailbox(IDLE_AT_ONCE) == NULL);
	assert_true(is_dead(pid));
	mailbox_idle(a->child, 0); /* not one's to say */
	assert_int_equal(a->child->state, CHILD_UP);
}

/* Who comes while it leaves gets the next one. */
static void
test_open_while_stopping(void **state)
{
	struct asker *a = &house.accounts;
	struct child *c;
	pid_t pid;

	(void)state;
	ask_mailbox(a, 1, SLOW_TO_STOP);
	UNTIL(a->opened == 1);
	c = mailbox(SLOW_TO_STOP);
	pid = c->pid;
	mailbox_idle(c, c->attached);
	assert_int_equal(c->state, CHILD_STOPPING);
	ask_mailbox(a, 2, SLOW_TO_STOP);
	UNTIL(a->opened == 2);
	assert_int_equal(a->last_id, 2);
	assert_int_equal(greeting(a->fd), 'A');
	assert_int_not_equal(mailbox(SLOW_TO_STOP)->pid, pid);
	assert_int_equal(mailbox(SLOW_TO_STOP)->attached, 1);
}

/* A login that was let in before the password changed must not find the next process. */
static void
test_kick(void **state)
{
	struct asker *a = &house.accounts;

	(void)state;
	ask_mailbox(a, 1, SLOW_TO_STOP); /* waits for the start */
	mailbox_kick(a->child, 2, SLOW_TO_STOP);
	UNTIL(mailbox(SLOW_TO_STOP) == NULL);
	assert_int_equal(a->opened, 0);
	assert_int_equal(a->refused, 1);
	assert_int_equal(a->done, 1);
	ask_mailbox(a, 3, SLOW_TO_STOP);
	UNTIL(a->opened == 1);
	mailbox_kick(a->child, 4, SLOW_TO_STOP);
	ask_mailbox(a, 5, SLOW_TO_STOP);
	mailbox_kick(a->child, 6, SLOW_TO_STOP);
	UNTIL(mailbox(SLOW_TO_STOP) == NULL);
	assert_int_equal(a->opened, 1);
	assert_int_equal(greeting(a->fd), 'A');
	assert_int_equal(greeting(a->fd), 0); /* ended */
}

/* A process that breaks the rules ends, whatever it does with SIGTERM. */
static void
test_bad_process(void **state)
{
	struct asker *a = &house.accounts;
	static const uint32_t bad[] = { STUBBORN, RUBBISH };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pid_t pid;

		ask_mailbox(a, i, bad[i]);
		UNTIL(mailbox(bad[i])->pid > 0);
		pid = mailbox(bad[i])->pid;
		UNTIL(is_dead(pid));
	}
}

/* Only accounts may make, remove and kick: the answer is a refusal, and nothing happens. */
static void
test_greedy(void **state)
{
	struct asker *a = &house.accounts;
	struct stat st;

	(void)state;
	ask_mailbox(a, 1, GREEDY);
	UNTIL(a->opened == 1);
	settle(50);
	assert_int_equal(mailbox(GREEDY)->state, CHILD_UP); /* it got DENIED, else it would end */
	assert_int_equal(fstatat(house.m.dir, "mail/99", &st, 0), -1);
}

static void
test_remove(void **state)
{
	struct asker *a = &house.accounts;
	struct stat st;
	pid_t pid;

	(void)state;
	ask_mailbox(a, 1, HONEST);
	UNTIL(a->opened == 1);
	pid = mailbox(HONEST)->pid;
	mailbox_remove(a->child, 2, HONEST);
	UNTIL(a->done == 1 && is_dead(pid));
	assert_int_equal(a->result, IPC_OK);
	assert_int_equal(fstatat(house.m.dir, "mail/1", &st, 0), -1);
	assert_int_equal(fstatat(house.m.dir, "removed/1", &st, 0), 0);
	ask_mailbox(a, 3, HONEST);
	UNTIL(a->refused == 1);
	assert_int_equal(a->result, IPC_NO);
	mailbox_remove(a->child, 4, HONEST); /* again: a repeat after a crash */
	UNTIL(a->done == 2);
	assert_int_equal(a->result, IPC_OK);
}

/* Who waits too long is bounded in number; a hung start is killed by the timer's event. */
static void
test_hung_start(void **state)
{
	struct asker *a = &house.accounts;
	struct child *c;
	pid_t pid;

	(void)state;
	for (uint64_t id = 1; id <= OPENS_PENDING_MAX + 5; id++)
		ask_mailbox(a, id, NEVER_READY);
	UNTIL(a->refused == 5);
	c = mailbox(NEVER_READY);
	assert_int_equal(c->state, CHILD_STARTING);
	/* Each start that hangs is killed; after some the askers hear of it. */
	for (int i = 0; i < 4; i++) {
		UNTIL(c->state == CHILD_STARTING);
		pid = c->pid;
		child_event(c, EV_TIMEOUT);
		UNTIL(is_dead(pid));
		if (mailbox(NEVER_READY) == NULL)
			break;
	}
	UNTIL(a->refused == OPENS_PENDING_MAX + 5);
	assert_null(mailbox(NEVER_READY));
}

/* Stop in every state: no process is left, and nothing is started again. */
static void
test_stop_anywhere(void **state)
{
	struct asker *a = &house.accounts;
	struct child *c;

	(void)state;
	ask_mailbox(a, 1, HONEST);
	c = mailbox(HONEST);
	assert_int_equal(c->state, CHILD_STARTING);
	house.m.stopping = true;
	child_event(c, EV_STOP);
	child_event(c, EV_STOP); /* twice: no action */
	UNTIL(mailbox(HONEST) == NULL);
	assert_int_equal(a->refused, 1);
	ask_mailbox(a, 2, HONEST);
	UNTIL(a->refused == 2);
	assert_int_equal(a->result, IPC_TEMP);
	/* Down, waiting for its next start. */
	c = child_new(&house.m, PROC_mailbox, HONEST);
	child_event(c, EV_STOP);
	assert_null(mailbox(HONEST));
}

/* The asker is gone when the mailbox is ready. */
static void
test_asker_gone(void **state)
{
	struct asker *a = &house.accounts;
	unsigned before;

	(void)state;
	ask_mailbox(a, 1, HONEST);
	a->child->state = CHILD_DOWN;
	UNTIL(mailbox(HONEST)->state == CHILD_UP);
	assert_int_equal(a->opened, 0);
	assert_int_equal(mailbox(HONEST)->attached, 0);
	before = count_descriptors();
	a->child->state = CHILD_UP;
	ask_mailbox(a, 2, HONEST);
	UNTIL(a->opened == 1);
	assert_int_equal(count_descriptors(), before + 1);
}

/* A channel that ended between two living processes is made again: for the client of that row of
 * the table only, and not without end. */
static void
test_peer_lost(void **state)
{
	struct asker control, *accounts = &house.accounts;
	struct ipc_peer_lost lost = {
		.channel = IPC_CH_admin, .peer = STR("accounts"), .peer_instance = 0
	};

	(void)state;
	asker_new(&control, PROC_control);
	peers_remake(control.child, &lost);
	UNTIL(control.peers == 1 && accounts->peers == 1);
	assert_int_equal(control.peer.channel, IPC_CH_admin);
	assert_int_equal(control.peer.as_server, 0);
	assert_int_equal(accounts->peer.as_server, 1);
	/* Not his to ask: the server's end, another channel, somebody who is not there. */
	lost.peer = STR("control");
	peers_remake(accounts->child, &lost);
	lost.peer = STR("accounts");
	lost.channel = IPC_CH_keys;
	peers_remake(control.child, &lost);
	lost.channel = IPC_CH_admin;
	lost.peer_instance = 7;
	peers_remake(control.child, &lost);
	settle(50);
	assert_int_equal(control.peers + accounts->peers, 2);
	lost.peer_instance = 0;
	for (int i = 0; i < 100; i++)
		peers_remake(control.child, &lost);
	settle(50);
	assert_int_equal(control.peers, PEERS_REMADE_MAX);
	asker_free(&control);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_open),
		T(test_usage),
		T(test_dies_at_start),
		T(test_idle),
		T(test_open_while_stopping),
		T(test_kick),
		T(test_bad_process),
		T(test_greedy),
		T(test_remove),
		T(test_hung_start),
		T(test_stop_anywhere),
		T(test_asker_gone),
		T(test_peer_lost),
#undef T
	};

	(void)argc;
	if (strcmp(argv[0], "mailbox") == 0)
		return play();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
