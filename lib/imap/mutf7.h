/* SPDX-License-Identifier: ISC */
/* Folder names on the wire: modified UTF-7 (rfc3501:5.1.3). */
#ifndef POSTERN_IMAP_MUTF7_H
#define POSTERN_IMAP_MUTF7_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends in as UTF-8. False: not modified UTF-7 in its one right form (or no room). */
bool imap_mutf7_decode(struct str in, struct buf *out);
/* Appends UTF-8 as modified UTF-7; 0 or BUF_LIMIT. in must be valid UTF-8. */
int imap_mutf7_encode(struct str in, struct buf *out);

#endif
