/* SPDX-License-Identifier: ISC */
/* The first words of a message (rfc8970), computed from its bytes. */
#ifndef POSTERN_IMAP_PREVIEW_H
#define POSTERN_IMAP_PREVIEW_H

#include "base/buf.h"
#include "mail/mime.h"

enum {
	/* rfc8970:3.2: no more characters than this. */
	IMAP_PREVIEW_CHARS = 200,
	/* Bytes of a part that are looked at: behind so much markup no first words are found. */
	IMAP_PREVIEW_BYTES = 65536,
};

/*
 * Appends up to IMAP_PREVIEW_CHARS characters of UTF-8 in one line: the first text/plain part that
 * is no attachment, without quoted lines, else the first text/html part without markup. Nothing
 * when the message has no text.
 */
void imap_preview(struct str msg, const struct mime_tree *t, struct buf *out);

#endif
