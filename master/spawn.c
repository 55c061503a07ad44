/* SPDX-License-Identifier: ISC */
/* fork + exec of a daemon, and everything it is handed at its start. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "master/master.h"
#include "proc/env.h"

const struct proc_row proc_rows[PROC__MAX] = {
#define PROCESS(n, u, d, s, what) [PROC_##n] = { .name = #n, .uid = (u), .dir = (d), .stage = (s) },
#include "proc/process_table.h"
};

/* --- messages from the child ------------------------------------------------------------------- */

static void
on_ready(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_ready *m, int fd)
{
	struct child *c = arg;

	(void)ch;
	(void)id;
	(void)fd;
	snprintf(c->sandbox, sizeof(c->sandbox), "%.*s", STRF(m->sandbox));
	child_event(c, EV_READY);
}

static void
on_mailbox_open(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_open *m, int fd)
{
	(void)ch;
	(void)fd;
	mailbox_open(arg, id, m);
}

static bool
only(struct child *c, enum proc_id who, uint64_t id)
{
	if (c->proc == who)
		return true;
	log_error(NULL, "request-denied program=%s", proc_rows[c->proc].name);
	ipc_send_done(c->ch, id, &(struct ipc_done){ .result = IPC_DENIED });
	return false;
}

static void
on_mailbox_create(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_create *m, int fd)
{
	(void)ch;
	(void)fd;
	if (only(arg, PROC_accounts, id))
		mailbox_create(arg, id, m->account);
}

static void
on_mailbox_remove(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_remove *m, int fd)
{
	(void)ch;
	(void)fd;
	if (only(arg, PROC_accounts, id))
		mailbox_remove(arg, id, m->account);
}

static void
on_mailbox_kick(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_kick *m, int fd)
{
	(void)ch;
	(void)fd;
	if (only(arg, PROC_accounts, id))
		mailbox_kick(arg, id, m->account);
}

static void
on_mailbox_idle(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_idle *m, int fd)
{
	(void)ch;
	(void)id;
	(void)fd;
	mailbox_idle(arg, m->attached);
}

static void
on_mailbox_usage(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_usage *m, int fd)
{
	(void)ch;
	(void)id;
	(void)fd;
	mailbox_usage(arg, m->bytes, m->messages);
}

static void
on_mailbox_limit(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_limit *m, int fd)
{
	(void)ch;
	(void)id;
	(void)fd;
	mailbox_limit(arg, m);
}

static void
on_status_query(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_status_query *m, int fd)
{
	struct child *asker = arg, *c;
	uint64_t now = io_now_ms(asker->m->loop);

	(void)m;
	(void)fd;
	if (!only(asker, PROC_control, id))
		return;
	TAILQ_FOREACH(c, &asker->m->children, link) {
		struct ipc_status_row row = {
			.last = TAILQ_NEXT(c, link) == NULL,
			.program = str_of(proc_rows[c->proc].name),
			.instance = c->instance,
			.pid = (uint32_t)c->pid,
			.state = str_of(child_state_name(c->state)),
			.restarts = c->restarts,
			.uptime_s = c->up_ms ? (now - c->up_ms) / 1000 : 0,
			.sandbox = str_of(c->sandbox),
		};

		ipc_send_status_row(ch, id, &row);
	}
}

static void
on_reload_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_reload_request *m, int fd)
{
	struct child *c = arg;

	(void)m;
	(void)fd;
	if (only(c, PROC_control, id))
		ipc_send_done(ch, id,
		    &(struct ipc_done){ .result = master_reload(c->m) ? IPC_OK : IPC_INVALID });
}

static void
on_peer_lost(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_peer_lost *m, int fd)
{
	(void)ch;
	(void)id;
	(void)fd;
	peers_remake(arg, m);
}

/* Whatever ended the channel, the process must end too: its exit then drives the table. */
static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct child *c = arg;

	(void)ch;
	/* Not SIGTERM: a process that was taken over, or hangs, could stay with its sessions. */
	if (c->pid > 0 && c->state != CHILD_STOPPING)
		kill(c->pid, SIGKILL);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(ready, on_ready),
	IPC_ON(peer_lost, on_peer_lost),
	IPC_ON(mailbox_open, on_mailbox_open),
	IPC_ON(mailbox_create, on_mailbox_create),
	IPC_ON(mailbox_remove, on_mailbox_remove),
	IPC_ON(mailbox_kick, on_mailbox_kick),
	IPC_ON(mailbox_idle, on_mailbox_idle),
	IPC_ON(mailbox_usage, on_mailbox_usage),
	IPC_ON(mailbox_limit, on_mailbox_limit),
	IPC_ON(status_query, on_status_query),
	IPC_ON(reload_request, on_reload_request),
};

static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

/* --- the new process ------------------------------------------------------------------------------- */

