/* SPDX-License-Identifier: ISC */
/* The answer to ENVELOPE taken apart again: what the records of facts.h keep serves SORT and THREAD, too. */
#ifndef POSTERN_IMAP_ENVELOPE_H
#define POSTERN_IMAP_ENVELOPE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

/* p == NULL: there is no such field. */
struct imap_envelope {
	struct str date, subject, reply, id; /* unfolded */
	/* mailbox of the first address, or the group's name; p == NULL: there is none */
	struct str from, to, cc;
};

/* Texts are borrowed from text or stand in the arena. False: text is no envelope, or the arena is full. */
bool imap_envelope_get(struct str text, struct arena *a, struct imap_envelope *out);

#endif
