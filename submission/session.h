/* SPDX-License-Identifier: ISC */
/* One client of submission: inside of submission/ only. */
#ifndef POSTERN_SUBMISSION_SESSION_H
#define POSTERN_SUBMISSION_SESSION_H

#include "smtp/submitted.h"
#include "submission/submission.h"

/* What queue is being asked by door_ask. */
enum asking { ASKING_NOTHING, ASKING_SENDER, ASKING_RECIPIENT, ASKING_HEADER };

struct session {
	struct smtp_conn conn;
	struct submission *d;
	struct smtp_link door; /* open from the login on */

	struct auth_exchange *exchange; /* under way */
	struct io_timer *delay;         /* until a refusal is told */
	enum smtp_reply_id refusal;
	unsigned failures;
	uint32_t account;
	char login[512], mechanism[SMTP_MECHANISM_MAX + 1];
	char mechanisms[AUTH_MECHANISMS_MAX]; /* offered */

	struct smtp_submitted header; /* from the first content to the end of the transaction */
	bool looking;                 /* header is in use */
	unsigned next_sender;         /* of the header: the first not asked about */
	enum smtp_reply_id verdict;   /* SMTP_OK, or why the message is refused at its end */
	unsigned taken;               /* recipients taken from the budget; the commit is out */
	enum asking asking;
	uint64_t question; /* the door_ask that is out */
	struct smtp_recipient *asked;
};

static inline struct session *
session_of(struct smtp_conn *c)
{
	return (struct session *)c;
}

/* --- session.c --- */
extern const struct smtp_host_ops submission_host_ops;

/* --- login.c --- */
void login_offer(struct session *s);
void login_step(struct session *s, const struct smtp_auth *auth);
void login_cancel(struct session *s);
/* Frees what a login in progress has. */
void login_end(struct session *s);

/* --- message.c --- */
void message_mail(struct smtp_conn *c, const struct smtp_mail *mail);
void message_rcpt(struct smtp_conn *c, const struct smtp_rcpt *rcpt);
void message_content(struct smtp_conn *c, struct str run);
void message_end(struct smtp_conn *c);
void message_reset(struct smtp_conn *c);
void message_stored(struct smtp_conn *c);
void message_prepend(struct smtp_conn *c, struct buf *out);
/* The door's answers and its end. */
void message_answer(struct smtp_link *l, uint64_t id, enum ipc_result result);
void message_door_lost(struct smtp_link *l);

#endif
