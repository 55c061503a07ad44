/* SPDX-License-Identifier: ISC */
#include "imap/search.h"

#include "imap/limits.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/decode.h"
#include "mail/header.h"
#include "mail/param.h"
#include "mail/word.h"

enum kind {
	K_ALL,
	K_SEQ,
	K_UID,
	K_FLAG,   /* any of flags is set */
	K_NOFLAG, /* none is */
	K_RECENT,
	K_NEW,
	K_OLD,
	K_DAY, /* internal date: lo <= day < hi */
	K_SENT_DAY,
	K_LARGER,
	K_SMALLER,
	K_HEADER,
	K_BODY,
	K_TEXT,
	K_NOT,
	K_OR,
	K_AND,
};

struct imap_key {
	enum kind kind;
	const struct imap_key *a, *b; /* NOT: a; OR: a, b; AND: the list that begins with a */
	struct imap_key *next;        /* in a list of AND */
	struct imap_set set;
	imap_flags flags;
	int64_t lo, hi;
	uint64_t size;
	struct str field, text; /* text: folded UTF-8 */
};

/* ---- parsing ----------------------------------------------------------------------------------
 */
struct reader {
	struct imap_parse *p;
	const struct imap_view *v;
	enum mail_charset cs;
	unsigned keys, depth;
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
	A_KEYWORD,
	A_NOKEYWORD,
	A_UID,
	A_NOT,
	A_OR,
};

static const struct row {
	struct str name;
	enum argument argument;
	enum kind kind;
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
	{ { "FLAGGED", 7 }, A_FLAG, K_FLAG, IMAP_FLAGGED },
	{ { "FROM", 4 }, A_FIELD, K_HEADER, 0 },
	{ { "HEADER", 6 }, A_HEADER, K_HEADER, 0 },
	{ { "KEYWORD", 7 }, A_KEYWORD, K_FLAG, 0 },
	{ { "LARGER", 6 }, A_SIZE, K_LARGER, 0 },
	{ { "NEW", 3 }, A_NONE, K_NEW, 0 },
	{ { "NOT", 3 }, A_NOT, K_NOT, 0 },
	{ { "OLD", 3 }, A_NONE, K_OLD, 0 },
	{ { "ON", 2 }, A_ON, K_DAY, 0 },
	{ { "OR", 2 }, A_OR, K_OR, 0 },
	{ { "RECENT", 6 }, A_NONE, K_RECENT, 0 },
	{ { "SEEN", 4 }, A_FLAG, K_FLAG, IMAP_SEEN },
	{ { "SENTBEFORE", 10 }, A_BEFORE, K_SENT_DAY, 0 },
	{ { "SENTON", 6 }, A_ON, K_SENT_DAY, 0 },
	{ { "SENTSINCE", 9 }, A_SINCE, K_SENT_DAY, 0 },
	{ { "SINCE", 5 }, A_SINCE, K_DAY, 0 },
	{ { "SMALLER", 7 }, A_SIZE, K_SMALLER, 0 },
	{ { "SUBJECT", 7 }, A_FIELD, K_HEADER, 0 },
	{ { "TEXT", 4 }, A_TEXT, K_TEXT, 0 },
	{ { "TO", 2 }, A_FIELD, K_HEADER, 0 },
	{ { "UID", 3 }, A_UID, K_UID, 0 },
	{ { "UNANSWERED", 10 }, A_NOFLAG, K_NOFLAG, IMAP_ANSWERED },
	{ { "UNDELETED", 9 }, A_NOFLAG, K_NOFLAG, IMAP_DELETED },
	{ { "UNDRAFT", 7 }, A_NOFLAG, K_NOFLAG, IMAP_DRAFT },
	{ { "UNFLAGGED", 9 }, A_NOFLAG, K_NOFLAG, IMAP_FLAGGED },
	{ { "UNKEYWORD", 9 }, A_NOKEYWORD, K_NOFLAG, 0 },
	{ { "UNSEEN", 6 }, A_NOFLAG, K_NOFLAG, IMAP_SEEN },
};

static const struct imap_key *key_parse(struct reader *r);
static const struct imap_key *and_parse(struct reader *r, bool paren);

