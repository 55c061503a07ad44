/* SPDX-License-Identifier: ISC */
/*
 * A mailbox store in memory for tests and fuzz targets; everything is static, so that each program
 * that includes it has its own. memory.wait makes operations pending until memory_sync().
 */
#ifndef POSTERN_IMAP_MEMORY_BACKEND_H
#define POSTERN_IMAP_MEMORY_BACKEND_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "imap/facts.h"
#include "imap/session.h"
#include "imap/structure.h"

enum {
	MEMORY_FOLDERS = 64,
	MEMORY_VIEWERS = 8,
	MEMORY_PENDING = 16,
	MEMORY_QUOTA = 1 << 20,
	MEMORY_EXPUNGED = 64,
	MEMORY_APPENDS = 8
};

struct memory_blob {
	unsigned refs;
	size_t n;
	uint8_t bytes[];
};

struct memory_message {
	struct imap_message m;
	struct memory_blob *blob;
};

struct imap_folder {
	char name[IMAP_NAME_MAX + 1];
	bool exists, subscribed;
	enum imap_special special;
	uint32_t id, uidvalidity, uidnext, recent;
	struct memory_message *msg;
	size_t n, cap;
	struct {
		uint32_t uid;
		uint64_t modseq;
	} expunged[MEMORY_EXPUNGED];
	size_t nexpunged; /* at most MEMORY_EXPUNGED: then all that is not there counts */
	char keyword[IMAP_KEYWORDS_MAX][IMAP_KEYWORD_MAX + 1];
	struct imap_session *viewer[MEMORY_VIEWERS];
	unsigned opened;
	bool listed;
};

struct imap_append {
	struct memory *mem;
	struct imap_session *s;
	struct imap_folder *f;
	struct imap_message m[MEMORY_APPENDS];
	struct buf bytes[MEMORY_APPENDS];
	size_t n;
};

struct memory {
	struct imap_folder *folder[MEMORY_FOLDERS]; /* in the order of names */
	size_t nfolders;
	uint64_t modseq, email;
	uint32_t uidvalidity;
	bool wait;
	struct {
		struct imap_session *s;
		uint32_t token;
		struct imap_done done;
	} pending[MEMORY_PENDING];
	size_t npending;
	size_t syncs, opened_contents;
	size_t size;
	uint64_t messages_limit;       /* only shown */
	bool no_quota;                 /* shows none */
	enum imap_result fail_content; /* what content() answers if not IMAP_DONE */
	bool facts;                    /* there is an index: facts() knows every message */
	size_t contents;               /* times content() was asked */
	size_t probes, probes_freed;
	bool (*not_in)(const struct imap_message *m); /* the index of texts; NULL: there is none */
};

static void
memory_blob_release(struct memory_blob *b)
{
	if (--b->refs == 0)
		free(b);
}

static struct imap_folder *
memory_folder(struct memory *mem, struct str name)
{
	for (size_t i = 0; i < mem->nfolders; i++)
		if (str_eq(str_of(mem->folder[i]->name), name))
			return mem->folder[i];
	return NULL;
}

static void
memory_folder_drop(struct memory *mem, struct imap_folder *f)
{
	for (size_t i = 0; i < mem->nfolders; i++) {
		if (mem->folder[i] != f)
			continue;
		memmove(&mem->folder[i], &mem->folder[i + 1],
		    (--mem->nfolders - i) * sizeof(mem->folder[0]));
		break;
	}
	f->listed = false;
	if (f->opened == 0) {
		free(f->msg);
		free(f);
	}
}

static struct imap_folder *
memory_folder_add(struct memory *mem, struct str name)
{
	struct imap_folder *f = memory_folder(mem, name);
	size_t i = 0;

	if (f != NULL)
		return f;
	if (mem->nfolders == MEMORY_FOLDERS)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	memcpy(f->name, name.p, name.n);
	f->listed = true;
	f->uidnext = f->recent = 1;
	while (i < mem->nfolders && strcmp(mem->folder[i]->name, f->name) < 0)
		i++;
	memmove(
	    &mem->folder[i + 1], &mem->folder[i], (mem->nfolders++ - i) * sizeof(mem->folder[0]));
	mem->folder[i] = f;
	return f;
}

