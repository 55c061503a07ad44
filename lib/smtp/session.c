/* SPDX-License-Identifier: ISC */
#include "smtp/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "smtp/content.h"

enum state {
	ST_START,   /* not greeted */
	ST_COMMAND, /* a command line is expected */
	ST_WAIT,    /* the host owes an answer to `asked` */
	ST_DATA,
	ST_CHUNK,   /* inside a BDAT chunk */
	ST_DISCARD, /* inside a chunk that is refused: `verdict` follows its last byte */
	ST_TLS,     /* 220 to STARTTLS was given */
	ST_CLOSING, /* SMTP_EV_CLOSE is due */
	ST_CLOSED
};

struct smtp_session {
	const struct smtp_policy *policy;
	enum state state;
	enum smtp_event_type asked;
	struct buf out;

	bool tls_offered, xclient_allowed;
	bool tls, hello, esmtp;
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
	enum smtp_reply_id verdict;
	enum smtp_close close;
	struct smtp_content content;
	struct smtp_mail mail;
	struct smtp_rcpt rcpt;
	struct smtp_xclient *xclient; /* while asked */
	char helo[SMTP_HELO_MAX + 1];
};

struct smtp_session *
smtp_session_new(const struct smtp_policy *policy)
{
	struct smtp_session *s = xcalloc(1, sizeof(*s));

	assert(policy->max_recipients > 0 && policy->max_recipients <= SMTP_RCPT_MAX);
	s->policy = policy;
	buf_init(&s->out, SMTP_OUT_MAX);
	return s;
}

void
smtp_session_free(struct smtp_session **s)
{
	if (*s == NULL)
		return;
	buf_free(&(*s)->out);
	free((*s)->xclient);
	free(*s);
	*s = NULL;
}

void
smtp_session_offer_tls(struct smtp_session *s, bool offer)
{
	s->tls_offered = offer;
}

void
smtp_session_allow_xclient(struct smtp_session *s, bool allow)
{
	s->xclient_allowed = allow;
}

bool
smtp_session_waiting(const struct smtp_session *s)
{
	return s->state == ST_WAIT;
}

bool
smtp_session_closed(const struct smtp_session *s)
{
	return s->state == ST_CLOSED;
}

bool
smtp_session_in_content(const struct smtp_session *s)
{
	return s->state == ST_DATA || s->state == ST_CHUNK || s->state == ST_DISCARD;
}

struct buf *
smtp_session_out(struct smtp_session *s)
{
	return &s->out;
}

const struct smtp_mail *
smtp_session_mail(const struct smtp_session *s)
{
	return &s->mail;
}

struct smtp_facts
smtp_session_facts(const struct smtp_session *s)
{
	return (struct smtp_facts){.helo = s->helo,
	    .esmtp = s->esmtp,
	    .tls = s->tls,
	    .early_bytes = s->early,
	    .messages = s->messages,
	    .bad_commands = s->bad,
	    .refused_rcpts = s->rcpts_refused};
}

/* --- replies and ends ---------------------------------------------------------------------------
 */

/* A host that does not send loses replies, not memory; the session ends then. */
static void
reply(struct smtp_session *s, enum smtp_reply_id id, const char *arg)
{
	if (smtp_reply_print(&s->out, id, arg) != 0) {
		s->state = ST_CLOSING;
		s->close = SMTP_CLOSE_ERRORS;
	}
}

static void
close_with(struct smtp_session *s, enum smtp_reply_id id, enum smtp_close why)
{
	reply(s, id, NULL);
	s->verdict = id;
	s->close = why;
	s->state = ST_CLOSING;
}

static void
reset_transaction(struct smtp_session *s)
{
	s->in_mail = s->in_bdat = false;
	s->rcpts = s->rcpts_over = s->chunks = 0;
}

/* A wrong command: its reply, or the last one when there were too many. */
static void
bad(struct smtp_session *s, enum smtp_reply_id id)
{
	unsigned most = s->policy->max_errors != 0 ? s->policy->max_errors : SMTP_BAD_MAX;

	if (++s->bad > most)
		close_with(s, SMTP_TOO_MANY_ERRORS, SMTP_CLOSE_ERRORS);
	else
		reply(s, id, NULL);
}

