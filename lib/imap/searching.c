/* SPDX-License-Identifier: ISC */
/*
 * SEARCH and UID SEARCH as a command: walks the folder in turns, then writes the numbers, in the
 * old form or as rfc4731 says; rfc5182 keeps them for "$". SORT and THREAD search the same way.
 */
#include "imap/searching.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "imap/respond.h"

void
imap_searching_free(struct imap_searching *c)
{
	imap_search_free(&c->work);
	free(c->found);
}

static void
searching_cleanup(struct imap_session *s)
{
	imap_searching_free(s->cmd);
}

static void
found_add(struct imap_searching *c, const struct imap_message *m)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->found = xrealloc(c->found, c->cap * sizeof(c->found[0]));
	}
	if (c->n == 0)
		c->first = m->modseq;
	c->last = m->modseq;
	if (m->modseq > c->highest)
		c->highest = m->modseq;
	c->found[c->n++] = m->uid;
}

bool
imap_searching_look(struct imap_session *s, struct imap_searching *c)
{
	struct imap_seen m;

	c->work.cost = 0;
	while (c->work.cost < IMAP_SEARCH_TURN) {
		struct imap_walk before = c->walk;
		enum imap_search_answer answer = IMAP_SEARCH_NO;

		if (!imap_walk_next(&s->view, &c->walk, &m))
			return true;
		if (!m.gone)
			answer = imap_search_matches(&c->work, c->request.key, &m);
		if (c->work.exhausted) {
			c->n = 0;
			return true;
		}
		if (answer == IMAP_SEARCH_YES)
			found_add(c, &m.m);
		else if (answer == IMAP_SEARCH_MORE)
			c->walk = before;
	}
	return false;
}

/* ---- the answers ------------------------------------------------------------------------------
 */
static uint32_t
number(struct imap_session *s, uint32_t uid)
{
	return s->by_uid ? uid : imap_view_seq_of(&s->view, uid);
}

void
imap_searching_save(
    struct imap_session *s, const struct imap_searching *c, uint32_t min, uint32_t max)
{
	struct imap_uidset *saved = &s->view.saved;
	const struct imap_uidset *gone = &s->view.gone;

	if (!(c->options & IMAP_RET_SAVE))
		return;
	imap_uidset_clear(saved);
	if (c->n == 0 || c->work.damaged || c->work.exhausted)
		return;
	if (!(c->options & (IMAP_RET_MIN | IMAP_RET_MAX)) ||
	    (c->options & (IMAP_RET_ALL | IMAP_RET_COUNT))) {
		imap_uidset_add(saved, c->found, c->n);
	} else {
		if (c->options & IMAP_RET_MIN)
			imap_uidset_add(saved, &min, 1);
		if (c->options & IMAP_RET_MAX)
			imap_uidset_add(saved, &max, 1);
	}
	imap_uidset_remove(saved, gone->uid + gone->head, imap_uidset_count(gone));
}

/* Of the messages the answer names (rfc7162:3.1.10). */
static uint64_t
told_modseq(const struct imap_searching *c)
{
	if (!(c->options & (IMAP_RET_ALL | IMAP_RET_COUNT))) {
		uint64_t min = c->options & IMAP_RET_MIN ? c->first : 0;
		uint64_t max = c->options & IMAP_RET_MAX ? c->last : 0;

		if (c->options & (IMAP_RET_MIN | IMAP_RET_MAX))
			return min > max ? min : max;
	}
	return c->highest;
}

static void
esearch_put(struct imap_session *s, const struct imap_searching *c, uint32_t *found)
{
	struct buf *b = &s->scratch;
	int r;

	buf_clear(b);
	r = buf_puts(b, "* ESEARCH (TAG ") | imap_put_string(b, s->tag) | buf_putc(b, ')');
	r |= buf_puts(b, s->by_uid ? " UID" : "");
	for (size_t i = 0; !s->by_uid && i < c->n; i++)
		found[i] = imap_view_seq_of(&s->view, found[i]);
	if ((c->options & IMAP_RET_MIN) && c->n > 0)
		r |= buf_puts(b, " MIN ") | imap_put_u64(b, found[0]);
	if ((c->options & IMAP_RET_MAX) && c->n > 0)
		r |= buf_puts(b, " MAX ") | imap_put_u64(b, found[c->n - 1]);
	if ((c->options & IMAP_RET_ALL) && c->n > 0)
		r |= buf_puts(b, " ALL ") | imap_put_set(b, found, c->n);
	if (c->options & IMAP_RET_COUNT)
		r |= buf_puts(b, " COUNT ") | imap_put_u64(b, c->n);
	if (c->request.uses_modseq && c->n > 0)
		r |= buf_puts(b, " MODSEQ ") | imap_put_u64(b, told_modseq(c));
	r |= buf_puts(b, "\r\n");
	imap_check(s, r);
	s->chunk = str_from(buf_data(b), b->len);
}

