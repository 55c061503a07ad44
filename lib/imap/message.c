/* SPDX-License-Identifier: ISC */
/* STORE, COPY, MOVE, EXPUNGE and their UID forms. */
#include "imap/respond.h"
#include "imap/state.h"

/* ---- STORE ------------------------------------------------------------------------------------
 */
struct store {
	uint32_t *uids;
	size_t n, shown;
	bool silent, gone;
	bool conditional;   /* UNCHANGEDSINCE: */
	uint64_t unchanged; /* ... */
	uint32_t *modified; /* numbers (UIDs for UID STORE) that it refused */
	size_t nmodified;
	uint64_t before; /* highest MODSEQ of the folder before the command */
};

static void
store_show_one(struct imap_session *s, const struct store *st, const struct imap_seen *m)
{
	bool condstore = (s->enabled & IMAP_ON_CONDSTORE) != 0;

	if (!st->silent)
		imap_tell_keywords(s, m->m.flags);
	imap_put(s, "* %u FETCH (", m->seq);
	if (s->by_uid || (s->enabled & IMAP_ON_QRESYNC))
		imap_put(s, "UID %u ", m->m.uid);
	if (condstore)
		imap_put_modseq(s, m->m.modseq);
	if (condstore && !st->silent)
		imap_put(s, " ");
	if (!st->silent)
		imap_check(s, imap_put_message_flags(s, m));
	imap_put(s, ")\r\n");
}

static void
store_reply(struct imap_session *s, const struct store *st)
{
	bool gone = st->gone && !s->by_uid;

	if (st->nmodified > 0) {
		imap_reply(s, "%s [MODIFIED ", gone ? "NO" : "OK");
		imap_put_set(&s->reply, st->modified, st->nmodified);
		buf_puts(&s->reply,
		    gone ? "] Some were changed, some are gone" : "] Some were changed meanwhile");
	} else if (gone) {
		imap_reply(s, "NO [EXPUNGEISSUED] Some of the messages are gone");
	} else {
		imap_reply(s, "OK Flags stored");
	}
}

/* One FETCH for each message of the set (rfc3501:6.4.6). */
static enum imap_step
store_show(struct imap_session *s)
{
	bool condstore = (s->enabled & IMAP_ON_CONDSTORE) != 0;
	struct store *st = s->cmd;
	struct imap_walk w;
	struct imap_seen m;

	if (s->done.result != IMAP_DONE) {
		imap_reply_result(s, s->done.result, "");
		return IMAP_STEP_DONE;
	}
	while (!(st->silent && !condstore) && st->shown < st->n) {
		uint32_t uid = st->uids[st->shown];

		if (!imap_has_room(s))
			return IMAP_STEP_MORE;
		st->shown++;
		imap_walk_uids(&s->view, &w, uid, uid);
		/* silent: only its new MODSEQ, if it has one (rfc7162:3.1.3) */
		if (imap_walk_next(&s->view, &w, &m) && !m.gone &&
		    (!st->silent || m.m.modseq > st->before))
			store_show_one(s, st, &m);
	}
	store_reply(s, st);
	return IMAP_STEP_DONE;
}

/* "(UNCHANGEDSINCE n) " (rfc7162:3.1.3) */
static bool
store_modifier(struct imap_session *s, struct imap_parse *p, struct store *st)
{
	struct str word;

	if (!imap_parse_try(p, '('))
		return true;
	if (!imap_parse_atom(p, &word) || !str_eq_nocase(word, STR("UNCHANGEDSINCE")))
		return imap_parse_fail(p, "Unknown STORE modifier");
	if (!imap_parse_sp(p) || !imap_parse_number(p, INT64_MAX, &st->unchanged) ||
	    !imap_parse_char(p, ')') || !imap_parse_sp(p))
		return false;
	st->conditional = true;
	imap_condstore_on(s);
	return true;
}

