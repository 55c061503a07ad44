/* SPDX-License-Identifier: ISC */
#include "smtp_host/smtp_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "proxy/proxy.h"

static const char *const close_reason[] = {
	[SMTP_CLOSE_QUIT] = "quit",
	[SMTP_CLOSE_ERRORS] = "too-many-errors",
	[SMTP_CLOSE_SYNTAX] = "bad-line",
	[SMTP_CLOSE_FOREIGN] = "not-smtp",
	[SMTP_CLOSE_INJECTION] = "starttls-injection",
	[SMTP_CLOSE_EARLY] = "data-too-early",
	[SMTP_CLOSE_TALKER] = "early-talker",
	[SMTP_CLOSE_OVERSIZE] = "oversize",
	[SMTP_CLOSE_HOST] = "refused",
};

/* --- the end ------------------------------------------------------------------------------ */

static void
log_end(const struct smtp_conn *c)
{
	struct smtp_facts f = smtp_session_facts(c->engine);
	char tls[TLS_DESCRIPTION_MAX];

	bool quiet = strcmp(c->ended, "quit") == 0 && f.messages > 0 && f.bad_commands == 0 &&
		     f.early_bytes == 0;

	/* Of a session that only brought messages the "accepted" lines tell all. */
	log_line(quiet ? LOG_DEBUG_ : LOG_INFO_, c->id,
	    "event=closed client=%s name=\"%s\" helo=\"%s\" reason=%s messages=%llu bad=%u "
	    "early=%llu "
	    "tls=\"%s\" seconds=%llu",
	    c->client, LOGS(str_of(c->host->ops->name ? c->host->ops->name(c) : "")),
	    LOGS(str_of(f.helo)), c->ended, (unsigned long long)f.messages, f.bad_commands,
	    (unsigned long long)f.early_bytes, tls_stream_describe(c->stream, tls),
	    (unsigned long long)(io_now_ms(c->host->loop) - c->started_ms) / 1000);
}

static void
send_out(struct smtp_conn *c)
{
	struct buf *out = smtp_session_out(c->engine);

	if (buf_len(out) > 0 && !c->broken &&
	    io_stream_write(c->stream, buf_data(out), buf_len(out)) != 0) {
		c->broken = c->over = true; /* it reads nothing, but talks on */
		c->ended = "replies-unread";
	}
	buf_clear(out);
}

static void
conn_free(struct smtp_conn *c)
{
	struct smtp_host *h = c->host;

	send_out(c);
	log_end(c);
	smtp_conn_reset(c);
	if (h->ops->closed && c->opened)
		h->ops->closed(c);
	if (c->counted)
		smtp_client_uncount(h, &c->peer);
	io_timer_free(&c->greet_timer);
	LIST_REMOVE(c, entry);
	h->count--;
	smtp_session_free(&c->engine);
	if (c->broken)
		io_stream_free(&c->stream);
	else
		io_stream_finish(&c->stream);
	free(c);
	if (h->stopping && h->count == 0)
		h->stopped(h->stopped_arg);
}

void
smtp_conn_shutdown(struct smtp_conn *c, enum smtp_reply_id reply, const char *why)
{
	smtp_session_clock(c->engine, time(NULL));
	if (c->greeted)
		smtp_session_shutdown(c->engine, reply);
	c->ended = why;
	conn_free(c);
}

void
smtp_conn_shutdown_soon(struct smtp_conn *c, enum smtp_reply_id reply, const char *why)
{
	c->leaving = why;
	c->bye = reply;
	if (!smtp_session_waiting(c->engine))
		smtp_conn_shutdown(c, reply, why);
}

/* --- events of the engine ----------------------------------------------------------------- */

static void
on_mail(struct smtp_conn *c, const struct smtp_mail *mail)
{
	smtp_conn_reset(c);
	address_print(&mail->from, c->sender, sizeof(c->sender));
	c->host->ops->mail(c, mail);
}

static void
on_data_command(struct smtp_conn *c)
{
	if (c->link == NULL || c->link->ch == NULL) {
		log_warn(c->id, "event=refused client=%s reason=queue-away", c->client);
		smtp_conn_reset(c);
		smtp_session_refuse(c->engine, SMTP_TROUBLE);
		return;
	}
	if (c->link->room != IPC_OK) {
		log_warn(c->id, "event=refused client=%s reason=queue-full", c->client);
		smtp_conn_reset(c);
		smtp_session_refuse(c->engine, SMTP_QUEUE_FULL);
		return;
	}
	c->data_started_ms = io_now_ms(c->host->loop);
	c->data_bytes = 0;
	smtp_session_accept(c->engine, NULL);
}

