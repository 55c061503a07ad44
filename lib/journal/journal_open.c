/* SPDX-License-Identifier: ISC */
/* Opening a journal: which files count, where segments end, what they hold. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "journal/journal_priv.h"

struct found {
	uint64_t number;
	char kind; /* first letter of the suffix: s, n, o, b (big or bad: second letter) */
	char second;
};

struct listing {
	struct found *v;
	size_t count, cap;
};

static void
list_name(void *arg, const char *name)
{
	struct listing *l = arg;
	char *end;
	uint64_t number;

	if (strlen(name) != 20 || name[16] != '.')
		return;
	number = strtoull(name, &end, 16);
	if (end != name + 16)
		return;
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->count++] = (struct found){ number, name[17], name[18] };
}

static int
found_order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static void
set_aside(struct journal *j, struct segment *s)
{
	char name[NAME_SIZE], bad[NAME_SIZE];

	damage_report(j, s->number, 0, s->filled, "segment header; file set aside as .bad");
	segment_name(name, s->number, "seg");
	segment_name(bad, s->number, "bad");
	j->io.rename(j->io.ctx, j->dirfd, name, bad);
}

/* Reads the header of a segment; *bad: not to be used. */
static int
load_header(struct journal *j, struct segment *s, struct journal_segment_header *h, bool *bad)
{
	uint8_t head[JOURNAL_HEADER_USED];
	uint64_t size;
	size_t got;
	int r;

	*bad = false;
	if (segment_fd(j, s) != 0 || j->io.size(j->io.ctx, s->fd, &size) == -1)
		return JOURNAL_EIO;
	s->filled = size > JOURNAL_SEGMENT_MAX ? JOURNAL_SEGMENT_MAX : (uint32_t)size;
	r = read_all(j, s->fd, head, sizeof(head), 0, &got);
	if (r != 0)
		return r;
	r = got < sizeof(head) ? JOURNAL_DAMAGED : journal_header_decode(head, h);
	if (r == JOURNAL_NEWER)
		return r;
	if (r != 0 || h->number != s->number || s->filled < JOURNAL_HEADER_SIZE) {
		*bad = true;
		return 0;
	}
	if (memcmp(h->kind, j->kind, sizeof(j->kind)) != 0)
		return JOURNAL_KIND;
	s->salt = h->salt;
	s->first_seq = h->first_seq;
	if (j->next_seq < h->first_seq)
		j->next_seq = h->first_seq;
	return 0;
}

/* h knows where an older segment ends. */
static void
note_end(struct journal *j, struct segment *s, const struct journal_segment_header *h)
{
	struct segment *prev = h->prev < s->number ? segment_find(j, h->prev) : NULL;

	if (prev == NULL || h->prev_end < JOURNAL_HEADER_SIZE || h->prev_end > prev->filled)
		return;
	prev->end = h->prev_end;
	if (h->prev_cut)
		s->cuts = prev->number;
}

static int
load_segments(struct journal *j, bool *any_bad)
{
	*any_bad = false;
	for (size_t i = 0; i < j->count;) {
		struct segment *s = j->segments[i];
		struct journal_segment_header h;
		bool bad;
		int r = load_header(j, s, &h, &bad);

		if (r != 0)
			return r;
		if (bad) {
			*any_bad = true;
			set_aside(j, s);
			segment_remove(j, s);
			continue;
		}
		note_end(j, s, &h);
		i++;
	}
	return 0;
}

static int
list_files(struct journal *j)
{
	struct listing l = { 0 };
	char name[NAME_SIZE];

	if (j->io.list(j->io.ctx, j->dirfd, list_name, &l) == -1) {
		free(l.v);
		return JOURNAL_EIO;
	}
	if (l.count)
		qsort(l.v, l.count, sizeof(*l.v), found_order);
	for (size_t i = 0; i < l.count; i++) {
		const struct found *f = &l.v[i];

		if (f->kind == 's' && f->number > 0 && f->number <= UINT32_MAX) {
			segment_add(j, f->number);
		} else if (f->kind == 'o' && j->spare_count < j->spare_max) {
			j->spares[j->spare_count++] = f->number;
		} else if (f->kind == 'n' || f->kind == 'o') {
			segment_name(name, f->number, f->kind == 'n' ? "new" : "old");
			j->io.unlink(j->io.ctx, j->dirfd, name);
		} else if (f->kind == 'b' && f->second == 'i' && f->number >= j->next_large &&
			   f->number < UINT64_MAX) {
			j->next_large = f->number + 1;
		} else if (f->kind == 'b' && f->second == 'a' && f->number >= j->next_number &&
			   f->number < UINT32_MAX) {
			j->next_number = f->number + 1;
		}
	}
	free(l.v);
	return 0;
}

static int
recover_record(void *arg, const struct journal_record *r, const struct journal_record_header *h)
{
	struct journal *j = arg;
	struct segment *s = segment_find(j, journal_pos_segment(r->ref.pos));

	segment_count_record(j, h, s, r->ref.size, true);
	if (r->seq >= j->next_seq)
		j->next_seq = r->seq + 1;
	if (r->large_id >= j->next_large && r->large_id < UINT64_MAX)
		j->next_large = r->large_id + 1;
	if (j->on_record)
		j->on_record(j->arg, r);
	return 0;
}

