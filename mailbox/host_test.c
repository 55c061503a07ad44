/* SPDX-License-Identifier: ISC */
/* A whole mailbox process without its sandbox: deliveries and real IMAP sessions over sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "db/db.h"
#include "ipc/frame.h"
#include "ipc/ipc.h"
#include "mailbox/host.h"

struct world {
	char path[64], index[80];
	int dirfd;
	pid_t pid;
	int control;
	uint64_t next_id;
};

/* --- the process ------------------------------------------------------------------------------- */

static struct io_loop *loop;

static void
on_idle(void *arg, uint64_t attached)
{
	(void)arg;
	(void)attached;
}

static void
on_stopped(void *arg)
{
	(void)arg;
	io_loop_stop(loop);
}

static void
on_failed(void *arg)
{
	(void)arg;
	_exit(3);
}

static void
on_attach(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_attach *m, int fd)
{
	(void)ch;
	(void)id;
	host_attach(arg, m->purpose, fd);
}

static void
on_limits(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_limits *m, int fd)
{
	(void)ch;
	(void)id;
	(void)fd;
	host_limits(arg, m->quota_bytes, m->quota_messages);
}

static struct ipc_channel *master;

static void
on_usage(void *arg, uint64_t bytes, uint64_t messages)
{
	(void)arg;
	ipc_send_mailbox_usage(
	    master, 0, &(struct ipc_mailbox_usage){ .bytes = bytes, .messages = messages });
}

static void
on_stop(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_stop *m, int fd)
{
	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	host_stop(arg);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)arg;
	(void)ch;
	_exit(4);
}

static void
process(int dirfd, const char *index, int control)
{
	static const union ipc_handler handlers[IPC__MAX] = {
		IPC_ON(mailbox_attach, on_attach),
		IPC_ON(mailbox_limits, on_limits),
		IPC_ON(stop, on_stop),
	};
	static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };
	struct host_config config = { .dirfd = dirfd,
		.index = index,
		.message_max = 1000000,
		.idle_exit_ms = 1000000,
		.idle_limit_ms = 1000000,
		.max_sessions = 5,
		.on_idle = on_idle,
		.on_usage = on_usage,
		.on_stopped = on_stopped,
		.on_failed = on_failed };
	struct host *h;

	loop = config.loop = io_loop_new();
	if (host_new(&config, &h) != 0)
		_exit(5);
	master = ipc_channel_new(loop, control, IPC_CH_master, IPC_CLIENT, &ops, h);
	io_loop_run(loop);
	host_free(&h);
	ipc_channel_free(&master);
	io_loop_free(&loop);
	close(dirfd);
	exit(0);
}

static void
start(struct world *w)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		close(sv[0]);
		if (getenv("VERBOSE") == NULL)
			log_open("mailbox", open("/dev/null", O_WRONLY));
		process(w->dirfd, w->index, sv[1]);
	}
	close(sv[1]);
	w->control = sv[0];
}

static void
world_new(struct world *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->path, "/tmp/mailbox-host-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	snprintf(w->index, sizeof(w->index), "%s/index", w->path);
	w->dirfd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->next_id = 1;
	start(w);
}

static int
end(struct world *w, int signo)
{
	int status;

	if (signo != 0)
		kill(w->pid, signo);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	close(w->control);
	w->pid = 0;
	return status;
}

static void
world_free(struct world *w)
{
	struct dirent *e;
	DIR *d;

	if (w->pid != 0)
		end(w, SIGKILL);
	db_remove_index(w->index);
	rmdir(w->index);
	d = opendir(w->path);
	while ((e = readdir(d)) != NULL)
		unlinkat(w->dirfd, e->d_name, 0);
	closedir(d);
	close(w->dirfd);
	rmdir(w->path);
}

/* --- talking to it ----------------------------------------------------------------------------- */

static void
send_all(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n > 0) {
		ssize_t r = send(fd, at, n, MSG_NOSIGNAL);

		if (r < 0)
			return; /* the tests look at what comes back */
		at += r;
		n -= (size_t)r;
	}
}

static void
send_message(int fd, enum ipc_type type, uint64_t id, const void *m)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(ipc_encode(&b, type, id, m), 0);
	send_all(fd, buf_data(&b), buf_len(&b));
	buf_free(&b);
}

