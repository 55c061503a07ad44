/* SPDX-License-Identifier: ISC */
/* The collation i;unicode-casemap (rfc5051): texts are the same, or one before the other, as the
 * bytes of their mapped forms are. */
#ifndef POSTERN_MAIL_CASEMAP_H
#define POSTERN_MAIL_CASEMAP_H

#include "base/buf.h"
#include "base/str.h"

/* One character becomes at most so many times its bytes (U+FDFA has the longest decomposition). */
enum { MAIL_CASEMAP_GROWTH = 11 };

/* Appends UTF-8 mapped: each character in title case, then decomposed; bytes that are no UTF-8 stay.
 * 0 or BUF_LIMIT. */
int mail_casemap(struct str in, struct buf *out);

#endif
