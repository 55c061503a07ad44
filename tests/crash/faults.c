/* SPDX-License-Identifier: ISC */
/*
 * faults.so: loaded into every daemon by a test (through /etc/ld.so.preload of its own mount
 * namespace). Counts the calls that change files, makes the ordered one fail, come up short or be
 * the last, and records what was written and synced in which order. It uses only system calls that
 * the sandbox of these daemons allows anyway, and nothing of it does anything in other programs.
 */
#include "tests/crash/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Those that write files; the order is that of orders.py. */
static const char *const programs[FAULTS_PROGRAMS] = { "master", "logger", "accounts", "queue",
	"mailbox", "postern" };

static struct faults *orders;
static unsigned self;

/* --- the start: before the sandbox ------------------------------------------------------------- */
static void
map_orders(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && (size_t)st.st_size >= sizeof(*orders)) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED && ((struct faults *)p)->magic == FAULTS_MAGIC)
			orders = p;
	}
	syscall(SYS_close, fd);
}

__attribute__((constructor)) static void
begin(void)
{
	char path[PATH_MAX];
	Dl_info info;

	for (self = 0; self < FAULTS_PROGRAMS; self++)
		if (programs[self] && strcmp(program_invocation_short_name, programs[self]) == 0)
			break;
	if (self == FAULTS_PROGRAMS || dladdr((void *)(uintptr_t)begin, &info) == 0)
		return;
	if (snprintf(path, sizeof(path), "%s.orders", info.dli_fname) < (int)sizeof(path))
		map_orders(path);
}

/* --- orders ------------------------------------------------------------------------------------ */
static enum fault_action
order(enum fault_kind kind)
{
	uint64_t n;

	if (orders == NULL)
		return FAULT_NONE;
	n = __atomic_add_fetch(&orders->count[self][kind], 1, __ATOMIC_SEQ_CST);
	if (!orders->armed || orders->program != self || orders->kind != kind || n < orders->at ||
	    n - orders->at >= orders->times)
		return FAULT_NONE;
	__atomic_add_fetch(&orders->hits, 1, __ATOMIC_SEQ_CST);
	return orders->action;
}

static void
die(void)
{
	for (;;)
		syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_getpid), SIGKILL);
}

/* --- recording --------------------------------------------------------------------------------- */
static struct fault_entry *
entry_new(enum fault_kind kind, size_t data)
{
	size_t size = (sizeof(struct fault_entry) + data + 7) & ~(size_t)7;
	struct fault_entry *e;
	uint64_t at;

	if (orders == NULL || !orders->recording)
		return NULL;
	at = __atomic_fetch_add(&orders->log_used, size, __ATOMIC_SEQ_CST);
	if (at + size > orders->log_end - orders->log_start) {
		orders->overflow = 1;
		return NULL;
	}
	e = (struct fault_entry *)((char *)orders + orders->log_start + at);
	e->kind = (uint8_t)kind;
	e->program = (uint8_t)self;
	e->result = FAULT_UNKNOWN;
	__atomic_store_n(&e->size, (uint32_t)size, __ATOMIC_SEQ_CST);
	return e;
}

static long
done(struct fault_entry *e, long result)
{
	if (e)
		e->result = result;
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/* What a system call made of it: its value, or -errno. */
static long
outcome(long r)
{
	return r == -1 ? -errno : r;
}

static bool
is_file(int fd, struct stat *st)
{
	int saved = errno;
	bool file =
	    syscall(SYS_fstat, fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));

	errno = saved;
	return file;
}

