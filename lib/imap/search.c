/* SPDX-License-Identifier: ISC */
/*
 * A message is looked at in stages, each only if the ones before it leave the answer open: what the
 * store knows without the content; the index of texts; the header; all texts. In between there are
 * many places where the work can stop and go on in a later turn.
 */
#include "imap/search.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "imap/limits.h"
#include "imap/objectid.h"
#include "imap/search_key.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"

enum {
	/* of imap_search.cost */
	COST_MESSAGE = 32,
	COST_OPEN = 4096,
	COST_KEY = 8,
	PARSE_STEP = 64 * 1024,
	/* Bytes of text that are worth asking an index about. */
	PROBE_LEAST = 3,
};

enum truth { NO, YES, OPEN };
enum stage { STAGE_KEYS, STAGE_PROBES, STAGE_HEADER, STAGE_TREE, STAGE_TEXT, STAGE_END };

/* A key that looks at content. */
struct imap_leaf {
	const struct imap_key *key;
	struct imap_probe *probe; /* NULL: none */
	enum truth truth;         /* for the message at hand */
};

void
imap_search_init(struct imap_search *s, const struct imap_view *v)
{
	*s = (struct imap_search){ .view = v };
	buf_init(&s->field, IMAP_TEXT_DECODED_MAX);
	buf_init(&s->folded, MAIL_FOLD_TIMES * IMAP_TEXT_DECODED_MAX);
	imap_text_init(&s->text);
}

static void
message_release(struct imap_search *s)
{
	mime_parser_free(&s->parser);
	if (s->has_content)
		s->view->ops->release(s->view->be, &s->content);
	s->has_content = s->tried = false;
	s->uid = 0;
}

void
imap_search_free(struct imap_search *s)
{
	message_release(s);
	for (size_t i = 0; i < s->nleaves; i++)
		if (s->leaves[i].probe != NULL)
			s->view->ops->probe_free(s->view->be, &s->leaves[i].probe);
	free(s->leaves);
	mime_tree_free(&s->tree);
	imap_text_free(&s->text);
	buf_free(&s->field);
	buf_free(&s->folded);
}

static bool
content_get(struct imap_search *s, const struct imap_seen *m, struct str *msg)
{
	if (!s->tried) {
		s->tried = true;
		s->cost += COST_OPEN;
		s->has_content = s->view->ops->content(s->view->be, s->view->folder, m->m.uid,
				     &s->content) == IMAP_DONE;
		s->damaged |= !s->has_content;
	}
	*msg = str_from(s->content.p, s->has_content ? s->content.n : 0);
	return s->has_content;
}

static bool
has(struct str text, struct str needle)
{
	return needle.n == 0 ||
	       (text.n >= needle.n && memmem(text.p, text.n, needle.p, needle.n) != NULL);
}

static bool
field_has(struct imap_search *s, struct str value, struct str needle)
{
	buf_clear(&s->field);
	buf_clear(&s->folded);
	imap_text_field(value, &s->field);
	mail_fold(str_from(buf_data(&s->field), s->field.len), &s->folded);
	s->cost += s->field.len;
	return has(str_from(buf_data(&s->folded), s->folded.len), needle);
}

static bool
header_matches(struct imap_search *s, struct str msg, const struct imap_key *k)
{
	struct mail_field f;
	size_t off = 0;
	bool found = false;

	while (!found && mail_field_next(msg, &off, &f))
		found = str_eq_nocase(f.name, k->field) && field_has(s, f.value, k->text);
	s->cost += off / 4;
	return found;
}

static bool
sent_matches(struct str msg, const struct imap_key *k)
{
	struct mail_field f;
	struct mail_time t;
	int64_t day;

	if (!mail_field_find(msg, STR("Date"), &f) || !mail_date_parse(f.value, &t))
		return false;
	day = mail_time_day(t);
	return day >= k->lo && day < k->hi;
}

static bool
internal_matches(const struct imap_seen *m, const struct imap_key *k)
{
	int64_t day =
	    mail_time_day((struct mail_time){ m->m.internal.seconds, m->m.internal.zone });

	return day >= k->lo && day < k->hi;
}

