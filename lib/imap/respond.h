/* SPDX-License-Identifier: ISC */
/* Words of responses (rfc3501:9). All return 0 or BUF_LIMIT. */
#ifndef POSTERN_IMAP_RESPOND_H
#define POSTERN_IMAP_RESPOND_H

#include "base/buf.h"
#include "imap/imap_backend.h"
#include "imap/uidset.h"

/* A string: quoted where that is legal (7 bit, no line end, up to 1,000 bytes), else a literal. */
int imap_put_string(struct buf *out, struct str s);
/* The same, without an atom's quotes where it needs none. */
int imap_put_astring(struct buf *out, struct str s);
/* A folder name (UTF-8): as it is when utf8 is set, else in modified UTF-7. */
int imap_put_name(struct buf *out, struct str name, bool utf8);
int imap_put_u64(struct buf *out, uint64_t n);
/* "(\Seen ...)": system flags, then keywords by name; recent adds \Recent, star adds \*. */
int imap_put_flags(struct buf *out, const struct imap_backend_ops *ops, void *be,
    struct imap_folder *f, imap_flags flags, bool recent, bool star);
/* "1:3,7": ascending UIDs as a set. */
int imap_put_set(struct buf *out, const uint32_t *uids, size_t n);

#endif
