/* SPDX-License-Identifier: ISC */
/*
 * DNS answers gathered for one evaluation, and the questions it still has. An evaluator is a
 * function of its input and a snapshot of facts: it returns its questions, the host asks the
 * resolver, adds the answers and calls again.
 */
#ifndef POSTERN_DNS_FACTS_H
#define POSTERN_DNS_FACTS_H

#include "base/str.h"
#include "dns/answer.h"

enum dns_fact_state {
	DNS_FACT_FOUND,    /* records has at least one */
	DNS_FACT_NONE,     /* the name may exist, it has no record of this type */
	DNS_FACT_NXDOMAIN, /* a good answer says that there is no such name */
	DNS_FACT_TEMP,     /* no good answer: timeout, SERVFAIL, REFUSED, malformed */
	DNS_FACT_BOGUS,    /* DNSSEC says that the answer is forged: treated as temporary */
};

struct dns_question {
	struct dns_name name;
	uint16_t type; /* DNS_* */
};

struct dns_fact {
	struct dns_question asked;
	enum dns_fact_state state;
	bool secure;          /* proved by DNSSEC, the absence too */
	struct dns_name name; /* behind the aliases; the name asked for when there are none */
	struct str records;   /* in the form of dns/answer.h; borrowed */
};

struct dns_facts {
	const struct dns_fact
	    *facts; /* borrowed; the first of two answers to one question counts */
	size_t n;
};

/* The answer to a question, or NULL. */
const struct dns_fact *dns_facts_find(
    const struct dns_facts *facts, const struct dns_name *name, uint16_t type);
/*
 * The same for an engine that collects its questions: where there is no answer yet, the question stands in list (once,
 * and as long as it has room for most of them).
 */
const struct dns_fact *dns_facts_ask(const struct dns_facts *facts, const struct dns_name *name,
    uint16_t type, struct dns_question *list, size_t *n, size_t most);
/* The next record (start with *at = 0); false: no more, or the rest is malformed. */
bool dns_record_next(struct str records, size_t *at, struct str *record);

#endif
