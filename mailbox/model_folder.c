/* SPDX-License-Identifier: ISC */
/* Folders, their names, subscriptions and keywords. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bisect.h"
#include "base/xalloc.h"
#include "mailbox/model_priv.h"

void
folder_free(struct folder *f)
{
	for (uint32_t i = 0; i < f->nkeywords; i++)
		free(f->keywords[i]);
	free(f->name);
	free(f->messages);
	vanished_free(&f->vanished);
	free(f);
}

/* Place of the first folder with at least this id. */
static uint32_t
folder_place(const struct model *m, uint32_t id)
{
	uint32_t at;

	BISECT(at, m->nfolders, i, m->folders[i]->id < id);
	return at;
}

struct folder *
model_folder(const struct model *m, uint32_t id)
{
	uint32_t at = folder_place(m, id);

	return at < m->nfolders && m->folders[at]->id == id ? m->folders[at] : NULL;
}

static struct folder *
folder_make(struct model *m, uint32_t id)
{
	struct folder *f = xcalloc(1, sizeof(*f));
	uint32_t at = folder_place(m, id);

	f->id = id;
	f->uidnext = 1;
	m->folders = xrealloc(m->folders, (m->nfolders + 1) * sizeof(struct folder *));
	memmove(&m->folders[at + 1], &m->folders[at], (m->nfolders - at) * sizeof(struct folder *));
	m->folders[at] = f;
	m->nfolders++;
	return f;
}

struct folder *
folder_for(struct model *m, uint32_t id)
{
	struct folder *f = model_folder(m, id);

	if (f == NULL && m->recovering)
		f = folder_make(m, id);
	return f;
}

void
folder_saw(struct model *m, struct folder *f, uint32_t uid, uint64_t modseq)
{
	if (uid >= f->uidnext)
		f->uidnext = uid == UINT32_MAX ? uid : uid + 1;
	if (modseq > f->highest)
		f->highest = modseq;
	if (modseq > m->modseq)
		m->modseq = modseq;
}

/* --- names -------------------------------------------------------------------------------------
 */

static int
name_compare(struct str a, const char *b)
{
	size_t bn = strlen(b);
	int c = memcmp(a.p, b, a.n < bn ? a.n : bn);

	return c != 0 ? c : a.n < bn ? -1 : a.n > bn;
}

uint32_t
model_name_place(const struct model *m, struct str name, bool *found)
{
	uint32_t lo = 0, hi = m->nnames;

	*found = false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = name_compare(name, m->names[mid].name);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct folder *
model_folder_named(const struct model *m, struct str name)
{
	bool found;
	uint32_t at = model_name_place(m, name, &found);

	return found ? m->names[at].folder : NULL;
}

static struct model_name *
name_get(struct model *m, struct str name)
{
	bool found;
	uint32_t at = model_name_place(m, name, &found);

	if (found)
		return &m->names[at];
	m->names = xrealloc(m->names, (m->nnames + 1) * sizeof(*m->names));
	memmove(&m->names[at + 1], &m->names[at], (m->nnames - at) * sizeof(*m->names));
	m->names[at] = (struct model_name){ xstrndup(name.p, name.n), NULL, false };
	m->nnames++;
	return &m->names[at];
}

static void
names_trim(struct model *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->nnames; i++) {
		if (m->names[i].folder != NULL || m->names[i].subscribed)
			m->names[n++] = m->names[i];
		else
			free(m->names[i].name);
	}
	m->nnames = n;
}

/* --- tables ------------------------------------------------------------------------------------
 */

static void
folder_forget(struct model *m, struct folder *f)
{
	uint32_t at = folder_place(m, f->id);

	m->nfolders--;
	memmove(&m->folders[at], &m->folders[at + 1], (m->nfolders - at) * sizeof(struct folder *));
	folder_free(f);
}

void
model_folder_release(struct model *m, struct folder *f)
{
	if (f->gone && f->opens == 0)
		folder_forget(m, f);
}

static void
folder_delete(struct model *m, struct folder *f)
{
	f->gone = true;
	folder_empty(m, f);
	if (f->keywords_ref.pos != 0)
		m->ops.dead(m->ops.arg, f->keywords_ref);
	f->keywords_ref = (struct journal_ref){ 0 };
	if (f->opens > 0)
		m->ops.folder_gone(m->ops.arg, f);
	model_folder_release(m, f);
}

