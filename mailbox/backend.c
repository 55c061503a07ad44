/* SPDX-License-Identifier: ISC */
#include "mailbox/backend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/xalloc.h"
#include "mailbox/append.h"
#include "mailbox/backend_priv.h"
#include "mailbox/search_index.h"
#include "mailbox/thread.h"

static struct folder *
folder_of(struct imap_folder *f)
{
	return (struct folder *)(void *)f;
}

struct imap_folder *
backend_handle(struct folder *f)
{
	return (struct imap_folder *)(void *)f;
}

enum imap_result
backend_result(int e)
{
	switch (e) {
	case STORE_OK:
		return IMAP_DONE;
	case STORE_LIMIT:
		return IMAP_LIMIT;
	case STORE_NONE:
		return IMAP_NONEXISTENT;
	case STORE_EXISTS:
		return IMAP_EXISTS;
	case STORE_CANNOT:
		return IMAP_CANNOT;
	case STORE_CHILDREN:
		return IMAP_HASCHILDREN;
	case STORE_DAMAGED:
		return IMAP_CORRUPTION;
	default:
		return IMAP_UNAVAILABLE;
	}
}

/* --- life --------------------------------------------------------------------------------------
 */

struct backend *
backend_new(uint64_t (*now_ms)(void *arg), void *arg)
{
	struct backend *b = xcalloc(1, sizeof(*b));

	b->now_ms = now_ms;
	b->arg = arg;
	b->message_max = UINT32_MAX;
	TAILQ_INIT(&b->pending);
	return b;
}

void
backend_free(struct backend **bp)
{
	struct backend *b = *bp;
	struct pending *p;

	if (b == NULL)
		return;
	*bp = NULL;
	while ((p = TAILQ_FIRST(&b->pending)) != NULL) {
		TAILQ_REMOVE(&b->pending, p, link);
		free(p);
	}
	free(b);
}

void
backend_set_store(struct backend *b, struct store *s)
{
	b->store = s;
}

void
backend_set_index(struct backend *b, struct search_index *x)
{
	b->index = x;
}

void
backend_set_message_max(struct backend *b, uint64_t bytes)
{
	b->message_max = bytes < UINT32_MAX ? bytes : UINT32_MAX;
}

/* --- waiting for stable storage ----------------------------------------------------------------
 */

static void
on_stable(void *arg)
{
	struct pending *p = arg;

	TAILQ_REMOVE(&p->backend->pending, p, link);
	if (p->session != NULL)
		imap_session_done(p->session, p->token, &p->done);
	free(p);
}

enum imap_result
backend_wait(struct backend *b, struct imap_session *s, uint32_t token, struct imap_done done)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	p->backend = b;
	p->session = s;
	p->token = token;
	p->done = done;
	TAILQ_INSERT_TAIL(&b->pending, p, link);
	store_wait(b->store, on_stable, p);
	return IMAP_PENDING;
}

/* What a change returns: an error at once, or PENDING. */
static enum imap_result
after(struct backend *b, struct imap_session *s, uint32_t token, int e)
{
	if (e != 0)
		return backend_result(e);
	return backend_wait(b, s, token, (struct imap_done){ IMAP_DONE, 0, 0 });
}

static void
be_session_gone(void *be, struct imap_session *s)
{
	struct backend *b = be;
	struct pending *p;

	TAILQ_FOREACH(p, &b->pending, link)
		if (p->session == s)
			p->session = NULL;
}

/* --- who looks at a folder ---------------------------------------------------------------------
 */

struct viewers {
	uint32_t n, cap;
	struct imap_session *sessions[];
};

static void
viewer_add(struct folder *f, struct imap_session *s)
{
	struct viewers *v = f->viewers;

	if (v == NULL || v->n == v->cap) {
		uint32_t cap = v == NULL ? 4 : v->cap * 2, n = v == NULL ? 0 : v->n;

		v = xrealloc(v, sizeof(*v) + cap * sizeof(struct imap_session *));
		v->cap = cap;
		v->n = n;
		f->viewers = v;
	}
	v->sessions[v->n++] = s;
}

static void
viewer_remove(struct folder *f, const struct imap_session *s)
{
	struct viewers *v = f->viewers;

	for (uint32_t i = 0; v != NULL && i < v->n; i++) {
		if (v->sessions[i] != s)
			continue;
		v->sessions[i] = v->sessions[--v->n];
		break;
	}
	if (v != NULL && v->n == 0) {
		free(v);
		f->viewers = NULL;
	}
}

