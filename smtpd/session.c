/* SPDX-License-Identifier: ISC */
#include "smtpd/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"

static const char *const close_reason[] = {
	[SMTP_CLOSE_QUIT] = "quit",
	[SMTP_CLOSE_ERRORS] = "too-many-errors",
	[SMTP_CLOSE_SYNTAX] = "bad-line",
	[SMTP_CLOSE_FOREIGN] = "not-smtp",
	[SMTP_CLOSE_INJECTION] = "starttls-injection",
	[SMTP_CLOSE_EARLY] = "data-too-early",
	[SMTP_CLOSE_OVERSIZE] = "oversize",
	[SMTP_CLOSE_HOST] = "refused",
};

/* --- the end
 * -------------------------------------------------------------------------------------- */

static void
log_end(const struct session *s)
{
	struct smtp_facts f = smtp_session_facts(s->engine);
	char tls[TLS_DESCRIPTION_MAX];

	bool quiet = strcmp(s->ended, "quit") == 0 && f.messages > 0 && f.bad_commands == 0 &&
		     f.early_bytes == 0;

	/* Of a session that only brought messages the "accepted" lines tell all. */
	log_line(quiet ? LOG_DEBUG_ : LOG_INFO_, s->id,
	    "event=closed client=%s name=\"%s\" helo=\"%s\" reason=%s messages=%llu bad=%u "
	    "early=%llu "
	    "tls=\"%s\" seconds=%llu",
	    s->client, LOGS(str_of(s->rdns.name)), LOGS(str_of(f.helo)), s->ended,
	    (unsigned long long)f.messages, f.bad_commands, (unsigned long long)f.early_bytes,
	    tls_stream_describe(s->stream, tls),
	    (unsigned long long)(io_now_ms(s->d->loop) - s->started_ms) / 1000);
}

static void
send_out(struct session *s)
{
	struct buf *out = smtp_session_out(s->engine);

	if (buf_len(out) > 0 && !s->broken &&
	    io_stream_write(s->stream, buf_data(out), buf_len(out)) != 0) {
		s->broken = s->over = true; /* it reads nothing, but talks on */
		s->ended = "replies-unread";
	}
	buf_clear(out);
}

static void
session_free(struct session *s)
{
	struct smtpd *d = s->d;

	send_out(s);
	log_end(s);
	transaction_reset(s);
	if (s->lookup != 0)
		map_del(d->lookups, s->lookup);
	rdns_stop(s);
	client_uncount(d, s->address_key);
	LIST_REMOVE(s, entry);
	d->count--;
	smtp_session_free(&s->engine);
	if (s->broken)
		io_stream_free(&s->stream);
	else
		io_stream_finish(&s->stream);
	free(s);
	if (d->stopping && d->count == 0)
		d->stopped(d->stopped_arg);
}

void
session_shutdown(struct session *s, enum smtp_reply_id reply, const char *why)
{
	smtp_session_shutdown(s->engine, reply);
	s->ended = why;
	session_free(s);
}

/* --- events of the engine
 * ------------------------------------------------------------------------- */

static void
on_mail(struct session *s, const struct smtp_mail *mail)
{
	transaction_reset(s);
	address_print(&mail->from, s->sender, sizeof(s->sender));
	smtp_session_accept(s->engine, NULL);
}

static void
on_data_command(struct session *s)
{
	if (s->d->queue == NULL) {
		log_warn(s->id, "event=refused client=%s reason=queue-away", s->client);
		transaction_reset(s);
		smtp_session_refuse(s->engine, SMTP_TROUBLE);
		return;
	}
	if (s->d->queue_room != IPC_OK) {
		log_warn(s->id, "event=refused client=%s reason=queue-full", s->client);
		transaction_reset(s);
		smtp_session_refuse(s->engine, SMTP_QUEUE_FULL);
		return;
	}
	s->data_started_ms = io_now_ms(s->d->loop);
	s->data_bytes = 0;
	smtp_session_accept(s->engine, NULL);
}

static void
on_starttls(struct session *s)
{
	if (!tls_server_ready(s->d->tls)) {
		smtp_session_refuse(s->engine, SMTP_TLS_UNAVAILABLE);
		return;
	}
	smtp_session_accept(s->engine, NULL);
	s->starttls = true;
}

/* A trusted proxy or a test speaks for another client. */
static void
on_xclient(struct session *s, const struct smtp_xclient *x)
{
	bool named = x->attr[SMTP_X_NAME].state != SMTP_X_ABSENT;

	transaction_reset(s);
	log_info(s->id, "event=xclient client=%s as=\"%s\" name=\"%s\"", s->client,
	    LOGS(str_of(x->attr[SMTP_X_ADDR].value)), LOGS(str_of(x->attr[SMTP_X_NAME].value)));
	if (x->attr[SMTP_X_ADDR].state == SMTP_X_SET)
		snprintf(s->client, sizeof(s->client), "%.63s", x->attr[SMTP_X_ADDR].value);
	if (named) {
		rdns_stop(s);
		snprintf(s->rdns.name, sizeof(s->rdns.name), "%s", x->attr[SMTP_X_NAME].value);
	} else if (x->attr[SMTP_X_ADDR].state == SMTP_X_SET) {
		rdns_start(s);
	}
	smtp_session_accept(s->engine, NULL);
}

