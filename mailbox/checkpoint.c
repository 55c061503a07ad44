/* SPDX-License-Identifier: ISC */
/*
 * File: "PSTNCKPT", u32 version, u32 crc of what follows; then u64 length and bytes of the
 * journal's part, the same of the model's and of the store's (space that records about messages
 * take). Fixed numbers are little-endian; arrays are
 * stored as they are in memory, which is why another byte order or layout is another version.
 */
#include "mailbox/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mailbox/model_priv.h"
#include "mailbox/store_priv.h"

_Static_assert(sizeof(struct message) == 28 && sizeof(struct content) == 36 &&
		   sizeof(struct vanished_run) == 16,
    "a new layout needs a new CHECKPOINT_VERSION");

/* --- writing the model -------------------------------------------------------------------------
 */

static int
put_array(struct buf *b, const void *p, size_t size, uint32_t n)
{
	rec_put_u64(b, n);
	return buf_put(b, p, size * n);
}

static void
put_ref(struct buf *b, struct journal_ref ref)
{
	rec_put_u64(b, ref.pos);
	rec_put_u64(b, ref.size);
}

static int
put_folder(struct buf *b, const struct folder *f)
{
	rec_put_u64(b, f->id);
	rec_put_u64(b, f->highest);
	put_ref(b, f->keywords_ref);
	rec_put_u64(b, f->nkeywords);
	for (uint32_t i = 0; i < f->nkeywords; i++) {
		rec_put_u(b, strlen(f->keywords[i]));
		buf_puts(b, f->keywords[i]);
	}
	rec_put_u64(b, f->vanished.horizon);
	if (put_array(b, f->vanished.runs, sizeof(*f->vanished.runs), f->vanished.n) != 0)
		return BUF_LIMIT;
	return put_array(b, f->messages, sizeof(*f->messages), f->n);
}

static void
put_record(struct buf *b, void (*put)(const struct model *, struct buf *), const struct model *m)
{
	struct buf r;

	buf_init(&r, JOURNAL_META_MAX);
	put(m, &r);
	rec_put_u(b, buf_len(&r));
	buf_put(b, buf_data(&r), buf_len(&r));
	buf_free(&r);
}

static void
put_large(struct buf *b, const struct model *m)
{
	uint64_t key;
	size_t it = 0;
	void *id;

	rec_put_u64(b, map_count(m->large));
	while ((id = map_next(m->large, &it, &key)) != NULL) {
		rec_put_u64(b, key);
		rec_put_u64(b, (uintptr_t)id);
	}
}

int
checkpoint_encode(const struct model *m, struct buf *b)
{
	uint32_t n = 0;

	rec_put_u64(b, m->version);
	rec_put_u64(b, m->modseq);
	rec_put_u64(b, m->reserved);
	rec_put_u64(b, m->last_email);
	rec_put_u64(b, m->floor);
	rec_put_u64(b, m->free_content);
	rec_put_u64(b, m->live_contents);
	put_ref(b, m->format_ref);
	put_ref(b, m->folders_ref);
	put_ref(b, m->subscriptions_ref);
	put_ref(b, m->counters_ref);
	put_record(b, model_put_folders, m);
	put_record(b, model_put_subscriptions, m);
	put_large(b, m);
	for (uint32_t i = 0; i < m->nfolders; i++)
		n += !m->folders[i]->gone;
	rec_put_u64(b, n);
	for (uint32_t i = 0; i < m->nfolders; i++)
		if (!m->folders[i]->gone && put_folder(b, m->folders[i]) != 0)
			return BUF_LIMIT;
	if (put_array(b, m->deliveries, sizeof(*m->deliveries), m->ndeliveries) != 0)
		return BUF_LIMIT;
	if (put_array(b, m->contents, sizeof(*m->contents), m->ncontents) != 0)
		return BUF_LIMIT;
	return put_array(b, m->blocks, sizeof(*m->blocks), m->blocks ? m->ncontents : 0);
}

/* --- reading it --------------------------------------------------------------------------------
 */

/* NULL: not so many bytes there, or none; *n says which. */
static void *
get_array(struct rec_reader *r, size_t size, uint32_t *n)
{
	uint64_t count = rec_get_u64(r);
	void *p;

	*n = 0;
	if (count > UINT32_MAX || count > (size_t)(r->end - r->p) / size)
		r->bad = true;
	if (r->bad || count == 0)
		return NULL;
	*n = (uint32_t)count;
	p = xmalloc(size * *n);
	memcpy(p, r->p, size * *n);
	r->p += size * *n;
	return p;
}

static struct journal_ref
get_ref(struct rec_reader *r)
{
	struct journal_ref ref;

	ref.pos = rec_get_u64(r);
	ref.size = (uint32_t)rec_get_u64(r);
	return ref;
}

