/* SPDX-License-Identifier: ISC */
/* The instance directory: lock, sub-directories and their owners, listening sockets. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "master/master.h"

enum {
	LOCK_WAIT_MS = 5000, /* processes of a killed instance need up to 2 s to end */
	LOCK_STEP_MS = 20,
	BACKLOG = 1024,
};

struct listener_row {
	const char *service;
	enum proc_id proc;
	uint16_t port;
};

static const struct listener_row listener_rows[] = {
#define LISTENER(s, p, port) { #s, PROC_##p, (port) },
#include "proc/process_table.h"
};

static void
take_lock(struct master *m, const char *path)
{
	m->lock = openat(m->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (m->lock < 0)
		fatal("%s/lock: %s%s", path, strerror(errno),
		    errno == EACCES ? "; only root and the user to whom it belongs can start it"
				    : "");
	/* flock belongs to the open file, which every child keeps: it is free only when the last
	 * process of an earlier run has ended. */
	for (int waited = 0; flock(m->lock, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			fatal("%s/lock: %s", path, strerror(errno));
		if (waited >= LOCK_WAIT_MS)
			fatal("%s is in use: this instance is already running", path);
		poll(NULL, 0, LOCK_STEP_MS);
	}
}

void
instance_open(struct master *m, const char *path)
{
	m->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dir < 0)
		fatal("%s: %s (make it with: postern init --dir %s ...)", path, strerror(errno),
		    path);
	take_lock(m, path);
	if (mkdirat(m->dir, "mail", 0711) < 0 && errno != EEXIST)
		fatal("%s/mail: %s", path, strerror(errno));
}

uid_t
instance_uid(const struct master *m, enum proc_id proc, uint32_t instance)
{
	if (!m->root)
		return geteuid();
	if (proc_rows[proc].uid == PROC_UID_MAILBOX)
		return (uid_t)settings_u64(m->settings, SET_general_mailbox_uid_base) + instance;
	return (uid_t)settings_u64(m->settings, SET_general_daemon_uid_base) +
	       (uid_t)proc_rows[proc].uid;
}

/* Gives what root left in a directory of root's own to uid; follows nothing, crosses no links. */
static int
adopt(int fd, uid_t uid)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), r = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (dir == NULL)
		return -errno;
	rewinddir(dir);
	while (r == 0 && (e = readdir(dir)) != NULL) {
		struct stat st;
		int sub;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		sub = openat(fd, e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (sub < 0)
			continue; /* a symbolic link or a socket: nobody's business */
		if (fstat(sub, &st) < 0 || st.st_uid != 0 ||
		    (S_ISREG(st.st_mode) && st.st_nlink != 1))
			r = 0;
		else if (S_ISDIR(st.st_mode))
			r = adopt(sub, uid);
		else if (S_ISREG(st.st_mode) && fchown(sub, uid, uid) < 0)
			r = -errno;
		close(sub);
	}
	closedir(dir);
	if (r == 0 && fchown(fd, uid, uid) < 0)
		r = -errno;
	return r;
}

int
instance_subdir(struct master *m, int parent, const char *name, uid_t uid)
{
	struct stat st;
	int fd, r = 0;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (m->root && st.st_uid == 0 && uid != 0)
		r = adopt(fd, uid);
	else if (st.st_uid != uid)
		r = -EPERM;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* --- sockets ---------------------------------------------------------------------------------------- */

static void
add_listener(struct master *m, const struct listener_row *row, int fd)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	*l = (struct listener){ .service = row->service, .proc = row->proc, .fd = fd };
	STAILQ_INSERT_TAIL(&m->listeners, l, link);
}

/* What can be done about it. */
static const char *
listen_advice(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "; another program has it (ss -ltnp tells which): stop that, or choose other "
		       "addresses (general.listen) or ports (general.port-base)";
	case EACCES:
		return "; ports below 1024 need root, others come with general.port-base";
	case EADDRNOTAVAIL:
		return "; this machine has no such address, see general.listen";
	default:
		return "";
	}
}

static void
listen_inet(struct master *m, const struct listener_row *row, struct str address)
{
	uint64_t port = row->port + settings_u64(m->settings, SET_general_port_base);
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, on = 1;

	if (settings_addr(address, (uint16_t)port, &ss, &len) < 0)
		fatal("general.listen: \"%.*s\" is no address", STRF(address));
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		fatal("socket for %.*s: %s", STRF(address), strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0)
		fatal("cannot listen on %.*s port %llu (%s): %s%s", STRF(address),
		    (unsigned long long)port, row->service, strerror(errno), listen_advice(errno));
	add_listener(m, row, fd);
}

/* A socket in the instance directory, for its owner only. */
static void
listen_unix(struct master *m, const struct listener_row *row)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* By way of the open directory: the instance's own path may be longer than an address. */
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/control.sock", m->dir);
	if (fd < 0 || (unlinkat(m->dir, "control.sock", 0) < 0 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    fchmodat(m->dir, "control.sock", 0600, 0) < 0 || listen(fd, 16) < 0)
		fatal("control.sock: %s", strerror(errno));
	add_listener(m, row, fd);
}

void
instance_listen(struct master *m)
{
	for (size_t i = 0; i < sizeof(listener_rows) / sizeof(listener_rows[0]); i++) {
		const struct listener_row *row = &listener_rows[i];
		struct str address;
		size_t it = 0;

		if (row->port == 0)
			listen_unix(m, row);
		else
			while (settings_list_next(m->settings, SET_general_listen, &it, &address))
				listen_inet(m, row, address);
	}
}
