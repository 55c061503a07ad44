/* SPDX-License-Identifier: ISC */
/* What SORT and THREAD want to know of a message's header (rfc5256:3), ready to be compared. */
#ifndef POSTERN_IMAP_HEADERKEYS_H
#define POSTERN_IMAP_HEADERKEYS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "imap/facts.h"
#include "imap/view.h"

enum {
	IMAP_WANT_DATE = 1,
	IMAP_WANT_SUBJECT = 2,
	IMAP_WANT_FROM = 4,
	IMAP_WANT_TO = 8,
	IMAP_WANT_CC = 16,
	IMAP_WANT_IDS = 32,
	/* As much of a message is looked at; more header than that no mail program writes. */
	IMAP_KEYS_HEADER_MAX = IMAP_FACTS_HEADER_MAX,
	/* Longest mailbox of an address that is compared; rfc5321 has 64. */
	IMAP_KEYS_MAILBOX_MAX = 998,
	/* References of one message: the last ones count. */
	IMAP_KEYS_REFS_MAX = 1000,
};

struct imap_header_keys {
	bool has_date;
	int64_t date; /* seconds since 1970 */
	bool reply;   /* the subject says so */
	/* mapped by i;unicode-casemap: base subject, mailbox of the first address */
	struct str subject, from, to, cc;
	/* n == 0: none that is valid */
	struct str id;
	const struct str *refs; /* oldest first */
	size_t nrefs;
};

/* Scratch space for many messages. */
struct imap_keys_reader {
	struct buf text, mapped, flat, record;
	struct arena *addresses;
};

void imap_keys_reader_init(struct imap_keys_reader *r);
void imap_keys_reader_free(struct imap_keys_reader *r);
/* want: IMAP_WANT_...; texts are kept in the arena. False: it is full. */
bool imap_keys_read(struct imap_keys_reader *r, struct str msg, unsigned want, struct arena *a,
    struct imap_header_keys *k);
/* The same from a record of facts.h of a message of this size: 1; 0: it does not say it all, look at the
 * message; -1: the arena is full. */
int imap_keys_record(struct imap_keys_reader *r, struct str record, uint64_t size, unsigned want,
    struct arena *a, struct imap_header_keys *k);
/* The same of a message in the view, from the store's record of it (facts.h) if there is one; and what the
 * store knows of it. One that cannot be read has an
 * empty header, one that is gone has nothing but its UID. */
bool imap_keys_message(struct imap_keys_reader *r, const struct imap_view *v, uint32_t uid,
    unsigned want, struct arena *a, struct imap_message *m, struct imap_header_keys *k);

#endif
