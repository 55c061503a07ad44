/* SPDX-License-Identifier: ISC */
/* The content of messages, read. What is compressed is restored: small ones in memory, large ones into a file
 * without a name, so that their size is the disk's matter and not the memory's. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mailbox/store_priv.h"

/* --- buffers for small ones --------------------------------------------------------------------
 */

static struct buf *
scratch_take(struct store *s)
{
	struct buf *b = s->spare;

	s->spare = NULL;
	if (b == NULL) {
		b = xmalloc(sizeof(*b));
		buf_init(b, JOURNAL_INLINE_MAX + JOURNAL_META_MAX);
	}
	return b;
}

static void
scratch_give(struct store *s, struct buf *b)
{
	enum { KEEP = 32 * 1024 }; /* most messages; a large one's memory goes back */

	if (s->spare == NULL && b->cap <= KEEP) {
		buf_clear(b);
		s->spare = b;
		return;
	}
	buf_free(b);
	free(b);
}

/* --- as stored ---------------------------------------------------------------------------------
 */

static int
map_file(int fd, size_t n, struct store_content *out)
{
	void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED)
		return STORE_TROUBLE;
	*out = (struct store_content){ p, n, NULL, n };
	return 0;
}

static int
map_large(struct store *s, const struct journal_record *r, struct store_content *out)
{
	int fd, e = journal_large_open(s->j, r, &fd);

	if (e != 0)
		return store_error(s, e);
	e = map_file(fd, (size_t)r->content_len, out);
	close(fd);
	return e;
}

bool
store_stored_good(struct store *s, uint32_t index)
{
	struct store_content stored;
	struct journal_record r;
	struct buf scratch;
	bool good = false;

	buf_init(&scratch, JOURNAL_RECORD_MAX);
	if (journal_read(s->j, model_content_ref(s->m, index), &scratch, &r, NULL) == 0 &&
	    r.large_id != 0 && map_large(s, &r, &stored) == 0) {
		good = journal_crc(0, stored.p, stored.n) == r.content_crc;
		store_content_release(s, &stored);
	}
	buf_free(&scratch);
	return good;
}

/* --- restored ----------------------------------------------------------------------------------
 */

struct pack *
store_pack(struct store *s)
{
	if (s->pack == NULL)
		s->pack = pack_new();
	return s->pack;
}

void
store_unpacked_forget(struct store *s)
{
	if (s->unpacked.email != 0)
		close(s->unpacked.fd);
	s->unpacked.email = 0;
	pack_free(&s->pack);
}

/* What cannot be restored is kept aside like all damage. */
static int
damaged(struct store *s, const struct rec_arrival *a)
{
	store_report(s, "what=damage email=%llu detail=\"compressed content\"",
	    (unsigned long long)a->email);
	s->damaged = true;
	return STORE_DAMAGED;
}

static int
unpack_small(
    struct store *s, const struct rec_arrival *a, struct str stored, struct store_content *out)
{
	struct buf *b;
	uint8_t *to;

	if (a->size > JOURNAL_INLINE_MAX)
		return damaged(s, a);
	b = scratch_take(s);
	to = buf_reserve(b, a->size);
	if (to == NULL || pack_restore(store_pack(s), stored, to, a->size) != 0) {
		scratch_give(s, b);
		return damaged(s, a);
	}
	buf_commit(b, a->size);
	*out = (struct store_content){ to, a->size, b, 0 };
	return 0;
}

/* A file that has no name any more. */
static int
nameless(struct store *s)
{
	int fd;

	unlinkat(s->config.dirfd, STORE_UNPACKED, 0);
	fd = openat(s->config.dirfd, STORE_UNPACKED, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		unlinkat(s->config.dirfd, STORE_UNPACKED, 0);
	return fd;
}

static int
write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno != EINTR)
			return -1;
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
	return 0;
}