static enum imap_result
memory_end(struct memory *mem, struct imap_session *s, uint32_t token, struct imap_done done)
{
	if (!mem->wait || mem->npending == MEMORY_PENDING)
		return done.result;
	mem->pending[mem->npending].s = s;
	mem->pending[mem->npending].token = token;
	mem->pending[mem->npending++].done = done;
	return IMAP_PENDING;
}

static enum imap_result
memory_result(struct memory *mem, struct imap_session *s, uint32_t token, enum imap_result result)
{
	return memory_end(mem, s, token, (struct imap_done){ .result = result });
}

/* One sync answers all that wait. */
static inline void
memory_sync(struct memory *mem)
{
	size_t n = mem->npending;

	if (n == 0)
		return;
	mem->syncs++;
	mem->npending = 0;
	for (size_t i = 0; i < n; i++)
		if (mem->pending[i].s != NULL)
			imap_session_done(
			    mem->pending[i].s, mem->pending[i].token, &mem->pending[i].done);
}

/* ---- folders ---------------------------------------------------------------------------------- */
static bool
memory_list(void *be, size_t i, struct imap_folder_info *info)
{
	struct memory *mem = be;

	if (i >= mem->nfolders)
		return false;
	*info = (struct imap_folder_info){ str_of(mem->folder[i]->name), mem->folder[i]->special,
		mem->folder[i]->exists, mem->folder[i]->subscribed };
	return true;
}

static enum imap_result
memory_open(void *be, struct str name, struct imap_session *viewer, struct imap_folder **out)
{
	struct imap_folder *f = memory_folder(be, name);
	int i = 0;

	if (f == NULL || !f->exists)
		return IMAP_NONEXISTENT;
	if (viewer != NULL) {
		while (i < MEMORY_VIEWERS && f->viewer[i] != NULL)
			i++;
		if (i == MEMORY_VIEWERS)
			return IMAP_LIMIT;
		f->viewer[i] = viewer;
	}
	f->opened++;
	*out = f;
	return IMAP_DONE;
}

static void
memory_close(void *be, struct imap_folder *f, struct imap_session *viewer)
{
	(void)be;
	for (int i = 0; i < MEMORY_VIEWERS && viewer != NULL; i++)
		if (f->viewer[i] == viewer)
			f->viewer[i] = NULL;
	if (--f->opened == 0 && !f->listed) {
		free(f->msg);
		free(f);
	}
}

static void
memory_state(void *be, struct imap_folder *f, struct imap_folder_state *st)
{
	struct memory *mem = be;

	*st = (struct imap_folder_state){ .id = f->id,
		.uidvalidity = f->uidvalidity,
		.uidnext = f->uidnext,
		.highestmodseq = mem->modseq,
		.messages = (uint32_t)f->n };
	for (size_t i = 0; i < f->n; i++) {
		st->unseen += !(f->msg[i].m.flags & IMAP_SEEN);
		st->deleted += (f->msg[i].m.flags & IMAP_DELETED) != 0;
		st->recent += f->msg[i].m.uid >= f->recent;
		st->size += f->msg[i].m.size;
	}
}

static enum imap_result
memory_make(struct memory *mem, struct str name, enum imap_special special)
{
	struct imap_folder *f;

	for (size_t i = 1; i <= name.n; i++) {
		if (i < name.n && name.p[i] != '/')
			continue;
		if ((f = memory_folder_add(mem, str_from(name.p, i))) == NULL)
			return IMAP_LIMIT;
		if (i == name.n && f->exists)
			return IMAP_EXISTS;
		if (!f->exists)
			f->id = f->uidvalidity = ++mem->uidvalidity;
		f->exists = true;
		if (i == name.n)
			f->special = special;
	}
	return IMAP_DONE;
}

static enum imap_result
memory_create(
    void *be, struct imap_session *s, uint32_t token, struct str name, enum imap_special special)
{
	return memory_result(be, s, token, memory_make(be, name, special));
}

