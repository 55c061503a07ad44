/* SPDX-License-Identifier: ISC */
/* What a session of port 25 does its own way. */
#include "smtpd/session.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "smtp/received.h"

static void
opened(struct smtp_conn *c)
{
	struct session *s = (struct session *)c;

	s->d = c->host->arg;
	c->link = &s->d->queue;
	smtp_session_allow_xclient(
	    c->engine, smtp_client_in_list(s->d->settings, SET_smtpd_xclient_from, c->client));
	rdns_start(s);
}

static void
closed(struct smtp_conn *c)
{
	struct session *s = (struct session *)c;

	if (s->lookup != 0)
		map_del(s->d->lookups, s->lookup);
	rdns_stop(s);
}

static void
on_mail(struct smtp_conn *c, const struct smtp_mail *mail)
{
	(void)mail;
	smtp_session_accept(c->engine, NULL);
}

/* A trusted proxy or a test speaks for another client. */
static void
on_xclient(struct smtp_conn *c, const struct smtp_xclient *x)
{
	bool named = x->attr[SMTP_X_NAME].state != SMTP_X_ABSENT;
	struct session *s = (struct session *)c;

	log_info(c->id, "event=xclient client=%s as=\"%s\" name=\"%s\"", c->client,
	    LOGS(str_of(x->attr[SMTP_X_ADDR].value)), LOGS(str_of(x->attr[SMTP_X_NAME].value)));
	if (x->attr[SMTP_X_ADDR].state == SMTP_X_SET)
		snprintf(c->client, sizeof(c->client), "%.63s", x->attr[SMTP_X_ADDR].value);
	if (named) {
		rdns_stop(s);
		snprintf(s->rdns.name, sizeof(s->rdns.name), "%s", x->attr[SMTP_X_NAME].value);
	} else if (x->attr[SMTP_X_ADDR].state == SMTP_X_SET) {
		rdns_start(s);
	}
	smtp_session_accept(c->engine, NULL);
}

/* --- the end of a message ---------------------------------------------------------------------- */

static void
on_rdns_timer(void *arg)
{
	struct session *s = arg;

	rdns_stop(s);
	session_go_on(s);
}

/* The name may delay a message until SMTPD_RDNS_MS after the connection began. */
static bool
must_wait(struct session *s)
{
	uint64_t age = io_now_ms(s->conn.host->loop) - s->conn.started_ms;

	if (s->rdns.question == 0)
		return false;
	if (age >= SMTPD_RDNS_MS) {
		rdns_stop(s);
		return false;
	}
	if (s->rdns_timer == NULL)
		s->rdns_timer = io_timer_new(s->conn.host->loop, on_rdns_timer, s);
	io_timer_set(s->rdns_timer, SMTPD_RDNS_MS - age);
	return true;
}

static void
on_end(struct smtp_conn *c)
{
	if (format_refused((struct session *)c))
		return;
	c->holds = must_wait((struct session *)c);
	if (!c->holds)
		smtp_conn_commit(c);
}

void
session_go_on(struct session *s)
{
	struct smtp_conn *c = &s->conn;

	c->holds = false;
	io_timer_free(&s->rdns_timer);
	smtp_conn_commit(c);
	if (!smtp_session_waiting(c->engine)) /* it was refused at once */
		smtp_conn_pump(c);
}

static void
on_reset(struct smtp_conn *c)
{
	struct session *s = (struct session *)c;

	s->asked = NULL;
	format_forget(s);
	io_timer_free(&s->rdns_timer);
}

static void
prepend(struct smtp_conn *c, struct buf *out)
{
	char id[SMTP_HOST_ID_MAX + 16], tls[TLS_DESCRIPTION_MAX], only[ADDRESS_TEXT_SIZE];
	const struct smtp_recipient *first = STAILQ_FIRST(&c->envelope);
	struct smtp_facts facts = smtp_session_facts(c->engine);

	snprintf(id, sizeof(id), "%s.%u", c->id, c->transactions);
	snprintf(only, sizeof(only), "%.*s", STRF(first->address));
	smtp_received_print(out, &(struct smtp_received){ .helo = facts.helo,
				     .rdns = ((struct session *)c)->rdns.name,
				     .ip = c->client,
				     .by = c->host->hostname,
				     .esmtp = facts.esmtp,
				     .smtputf8 = smtp_session_mail(c->engine)->smtputf8,
				     .tls = tls_stream_describe(c->stream, tls),
				     .id = id,
				     .only_rcpt = c->recipients == 1 ? only : NULL,
				     .time = time(NULL) });
}

static const char *
name(const struct smtp_conn *c)
{
	return ((const struct session *)c)->rdns.name;
}

const struct smtp_host_ops smtpd_host_ops = {
	.conn_size = sizeof(struct session),
	.tls = TLS_SMTP,
	.opened = opened,
	.closed = closed,
	.mail = on_mail,
	.rcpt = recipients_ask,
	.xclient = on_xclient,
	.content = format_content,
	.end = on_end,
	.reset = on_reset,
	.prepend = prepend,
	.name = name,
};