static struct imap_key *
key_new(struct reader *r, enum kind kind)
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
	buf_init(&folded, 8 * s.n + 8);
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
	case A_KEYWORD:
	case A_NOKEYWORD:
		return keyword_parse(r, &k->flags);
	case A_UID:
		if (!imap_parse_sp(r->p) || !imap_parse_set(r->p, &k->set))
			return false;
		imap_set_resolve(&k->set, r->v->last_uid);
		return true;
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

	if (k == NULL || !imap_parse_set(r->p, &k->set))
		return NULL;
	imap_set_resolve(&k->set, r->v->exists);
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
	else if (c == '*' || (c >= '0' && c <= '9'))
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

enum imap_search_error
imap_search_parse(struct imap_parse *p, const struct imap_view *v, const struct imap_key **key)
{
	struct reader r = { .p = p, .v = v, .cs = MAIL_CHARSET_UTF8 };
	struct str name;

	if (str_starts_nocase(str_from(p->p, (size_t)(p->end - p->p)), STR("CHARSET "))) {
		p->p += 8;
		if (!imap_parse_astring(p, &name) || !imap_parse_sp(p))
			return IMAP_SEARCH_SYNTAX;
		r.cs = mail_charset_find(name);
		if (r.cs == MAIL_CHARSET_UNKNOWN)
			return IMAP_SEARCH_CHARSET;
		if (r.cs == MAIL_CHARSET_ASCII) /* tolerate what is not */
			r.cs = MAIL_CHARSET_UTF8;
	}
	*key = and_parse(&r, false);
	if (*key == NULL || !imap_parse_end(p))
		return IMAP_SEARCH_SYNTAX;
	return IMAP_SEARCH_OK;
}

/* ---- matching ---------------------------------------------------------------------------------
 */
enum { SEARCH_TEXT_MAX = 256 * 1024 * 1024, SEARCH_KEEP = 256 * 1024 };

void
imap_search_init(struct imap_search *s, const struct imap_view *v)
{
	*s = (struct imap_search){ .view = v };
	buf_init(&s->text, SEARCH_TEXT_MAX);
	buf_init(&s->folded, SEARCH_TEXT_MAX);
}

static void
message_release(struct imap_search *s)
{
	if (s->has_content)
		s->view->ops->release(s->view->be, &s->content);
	s->has_content = s->tried = s->has_tree = false;
}

void
imap_search_free(struct imap_search *s)
{
	message_release(s);
	mime_tree_free(&s->tree);
	buf_free(&s->text);
	buf_free(&s->folded);
}

static bool
content_get(struct imap_search *s, const struct imap_seen *m, struct str *msg)
{
	if (!s->tried) {
		s->tried = true;
		s->has_content = s->view->ops->content(s->view->be, s->view->folder, m->m.uid,
				     &s->content) == IMAP_DONE;
		s->damaged |= !s->has_content;
	}
	*msg = str_from(s->content.p, s->has_content ? s->content.n : 0);
	return s->has_content;
}

/* Does the folded form of s->text have the needle in it? */
static bool
folded_has(struct imap_search *s, struct str utf8, struct str needle)
{
	bool found;

	if (needle.n == 0)
		return true;
	buf_clear(&s->folded);
	mail_fold(utf8, &s->folded);
	found = s->folded.len >= needle.n &&
		memmem(buf_data(&s->folded), s->folded.len, needle.p, needle.n) != NULL;
	if (s->folded.cap > SEARCH_KEEP)
		buf_free(&s->folded);
	return found;
}

static bool
text_has(struct imap_search *s, struct str needle)
{
	bool found = folded_has(s, str_from(buf_data(&s->text), s->text.len), needle);

	if (s->text.cap > SEARCH_KEEP)
		buf_free(&s->text);
	return found;
}

static bool
header_matches(struct imap_search *s, struct str msg, const struct imap_key *k)
{
	struct mail_field f;
	size_t off = 0;

	while (mail_field_next(msg, &off, &f)) {
		if (!str_eq_nocase(f.name, k->field))
			continue;
		buf_clear(&s->text);
		mail_words_decode(f.value, &s->text);
		if (text_has(s, k->text))
			return true;
	}
	return false;
}

/* All fields of a header, "Name: value" line by line. */
static bool
whole_header_matches(struct imap_search *s, struct str header, struct str needle)
{
	struct mail_field f;
	size_t off = 0;

	buf_clear(&s->text);
	while (mail_field_next(header, &off, &f)) {
		buf_put(&s->text, f.name.p, f.name.n);
		buf_puts(&s->text, ": ");
		mail_words_decode(f.value, &s->text);
		buf_puts(&s->text, "\r\n");
	}
	return text_has(s, needle);
}

