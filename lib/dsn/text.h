/* SPDX-License-Identifier: ISC */
/* Words of strangers made harmless, wrapped and encoded. All return 0 or BUF_LIMIT. */
#ifndef POSTERN_DSN_TEXT_H
#define POSTERN_DSN_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Appends `in` as one line: runs of white space and controls become one space, none at the ends;
 * what is no UTF-8, controls of C1, line separators and characters that turn the direction of
 * writing become '?', as does all beyond ASCII unless utf8. Ends in "..." when more than max bytes
 * would come.
 */
int dsn_text_clean(struct str in, bool utf8, size_t max, struct buf *out);
/* A field: its name, ": ", the value cleaned (at most DSN_FIELD_MAX) and folded, CRLF. */
int dsn_text_field(struct buf *out, const char *name, struct str value, bool utf8);
/* Cleaned words, broken at spaces into lines (ended by \n) of about 72 columns with an indent. */
int dsn_text_wrap(struct buf *out, const char *indent, struct str words);
/* Text with \n as quoted-printable with CRLF (rfc2045:6.7). */
int dsn_text_qp(struct buf *out, struct str text);

enum { DSN_FIELD_MAX = 900 }; /* a name and this stay below the 998 of rfc5322:2.1.1 */

#endif