static void
memory_notify(struct imap_folder *f, const uint32_t *uids, size_t n,
    void (*tell)(struct imap_session *, struct imap_folder *, const uint32_t *, size_t))
{
	for (int i = 0; i < MEMORY_VIEWERS; i++)
		if (f->viewer[i] != NULL)
			tell(f->viewer[i], f, uids, n);
}

static void
memory_empty(struct memory *mem, struct imap_folder *f)
{
	for (size_t i = 0; i < f->n; i++) {
		mem->size -= f->msg[i].m.size;
		memory_blob_release(f->msg[i].blob);
	}
	f->n = 0;
}

static enum imap_result
memory_remove(struct memory *mem, struct str name)
{
	struct imap_folder *f = memory_folder(mem, name);

	if (f == NULL || !f->exists)
		return IMAP_NONEXISTENT;
	for (size_t i = 0; i < mem->nfolders; i++)
		if (mem->folder[i]->exists && strlen(mem->folder[i]->name) > name.n &&
		    memcmp(mem->folder[i]->name, name.p, name.n) == 0 &&
		    mem->folder[i]->name[name.n] == '/')
			return IMAP_HASCHILDREN;
	memory_empty(mem, f);
	f->exists = false;
	for (int i = 0; i < MEMORY_VIEWERS; i++)
		if (f->viewer[i] != NULL)
			imap_session_folder_gone(f->viewer[i], f);
	bool subscribed = f->subscribed;

	memory_folder_drop(mem, f);
	if (subscribed && (f = memory_folder_add(mem, name)) != NULL)
		f->subscribed = true;
	return IMAP_DONE;
}

static enum imap_result
memory_delete(void *be, struct imap_session *s, uint32_t token, struct str name)
{
	return memory_result(be, s, token, memory_remove(be, name));
}

static void memory_move_all(struct memory *mem, struct imap_folder *from, struct imap_folder *to);

static enum imap_result
memory_rename_one(struct memory *mem, struct str from, struct str to)
{
	struct imap_folder *f = memory_folder(mem, from), *t = memory_folder(mem, to);
	char name[IMAP_NAME_MAX + 1];

	if (f == NULL || !f->exists)
		return IMAP_NONEXISTENT;
	if (t != NULL && t->exists)
		return IMAP_EXISTS;
	if (str_eq(from, STR("INBOX"))) {
		enum imap_result r = memory_make(mem, to, IMAP_SPECIAL_NONE);

		if (r == IMAP_DONE)
			memory_move_all(mem, f, memory_folder(mem, to));
		return r;
	}
	if (t != NULL && t->opened == 0)
		memory_folder_drop(mem, t);
	else if (t != NULL)
		return IMAP_EXISTS;
	for (size_t i = 0; i < mem->nfolders; i++)
		if (mem->folder[i] == f)
			memmove(&mem->folder[i], &mem->folder[i + 1],
			    (--mem->nfolders - i) * sizeof(mem->folder[0]));
	memcpy(name, to.p, to.n);
	name[to.n] = '\0';
	memcpy(f->name, name, to.n + 1);
	size_t at = 0;

	while (at < mem->nfolders && strcmp(mem->folder[at]->name, f->name) < 0)
		at++;
	memmove(&mem->folder[at + 1], &mem->folder[at],
	    (mem->nfolders++ - at) * sizeof(mem->folder[0]));
	mem->folder[at] = f;
	return IMAP_DONE;
}

static enum imap_result
memory_rename(void *be, struct imap_session *s, uint32_t token, struct str from, struct str to)
{
	struct memory *mem = be;
	enum imap_result r = memory_rename_one(mem, from, to);
	char list[MEMORY_FOLDERS][IMAP_NAME_MAX + 1], name[2 * IMAP_NAME_MAX + 2];
	size_t n = 0;

	if (r == IMAP_DONE && !str_eq(from, STR("INBOX"))) {
		for (size_t i = 0; i < mem->nfolders; i++)
			if (strncmp(mem->folder[i]->name, from.p, from.n) == 0 &&
			    mem->folder[i]->name[from.n] == '/')
				strcpy(list[n++], mem->folder[i]->name);
		for (size_t i = 0; i < n; i++) {
			int len = snprintf(
			    name, sizeof(name), "%.*s%s", (int)to.n, to.p, list[i] + from.n);

			if (len <= IMAP_NAME_MAX)
				memory_rename_one(
				    mem, str_of(list[i]), str_from(name, (size_t)len));
		}
	}
	return memory_result(mem, s, token, r);
}

