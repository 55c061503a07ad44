/* SPDX-License-Identifier: ISC */
/* Character sets to UTF-8 by built-in tables: a daemon in an empty root cannot load iconv's
 * modules. */
#ifndef POSTERN_MAIL_CHARSET_H
#define POSTERN_MAIL_CHARSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum mail_charset {
	MAIL_CHARSET_UNKNOWN, /* bytes are kept as they are */
	MAIL_CHARSET_ASCII,
	MAIL_CHARSET_UTF8,
	MAIL_CHARSET_LATIN1,
	MAIL_CHARSET_LATIN9,
	MAIL_CHARSET_CP1252,
};

/* By its name, without case; an rfc2231 language after '*' is ignored. */
enum mail_charset mail_charset_find(struct str name);
/* Appends in as UTF-8: 0 or BUF_LIMIT. ASCII's upper half and broken UTF-8 become U+FFFD. */
int mail_charset_to_utf8(enum mail_charset cs, struct str in, struct buf *out);

/* One code point at the start of s (n > 0): bytes used, or 0 when it is not UTF-8 (rfc3629). */
size_t mail_utf8_get(struct str s, uint32_t *code);
/* Writes code (a Unicode scalar value) to out; returns the bytes (1 to 4). */
size_t mail_utf8_put(uint32_t code, char out[static 4]);
bool mail_utf8_is_valid(struct str s);
/* Bytes of s without a character that is only begun at its end. */
size_t mail_utf8_whole(struct str s);

/* The longest folded form of a code point is so many times as long. */
enum { MAIL_FOLD_TIMES = 11 };
/* Appends UTF-8 folded for comparing without case: all letters of Unicode in simple lower case and
 * decomposed, so that composed and decomposed forms, ligatures, wide letters and the like are equal
 * (rfc5051, fold_table); bytes that are no UTF-8 stay. 0 or BUF_LIMIT. */
int mail_fold(struct str in, struct buf *out);

#endif
