/* SPDX-License-Identifier: ISC */
#include "journal/crashsim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum { NAME_MAX_ = 32, FDS_MAX = 64, FD_BASE = 1000 };

struct inode {
	uint8_t *data;
	size_t len, cap;
	size_t reserved; /* by allocate */
};

struct dirent_ {
	char name[NAME_MAX_];
	size_t inode;
};

enum op_kind { OP_WRITE, OP_CREATE, OP_TRUNCATE, OP_RENAME, OP_UNLINK, OP_SYNC };

struct op {
	enum op_kind kind;
	size_t inode, off, len;
	uint8_t *data;
	char name[NAME_MAX_], to[NAME_MAX_];
	size_t certain_at; /* number of operations after which it is certain */
	bool dropped;      /* a sync failed after it: no later sync counts */
};

struct disk {
	struct inode *inodes;
	size_t inode_count;
	struct dirent_ *names;
	size_t name_count;
};

struct crashsim {
	struct journal_io io;
	struct disk base, now;
	struct op *ops;
	size_t op_count, op_cap;
	size_t fds[FDS_MAX]; /* inode + 1; 0: free */
	size_t calls, fail_at, fail_times, capacity;
	size_t written_out;
	int fail_errno;
	bool failed;
	uint64_t random;
};

/* --- the disk ----------------------------------------------------------------------------------
 */
static void
inode_write(struct inode *f, size_t off, const void *p, size_t n)
{
	if (off + n > f->cap) {
		f->cap = (off + n) * 2;
		f->data = xrealloc(f->data, f->cap);
	}
	if (off > f->len)
		memset(f->data + f->len, 0, off - f->len);
	if (n)
		memcpy(f->data + off, p, n);
	if (off + n > f->len)
		f->len = off + n;
}

static size_t
disk_inode(struct disk *d)
{
	d->inodes = xrealloc(d->inodes, (d->inode_count + 1) * sizeof(*d->inodes));
	memset(&d->inodes[d->inode_count], 0, sizeof(*d->inodes));
	return d->inode_count++;
}

static struct dirent_ *
disk_find(const struct disk *d, const char *name)
{
	for (size_t i = 0; i < d->name_count; i++)
		if (strcmp(d->names[i].name, name) == 0)
			return &d->names[i];
	return NULL;
}

static void
disk_link(struct disk *d, const char *name, size_t inode)
{
	struct dirent_ *e = disk_find(d, name);

	if (e == NULL) {
		d->names = xrealloc(d->names, (d->name_count + 1) * sizeof(*d->names));
		e = &d->names[d->name_count++];
		strncpy(e->name, name, NAME_MAX_ - 1);
		e->name[NAME_MAX_ - 1] = '\0';
	}
	e->inode = inode;
}

static bool
disk_unlink(struct disk *d, const char *name)
{
	struct dirent_ *e = disk_find(d, name);

	if (e == NULL)
		return false;
	*e = d->names[--d->name_count];
	return true;
}

static bool
disk_rename(struct disk *d, const char *from, const char *to)
{
	struct dirent_ *e = disk_find(d, from);
	size_t inode;

	if (e == NULL)
		return false;
	inode = e->inode;
	disk_unlink(d, from);
	disk_link(d, to, inode);
	return true;
}

static void
disk_copy(struct disk *to, const struct disk *from)
{
	memset(to, 0, sizeof(*to));
	for (size_t i = 0; i < from->inode_count; i++) {
		size_t n = disk_inode(to);

		inode_write(&to->inodes[n], 0, from->inodes[i].data, from->inodes[i].len);
	}
	for (size_t i = 0; i < from->name_count; i++)
		disk_link(to, from->names[i].name, from->names[i].inode);
}

static void
disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->inode_count; i++)
		free(d->inodes[i].data);
	free(d->inodes);
	free(d->names);
}

static bool
inode_named(const struct disk *d, size_t inode)
{
	for (size_t i = 0; i < d->name_count; i++)
		if (d->names[i].inode == inode)
			return true;
	return false;
}

static size_t
disk_used(const struct disk *d)
{
	size_t sum = 0;

	for (size_t i = 0; i < d->inode_count; i++)
		if (inode_named(d, i))
			sum += d->inodes[i].len > d->inodes[i].reserved ? d->inodes[i].len
									: d->inodes[i].reserved;
	return sum;
}

/* --- recording ---------------------------------------------------------------------------------
 */
static struct op *
record(struct crashsim *s, enum op_kind kind)
{
	struct op *o;

