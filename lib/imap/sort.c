/* SPDX-License-Identifier: ISC */
/*
 * SORT and UID SORT (rfc5256), with RETURN (rfc5267). Searches as SEARCH does, then reads what the
 * criteria ask for, sorts, and tells the numbers; others have their turn in between.
 */
#include "imap/headerkeys.h"
#include "imap/limits.h"
#include "imap/order.h"
#include "imap/searching.h"

enum { SORT_CRITERIA = 7 };

enum criterion { C_ARRIVAL, C_CC, C_DATE, C_FROM, C_SIZE, C_SUBJECT, C_TO };

static const struct {
	struct str name;
	unsigned want;
} criteria[SORT_CRITERIA] = {
	[C_ARRIVAL] = { { "ARRIVAL", 7 }, 0 },
	[C_CC] = { { "CC", 2 }, IMAP_WANT_CC },
	[C_DATE] = { { "DATE", 4 }, IMAP_WANT_DATE },
	[C_FROM] = { { "FROM", 4 }, IMAP_WANT_FROM },
	[C_SIZE] = { { "SIZE", 4 }, 0 },
	[C_SUBJECT] = { { "SUBJECT", 7 }, IMAP_WANT_SUBJECT },
	[C_TO] = { { "TO", 2 }, IMAP_WANT_TO },
};

union key {
	int64_t number;
	struct str text;
};

struct sorting {
	struct imap_searching search;
	struct {
		enum criterion what;
		bool reverse;
	} by[SORT_CRITERIA];
	size_t nby;
	unsigned want; /* IMAP_WANT_... */
	struct arena *arena;
	struct imap_keys_reader reader;
	union key *keys; /* nby for each message found */
	size_t read;     /* messages whose keys are read */
	bool full, sorted, begun;
	struct imap_order order;
	uint32_t *found; /* UIDs in their order */
};

static void
sort_cleanup(struct imap_session *s)
{
	struct sorting *c = s->cmd;

	imap_searching_free(&c->search);
	imap_keys_reader_free(&c->reader);
	imap_order_free(&c->order);
	arena_free(&c->arena);
}

/* ---- what is compared -------------------------------------------------------------------------
 */
static void
key_set(union key *k, enum criterion what, const struct imap_message *m,
    const struct imap_header_keys *h)
{
	switch (what) {
	case C_ARRIVAL:
		k->number = m->internal.seconds;
		break;
	case C_SIZE:
		k->number = (int64_t)m->size;
		break;
	case C_DATE: /* rfc5256:2.2 */
		k->number = h->has_date ? h->date : m->internal.seconds;
		break;
	case C_SUBJECT:
		k->text = h->subject;
		break;
	case C_FROM:
		k->text = h->from;
		break;
	case C_TO:
		k->text = h->to;
		break;
	case C_CC:
		k->text = h->cc;
		break;
	}
}

/* One turn of reading; true: all is read. */
static bool
sort_read(struct imap_session *s, struct sorting *c)
{
	unsigned turn = c->want ? IMAP_TURN_HEADERS : IMAP_TURN_MESSAGES;
	struct imap_header_keys h;
	struct imap_message m;

	if (c->keys == NULL && c->search.n > 0) {
		c->keys = arena_alloc(c->arena, c->search.n * c->nby * sizeof(c->keys[0]));
		c->full = c->keys == NULL;
	}
	for (; c->read < c->search.n && !c->full && turn > 0; c->read++, turn--) {
		c->full = !imap_keys_message(
		    &c->reader, &s->view, c->search.found[c->read], c->want, c->arena, &m, &h);
		for (size_t i = 0; i < c->nby; i++)
			key_set(&c->keys[c->read * c->nby + i], c->by[i].what, &m, &h);
	}
	return c->full || c->read == c->search.n;
}

static int
text_compare(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return r != 0 ? r : (a.n > b.n) - (a.n < b.n);
}

/* What is equal stays in the order of the folder. */
static int
compare(const void *arg, uint32_t a, uint32_t b)
{
	const struct sorting *c = arg;
	const union key *ka = &c->keys[a * c->nby], *kb = &c->keys[b * c->nby];

	for (size_t i = 0; i < c->nby; i++) {
		int r;

		if (c->by[i].what == C_ARRIVAL || c->by[i].what == C_SIZE ||
		    c->by[i].what == C_DATE)
			r = (ka[i].number > kb[i].number) - (ka[i].number < kb[i].number);
		else
			r = text_compare(ka[i].text, kb[i].text);
		if (r != 0)
			return c->by[i].reverse ? -r : r;
	}
	return 0;
}