/* 0, STORE_FULL when the disk does not take it, -1: damaged. */
static int
unpack_into(struct store *s, struct str stored, size_t size, int fd)
{
	uint8_t *piece = xmalloc(PACK_FRAME);
	ptrdiff_t n;
	int e = 0;

	while (e == 0 && (n = pack_next(store_pack(s), &stored, piece,
			      size < PACK_FRAME ? size : PACK_FRAME)) != 0) {
		if (n < 0)
			e = -1;
		else if (write_all(fd, piece, (size_t)n) != 0)
			e = STORE_FULL;
		else
			size -= (size_t)n;
	}
	free(piece);
	return e == 0 && size != 0 ? -1 : e;
}

/* On a full disk, where reading must go on: in memory, within a limit. */
static int
unpack_in_memory(
    struct store *s, const struct rec_arrival *a, struct str stored, struct store_content *out)
{
	void *p;

	if (a->size > STORE_UNPACK_MEMORY)
		return STORE_FULL;
	p = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return STORE_TROUBLE;
	if (pack_restore(store_pack(s), stored, p, a->size) != 0) {
		munmap(p, a->size);
		return damaged(s, a);
	}
	*out = (struct store_content){ p, a->size, NULL, a->size };
	return 0;
}

/* The one restored last stays open: clients ask for large messages piece by piece. */
static int
unpack_large(
    struct store *s, const struct rec_arrival *a, struct str stored, struct store_content *out)
{
	int fd, e;

	if (a->size == 0 || a->size > STORE_CONTENT_MAX)
		return damaged(s, a);
	if (s->unpacked.email == a->email)
		return map_file(s->unpacked.fd, a->size, out);
	fd = nameless(s);
	e = fd < 0 ? STORE_FULL : unpack_into(s, stored, a->size, fd);
	if (e == 0)
		e = map_file(fd, a->size, out);
	if (e == 0) {
		if (s->unpacked.email != 0)
			close(s->unpacked.fd);
		s->unpacked.email = a->email;
		s->unpacked.fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	return e == -1 ? damaged(s, a) : unpack_in_memory(s, a, stored, out);
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* What the record says of its content; b holds it. */
static int
read_record(struct store *s, uint32_t index, struct buf *b, struct rec_arrival *a,
    struct store_content *stored)
{
	struct journal_record r;
	const uint8_t *p;
	int e = journal_read(s->j, model_content_ref(s->m, index), b, &r, &p);

	if (e != 0)
		return store_error(s, e);
	if (rec_get_arrival(str_from(r.meta, r.meta_len), a) != 0)
		return STORE_DAMAGED;
	if (p == NULL)
		return map_large(s, &r, stored);
	*stored = (struct store_content){ p, (size_t)r.content_len, NULL, 0 };
	return 0;
}

int
store_content_at(struct store *s, uint32_t index, struct store_content *out)
{
	struct store_content stored;
	struct rec_arrival a;
	struct buf *b;
	int e;

	/* What is still in the batch can be read once it is written. */
	if (journal_batch_bytes(s->j) > 0 && (e = store_flush(s)) != 0)
		return e;
	b = scratch_take(s);
	e = read_record(s, index, b, &a, &stored);
	if (e == 0 && !a.packed) {
		*out = stored;
		if (stored.mapped == 0) {
			out->scratch = b;
			return 0;
		}
	} else if (e == 0) {
		struct str bytes = str_from(stored.p, stored.n);

		e = stored.mapped > 0 ? unpack_large(s, &a, bytes, out)
				      : unpack_small(s, &a, bytes, out);
		if (stored.mapped > 0)
			munmap((void *)(uintptr_t)stored.p, stored.mapped);
	}
	scratch_give(s, b);
	return e;
}

int
store_content(struct store *s, struct folder *f, uint32_t uid, struct store_content *out)
{
	const struct message *g = model_message(f, uid);

	return g == NULL ? STORE_NONE : store_content_at(s, g->content, out);
}

void
store_content_release(struct store *s, struct store_content *c)
{
	if (c->scratch != NULL)
		scratch_give(s, c->scratch);
	else if (c->p != NULL)
		munmap((void *)(uintptr_t)c->p, c->mapped);
	*c = (struct store_content){ 0 };
}