	if (s->op_count == s->op_cap) {
		s->op_cap = s->op_cap ? s->op_cap * 2 : 256;
		s->ops = xrealloc(s->ops, s->op_cap * sizeof(*s->ops));
	}
	o = &s->ops[s->op_count++];
	memset(o, 0, sizeof(*o));
	o->kind = kind;
	o->certain_at = SIZE_MAX;
	return o;
}

static bool
is_data(const struct op *o)
{
	return o->kind == OP_WRITE || o->kind == OP_TRUNCATE;
}

/* A sync of a file (or of the directory: inode SIZE_MAX) ended. */
static void
synced(struct crashsim *s, size_t inode, bool good)
{
	size_t before = s->op_count;
	struct op *o;

	record(s, OP_SYNC);
	for (size_t i = 0; i < before; i++) {
		o = &s->ops[i];
		if (o->kind == OP_SYNC || o->certain_at != SIZE_MAX || o->dropped)
			continue;
		if (is_data(o) ? o->inode != inode : inode != SIZE_MAX)
			continue;
		if (good)
			o->certain_at = s->op_count;
		else
			o->dropped = is_data(o);
	}
}

/* true: this call fails; errno is set. */
static bool
inject(struct crashsim *s)
{
	s->calls++;
	if (s->fail_at == 0 || --s->fail_at > 0)
		return false;
	if (s->fail_times > 1 && s->fail_times--)
		s->fail_at = 1;
	if (s->fail_errno == CRASHSIM_SHORT_WRITE)
		return false;
	s->failed = true;
	errno = s->fail_errno;
	return true;
}

/* --- the calls ---------------------------------------------------------------------------------
 */
static struct inode *
inode_of(struct crashsim *s, int fd)
{
	return &s->now.inodes[s->fds[fd - FD_BASE] - 1];
}

static int
sim_open(void *ctx, int dirfd, const char *name, int flags)
{
	struct crashsim *s = ctx;
	struct dirent_ *e = disk_find(&s->now, name);
	struct op *o;
	size_t inode;

	(void)dirfd;
	if (inject(s))
		return -1;
	if (e == NULL && !(flags & O_CREAT)) {
		errno = ENOENT;
		return -1;
	}
	if (e && (flags & O_EXCL)) {
		errno = EEXIST;
		return -1;
	}
	if (e == NULL) {
		inode = disk_inode(&s->now);
		disk_link(&s->now, name, inode);
		o = record(s, OP_CREATE);
		o->inode = inode;
		strncpy(o->name, name, NAME_MAX_ - 1);
	} else {
		inode = e->inode;
		if ((flags & O_TRUNC) && s->now.inodes[inode].len > 0) {
			s->now.inodes[inode].len = 0;
			record(s, OP_TRUNCATE)->inode = inode;
		}
	}
	for (int fd = 0; fd < FDS_MAX; fd++) {
		if (s->fds[fd] == 0) {
			s->fds[fd] = inode + 1;
			return FD_BASE + fd;
		}
	}
	errno = EMFILE;
	return -1;
}

static int
sim_close(void *ctx, int fd)
{
	struct crashsim *s = ctx;

	s->fds[fd - FD_BASE] = 0;
	return 0;
}

static ssize_t
sim_pread(void *ctx, int fd, void *p, size_t n, off_t off)
{
	struct crashsim *s = ctx;
	struct inode *f = inode_of(s, fd);
	size_t from = (size_t)off;

	if (inject(s))
		return -1;
	if (from >= f->len)
		return 0;
	if (n > f->len - from)
		n = f->len - from;
	memcpy(p, f->data + from, n);
	return (ssize_t)n;
}

static size_t
space_left(const struct crashsim *s)
{
	size_t used;

	if (s->capacity == 0)
		return SIZE_MAX;
	used = disk_used(&s->now);
	return used < s->capacity ? s->capacity - used : 0;
}

static ssize_t
sim_pwritev(void *ctx, int fd, const struct iovec *v, int n, off_t off)
{
	struct crashsim *s = ctx;
	struct inode *f = inode_of(s, fd);
	size_t total = 0, most, grow, over;
	bool cut = s->fail_at == 1 && s->fail_errno == CRASHSIM_SHORT_WRITE;
	struct op *o;

	if (inject(s))
		return -1;
	for (int i = 0; i < n; i++)
		total += v[i].iov_len;
	if (cut) {
		s->failed = true;
		total = (total + 1) / 2;
	}
	grow = (size_t)off + total > f->len ? (size_t)off + total - f->len : 0;
	most = space_left(s);
	over = grow > most ? grow - most : 0;
	if (over > 0 && over >= total) {
		errno = ENOSPC;
		return -1;
	}
	total -= over;
	o = record(s, OP_WRITE);
	o->inode = s->fds[fd - FD_BASE] - 1;
	o->off = (size_t)off;
	o->len = total;
	o->data = xmalloc(total + 1);
	for (size_t done = 0; done < total; v++) {
		size_t k = v->iov_len < total - done ? v->iov_len : total - done;

		memcpy(o->data + done, v->iov_base, k);
		done += k;
	}
	inode_write(f, o->off, o->data, total);
	return (ssize_t)total;
}

