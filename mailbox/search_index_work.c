/* SPDX-License-Identifier: ISC */
/* Taking up new messages, and making one segment of several, in slices. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mailbox/search_index_priv.h"

enum { PARSE_STEP = 64 * 1024 };

#define NEW_NAME SEARCH_INDEX_PREFIX "new"

static const struct model *
model(const struct search_index *x)
{
	return store_model(x->config.store);
}

/* --- the new file --------------------------------------------------------------------------------
 */

static bool
file_begin(struct search_index *x)
{
	x->fd = openat(x->config.dirfd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	x->written = 0;
	x->writing = x->fd != -1;
	return x->writing;
}

static bool
file_write(void *arg, const void *p, size_t n)
{
	struct search_index *x = arg;
	const uint8_t *from = p;

	while (n > 0) {
		ssize_t r = pwrite(x->fd, from, n, (off_t)x->written);

		if (r <= 0)
			return false;
		x->written += (uint64_t)r;
		from += r;
		n -= (size_t)r;
	}
	return true;
}

static void
message_end(struct search_index *x)
{
	mime_parser_free(&x->parser);
	if (x->has_content)
		store_content_release(x->config.store, &x->content);
	x->has_content = false;
}

void
search_work_drop(struct search_index *x)
{
	message_end(x);
	mime_tree_free(&x->tree);
	imap_text_free(&x->text);
	textindex_batch_free(&x->batch);
	if (x->merge != NULL) {
		textindex_merge_free(&x->merge);
		search_index_unuse(x);
	}
	if (x->fd != -1) {
		close(x->fd);
		unlinkat(x->config.dirfd, NEW_NAME, 0);
	}
	x->fd = -1;
	x->writing = false;
}

static void
failed(struct search_index *x)
{
	search_work_drop(x);
	x->retry_at = 1;
}

/* The file is complete: it takes its place. */
static void
file_end(struct search_index *x, size_t first, size_t n)
{
	close(x->fd);
	x->fd = -1;
	if (search_part_put(x, first, n) != 0)
		failed(x);
	else
		search_work_drop(x);
}

/* --- new messages --------------------------------------------------------------------------------
 */

/* How many messages are not in the index; those with the lowest email ids are put into fresh,
 * ascending. */
static uint32_t
gather(struct search_index *x)
{
	const struct model *m = model(x);
	uint32_t count = 0;

	x->nfresh = x->next_fresh = 0;
	for (uint32_t i = 0; i < m->ncontents; i++) {
		uint64_t email = m->contents[i].email;
		size_t at = x->nfresh;

		if (email <= x->covered || email > x->stable)
			continue;
		count++;
		if (at == TEXTINDEX_BATCH_DOCS) {
			if (email > x->fresh[at - 1].email)
				continue;
			at--;
		} else {
			x->nfresh++;
		}
		for (; at > 0 && x->fresh[at - 1].email > email; at--)
			x->fresh[at] = x->fresh[at - 1];
		x->fresh[at] = (struct search_new){ email, i };
	}
	return count;
}

static void
message_begin(struct search_index *x)
{
	const struct search_new *f = &x->fresh[x->next_fresh++];
	struct str msg;

	x->batch_hi = f->email;
	if (f->content >= model(x)->ncontents || model(x)->contents[f->content].email != f->email)
		return;
	textindex_batch_begin(x->batch, f->email);
	if (store_content_at(x->config.store, f->content, &x->content) != 0) {
		textindex_batch_any(x->batch); /* a search says that it cannot be read */
		return;
	}
	x->has_content = true;
	msg = str_from(x->content.p, x->content.n);
	x->parser = mime_parser_new(msg, &x->tree);
}

static void
message_step(struct search_index *x)
{
	struct imap_text_piece piece;

	if (x->parser != NULL) {
		if (!mime_parser_step(x->parser, PARSE_STEP))
			return;
		mime_parser_free(&x->parser);
		imap_text_begin(&x->text, str_from(x->content.p, x->content.n), &x->tree, 2);
	}
	if (imap_text_next(&x->text, &piece))
		textindex_batch_text(x->batch, piece.text);
	else
		message_end(x);
}

static void
batch_step(struct search_index *x)
{
	int r;

	if (x->has_content) {
		message_step(x);
	} else if (!x->writing && x->next_fresh < x->nfresh && textindex_batch_has_room(x->batch)) {
		message_begin(x);
	} else if (!x->writing && !file_begin(x)) {
		failed(x);
	} else {
		r = textindex_batch_write(x->batch, x->covered, x->batch_hi, file_write, x);
		if (r == 0)
			file_end(x, x->n, 0);
		else if (r < 0)
			failed(x);
	}
}

/* --- merging -------------------------------------------------------------------------------------
 */

/* A row of small segments that is worth making one of. */
static bool
row_find(struct search_index *x)
{
	for (size_t i = 0; i < x->n; i++) {
		uint32_t total = 0;
		size_t n = 0;

		while (i + n < x->n && n < TEXTINDEX_MERGE_MAX &&
		       x->parts[i + n].info.ndocs < SEARCH_INDEX_FULL &&
		       total + x->parts[i + n].info.ndocs <= TEXTINDEX_DOCS_MAX)
			total += x->parts[i + n++].info.ndocs;
		if (n >= SEARCH_INDEX_ROW || (n > 1 && total >= SEARCH_INDEX_FULL)) {
			x->merge_first = i;
			x->merge_n = n;
			return true;
		}
	}
	return false;
}

/* A segment most of whose messages are gone. */
static bool
dead_find(struct search_index *x)
{
	const struct model *m = model(x);
	uint32_t *live, documents = 0;
	bool found = false;

	for (size_t i = 0; i < x->n; i++)
		documents += x->parts[i].info.ndocs;
	/* Not worth looking, or not so many can be gone. */
	if (documents < 2 * m->live_contents || documents < x->config.new_min)
		return false;
	live = xcalloc(x->n + 1, sizeof(*live));
	for (uint32_t i = 0; i < m->ncontents; i++)
		if (m->contents[i].email != 0 && m->contents[i].email <= x->covered)
			live[search_part_of(x, m->contents[i].email)]++;
	for (size_t i = 0; i < x->n && !found; i++) {
		found = x->parts[i].info.ndocs > 2 * live[i];
		x->merge_first = i;
		x->merge_n = 1;
	}
	free(live);
	return found;
}

static int
email_order(const void *a, const void *b)
{
	uint64_t p, q;

	memcpy(&p, a, sizeof(p));
	memcpy(&q, b, sizeof(q));
	return p < q ? -1 : p > q;
}

/* The email ids in (lo, hi], ascending. */
static uint64_t *
live_emails(const struct search_index *x, uint64_t lo, uint64_t hi, size_t *n)
{
	const struct model *m = model(x);
	uint64_t *emails = NULL;
	size_t cap = 0;

	*n = 0;
	for (uint32_t i = 0; i < m->ncontents; i++) {
		if (m->contents[i].email <= lo || m->contents[i].email > hi)
			continue;
		if (*n == cap) {
			cap = cap * 2 + 256;
			emails = xrealloc(emails, cap * sizeof(*emails));
		}
		emails[(*n)++] = m->contents[i].email;
	}
	if (*n > 0)
		qsort(emails, *n, sizeof(*emails), email_order);
	return emails;
}

static void
merge_begin(struct search_index *x)
{
	struct textindex_segment *in[TEXTINDEX_MERGE_MAX];
	struct search_part *parts = &x->parts[x->merge_first];
	uint64_t *live;
	size_t nlive;

	search_index_use(x);
	for (size_t i = 0; i < x->merge_n; i++) {
		if (search_part_map(x, &parts[i]) != 0) {
			search_index_unuse(x);
			return;
		}
		in[i] = &parts[i].segment;
	}
	live = live_emails(x, parts[0].info.lo, parts[x->merge_n - 1].info.hi, &nlive);
	x->merge = textindex_merge_new(in, x->merge_n, live, nlive);
	free(live);
	if (x->merge == NULL) {
		search_index_unuse(x);
		search_index_discard(x, "damaged, made again");
	} else if (!file_begin(x)) {
		failed(x);
	}
}

static void
merge_step(struct search_index *x)
{
	int r = textindex_merge_step(x->merge, file_write, x);

	if (r == 0)
		file_end(x, x->merge_first, x->merge_n);
	else if (r == TEXTINDEX_DAMAGED)
		search_index_discard(x, "damaged, made again");
	else if (r < 0)
		failed(x);
}

/* --- slices --------------------------------------------------------------------------------------
 */

/* False: there is nothing to do. */
static bool
begin(struct search_index *x)
{
	if (x->stable > x->covered && gather(x) >= x->config.new_min) {
		x->batch = textindex_batch_new();
		return true;
	}
	if (row_find(x) || dead_find(x)) {
		merge_begin(x);
		return true;
	}
	return false;
}

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

bool
search_index_work(struct search_index *x)
{
	uint64_t end = now_us() + SEARCH_INDEX_SLICE_US;

	if (store_failed(x->config.store))
		return false;
	if (x->retry_at != 0) {
		if (x->retry_at == 1)
			x->retry_at = end + (uint64_t)SEARCH_INDEX_RETRY_MS * 1000;
		if (end < x->retry_at)
			return false;
		x->retry_at = 0;
	}
	do {
		if (x->batch != NULL)
			batch_step(x);
		else if (x->merge != NULL)
			merge_step(x);
		else if (store_low(x->config.store) || !begin(x))
			return false;
		if (x->retry_at != 0)
			return false;
	} while (now_us() < end);
	return true;
}
