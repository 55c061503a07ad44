/* SPDX-License-Identifier: ISC */
#include "journal/journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bisect.h"
#include "base/xalloc.h"

void
segment_name(char out[NAME_SIZE], uint64_t number, const char *suffix)
{
	snprintf(out, NAME_SIZE, "%016llx.%s", (unsigned long long)number, suffix);
}

int
io_error(struct journal *j, int saved_errno)
{
	(void)j;
	return saved_errno == ENOSPC || saved_errno == EDQUOT ? JOURNAL_FULL : JOURNAL_EIO;
}

int
write_all(struct journal *j, int fd, struct iovec *v, size_t n, uint64_t off)
{
	size_t i = 0;

	while (i < n) {
		ssize_t w;

		if (v[i].iov_len == 0) {
			i++;
			continue;
		}
		w = j->io.pwritev(
		    j->io.ctx, fd, v + i, n - i > IOV_MAX ? IOV_MAX : (int)(n - i), (off_t)off);
		if (w == -1 && errno == EINTR)
			continue;
		if (w <= 0)
			return w == 0 ? JOURNAL_EIO : io_error(j, errno);
		off += (uint64_t)w;
		while (i < n && (size_t)w >= v[i].iov_len)
			w -= (ssize_t)v[i++].iov_len;
		if (i < n) {
			v[i].iov_base = (uint8_t *)v[i].iov_base + w;
			v[i].iov_len -= (size_t)w;
		}
	}
	return 0;
}

int
read_all(struct journal *j, int fd, void *p, size_t n, uint64_t off, size_t *got)
{
	*got = 0;
	while (*got < n) {
		ssize_t r =
		    j->io.pread(j->io.ctx, fd, (uint8_t *)p + *got, n - *got, (off_t)(off + *got));

		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return JOURNAL_EIO;
		if (r == 0)
			return 0;
		*got += (size_t)r;
	}
	return 0;
}

/* Index of the first segment with this number or a higher one. */
static size_t
segment_index(const struct journal *j, uint64_t number)
{
	size_t at;

	BISECT(at, j->count, i, j->segments[i]->number < number);
	return at;
}

struct segment *
segment_find(const struct journal *j, uint64_t number)
{
	size_t i = segment_index(j, number);

	return i < j->count && j->segments[i]->number == number ? j->segments[i] : NULL;
}

struct segment *
segment_add(struct journal *j, uint64_t number)
{
	struct segment *s = xcalloc(1, sizeof(*s));
	size_t i = segment_index(j, number);

	s->number = number;
	s->fd = -1;
	if (j->count == j->cap) {
		j->cap = j->cap ? j->cap * 2 : 16;
		j->segments = xrealloc(j->segments, j->cap * sizeof(struct segment *));
	}
	memmove(j->segments + i + 1, j->segments + i, (j->count - i) * sizeof(struct segment *));
	j->segments[i] = s;
	j->count++;
	if (number >= j->next_number)
		j->next_number = number + 1;
	return s;
}

static void
segment_close(struct journal *j, struct segment *s)
{
	if (s->fd == -1)
		return;
	j->io.close(j->io.ctx, s->fd);
	s->fd = -1;
	j->open_fds--;
}

void
segment_remove(struct journal *j, struct segment *s)
{
	size_t i = segment_index(j, s->number);

	segment_close(j, s);
	memmove(
	    j->segments + i, j->segments + i + 1, (j->count - i - 1) * sizeof(struct segment *));
	j->count--;
	free(s->pins);
	free(s);
}

void
segments_free(struct journal *j)
{
	while (j->count > 0)
		segment_remove(j, j->segments[j->count - 1]);
	free(j->segments);
	j->segments = NULL;
	j->cur = NULL;
}

