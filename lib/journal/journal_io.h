/* SPDX-License-Identifier: ISC */
/*
 * Every call the journal makes on files, so that tests can record, fail and replay them. The
 * functions behave as the system calls they are named after (-1 and errno).
 */
#ifndef POSTERN_JOURNAL_IO_H
#define POSTERN_JOURNAL_IO_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct journal_io {
	void *ctx;
	/* A file in the journal's directory; flags as open(2). */
	int (*open)(void *ctx, int dirfd, const char *name, int flags);
	int (*close)(void *ctx, int fd);
	ssize_t (*pread)(void *ctx, int fd, void *p, size_t n, off_t off);
	ssize_t (*pwritev)(void *ctx, int fd, const struct iovec *v, int n, off_t off);
	int (*fdatasync)(void *ctx, int fd);
	/* Starts to write these bytes to the disk and does not wait: the sync that comes later has less
	 * to do. A hint; errors are the sync's to tell. */
	void (*write_out)(void *ctx, int fd, off_t off, off_t n);
	int (*sync_dir)(void *ctx, int dirfd);
	/* Disk for the file's first size bytes; EOPNOTSUPP is no error to the journal. */
	int (*allocate)(void *ctx, int fd, off_t size);
	int (*size)(void *ctx, int fd, uint64_t *out);
	int (*rename)(void *ctx, int dirfd, const char *from, const char *to);
	int (*unlink)(void *ctx, int dirfd, const char *name);
	/* Calls fn for each name; order does not matter. */
	int (*list)(void *ctx, int dirfd, void (*fn)(void *arg, const char *name), void *arg);
	int (*lock)(void *ctx, int fd);
	int (*space)(void *ctx, int dirfd, uint64_t *free_bytes);
	int (*random)(void *ctx, void *p, size_t n);
};

extern const struct journal_io journal_io_real;

#endif
