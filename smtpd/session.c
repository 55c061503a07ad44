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
	lookups_init(&s->lookups, s->d, s);
	buf_init(&s->header, SESSION_HEADER_MAX);
	checks_client(s, false);
}

static void
closed(struct smtp_conn *c)
{
	struct session *s = (struct session *)c;

	if (s->lookup != 0)
		map_del(s->d->lookups, s->lookup);
	lookups_clear(&s->lookups);
	buf_free(&s->header);
	behaviour_forget(s);
	reports_forget(s);
	behaviour_tell(s);
}

static void
on_mail(struct smtp_conn *c, const struct smtp_mail *mail)
{
	struct session *s = (struct session *)c;

	(void)mail;
	header_start(s);
	s->has_sender = true;
	checks_mail(s);
	smtp_session_accept(c->engine, NULL);
}

/* A trusted proxy or a test speaks for another client. */
static void
on_xclient(struct smtp_conn *c, const struct smtp_xclient *x)
{
	bool named = x->attr[SMTP_X_NAME].state != SMTP_X_ABSENT;
	struct session *s = (struct session *)c;

	log_info(c->id,
	    "event=xclient client=%s as=\"%s\" name=\"%s\" login=\"%s\" to=\"%s\" port=\"%s\"",
	    c->client, LOGS(str_of(x->attr[SMTP_X_ADDR].value)),
	    LOGS(str_of(x->attr[SMTP_X_NAME].value)), LOGS(str_of(x->attr[SMTP_X_LOGIN].value)),
	    LOGS(str_of(x->attr[SMTP_X_DESTADDR].value)),
	    LOGS(str_of(x->attr[SMTP_X_DESTPORT].value)));
	if (x->attr[SMTP_X_ADDR].state == SMTP_X_SET)
		snprintf(c->client, sizeof(c->client), "%.63s", x->attr[SMTP_X_ADDR].value);
	if (!behaviour_changed(s))
		return;
	if (named)
		snprintf(
		    s->client.name, sizeof(s->client.name), "%.255s", x->attr[SMTP_X_NAME].value);
	if (named || x->attr[SMTP_X_ADDR].state == SMTP_X_SET)
		checks_client(s, named);
	smtp_session_accept(c->engine, NULL);
}

/* --- a message --------------------------------------------------------------------------------- */

/* Everything about it is known: refused, or on its way to queue. */
static void
judge(struct session *s)
{
	struct smtp_conn *c = &s->conn;
	struct verdict v;

	signatures_log(s);
	verdict_find(s, &v);
	if (v.zone == ZONE_REFUSE) {
		smtp_conn_refuse_with(c, v.reply, &v.args, "message", STR(""));
		smtp_conn_reset(c); /* queue forgets what it has of it */
		return;
	}
	c->junk = v.zone == ZONE_JUNK;
	c->size -= s->cut;
	if (!reports_ask(s))
		smtp_conn_commit(c);
}

/* True: the engine has its answer, or queue is asked. */
static bool
message_decide(struct session *s)
{
	if (!signatures_known(s)) {
		s->waits = WAITS_END;
		lookups_wait(&s->lookups);
		return false;
	}
	s->waits = WAITS_NOT;
	judge(s);
	return true;
}

static void
on_end(struct smtp_conn *c)
{
	struct session *s = (struct session *)c;
	enum smtp_reply_id why;

	checks_log(s);
	if (format_refused(s))
		return;
	why = header_end(s);
	if (why != SMTP_OK) {
		smtp_conn_refuse(c, why, "message", (struct str){ 0 });
		return;
	}
	signatures_end(s);
	message_decide(s);
}

void
session_facts_came(struct session *s)
{
	if (s->waits == WAITS_RCPT) {
		recipients_go_on(s);
	} else if (s->waits == WAITS_END) {
		if (message_decide(s))
			smtp_conn_pump(&s->conn);
	} else { /* the next round of questions */
		checks_known(s);
		signatures_known(s);
	}
}

static void
on_reset(struct smtp_conn *c)
{
	struct session *s = (struct session *)c;

	behaviour_forget(s);
	signatures_forget(s);
	format_forget(s);
	reports_forget(s);
	s->waits = WAITS_NOT;
	s->has_sender = false;
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
				     .rdns = ((struct session *)c)->client.name,
				     .ip = c->client,
				     .by = c->host->hostname,
				     .esmtp = facts.esmtp,
				     .smtputf8 = smtp_session_mail(c->engine)->smtputf8,
				     .tls = tls_stream_describe(c->stream, tls),
				     .id = id,
				     .only_rcpt = c->recipients == 1 ? only : NULL,
				     .time = time(NULL) });
	checks_print((struct session *)c, out);
	reports_print((struct session *)c, out);
}

static void
on_stored(struct smtp_conn *c)
{
	behaviour_stored((struct session *)c);
}

static const char *
name(const struct smtp_conn *c)
{
	return ((const struct session *)c)->client.name;
}

const struct smtp_host_ops smtpd_host_ops = {
	.conn_size = sizeof(struct session),
	.tls = TLS_SMTP,
	.is_proxy = behaviour_is_proxy,
	.admit = behaviour_admit,
	.greet_ms = behaviour_greet_ms,
	.opened = opened,
	.closed = closed,
	.mail = on_mail,
	.rcpt = recipients_ask,
	.xclient = on_xclient,
	.content = format_content,
	.end = on_end,
	.reset = on_reset,
	.stored = on_stored,
	.prepend = prepend,
	.name = name,
};
