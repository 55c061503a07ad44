/* SPDX-License-Identifier: ISC */
/* Character sets to UTF-8 by built-in tables: a daemon in an empty root cannot load iconv's
 * modules. The tables are made at build time from those of the machine's iconv (charset_gen.c). */
#ifndef POSTERN_MAIL_CHARSET_H
#define POSTERN_MAIL_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum mail_charset {
	MAIL_CHARSET_UNKNOWN, /* bytes are kept as they are */
#define CHARSET(id, kind, name) MAIL_CHARSET_##id,
#include "mail/charset_table.h"
#undef CHARSET
	MAIL_CHARSETS
};

/* By its name, without case; an rfc2231 language after '*' is ignored. */
enum mail_charset mail_charset_find(struct str name);
/* What it is called; NULL from MAIL_CHARSETS on. */
const char *mail_charset_name(enum mail_charset cs);
/* Does what a byte means depend on bytes long before it (ISO-2022-JP and the like)? */
bool mail_charset_is_stateful(enum mail_charset cs);

/* A text on its way: all zero but cs at its start. */
struct mail_charset_state {
	enum mail_charset cs;
	uint8_t mode;
	uint8_t nbits;
	uint16_t high; /* of UTF-7: first half of a pair */
	uint32_t bits;
};
/*
 * Appends in as UTF-8. Returns the bytes used: without last up to MAIL_CHARSET_HELD fewer than in has,
 * which belong before the next ones; -1: the limit of out. What is not assigned, the upper half of
 * ASCII too, becomes U+FFFD. At most three bytes become of one, and a few more.
 */
enum { MAIL_CHARSET_HELD = 3 };
ptrdiff_t mail_charset_decode(
    struct mail_charset_state *st, struct str in, bool last, struct buf *out);
/* The same of a whole text: 0 or BUF_LIMIT. */
int mail_charset_to_utf8(enum mail_charset cs, struct str in, struct buf *out);

/* One code point at the start of s (n > 0): bytes used, or 0 when it is not UTF-8 (rfc3629). */
size_t mail_utf8_get(struct str s, uint32_t *code);
/* Writes code (a Unicode scalar value) to out; returns the bytes (1 to 4). */
size_t mail_utf8_put(uint32_t code, char out[static 4]);
bool mail_utf8_is_valid(struct str s);
/* Bytes of ASCII at the start. */
size_t mail_ascii_run(struct str s);
/* Bytes of s without a character that is only begun at its end. */
size_t mail_utf8_whole(struct str s);

/* The longest folded form of a code point is so many times as long. */
enum { MAIL_FOLD_TIMES = 11 };
/* Appends UTF-8 folded for comparing without case: all letters of Unicode in simple lower case and
 * decomposed, so that composed and decomposed forms, ligatures, wide letters and the like are equal
 * (rfc5051, unicode_table); bytes that are no UTF-8 stay. 0 or BUF_LIMIT. */
int mail_fold(struct str in, struct buf *out);

#endif