/* True: all is written. */
static bool
list_put(struct imap_session *s, struct imap_searching *c, const char *name, const uint32_t *found)
{
	if (!c->begun)
		imap_put(s, "* %s", name);
	c->begun = true;
	while (c->shown < c->n) {
		if (!imap_has_room(s))
			return false;
		imap_check(s,
		    buf_putc(&s->out, ' ') | imap_put_u64(&s->out, number(s, found[c->shown++])));
	}
	if (c->request.uses_modseq && c->n > 0)
		imap_put(s, " (MODSEQ %llu)", (unsigned long long)c->highest);
	imap_put(s, "\r\n");
	return true;
}

enum imap_step
imap_searching_show(struct imap_session *s, struct imap_searching *c, const char *name,
    uint32_t *found, const char *text)
{
	if (c->work.exhausted) {
		imap_reply(s, "%s", IMAP_SEARCH_EXHAUSTED);
		return IMAP_STEP_DONE;
	}
	if (!c->extended) {
		if (!list_put(s, c, name, found))
			return IMAP_STEP_MORE;
	} else if (c->options != IMAP_RET_SAVE) {
		if (!c->begun)
			esearch_put(s, c, found);
		c->begun = true;
		if (!imap_chunk_write(s))
			return IMAP_STEP_MORE;
	}
	if (c->work.damaged)
		imap_reply(s, "NO [CORRUPTION] Some of the messages cannot be read");
	else
		imap_reply(s, "%s", text);
	return IMAP_STEP_DONE;
}

static enum imap_step
searching_step(struct imap_session *s)
{
	struct imap_searching *c = s->cmd;

	if (!c->complete) {
		c->complete = imap_searching_look(s, c);
		if (c->complete)
			imap_searching_save(
			    s, c, c->n > 0 ? c->found[0] : 0, c->n > 0 ? c->found[c->n - 1] : 0);
		return c->complete ? IMAP_STEP_MORE : IMAP_STEP_YIELD;
	}
	return imap_searching_show(s, c, "SEARCH", c->found, "OK Search completed");
}

bool
imap_searching_return(struct imap_parse *p, struct imap_searching *c)
{
	static const struct {
		struct str name;
		unsigned bit;
	} options[] = { { { "MIN", 3 }, IMAP_RET_MIN }, { { "MAX", 3 }, IMAP_RET_MAX },
		{ { "ALL", 3 }, IMAP_RET_ALL }, { { "COUNT", 5 }, IMAP_RET_COUNT },
		{ { "SAVE", 4 }, IMAP_RET_SAVE } };
	struct str word;

	if (!str_starts_nocase(str_from(p->p, (size_t)(p->end - p->p)), STR("RETURN ")))
		return true;
	p->p += 7;
	c->extended = true;
	if (!imap_parse_char(p, '('))
		return false;
	while (!imap_parse_try(p, ')')) {
		size_t i = 0;

		if ((c->options != 0 && !imap_parse_sp(p)) || !imap_parse_atom(p, &word))
			return false;
		while (i < 5 && !str_eq_nocase(options[i].name, word))
			i++;
		if (i == 5)
			return imap_parse_fail(p, "Unknown SEARCH option");
		c->options |= options[i].bit;
	}
	if (c->options == 0)
		c->options = IMAP_RET_ALL;
	return imap_parse_sp(p);
}

/* With all that are known (rfc3501:7.1). */
static void
charset_refuse(struct imap_session *s)
{
	struct buf *b = &s->scratch;

	buf_clear(b);
	for (enum mail_charset cs = MAIL_CHARSET_ASCII; cs < MAIL_CHARSETS; cs++) {
		buf_puts(b, cs == MAIL_CHARSET_ASCII ? "" : " ");
		buf_puts(b, mail_charset_name(cs));
	}
	imap_reply(s, "NO [BADCHARSET (%.*s)] Unknown character set", (int)b->len,
	    (const char *)buf_data(b));
}

bool
imap_searching_begin(struct imap_session *s, struct imap_parse *p, struct imap_searching *c)
{
	switch (imap_search_parse(p, &s->view, &c->request)) {
	case IMAP_SEARCH_SYNTAX:
		return imap_parse_fail(p, "Invalid search");
	case IMAP_SEARCH_CHARSET:
		if (c->options & IMAP_RET_SAVE)
			imap_uidset_clear(&s->view.saved);
		charset_refuse(s);
		c->request.key = NULL;
		return true;
	case IMAP_SEARCH_OK:
		break;
	}
	if (c->request.uses_modseq)
		imap_condstore_on(s);
	imap_search_init(&c->work, &s->view);
	imap_walk_seqs(&s->view, &c->walk, 1, s->view.exists);
	return true;
}

bool
imap_cmd_search(struct imap_session *s, struct imap_parse *p)
{
	struct imap_searching *c = arena_alloc(s->arena, sizeof(*c));

	if (!imap_parse_sp(p) || !imap_searching_return(p, c))
		return false;
	if (imap_is_rev2(s) && !c->extended) { /* rfc9051:6.4.4 */
		c->extended = true;
		c->options = IMAP_RET_ALL;
	}
	c->request.no_charset = (s->enabled & IMAP_ON_UTF8) != 0;
	if (!imap_searching_begin(s, p, c))
		return false;
	if (c->request.key == NULL)
		return true;
	s->cmd = c;
	s->cleanup = searching_cleanup;
	s->step = searching_step;
	return true;
}
