/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "smtp_client/client_priv.h"

static const struct {
	const char *name;
	unsigned seconds;
} phases[] = {
#define PHASE_ROW(name, seconds) { #name, seconds },
	SMTP_CLIENT_PHASES(PHASE_ROW)
#undef PHASE_ROW
};

struct smtp_client *
smtp_client_new(const char *helo, bool tls)
{
	struct smtp_client *c = xcalloc(1, sizeof(*c));

	snprintf(c->helo, sizeof(c->helo), "%s", helo);
	c->tls = tls;
	buf_init(&c->out, SMTP_CLIENT_OUT_MAX);
	(void)buf_reserve(&c->out, 4096); /* a secret is never moved: its copy would not be wiped */
	for (int i = 0; i < 2; i++)
		buf_init(&c->login[i], SMTP_CLIENT_AUTH_MAX * 2);
	return c;
}

void
smtp_client_free(struct smtp_client **c)
{
	if (*c == NULL)
		return;
	smtp_client_auth_wipe(*c);
	buf_free_secret(&(*c)->out);
	free((*c)->results);
	free(*c);
	*c = NULL;
}

void
smtp_client_fail_with(struct smtp_client *c, const struct smtp_client_result *r)
{
	if (c->phase == SMTP_CLIENT_CLOSED)
		return;
	c->last = *r;
	if (c->m != NULL) {
		smtp_client_decide(c, r);
		c->m = NULL;
		c->done_due = true;
	}
	smtp_client_auth_wipe(c);
	buf_clear(&c->out);
	c->phase = SMTP_CLIENT_CLOSED;
	c->closed_due = true;
}

void
smtp_client_refused(struct smtp_client *c, const struct smtp_client_result *r)
{
	smtp_client_fail_with(c, r);
	(void)buf_puts(&c->out, "QUIT\r\n");
}

void
smtp_client_fail(struct smtp_client *c, enum smtp_client_why why, const char *text)
{
	struct smtp_client_result r = { .class = SMTP_CLIENT_TEMP, .why = why, .phase = c->phase };

	if (c->phase == SMTP_CLIENT_QUIT) /* what was to be done is done */
		r.class = SMTP_CLIENT_OK;
	snprintf(r.text, sizeof(r.text), "%s", text);
	smtp_client_fail_with(c, &r);
}

/* RCPT, 552: too many recipients to old servers (rfc5321:4.5.3.1.10), if no enhanced code says
 * otherwise. */
static bool
is_too_many(const struct smtp_client *c, const struct server_reply *r)
{
	return c->phase == SMTP_CLIENT_RCPT && r->code == 552 &&
	       (r->enhanced[0] == '\0' || strcmp(r->enhanced, "5.5.3") == 0);
}

static struct smtp_client_result
result_of(const struct smtp_client *c, const struct server_reply *reply)
{
	static const enum smtp_client_class classes[] = { SMTP_CLIENT_NOT_YET, SMTP_CLIENT_NOT_YET,
		SMTP_CLIENT_OK, SMTP_CLIENT_NOT_YET, SMTP_CLIENT_TEMP, SMTP_CLIENT_PERM };
	struct smtp_client_result r = {
		.class = is_too_many(c, reply) ? SMTP_CLIENT_TEMP : classes[reply->code / 100],
		.why = SMTP_CLIENT_WHY_REPLY,
		.phase = c->phase,
		.code = reply->code,
	};

	memcpy(r.enhanced, reply->enhanced, sizeof(r.enhanced));
	memcpy(r.text, reply->text, sizeof(r.text));
	return r;
}

static void
say_hello(struct smtp_client *c, const char *verb)
{
	memset(&c->caps, 0, sizeof(c->caps));
	(void)buf_printf(&c->out, "%s %s\r\n", verb, c->helo);
	c->phase = SMTP_CLIENT_EHLO;
}

static void
greeting_reply(struct smtp_client *c, const struct smtp_client_result *r)
{
	if (r->class == SMTP_CLIENT_OK)
		say_hello(c, "EHLO");
	else
		smtp_client_refused(c, r);
}