#define FOR_VIEWERS(f, i, v) for (uint32_t i = 0; (v = (f)->viewers) != NULL && i < v->n; i++)

void
backend_arrived(struct backend *b, struct folder *f)
{
	struct viewers *v;

	(void)b;
	FOR_VIEWERS(f, i, v)
	imap_session_arrived(v->sessions[i], backend_handle(f));
}

static void
tell_flags(struct folder *f, const uint32_t *uids, size_t n)
{
	struct viewers *v;

	FOR_VIEWERS(f, i, v)
	imap_session_flags(v->sessions[i], backend_handle(f), uids, n);
}

static void
tell_expunged(struct folder *f, const uint32_t *uids, size_t n)
{
	struct viewers *v;

	FOR_VIEWERS(f, i, v)
	imap_session_expunged(v->sessions[i], backend_handle(f), uids, n);
}

void
backend_folder_gone(struct backend *b, struct folder *f)
{
	struct viewers *v;

	(void)b;
	f->opens++; /* stays while they are told */
	FOR_VIEWERS(f, i, v)
	imap_session_folder_gone(v->sessions[i], backend_handle(f));
	f->opens--;
}

/* --- folders -----------------------------------------------------------------------------------
 */

static bool
be_list(void *be, size_t i, struct imap_folder_info *info)
{
	struct backend *b = be;
	const struct model *m = store_model(b->store);
	const struct model_name *n;

	if (i >= m->nnames)
		return false;
	n = &m->names[i];
	info->name = str_of(n->name);
	info->exists = n->folder != NULL;
	info->subscribed = n->subscribed;
	info->special =
	    n->folder != NULL ? (enum imap_special)n->folder->special : IMAP_SPECIAL_NONE;
	return true;
}

static enum imap_result
be_open(void *be, struct str name, struct imap_session *viewer, struct imap_folder **out)
{
	struct backend *b = be;
	struct folder *f = model_folder_named(store_model(b->store), name);

	if (f == NULL)
		return IMAP_NONEXISTENT;
	f->opens++;
	if (viewer != NULL)
		viewer_add(f, viewer);
	*out = backend_handle(f);
	return IMAP_DONE;
}

static void
be_close(void *be, struct imap_folder *handle, struct imap_session *viewer)
{
	struct backend *b = be;
	struct folder *f = folder_of(handle);

	if (viewer != NULL)
		viewer_remove(f, viewer);
	f->opens--;
	model_folder_release(store_model(b->store), f);
}

static void
be_state(void *be, struct imap_folder *handle, struct imap_folder_state *state)
{
	const struct folder *f = folder_of(handle);

	(void)be;
	*state = (struct imap_folder_state){ .id = f->id,
		.uidvalidity = f->uidvalidity,
		.uidnext = f->uidnext,
		.highestmodseq = f->highest > 0 ? f->highest : 1,
		.messages = f->n,
		.unseen = f->unseen,
		.recent = f->n - model_find(f, f->recent),
		.deleted = f->deleted,
		.size = f->bytes };
}

static enum imap_result
be_create(
    void *be, struct imap_session *s, uint32_t token, struct str name, enum imap_special special)
{
	struct backend *b = be;

	return after(b, s, token, store_create(b->store, name, (uint8_t)special));
}

static enum imap_result
be_delete(void *be, struct imap_session *s, uint32_t token, struct str name)
{
	struct backend *b = be;

	return after(b, s, token, store_delete(b->store, name));
}

/* The UIDs of all messages; NULL when there are none. */
static uint32_t *
all_uids(const struct folder *f)
{
	uint32_t *uids = f->n > 0 ? xmalloc(f->n * sizeof(*uids)) : NULL;

	for (uint32_t i = 0; i < f->n; i++)
		uids[i] = f->messages[i].uid;
	return uids;
}

/* rfc3501:6.3.5: the messages move into a new folder, INBOX stays. */
static int
rename_inbox(struct backend *b, struct str to)
{
	struct folder *inbox = model_folder_named(store_model(b->store), STR("INBOX")), *f;
	uint32_t *uids, first, n;
	int e = store_create(b->store, to, IMAP_SPECIAL_NONE);

	if (e != 0)
		return e;
	f = model_folder_named(store_model(b->store), to);
	n = inbox->n;
	uids = all_uids(inbox);
	if (n > 0)
		e = store_copy(b->store, inbox, uids, n, f, true, &first);
	if (e == 0 && n > 0)
		tell_expunged(inbox, uids, n);
	else if (e != 0)
		store_delete(b->store, to);
	free(uids);
	return e;
}

