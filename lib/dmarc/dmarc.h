/* SPDX-License-Identifier: ISC */
/*
 * Does a message come from the domain its From field shows, and what does the owner of that domain
 * want done if not: rfc9989, as a function of its input and the DNS facts so far. The organisational
 * domain is found by the tree walk, not by a list of public suffixes.
 *
 * A trouble of DNS is DMARC_TEMPERROR, never a failure, and never a pass.
 */
#ifndef POSTERN_DMARC_DMARC_H
#define POSTERN_DMARC_DMARC_H

#include "dmarc/record.h"
#include "dns/facts.h"
#include "idn/idn.h"

enum {
	DMARC_WALK_MAX = 8,       /* names of one tree walk (rfc9989:4.10) */
	DMARC_DKIM_MAX = 10,      /* signatures that count: no more are verified (lib/dkim) */
	DMARC_QUESTIONS_MAX = 32, /* in one round */
	/* The walk of the author's domain, those of the identifiers (10 signatures of 7 names each
	 * may take more than one round), the existence of the domain. */
	DMARC_ROUNDS_MAX = 8,
};

enum { DMARC_DONE = 0, DMARC_NEED = 1 };

/* The words are those of rfc9989 for Authentication-Results. */
#define DMARC_CODES(X) \
	X(DMARC_NONE, "none")           /* no policy applies */ \
	X(DMARC_PASS, "pass")           /* an aligned identifier passed */ \
	X(DMARC_FAIL, "fail")           /* none did */ \
	X(DMARC_TEMPERROR, "temperror") /* cannot be known now */ \
	X(DMARC_PERMERROR, "permerror") /* no usable From, or a record whose policy is unreadable */
#define X(id, word) id,
enum dmarc_code { DMARC_CODES(X) };
#undef X

/* --- the author ------------------------------------------------------------------------------- */

enum dmarc_author_state {
	DMARC_AUTHOR_OK,
	/* A From field that only a lenient reader understands (groups, routes, nested comments ...):
	 * the domain most programs would show. Its policy applies, but it never passes. */
	DMARC_AUTHOR_DOUBTFUL,
	DMARC_AUTHOR_NO_FIELD,
	DMARC_AUTHOR_SEVERAL_FIELDS,
	DMARC_AUTHOR_SEVERAL_DOMAINS, /* exempt from DMARC (rfc9989:5.3.1) */
	DMARC_AUTHOR_UNREADABLE,      /* no domain at all, or not one for DNS */
};

struct dmarc_author {
	enum dmarc_author_state state;
	char domain[IDN_SIZE]; /* A-labels, lower case; "" unless OK or DOUBTFUL */
};

/* Looks for the From field in a message's header (the body may follow). */
void dmarc_author_find(struct str header, struct dmarc_author *out);

/* --- the evaluation --------------------------------------------------------------------------- */

enum dmarc_auth { DMARC_AUTH_FAIL, DMARC_AUTH_PASS, DMARC_AUTH_TEMP };

/* A domain that SPF (of MAIL FROM) or one DKIM signature (d=) spoke about; borrowed. */
struct dmarc_identifier {
	struct str domain;    /* U-labels are taken, too; n == 0: there is none */
	enum dmarc_auth auth; /* anything but pass and temperror is DMARC_AUTH_FAIL */
};

struct dmarc_input {
	const struct dmarc_author *author;
	/* The result for MAIL FROM only; with the null reverse-path that is the domain of HELO
	 * (rfc9989:4.4.2): lib/spf says it in its result. */
	struct dmarc_identifier spf;
	const struct dmarc_identifier *dkim;
	size_t dkim_count; /* those behind DMARC_DKIM_MAX are not looked at */
};

struct dmarc_result {
	enum dmarc_code code;
	/* DMARC_FAIL: what the owner wants done, t=y considered; else DMARC_P_NONE. */
	enum dmarc_policy disposition;
	/* The tag that applies ("p", "sp", "np") and what it says; "" and DMARC_P_NONE without a record. */
	const char *tag;
	enum dmarc_policy published;
	struct dns_name policy_domain; /* where the record is; n == 0: none */
	struct dns_name organization;  /* of the author's domain; n == 0: not determined */
	struct dmarc_record record;    /* the one that applies; zero without one */
	bool spf_aligned;
	int dkim_aligned;   /* number of the first signature that passed and is aligned, or -1 */
	const char *reason; /* constant, one line of English for the log; "" for a pass */
	struct dns_question questions[DMARC_QUESTIONS_MAX];
	size_t question_count; /* more than 0 for DMARC_NEED, none of them has a fact */
};

/* DMARC_DONE or DMARC_NEED; *out is filled anew by each call. At most DMARC_ROUNDS_MAX rounds. */
int dmarc_check(
    const struct dmarc_input *in, const struct dns_facts *facts, struct dmarc_result *out);

const char *dmarc_code_word(enum dmarc_code code);

#endif
