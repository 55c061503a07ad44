/* SPDX-License-Identifier: ISC */
/*
 * Is the domain of a reverse-path one that mail can be sent to: somebody must be able to learn that
 * his message did not arrive. A function of the domain and the DNS facts so far.
 */
#ifndef POSTERN_RECEPTION_ORIGIN_H
#define POSTERN_RECEPTION_ORIGIN_H

#include "dns/facts.h"
#include "reception/tlds.h"

enum { ORIGIN_QUESTIONS_MAX = 2 }; /* in one round: both kinds of addresses */
enum { ORIGIN_DONE = 0, ORIGIN_NEED = 1 };

/* The words are for the log. */
#define ORIGIN_CODES(X) \
	X(ORIGIN_MX, "mx") \
	X(ORIGIN_ADDRESS, "address") /* no MX, but an address (rfc5321:5.1) */ \
	X(ORIGIN_NULL_MX, "null-mx") /* says that it takes no mail (rfc7505) */ \
	X(ORIGIN_NOWHERE, "nowhere") /* exists, but has neither */ \
	X(ORIGIN_UNKNOWN, "unknown") /* does not exist */ \
	X(ORIGIN_TLD, "tld")         /* the top-level domain is not one */ \
	X(ORIGIN_LITERAL, "literal") /* an address literal: no domain to look at */ \
	X(ORIGIN_TEMPERROR, "temperror")
#define X(id, word) id,
enum origin_code { ORIGIN_CODES(X) };
#undef X

struct origin_result {
	enum origin_code code;
	struct dns_question questions[ORIGIN_QUESTIONS_MAX];
	size_t question_count; /* more than 0 for ORIGIN_NEED, none of them has a fact */
};

/* domain: normal form of mail/address.h, U-labels too; tlds, more_tlds: as for tlds_know. ORIGIN_DONE or
 * ORIGIN_NEED; at most two rounds. */
int origin_check(struct str domain, const struct tlds *tlds, struct str more_tlds,
    const struct dns_facts *facts, struct origin_result *out);

const char *origin_code_word(enum origin_code code);

#endif