static void
on_starttls(struct smtp_conn *c)
{
	if (!tls_server_ready(c->host->tls)) {
		smtp_session_refuse(c->engine, SMTP_TLS_UNAVAILABLE);
		return;
	}
	smtp_session_accept(c->engine, NULL);
	c->starttls = true;
}

void
smtp_conn_refuse(struct smtp_conn *c, enum smtp_reply_id reply, const char *what, struct str about)
{
	smtp_conn_refuse_with(c, reply, NULL, what, about);
}

/* " name="value"" for each argument that is there. */
static void
describe_args(const struct refusal_args *args, struct buf *out)
{
	char value[REFUSAL_ARG_SIZE];
	const char *name;

	for (unsigned i = 0; args != NULL && refusal_arg(args, i, &name, value); i++)
		if (value[0] != '\0')
			buf_printf(out, " %s=\"%s\"", name, LOGS(str_of(value)));
}

void
smtp_conn_refuse_with(struct smtp_conn *c, enum smtp_reply_id reply,
    const struct refusal_args *args, const char *what, struct str about)
{
	enum { DETAILS_MAX = 512 };
	const struct smtp_reply *r = smtp_reply_get(reply);
	struct buf details;

	buf_init(&details, DETAILS_MAX);
	describe_args(args, &details);
	log_info(c->id, "event=refused client=%s from=\"%s\" %s=\"%s\" code=%d %s reason=%s%.*s",
	    c->client, LOGS(str_of(c->sender)), what, LOGS(about), r->code, r->enhanced, r->name,
	    (int)buf_len(&details), (const char *)buf_data(&details));
	buf_free(&details);
	smtp_session_refuse_with(c->engine, reply, args);
}

static void
log_refused(struct smtp_conn *c, enum smtp_reply_id id)
{
	const struct smtp_reply *r = smtp_reply_get(id);

	log_info(c->id, "event=refused client=%s from=\"%s\" rcpts=%u code=%d %s reason=%s",
	    c->client, LOGS(str_of(c->sender)), c->recipients, r->code, r->enhanced, r->name);
}

static void
handle(struct smtp_conn *c, const struct smtp_event *ev)
{
	const struct smtp_host_ops *ops = c->host->ops;

	switch (ev->type) {
	case SMTP_EV_NONE:
		break;
	case SMTP_EV_HELLO:
		smtp_conn_reset(c);
		smtp_session_accept(c->engine, NULL);
		break;
	case SMTP_EV_MAIL:
		on_mail(c, ev->mail);
		break;
	case SMTP_EV_RCPT:
		ops->rcpt(c, ev->rcpt);
		break;
	case SMTP_EV_DATA:
		on_data_command(c);
		break;
	case SMTP_EV_CONTENT:
		ops->content(c, ev->content);
		break;
	case SMTP_EV_END:
		c->size = ev->size;
		c->transactions++;
		ops->end(c);
		break;
	case SMTP_EV_STARTTLS:
		on_starttls(c);
		break;
	case SMTP_EV_XCLIENT: /* offered only where there is a handler, like AUTH */
		smtp_conn_reset(c);
		ops->xclient(c, ev->xclient);
		break;
	case SMTP_EV_AUTH:
		ops->auth(c, ev->auth);
		break;
	case SMTP_EV_AUTH_CANCEL:
		ops->auth_cancel(c);
		break;
	case SMTP_EV_RESET:
		if (ev->reply != SMTP_OK)
			log_refused(c, ev->reply);
		smtp_conn_reset(c);
		break;
	case SMTP_EV_REFUSED:
		log_refused(c, ev->reply);
		break;
	case SMTP_EV_CLOSE:
		c->over = true;
		c->ended = close_reason[ev->close];
		c->ended_by = (int)ev->close;
		break;
	}
}

/* --- moving bytes ------------------------------------------------------------------------- */

/* Content waits when queue does not keep up: the client is slowed down by TCP. */
static bool
must_throttle(struct smtp_conn *c)
{
	if (!smtp_session_in_content(c->engine) || c->link == NULL || c->link->ch == NULL ||
	    ipc_channel_pending(c->link->ch) <= IPC_OUT_LOW)
		return false;
	if (!c->throttled) {
		c->throttled = true;
		c->throttled_ms = io_now_ms(c->host->loop);
		io_stream_pause(c->stream, true);
		io_stream_deadline(c->stream, SMTP_HOST_ANSWER_MS);
	}
	return true;
}