static void
hello_reply(struct smtp_client *c, const struct smtp_client_result *r, enum smtp_client_event *ev)
{
	if (r->class == SMTP_CLIENT_OK) {
		c->caps.esmtp = !c->helo_sent;
		c->phase = SMTP_CLIENT_IDLE;
		*ev = SMTP_CLIENT_EV_READY;
	} else if (r->class == SMTP_CLIENT_PERM && !c->helo_sent) {
		c->helo_sent = true;
		say_hello(c, "HELO");
	} else {
		smtp_client_refused(c, r);
	}
}

static void
starttls_reply(struct smtp_client *c, const struct smtp_client_result *r, size_t behind,
    enum smtp_client_event *ev)
{
	if (r->class != SMTP_CLIENT_OK) {
		c->phase = SMTP_CLIENT_IDLE;
		*ev = SMTP_CLIENT_EV_TLS_REFUSED;
	} else if (behind > 0) {
		smtp_client_fail(c, SMTP_CLIENT_WHY_INJECTION, "bytes before TLS");
	} else {
		c->phase = SMTP_CLIENT_TLS;
		*ev = SMTP_CLIENT_EV_STARTTLS;
	}
}

/* A 3xx is an answer to AUTH and DATA only. */
static bool
in_sequence(const struct smtp_client *c, const struct smtp_client_result *r)
{
	if (c->phase == SMTP_CLIENT_IDLE)
		return false;
	return r->class != SMTP_CLIENT_NOT_YET || c->phase == SMTP_CLIENT_AUTH ||
	       c->phase == SMTP_CLIENT_DATA_INIT;
}

/* What it answers has not left yet: the server talks by itself, and from here on its replies would
 * be taken for those to other commands. */
static bool
is_too_early(const struct smtp_client *c, const struct smtp_client_result *r)
{
	if (c->phase == SMTP_CLIENT_DATA_DONE)
		return r->class == SMTP_CLIENT_OK && buf_len(&c->out) > 0;
	return c->phase != SMTP_CLIENT_DATA_BLOCK && c->unsent > 0 && buf_len(&c->out) == c->unsent;
}

void
smtp_client_mark_unsent(struct smtp_client *c, size_t before)
{
	c->unsent = buf_len(&c->out) > before ? buf_len(&c->out) : 0;
}

static void
act_on_reply(struct smtp_client *c, const struct smtp_client_result *reply, size_t behind,
    enum smtp_client_event *ev)
{
	struct smtp_client_result r = *reply;

	if (c->phase == SMTP_CLIENT_QUIT) {
		r.class = SMTP_CLIENT_OK;
		smtp_client_fail_with(c, &r);
	} else if (r.code == 421) { /* at any time (rfc5321:3.8) */
		smtp_client_fail_with(c, &r);
	} else if (!in_sequence(c, &r) || is_too_early(c, &r)) {
		smtp_client_fail(c, SMTP_CLIENT_WHY_PROTOCOL, "reply out of sequence");
	} else if (c->phase == SMTP_CLIENT_GREETING) {
		greeting_reply(c, &r);
	} else if (c->phase == SMTP_CLIENT_EHLO) {
		hello_reply(c, &r, ev);
	} else if (c->phase == SMTP_CLIENT_STARTTLS) {
		starttls_reply(c, &r, behind, ev);
	} else if (c->phase == SMTP_CLIENT_AUTH) {
		smtp_client_auth_reply(c, &r, ev);
	} else {
		smtp_client_transaction_reply(c, &r, ev);
	}
}

static void
take_reply(struct smtp_client *c, size_t behind, enum smtp_client_event *ev)
{
	struct smtp_client_result r = result_of(c, &c->reply);
	size_t before = buf_len(&c->out);

	memset(&c->reply, 0, sizeof(c->reply));
	c->replies++;
	c->last = r;
	act_on_reply(c, &r, behind, ev);
	smtp_client_mark_unsent(c, before);
}

static void
end_events(struct smtp_client *c, enum smtp_client_event *ev)
{
	if (*ev != SMTP_CLIENT_EV_NONE)
		return;
	if (c->done_due) {
		c->done_due = false;
		*ev = SMTP_CLIENT_EV_DONE;
	} else if (c->closed_due) {
		c->closed_due = false;
		*ev = SMTP_CLIENT_EV_CLOSED;
	}
}