/* The inode of the directory that holds path, and the last part of its name. */
static uint64_t
parent_of(int dirfd, const char *path, const char **name)
{
	char dir[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	struct stat st = { 0 };
	int saved = errno;

	*name = slash ? slash + 1 : path;
	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (syscall(SYS_newfstatat, dirfd, dir, &st, 0) != 0)
		st.st_ino = 0;
	errno = saved;
	return st.st_ino;
}

static struct fault_entry *
note_name(enum fault_kind kind, int dirfd, const char *path, int to_dirfd, const char *to)
{
	const char *name, *to_name = "";
	uint64_t inode, other = 0;
	struct fault_entry *e;

	if (orders == NULL || !orders->recording)
		return NULL;
	inode = parent_of(dirfd, path, &name);
	if (to)
		other = parent_of(to_dirfd, to, &to_name);
	e = entry_new(kind, strlen(name) + strlen(to_name));
	if (e == NULL)
		return NULL;
	e->inode = inode;
	e->other = other;
	e->length = (uint32_t)strlen(name);
	e->length_other = (uint32_t)strlen(to_name);
	memcpy(e + 1, name, e->length);
	memcpy((char *)(e + 1) + e->length, to_name, e->length_other);
	return e;
}

static struct fault_entry *
note_write(const struct stat *st, const struct iovec *v, int n, off_t off)
{
	size_t total = 0;
	struct fault_entry *e;
	char *p;

	for (int i = 0; i < n; i++)
		total += v[i].iov_len;
	e = entry_new(FAULT_WRITE, total);
	if (e == NULL)
		return NULL;
	e->inode = st->st_ino;
	e->offset = (uint64_t)off;
	e->length = (uint32_t)total;
	p = (char *)(e + 1);
	for (int i = 0; i < n; i++) {
		memcpy(p, v[i].iov_base, v[i].iov_len);
		p += v[i].iov_len;
	}
	return e;
}

/* --- writes ------------------------------------------------------------------------------------ */
enum {
	AT_POSITION = -1, /* the offset of write(2) */
	PAGE = 4096,      /* the kernel copies as a whole, no SIGKILL comes between */
};

static long
put(int fd, const struct iovec *v, int n, off_t off)
{
	if (off == AT_POSITION)
		return outcome(syscall(SYS_writev, fd, v, n));
	return outcome(syscall(SYS_pwritev, fd, v, n, off, 0));
}

static long
put_half(int fd, const struct iovec *v, int n, off_t off)
{
	static struct iovec part[IOV_MAX];
	size_t total = 0, half;
	int k = 0;

	for (int i = 0; i < n; i++)
		total += v[i].iov_len;
	half = total > 1 ? total / 2 : total;
	for (; k < n && half > 0; k++) {
		part[k] = v[k];
		if (part[k].iov_len > half)
			part[k].iov_len = half;
		half -= part[k].iov_len;
	}
	return put(fd, part, k, off);
}

/* A page of a database, in its place. */
static bool
is_page(const struct iovec *v, int n, off_t off)
{
	return n == 1 && v[0].iov_len == PAGE && off != AT_POSITION && off % PAGE == 0;
}

static off_t
position(int fd, const struct stat *st)
{
	int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);

	return flags != -1 && flags & O_APPEND ? st->st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
}

static ssize_t
any_write(int fd, const struct iovec *v, int n, off_t off)
{
	struct fault_entry *e;
	enum fault_action action;
	struct stat st;
	long r;

	if (orders == NULL || !is_file(fd, &st))
		return done(NULL, put(fd, v, n, off));
	action = order(FAULT_WRITE);
	if (action == FAULT_KILL_BEFORE)
		die();
	e = orders->recording ? note_write(&st, v, n, off == AT_POSITION ? position(fd, &st) : off)
			      : NULL;
	if (action == FAULT_FAIL)
		return done(e, -orders->error);
	if (action == FAULT_HALF || (action == FAULT_KILL_HALF && !is_page(v, n, off)))
		r = put_half(fd, v, n, off);
	else
		r = put(fd, v, n, off);
	(void)done(e, r);
	if (action == FAULT_KILL_AFTER || action == FAULT_KILL_HALF)
		die();
	return done(e, r);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	/* Streams are not ours: as they were, by the call that their sandbox has. */
	if (orders == NULL)
		return done(NULL, outcome(syscall(SYS_write, fd, p, n)));
	return any_write(fd, &v, 1, AT_POSITION);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t off)
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	if (orders == NULL)
		return done(NULL, outcome(syscall(SYS_pwrite64, fd, p, n, off)));
	return any_write(fd, &v, 1, off);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	return any_write(fd, v, n, AT_POSITION);
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t off)
{
	return any_write(fd, v, n, off);
}

/* --- everything else --------------------------------------------------------------------------- */
/* Runs `call` (an expression with the result of outcome(); e_ is its entry) as the order says. */
#define OBEY(kind, note, call) \
	do { \
		enum fault_action action_ = order(kind); \
		struct fault_entry *e_; \
		long r_; \
\
		if (action_ == FAULT_KILL_BEFORE) \
			die(); \
		e_ = (note); \
		r_ = action_ == FAULT_FAIL ? -orders->error : (call); \
		(void)done(e_, r_); \
		if (action_ == FAULT_KILL_AFTER) \
			die(); \
		return (int)done(e_, r_); \
	} while (0)

static int
any_sync(int nr, int fd)
{
	enum fault_action action = order(FAULT_SYNC);
	struct fault_entry *e;
	struct stat st;
	long r;

	if (action == FAULT_KILL_BEFORE)
		die();
	r = action == FAULT_FAIL ? -orders->error : outcome(syscall(nr, fd));
	/* One whose word nobody has read counts, too: what is certain is certain. */
	if (is_file(fd, &st) && (e = entry_new(FAULT_SYNC, 0)) != NULL) {
		e->inode = st.st_ino;
		e->result = r;
	}
	if (action == FAULT_KILL_AFTER)
		die();
	return (int)done(NULL, r);
}