static enum mail_charset
charset_of(const struct mime_part *p)
{
	struct str type, subtype, name;
	enum mail_charset cs = MAIL_CHARSET_UNKNOWN;
	struct mail_lex params;
	struct arena *a;

	if (!mail_ctype_parse(p->ctype, &type, &subtype, &params))
		return cs;
	a = arena_new(16384);
	if (mail_param_find(params, a, STR("charset"), &name))
		cs = mail_charset_find(name);
	arena_free(&a);
	/* bytes that are not what was promised are better kept than replaced */
	return cs == MAIL_CHARSET_ASCII ? MAIL_CHARSET_UNKNOWN : cs;
}

/* The transfer encoding taken off, into s->text; what has none is borrowed. */
static struct str
body_decode(struct imap_search *s, struct str body, enum mime_encoding enc)
{
	struct mail_base64 b64 = { 0 };
	struct mail_qp qp = { 0 };
	uint8_t *to;
	size_t n;

	if (enc != MIME_ENC_BASE64 && enc != MIME_ENC_QP)
		return body;
	buf_clear(&s->text);
	if ((to = buf_reserve(&s->text, body.n + 80)) == NULL)
		return body;
	if (enc == MIME_ENC_BASE64) {
		n = mail_base64_decode(&b64, body, to);
		n += mail_base64_end(&b64, to + n);
	} else {
		n = mail_qp_decode(&qp, body, false, to);
		n += mail_qp_end(&qp, to + n);
	}
	buf_commit(&s->text, n);
	return str_from(buf_data(&s->text), n);
}

static bool
body_matches(struct imap_search *s, struct str body, const struct mime_part *p, struct str needle)
{
	enum mail_charset cs = charset_of(p);
	struct str text = body_decode(s, body, p->encoding);
	struct buf utf8;
	bool found;

	if (cs == MAIL_CHARSET_UNKNOWN || cs == MAIL_CHARSET_UTF8)
		return folded_has(s, text, needle);
	buf_init(&utf8, SEARCH_TEXT_MAX);
	mail_charset_to_utf8(cs, text, &utf8);
	found = folded_has(s, str_from(buf_data(&utf8), utf8.len), needle);
	buf_free(&utf8);
	return found;
}

/* Text parts, and the headers of all parts but the message's own. */
static bool
content_matches(struct imap_search *s, struct str msg, const struct imap_key *k)
{
	if (!s->has_tree)
		mime_parse(msg, &s->tree);
	s->has_tree = true;
	s->bytes += msg.n;
	for (size_t i = 0; i < s->tree.count; i++) {
		const struct mime_part *p = &s->tree.parts[i];

		if ((i > 0 || k->kind == K_TEXT) &&
		    whole_header_matches(s, mime_header(msg, p), k->text))
			return true;
		if (p->kind == MIME_TEXT && body_matches(s, mime_body(msg, p), p, k->text))
			return true;
	}
	return k->text.n == 0;
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

/* As deep as the keys are nested. */
static bool
key_matches(struct imap_search *s, const struct imap_key *k, const struct imap_seen *m)
{
	bool recent;
	struct str msg;

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
	case K_LARGER:
		return m->m.size > k->size;
	case K_SMALLER:
		return m->m.size < k->size;
	case K_SENT_DAY:
		return content_get(s, m, &msg) && sent_matches(msg, k);
	case K_HEADER:
		return content_get(s, m, &msg) && header_matches(s, msg, k);
	case K_BODY:
	case K_TEXT:
		return content_get(s, m, &msg) && content_matches(s, msg, k);
	case K_NOT:
		return !key_matches(s, k->a, m);
	case K_OR:
		return key_matches(s, k->a, m) || key_matches(s, k->b, m);
	case K_AND:
		for (k = k->a; k != NULL; k = k->next)
			if (!key_matches(s, k, m))
				return false;
		return true;
	}
	return false;
}

bool
imap_search_matches(struct imap_search *s, const struct imap_key *key, const struct imap_seen *m)
{
	bool matches = key_matches(s, key, m);

	s->bytes += s->has_content ? 1024 : 0; /* opening one costs as well */
	message_release(s);
	return matches;
}
