/* SPDX-License-Identifier: ISC */
/* Replies by name: code, enhanced status code (rfc2034, rfc3463) and texts come from one table. */
#ifndef POSTERN_SMTP_REPLY_H
#define POSTERN_SMTP_REPLY_H

#include <stdbool.h>

#include "base/buf.h"

enum smtp_reply_id {
#define SMTP_REPLY(name, code, enhanced, english, german) SMTP_##name,
#include "smtp/replies.h"
#undef SMTP_REPLY
	SMTP_REPLY__COUNT
};

struct smtp_reply {
	int code;
	const char *name, *enhanced, *english, *german;
};

const struct smtp_reply *smtp_reply_get(enum smtp_reply_id id);
/*
 * Appends the whole reply with its line ends: one line, or for a refusal one in each language.
 * arg replaces %s (our own words only: a host name, a queue id); lines never pass 512 octets.
 * 0 or BUF_LIMIT.
 */
int smtp_reply_print(struct buf *out, enum smtp_reply_id id, const char *arg);

#endif