static int
recover_segments(struct journal *j, struct segment_tail *tail)
{
	struct segment_tail t;
	bool damaged;

	for (size_t i = 0; i < j->count; i++) {
		struct segment *s = j->segments[i];
		int r = 0;

		if (s->number < j->resumed) {
			s->end = s->known;
			s->known = 0;
			continue;
		}
		t = (struct segment_tail){ s->end, s->end, false };
		if (s->end == 0)
			r = segment_find_end(j, s, &t);
		s->end = t.end;
		*tail = t;
		if (r == 0 && s->end < s->known)
			return JOURNAL_STALE;
		if (r == 0)
			r = segment_scan(j, s, s->end, &damaged, recover_record, j);
		s->known = 0;
		if (r != 0)
			return r;
		s->held = damaged;
	}
	return 0;
}

/*
 * What the last process wrote but did not sync was shown to the owner, so it must stay. It is
 * written once more, because after a sync that failed the kernel may show what it will never write.
 */
static int
rewrite_tail(struct journal *j, const struct segment_tail *t)
{
	size_t n = t->end - t->synced, got;
	uint8_t *p = xmalloc(n + 1);
	struct iovec v = { p, n };
	int r;

	r = read_all(j, j->cur->fd, p, n, t->synced, &got);
	if (r == 0)
		r = got == n ? write_all(j, j->cur->fd, &v, 1, t->synced) : JOURNAL_EIO;
	if (r == 0 && j->io.fdatasync(j->io.ctx, j->cur->fd) == -1)
		r = JOURNAL_EIO;
	free(p);
	return r;
}

static int
settle(struct journal *j, bool new_segment, const struct segment_tail *t)
{
	int r;

	if (j->count > 0) {
		j->cur = j->segments[j->count - 1];
		j->synced_end = j->cur->end;
		r = segment_fd(j, j->cur);
		if (r == 0)
			r = rewrite_tail(j, t);
		if (r != 0)
			return r;
	}
	if (j->io.sync_dir(j->io.ctx, j->dirfd) == -1)
		return JOURNAL_EIO;
	reserve_build(j);
	if (j->cur == NULL || new_segment || t->junk)
		return segment_roll(j, j->cur ? j->cur->end : 0, t->junk);
	return 0;
}

static int
take_lock(struct journal *j)
{
	j->lock_fd = j->io.open(j->io.ctx, j->dirfd, "lock", O_RDWR | O_CREAT);
	if (j->lock_fd == -1)
		return JOURNAL_EIO;
	return j->io.lock(j->io.ctx, j->lock_fd) == -1 ? JOURNAL_BUSY : 0;
}

static struct journal *
journal_alloc(int dirfd, const struct journal_options *o)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->io = o->io ? *o->io : journal_io_real;
	j->dirfd = dirfd;
	j->lock_fd = -1;
	memcpy(j->kind, o->kind, strnlen(o->kind, sizeof(j->kind)));
	j->segment_bytes = o->segment_bytes ? o->segment_bytes : SEGMENT_BYTES_DEFAULT;
	j->fill_step = o->fill_step ? o->fill_step : FILL_STEP_DEFAULT;
	j->reserve_bytes = o->reserve_bytes;
	j->spare_max = o->spare_max;
	j->spares = xcalloc(o->spare_max + 1, sizeof(*j->spares));
	j->on_record = o->on_record;
	j->on_damage = o->on_damage;
	j->arg = o->arg;
	j->next_number = j->next_seq = j->next_large = 1;
	j->compact_hint = true;
	buf_init(&j->batch.bytes, BATCH_HEADS_MAX);
	return j;
}

int
journal_open(int dirfd, const struct journal_options *o, struct journal **out)
{
	struct journal *j = journal_alloc(dirfd, o);
	struct segment_tail tail = { 0 };
	bool any_bad = false;
	int r;

	*out = NULL;
	r = take_lock(j);
	if (r == 0)
		r = list_files(j);
	if (r == 0)
		r = load_segments(j, &any_bad);
	if (r == 0 && o->resume != NULL)
		r = any_bad ? JOURNAL_STALE : journal_resume(j, o);
	if (r == 0)
		r = recover_segments(j, &tail);
	if (r == 0)
		r = settle(j, any_bad, &tail);
	if (r == 0) {
		*out = j;
		j = NULL;
	}
	journal_close(&j);
	return r;
}

void
journal_close(struct journal **jp)
{
	struct journal *j = *jp;

	if (j == NULL)
		return;
	batch_reset(j);
	segments_free(j);
	if (j->lock_fd != -1)
		j->io.close(j->io.ctx, j->lock_fd);
	buf_free(&j->batch.bytes);
	free(j->batch.entries);
	free(j->batch.iov);
	free(j->batch.out);
	free(j->batch.large);
	free(j->spares);
	free(j);
	*jp = NULL;
}
