/* SPDX-License-Identifier: ISC */
/* The table of commands after login, the ones that concern no folder, and shared arguments. */
#include "imap/name.h"
#include "imap/respond.h"
#include "imap/state.h"

uint64_t
imap_append_limit(const struct imap_session *s)
{
	uint64_t limit = s->ops->append_limit(s->be);

	return limit < IMAP_APPEND_MAX ? limit : IMAP_APPEND_MAX;
}

int
imap_put_capabilities(struct imap_session *s, struct buf *out)
{
	bool first = true;
	int r = 0;

	for (enum imap_cap c = 0; c < IMAP_CAP__MAX; c++) {
		struct str name = imap_cap_name(c);

		if (!imap_has(s, c))
			continue;
		if (!first)
			r |= buf_putc(out, ' ');
		first = false;
		r |= buf_put(out, name.p, name.n);
		if (c == IMAP_CAP_APPENDLIMIT)
			r |= buf_putc(out, '=') | imap_put_u64(out, imap_append_limit(s));
	}
	return r;
}

static bool
cmd_capability(struct imap_session *s, struct imap_parse *p)
{
	if (!imap_parse_end(p))
		return false;
	imap_put(s, "* CAPABILITY ");
	imap_check(s, imap_put_capabilities(s, &s->out) | buf_puts(&s->out, "\r\n"));
	imap_reply(s, "OK Capabilities listed");
	return true;
}

static bool
cmd_noop(struct imap_session *s, struct imap_parse *p)
{
	if (!imap_parse_end(p))
		return false;
	imap_reply(s, "OK Done");
	return true;
}

static bool
cmd_logout(struct imap_session *s, struct imap_parse *p)
{
	if (!imap_parse_end(p))
		return false;
	imap_put(s, "* BYE Logging out\r\n");
	s->logout = true;
	imap_reply(s, "OK Logged out");
	return true;
}

/* rfc2971: what the client says is checked and forgotten. */
static bool
cmd_id(struct imap_session *s, struct imap_parse *p)
{
	struct str field, value;
	int n = 0;

	if (!imap_parse_sp(p))
		return false;
	if (imap_parse_try(p, '(')) {
		while (imap_parse_peek(p) != ')') {
			if (++n > IMAP_ID_FIELDS_MAX)
				return imap_parse_fail(p, "Too many fields");
			if ((n > 1 && !imap_parse_sp(p)) || !imap_parse_string(p, &field) ||
			    !imap_parse_sp(p) || !imap_parse_nstring(p, &value))
				return false;
		}
		imap_parse_try(p, ')');
	} else if (!imap_parse_nstring(p, &value)) {
		return false;
	}
	if (!imap_parse_end(p))
		return false;
	imap_put(s, "* ID (\"name\" \"Postern\")\r\n");
	imap_reply(s, "OK Done");
	return true;
}

