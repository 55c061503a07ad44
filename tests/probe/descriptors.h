/* SPDX-License-Identifier: ISC */
/* What a process holds open, against the list of what it should. */
#ifndef POSTERN_TESTS_PROBE_DESCRIPTORS_H
#define POSTERN_TESTS_PROBE_DESCRIPTORS_H

#include <stddef.h>
#include <sys/types.h>

enum kind {
	KIND_NULL = 1 << 0,   /* /dev/null */
	KIND_EVENT = 1 << 1,  /* epoll, timerfd */
	KIND_PIPE = 1 << 2,   /* of the event loop */
	KIND_UNIX = 1 << 3,   /* channels */
	KIND_LISTEN = 1 << 4, /* TCP, listening; control: its unix socket counts as KIND_UNIX */
	KIND_TCP = 1 << 5,    /* connections it accepted or, resolver, made */
	KIND_UDP = 1 << 6,
	KIND_DIR = 1 << 7,     /* its own directory and below */
	KIND_FILE = 1 << 8,    /* in its own directory */
	KIND_LOCK = 1 << 9,    /* the instance's lock: descriptor 4 */
	KIND_STDERR = 1 << 10, /* descriptor 2 of logger */
	KIND_OTHER = 1 << 11,
};

struct descriptor {
	int fd;
	enum kind kind;
	char what[256];
};

/* Bit set of what this daemon may hold; 0: no such daemon. */
unsigned descriptors_allowed(const char *daemon);
/* Returns how many there are, at most most; -1: the process is gone. */
int descriptors_read(pid_t pid, const char *daemon, struct descriptor *out, int most);

#endif
