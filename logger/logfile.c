/* SPDX-License-Identifier: ISC */
#include "logger/logfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"

#define NAME "postern.log"

enum {
	CLEAN_EVERY_S = 3600, /* ages are looked at so often, sizes at each rotation */
	NAMES_TRIED = 1000,
};

struct logfile {
	int dir, fd;
	uint64_t size, lost;
	int64_t cleaned;
	struct logfile_budget budget;
};

static int
open_current(struct logfile *f)
{
	struct stat st;

	f->fd = openat(f->dir, NAME, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (f->fd < 0)
		return -1;
	f->size = fstat(f->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

struct logfile *
logfile_new(int dirfd, const struct logfile_budget *budget)
{
	struct logfile *f = xcalloc(1, sizeof(*f));

	f->dir = dirfd;
	f->budget = *budget;
	if (open_current(f) < 0) {
		free(f);
		return NULL;
	}
	return f;
}

void
logfile_free(struct logfile **f)
{
	if (*f == NULL)
		return;
	if ((*f)->fd >= 0)
		close((*f)->fd);
	free(*f);
	*f = NULL;
}

void
logfile_set_budget(struct logfile *f, const struct logfile_budget *budget)
{
	f->budget = *budget;
	f->cleaned = 0;
}

/* --- budget ------------------------------------------------------------------------------------------ */

struct old {
	char name[64];
	uint64_t size;
	int64_t age;
};

static int
newest_first(const void *a, const void *b)
{
	const struct old *x = a, *y = b;

	/* The names carry the time; mtime only breaks no ties here. */
	return strcmp(y->name, x->name);
}

static struct old *
list_old(struct logfile *f, int64_t now, size_t *n)
{
	int copy = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct old *list = NULL;
	struct dirent *e;
	struct stat st;

	*n = 0;
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, NAME ".", sizeof(NAME)) != 0 ||
		    strlen(e->d_name) >= sizeof(list->name) ||
		    fstatat(f->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		list = xrealloc(list, (*n + 1) * sizeof(*list));
		strcpy(list[*n].name, e->d_name); /* fits: looked above */
		list[*n].size = (uint64_t)st.st_size;
		list[*n].age = now - st.st_mtim.tv_sec;
		++*n;
	}
	if (d != NULL)
		closedir(d);
	return list;
}

static void
clean(struct logfile *f, int64_t now)
{
	uint64_t total = f->budget.file_size; /* what the current one may become */
	size_t n;
	struct old *list = list_old(f, now, &n);

	f->cleaned = now;
	if (n > 1)
		qsort(list, n, sizeof(*list), newest_first);
	for (size_t i = 0; i < n; i++) {
		total += list[i].size;
		if (total > f->budget.total_size || list[i].age > (int64_t)f->budget.max_age)
			unlinkat(f->dir, list[i].name, 0);
	}
	free(list);
}

static void
rotate(struct logfile *f, int64_t now)
{
	time_t t = (time_t)now;
	char stamp[32], name[64];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(name, sizeof(name), NAME ".%s", stamp);
	for (int i = 2; faccessat(f->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && i < NAMES_TRIED;
	     i++)
		snprintf(name, sizeof(name), NAME ".%s.%03d", stamp, i);
	if (renameat(f->dir, NAME, f->dir, name) < 0)
		return;
	close(f->fd);
	if (open_current(f) < 0)
		f->size = 0; /* tried again at the next line */
	clean(f, now);
}

/* --- writing ------------------------------------------------------------------------------------------ */

static uint64_t
count_lines(struct str s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* True when all was written. */
static bool
write_all(struct logfile *f, struct str lines)
{
	while (lines.n > 0) {
		ssize_t n = write(f->fd, lines.p, lines.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		f->size += (uint64_t)n;
		lines.p += n;
		lines.n -= (size_t)n;
	}
	return true;
}

uint64_t
logfile_write(struct logfile *f, struct str lines, int64_t now)
{
	uint64_t told = f->lost;

	if (f->fd < 0)
		open_current(f);
	if (f->size > 0 && f->size + lines.n > f->budget.file_size)
		rotate(f, now);
	else if (now - f->cleaned >= CLEAN_EVERY_S || now < f->cleaned)
		clean(f, now);
	if (f->fd < 0 || !write_all(f, lines)) {
		f->lost += count_lines(lines);
		return 0;
	}
	f->lost = 0;
	return told;
}