void
smtp_conn_unthrottle(struct smtp_conn *c)
{
	if (!c->throttled)
		return;
	c->throttled = false;
	c->data_started_ms += io_now_ms(c->host->loop) - c->throttled_ms;
	io_stream_pause(c->stream, false);
}

static bool
too_slow(const struct smtp_conn *c)
{
	uint64_t elapsed = io_now_ms(c->host->loop) - c->data_started_ms;

	return smtp_session_in_content(c->engine) && elapsed > c->host->grace_ms &&
	       c->data_bytes < (elapsed - c->host->grace_ms) / 1000 * SMTP_HOST_SLOW_RATE;
}

/* How long the client (or, while it waits, our own peers) may now take. */
static void
set_deadline(struct smtp_conn *c)
{
	const struct smtp_host *d = c->host;
	uint64_t age = io_now_ms(d->loop) - c->started_ms, ms, most;

	if (smtp_session_waiting(c->engine)) {
		io_stream_deadline(c->stream, SMTP_HOST_ANSWER_MS);
		return;
	}
	most = c->session_ms != 0 ? c->session_ms : d->session_ms;
	ms = smtp_session_in_content(c->engine) ? d->data_ms : d->command_ms;
	if (d->count > d->max_connections / 4 * 3 && ms > SMTP_HOST_STRESS_MS)
		ms = SMTP_HOST_STRESS_MS;
	if (age + ms > most)
		ms = age < most ? most - age : 1;
	io_stream_deadline(c->stream, ms);
}

static void
start_tls(struct smtp_conn *c)
{
	enum tls_start r = io_stream_starttls(c->stream, c->host->tls, c->host->ops->tls);

	c->starttls = false;
	if (r == TLS_START_OK)
		return;
	c->over = c->broken = true;
	c->ended = r == TLS_START_INJECTED ? "starttls-injection" : "tls-unavailable";
}

/* Runs the engine over the waiting input; returns how much of it was used. */
static size_t
run_engine(struct smtp_conn *c)
{
	struct smtp_event ev;
	size_t total = 0;

	smtp_session_clock(c->engine, time(NULL));
	do {
		struct buf *in = io_stream_in(c->stream);
		bool content = smtp_session_in_content(c->engine);
		size_t used;

		if (must_throttle(c))
			break;
		used = smtp_session_step(c->engine, str_from(buf_data(in), buf_len(in)), &ev);
		handle(c, &ev);
		buf_drain(in, used);
		total += used;
		if (content)
			c->data_bytes += used;
	} while (ev.type != SMTP_EV_NONE && !c->over);
	return total;
}

/* reading: inside on_data; may free c. */
static void
pump(struct smtp_conn *c, bool reading)
{
	size_t used = run_engine(c);

	send_out(c);
	if (c->starttls && !c->over)
		start_tls(c);
	if (c->over) {
		conn_free(c);
		return;
	}
	if (smtp_session_waiting(c->engine) || c->throttled) {
		if (!c->throttled)
			set_deadline(c);
	} else if (c->host->stopping) {
		smtp_conn_shutdown(c, SMTP_STOPPING, "stopping");
		return;
	} else if (c->leaving) {
		smtp_conn_shutdown(c, c->bye, c->leaving);
		return;
	} else if (c->eof) {
		c->ended = "client-left";
		conn_free(c);
		return;
	} else if (too_slow(c)) {
		smtp_conn_shutdown(c, SMTP_TOO_SLOW, "too-slow");
		return;
	} else {
		set_deadline(c);
	}
	if (used > 0 && !reading && !c->throttled)
		io_stream_pause(c->stream, false); /* there is room for more input again */
}

void
smtp_conn_pump(struct smtp_conn *c)
{
	pump(c, false);
}

/* --- events of the stream ----------------------------------------------------------------- */

static void read_proxy(struct smtp_conn *c);

static void
on_stream_data(void *arg, struct buf *in)
{
	struct smtp_conn *c = arg;

	(void)in;
	if (c->proxied)
		read_proxy(c);
	else if (c->greet_timer == NULL) /* otherwise it has to wait for the greeting */
		pump(c, true);
}

