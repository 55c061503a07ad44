/* SPDX-License-Identifier: ISC */
/* What of a subject counts when messages are sorted and threaded: without "Re:" and the like
 * (rfc5256:2.1). */
#ifndef POSTERN_IMAP_SUBJECT_H
#define POSTERN_IMAP_SUBJECT_H

#include "base/buf.h"
#include "base/str.h"

enum {
	/* Bytes of a subject that SORT and THREAD look at: eight of the longest lines rfc5322 allows. */
	IMAP_SUBJECT_MAX = 8192,
};

/* The base subject of the value of a Subject field, as UTF-8: points into scratch. *reply: something
 * that marks a reply or a forward was taken off (rfc5256:3). */
struct str imap_subject_base(struct str value, struct buf *scratch, bool *reply);

#endif
