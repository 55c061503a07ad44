/* SPDX-License-Identifier: ISC */
/* One client of port 25: inside of smtpd/ only. */
#ifndef POSTERN_SMTPD_SESSION_H
#define POSTERN_SMTPD_SESSION_H

#include "base/arena.h"
#include "smtpd/smtpd.h"

enum {
	SESSION_RDNS_NAMES = 4, /* PTR names that are tried: honest hosts have one */
	/* Envelope of one transaction: 1,000 recipients with the longest fields the engine and
	 * accounts let through. */
	SESSION_ENVELOPE_MAX = 2 << 20,
};

/* An accepted recipient, kept until the envelope goes to queue. */
struct recipient {
	STAILQ_ENTRY(recipient) entry;
	struct str address, accounts, orcpt;
	bool elsewhere; /* some of it goes to other servers */
	unsigned notify;
};

/* What is known of the client's name (forward-confirmed reverse DNS, rfc8601:2.7.3). */
struct rdns {
	uint64_t question; /* 0: nothing is being asked */
	unsigned count, next;
	char names[SESSION_RDNS_NAMES][256];
	char name[256]; /* confirmed; "" when there is none (yet) */
};

struct session {
	LIST_ENTRY(session) entry;
	struct smtpd *d;
	struct io_stream *stream;
	struct smtp_session *engine;
	struct sockaddr_storage peer; /* as the kernel gave it */
	uint64_t address_key;
	char client[64]; /* address as text; XCLIENT changes it */
	char id[SMTPD_ID_MAX + 1];
	uint64_t started_ms;
	struct rdns rdns;
	struct io_timer *rdns_timer; /* only while a commit waits for the name */

	uint64_t lookup;  /* question to accounts that is out; 0: none */
	uint64_t message; /* transaction at queue; 0: none */
	bool began;       /* queue knows of the transaction */
	bool committed;   /* msg_commit is out */
	bool waits_rdns;  /* commit waits for the client's name */
	uint8_t trouble;  /* enum ipc_result: queue refused or was lost meanwhile */
	uint64_t size;    /* content handed to queue */
	unsigned transactions, recipients;
	struct arena *arena;
	STAILQ_HEAD(, recipient) envelope;
	struct recipient *asked; /* the one that lookup is about */
	char sender[512];
	uint64_t data_started_ms, data_bytes; /* for the least rate; without our own pauses */
	uint64_t throttled_ms;                /* since when */

	bool eof;          /* the client sends no more */
	bool throttled;    /* queue's channel is full */
	bool starttls;     /* 220 was queued: TLS begins when the pump is done */
	bool broken;       /* nothing can be sent any more */
	bool over;         /* to be ended when the pump is done */
	const char *ended; /* why, for the log */
};

/* --- session.c --- */
void session_new(struct smtpd *d, int fd, const struct sockaddr *sa, socklen_t salen);
/* Works on the waiting input and sends what came of it; may free s. */
void session_pump(struct session *s);
/* Queue takes content again. */
void session_unthrottle(struct session *s);
/* Ends it with this reply; frees s. */
void session_shutdown(struct session *s, enum smtp_reply_id reply, const char *why);

/* --- transaction.c: accounts and queue --- */
void transaction_ask_recipient(struct session *s, const struct smtp_rcpt *rcpt);
void transaction_content(struct session *s, struct str run);
void transaction_commit(struct session *s, uint64_t size);
/* Forgets the transaction; tells queue when it knows of it and no commit is out. */
void transaction_reset(struct session *s);
/* The client's name is known, or will not be waited for. */
void transaction_go_on(struct session *s);
/* Answers of the peers; the session may be gone. */
extern const struct ipc_ops smtpd_accounts_ops, smtpd_queue_ops;

/* --- rdns.c --- */
void rdns_start(struct session *s);
void rdns_stop(struct session *s);
extern const struct ipc_ops smtpd_resolver_ops;

/* --- client.c: addresses and the limits on them --- */
/* Text of an address (v4-mapped as IPv4) and the key that its limit is counted by (IPv6: /64). */
uint64_t client_key(const struct sockaddr *sa, char *text, size_t size);
bool client_in_list(const struct settings *settings, enum setting which, const char *address);
bool client_is_loopback(const char *address);
/* Counts one more; false, and nothing is counted, when the address has its most. */
bool client_count(struct smtpd *d, uint64_t key);
void client_uncount(struct smtpd *d, uint64_t key);

#endif
