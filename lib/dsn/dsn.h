/* SPDX-License-Identifier: ISC */
/*
 * Delivery status notifications (rfc3461, 3462, 3464, 6522, 6533): who gets one, and the message
 * itself. It goes out with the null reverse-path and NOTIFY=NEVER: the caller's business. Nothing
 * that came from outside is trusted: it is cleaned, cut and folded; the output has CRLF line ends
 * only, and no line beyond 998 bytes.
 */
#ifndef POSTERN_DSN_DSN_H
#define POSTERN_DSN_DSN_H

#include "base/buf.h"
#include "base/str.h"
#include "mail/date.h"

enum dsn_kind {
	DSN_FAILED,
	DSN_DELAYED,
	DSN_DELIVERED,
	DSN_RELAYED,  /* to a server that cannot send notifications (rfc3461:5.2.2) */
	DSN_EXPANDED, /* to the members of a list */
};

enum {
	/* Messages up to here are returned whole when RET=FULL asks for it; of larger ones the
	 * header: a user's text is kept, somebody's 30 MB are not sent twice. */
	DSN_FULL_MAX = 262144,
	DSN_HEADER_MAX = 65536,    /* of the returned header; real ones are below 20 KB */
	DSN_RECIPIENTS_MAX = 1000, /* as many as smtpd takes for one message */
	/* A buffer with this limit takes any notification for 1000 recipients. */
	DSN_MESSAGE_MAX = 12582912,
};

enum {
	DSN_ERR_LIMIT = -1, /* out is too small; what stands there is of no use */
	DSN_ERR_INPUT = -2, /* no recipient or too many */
};

struct dsn_recipient {
	struct str address;      /* Final-Recipient, as address_print writes it */
	struct str orcpt;        /* "type;xtext" as it came with RCPT, or empty */
	struct str status;       /* "5.1.1"; what is no such code becomes that of the kind */
	struct str remote_mta;   /* host name, or empty: no other server was involved */
	struct str remote_reply; /* with its code, lines as they came; or empty */
	struct str reason;       /* our own words when there is no reply, or empty */
	int64_t last_attempt;    /* seconds since 1970, 0: none */
	int64_t retry_until;     /* for DSN_DELAYED, 0: unknown */
	struct str written_to;   /* the address the sender wrote to if it leads here, or empty */
};

struct dsn_input {
	enum dsn_kind kind;
	struct str reporting_mta; /* our name */
	struct str from;          /* header From: an address of ours */
	struct str to;            /* the reverse-path */
	struct str message_id;    /* of the notification, without <> */
	struct str envid;         /* xtext as it came, or empty */
	struct mail_time now;     /* its zone is used for all dates */
	int64_t arrival;          /* of the message, 0: unknown */
	uint64_t seed;            /* for the boundary: random, not known outside */
	bool full;                /* RET=FULL */
	bool utf8;                /* the message came with SMTPUTF8 */
	struct str original;      /* the message, or its beginning with the whole header */
	uint64_t original_size;   /* whole size; full needs original.n == original_size */
	const struct dsn_recipient *recipients;
	size_t recipient_count;
};

struct dsn_result {
	bool eightbit; /* to be sent with BODY=8BITMIME */
	bool utf8;     /* to be sent with SMTPUTF8 */
	bool full;     /* the whole message is in it */
};

/*
 * notify: bits of SMTP_NOTIFY_* (smtp/command.h), 0: the parameter did not come. Success is told
 * only when asked for; nobody is told anything when the reverse-path was null (rfc3461:6.1).
 */
bool dsn_wanted(enum dsn_kind kind, unsigned notify, bool null_reverse_path);

/* Appends the notification; 0 or DSN_ERR_*. Recipients of one notification share the kind. */
int dsn_build(const struct dsn_input *in, struct buf *out, struct dsn_result *result);

/* Two sentences for users about an enhanced status code, UTF-8; never NULL. */
void dsn_explain(struct str status, const char **english, const char **german);
/* Whether the text is an enhanced status code (rfc3463:2). */
bool dsn_status_is_valid(struct str status);

#endif
