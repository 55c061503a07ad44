/* SPDX-License-Identifier: ISC */
/* Words of structured header fields (rfc5322:3.2), lenient: nothing here fails for good. */
#ifndef POSTERN_MAIL_LEX_H
#define POSTERN_MAIL_LEX_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

struct mail_lex {
	const char *p, *end;
};

/* At the start of a value; p == NULL is an empty one. */
static inline struct mail_lex
mail_lex_of(struct str value)
{
	return (struct mail_lex){ value.p, value.n > 0 ? value.p + value.n : value.p };
}

/* Skips white space, line ends and comments (nested; an open one goes to the end). */
void mail_lex_cfws(struct mail_lex *l);
/* The same; *comment becomes the bytes of the last comment met, without parentheses. */
void mail_lex_cfws_comment(struct mail_lex *l, struct str *comment);
/* Bytes up to white space, a comment or one of stop (a C string); may be empty. */
struct str mail_lex_until(struct mail_lex *l, const char *stop);
/* At '"': the content without quotes, escapes and line ends, in the arena; an open one goes to the
 * end. False: the arena is full. */
bool mail_lex_quoted(struct mail_lex *l, struct arena *a, struct str *out);

#endif