static enum imap_result
memory_subscribe(void *be, struct imap_session *s, uint32_t token, struct str name, bool on)
{
	struct imap_folder *f = memory_folder(be, name);

	if (f == NULL && on)
		f = memory_folder_add(be, name);
	if (f == NULL)
		return memory_result(be, s, token, on ? IMAP_LIMIT : IMAP_DONE);
	f->subscribed = on;
	if (!on && !f->exists)
		memory_folder_drop(be, f);
	return memory_result(be, s, token, IMAP_DONE);
}

/* ---- messages --------------------------------------------------------------------------------- */
static size_t
memory_count(void *be, struct imap_folder *f)
{
	(void)be;
	return f->n;
}

static void
memory_message(void *be, struct imap_folder *f, size_t i, struct imap_message *m)
{
	(void)be;
	assert(i < f->n);
	*m = f->msg[i].m;
}

static size_t
memory_find(void *be, struct imap_folder *f, uint32_t uid)
{
	size_t lo = 0, hi = f->n;

	(void)be;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (f->msg[mid].m.uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum imap_result
memory_content(void *be, struct imap_folder *f, uint32_t uid, struct imap_content *c)
{
	struct memory *mem = be;
	size_t i = memory_find(be, f, uid);

	mem->contents++;
	if (mem->fail_content != IMAP_DONE)
		return mem->fail_content;
	if (i == f->n || f->msg[i].m.uid != uid)
		return IMAP_NONEXISTENT;
	mem->opened_contents++;
	f->msg[i].blob->refs++;
	*c = (struct imap_content){ f->msg[i].blob->bytes, f->msg[i].blob->n, f->msg[i].blob };
	return IMAP_DONE;
}

static void
memory_release(void *be, struct imap_content *c)
{
	((struct memory *)be)->opened_contents--;
	memory_blob_release(c->handle);
}

static enum imap_result
memory_facts(void *be, struct imap_folder *f, uint32_t uid, struct buf *out)
{
	struct memory *mem = be;
	size_t i = memory_find(be, f, uid);
	struct mime_tree t = { 0 };
	struct arena *a;
	struct str msg;
	int r;

	if (!mem->facts || i == f->n || f->msg[i].m.uid != uid)
		return IMAP_NONEXISTENT;
	msg = str_from(f->msg[i].blob->bytes, f->msg[i].blob->n);
	a = arena_new(IMAP_STRUCTURE_ARENA);
	mime_parse(msg, &t);
	r = imap_facts_put(out, msg, &t, a);
	mime_tree_free(&t);
	arena_free(&a);
	return r == 0 ? IMAP_DONE : IMAP_NONEXISTENT;
}

static void
memory_vanished(void *be, struct imap_folder *f, uint64_t modseq,
    void (*tell)(void *arg, uint32_t lo, uint32_t hi), void *arg)
{
	for (uint32_t uid = 1, lo = 0; uid <= f->uidnext; uid++) {
		size_t i = memory_find(be, f, uid);
		bool there = i < f->n && f->msg[i].m.uid == uid;
		bool gone = !there && uid < f->uidnext && f->nexpunged == MEMORY_EXPUNGED;

		for (size_t k = 0; k < f->nexpunged; k++)
			gone |= f->expunged[k].uid == uid && f->expunged[k].modseq > modseq;
		if (gone && lo == 0)
			lo = uid;
		if (!gone && lo != 0) {
			tell(arg, lo, uid - 1);
			lo = 0;
		}
	}
}

static uint32_t
memory_recent(void *be, struct imap_folder *f, bool claim)
{
	uint32_t first = f->recent;

	(void)be;
	if (claim)
		f->recent = f->uidnext;
	return first;
}

static struct str
memory_keyword_name(void *be, struct imap_folder *f, unsigned k)
{
	(void)be;
	return str_of(f->keyword[k]);
}

static int
memory_keyword_find(void *be, struct imap_folder *f, struct str name, bool create)
{
	(void)be;
	for (int k = 0; k < IMAP_KEYWORDS_MAX; k++) {
		if (f->keyword[k][0] == '\0' && create) {
			memcpy(f->keyword[k], name.p, name.n);
			return k;
		}
		if (f->keyword[k][0] != '\0' && str_eq_nocase(str_of(f->keyword[k]), name))
			return k;
	}
	return -1;
}

static enum imap_result
memory_store(void *be, struct imap_session *s, uint32_t token, struct imap_folder *f,
    const uint32_t *uids, size_t n, enum imap_store_mode mode, imap_flags flags)
{
	struct memory *mem = be;
	uint32_t *changed = xmalloc(n * sizeof(*changed) + 1);
	size_t nchanged = 0;

	(void)s;
	(void)token;
	for (size_t i = 0; i < n; i++) {
		size_t at = memory_find(be, f, uids[i]);
		imap_flags old;

		if (at == f->n || f->msg[at].m.uid != uids[i])
			continue;
		old = f->msg[at].m.flags;
		f->msg[at].m.flags = mode == IMAP_STORE_REPLACE ? flags
				     : mode == IMAP_STORE_ADD   ? old | flags
								: old & ~flags;
		if (f->msg[at].m.flags == old)
			continue;
		f->msg[at].m.modseq = ++mem->modseq;
		changed[nchanged++] = uids[i];
	}
	if (nchanged > 0)
		memory_notify(f, changed, nchanged, imap_session_flags);
	free(changed);
	return IMAP_DONE;
}

static void
memory_take_out(struct memory *mem, struct imap_folder *f, const uint32_t *uids, size_t n)
{
	size_t keep = 0, k = 0;

	for (size_t i = 0; i < f->n; i++) {
		while (k < n && uids[k] < f->msg[i].m.uid)
			k++;
		if (k < n && uids[k] == f->msg[i].m.uid) {
			if (f->nexpunged < MEMORY_EXPUNGED) {
				f->expunged[f->nexpunged].uid = uids[k];
				f->expunged[f->nexpunged++].modseq = mem->modseq + 1;
			}
			mem->size -= f->msg[i].m.size;
			memory_blob_release(f->msg[i].blob);
		} else {
			f->msg[keep++] = f->msg[i];
		}
	}
	f->n = keep;
	mem->modseq++;
	memory_notify(f, uids, n, imap_session_expunged);
}

static enum imap_result
memory_expunge(void *be, struct imap_session *s, uint32_t token, struct imap_folder *f,
    const uint32_t *uids, size_t n)
{
	memory_take_out(be, f, uids, n);
	return memory_result(be, s, token, IMAP_DONE);
}

/* A day and a minute after the internal date of delivered messages. */
static int64_t
memory_now(void *be)
{
	(void)be;
	return 1000000000 + 86460;
}

/* Takes over one reference of the blob. */
static uint32_t
memory_put(
    struct memory *mem, struct imap_folder *f, struct imap_message m, struct memory_blob *blob)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 8;
		f->msg = xrealloc(f->msg, f->cap * sizeof(f->msg[0]));
	}
	m.uid = f->uidnext++;
	m.modseq = ++mem->modseq;
	m.size = blob->n;
	m.saved = memory_now(mem);
	mem->size += blob->n;
	f->msg[f->n++] = (struct memory_message){ m, blob };
	return m.uid;
}

