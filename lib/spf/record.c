/* SPDX-License-Identifier: ISC */
/* Records and their terms (rfc7208:4.5, 4.6, 5, 6, 12): syntax only. */
#include <arpa/inet.h>

#include "spf/impl.h"

static const struct mechanism {
	const char *name;
	enum spf_argument argument;
	bool prefix, asks;
} mechanisms[] = {
#define X(id, name, argument, prefix, asks) { name, argument, prefix, asks },
	SPF_MECHANISMS(X)
#undef X
};

enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

void
spf_reader_open(struct spf_reader *r, struct str record)
{
	r->p = (const uint8_t *)record.p;
	r->end = r->p + record.n;
	r->left = 0;
}

int
spf_reader_next(struct spf_reader *r)
{
	while (r->left == 0) {
		if (r->p == r->end)
			return -1;
		r->left = *r->p++;
		if (r->left > (size_t)(r->end - r->p))
			r->left = (unsigned)(r->end - r->p);
	}
	r->left--;
	return *r->p++;
}

bool
spf_reader_version(struct spf_reader *r)
{
	static const char version[] = "v=spf1";
	struct spf_reader next;
	int c;

	for (size_t i = 0; i < sizeof(version) - 1; i++) {
		c = spf_reader_next(r);
		if (c < 0 || ascii_tolower(c) != version[i])
			return false;
	}
	next = *r;
	c = spf_reader_next(&next);
	return c < 0 || c == ' ';
}

/* --- pieces of a term ------------------------------------------------------------------------- */

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alpha(int c)
{
	c = ascii_tolower(c);
	return c >= 'a' && c <= 'z';
}

/* ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) at the start: its length. */
static size_t
name_length(struct str s)
{
	size_t i = 0;

	if (s.n == 0 || !is_alpha((unsigned char)s.p[0]))
		return 0;
	while (i < s.n && (is_alpha((unsigned char)s.p[i]) || is_digit(s.p[i]) || s.p[i] == '-' ||
			      s.p[i] == '_' || s.p[i] == '.'))
		i++;
	return i;
}

/* A number without needless zeros behind the last slash of *s, which is cut there. 0: there is
 * none (or not that many slashes); -1: a wrong one. */
static int
cut_prefix(struct str *s, size_t slashes, unsigned max, unsigned *out)
{
	size_t i = s->n, from;
	uint64_t value;
	struct str digits;

	while (i > 0 && is_digit(s->p[i - 1]))
		i--;
	from = i;
	for (size_t k = 0; k < slashes; k++)
		if (i == 0 || s->p[--i] != '/')
			return 0;
	digits = str_from(s->p + from, s->n - from);
	if (digits.n == 0 || (digits.n > 1 && digits.p[0] == '0') || !str_u64(digits, max, &value))
		return -1;
	*out = (unsigned)value;
	s->n = i;
	return 1;
}

/* [ "/" n ] [ "//" n ] at the end of *s (rfc7208:5.6). */
static bool
cut_prefixes(struct spf_term *t, struct str *s)
{
	if (t->kind == SPF_M_IP4)
		return cut_prefix(s, 1, 32, &t->prefix4) >= 0;
	if (t->kind == SPF_M_IP6)
		return cut_prefix(s, 1, 128, &t->prefix6) >= 0;
	return cut_prefix(s, 2, 128, &t->prefix6) >= 0 && cut_prefix(s, 1, 32, &t->prefix4) >= 0;
}

