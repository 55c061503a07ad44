/* SPDX-License-Identifier: ISC */
/* Search keys (rfc3501:6.4.4 and extensions) from the command to a tree. */
#include "imap/limits.h"
#include "imap/search_key.h"
#include "mail/charset.h"

struct reader {
	struct imap_parse *p;
	const struct imap_view *v;
	struct imap_search_request *out;
	enum mail_charset cs;
	unsigned keys, depth, leaves;
};

enum argument {
	A_NONE,
	A_FLAG,
	A_NOFLAG,
	A_TEXT,
	A_FIELD,
	A_HEADER,
	A_BEFORE,
	A_ON,
	A_SINCE,
	A_SIZE,
	A_MODSEQ,
	A_KEYWORD,
	A_NOKEYWORD,
	A_UID,
	A_OLDER,
	A_YOUNGER,
	A_ID,
	A_NOT,
	A_OR,
};

static const struct row {
	struct str name;
	enum argument argument;
	enum imap_key_kind kind;
	imap_flags flags;
} rows[] = {
	{ { "ALL", 3 }, A_NONE, K_ALL, 0 },
	{ { "ANSWERED", 8 }, A_FLAG, K_FLAG, IMAP_ANSWERED },
	{ { "BCC", 3 }, A_FIELD, K_HEADER, 0 },
	{ { "BEFORE", 6 }, A_BEFORE, K_DAY, 0 },
	{ { "BODY", 4 }, A_TEXT, K_BODY, 0 },
	{ { "CC", 2 }, A_FIELD, K_HEADER, 0 },
	{ { "DELETED", 7 }, A_FLAG, K_FLAG, IMAP_DELETED },
	{ { "DRAFT", 5 }, A_FLAG, K_FLAG, IMAP_DRAFT },
	{ { "EMAILID", 7 }, A_ID, K_EMAILID, 0 },
	{ { "FLAGGED", 7 }, A_FLAG, K_FLAG, IMAP_FLAGGED },
	{ { "FROM", 4 }, A_FIELD, K_HEADER, 0 },
	{ { "HEADER", 6 }, A_HEADER, K_HEADER, 0 },
	{ { "KEYWORD", 7 }, A_KEYWORD, K_FLAG, 0 },
	{ { "LARGER", 6 }, A_SIZE, K_LARGER, 0 },
	{ { "MODSEQ", 6 }, A_MODSEQ, K_MODSEQ, 0 },
	{ { "NEW", 3 }, A_NONE, K_NEW, 0 },
	{ { "NOT", 3 }, A_NOT, K_NOT, 0 },
	{ { "OLD", 3 }, A_NONE, K_OLD, 0 },
	{ { "OLDER", 5 }, A_OLDER, K_TIME, 0 },
	{ { "ON", 2 }, A_ON, K_DAY, 0 },
	{ { "OR", 2 }, A_OR, K_OR, 0 },
	{ { "RECENT", 6 }, A_NONE, K_RECENT, 0 },
	{ { "SAVEDATESUPPORTED", 17 }, A_NONE, K_ALL, 0 },
	{ { "SAVEDBEFORE", 11 }, A_BEFORE, K_SAVED_DAY, 0 },
	{ { "SAVEDON", 7 }, A_ON, K_SAVED_DAY, 0 },
	{ { "SAVEDSINCE", 10 }, A_SINCE, K_SAVED_DAY, 0 },
	{ { "SEEN", 4 }, A_FLAG, K_FLAG, IMAP_SEEN },
	{ { "SENTBEFORE", 10 }, A_BEFORE, K_SENT_DAY, 0 },
	{ { "SENTON", 6 }, A_ON, K_SENT_DAY, 0 },
	{ { "SENTSINCE", 9 }, A_SINCE, K_SENT_DAY, 0 },
	{ { "SINCE", 5 }, A_SINCE, K_DAY, 0 },
	{ { "SMALLER", 7 }, A_SIZE, K_SMALLER, 0 },
	{ { "SUBJECT", 7 }, A_FIELD, K_HEADER, 0 },
	{ { "TEXT", 4 }, A_TEXT, K_TEXT, 0 },
	{ { "THREADID", 8 }, A_ID, K_THREADID, 0 },
	{ { "TO", 2 }, A_FIELD, K_HEADER, 0 },
	{ { "UID", 3 }, A_UID, K_UID, 0 },
	{ { "UNANSWERED", 10 }, A_NOFLAG, K_NOFLAG, IMAP_ANSWERED },
	{ { "UNDELETED", 9 }, A_NOFLAG, K_NOFLAG, IMAP_DELETED },
	{ { "UNDRAFT", 7 }, A_NOFLAG, K_NOFLAG, IMAP_DRAFT },
	{ { "UNFLAGGED", 9 }, A_NOFLAG, K_NOFLAG, IMAP_FLAGGED },
	{ { "UNKEYWORD", 9 }, A_NOKEYWORD, K_NOFLAG, 0 },
	{ { "UNSEEN", 6 }, A_NOFLAG, K_NOFLAG, IMAP_SEEN },
	{ { "YOUNGER", 7 }, A_YOUNGER, K_TIME, 0 },
};