static void
memory_arrived(struct imap_folder *f)
{
	for (int i = 0; i < MEMORY_VIEWERS; i++)
		if (f->viewer[i] != NULL)
			imap_session_arrived(f->viewer[i], f);
}

static imap_flags
memory_flags_to(struct imap_folder *f, struct imap_folder *to, imap_flags flags)
{
	imap_flags r = flags & IMAP_SYSTEM_FLAGS;

	for (unsigned k = 0; k < IMAP_KEYWORDS_MAX; k++) {
		if (flags & IMAP_KEYWORD(k)) {
			int j = memory_keyword_find(NULL, to, str_of(f->keyword[k]), true);

			r |= j >= 0 ? IMAP_KEYWORD(j) : 0;
		}
	}
	return r;
}

static enum imap_result
memory_copy(void *be, struct imap_session *s, uint32_t token, struct imap_folder *f,
    const uint32_t *uids, size_t n, struct imap_folder *to, bool move, struct imap_done *done)
{
	struct memory *mem = be;
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += f->msg[memory_find(be, f, uids[i])].m.size;
	if (!move && bytes + mem->size > MEMORY_QUOTA)
		return memory_result(mem, s, token, IMAP_OVERQUOTA);
	if (!to->exists)
		return memory_result(mem, s, token, IMAP_NONEXISTENT);
	*done = (struct imap_done){ IMAP_DONE, to->uidvalidity, to->uidnext };
	for (size_t i = 0; i < n; i++) {
		struct memory_message m = f->msg[memory_find(be, f, uids[i])];

		m.blob->refs++;
		m.m.flags = memory_flags_to(f, to, m.m.flags);
		memory_put(mem, to, m.m, m.blob);
	}
	if (move)
		memory_take_out(mem, f, uids, n);
	memory_arrived(to);
	return memory_end(mem, s, token, *done);
}

