/* SPDX-License-Identifier: ISC */
/* The commands, one function each. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "smtp/session_priv.h"

typedef void command_fn(struct smtp_session *s, struct str args, struct smtp_event *ev);

static void
hello(struct smtp_session *s, struct str args, struct smtp_event *ev, bool esmtp)
{
	char name[SMTP_HELO_MAX + 1];

	if (smtp_helo_parse(args, name) < 0) {
		smtp_bad(s, SMTP_BAD_HELO);
		return;
	}
	if (!smtp_junk(s))
		return;
	smtp_reset(s);
	memcpy(s->helo, name, sizeof(name));
	s->hello = true;
	s->esmtp = esmtp;
	smtp_ask(s, ev, SMTP_EV_HELLO);
}

static void
cmd_helo(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	hello(s, args, ev, false);
}

static void
cmd_ehlo(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	hello(s, args, ev, true);
}

static void
cmd_mail(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	enum smtp_reply_id why;

	if (!s->hello || s->in_mail) {
		smtp_bad(s, SMTP_BAD_SEQUENCE);
	} else if (s->policy->tls_required && !s->tls) {
		smtp_bad(s, SMTP_TLS_REQUIRED);
	} else if (s->policy->auth && !s->authenticated) {
		smtp_bad(s, SMTP_AUTH_REQUIRED);
	} else if (smtp_mail_parse(args, &s->mail, &why) < 0 ||
		   (why = SMTP_BAD_PARAMETER, s->mail.auth && !s->policy->auth)) {
		smtp_bad(s, why);
		smtp_tell(ev, SMTP_EV_REFUSED, why);
	} else if (s->mail.size > s->policy->max_size) { /* rfc1870:6.1 */
		if (smtp_junk(s))
			smtp_say(s, SMTP_TOO_BIG, NULL);
		smtp_tell(ev, SMTP_EV_REFUSED, SMTP_TOO_BIG);
	} else {
		ev->mail = &s->mail;
		smtp_ask(s, ev, SMTP_EV_MAIL);
	}
}

static void
cmd_rcpt(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	enum smtp_reply_id why;

	if (!s->in_mail || s->in_bdat) {
		smtp_bad(s, SMTP_BAD_SEQUENCE);
	} else if (s->rcpts >= s->policy->max_recipients) { /* rfc5321:4.5.3.1.10 */
		if (++s->rcpts_over > SMTP_RCPT_OVER_MAX)
			smtp_close_with(s, SMTP_TOO_MANY_COMMANDS, SMTP_CLOSE_ERRORS);
		else
			smtp_say(s, SMTP_TOO_MANY_RECIPIENTS, NULL);
		if (s->rcpts_over == 1) /* once for the log */
			smtp_tell(ev, SMTP_EV_REFUSED, SMTP_TOO_MANY_RECIPIENTS);
	} else if (smtp_rcpt_parse(args, s->mail.smtputf8, &s->rcpt, &why) < 0) {
		smtp_bad(s, why);
		smtp_tell(ev, SMTP_EV_REFUSED, why);
	} else {
		ev->rcpt = &s->rcpt;
		smtp_ask(s, ev, SMTP_EV_RCPT);
	}
}

static void
cmd_data(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	if (args.n > 0) {
		smtp_bad(s, SMTP_BAD_SYNTAX);
	} else if (!s->in_mail || s->in_bdat) {
		smtp_bad(s, SMTP_BAD_SEQUENCE);
	} else if (s->rcpts == 0) {
		if (smtp_junk(s))
			smtp_say(s, SMTP_NO_RECIPIENTS, NULL);
	} else if (s->policy->strict_data && s->behind > 0) { /* rfc2920:3.1 forbids it, too */
		smtp_close_with(s, SMTP_EARLY_DATA, SMTP_CLOSE_EARLY);
	} else {
		smtp_ask(s, ev, SMTP_EV_DATA);
	}
}

/* The bytes of the chunk come without being asked for, so they are read in any case. */
static void
cmd_bdat(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	uint64_t limit = s->policy->max_size + SMTP_OVERSIZE_DRAIN;

	if (!s->policy->chunking) {
		smtp_bad(s, SMTP_NOT_IMPLEMENTED);
		return;
	}
	if (smtp_bdat_parse(args, &s->chunk_left, &s->last_chunk) < 0) {
		smtp_close_with(s, SMTP_BAD_SYNTAX, SMTP_CLOSE_SYNTAX);
		return;
	}
	if (s->chunk_left > limit || (s->in_bdat && s->chunk_left > limit - s->content.size)) {
		smtp_close_with(s, SMTP_TOO_BIG, SMTP_CLOSE_OVERSIZE);
		return;
	}
	if (++s->chunks > SMTP_CHUNKS_MAX) {
		smtp_close_with(s, SMTP_TOO_MANY_COMMANDS, SMTP_CLOSE_ERRORS);
	} else if (!s->in_mail || s->rcpts == 0) {
		smtp_discard(s, s->in_mail ? SMTP_NO_RECIPIENTS : SMTP_BAD_SEQUENCE, NULL);
	} else if (s->in_bdat) {
		s->state = ST_CHUNK;
	} else {
		s->in_bdat = true;
		smtp_ask(s, ev, SMTP_EV_DATA);
	}
}

