/* SPDX-License-Identifier: ISC */
/* Is the name that a client gives itself with HELO or EHLO one that an honest server has? */
#ifndef POSTERN_SMTP_HELO_H
#define POSTERN_SMTP_HELO_H

#include "smtp/reply.h"

struct smtp_helo {
	const char *
	    helo; /* as the engine gives it: a domain name in normal form, or a literal in brackets */
	const char *client;  /* address as text, IPv4 or IPv6 */
	const char *ours[2]; /* names that nobody else has; "": none */
};

/*
 * SMTP_OK, or why not: SMTP_HELO_NOT_QUALIFIED (no dot in it, or a name that every host has),
 * SMTP_HELO_OURS, SMTP_HELO_ADDRESS (an address, in brackets or bare, that is not the client's).
 */
enum smtp_reply_id smtp_helo_check(const struct smtp_helo *h);

#endif