/* A command that leads nowhere: false, and the session ends, when there were too many. */
static bool
junk(struct smtp_session *s)
{
	if (++s->junk <= SMTP_JUNK_MAX)
		return true;
	close_with(s, SMTP_TOO_MANY_COMMANDS, SMTP_CLOSE_ERRORS);
	return false;
}

static void
ask(struct smtp_session *s, struct smtp_event *ev, enum smtp_event_type type)
{
	s->state = ST_WAIT;
	s->asked = ev->type = type;
}

static void
tell(struct smtp_event *ev, enum smtp_event_type type, enum smtp_reply_id id)
{
	ev->type = type;
	ev->reply = id;
}

void
smtp_session_greet(struct smtp_session *s)
{
	assert(s->state == ST_START);
	s->state = ST_COMMAND;
	reply(s, SMTP_GREETING, s->policy->hostname);
}

void
smtp_session_shutdown(struct smtp_session *s, enum smtp_reply_id id)
{
	if (s->state == ST_CLOSED)
		return;
	smtp_reply_print(&s->out, id, NULL);
	s->state = ST_CLOSED;
}

/* --- commands -----------------------------------------------------------------------------------
 */

typedef void command_fn(struct smtp_session *s, struct str args, struct smtp_event *ev);

static void
hello(struct smtp_session *s, struct str args, struct smtp_event *ev, bool esmtp)
{
	char name[SMTP_HELO_MAX + 1];

	if (smtp_helo_parse(args, name) < 0) {
		bad(s, SMTP_BAD_HELO);
		return;
	}
	if (!junk(s))
		return;
	reset_transaction(s);
	memcpy(s->helo, name, sizeof(name));
	s->hello = true;
	s->esmtp = esmtp;
	ask(s, ev, SMTP_EV_HELLO);
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
		bad(s, SMTP_BAD_SEQUENCE);
	} else if (s->policy->tls_required && !s->tls) {
		bad(s, SMTP_TLS_REQUIRED);
	} else if (smtp_mail_parse(args, &s->mail, &why) < 0) {
		bad(s, why);
		tell(ev, SMTP_EV_REFUSED, why);
	} else if (s->mail.size > s->policy->max_size) { /* rfc1870:6.1 */
		if (junk(s))
			reply(s, SMTP_TOO_BIG, NULL);
		tell(ev, SMTP_EV_REFUSED, SMTP_TOO_BIG);
	} else {
		ev->mail = &s->mail;
		ask(s, ev, SMTP_EV_MAIL);
	}
}

static void
cmd_rcpt(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	enum smtp_reply_id why;

	if (!s->in_mail || s->in_bdat) {
		bad(s, SMTP_BAD_SEQUENCE);
	} else if (s->rcpts >= s->policy->max_recipients) { /* rfc5321:4.5.3.1.10 */
		if (++s->rcpts_over > SMTP_RCPT_OVER_MAX)
			close_with(s, SMTP_TOO_MANY_COMMANDS, SMTP_CLOSE_ERRORS);
		else
			reply(s, SMTP_TOO_MANY_RECIPIENTS, NULL);
		if (s->rcpts_over == 1) /* once for the log */
			tell(ev, SMTP_EV_REFUSED, SMTP_TOO_MANY_RECIPIENTS);
	} else if (smtp_rcpt_parse(args, s->mail.smtputf8, &s->rcpt, &why) < 0) {
		bad(s, why);
		tell(ev, SMTP_EV_REFUSED, why);
	} else {
		ev->rcpt = &s->rcpt;
		ask(s, ev, SMTP_EV_RCPT);
	}
}

static void
cmd_data(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	if (args.n > 0) {
		bad(s, SMTP_BAD_SYNTAX);
	} else if (!s->in_mail || s->in_bdat) {
		bad(s, SMTP_BAD_SEQUENCE);
	} else if (s->rcpts == 0) {
		if (junk(s))
			reply(s, SMTP_NO_RECIPIENTS, NULL);
	} else if (s->policy->strict_data && s->behind > 0) { /* rfc2920:3.1 forbids it, too */
		close_with(s, SMTP_EARLY_DATA, SMTP_CLOSE_EARLY);
	} else {
		ask(s, ev, SMTP_EV_DATA);
	}
}

