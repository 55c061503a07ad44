/* SPDX-License-Identifier: ISC */
#include "mailbox/store_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "imap/facts.h"
#include "imap/structure.h"
#include "mailbox/checkpoint.h"
#include "mailbox/index.h"
#include "mailbox/model_priv.h"
#include "mailbox/store_priv.h"

enum phase { SEGMENTS, FOLDERS, COMPARE, INDEX, FILL, END };

struct store_check {
	struct store *s;
	struct model *fresh; /* rebuild: what the journal says */
	enum phase phase;
	uint64_t segment, damaged;
	uint32_t folder, uid;             /* next */
	struct store_check_row at;        /* being counted */
	uint64_t compared, wrong, absent; /* records of the index */
	unsigned named;
};

struct store_check *
store_check_new(struct store *s, bool rebuild)
{
	struct store_check *c = xcalloc(1, sizeof(*c));

	c->s = s;
	c->phase = rebuild ? COMPARE : SEGMENTS;
	c->uid = 1;
	return c;
}

void
store_check_free(struct store_check **cp)
{
	struct store_check *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	model_free(&c->fresh);
	free(c);
}

uint64_t
store_check_damaged(const struct store_check *c)
{
	return c->damaged;
}

static enum store_check_step
tell(struct store_check *c, struct store_check_row *row, const char *what, const char *name)
{
	c->at.what = what;
	snprintf(c->at.name, sizeof(c->at.name), "%s", name);
	c->damaged += c->at.damaged;
	*row = c->at;
	c->at = (struct store_check_row){ 0 };
	c->named = 0;
	return STORE_CHECK_ROW;
}

static void
name_uid(struct store_check *c, uint32_t uid)
{
	size_t n = strlen(c->at.detail);

	c->at.damaged++;
	if (c->named++ < STORE_CHECK_UIDS)
		snprintf(
		    c->at.detail + n, sizeof(c->at.detail) - n, "%s%u", n > 0 ? "," : "UID ", uid);
	else if (c->named == STORE_CHECK_UIDS + 1)
		snprintf(c->at.detail + n, sizeof(c->at.detail) - n, " and more");
}

/* ---- the journal ------------------------------------------------------------------------------
 */

static enum store_check_step
check_segment(struct store_check *c, struct store_check_row *row)
{
	struct journal_checked one;
	char name[32];
	int r;

	if (journal_batch_bytes(c->s->j) > 0 && store_flush(c->s) != 0)
		return STORE_CHECK_END;
	r = journal_check(c->s->j, c->segment, &one, NULL, NULL);
	if (r == 0) {
		c->phase = FOLDERS;
		return STORE_CHECK_MORE;
	}
	c->segment = one.segment;
	c->at.read = one.records;
	c->at.damaged = one.damaged + (r < 0);
	if (c->at.damaged > 0)
		snprintf(c->at.detail, sizeof(c->at.detail), "%s",
		    r < 0 ? journal_strerror(r) : "the log names the places");
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)one.segment);
	return tell(c, row, "segment", name);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static void
compare_record(struct store_check *c, uint64_t email, struct str bytes)
{
	struct arena *a = arena_new(IMAP_STRUCTURE_ARENA);
	struct mime_tree t = { 0 };
	struct buf want, have;

	buf_init(&want, IMAP_FACTS_MAX);
	buf_init(&have, IMAP_FACTS_MAX);
	mime_parse(bytes, &t);
	if (!index_get(c->s->derive.index, email, &have))
		c->absent++;
	else if (imap_facts_put(&want, bytes, &t, a) != 0 || want.len != have.len ||
		 memcmp(buf_data(&want), buf_data(&have), want.len) != 0)
		c->wrong++;
	c->compared++;
	buf_free(&want);
	buf_free(&have);
	mime_tree_free(&t);
	arena_free(&a);
}

static size_t
check_message(struct store_check *c, const struct message *g)
{
	struct store_content content;
	uint32_t uid = g->uid, index = g->content;
	uint64_t email = c->s->m->contents[index].email;
	size_t n = 0;

	c->at.read++;
	if (store_content_at(c->s, index, &content) != 0) {
		name_uid(c, uid);
		return 0;
	}
	n = content.n;
	/* A file of its own has no checksum on the way to the reader. */
	if (content.scratch == NULL && !store_stored_good(c->s, index)) {
		store_report(
		    c->s, "what=damage uid=%u detail=\"content in a file of its own\"", uid);
		name_uid(c, uid);
	} else if (c->s->derive.index != NULL) {
		compare_record(c, email, str_from(content.p, content.n));
	}
	store_content_release(c->s, &content);
	return n;
}

static struct folder *
folder_from(const struct model *m, uint32_t id)
{
	for (uint32_t i = 0; i < m->nfolders; i++)
		if (m->folders[i]->id >= id && !m->folders[i]->gone)
			return m->folders[i];
	return NULL;
}

