/* SPDX-License-Identifier: ISC */
/*
 * Backup of a running instance, and making an instance from one.
 *
 * The journals (queue, mailboxes) only grow at their end and are compacted by writing what lives
 * again before an old segment is deleted. So a copy is whole when no file came or went while it was
 * taken: passes are repeated until that holds. A half-written tail is what recovery cuts off anyway.
 * The accounts database is exported by its owner.
 *
 * The queue is copied before the mailboxes: what was delivered in between is in both copies, and
 * the mailbox recognises the second delivery ("dedupe-all" makes it remember all). For that the
 * restored queue must not use a number again that only the mailboxes have seen ("renumber").
 *
 * Sealed backups: sealed.c.
 */
#include "admin/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum { COPY_CHUNK = 1 << 16 };

int
copy_fail(struct copy *c, const char *fmt, ...)
{
	va_list ap;

	if (c->error[0] != '\0')
		return -1;
	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	return -1;
}

int
copy_error(struct copy *c, const char *name)
{
	return copy_fail(c, "%s: %s", name, strerror(errno));
}

static int
copy_bytes(int from, int to, struct copy *c)
{
	static char chunk[COPY_CHUNK];
	ssize_t n;

	while ((n = read(from, chunk, sizeof(chunk))) > 0) {
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(to, chunk + done, (size_t)(n - done))) < 0)
				return -1;
		c->bytes += (uint64_t)n;
	}
	return n < 0 ? -1 : 0;
}

/* Copied under another name first, so that a broken copy is never taken for a whole one. */
static int
copy_file(int from, int to, const char *name, const struct stat *st, struct copy *c)
{
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out, r = 0;

	if (in < 0) {
		c->changed = c->changed || errno == ENOENT;
		return errno == ENOENT ? 0 : copy_error(c, name);
	}
	out = openat(to, ".partial", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	    st->st_mode & 0777);
	if (out < 0 || copy_bytes(in, out, c) < 0 || fsync(out) < 0 ||
	    futimens(out, (struct timespec[2]){ st->st_atim, st->st_mtim }) < 0 ||
	    renameat(to, ".partial", to, name) < 0)
		r = copy_error(c, name);
	if (out >= 0)
		close(out);
	close(in);
	c->files++;
	return r;
}

static bool
up_to_date(int to, const char *name, const struct stat *st)
{
	struct stat have;

	return fstatat(to, name, &have, AT_SYMLINK_NOFOLLOW) == 0 && have.st_size == st->st_size &&
	       have.st_mtim.tv_sec == st->st_mtim.tv_sec &&
	       have.st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}

static int copy_directory(int from, int to, struct copy *c);

static int
copy_subdirectory(int from, int to, const char *name, mode_t mode, struct copy *c)
{
	int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), out, r;

	if (in < 0) {
		c->changed = true;
		return errno == ENOENT ? 0 : copy_error(c, name);
	}
	if (mkdirat(to, name, mode & 0777) < 0 && errno != EEXIST) {
		close(in);
		return copy_error(c, name);
	}
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = out < 0 ? copy_error(c, name) : copy_directory(in, out, c);
	if (out >= 0)
		close(out);
	close(in);
	return r;
}

static int
copy_entry(int from, int to, const char *name, struct copy *c)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		c->changed = true;
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return copy_subdirectory(from, to, name, st.st_mode, c);
	if (!S_ISREG(st.st_mode) || up_to_date(to, name, &st))
		return 0;
	if (faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		c->changed = true; /* new since the last pass (all are in the first) */
	return copy_file(from, to, name, &st, c);
}

