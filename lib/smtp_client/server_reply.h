/* SPDX-License-Identifier: ISC */
/* Replies of a server (rfc5321:4.2), line by line. */
#ifndef POSTERN_SMTP_CLIENT_SERVER_REPLY_H
#define POSTERN_SMTP_CLIENT_SERVER_REPLY_H

#include "smtp_client/smtp_client.h"

/* Start with all zero, and again after SERVER_REPLY_WHOLE. */
struct server_reply {
	unsigned code;  /* 200..599 */
	unsigned lines; /* so far */
	size_t total;
	char enhanced[SMTP_CLIENT_ENHANCED_MAX];
	size_t text_n;
	char text[SMTP_CLIENT_TEXT_MAX];
};

enum server_reply_status {
	SERVER_REPLY_BAD = -1, /* no reply: syntax, another code in a later line, a limit */
	SERVER_REPLY_MORE = 0, /* no whole line yet */
	SERVER_REPLY_LINE = 1, /* a line, more are to come */
	SERVER_REPLY_WHOLE = 2 /* the last line */
};

/*
 * Takes one line off `in`; *used is its length, *line its text without the code, borrowed from in.
 * A line ends with LF, a CR before it is part of the end. A last line may have no text, with or
 * without the space (rfc5321:4.2). The enhanced code is kept only when it has the class of the code
 * (rfc2034:4).
 */
enum server_reply_status server_reply_take(
    struct server_reply *r, struct str in, size_t *used, struct str *line);

#endif
