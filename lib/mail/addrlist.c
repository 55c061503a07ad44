/* SPDX-License-Identifier: ISC */
#include "mail/addrlist.h"

#include "mail/lex.h"

/* Everything written is at most as long as what was read: one block of that size holds it all. */
struct parser {
	struct mail_lex l;
	struct arena *a;
	char *to;
	bool in_group, full;
	struct str comment;
	struct mail_addr **tail;
	size_t count;
};

#define SPECIALS "\"<>@,;:"

static char
peek(const struct parser *p)
{
	return p->l.p < p->l.end ? *p->l.p : '\0';
}

static void
copy(struct parser *p, struct str s)
{
	if (s.n > 0)
		memcpy(p->to, s.p, s.n);
	p->to += s.n;
}

/* A quoted string straight into the block. */
static void
quoted(struct parser *p)
{
	for (p->l.p++; p->l.p < p->l.end && *p->l.p != '"'; p->l.p++) {
		if (*p->l.p == '\\' && p->l.p + 1 < p->l.end)
			p->l.p++;
		if (*p->l.p != '\r' && *p->l.p != '\n')
			*p->to++ = *p->l.p;
	}
	if (p->l.p < p->l.end)
		p->l.p++;
}

static struct str
written(const struct parser *p, const char *from)
{
	return str_from(from, (size_t)(p->to - from));
}

/* Words up to a special; between: what is put between two words. */
static struct str
words(struct parser *p, struct str between)
{
	const char *from = p->to;
	bool first = true;

	for (;;) {
		char c;

		mail_lex_cfws_comment(&p->l, &p->comment);
		if (p->l.p == p->l.end)
			break;
		c = *p->l.p;
		if (c != '"' && c != '\0' && strchr(SPECIALS, c) != NULL)
			break;
		if (!first)
			copy(p, between);
		first = false;
		if (c == '"')
			quoted(p);
		else
			copy(p, mail_lex_until(&p->l, SPECIALS));
	}
	return written(p, from);
}

/* Behind '@': labels and dots with what white space there is, or a literal. */
static struct str
domain(struct parser *p)
{
	const char *from = p->to;

	mail_lex_cfws_comment(&p->l, &p->comment);
	if (peek(p) == '[') {
		while (p->l.p < p->l.end && *p->l.p != ']' && *p->l.p != '>')
			*p->to++ = *p->l.p++;
		if (peek(p) == ']')
			*p->to++ = *p->l.p++;
		return written(p, from);
	}
	for (;;) {
		copy(p, mail_lex_until(&p->l, SPECIALS));
		mail_lex_cfws_comment(&p->l, &p->comment);
		/* white space is legal beside dots only; otherwise the domain is over */
		if (peek(p) != '.' && (p->to == from || p->to[-1] != '.'))
			break;
		if (p->l.p == p->l.end || (peek(p) != '\0' && strchr(SPECIALS, peek(p)) != NULL))
			break;
	}
	return written(p, from);
}

/* "@a,@b:" of the old days; the colon is taken as well. */
static struct str
route(struct parser *p)
{
	const char *from = p->to;

	while (p->l.p < p->l.end && *p->l.p != ':' && *p->l.p != '>') {
		mail_lex_cfws_comment(&p->l, &p->comment);
		if (peek(p) == '@' || peek(p) == ',' || peek(p) == '"' || peek(p) == '<' ||
		    peek(p) == ';')
			*p->to++ = *p->l.p++;
		else
			copy(p, mail_lex_until(&p->l, SPECIALS));
	}
	if (peek(p) == ':')
		p->l.p++;
	return written(p, from);
}

static struct mail_addr *
emit(struct parser *p, enum mail_addr_kind kind)
{
	struct mail_addr *m;

	if (p->count == MAIL_ADDRS_MAX || (m = arena_alloc(p->a, sizeof(*m))) == NULL) {
		p->full = true;
		return NULL;
	}
	m->kind = kind;
	*p->tail = m;
	p->tail = &m->next;
	p->count++;
	return m;
}

/* To behind the next comma, or before what ends a group. */
static void
to_comma(struct parser *p)
{
	for (;;) {
		mail_lex_cfws_comment(&p->l, &p->comment);
		if (p->l.p == p->l.end || (*p->l.p == ';' && p->in_group))
			return;
		if (*p->l.p == '"') {
			char *keep = p->to;

			quoted(p);
			p->to = keep;
		} else if (*p->l.p++ == ',') {
			return;
		}
	}
}

static void
angle(struct parser *p, struct str name)
{
	struct str r = { 0 }, local, dom = { 0 };
	struct mail_addr *m;

	p->l.p++;
	mail_lex_cfws_comment(&p->l, &p->comment);
	if (peek(p) == '@')
		r = route(p);
	local = words(p, STR(""));
	if (peek(p) == '@') {
		p->l.p++;
		dom = domain(p);
	}
	while (p->l.p < p->l.end && *p->l.p != '>' && *p->l.p != ',')
		p->l.p++;
	if ((m = emit(p, MAIL_ADDR_MAILBOX)) != NULL) {
		m->name = name;
		m->route = r;
		m->local = local;
		m->domain = dom;
	}
	to_comma(p);
}

/* "addr", "addr (name)"; start is where the local part begins. */
static void
bare(struct parser *p, const char *start, char *to)
{
	struct str local, dom = { 0 }, comment;
	struct mail_addr *m;

	p->l.p = start;
	p->to = to;
	p->comment = (struct str){ 0 };
	local = words(p, STR(""));
	if (peek(p) == '@') {
		p->l.p++;
		dom = domain(p);
	}
	to_comma(p);
	comment = p->comment;
	if ((m = emit(p, MAIL_ADDR_MAILBOX)) != NULL) {
		m->name = comment;
		m->local = local;
		m->domain = dom;
	}
}

static void
group_end(struct parser *p)
{
	if (p->in_group)
		emit(p, MAIL_ADDR_GROUP_END);
	p->in_group = false;
}

static void
address(struct parser *p)
{
	const char *start = p->l.p;
	struct mail_addr *m;
	char *to = p->to;
	struct str name = words(p, STR(" "));

	switch (peek(p)) {
	case '<':
		angle(p, name);
		return;
	case ':':
		p->l.p++;
		group_end(p);
		if ((m = emit(p, MAIL_ADDR_GROUP)) != NULL)
			m->name = name;
		p->in_group = true;
		return;
	case ';':
		if (name.n > 0)
			bare(p, start, to);
		if (peek(p) == ';')
			p->l.p++;
		group_end(p);
		return;
	case '>':
		p->l.p++;
		p->to = to;
		return;
	default:
		if (name.n > 0 || peek(p) == '@')
			bare(p, start, to);
		else if (p->l.p < p->l.end)
			p->l.p++; /* a comma of its own */
	}
}

struct mail_addr *
mail_addrlist_parse(struct str value, struct arena *a)
{
	struct mail_addr *list = NULL;
	struct parser p = { .a = a, .tail = &list };

	if (value.n > MAIL_ADDRLIST_BYTES_MAX)
		value.n = MAIL_ADDRLIST_BYTES_MAX;
	/* between two words stands at least one byte, but for words that touch: "a""b" */
	if (value.n == 0 || (p.to = arena_alloc(a, 2 * value.n + 1)) == NULL)
		return NULL;
	p.l = mail_lex_of(value);
	mail_lex_cfws(&p.l);
	while (p.l.p < p.l.end && !p.full) {
		p.comment = (struct str){ 0 };
		address(&p);
		mail_lex_cfws(&p.l);
	}
	if (!p.full)
		group_end(&p);
	return list;
}
