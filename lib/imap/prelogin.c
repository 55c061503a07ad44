/* SPDX-License-Identifier: ISC */
#include "imap/prelogin.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/xalloc.h"
#include "imap/frame.h"
#include "imap/parse.h"
#include "mail/decode.h"

enum state {
	ST_COMMAND,  /* waits for a command */
	ST_STARTTLS, /* waits for imap_prelogin_tls_on */
	ST_RESPONSE, /* waits for the client's next SASL line */
	ST_ANSWER,   /* the host owes an answer */
	ST_CANCEL,   /* the host is to forget the exchange */
	ST_LOGGED_IN,
	ST_CLOSED,
};

struct imap_prelogin {
	bool tls, tls_offered, bound;
	enum state state;
	struct imap_frame frame;
	struct arena *arena;
	struct buf line; /* a SASL line */
	struct buf data; /* decoded */
	struct buf tag;
	const char *mechanism;
	bool by_login; /* LOGIN command: no challenge possible */
	bool has_initial;
	size_t taken; /* bytes of the connection so far */
	unsigned bad, failures;
};

struct imap_prelogin *
imap_prelogin_new(bool tls, bool tls_offered)
{
	struct imap_prelogin *p = xcalloc(1, sizeof(*p));

	p->tls = tls;
	p->tls_offered = tls_offered;
	imap_frame_init(&p->frame, IMAP_PRELOGIN_COMMAND_MAX);
	p->arena = arena_new(IMAP_PRELOGIN_ARENA_MAX);
	buf_init(&p->line, IMAP_PRELOGIN_SASL_MAX);
	buf_init(&p->data, IMAP_PRELOGIN_SASL_MAX);
	buf_init(&p->tag, IMAP_TAG_MAX);
	return p;
}

/* Between two commands nothing is held: an idle stranger costs little. */
static void
exchange_forget(struct imap_prelogin *p)
{
	buf_free_secret(&p->line);
	buf_free_secret(&p->data);
	p->mechanism = NULL;
	p->by_login = p->has_initial = false;
}

void
imap_prelogin_free(struct imap_prelogin **pp)
{
	struct imap_prelogin *p = *pp;

	if (p == NULL)
		return;
	exchange_forget(p);
	imap_frame_free(&p->frame);
	arena_free(&p->arena);
	buf_free(&p->tag);
	free(p);
	*pp = NULL;
}

/* Only in TLS: even SCRAM would let who listens guess passwords. */
static const struct {
	const char *name;
	bool bound; /* needs a channel binding */
} mechanisms[] = {
#define SASL_MECHANISM(name, bound) { name, bound },
#include "scram/mechanisms.h"
#undef SASL_MECHANISM
};

static bool
is_possible(const struct imap_prelogin *p, size_t mechanism)
{
	return p->tls && (p->bound || !mechanisms[mechanism].bound);
}

static void
put_capabilities(const struct imap_prelogin *p, struct buf *out)
{
	buf_puts(out, "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID");
	if (p->tls_offered && !p->tls)
		buf_puts(out, " STARTTLS");
	if (!p->tls)
		buf_puts(out, " LOGINDISABLED");
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (is_possible(p, i))
			buf_printf(out, " AUTH=%s", mechanisms[i].name);
}

void
imap_prelogin_greet(struct imap_prelogin *p, struct buf *out)
{
	buf_puts(out, "* OK [CAPABILITY ");
	put_capabilities(p, out);
	buf_puts(out, "] Postern ready\r\n");
}

void
imap_prelogin_bye(struct imap_prelogin *p, const char *text, struct buf *out)
{
	if (p->state == ST_CLOSED)
		return;
	buf_printf(out, "* BYE %s\r\n", text);
	p->state = ST_CLOSED;
}

static void
reply(struct imap_prelogin *p, struct buf *out, const char *text)
{
	if (p->tag.len > 0)
		buf_put(out, buf_data(&p->tag), p->tag.len);
	else
		buf_putc(out, '*');
	buf_printf(out, " %s\r\n", text);
}

static void
reply_bad(struct imap_prelogin *p, struct buf *out, const char *why)
{
	char text[128] = "BAD ";

	strncat(text, why ? why : "Syntax error", sizeof(text) - 5);
	reply(p, out, text);
	if (++p->bad >= IMAP_PRELOGIN_BAD_MAX)
		imap_prelogin_bye(p, "Too many bad commands", out);
}

/* ---- commands ---------------------------------------------------------------------------------
 */
/* False: BAD, c->error says why. */
typedef bool command_fn(struct imap_prelogin *p, struct imap_parse *c, struct buf *out);