int
segment_fd(struct journal *j, struct segment *s)
{
	char name[NAME_SIZE];
	struct segment *old = NULL;

	s->used_at = ++j->clock;
	if (s->fd != -1)
		return 0;
	if (j->open_fds >= OPEN_SEGMENTS_MAX) {
		for (size_t i = 0; i < j->count; i++) {
			struct segment *t = j->segments[i];

			if (t->fd != -1 && t != j->cur && (!old || t->used_at < old->used_at))
				old = t;
		}
		if (old)
			segment_close(j, old);
	}
	segment_name(name, s->number, "seg");
	s->fd = j->io.open(j->io.ctx, j->dirfd, name, O_RDWR);
	if (s->fd == -1)
		return JOURNAL_EIO;
	j->open_fds++;
	return 0;
}

/* --- disk space --------------------------------------------------------------------------------
 */
static int
write_zeros(struct journal *j, int fd, uint64_t off, uint64_t n)
{
	static const uint8_t zeros[65536];
	struct iovec v[64];

	while (n > 0) {
		size_t k = 0;
		uint64_t sum = 0;
		int r;

		for (; k < 64 && sum < n; k++) {
			v[k].iov_base = (void *)(uintptr_t)zeros;
			v[k].iov_len = n - sum < sizeof(zeros) ? (size_t)(n - sum) : sizeof(zeros);
			sum += v[k].iov_len;
		}
		r = write_all(j, fd, v, k, off);
		if (r != 0)
			return r;
		off += sum;
		n -= sum;
	}
	return 0;
}

static int
fill_to(struct journal *j, struct segment *s, uint32_t need)
{
	uint64_t want = (need + j->fill_step - 1) / j->fill_step * j->fill_step;
	int r;

	r = write_zeros(j, s->fd, s->filled, want - s->filled);
	if (r == JOURNAL_FULL && want > need) {
		/* Less will do when a whole step does not fit. */
		want = need;
		r = write_zeros(j, s->fd, s->filled, want - s->filled);
	}
	if (r == 0)
		s->filled = (uint32_t)want;
	return r;
}

int
segment_fill(struct journal *j, uint32_t need, bool urgent)
{
	int r;

	if (need <= j->cur->filled)
		return 0;
	r = fill_to(j, j->cur, need);
	if (r != JOURNAL_FULL)
		return r;
	j->full = true;
	if (!urgent || !j->reserve_held)
		return r;
	reserve_release(j);
	return fill_to(j, j->cur, need);
}

void
reserve_release(struct journal *j)
{
	j->reserve_held = false;
	j->io.unlink(j->io.ctx, j->dirfd, "reserve");
}

void
reserve_build(struct journal *j)
{
	uint64_t size = 0;
	int fd, r;

	if (j->reserve_bytes == 0)
		return;
	fd = j->io.open(j->io.ctx, j->dirfd, "reserve", O_RDWR | O_CREAT);
	if (fd == -1) {
		j->full = true;
		return;
	}
	if (j->io.size(j->io.ctx, fd, &size) == 0 && size >= j->reserve_bytes)
		r = 0;
	else
		r = j->io.allocate(j->io.ctx, fd, (off_t)j->reserve_bytes);
	if (r == -1 && errno == EOPNOTSUPP)
		r = 0;
	j->io.close(j->io.ctx, fd);
	if (r == 0) {
		j->reserve_held = true;
		return;
	}
	reserve_release(j);
	j->full = true;
}

/* Spares are worth less than taking mail again. */
static void
drop_spare(struct journal *j)
{
	char name[NAME_SIZE];

	segment_name(name, j->spares[--j->spare_count], "old");
	j->io.unlink(j->io.ctx, j->dirfd, name);
}

void
journal_recover_space(struct journal *j)
{
	uint64_t need = RESERVE_SLACK_STEPS * j->fill_step, free_bytes;

	if (j->failed || !j->full)
		return;
	if (!j->reserve_held)
		need += j->reserve_bytes;
	while (j->io.space(j->io.ctx, j->dirfd, &free_bytes) == 0 && free_bytes < need) {
		if (j->spare_count == 0)
			return;
		drop_spare(j);
	}
	j->full = false;
	if (!j->reserve_held)
		reserve_build(j);
}

