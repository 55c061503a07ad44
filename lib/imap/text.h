/* SPDX-License-Identifier: ISC */
/*
 * The texts of a message that SEARCH looks at: headers with their encoded words decoded, text parts
 * without transfer encoding, all in UTF-8 and folded (mail_fold). They come piece by piece, so that a
 * large message is no long work; matching and indexing read the same pieces.
 */
#ifndef POSTERN_IMAP_TEXT_H
#define POSTERN_IMAP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "mail/charset.h"
#include "mail/decode.h"
#include "mail/mime.h"

enum {
	/* Bytes of a message that make one piece: a tenth of a millisecond. */
	IMAP_TEXT_CHUNK = 16 * 1024,
	/* So much of one header field is looked at: a thousand long recipients fit twice. */
	IMAP_TEXT_FIELD_MAX = 256 * 1024,
	/* The same field decoded: charsets with one byte a character grow to three in UTF-8. */
	IMAP_TEXT_DECODED_MAX = 4 * IMAP_TEXT_FIELD_MAX,
	/* One piece in UTF-8, or one field, and the overlap with the piece before, which is as long as the
	 * longest text of the search. */
	IMAP_TEXT_MAX = 256 * 1024 * 1024,
	/* Memory above this is given back with the message. */
	IMAP_TEXT_KEEP = 256 * 1024,
};

struct imap_text_piece {
	struct str text;  /* borrowed until the next call */
	bool main_header; /* of the message itself: no part of BODY */
};

struct imap_text {
	struct str msg;
	const struct mime_tree *tree;
	size_t overlap;
	size_t part, at, end; /* in the message */
	bool in_body, begun;
	struct mail_charset_state charset;
	struct mail_base64 base64;
	struct mail_qp qp;
	struct buf raw, utf8, out;
};

void imap_text_init(struct imap_text *t);
void imap_text_free(struct imap_text *t);
/* Starts with a message; both are borrowed until its last piece. A text that is cut into several
 * pieces has overlap bytes of each at the start of the next. */
void imap_text_begin(
    struct imap_text *t, struct str msg, const struct mime_tree *tree, size_t overlap);
/* The next piece; false: there is no more. */
bool imap_text_next(struct imap_text *t, struct imap_text_piece *piece);

/* Appends a field's value as SEARCH sees it: decoded, not folded yet. */
void imap_text_field(struct str value, struct buf *out);

#endif
