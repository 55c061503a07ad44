/* SPDX-License-Identifier: ISC */
/* The third part: the user's message or its header, made fit for lines of mail. */
#ifndef POSTERN_DSN_RETURNED_H
#define POSTERN_DSN_RETURNED_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

struct dsn_returned {
	struct str header; /* at most DSN_HEADER_MAX bytes, without the empty line */
	struct str whole;
	bool full;     /* whole goes out as it is */
	bool eightbit; /* and has bytes beyond ASCII */
};

/* want_full is followed if the message is small enough and has no line that may not be sent. */
void dsn_returned_prepare(struct str message, bool want_full, struct dsn_returned *r);
/* 0 or BUF_LIMIT. Of a header, lines that are too long are folded, other bytes become '?'. */
int dsn_returned_put(const struct dsn_returned *r, bool utf8, struct buf *out);

#endif