static int
attach(struct world *w, uint8_t purpose)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct msghdr msg = {
		.msg_control = c.room, .msg_controllen = sizeof(c.room), .msg_iovlen = 1
	};
	struct iovec v;
	struct buf b;
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	buf_init(&b, 4096);
	ipc_encode(&b, IPC_mailbox_attach, w->next_id++,
	    &(struct ipc_mailbox_attach){ .purpose = purpose });
	v = (struct iovec){ (void *)(uintptr_t)buf_data(&b), buf_len(&b) };
	msg.msg_iov = &v;
	c.head = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS
	};
	memcpy(CMSG_DATA(&c.head), &sv[1], sizeof(int));
	assert_int_equal(sendmsg(w->control, &msg, 0), buf_len(&b));
	buf_free(&b);
	close(sv[1]);
	return sv[0];
}

static void
deliver_send(int fd, uint64_t number, const char *folder, const char *text, size_t n)
{
	char qid[24];

	snprintf(qid, sizeof(qid), "q%llu", (unsigned long long)number);
	send_message(fd, IPC_deliver_begin, number,
	    &(struct ipc_deliver_begin){ .number = number,
		.floor = 1,
		.queue_id = str_of(qid),
		.reverse_path = STR("bob@example.test"),
		.recipient = STR("alice@example.test"),
		.folder = str_of(folder),
		.arrival_ms = 1700000000000,
		.size = n });
	for (size_t at = 0; at < n;) {
		size_t some = n - at < 60000 ? n - at : 60000;

		send_message(fd, IPC_deliver_content, number,
		    &(struct ipc_deliver_content){ .bytes = str_from(text + at, some) });
		at += some;
	}
}

static void
deliver_sync(int fd)
{
	send_message(fd, IPC_deliver_sync, 0, &(struct ipc_deliver_sync){ 0 });
}

/* The UID, 0: refused. */
static uint32_t
delivered(int fd, uint64_t number)
{
	enum ipc_type type;
	union ipc_any m;
	struct buf storage;
	uint32_t uid;
	int got;

	buf_init(&storage, 1 << 20);
	assert_int_equal(
	    ipc_call_more(fd, IPC_CH_mailbox_deliver, number, &storage, &type, &m, &got, 5000), 0);
	assert_int_equal(type, IPC_delivered);
	assert_int_equal(m.delivered.number, number);
	uid = m.delivered.result == IPC_OK ? m.delivered.uid : 0;
	buf_free(&storage);
	return uid;
}

struct client {
	int fd;
	char text[400000];
	size_t n;
};

/* Reads until `what` stands in the text; false: end or five seconds. */
static bool
expect(struct client *c, const char *what)
{
	for (;;) {
		struct pollfd p = { c->fd, POLLIN, 0 };
		ssize_t r;

		c->text[c->n] = '\0';
		if (strstr(c->text, what) != NULL)
			return true;
		if (poll(&p, 1, 5000) <= 0 ||
		    (r = read(c->fd, c->text + c->n, sizeof(c->text) - c->n - 1)) <= 0)
			return false;
		c->n += (size_t)r;
	}
}

static void
check(struct client *c, const char *what)
{
	if (!expect(c, what))
		fail_msg("no \"%s\" in \"%s\"", what, c->text);
}

static void
say(struct client *c, const char *line)
{
	c->n = 0;
	c->text[0] = '\0';
	send_all(c->fd, line, strlen(line));
}

static void
command(struct client *c, const char *line, const char *reply)
{
	say(c, line);
	check(c, reply);
}

/* What the next login's account has of its own. */
static const char *hidden = "";

static struct client *
login(struct world *w, const char *unread)
{
	struct client *c = calloc(1, sizeof(*c));

	c->fd = attach(w, 0);
	send_message(c->fd, IPC_session_handover, 1,
	    &(struct ipc_session_handover){ .protocol = STR("imap"),
		.login = STR("alice@example.test"),
		.tag = STR("a0"),
		.session = STR("s1"),
		.client_address = STR("192.0.2.1"),
		.tls = STR("TLSv1.3"),
		.hidden_capabilities = str_of(hidden),
		.unread = str_of(unread) });
	return c;
}

static void
client_free(struct client **c)
{
	close((*c)->fd);
	free(*c);
	*c = NULL;
}