static bool
cmd_capability(struct imap_prelogin *p, struct imap_parse *c, struct buf *out)
{
	if (!imap_parse_end(c))
		return false;
	buf_puts(out, "* CAPABILITY ");
	put_capabilities(p, out);
	buf_puts(out, "\r\n");
	reply(p, out, "OK Capabilities listed");
	return true;
}

static bool
cmd_noop(struct imap_prelogin *p, struct imap_parse *c, struct buf *out)
{
	if (!imap_parse_end(c))
		return false;
	reply(p, out, "OK Done");
	return true;
}

static bool
cmd_logout(struct imap_prelogin *p, struct imap_parse *c, struct buf *out)
{
	if (!imap_parse_end(c))
		return false;
	imap_prelogin_bye(p, "Logging out", out);
	reply(p, out, "OK Logged out");
	return true;
}

static bool
cmd_id(struct imap_prelogin *p, struct imap_parse *c, struct buf *out)
{
	struct str field, value;
	int n = 0;

	if (!imap_parse_sp(c))
		return false;
	if (imap_parse_try(c, '(')) {
		while (imap_parse_peek(c) != ')') {
			if (++n > IMAP_ID_FIELDS_MAX)
				return imap_parse_fail(c, "Too many fields");
			if ((n > 1 && !imap_parse_sp(c)) || !imap_parse_string(c, &field) ||
			    !imap_parse_sp(c) || !imap_parse_nstring(c, &value))
				return false;
		}
		imap_parse_try(c, ')');
	} else if (!imap_parse_nstring(c, &value)) {
		return false;
	}
	if (!imap_parse_end(c))
		return false;
	buf_puts(out, "* ID (\"name\" \"Postern\")\r\n");
	reply(p, out, "OK Done");
	return true;
}

static bool
cmd_starttls(struct imap_prelogin *p, struct imap_parse *c, struct buf *out)
{
	if (!imap_parse_end(c))
		return false;
	if (p->tls)
		return imap_parse_fail(c, "TLS is on already");
	if (!p->tls_offered)
		return imap_parse_fail(c, "TLS is not available");
	reply(p, out, "OK Begin TLS now");
	p->state = ST_STARTTLS;
	return true;
}

/* No password in plain text, rfc3501:6.2.2; what was sent is wiped with the command. */
static bool
is_private(struct imap_prelogin *p, struct buf *out)
{
	if (!p->tls)
		reply(p, out, "NO [PRIVACYREQUIRED] Use TLS before logging in");
	return p->tls;
}

static bool
cmd_login(struct imap_prelogin *p, struct imap_parse *c, struct buf *out)
{
	struct str user, password;

	if (!imap_parse_sp(c) || !imap_parse_astring(c, &user) || !imap_parse_sp(c) ||
	    !imap_parse_astring(c, &password) || !imap_parse_end(c))
		return false;
	if (!is_private(p, out))
		return true;
	exchange_forget(p);
	/* the command is shorter than data may be */
	buf_putc(&p->data, '\0');
	buf_put(&p->data, user.p, user.n);
	buf_putc(&p->data, '\0');
	buf_put(&p->data, password.p, password.n);
	p->mechanism = "PLAIN";
	p->by_login = p->has_initial = true;
	p->state = ST_ANSWER;
	return true;
}

static bool
base64_take(struct imap_prelogin *p, struct str text)
{
	uint8_t *to;
	size_t n;

	buf_free_secret(&p->data);
	if (text.n == 0)
		return true;
	to = buf_reserve(&p->data, text.n / 4 * 3 + 3);
	if (to == NULL || !mail_base64_strict(text, to, &n))
		return false;
	buf_commit(&p->data, n);
	return true;
}

static bool
cmd_authenticate(struct imap_prelogin *p, struct imap_parse *c, struct buf *out)
{
	struct str name, initial = { NULL, 0 };

	if (!imap_parse_sp(c) || !imap_parse_atom(c, &name))
		return false;
	if (imap_parse_try(c, ' ')) {
		initial = str_from(c->p, (size_t)(c->end - c->p));
		c->p = c->end;
		if (initial.n == 0)
			return imap_parse_fail(c, "Missing initial response");
	}
	if (!imap_parse_end(c))
		return false;
	if (!is_private(p, out))
		return true;
	exchange_forget(p);
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (is_possible(p, i) && str_eq_nocase(name, str_of(mechanisms[i].name)))
			p->mechanism = mechanisms[i].name;
	if (p->mechanism == NULL) {
		reply(p, out, "NO [CANNOT] Unknown mechanism");
		return true;
	}
	p->has_initial = initial.p != NULL;
	if (p->has_initial && !str_eq(initial, STR("=")) && !base64_take(p, initial)) {
		exchange_forget(p);
		return imap_parse_fail(c, "Invalid base64");
	}
	p->state = ST_ANSWER;
	return true;
}

