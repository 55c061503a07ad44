/* SPDX-License-Identifier: ISC */
/*
 * The outbound SMTP dialogue (rfc5321), as a pure engine: server bytes in, client bytes and events
 * out. It holds no descriptor and reads no clock; the host connects, starts TLS, measures time and
 * decides what comes next whenever the engine is idle.
 *
 *	for (;;) {
 *		used = smtp_client_step(c, input, &ev);
 *		drop `used` bytes of the input
 *		if (ev == SMTP_CLIENT_EV_NONE) break;
 *		... act on ev ...
 *	}
 *	when idle: smtp_client_starttls, _auth, _send or _quit
 *	when asked: smtp_client_content ... smtp_client_content_end
 *	send and drain smtp_client_out(c)
 *
 * Whatever a server does ends in a result of class OK, TEMP or PERM for each recipient of this
 * delivery. Unknown, malformed and out-of-sequence replies, lost connections and passed deadlines
 * are TEMP, and so is a reply to a command that is still in out. OK comes only from a 2xx reply to
 * the complete message.
 */
#ifndef POSTERN_SMTP_CLIENT_H
#define POSTERN_SMTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "smtp/command.h"
#include "smtp_client/caps.h"

enum {
	/* Twice the 512 of rfc5321:4.5.3.1.5, line end included: servers with long texts exist. */
	SMTP_CLIENT_LINE_MAX = 1024,
	/* No EHLO reply in the field has more than about 30 lines. */
	SMTP_CLIENT_REPLY_LINES = 100,
	/* All lines of a reply; what 100 lines of the length rfc5321 allows come to, and air. */
	SMTP_CLIENT_REPLY_MAX = 64 * 1024,

	/* Recipients of one transaction: what each server has to take (rfc5321:4.5.3.1.8). */
	SMTP_CLIENT_RCPT_MAX = 100,
	/* Bytes of content waiting in out before no more is taken: a socket buffer or so. */
	SMTP_CLIENT_CONTENT_HIGH = 64 * 1024,
	/* out: the group of MAIL, 100 RCPT with ORCPT and DATA is below 90 KiB (rfc2920). */
	SMTP_CLIENT_OUT_MAX = 128 * 1024,
	/* User name and secret, each: twice what rfc4616:2 asks for. */
	SMTP_CLIENT_AUTH_MAX = 512,
	/* Text of a result: enough for a link and a sentence; goes into journal and DSN. */
	SMTP_CLIENT_TEXT_MAX = 256,
	SMTP_CLIENT_ENHANCED_MAX = 10 /* "5.123.123" and a NUL */
};

/* What the host waits for. Seconds: rfc5321:4.5.3.2 where it has a value. */
#define SMTP_CLIENT_PHASES(P) \
	P(GREETING, 300)   /* :4.5.3.2.1; a busy server may take connections early */ \
	P(EHLO, 300)       /* like MAIL: servers look names up here */ \
	P(STARTTLS, 300)   /* the reply to the command, as for MAIL */ \
	P(TLS, 30)         /* the handshake, on the slowest line that is still used */ \
	P(AUTH, 300)       /* each step, as for MAIL */ \
	P(RSET, 60)        /* nothing to look up */ \
	P(MAIL, 300)       /* :4.5.3.2.2 */ \
	P(RCPT, 300)       /* :4.5.3.2.3; each reply anew */ \
	P(DATA_INIT, 120)  /* :4.5.3.2.4 */ \
	P(DATA_BLOCK, 180) /* :4.5.3.2.5; each time the socket takes bytes anew */ \
	P(DATA_DONE, 600)  /* :4.5.3.2.6; too short a time here makes duplicates */ \
	P(QUIT, 30)        /* nothing depends on the reply */ \
	P(IDLE, 300)       /* how long servers keep a silent client (rfc5321:4.5.3.2.7) */ \
	P(CLOSED, 0)

enum smtp_client_phase {
#define SMTP_CLIENT_PHASE_ENUM(name, seconds) SMTP_CLIENT_##name,
	SMTP_CLIENT_PHASES(SMTP_CLIENT_PHASE_ENUM)
#undef SMTP_CLIENT_PHASE_ENUM
	    SMTP_CLIENT_PHASE__COUNT
};

