/* SPDX-License-Identifier: ISC */
/*
 * Whom a message says to be from: the strict reader of From, Sender and their Resent forms. The
 * lenient reader (mail/addrlist.h) finds something in every value; this one takes only values that
 * all mail programs read alike, so that the address that is checked is the address that is shown.
 *
 * Taken: mailboxes (rfc5322:3.4) separated by commas, each "address", "name <address>",
 * "address (name)" or "name <address> (name)"; a name may have comments. Not taken, although
 * rfc5322 or rfc6854 has it: groups, routes, comments in other places or nested, white space inside
 * an address, quoted local parts, empty places in a list. The name may have encoded words in charsets we know; line ends,
 * control characters and those that change the direction of text are refused in any disguise.
 */
#ifndef POSTERN_MAIL_ORIGINATOR_H
#define POSTERN_MAIL_ORIGINATOR_H

#include "base/str.h"
#include "mail/address.h"

/* Called for each address: those of the mailboxes, and those a name shows ("boss@example.org"
 * <me@example.org>), since many programs show the name only. mailbox: it is one of the first. */
typedef void mail_originator_fn(void *arg, const struct address *a, bool mailbox);

/* The value of a field, folded or not. flags: ADDRESS_UTF8. The number of mailboxes (at least 1),
 * or -1: it is not safe to say what this is. */
int mail_originators(struct str value, unsigned flags, mail_originator_fn *found, void *arg);

#endif
