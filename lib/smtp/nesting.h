/* SPDX-License-Identifier: ISC */
/*
 * How deep the parts of a message stand in one another (rfc2046), found as it streams by. Parts that
 * nobody could have meant make programs behind us run out of stack. Lenient in what is a part, as
 * mail/mime.h is.
 */
#ifndef POSTERN_SMTP_NESTING_H
#define POSTERN_SMTP_NESTING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "smtp/limits.h"

struct smtp_nesting_level {
	char *boundary; /* of a multipart; NULL: a message in the message */
	bool digest, closed;
};

struct smtp_nesting {
	bool too_deep;
	/* private */
	bool in_header, in_type, inside; /* inside: of a line whose start was looked at */
	unsigned depth;
	struct smtp_nesting_level level[SMTP_NESTING_MAX];
	size_t line_n, type_n;
	char line[SMTP_NESTING_LINE_MAX];
	char type[SMTP_NESTING_TYPE_MAX]; /* value of Content-Type of the current header */
};

void smtp_nesting_init(struct smtp_nesting *n);
void smtp_nesting_free(struct smtp_nesting *n);
/* The next bytes, without stuffed dots. */
void smtp_nesting_content(struct smtp_nesting *n, struct str run);

#endif