/* Keys that need no content. */
static bool
plain_matches(const struct imap_search *s, const struct imap_key *k, const struct imap_seen *m)
{
	int64_t day;
	bool recent;

	switch (k->kind) {
	case K_ALL:
		return true;
	case K_SEQ:
		return imap_set_has(&k->set, m->seq);
	case K_UID:
		return imap_set_has(&k->set, m->m.uid);
	case K_FLAG:
		return (m->m.flags & k->flags) != 0;
	case K_NOFLAG:
		return (m->m.flags & k->flags) == 0;
	case K_RECENT:
	case K_NEW:
	case K_OLD:
		recent = imap_view_is_recent(s->view, m->m.uid);
		if (k->kind == K_NEW)
			return recent && !(m->m.flags & IMAP_SEEN);
		return recent == (k->kind == K_RECENT);
	case K_DAY:
		return internal_matches(m, k);
	case K_SAVED_DAY:
		day = mail_time_day((struct mail_time){ m->m.saved, 0 });
		return day >= k->lo && day < k->hi;
	case K_TIME:
		return m->m.internal.seconds >= k->lo && m->m.internal.seconds <= k->hi;
	case K_EMAILID:
		return imap_objectid_is(k->text, IMAP_EMAILID, &m->m);
	case K_THREADID:
		return imap_objectid_is(k->text, IMAP_THREADID, &m->m);
	case K_LARGER:
		return m->m.size > k->size;
	case K_SMALLER:
		return m->m.size < k->size;
	case K_MODSEQ:
		return m->m.modseq >= k->size;
	default:
		return false;
	}
}

/* --- the tree of keys ----------------------------------------------------------------------------
 */

/* Takes down the leaves; as deep as the keys are nested. */
static void
collect(struct imap_search *s, const struct imap_key *k)
{
	s->nkeys++;
	switch (k->kind) {
	case K_NOT:
		collect(s, k->a);
		break;
	case K_OR:
		collect(s, k->a);
		collect(s, k->b);
		break;
	case K_AND:
		for (k = k->a; k != NULL; k = k->next)
			collect(s, k);
		break;
	case K_SENT_DAY:
	case K_HEADER:
	case K_BODY:
	case K_TEXT:
		if (k->leaf >= s->nleaves) {
			s->leaves = xrealloc(s->leaves, (k->leaf + 1) * sizeof(s->leaves[0]));
			s->nleaves = k->leaf + 1;
		}
		s->leaves[k->leaf] = (struct imap_leaf){ .key = k };
		break;
	default:
		break;
	}
}

static void
prepare(struct imap_search *s, const struct imap_key *key)
{
	struct imap_folder_state st;
	unsigned probes = 0;

	s->prepared = true;
	s->view->ops->state(s->view->be, s->view->folder, &st);
	s->budget =
	    (st.size + (uint64_t)st.messages * COST_OPEN) * IMAP_SEARCH_TIMES + IMAP_SEARCH_LEAST;
	collect(s, key);
	for (size_t i = 0; i < s->nleaves; i++) {
		struct imap_leaf *l = &s->leaves[i];
		struct str text = l->key->text;

		if (l->key->kind == K_SENT_DAY)
			continue;
		if (text.n > s->overlap + 1)
			s->overlap = text.n - 1;
		if (text.n >= PROBE_LEAST && probes++ < IMAP_SEARCH_PROBES_MAX)
			l->probe = s->view->ops->probe_new(s->view->be, text);
	}
}

/* What the leaves leave open, is open; as deep as the keys are nested. */
static enum truth
key_truth(const struct imap_search *s, const struct imap_key *k, const struct imap_seen *m)
{
	enum truth a, b;

	switch (k->kind) {
	case K_SENT_DAY:
	case K_HEADER:
	case K_BODY:
	case K_TEXT:
		return s->leaves[k->leaf].truth;
	case K_NOT:
		a = key_truth(s, k->a, m);
		return a == OPEN ? OPEN : a == YES ? NO : YES;
	case K_OR:
		a = key_truth(s, k->a, m);
		if (a == YES)
			return YES;
		b = key_truth(s, k->b, m);
		return b == YES ? YES : a == OPEN ? OPEN : b;
	case K_AND:
		a = YES;
		for (k = k->a; k != NULL && a != NO; k = k->next)
			if ((b = key_truth(s, k, m)) != YES)
				a = b;
		return a;
	default:
		return plain_matches(s, k, m) ? YES : NO;
	}
}

/* --- the stages ----------------------------------------------------------------------------------
 */

static void
message_begin(struct imap_search *s, const struct imap_seen *m)
{
	message_release(s);
	s->uid = m->m.uid;
	s->stage = STAGE_KEYS;
	s->cost += COST_MESSAGE;
	for (size_t i = 0; i < s->nleaves; i++) {
		const struct imap_key *k = s->leaves[i].key;
		bool any = k->text.n == 0 && (k->kind == K_BODY || k->kind == K_TEXT);

		s->leaves[i].truth = any ? YES : OPEN;
	}
}