static void
folder_take(struct model *m, const struct rec_folder *r)
{
	struct folder *f = model_folder(m, r->id);
	struct model_name *n;

	if (f == NULL)
		f = folder_make(m, r->id);
	f->uidvalidity = r->uidvalidity;
	f->special = r->special;
	folder_saw(m, f, r->uidnext - 1, 0);
	if (f->name == NULL || !str_eq(str_of(f->name), r->name)) {
		free(f->name);
		f->name = xstrndup(r->name.p, r->name.n);
	}
	n = name_get(m, r->name);
	n->folder = f;
}

static bool
named_now(const struct model *m, const struct folder *f)
{
	return f->name != NULL && model_folder_named(m, str_of(f->name)) == f;
}

void
folders_apply(struct model *m, struct rec_folders *r)
{
	struct rec_folder f;

	for (uint32_t i = 0; i < m->nnames; i++)
		m->names[i].folder = NULL;
	while (rec_next_folder(r, &f))
		folder_take(m, &f);
	/* From behind: deleting moves what follows. Folders that this table cannot know are left.
	 */
	for (uint32_t i = m->nfolders; i-- > 0;)
		if (m->folders[i]->id < r->next_id && !m->folders[i]->gone &&
		    !named_now(m, m->folders[i]))
			folder_delete(m, m->folders[i]);
	names_trim(m);
	if (r->next_id > m->next_folder)
		m->next_folder = r->next_id;
	if (r->last_uidvalidity > m->last_uidvalidity)
		m->last_uidvalidity = r->last_uidvalidity;
}

/* Its table was lost to damage: messages are never thrown away for that. */
static void
folder_rescue(struct model *m, struct folder *f)
{
	char name[32] = "INBOX";

	if (f->id != 1 || model_folder_named(m, STR("INBOX")) != NULL)
		snprintf(name, sizeof(name), "Recovered-%u", f->id);
	f->name = xstrdup(name);
	f->uidvalidity = ++m->last_uidvalidity;
	name_get(m, str_of(name))->folder = f;
	if (f->id >= m->next_folder)
		m->next_folder = f->id + 1;
	m->rescued++;
}

void
folders_settle(struct model *m)
{
	for (uint32_t i = m->nfolders; i-- > 0;) {
		struct folder *f = m->folders[i];

		if (f->name == NULL && f->n == 0) {
			folder_delete(m, f);
			continue;
		}
		if (f->name == NULL)
			folder_rescue(m, f);
		f->recent = f->uidnext;
	}
}

void
subscriptions_apply(struct model *m, struct rec_names *r)
{
	struct str s;

	for (uint32_t i = 0; i < m->nnames; i++)
		m->names[i].subscribed = false;
	while (rec_next_name(r, &s))
		name_get(m, s)->subscribed = true;
	names_trim(m);
}

void
keywords_apply(struct folder *f, struct rec_names *r)
{
	struct str s;
	uint32_t i = 0;

	/* A keyword keeps its place: what is there is only added to. */
	for (; rec_next_name(r, &s); i++)
		if (i == f->nkeywords)
			f->keywords[f->nkeywords++] = xstrndup(s.p, s.n);
}

int
model_keyword(const struct folder *f, struct str name)
{
	for (uint32_t i = 0; i < f->nkeywords; i++)
		if (str_eq_nocase(str_of(f->keywords[i]), name))
			return (int)i;
	return -1;
}

/* --- writing them ------------------------------------------------------------------------------
 */

void
model_put_folders(const struct model *m, struct buf *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->nnames; i++)
		n += m->names[i].folder != NULL;
	rec_put_folders(b, m->next_folder, m->last_uidvalidity, n);
	for (uint32_t i = 0; i < m->nnames; i++) {
		const struct folder *f = m->names[i].folder;

		if (f != NULL)
			rec_put_folder(b, &(struct rec_folder){ f->id, f->uidvalidity, f->uidnext,
					      f->special, str_of(m->names[i].name) });
	}
}

void
model_put_subscriptions(const struct model *m, struct buf *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->nnames; i++)
		n += m->names[i].subscribed;
	rec_put_subscriptions(b, n);
	for (uint32_t i = 0; i < m->nnames; i++)
		if (m->names[i].subscribed)
			rec_put_name(b, str_of(m->names[i].name));
}

void
model_put_keywords(const struct folder *f, struct buf *b)
{
	rec_put_keywords(b, f->id, f->nkeywords);
	for (uint32_t i = 0; i < f->nkeywords; i++)
		rec_put_name(b, str_of(f->keywords[i]));
}