/* Takes those out that were changed. False: out of room. */
static bool
store_filter(struct imap_session *s, struct store *st)
{
	struct imap_walk w;
	struct imap_seen m;
	size_t keep = 0;

	if (!st->conditional || st->uids == NULL)
		return st->uids != NULL;
	if ((st->modified = arena_alloc(s->arena, st->n * sizeof(uint32_t))) == NULL)
		return false;
	for (size_t i = 0; i < st->n; i++) {
		imap_walk_uids(&s->view, &w, st->uids[i], st->uids[i]);
		if (imap_walk_next(&s->view, &w, &m) && m.m.modseq > st->unchanged)
			st->modified[st->nmodified++] = s->by_uid ? m.m.uid : m.seq;
		else
			st->uids[keep++] = st->uids[i];
	}
	st->n = keep;
	return true;
}

static uint64_t
highest(struct imap_session *s)
{
	struct imap_folder_state state;

	s->ops->state(s->be, s->view.folder, &state);
	return state.highestmodseq;
}

static bool
store_mode(struct imap_parse *p, enum imap_store_mode *mode, bool *silent)
{
	struct str word;

	*mode = IMAP_STORE_REPLACE;
	if (imap_parse_try(p, '+'))
		*mode = IMAP_STORE_ADD;
	else if (imap_parse_try(p, '-'))
		*mode = IMAP_STORE_REMOVE;
	if (!imap_parse_atom(p, &word))
		return false;
	*silent = str_eq_nocase(word, STR("FLAGS.SILENT"));
	return *silent || str_eq_nocase(word, STR("FLAGS")) ||
	       imap_parse_fail(p, "Unknown STORE item");
}

static bool
is_read_only(struct imap_session *s)
{
	if (s->read_only)
		imap_reply(s, "NO [READ-ONLY] The folder was opened to be read only");
	return s->read_only;
}

bool
imap_cmd_store(struct imap_session *s, struct imap_parse *p)
{
	struct str names[IMAP_STORE_FLAGS_MAX];
	struct store *st = arena_alloc(s->arena, sizeof(*st));
	enum imap_store_mode mode;
	struct imap_set set;
	imap_flags flags;
	size_t n;

	if (!imap_parse_sp(p) || !imap_arg_set(s, p, &set) || !imap_parse_sp(p) ||
	    !store_modifier(s, p, st) || !store_mode(p, &mode, &st->silent) || !imap_parse_sp(p) ||
	    !imap_arg_flags(p, false, names, &n) || !imap_parse_end(p))
		return false;
	if (is_read_only(s) ||
	    !imap_flags_resolve(s, s->view.folder, names, n, mode != IMAP_STORE_REMOVE, &flags))
		return true;
	st->uids = imap_set_uids(s, &set, &st->n, &st->gone);
	s->cmd = st;
	s->step = store_show;
	st->before = highest(s);
	s->done.result = store_filter(s, st) ? IMAP_DONE : IMAP_UNAVAILABLE;
	if (s->done.result != IMAP_DONE || st->n == 0)
		return true;
	s->own_store = true;
	imap_pending(s,
	    s->ops->store(s->be, s, imap_token(s), s->view.folder, st->uids, st->n, mode, flags));
	s->own_store = false;
	return true;
}

/* ---- COPY, MOVE -------------------------------------------------------------------------------
 */
struct copy {
	struct imap_folder *to;
	uint32_t *uids;
	size_t n;
	bool move;
};

static void
copy_cleanup(struct imap_session *s)
{
	struct copy *c = s->cmd;

	if (c != NULL && c->to != NULL)
		s->ops->close(s->be, c->to, NULL);
}

/* "[COPYUID 1 1:2 5:6] " (rfc4315:3) */
static int
copyuid_put(struct imap_session *s, struct buf *out, const struct copy *c)
{
	uint32_t first = s->done.first_uid, last = first + (uint32_t)c->n - 1;
	int r = buf_printf(out, "OK [COPYUID %u ", s->done.uidvalidity);

	r |= imap_put_set(out, c->uids, c->n);
	r |= buf_printf(out, " %u", first);
	if (last > first)
		r |= buf_printf(out, ":%u", last);
	return r | buf_puts(out, "] ");
}

