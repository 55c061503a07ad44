/* SPDX-License-Identifier: ISC */
/* One client of port 25: inside of smtpd/ only. */
#ifndef POSTERN_SMTPD_SESSION_H
#define POSTERN_SMTPD_SESSION_H

#include "smtp/format.h"
#include "smtp/nesting.h"
#include "smtpd/smtpd.h"

enum {
	SESSION_RDNS_NAMES = 4, /* PTR names that are tried: honest hosts have one */
};

/* What is known of the client's name (forward-confirmed reverse DNS, rfc8601:2.7.3). */
struct rdns {
	uint64_t question; /* 0: nothing is being asked */
	unsigned count, next;
	char names[SESSION_RDNS_NAMES][256];
	char name[256]; /* confirmed; "" when there is none (yet) */
};

struct session {
	struct smtp_conn conn;
	struct smtpd *d;
	struct rdns rdns;
	struct io_timer *rdns_timer;  /* only while a commit waits for the name */
	uint64_t lookup;              /* question to accounts that is out; 0: none */
	struct smtp_recipient *asked; /* the one that lookup is about */
	struct smtp_format format;    /* of the message that is coming */
	struct smtp_nesting *nesting; /* the same; NULL: nothing is coming */
	bool looking;                 /* format is in use */
};

/* --- session.c --- */
extern const struct smtp_host_ops smtpd_host_ops;
/* The client's name is known, or will not be waited for. */
void session_go_on(struct session *s);

/* --- recipients.c --- */
void recipients_ask(struct smtp_conn *c, const struct smtp_rcpt *rcpt);
/* Answers of accounts; the session may be gone. */
extern const struct ipc_ops smtpd_accounts_ops;

/* --- helo.c --- */
/* True: the client's name is none, and the recipient was refused for it. */
bool helo_refused(struct session *s, const struct smtp_rcpt *rcpt, const char *address);

/* Loopback and private networks: whoever is there is ours. */
bool client_is_inside(const char *client);

/* --- format.c --- */
void format_content(struct smtp_conn *c, struct str run);
/* The message is over or forgotten. */
void format_forget(struct session *s);
/* True: the message, all of which has come, was refused for its form. */
bool format_refused(struct session *s);

/* --- rdns.c --- */
void rdns_start(struct session *s);
void rdns_stop(struct session *s);
extern const struct ipc_ops smtpd_resolver_ops;

#endif
