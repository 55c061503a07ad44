/* SPDX-License-Identifier: ISC */
/*
 * Forward-confirmed reverse DNS (rfc8601:3): has the client's address a name that leads back to it?
 * A function of the address and the DNS facts so far.
 */
#ifndef POSTERN_RECEPTION_IPREV_H
#define POSTERN_RECEPTION_IPREV_H

#include "dns/facts.h"
#include "reception/client.h"

enum {
	IPREV_NAMES_MAX = 4, /* PTR names that are tried: honest hosts have one */
	IPREV_QUESTIONS_MAX = IPREV_NAMES_MAX,
	IPREV_NAME_SIZE = 256,
};

enum { IPREV_DONE = 0, IPREV_NEED = 1 };

/* rfc8601:2.7.3 */
#define IPREV_CODES(X) \
	X(IPREV_PASS, "pass") \
	X(IPREV_FAIL, "fail") \
	X(IPREV_TEMPERROR, "temperror") \
	X(IPREV_PERMERROR, "permerror") /* the address has no name at all */
#define X(id, word) id,
enum iprev_code { IPREV_CODES(X) };
#undef X

struct iprev_result {
	enum iprev_code code;
	char name[IPREV_NAME_SIZE]; /* the confirmed name, in lower case; "" unless IPREV_PASS */
	/* The first name the address has, confirmed or not; "" when there is none that is one. */
	char claimed[IPREV_NAME_SIZE];
	struct dns_question questions[IPREV_QUESTIONS_MAX];
	size_t question_count; /* more than 0 for IPREV_NEED, none of them has a fact */
};

/* IPREV_DONE or IPREV_NEED; *out is filled anew by each call. Two rounds. */
int iprev_check(
    const struct reception_client *client, const struct dns_facts *facts, struct iprev_result *out);

const char *iprev_code_word(enum iprev_code code);

#endif
