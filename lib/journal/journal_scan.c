/* SPDX-License-Identifier: ISC */
/* Reading segments from one end to the other: recovery, compaction. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "journal/journal_priv.h"

enum {
	/* Several usual messages cost one read; of a long one not much is read in vain. */
	SCAN_READ_MIN = 16 * 1024,
	SEARCH_READ_MIN = 256 * 1024,
};

void
reader_init(struct reader *r, struct journal *j, int fd, size_t min)
{
	memset(r, 0, sizeof(*r));
	r->j = j;
	r->fd = fd;
	r->min = min;
}

void
reader_free(struct reader *r)
{
	free(r->data);
	r->data = NULL;
}

const uint8_t *
reader_get(struct reader *r, uint64_t off, size_t n, int *err)
{
	size_t want = n > r->min ? n : r->min;

	if (off >= r->off && off + n <= r->off + r->len)
		return r->data + (off - r->off);
	if (want > r->cap) {
		r->data = xrealloc(r->data, want);
		r->cap = want;
	}
	r->off = off;
	r->len = 0;
	*err = read_all(r->j, r->fd, r->data, want, off, &r->len);
	return *err == 0 && r->len >= n ? r->data : NULL;
}

void
damage_report(struct journal *j, uint64_t segment, uint64_t off, uint64_t len, const char *what)
{
	struct journal_damage d = { segment, off, len, what };

	if (j->on_damage)
		j->on_damage(j->arg, &d);
}

/* A good header at off whose record ends at or below end. */
static bool
header_at(struct reader *r, const struct segment *s, uint64_t off, uint64_t end,
    struct journal_record_header *h, int *err)
{
	const uint8_t *p;

	if (off + JOURNAL_RECORD_HEADER > end)
		return false;
	p = reader_get(r, off, JOURNAL_RECORD_HEADER, err);
	return p && journal_record_decode(p, h, s->salt) && off + journal_record_extent(h) <= end;
}

/* The first good header at off or above; end when there is none. */
static uint64_t
next_header(struct reader *r, const struct segment *s, uint64_t off, uint64_t end, int *err)
{
	struct journal_record_header h;

	for (off = (off + 7) & ~(uint64_t)7; off < end && *err == 0; off += 8)
		if (header_at(r, s, off, end, &h, err))
			return off;
	return end;
}

static bool
content_good(struct reader *r, uint64_t off, const struct journal_record_header *h, int *err)
{
	uint32_t crc = 0;
	uint64_t left = h->large_id ? 0 : h->content_len;

	if (h->large_id)
		return true;
	while (left > 0) {
		size_t n = left < r->min ? (size_t)left : r->min;
		const uint8_t *p = reader_get(r, off, n, err);

		if (p == NULL)
			return false;
		crc = journal_crc(crc, p, n);
		off += n;
		left -= n;
	}
	return crc == h->content_crc;
}

static void
fill_record(struct journal_record *rec, const struct journal_record_header *h,
    const struct segment *s, uint64_t off, const uint8_t *meta)
{
	rec->type = h->type;
	rec->kill = (h->flags & JOURNAL_F_KILL) != 0;
	rec->ref.pos = journal_pos_make(s->number, (uint32_t)off);
	rec->ref.size = journal_record_extent(h);
	rec->about = h->about;
	rec->seq = h->seq;
	rec->meta = meta;
	rec->meta_len = h->meta_len;
	rec->content_len = h->content_len;
	rec->content_crc = h->content_crc;
	rec->large_id = h->large_id;
}

/* The record at off, shown to fn if its meta is good. */
static int
scan_one(struct reader *r, struct segment *s, uint64_t off, const struct journal_record_header *h,
    bool *damaged, scan_fn *fn, void *arg)
{
	struct journal_record rec;
	const uint8_t *p;
	int err = 0;

	p = reader_get(r, off, JOURNAL_RECORD_HEADER + h->meta_len, &err);
	if (p == NULL)
		return err ? err : JOURNAL_DAMAGED;
	p += JOURNAL_RECORD_HEADER;
	if (journal_crc(0, p, h->meta_len) != h->meta_crc) {
		*damaged = true;
		damage_report(r->j, s->number, off, journal_record_extent(h), "record's meta");
		return 0;
	}
	fill_record(&rec, h, s, off, p);
	return fn(arg, &rec, h);
}

int
segment_scan(
    struct journal *j, struct segment *s, uint32_t end, bool *damaged, scan_fn *fn, void *arg)
{
	struct journal_record_header h;
	uint64_t off = s->known != 0 ? s->known : JOURNAL_HEADER_SIZE, next, seq = s->first_seq;
	struct reader r;
	int err = 0, ret = 0;

	*damaged = false;
	if (segment_fd(j, s) != 0)
		return JOURNAL_EIO;
	reader_init(&r, j, s->fd, SCAN_READ_MIN);
	while (off < end && ret == 0) {
		if (header_at(&r, s, off, end, &h, &err) && h.seq >= seq) {
			ret = scan_one(&r, s, off, &h, damaged, fn, arg);
			seq = h.seq + 1;
			off += journal_record_extent(&h);
			continue;
		}
		if (err)
			break;
		r.min = SEARCH_READ_MIN;
		next = next_header(&r, s, off + 8, end, &err);
		r.min = SCAN_READ_MIN;
		*damaged = true;
		damage_report(j, s->number, off, next - off, "record header");
		off = next;
	}
	reader_free(&r);
	return err ? err : ret;
}

/* The highest synced end any good record tells, and where the last good header is. */
static int
find_synced(struct reader *r, struct segment *s, uint64_t size, uint32_t *synced, uint64_t *last)
{
	struct journal_record_header h;
	uint64_t off = JOURNAL_HEADER_SIZE;
	int err = 0;

	*synced = JOURNAL_HEADER_SIZE;
	*last = 0;
	while ((off = next_header(r, s, off, size, &err)) < size && err == 0) {
		if (!header_at(r, s, off, size, &h, &err))
			break;
		if (h.synced_end > *synced && h.synced_end <= off)
			*synced = h.synced_end;
		*last = off;
		off += journal_record_extent(&h);
	}
	return err;
}

int
segment_find_end(struct journal *j, struct segment *s, struct segment_tail *t)
{
	struct journal_record_header h;
	uint64_t off, last, seq = 0;
	struct reader r;
	const uint8_t *p;
	int err;

	if (segment_fd(j, s) != 0)
		return JOURNAL_EIO;
	reader_init(&r, j, s->fd, SEARCH_READ_MIN);
	err = find_synced(&r, s, s->filled, &t->synced, &last);
	off = t->end = t->synced;
	while (err == 0 && header_at(&r, s, off, s->filled, &h, &err)) {
		if (h.seq < s->first_seq || (seq != 0 && h.seq != seq))
			break;
		seq = h.seq + 1;
		p = reader_get(&r, off, JOURNAL_RECORD_HEADER + h.meta_len, &err);
		if (p == NULL ||
		    journal_crc(0, p + JOURNAL_RECORD_HEADER, h.meta_len) != h.meta_crc ||
		    !content_good(&r, off + JOURNAL_RECORD_HEADER + h.meta_len, &h, &err))
			break;
		off += journal_record_extent(&h);
		if (h.flags & JOURNAL_F_LAST)
			t->end = (uint32_t)off;
	}
	t->junk = last >= t->end;
	reader_free(&r);
	return err;
}