static void
ask_index(struct imap_search *s, const struct imap_seen *m)
{
	for (size_t i = 0; i < s->nleaves; i++) {
		struct imap_leaf *l = &s->leaves[i];

		if (l->probe == NULL || l->truth != OPEN)
			continue;
		s->cost += COST_KEY;
		if (!s->view->ops->probe_may(s->view->be, l->probe, &m->m))
			l->truth = NO;
	}
}

/* One leaf that needs the header; false: there is none any more. */
static bool
header_step(struct imap_search *s, const struct imap_seen *m)
{
	struct str msg;

	for (; s->leaf < s->nleaves; s->leaf++) {
		struct imap_leaf *l = &s->leaves[s->leaf];
		bool sent = l->key->kind == K_SENT_DAY;

		if (l->truth != OPEN || !(sent || l->key->kind == K_HEADER))
			continue;
		if (!content_get(s, m, &msg))
			l->truth = NO;
		else if (sent)
			l->truth = sent_matches(msg, l->key) ? YES : NO;
		else
			l->truth = header_matches(s, msg, l->key) ? YES : NO;
		s->leaf++;
		return true;
	}
	return false;
}

/* False: the tree is complete, or there is no content. */
static bool
tree_step(struct imap_search *s, const struct imap_seen *m)
{
	struct str msg;

	if (!content_get(s, m, &msg))
		return false;
	if (s->parser == NULL)
		s->parser = mime_parser_new(msg, &s->tree);
	s->cost += msg.n < PARSE_STEP ? msg.n / 4 : PARSE_STEP / 4;
	if (!mime_parser_step(s->parser, PARSE_STEP))
		return true;
	mime_parser_free(&s->parser);
	imap_text_begin(&s->text, msg, &s->tree, s->overlap);
	s->leaf = s->nleaves;
	return false;
}

/* Compares the piece with the leaves; false: that was all of it, or enough for this turn. */
static void
piece_compare(struct imap_search *s)
{
	for (; s->leaf < s->nleaves && s->cost < IMAP_SEARCH_TURN; s->leaf++) {
		struct imap_leaf *l = &s->leaves[s->leaf];

		if (l->truth != OPEN || (s->piece.main_header && l->key->kind != K_TEXT))
			continue;
		s->cost += s->piece.text.n / 4;
		if (has(s->piece.text, l->key->text))
			l->truth = YES;
	}
}

/* False: no text is left. */
static bool
text_step(struct imap_search *s)
{
	if (s->leaf >= s->nleaves) {
		if (!s->has_content || !imap_text_next(&s->text, &s->piece))
			return false;
		s->cost += s->piece.text.n;
		s->leaf = 0;
	}
	piece_compare(s);
	return true;
}

/* A piece of work on the message whose answer is open; what is left open at the end does not match. */
static void
step(struct imap_search *s, const struct imap_seen *m)
{
	bool more = false;

	switch (s->stage) {
	case STAGE_KEYS:
		break;
	case STAGE_PROBES:
		ask_index(s, m);
		s->leaf = 0;
		break;
	case STAGE_HEADER:
		more = header_step(s, m);
		break;
	case STAGE_TREE:
		more = tree_step(s, m);
		break;
	case STAGE_TEXT:
		more = text_step(s);
		break;
	default:
		for (size_t i = 0; i < s->nleaves; i++)
			if (s->leaves[i].truth == OPEN)
				s->leaves[i].truth = NO;
		break;
	}
	s->stage += !more && s->stage < STAGE_END;
}

enum imap_search_answer
imap_search_matches(struct imap_search *s, const struct imap_key *key, const struct imap_seen *m)
{
	enum truth truth = OPEN;
	size_t before = s->cost;

	if (!s->prepared)
		prepare(s, key);
	if (s->exhausted)
		return IMAP_SEARCH_NO;
	if (s->uid != m->m.uid)
		message_begin(s, m);
	for (;;) {
		/* in the middle of a piece nothing is decided */
		if (s->stage != STAGE_TEXT || s->leaf >= s->nleaves) {
			truth = key_truth(s, key, m);
			s->cost += s->nkeys * COST_KEY;
		}
		if (truth != OPEN || s->cost >= IMAP_SEARCH_TURN)
			break;
		step(s, m);
	}
	s->exhausted = s->cost - before > s->budget;
	s->budget -= s->exhausted ? 0 : s->cost - before;
	if (truth == OPEN && !s->exhausted)
		return IMAP_SEARCH_MORE;
	message_release(s);
	return truth == YES ? IMAP_SEARCH_YES : IMAP_SEARCH_NO;
}
