/* SPDX-License-Identifier: ISC */
/*
 * ENVELOPE, BODY and BODYSTRUCTURE of a message (rfc3501:7.4.2), computed from its bytes: for fetch.c,
 * and for the records of facts.h, which spare it that.
 */
#ifndef POSTERN_IMAP_STRUCTURE_H
#define POSTERN_IMAP_STRUCTURE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "mail/mime.h"

enum {
	/* Longest single text of a header field that is shown; longer ones are cut. */
	IMAP_FIELD_TEXT_MAX = 32768,
	/* Both answers of one message; rfc2822 mail needs a few hundred bytes. What would be longer
	 * is shown as one opaque part, an envelope as one without addresses. */
	IMAP_STRUCTURE_MAX = 4 * 1024 * 1024,
	/* What the arena must be able to hold for the addresses of one field. */
	IMAP_STRUCTURE_ARENA = 512 * 1024,
};

/* header: the message, or its header alone. Appends; 0 or BUF_LIMIT (out is then as before). The
 * arena is reset. */
int imap_put_envelope(struct buf *out, struct str header, struct arena *a);
enum imap_structure {
	IMAP_STRUCTURE_EXTENDED = 1, /* BODYSTRUCTURE, else BODY */
	IMAP_STRUCTURE_GLOBAL = 2,   /* message/global is shown as a message (rfc9051:7.5.2) */
};
int imap_put_structure(
    struct buf *out, struct str msg, const struct mime_tree *t, unsigned how, struct arena *a);

#endif