int
fsync(int fd)
{
	return any_sync(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return any_sync(SYS_fdatasync, fd);
}

int
renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	OBEY(FAULT_RENAME, note_name(FAULT_RENAME, from_dir, from, to_dir, to),
	    outcome(flags ? syscall(SYS_renameat2, from_dir, from, to_dir, to, flags)
			  : syscall(SYS_renameat, from_dir, from, to_dir, to)));
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return renameat2(from_dir, from, to_dir, to, 0);
}

int
rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	OBEY(FAULT_LINK, note_name(FAULT_LINK, from_dir, from, to_dir, to),
	    outcome(syscall(SYS_linkat, from_dir, from, to_dir, to, flags)));
}

int
link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlinkat(int dirfd, const char *path, int flags)
{
	OBEY(FAULT_UNLINK, note_name(FAULT_UNLINK, dirfd, path, 0, NULL),
	    outcome(syscall(SYS_unlinkat, dirfd, path, flags)));
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

/* A new directory's inode goes into the entry. */
static long
make_dir(struct fault_entry *e, int dirfd, const char *path, mode_t mode)
{
	long r = outcome(syscall(SYS_mkdirat, dirfd, path, mode));
	struct stat st;

	if (e && r == 0 && syscall(SYS_newfstatat, dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		e->other = st.st_ino;
	return r;
}

int
mkdirat(int dirfd, const char *path, mode_t mode)
{
	OBEY(FAULT_MKDIR, note_name(FAULT_MKDIR, dirfd, path, 0, NULL),
	    make_dir(e_, dirfd, path, mode));
}

int
mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

static struct fault_entry *
note_size(enum fault_kind kind, int fd, off_t size)
{
	struct fault_entry *e;
	struct stat st;

	if (!is_file(fd, &st) || (e = entry_new(kind, 0)) == NULL)
		return NULL;
	e->inode = st.st_ino;
	e->offset = (uint64_t)size;
	return e;
}

int
fallocate(int fd, int mode, off_t off, off_t len)
{
	OBEY(FAULT_ALLOCATE, note_size(FAULT_ALLOCATE, fd, off + len),
	    outcome(syscall(SYS_fallocate, fd, mode, off, len)));
}

int
ftruncate(int fd, off_t size)
{
	OBEY(FAULT_TRUNCATE, note_size(FAULT_TRUNCATE, fd, size),
	    outcome(syscall(SYS_ftruncate, fd, size)));
}

static bool
for_writing(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
}

static int
any_open(int dirfd, const char *path, int flags, mode_t mode)
{
	struct stat st = { 0 };
	bool created;
	int saved = errno;
	struct fault_entry *e;
	enum fault_action action;
	long r;

	if (orders == NULL || !for_writing(flags) || strncmp(path, "/dev/", 5) == 0)
		return (int)done(NULL, outcome(syscall(SYS_openat, dirfd, path, flags, mode)));
	action = order(FAULT_OPEN);
	if (action == FAULT_KILL_BEFORE)
		die();
	created = syscall(SYS_newfstatat, dirfd, path, &st, AT_SYMLINK_NOFOLLOW) != 0;
	errno = saved;
	e = note_name(FAULT_OPEN, dirfd, path, 0, NULL);
	r = action == FAULT_FAIL ? -orders->error
				 : outcome(syscall(SYS_openat, dirfd, path, flags, mode));
	if (e && r >= 0 && is_file((int)r, &st)) {
		e->other = st.st_ino;
		e->created = created;
		e->offset = (uint64_t)flags;
	}
	(void)done(e, r);
	if (action == FAULT_KILL_AFTER)
		die();
	return (int)done(e, r);
}

/* The mode is there only when the flags ask for it. */
#define MODE_OF(flags, mode) \
	do { \
		va_list ap_; \
\
		va_start(ap_, flags); \
		(mode) = (flags) & (O_CREAT | __O_TMPFILE) ? va_arg(ap_, mode_t) : 0; \
		va_end(ap_); \
	} while (0)

int
open(const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return any_open(AT_FDCWD, path, flags, mode);
}

int
openat(int dirfd, const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return any_open(dirfd, path, flags, mode);
}

/* The same under the names that headers may give them. */
#define ALSO(name, target, ...) int name(__VA_ARGS__) __attribute__((alias(#target)))
ALSO(open64, open, const char *, int, ...);
ALSO(openat64, openat, int, const char *, int, ...);
ALSO(fallocate64, fallocate, int, int, off64_t, off64_t);
ALSO(ftruncate64, ftruncate, int, off64_t);
ssize_t pwrite64(int, const void *, size_t, off64_t) __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off64_t) __attribute__((alias("pwritev")));

int __open_2(const char *path, int flags);
int
__open_2(const char *path, int flags)
{
	return any_open(AT_FDCWD, path, flags, 0);
}
ALSO(__open64_2, __open_2, const char *, int);

int __openat_2(int dirfd, const char *path, int flags);
int
__openat_2(int dirfd, const char *path, int flags)
{
	return any_open(dirfd, path, flags, 0);
}
ALSO(__openat64_2, __openat_2, int, const char *, int);
