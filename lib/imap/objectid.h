/* SPDX-License-Identifier: ISC */
/* Names of messages and conversations that outlive folders (rfc8474). */
#ifndef POSTERN_IMAP_OBJECTID_H
#define POSTERN_IMAP_OBJECTID_H

#include <stdbool.h>

#include "base/buf.h"
#include "imap/imap_backend.h"

enum imap_objectid { IMAP_EMAILID, IMAP_THREADID };

/* A message that names no other and has no Message-ID is a conversation of its own. */
int imap_put_objectid(struct buf *out, enum imap_objectid kind, const struct imap_message *m);
bool imap_objectid_is(struct str id, enum imap_objectid kind, const struct imap_message *m);

#endif
