/* SPDX-License-Identifier: ISC */
/* SELECT, EXAMINE (with the parameters of rfc7162), CLOSE, UNSELECT. */
#include "imap/name.h"
#include "imap/respond.h"
#include "imap/state.h"

struct params {
	bool condstore, qresync;
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_known;
	struct imap_set known; /* UIDs */
};

/* rfc7162:3.2.5.2: numbers and UIDs that belong together; our answers do not need the hint. */
static bool
match_data_parse(struct imap_parse *p)
{
	struct imap_set set;

	return imap_parse_char(p, '(') && imap_parse_set(p, &set) && imap_parse_sp(p) &&
	       imap_parse_set(p, &set) && imap_parse_char(p, ')');
}

static bool
qresync_parse(struct imap_session *s, struct imap_parse *p, struct params *o)
{
	uint64_t n;

	if (!(s->enabled & IMAP_ON_QRESYNC))
		return imap_parse_fail(p, "QRESYNC is not enabled");
	if (!imap_parse_sp(p) || !imap_parse_char(p, '(') ||
	    !imap_parse_number(p, UINT32_MAX, &n) || !imap_parse_sp(p) ||
	    !imap_parse_number(p, INT64_MAX, &o->modseq))
		return false;
	o->uidvalidity = (uint32_t)n;
	o->qresync = true;
	if (imap_parse_try(p, ')'))
		return true;
	if (!imap_parse_sp(p))
		return false;
	if (imap_parse_peek(p) != '(') {
		o->has_known = true;
		if (!imap_parse_set(p, &o->known) || o->known.saved)
			return imap_parse_fail(p, "Invalid set of numbers");
		if (imap_parse_try(p, ')'))
			return true;
		if (!imap_parse_sp(p))
			return false;
	}
	return match_data_parse(p) && imap_parse_char(p, ')');
}

static bool
params_parse(struct imap_session *s, struct imap_parse *p, struct params *o)
{
	struct str word;

	if (!imap_parse_try(p, ' '))
		return true;
	if (!imap_parse_char(p, '('))
		return false;
	do {
		if (!imap_parse_atom(p, &word))
			return false;
		if (str_eq_nocase(word, STR("CONDSTORE")))
			o->condstore = true;
		else if (!str_eq_nocase(word, STR("QRESYNC")))
			return imap_parse_fail(p, "Unknown SELECT parameter");
		else if (!qresync_parse(s, p, o))
			return false;
	} while (imap_parse_try(p, ' '));
	return imap_parse_char(p, ')');
}

static uint32_t
first_unseen(struct imap_session *s)
{
	size_t n = s->ops->count(s->be, s->view.folder);
	struct imap_message m;

	for (size_t i = 0; i < n; i++) {
		s->ops->message(s->be, s->view.folder, i, &m);
		if (!(m.flags & IMAP_SEEN))
			return (uint32_t)i + 1;
	}
	return 0;
}

static void
folder_show(struct imap_session *s, const struct imap_folder_state *st)
{
	imap_put_folder_flags(s);
	imap_view_take_new(&s->view, !s->read_only);
	imap_put(s, "* %u EXISTS\r\n", s->view.exists);
	if (!imap_is_rev2(s)) {
		imap_put(s, "* %u RECENT\r\n", imap_view_recent_count(&s->view));
		if (st->unseen > 0)
			imap_put(s, "* OK [UNSEEN %u] First unseen message\r\n", first_unseen(s));
	}
	imap_put(s, "* OK [UIDVALIDITY %u] UIDs are valid\r\n", st->uidvalidity);
	imap_put(s, "* OK [UIDNEXT %u] Next UID\r\n", st->uidnext);
	imap_put(s, "* OK [MAILBOXID (F%llu)] Id of the folder\r\n", (unsigned long long)st->id);
	imap_put(s, "* OK [HIGHESTMODSEQ %llu] Highest\r\n", (unsigned long long)st->highestmodseq);
}