/* What is not synced may be on the disk or not, anyhow. */
static void
sim_write_out(void *ctx, int fd, off_t off, off_t n)
{
	struct crashsim *s = ctx;

	(void)fd;
	if ((size_t)off == s->written_out)
		s->written_out += (size_t)n;
}

size_t
crashsim_written_out(const struct crashsim *s)
{
	return s->written_out;
}

static int
sim_fdatasync(void *ctx, int fd)
{
	struct crashsim *s = ctx;
	size_t inode = s->fds[fd - FD_BASE] - 1;

	if (inject(s)) {
		synced(s, inode, false);
		return -1;
	}
	synced(s, inode, true);
	return 0;
}

static int
sim_sync_dir(void *ctx, int dirfd)
{
	struct crashsim *s = ctx;

	(void)dirfd;
	if (inject(s)) {
		synced(s, SIZE_MAX, false);
		return -1;
	}
	synced(s, SIZE_MAX, true);
	return 0;
}

static int
sim_allocate(void *ctx, int fd, off_t size)
{
	struct crashsim *s = ctx;
	struct inode *f = inode_of(s, fd);

	if (inject(s))
		return -1;
	if ((size_t)size > f->len && (size_t)size - f->len > space_left(s)) {
		errno = ENOSPC;
		return -1;
	}
	f->reserved = (size_t)size;
	return 0;
}

static int
sim_size(void *ctx, int fd, uint64_t *out)
{
	*out = inode_of(ctx, fd)->len;
	return 0;
}

static int
sim_rename(void *ctx, int dirfd, const char *from, const char *to)
{
	struct crashsim *s = ctx;
	struct op *o;

	(void)dirfd;
	if (inject(s))
		return -1;
	if (!disk_rename(&s->now, from, to)) {
		errno = ENOENT;
		return -1;
	}
	o = record(s, OP_RENAME);
	strncpy(o->name, from, NAME_MAX_ - 1);
	strncpy(o->to, to, NAME_MAX_ - 1);
	return 0;
}

static int
sim_unlink(void *ctx, int dirfd, const char *name)
{
	struct crashsim *s = ctx;

	(void)dirfd;
	if (inject(s))
		return -1;
	if (!disk_unlink(&s->now, name)) {
		errno = ENOENT;
		return -1;
	}
	strncpy(record(s, OP_UNLINK)->name, name, NAME_MAX_ - 1);
	return 0;
}

static int
sim_list(void *ctx, int dirfd, void (*fn)(void *arg, const char *name), void *arg)
{
	struct crashsim *s = ctx;

	(void)dirfd;
	if (inject(s))
		return -1;
	for (size_t i = 0; i < s->now.name_count; i++)
		fn(arg, s->now.names[i].name);
	return 0;
}

static int
sim_lock(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return 0;
}

static int
sim_space(void *ctx, int dirfd, uint64_t *free_bytes)
{
	size_t left = space_left(ctx);

	(void)dirfd;
	*free_bytes = left == SIZE_MAX ? UINT32_MAX : left;
	return 0;
}

static int
sim_random(void *ctx, void *p, size_t n)
{
	struct crashsim *s = ctx;
	uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		s->random = s->random * 6364136223846793005u + 1442695040888963407u;
		b[i] = (uint8_t)(s->random >> 40);
	}
	return 0;
}

/* --- life --------------------------------------------------------------------------------------
 */
struct crashsim *
crashsim_new(void)
{
	static uint64_t salt = 1;
	struct crashsim *s = xcalloc(1, sizeof(*s));

	s->random = salt++;
	s->io = (struct journal_io){
		.ctx = s,
		.open = sim_open,
		.close = sim_close,
		.pread = sim_pread,
		.pwritev = sim_pwritev,
		.fdatasync = sim_fdatasync,
		.write_out = sim_write_out,
		.sync_dir = sim_sync_dir,
		.allocate = sim_allocate,
		.size = sim_size,
		.rename = sim_rename,
		.unlink = sim_unlink,
		.list = sim_list,
		.lock = sim_lock,
		.space = sim_space,
		.random = sim_random,
	};
	return s;
}

