/* SPDX-License-Identifier: ISC */
/* A message through the door: who sends it, to whom, what its header says. */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "smtp/received.h"
#include "submission/budget.h"
#include "submission/session.h"

/* --- questions to queue ------------------------------------------------------------------------ */

enum { ASK_SENDER = 0, ASK_RECIPIENT = 1 }; /* door_ask.what */

/* False: the door is shut. */
static bool
ask(struct session *s, enum asking asking, struct str address)
{
	if (s->door.ch == NULL)
		return false;
	s->asking = asking;
	s->question = ++s->door.last_id;
	ipc_send_door_ask(s->door.ch, s->question,
	    &(struct ipc_door_ask){ .what = asking == ASKING_RECIPIENT ? ASK_RECIPIENT : ASK_SENDER,
		.address = address });
	return true;
}

static bool
within_budget(struct session *s, unsigned recipients)
{
	struct smtp_conn *c = &s->conn;

	if (budgets_allow(s->d->budgets, s->account, recipients, io_now_ms(c->host->loop)))
		return true;
	/* Somebody should look at it: perhaps the password is in wrong hands. */
	log_warn(c->id, "event=sending-limit client=%s login=\"%s\" account=%u recipients=%u",
	    c->client, LOGS(str_of(s->login)), s->account, recipients);
	return false;
}

/* --- MAIL -------------------------------------------------------------------------------------- */

void
message_mail(struct smtp_conn *c, const struct smtp_mail *mail)
{
	struct session *s = session_of(c);

	if (!within_budget(s, 1))
		smtp_conn_refuse(c, SMTP_SENDING_LIMIT, "login", str_of(s->login));
	else if (address_is_null(&mail->from)) /* a receipt of a mail program (rfc8098:3) */
		smtp_session_accept(c->engine, NULL);
	else if (!ask(s, ASKING_SENDER, str_of(c->sender)))
		smtp_conn_refuse(c, SMTP_TROUBLE, "login", str_of(s->login));
}

static void
sender_known(struct session *s, enum ipc_result result)
{
	struct smtp_conn *c = &s->conn;

	if (result == IPC_OK)
		smtp_session_accept(c->engine, NULL);
	else
		smtp_conn_refuse(c,
		    result == IPC_TEMP      ? SMTP_TROUBLE
		    : result == IPC_INVALID ? SMTP_BAD_SENDER
					    : SMTP_NOT_YOUR_ADDRESS,
		    "login", str_of(s->login));
}

/* --- RCPT -------------------------------------------------------------------------------------- */

void
message_rcpt(struct smtp_conn *c, const struct smtp_rcpt *rcpt)
{
	struct session *s = session_of(c);
	char address[ADDRESS_TEXT_SIZE];

	address_print(&rcpt->to, address, sizeof(address));
	if (!within_budget(s, c->recipients + 1))
		smtp_conn_refuse(c, SMTP_SENDING_LIMIT, "rcpt", str_of(address));
	else if ((s->asked = smtp_recipient_new(c, rcpt, address)) == NULL)
		smtp_conn_refuse(c, SMTP_TOO_MANY_RECIPIENTS, "rcpt", str_of(address));
	else if (!ask(s, ASKING_RECIPIENT, s->asked->address))
		smtp_conn_refuse(c, SMTP_TROUBLE, "rcpt", str_of(address));
}

static enum smtp_reply_id
recipient_reply(enum ipc_result result)
{
	switch (result) {
	case IPC_NO:
	case IPC_SUSPENDED:
		return SMTP_UNKNOWN_RECIPIENT;
	case IPC_INVALID:
		return SMTP_BAD_RECIPIENT;
	case IPC_DENIED:
		return SMTP_RELAY_DENIED;
	case IPC_FULL:
		return SMTP_MAILBOX_FULL;
	default:
		return SMTP_TROUBLE;
	}
}

static void
recipient_known(struct session *s, enum ipc_result result)
{
	struct smtp_recipient *r = s->asked;

	s->asked = NULL;
	if (result == IPC_OK)
		smtp_recipient_accept(&s->conn, r);
	else
		smtp_conn_refuse(&s->conn, recipient_reply(result), "rcpt", r->address);
}

/* --- the content ------------------------------------------------------------------------------- */

/* Nothing more is owed: the message is stored or refused. */
static void
decide(struct session *s)
{
	struct smtp_conn *c = &s->conn;
	enum smtp_reply_id verdict = s->verdict;

	c->holds = false;
	/* Once more: other sessions of the account may have used it up meanwhile. */
	if (verdict == SMTP_OK && !within_budget(s, c->recipients))
		verdict = SMTP_SENDING_LIMIT;
	if (verdict == SMTP_OK) {
		s->taken = c->recipients;
		budgets_take(s->d->budgets, s->account, s->taken, io_now_ms(c->host->loop));
		smtp_conn_commit(c);
		return;
	}
	smtp_conn_reset(c); /* queue forgets what it has of it */
	smtp_conn_refuse(c, verdict, "login", str_of(s->login));
}

