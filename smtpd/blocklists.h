/* SPDX-License-Identifier: ISC */
/* Blocklists: which there are, and how they fare. One for the process; what a list says of a client is
 * kept by its session. */
#ifndef POSTERN_SMTPD_BLOCKLISTS_H
#define POSTERN_SMTPD_BLOCKLISTS_H

#include "catalogue/catalogue.h"
#include "reception/dnsbl.h"

enum {
	/* A single lost answer is no alarm; a list that is away three times running is. What a list says
	 * wrongly (error codes, everything, nothing) is one at once. */
	BLOCKLISTS_FAILURES = 3,
};

struct blocklists {
	struct dnsbl_lists lists;
	struct blocklist_health {
		const char *trouble; /* of the last answer; NULL: none */
		const char
		    *alarmed; /* what was said in the log last; NULL: nothing, or that it is over */
		unsigned failures; /* one after the other */
	} health[DNSBL_LISTS_MAX];
};

/* What all lists together said of a client. */
struct blocklist_verdict {
	bool known, refuse;
	const struct dnsbl_class *class;  /* of the heaviest list; NULL: none names the client */
	char zone[DNSBL_ZONE_SIZE];       /* that list */
	char words[2 * REFUSAL_ARG_SIZE]; /* of the class, in both languages, for refusal_args */
	char link[REFUSAL_ARG_SIZE]; /* its page about the client; the list's name without one */
};

/* Takes over the setting; a bad one is told in the log, and what stands before the fault is used. */
void blocklists_reload(struct blocklists *b, const char *text);
/* An answer of each list: a list that gets into trouble or out of it is told in the log, once. */
void blocklists_note(struct blocklists *b, const struct dnsbl_result *r);
/* The verdict on a client, whose address is given as text. */
void blocklists_verdict(const struct blocklists *b, const struct dnsbl_result *r,
    const char *client, struct blocklist_verdict *out);

#endif
