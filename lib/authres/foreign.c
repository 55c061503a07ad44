/* SPDX-License-Identifier: ISC */
/* Fields that came in and bear our name (rfc8601:5): liberal in what is taken for it. */
#include "authres/authres.h"
#include "idn/idn.h"
#include "mail/header.h"

/* What stands before the first semicolon: words, and the same without what separates them. */
struct claim {
	char ours[IDN_SIZE];
	size_t ours_n;
	char word[IDN_SIZE], joined[IDN_SIZE];
	size_t word_n, joined_n; /* IDN_SIZE: longer than any name of ours */
	bool found;
};

static void
add(char *text, size_t *n, char c)
{
	if (*n < IDN_SIZE)
		text[(*n)++] = (char)ascii_tolower((unsigned char)c);
}

/* Lower case, A-labels, no last dot; 0: no name. */
static size_t
normal(struct str s, char out[IDN_SIZE])
{
	int n = s.n < IDN_SIZE ? idn_to_ascii(s, out) : -1;

	if (n > 0 && out[n - 1] == '.')
		n--;
	for (int i = 0; i < n; i++)
		out[i] = (char)ascii_tolower((unsigned char)out[i]);
	return n > 0 ? (size_t)n : 0;
}

static bool
is_ours(const struct claim *c, const char *text, size_t n)
{
	char name[IDN_SIZE];

	n = normal(str_from(text, n), name);
	return n == c->ours_n && memcmp(name, c->ours, n) == 0;
}

/* outside: not in a comment, where only a whole word counts. */
static void
word_ends(struct claim *c, bool outside)
{
	if (c->word_n > 0 && is_ours(c, c->word, c->word_n))
		c->found = true;
	if (outside && c->joined_n > 0 && is_ours(c, c->joined, c->joined_n))
		c->found = true;
	c->word_n = 0;
}

/* Behind the comment that begins at i, nested ones in it; i when it does not end. */
static size_t
comment_end(struct str s, size_t i)
{
	size_t from = i, depth = 0;

	for (; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return from;
}

/* Quotes and backslashes are as if they were not there; a comment and white space end a word. */
static bool
claims(struct claim *c, struct str s)
{
	size_t comment = 0; /* where the present one ends */

	c->found = false;
	c->word_n = c->joined_n = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char b = (unsigned char)s.p[i];
		bool outside = i >= comment;

		if (b == ';' && outside)
			break;
		if (b == '"' || b == '\\')
			continue;
		if (b <= ' ' || b == 0x7f || strchr("(),;=/", b) != NULL) {
			word_ends(c, outside);
			/* One that never ends is none: what follows may be the name. */
			if (b == '(' && outside)
				comment = comment_end(s, i);
			continue;
		}
		add(c->word, &c->word_n, (char)b);
		if (outside)
			add(c->joined, &c->joined_n, (char)b);
	}
	word_ends(c, true);
	return c->found;
}

/* A field that only this server may write. */
static bool
is_forged(struct claim *c, const struct mail_field *f)
{
	if (str_eq_nocase(f->name, STR(AUTHRES_REPORT_FIELD)))
		return true;
	return str_eq_nocase(f->name, STR("Authentication-Results")) && claims(c, f->value);
}

int
authres_foreign(
    struct str header, struct str authserv_id, struct authres_cut cuts[AUTHRES_CUTS_MAX])
{
	size_t off = 0, begin = 0;
	struct mail_field f;
	struct claim c;
	int n = 0;

	c.ours_n = normal(authserv_id, c.ours);
	for (; mail_field_next(header, &off, &f); begin = off) {
		if (!is_forged(&c, &f))
			continue;
		if (n > 0 && cuts[n - 1].end == begin) {
			cuts[n - 1].end = off;
			continue;
		}
		if (n == AUTHRES_CUTS_MAX)
			return AUTHRES_ERR_MANY;
		cuts[n++] = (struct authres_cut){ begin, off };
	}
	return n;
}
