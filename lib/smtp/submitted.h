/* SPDX-License-Identifier: ISC */
/*
 * The header of a message that a logged-in user sends (rfc6409:6, 8), looked at as it streams by:
 * is it one that all mail programs read alike, whom does it say to be from, what is missing in it?
 * Nothing is taken out of the stream or changed.
 *
 *	while (content comes)
 *		if (smtp_submitted_content(&s, run))
 *			the header is over: refuse with s.refusal, or ask about each of s.sender
 *	if (smtp_submitted_end(&s))
 *		the same, of a message that is all header
 *	smtp_submitted_complete() at commit
 */
#ifndef POSTERN_SMTP_SUBMITTED_H
#define POSTERN_SMTP_SUBMITTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/address.h"
#include "smtp/limits.h"
#include "smtp/reply.h"

struct smtp_submitted {
	enum smtp_reply_id refusal; /* SMTP_OK, or why the header cannot be accepted from anybody */
	bool over;                  /* the header is; what follows is filled */
	bool has_date, has_message_id;
	char message_id[SMTP_MESSAGE_ID_MAX + 1]; /* as smtp_message_id gives it */
	/* All addresses that must belong to the login, in normal form; the first is From's. */
	unsigned senders;
	char sender[SMTP_SUBMITTED_SENDERS_MAX][ADDRESS_TEXT_SIZE];
	/* private */
	unsigned flags;
	struct buf header;
	unsigned once; /* fields seen that may stand once */
	unsigned from_count;
	char domain[ADDRESS_DOMAIN_MAX + 1];
};

/* smtputf8: the envelope asked for it, so addresses may have UTF-8. */
void smtp_submitted_init(struct smtp_submitted *s, bool smtputf8);
void smtp_submitted_free(struct smtp_submitted *s);
/* The next bytes, without stuffed dots. True, once: the header is over. */
bool smtp_submitted_content(struct smtp_submitted *s, struct str run);
/* No more comes. True: the header is over now (and was not before). */
bool smtp_submitted_end(struct smtp_submitted *s);
/* Appends Date and Message-ID where they were missing. unique: what makes the id one of its own
 * (dot-atom characters). 0 or BUF_LIMIT. */
int smtp_submitted_complete(
    const struct smtp_submitted *s, struct buf *out, int64_t seconds, const char *unique);

/* The Message-ID as smtp_message_id gives it: its own, or the one that smtp_submitted_complete adds. out
 * has room for SMTP_MESSAGE_ID_MAX + 1 bytes. "" when there is none that others could name. */
void smtp_submitted_id(const struct smtp_submitted *s, const char *unique, char *out);

#endif