static void
log_refused(struct session *s, enum smtp_reply_id id)
{
	const struct smtp_reply *r = smtp_reply_get(id);

	log_info(s->id, "event=refused client=%s from=\"%s\" rcpts=%u code=%d %s reason=%s",
	    s->client, LOGS(str_of(s->sender)), s->recipients, r->code, r->enhanced, r->name);
}

static void
handle(struct session *s, const struct smtp_event *ev)
{
	switch (ev->type) {
	case SMTP_EV_NONE:
	case SMTP_EV_AUTH: /* not in this service's policy */
	case SMTP_EV_AUTH_CANCEL:
		break;
	case SMTP_EV_HELLO:
		transaction_reset(s);
		smtp_session_accept(s->engine, NULL);
		break;
	case SMTP_EV_MAIL:
		on_mail(s, ev->mail);
		break;
	case SMTP_EV_RCPT:
		transaction_ask_recipient(s, ev->rcpt);
		break;
	case SMTP_EV_DATA:
		on_data_command(s);
		break;
	case SMTP_EV_CONTENT:
		transaction_content(s, ev->content);
		break;
	case SMTP_EV_END:
		transaction_commit(s, ev->size);
		break;
	case SMTP_EV_STARTTLS:
		on_starttls(s);
		break;
	case SMTP_EV_XCLIENT:
		on_xclient(s, ev->xclient);
		break;
	case SMTP_EV_RESET:
		if (ev->reply != SMTP_OK)
			log_refused(s, ev->reply);
		transaction_reset(s);
		break;
	case SMTP_EV_REFUSED:
		log_refused(s, ev->reply);
		break;
	case SMTP_EV_CLOSE:
		s->over = true;
		s->ended = close_reason[ev->close];
		break;
	}
}

/* --- moving bytes
 * --------------------------------------------------------------------------------- */

/* Content waits when queue does not keep up: the client is slowed down by TCP. */
static bool
must_throttle(struct session *s)
{
	if (!smtp_session_in_content(s->engine) || s->d->queue == NULL ||
	    ipc_channel_pending(s->d->queue) <= IPC_OUT_LOW)
		return false;
	if (!s->throttled) {
		s->throttled = true;
		s->throttled_ms = io_now_ms(s->d->loop);
		io_stream_pause(s->stream, true);
		io_stream_deadline(s->stream, SMTPD_ANSWER_MS);
	}
	return true;
}

void
session_unthrottle(struct session *s)
{
	if (!s->throttled)
		return;
	s->throttled = false;
	s->data_started_ms += io_now_ms(s->d->loop) - s->throttled_ms;
	io_stream_pause(s->stream, false);
}

static bool
too_slow(const struct session *s)
{
	uint64_t elapsed = io_now_ms(s->d->loop) - s->data_started_ms;

	return smtp_session_in_content(s->engine) && elapsed > SMTPD_SLOW_GRACE_MS &&
	       s->data_bytes < (elapsed - SMTPD_SLOW_GRACE_MS) / 1000 * SMTPD_SLOW_RATE;
}

/* How long the client (or, while it waits, our own peers) may now take. */
static void
set_deadline(struct session *s)
{
	const struct smtpd *d = s->d;
	uint64_t age = io_now_ms(d->loop) - s->started_ms, ms;

	if (smtp_session_waiting(s->engine)) {
		io_stream_deadline(s->stream, SMTPD_ANSWER_MS);
		return;
	}
	ms = smtp_session_in_content(s->engine) ? d->data_ms : d->command_ms;
	if (age + ms > d->session_ms)
		ms = age < d->session_ms ? d->session_ms - age : 1;
	io_stream_deadline(s->stream, ms);
}

static void
start_tls(struct session *s)
{
	enum tls_start r = io_stream_starttls(s->stream, s->d->tls, TLS_SMTP);

	s->starttls = false;
	if (r == TLS_START_OK)
		return;
	s->over = s->broken = true;
	s->ended = r == TLS_START_INJECTED ? "starttls-injection" : "tls-unavailable";
}

/* Runs the engine over the waiting input; returns how much of it was used. */
static size_t
run_engine(struct session *s)
{
	struct smtp_event ev;
	size_t total = 0;

	do {
		struct buf *in = io_stream_in(s->stream);
		bool content = smtp_session_in_content(s->engine);
		size_t used;

		if (must_throttle(s))
			break;
		used = smtp_session_step(s->engine, str_from(buf_data(in), buf_len(in)), &ev);
		handle(s, &ev);
		buf_drain(in, used);
		total += used;
		if (content)
			s->data_bytes += used;
	} while (ev.type != SMTP_EV_NONE && !s->over);
	return total;
}

