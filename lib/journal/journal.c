/* SPDX-License-Identifier: ISC */
#include "journal/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "journal/journal_priv.h"

/* --- the batch ---------------------------------------------------------------------------------
 */
void
batch_reset(struct journal *j)
{
	struct batch *b = &j->batch;

	buf_clear(&b->bytes);
	for (size_t i = 0; i < b->large_count; i++)
		large_discard(b->large[i]);
	b->large_count = 0;
	b->count = 0;
	b->iov_count = 0;
	b->size = 0;
}

void
batch_drop(struct journal *j)
{
	j->next_seq -= j->batch.count;
	batch_reset(j);
}

/* Room for n more things of the given size. */
static void *
grow(void *p, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return p;
	*cap = need * 2 < 16 ? 16 : need * 2;
	return xrealloc(p, *cap * size);
}

static void
batch_add(struct journal *j, const struct journal_write *w, const struct journal_record_header *h,
    uint32_t size)
{
	struct batch *b = &j->batch;
	struct entry *e;
	uint8_t *p;

	b->entries = grow(b->entries, &b->cap, b->count + 1, sizeof(*b->entries));
	e = &b->entries[b->count++];
	e->off = buf_len(&b->bytes);
	e->head_len = JOURNAL_RECORD_HEADER + h->meta_len;
	e->pad = size - e->head_len - (h->large_id ? 0 : (uint32_t)h->content_len);
	e->iov_first = b->iov_count;
	e->iov_count = h->large_id ? 0 : w->content_n;
	p = buf_reserve(&b->bytes, e->head_len);
	journal_record_encode(p, h, j->cur->salt);
	if (h->meta_len)
		memcpy(p + JOURNAL_RECORD_HEADER, w->meta, h->meta_len);
	buf_commit(&b->bytes, e->head_len);
	b->iov = grow(b->iov, &b->iov_cap, b->iov_count + (size_t)e->iov_count, sizeof(*b->iov));
	for (int i = 0; i < e->iov_count; i++)
		b->iov[b->iov_count++] = w->content[i];
	if (w->large) {
		b->large = grow(b->large, &b->large_cap, b->large_count + 1, sizeof(*b->large));
		b->large[b->large_count++] = w->large;
	}
	b->size += size;
}

static int
header_of(const struct journal *j, const struct journal_write *w, const struct large_ref *large,
    struct journal_record_header *h)
{
	if (w->meta_len > JOURNAL_META_MAX)
		return JOURNAL_LIMIT;
	memset(h, 0, sizeof(*h));
	h->type = w->type;
	h->flags = w->kill ? JOURNAL_F_KILL : 0;
	h->meta_len = (uint32_t)w->meta_len;
	h->meta_crc = journal_crc(0, w->meta, w->meta_len);
	h->about = w->about;
	h->seq = j->next_seq;
	h->synced_end = j->synced_end;
	if (large) {
		h->large_id = large->id;
		h->content_len = large->size;
		h->content_crc = large->crc;
		return 0;
	}
	for (int i = 0; i < w->content_n; i++) {
		h->content_len += w->content[i].iov_len;
		if (h->content_len > JOURNAL_INLINE_MAX)
			return JOURNAL_LIMIT;
		h->content_crc =
		    journal_crc(h->content_crc, w->content[i].iov_base, w->content[i].iov_len);
	}
	return 0;
}

int
append_record(struct journal *j, const struct journal_write *w, const struct large_ref *large,
    bool count_kill, struct journal_ref *out)
{
	struct journal_record_header h;
	uint32_t size, off;
	int r;

	if (j->failed)
		return JOURNAL_FAILED;
	if (j->full && !w->urgent)
		return JOURNAL_FULL;
	r = header_of(j, w, large, &h);
	if (r != 0)
		return r;
	size = journal_record_extent(&h);
	off = j->cur->end + j->batch.size;
	if ((uint64_t)off + size > JOURNAL_SEGMENT_MAX ||
	    buf_room(&j->batch.bytes) < JOURNAL_RECORD_HEADER + w->meta_len)
		return JOURNAL_LIMIT;
	r = segment_fill(j, off + size, w->urgent);
	if (r != 0)
		return r;
	batch_add(j, w, &h, size);
	j->next_seq++;
	segment_count_record(j, &h, j->cur, size, count_kill);
	out->pos = journal_pos_make(j->cur->number, off);
	out->size = size;
	return 0;
}

