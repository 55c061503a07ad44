/* SPDX-License-Identifier: ISC */
/*
 * An instance as a stream, of one that runs, too. Of each folder all files are opened, the segment that a journal writes to
 * is copied into memory, and then the names are read again: when no file came or went meanwhile they belong
 * together. Older segments do not grow, and the large content that a record names is whole before the record
 * is written (journal_format.h), so what is read of these later is what the copied segment speaks of.
 *
 * An older segment that is empty can be used again under another name while we still read it: if the name of
 * one has gone when all were sent they do not count, and the folder is sent once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/backup.h"
#include "base/xalloc.h"

struct file {
	char *name;
	int fd;
	bool frozen; /* fd is of a copy in memory */
	struct stat st;
};

/* The regular files of one folder, oldest first. */
struct files {
	struct file *file;
	size_t n;
};

static void
files_free(struct files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->file[i].name);
		if (f->file[i].fd >= 0)
			close(f->file[i].fd);
	}
	free(f->file);
	*f = (struct files){ 0 };
}

/* Names only. -1: errno. */
static int
files_list(int dir, struct files *f)
{
	struct dirent **list;
	int n = scandirat(dir, ".", &list, NULL, backup_compare_names);
	struct stat st;

	*f = (struct files){ 0 };
	if (n < 0)
		return -1;
	f->file = xcalloc((size_t)n + 1, sizeof(*f->file));
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (!backup_leaves_out(name) && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			f->file[f->n++] = (struct file){ .name = xstrdup(name), .fd = -1 };
		free(list[i]);
	}
	free(list);
	return 0;
}

static bool
same_names(const struct files *a, const struct files *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->file[i].name, b->file[i].name) != 0)
			return false;
	return true;
}

static bool
is_segment(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".seg") == 0;
}

static int
copy_to_memory(int from, int to)
{
	static char chunk[SEAL_BLOCK];
	ssize_t n;

	while ((n = read(from, chunk, sizeof(chunk))) > 0)
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(to, chunk + done, (size_t)(n - done))) < 0)
				return -1;
	return n < 0 ? -1 : 0;
}

/* The newest segment, by its number the last one: what it is now. */
static int
freeze_newest(struct files *f, struct copy *c)
{
	for (size_t i = f->n; i-- > 0;) {
		struct file *file = &f->file[i];
		int fd;

		if (!is_segment(file->name))
			continue;
		fd = memfd_create("segment", MFD_CLOEXEC);
		if (fd < 0 || fstat(file->fd, &file->st) < 0 || copy_to_memory(file->fd, fd) < 0) {
			copy_error(c, file->name);
			if (fd >= 0)
				close(fd);
			return -1;
		}
		close(file->fd);
		file->fd = fd;
		file->frozen = true;
		return 0;
	}
	return 0;
}

/* Size and times; of the copied one the size it has as a copy. */
static int
files_look(struct files *f, struct copy *c)
{
	for (size_t i = 0; i < f->n; i++) {
		struct file *file = &f->file[i];
		struct stat st;

		if (fstat(file->fd, &st) < 0)
			return copy_error(c, file->name);
		if (file->frozen)
			file->st.st_size = st.st_size;
		else
			file->st = st;
	}
	return 0;
}