static const struct imap_key *key_parse(struct reader *r);
static const struct imap_key *and_parse(struct reader *r, bool paren);

static struct imap_key *
key_new(struct reader *r, enum imap_key_kind kind)
{
	struct imap_key *k;

	if (++r->keys > IMAP_SEARCH_KEYS_MAX) {
		imap_parse_fail(r->p, "Too many search keys");
		return NULL;
	}
	if ((k = arena_alloc(r->p->a, sizeof(*k))) == NULL)
		imap_parse_fail(r->p, "Command is too long");
	else
		k->kind = kind;
	if (k != NULL &&
	    (kind == K_SENT_DAY || kind == K_HEADER || kind == K_BODY || kind == K_TEXT))
		k->leaf = r->leaves++;
	return k;
}

/* A text in the command's charset to folded UTF-8. */
static bool
text_parse(struct reader *r, struct str *text)
{
	struct buf utf8, folded;
	struct str s;

	if (!imap_parse_sp(r->p) || !imap_parse_astring(r->p, &s))
		return false;
	buf_init(&utf8, 4 * s.n + 4);
	buf_init(&folded, MAIL_FOLD_TIMES * (4 * s.n + 4));
	mail_charset_to_utf8(r->cs, s, &utf8);
	mail_fold(str_from(buf_data(&utf8), utf8.len), &folded);
	*text = arena_str(r->p->a, str_from(buf_data(&folded), folded.len));
	buf_free(&utf8);
	buf_free(&folded);
	return text->p != NULL || imap_parse_fail(r->p, "Command is too long");
}

static bool
keyword_parse(struct reader *r, imap_flags *flags)
{
	struct str name;
	int k;

	if (!imap_parse_sp(r->p) || !imap_parse_atom(r->p, &name))
		return false;
	k = r->v->ops->keyword_find(r->v->be, r->v->folder, name, false);
	*flags = k >= 0 ? IMAP_KEYWORD(k) : 0;
	return true;
}

static bool
day_parse(struct reader *r, enum argument a, struct imap_key *k)
{
	int64_t day;

	if (!imap_parse_sp(r->p) || !imap_parse_date(r->p, &day))
		return false;
	k->lo = a == A_BEFORE ? INT64_MIN : day;
	k->hi = a == A_BEFORE ? day : a == A_ON ? day + 1 : INT64_MAX;
	return true;
}

/* A name of a flag with who sees it may stand before the number (rfc7162:3.1.5): one MODSEQ is for
 * all of a message. */