static enum imap_step
copy_end(struct imap_session *s)
{
	struct copy *c = s->cmd;

	if (s->done.result == IMAP_NONEXISTENT) { /* deleted meanwhile */
		imap_reply(s, "NO [TRYCREATE] No such folder");
	} else if (s->done.result != IMAP_DONE) {
		imap_reply_result(s, s->done.result, "");
	} else if (!c->move) {
		buf_clear(&s->reply);
		copyuid_put(s, &s->reply, c);
		buf_puts(&s->reply, "Messages copied");
	} else {
		/* rfc6851:4.3: before the EXPUNGEs, in an untagged OK; a long set takes its time */
		if (s->scratch.len == 0) {
			buf_puts(&s->scratch, "* ");
			copyuid_put(s, &s->scratch, c);
			buf_puts(&s->scratch, "Messages moved\r\n");
			s->chunk = str_from(buf_data(&s->scratch), s->scratch.len);
		}
		if (!imap_chunk_write(s))
			return IMAP_STEP_MORE;
		s->tell_synced = true;
		imap_reply(s, "OK Done");
	}
	buf_clear(&s->scratch);
	return IMAP_STEP_DONE;
}

static bool
copy_begin(struct imap_session *s, struct imap_parse *p, bool move)
{
	struct copy *c = arena_alloc(s->arena, sizeof(*c));
	struct imap_set set;
	enum imap_result r;
	struct str name;
	bool gone;

	if (!imap_parse_sp(p) || !imap_arg_set(s, p, &set) || !imap_parse_sp(p) ||
	    !imap_arg_name(s, p, &name) || !imap_parse_end(p))
		return false;
	if (name.p == NULL || (move && is_read_only(s)))
		return true;
	c->move = move;
	c->uids = imap_set_uids(s, &set, &c->n, &gone);
	if (c->uids == NULL) {
		imap_reply_result(s, IMAP_UNAVAILABLE, "");
		return true;
	}
	if (gone && !s->by_uid) { /* rfc2180:4.4.1: all or nothing */
		imap_reply(s, "NO [EXPUNGEISSUED] Some of the messages are gone");
		return true;
	}
	if ((r = s->ops->open(s->be, name, NULL, &c->to)) != IMAP_DONE) {
		if (r == IMAP_NONEXISTENT)
			imap_reply(s, "NO [TRYCREATE] No such folder");
		else
			imap_reply_result(s, r, "");
		return true;
	}
	s->cmd = c;
	s->cleanup = copy_cleanup;
	if (c->n == 0) {
		imap_reply(s, "OK No such messages");
		return true;
	}
	s->step = copy_end;
	buf_clear(&s->scratch);
	imap_pending(s, s->ops->copy(s->be, s, imap_token(s), s->view.folder, c->uids, c->n, c->to,
			    move, &s->done));
	return true;
}

bool
imap_cmd_copy(struct imap_session *s, struct imap_parse *p)
{
	return copy_begin(s, p, false);
}

bool
imap_cmd_move(struct imap_session *s, struct imap_parse *p)
{
	return copy_begin(s, p, true);
}

/* ---- EXPUNGE ----------------------------------------------------------------------------------
 */
static enum imap_step
expunge_end(struct imap_session *s)
{
	s->tell_synced = true;
	imap_reply_result(s, s->done.result, "Messages expunged");
	return IMAP_STEP_DONE;
}

bool
imap_cmd_expunge(struct imap_session *s, struct imap_parse *p)
{
	struct imap_set set = { 0 };
	size_t n, keep = 0;
	uint32_t *uids;
	bool gone;

	if (s->by_uid) {
		if (!imap_parse_sp(p) || !imap_arg_set(s, p, &set))
			return false;
	} else {
		set.r = arena_alloc(s->arena, sizeof(set.r[0]));
		set.r[0] = (struct imap_range){ 1, s->view.exists };
		set.n = s->view.exists > 0;
	}
	if (!imap_parse_end(p))
		return false;
	if (is_read_only(s))
		return true;
	s->step = expunge_end;
	if ((uids = imap_set_uids(s, &set, &n, &gone)) == NULL) {
		s->done.result = IMAP_UNAVAILABLE;
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		struct imap_message m;

		s->ops->message(
		    s->be, s->view.folder, s->ops->find(s->be, s->view.folder, uids[i]), &m);
		if (m.flags & IMAP_DELETED)
			uids[keep++] = uids[i];
	}
	s->done.result = IMAP_DONE;
	if (keep > 0)
		imap_pending(
		    s, s->ops->expunge(s->be, s, imap_token(s), s->view.folder, uids, keep));
	return true;
}
