/* SPDX-License-Identifier: ISC */
#include "smtp/session_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct smtp_session *
smtp_session_new(const struct smtp_policy *policy, const char *id)
{
	struct smtp_session *s = xcalloc(1, sizeof(*s));

	assert(policy->max_recipients > 0 && policy->max_recipients <= SMTP_RCPT_MAX);
	s->policy = policy;
	s->frame = (struct refusal_frame){ .help_url = policy->help_url, .id = id };
	s->mechanisms = "";
	buf_init(&s->out, SMTP_OUT_MAX);
	buf_init(&s->late, REFUSAL_PRINTED_MAX);
	buf_init(&s->secret, SMTP_LINE_AUTH_MAX);
	return s;
}

void
smtp_session_free(struct smtp_session **s)
{
	if (*s == NULL)
		return;
	buf_free(&(*s)->out);
	buf_free(&(*s)->late);
	buf_free_secret(&(*s)->secret);
	free((*s)->xclient);
	free(*s);
	*s = NULL;
}

void
smtp_session_clock(struct smtp_session *s, int64_t now)
{
	s->frame.now = now;
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

void
smtp_session_tls_implicit(struct smtp_session *s)
{
	assert(s->state == ST_START);
	s->tls = true;
}

void
smtp_session_offer_auth(struct smtp_session *s, const char *mechanisms)
{
	s->mechanisms = mechanisms;
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
	return (struct smtp_facts){ .helo = s->helo,
		.esmtp = s->esmtp,
		.tls = s->tls,
		.authenticated = s->authenticated,
		.early_bytes = s->early,
		.messages = s->messages,
		.bad_commands = s->bad,
		.refused_rcpts = s->rcpts_refused };
}

/* --- replies and ends ---------------------------------------------------------------------------
 */

static void
said(struct smtp_session *s, int error)
{
	if (error != 0) {
		s->state = ST_CLOSING;
		s->close = SMTP_CLOSE_ERRORS;
	}
}

static void
say_refusal(struct smtp_session *s, enum smtp_reply_id id, const struct refusal_args *args)
{
	said(s, smtp_reply_refuse(&s->out, id, &s->frame, args));
}

void
smtp_say(struct smtp_session *s, enum smtp_reply_id id, const char *arg)
{
	if (smtp_reply_is_refusal(id))
		say_refusal(s, id, NULL);
	else
		said(s, smtp_reply_print(&s->out, id, arg));
}

static void
close_with(struct smtp_session *s, enum smtp_reply_id id, enum smtp_close why,
    const struct refusal_args *args)
{
	if (args != NULL)
		say_refusal(s, id, args);
	else
		smtp_say(s, id, NULL);
	s->verdict = id;
	s->close = why;
	s->state = ST_CLOSING;
}

void
smtp_close_with(struct smtp_session *s, enum smtp_reply_id id, enum smtp_close why)
{
	close_with(s, id, why, NULL);
}

void
smtp_reset(struct smtp_session *s)
{
	s->in_mail = s->in_bdat = false;
	s->rcpts = s->rcpts_over = s->chunks = 0;
}

/* One more wrong command; false, and the session ends, when there were too many. */
static bool
count_bad(struct smtp_session *s)
{
	unsigned most = s->policy->max_errors != 0 ? s->policy->max_errors : SMTP_BAD_MAX;

	if (++s->bad <= most)
		return true;
	smtp_close_with(s, SMTP_TOO_MANY_ERRORS, SMTP_CLOSE_ERRORS);
	return false;
}

void
smtp_bad(struct smtp_session *s, enum smtp_reply_id id)
{
	if (count_bad(s))
		smtp_say(s, id, NULL);
}

void
smtp_discard(struct smtp_session *s, enum smtp_reply_id id, const struct refusal_args *args)
{
	s->state = ST_DISCARD;
	buf_clear(&s->late);
	/* fits: late has room for one */
	(void)smtp_reply_refuse(&s->late, id, &s->frame, args);
}

bool
smtp_junk(struct smtp_session *s)
{
	if (++s->junk <= SMTP_JUNK_MAX)
		return true;
	smtp_close_with(s, SMTP_TOO_MANY_COMMANDS, SMTP_CLOSE_ERRORS);
	return false;
}

void
smtp_ask(struct smtp_session *s, struct smtp_event *ev, enum smtp_event_type type)
{
	s->state = ST_WAIT;
	s->asked = ev->type = type;
}

void
smtp_tell(struct smtp_event *ev, enum smtp_event_type type, enum smtp_reply_id id)
{
	ev->type = type;
	ev->reply = id;
}

void
smtp_session_greet(struct smtp_session *s, size_t early)
{
	assert(s->state == ST_START);
	s->state = ST_COMMAND;
	smtp_say(s, SMTP_GREETING, s->policy->hostname);
	if (early > 0 && !s->policy->pipelining) {
		s->early += early;
		s->early_seen = early;
		s->talker = s->policy->refuse_early;
	}
}

void
smtp_session_shutdown(struct smtp_session *s, enum smtp_reply_id id)
{
	if (s->state == ST_CLOSED)
		return;
	smtp_say(s, id, NULL);
	s->state = ST_CLOSED;
}

void
smtp_session_shutdown_with(
    struct smtp_session *s, enum smtp_reply_id id, const struct refusal_args *args)
{
	if (s->state == ST_CLOSED)
		return;
	say_refusal(s, id, args);
	s->state = ST_CLOSED;
}

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

/* Bytes that wait behind a command, or content, that has no reply yet: counts each of them once. A QUIT
 * behind the end of a message gains nothing and is let through: small senders do that. */
static void
count_early(struct smtp_session *s, struct str behind)
{
	s->behind = behind.n;
	if (s->policy->pipelining || behind.n <= s->early_seen)
		return;
	s->early += behind.n - s->early_seen;
	s->early_seen = behind.n;
	if (s->policy->refuse_early && !str_starts_nocase(STR("QUIT\r\n"), behind))
		s->talker = true;
}

/* What stands behind these is worse than out of turn, and they say so themselves. */
static bool
has_own_fault(const struct smtp_session *s, enum smtp_verb verb)
{
	return s->behind > 0 &&
	       (verb == SMTP_VERB_STARTTLS || (verb == SMTP_VERB_DATA && s->policy->strict_data));
}

static void
run_line(struct smtp_session *s, struct str line, struct smtp_event *ev)
{
	enum smtp_reply_id fault;
	struct smtp_command cmd;

	if (s->state == ST_AUTH) {
		smtp_auth_line(s, line, ev);
		return;
	}
	s->before_rcpt += line.n + 2;
	s->commands++;
	if (s->before_rcpt > SMTP_BEFORE_RCPT_MAX ||
	    (s->policy->max_commands != 0 && s->commands > s->policy->max_commands)) {
		smtp_close_with(s, SMTP_TOO_MANY_COMMANDS, SMTP_CLOSE_ERRORS);
		return;
	}
	if ((fault = check_line(line)) == SMTP_BARE_NEWLINE) {
		smtp_close_with(s, fault, SMTP_CLOSE_SYNTAX);
		return;
	}
	smtp_command_parse(line, &cmd);
	if (s->talker && !has_own_fault(s, cmd.verb))
		smtp_close_with(s, SMTP_EARLY_TALKER, SMTP_CLOSE_TALKER);
	else if (fault != SMTP_OK)
		smtp_bad(s, fault);
	else if (line.n + 2 > cmd.line_max)
		smtp_bad(s, SMTP_LINE_TOO_LONG);
	else
		smtp_command_run(s, &cmd, ev);
}

/* No line is as long: without an end of line there, the peer is dropped. */
static size_t
line_hard_max(const struct smtp_session *s)
{
	return s->policy->auth && !s->authenticated && s->tls ? SMTP_LINE_AUTH_MAX
							      : SMTP_LINE_HARD_MAX;
}

static size_t
step_command(struct smtp_session *s, struct str in, struct smtp_event *ev)
{
	const char *lf;
	size_t n;

	if (in.n == 0)
		return 0;
	if (!s->spoke && in.p[0] == 0x16) { /* a TLS ClientHello, which may never have a line end */
		smtp_close_with(s, SMTP_NOT_SMTP, SMTP_CLOSE_FOREIGN);
		return in.n;
	}
	lf = memchr(in.p + s->scanned, '\n', in.n - s->scanned);
	n = lf != NULL ? (size_t)(lf - in.p) + 1 : in.n;
	if (n > line_hard_max(s)) {
		smtp_close_with(s, SMTP_LINE_TOO_LONG, SMTP_CLOSE_SYNTAX);
		return n;
	}
	if (lf == NULL) {
		s->scanned = n;
		return 0;
	}
	s->scanned = 0;
	s->spoke = true;
	count_early(s, str_from(in.p + n, in.n - n));
	if (n < 2 || in.p[n - 2] != '\r')
		smtp_close_with(s, SMTP_BARE_NEWLINE, SMTP_CLOSE_SYNTAX);
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
		smtp_close_with(s, SMTP_TOO_BIG, SMTP_CLOSE_OVERSIZE);
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
	smtp_reset(s);
	smtp_tell(ev, SMTP_EV_RESET, fault);
	if (smtp_junk(s))
		smtp_say(s, fault, NULL);
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
	smtp_ask(s, ev, SMTP_EV_END);
}

static size_t
step_data(struct smtp_session *s, struct str in, struct smtp_event *ev)
{
	struct str run;
	bool end;
	size_t n = smtp_content_data(&s->content, in, &run, &end);

	if (end) {
		count_early(s, str_from(in.p + n, in.n - n));
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
		smtp_say(s, SMTP_CHUNK_OK, NULL);
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
		if (count_bad(s))
			said(s, buf_put(&s->out, buf_data(&s->late), buf_len(&s->late)));
		buf_free(&s->late);
	}
	return n;
}

static size_t
step_once(struct smtp_session *s, struct str in, struct smtp_event *ev)
{
	switch (s->state) {
	case ST_COMMAND:
	case ST_AUTH:
		return step_command(s, in, ev);
	case ST_DATA:
		return step_data(s, in, ev);
	case ST_CHUNK:
		return step_chunk(s, in, ev);
	case ST_DISCARD:
		return step_discard(s, in);
	case ST_TLS:
		if (in.n > 0)
			smtp_close_with(s, SMTP_TLS_INJECTION, SMTP_CLOSE_INJECTION);
		return in.n;
	case ST_CLOSING:
		smtp_tell(ev, SMTP_EV_CLOSE, s->verdict);
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
	enum smtp_state before;

	*ev = (struct smtp_event){ .type = SMTP_EV_NONE };
	if (s->state != ST_WAIT)
		smtp_auth_wipe(s);
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
	smtp_auth_announce(s);
	if (s->xclient_allowed)
		buf_puts(&s->out, "250-XCLIENT NAME ADDR PORT PROTO HELO REVERSE_NAME "
				  "LOGIN DESTADDR DESTPORT\r\n");
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
	smtp_say(s, SMTP_GO_AHEAD, NULL);
}

static void
accept_end(struct smtp_session *s, const char *id)
{
	s->messages++;
	s->junk = s->rcpts_refused = 0;
	smtp_reset(s);
	smtp_say(s, SMTP_STORED, id);
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
	smtp_say(s, SMTP_GREETING, s->policy->hostname);
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
			smtp_say(s, SMTP_HELO, s->policy->hostname);
		break;
	case SMTP_EV_MAIL:
		s->in_mail = true;
		smtp_say(s, SMTP_SENDER_OK, NULL);
		break;
	case SMTP_EV_RCPT:
		s->rcpts++;
		s->before_rcpt = 0;
		smtp_say(s, SMTP_RCPT_OK, NULL);
		break;
	case SMTP_EV_DATA:
		accept_data(s);
		break;
	case SMTP_EV_END:
		accept_end(s, id);
		break;
	case SMTP_EV_STARTTLS:
		s->state = ST_TLS;
		smtp_say(s, SMTP_TLS_READY, NULL);
		break;
	case SMTP_EV_XCLIENT:
		accept_xclient(s);
		break;
	case SMTP_EV_AUTH:
		s->authenticated = true;
		s->bad = s->junk = 0;
		smtp_say(s, SMTP_AUTH_OK, NULL);
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
		smtp_reset(s);
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
	smtp_session_refuse_with(s, id, NULL);
}

void
smtp_session_refuse_with(
    struct smtp_session *s, enum smtp_reply_id id, const struct refusal_args *args)
{
	bool ends = smtp_reply_get(id)->code == 421;

	assert(s->state == ST_WAIT);
	assert(smtp_reply_is_refusal(id));
	s->state = ST_COMMAND;
	if (after_refusal(s) && !ends)
		smtp_discard(s, id, args);
	else if (s->rcpts_refused > SMTP_RCPT_REFUSED_MAX)
		smtp_close_with(s, SMTP_TOO_MANY_ERRORS, SMTP_CLOSE_ERRORS);
	else if (ends)
		close_with(s, id, SMTP_CLOSE_HOST, args);
	else if (s->asked == SMTP_EV_RCPT || smtp_junk(s))
		say_refusal(s, id, args);
}

void
smtp_session_tls_started(struct smtp_session *s, size_t pending)
{
	assert(s->state == ST_TLS);
	s->state = ST_COMMAND;
	if (pending > 0) {
		smtp_close_with(s, SMTP_TLS_INJECTION, SMTP_CLOSE_INJECTION);
		return;
	}
	s->tls = true; /* rfc3207:4.2: everything said in the clear is forgotten */
	s->hello = s->esmtp = false;
	s->helo[0] = '\0';
	s->scanned = 0;
	s->early_seen = 0;
}
