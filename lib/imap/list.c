/* SPDX-License-Identifier: ISC */
/* LIST with its extended form (rfc5258, rfc6154) and LSUB. */
#include "imap/name.h"
#include "imap/respond.h"
#include "imap/special.h"
#include "imap/state.h"

enum {
	SEL_SUBSCRIBED = 1,
	SEL_RECURSIVE = 2,
	SEL_SPECIAL = 4,
	SEL_REMOTE = 8,
	RET_SUBSCRIBED = 16,
	RET_CHILDREN = 32,
	RET_SPECIAL = 64,
	RET_STATUS = 128,
	LSUB = 256,
};

struct list {
	unsigned options;
	struct str oldname; /* as the client called the one folder shown */
	unsigned status;    /* items of RETURN (STATUS ...) */
	struct str pattern[IMAP_LIST_PATTERNS_MAX];
	size_t npatterns;
	size_t at;       /* next entry of the store's list */
	struct str last; /* name of the entry before, relevant to us; its parents have been shown */
	char last_name[IMAP_NAME_MAX];
	char at_name[IMAP_NAME_MAX]; /* entry at - 1, to find the place again */
	size_t at_len;
	size_t parent; /* of the entry at hand: parents up to this length are done */
};

/* ---- arguments --------------------------------------------------------------------------------
 */
struct option {
	struct str name;
	unsigned bit;
};

static const struct option select_options[] = {
	{ { "SUBSCRIBED", 10 }, SEL_SUBSCRIBED | RET_SUBSCRIBED },
	{ { "RECURSIVEMATCH", 14 }, SEL_RECURSIVE },
	{ { "SPECIAL-USE", 11 }, SEL_SPECIAL | RET_SPECIAL },
	{ { "REMOTE", 6 }, SEL_REMOTE },
	{ { NULL, 0 }, 0 },
};
static const struct option return_options[] = {
	{ { "SUBSCRIBED", 10 }, RET_SUBSCRIBED },
	{ { "CHILDREN", 8 }, RET_CHILDREN },
	{ { "SPECIAL-USE", 11 }, RET_SPECIAL },
	{ { "STATUS", 6 }, RET_STATUS },
	{ { NULL, 0 }, 0 },
};

/* Behind '(': words up to ')'. */
static bool
options_parse(
    struct imap_session *s, struct imap_parse *p, const struct option *table, struct list *l)
{
	struct str word;

	if (imap_parse_try(p, ')'))
		return true;
	do {
		const struct option *o = table;

		if (!imap_parse_atom(p, &word))
			return false;
		while (o->name.p != NULL && !str_eq_nocase(o->name, word))
			o++;
		if (o->name.p == NULL)
			return imap_parse_fail(p, "Unknown LIST option");
		l->options |= o->bit;
		if (o->bit == RET_STATUS &&
		    (!imap_parse_sp(p) || !imap_status_parse(s, p, &l->status)))
			return false;
	} while (imap_parse_try(p, ' '));
	return imap_parse_char(p, ')');
}

/* Reference and pattern are put together as one text (rfc3501:6.3.8). */
static bool
pattern_add(struct imap_session *s, struct imap_parse *p, struct list *l, struct str reference)
{
	struct str wire;
	struct buf b;
	bool ok;

	if (!imap_parse_list_pattern(p, &wire))
		return false;
	if (l->npatterns == IMAP_LIST_PATTERNS_MAX)
		return imap_parse_fail(p, "Too many patterns");
	buf_init(&b, IMAP_NAME_MAX);
	/* what is no name, or too long for one, matches nothing */
	ok = imap_name_decode(reference, imap_names_utf8(s), &b) &&
	     imap_name_decode(wire, imap_names_utf8(s), &b);
	if (ok && b.len > 0) {
		struct str *to = &l->pattern[l->npatterns++];

		*to = arena_str(s->arena, str_from(buf_data(&b), b.len));
	}
	buf_free(&b);
	return true;
}

static bool
patterns_parse(struct imap_session *s, struct imap_parse *p, struct list *l, struct str reference)
{
	if (!imap_parse_try(p, '('))
		return pattern_add(s, p, l, reference);
	do
		if (!pattern_add(s, p, l, reference))
			return false;
	while (imap_parse_try(p, ' '));
	return imap_parse_char(p, ')');
}

/* ---- one name ---------------------------------------------------------------------------------
 */
static bool
matches(const struct list *l, struct str name)
{
	for (size_t i = 0; i < l->npatterns; i++)
		if (imap_name_matches(name, l->pattern[i]))
			return true;
	return false;
}

