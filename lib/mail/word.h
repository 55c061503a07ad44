/* SPDX-License-Identifier: ISC */
/* Encoded words in header fields (rfc2047) to UTF-8. */
#ifndef POSTERN_MAIL_WORD_H
#define POSTERN_MAIL_WORD_H

#include "base/buf.h"
#include "base/str.h"

enum {
	/* Longest encoded word that is decoded: rfc2047 says 75 bytes, real mail goes beyond. */
	MAIL_WORD_MAX = 1024,
};

/* Appends value unfolded and decoded; words that are not right, and words in a charset without a
 * table, stay as they stand. 0 or BUF_LIMIT. */
int mail_words_decode(struct str value, struct buf *out);

#endif