void
crashsim_free(struct crashsim **sp)
{
	struct crashsim *s = *sp;

	if (s == NULL)
		return;
	disk_free(&s->base);
	disk_free(&s->now);
	for (size_t i = 0; i < s->op_count; i++)
		free(s->ops[i].data);
	free(s->ops);
	free(s);
	*sp = NULL;
}

const struct journal_io *
crashsim_io(struct crashsim *s)
{
	return &s->io;
}

size_t
crashsim_ops(const struct crashsim *s)
{
	return s->op_count;
}

size_t
crashsim_calls(const struct crashsim *s)
{
	return s->calls;
}

bool
crashsim_failed(const struct crashsim *s)
{
	return s->failed;
}

void
crashsim_fail(struct crashsim *s, size_t n, size_t times, int err)
{
	s->fail_times = times;
	s->fail_at = n;
	s->fail_errno = err;
	s->failed = false;
}

void
crashsim_set_capacity(struct crashsim *s, size_t bytes)
{
	s->capacity = bytes;
}

/* --- crashes -----------------------------------------------------------------------------------
 */
/* Sectors a write touches. */
static size_t
sectors(const struct op *o)
{
	if (o->len == 0)
		return 0;
	return (o->off + o->len - 1) / CRASHSIM_SECTOR - o->off / CRASHSIM_SECTOR + 1;
}

static size_t
op_choices(const struct op *o)
{
	if (o->kind == OP_SYNC)
		return 0;
	return o->kind == OP_WRITE ? sectors(o) : 1;
}

size_t
crashsim_choices(const struct crashsim *s, size_t at)
{
	size_t n = 0;

	for (size_t i = 0; i < at; i++)
		if (s->ops[i].certain_at > at)
			n += op_choices(&s->ops[i]);
	return n;
}

/* Inodes are made when their creation was recorded: all of them exist, named or not. */
static void
apply(struct disk *d, const struct op *o)
{
	switch (o->kind) {
	case OP_CREATE:
		disk_link(d, o->name, o->inode);
		break;
	case OP_TRUNCATE:
		d->inodes[o->inode].len = 0;
		break;
	case OP_RENAME:
		disk_rename(d, o->name, o->to);
		break;
	case OP_UNLINK:
		disk_unlink(d, o->name);
		break;
	case OP_WRITE:
	case OP_SYNC:
		break;
	}
}

static void
apply_write(struct disk *d, const struct op *o, bool certain, bool (*choose)(void *, size_t),
    void *arg, size_t *choice)
{
	size_t pos = 0;

	while (pos < o->len) {
		size_t n = CRASHSIM_SECTOR - (o->off + pos) % CRASHSIM_SECTOR;

		if (n > o->len - pos)
			n = o->len - pos;
		if (certain || choose(arg, (*choice)++))
			inode_write(&d->inodes[o->inode], o->off + pos, o->data + pos, n);
		pos += n;
	}
}

struct crashsim *
crashsim_crash(const struct crashsim *s, size_t at, bool (*choose)(void *arg, size_t i), void *arg)
{
	struct crashsim *out = crashsim_new();
	size_t choice = 0;

	disk_copy(&out->now, &s->base);
	while (out->now.inode_count < s->now.inode_count)
		disk_inode(&out->now);
	for (size_t i = 0; i < at; i++) {
		const struct op *o = &s->ops[i];
		bool certain = o->certain_at <= at;

		if (o->kind == OP_WRITE)
			apply_write(&out->now, o, certain, choose, arg, &choice);
		else if (o->kind != OP_SYNC && (certain || choose(arg, choice++)))
			apply(&out->now, o);
	}
	disk_copy(&out->base, &out->now);
	return out;
}

struct crashsim *
crashsim_copy(const struct crashsim *s)
{
	struct crashsim *out = crashsim_new();

	disk_copy(&out->now, &s->now);
	disk_copy(&out->base, &s->now);
	return out;
}

void
crashsim_put_file(struct crashsim *s, const char *name, const void *p, size_t n)
{
	struct disk *both[2] = { &s->base, &s->now };

	for (int i = 0; i < 2; i++) {
		size_t inode = disk_inode(both[i]);

		inode_write(&both[i]->inodes[inode], 0, p, n);
		disk_link(both[i], name, inode);
	}
}

uint8_t *
crashsim_file(struct crashsim *s, const char *name, size_t *n)
{
	struct dirent_ *e = disk_find(&s->now, name);

	if (e == NULL)
		return NULL;
	*n = s->now.inodes[e->inode].len;
	return s->now.inodes[e->inode].data;
}

const char *
crashsim_name(const struct crashsim *s, size_t i)
{
	return i < s->now.name_count ? s->now.names[i].name : NULL;
}