/* 1: all are open and belong together; 0: not now; -1: told. */
static int
files_open(int dir, struct files *f, struct copy *c)
{
	struct files again;
	int r;

	if (files_list(dir, f) < 0)
		return copy_error(c, "directory");
	for (size_t i = 0; i < f->n; i++) {
		f->file[i].fd = openat(dir, f->file[i].name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (f->file[i].fd < 0)
			return errno == ENOENT ? 0 : copy_error(c, f->file[i].name);
	}
	if (freeze_newest(f, c) < 0)
		return -1;
	if (files_list(dir, &again) < 0)
		return copy_error(c, "directory");
	r = same_names(f, &again);
	files_free(&again);
	return r == 1 && files_look(f, c) < 0 ? -1 : r;
}

static int
put_entry(const struct sink *o, enum archive_kind kind, const char *path, const struct stat *st,
    struct copy *c)
{
	struct archive_entry e = { .kind = kind, .mode = st->st_mode & 0777 };
	uint8_t raw[ARCHIVE_HEADER_MAX];
	size_t n;

	if (strlen(path) <= ARCHIVE_PATH_MAX)
		memcpy(e.path, path, strlen(path) + 1);
	if (kind == ARCHIVE_FILE) {
		e.size = (uint64_t)st->st_size;
		e.seconds = st->st_mtim.tv_sec;
		e.nanoseconds = (uint32_t)st->st_mtim.tv_nsec;
	}
	if ((n = archive_write(&e, raw)) == 0)
		return copy_fail(c, "%s: this name cannot be in a backup", path);
	return o->write(o->arg, raw, n, c);
}

/* As much of it as there was when it was looked at. */
static int
put_content(const struct sink *o, int fd, const char *path, uint64_t size, struct copy *c)
{
	static char chunk[SEAL_BLOCK];

	for (uint64_t at = 0; at < size;) {
		size_t want = size - at < sizeof(chunk) ? (size_t)(size - at) : sizeof(chunk);
		ssize_t n = pread(fd, chunk, want, (off_t)at);

		if (n <= 0) {
			errno = n == 0 ? ENODATA : errno;
			return copy_error(c, path);
		}
		if (o->write(o->arg, chunk, (size_t)n, c) < 0)
			return -1;
		at += (uint64_t)n;
	}
	c->files++;
	c->bytes += size;
	return 0;
}

static int
put_file(const struct sink *o, int fd, const char *path, const struct stat *st, struct copy *c)
{
	if (put_entry(o, ARCHIVE_FILE, path, st, c) < 0)
		return -1;
	return put_content(o, fd, path, (uint64_t)st->st_size, c);
}

static void
join(char out[ARCHIVE_PATH_MAX + 2], const char *folder, const char *name)
{
	/* One byte more than a path may have, so that what was cut is noticed. */
	snprintf(out, ARCHIVE_PATH_MAX + 2, "%s/%s", folder, name);
}

/* 1: the files are sent; 0: again; -1: told. */
static int
put_files(int dir, const struct sink *o, const char *path, const struct files *f, struct copy *c)
{
	char name[ARCHIVE_PATH_MAX + 2];
	struct stat now;

	for (size_t i = 0; i < f->n; i++) {
		join(name, path, f->file[i].name);
		if (put_file(o, f->file[i].fd, name, &f->file[i].st, c) < 0)
			return -1;
	}
	for (size_t i = 0; i < f->n; i++)
		if (is_segment(f->file[i].name) && !f->file[i].frozen &&
		    (fstatat(dir, f->file[i].name, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
			now.st_ino != f->file[i].st.st_ino))
			return 0;
	return 1;
}

/* The files of a folder, until they belong together. */
static int
put_folder_files(int dir, const struct sink *o, const char *path, struct copy *c)
{
	static const struct stat none;
	struct copy before = *c;

	for (int pass = 0; pass < BACKUP_PASSES_MAX; pass++) {
		struct files f;
		int r = files_open(dir, &f, c);

		if (r == 1) {
			r = put_files(dir, o, path, &f, c);
			if (r == 0 && put_entry(o, ARCHIVE_FORGET, path, &none, c) < 0)
				r = -1;
		}
		files_free(&f);
		if (r != 0)
			return r < 0 ? -1 : 0;
		c->files = before.files;
		c->bytes = before.bytes;
	}
	errno = EBUSY;
	return copy_error(c, path);
}

static int put_folder(
    int in, const struct sink *o, const char *name, const char *path, struct copy *c);

static int
put_subfolders(int dir, const struct sink *o, const char *path, struct copy *c)
{
	struct dirent **list;
	int n = scandirat(dir, ".", &list, NULL, backup_compare_names), r = 0;
	char below[ARCHIVE_PATH_MAX + 2];
	struct stat st;

	if (n < 0)
		return copy_error(c, path);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (r == 0 && !backup_leaves_out(name) &&
		    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
			join(below, path, name);
			r = put_folder(dir, o, name, below, c);
		}
		free(list[i]);
	}
	free(list);
	return r;
}

/* One that is not there (any more) is none. */
static int
put_folder(int in, const struct sink *o, const char *name, const char *path, struct copy *c)
{
	int dir = openat(in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = -1;
	struct stat st;

	if (dir < 0)
		return errno == ENOENT ? 0 : copy_error(c, path);
	if (fstat(dir, &st) < 0)
		copy_error(c, path);
	else if (put_entry(o, ARCHIVE_FOLDER, path, &st, c) == 0 &&
		 put_folder_files(dir, o, path, c) == 0)
		r = put_subfolders(dir, o, path, c);
	close(dir);
	return r;
}

static int
put_single(int dir, const struct sink *o, const char *name, struct copy *c)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : copy_error(c, name);
	r = fstat(fd, &st) < 0 ? copy_error(c, name) : put_file(o, fd, name, &st, c);
	close(fd);
	return r;
}

/* Never on a disk in the clear. */
static int
put_accounts(struct admin *a, const struct sink *o, struct copy *c)
{
	static const struct stat folder = { .st_mode = 0700 };
	int fd = memfd_create("accounts", MFD_CLOEXEC), r = -1;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	struct stat st;

	if (f == NULL)
		return copy_error(c, "accounts");
	if (backup_export_accounts(a, f, c) == 0 &&
	    put_entry(o, ARCHIVE_FOLDER, "accounts", &folder, c) == 0) {
		if (fstat(fd, &st) < 0)
			copy_error(c, "accounts");
		else {
			st.st_mode = 0600;
			r = put_file(o, fd, "accounts/import", &st, c);
		}
	}
	fclose(f);
	return r;
}

/* A folder's files are all open at once. */
static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
snapshot_of_instance(struct admin *a, const struct sink *o, struct copy *c)
{
	int dir = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -1;

	raise_descriptors();
	if (dir < 0)
		return copy_error(c, a->dir);
	/* The queue before the mailboxes: see backup.c. */
	if (put_single(dir, o, "postern.conf", c) == 0 && put_single(dir, o, "ca.pem", c) == 0 &&
	    put_folder(dir, o, "keys", "keys", c) == 0 && put_accounts(a, o, c) == 0 &&
	    put_folder(dir, o, "queue", "queue", c) == 0)
		r = put_folder(dir, o, "mail", "mail", c);
	close(dir);
	return r;
}

int
snapshot_of_copy(const char *path, const struct sink *o, struct copy *c)
{
	static const char *const folders[] = { "keys", "accounts", "queue", "mail" };
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -1;

	raise_descriptors();
	if (dir < 0)
		return copy_error(c, path);
	if (put_single(dir, o, "postern.conf", c) == 0)
		r = put_single(dir, o, "ca.pem", c);
	for (size_t i = 0; r == 0 && i < sizeof(folders) / sizeof(folders[0]); i++)
		r = put_folder(dir, o, folders[i], folders[i], c);
	close(dir);
	return r;
}

int
snapshot_end(const struct sink *o, struct copy *c)
{
	struct archive_entry end = { .kind = ARCHIVE_END };
	uint8_t raw[ARCHIVE_HEADER_MAX];
	size_t n = archive_write(&end, raw);

	return o->write(o->arg, raw, n, c);
}
