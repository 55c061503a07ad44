/* SPDX-License-Identifier: ISC */
/*
 * What one session has learnt from the DNS: a snapshot of facts for the evaluators, and the questions that
 * are out. Answers stay as they were for the whole session; whatever gets no answer is a temporary
 * failure, so nothing waits for ever and no trouble of DNS looks like a statement.
 */
#ifndef POSTERN_SMTPD_LOOKUPS_H
#define POSTERN_SMTPD_LOOKUPS_H

#include <sys/queue.h>

#include "dns/facts.h"
#include "ipc/ipc.h"

struct smtpd;
struct lookup;

enum {
	/* Questions of one message and its client, all checks together: the name 5, the sender 3, lists 16,
	 * SPF of both names 10 terms of 11 look-ups each at the worst, DKIM 8, ARC 20, DMARC 82. What is
	 * asked beyond it gets no answer. */
	LOOKUPS_MAX = 360,
	LOOKUPS_BYTES_MAX = 512 << 10, /* of their answers */
	/* All waiting of a client for the DNS, for one message: then the rest is given up. */
	LOOKUPS_WAIT_MS = 20000,
	/* A part of each is kept for what the message itself brings up, so that nobody can make the check of
	 * its author fail by a policy of his own that takes long. */
	LOOKUPS_MESSAGE_MAX = 110,
	LOOKUPS_MESSAGE_BYTES_MAX = 128 << 10,
	LOOKUPS_MESSAGE_WAIT_MS = 5000,
	/* Questions that resolver has at one time, all sessions together: it takes 512 of one client. */
	LOOKUPS_OUT_MAX = 500,
	/* The same of one session: so many need one round trip, and slow ones leave room for others. */
	LOOKUPS_AT_ONCE = 16,
};

/* A session's. Zero, then lookups_init. */
struct lookups {
	struct smtpd *d;
	void *owner; /* who is told */
	struct dns_fact *fact;
	size_t count, room;
	size_t asked, bytes;        /* questions so far, bytes of answers */
	unsigned out;               /* questions without an answer */
	unsigned at_resolver;       /* of these; the others wait their turn */
	bool trouble;               /* some facts are that there is no good answer */
	bool message;               /* it is coming: its own part may be used */
	uint64_t waited_ms;         /* in which a client waited for answers */
	uint64_t waiting_since;     /* 0: nobody waits */
	STAILQ_HEAD(, lookup) open; /* the questions without an answer, the oldest first */
	TAILQ_ENTRY(lookups) turn;  /* smtpd.turns */
	bool in_turns;              /* a question of this one may go out next */
	struct io_timer *timer;
};

/* told(owner) when the last question that was out has its answer, never from inside of a call here. */
void lookups_init(struct lookups *l, struct smtpd *d, void *owner);
/* Forgets everything; no answer is told any more. */
void lookups_clear(struct lookups *l);
/* A new transaction: it has a share of its own, and asks again what had no good answer. */
void lookups_renew(struct lookups *l);
/* Its message is coming. */
void lookups_message(struct lookups *l);
/* Asks what is not asked yet. true: answers are outstanding. false: all of them have a fact. */
bool lookups_ask(struct lookups *l, const struct dns_question *questions, size_t n);
/* What is known; valid until the next question or answer. */
struct dns_facts lookups_facts(const struct lookups *l);
/* A client waits for what is out, and may do so only for a time. */
void lookups_wait(struct lookups *l);

extern const struct ipc_ops smtpd_resolver_ops;

#endif