static void
on_stream_end(void *arg, enum io_end why)
{
	struct smtp_conn *c = arg;

	switch (why) {
	case IO_END_EOF:
		c->eof = true;
		if (smtp_session_waiting(c->engine))
			return; /* it may still read the answer */
		c->ended = "client-left";
		break;
	case IO_END_TIMEOUT:
		smtp_conn_shutdown(c,
		    smtp_session_waiting(c->engine) || c->throttled ? SMTP_TROUBLE : SMTP_IDLE,
		    "timeout");
		return;
	case IO_END_STALLED:
		c->broken = true;
		c->ended = "replies-unread";
		break;
	case IO_END_ERROR:
		c->broken = true;
		c->ended = *tls_stream_error(c->stream) ? tls_stream_error(c->stream) : "lost";
		break;
	}
	conn_free(c);
}

static void
greet(struct smtp_conn *c)
{
	c->greeted = true;
	smtp_session_greet(c->engine, buf_len(io_stream_in(c->stream)));
	send_out(c);
	set_deadline(c);
}

static void
on_stream_tls(void *arg)
{
	struct smtp_conn *c = arg;

	if (c->host->ops->on_tls)
		c->host->ops->on_tls(c);
	if (!c->greeted) {
		smtp_session_tls_implicit(c->engine);
		greet(c);
		return;
	}
	smtp_session_tls_started(c->engine, 0);
	set_deadline(c);
}

static const struct io_stream_ops stream_ops = {
	.on_data = on_stream_data,
	.on_end = on_stream_end,
	.on_tls = on_stream_tls,
};
static const struct io_stream_limits stream_limits = {
	.in_max = SMTP_HOST_IN_MAX,
	.out_max = SMTP_HOST_OUT_MAX,
	.stall_ms = SMTP_HOST_STALL_MS,
};

/* --- the beginning ------------------------------------------------------------------------------------ */

static void
new_session_id(struct smtp_host *h, char id[SMTP_HOST_ID_MAX + 1])
{
	snprintf(id, SMTP_HOST_ID_MAX + 1, "%s%llx", h->id_prefix,
	    (unsigned long long)++h->last_session);
}

/* So many lines a second; the next one tells how many there were without one. */
static void
log_turned_away(struct smtp_host *h, const char *session, const char *client, enum smtp_reply_id id)
{
	uint64_t now = io_now_ms(h->loop);

	if (h->refused_at == 0 || now - h->refused_at >= 1000) {
		h->refused_at = now;
		h->refused_lines = 0;
	}
	h->refused_unlogged++;
	if (++h->refused_lines > SMTP_HOST_TURNED_AWAY_LINES)
		return;
	log_line(id == SMTP_TOO_MANY_CONNECTIONS ? LOG_WARN_ : LOG_INFO_, session,
	    "event=turned-away client=%s code=421 reason=%s count=%u sessions=%u", client,
	    smtp_reply_get(id)->name, h->refused_unlogged, h->count);
	h->refused_unlogged = 0;
}

/* One reply, without a session: this is the cheap way out. Where TLS comes first, not even that. */
static void
turn_away(
    struct smtp_host *h, int fd, bool mute, enum smtp_reply_id id, const struct refusal_args *args)
{
	char session[SMTP_HOST_ID_MAX + 1];
	struct refusal_frame frame = { .help_url = h->help_url, .id = session, .now = time(NULL) };
	struct buf out;