static const char mail[] = "From: Bob <bob@example.test>\r\nTo: alice@example.test\r\n"
			   "Subject: First light\r\nMessage-ID: <1@example.test>\r\n\r\nHello.\r\n";

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

struct watcher {
	struct client *c;
	uint32_t exists;
	unsigned tag;
};

static uint32_t seed;

static uint32_t
pick(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* What the server says changes what this client believes. */
static void
watch(struct watcher *w)
{
	for (const char *p = w->c->text; p != NULL && *p != '\0';) {
		unsigned n;
		char word[16];

		if (sscanf(p, "* %u %15s", &n, word) == 2) {
			if (strcmp(word, "EXISTS") == 0) {
				assert_true(n >= w->exists);
				w->exists = n;
			} else if (strcmp(word, "EXPUNGE") == 0) {
				assert_true(n >= 1 && n <= w->exists);
				w->exists--;
			} else if (strcmp(word, "FETCH") == 0) {
				assert_true(n >= 1 && n <= w->exists);
			}
		}
		p = strstr(p, "\r\n");
		p = p != NULL ? p + 2 : NULL;
	}
}

static void
do_command(struct watcher *w, const char *text)
{
	char line[256], tag[16];

	snprintf(tag, sizeof(tag), "t%u ", ++w->tag);
	snprintf(line, sizeof(line), "%s%s\r\n", tag, text);
	w->c->n = 0;
	send_all(w->c->fd, line, strlen(line));
	check(w->c, tag);
	assert_true(expect(w->c, "\r\n"));
	while (!expect(w->c, tag) || w->c->text[w->c->n - 1] != '\n')
		;
	watch(w);
	if (strstr(w->c->text, " BAD ") != NULL)
		fail_msg("%s: %s", line, w->c->text);
}

static void
random_command(struct watcher *w)
{
	char text[128];
	uint32_t n = w->exists > 0 ? 1 + pick(w->exists) : 0;
	uint32_t m = n > 0 ? n + pick(w->exists - n + 1) : 0;

	switch (n == 0 ? 6 : pick(8)) {
	case 0:
		snprintf(
		    text, sizeof(text), "STORE %u:%u +FLAGS (\\Deleted)", n, m < n + 3 ? m : n);
		break;
	case 1:
		snprintf(text, sizeof(text), "STORE %u FLAGS (\\Seen k%u)", n, pick(9));
		break;
	case 2:
		snprintf(text, sizeof(text), "EXPUNGE");
		break;
	case 3:
		snprintf(text, sizeof(text), "COPY %u:%u INBOX", n, m < n + 9 ? m : n);
		break;
	case 4:
		snprintf(text, sizeof(text), "FETCH %u:%u (FLAGS UID ENVELOPE)", n, m);
		break;
	case 5:
		snprintf(text, sizeof(text), "MOVE %u INBOX", n);
		break;
	case 6:
		snprintf(text, sizeof(text), "NOOP");
		break;
	default:
		snprintf(text, sizeof(text), "UID SEARCH NOT DELETED SUBJECT light");
	}
	do_command(w, text);
}

static void
test_random_sessions(void **state)
{
	enum { SESSIONS = 3, STEPS = 600 };
	struct watcher s[SESSIONS] = { 0 };
	struct world w;
	int d;

	(void)state;
	seed = (uint32_t)time(NULL);
	print_message("seed %u\n", seed);
	world_new(&w);
	d = attach(&w, 1);
	for (int i = 0; i < SESSIONS; i++) {
		s[i].c = login(&w, "");
		check(s[i].c, "a0 OK");
		do_command(&s[i], "SELECT INBOX");
	}
	for (uint64_t n = 1; n <= STEPS; n++) {
		if (pick(6) == 0) {
			deliver_send(d, n, "", mail, sizeof(mail) - 1);
			deliver_sync(d);
			assert_true(delivered(d, n) != 0);
		}
		random_command(&s[pick(SESSIONS)]);
	}
	for (int i = 0; i < SESSIONS; i++)
		do_command(&s[i], "NOOP");
	for (int i = 0; i < SESSIONS; i++) {
		struct client *fresh = login(&w, "f SELECT INBOX\r\n");
		char exists[32];

		snprintf(exists, sizeof(exists), "* %u EXISTS\r\n", s[i].exists);
		check(fresh, exists);
		client_free(&fresh);
		if (i > 0)
			assert_int_equal(s[i].exists, s[0].exists);
	}
	for (int i = 0; i < SESSIONS; i++)
		client_free(&s[i].c);
	close(d);
	world_free(&w);
}

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

/* Told to be safe means there after kill -9; nothing stands twice after the repeat. */
static void
test_kill(void **state)
{
	enum { ROUNDS = 12, BATCH = 40 };
	struct world w;
	struct client *c;
	uint64_t number = 1, told = 0;
	char want[64];

	(void)state;
	world_new(&w);
	for (int round = 0; round < ROUNDS; round++) {
		int d = attach(&w, 1);
		struct pollfd p = { d, POLLIN, 0 };

		for (uint64_t n = number; n < number + BATCH; n++)
			deliver_send(d, n, "", mail, sizeof(mail) - 1);
		deliver_sync(d);
		if (poll(&p, 1, round % 4) == 1 && delivered(d, number) != 0)
			told++;
		end(&w, SIGKILL);
		close(d);
		/* What queue does: all of them again. */
		start(&w);
		d = attach(&w, 1);
		for (uint64_t n = number; n < number + BATCH; n++)
			deliver_send(d, n, "", mail, sizeof(mail) - 1);
		deliver_sync(d);
		for (uint64_t n = number; n < number + BATCH; n++)
			assert_int_equal(delivered(d, n), n);
		number += BATCH;
		close(d);
	}
	c = login(&w, "a1 SELECT INBOX\r\n");
	snprintf(want, sizeof(want), "* %d EXISTS\r\n", ROUNDS * BATCH);
	check(c, want);
	print_message(
	    "kill: %llu of %d rounds were told before\n", (unsigned long long)told, ROUNDS);
	client_free(&c);
	world_free(&w);
}

/* Flag changes survive kill -9 at once. */
static void
test_flags_kill(void **state)
{
	struct world w;
	struct client *c;
	int d;

	(void)state;
	world_new(&w);
	d = attach(&w, 1);
	deliver_send(d, 1, "", mail, sizeof(mail) - 1);
	deliver_sync(d);
	assert_int_equal(delivered(d, 1), 1);
	close(d);
	c = login(&w, "a1 SELECT INBOX\r\n");
	check(c, "a1 OK");
	command(c, "a2 STORE 1 +FLAGS.SILENT (\\Answered work)\r\n", "a2 OK");
	end(&w, SIGKILL);
	client_free(&c);
	start(&w);
	c = login(&w, "a1 SELECT INBOX\r\n");
	check(c, "a1 OK");
	command(c, "a2 FETCH 1 FLAGS\r\n", "a2 OK");
	check(c, "\\Answered work");
	client_free(&c);
	world_free(&w);
}

static long
private_kb(pid_t pid)
{
	char path[64], line[256];
	long total = 0, kb;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Private_Clean: %ld", &kb) == 1 ||
		    sscanf(line, "Private_Dirty: %ld", &kb) == 1)
			total += kb;
	if (f != NULL)
		fclose(f);
	return total;
}

static double
cpu_seconds(pid_t pid)
{
	clockid_t id;
	struct timespec t;

	if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &t) != 0)
		return 0;
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
test_speed(void **state)
{
	enum { N = 5000, BATCH = 100 };
	struct world w;
	char text[4096];
	double before;
	int d;

	(void)state;
	world_new(&w);
	memset(text, 'x', sizeof(text));
	memcpy(text, mail, sizeof(mail) - 1);
	d = attach(&w, 1);
	before = cpu_seconds(w.pid);
	for (uint64_t n = 1; n <= N; n += BATCH) {
		for (uint64_t k = n; k < n + BATCH; k++)
			deliver_send(d, k, "", text, sizeof(text));
		deliver_sync(d);
		for (uint64_t k = n; k < n + BATCH; k++)
			assert_int_equal(delivered(d, k), k);
	}
	print_message(
	    "delivery of 4 KiB: %.1f us CPU each\n", (cpu_seconds(w.pid) - before) * 1e6 / N);
	usleep(300000);
	print_message("private memory with %d messages: %ld KiB\n", N, private_kb(w.pid));
	close(d);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_two_sessions),
		cmocka_unit_test(test_random_sessions),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_index_waits),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_flags_kill),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