static int
name_compare(struct str a, struct str b)
{
	int r = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return r != 0 ? r : (a.n > b.n) - (a.n < b.n);
}

/* First entry whose name is not below key in the order of bytes. */
static size_t
list_find(struct imap_session *s, struct str key)
{
	struct imap_folder_info info;
	size_t lo = 0, hi = 1;

	while (s->ops->list(s->be, hi - 1, &info) && name_compare(info.name, key) < 0) {
		lo = hi;
		hi *= 2;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->ops->list(s->be, mid, &info) && name_compare(info.name, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Does the entry count for a command with these options? */
static bool
is_selected(unsigned options, const struct imap_folder_info *e)
{
	if ((options & SEL_SUBSCRIBED) && !e->subscribed)
		return false;
	if (options & SEL_SPECIAL)
		return e->special != IMAP_SPECIAL_NONE;
	return (options & SEL_SUBSCRIBED) || e->exists;
}

/* Is there an entry below that counts? */
static bool
has_below(struct imap_session *s, struct str name, unsigned options)
{
	struct imap_folder_info info;
	char key[IMAP_NAME_MAX + 1];

	memcpy(key, name.p, name.n);
	key[name.n] = IMAP_DELIMITER;
	for (size_t i = list_find(s, str_from(key, name.n + 1));
	     s->ops->list(s->be, i, &info) && imap_name_is_below(info.name, str_from(key, name.n));
	     i++)
		if (is_selected(options, &info))
			return true;
	return false;
}

static void
attribute(struct imap_session *s, bool *first, const char *text)
{
	imap_put(s, "%s%s", *first ? "" : " ", text);
	*first = false;
}

static void
special_put(struct imap_session *s, bool *first, enum imap_special special)
{
	enum imap_special bit;
	struct str name;

	for (size_t i = 0; imap_special_get(i, &bit, &name); i++)
		if (special & bit)
			attribute(s, first, name.p);
}

/* One line; childinfo: rfc5258's hint at names below that were selected. */
static void
entry_put(
    struct imap_session *s, const struct list *l, const struct imap_folder_info *e, bool childinfo)
{
	bool first = true, lsub = (l->options & LSUB) != 0;

	imap_put(s, "* %s (", lsub ? "LSUB" : "LIST");
	if (lsub) {
		if (!e->subscribed || !e->exists)
			attribute(s, &first, "\\Noselect");
	} else {
		if ((l->options & RET_SUBSCRIBED) && e->subscribed)
			attribute(s, &first, "\\Subscribed");
		if (!e->exists)
			attribute(s, &first, "\\NonExistent");
		attribute(
		    s, &first, has_below(s, e->name, 0) ? "\\HasChildren" : "\\HasNoChildren");
		special_put(s, &first, e->special);
	}
	imap_put(s, ") \"/\" ");
	imap_check(s, imap_put_name(&s->out, e->name, imap_names_utf8(s)));
	if (l->oldname.n > 0) {
		imap_put(s, " (\"OLDNAME\" (");
		imap_check(s, imap_put_name(&s->out, l->oldname, true));
		imap_put(s, "))");
	}
	if (childinfo)
		imap_put(s, " (\"CHILDINFO\" (%s%s%s))",
		    l->options & SEL_SUBSCRIBED ? "\"SUBSCRIBED\"" : "",
		    (l->options & SEL_SUBSCRIBED) && (l->options & SEL_SPECIAL) ? " " : "",
		    l->options & SEL_SPECIAL ? "\"SPECIAL-USE\"" : "");
	imap_put(s, "\r\n");
	/* rfc5819:2; a folder that cannot be opened has no STATUS line */
	if (l->status != 0 && e->exists)
		imap_status_put(s, e->name, l->status);
}

/*
 * A parent that is no entry of its own (a subscribed name without folder above it): shown where its
 * first child comes, when the pattern ends at it (rfc3501:6.3.9, rfc5258:3.5). LSUB shows it only for a child
 * that the pattern keeps out.
 */
static void
parent_put(struct imap_session *s, const struct list *l, struct str parent, struct str child)
{
	struct imap_folder_info e;
	bool found = s->ops->list(s->be, list_find(s, parent), &e) && str_eq(e.name, parent);
	bool recursive = (l->options & (SEL_RECURSIVE | LSUB)) != 0 ||
			 !(l->options & (SEL_SUBSCRIBED | SEL_SPECIAL));

	if (!recursive || ((l->options & LSUB) && matches(l, child)) || !matches(l, parent) ||
	    (found && is_selected(l->options, &e)))
		return;
	if (!found)
		e = (struct imap_folder_info){ .name = parent };
	e.subscribed = false;
	entry_put(s, l, &e, (l->options & SEL_RECURSIVE) != 0);
}

/* Parents of a relevant entry that the one before did not have; true: one was looked at. */
static bool
next_parent(struct imap_session *s, struct list *l, struct str name)
{
	for (size_t i = l->parent; i < name.n; i++) {
		struct str parent = str_from(name.p, i);

		if (name.p[i] != IMAP_DELIMITER || imap_name_is_below(l->last, parent))
			continue;
		l->parent = i + 1;
		parent_put(s, l, parent, name);
		return true;
	}
	return false;
}

static void
entry_show(struct imap_session *s, const struct list *l, const struct imap_folder_info *e)
{
	if (!matches(l, e->name))
		return;
	entry_put(s, l, e, (l->options & SEL_RECURSIVE) && has_below(s, e->name, l->options));
}

/* The place in the store's list, which may have changed since the last step. */
static void
place_again(struct imap_session *s, struct list *l)
{
	struct str before = str_from(l->at_name, l->at_len);
	struct imap_folder_info e;

	if (l->at == 0)
		return;
	if (s->ops->list(s->be, l->at - 1, &e) && str_eq(e.name, before))
		return;
	l->at = list_find(s, before);
	if (s->ops->list(s->be, l->at, &e) && str_eq(e.name, before))
		l->at++;
}

void
imap_put_list_line(struct imap_session *s, struct str name)
{
	struct list l = { .oldname = s->given };
	struct imap_folder_info e;

	if (s->ops->list(s->be, list_find(s, name), &e) && str_eq(e.name, name))
		entry_put(s, &l, &e, false);
}

static enum imap_step
list_step(struct imap_session *s)
{
	struct list *l = s->cmd;
	struct imap_folder_info e;
	unsigned looked = 0;

	place_again(s, l);
	while (s->ops->list(s->be, l->at, &e)) {
		if (!imap_has_room(s))
			return IMAP_STEP_MORE;
		if (++looked > IMAP_TURN_MESSAGES)
			return IMAP_STEP_YIELD;
		if (is_selected(l->options, &e)) {
			if (next_parent(s, l, e.name))
				continue;
			entry_show(s, l, &e);
			memcpy(l->last_name, e.name.p, e.name.n);
			l->last = str_from(l->last_name, e.name.n);
		}
		memcpy(l->at_name, e.name.p, e.name.n);
		l->at_len = e.name.n;
		l->parent = 0;
		l->at++;
	}
	imap_reply(s, "OK Folders listed");
	return IMAP_STEP_DONE;
}

static bool
list_begin(struct imap_session *s, struct imap_parse *p, unsigned options)
{
	struct list *l = arena_alloc(s->arena, sizeof(*l));
	struct str reference;
	const char *from;
	bool extended = false;

	l->options = options;
	if (!imap_parse_sp(p))
		return false;
	if (!(options & LSUB) && imap_parse_try(p, '(')) {
		extended = true;
		if (!options_parse(s, p, select_options, l) || !imap_parse_sp(p))
			return false;
	}
	if (!imap_parse_astring(p, &reference) || !imap_parse_sp(p))
		return false;
	extended |= imap_parse_peek(p) == '(';
	from = p->p;
	if (!patterns_parse(s, p, l, reference))
		return false;
	if (!(options & LSUB) && imap_parse_try(p, ' ')) {
		struct str word;

		extended = true;
		if (!imap_parse_atom(p, &word) || !str_eq_nocase(word, STR("RETURN")) ||
		    !imap_parse_sp(p) || !imap_parse_char(p, '('))
			return imap_parse_fail(p, "Syntax error in LIST");
		if (!options_parse(s, p, return_options, l))
			return false;
	}
	if (!imap_parse_end(p))
		return false;
	if ((l->options & SEL_RECURSIVE) && !(l->options & (SEL_SUBSCRIBED | SEL_SPECIAL)))
		return imap_parse_fail(p, "RECURSIVEMATCH needs another option");
	if (!extended && !(options & LSUB) && p->end - from == 2 && memcmp(from, "\"\"", 2) == 0) {
		/* rfc3501:6.3.8: asks for the delimiter */
		imap_put(s, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		imap_reply(s, "OK Folders listed");
		return true;
	}
	s->cmd = l;
	s->step = list_step;
	return true;
}

bool
imap_cmd_list(struct imap_session *s, struct imap_parse *p)
{
	return list_begin(s, p, RET_SPECIAL);
}

bool
imap_cmd_lsub(struct imap_session *s, struct imap_parse *p)
{
	return list_begin(s, p, LSUB | SEL_SUBSCRIBED);
}