static const struct {
	struct str name;
	command_fn *run;
} commands[] = {
	{ { "CAPABILITY", 10 }, cmd_capability },
	{ { "NOOP", 4 }, cmd_noop },
	{ { "LOGOUT", 6 }, cmd_logout },
	{ { "ID", 2 }, cmd_id },
	{ { "STARTTLS", 8 }, cmd_starttls },
	{ { "LOGIN", 5 }, cmd_login },
	{ { "AUTHENTICATE", 12 }, cmd_authenticate },
};

static bool
dispatch(struct imap_prelogin *p, struct imap_parse *c, struct buf *out)
{
	struct str name;

	if (!imap_parse_sp(c) || !imap_parse_atom(c, &name))
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_eq_nocase(name, commands[i].name))
			return commands[i].run(p, c, out);
	return imap_parse_fail(c, "Unknown command, or log in first");
}

static void
command_run(struct imap_prelogin *p, struct buf *out)
{
	struct imap_parse c;
	struct str tag;

	arena_reset(p->arena);
	buf_clear(&p->tag);
	imap_parse_init(&c, str_from(buf_data(&p->frame.cmd), p->frame.cmd.len), p->arena);
	if (!imap_parse_tag(&c, &tag)) {
		reply_bad(p, out, c.error);
	} else {
		buf_put(&p->tag, tag.p, tag.n);
		if (!dispatch(p, &c, out))
			reply_bad(p, out, c.error);
	}
	imap_frame_reset(&p->frame); /* secrets do not stay */
}

static void
command_too_big(struct imap_prelogin *p, struct buf *out)
{
	struct imap_parse c;
	struct str tag;

	buf_clear(&p->tag);
	imap_parse_init(&c, str_from(buf_data(&p->frame.cmd), p->frame.cmd.len), p->arena);
	if (imap_parse_tag(&c, &tag) && imap_parse_sp(&c))
		buf_put(&p->tag, tag.p, tag.n);
	reply_bad(p, out, "[TOOBIG] Command or literal is too long");
}

/* ---- the SASL exchange ------------------------------------------------------------------------
 */
void
imap_prelogin_auth(const struct imap_prelogin *p, struct imap_pre_auth *auth)
{
	auth->mechanism = str_of(p->mechanism);
	auth->has_initial = p->has_initial;
	auth->data = str_from(buf_data(&p->data), p->data.len);
}

void
imap_prelogin_auth_challenge(struct imap_prelogin *p, struct str challenge, struct buf *out)
{
	size_t size = (challenge.n + 2) / 3 * 4;
	uint8_t *to;

	if (p->by_login) {
		reply(p, out, "NO [AUTHENTICATIONFAILED] Login failed");
		exchange_forget(p);
		p->state = ST_CANCEL;
		return;
	}
	buf_puts(out, "+ ");
	if (size > 0 && (to = buf_reserve(out, size)) != NULL)
		buf_commit(out, mail_base64_encode(challenge.p, challenge.n, (char *)to));
	buf_puts(out, "\r\n");
	buf_free_secret(&p->data);
	p->has_initial = false;
	p->state = ST_RESPONSE;
}

void
imap_prelogin_auth_refused(struct imap_prelogin *p, enum imap_pre_refusal why, struct buf *out)
{
	exchange_forget(p);
	p->state = ST_COMMAND;
	switch (why) {
	case IMAP_PRE_BAD_CREDENTIALS:
		reply(p, out, "NO [AUTHENTICATIONFAILED] User name or password is wrong");
		p->failures++;
		break;
	case IMAP_PRE_UNAVAILABLE:
		reply(p, out, "NO [UNAVAILABLE] Temporary trouble, try again later");
		break;
	case IMAP_PRE_DISABLED:
		reply(p, out, "NO [CONTACTADMIN] This account is suspended");
		p->failures++;
		break;
	case IMAP_PRE_TOO_MANY:
		reply(p, out, "NO [LIMIT] Too many sessions of this user");
		break;
	}
	if (p->failures >= IMAP_PRELOGIN_FAILURES_MAX)
		imap_prelogin_bye(p, "Too many failed logins", out);
}

struct str
imap_prelogin_auth_ok(struct imap_prelogin *p)
{
	exchange_forget(p);
	p->state = ST_LOGGED_IN;
	return str_from(buf_data(&p->tag), p->tag.len);
}

void
imap_prelogin_tls_on(struct imap_prelogin *p)
{
	p->tls = true;
	p->state = ST_COMMAND;
	exchange_forget(p);
	imap_frame_reset(&p->frame);
}

void
imap_prelogin_bound(struct imap_prelogin *p)
{
	p->bound = true;
}

