/* SPDX-License-Identifier: ISC */
/*
 * The content of a message as it streams by: end of data, dot-stuffing, line ends, hop count.
 * Only CR LF ends a line and only CR LF . CR LF ends DATA (rfc5321:2.3.8, 4.1.1.4); a CR or LF by
 * itself never does either, it only makes the message `bare`, which is to be refused at its end.
 */
#ifndef POSTERN_SMTP_CONTENT_H
#define POSTERN_SMTP_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct smtp_content {
	uint64_t size; /* bytes of content so far, without stuffed dots */
	unsigned hops; /* Received headers so far */
	bool bare;     /* a CR or LF stood alone */
	/* private */
	bool line_start, held_cr, in_header;
	signed char match; /* letters of "Received:" seen on this line, -1: another line */
};

void smtp_content_init(struct smtp_content *c);
/*
 * DATA: looks at `in` and returns how many of its bytes are done with. *run is the next piece of
 * content, as long as it can be without copying, and points into `in`; *end: the end of data was
 * reached (run is empty then). What is left over (a CR, or a dot at a line start) has to be
 * offered again together with more input; at most 2 bytes are ever left when run is empty.
 */
size_t smtp_content_data(struct smtp_content *c, struct str in, struct str *run, bool *end);
/* BDAT: all of `in` is content (rfc3030:2). */
void smtp_content_chunk(struct smtp_content *c, struct str in);
/* BDAT: the last chunk has come; content that does not end with CR LF is bare. */
void smtp_content_last(struct smtp_content *c);

#endif