/* Four numbers without leading zeros, or what inet_pton takes for IPv6. */
static bool
read_network(struct spf_term *t, struct str s)
{
	char text[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	t->network.n = t->kind == SPF_M_IP4 ? 4 : 16;
	return inet_pton(t->network.n == 4 ? AF_INET : AF_INET6, text, t->network.bytes) == 1;
}

static bool
read_argument(struct spf_term *t, struct str rest)
{
	const struct mechanism *m = &mechanisms[t->kind];
	bool colon = rest.n > 0 && rest.p[0] == ':';

	t->prefix4 = 32;
	t->prefix6 = 128;
	if (colon)
		rest = str_from(rest.p + 1, rest.n - 1);
	if (m->prefix && !cut_prefixes(t, &rest))
		return false;
	switch (m->argument) {
	case SPF_ARG_NONE:
		return !colon && rest.n == 0;
	case SPF_ARG_IP4:
	case SPF_ARG_IP6:
		return colon && read_network(t, rest);
	case SPF_ARG_OPTIONAL:
		if (!colon)
			return rest.n == 0;
		break;
	case SPF_ARG_DOMAIN:
		if (!colon)
			return false;
		break;
	}
	t->argument = rest;
	return spf_domain_spec_valid(rest);
}

/* --- terms ------------------------------------------------------------------------------------ */

static bool
read_modifier(struct spf_term *t, struct str name, struct str value)
{
	t->kind = SPF_T_UNKNOWN;
	t->argument = value;
	if (str_eq_nocase(name, STR("redirect")))
		t->kind = SPF_T_REDIRECT;
	else if (str_eq_nocase(name, STR("exp")))
		t->kind = SPF_T_EXP;
	return t->kind == SPF_T_UNKNOWN ? spf_macro_valid(value, SPF_IN_TERM)
					: spf_domain_spec_valid(value);
}

static bool
read_qualifier(struct spf_term *t, struct str *s)
{
	static const char marks[] = "+-~?";
	static const enum spf_code codes[] = { SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL };
	const char *mark;

	t->qualifier = SPF_PASS;
	if (s->n == 0 || (mark = memchr(marks, s->p[0], 4)) == NULL)
		return false;
	t->qualifier = codes[mark - marks];
	*s = str_from(s->p + 1, s->n - 1);
	return true;
}

static bool
read_term(struct spf_term *t)
{
	struct str s = str_from(t->text, t->n);
	bool qualified = read_qualifier(t, &s);
	size_t n = name_length(s);
	struct str name = str_from(s.p, n), rest = str_from(s.p + n, s.n - n);

	t->argument = str_from(t->text, 0);
	t->asks = false;
	if (rest.n > 0 && rest.p[0] == '=')
		return !qualified && n > 0 &&
		       read_modifier(t, name, str_from(rest.p + 1, rest.n - 1));
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (!str_eq_nocase(name, str_of(mechanisms[i].name)))
			continue;
		t->kind = (enum spf_term_kind)i;
		t->asks = mechanisms[i].asks;
		return read_argument(t, rest);
	}
	return false;
}

int
spf_term_next(struct spf_reader *r, struct spf_term *t)
{
	int c;

	while ((c = spf_reader_next(r)) == ' ')
		;
	if (c < 0)
		return 0;
	for (t->n = 0; c >= 0 && c != ' '; c = spf_reader_next(r)) {
		if (t->n == sizeof(t->text) || c < '!' || c > '~')
			return -1;
		t->text[t->n++] = (char)c;
	}
	return read_term(t) ? 1 : -1;
}

/* Keeps the argument of a modifier that may stand once only. */
static bool
keep(char out[SPF_TERM_MAX], struct str value)
{
	if (out[0] != '\0')
		return false;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	return true;
}

const char *
spf_record_check(struct str record, struct spf_outline *out)
{
	struct spf_reader r;
	struct spf_term t;
	int rc;

	out->has_all = false;
	out->redirect[0] = out->exp[0] = '\0';
	if (record.n > SPF_RECORD_MAX)
		return "the record is too long";
	spf_reader_open(&r, record);
	spf_reader_version(&r);
	while ((rc = spf_term_next(&r, &t)) == 1) {
		if (t.kind == SPF_M_ALL)
			out->has_all = true;
		else if ((t.kind == SPF_T_REDIRECT && !keep(out->redirect, t.argument)) ||
			 (t.kind == SPF_T_EXP && !keep(out->exp, t.argument)))
			return "a modifier stands twice";
	}
	return rc < 0 ? "a syntax error in the record" : NULL;
}