static enum imap_pre_event
cancel(struct imap_prelogin *p, struct buf *out, const char *why)
{
	exchange_forget(p);
	p->state = ST_COMMAND;
	reply_bad(p, out, why);
	return IMAP_PRE_AUTH_CANCEL;
}

/* One line of base64, or "*". */
static enum imap_pre_event
response_next(struct imap_prelogin *p, struct buf *in, struct buf *out)
{
	const uint8_t *lf = in->len > 0 ? memchr(buf_data(in), '\n', in->len) : NULL;
	size_t n = lf ? (size_t)(lf - buf_data(in)) + 1 : in->len;
	struct str line;

	if (n == 0)
		return IMAP_PRE_INPUT;
	if (buf_put(&p->line, buf_data(in), n) != 0) {
		/* where the line ends is not looked for: what follows could be meant otherwise */
		exchange_forget(p);
		imap_prelogin_bye(p, "Authentication line is too long", out);
		return IMAP_PRE_AUTH_CANCEL;
	}
	buf_drain(in, n);
	if (lf == NULL)
		return IMAP_PRE_INPUT;
	line = str_from(buf_data(&p->line), p->line.len - 1);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (str_eq(line, STR("*")))
		return cancel(p, out, "Authentication cancelled");
	if (!base64_take(p, line))
		return cancel(p, out, "Invalid base64");
	buf_free_secret(&p->line);
	p->state = ST_ANSWER;
	return IMAP_PRE_AUTH_CONTINUE;
}

/* ---- the machine ------------------------------------------------------------------------------
 */
static enum imap_pre_event
command_next(struct imap_prelogin *p, struct buf *in, struct buf *out)
{
	switch (imap_frame_next(&p->frame, in)) {
	case IMAP_FRAME_INPUT:
		return IMAP_PRE_INPUT;
	case IMAP_FRAME_COMMAND:
		command_run(p, out);
		break;
	case IMAP_FRAME_LITERAL: {
		bool sync = p->frame.sync;

		if (imap_frame_take(&p->frame) && sync)
			buf_puts(out, "+ Ready for the literal\r\n");
		break;
	}
	case IMAP_FRAME_TOO_BIG:
		command_too_big(p, out);
		break;
	case IMAP_FRAME_BYE:
		imap_prelogin_bye(p, "[TOOBIG] Command is too long", out);
		break;
	}
	if (p->state == ST_ANSWER)
		return IMAP_PRE_AUTH_START;
	if (p->state == ST_STARTTLS) {
		if (in->len == 0)
			return IMAP_PRE_STARTTLS;
		/* plain text behind STARTTLS could be someone else's (rfc2595:2.4) */
		imap_prelogin_bye(p, "Input behind STARTTLS", out);
	}
	return IMAP_PRE_OUTPUT; /* go on */
}

/* One move; IMAP_PRE_OUTPUT: another one may follow. */
static enum imap_pre_event
turn(struct imap_prelogin *p, struct buf *in, struct buf *out)
{
	switch (p->state) {
	case ST_COMMAND:
		return command_next(p, in, out);
	case ST_RESPONSE:
		return response_next(p, in, out);
	case ST_CANCEL:
		p->state = ST_COMMAND;
		return IMAP_PRE_AUTH_CANCEL;
	case ST_ANSWER:
	case ST_STARTTLS:
	case ST_LOGGED_IN:
		return IMAP_PRE_WAIT;
	case ST_CLOSED:
		break;
	}
	return IMAP_PRE_CLOSE;
}

enum imap_pre_event
imap_prelogin_run(struct imap_prelogin *p, struct buf *in, struct buf *out)
{
	/* longest answer: a challenge; the host's buffer may have its own limit */
	const size_t room = IMAP_PRELOGIN_OUT_MAX - 2048;
	enum imap_pre_event e = IMAP_PRE_OUTPUT;

	while (e == IMAP_PRE_OUTPUT) {
		size_t before = in->len;

		if (p->state != ST_CLOSED && out->len >= room)
			return IMAP_PRE_OUTPUT;
		if (p->state == ST_COMMAND || p->state == ST_RESPONSE) {
			/* bytes are counted as they are taken; the limit is the connection's */
			e = turn(p, in, out);
			p->taken += before - in->len;
			if (p->taken > IMAP_PRELOGIN_BYTES_MAX &&
			    (p->state == ST_COMMAND || p->state == ST_RESPONSE)) {
				bool exchange = p->mechanism != NULL;

				exchange_forget(p);
				imap_prelogin_bye(p, "Too much input before login", out);
				return exchange ? IMAP_PRE_AUTH_CANCEL : IMAP_PRE_CLOSE;
			}
			continue;
		}
		e = turn(p, in, out);
	}
	return e;
}