/* From connect to the end of a transaction, whatever the phases allow: with it a server that
 * answers each of 100 recipients at the last moment ends too. The host's to keep. */
enum { SMTP_CLIENT_TOTAL_SECONDS = 2 * 3600 };

enum smtp_client_event {
	SMTP_CLIENT_EV_NONE, /* more server bytes, or the host's order, are needed */
	/* Idle now; smtp_client_caps() tells what is offered. After the greeting, and after TLS. */
	SMTP_CLIENT_EV_READY,
	/* 220 came: start TLS, then smtp_client_tls_started(). */
	SMTP_CLIENT_EV_STARTTLS,
	/* STARTTLS was refused: idle, still in clear; smtp_client_last() has the reply. */
	SMTP_CLIENT_EV_TLS_REFUSED,
	/* AUTH is over, idle: smtp_client_last() has the outcome. */
	SMTP_CLIENT_EV_AUTH,
	/* 354 came: give the content. */
	SMTP_CLIENT_EV_CONTENT,
	/* The transaction is over: the results of all recipients are final. */
	SMTP_CLIENT_EV_DONE,
	/* Send what is in out, then close; smtp_client_last() tells why. After EV_DONE, if a
	 * transaction was open. */
	SMTP_CLIENT_EV_CLOSED
};

enum smtp_client_class { SMTP_CLIENT_NOT_YET, SMTP_CLIENT_OK, SMTP_CLIENT_TEMP, SMTP_CLIENT_PERM };

enum smtp_client_why {
	SMTP_CLIENT_WHY_REPLY, /* the server said so: code, enhanced and text are its */
	SMTP_CLIENT_WHY_LOCAL, /* decided here: size, 8-bit, an address; enhanced and text ours */
	SMTP_CLIENT_WHY_PROTOCOL,  /* malformed, too long or out of sequence */
	SMTP_CLIENT_WHY_INJECTION, /* bytes between the 220 to STARTTLS and TLS */
	SMTP_CLIENT_WHY_LOST,      /* the connection ended */
	SMTP_CLIENT_WHY_TIMEOUT,
	SMTP_CLIENT_WHY_HOST /* smtp_client_abort() */
};

struct smtp_client_result {
	enum smtp_client_class class;
	enum smtp_client_why why;
	enum smtp_client_phase phase;            /* what was waited for */
	unsigned code;                           /* of the reply; 0: none */
	char enhanced[SMTP_CLIENT_ENHANCED_MAX]; /* of the same class as code; "" when none */
	/* Printable ASCII, '?' for other bytes; lines joined by a space, without codes. */
	char text[SMTP_CLIENT_TEXT_MAX];
};

struct smtp_client_rcpt {
	const char *to;    /* mailbox without angle brackets */
	unsigned notify;   /* enum smtp_notify; 0: not told */
	const char *orcpt; /* "type;xtext", or NULL */
};

/* One transaction. All of it is borrowed until SMTP_CLIENT_EV_DONE. */
struct smtp_client_message {
	const char *from; /* mailbox without angle brackets, "" for the null path */
	const struct smtp_client_rcpt *rcpts;
	size_t nrcpts;
	uint64_t size;     /* octets with CR LF, dots not stuffed; 0: not known, not checked */
	bool body_8bit;    /* bytes >= 0x80 in the content */
	bool smtputf8;     /* needed: in header or addresses */
	enum smtp_ret ret; /* RET, ENVID, NOTIFY and ORCPT go out only where DSN is offered */
	const char *envid; /* xtext, or NULL */
};

/* The one kind of error of the orders below: nothing was done. */
enum smtp_client_error {
	SMTP_CLIENT_ESTATE = -1, /* not idle */
	SMTP_CLIENT_EOFFER = -2, /* the server does not offer it */
	SMTP_CLIENT_EPLAIN = -3, /* a secret never goes out without TLS */
	SMTP_CLIENT_EINVAL = -4  /* an argument above its limit */
};

