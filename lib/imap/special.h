/* SPDX-License-Identifier: ISC */
/* Special uses of folders (rfc6154) by name. */
#ifndef POSTERN_IMAP_SPECIAL_H
#define POSTERN_IMAP_SPECIAL_H

#include "imap/imap_backend.h"

/* The i-th use with its name ("\Drafts"); false behind the last. */
bool imap_special_get(size_t i, enum imap_special *bit, struct str *name);
/* IMAP_SPECIAL_NONE: no use that folders of ours have. */
enum imap_special imap_special_find(struct str name);

#endif
