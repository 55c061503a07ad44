/* SPDX-License-Identifier: ISC */
/*
 * Address lists of header fields (rfc5322:3.4 with the obsolete forms), as IMAP's ENVELOPE shows
 * them. Lenient: every input gives a list. Whether an address is right is not asked here
 * (mail/address.h does that).
 */
#ifndef POSTERN_MAIL_ADDRLIST_H
#define POSTERN_MAIL_ADDRLIST_H

#include "base/arena.h"
#include "base/str.h"

enum {
	/* Bytes of a field that are looked at: the rest is left out. */
	MAIL_ADDRLIST_BYTES_MAX = 65536,
	/* Addresses of a list: more than a list of recipients that people write has. */
	MAIL_ADDRS_MAX = 1000,
};

enum mail_addr_kind { MAIL_ADDR_MAILBOX, MAIL_ADDR_GROUP, MAIL_ADDR_GROUP_END };

struct mail_addr {
	struct mail_addr *next;
	enum mail_addr_kind kind;
	struct str name;   /* display name, or of "addr (name)"; of a group: its name; encoded words
			      are kept. n == 0: none */
	struct str route;  /* "@a,@b", mostly none */
	struct str local;  /* without quotes */
	struct str domain; /* n == 0: there was none */
};

/* The list in the arena; NULL when it is empty. When the arena is full the list ends early. */
struct mail_addr *mail_addrlist_parse(struct str value, struct arena *a);

#endif
