/* SPDX-License-Identifier: ISC */
#include "journal/journal_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int
real_open(void *ctx, int dirfd, const char *name, int flags)
{
	(void)ctx;
	return openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int
real_close(void *ctx, int fd)
{
	(void)ctx;
	return close(fd);
}

static ssize_t
real_pread(void *ctx, int fd, void *p, size_t n, off_t off)
{
	(void)ctx;
	return pread(fd, p, n, off);
}

static ssize_t
real_pwritev(void *ctx, int fd, const struct iovec *v, int n, off_t off)
{
	(void)ctx;
	return pwritev(fd, v, n, off);
}

static int
real_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	return fdatasync(fd);
}

static void
real_write_out(void *ctx, int fd, off_t off, off_t n)
{
	(void)ctx;
	/* Without the flags that wait: those would take the error away that fdatasync must tell. */
	(void)sync_file_range(fd, off, n, SYNC_FILE_RANGE_WRITE);
}

static int
real_sync_dir(void *ctx, int dirfd)
{
	(void)ctx;
	return fsync(dirfd);
}

static int
real_allocate(void *ctx, int fd, off_t size)
{
	(void)ctx;
	return fallocate(fd, 0, 0, size);
}

static int
real_size(void *ctx, int fd, uint64_t *out)
{
	struct stat st;

	(void)ctx;
	if (fstat(fd, &st) == -1)
		return -1;
	*out = (uint64_t)st.st_size;
	return 0;
}

static int
real_rename(void *ctx, int dirfd, const char *from, const char *to)
{
	(void)ctx;
	return renameat(dirfd, from, dirfd, to);
}

static int
real_unlink(void *ctx, int dirfd, const char *name)
{
	(void)ctx;
	return unlinkat(dirfd, name, 0);
}

static int
real_list(void *ctx, int dirfd, void (*fn)(void *arg, const char *name), void *arg)
{
	struct dirent *e;
	DIR *d;
	int fd, saved;

	(void)ctx;
	/* A descriptor of its own: closedir closes it, and its offset is not shared. */
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	d = fdopendir(fd);
	if (d == NULL) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	for (;;) {
		errno = 0;
		e = readdir(d);
		if (e == NULL)
			break;
		fn(arg, e->d_name);
	}
	saved = errno;
	closedir(d);
	errno = saved;
	return saved ? -1 : 0;
}

static int
real_lock(void *ctx, int fd)
{
	(void)ctx;
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int
real_space(void *ctx, int dirfd, uint64_t *free_bytes)
{
	struct statvfs v;

	(void)ctx;
	if (fstatvfs(dirfd, &v) == -1)
		return -1;
	*free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}

static int
real_random(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return getrandom(p, n, 0) == (ssize_t)n ? 0 : -1;
}

const struct journal_io journal_io_real = {
	.open = real_open,
	.close = real_close,
	.pread = real_pread,
	.pwritev = real_pwritev,
	.fdatasync = real_fdatasync,
	.write_out = real_write_out,
	.sync_dir = real_sync_dir,
	.allocate = real_allocate,
	.size = real_size,
	.rename = real_rename,
	.unlink = real_unlink,
	.list = real_list,
	.lock = real_lock,
	.space = real_space,
	.random = real_random,
};