/* The bytes of the chunk come without being asked for, so they are read in any case. */
static void
cmd_bdat(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	uint64_t limit = s->policy->max_size + SMTP_OVERSIZE_DRAIN;

	if (!s->policy->chunking) {
		bad(s, SMTP_NOT_IMPLEMENTED);
		return;
	}
	if (smtp_bdat_parse(args, &s->chunk_left, &s->last_chunk) < 0) {
		close_with(s, SMTP_BAD_SYNTAX, SMTP_CLOSE_SYNTAX);
		return;
	}
	if (s->chunk_left > limit || (s->in_bdat && s->chunk_left > limit - s->content.size)) {
		close_with(s, SMTP_TOO_BIG, SMTP_CLOSE_OVERSIZE);
		return;
	}
	if (++s->chunks > SMTP_CHUNKS_MAX) {
		close_with(s, SMTP_TOO_MANY_COMMANDS, SMTP_CLOSE_ERRORS);
	} else if (!s->in_mail || s->rcpts == 0) {
		s->verdict = s->in_mail ? SMTP_NO_RECIPIENTS : SMTP_BAD_SEQUENCE;
		s->state = ST_DISCARD;
	} else if (s->in_bdat) {
		s->state = ST_CHUNK;
	} else {
		s->in_bdat = true;
		ask(s, ev, SMTP_EV_DATA);
	}
}

static void
cmd_rset(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	if (args.n > 0) {
		bad(s, SMTP_BAD_SYNTAX);
		return;
	}
	if (!junk(s))
		return;
	if (s->in_mail)
		tell(ev, SMTP_EV_RESET, SMTP_OK);
	reset_transaction(s);
	reply(s, SMTP_OK, NULL);
}

static void
say(struct smtp_session *s, enum smtp_reply_id id)
{
	if (junk(s))
		reply(s, id, NULL);
}

static void
cmd_noop(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	say(s, SMTP_OK);
}

static void
cmd_vrfy(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)ev;
	if (args.n == 0)
		bad(s, SMTP_BAD_SYNTAX);
	else
		say(s, SMTP_CANNOT_VRFY); /* rfc5321:3.5.3, 7.3 */
}

static void
cmd_help(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	say(s, SMTP_HELP);
}

static void
cmd_unoffered(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	bad(s, SMTP_NOT_IMPLEMENTED);
}

static void
cmd_quit(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)ev;
	if (args.n > 0)
		bad(s, SMTP_BAD_SYNTAX);
	else
		close_with(s, SMTP_BYE, SMTP_CLOSE_QUIT);
}

static void
cmd_starttls(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	if (!s->tls_offered)
		bad(s, SMTP_NOT_IMPLEMENTED);
	else if (args.n > 0)
		bad(s, SMTP_BAD_SYNTAX);
	else if (s->tls || s->in_mail)
		bad(s, SMTP_BAD_SEQUENCE);
	else if (s->behind > 0) /* would be taken for something said inside TLS */
		close_with(s, SMTP_TLS_INJECTION, SMTP_CLOSE_INJECTION);
	else
		ask(s, ev, SMTP_EV_STARTTLS);
}

static void
cmd_xclient(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	if (!s->xclient_allowed) {
		bad(s, SMTP_XCLIENT_DENIED);
		return;
	}
	if (s->in_mail) {
		bad(s, SMTP_BAD_SEQUENCE);
		return;
	}
	s->xclient = xcalloc(1, sizeof(*s->xclient));
	if (smtp_xclient_parse(args, s->xclient) < 0) {
		free(s->xclient);
		s->xclient = NULL;
		bad(s, SMTP_BAD_SYNTAX);
		return;
	}
	ev->xclient = s->xclient;
	ask(s, ev, SMTP_EV_XCLIENT);
}

static void
cmd_unknown(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	bad(s, SMTP_BAD_COMMAND);
}

static void
cmd_foreign(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	(void)args;
	(void)ev;
	close_with(s, SMTP_NOT_SMTP, SMTP_CLOSE_FOREIGN);
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
    [SMTP_VERB_AUTH] = cmd_unoffered,
    [SMTP_VERB_HELP] = cmd_help,
    [SMTP_VERB_XCLIENT] = cmd_xclient,
    [SMTP_VERB_UNKNOWN] = cmd_unknown,
    [SMTP_VERB_FOREIGN] = cmd_foreign,
};

/* --- input --------------------------------------------------------------------------------------
 */