static void
get_folder(struct model *m, struct rec_reader *r)
{
	uint32_t id = (uint32_t)rec_get_u64(r);
	struct folder *f = model_folder(m, id);
	uint64_t n;

	if (f == NULL || f->messages != NULL) {
		r->bad = true;
		return;
	}
	f->highest = rec_get_u64(r);
	f->keywords_ref = get_ref(r);
	n = rec_get_u64(r);
	if (n > MODEL_KEYWORDS_MAX)
		r->bad = true;
	while (!r->bad && n-- > 0) {
		struct str s = rec_get_str(r, REC_KEYWORD_MAX);

		f->keywords[f->nkeywords++] = xstrndup(s.p, s.n);
	}
	f->vanished.horizon = rec_get_u64(r);
	if (!r->bad)
		f->vanished.runs = get_array(r, sizeof(*f->vanished.runs), &f->vanished.n);
	f->vanished.cap = f->vanished.n;
	if (f->vanished.n > VANISHED_RUNS_MAX)
		r->bad = true;
	if (!r->bad)
		f->messages = get_array(r, sizeof(*f->messages), &f->n);
	f->cap = f->n;
}

static void
get_large(struct model *m, struct rec_reader *r)
{
	for (uint64_t n = rec_get_u64(r); n > 0 && !r->bad; n--) {
		uint64_t key = rec_get_u64(r), id = rec_get_u64(r);

		if (key == 0 || id == 0)
			r->bad = true;
		else
			map_put(m->large, key, (void *)(uintptr_t)id);
	}
}

/* The checksum vouches for the bytes; that they fit together is counted here. */
static int
check(struct model *m)
{
	uint32_t *refs = xcalloc((size_t)m->ncontents + 1, sizeof(*refs));
	int result = 0;

	for (uint32_t i = 0; i < m->nfolders && result == 0; i++) {
		struct folder *f = m->folders[i];

		f->unseen = f->deleted = 0;
		f->bytes = 0;
		for (uint32_t k = 0; k < f->n; k++) {
			const struct message *g = &f->messages[k];

			if (g->content >= m->ncontents || g->uid >= f->uidnext ||
			    (k > 0 && g->uid <= f->messages[k - 1].uid)) {
				result = REC_BAD;
				break;
			}
			refs[g->content]++;
			f->bytes += m->contents[g->content].size;
			f->unseen += !(message_flags(g) & MODEL_SEEN);
			f->deleted += (message_flags(g) & MODEL_DELETED) != 0;
		}
	}
	for (uint32_t i = 0; i < m->ncontents && result == 0; i++)
		if (refs[i] != m->contents[i].refs || (refs[i] == 0) != (m->contents[i].email == 0))
			result = REC_BAD;
	free(refs);
	return result;
}

static int
get_tables(struct model *m, struct rec_reader *r)
{
	struct rec_folders folders;
	struct rec_names names;

	if (rec_get_folders(rec_get_str(r, JOURNAL_META_MAX), &folders) != 0)
		return REC_BAD;
	folders_apply(m, &folders);
	if (rec_get_subscriptions(rec_get_str(r, JOURNAL_META_MAX), &names) != 0)
		return REC_BAD;
	subscriptions_apply(m, &names);
	return 0;
}

int
checkpoint_decode(struct model *m, struct str s)
{
	struct rec_reader r = { (const uint8_t *)s.p, (const uint8_t *)s.p + s.n, false };
	uint32_t blocks;

	m->version = (uint32_t)rec_get_u64(&r);
	m->modseq = rec_get_u64(&r);
	m->reserved = rec_get_u64(&r);
	m->last_email = rec_get_u64(&r);
	m->floor = rec_get_u64(&r);
	m->free_content = (uint32_t)rec_get_u64(&r);
	m->live_contents = (uint32_t)rec_get_u64(&r);
	m->format_ref = get_ref(&r);
	m->folders_ref = get_ref(&r);
	m->subscriptions_ref = get_ref(&r);
	m->counters_ref = get_ref(&r);
	if (get_tables(m, &r) != 0)
		return REC_BAD;
	get_large(m, &r);
	for (uint64_t n = rec_get_u64(&r); n > 0 && !r.bad; n--)
		get_folder(m, &r);
	m->deliveries = get_array(&r, sizeof(*m->deliveries), &m->ndeliveries);
	m->deliveries_cap = m->ndeliveries;
	m->contents = get_array(&r, sizeof(*m->contents), &m->ncontents);
	m->contents_cap = m->ncontents;
	m->blocks = get_array(&r, sizeof(*m->blocks), &blocks);
	if (blocks == 0) {
		free(m->blocks);
		m->blocks = NULL;
	}
	if (r.bad || r.p != r.end || (blocks != 0 && blocks != m->ncontents) ||
	    m->free_content > m->ncontents)
		return REC_BAD;
	m->resumed = true;
	return check(m);
}

/* --- the file ----------------------------------------------------------------------------------
 */

enum { HEAD = 16 };
static const char magic[8] = "PSTNCKPT";

static int
put_part(struct buf *b, const struct buf *part)
{
	rec_put_u64(b, buf_len(part));
	return buf_put(b, buf_data(part), buf_len(part));
}

static void
put_tally(struct buf *b, const struct tally *t)
{
	rec_put_u64(b, t->n);
	for (size_t i = 0; i < t->n; i++) {
		rec_put_u64(b, t->rows[i].segment);
		rec_put_u64(b, t->rows[i].bytes);
	}
}

