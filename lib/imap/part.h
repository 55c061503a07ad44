/* SPDX-License-Identifier: ISC */
/* A part's body as it was meant: without its transfer encoding, in UTF-8. */
#ifndef POSTERN_IMAP_PART_H
#define POSTERN_IMAP_PART_H

#include "base/buf.h"
#include "mail/charset.h"
#include "mail/mime.h"

/* Takes the transfer encoding off; what has none is borrowed, else the bytes stand in scratch,
 * which is cleared. When scratch is too small the body is returned as it is. */
struct str imap_part_decode(struct str body, enum mime_encoding enc, struct buf *scratch);
/* What its Content-Type says; unknown when bytes are better kept as they are. */
enum mail_charset imap_part_charset(const struct mime_part *p);

#endif
