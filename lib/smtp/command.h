/* SPDX-License-Identifier: ISC */
/* Command lines of SMTP: verbs and their arguments. Nothing here knows the state of a session. */
#ifndef POSTERN_SMTP_COMMAND_H
#define POSTERN_SMTP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "mail/address.h"
#include "smtp/limits.h"
#include "smtp/reply.h"

/* verb, longest line with its CR LF */
#define SMTP_VERBS(V) \
	V(EHLO, SMTP_LINE_MAX) \
	V(MAIL, SMTP_LINE_MAIL_MAX) \
	V(RCPT, SMTP_LINE_RCPT_MAX) \
	V(DATA, SMTP_LINE_MAX) \
	V(QUIT, SMTP_LINE_MAX) \
	V(HELO, SMTP_LINE_MAX) \
	V(STARTTLS, SMTP_LINE_MAX) \
	V(RSET, SMTP_LINE_MAX) \
	V(NOOP, SMTP_LINE_MAX) \
	V(BDAT, SMTP_LINE_MAX) \
	V(VRFY, SMTP_LINE_MAX) \
	V(EXPN, SMTP_LINE_MAX) \
	V(ETRN, SMTP_LINE_MAX) \
	V(AUTH, SMTP_LINE_AUTH_MAX) \
	V(HELP, SMTP_LINE_MAX) \
	V(XCLIENT, SMTP_LINE_XCLIENT_MAX)

enum smtp_verb {
#define SMTP_VERB_ENUM(verb, line_max) SMTP_VERB_##verb,
	SMTP_VERBS(SMTP_VERB_ENUM)
#undef SMTP_VERB_ENUM
	    SMTP_VERB_UNKNOWN,
	SMTP_VERB_FOREIGN, /* the first word of another protocol: HTTP, SSH, PROXY */
	SMTP_VERB__COUNT
};

struct smtp_command {
	enum smtp_verb verb;
	struct str args; /* without spaces around it */
	size_t line_max; /* with CR LF */
};

/* line: without its CR LF. Never fails: what is no verb is SMTP_VERB_UNKNOWN. */
void smtp_command_parse(struct str line, struct smtp_command *out);

enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
enum smtp_notify { /* bits; 0: the parameter did not come */
	SMTP_NOTIFY_NEVER = 1,
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8
};

struct smtp_mail {
	struct address from; /* null path: a bounce */
	uint64_t size;       /* 0: not told; UINT64_MAX: told, but too large for a number */
	bool body_8bit, smtputf8;
	bool auth; /* AUTH= came (rfc4954:5); who is meant by it is not trusted */
	enum smtp_ret ret;
	char envid[SMTP_ENVID_MAX + 1]; /* as sent: xtext; "" when none */
};

struct smtp_rcpt {
	struct address to; /* domain_n == 0: postmaster */
	unsigned notify;
	char orcpt[SMTP_ORCPT_MAX + 1]; /* "type;xtext" as sent; "" when none */
};

/*
 * Arguments of MAIL (rfc5321:4.1.1.2) and RCPT (rfc5321:4.1.1.3) with the parameters of SIZE,
 * 8BITMIME, SMTPUTF8 and DSN. 1; or -1 and *why is the refusal. utf8: MAIL had SMTPUTF8.
 */
int smtp_mail_parse(struct str args, struct smtp_mail *out, enum smtp_reply_id *why);
int smtp_rcpt_parse(struct str args, bool utf8, struct smtp_rcpt *out, enum smtp_reply_id *why);

/* HELO/EHLO: a domain or an address literal (rfc5321:4.1.1.1), in normal form into out
 * (SMTP_HELO_MAX + 1 bytes). The length or -1. */
int smtp_helo_parse(struct str args, char *out);

/* BDAT (rfc3030:2). 1, or -1: syntax. A size that is no 64-bit number is UINT64_MAX. */
int smtp_bdat_parse(struct str args, uint64_t *size, bool *last);

/* Postfix's XCLIENT: which attributes came, and whether with a value. */
enum smtp_xclient_state { SMTP_X_ABSENT, SMTP_X_UNAVAILABLE, SMTP_X_TEMPUNAVAIL, SMTP_X_SET };
enum smtp_xclient_name {
	SMTP_X_NAME,
	SMTP_X_ADDR, /* decoded: "192.0.2.1" or "2001:db8::1", checked */
	SMTP_X_PORT,
	SMTP_X_PROTO, /* "SMTP" or "ESMTP", checked */
	SMTP_X_HELO,
	SMTP_X_REVERSE_NAME,
	SMTP_X_LOGIN,    /* who logged in at the proxy: printable ASCII; of no weight here */
	SMTP_X_DESTADDR, /* ours, as the client saw it; as ADDR */
	SMTP_X_DESTPORT,
	SMTP_X__COUNT
};
struct smtp_xclient {
	struct {
		enum smtp_xclient_state state;
		char value[SMTP_HELO_MAX + 1];
	} attr[SMTP_X__COUNT];
};
/* 1, or -1: syntax. Host names are checked to be domains or literals. */
int smtp_xclient_parse(struct str args, struct smtp_xclient *out);

#endif