/* What stands in a line that may not: SMTP_OK when nothing does. */
static enum smtp_reply_id
check_line(struct str line)
{
	enum smtp_reply_id found = SMTP_OK;

	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (c == '\r')
			return SMTP_BARE_NEWLINE;
		if ((c < ' ' && c != '\t') || c == 0x7f)
			found = SMTP_BAD_CHARACTER;
	}
	return found;
}

/* `behind` bytes wait behind a command that has no reply yet: counts each of them once. */
static void
count_early(struct smtp_session *s, size_t behind)
{
	s->behind = behind;
	if (s->policy->pipelining)
		return;
	if (behind > s->early_seen) {
		s->early += behind - s->early_seen;
		s->early_seen = behind;
	}
}

static void
run_line(struct smtp_session *s, struct str line, struct smtp_event *ev)
{
	enum smtp_reply_id fault;
	struct smtp_command cmd;

	s->before_rcpt += line.n + 2;
	s->commands++;
	if (s->before_rcpt > SMTP_BEFORE_RCPT_MAX ||
	    (s->policy->max_commands != 0 && s->commands > s->policy->max_commands)) {
		close_with(s, SMTP_TOO_MANY_COMMANDS, SMTP_CLOSE_ERRORS);
		return;
	}
	if ((fault = check_line(line)) == SMTP_BARE_NEWLINE) {
		close_with(s, fault, SMTP_CLOSE_SYNTAX);
		return;
	}
	smtp_command_parse(line, &cmd);
	if (fault != SMTP_OK)
		bad(s, fault);
	else if (line.n + 2 > cmd.line_max)
		bad(s, SMTP_LINE_TOO_LONG);
	else
		commands[cmd.verb](s, cmd.args, ev);
}

static size_t
step_command(struct smtp_session *s, struct str in, struct smtp_event *ev)
{
	const char *lf;
	size_t n;

	if (in.n == 0)
		return 0;
	if (!s->spoke && in.p[0] == 0x16) { /* a TLS ClientHello, which may never have a line end */
		close_with(s, SMTP_NOT_SMTP, SMTP_CLOSE_FOREIGN);
		return in.n;
	}
	lf = memchr(in.p + s->scanned, '\n', in.n - s->scanned);
	n = lf != NULL ? (size_t)(lf - in.p) + 1 : in.n;
	if (n > SMTP_LINE_HARD_MAX) {
		close_with(s, SMTP_LINE_TOO_LONG, SMTP_CLOSE_SYNTAX);
		return n;
	}
	if (lf == NULL) {
		s->scanned = n;
		return 0;
	}
	s->scanned = 0;
	s->spoke = true;
	count_early(s, in.n - n);
	if (n < 2 || in.p[n - 2] != '\r')
		close_with(s, SMTP_BARE_NEWLINE, SMTP_CLOSE_SYNTAX);
	else
		run_line(s, str_from(in.p, n - 2), ev);
	return n;
}

/* Why the content is to be refused: SMTP_OK when it is sound so far. */
static enum smtp_reply_id
content_fault(const struct smtp_session *s)
{
	if (s->content.size > s->policy->max_size)
		return SMTP_TOO_BIG;
	if (s->content.bare)
		return SMTP_BAD_NEWLINES;
	if (s->content.hops > SMTP_HOPS_MAX)
		return SMTP_LOOP;
	return SMTP_OK;
}

static void
tell_content(struct smtp_session *s, struct str run, struct smtp_event *ev)
{
	if (s->content.size > s->policy->max_size + SMTP_OVERSIZE_DRAIN) {
		close_with(s, SMTP_TOO_BIG, SMTP_CLOSE_OVERSIZE);
		return;
	}
	if (run.n == 0 || content_fault(s) != SMTP_OK)
		return;
	ev->type = SMTP_EV_CONTENT;
	ev->content = run;
}

/* The content was refused: the transaction ends here. */
static void
refuse_content(struct smtp_session *s, struct smtp_event *ev, enum smtp_reply_id fault)
{
	s->state = ST_COMMAND;
	reset_transaction(s);
	tell(ev, SMTP_EV_RESET, fault);
	if (junk(s))
		reply(s, fault, NULL);
}

