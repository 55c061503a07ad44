/* SPDX-License-Identifier: ISC */
/* The trace header that is put before a received message (rfc5321:4.4). */
#ifndef POSTERN_SMTP_RECEIVED_H
#define POSTERN_SMTP_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* All strings are borrowed; what a peer may have chosen is written escaped in any case. */
struct smtp_received {
	/* NULL ip: where it came from is not told (helo and rdns may be NULL then, too). */
	const char *ip;   /* "192.0.2.1" or "2001:db8::1" */
	const char *helo; /* as the engine gives it */
	const char *rdns; /* forward-confirmed name of the client, "" when there is none */
	const char *by;   /* our host name */
	bool esmtp, smtputf8, authenticated;
	const char *tls; /* "TLSv1.3 TLS_AES_256_GCM_SHA384", "" without TLS */
	const char *id;
	const char *only_rcpt; /* the recipient when there is exactly one, else NULL: with several
				* it would tell each of the others (rfc5321:7.6) */
	int64_t time;          /* seconds since 1970 */
};

enum {
	/* Lines are folded before they pass this (rfc5322:2.1.1), as far as words allow. */
	SMTP_RECEIVED_FOLD = 78,
	/* No header built here is longer: two host names, one address, the fixed words. */
	SMTP_RECEIVED_MAX = 2048
};

/* Appends the field with its CR LF. 0 or BUF_LIMIT. */
int smtp_received_print(struct buf *out, const struct smtp_received *r);

#endif