int
backup_compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Removes from the copy what is no longer in the original. */
static int
remove_vanished(int from, int to, struct copy *c)
{
	struct dirent **list;
	int n = scandirat(to, ".", &list, NULL, backup_compare_names), r = 0;

	if (n < 0)
		return copy_error(c, "directory");
	for (int i = 0; i < n; i++) {
		if (list[i]->d_type == DT_REG &&
		    faccessat(from, list[i]->d_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
			c->changed = true;
			if (unlinkat(to, list[i]->d_name, 0) < 0)
				r = copy_error(c, list[i]->d_name);
		}
		free(list[i]);
	}
	free(list);
	return r;
}

bool
backup_leaves_out(const char *name)
{
	static const char *const names[] = { ".", "..", "lock", "reserve", "index", "unpacked" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "texts.", 6) == 0;
}

/* Names in ascending order: segments from the oldest to the newest. */
static int
copy_directory(int from, int to, struct copy *c)
{
	struct dirent **list;
	int n = scandirat(from, ".", &list, NULL, backup_compare_names), r = 0;

	if (n < 0)
		return copy_error(c, "directory");
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (r == 0 && !backup_leaves_out(name))
			r = copy_entry(from, to, name, c);
		free(list[i]);
	}
	free(list);
	if (r == 0)
		r = remove_vanished(from, to, c);
	if (r == 0 && fsync(to) < 0)
		r = copy_error(c, "directory");
	return r;
}

/* One part of an instance, until a pass saw no file come or go. */
static int
copy_part(int from, int to, const char *name, struct copy *c)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : copy_error(c, name);
	for (int pass = 0; pass < BACKUP_PASSES_MAX; pass++) {
		c->changed = false;
		if (copy_entry(from, to, name, c) < 0)
			return -1;
		if (!c->changed)
			return 0;
	}
	errno = EBUSY;
	return copy_error(c, name);
}

/* --- backup ------------------------------------------------------------------------------------------ */

static void
write_row(void *arg, struct str cells)
{
	struct str key, value;

	if (command_cell_next(&cells, &key) && command_cell_next(&cells, &value))
		fprintf(arg, "%.*s %.*s\n", STRF(key), STRF(value));
}

int
backup_export_accounts(struct admin *a, FILE *f, struct copy *c)
{
	struct buf message;
	enum ipc_result result;

	buf_init(&message, 4096);
	result = admin_call(a->dir, CMD_accounts_export, 0, NULL, STR(""), write_row, f, &message);
	if (result != IPC_OK)
		copy_fail(c, "%.*s", (int)buf_len(&message), (const char *)buf_data(&message));
	buf_free(&message);
	if (result == IPC_OK && fflush(f) != 0)
		return copy_error(c, "accounts");
	return result == IPC_OK ? 0 : -1;
}

/* Where a restored instance reads them again. */
static int
copy_accounts(struct admin *a, int to, struct copy *c)
{
	FILE *f = NULL;
	int dir, fd = -1, r;

	if (mkdirat(to, "accounts", 0700) < 0)
		return copy_error(c, "accounts");
	dir = openat(to, "accounts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = openat(dir, "import", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || (f = fdopen(fd, "w")) == NULL)
		return copy_error(c, "accounts/import");
	r = backup_export_accounts(a, f, c);
	if (r == 0 && (fsync(fd) < 0 || fsync(dir) < 0))
		r = copy_error(c, "accounts/import");
	fclose(f);
	close(dir);
	return r;
}

static int
mark(int dir, const char *name, struct copy *c)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), r = 0;

	if (fd < 0 || fsync(fd) < 0 || fsync(dir) < 0)
		r = copy_error(c, name);
	if (fd >= 0)
		close(fd);
	return r;
}

static int
mark_below(int dir, const char *sub, const char *name, struct copy *c)
{
	int fd = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return errno == ENOENT ? 0 : copy_error(c, sub);
	r = mark(fd, name, c);
	close(fd);
	return r;
}

