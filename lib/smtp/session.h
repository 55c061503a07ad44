/* SPDX-License-Identifier: ISC */
/*
 * One SMTP session, server side (rfc5321), as a pure engine: bytes in, events and replies out.
 *
 * The host offers its input to smtp_session_step(), which takes what it needs up to the next
 * event. Most events are questions: the engine takes no more input until the host has answered
 * with smtp_session_accept() or smtp_session_refuse(), so that commands sent ahead are handled in
 * their order. Replies gather in smtp_session_out() and are the host's to send. What the engine
 * can decide alone (syntax, sequence, limits, line ends, hop count) it answers alone.
 *
 *	for (;;) {
 *		used = smtp_session_step(s, input, &ev);
 *		... act on ev, which may point into the input ...
 *		drop `used` bytes of the input
 *		if (ev.type == SMTP_EV_NONE) break;
 *	}
 *	send and clear smtp_session_out(s)
 */
#ifndef POSTERN_SMTP_SESSION_H
#define POSTERN_SMTP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "smtp/command.h"
#include "smtp/limits.h"
#include "smtp/reply.h"

/* What one service allows; borrowed for the life of the session. */
struct smtp_policy {
	const char *hostname;
	const char *help_url;    /* pages that explain refusals; NULL: none */
	uint64_t max_size;       /* octets of a message (rfc1870) */
	unsigned max_recipients; /* SMTP_RCPT_MIN..SMTP_RCPT_MAX */
	unsigned max_errors;     /* wrong commands before 421; 0: SMTP_BAD_MAX */
	uint64_t max_commands;   /* in a session, of any kind; 0: no limit */
	bool pipelining;         /* announced, and sending ahead is not counted */
	bool chunking;           /* BDAT is announced and known */
	bool strict_data;        /* content sent before the 354 ends the session */
	bool refuse_early;       /* so does any command with something sent behind it */
	bool tls_required;       /* MAIL only inside TLS */
	bool auth;               /* AUTH is known (rfc4954); MAIL only after it */
};

enum smtp_event_type {
	SMTP_EV_NONE, /* the input is used up, or an answer is outstanding */

	/* Questions: accept or refuse. */
	SMTP_EV_HELLO, /* HELO or EHLO: smtp_session_facts() has the name; any transaction is gone
			*/
	SMTP_EV_MAIL,  /* mail */
	SMTP_EV_RCPT,  /* rcpt */
	SMTP_EV_DATA,  /* content is about to come */
	SMTP_EV_END,   /* size: content complete and sound; accepting says it is stored */
	SMTP_EV_STARTTLS, /* accept: then send the reply, start TLS, smtp_session_tls_started() */
	SMTP_EV_XCLIENT,  /* xclient; any transaction is gone */
	SMTP_EV_AUTH,     /* auth: accept, refuse or smtp_session_challenge() */

	/* Facts. */
	SMTP_EV_CONTENT,     /* content: the next bytes of the message, borrowed from the input */
	SMTP_EV_RESET,       /* the transaction is gone; reply: SMTP_OK for RSET, or the refusal */
	SMTP_EV_REFUSED,     /* the engine refused MAIL or RCPT by itself: reply (for the log) */
	SMTP_EV_AUTH_CANCEL, /* the client gave up, or sent rubbish: forget the exchange */
	SMTP_EV_CLOSE /* send what is in out, then close; any transaction is gone; close, reply */
};

enum smtp_close {
	SMTP_CLOSE_QUIT,
	SMTP_CLOSE_ERRORS,    /* too many wrong or useless commands */
	SMTP_CLOSE_SYNTAX,    /* bare CR or LF, a line without end, a chunk without size */
	SMTP_CLOSE_FOREIGN,   /* another protocol */
	SMTP_CLOSE_INJECTION, /* bytes between STARTTLS and TLS */
	SMTP_CLOSE_EARLY,     /* content before the 354 */
	SMTP_CLOSE_TALKER,    /* something before the greeting, or a command before a reply */
	SMTP_CLOSE_OVERSIZE,  /* a message far above the limit */
	SMTP_CLOSE_HOST       /* the host refused with a 421 reply */
};