static bool
cmd_namespace(struct imap_session *s, struct imap_parse *p)
{
	if (!imap_parse_end(p))
		return false;
	imap_put(s, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	imap_reply(s, "OK Done");
	return true;
}

static bool
cmd_login_again(struct imap_session *s, struct imap_parse *p)
{
	(void)s;
	return imap_parse_fail(p, "Already logged in");
}

static enum imap_step
idle_begin(struct imap_session *s)
{
	s->phase = IMAP_PHASE_IDLE;
	return IMAP_STEP_DONE;
}

static bool
cmd_idle(struct imap_session *s, struct imap_parse *p)
{
	if (!imap_parse_end(p))
		return false;
	imap_put(s, "+ idling\r\n");
	s->step = idle_begin;
	return true;
}

/* ---- the table --------------------------------------------------------------------------------
 */
enum { IN_FOLDER = 1, WITH_UID = 2, HOLD_EXPUNGE = 4 };

static const struct command {
	struct str name;
	unsigned flags; /* IN_FOLDER: a folder must be open; HOLD_EXPUNGE: rfc3501:7.4.1 */
	bool (*run)(struct imap_session *s, struct imap_parse *p);
} commands[] = {
	{ { "CAPABILITY", 10 }, 0, cmd_capability },
	{ { "NOOP", 4 }, 0, cmd_noop },
	{ { "LOGOUT", 6 }, 0, cmd_logout },
	{ { "ID", 2 }, 0, cmd_id },
	{ { "NAMESPACE", 9 }, 0, cmd_namespace },
	{ { "ENABLE", 6 }, 0, imap_cmd_enable },
	{ { "LOGIN", 5 }, 0, cmd_login_again },
	{ { "AUTHENTICATE", 12 }, 0, cmd_login_again },
	{ { "STARTTLS", 8 }, 0, cmd_login_again },
	{ { "IDLE", 4 }, 0, cmd_idle },
	{ { "LIST", 4 }, 0, imap_cmd_list },
	{ { "LSUB", 4 }, 0, imap_cmd_lsub },
	{ { "STATUS", 6 }, 0, imap_cmd_status },
	{ { "CREATE", 6 }, 0, imap_cmd_create },
	{ { "DELETE", 6 }, 0, imap_cmd_delete },
	{ { "RENAME", 6 }, 0, imap_cmd_rename },
	{ { "SUBSCRIBE", 9 }, 0, imap_cmd_subscribe },
	{ { "UNSUBSCRIBE", 11 }, 0, imap_cmd_unsubscribe },
	{ { "APPEND", 6 }, 0, imap_cmd_append },
	{ { "GETQUOTA", 8 }, 0, imap_cmd_getquota },
	{ { "GETQUOTAROOT", 12 }, 0, imap_cmd_getquotaroot },
	{ { "SETQUOTA", 8 }, 0, imap_cmd_setquota },
	{ { "SELECT", 6 }, 0, imap_cmd_select },
	{ { "EXAMINE", 7 }, 0, imap_cmd_examine },
	{ { "CHECK", 5 }, IN_FOLDER, cmd_noop },
	{ { "CLOSE", 5 }, IN_FOLDER, imap_cmd_close },
	{ { "UNSELECT", 8 }, IN_FOLDER, imap_cmd_unselect },
	{ { "EXPUNGE", 7 }, IN_FOLDER | WITH_UID, imap_cmd_expunge },
	{ { "FETCH", 5 }, IN_FOLDER | WITH_UID | HOLD_EXPUNGE, imap_cmd_fetch },
	{ { "STORE", 5 }, IN_FOLDER | WITH_UID | HOLD_EXPUNGE, imap_cmd_store },
	{ { "SEARCH", 6 }, IN_FOLDER | WITH_UID | HOLD_EXPUNGE, imap_cmd_search },
	{ { "SORT", 4 }, IN_FOLDER | WITH_UID | HOLD_EXPUNGE, imap_cmd_sort },
	{ { "THREAD", 6 }, IN_FOLDER | WITH_UID | HOLD_EXPUNGE, imap_cmd_thread },
	{ { "COPY", 4 }, IN_FOLDER | WITH_UID, imap_cmd_copy },
	{ { "MOVE", 4 }, IN_FOLDER | WITH_UID, imap_cmd_move },
};

static const struct command *
command_find(struct str name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_eq_nocase(commands[i].name, name))
			return &commands[i];
	return NULL;
}

bool
imap_cmd_dispatch(struct imap_session *s, struct imap_parse *p)
{
	const struct command *c;
	struct str name;

	if (!imap_parse_atom(p, &name))
		return false;
	if (str_eq_nocase(name, STR("UID"))) {
		s->by_uid = true;
		if (!imap_parse_sp(p) || !imap_parse_atom(p, &name))
			return false;
	}
	c = command_find(name);
	if (c == NULL || (s->by_uid && !(c->flags & WITH_UID)))
		return imap_parse_fail(p, "Unknown command");
	if ((c->flags & IN_FOLDER) && s->view.folder == NULL)
		return imap_parse_fail(p, "No folder is selected");
	s->hold_expunge = (c->flags & HOLD_EXPUNGE) && !s->by_uid;
	if (c->run == imap_cmd_append)
		return c->run(s, p);
	/* what a message was begun for, was none */
	return !s->append.active && c->run(s, p);
}

/* ---- shared arguments -------------------------------------------------------------------------
 */
/* rfc9051:6.3.4: a client that wrote the name in another form is told. */
static void
note_given(struct imap_session *s, struct str wire, struct str name)
{
	s->given = (struct str){ 0 };
	if (imap_is_rev2(s) && !str_eq(wire, name))
		s->given = arena_str(s->arena, wire);
}

bool
imap_arg_name(struct imap_session *s, struct imap_parse *p, struct str *name)
{
	struct str wire;
	const char *why;

	if (!imap_parse_astring(p, &wire))
		return false;
	if ((why = imap_name_parse(wire, imap_names_utf8(s), s->arena, name)) == NULL) {
		note_given(s, wire, *name);
		return true;
	}
	/* understood, but not possible: NO, not BAD */
	name->p = NULL;
	name->n = 0;
	imap_reply(s, "NO [CANNOT] %s", why);
	return true;
}