	new_session_id(h, session);
	log_turned_away(h, session, args->client, id);
	buf_init(&out, REFUSAL_PRINTED_MAX);
	smtp_reply_refuse(&out, id, &frame, args);
	if (!mute)
		(void)!send(fd, buf_data(&out), buf_len(&out), MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_free(&out);
}

/* May this client have a session? SMTP_OK: yes, and it is counted. */
static enum smtp_reply_id
admit(struct smtp_host *h, const struct net_address *client, struct refusal_args *args)
{
	enum smtp_reply_id id = h->stopping ? SMTP_STOPPING : SMTP_OK;

	if (id == SMTP_OK && h->ops->admit)
		id = h->ops->admit(h, client, args);
	if (id == SMTP_OK && !smtp_client_count(h, client))
		id = SMTP_TOO_MANY_CONNECTIONS;
	return id;
}

static void
on_greet_timer(void *arg)
{
	struct smtp_conn *c = arg;

	io_timer_free(&c->greet_timer);
	greet(c);
	smtp_conn_pump(c);
}

/* Greets now or soon, or begins with TLS. */
static void
begin(struct smtp_conn *c, bool implicit_tls)
{
	uint64_t ms = 0;

	c->opened = true;
	if (c->host->ops->opened)
		c->host->ops->opened(c);
	if (c->host->ops->greet_ms && !implicit_tls)
		ms = c->host->ops->greet_ms(c);
	if (ms > 0) {
		c->greet_timer = io_timer_new(c->host->loop, on_greet_timer, c);
		io_timer_set(c->greet_timer, ms);
	} else if (!implicit_tls) {
		greet(c);
	} else if (io_stream_starttls(c->stream, c->host->tls, c->host->ops->tls) != 0) {
		c->broken = true;
		c->ended = "tls-unavailable";
		conn_free(c);
	}
}

/* The client that a proxy speaks for; NULL: the proxy itself. */
static void
proxied_begin(struct smtp_conn *c, const struct net_address *client)
{
	struct refusal_args args = { 0 };
	enum smtp_reply_id id;

	if (client != NULL)
		c->peer = c->address = *client;
	net_print(&c->address, c->client);
	args.client = c->client;
	if ((id = admit(c->host, &c->peer, &args)) != SMTP_OK) {
		log_turned_away(c->host, c->id, c->client, id);
		c->broken = c->implicit_tls; /* no word before TLS */
		smtp_session_clock(c->engine, time(NULL));
		smtp_session_shutdown_with(c->engine, id, &args);
		c->ended = "turned-away";
		conn_free(c);
		return;
	}
	c->counted = true;
	begin(c, c->implicit_tls);
	if (c->greeted)
		pump(c, true); /* what came behind the header */
}

/* TLS reads the connection itself: of what follows the header no byte may be taken. */
static void
read_at_most(struct smtp_conn *c, size_t most)
{
	struct io_stream_limits limits = stream_limits;

	if (c->implicit_tls)
		limits.in_max = most;
	io_stream_set_limits(c->stream, &limits);
}

static void
read_proxy(struct smtp_conn *c)
{
	struct buf *in = io_stream_in(c->stream);
	struct proxy_header header;
	size_t used;
	int r = proxy_parse(str_from(buf_data(in), buf_len(in)), &header, &used);

	if (r == 0) {
		read_at_most(c, buf_len(in) + 1);
		return;
	}
	if (r < 0) {
		log_warn(c->id, "event=proxy-header-bad proxy=%s", c->client);
		c->broken = true;
		c->ended = "proxy-header-bad";
		conn_free(c);
		return;
	}
	buf_drain(in, used);
	c->proxied = false;
	read_at_most(c, SMTP_HOST_IN_MAX);
	log_debug(c->id, "event=proxied proxy=%s local=%d", c->client, header.local);
	proxied_begin(c, header.local ? NULL : &header.client);
}

static struct smtp_conn *
conn_new(struct smtp_host *h, int fd, const struct net_address *peer)
{
	struct smtp_conn *c = xcalloc(1, h->ops->conn_size);

	c->host = h;
	c->peer = c->address = *peer;
	net_print(peer, c->client);
	c->ended_by = -1;
	new_session_id(h, c->id);
	c->started_ms = io_now_ms(h->loop);
	STAILQ_INIT(&c->envelope);
	LIST_INSERT_HEAD(&h->conns, c, entry);
	h->count++;
	c->stream = io_stream_new(h->loop, fd, &stream_ops, &stream_limits, c);
	c->engine = smtp_session_new(&h->policy, c->id);
	return c;
}

void
smtp_conn_new(struct smtp_host *h, int fd, const struct sockaddr *sa, bool implicit_tls)
{
	enum smtp_reply_id id = SMTP_OK;
	char client[NET_TEXT_MAX];
	struct refusal_args args = { .client = client };
	struct net_address peer;
	struct smtp_conn *c;
	bool proxied;

	smtp_client_address(sa, &peer);
	net_print(&peer, client);
	proxied = h->ops->is_proxy && h->ops->is_proxy(h, client);
	if (h->count >= h->max_connections)
		id = h->stopping ? SMTP_STOPPING : SMTP_TOO_MANY_CONNECTIONS;
	else if (!proxied)
		id = admit(h, &peer, &args);
	if (id != SMTP_OK) {
		turn_away(h, fd, implicit_tls, id, &args);
		close(fd);
		return;
	}
	c = conn_new(h, fd, &peer);
	c->counted = !proxied;
	c->proxied = proxied;
	c->implicit_tls = implicit_tls;
	smtp_session_offer_tls(c->engine, !implicit_tls && tls_server_ready(h->tls));
	if (!proxied) {
		begin(c, implicit_tls);
		return;
	}
	read_at_most(c, 1);
	io_stream_deadline(c->stream, SMTP_HOST_PROXY_MS);
}
