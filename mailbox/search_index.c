/* SPDX-License-Identifier: ISC */
/* The files of the index. */
#include "mailbox/search_index.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bisect.h"
#include "base/xalloc.h"
#include "mailbox/search_index_priv.h"

#define NEW_NAME SEARCH_INDEX_PREFIX "new"

static void
part_name(char name[SEARCH_NAME_SIZE], uint32_t number)
{
	snprintf(name, SEARCH_NAME_SIZE, SEARCH_INDEX_PREFIX "%u", number);
}

static void
part_unlink(struct search_index *x, uint32_t number)
{
	char name[SEARCH_NAME_SIZE];

	part_name(name, number);
	unlinkat(x->config.dirfd, name, 0);
}

void
search_report(struct search_index *x, const char *what)
{
	char line[128];

	if (x->config.report == NULL)
		return;
	snprintf(line, sizeof(line), "what=search-index detail=\"%s\"", what);
	x->config.report(x->config.arg, line);
}

/* --- mapping -------------------------------------------------------------------------------------
 */

static void
part_unmap(struct search_part *p)
{
	if (p->map == NULL)
		return;
	textindex_segment_close(&p->segment);
	munmap(p->map, p->info.size);
	p->map = NULL;
}

static int
part_open(struct search_index *x, struct search_part *p)
{
	char name[SEARCH_NAME_SIZE];
	struct stat st;
	void *map = MAP_FAILED;
	int fd;

	part_name(name, p->number);
	fd = openat(x->config.dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size == p->info.size)
		map = mmap(NULL, p->info.size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	if (textindex_segment_open(&p->segment, map, p->info.size) != 0) {
		munmap(map, p->info.size);
		return -1;
	}
	p->map = map;
	return 0;
}

size_t
search_part_of(const struct search_index *x, uint64_t email)
{
	size_t at;

	BISECT(at, x->n, i, x->parts[i].info.hi < email);
	return at;
}

int
search_part_map(struct search_index *x, struct search_part *p)
{
	if (p->map != NULL || part_open(x, p) == 0)
		return 0;
	search_index_discard(x, "damaged, made again");
	return -1;
}

void
search_index_use(struct search_index *x)
{
	x->users++;
}

void
search_index_unuse(struct search_index *x)
{
	if (--x->users > 0)
		return;
	for (size_t i = 0; i < x->n; i++)
		part_unmap(&x->parts[i]);
}

/* --- the list of files ---------------------------------------------------------------------------
 */

static void
part_add(struct search_index *x, const struct search_part *p)
{
	if (x->n == x->cap) {
		x->cap = x->cap * 2 + 16;
		x->parts = xrealloc(x->parts, x->cap * sizeof(x->parts[0]));
	}
	x->parts[x->n++] = *p;
}

/* false: no segment that could be used. */
static bool
part_read(struct search_index *x, uint32_t number, struct search_part *p)
{
	uint8_t footer[TEXTINDEX_FOOTER];
	char name[SEARCH_NAME_SIZE];
	struct stat st;
	bool good = false;
	int fd;

	*p = (struct search_part){ .number = number };
	part_name(name, number);
	if ((fd = openat(x->config.dirfd, name, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > TEXTINDEX_FOOTER)
		good = pread(fd, footer, sizeof(footer), st.st_size - TEXTINDEX_FOOTER) ==
			   sizeof(footer) &&
		       textindex_info_get(footer, (uint64_t)st.st_size, &p->info) == 0;
	close(fd);
	return good;
}

static int
part_order(const void *a, const void *b)
{
	const struct textindex_info *p = &((const struct search_part *)a)->info;
	const struct textindex_info *q = &((const struct search_part *)b)->info;

	if (p->lo != q->lo)
		return p->lo < q->lo ? -1 : 1;
	return p->hi > q->hi ? -1 : p->hi < q->hi;
}

/* Keeps those that follow one another from 0 on; a merged one takes the place of what it was made
 * from. */
static void
chain(struct search_index *x)
{
	size_t kept = 0;

	if (x->n > 0)
		qsort(x->parts, x->n, sizeof(x->parts[0]), part_order);
	for (size_t i = 0; i < x->n; i++) {
		struct search_part *p = &x->parts[i];

		if (p->info.lo == x->covered && p->info.hi > x->covered) {
			x->covered = p->info.hi;
			x->parts[kept++] = *p;
		} else {
			part_unlink(x, p->number);
		}
	}
	x->n = kept;
}

static void
load(struct search_index *x)
{
	int fd = openat(x->config.dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const size_t prefix = sizeof(SEARCH_INDEX_PREFIX) - 1;
	struct search_part p;
	struct dirent *e;
	uint64_t number;

	if (d == NULL && fd != -1)
		close(fd);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, SEARCH_INDEX_PREFIX, prefix) != 0)
			continue;
		if (!str_u64(str_of(e->d_name + prefix), UINT32_MAX - 1, &number)) {
			unlinkat(x->config.dirfd, e->d_name, 0);
			continue;
		}
		if (number >= x->next_number)
			x->next_number = (uint32_t)number + 1;
		if (part_read(x, (uint32_t)number, &p))
			part_add(x, &p);
		else
			part_unlink(x, (uint32_t)number);
	}
	if (d != NULL)
		closedir(d);
	chain(x);
	/* Of messages that are not there any more: the store was put back to an older state. */
	if (x->covered > store_model(x->config.store)->last_email)
		search_index_discard(x, "newer than the mailbox, made again");
}

void
search_index_discard(struct search_index *x, const char *why)
{
	search_work_drop(x);
	for (size_t i = 0; i < x->n; i++) {
		part_unmap(&x->parts[i]);
		part_unlink(x, x->parts[i].number);
	}
	x->n = 0;
	x->covered = 0;
	x->epoch++;
	search_report(x, why);
}

int
search_part_put(struct search_index *x, size_t first, size_t n)
{
	uint32_t number = x->next_number;
	char name[SEARCH_NAME_SIZE];
	struct search_part p;

	part_name(name, number);
	if (number == UINT32_MAX || renameat(x->config.dirfd, NEW_NAME, x->config.dirfd, name) != 0)
		return -1;
	x->next_number++;
	if (!part_read(x, number, &p)) {
		part_unlink(x, number);
		return -1;
	}
	for (size_t i = first; i < first + n; i++) {
		part_unmap(&x->parts[i]);
		part_unlink(x, x->parts[i].number);
	}
	if (n == 0) {
		part_add(x, &p);
	} else {
		x->parts[first] = p;
		memmove(&x->parts[first + 1], &x->parts[first + n],
		    (x->n - first - n) * sizeof(x->parts[0]));
		x->n -= n - 1;
	}
	if (p.info.hi > x->covered)
		x->covered = p.info.hi;
	x->epoch++;
	return 0;
}

/* --- life ----------------------------------------------------------------------------------------
 */

struct search_index *
search_index_new(const struct search_index_config *config)
{
	struct search_index *x = xcalloc(1, sizeof(*x));

	x->config = *config;
	if (x->config.new_min == 0)
		x->config.new_min = SEARCH_INDEX_NEW_MIN;
	x->fd = -1;
	imap_text_init(&x->text);
	load(x);
	search_index_stable(x);
	return x;
}

void
search_index_free(struct search_index **xp)
{
	struct search_index *x = *xp;

	if (x == NULL)
		return;
	*xp = NULL;
	search_work_drop(x);
	for (size_t i = 0; i < x->n; i++)
		part_unmap(&x->parts[i]);
	free(x->parts);
	imap_text_free(&x->text);
	free(x);
}

void
search_index_stable(struct search_index *x)
{
	x->stable = store_model(x->config.store)->last_email;
}

void
search_index_state(const struct search_index *x, struct search_index_state *out)
{
	*out = (struct search_index_state){ .covered = x->covered, .segments = (uint32_t)x->n };
	for (size_t i = 0; i < x->n; i++) {
		out->documents += x->parts[i].info.ndocs;
		out->bytes += x->parts[i].info.size;
	}
}