/* What changed since the client was here last: first what is gone, then new flags. */
static bool
resync(struct imap_session *s, struct params *o, uint32_t uidnext, const char *text)
{
	struct imap_set *set = arena_alloc(s->arena, sizeof(*set));

	*set = o->known;
	if (!o->has_known) {
		set->r = arena_alloc(s->arena, sizeof(set->r[0]));
		set->n = 1;
		set->r[0] = (struct imap_range){ 1, uidnext > 1 ? uidnext - 1 : 1 };
	}
	imap_set_resolve(set, uidnext);
	return imap_fetch_changed(s, set, o->modseq, text);
}

static bool
folder_open(struct imap_session *s, struct imap_parse *p, bool read_only)
{
	const char *text =
	    read_only ? "OK [READ-ONLY] Folder selected" : "OK [READ-WRITE] Folder selected";
	struct params o = { .condstore = false };
	struct imap_folder_state st;
	struct imap_folder *f;
	enum imap_result r;
	struct str name;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &name) || !params_parse(s, p, &o) ||
	    !imap_parse_end(p))
		return false;
	if (s->view.folder != NULL)
		imap_put(s, "* OK [CLOSED] Folder closed\r\n");
	imap_folder_close(s); /* whatever comes of the new one, rfc3501:6.3.1 */
	if (name.p == NULL)
		return true;
	if ((r = s->ops->open(s->be, name, s, &f)) != IMAP_DONE) {
		imap_reply_result(s, r, "");
		return true;
	}
	if (o.condstore)
		imap_condstore_on(s);
	imap_view_open(&s->view, s->ops, s->be, f);
	s->read_only = read_only;
	s->ops->state(s->be, f, &st);
	s->synced = st.highestmodseq;
	folder_show(s, &st);
	if (imap_is_rev2(s))
		imap_put_list_line(s, name);
	if (o.qresync && o.uidvalidity == st.uidvalidity && o.modseq < st.highestmodseq)
		return resync(s, &o, st.uidnext, text);
	imap_reply(s, "%s", text);
	return true;
}

bool
imap_cmd_select(struct imap_session *s, struct imap_parse *p)
{
	return folder_open(s, p, false);
}

bool
imap_cmd_examine(struct imap_session *s, struct imap_parse *p)
{
	return folder_open(s, p, true);
}

/* ---- CLOSE, UNSELECT --------------------------------------------------------------------------
 */
bool
imap_cmd_unselect(struct imap_session *s, struct imap_parse *p)
{
	if (!imap_parse_end(p))
		return false;
	imap_folder_close(s);
	imap_reply(s, "OK Folder closed");
	return true;
}

static enum imap_step
close_end(struct imap_session *s)
{
	/* closed even when the expunge failed: the client must not be left in between */
	imap_folder_close(s);
	imap_reply_result(s, s->done.result, "Folder closed");
	return IMAP_STEP_DONE;
}

bool
imap_cmd_close(struct imap_session *s, struct imap_parse *p)
{
	size_t live = s->ops->count(s->be, s->view.folder), n = 0;
	struct imap_message m;
	uint32_t *uids;

	if (!imap_parse_end(p))
		return false;
	s->done.result = IMAP_DONE;
	s->step = close_end;
	if (s->read_only || s->folder_gone)
		return true;
	if ((uids = arena_alloc(s->arena, live * sizeof(uids[0]))) == NULL) {
		s->done.result = IMAP_UNAVAILABLE;
		return true;
	}
	for (size_t i = 0; i < live; i++) {
		s->ops->message(s->be, s->view.folder, i, &m);
		if (m.flags & IMAP_DELETED)
			uids[n++] = m.uid;
	}
	if (n > 0)
		imap_pending(s, s->ops->expunge(s->be, s, imap_token(s), s->view.folder, uids, n));
	return true;
}