static void
memory_move_all(struct memory *mem, struct imap_folder *from, struct imap_folder *to)
{
	uint32_t *uids = xmalloc(from->n * sizeof(*uids) + 1);
	size_t n = from->n;

	for (size_t i = 0; i < n; i++) {
		uids[i] = from->msg[i].m.uid;
		from->msg[i].blob->refs++;
		memory_put(mem, to, from->msg[i].m, from->msg[i].blob);
	}
	memory_take_out(mem, from, uids, n);
	free(uids);
}

/* ---- append ----------------------------------------------------------------------------------- */
static uint64_t
memory_append_limit(void *be)
{
	(void)be;
	return UINT32_MAX;
}

static void
memory_quota(void *be, struct imap_quota *q)
{
	struct memory *mem = be;

	*q = (struct imap_quota){ .bytes = mem->size, .bytes_limit = MEMORY_QUOTA };
	for (size_t i = 0; i < mem->nfolders; i++)
		q->messages += mem->folder[i]->n;
	q->messages_limit = mem->messages_limit;
	if (mem->no_quota)
		q->bytes_limit = 0;
}

static enum imap_result
memory_append_begin(void *be, struct imap_session *s, struct imap_folder *f, struct imap_append **a)
{
	*a = xcalloc(1, sizeof(**a));
	(*a)->mem = be;
	(*a)->s = s;
	(*a)->f = f;
	return IMAP_DONE;
}

static enum imap_result
memory_append_message(
    struct imap_append *a, imap_flags flags, bool has_when, struct imap_time when, uint64_t size)
{
	struct imap_message *m = &a->m[a->n];

	if (a->n == MEMORY_APPENDS)
		return IMAP_LIMIT;
	m->flags = flags;
	m->internal = has_when ? when : (struct imap_time){ 1000000000, 0 };
	m->email = ++a->mem->email;
	buf_init(&a->bytes[a->n++], MEMORY_QUOTA);
	return size + a->mem->size > MEMORY_QUOTA ? IMAP_OVERQUOTA : IMAP_DONE;
}

static enum imap_result
memory_append_bytes(struct imap_append *a, const void *p, size_t n)
{
	return buf_put(&a->bytes[a->n - 1], p, n) == 0 ? IMAP_DONE : IMAP_OVERQUOTA;
}

static void
memory_append_abort(struct imap_append **a)
{
	for (size_t i = 0; i < (*a)->n; i++)
		buf_free(&(*a)->bytes[i]);
	free(*a);
	*a = NULL;
}

static struct memory_blob *
memory_blob_new(const void *p, size_t n)
{
	struct memory_blob *b = xmalloc(sizeof(*b) + n);

	b->refs = 1;
	b->n = n;
	memcpy(b->bytes, p, n);
	return b;
}