struct smtp_client;

/* helo: our name (copied). tls: it stands already (port 465). The greeting is awaited. */
struct smtp_client *smtp_client_new(const char *helo, bool tls);
/* Wipes secrets. */
void smtp_client_free(struct smtp_client **c);

/* Returns how many bytes of `in` are done with. What is left is offered again with more behind it;
 * with SMTP_CLIENT_EV_NONE less than SMTP_CLIENT_LINE_MAX bytes are left, or the host has something
 * to do first (TLS). */
size_t smtp_client_step(struct smtp_client *c, struct str in, enum smtp_client_event *ev);

/* Client bytes to be sent: drain what was taken. Holds secrets while SMTP_CLIENT_AUTH. */
struct buf *smtp_client_out(struct smtp_client *c);

/* The deadline of a phase starts again when phase or replies change, and when out became empty. */
enum smtp_client_phase smtp_client_phase(const struct smtp_client *c);
unsigned smtp_client_phase_seconds(enum smtp_client_phase phase);
const char *smtp_client_phase_name(enum smtp_client_phase phase);
/* Whole replies so far: a byte a minute is no progress. */
uint64_t smtp_client_replies(const struct smtp_client *c);

/* Orders, when idle; 0 or an error. Give them after a step returned EV_NONE: a server that talks
 * unasked is found then. */
int smtp_client_starttls(struct smtp_client *c);
/* PLAIN where offered, else LOGIN; only inside TLS. The secret is copied and wiped after use. */
int smtp_client_auth(struct smtp_client *c, const char *user, struct str secret);
/* Opens a transaction, RSET first where the one before failed. More recipients than
 * smtp_client_rcpt_max(): SMTP_CLIENT_EINVAL. MAILMAX used up (rfc9422): SMTP_CLIENT_EOFFER. Size,
 * 8-bit content, SMTPUTF8 and addresses that cannot be sent are PERM without a command; when nobody
 * is left EV_DONE comes from the next step, which needs no input. */
int smtp_client_send(struct smtp_client *c, const struct smtp_client_message *m);
int smtp_client_quit(struct smtp_client *c);

size_t smtp_client_rcpt_max(const struct smtp_client *c);
/* Idle, and MAILMAX leaves room. */
bool smtp_client_may_send(const struct smtp_client *c);

/* TLS stands; `pending` bytes of plain text were still unread: more than 0 ends the dialogue. */
void smtp_client_tls_started(struct smtp_client *c, size_t pending);

/* The engine waits for content (from EV_CONTENT to content_end or the end of the transaction). */
bool smtp_client_wants_content(const struct smtp_client *c);
/*
 * Takes bytes of the next run and returns how many: 0 while out is full. Dots are stuffed
 * (rfc5321:4.5.2). Only CR LF leaves: a CR or LF that stands alone is converted to CR LF, as it would be
 * a line end to some servers and not to others. Lines are not broken, whatever their length.
 * 8-bit bytes that were not announced, to a server without 8BITMIME, end the connection: PERM.
 */
size_t smtp_client_content(struct smtp_client *c, struct str run);
/* No more: a last line without CR LF gets one, and the final dot follows. */
void smtp_client_content_end(struct smtp_client *c);

/* The world's end of it: results are TEMP, the events come from the next step. No effect once
 * closed. abort: the host cannot go on; text: why, in ASCII, for the results. No final dot is
 * sent, so the server drops what it has. After QUIT the end is OK. */
void smtp_client_eof(struct smtp_client *c);
void smtp_client_timeout(struct smtp_client *c);
void smtp_client_abort(struct smtp_client *c, const char *text);

/* Result of recipient i of the last message, until the next smtp_client_send(). */
const struct smtp_client_result *smtp_client_result(const struct smtp_client *c, size_t i);
/* The last reply or failure outside of recipients: greeting, EHLO, STARTTLS, AUTH, close. */
const struct smtp_client_result *smtp_client_last(const struct smtp_client *c);
const struct smtp_client_caps *smtp_client_caps(const struct smtp_client *c);
bool smtp_client_tls(const struct smtp_client *c);

#endif