void
journal_space(struct journal *j, struct journal_space *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < j->count; i++) {
		out->live_bytes += j->segments[i]->live;
		out->total_bytes += j->segments[i]->filled;
	}
	out->total_bytes += j->spare_count * j->segment_bytes;
	out->segments = (unsigned)j->count;
	out->full = j->full || j->failed;
	if (j->io.space(j->io.ctx, j->dirfd, &out->free_bytes) == -1)
		out->free_bytes = 0;
}

/* --- making and deleting -----------------------------------------------------------------------
 */
/* A file named NUMBER.new, from a spare if there is one. */
static int
open_new_file(struct journal *j, struct segment *s, const char *name)
{
	char old[NAME_SIZE];
	uint64_t size = 0;
	int fd = -1;

	if (j->spare_count > 0) {
		segment_name(old, j->spares[j->spare_count - 1], "old");
		j->spare_count--;
		if (j->io.rename(j->io.ctx, j->dirfd, old, name) == 0)
			fd = j->io.open(j->io.ctx, j->dirfd, name, O_RDWR);
		if (fd != -1 && j->io.size(j->io.ctx, fd, &size) == -1)
			size = 0;
		if (size > JOURNAL_SEGMENT_MAX)
			size = 0;
	}
	if (fd == -1)
		fd = j->io.open(j->io.ctx, j->dirfd, name, O_RDWR | O_CREAT | O_TRUNC);
	if (fd == -1)
		return io_error(j, errno);
	s->fd = fd;
	s->filled = (uint32_t)size;
	return 0;
}

static int
write_header(struct journal *j, struct segment *s, uint64_t prev, uint32_t prev_end, bool cut)
{
	uint8_t page[JOURNAL_HEADER_SIZE] = { 0 };
	struct iovec v = { page, sizeof(page) };
	struct journal_segment_header h = {
		.number = s->number,
		.salt = s->salt,
		.prev = prev,
		.prev_end = prev_end,
		.prev_cut = cut,
		.first_seq = s->first_seq,
	};

	memcpy(h.kind, j->kind, sizeof(h.kind));
	journal_header_encode(page, &h);
	if (s->filled < sizeof(page))
		s->filled = sizeof(page);
	return write_all(j, s->fd, &v, 1, 0);
}

/* Writes, fills and syncs NUMBER.new. */
static int
prepare_new_file(struct journal *j, struct segment *s, const char *name, uint64_t prev,
    uint32_t prev_end, bool cut)
{
	int r;

	if (j->io.random(j->io.ctx, &s->salt, sizeof(s->salt)) == -1)
		return JOURNAL_EIO;
	r = open_new_file(j, s, name);
	if (r != 0)
		return r;
	r = write_header(j, s, prev, prev_end, cut);
	if (r == 0 && s->filled < j->fill_step)
		r = fill_to(j, s, (uint32_t)j->fill_step);
	if (r == 0 && j->io.fdatasync(j->io.ctx, s->fd) == -1)
		r = io_error(j, errno);
	return r;
}