bool
imap_arg_set(struct imap_session *s, struct imap_parse *p, struct imap_set *set)
{
	struct imap_view *v = &s->view;

	if (!imap_parse_set(p, set))
		return false;
	if (set->saved)
		return imap_set_fill(set, v->saved.uid + v->saved.head,
			   imap_uidset_count(&v->saved), s->arena) ||
		       imap_parse_fail(p, "Command is too long");
	if (s->by_uid) {
		imap_set_resolve(set, imap_view_max_uid(v));
		return true;
	}
	imap_set_resolve(set, v->exists);
	if (set->n == 0 || set->r[0].lo == 0 || set->r[set->n - 1].hi > v->exists)
		return imap_parse_fail(p, "No message has such a number");
	return true;
}

void
imap_walk_range(
    const struct imap_session *s, const struct imap_set *set, size_t k, struct imap_walk *w)
{
	if (s->by_uid || set->saved)
		imap_walk_uids(&s->view, w, set->r[k].lo, set->r[k].hi);
	else
		imap_walk_seqs(&s->view, w, set->r[k].lo, set->r[k].hi);
}

uint32_t *
imap_set_uids(struct imap_session *s, const struct imap_set *set, size_t *n, bool *gone)
{
	struct imap_seen m;
	struct imap_walk w;
	uint64_t most = 0;
	uint32_t *uids;

	*gone = false;
	for (size_t k = 0; k < set->n && most < s->view.exists; k++)
		most += (uint64_t)set->r[k].hi - set->r[k].lo + 1;
	if (most > s->view.exists)
		most = s->view.exists;
	*n = 0;
	if ((uids = arena_alloc(s->arena, (size_t)most * sizeof(uids[0]))) == NULL)
		return NULL;
	for (size_t k = 0; k < set->n; k++) {
		imap_walk_range(s, set, k, &w);
		while (imap_walk_next(&s->view, &w, &m)) {
			if (m.gone)
				*gone = true;
			else
				uids[(*n)++] = m.m.uid;
		}
	}
	return uids;
}

static bool
flag_parse(struct imap_parse *p, struct str *name)
{
	const char *from = p->p;
	struct str rest;

	imap_parse_try(p, '\\');
	if (!imap_parse_atom(p, &rest))
		return false;
	*name = str_from(from, (size_t)(p->p - from));
	return name->n <= IMAP_KEYWORD_MAX || imap_parse_fail(p, "Flag is too long");
}

bool
imap_arg_flags(struct imap_parse *p, bool list, struct str *names, size_t *n)
{
	bool paren = imap_parse_try(p, '(');

	*n = 0;
	if (!paren && list)
		return imap_parse_fail(p, "Missing '('");
	if (paren && imap_parse_try(p, ')'))
		return true;
	do {
		if (*n == IMAP_STORE_FLAGS_MAX)
			return imap_parse_fail(p, "Too many flags");
		if (!flag_parse(p, &names[*n]))
			return false;
		++*n;
	} while (imap_parse_try(p, ' '));
	return !paren || imap_parse_char(p, ')');
}

static imap_flags
system_flag(struct str name)
{
	static const struct {
		struct str name;
		imap_flags bit;
	} flags[] = {
		{ { "\\Seen", 5 }, IMAP_SEEN },
		{ { "\\Answered", 9 }, IMAP_ANSWERED },
		{ { "\\Flagged", 8 }, IMAP_FLAGGED },
		{ { "\\Deleted", 8 }, IMAP_DELETED },
		{ { "\\Draft", 6 }, IMAP_DRAFT },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (str_eq_nocase(flags[i].name, name))
			return flags[i].bit;
	return 0;
}

bool
imap_flags_resolve(struct imap_session *s, struct imap_folder *f, const struct str *names, size_t n,
    bool create, imap_flags *flags)
{
	*flags = 0;
	for (size_t i = 0; i < n; i++) {
		imap_flags bit;
		int k;

		if (names[i].p[0] == '\\') {
			bit = system_flag(names[i]);
			/* \Recent is not the client's to set; others do not exist */
			if (bit == 0 && !str_eq_nocase(names[i], STR("\\Recent"))) {
				imap_reply(s, "BAD Unknown system flag");
				s->bad = true;
				return false;
			}
			*flags |= bit;
			continue;
		}
		k = s->ops->keyword_find(s->be, f, names[i], create);
		if (k < 0 && create) {
			imap_reply(s, "NO [LIMIT] Too many different keywords");
			return false;
		}
		*flags |= k >= 0 ? IMAP_KEYWORD(k) : 0;
	}
	return true;
}
