/* SPDX-License-Identifier: ISC */
/* The inside of smtp_client.h, shared by its files. */
#ifndef POSTERN_SMTP_CLIENT_PRIV_H
#define POSTERN_SMTP_CLIENT_PRIV_H

#include "smtp_client/server_reply.h"
#include "smtp_client/smtp_client.h"
#include "smtp_client/stuff.h"

struct smtp_client {
	char helo[SMTP_HELO_MAX + 1];
	enum smtp_client_phase phase;
	bool tls, helo_sent; /* HELO, after EHLO was refused */
	bool closed_due, done_due;
	struct buf out;
	size_t unsent; /* length of out when the last commands were put; 0: other bytes */
	struct server_reply reply;
	uint64_t replies;
	struct smtp_client_caps caps;
	struct smtp_client_result last;

	/* LOGIN: user and secret in base64, sent one after the other. */
	struct buf login[2];
	unsigned login_sent;

	/*
	 * The commands of a transaction have numbers: 0 RSET, 1 MAIL, 2.. RCPT, and DATA last.
	 * Those below sent are on their way, those below answered are answered.
	 */
	const struct smtp_client_message *m; /* NULL: none is open */
	struct smtp_client_result *results;
	size_t nresults, sent, answered, accepted;
	bool needs_rset, mail_refused;
	uint64_t mails; /* MAIL commands since the connection began */
	struct smtp_client_stuff stuff;
};

/* client.c */
/* A failure that is not the server's word; TEMP. */
void smtp_client_fail(struct smtp_client *c, enum smtp_client_why why, const char *text);
/* Commands may have been put into out, which had `before` bytes. */
void smtp_client_mark_unsent(struct smtp_client *c, size_t before);
/* The dialogue ends with this: for all recipients not decided yet, too. */
void smtp_client_fail_with(struct smtp_client *c, const struct smtp_client_result *r);
/* The same, politely: QUIT is left in out. */
void smtp_client_refused(struct smtp_client *c, const struct smtp_client_result *r);

/* auth.c */
void smtp_client_auth_reply(
    struct smtp_client *c, const struct smtp_client_result *r, enum smtp_client_event *ev);
void smtp_client_auth_wipe(struct smtp_client *c);

/* transaction.c */
/* A reply in one of the phases RSET to DATA_DONE. */
void smtp_client_transaction_reply(
    struct smtp_client *c, const struct smtp_client_result *r, enum smtp_client_event *ev);
/* Gives r to every recipient not decided yet. */
void smtp_client_decide(struct smtp_client *c, const struct smtp_client_result *r);

/* commands.c */
/* What the server would refuse, or must not see: decided without a command. */
void smtp_client_check_message(struct smtp_client *c);
void smtp_client_put_mail(struct smtp_client *c);
void smtp_client_put_rcpt(struct smtp_client *c, const struct smtp_client_rcpt *rcpt);

#endif
