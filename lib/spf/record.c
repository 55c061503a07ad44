/* SPDX-License-Identifier: ISC */
/* Records and their terms (rfc7208:4.5, 4.6, 5, 6, 12): syntax only. */
#include <arpa/inet.h>

#include "spf/impl.h"

static const struct mechanism {
	const char *name;
	size_t length;
	enum spf_argument argument;
	bool prefix, asks;
} mechanisms[] = {
#define X(id, name, argument, prefix, asks) { name, sizeof(name) - 1, argument, prefix, asks },
	SPF_MECHANISMS(X)
#undef X
};

enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

#define VERSION "v=spf1"

/* --- strings of a record ---------------------------------------------------------------------- */

size_t
spf_record_copy(struct str record, size_t from, char *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < record.n && n < max;) {
		size_t have = (uint8_t)record.p[i++], skip, take;

		if (have > record.n - i)
			have = record.n - i;
		skip = from < have ? from : have;
		take = have - skip < max - n ? have - skip : max - n;
		memcpy(out + n, record.p + i + skip, take);
		n += take;
		from -= skip;
		i += have;
	}
	return n;
}

bool
spf_record_is_ours(struct str record)
{
	char text[sizeof(VERSION)];
	size_t n = spf_record_copy(record, 0, text, sizeof(text));

	return str_starts_nocase(str_from(text, n), STR(VERSION)) &&
	       (n < sizeof(text) || text[n - 1] == ' ');
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
	c |= 0x20;
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

/* Four numbers without needless zeros. */
static bool
read_ip4(struct str s, uint8_t out[4])
{
	size_t i = 0;

	for (int k = 0; k < 4; k++) {
		size_t from = i;
		unsigned v = 0;

		while (i < s.n && is_digit(s.p[i]) && i - from < 3)
			v = v * 10 + (unsigned)(s.p[i++] - '0');
		if (i == from || v > 255 || (s.p[from] == '0' && i - from > 1))
			return false;
		out[k] = (uint8_t)v;
		if (k < 3 && (i == s.n || s.p[i++] != '.'))
			return false;
	}
	return i == s.n;
}

static bool
read_network(struct spf_term *t, struct str s)
{
	char text[INET6_ADDRSTRLEN];

	t->network.n = t->kind == SPF_M_IP4 ? 4 : 16;
	if (t->kind == SPF_M_IP4)
		return read_ip4(s, t->network.bytes);
	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(AF_INET6, text, t->network.bytes) == 1;
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

bool
spf_term_read(struct str text, struct spf_term *t)
{
	struct str s = text, name, rest;
	bool qualified = read_qualifier(t, &s);
	size_t n = name_length(s);

	name = str_from(s.p, n);
	rest = str_from(s.p + n, s.n - n);
	t->text = text;
	t->argument = str_from(text.p, 0);
	t->asks = false;
	if (rest.n > 0 && rest.p[0] == '=')
		return !qualified && n > 0 &&
		       read_modifier(t, name, str_from(rest.p + 1, rest.n - 1));
	for (size_t i = 0; i < MECHANISMS; i++) {
		const struct mechanism *m = &mechanisms[i];

		if (m->length != n || (name.p[0] | 0x20) != m->name[0] ||
		    !str_eq_nocase(name, str_from(m->name, n)))
			continue;
		t->kind = (enum spf_term_kind)i;
		t->asks = m->asks;
		return read_argument(t, rest);
	}
	return false;
}

/* --- a whole record --------------------------------------------------------------------------- */

/* Keeps the argument of a modifier that may stand once only. */
static bool
keep(char out[SPF_TERM_MAX + 1], struct str value)
{
	if (out[0] != '\0')
		return false;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	return true;
}

/* Matches without the DNS. */
static bool
matches(const struct spf_term *t, const struct spf_address *client)
{
	switch (t->kind) {
	case SPF_M_ALL:
		return true;
	case SPF_M_IP4:
		return spf_address_in(client, &t->network, t->prefix4);
	case SPF_M_IP6:
		return spf_address_in(client, &t->network, t->prefix6);
	default:
		return false;
	}
}

static const char *
note_term(const struct spf_term *t, const struct spf_address *client, size_t begin,
    struct spf_outline *out)
{
	struct spf_place place = { (uint16_t)begin, (uint16_t)t->text.n };

	if ((t->kind == SPF_T_REDIRECT && !keep(out->redirect, t->argument)) ||
	    (t->kind == SPF_T_EXP && !keep(out->exp, t->argument)))
		return "a modifier stands twice";
	if (out->match.n > 0)
		return NULL;
	if (t->asks && out->asking_n <= SPF_LOOKUPS_MAX) {
		out->asking[out->asking_n++] = place;
	} else if (matches(t, client)) {
		out->match = place;
		out->code = t->qualifier;
	}
	return NULL;
}

const char *
spf_record_check(struct str record, const struct spf_address *client, char scratch[SPF_RECORD_MAX],
    struct spf_outline *out)
{
	size_t n = spf_record_copy(record, 0, scratch, SPF_RECORD_MAX), end;
	const char *wrong = NULL;
	struct spf_term t;

	out->asking_n = 0;
	out->match.n = 0;
	out->redirect[0] = out->exp[0] = '\0';
	if (spf_record_copy(record, n, (char[1]){ 0 }, 1) > 0)
		return "the record is too long";
	for (size_t at = sizeof(VERSION) - 1; at < n && wrong == NULL; at = end + 1) {
		const char *space = memchr(scratch + at, ' ', n - at);

		end = space != NULL ? (size_t)(space - scratch) : n;
		if (end == at)
			continue;
		if (end - at > SPF_TERM_MAX || !spf_term_read(str_from(scratch + at, end - at), &t))
			return "a syntax error in the record";
		wrong = note_term(&t, client, at, out);
	}
	return wrong;
}
