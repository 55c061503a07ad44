/* SPDX-License-Identifier: ISC */
/* Operations on folders. Each writes the whole table: so a tree is renamed at one stroke. */
#include <stdio.h>
#include <string.h>

#include "base/xalloc.h"
#include "imap/limits.h"
#include "mailbox/store_priv.h"

/* How the table about to be written differs from the one that holds. */
struct edit {
	const struct folder *drop;
	struct str from, to; /* renames `from` and what is below it; from.n == 0: none */
	struct rec_folder add[IMAP_LEVELS_MAX];
	uint32_t nadd;
};

static bool
below(struct str name, struct str parent)
{
	return name.n > parent.n && name.p[parent.n] == '/' &&
	       memcmp(name.p, parent.p, parent.n) == 0;
}

static bool
renamed(const struct edit *e, struct str name)
{
	return e->from.n > 0 && (str_eq(name, e->from) || below(name, e->from));
}

/* The new name of one that is renamed; false: too long. */
static bool
new_name(const struct edit *e, struct str name, char out[REC_NAME_MAX + 1], struct str *result)
{
	size_t rest = name.n - e->from.n;

	if (e->to.n + rest > REC_NAME_MAX)
		return false;
	memcpy(out, e->to.p, e->to.n);
	memcpy(out + e->to.n, name.p + e->from.n, rest);
	*result = str_from(out, e->to.n + rest);
	return true;
}

static bool
taken(const struct store *s, struct str name)
{
	return model_folder_named(s->m, name) != NULL;
}

static uint32_t
next_validity(struct store *s, uint32_t added)
{
	uint32_t now = (uint32_t)(s->config.now_ms(s->config.arg) / 1000);
	uint32_t last = s->m->last_uidvalidity + added;

	return now > last ? now : last + 1;
}

static int
add_folder(struct store *s, struct edit *e, struct str name, uint8_t special)
{
	if (s->m->nnames + e->nadd >= MODEL_FOLDERS_MAX || e->nadd == IMAP_LEVELS_MAX ||
	    name.n > REC_NAME_MAX || s->m->next_folder > UINT32_MAX - IMAP_LEVELS_MAX)
		return STORE_LIMIT;
	e->add[e->nadd] = (struct rec_folder){ s->m->next_folder + e->nadd,
		next_validity(s, e->nadd), 1, special, name };
	e->nadd++;
	return 0;
}

/* The folders above name that do not exist. */
static int
add_parents(struct store *s, struct edit *e, struct str name)
{
	for (size_t i = 1; i < name.n; i++) {
		struct str parent = str_from(name.p, i);
		int r;

		if (name.p[i] != '/' || taken(s, parent))
			continue;
		if ((r = add_folder(s, e, parent, 0)) != 0)
			return r;
	}
	return 0;
}

static void
put_table(struct store *s, const struct edit *e, struct buf *b)
{
	uint32_t n = e->nadd, validity = s->m->last_uidvalidity;
	char name[REC_NAME_MAX + 1];

	for (uint32_t i = 0; i < s->m->nnames; i++)
		n += s->m->names[i].folder != NULL && s->m->names[i].folder != e->drop;
	if (e->nadd > 0)
		validity = e->add[e->nadd - 1].uidvalidity;
	rec_put_folders(b, s->m->next_folder + e->nadd, validity, n);
	for (uint32_t i = 0; i < s->m->nnames; i++) {
		const struct folder *f = s->m->names[i].folder;
		struct str to = str_of(s->m->names[i].name);

		if (f == NULL || f == e->drop)
			continue;
		if (renamed(e, to))
			new_name(e, to, name, &to);
		rec_put_folder(
		    b, &(struct rec_folder){ f->id, f->uidvalidity, f->uidnext, f->special, to });
	}
	for (uint32_t i = 0; i < e->nadd; i++)
		rec_put_folder(b, &e->add[i]);
}

static int
write_table(struct store *s, const struct edit *e)
{
	int r;

	put_table(s, e, store_record(s));
	r = store_emit(s, REC_FOLDERS, e->drop != NULL);
	if (r == 0)
		s->want_commit = true;
	return r;
}

int
store_create(struct store *s, struct str name, uint8_t special)
{
	struct edit e = { .nadd = 0 };
	int r;

	if (taken(s, name))
		return STORE_EXISTS;
	if ((r = add_parents(s, &e, name)) != 0 || (r = add_folder(s, &e, name, special)) != 0)
		return r;
	return write_table(s, &e);
}

int
store_delete(struct store *s, struct str name)
{
	struct edit e = { .drop = model_folder_named(s->m, name) };

	if (str_eq(name, STR("INBOX")))
		return STORE_CANNOT;
	if (e.drop == NULL)
		return STORE_NONE;
	for (uint32_t i = 0; i < s->m->nnames; i++)
		if (s->m->names[i].folder != NULL && below(str_of(s->m->names[i].name), name))
			return STORE_CHILDREN;
	return write_table(s, &e);
}

int
store_rename(struct store *s, struct str from, struct str to)
{
	struct edit e = { .from = from, .to = to };
	char name[REC_NAME_MAX + 1];
	struct str result;
	int r;

	if (str_eq(from, STR("INBOX")) || below(to, from))
		return STORE_CANNOT;
	if (!taken(s, from))
		return STORE_NONE;
	if (taken(s, to))
		return STORE_EXISTS;
	for (uint32_t i = 0; i < s->m->nnames; i++)
		if (renamed(&e, str_of(s->m->names[i].name)) &&
		    !new_name(&e, str_of(s->m->names[i].name), name, &result))
			return STORE_LIMIT;
	if ((r = add_parents(s, &e, to)) != 0)
		return r;
	return write_table(s, &e);
}

/* Names are borrowed from the model, so the record is made before anything is applied. */
int
store_subscribe(struct store *s, struct str name, bool on)
{
	bool found;
	uint32_t at = model_name_place(s->m, name, &found), n = 0;
	struct buf *b = store_record(s);
	int r;

	if ((found && s->m->names[at].subscribed) == on)
		return 0;
	for (uint32_t i = 0; i < s->m->nnames; i++)
		n += s->m->names[i].subscribed;
	if (on && n >= MODEL_FOLDERS_MAX)
		return STORE_LIMIT;
	rec_put_subscriptions(b, on ? n + 1 : n - 1);
	for (uint32_t i = 0; i < s->m->nnames; i++)
		if (s->m->names[i].subscribed && (on || i != at))
			rec_put_name(b, str_of(s->m->names[i].name));
	if (on)
		rec_put_name(b, name);
	r = store_emit(s, REC_SUBSCRIPTIONS, !on);
	if (r == 0)
		s->want_commit = true;
	return r;
}

int
store_keyword(struct store *s, struct folder *f, struct str name)
{
	int k = model_keyword(f, name);
	struct buf *b;

	if (k >= 0)
		return k;
	if (f->gone || f->nkeywords == MODEL_KEYWORDS_MAX || name.n == 0 ||
	    name.n > REC_KEYWORD_MAX)
		return -1;
	b = store_record(s);
	rec_put_keywords(b, f->id, f->nkeywords + 1);
	for (uint32_t i = 0; i < f->nkeywords; i++)
		rec_put_name(b, str_of(f->keywords[i]));
	rec_put_name(b, name);
	return store_emit(s, REC_KEYWORDS, false) == 0 ? (int)f->nkeywords - 1 : -1;
}
