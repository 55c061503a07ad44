/* SPDX-License-Identifier: ISC */
/*
 * SEARCH and UID SEARCH as a command: walks the folder in turns, then writes the numbers, in the
 * old form or as rfc4731 says; rfc5182 keeps them for "$".
 */
#include <stdlib.h>

#include "base/xalloc.h"
#include "imap/respond.h"
#include "imap/search.h"
#include "imap/state.h"

enum {
	RET_MIN = 1,
	RET_MAX = 2,
	RET_ALL = 4,
	RET_COUNT = 8,
	RET_SAVE = 16,
};

struct searching {
	unsigned options; /* RET_... */
	bool extended;    /* RETURN was there */
	struct imap_search_request request;
	struct imap_search work;
	struct imap_walk walk;
	uint32_t *found; /* UIDs */
	size_t n, cap, shown;
	uint64_t highest, first, last; /* MODSEQ of all, of the first and last found */
	bool complete, begun;
};

static void
searching_cleanup(struct imap_session *s)
{
	struct searching *c = s->cmd;

	imap_search_free(&c->work);
	free(c->found);
}

static void
found_add(struct searching *c, const struct imap_message *m)
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

/* True: the whole folder was looked at. */
static bool
look(struct imap_session *s, struct searching *c)
{
	struct imap_seen m;

	c->work.bytes = 0;
	for (unsigned i = 0; i < IMAP_TURN_MESSAGES && c->work.bytes < IMAP_TURN_BYTES; i++) {
		if (!imap_walk_next(&s->view, &c->walk, &m))
			return true;
		if (!m.gone && imap_search_matches(&c->work, c->request.key, &m))
			found_add(c, &m.m);
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

/* What the client may use as "$": of MIN and MAX alone only those (rfc5182:2.1). */
static void
save(struct imap_session *s, const struct searching *c)
{
	struct imap_uidset *saved = &s->view.saved;
	const struct imap_uidset *gone = &s->view.gone;

	imap_uidset_clear(saved);
	if (c->n == 0 || c->work.damaged)
		return;
	if (!(c->options & (RET_MIN | RET_MAX)) || (c->options & (RET_ALL | RET_COUNT))) {
		imap_uidset_add(saved, c->found, c->n);
	} else {
		if (c->options & RET_MIN)
			imap_uidset_add(saved, &c->found[0], 1);
		if (c->options & RET_MAX)
			imap_uidset_add(saved, &c->found[c->n - 1], 1);
	}
	imap_uidset_remove(saved, gone->uid + gone->head, imap_uidset_count(gone));
}

/* Of the messages the answer names (rfc7162:3.1.10). */
static uint64_t
told_modseq(const struct searching *c)
{
	if (!(c->options & (RET_ALL | RET_COUNT))) {
		uint64_t min = c->options & RET_MIN ? c->first : 0;
		uint64_t max = c->options & RET_MAX ? c->last : 0;

		if (c->options & (RET_MIN | RET_MAX))
			return min > max ? min : max;
	}
	return c->highest;
}

static void
esearch_put(struct imap_session *s, struct searching *c)
{
	struct buf *b = &s->scratch;
	int r;

	buf_clear(b);
	r = buf_puts(b, "* ESEARCH (TAG ") | imap_put_string(b, s->tag) | buf_putc(b, ')');
	r |= buf_puts(b, s->by_uid ? " UID" : "");
	for (size_t i = 0; !s->by_uid && i < c->n; i++)
		c->found[i] = imap_view_seq_of(&s->view, c->found[i]);
	if ((c->options & RET_MIN) && c->n > 0)
		r |= buf_puts(b, " MIN ") | imap_put_u64(b, c->found[0]);
	if ((c->options & RET_MAX) && c->n > 0)
		r |= buf_puts(b, " MAX ") | imap_put_u64(b, c->found[c->n - 1]);
	if ((c->options & RET_ALL) && c->n > 0)
		r |= buf_puts(b, " ALL ") | imap_put_set(b, c->found, c->n);
	if (c->options & RET_COUNT)
		r |= buf_puts(b, " COUNT ") | imap_put_u64(b, c->n);
	if (c->request.uses_modseq && c->n > 0)
		r |= buf_puts(b, " MODSEQ ") | imap_put_u64(b, told_modseq(c));
	r |= buf_puts(b, "\r\n");
	imap_check(s, r);
	s->chunk = str_from(buf_data(b), b->len);
}

/* True: all is written. */
static bool
old_put(struct imap_session *s, struct searching *c)
{
	if (!c->begun)
		imap_put(s, "* SEARCH");
	c->begun = true;
	while (c->shown < c->n) {
		if (!imap_has_room(s))
			return false;
		imap_check(s, buf_putc(&s->out, ' ') |
				  imap_put_u64(&s->out, number(s, c->found[c->shown++])));
	}
	if (c->request.uses_modseq && c->n > 0)
		imap_put(s, " (MODSEQ %llu)", (unsigned long long)c->highest);
	imap_put(s, "\r\n");
	return true;
}

static enum imap_step
searching_step(struct imap_session *s)
{
	struct searching *c = s->cmd;

	if (!c->complete) {
		c->complete = look(s, c);
		if (c->complete && (c->options & RET_SAVE))
			save(s, c);
		return c->complete ? IMAP_STEP_MORE : IMAP_STEP_YIELD;
	}
	if (!c->extended) {
		if (!old_put(s, c))
			return IMAP_STEP_MORE;
	} else if (c->options != RET_SAVE) {
		if (!c->begun)
			esearch_put(s, c);
		c->begun = true;
		if (!imap_chunk_write(s))
			return IMAP_STEP_MORE;
	}
	if (c->work.damaged)
		imap_reply(s, "NO [CORRUPTION] Some of the messages cannot be read");
	else
		imap_reply(s, "OK Search completed");
	return IMAP_STEP_DONE;
}

/* "RETURN (...) " */
static bool
return_parse(struct imap_parse *p, struct searching *c)
{
	static const struct {
		struct str name;
		unsigned bit;
	} options[] = { { { "MIN", 3 }, RET_MIN }, { { "MAX", 3 }, RET_MAX },
		{ { "ALL", 3 }, RET_ALL }, { { "COUNT", 5 }, RET_COUNT },
		{ { "SAVE", 4 }, RET_SAVE } };
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
		c->options = RET_ALL;
	return imap_parse_sp(p);
}

bool
imap_cmd_search(struct imap_session *s, struct imap_parse *p)
{
	struct searching *c = arena_alloc(s->arena, sizeof(*c));

	if (!imap_parse_sp(p) || !return_parse(p, c))
		return false;
	if (imap_is_rev2(s) && !c->extended) { /* rfc9051:6.4.4 */
		c->extended = true;
		c->options = RET_ALL;
	}
	c->request.no_charset = (s->enabled & IMAP_ON_UTF8) != 0;
	switch (imap_search_parse(p, &s->view, &c->request)) {
	case IMAP_SEARCH_SYNTAX:
		return imap_parse_fail(p, "Invalid search");
	case IMAP_SEARCH_CHARSET:
		if (c->options & RET_SAVE)
			imap_uidset_clear(&s->view.saved);
		imap_reply(s, "NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 "
			      "WINDOWS-1252)] Unknown character set");
		return true;
	case IMAP_SEARCH_OK:
		break;
	}
	if (c->request.uses_modseq)
		imap_condstore_on(s);
	imap_search_init(&c->work, &s->view);
	imap_walk_seqs(&s->view, &c->walk, 1, s->view.exists);
	s->cmd = c;
	s->cleanup = searching_cleanup;
	s->step = searching_step;
	return true;
}
