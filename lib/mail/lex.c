/* SPDX-License-Identifier: ISC */
#include "mail/lex.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* At '(': steps behind the comment; a counter, not the stack, knows the depth. */
static struct str
comment_skip(struct mail_lex *l)
{
	const char *from = l->p + 1;
	size_t depth = 0;

	for (; l->p < l->end; l->p++) {
		if (*l->p == '\\' && l->p + 1 < l->end)
			l->p++;
		else if (*l->p == '(')
			depth++;
		else if (*l->p == ')' && --depth == 0)
			return str_from(from, (size_t)(l->p++ - from));
	}
	return str_from(from, (size_t)(l->p - from));
}

void
mail_lex_cfws_comment(struct mail_lex *l, struct str *comment)
{
	while (l->p < l->end) {
		if (*l->p == '(')
			*comment = comment_skip(l);
		else if (is_space(*l->p))
			l->p++;
		else
			return;
	}
}

void
mail_lex_cfws(struct mail_lex *l)
{
	struct str comment;

	mail_lex_cfws_comment(l, &comment);
}

struct str
mail_lex_until(struct mail_lex *l, const char *stop)
{
	const char *from = l->p;

	while (l->p < l->end && !is_space(*l->p) && *l->p != '(' &&
	       (*l->p == '\0' || strchr(stop, *l->p) == NULL))
		l->p++;
	return str_from(from, (size_t)(l->p - from));
}

bool
mail_lex_quoted(struct mail_lex *l, struct arena *a, struct str *out)
{
	const char *from = ++l->p;
	size_t n = 0;
	char *to;

	while (l->p < l->end && *l->p != '"')
		l->p += *l->p == '\\' && l->p + 1 < l->end ? 2 : 1;
	if ((to = arena_alloc(a, (size_t)(l->p - from) + 1)) == NULL)
		return false;
	for (const char *p = from; p < l->p; p++) {
		if (*p == '\r' || *p == '\n')
			continue;
		if (*p == '\\' && p + 1 < l->p)
			p++;
		to[n++] = *p;
	}
	if (l->p < l->end)
		l->p++;
	*out = str_from(to, n);
	return true;
}