int
segment_roll(struct journal *j, uint32_t prev_end, bool cut)
{
	char new_name[NAME_SIZE], name[NAME_SIZE];
	struct segment *prev = j->cur, tmp = { .fd = -1 }, *s;
	int r;

	tmp.number = j->next_number;
	if (tmp.number > UINT32_MAX)
		return JOURNAL_LIMIT;
	tmp.first_seq = j->next_seq;
	tmp.cuts = cut && prev ? prev->number : 0;
	tmp.end = JOURNAL_HEADER_SIZE;
	segment_name(new_name, tmp.number, "new");
	segment_name(name, tmp.number, "seg");
	r = prepare_new_file(
	    j, &tmp, new_name, prev ? prev->number : 0, prev ? prev_end : 0, cut && prev);
	if (r == JOURNAL_FULL && j->reserve_held && cut) {
		/* Nothing can be written before there is a new segment: this is urgent. */
		j->io.close(j->io.ctx, tmp.fd);
		tmp.fd = -1;
		j->full = true;
		reserve_release(j);
		r = prepare_new_file(
		    j, &tmp, new_name, prev ? prev->number : 0, prev ? prev_end : 0, cut && prev);
	}
	if (r == 0 && j->io.rename(j->io.ctx, j->dirfd, new_name, name) == -1)
		r = io_error(j, errno);
	if (r != 0) {
		if (tmp.fd != -1)
			j->io.close(j->io.ctx, tmp.fd);
		j->io.unlink(j->io.ctx, j->dirfd, new_name);
		return r;
	}
	if (j->io.sync_dir(j->io.ctx, j->dirfd) == -1) {
		/* Whether the file will be there after a crash is not known, and it says where
		 * the one before ends: neither can be written to. */
		j->io.close(j->io.ctx, tmp.fd);
		j->failed = true;
		return JOURNAL_FAILED;
	}
	s = segment_add(j, tmp.number);
	tmp.used_at = ++j->clock;
	*s = tmp;
	j->open_fds++;
	if (prev)
		prev->end = prev_end;
	j->cur = s;
	j->synced_end = s->end;
	return 0;
}

static void
unpin(struct journal *j, struct segment *s)
{
	for (size_t i = 0; i < s->pin_count; i++)
		live_subtract(j, s->pins[i].in, s->pins[i].bytes);
}

int
segment_delete(struct journal *j, struct segment *s)
{
	char name[NAME_SIZE], old[NAME_SIZE];
	bool spare = !j->full && j->spare_count < j->spare_max && s->filled >= j->segment_bytes / 2;
	int r;

	segment_name(name, s->number, "seg");
	segment_name(old, s->number, "old");
	r = spare ? j->io.rename(j->io.ctx, j->dirfd, name, old)
		  : j->io.unlink(j->io.ctx, j->dirfd, name);
	if (r == -1) {
		s->held = true;
		return JOURNAL_EIO;
	}
	if (j->io.sync_dir(j->io.ctx, j->dirfd) == -1) {
		/* It may come back after a crash: nothing that depends on its absence may go. */
		j->failed = true;
		return JOURNAL_FAILED;
	}
	if (spare)
		j->spares[j->spare_count++] = s->number;
	unpin(j, s);
	segment_remove(j, s);
	return 0;
}

/* --- counting ----------------------------------------------------------------------------------
 */
void
live_subtract(struct journal *j, uint64_t segment, uint64_t bytes)
{
	struct segment *s = segment_find(j, segment);

	if (s == NULL)
		return;
	s->live = s->live > bytes ? s->live - bytes : 0;
	j->compact_hint = true;
}

void
segment_pin(struct segment *target, uint64_t in, uint64_t bytes)
{
	for (size_t i = target->pin_count; i > 0; i--) {
		if (target->pins[i - 1].in == in) {
			target->pins[i - 1].bytes += bytes;
			return;
		}
	}
	if (target->pin_count == target->pin_cap) {
		target->pin_cap = target->pin_cap ? target->pin_cap * 2 : 4;
		target->pins = xrealloc(target->pins, target->pin_cap * sizeof(struct pin));
	}
	target->pins[target->pin_count++] = (struct pin){ in, bytes };
}

void
segment_count_record(struct journal *j, const struct journal_record_header *h, struct segment *s,
    uint32_t size, bool count_kill)
{
	struct segment *target;

	if (h->about.pos == 0) {
		s->live += size;
		return;
	}
	if ((h->flags & JOURNAL_F_KILL) && count_kill)
		live_subtract(j, journal_pos_segment(h->about.pos), h->about.size);
	target = segment_find(j, journal_pos_segment(h->about.pos));
	if (target == NULL || target == s)
		return;
	s->live += size;
	segment_pin(target, s->number, size);
}
