/* SPDX-License-Identifier: ISC */
/* Operations on messages that are there. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "mailbox/index.h"
#include "mailbox/store_priv.h"

static int
no_modseq(const struct store *s)
{
	return s->failed ? STORE_TROUBLE : STORE_FULL;
}

int
store_flags(struct store *s, struct folder *f, const struct rec_run *runs, size_t n)
{
	uint64_t modseq;
	int e = 0;

	if (f->gone)
		return STORE_NONE;
	if (n == 0)
		return 0;
	if ((modseq = store_modseq(s)) == 0)
		return no_modseq(s);
	while (n > 0 && e == 0) {
		uint32_t some = n < REC_MESSAGES_MAX ? (uint32_t)n : REC_MESSAGES_MAX;

		rec_put_flags(store_record(s), f->id, modseq, runs, some);
		/* Marking for deletion must work on a full disk. */
		e = store_emit(s, REC_FLAGS, true);
		runs += some;
		n -= some;
	}
	return e;
}

/* As many runs as one record takes; *n goes to what is left. */
static uint32_t
make_runs(const uint32_t **uids, size_t *n, struct rec_run *runs)
{
	uint32_t k = 0;

	for (; *n > 0; (*uids)++, (*n)--) {
		if (k > 0 && **uids == runs[k - 1].hi + 1) {
			runs[k - 1].hi++;
			continue;
		}
		if (k == REC_MESSAGES_MAX)
			break;
		runs[k++] = (struct rec_run){ **uids, **uids, 0 };
	}
	return k;
}

int
store_expunge(struct store *s, struct folder *f, const uint32_t *uids, size_t n)
{
	struct rec_run *runs;
	uint64_t modseq;
	int e = 0;

	if (f->gone)
		return STORE_NONE;
	if (n == 0)
		return 0;
	if ((modseq = store_modseq(s)) == 0)
		return no_modseq(s);
	runs = xmalloc((n < REC_MESSAGES_MAX ? n : REC_MESSAGES_MAX) * sizeof(*runs));
	while (n > 0 && e == 0) {
		uint32_t k = make_runs(&uids, &n, runs);

		rec_put_expunge(store_record(s), f->id, modseq, f->uidnext, runs, k);
		e = store_emit(s, REC_EXPUNGE, true);
	}
	free(runs);
	s->want_commit = true;
	return e;
}

/* --- copies ------------------------------------------------------------------------------------
 */

/* Where the keywords of one folder stand in another. */
struct keyword_map {
	bool known[MODEL_KEYWORDS_MAX];
	int to[MODEL_KEYWORDS_MAX];
};

/* A keyword for which the other folder has no place any more is not copied. */
static uint64_t
map_flags(struct store *s, struct folder *from, struct folder *to, uint64_t flags,
    struct keyword_map *map)
{
	uint64_t out = flags & 0xff;

	if (from == to)
		return flags;
	for (unsigned k = 0; k < from->nkeywords; k++) {
		if (!(flags >> (8 + k) & 1))
			continue;
		if (!map->known[k]) {
			map->known[k] = true;
			map->to[k] = store_keyword(s, to, str_of(from->keywords[k]));
		}
		if (map->to[k] >= 0)
			out |= (uint64_t)1 << (8 + map->to[k]);
	}
	return out;
}

struct copied {
	uint64_t email, flags;
};

/* What is copied, taken down before anything changes. */
static int
gather(struct store *s, struct folder *from, const uint32_t *uids, size_t n, struct folder *to,
    struct copied *out)
{
	struct keyword_map map = { { false }, { 0 } };

	for (size_t i = 0; i < n; i++) {
		const struct message *g = model_message(from, uids[i]);

		if (g == NULL)
			return STORE_NONE;
		if (s->m->contents[g->content].refs == MODEL_COPIES_MAX)
			return STORE_LIMIT;
		out[i].email = s->m->contents[g->content].email;
		out[i].flags = map_flags(s, from, to, message_flags(g), &map);
	}
	return 0;
}

static int
write_copies(struct store *s, struct folder *to, const struct copied *c, size_t n, uint64_t modseq)
{
	int64_t now = (int64_t)(s->config.now_ms(s->config.arg) / 1000);
	int e = 0;

	for (size_t at = 0; at < n && e == 0;) {
		uint32_t some = n - at < REC_MESSAGES_MAX ? (uint32_t)(n - at) : REC_MESSAGES_MAX;
		struct buf *b = store_record(s);

		rec_put_copy(b, &(struct rec_copy){ .folder = to->id,
				    .first_uid = to->uidnext,
				    .n = some,
				    .modseq = modseq,
				    .saved = now });
		for (uint32_t i = 0; i < some; i++)
			rec_put_copy_message(b, c[at + i].email, c[at + i].flags);
		e = store_emit(s, REC_COPY, false);
		at += some;
	}
	return e;
}

static void
undo_copies(struct store *s, struct folder *to, uint32_t first)
{
	struct rec_run run = { first, to->uidnext - 1, 0 };

	if (to->uidnext == first)
		return;
	rec_put_expunge(store_record(s), to->id, store_modseq(s), to->uidnext, &run, 1);
	store_emit(s, REC_EXPUNGE, true);
}

int
store_copy(struct store *s, struct folder *from, const uint32_t *uids, size_t n, struct folder *to,
    bool move, uint32_t *first)
{
	struct copied *c;
	uint64_t modseq;
	int e;

	if (from->gone || to->gone)
		return STORE_NONE;
	if (n > UINT32_MAX - to->uidnext)
		return STORE_LIMIT;
	if ((modseq = store_modseq(s)) == 0)
		return no_modseq(s);
	*first = to->uidnext;
	c = xmalloc(n * sizeof(*c) + 1);
	e = gather(s, from, uids, n, to, c);
	if (e == 0)
		e = write_copies(s, to, c, n, modseq);
	free(c);
	if (e == 0 && move)
		e = store_expunge(s, from, uids, n);
	if (e != 0)
		undo_copies(s, to, *first);
	s->want_commit = true;
	return e;
}

int
store_facts(struct store *s, const struct folder *f, uint32_t uid, struct buf *out)
{
	const struct message *g = model_message(f, uid);

	derive_waiting(s);
	if (g == NULL || s->derive.index == NULL ||
	    !index_get(s->derive.index, s->m->contents[g->content].email, out))
		return STORE_NONE;
	return 0;
}