static int
mark_mailboxes(int to, struct copy *c)
{
	int mail = openat(to, "mail", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n, r = 0;
	struct dirent **list;

	if (mail < 0)
		return errno == ENOENT ? 0 : copy_error(c, "mail");
	if ((n = scandirat(mail, ".", &list, NULL, backup_compare_names)) < 0)
		n = 0;
	for (int i = 0; i < n; i++) {
		if (r == 0 && list[i]->d_name[0] != '.')
			r = mark_below(mail, list[i]->d_name, "dedupe-all", c);
		free(list[i]);
	}
	free(n > 0 ? list : NULL);
	close(mail);
	return r;
}

int
backup_mark_restored(int to, struct copy *c)
{
	return mark_mailboxes(to, c) < 0 ? -1 : mark_below(to, "queue", "renumber", c);
}

int
backup_open_empty(const char *path, struct copy *c)
{
	struct dirent **list;
	int fd, n;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return copy_error(c, path);
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return copy_error(c, path);
	n = scandirat(fd, ".", &list, NULL, NULL);
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(n >= 0 ? list : NULL);
	if (n != 2) {
		errno = ENOTEMPTY;
		close(fd);
		return copy_error(c, path);
	}
	return fd;
}

int
backup_finish(struct admin *a, const struct copy *c, int r, const char *what)
{
	struct output *o = output_new(a->command, a->json);
	char text[BACKUP_ERROR_MAX + 64];

	if (r < 0)
		snprintf(text, sizeof(text), "%s failed: %s", what, c->error);
	else
		snprintf(text, sizeof(text), "%s done: %llu files, %llu bytes.", what,
		    (unsigned long long)c->files, (unsigned long long)c->bytes);
	return output_end(&o, r < 0 ? IPC_NO : IPC_OK, str_of(text));
}

static const char *const before_accounts[] = { "postern.conf", "ca.pem", "keys" };
static const char *const after_accounts[] = { "queue", "mail" };

static int
copy_parts(int from, int to, const char *const names[], size_t n, struct copy *c)
{
	for (size_t i = 0; i < n; i++)
		if (copy_part(from, to, names[i], c) < 0)
			return -1;
	return 0;
}

static int
backup_into_directory(struct admin *a, const char *target)
{
	struct copy c = { 0 };
	int from = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), to = -1, r = -1;

	if (from < 0)
		copy_error(&c, a->dir);
	else if ((to = backup_open_empty(target, &c)) >= 0 &&
		 copy_parts(from, to, before_accounts, 3, &c) == 0 &&
		 copy_accounts(a, to, &c) == 0 && copy_parts(from, to, after_accounts, 2, &c) == 0)
		r = fsync(to) < 0 ? copy_error(&c, target) : 0;
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return backup_finish(a, &c, r, "Backup");
}

static int
restore_from_directory(struct admin *a, const char *source)
{
	static const char *const rest[] = { "ca.pem", "keys", "accounts", "queue", "mail",
		"postern.conf" };
	struct copy c = { 0 };
	int from = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC), to = -1, r = -1;

	if (from < 0 || faccessat(from, "postern.conf", F_OK, 0) < 0)
		copy_error(&c, source);
	else if ((to = backup_open_empty(a->dir, &c)) >= 0 && fchmod(to, 0755) == 0 &&
		 copy_parts(from, to, rest, 6, &c) == 0 && backup_mark_restored(to, &c) == 0)
		r = fsync(to) < 0 ? copy_error(&c, a->dir) : 0;
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return backup_finish(a, &c, r, "Restore");
}

int
admin_backup(struct admin *a)
{
	struct command_line line;

	if (command_parse(a->command, a->argc, (const char *const *)a->argv, &line) < 0)
		return EXIT_FATAL;
	return sealed_wanted(&line) ? sealed_backup(a, &line)
				    : backup_into_directory(a, line.args[0]);
}

int
admin_restore(struct admin *a)
{
	struct command_line line;

	if (command_parse(a->command, a->argc, (const char *const *)a->argv, &line) < 0)
		return EXIT_FATAL;
	return sealed_wanted(&line) ? sealed_restore(a, &line)
				    : restore_from_directory(a, line.args[0]);
}
