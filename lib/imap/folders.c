/* SPDX-License-Identifier: ISC */
/* Commands on folders as wholes: CREATE to UNSUBSCRIBE, SELECT, EXAMINE, CLOSE, UNSELECT. */
#include "imap/name.h"
#include "imap/respond.h"
#include "imap/special.h"
#include "imap/state.h"

struct simple {
	const char *text;
};

static enum imap_step
simple_end(struct imap_session *s)
{
	const struct simple *c = s->cmd;

	imap_reply_result(s, s->done.result, c->text);
	return IMAP_STEP_DONE;
}

/* Replies with text when the operation ends well. */
static void
simple_wait(struct imap_session *s, enum imap_result r, const char *text)
{
	struct simple *c = arena_alloc(s->arena, sizeof(*c));

	imap_pending(s, r);
	c->text = text;
	s->cmd = c;
	s->step = simple_end;
}

/* "(USE (\Drafts ...))" (rfc6154:3); *special gets a bit that no folder has for unknown uses. */
enum { USE_UNKNOWN = 1 << 30 };

static bool
use_parse(struct imap_parse *p, unsigned *special)
{
	struct str word;

	*special = IMAP_SPECIAL_NONE;
	if (!imap_parse_try(p, ' '))
		return true;
	if (!imap_parse_char(p, '(') || !imap_parse_atom(p, &word) ||
	    !str_eq_nocase(word, STR("USE")) || !imap_parse_sp(p) || !imap_parse_char(p, '('))
		return imap_parse_fail(p, "Unknown CREATE parameter");
	if (imap_parse_try(p, ')'))
		return imap_parse_char(p, ')');
	do {
		const char *from = p->p;
		unsigned bit;

		if (!imap_parse_char(p, '\\') || !imap_parse_atom(p, &word))
			return false;
		bit = imap_special_find(str_from(from, word.n + 1));
		*special |= bit ? bit : USE_UNKNOWN;
	} while (imap_parse_try(p, ' '));
	return imap_parse_char(p, ')') && imap_parse_char(p, ')');
}

/* Each use belongs to one folder at most, so that clients never have to choose. */
static bool
use_is_free(struct imap_session *s, unsigned special)
{
	struct imap_folder_info info;

	for (size_t i = 0; s->ops->list(s->be, i, &info); i++)
		if (info.special & special)
			return false;
	return true;
}

bool
imap_cmd_create(struct imap_session *s, struct imap_parse *p)
{
	unsigned special;
	struct str name;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &name) || !use_parse(p, &special) ||
	    !imap_parse_end(p))
		return false;
	if (name.p == NULL)
		return true;
	if (special & USE_UNKNOWN)
		imap_reply(s, "NO [USEATTR] Folders cannot have this use here");
	else if (special && !use_is_free(s, special))
		imap_reply(s, "NO [USEATTR] Another folder has this use");
	else
		simple_wait(s,
		    s->ops->create(s->be, s, imap_token(s), name, (enum imap_special)special),
		    "Folder created");
	return true;
}

/* Who deletes the folder it has open has none open then; others are told BYE (rfc2180:3.3). */
static enum imap_step
delete_end(struct imap_session *s)
{
	if (s->done.result == IMAP_DONE && s->folder_gone)
		imap_folder_close(s);
	return simple_end(s);
}

bool
imap_cmd_delete(struct imap_session *s, struct imap_parse *p)
{
	struct str name;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &name) || !imap_parse_end(p))
		return false;
	if (name.p == NULL)
		return true;
	if (str_eq(name, STR("INBOX"))) {
		imap_reply(s, "NO [CANNOT] INBOX cannot be deleted");
		return true;
	}
	simple_wait(s, s->ops->delete_(s->be, s, imap_token(s), name), "Folder deleted");
	s->step = delete_end;
	return true;
}

bool
imap_cmd_rename(struct imap_session *s, struct imap_parse *p)
{
	struct str from, to;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &from) || !imap_parse_sp(p) ||
	    !imap_arg_name(s, p, &to) || !imap_parse_end(p))
		return false;
	if (from.p == NULL || to.p == NULL)
		return true;
	if (str_eq(from, to))
		imap_reply(s, "NO [ALREADYEXISTS] That is its name");
	else if (imap_name_is_below(to, from) && !str_eq(from, STR("INBOX")))
		imap_reply(s, "NO [CANNOT] A folder cannot be moved below itself");
	else
		simple_wait(s, s->ops->rename(s->be, s, imap_token(s), from, to), "Folder renamed");
	return true;
}

static bool
subscription(struct imap_session *s, struct imap_parse *p, bool on)
{
	struct str name;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &name) || !imap_parse_end(p))
		return false;
	if (name.p != NULL)
		simple_wait(s, s->ops->subscribe(s->be, s, imap_token(s), name, on),
		    on ? "Subscribed" : "Unsubscribed");
	return true;
}

bool
imap_cmd_subscribe(struct imap_session *s, struct imap_parse *p)
{
	return subscription(s, p, true);
}

bool
imap_cmd_unsubscribe(struct imap_session *s, struct imap_parse *p)
{
	return subscription(s, p, false);
}

/* ---- SELECT, EXAMINE --------------------------------------------------------------------------
 */
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
folder_show(struct imap_session *s)
{
	struct imap_folder_state st;

	s->ops->state(s->be, s->view.folder, &st);
	imap_put_folder_flags(s);
	imap_view_take_new(&s->view, !s->read_only);
	imap_put(
	    s, "* %u EXISTS\r\n* %u RECENT\r\n", s->view.exists, imap_view_recent_count(&s->view));
	if (st.unseen > 0)
		imap_put(s, "* OK [UNSEEN %u] First unseen message\r\n", first_unseen(s));
	imap_put(s, "* OK [UIDVALIDITY %u] UIDs are valid\r\n", st.uidvalidity);
	imap_put(s, "* OK [UIDNEXT %u] Next UID\r\n", st.uidnext);
}

static bool
folder_open(struct imap_session *s, struct imap_parse *p, bool read_only)
{
	struct imap_folder *f;
	enum imap_result r;
	struct str name;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &name) || !imap_parse_end(p))
		return false;
	imap_folder_close(s); /* whatever comes of the new one, rfc3501:6.3.1 */
	if (name.p == NULL)
		return true;
	if ((r = s->ops->open(s->be, name, s, &f)) != IMAP_DONE) {
		imap_reply_result(s, r, "");
		return true;
	}
	imap_view_open(&s->view, s->ops, s->be, f);
	s->read_only = read_only;
	folder_show(s);
	imap_reply(s, "OK [%s] Folder selected", read_only ? "READ-ONLY" : "READ-WRITE");
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
