/* SPDX-License-Identifier: ISC */
/* What a session of submission does its own way. */
#include "submission/session.h"

static bool
is_proxy(struct smtp_host *h, const char *peer)
{
	const struct submission *d = h->arg;

	return smtp_client_in_list(d->settings, SET_submission_proxy_from, peer);
}

static void
opened(struct smtp_conn *c)
{
	struct session *s = session_of(c);

	s->d = c->host->arg;
	c->session_ms = s->d->login_ms;
	smtp_link_init(&s->door, c->host);
	s->door.owner = c;
	s->door.on_answer = message_answer;
	s->door.on_lost = message_door_lost;
	c->link = &s->door;
}

static void
closed(struct smtp_conn *c)
{
	struct session *s = session_of(c);

	login_end(s);
	smtp_link_free(&s->door);
}

static void
on_tls(struct smtp_conn *c)
{
	login_offer(session_of(c));
}

static void
on_auth(struct smtp_conn *c, const struct smtp_auth *auth)
{
	login_step(session_of(c), auth);
}

static void
on_auth_cancel(struct smtp_conn *c)
{
	login_cancel(session_of(c));
}

static const char *
name(const struct smtp_conn *c)
{
	return ((const struct session *)c)->login;
}

const struct smtp_host_ops submission_host_ops = {
	.conn_size = sizeof(struct session),
	.tls = TLS_SUBMISSION,
	.is_proxy = is_proxy,
	.opened = opened,
	.closed = closed,
	.on_tls = on_tls,
	.mail = message_mail,
	.rcpt = message_rcpt,
	.auth = on_auth,
	.auth_cancel = on_auth_cancel,
	.content = message_content,
	.end = message_end,
	.reset = message_reset,
	.stored = message_stored,
	.prepend = message_prepend,
	.name = name,
};