static void
end_content(struct smtp_session *s, struct smtp_event *ev)
{
	enum smtp_reply_id fault = content_fault(s);

	if (fault != SMTP_OK) {
		refuse_content(s, ev, fault);
		return;
	}
	ev->size = s->content.size;
	ask(s, ev, SMTP_EV_END);
}

static size_t
step_data(struct smtp_session *s, struct str in, struct smtp_event *ev)
{
	struct str run;
	bool end;
	size_t n = smtp_content_data(&s->content, in, &run, &end);

	if (end) {
		count_early(s, in.n - n);
		end_content(s, ev);
	} else {
		tell_content(s, run, ev);
	}
	return n;
}

static void
end_chunk(struct smtp_session *s, struct smtp_event *ev)
{
	enum smtp_reply_id fault;

	if (s->last_chunk) {
		smtp_content_last(&s->content);
		end_content(s, ev);
	} else if ((fault = content_fault(s)) != SMTP_OK) {
		refuse_content(s, ev, fault);
	} else {
		s->state = ST_COMMAND;
		reply(s, SMTP_CHUNK_OK, NULL);
	}
}

static size_t
step_chunk(struct smtp_session *s, struct str in, struct smtp_event *ev)
{
	struct str run = str_from(in.p, in.n < s->chunk_left ? in.n : (size_t)s->chunk_left);

	if (s->chunk_left == 0) {
		end_chunk(s, ev);
		return 0;
	}
	s->chunk_left -= run.n;
	smtp_content_chunk(&s->content, run);
	tell_content(s, run, ev);
	return run.n;
}

static size_t
step_discard(struct smtp_session *s, struct str in)
{
	size_t n = in.n < s->chunk_left ? in.n : (size_t)s->chunk_left;

	s->chunk_left -= n;
	if (s->chunk_left == 0) {
		s->state = ST_COMMAND;
		bad(s, s->verdict);
	}
	return n;
}

static size_t
step_once(struct smtp_session *s, struct str in, struct smtp_event *ev)
{
	switch (s->state) {
	case ST_COMMAND:
		return step_command(s, in, ev);
	case ST_DATA:
		return step_data(s, in, ev);
	case ST_CHUNK:
		return step_chunk(s, in, ev);
	case ST_DISCARD:
		return step_discard(s, in);
	case ST_TLS:
		if (in.n > 0)
			close_with(s, SMTP_TLS_INJECTION, SMTP_CLOSE_INJECTION);
		return in.n;
	case ST_CLOSING:
		tell(ev, SMTP_EV_CLOSE, s->verdict);
		ev->close = s->close;
		s->state = ST_CLOSED;
		return 0;
	case ST_START:
	case ST_WAIT:
	case ST_CLOSED:
		break;
	}
	return 0;
}

