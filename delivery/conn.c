/* SPDX-License-Identifier: ISC */
/*
 * One connection to a server: moves bytes between its stream and the engine of lib/smtp_client, and
 * gives the orders whenever the engine is idle: TLS, the login at the smarthost, the message, the
 * end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "delivery/impl.h"

enum {
	IN_MAX = 4 * SMTP_CLIENT_LINE_MAX,  /* replies come in lines, and are read at once */
	OUT_MAX = SMTP_CLIENT_CONTENT_HIGH, /* as much as the engine has waiting */
	STALL_MS = 180000,                  /* a server that takes no byte (rfc5321:4.5.3.2.5) */
};

static bool
mandatory_tls(const struct conn *c)
{
	return c->d->o.smarthost.host[0] != '\0';
}

/* --- the end --------------------------------------------------------------------------------- */

void
conn_free(struct conn *c)
{
	if (c->job != NULL)
		c->job->conn = NULL;
	pool_remove(c);
	LIST_REMOVE(c, entry);
	io_stream_free(&c->stream);
	smtp_client_free(&c->engine);
	free(c);
}

static void
conn_flush(struct conn *c)
{
	struct buf *out = smtp_client_out(c->engine);
	size_t n = buf_len(out), room = io_stream_out_room(c->stream);

	if (n > room)
		n = room;
	if (n == 0)
		return;
	(void)io_stream_write(c->stream, buf_data(out), n);
	buf_drain(out, n);
}

/* What the engine still has to say (QUIT) goes out, then it is closed. When it has nothing to say, what
 * the stream has waiting must not go out either: it may hold the final dot of a message that was
 * given up. Frees c. */
static void
conn_finish(struct conn *c)
{
	if (buf_len(smtp_client_out(c->engine)) > 0) {
		conn_flush(c);
		io_stream_finish(&c->stream);
	}
	conn_free(c);
}

/* Frees c; its job goes on elsewhere, or again at the same address. */
static void
conn_fail(struct conn *c, const struct smtp_client_result *why, bool again)
{
	struct smtp_client_result r = *why; /* the engine's goes with it */
	char remote[JOB_REMOTE_MAX];
	struct job *j = c->job;

	snprintf(remote, sizeof(remote), "%s", c->remote);
	conn_finish(c);
	if (j != NULL)
		job_failed(j, &r, remote, again);
}

static struct smtp_client_result
local_failure(const struct conn *c, const char *enhanced, const char *fmt, const char *text)
{
	struct smtp_client_result r = {
		.class = SMTP_CLIENT_TEMP,
		.why = SMTP_CLIENT_WHY_LOCAL,
		.phase = smtp_client_phase(c->engine),
	};

	snprintf(r.enhanced, sizeof(r.enhanced), "%s", enhanced);
	snprintf(r.text, sizeof(r.text), "%s%s", fmt, text);
	return r;
}

/* This server will not do for what we need of it. Frees c. */
static void
conn_refuse(struct conn *c, const struct smtp_client_result *r)
{
	(void)smtp_client_quit(c->engine);
	conn_fail(c, r, false);
}

static void
conn_tls_failed(struct conn *c, const char *reason)
{
	const char *id = c->job != NULL ? c->job->queue_id : NULL;
	struct smtp_client_result r =
	    local_failure(c, mandatory_tls(c) ? "4.7.5" : "4.7.0", "TLS fails: ", reason);

	if (mandatory_tls(c)) {
		log_warn(id, "event=smarthost-tls-failed relay=\"%s\" reason=\"%s\"",
		    LOGS(str_of(c->remote)), LOGS(str_of(reason)));
		conn_fail(c, &r, false);
		return;
	}
	log_info(id, "event=tls-failed relay=\"%s\" reason=\"%s\" then=clear-text",
	    LOGS(str_of(c->remote)), LOGS(str_of(reason)));
	no_tls_put(c->d, &c->address);
	conn_fail(c, &r, true);
}

/* --- orders ---------------------------------------------------------------------------------- */

/* What came of an order or event: false: the connection is gone. */

