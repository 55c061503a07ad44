/* SPDX-License-Identifier: ISC */
/* Replies by name: positive ones from smtp/replies.h, refusals from catalogue/refusal_table.h. */
#ifndef POSTERN_SMTP_REPLY_H
#define POSTERN_SMTP_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "catalogue/catalogue.h"

enum smtp_reply_id {
#define SMTP_REPLY(name, code, enhanced, text) SMTP_##name,
#include "smtp/replies.h"
#undef SMTP_REPLY
	SMTP_REFUSALS, /* this and what follows is a refusal */
	SMTP_REFUSALS_BEFORE = SMTP_REFUSALS - 1,
#define REFUSAL(name, product, code, enhanced, party, english, german, advice, rat) SMTP_##name,
#include "catalogue/refusal_table.h"
	SMTP_REPLY__COUNT
};

struct smtp_reply {
	int code;
	const char *name, *enhanced;
	const char *text; /* of a positive reply; NULL for a refusal */
};

const struct smtp_reply *smtp_reply_get(enum smtp_reply_id id);

static inline bool
smtp_reply_is_refusal(enum smtp_reply_id id)
{
	return id >= SMTP_REFUSALS;
}

/*
 * A positive reply, one line with its end, at most 512 octets. arg replaces %s (our own words only: a host
 * name, a queue id). 0 or BUF_LIMIT.
 */
int smtp_reply_print(struct buf *out, enum smtp_reply_id id, const char *arg);
/* A refusal, as refusal_print does it. 0 or BUF_LIMIT. */
int smtp_reply_refuse(struct buf *out, enum smtp_reply_id id, const struct refusal_frame *frame,
    const struct refusal_args *args);

#endif