static enum imap_result
memory_append_commit(struct imap_append **a, uint32_t token, struct imap_done *done)
{
	struct imap_append *x = *a;
	struct memory *mem = x->mem;
	struct imap_session *s = x->s;
	struct imap_folder *f = x->f;

	*done = (struct imap_done){ f->exists ? IMAP_DONE : IMAP_NONEXISTENT, f->uidvalidity,
		f->uidnext };
	if (f->exists) {
		for (size_t i = 0; i < x->n; i++)
			memory_put(mem, f, x->m[i],
			    memory_blob_new(buf_data(&x->bytes[i]), x->bytes[i].len));
		memory_arrived(f);
	}
	memory_append_abort(a);
	return memory_end(mem, s, token, *done);
}

static void
memory_session_gone(void *be, struct imap_session *s)
{
	struct memory *mem = be;

	for (size_t i = 0; i < mem->npending; i++)
		if (mem->pending[i].s == s)
			mem->pending[i].s = NULL;
}

/* ---- the index of texts: as memory.not_in says ---------------------------- */
static struct imap_probe *
memory_probe_new(void *be, struct str folded)
{
	struct memory *mem = be;

	(void)folded;
	mem->probes++;
	return mem->not_in == NULL ? NULL : (struct imap_probe *)(void *)mem;
}

static bool
memory_probe_may(void *be, struct imap_probe *p, const struct imap_message *m)
{
	struct memory *mem = be;

	(void)p;
	return !mem->not_in(m);
}

static void
memory_probe_free(void *be, struct imap_probe **p)
{
	struct memory *mem = be;

	mem->probes_freed += *p != NULL;
	*p = NULL;
}

static const struct imap_backend_ops memory_ops = {
	.list = memory_list,
	.open = memory_open,
	.close = memory_close,
	.state = memory_state,
	.create = memory_create,
	.delete_ = memory_delete,
	.rename = memory_rename,
	.subscribe = memory_subscribe,
	.count = memory_count,
	.message = memory_message,
	.find = memory_find,
	.content = memory_content,
	.release = memory_release,
	.vanished = memory_vanished,
	.facts = memory_facts,
	.probe_new = memory_probe_new,
	.probe_may = memory_probe_may,
	.probe_free = memory_probe_free,
	.recent = memory_recent,
	.keyword_name = memory_keyword_name,
	.keyword_find = memory_keyword_find,
	.store = memory_store,
	.expunge = memory_expunge,
	.copy = memory_copy,
	.now = memory_now,
	.append_limit = memory_append_limit,
	.quota = memory_quota,
	.append_begin = memory_append_begin,
	.append_message = memory_append_message,
	.append_bytes = memory_append_bytes,
	.append_commit = memory_append_commit,
	.append_abort = memory_append_abort,
	.session_gone = memory_session_gone,
};

/* ---- for tests -------------------------------------------------------------------------------- */
static inline void
memory_init(struct memory *mem)
{
	static const struct {
		const char *name;
		enum imap_special special;
	} folders[] = { { "Archive", IMAP_SPECIAL_ARCHIVE }, { "Drafts", IMAP_SPECIAL_DRAFTS },
		{ "INBOX", IMAP_SPECIAL_NONE }, { "Junk", IMAP_SPECIAL_JUNK },
		{ "Sent", IMAP_SPECIAL_SENT }, { "Trash", IMAP_SPECIAL_TRASH } };

	*mem = (struct memory){ 0 };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		memory_make(mem, str_of(folders[i].name), folders[i].special);
		memory_folder(mem, str_of(folders[i].name))->subscribed = true;
	}
}

static inline void
memory_free(struct memory *mem)
{
	for (size_t i = 0; i < mem->nfolders; i++) {
		assert(mem->folder[i]->opened == 0);
		memory_empty(mem, mem->folder[i]);
		free(mem->folder[i]->msg);
		free(mem->folder[i]);
	}
	assert(mem->opened_contents == 0);
}

static inline uint32_t
memory_deliver(struct memory *mem, const char *folder, struct str msg, imap_flags flags)
{
	struct imap_folder *f = memory_folder(mem, str_of(folder));
	struct imap_message m = { .flags = flags, .internal = { 1000000000, 0 } };
	uint32_t uid;

	m.email = ++mem->email;
	uid = memory_put(mem, f, m, memory_blob_new(msg.p, msg.n));
	memory_arrived(f);
	return uid;
}

#endif
