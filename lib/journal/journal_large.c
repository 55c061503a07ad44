/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "journal/journal_priv.h"

/* Bytes of large content in one write to the disk ahead of the sync: many enough for one request, few
 * enough that the sync is left with little. */
enum { LARGE_WRITE_OUT = 1024 * 1024 };

static int
large_create(struct journal *j, uint64_t *id)
{
	char name[NAME_SIZE];
	int fd;

	*id = j->next_large++;
	segment_name(name, *id, "big");
	fd = j->io.open(j->io.ctx, j->dirfd, name, O_RDWR | O_CREAT | O_EXCL);
	return fd == -1 ? io_error(j, errno) : fd;
}

int
journal_large_new(struct journal *j, bool urgent, struct journal_large **out)
{
	struct journal_large *l;
	uint64_t id;
	int fd;

	*out = NULL;
	if (j->failed)
		return JOURNAL_FAILED;
	if (j->full && !urgent)
		return JOURNAL_FULL;
	fd = large_create(j, &id);
	if (fd == JOURNAL_FULL && urgent && j->reserve_held) {
		reserve_release(j);
		fd = large_create(j, &id);
	}
	if (fd < 0) {
		j->full = j->full || fd == JOURNAL_FULL;
		return fd;
	}
	l = xcalloc(1, sizeof(*l));
	l->j = j;
	l->id = id;
	l->fd = fd;
	l->urgent = urgent;
	*out = l;
	return 0;
}

/* Disks write while content still comes in. */
static void
write_out(struct journal_large *l)
{
	uint64_t n = l->size - l->written_out;

	if (n < LARGE_WRITE_OUT)
		return;
	l->j->io.write_out(l->j->io.ctx, l->fd, (off_t)l->written_out, (off_t)n);
	l->written_out = l->size;
}

int
journal_large_write(struct journal_large *l, const void *p, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)p, n };
	int r;

	r = write_all(l->j, l->fd, &v, 1, l->size);
	if (r == JOURNAL_FULL) {
		l->j->full = true;
		if (l->urgent && l->j->reserve_held) {
			reserve_release(l->j);
			v = (struct iovec){ (void *)(uintptr_t)p, n };
			r = write_all(l->j, l->fd, &v, 1, l->size);
		}
	}
	if (r != 0)
		return r;
	l->size += n;
	l->crc = journal_crc(l->crc, p, n);
	write_out(l);
	return 0;
}

uint64_t
journal_large_size(const struct journal_large *l)
{
	return l->size;
}

uint64_t
journal_large_id(const struct journal_large *l)
{
	return l->id;
}

void
journal_large_drop(struct journal *j, uint64_t id)
{
	char name[NAME_SIZE];

	segment_name(name, id, "big");
	j->io.unlink(j->io.ctx, j->dirfd, name);
}

void
large_discard(struct journal_large *l)
{
	if (l->fd != -1)
		l->j->io.close(l->j->io.ctx, l->fd);
	journal_large_drop(l->j, l->id);
	free(l);
}

void
journal_large_abort(struct journal_large **l)
{
	if (*l)
		large_discard(*l);
	*l = NULL;
}

int
large_sync(struct journal *j)
{
	struct batch *b = &j->batch;

	if (b->large_count == 0)
		return 0;
	for (size_t i = 0; i < b->large_count; i++) {
		if (j->io.fdatasync(j->io.ctx, b->large[i]->fd) == -1)
			return io_error(j, errno);
	}
	if (j->io.sync_dir(j->io.ctx, j->dirfd) == -1)
		return io_error(j, errno);
	return 0;
}

struct collect {
	uint64_t *ids;
	size_t count, cap;
};

static void
collect_name(void *arg, const char *name)
{
	struct collect *c = arg;
	char *end;
	unsigned long long id;

	if (strlen(name) != 20 || strcmp(name + 16, ".big") != 0)
		return;
	id = strtoull(name, &end, 16);
	if (end != name + 16)
		return;
	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->ids = xrealloc(c->ids, c->cap * sizeof(*c->ids));
	}
	c->ids[c->count++] = id;
}

void
journal_large_collect(struct journal *j, bool (*in_use)(void *arg, uint64_t id), void *arg)
{
	struct collect c = { 0 };

	if (j->io.list(j->io.ctx, j->dirfd, collect_name, &c) == 0)
		for (size_t i = 0; i < c.count; i++)
			if (!in_use(arg, c.ids[i]))
				journal_large_drop(j, c.ids[i]);
	free(c.ids);
}

int
journal_large_open(struct journal *j, const struct journal_record *r, int *fd)
{
	char name[NAME_SIZE];
	uint64_t size;

	*fd = -1;
	if (r->large_id == 0)
		return JOURNAL_GONE;
	segment_name(name, r->large_id, "big");
	*fd = j->io.open(j->io.ctx, j->dirfd, name, O_RDONLY);
	if (*fd == -1)
		return errno == ENOENT ? JOURNAL_GONE : JOURNAL_EIO;
	if (j->io.size(j->io.ctx, *fd, &size) == 0 && size == r->content_len)
		return 0;
	j->io.close(j->io.ctx, *fd);
	*fd = -1;
	return JOURNAL_DAMAGED;
}
