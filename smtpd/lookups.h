/* SPDX-License-Identifier: ISC */
/*
 * What one session has learnt from the DNS: a snapshot of facts for the evaluators, and the questions that
 * are out. Answers stay as they were for the whole session; whatever gets no answer is a temporary
 * failure, so nothing waits for ever and no trouble of DNS looks like a statement.
 */
#ifndef POSTERN_SMTPD_LOOKUPS_H
#define POSTERN_SMTPD_LOOKUPS_H

#include "dns/facts.h"
#include "ipc/ipc.h"

struct smtpd;
struct lookup;

enum {
	/* Questions of one message and its client, all checks together: the name 5, the sender 3, lists 16,
	 * SPF of both names 10 terms of 11 look-ups each at the worst, DKIM 8, DMARC 30. What is asked
	 * beyond it gets no answer. */
	LOOKUPS_MAX = 300,
	LOOKUPS_BYTES_MAX = 512 << 10, /* of their answers */
	/* All waiting of one client for the DNS, from its connection on: then the rest is given up. */
	LOOKUPS_WAIT_MS = 20000,
};

/* A session's. Zero, then lookups_init. */
struct lookups {
	struct smtpd *d;
	void *owner; /* who is told */
	struct dns_fact *fact;
	size_t count, room;
	size_t asked, bytes;    /* questions so far, bytes of answers */
	unsigned out;           /* questions without an answer */
	uint64_t waited_ms;     /* in which a client waited for answers */
	uint64_t waiting_since; /* 0: nobody waits */
	struct lookup *first;
	struct io_timer *timer;
};

/* told(owner) when the last question that was out has its answer, never from inside of a call here. */
void lookups_init(struct lookups *l, struct smtpd *d, void *owner);
/* Forgets everything; no answer is told any more. */
void lookups_clear(struct lookups *l);
/* Asks what is not asked yet. true: answers are outstanding. false: all of them have a fact. */
bool lookups_ask(struct lookups *l, const struct dns_question *questions, size_t n);
/* What is known; valid until the next question or answer. */
struct dns_facts lookups_facts(const struct lookups *l);
/* A client waits for what is out, and may do so only for a time. */
void lookups_wait(struct lookups *l);

extern const struct ipc_ops smtpd_resolver_ops;

#endif
