/* SPDX-License-Identifier: ISC */
/*
 * The one splitter of message headers (rfc5322:2.2). Lenient and deterministic: a line ends with LF
 * (a CR before it belongs to the line end), the header ends at the first empty line or at the end
 * of the bytes. A line of white space only continues the field before it. A line without colon,
 * or a first line that begins with white space, is a field without name. So the raw fields, the
 * empty line and the body partition the message.
 */
#ifndef POSTERN_MAIL_HEADER_H
#define POSTERN_MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

struct mail_field {
	struct str raw; /* the whole field with its line ends */
	struct str
	    name; /* without colon and white space before it; n == 0: a line that is no field */
	struct str value; /* what follows the colon, folding kept, without the last line end */
};

/*
 * The field at *off of a message (start with 0); true: *off is behind it. false: the header is over
 * and *off is the start of the body, behind the empty line where there is one.
 */
bool mail_field_next(struct str msg, size_t *off, struct mail_field *f);

/* Start of the body. */
size_t mail_header_size(struct str msg);

/* The first field with this name (without case); false: none. */
bool mail_field_find(struct str msg, struct str name, struct mail_field *f);

/* Appends value without line ends, trimmed; 0 or BUF_LIMIT (then a part of it may stand there). */
int mail_unfold(struct str value, struct buf *out);

#endif