static bool
begin_tls(struct conn *c)
{
	const struct delivery_options *o = &c->d->o;
	enum tls_verify verify = mandatory_tls(c) ? TLS_VERIFIED : TLS_ANY;
	const char *name = mandatory_tls(c) ? o->smarthost.host : c->host;

	switch (io_stream_tls_connect(c->stream, o->tls, name, verify)) {
	case TLS_START_OK:
		break;
	case TLS_START_INJECTED:
		smtp_client_tls_started(c->engine, 1);
		break;
	case TLS_START_UNAVAILABLE:
		conn_tls_failed(c, "it cannot be begun");
		return false;
	}
	return true;
}

static bool
wants_tls(const struct conn *c)
{
	if (smtp_client_tls(c->engine))
		return false;
	if (mandatory_tls(c))
		return true;
	return !c->clear && !c->tls_refused && smtp_client_caps(c->engine)->starttls;
}

static bool
order_tls(struct conn *c)
{
	struct smtp_client_result r;

	if (!c->tls_refused && smtp_client_starttls(c->engine) == 0)
		return true;
	r = local_failure(c, "4.7.4", "the smarthost offers no TLS", "");
	log_warn(
	    c->job->queue_id, "event=smarthost-without-tls relay=\"%s\"", LOGS(str_of(c->remote)));
	conn_refuse(c, &r);
	return false;
}

static bool
order_login(struct conn *c)
{
	const struct delivery_smarthost *h = &c->d->o.smarthost;
	struct smtp_client_result r;

	if (smtp_client_auth(c->engine, h->user, str_of(h->password)) == 0)
		return true;
	r = local_failure(c, "4.7.0", "the smarthost offers no login that can be used here", "");
	log_warn(c->job->queue_id, "event=smarthost-without-login relay=\"%s\"",
	    LOGS(str_of(c->remote)));
	conn_refuse(c, &r);
	return false;
}

static bool
order_message(struct conn *c)
{
	struct job *j = c->job;
	struct smtp_client_result r;
	int rc;

	j->message.nrcpts = j->nrcpts < smtp_client_rcpt_max(c->engine)
				? j->nrcpts
				: smtp_client_rcpt_max(c->engine);
	if ((rc = smtp_client_send(c->engine, &j->message)) == 0) {
		c->sending = true;
		c->messages++;
		job_want(j); /* so that the content is there when the server wants it */
		return true;
	}
	r = local_failure(c, "4.3.0", "the server takes no message over this connection", "");
	conn_refuse(c, &r);
	return false;
}

/* Nothing to do: kept for the next message, or ended. False: gone. */
static bool
order_rest(struct conn *c)
{
	struct delivery *d = c->d;

	if (c->pooled)
		return true;
	if (!d->stopping && d->o.idle_ms > 0 && smtp_client_may_send(c->engine) &&
	    c->messages < d->o.max_messages &&
	    io_now_ms(d->loop) - c->started_ms < DELIVERY_CONNECTION_MS && pool_put(c)) {
		io_stream_deadline(c->stream, d->o.idle_ms);
		c->armed = false;
		return true;
	}
	(void)smtp_client_quit(c->engine);
	conn_finish(c);
	return false;
}

/* *given: the engine has something to do. False: the connection is gone. */
static bool
conn_order(struct conn *c, bool *given)
{
	*given = false;
	if (smtp_client_phase(c->engine) != SMTP_CLIENT_IDLE)
		return true;
	if (c->job == NULL)
		return order_rest(c);
	*given = true;
	if (wants_tls(c))
		return order_tls(c);
	if (c->d->o.smarthost.user[0] != '\0' && !c->logged_in)
		return order_login(c);
	return order_message(c);
}

/* --- events ---------------------------------------------------------------------------------- */

static bool
on_login(struct conn *c)
{
	struct smtp_client_result r = *smtp_client_last(c->engine);

	if (r.class == SMTP_CLIENT_OK) {
		c->logged_in = true;
		return true;
	}
	log_warn(c->job != NULL ? c->job->queue_id : NULL,
	    "event=smarthost-login-failed relay=\"%s\" code=%u text=\"%s\"",
	    LOGS(str_of(c->remote)), r.code, LOGS(str_of(r.text)));
	r.class = SMTP_CLIENT_TEMP; /* our password is wrong, not the message */
	conn_refuse(c, &r);
	return false;
}