int
journal_append(struct journal *j, const struct journal_write *w, struct journal_ref *out)
{
	struct large_ref large;

	if (w->large == NULL)
		return append_record(j, w, NULL, true, out);
	large = (struct large_ref){ w->large->id, w->large->size, w->large->crc };
	return append_record(j, w, &large, true, out);
}

size_t
journal_batch_bytes(const struct journal *j)
{
	return j->batch.size;
}

bool
journal_dirty(const struct journal *j)
{
	return j->batch.count > 0 || j->cur->end != j->synced_end;
}

/* --- writing -----------------------------------------------------------------------------------
 */
static size_t
batch_iov(struct batch *b)
{
	static const uint8_t zeros[8];
	size_t n = 0;

	b->out = grow(b->out, &b->out_cap, b->count * 2 + b->iov_count, sizeof(*b->out));
	for (size_t i = 0; i < b->count; i++) {
		const struct entry *e = &b->entries[i];
		uint8_t *p = b->bytes.data + b->bytes.off + e->off;

		b->out[n++] = (struct iovec){ p, e->head_len };
		for (int k = 0; k < e->iov_count; k++)
			b->out[n++] = b->iov[e->iov_first + (size_t)k];
		if (e->pad)
			b->out[n++] = (struct iovec){ (void *)(uintptr_t)zeros, e->pad };
	}
	return n;
}

static void
mark_last(struct journal *j)
{
	struct batch *b = &j->batch;
	uint8_t *p = b->bytes.data + b->bytes.off + b->entries[b->count - 1].off;
	struct journal_record_header h;

	journal_record_decode(p, &h, j->cur->salt);
	h.flags |= JOURNAL_F_LAST;
	journal_record_encode(p, &h, j->cur->salt);
}

static void
batch_written(struct journal *j)
{
	struct batch *b = &j->batch;

	j->cur->end += b->size;
	for (size_t i = 0; i < b->large_count; i++) {
		j->io.close(j->io.ctx, b->large[i]->fd);
		free(b->large[i]);
	}
	b->large_count = 0;
	batch_reset(j);
}

/* Writes the batch into the file, without syncing it. */
static int
write_batch(struct journal *j)
{
	size_t n;
	int r;

	if (j->batch.count == 0)
		return 0;
	r = large_sync(j);
	if (r != 0)
		return r;
	mark_last(j);
	n = batch_iov(&j->batch);
	r = write_all(j, j->cur->fd, j->batch.out, n, j->cur->end);
	if (r == 0)
		batch_written(j);
	return r;
}

/* Everything since the last sync is given up: cut it off, go on in a new segment. */
static int
abandon(struct journal *j, int why)
{
	batch_reset(j);
	if (why == JOURNAL_FULL)
		j->full = true;
	if (segment_roll(j, j->synced_end, true) == 0)
		return why;
	j->failed = true;
	return JOURNAL_FAILED;
}

int
journal_commit(struct journal *j)
{
	int r;

	if (j->failed)
		return JOURNAL_FAILED;
	if (!journal_dirty(j))
		return 0;
	r = write_batch(j);
	if (r == 0 && j->io.fdatasync(j->io.ctx, j->cur->fd) == -1)
		r = io_error(j, errno);
	if (r != 0)
		return abandon(j, r);
	j->synced_end = j->cur->end;
	/* Failing to begin a new segment is no failure of this commit: the old one serves on
	 * (unless that made the whole journal fail, which the next call tells). */
	if (j->cur->end >= j->segment_bytes)
		(void)segment_roll(j, j->cur->end, false);
	return 0;
}