/* Asks about the next address of the header; the last answer decides, if the end has come. */
static void
ask_next(struct session *s)
{
	while (s->verdict == SMTP_OK && s->next_sender < s->header.senders) {
		if (ask(s, ASKING_HEADER, str_of(s->header.sender[s->next_sender++])))
			return;
		s->verdict = SMTP_TROUBLE;
	}
	if (s->conn.holds)
		decide(s);
}

static void
header_over(struct session *s)
{
	s->verdict = s->header.refusal;
	ask_next(s);
}

static void
header_known(struct session *s, enum ipc_result result)
{
	if (result != IPC_OK)
		s->verdict = result == IPC_TEMP ? SMTP_TROUBLE : SMTP_NOT_YOUR_ADDRESS;
	ask_next(s);
}

static void
look(struct session *s)
{
	if (s->looking)
		return;
	smtp_submitted_init(&s->header, smtp_session_mail(s->conn.engine)->smtputf8);
	s->looking = true;
	s->next_sender = 0;
	s->verdict = SMTP_OK;
}

void
message_content(struct smtp_conn *c, struct str run)
{
	struct session *s = session_of(c);

	look(s);
	if (smtp_submitted_content(&s->header, run))
		header_over(s);
	if (s->verdict == SMTP_OK) /* otherwise nobody needs the rest */
		smtp_conn_content(c, run);
}

void
message_end(struct smtp_conn *c)
{
	struct session *s = session_of(c);

	look(s);
	c->holds = true;
	c->message_id = s->header.message_id;
	if (smtp_submitted_end(&s->header))
		header_over(s);
	else if (s->asking == ASKING_NOTHING)
		decide(s);
}

void
message_reset(struct smtp_conn *c)
{
	struct session *s = session_of(c);

	s->asking = ASKING_NOTHING;
	s->asked = NULL;
	/* Of a client that has left nobody knows whether its message was stored. */
	if (s->taken > 0 && c->ended == NULL)
		budgets_give_back(s->d->budgets, s->account, s->taken, io_now_ms(c->host->loop));
	s->taken = 0;
	if (s->looking)
		smtp_submitted_free(&s->header);
	s->looking = false;
	s->verdict = SMTP_OK;
}

/* What its Received field and its Message-ID are told from others by. */
static const char *
unique_id(const struct smtp_conn *c, char out[SMTP_HOST_ID_MAX + 16])
{
	snprintf(out, SMTP_HOST_ID_MAX + 16, "%s.%u", c->id, c->transactions);
	return out;
}

void
message_stored(struct smtp_conn *c)
{
	struct session *s = session_of(c);
	char id[SMTP_HOST_ID_MAX + 16], message_id[SMTP_MESSAGE_ID_MAX + 1];

	s->taken = 0;
	smtp_submitted_id(&s->header, unique_id(c, id), message_id);
	reputation_sent(s->d->reputation, str_of(message_id));
}

/* Where the user was when he wrote is nobody's business: no address, no host name. */
void
message_prepend(struct smtp_conn *c, struct buf *out)
{
	char id[SMTP_HOST_ID_MAX + 16], tls[TLS_DESCRIPTION_MAX], only[ADDRESS_TEXT_SIZE];
	const struct smtp_recipient *first = STAILQ_FIRST(&c->envelope);

	unique_id(c, id);
	snprintf(only, sizeof(only), "%.*s", STRF(first->address));
	smtp_received_print(out, &(struct smtp_received){ .by = c->host->hostname,
				     .esmtp = true,
				     .authenticated = true,
				     .smtputf8 = smtp_session_mail(c->engine)->smtputf8,
				     .tls = tls_stream_describe(c->stream, tls),
				     .id = id,
				     .only_rcpt = c->recipients == 1 ? only : NULL,
				     .time = time(NULL) });
	smtp_submitted_complete(&session_of(c)->header, out, time(NULL), id);
}

/* --- the door ---------------------------------------------------------------------------------- */

/* An answer, or IPC_TEMP when none will come. */
static void
answered(struct session *s, enum ipc_result result)
{
	enum asking asking = s->asking;

	s->asking = ASKING_NOTHING;
	if (asking == ASKING_SENDER)
		sender_known(s, result);
	else if (asking == ASKING_RECIPIENT)
		recipient_known(s, result);
	else if (asking == ASKING_HEADER)
		header_known(s, result);
}

void
message_answer(struct smtp_link *l, uint64_t id, enum ipc_result result)
{
	struct session *s = session_of(l->owner);

	if (s->asking == ASKING_NOTHING || id != s->question)
		return;
	answered(s, result);
	if (!smtp_session_waiting(s->conn.engine))
		smtp_conn_pump(&s->conn);
}

/* Queue was restarted, or the account was locked or got a new password: whoever it is, the login
 * has ended. */
void
message_door_lost(struct smtp_link *l)
{
	struct session *s = session_of(l->owner);

	log_info(s->conn.id, "event=door-closed client=%s login=\"%s\"", s->conn.client,
	    LOGS(str_of(s->login)));
	if (s->asking != ASKING_NOTHING)
		answered(s, IPC_TEMP);
	smtp_conn_shutdown_soon(&s->conn, SMTP_LOGIN_ENDED, "door-closed");
}
