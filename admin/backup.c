/* SPDX-License-Identifier: ISC */
/*
 * The commands backup and restore, and copies that are not sealed: an archive (snapshot.c) that is unpacked
 * (unpack.c) at once. Sealed ones: sealed.c.
 *
 * The queue is copied before the mailboxes: what was delivered in between is in both copies, and
 * the mailbox recognises the second delivery ("dedupe-all" makes it remember all). For that the
 * restored queue must not use a number again that only the mailboxes have seen ("renumber").
 */
#include "admin/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

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

int
backup_compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
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

/* --- what all share ------------------------------------------------------------------------------------------ */

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
		close(fd);
		return copy_fail(
		    c, "%s is not empty; name a directory that is empty or not there yet", path);
	}
	return fd;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	return where->level == 0 ? 0 : remove(path);
}

void
backup_empty(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
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

/* --- without a seal ------------------------------------------------------------------------------------ */

struct direct {
	struct unpack *u;
	struct copy unpacked;
};

static int
write_direct(void *arg, const void *p, size_t n, struct copy *c)
{
	struct direct *d = arg;

	if (unpack_feed(d->u, p, n, &d->unpacked) == 0)
		return 0;
	return copy_fail(c, "%s", d->unpacked.error);
}

static int
check_copy(const char *path, struct copy *c)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (dir < 0)
		return copy_error(c, path);
	if (faccessat(dir, VAULT_HEAD, F_OK, 0) == 0)
		r = copy_fail(c, "%s is sealed; say --key FILE or --passphrase", path);
	else if (faccessat(dir, "postern.conf", F_OK, 0) < 0)
		r = copy_fail(c, "there is no backup in %s", path);
	close(dir);
	return r;
}

/* The running instance into an empty directory, or (restore) such a copy into an instance to be. */
static int
copy_directly(struct admin *a, const char *from, const char *to, bool restore, struct copy *c)
{
	struct direct d = { 0 };
	struct sink sink = { write_direct, &d };
	int fd, r;

	if ((restore && check_copy(from, c) < 0) || (fd = backup_open_empty(to, c)) < 0)
		return -1;
	d.u = unpack_new(fd);
	r = restore ? snapshot_of_copy(from, &sink, c) : snapshot_of_instance(a, &sink, c);
	if (r == 0)
		r = snapshot_end(&sink, c);
	if (r == 0 && unpack_end(d.u, restore, &d.unpacked) < 0)
		r = copy_fail(c, "%s", d.unpacked.error);
	unpack_free(&d.u);
	close(fd);
	if (r < 0)
		backup_empty(to);
	return r;
}

/* Both ways: from this instance to a copy, and back. */
static int
copy_command(struct admin *a, bool restore)
{
	struct command_line line;
	struct copy c = { 0 };
	const char *copy;
	int r;

	if (command_parse(a->command, a->argc, (const char *const *)a->argv, &line) < 0)
		return EXIT_FATAL;
	if (sealed_wanted(&line))
		return restore ? sealed_restore(a, &line) : sealed_backup(a, &line);
	copy = line.args[0];
	r = copy_directly(a, restore ? copy : a->dir, restore ? a->dir : copy, restore, &c);
	return backup_finish(a, &c, r, restore ? "Restore" : "Backup");
}

int
admin_backup(struct admin *a)
{
	return copy_command(a, false);
}

int
admin_restore(struct admin *a)
{
	return copy_command(a, true);
}
