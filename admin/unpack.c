/* SPDX-License-Identifier: ISC */
/*
 * From an archive into an empty directory. The path of each entry was checked (seal/archive.h), and no link can
 * be in a directory that nobody else fills. postern.conf gets its name last: without it there is
 * no instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/backup.h"
#include "base/xalloc.h"

#define SETTINGS "postern.conf"
#define SETTINGS_LATER "postern.conf.new"

struct unpack {
	int to;
	struct buf in; /* a header that has not come whole */
	struct archive_entry e;
	int fd;        /* the file that is being written, or -1 */
	uint64_t left; /* of its content */
	bool ended, settings;
};

struct unpack *
unpack_new(int to)
{
	struct unpack *u = xcalloc(1, sizeof(*u));

	u->to = to;
	u->fd = -1;
	buf_init(&u->in, SEAL_BLOCK + ARCHIVE_HEADER_MAX);
	return u;
}

void
unpack_free(struct unpack **up)
{
	struct unpack *u = *up;

	if (u == NULL)
		return;
	*up = NULL;
	if (u->fd >= 0)
		close(u->fd);
	buf_free(&u->in);
	free(u);
}

/* Is it a part of an instance that backups have? */
static bool
is_part(const char *path, enum archive_kind kind)
{
	static const char *const folders[] = { "keys", "accounts", "queue", "mail" };
	size_t n = strcspn(path, "/");

	if (kind == ARCHIVE_FILE && (strcmp(path, SETTINGS) == 0 || strcmp(path, "ca.pem") == 0))
		return true;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (strlen(folders[i]) == n && strncmp(path, folders[i], n) == 0)
			return path[n] == '/' || kind != ARCHIVE_FILE;
	return false;
}

static int
begin_file(struct unpack *u, struct copy *c)
{
	bool settings = strcmp(u->e.path, SETTINGS) == 0;

	u->settings = u->settings || settings;
	u->fd = openat(u->to, settings ? SETTINGS_LATER : u->e.path,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, u->e.mode);
	u->left = u->e.size;
	return u->fd < 0 ? copy_error(c, u->e.path) : 0;
}

static int
end_file(struct unpack *u, struct copy *c)
{
	struct timespec times[2] = { { u->e.seconds, u->e.nanoseconds },
		{ u->e.seconds, u->e.nanoseconds } };
	int r = 0;

	if (fchmod(u->fd, u->e.mode) < 0 || fsync(u->fd) < 0 || futimens(u->fd, times) < 0)
		r = copy_error(c, u->e.path);
	close(u->fd);
	u->fd = -1;
	c->files++;
	c->bytes += u->e.size;
	return r;
}

static int
sync_folder(int to, const char *path, struct copy *c)
{
	int fd = openat(to, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 || fsync(fd) < 0 ? copy_error(c, path) : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

/* Below the directory to: its folders, then itself. */
static int
sync_all(int to, const char *path, struct copy *c)
{
	int dir = openat(to, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n, r = 0;
	struct dirent **list;

	if (dir < 0)
		return copy_error(c, path);
	n = scandirat(dir, ".", &list, NULL, backup_compare_names);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (r == 0 && list[i]->d_type == DT_DIR && strcmp(name, ".") != 0 &&
		    strcmp(name, "..") != 0)
			r = sync_all(dir, name, c);
		free(list[i]);
	}
	free(n >= 0 ? list : NULL);
	if (r == 0)
		r = sync_folder(to, path, c);
	close(dir);
	return r;
}

/* The files that came so far of this folder. */
static int
forget(struct unpack *u, struct copy *c)
{
	int dir = openat(u->to, u->e.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent **list;
	int n = dir < 0 ? -1 : scandirat(dir, ".", &list, NULL, NULL), r = n < 0 ? -1 : 0;

	for (int i = 0; i < n; i++) {
		if (list[i]->d_type != DT_DIR && unlinkat(dir, list[i]->d_name, 0) < 0)
			r = -1;
		free(list[i]);
	}
	free(n >= 0 ? list : NULL);
	if (dir >= 0)
		close(dir);
	return r < 0 ? copy_error(c, u->e.path) : 0;
}

static int
begin_entry(struct unpack *u, struct copy *c)
{
	if (u->e.kind == ARCHIVE_END) {
		u->ended = true;
		return 0;
	}
	if (!is_part(u->e.path, u->e.kind))
		return copy_fail(c, "%s is no part of an instance", u->e.path);
	if (u->e.kind == ARCHIVE_FORGET)
		return forget(u, c);
	if (u->e.kind == ARCHIVE_FILE)
		return begin_file(u, c);
	return mkdirat(u->to, u->e.path, u->e.mode) < 0 ? copy_error(c, u->e.path) : 0;
}

/* Some of what has come: a header, or content. 1: go on; 0: more is needed; -1: told. */
static int
step(struct unpack *u, struct copy *c)
{
	size_t n = buf_len(&u->in), used;
	ssize_t w;
	int r;

	if (u->fd >= 0 && u->left == 0)
		return end_file(u, c) < 0 ? -1 : 1;
	if (n == 0)
		return 0;
	if (u->ended)
		return copy_fail(c, "there is something behind the end of the backup");
	if (u->fd >= 0) {
		n = u->left < n ? (size_t)u->left : n;
		if ((w = write(u->fd, buf_data(&u->in), n)) < 0)
			return copy_error(c, u->e.path);
		buf_drain(&u->in, (size_t)w);
		u->left -= (uint64_t)w;
		return 1;
	}
	if ((r = archive_read(buf_data(&u->in), n, &u->e, &used)) < 0)
		return copy_fail(c, "there is something in the backup that belongs into none");
	if (r == 1) {
		buf_drain(&u->in, used);
		r = begin_entry(u, c) < 0 ? -1 : 1;
	}
	return r;
}

int
unpack_feed(struct unpack *u, const uint8_t *p, size_t n, struct copy *c)
{
	int r;

	/* What waits is less than a header; a caller gives no more than a block. */
	if (buf_put(&u->in, p, n) < 0)
		return copy_fail(c, "there is something in the backup that belongs into none");
	while ((r = step(u, c)) == 1)
		;
	return r;
}

int
unpack_end(struct unpack *u, bool restored, struct copy *c)
{
	if (!u->ended || !u->settings)
		return copy_fail(c, "the backup is not whole");
	if ((restored && backup_mark_restored(u->to, c) < 0) || sync_all(u->to, ".", c) < 0)
		return -1;
	if ((restored && fchmod(u->to, 0755) < 0) ||
	    renameat(u->to, SETTINGS_LATER, u->to, SETTINGS) < 0 || fsync(u->to) < 0)
		return copy_error(c, SETTINGS);
	return 0;
}
