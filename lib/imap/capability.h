/* SPDX-License-Identifier: ISC */
/* The list of capabilities (capability_table.h) and sets of them. */
#ifndef POSTERN_IMAP_CAPABILITY_H
#define POSTERN_IMAP_CAPABILITY_H

#include <stdint.h>

#include "base/str.h"

enum imap_cap {
#define IMAP_CAP(id, name, where, rfc, what) IMAP_CAP_##id,
#include "imap/capability_table.h"
#undef IMAP_CAP
	IMAP_CAP__MAX
};

/* One bit for each. */
typedef uint64_t imap_caps;
#define IMAP_CAP_BIT(cap) ((imap_caps)1 << (cap))

struct str imap_cap_name(enum imap_cap cap);
/* By its name without case; IMAP_CAP__MAX: unknown. */
enum imap_cap imap_cap_find(struct str name);
/* Names separated by spaces; unknown ones are passed over. */
imap_caps imap_caps_parse(struct str names);

#endif