size_t
smtp_session_step(struct smtp_session *s, struct str in, struct smtp_event *ev)
{
	size_t used = 0, n;
	enum state before;

	*ev = (struct smtp_event){.type = SMTP_EV_NONE};
	do {
		before = s->state;
		n = step_once(s, str_from(in.p + used, in.n - used), ev);
		used += n;
		s->early_seen -= n < s->early_seen ? n : s->early_seen;
	} while (ev->type == SMTP_EV_NONE && (n > 0 || s->state != before));
	return used;
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void
print_ehlo(struct smtp_session *s)
{
	const struct smtp_policy *p = s->policy;

	/* the longest form is far below SMTP_OUT_MAX; a host that never sends is cut elsewhere */
	buf_printf(&s->out, "250-%s\r\n250-SIZE %llu\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n",
	    p->hostname, (unsigned long long)p->max_size);
	if (p->pipelining)
		buf_puts(&s->out, "250-PIPELINING\r\n");
	if (p->chunking)
		buf_puts(&s->out, "250-CHUNKING\r\n");
	if (s->tls_offered && !s->tls)
		buf_puts(&s->out, "250-STARTTLS\r\n");
	if (s->xclient_allowed)
		buf_puts(&s->out, "250-XCLIENT NAME ADDR PORT PROTO HELO REVERSE_NAME\r\n");
	buf_printf(&s->out, "250-DSN\r\n250-LIMITS RCPTMAX=%u\r\n250 ENHANCEDSTATUSCODES\r\n",
	    p->max_recipients);
}

static void
accept_data(struct smtp_session *s)
{
	smtp_content_init(&s->content);
	if (s->in_bdat) {
		s->state = ST_CHUNK;
		return;
	}
	s->state = ST_DATA;
	reply(s, SMTP_GO_AHEAD, NULL);
}

static void
accept_end(struct smtp_session *s, const char *id)
{
	s->messages++;
	s->junk = s->rcpts_refused = 0;
	reset_transaction(s);
	reply(s, SMTP_STORED, id);
}

/* The client is now another one: everything it said before is forgotten. */
static void
accept_xclient(struct smtp_session *s)
{
	const struct smtp_xclient *x = s->xclient;

	s->hello = false;
	if (x->attr[SMTP_X_PROTO].state == SMTP_X_SET)
		s->esmtp = ascii_tolower((unsigned char)x->attr[SMTP_X_PROTO].value[0]) == 'e';
	if (x->attr[SMTP_X_HELO].state == SMTP_X_SET) {
		memcpy(s->helo, x->attr[SMTP_X_HELO].value, sizeof(s->helo));
		s->hello = true;
	} else {
		s->helo[0] = '\0';
	}
	free(s->xclient);
	s->xclient = NULL;
	reply(s, SMTP_GREETING, s->policy->hostname);
}

void
smtp_session_accept(struct smtp_session *s, const char *id)
{
	assert(s->state == ST_WAIT);
	s->state = ST_COMMAND;
	switch (s->asked) {
	case SMTP_EV_HELLO:
		if (s->esmtp)
			print_ehlo(s);
		else
			reply(s, SMTP_HELO, s->policy->hostname);
		break;
	case SMTP_EV_MAIL:
		s->in_mail = true;
		reply(s, SMTP_SENDER_OK, NULL);
		break;
	case SMTP_EV_RCPT:
		s->rcpts++;
		s->before_rcpt = 0;
		reply(s, SMTP_RCPT_OK, NULL);
		break;
	case SMTP_EV_DATA:
		accept_data(s);
		break;
	case SMTP_EV_END:
		accept_end(s, id);
		break;
	case SMTP_EV_STARTTLS:
		s->state = ST_TLS;
		reply(s, SMTP_TLS_READY, NULL);
		break;
	case SMTP_EV_XCLIENT:
		accept_xclient(s);
		break;
	default:
		assert(!"no question");
	}
}

/* What a refusal changes; true: its reply has to wait until the chunk is read. */
static bool
after_refusal(struct smtp_session *s)
{
	bool chunk = s->asked == SMTP_EV_DATA && s->in_bdat;

	switch (s->asked) {
	case SMTP_EV_HELLO:
		s->hello = false;
		break;
	case SMTP_EV_RCPT:
		s->rcpts_refused++;
		break;
	case SMTP_EV_DATA:
	case SMTP_EV_END:
		reset_transaction(s);
		break;
	case SMTP_EV_XCLIENT:
		free(s->xclient);
		s->xclient = NULL;
		break;
	default:
		break;
	}
	return chunk;
}

void
smtp_session_refuse(struct smtp_session *s, enum smtp_reply_id id)
{
	assert(s->state == ST_WAIT);
	assert(smtp_reply_get(id)->code >= 400);
	s->state = ST_COMMAND;
	if (after_refusal(s) && smtp_reply_get(id)->code != 421) {
		s->state = ST_DISCARD;
		s->verdict = id;
	} else if (s->rcpts_refused > SMTP_RCPT_REFUSED_MAX) {
		close_with(s, SMTP_TOO_MANY_ERRORS, SMTP_CLOSE_ERRORS);
	} else if (smtp_reply_get(id)->code == 421) {
		close_with(s, id, SMTP_CLOSE_HOST);
	} else if (s->asked == SMTP_EV_RCPT || junk(s)) {
		reply(s, id, NULL);
	}
}

void
smtp_session_tls_started(struct smtp_session *s, size_t pending)
{
	assert(s->state == ST_TLS);
	s->state = ST_COMMAND;
	if (pending > 0) {
		close_with(s, SMTP_TLS_INJECTION, SMTP_CLOSE_INJECTION);
		return;
	}
	s->tls = true; /* rfc3207:4.2: everything said in the clear is forgotten */
	s->hello = s->esmtp = false;
	s->helo[0] = '\0';
	s->scanned = 0;
	s->early_seen = 0;
}