/* reading: inside on_data; may free s. */
static void
pump(struct session *s, bool reading)
{
	size_t used = run_engine(s);

	send_out(s);
	if (s->starttls && !s->over)
		start_tls(s);
	if (s->over) {
		session_free(s);
		return;
	}
	if (smtp_session_waiting(s->engine) || s->throttled) {
		if (!s->throttled)
			set_deadline(s);
	} else if (s->d->stopping) {
		session_shutdown(s, SMTP_STOPPING, "stopping");
		return;
	} else if (s->eof) {
		s->ended = "client-left";
		session_free(s);
		return;
	} else if (too_slow(s)) {
		session_shutdown(s, SMTP_TOO_SLOW, "too-slow");
		return;
	} else {
		set_deadline(s);
	}
	if (used > 0 && !reading && !s->throttled)
		io_stream_pause(s->stream, false); /* there is room for more input again */
}

void
session_pump(struct session *s)
{
	pump(s, false);
}

/* --- events of the stream
 * ------------------------------------------------------------------------- */

static void
on_stream_data(void *arg, struct buf *in)
{
	(void)in;
	pump(arg, true);
}

static void
on_stream_end(void *arg, enum io_end why)
{
	struct session *s = arg;

	switch (why) {
	case IO_END_EOF:
		s->eof = true;
		if (smtp_session_waiting(s->engine))
			return; /* it may still read the answer */
		s->ended = "client-left";
		break;
	case IO_END_TIMEOUT:
		s->ended = "timeout";
		smtp_session_shutdown(s->engine,
		    smtp_session_waiting(s->engine) || s->throttled ? SMTP_TROUBLE : SMTP_IDLE);
		break;
	case IO_END_STALLED:
		s->broken = true;
		s->ended = "replies-unread";
		break;
	case IO_END_ERROR:
		s->broken = true;
		s->ended = *tls_stream_error(s->stream) ? tls_stream_error(s->stream) : "lost";
		break;
	}
	session_free(s);
}

static void
on_stream_tls(void *arg)
{
	struct session *s = arg;

	smtp_session_tls_started(s->engine, 0);
	set_deadline(s);
}

static const struct io_stream_ops stream_ops = {
	.on_data = on_stream_data,
	.on_end = on_stream_end,
	.on_tls = on_stream_tls,
};
static const struct io_stream_limits stream_limits = {
	.in_max = SMTPD_IN_MAX,
	.out_max = SMTPD_OUT_MAX,
	.stall_ms = SMTPD_STALL_MS,
};

/* --- the beginning
 * -------------------------------------------------------------------------------- */

/* One reply, without a session: this is the cheap way out. */
static void
turn_away(struct smtpd *d, int fd, const char *client, enum smtp_reply_id id)
{
	uint64_t now = io_now_ms(d->loop);
	struct buf out;

	buf_init(&out, 2 * SMTP_REPLY_LINE_MAX);
	smtp_reply_print(&out, id, NULL);
	(void)!send(fd, buf_data(&out), buf_len(&out), MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_free(&out);
	close(fd);
	d->refused_unlogged++;
	if (now - d->refused_at < 1000 && d->refused_at != 0)
		return;
	log_warn(NULL, "event=turned-away client=%s code=421 reason=%s count=%u sessions=%u",
	    client, smtp_reply_get(id)->name, d->refused_unlogged, d->count);
	d->refused_at = now;
	d->refused_unlogged = 0;
}

void
session_new(struct smtpd *d, int fd, const struct sockaddr *sa, socklen_t salen)
{
	char client[64] = "";
	uint64_t key = client_key(sa, client, sizeof(client));
	struct session *s;

	(void)salen;
	if (d->stopping || d->count >= d->max_connections || !client_count(d, key)) {
		turn_away(d, fd, client, d->stopping ? SMTP_STOPPING : SMTP_TOO_MANY_CONNECTIONS);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->d = d;
	s->address_key = key;
	memcpy(s->client, client, sizeof(client));
	snprintf(
	    s->id, sizeof(s->id), "%s%llx", d->id_prefix, (unsigned long long)++d->last_session);
	s->started_ms = io_now_ms(d->loop);
	STAILQ_INIT(&s->envelope);
	LIST_INSERT_HEAD(&d->sessions, s, entry);
	d->count++;
	s->stream = io_stream_new(d->loop, fd, &stream_ops, &stream_limits, s);
	s->engine = smtp_session_new(&d->policy);
	smtp_session_offer_tls(s->engine, tls_server_ready(d->tls));
	smtp_session_allow_xclient(
	    s->engine, client_in_list(d->settings, SET_smtpd_xclient_from, client));
	smtp_session_greet(s->engine);
	send_out(s);
	set_deadline(s);
	rdns_start(s);
}