/* ---- the command ------------------------------------------------------------------------------
 */
/* The UIDs in order, and the MODSEQs of the first and last one (rfc7162:3.1.10). */
static bool
sort_end(struct imap_session *s, struct sorting *c)
{
	struct imap_searching *f = &c->search;
	struct imap_walk w;
	struct imap_seen m;

	c->sorted = true;
	if (f->n == 0) {
		imap_searching_save(s, f, 0, 0);
		return true;
	}
	if ((c->found = arena_alloc(c->arena, f->n * sizeof(c->found[0]))) == NULL)
		return false;
	for (size_t i = 0; i < f->n; i++)
		c->found[i] = f->found[c->order.at[i]];
	for (int last = 0; last < 2; last++) {
		uint32_t uid = c->found[last ? f->n - 1 : 0];

		imap_walk_uids(&s->view, &w, uid, uid);
		if (imap_walk_next(&s->view, &w, &m) && !m.gone)
			*(last ? &f->last : &f->first) = m.m.modseq;
	}
	imap_searching_save(s, f, c->found[0], c->found[f->n - 1]);
	return true;
}

static enum imap_step
sort_step(struct imap_session *s)
{
	struct sorting *c = s->cmd;

	if (!c->search.complete) {
		c->search.complete = imap_searching_look(s, &c->search);
		return c->search.complete ? IMAP_STEP_MORE : IMAP_STEP_YIELD;
	}
	if (!c->begun) {
		if (!sort_read(s, c))
			return IMAP_STEP_YIELD;
		imap_order_begin(&c->order, c->full ? 0 : c->search.n, compare, c);
		c->begun = true;
	}
	if (!c->sorted && !c->full) {
		if (!imap_order_pass(&c->order))
			return c->search.n > IMAP_TURN_HEADERS ? IMAP_STEP_YIELD : IMAP_STEP_MORE;
		c->full = !sort_end(s, c);
	}
	if (c->full) {
		if (c->search.options & IMAP_RET_SAVE)
			imap_uidset_clear(&s->view.saved);
		imap_reply(s, "NO [LIMIT] These are too many messages to be sorted");
		return IMAP_STEP_DONE;
	}
	return imap_searching_show(s, &c->search, "SORT", c->found, "OK Sort completed");
}

static bool
criterion_parse(struct imap_parse *p, struct sorting *c)
{
	bool reverse = false;
	struct str word;
	size_t i = 0;

	if (!imap_parse_atom(p, &word))
		return false;
	if (str_eq_nocase(word, STR("REVERSE"))) {
		reverse = true;
		if (!imap_parse_sp(p) || !imap_parse_atom(p, &word))
			return false;
	}
	while (i < SORT_CRITERIA && !str_eq_nocase(criteria[i].name, word))
		i++;
	if (i == SORT_CRITERIA)
		return imap_parse_fail(p, "Unknown sort criterion");
	for (size_t k = 0; k < c->nby; k++)
		if (c->by[k].what == (enum criterion)i) /* the second time it decides nothing */
			return true;
	c->by[c->nby].what = (enum criterion)i;
	c->by[c->nby++].reverse = reverse;
	c->want |= criteria[i].want;
	return true;
}

static bool
criteria_parse(struct imap_parse *p, struct sorting *c)
{
	if (!imap_parse_char(p, '('))
		return false;
	do {
		if (!criterion_parse(p, c))
			return false;
	} while (imap_parse_try(p, ' '));
	return imap_parse_char(p, ')');
}

bool
imap_cmd_sort(struct imap_session *s, struct imap_parse *p)
{
	struct sorting *c = arena_alloc(s->arena, sizeof(*c));

	if (!imap_parse_sp(p) || !imap_searching_return(p, &c->search) || !criteria_parse(p, c) ||
	    !imap_parse_sp(p) || !imap_parse_astring(p, &c->search.request.charset) ||
	    !imap_parse_sp(p) || !imap_searching_begin(s, p, &c->search))
		return false;
	if (c->search.request.key == NULL)
		return true;
	c->arena = arena_new(IMAP_ORDER_ARENA_MAX);
	imap_keys_reader_init(&c->reader);
	s->cmd = c;
	s->cleanup = sort_cleanup;
	s->step = sort_step;
	return true;
}
