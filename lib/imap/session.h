/* SPDX-License-Identifier: ISC */
/*
 * An IMAP session after login (rfc3501 with the extensions of capability_table.h): bytes
 * in, bytes out. Pure: the host owns the descriptor and every clock, the store (imap_backend.h)
 * owns the mail.
 *
 * The host's part:
 *     on input, when the peer has taken output, when woken:  why = imap_session_run(s, in);
 *     then send what stands in imap_session_out(s), tell imap_session_sent, and act on `why`.
 *
 * The engine takes no input while an answer is under way, so a host that stops reading when `in` is
 * full has back-pressure both ways.
 */
#ifndef POSTERN_IMAP_SESSION_H
#define POSTERN_IMAP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "imap/imap_backend.h"

struct imap_session;

struct imap_session_config {
	const struct imap_backend_ops *ops;
	void *backend;
	/* Run the session soon (not from inside of this call): an operation has ended, or an idling
	 * client is to be told something. May be called more than once before the run. */
	void (*wake)(void *arg);
	void *wake_arg;
	/* Capabilities this account must not see, separated by spaces (a work-around for broken
	 * clients); unknown names are passed over. */
	struct str hidden_capabilities;
};

/* What the engine waits for; the host calls imap_session_run again when it is there. */
enum imap_run {
	IMAP_RUN_INPUT,   /* more bytes from the client */
	IMAP_RUN_OUTPUT,  /* the client must take output first */
	IMAP_RUN_BACKEND, /* an operation: wake() comes */
	IMAP_RUN_AGAIN,   /* nothing: others' turn first, then go on at once */
	IMAP_RUN_CLOSE,   /* send what is in out, then close */
};

/* Hostile or not, a session needs no more than this of its host: `in` should hold at least 4 KiB.
 */
struct imap_session *imap_session_new(const struct imap_session_config *config);
/* Tells the store that the session is gone; an APPEND under way is aborted. */
void imap_session_free(struct imap_session **s);

/* Writes the tagged OK of the login that led here (with the capabilities); call once, first. */
void imap_session_welcome(struct imap_session *s, struct str tag);

/* Takes from `in` what it can use and appends to the output. */
enum imap_run imap_session_run(struct imap_session *s, struct buf *in);

/* Pending output, at most IMAP_OUT_MAX bytes. */
struct buf *imap_session_out(struct imap_session *s);
/* The first n bytes of the output have been sent: drains them and gives the memory back when
 * nothing is left, so that an idle session holds none. */
void imap_session_sent(struct imap_session *s, size_t n);

/* The host ends the session: "* BYE text"; the next run returns IMAP_RUN_CLOSE. For idle time-outs
 * ("Idle for too long") and orderly stops. Inside of a literal nothing is written. */
void imap_session_bye(struct imap_session *s, const char *text);

/* True while the client idles or has no command under way: the host's inactivity time (at least
 * 30 minutes, rfc3501:5.4) counts then; otherwise a shorter one may. */
bool imap_session_is_idle(const struct imap_session *s);

#endif