static bool
conn_event(struct conn *c, enum smtp_client_event ev)
{
	struct smtp_client_result r;

	switch (ev) {
	case SMTP_CLIENT_EV_STARTTLS:
		return begin_tls(c);
	case SMTP_CLIENT_EV_TLS_REFUSED:
		c->tls_refused = true;
		return true;
	case SMTP_CLIENT_EV_AUTH:
		return on_login(c);
	case SMTP_CLIENT_EV_DONE:
		c->sending = false;
		if (c->job != NULL)
			job_done(c->job);
		return true;
	case SMTP_CLIENT_EV_CLOSED:
		r = *smtp_client_last(c->engine);
		conn_fail(c, &r, false);
		return false;
	case SMTP_CLIENT_EV_NONE:
	case SMTP_CLIENT_EV_READY:
	case SMTP_CLIENT_EV_CONTENT:
		break;
	}
	return true;
}

/* Content that has come goes into the dialogue, as far as it is taken. */
static void
conn_feed(struct conn *c)
{
	struct job *j = c->job;

	if (j == NULL || !smtp_client_wants_content(c->engine))
		return;
	while (buf_len(&j->content) > 0) {
		size_t n = smtp_client_content(
		    c->engine, str_from(buf_data(&j->content), buf_len(&j->content)));

		if (n == 0)
			break;
		buf_drain(&j->content, n);
		j->fed += n;
		conn_flush(c);
	}
	if (smtp_client_wants_content(c->engine) && j->fed == j->message.size)
		smtp_client_content_end(c->engine);
	job_want(j);
}

/* While output waits the stream's own stall time counts, then that of the phase. */
static void
conn_arm(struct conn *c)
{
	enum smtp_client_phase phase = smtp_client_phase(c->engine);
	uint64_t ms, replies = smtp_client_replies(c->engine);

	if (c->pooled || !c->connected)
		return;
	if (io_stream_out_pending(c->stream) > 0) {
		io_stream_deadline(c->stream, 0);
		c->armed = false;
		return;
	}
	if (c->armed && phase == c->phase && replies == c->replies)
		return;
	ms = phase == SMTP_CLIENT_DATA_BLOCK ? DELIVERY_CONTENT_MS
					     : smtp_client_phase_seconds(phase) * 1000ULL;
	io_stream_deadline(c->stream, ms < c->d->o.command_ms ? ms : c->d->o.command_ms);
	c->armed = true;
	c->phase = phase;
	c->replies = replies;
}

void
conn_pump(struct conn *c)
{
	enum smtp_client_event ev;
	bool more = true;

	while (more) {
		struct buf *in = io_stream_in(c->stream);

		buf_drain(
		    in, smtp_client_step(c->engine, str_from(buf_data(in), buf_len(in)), &ev));
		if (ev != SMTP_CLIENT_EV_NONE) {
			if (!conn_event(c, ev))
				return;
			continue;
		}
		if (!conn_order(c, &more))
			return;
		if (!more) {
			conn_feed(c);
			/* 8-bit content where it is not taken ends the dialogue. */
			more = smtp_client_phase(c->engine) == SMTP_CLIENT_CLOSED;
		}
	}
	conn_flush(c);
	conn_arm(c);
	io_stream_pause(c->stream, false);
}

/* --- the stream ------------------------------------------------------------------------------ */

static void
on_data(void *arg, struct buf *in)
{
	(void)in;
	conn_pump(arg);
}

static void
on_drained(void *arg)
{
	struct conn *c = arg;

	c->armed = false;
	conn_pump(c);
}

static void
on_connected(void *arg)
{
	struct conn *c = arg;

	c->connected = true;
	if (!c->d->o.smarthost.tls_first || begin_tls(c))
		conn_arm(c);
}

static void
on_tls(void *arg)
{
	struct conn *c = arg;

	smtp_client_tls_started(c->engine, 0);
	c->armed = false;
	conn_pump(c);
}