int
journal_flush(struct journal *j)
{
	int r;

	if (j->failed)
		return JOURNAL_FAILED;
	if (j->cur->end >= j->segment_bytes)
		return journal_commit(j);
	r = write_batch(j);
	return r == 0 ? 0 : abandon(j, r);
}

void
journal_dead(struct journal *j, struct journal_ref ref)
{
	live_subtract(j, journal_pos_segment(ref.pos), ref.size);
}

/* --- reading -----------------------------------------------------------------------------------
 */
enum { READ_GUESS = 4096 + 512 };

static int
read_bytes(struct journal *j, struct segment *s, uint32_t off, size_t n, struct buf *scratch)
{
	size_t have = buf_len(scratch), got;
	uint8_t *p;
	int r;

	if (n <= have)
		return 0;
	if (n > s->end - off)
		return JOURNAL_DAMAGED;
	p = buf_reserve(scratch, n - have);
	if (p == NULL)
		return JOURNAL_LIMIT;
	r = read_all(j, s->fd, p, n - have, off + have, &got);
	if (r != 0)
		return r;
	if (got < n - have)
		return JOURNAL_DAMAGED;
	buf_commit(scratch, got);
	return 0;
}

static int
read_record(struct journal *j, struct segment *s, uint32_t off, uint32_t size, bool with_content,
    struct buf *scratch, struct journal_record_header *h)
{
	const uint8_t *p;
	size_t first = size ? size : READ_GUESS, need;
	int r;

	if (!with_content && first > READ_GUESS)
		first = READ_GUESS;
	if (first > s->end - off)
		first = s->end - off;
	if (first < JOURNAL_RECORD_HEADER)
		return JOURNAL_GONE;
	r = read_bytes(j, s, off, first, scratch);
	if (r != 0)
		return r;
	if (!journal_record_decode(buf_data(scratch), h, s->salt))
		return JOURNAL_DAMAGED;
	need = JOURNAL_RECORD_HEADER + h->meta_len;
	if (with_content && !h->large_id)
		need += (size_t)h->content_len;
	r = read_bytes(j, s, off, need, scratch);
	if (r != 0)
		return r;
	p = buf_data(scratch) + JOURNAL_RECORD_HEADER;
	if (journal_crc(0, p, h->meta_len) != h->meta_crc)
		return JOURNAL_DAMAGED;
	if (with_content && !h->large_id &&
	    journal_crc(0, p + h->meta_len, (size_t)h->content_len) != h->content_crc)
		return JOURNAL_DAMAGED;
	return 0;
}

int
journal_read(struct journal *j, struct journal_ref ref, struct buf *scratch,
    struct journal_record *r, const uint8_t **content)
{
	struct segment *s = segment_find(j, journal_pos_segment(ref.pos));
	uint32_t off = journal_pos_offset(ref.pos);
	struct journal_record_header h;
	int ret;

	buf_clear(scratch);
	if (s == NULL || off < JOURNAL_HEADER_SIZE || off >= s->end)
		return JOURNAL_GONE;
	if (segment_fd(j, s) != 0)
		return JOURNAL_EIO;
	ret = read_record(j, s, off, ref.size, content != NULL, scratch, &h);
	if (ret == JOURNAL_DAMAGED)
		damage_report(j, s->number, off, ref.size, "record");
	if (ret != 0)
		return ret;
	*r = (struct journal_record){
		.type = h.type,
		.kill = (h.flags & JOURNAL_F_KILL) != 0,
		.ref = { ref.pos, journal_record_extent(&h) },
		.about = h.about,
		.seq = h.seq,
		.meta = buf_data(scratch) + JOURNAL_RECORD_HEADER,
		.meta_len = h.meta_len,
		.content_len = h.content_len,
		.content_crc = h.content_crc,
		.large_id = h.large_id,
	};
	if (content)
		*content = h.large_id ? NULL : r->meta + r->meta_len;
	return 0;
}
