/* SPDX-License-Identifier: ISC */
/* Folder names: from the wire to the form the store knows, and LIST patterns. */
#ifndef POSTERN_IMAP_NAME_H
#define POSTERN_IMAP_NAME_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum { IMAP_DELIMITER = '/' };

/*
 * The name a client sent (modified UTF-7; UTF-8 as it is when utf8 is set, or when it is no ASCII) as the store
 * knows it: UTF-8 in the arena, "INBOX" and the first level of "inbox/x" in capitals. NULL, or why not (a text
 * for the client): empty levels,
 * control characters, more than IMAP_NAME_MAX bytes or IMAP_LEVELS_MAX levels, "*" or "%", not
 * UTF-7. One delimiter at the end is taken off.
 */
const char *imap_name_parse(struct str wire, bool utf8, struct arena *a, struct str *name);

/* Appends wire as UTF-8; false: it is no name. */
bool imap_name_decode(struct str wire, bool utf8, struct buf *out);

/* Matches a decoded name with a pattern of the same form ('*' anything, '%' all but the delimiter);
 * the first level INBOX without case. Linear memory, time |name| * |pattern|. */
bool imap_name_matches(struct str name, struct str pattern);

/* True when name stands below parent. */
bool imap_name_is_below(struct str name, struct str parent);

/* Puts "INBOX" in capitals where it is the first level; name is changed in place. */
void imap_name_fix_inbox(char *name, size_t n);

#endif