static bool
modseq_parse(struct reader *r, struct imap_key *k)
{
	struct str entry, who;

	r->out->uses_modseq = true;
	if (!imap_parse_sp(r->p))
		return false;
	if (imap_parse_peek(r->p) == '"') {
		if (!imap_parse_string(r->p, &entry) || !imap_parse_sp(r->p) ||
		    !imap_parse_atom(r->p, &who) || !imap_parse_sp(r->p))
			return false;
		if (!str_eq_nocase(who, STR("all")) && !str_eq_nocase(who, STR("priv")) &&
		    !str_eq_nocase(who, STR("shared")))
			return imap_parse_fail(r->p, "Invalid MODSEQ");
	}
	return imap_parse_number(r->p, INT64_MAX, &k->size);
}

/* A set of numbers or "$"; '*' is max. */
static bool
uids_parse(struct reader *r, struct imap_key *k, uint32_t max)
{
	const struct imap_uidset *saved = &r->v->saved;

	if (!imap_parse_set(r->p, &k->set))
		return false;
	if (k->set.saved)
		return imap_set_fill(
			   &k->set, saved->uid + saved->head, imap_uidset_count(saved), r->p->a) ||
		       imap_parse_fail(r->p, "Command is too long");
	imap_set_resolve(&k->set, max);
	return true;
}

/* rfc5032: so many seconds ago, or longer. */
static bool
within_parse(struct reader *r, enum argument a, struct imap_key *k)
{
	int64_t now = r->v->ops->now(r->v->be);
	uint64_t n;

	if (!imap_parse_sp(r->p) || !imap_parse_number(r->p, UINT32_MAX, &n))
		return false;
	if (n == 0)
		return imap_parse_fail(r->p, "Invalid interval");
	k->lo = a == A_OLDER ? INT64_MIN : now - (int64_t)n;
	k->hi = a == A_OLDER ? now - (int64_t)n : INT64_MAX;
	return true;
}

static bool
operand_parse(struct reader *r, const struct imap_key **k)
{
	return imap_parse_sp(r->p) && (*k = key_parse(r)) != NULL;
}

static bool
argument_parse(struct reader *r, const struct row *row, struct imap_key *k)
{
	switch (row->argument) {
	case A_NONE:
		return true;
	case A_FLAG:
	case A_NOFLAG:
		k->flags = row->flags;
		return true;
	case A_TEXT:
		return text_parse(r, &k->text);
	case A_FIELD:
		k->field = row->name;
		return text_parse(r, &k->text);
	case A_HEADER:
		return imap_parse_sp(r->p) && imap_parse_astring(r->p, &k->field) &&
		       text_parse(r, &k->text);
	case A_BEFORE:
	case A_ON:
	case A_SINCE:
		return day_parse(r, row->argument, k);
	case A_SIZE:
		return imap_parse_sp(r->p) && imap_parse_number(r->p, UINT64_MAX, &k->size);
	case A_MODSEQ:
		return modseq_parse(r, k);
	case A_KEYWORD:
	case A_NOKEYWORD:
		return keyword_parse(r, &k->flags);
	case A_UID:
		return imap_parse_sp(r->p) && uids_parse(r, k, imap_view_max_uid(r->v));
	case A_OLDER:
	case A_YOUNGER:
		return within_parse(r, row->argument, k);
	case A_ID:
		return imap_parse_sp(r->p) && imap_parse_atom(r->p, &k->text);
	case A_NOT:
		return operand_parse(r, &k->a);
	case A_OR:
		return operand_parse(r, &k->a) && operand_parse(r, &k->b);
	}
	return false;
}

static const struct imap_key *
named_parse(struct reader *r)
{
	struct imap_key *k;
	struct str name;

	if (!imap_parse_atom(r->p, &name))
		return NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!str_eq_nocase(rows[i].name, name))
			continue;
		if ((k = key_new(r, rows[i].kind)) == NULL || !argument_parse(r, &rows[i], k))
			return NULL;
		return k;
	}
	imap_parse_fail(r->p, "Unknown search key");
	return NULL;
}

