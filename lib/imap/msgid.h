/* SPDX-License-Identifier: ISC */
/* Message ids in References, In-Reply-To and Message-ID as threading compares them (rfc5256:3):
 * without brackets, quoting, comments and white space. */
#ifndef POSTERN_IMAP_MSGID_H
#define POSTERN_IMAP_MSGID_H

#include "base/str.h"

enum {
	/* Longest id that counts in THREAD: rfc5322 has lines of at most 998. */
	IMAP_MSGID_MAX = 998,
};

/* The next valid id of a field's value into out; its length, 0 at the end. *value is what is left. */
size_t imap_msgid_next(struct str *value, char out[static IMAP_MSGID_MAX]);

#endif
