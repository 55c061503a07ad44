/* SPDX-License-Identifier: ISC */
/*
 * Authenticated Received Chain: is the record of those who passed this message on, and of what they
 * found, unbroken (rfc8617)? A function of the message, the time and the DNS facts so far. It says
 * nothing about whether the sealers are to be trusted: that is the host's affair.
 */
#ifndef POSTERN_ARC_ARC_H
#define POSTERN_ARC_ARC_H

#include "arc/limits.h"
#include "dkim/dkim.h"

enum { ARC_DONE = 0, ARC_NEED = 1 };

/* The words are those of rfc8617:4.4; rfc8601 has no word of its own for the last. */
#define ARC_CODES(X) \
	X(ARC_NONE, "none") \
	X(ARC_PASS, "pass") \
	X(ARC_FAIL, "fail") \
	X(ARC_TEMPERROR, "temperror") /* cannot be known now: write no result, or "none" */
#define X(id, word) id,
enum arc_code { ARC_CODES(X) };
#undef X

struct arc_result {
	enum arc_code code;
	const char *reason; /* constant, one line of English; "" for a pass */
	unsigned sets;      /* instances of the chain; 0 for ARC_NONE */
	unsigned failed;    /* the instance that decided a failure; 0: the chain as a whole */
	/* The lowest instance whose message signature still holds, with all above it; 0: every one
	 * (rfc8617:5.2). For ARC_PASS. */
	unsigned oldest_pass;
	char sealer[IDN_SIZE]; /* d= of the topmost seal, A-labels; "" unless it can be read */
	/* ARC-Authentication-Results of the topmost set, as it stands behind "i=N;"; borrowed from the
	 * message. Worth something for ARC_PASS and a sealer that is trusted. */
	struct str results;
	struct dns_question questions[ARC_KEYS_MAX];
	size_t question_count; /* none of them has a fact */
};

/*
 * ARC_DONE or ARC_NEED; *out is filled anew by each call and borrows from *m. As dkim_check: asks
 * for all keys at once when the header is over. A whole chain is done after dkim_message_end, what is
 * none or broken at once.
 */
int arc_check(
    struct dkim_message *m, int64_t now, const struct dns_facts *facts, struct arc_result *out);

/* d= of the seal of one instance (1 to sets), as A-labels; false: there is no such one. For hosts
 * that trust some sealers only: every seal of a chain was checked. */
bool arc_sealer(struct dkim_message *m, unsigned instance, char out[IDN_SIZE]);

const char *arc_code_word(enum arc_code code);

#endif