static enum imap_result
be_rename(void *be, struct imap_session *s, uint32_t token, struct str from, struct str to)
{
	struct backend *b = be;
	int e;

	if (str_eq(from, STR("INBOX")))
		e = rename_inbox(b, to);
	else
		e = store_rename(b->store, from, to);
	return after(b, s, token, e);
}

static enum imap_result
be_subscribe(void *be, struct imap_session *s, uint32_t token, struct str name, bool on)
{
	struct backend *b = be;

	return after(b, s, token, store_subscribe(b->store, name, on));
}

/* --- messages ----------------------------------------------------------------------------------
 */

static size_t
be_count(void *be, struct imap_folder *f)
{
	(void)be;
	return folder_of(f)->n;
}

static void
be_message(void *be, struct imap_folder *handle, size_t i, struct imap_message *out)
{
	struct backend *b = be;
	const struct message *g = &folder_of(handle)->messages[i];
	const struct content *c = &store_model(b->store)->contents[g->content];

	*out = (struct imap_message){ .uid = g->uid,
		.flags = message_flags(g),
		.modseq = message_modseq(g),
		.size = c->size,
		.internal = { c->seconds, (int16_t)(c->quarters * 15) },
		.saved = g->saved,
		.email = c->email,
		.thread = c->thread };
}

static size_t
be_find(void *be, struct imap_folder *f, uint32_t uid)
{
	(void)be;
	return model_find(folder_of(f), uid);
}

static enum imap_result
be_content(void *be, struct imap_folder *f, uint32_t uid, struct imap_content *out)
{
	struct backend *b = be;
	struct store_content *c = xmalloc(sizeof(*c));
	int e = store_content(b->store, folder_of(f), uid, c);

	if (e != 0) {
		free(c);
		return backend_result(e);
	}
	*out = (struct imap_content){ c->p, c->n, c };
	return IMAP_DONE;
}

static void
be_release(void *be, struct imap_content *c)
{
	struct backend *b = be;

	store_content_release(b->store, c->handle);
	free(c->handle);
	*c = (struct imap_content){ 0 };
}

static enum imap_result
be_facts(void *be, struct imap_folder *f, uint32_t uid, struct buf *out)
{
	struct backend *b = be;

	return backend_result(store_facts(b->store, folder_of(f), uid, out));
}

static void
be_vanished(void *be, struct imap_folder *f, uint64_t modseq,
    void (*tell)(void *arg, uint32_t lo, uint32_t hi), void *arg)
{
	(void)be;
	vanished_tell(folder_of(f), modseq, tell, arg);
}

static struct imap_probe *
be_probe_new(void *be, struct str folded)
{
	struct backend *b = be;

	if (b->index == NULL)
		return NULL;
	return (struct imap_probe *)(void *)search_probe_new(b->index, folded);
}

static bool
be_probe_may(void *be, struct imap_probe *p, const struct imap_message *m)
{
	struct backend *b = be;

	return search_probe_may(b->index, (struct search_probe *)(void *)p, m->email);
}

static void
be_probe_free(void *be, struct imap_probe **p)
{
	struct backend *b = be;
	struct search_probe *probe = (struct search_probe *)(void *)*p;

	search_probe_free(b->index, &probe);
	*p = NULL;
}

static uint32_t
be_recent(void *be, struct imap_folder *handle, bool claim)
{
	struct folder *f = folder_of(handle);
	uint32_t first = f->recent;

	(void)be;
	if (claim)
		f->recent = f->uidnext;
	return first;
}

static struct str
be_keyword_name(void *be, struct imap_folder *handle, unsigned k)
{
	const struct folder *f = folder_of(handle);

	(void)be;
	return k < f->nkeywords ? str_of(f->keywords[k]) : (struct str){ "", 0 };
}

static int
be_keyword_find(void *be, struct imap_folder *handle, struct str name, bool create)
{
	struct backend *b = be;
	struct folder *f = folder_of(handle);

	return create ? store_keyword(b->store, f, name) : model_keyword(f, name);
}

/* --- changes -----------------------------------------------------------------------------------
 */

static uint64_t
changed_flags(uint64_t was, enum imap_store_mode mode, uint64_t flags)
{
	switch (mode) {
	case IMAP_STORE_ADD:
		return was | flags;
	case IMAP_STORE_REMOVE:
		return was & ~flags;
	default:
		return flags;
	}
}