/* Between fork and exec: only system calls. */
static void
become(struct child *c, const char *path, int sock)
{
	char *argv[] = { (char *)(uintptr_t)proc_rows[c->proc].name, NULL };
	int high = fcntl(sock, F_DUPFD, 64), lock = fcntl(c->m->lock, F_DUPFD, 64);
	int null = open("/dev/null", O_RDWR);

	if (high < 0 || lock < 0 || null < 0)
		_exit(EXIT_FATAL);
	/* A group of its own: ^C at the terminal is for master, which stops the others in order. */
	setsid();
	/* stderr stays: what goes wrong before there is a log can be seen. */
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(high, DAEMON_MASTER_FD) < 0 ||
	    dup2(lock, DAEMON_LOCK_FD) < 0 || close_range(DAEMON_FIRST_FD, ~0U, 0) < 0)
		_exit(EXIT_FATAL);
	execve(path, argv, proc_env_minimal());
	dprintf(2, "postern: cannot start %s: %s\n", path, strerror(errno));
	_exit(EXIT_FATAL);
}

static int
fork_child(struct child *c, int sock)
{
	char path[4096];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", c->m->libexec, proc_rows[c->proc].name);
	pid = fork();
	if (pid == 0)
		become(c, path, sock);
	if (pid < 0)
		log_error(NULL, "fork program=%s reason=\"%s\"", proc_rows[c->proc].name,
		    strerror(errno));
	c->pid = pid > 0 ? pid : 0;
	return pid > 0 ? 0 : -1;
}

void
child_settings(struct master *m, enum proc_id proc, struct buf *out)
{
	buf_init(out, SETTINGS_EXPORT_MAX);
	if (settings_export(m->settings, proc_rows[proc].name, out) < 0)
		fatal("settings of %s are longer than %d bytes", proc_rows[proc].name,
		    SETTINGS_EXPORT_MAX);
}

static void
send_setup(struct child *c)
{
	uid_t uid = instance_uid(c->m, c->proc, c->instance);
	struct buf text;

	child_settings(c->m, c->proc, &text);
	ipc_send_setup(c->ch, 0,
	    &(struct ipc_setup){
		.instance = c->instance,
		.uid = uid,
		.gid = uid,
		.root = c->m->root,
		.settings = str_from(buf_data(&text), buf_len(&text)),
	    });
	buf_free(&text);
}

static int
open_dir(struct child *c)
{
	const struct proc_row *row = &proc_rows[c->proc];
	uid_t uid = instance_uid(c->m, c->proc, c->instance);
	char name[16];
	int mail, fd;

	if (c->proc != PROC_mailbox)
		return instance_subdir(c->m, c->m->dir, row->dir, uid);
	if ((mail = openat(c->m->dir, row->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) <
	    0)
		return -errno;
	snprintf(name, sizeof(name), "%u", c->instance);
	/* Made by mailbox_create only: a removed account must not come back. */
	fd = faccessat(mail, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0
		 ? -errno
		 : instance_subdir(c->m, mail, name, uid);
	close(mail);
	return fd;
}

static int
send_dir(struct child *c)
{
	int fd;

	if (proc_rows[c->proc].dir[0] == '\0')
		return 0;
	if ((fd = open_dir(c)) < 0) {
		log_error(NULL, "directory program=%s instance=%u reason=\"%s\"",
		    proc_rows[c->proc].name, c->instance, strerror(-fd));
		return -1;
	}
	ipc_send_setup_dir(
	    c->ch, 0, &(struct ipc_setup_dir){ .name = str_of(proc_rows[c->proc].dir) }, fd);
	return 0;
}

static void
send_listeners(struct child *c)
{
	struct listener *l;
	int fd;

	STAILQ_FOREACH(l, &c->m->listeners, link) {
		if (l->proc != c->proc)
			continue;
		if ((fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0)) < 0)
			log_error(
			    NULL, "listener service=%s reason=\"%s\"", l->service, strerror(errno));
		else
			ipc_send_setup_listener(c->ch, 0,
			    &(struct ipc_setup_listener){ .service = str_of(l->service) }, fd);
	}
}

int
child_spawn(struct child *c)
{
	int sv[2];

	if (ipc_pair(sv) < 0) {
		log_error(NULL, "socketpair reason=\"%s\"", strerror(errno));
		return -1;
	}
	if (fork_child(c, sv[1]) < 0) {
		close(sv[0]);
		close(sv[1]);
		return -1;
	}
	close(sv[1]);
	c->ch = ipc_channel_new(c->m->loop, sv[0], IPC_CH_master, IPC_SERVER, &ops, c);
	send_setup(c);
	if (send_dir(c) < 0) {
		/* Its end drives the table: it is tried again. */
		kill(c->pid, SIGKILL);
		return 0;
	}
	send_listeners(c);
	c->state = CHILD_STARTING; /* counts as alive for its peers from here */
	peers_connect(c);
	ipc_send_setup_done(c->ch, 0, &(struct ipc_setup_done){ 0 });
	return 0;
}
