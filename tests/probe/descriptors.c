/* SPDX-License-Identifier: ISC */
#include "tests/probe/descriptors.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	COMMON = KIND_NULL | KIND_EVENT | KIND_PIPE | KIND_UNIX | KIND_LOCK,
	NETWORK = COMMON | KIND_LISTEN | KIND_TCP,
	FILES = COMMON | KIND_DIR | KIND_FILE,
};

static const struct {
	const char *daemon;
	unsigned kinds;
} allowed[] = {
	{ "control", COMMON },
	{ "logger", FILES | KIND_STDERR },
	{ "keys", COMMON | KIND_DIR },
	{ "resolver", COMMON | KIND_TCP | KIND_UDP },
	{ "accounts", FILES },
	{ "reputation", FILES },
	{ "auth", COMMON },
	{ "smtpd", NETWORK },
	{ "delivery", COMMON | KIND_TCP },
	{ "queue", FILES },
	{ "submission", NETWORK },
	{ "imapd", NETWORK },
	{ "mailbox", FILES },
};

unsigned
descriptors_allowed(const char *daemon)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (strcmp(daemon, allowed[i].daemon) == 0)
			return allowed[i].kinds;
	return 0;
}

/* Looks an inode up in one of the tables of /proc/PID/net; *listening for TCP state 0A. */
static int
in_table(pid_t pid, const char *table, unsigned long inode, int *listening)
{
	char path[64], line[512];
	FILE *f;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, table);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		unsigned state;
		unsigned long got;

		if (strcmp(table, "unix") == 0) {
			found =
			    sscanf(line, "%*s %*s %*s %*s %*s %*s %lu", &got) == 1 && got == inode;
		} else if (sscanf(line, " %*s %*s %*s %x %*s %*s %*s %*s %*s %lu", &state, &got) ==
			   2) {
			found = got == inode;
			*listening = state == 0x0a;
		}
	}
	fclose(f);
	return found;
}

static enum kind
socket_kind(pid_t pid, unsigned long inode)
{
	int listening = 0;

	if (in_table(pid, "unix", inode, &listening))
		return KIND_UNIX;
	if (in_table(pid, "tcp", inode, &listening) || in_table(pid, "tcp6", inode, &listening))
		return listening ? KIND_LISTEN : KIND_TCP;
	if (in_table(pid, "udp", inode, &listening) || in_table(pid, "udp6", inode, &listening))
		return KIND_UDP;
	return KIND_OTHER;
}

static int
below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n > 1 && strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static enum kind
kind_of(pid_t pid, const char *daemon, int fd, const char *what, const char *root)
{
	char path[64];
	struct stat st;
	unsigned long inode;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	if (fd == 2 && strcmp(daemon, "logger") == 0)
		return KIND_STDERR;
	if (strcmp(what, "/dev/null") == 0)
		return KIND_NULL;
	if (strncmp(what, "anon_inode:[event", 17) == 0 ||
	    strncmp(what, "anon_inode:[timer", 17) == 0)
		return KIND_EVENT;
	if (strncmp(what, "pipe:", 5) == 0)
		return KIND_PIPE;
	if (sscanf(what, "socket:[%lu]", &inode) == 1)
		return socket_kind(pid, inode);
	if (fd == 4)
		return KIND_LOCK;
	if (stat(path, &st) < 0 || !below(what, root))
		return KIND_OTHER;
	return S_ISDIR(st.st_mode) ? KIND_DIR : S_ISREG(st.st_mode) ? KIND_FILE : KIND_OTHER;
}

int
descriptors_read(pid_t pid, const char *daemon, struct descriptor *out, int most)
{
	char path[PATH_MAX], root[PATH_MAX];
	struct dirent *e;
	DIR *d;
	int n = 0;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	len = readlink(path, root, sizeof(root) - 1);
	root[len > 0 ? len : 0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if ((d = opendir(path)) == NULL)
		return -1;
	while (n < most && (e = readdir(d)) != NULL) {
		if (*e->d_name == '.')
			continue;
		len = readlinkat(dirfd(d), e->d_name, out[n].what, sizeof(out[n].what) - 1);
		out[n].what[len > 0 ? len : 0] = '\0';
		out[n].fd = atoi(e->d_name);
		out[n].kind = kind_of(pid, daemon, out[n].fd, out[n].what, root);
		n++;
	}
	closedir(d);
	return n;
}