static void
cmd_rset(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	if (args.n > 0) {
		smtp_bad(s, SMTP_BAD_SYNTAX);
		return;
	}
	if (!smtp_junk(s))
		return;
	if (s->in_mail)
		smtp_tell(ev, SMTP_EV_RESET, SMTP_OK);
	smtp_reset(s);
	smtp_say(s, SMTP_OK, NULL);
}

static void
useless(struct smtp_session *s, enum smtp_reply_id id)
{
	if (smtp_junk(s))
		smtp_say(s, id, NULL);
}

static void
cmd_noop(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	useless(s, SMTP_OK);
}

static void
cmd_vrfy(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)ev;
	if (args.n == 0)
		smtp_bad(s, SMTP_BAD_SYNTAX);
	else
		useless(s, SMTP_CANNOT_VRFY); /* rfc5321:3.5.3, 7.3 */
}

static void
cmd_help(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	useless(s, SMTP_HELP);
}

static void
cmd_unoffered(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	smtp_bad(s, SMTP_NOT_IMPLEMENTED);
}

static void
cmd_quit(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)ev;
	if (args.n > 0)
		smtp_bad(s, SMTP_BAD_SYNTAX);
	else
		smtp_close_with(s, SMTP_BYE, SMTP_CLOSE_QUIT);
}

static void
cmd_starttls(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	if (args.n > 0)
		smtp_bad(s, SMTP_BAD_SYNTAX);
	else if (s->tls || s->in_mail)
		smtp_bad(s, SMTP_BAD_SEQUENCE);
	else if (!s->tls_offered) /* the keys are away (rfc3207:4) */
		smtp_bad(s, SMTP_TLS_UNAVAILABLE);
	else if (s->behind > 0) /* would be taken for something said inside TLS */
		smtp_close_with(s, SMTP_TLS_INJECTION, SMTP_CLOSE_INJECTION);
	else
		smtp_ask(s, ev, SMTP_EV_STARTTLS);
}

static void
cmd_xclient(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	if (!s->xclient_allowed) {
		smtp_bad(s, SMTP_XCLIENT_DENIED);
		return;
	}
	if (s->in_mail) {
		smtp_bad(s, SMTP_BAD_SEQUENCE);
		return;
	}
	s->xclient = xcalloc(1, sizeof(*s->xclient));
	if (smtp_xclient_parse(args, s->xclient) < 0) {
		free(s->xclient);
		s->xclient = NULL;
		smtp_bad(s, SMTP_BAD_SYNTAX);
		return;
	}
	ev->xclient = s->xclient;
	smtp_ask(s, ev, SMTP_EV_XCLIENT);
}

static void
cmd_unknown(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	smtp_bad(s, SMTP_BAD_COMMAND);
}

static void
cmd_foreign(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	smtp_close_with(s, SMTP_NOT_SMTP, SMTP_CLOSE_FOREIGN);
}

static command_fn *const commands[SMTP_VERB__COUNT] = {
	[SMTP_VERB_EHLO] = cmd_ehlo,
	[SMTP_VERB_MAIL] = cmd_mail,
	[SMTP_VERB_RCPT] = cmd_rcpt,
	[SMTP_VERB_DATA] = cmd_data,
	[SMTP_VERB_QUIT] = cmd_quit,
	[SMTP_VERB_HELO] = cmd_helo,
	[SMTP_VERB_STARTTLS] = cmd_starttls,
	[SMTP_VERB_RSET] = cmd_rset,
	[SMTP_VERB_NOOP] = cmd_noop,
	[SMTP_VERB_BDAT] = cmd_bdat,
	[SMTP_VERB_VRFY] = cmd_vrfy,
	[SMTP_VERB_EXPN] = cmd_unoffered,
	[SMTP_VERB_ETRN] = cmd_unoffered,
	[SMTP_VERB_AUTH] = smtp_auth_command,
	[SMTP_VERB_HELP] = cmd_help,
	[SMTP_VERB_XCLIENT] = cmd_xclient,
	[SMTP_VERB_UNKNOWN] = cmd_unknown,
	[SMTP_VERB_FOREIGN] = cmd_foreign,
};

void
smtp_command_run(struct smtp_session *s, const struct smtp_command *cmd, struct smtp_event *ev)
{
	commands[cmd->verb](s, cmd->args, ev);
}