static void
run_add(struct rec_run *runs, size_t *n, uint32_t uid, uint64_t flags)
{
	if (*n > 0 && runs[*n - 1].hi + 1 == uid && runs[*n - 1].flags == flags)
		runs[*n - 1].hi = uid;
	else
		runs[(*n)++] = (struct rec_run){ uid, uid, flags };
}

static enum imap_result
be_store(void *be, struct imap_session *s, uint32_t token, struct imap_folder *handle,
    const uint32_t *uids, size_t n, enum imap_store_mode mode, imap_flags flags)
{
	struct backend *b = be;
	struct folder *f = folder_of(handle);
	struct rec_run *runs = xmalloc(n * sizeof(*runs) + 1);
	uint32_t *changed = xmalloc(n * sizeof(*changed) + 1);
	size_t nruns = 0, nchanged = 0;
	int e;

	(void)s;
	(void)token;
	flags &= REC_FLAGS_MASK;
	for (size_t i = 0; i < n; i++) {
		const struct message *g = model_message(f, uids[i]);
		uint64_t was, now;

		if (g == NULL)
			continue;
		was = message_flags(g);
		now = changed_flags(was, mode, flags);
		if (now == was)
			continue;
		run_add(runs, &nruns, uids[i], now);
		changed[nchanged++] = uids[i];
	}
	e = f->gone ? STORE_NONE : store_flags(b->store, f, runs, nruns);
	if (e == 0 && nchanged > 0)
		tell_flags(f, changed, nchanged);
	free(runs);
	free(changed);
	return backend_result(e);
}

static enum imap_result
be_expunge(void *be, struct imap_session *s, uint32_t token, struct imap_folder *handle,
    const uint32_t *uids, size_t n)
{
	struct backend *b = be;
	struct folder *f = folder_of(handle);
	int e = store_expunge(b->store, f, uids, n);

	if (e == 0 && n > 0)
		tell_expunged(f, uids, n);
	return after(b, s, token, e);
}

static uint64_t
bytes_of(struct backend *b, const struct folder *f, const uint32_t *uids, size_t n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		const struct message *g = model_message(f, uids[i]);

		bytes += g ? store_model(b->store)->contents[g->content].size : 0;
	}
	return bytes;
}

/* Moving adds nothing. */
static enum imap_result
be_copy(void *be, struct imap_session *s, uint32_t token, struct imap_folder *handle,
    const uint32_t *uids, size_t n, struct imap_folder *to, bool move, struct imap_done *done)
{
	struct backend *b = be;
	struct folder *f = folder_of(handle), *dest = folder_of(to);
	uint32_t first = 0;
	int e;

	(void)done;
	if (!move && !backend_has_room(b, bytes_of(b, f, uids, n), n))
		return IMAP_OVERQUOTA;
	e = store_copy(b->store, f, uids, n, dest, move, &first);
	if (e != 0)
		return backend_result(e);
	if (move && n > 0)
		tell_expunged(f, uids, n);
	backend_arrived(b, dest);
	return backend_wait(b, s, token, (struct imap_done){ IMAP_DONE, dest->uidvalidity, first });
}

static int64_t
be_now(void *be)
{
	struct backend *b = be;

	return (int64_t)(b->now_ms(b->arg) / 1000);
}

static uint64_t
be_append_limit(void *be)
{
	return ((struct backend *)be)->message_max;
}

static enum imap_result
be_append_begin(void *be, struct imap_session *s, struct imap_folder *f, struct imap_append **out)
{
	return append_begin(be, s, folder_of(f), out);
}

const struct imap_backend_ops backend_ops = {
	.list = be_list,
	.open = be_open,
	.close = be_close,
	.state = be_state,
	.create = be_create,
	.delete_ = be_delete,
	.rename = be_rename,
	.subscribe = be_subscribe,
	.count = be_count,
	.message = be_message,
	.find = be_find,
	.content = be_content,
	.release = be_release,
	.facts = be_facts,
	.vanished = be_vanished,
	.probe_new = be_probe_new,
	.probe_may = be_probe_may,
	.probe_free = be_probe_free,
	.recent = be_recent,
	.keyword_name = be_keyword_name,
	.keyword_find = be_keyword_find,
	.store = be_store,
	.expunge = be_expunge,
	.copy = be_copy,
	.now = be_now,
	.append_limit = be_append_limit,
	.quota = backend_quota,
	.append_begin = be_append_begin,
	.append_message = append_message,
	.append_bytes = append_bytes,
	.append_commit = append_commit,
	.append_abort = append_abort,
	.session_gone = be_session_gone,
};