static enum store_check_step
check_folder(struct store_check *c, struct store_check_row *row)
{
	struct folder *f = folder_from(c->s->m, c->folder);
	size_t bytes = 0;

	if (f == NULL) {
		c->phase = INDEX;
		return STORE_CHECK_MORE;
	}
	if (f->id != c->folder) {
		c->folder = f->id;
		c->uid = 1;
		c->at = (struct store_check_row){ 0 };
		c->named = 0;
	}
	for (unsigned n = 0; n < STORE_CHECK_MESSAGES && bytes < STORE_CHECK_BYTES; n++) {
		uint32_t i = model_find(f, c->uid);

		if (i == f->n) {
			c->folder++;
			c->uid = 1;
			return tell(c, row, "folder", f->name != NULL ? f->name : "");
		}
		c->uid = f->messages[i].uid + 1;
		bytes += check_message(c, &f->messages[i]);
	}
	return STORE_CHECK_MORE;
}

static enum store_check_step
check_index(struct store_check *c, struct store_check_row *row)
{
	c->phase = END;
	c->at.read = c->compared;
	c->at.damaged = c->wrong;
	if (c->absent > 0)
		snprintf(c->at.detail, sizeof(c->at.detail), "%llu not there yet",
		    (unsigned long long)c->absent);
	return tell(c, row, "index", "");
}

/* ---- rebuilding -------------------------------------------------------------------------------
 */

static void
no_dead(void *arg, struct journal_ref ref)
{
	(void)arg;
	(void)ref;
}

static void
no_number(void *arg, uint64_t number)
{
	(void)arg;
	(void)number;
}

static void
no_folder(void *arg, struct folder *f)
{
	(void)arg;
	(void)f;
}

static void
on_record(void *arg, const struct journal_record *r)
{
	struct store_check *c = arg;

	model_apply(
	    c->fresh, r->type, str_from(r->meta, r->meta_len), r->ref, r->content_len, r->large_id);
}

/* 0, or a journal_result. */
static int
read_journal(struct store_check *c)
{
	const struct model_ops ops = { no_dead, no_number, no_number, no_folder, NULL };
	struct journal_checked one = { 0 };
	int r;

	if (store_sync(c->s) != 0)
		return JOURNAL_FAILED;
	c->fresh = model_new(&ops);
	while ((r = journal_check(c->s->j, one.segment, &one, on_record, c)) == 1) {
		c->at.read += one.records;
		c->at.damaged += one.damaged;
	}
	model_settle(c->fresh);
	return r;
}

static bool
same_message(
    const struct model *a, const struct message *g, const struct model *b, const struct message *h)
{
	const struct content *x = &a->contents[g->content], *y = &b->contents[h->content];

	return g->uid == h->uid && message_modseq(g) == message_modseq(h) &&
	       message_flags(g) == message_flags(h) && g->saved == h->saved &&
	       x->email == y->email && x->pos == y->pos && x->size == y->size &&
	       x->seconds == y->seconds && x->thread == y->thread;
}

static bool
same_folder(const struct model *a, const struct folder *f, const struct model *b)
{
	const struct folder *o = model_folder(b, f->id);

	if (o == NULL || o->n != f->n || o->uidvalidity != f->uidvalidity ||
	    o->nkeywords != f->nkeywords || strcmp(o->name, f->name) != 0)
		return false;
	for (uint32_t k = 0; k < f->nkeywords; k++)
		if (strcmp(f->keywords[k], o->keywords[k]) != 0)
			return false;
	for (uint32_t i = 0; i < f->n; i++)
		if (!same_message(a, &f->messages[i], b, &o->messages[i]))
			return false;
	return true;
}

/* Of the folders one model has: how many differ. */
static uint64_t
differences(const struct model *m, const struct model *fresh)
{
	uint64_t n = m->nnames != fresh->nnames;

	for (uint32_t i = 0; i < m->nfolders; i++)
		n += !m->folders[i]->gone && !same_folder(m, m->folders[i], fresh);
	return n;
}

static enum store_check_step
compare(struct store_check *c, struct store_check_row *row)
{
	struct store *s = c->s;
	uint64_t n;
	int r = read_journal(c);

	c->phase = FILL;
	if (r != 0) {
		c->at.damaged++;
		snprintf(c->at.detail, sizeof(c->at.detail), "%s", journal_strerror(r));
		return tell(c, row, "journal", "");
	}
	n = differences(s->m, c->fresh);
	model_free(&c->fresh);
	unlinkat(s->config.dirfd, CHECKPOINT_NAME, 0);
	derive_clear(s);
	if (n == 0) {
		checkpoint_write(s);
	} else {
		c->at.damaged += n;
		snprintf(c->at.detail, sizeof(c->at.detail),
		    "memory differed in %llu folders: it is read again", (unsigned long long)n);
		store_report(s, "what=differs folders=%llu", (unsigned long long)n);
		s->failed = true;
		c->phase = END;
	}
	return tell(c, row, "journal", "");
}

static enum store_check_step
fill(struct store_check *c, struct store_check_row *row)
{
	if (c->s->derive.index != NULL && derive_tidy(c->s))
		return STORE_CHECK_MORE;
	c->phase = END;
	c->at.read = c->s->derive.index != NULL && index_ready(c->s->derive.index)
			 ? index_count(c->s->derive.index)
			 : 0;
	return tell(c, row, "index", "");
}

enum store_check_step
store_check_step(struct store_check *c, struct store_check_row *row)
{
	switch (c->phase) {
	case SEGMENTS:
		return check_segment(c, row);
	case FOLDERS:
		return check_folder(c, row);
	case INDEX:
		return check_index(c, row);
	case COMPARE:
		return compare(c, row);
	case FILL:
		return fill(c, row);
	default:
		return STORE_CHECK_END;
	}
}