static void
not_connected(struct conn *c, enum io_end why)
{
	struct smtp_client_result r = local_failure(c, "4.4.1", "",
	    why == IO_END_TIMEOUT ? "no answer to the connection"
				  : strerror(io_stream_errno(c->stream)));

	conn_fail(c, &r, false);
}

static bool
in_handshake(const struct conn *c)
{
	return smtp_client_phase(c->engine) == SMTP_CLIENT_TLS ||
	       (c->d->o.smarthost.tls_first && !io_stream_is_tls(c->stream));
}

static void
on_end(void *arg, enum io_end why)
{
	struct conn *c = arg;

	if (!c->connected) {
		not_connected(c, why);
		return;
	}
	if (in_handshake(c)) {
		const char *reason = tls_stream_error(c->stream);

		if (why == IO_END_TIMEOUT || why == IO_END_STALLED)
			reason = "no answer in time";
		conn_tls_failed(c, *reason != '\0' ? reason : "the connection ended");
		return;
	}
	if (c->pooled && why == IO_END_TIMEOUT) {
		pool_remove(c);
		(void)smtp_client_quit(c->engine);
		conn_finish(c);
		return;
	}
	if (why == IO_END_EOF || why == IO_END_ERROR)
		smtp_client_eof(c->engine);
	else if (why == IO_END_TIMEOUT && smtp_client_wants_content(c->engine))
		smtp_client_abort(c->engine, "the content did not come");
	else
		smtp_client_timeout(c->engine);
	conn_pump(c);
}

static const struct io_stream_ops stream_ops = {
	.on_data = on_data,
	.on_drained = on_drained,
	.on_end = on_end,
	.on_tls = on_tls,
	.on_connected = on_connected,
};

/* --- the beginning --------------------------------------------------------------------------- */

void
conn_remote(
    char out[JOB_REMOTE_MAX], const char *host, const struct route_address *a, uint16_t port)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(a->n == 4 ? AF_INET : AF_INET6, a->bytes, text, sizeof(text));
	snprintf(out, JOB_REMOTE_MAX, "%s%s[%s]:%u", host, *host != '\0' ? " " : "", text, port);
}

static socklen_t
address_of(const struct route_address *a, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->n == 4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		memcpy(&in4->sin_addr, a->bytes, 4);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a->bytes, 16);
	return sizeof(*in6);
}

static struct io_stream *
connect_stream(struct conn *c)
{
	const struct delivery_options *o = &c->d->o;
	struct io_stream_limits limits = {
		IN_MAX,
		OUT_MAX,
		o->command_ms < STALL_MS ? o->command_ms : STALL_MS,
	};
	struct sockaddr_storage ss;
	socklen_t n = address_of(&c->address, c->port, &ss);

	return io_stream_connect(
	    c->d->loop, (struct sockaddr *)&ss, n, o->connect_ms, &stream_ops, &limits, c);
}

struct conn *
conn_open(struct job *j, const struct route_hop *hop, const char *host)
{
	struct delivery *d = j->d;
	const struct delivery_smarthost *h = &d->o.smarthost;
	struct conn *c = xcalloc(1, sizeof(*c));
	int error;

	c->d = d;
	c->address = hop->address;
	c->port = h->host[0] != '\0' ? h->port : d->o.port;
	snprintf(c->host, sizeof(c->host), "%s", host);
	job_destination(j, c->domain);
	conn_remote(c->remote, c->host, &c->address, c->port);
	c->started_ms = io_now_ms(d->loop);
	c->clear = !mandatory_tls(c) && no_tls_find(d, &c->address);
	if ((c->stream = connect_stream(c)) == NULL) {
		error = errno;
		free(c);
		errno = error;
		return NULL;
	}
	c->engine = smtp_client_new(d->o.hostname, h->tls_first);
	LIST_INSERT_HEAD(&d->conns, c, entry);
	c->job = j;
	return c;
}

void
conn_take(struct conn *c, struct job *j)
{
	c->job = j;
	c->armed = false;
	conn_pump(c);
}