/* One line of input; false: nothing can be done with what there is. */
static bool
step_line(struct smtp_client *c, struct str in, size_t *at, enum smtp_client_event *ev)
{
	enum server_reply_status status;
	struct str line;
	size_t used;

	status = server_reply_take(&c->reply, str_from(in.p + *at, in.n - *at), &used, &line);
	*at += used;
	if (status == SERVER_REPLY_BAD)
		smtp_client_fail(c, SMTP_CLIENT_WHY_PROTOCOL, "malformed reply");
	if (status <= SERVER_REPLY_MORE)
		return false;
	if (c->phase == SMTP_CLIENT_EHLO && !c->helo_sent && c->reply.code / 100 == 2 &&
	    c->reply.lines > 1)
		smtp_client_caps_line(&c->caps, line);
	if (status == SERVER_REPLY_WHOLE)
		take_reply(c, in.n - *at, ev);
	return true;
}

size_t
smtp_client_step(struct smtp_client *c, struct str in, enum smtp_client_event *ev)
{
	size_t at = 0;

	*ev = SMTP_CLIENT_EV_NONE;
	end_events(c, ev);
	while (*ev == SMTP_CLIENT_EV_NONE && c->phase != SMTP_CLIENT_CLOSED &&
	       c->phase != SMTP_CLIENT_TLS && at < in.n) {
		bool more = step_line(c, in, &at, ev);

		end_events(c, ev);
		if (!more)
			break;
	}
	return c->phase == SMTP_CLIENT_CLOSED ? in.n : at;
}

void
smtp_client_tls_started(struct smtp_client *c, size_t pending)
{
	if (c->phase != SMTP_CLIENT_TLS)
		return;
	if (pending > 0) {
		smtp_client_fail(c, SMTP_CLIENT_WHY_INJECTION, "bytes before TLS");
		return;
	}
	c->tls = true;
	c->helo_sent = false;
	say_hello(c, "EHLO"); /* what was offered in clear is forgotten (rfc3207:4.2) */
}

int
smtp_client_starttls(struct smtp_client *c)
{
	if (c->phase != SMTP_CLIENT_IDLE)
		return SMTP_CLIENT_ESTATE;
	if (!c->caps.starttls || c->tls)
		return SMTP_CLIENT_EOFFER;
	(void)buf_puts(&c->out, "STARTTLS\r\n");
	c->unsent = buf_len(&c->out);
	c->phase = SMTP_CLIENT_STARTTLS;
	return 0;
}

int
smtp_client_quit(struct smtp_client *c)
{
	if (c->phase != SMTP_CLIENT_IDLE)
		return SMTP_CLIENT_ESTATE;
	(void)buf_puts(&c->out, "QUIT\r\n");
	c->phase = SMTP_CLIENT_QUIT;
	return 0;
}

void
smtp_client_eof(struct smtp_client *c)
{
	smtp_client_fail(c, SMTP_CLIENT_WHY_LOST, "connection lost");
}

void
smtp_client_timeout(struct smtp_client *c)
{
	smtp_client_fail(c, SMTP_CLIENT_WHY_TIMEOUT, "no answer in time");
}

void
smtp_client_abort(struct smtp_client *c, const char *text)
{
	smtp_client_fail(c, SMTP_CLIENT_WHY_HOST, text);
}

struct buf *
smtp_client_out(struct smtp_client *c)
{
	return &c->out;
}

enum smtp_client_phase
smtp_client_phase(const struct smtp_client *c)
{
	return c->phase;
}

unsigned
smtp_client_phase_seconds(enum smtp_client_phase phase)
{
	return phases[phase].seconds;
}

const char *
smtp_client_phase_name(enum smtp_client_phase phase)
{
	return phases[phase].name;
}

uint64_t
smtp_client_replies(const struct smtp_client *c)
{
	return c->replies;
}

const struct smtp_client_result *
smtp_client_last(const struct smtp_client *c)
{
	return &c->last;
}

const struct smtp_client_caps *
smtp_client_caps(const struct smtp_client *c)
{
	return &c->caps;
}

bool
smtp_client_tls(const struct smtp_client *c)
{
	return c->tls;
}
