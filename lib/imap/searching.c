/* SPDX-License-Identifier: ISC */
/* SEARCH and UID SEARCH as a command: walks the folder in turns, then writes the numbers. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "imap/respond.h"
#include "imap/search.h"
#include "imap/state.h"

struct searching {
	struct imap_search_request request;
	uint64_t modseq; /* highest found */
	struct imap_search work;
	struct imap_walk walk;
	uint32_t *found;
	size_t n, cap, shown;
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
found_add(struct searching *c, uint32_t number)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->found = xrealloc(c->found, c->cap * sizeof(c->found[0]));
	}
	c->found[c->n++] = number;
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
		if (m.gone || !imap_search_matches(&c->work, c->request.key, &m))
			continue;
		found_add(c, s->by_uid ? m.m.uid : m.seq);
		if (m.m.modseq > c->modseq)
			c->modseq = m.m.modseq;
	}
	return false;
}

static enum imap_step
searching_step(struct imap_session *s)
{
	struct searching *c = s->cmd;

	if (!c->complete) {
		c->complete = look(s, c);
		return c->complete ? IMAP_STEP_MORE : IMAP_STEP_YIELD;
	}
	if (!c->begun)
		imap_put(s, "* SEARCH");
	c->begun = true;
	while (c->shown < c->n) {
		if (!imap_has_room(s))
			return IMAP_STEP_MORE;
		imap_check(s, buf_putc(&s->out, ' ') | imap_put_u64(&s->out, c->found[c->shown++]));
	}
	if (c->request.uses_modseq && c->n > 0)
		imap_put(s, " (MODSEQ %llu)", (unsigned long long)c->modseq);
	imap_put(s, "\r\n");
	if (c->work.damaged)
		imap_reply(s, "NO [CORRUPTION] Some of the messages cannot be read");
	else
		imap_reply(s, "OK Search completed");
	return IMAP_STEP_DONE;
}

bool
imap_cmd_search(struct imap_session *s, struct imap_parse *p)
{
	struct searching *c = arena_alloc(s->arena, sizeof(*c));

	if (!imap_parse_sp(p))
		return false;
	switch (imap_search_parse(p, &s->view, &c->request)) {
	case IMAP_SEARCH_SYNTAX:
		return imap_parse_fail(p, "Invalid search");
	case IMAP_SEARCH_CHARSET:
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