static void
put_space(struct buf *b, const struct store *s)
{
	rec_put_u64(b, s->said_from);
	rec_put_u64(b, s->again.begin);
	rec_put_u64(b, s->again_id);
	put_tally(b, &s->before);
	put_tally(b, &s->since);
}

static void
get_tally(struct rec_reader *r, struct tally *t)
{
	for (uint64_t n = rec_get_u64(r); n > 0 && !r->bad; n--) {
		uint64_t segment = rec_get_u64(r), bytes = rec_get_u64(r);

		tally_put(t, segment, bytes);
	}
}

static int
get_space(struct store *s, struct str part)
{
	struct rec_reader r = { (const uint8_t *)part.p, (const uint8_t *)part.p + part.n, false };

	s->said_from = rec_get_u64(&r);
	s->again.begin = rec_get_u64(&r);
	s->again_id = rec_get_u64(&r);
	get_tally(&r, &s->before);
	get_tally(&r, &s->since);
	return r.bad || r.p != r.end ? REC_BAD : 0;
}

static int
encode_all(struct store *s, struct buf *b)
{
	struct buf part;
	int r;

	buf_init(&part, CHECKPOINT_MAX);
	r = journal_save(s->j, &part);
	if (r == 0)
		r = put_part(b, &part);
	buf_clear(&part);
	if (r == 0)
		r = checkpoint_encode(s->m, &part);
	if (r == 0)
		r = put_part(b, &part);
	buf_clear(&part);
	put_space(&part, s);
	if (r == 0)
		r = put_part(b, &part);
	buf_free(&part);
	return r;
}

static void
put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static int
write_file(int dirfd, const uint8_t head[HEAD], const struct buf *b)
{
	struct iovec v[2] = { { (void *)(uintptr_t)head, HEAD },
		{ (void *)(uintptr_t)buf_data(b), buf_len(b) } };
	int fd =
	    openat(dirfd, CHECKPOINT_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good;

	if (fd < 0)
		return -1;
	/* Not synced: after a power failure its checksum tells what became of it. */
	good = writev(fd, v, 2) == (ssize_t)(HEAD + buf_len(b));
	close(fd);
	if (good && renameat(dirfd, CHECKPOINT_NAME ".new", dirfd, CHECKPOINT_NAME) == 0)
		return 0;
	unlinkat(dirfd, CHECKPOINT_NAME ".new", 0);
	return -1;
}

int
checkpoint_write(struct store *s)
{
	uint8_t head[HEAD];
	struct buf b;
	int r;

	/* Only what is stable may stand in it; with damage all is read again each time. */
	if (s->failed || s->damaged || store_sync(s) != 0)
		return -1;
	buf_init(&b, CHECKPOINT_MAX);
	r = encode_all(s, &b);
	if (r == 0) {
		memcpy(head, magic, sizeof(magic));
		put_u32(head + 8, CHECKPOINT_VERSION);
		put_u32(head + 12, journal_crc(0, buf_data(&b), buf_len(&b)));
		r = write_file(s->config.dirfd, head, &b);
	}
	if (r != 0)
		store_report(s, "what=checkpoint-failed reason=\"%s\"", strerror(errno));
	buf_free(&b);
	s->records = 0;
	return r;
}

static bool
get_part(struct str *s, struct str *part)
{
	struct rec_reader r = { (const uint8_t *)s->p, (const uint8_t *)s->p + s->n, false };
	uint64_t n = rec_get_u64(&r);

	if (r.bad || n > (size_t)(r.end - r.p))
		return false;
	*part = str_from(r.p, (size_t)n);
	*s = str_from(r.p + n, (size_t)(r.end - r.p) - (size_t)n);
	return true;
}

static bool
split(struct str file, struct str *journal, struct str *model, struct str *space)
{
	uint8_t want[HEAD];

	if (file.n < HEAD)
		return false;
	memcpy(want, magic, sizeof(magic));
	put_u32(want + 8, CHECKPOINT_VERSION);
	put_u32(want + 12, journal_crc(0, file.p + HEAD, file.n - HEAD));
	if (memcmp(file.p, want, HEAD) != 0)
		return false;
	file = str_from(file.p + HEAD, file.n - HEAD);
	return get_part(&file, journal) && get_part(&file, model) && get_part(&file, space) &&
	       file.n == 0;
}

int
checkpoint_read(struct store *s, struct buf *journal)
{
	int fd = openat(s->config.dirfd, CHECKPOINT_NAME, O_RDONLY | O_CLOEXEC), r = -1;
	struct str j, m, space;
	struct stat st;
	void *p;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > CHECKPOINT_MAX) {
		close(fd);
		return -1;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -1;
	if (split(str_from(p, (size_t)st.st_size), &j, &m, &space) &&
	    checkpoint_decode(s->m, m) == 0 && get_space(s, space) == 0)
		r = buf_put(journal, j.p, j.n);
	else
		store_report(s, "what=checkpoint-unusable");
	munmap(p, (size_t)st.st_size);
	return r;
}
