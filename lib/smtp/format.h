/* SPDX-License-Identifier: ISC */
/*
 * The form of a message from elsewhere (rfc5322), looked at as it streams by, without keeping any of it:
 * fields that may stand once, a From field, lines that are no field, NUL, lengths and numbers. What a user
 * sends is looked at more closely: submitted.h.
 *
 *	while (content comes)
 *		smtp_format_content(&f, run)
 *	smtp_format_end(&f): SMTP_OK, or why the message is refused
 */
#ifndef POSTERN_SMTP_FORMAT_H
#define POSTERN_SMTP_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "smtp/limits.h"
#include "smtp/reply.h"

/* What is refused. */
struct smtp_format_rules {
	bool twice;        /* what may stand once stands twice */
	bool required;     /* no From field, or something in the header that is no field */
	bool nul;          /* NUL bytes */
	bool ascii_header; /* bytes above 127 there */
	uint64_t line;     /* more octets in a line, without its end; 0: any number will do */
};

struct smtp_format {
	enum smtp_reply_id refusal; /* the first found, SMTP_OK */
	bool has_date;
	char message_id[SMTP_MESSAGE_ID_MAX + 1]; /* as smtp_message_id gives it */
	/* private */
	struct smtp_format_rules rules;
	bool body, in_id, overlong, nul;
	unsigned fields, once;
	uint64_t header, line;
	size_t start_n;
	char start[SMTP_FIELD_START_MAX]; /* of the current line of the header */
};

void smtp_format_init(struct smtp_format *f, const struct smtp_format_rules *rules);
/* The next bytes, without stuffed dots. */
void smtp_format_content(struct smtp_format *f, struct str run);
/* All of it has come. */
enum smtp_reply_id smtp_format_end(struct smtp_format *f);

#endif
