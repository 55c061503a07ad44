/* SPDX-License-Identifier: ISC */
#include "imap/view.h"

void
imap_view_open(
    struct imap_view *v, const struct imap_backend_ops *ops, void *be, struct imap_folder *folder)
{
	*v = (struct imap_view){ .ops = ops, .be = be, .folder = folder };
}

void
imap_view_close(struct imap_view *v)
{
	imap_uidset_clear(&v->gone);
	imap_uidset_clear(&v->changed);
	imap_uidset_clear(&v->saved);
	*v = (struct imap_view){ 0 };
}

/* How many of the ascending uids the client knows. */
static size_t
known(const struct imap_view *v, const uint32_t *uids, size_t n)
{
	while (n > 0 && uids[n - 1] > v->last_uid)
		n--;
	return n;
}

void
imap_view_note_gone(struct imap_view *v, const uint32_t *uids, size_t n)
{
	imap_uidset_add(&v->gone, uids, known(v, uids, n));
	imap_uidset_remove(&v->saved, uids, n);
}

void
imap_view_note_flags(struct imap_view *v, const uint32_t *uids, size_t n)
{
	imap_uidset_add(&v->changed, uids, known(v, uids, n));
}

bool
imap_view_has_new(const struct imap_view *v)
{
	return v->ops->count(v->be, v->folder) + imap_uidset_count(&v->gone) > v->exists;
}

static void
recent_add(struct imap_view *v, uint32_t lo, uint32_t hi)
{
	if (v->nrecent > 0 &&
	    (v->recent[v->nrecent - 1].hi + 1 == lo || v->nrecent == IMAP_VIEW_RECENT_RANGES)) {
		v->recent[v->nrecent - 1].hi = hi;
		return;
	}
	v->recent[v->nrecent].lo = lo;
	v->recent[v->nrecent++].hi = hi;
}

void
imap_view_take_new(struct imap_view *v, bool claim)
{
	size_t live = v->ops->count(v->be, v->folder);
	struct imap_message m;
	uint32_t from;

	v->exists = (uint32_t)(live + imap_uidset_count(&v->gone));
	if (live == 0)
		return;
	v->ops->message(v->be, v->folder, live - 1, &m);
	from = v->ops->recent(v->be, v->folder, claim);
	if (from <= v->last_uid)
		from = v->last_uid + 1;
	if (m.uid >= from)
		recent_add(v, from, m.uid);
	if (m.uid > v->last_uid)
		v->last_uid = m.uid;
}

uint32_t
imap_view_take_gone(struct imap_view *v)
{
	uint32_t uid;

	if (imap_uidset_count(&v->gone) == 0)
		return 0;
	/* all lower ones have been told: only live messages stand before it */
	uid = imap_uidset_take(&v->gone);
	v->exists--;
	return (uint32_t)v->ops->find(v->be, v->folder, uid) + 1;
}

bool
imap_view_is_recent(const struct imap_view *v, uint32_t uid)
{
	for (unsigned i = v->nrecent; i-- > 0;)
		if (uid >= v->recent[i].lo && uid <= v->recent[i].hi)
			return true;
	return false;
}

/* Messages in the view with a UID below uid. */
static uint32_t
rank(const struct imap_view *v, uint32_t uid)
{
	return (uint32_t)(v->ops->find(v->be, v->folder, uid) + imap_uidset_below(&v->gone, uid));
}

uint32_t
imap_view_recent_count(const struct imap_view *v)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < v->nrecent; i++) {
		uint32_t hi = v->recent[i].hi;

		n += (hi == UINT32_MAX ? v->exists : rank(v, hi + 1)) - rank(v, v->recent[i].lo);
	}
	return n;
}

uint32_t
imap_view_seq_of(const struct imap_view *v, uint32_t uid)
{
	return rank(v, uid) + 1;
}

uint32_t
imap_view_uid_of(const struct imap_view *v, uint32_t seq)
{
	size_t lo = 0, hi = imap_uidset_count(&v->gone), at = seq - 1;
	struct imap_message m;

	/* gone[k] stands at place find(gone[k]) + k: how many of them stand before `at`? */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		uint32_t uid = imap_uidset_at(&v->gone, mid);
		size_t place = v->ops->find(v->be, v->folder, uid) + mid;

		if (place == at)
			return uid;
		if (place < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	v->ops->message(v->be, v->folder, at - lo, &m);
	return m.uid;
}

uint32_t
imap_view_max_uid(const struct imap_view *v)
{
	return v->exists > 0 ? imap_view_uid_of(v, v->exists) : v->last_uid;
}

void
imap_walk_uids(const struct imap_view *v, struct imap_walk *w, uint32_t lo, uint32_t hi)
{
	w->next_uid = lo ? lo : 1;
	w->hi = hi < v->last_uid ? hi : v->last_uid;
}

void
imap_walk_seqs(const struct imap_view *v, struct imap_walk *w, uint32_t lo, uint32_t hi)
{
	*w = (struct imap_walk){ 1, 0 };
	if (hi > v->exists)
		hi = v->exists;
	if (lo == 0 || lo > hi)
		return;
	w->next_uid = imap_view_uid_of(v, lo);
	w->hi = imap_view_uid_of(v, hi);
}

bool
imap_walk_next(const struct imap_view *v, struct imap_walk *w, struct imap_seen *seen)
{
	size_t i, g;
	bool live;

	if (w->next_uid > w->hi || w->next_uid == 0)
		return false;
	i = v->ops->find(v->be, v->folder, w->next_uid);
	g = imap_uidset_below(&v->gone, w->next_uid);
	live = i < v->ops->count(v->be, v->folder);
	if (live)
		v->ops->message(v->be, v->folder, i, &seen->m);
	seen->gone =
	    g < imap_uidset_count(&v->gone) && (!live || imap_uidset_at(&v->gone, g) < seen->m.uid);
	if (seen->gone)
		seen->m = (struct imap_message){ .uid = imap_uidset_at(&v->gone, g) };
	else if (!live)
		return false;
	if (seen->m.uid > w->hi)
		return false;
	seen->seq = (uint32_t)(i + g) + 1;
	w->next_uid = seen->m.uid + 1; /* 0 after the last possible one: ends the walk */
	return true;
}