static const struct imap_key *
set_parse(struct reader *r)
{
	struct imap_key *k = key_new(r, K_SEQ);

	if (k == NULL || !uids_parse(r, k, r->v->exists))
		return NULL;
	if (k->set.saved)
		k->kind = K_UID;
	return k;
}

static const struct imap_key *
key_parse(struct reader *r)
{
	const struct imap_key *k;
	char c = imap_parse_peek(r->p);

	if (++r->depth > IMAP_DEPTH_MAX) {
		imap_parse_fail(r->p, "Search keys are nested too deep");
		return NULL;
	}
	if (imap_parse_try(r->p, '('))
		k = and_parse(r, true);
	else if (c == '*' || c == '$' || (c >= '0' && c <= '9'))
		k = set_parse(r);
	else
		k = named_parse(r);
	r->depth--;
	return k;
}

/* 0: asks the index only; 1: a header field; 2: all of the content. */
static int
cost(const struct imap_key *k)
{
	int most = 0;

	switch (k->kind) {
	case K_SENT_DAY:
	case K_HEADER:
		return 1;
	case K_BODY:
	case K_TEXT:
		return 2;
	case K_NOT:
		return cost(k->a);
	case K_OR:
		most = cost(k->b);
		return cost(k->a) > most ? cost(k->a) : most;
	case K_AND:
		for (k = k->a; k != NULL; k = k->next)
			if (cost(k) > most)
				most = cost(k);
		return most;
	default:
		return 0;
	}
}

/* The cheap ones first: they spare the others the work. */
static const struct imap_key *
and_order(struct imap_key *first)
{
	struct imap_key *list[3] = { NULL }, **tail[3] = { &list[0], &list[1], &list[2] };

	while (first != NULL) {
		int c = cost(first);

		*tail[c] = first;
		tail[c] = &first->next;
		first = first->next;
	}
	*tail[2] = NULL;
	*tail[1] = list[2];
	*tail[0] = list[1] ? list[1] : list[2];
	return list[0] ? list[0] : *tail[0];
}

static const struct imap_key *
and_parse(struct reader *r, bool paren)
{
	struct imap_key *k = key_new(r, K_AND), *first = NULL, **tail = &first;

	if (k == NULL)
		return NULL;
	do {
		const struct imap_key *one = key_parse(r);

		if (one == NULL)
			return NULL;
		*tail = (struct imap_key *)(uintptr_t)one;
		tail = &(*tail)->next;
	} while (imap_parse_try(r->p, ' '));
	if (paren && !imap_parse_char(r->p, ')'))
		return NULL;
	k->a = and_order(first);
	return k;
}

/* "CHARSET name " or nothing. */
static bool
charset_parse(struct imap_parse *p, struct imap_search_request *out)
{
	if (out->charset.p != NULL ||
	    !str_starts_nocase(str_from(p->p, (size_t)(p->end - p->p)), STR("CHARSET ")))
		return true;
	p->p += 8;
	if (out->no_charset)
		return imap_parse_fail(p, "No CHARSET after ENABLE UTF8=ACCEPT");
	return imap_parse_astring(p, &out->charset) && imap_parse_sp(p);
}

enum imap_search_error
imap_search_parse(struct imap_parse *p, const struct imap_view *v, struct imap_search_request *out)
{
	struct reader r = { .p = p, .v = v, .out = out, .cs = MAIL_CHARSET_UTF8 };

	if (!charset_parse(p, out))
		return IMAP_SEARCH_SYNTAX;
	if (out->charset.p != NULL) {
		r.cs = mail_charset_find(out->charset);
		if (r.cs == MAIL_CHARSET_UNKNOWN)
			return IMAP_SEARCH_CHARSET;
		if (r.cs == MAIL_CHARSET_ASCII) /* tolerate what is not */
			r.cs = MAIL_CHARSET_UTF8;
	}
	out->key = and_parse(&r, false);
	if (out->key == NULL || !imap_parse_end(p))
		return IMAP_SEARCH_SYNTAX;
	return IMAP_SEARCH_OK;
}
