/* SPDX-License-Identifier: ISC */
/*
 * IMAP before login (rfc3501:3.1): greeting, CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, LOGIN,
 * AUTHENTICATE PLAIN, LOGIN, SCRAM-SHA-256 and -PLUS with initial response (rfc4959). Bytes in, bytes and events out;
 * the limits stand in limits.h.
 *
 * The host's part: on input and after each answer to an event, call imap_prelogin_run() until it
 * returns IMAP_PRE_INPUT, IMAP_PRE_WAIT or IMAP_PRE_CLOSE; send what stands in `out`.
 */
#ifndef POSTERN_IMAP_PRELOGIN_H
#define POSTERN_IMAP_PRELOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "imap/limits.h"

struct imap_prelogin;

enum imap_pre_event {
	IMAP_PRE_INPUT,         /* wants more bytes */
	IMAP_PRE_OUTPUT,        /* wants room in out: run again when the client has taken some */
	IMAP_PRE_WAIT,          /* an authentication is under way: answer it */
	IMAP_PRE_STARTTLS,      /* send out, then handshake, then imap_prelogin_tls_on() */
	IMAP_PRE_AUTH_START,    /* see imap_prelogin_auth(): mechanism, initial response */
	IMAP_PRE_AUTH_CONTINUE, /* see imap_prelogin_auth(): response */
	IMAP_PRE_AUTH_CANCEL,   /* the client gave up ("*") or sent rubbish: forget the exchange;
				   the tagged reply is written, nothing is to be answered */
	IMAP_PRE_CLOSE,         /* send out, then close */
};

/* Facts of the exchange under way; borrowed until the next call. Holds secrets. */
struct imap_pre_auth {
	struct str mechanism; /* one that was announced; "PLAIN" for the command LOGIN */
	bool has_initial;     /* at start: an initial response is there (it may be empty) */
	struct str data;      /* raw SASL bytes: initial response, or response */
};

enum imap_pre_refusal {
	IMAP_PRE_BAD_CREDENTIALS, /* NO [AUTHENTICATIONFAILED] */
	IMAP_PRE_UNAVAILABLE,     /* NO [UNAVAILABLE]: our trouble, not counted as a failure */
	IMAP_PRE_DISABLED,        /* NO [CONTACTADMIN]: the account is suspended */
	IMAP_PRE_TOO_MANY,        /* NO [LIMIT]: too many sessions of this user */
};

/* tls: the connection is in TLS already. tls_offered: STARTTLS is possible. */
struct imap_prelogin *imap_prelogin_new(bool tls, bool tls_offered);
/* Wipes what is secret. */
void imap_prelogin_free(struct imap_prelogin **p);
/* Writes the greeting; once, first. out should be initialised with IMAP_PRELOGIN_OUT_MAX. */
void imap_prelogin_greet(struct imap_prelogin *p, struct buf *out);
/* Takes from in what it can use (at most up to the end of the login command). in should hold at
 * least 4 KiB. After IMAP_PRE_CLOSE only free is legal. */
enum imap_pre_event imap_prelogin_run(struct imap_prelogin *p, struct buf *in, struct buf *out);

/* The handshake after IMAP_PRE_STARTTLS is complete; everything known before is forgotten. */
void imap_prelogin_tls_on(struct imap_prelogin *p);

/* The TLS session has channel bindings: SCRAM-SHA-256-PLUS is announced, too. */
void imap_prelogin_bound(struct imap_prelogin *p);

/* --- after IMAP_PRE_AUTH_START and IMAP_PRE_AUTH_CONTINUE: exactly one of these answers it --- */
void imap_prelogin_auth(const struct imap_prelogin *p, struct imap_pre_auth *auth);
/* A challenge for the client (may be empty). A LOGIN command cannot go on: it is refused, and
 * the next run returns IMAP_PRE_AUTH_CANCEL. */
void imap_prelogin_auth_challenge(struct imap_prelogin *p, struct str challenge, struct buf *out);
void imap_prelogin_auth_refused(
    struct imap_prelogin *p, enum imap_pre_refusal why, struct buf *out);
/*
 * Logged in: nothing is written, the mailbox process writes the tagged OK. The tag to hand over
 * (borrowed until free); the input to hand over is what `in` still holds. Only free is legal then.
 */
struct str imap_prelogin_auth_ok(struct imap_prelogin *p);

/* The host ends the session: "* BYE text". */
void imap_prelogin_bye(struct imap_prelogin *p, const char *text, struct buf *out);

#endif
