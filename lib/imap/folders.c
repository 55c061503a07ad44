/* SPDX-License-Identifier: ISC */
/* Commands on folders as wholes: CREATE to UNSUBSCRIBE. */
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

struct create {
	struct str name;
};

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

/* Tells the id of what was made (rfc8474:4.1). */
static enum imap_step
create_end(struct imap_session *s)
{
	const struct create *c = s->cmd;
	struct imap_folder_state st;
	struct imap_folder *f;

	if (s->done.result != IMAP_DONE || s->ops->open(s->be, c->name, NULL, &f) != IMAP_DONE) {
		imap_reply_result(s, s->done.result, "Folder created");
		return IMAP_STEP_DONE;
	}
	s->ops->state(s->be, f, &st);
	s->ops->close(s->be, f, NULL);
	if (s->given.n > 0)
		imap_put_list_line(s, c->name);
	imap_reply(s, "OK [MAILBOXID (F%llu)] Folder created", (unsigned long long)st.id);
	return IMAP_STEP_DONE;
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
	struct create *c = arena_alloc(s->arena, sizeof(*c));
	unsigned special;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &c->name) || !use_parse(p, &special) ||
	    !imap_parse_end(p))
		return false;
	if (c->name.p == NULL)
		return true;
	if (special & USE_UNKNOWN) {
		imap_reply(s, "NO [USEATTR] Folders cannot have this use here");
		return true;
	}
	if (special && !use_is_free(s, special)) {
		imap_reply(s, "NO [USEATTR] Another folder has this use");
		return true;
	}
	imap_pending(
	    s, s->ops->create(s->be, s, imap_token(s), c->name, (enum imap_special)special));
	s->cmd = c;
	s->step = create_end;
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
