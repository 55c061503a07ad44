/* SPDX-License-Identifier: ISC */
/* The inside of a session: what session.c (input, answers) and session_command.c (commands) share.
 */
#ifndef POSTERN_SMTP_SESSION_PRIV_H
#define POSTERN_SMTP_SESSION_PRIV_H

#include "smtp/content.h"
#include "smtp/session.h"

enum smtp_state {
	ST_START,   /* not greeted */
	ST_COMMAND, /* a command line is expected */
	ST_WAIT,    /* the host owes an answer to `asked` */
	ST_DATA,
	ST_CHUNK,   /* inside a BDAT chunk */
	ST_DISCARD, /* inside a chunk that is refused: `late` follows its last byte */
	ST_TLS,     /* 220 to STARTTLS was given */
	ST_AUTH,    /* 334 was given: a line of the client is expected */
	ST_CLOSING, /* SMTP_EV_CLOSE is due */
	ST_CLOSED
};

struct smtp_session {
	const struct smtp_policy *policy;
	enum smtp_state state;
	enum smtp_event_type asked;
	struct buf out;
	struct refusal_frame frame;
	struct buf late; /* the reply that has to wait until a refused chunk is read */

	bool tls_offered, xclient_allowed;
	bool tls, hello, esmtp, authenticated;
	bool in_mail;    /* MAIL was accepted */
	bool in_bdat;    /* a first chunk has come */
	bool last_chunk; /* this chunk is LAST */
	bool spoke;      /* a first line has come */
	unsigned rcpts, rcpts_over, chunks;
	unsigned bad, junk, rcpts_refused;
	uint64_t chunk_left;
	uint64_t before_rcpt, commands;
	uint64_t early, early_seen; /* counted bytes; of the input waiting, how much was counted */
	uint64_t messages;
	size_t scanned; /* bytes of the waiting line known to have no LF */
	size_t behind;  /* bytes that wait behind the current command line */
	bool talker;    /* policy: refused with the next command */
	enum smtp_reply_id verdict;
	enum smtp_close close;
	struct smtp_content content;
	struct smtp_mail mail;
	struct smtp_rcpt rcpt;
	struct smtp_xclient *xclient; /* while asked */
	const char *mechanisms;       /* offered, "" none */
	struct smtp_auth auth;        /* while asked */
	char mechanism[SMTP_MECHANISM_MAX + 1];
	struct buf secret; /* what auth.data points to */
	char helo[SMTP_HELO_MAX + 1];
};

/* AUTH, and the lines that follow it (session_auth.c). */
void smtp_auth_command(struct smtp_session *s, struct str args, struct smtp_event *ev);
void smtp_auth_line(struct smtp_session *s, struct str line, struct smtp_event *ev);
/* Names AUTH in the reply to EHLO, where it is possible now. */
void smtp_auth_announce(struct smtp_session *s);
/* Wipes what the client said in the exchange. */
void smtp_auth_wipe(struct smtp_session *s);

/* Runs one command; its replies and at most one event come of it. */
void smtp_command_run(
    struct smtp_session *s, const struct smtp_command *cmd, struct smtp_event *ev);

/* A host that does not send loses replies, not memory; the session ends then. */
void smtp_say(struct smtp_session *s, enum smtp_reply_id id, const char *arg);
void smtp_close_with(struct smtp_session *s, enum smtp_reply_id id, enum smtp_close why);
/* The transaction is forgotten. */
void smtp_reset(struct smtp_session *s);
/* A wrong command: its reply, or the last one when there were too many. */
void smtp_bad(struct smtp_session *s, enum smtp_reply_id id);
/* The chunk is read and forgotten, then the refusal is said. */
void smtp_discard(struct smtp_session *s, enum smtp_reply_id id, const struct refusal_args *args);
/* A command that leads nowhere: false, and the session ends, when there were too many. */
bool smtp_junk(struct smtp_session *s);
void smtp_ask(struct smtp_session *s, struct smtp_event *ev, enum smtp_event_type type);
void smtp_tell(struct smtp_event *ev, enum smtp_event_type type, enum smtp_reply_id id);

#endif
