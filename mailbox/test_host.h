/* SPDX-License-Identifier: ISC */
/* A mailbox process without its sandbox, spoken to over sockets, for tests; all static. */
#ifndef POSTERN_MAILBOX_TEST_HOST_H
#define POSTERN_MAILBOX_TEST_HOST_H

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

static inline void
on_idle(void *arg, uint64_t attached)
{
	(void)arg;
	(void)attached;
}

static inline void
on_stopped(void *arg)
{
	(void)arg;
	io_loop_stop(loop);
}

static inline void
on_failed(void *arg)
{
	(void)arg;
	_exit(3);
}

static inline void
on_attach(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_attach *m, int fd)
{
	(void)ch;
	(void)id;
	host_attach(arg, m->purpose, fd);
}

static inline void
on_limits(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_limits *m, int fd)
{
	(void)ch;
	(void)id;
	(void)fd;
	host_limits(arg, m->quota_bytes, m->quota_messages);
}

static struct ipc_channel *master;

static inline void
on_usage(void *arg, uint64_t bytes, uint64_t messages)
{
	(void)arg;
	ipc_send_mailbox_usage(
	    master, 0, &(struct ipc_mailbox_usage){ .bytes = bytes, .messages = messages });
}

static inline void
on_stop(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_stop *m, int fd)
{
	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	host_stop(arg);
}

static inline void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)arg;
	(void)ch;
	_exit(4);
}

static inline void
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

static inline void
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

/* Its directory, and nothing else. */
static inline void
world_dir(struct world *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->path, "/tmp/mailbox-host-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	snprintf(w->index, sizeof(w->index), "%s/index", w->path);
	w->dirfd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->next_id = 1;
}

static inline void
world_new(struct world *w)
{
	world_dir(w);
	start(w);
}

static inline int
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

static inline void
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

static inline void
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

static inline void
send_message(int fd, enum ipc_type type, uint64_t id, const void *m)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(ipc_encode(&b, type, id, m), 0);
	send_all(fd, buf_data(&b), buf_len(&b));
	buf_free(&b);
}

static inline int
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

static inline void
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

static inline void
deliver_sync(int fd)
{
	send_message(fd, IPC_deliver_sync, 0, &(struct ipc_deliver_sync){ 0 });
}

/* The UID, 0: refused. */
static inline uint32_t
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
static inline bool
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

static inline void
check(struct client *c, const char *what)
{
	if (!expect(c, what))
		fail_msg("no \"%s\" in \"%s\"", what, c->text);
}

static inline void
say(struct client *c, const char *line)
{
	c->n = 0;
	c->text[0] = '\0';
	send_all(c->fd, line, strlen(line));
}

static inline void
command(struct client *c, const char *line, const char *reply)
{
	say(c, line);
	check(c, reply);
}

/* What the next login's account has of its own. */
static const char *hidden = "";

static inline void
send_handover(int fd, const char *unread)
{
	send_message(fd, IPC_session_handover, 1,
	    &(struct ipc_session_handover){ .protocol = STR("imap"),
		.login = STR("alice@example.test"),
		.tag = STR("a0"),
		.session = STR("s1"),
		.client_address = STR("192.0.2.1"),
		.tls = STR("TLSv1.3"),
		.hidden_capabilities = str_of(hidden),
		.unread = str_of(unread) });
}

static inline struct client *
login(struct world *w, const char *unread)
{
	struct client *c = calloc(1, sizeof(*c));

	c->fd = attach(w, 0);
	send_handover(c->fd, unread);
	return c;
}

static inline void
client_free(struct client **c)
{
	close((*c)->fd);
	free(*c);
	*c = NULL;
}

static const char mail[] = "From: Bob <bob@example.test>\r\nTo: alice@example.test\r\n"
			   "Subject: First light\r\nMessage-ID: <1@example.test>\r\n\r\nHello.\r\n";

#endif