/* What the client says in a SASL exchange. Holds secrets; wiped before the next step. */
struct smtp_auth {
	const char *mechanism; /* upper case; NULL: this is the answer to a challenge */
	bool has_data;         /* false: no initial response came with the command */
	struct str data;       /* raw bytes */
};

struct smtp_event {
	enum smtp_event_type type;
	const struct smtp_mail *mail; /* these three live until the next step */
	const struct smtp_rcpt *rcpt;
	const struct smtp_xclient *xclient;
	const struct smtp_auth *auth;
	struct str content;
	uint64_t size;
	enum smtp_reply_id reply;
	enum smtp_close close;
};

/* What the host may want to know for its log, its checks and the trace header. */
struct smtp_facts {
	const char *helo; /* normal form; "" before HELO */
	bool esmtp, tls, authenticated;
	uint64_t early_bytes; /* sent ahead of a reply although pipelining was not offered */
	uint64_t messages;    /* accepted */
	unsigned bad_commands, refused_rcpts;
};

struct smtp_session;

/* The session starts closed for input: greet or refuse first. id: what it is found by in the log, told
 * with each refusal; borrowed, NULL: none. */
struct smtp_session *smtp_session_new(const struct smtp_policy *policy, const char *id);
void smtp_session_free(struct smtp_session **s);
/* What time it is, in seconds since 1970: told with refusals. */
void smtp_session_clock(struct smtp_session *s, int64_t now);
/* The 220. early: bytes that had come before it. */
void smtp_session_greet(struct smtp_session *s, size_t early);
/* Offer STARTTLS / XCLIENT in this session (off at first). */
void smtp_session_offer_tls(struct smtp_session *s, bool offer);
void smtp_session_allow_xclient(struct smtp_session *s, bool allow);
/* The connection is in TLS from its beginning: before the greeting. */
void smtp_session_tls_implicit(struct smtp_session *s);
/* SASL mechanisms, separated by spaces, that are possible inside TLS; borrowed for the life of the
 * session. "": none, EHLO names no AUTH. Others than these are refused with 504. */
void smtp_session_offer_auth(struct smtp_session *s, const char *mechanisms);

/* Returns how many bytes of `in` are done with; *ev is what they led to. Bytes left over are
 * offered again, with more behind them. At most SMTP_LINE_HARD_MAX bytes are ever left with
 * SMTP_EV_NONE while no answer is outstanding. */
size_t smtp_session_step(struct smtp_session *s, struct str in, struct smtp_event *ev);
/* An answer is outstanding. */
bool smtp_session_waiting(const struct smtp_session *s);
/* The end has come: no input is taken any more. */
bool smtp_session_closed(const struct smtp_session *s);

/* Answers the question outstanding. id: for SMTP_EV_END the name the message is stored under. */
void smtp_session_accept(struct smtp_session *s, const char *id);
/* reply: a refusal; one with code 421 ends the session (SMTP_EV_CLOSE comes from the next step).
 * Refusing MAIL, DATA or END also ends the transaction. */
void smtp_session_refuse(struct smtp_session *s, enum smtp_reply_id reply);
/* The same for a refusal whose text has holes; what args point to is needed during the call only. */
void smtp_session_refuse_with(
    struct smtp_session *s, enum smtp_reply_id reply, const struct refusal_args *args);
/* Answers SMTP_EV_AUTH: the exchange goes on with this challenge (may be empty). */
void smtp_session_challenge(struct smtp_session *s, struct str challenge);
/* The host ends the session at any time: writes the reply, no event comes. */
void smtp_session_shutdown(struct smtp_session *s, enum smtp_reply_id reply);
void smtp_session_shutdown_with(
    struct smtp_session *s, enum smtp_reply_id reply, const struct refusal_args *args);
/* TLS stands; `pending` bytes of plain text were still unread: more than 0 ends the session. */
void smtp_session_tls_started(struct smtp_session *s, size_t pending);

/* Replies to be sent: drain what was taken. */
struct buf *smtp_session_out(struct smtp_session *s);
struct smtp_facts smtp_session_facts(const struct smtp_session *s);
/* The sender part of the transaction (valid from SMTP_EV_MAIL to its end). */
const struct smtp_mail *smtp_session_mail(const struct smtp_session *s);
/* Content is expected, not a command: what the host's timeouts depend on. */
bool smtp_session_in_content(const struct smtp_session *s);

#endif
