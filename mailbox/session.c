/* SPDX-License-Identifier: ISC */
/*
 * A logged-in IMAP session: first the hand-over of the login, then a stream of plain bytes between
 * imapd (which keeps the TLS) and the engine. What the engine writes stays in its buffer until the
 * turn's commit is done.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "imap/limits.h"
#include "imap/session.h"
#include "ipc/ipc.h"
#include "mailbox/host_priv.h"

struct session {
	TAILQ_ENTRY(session) link, run_link;
	struct host *host;
	struct ipc_channel *ch; /* until the hand-over */
	struct io_timer *handover_timer;
	struct io_stream *stream;
	struct imap_session *imap;
	struct buf in;
	char id[25];
	enum imap_run waits_for;
	bool runnable, again, closing, paused;
	bool ended; /* the client is gone; what it sent is still done */
};

static void
session_free(struct session *ss)
{
	struct host *h = ss->host;

	if (ss->runnable)
		TAILQ_REMOVE(&h->runnable, ss, run_link);
	TAILQ_REMOVE(&h->sessions, ss, link);
	if (ss->imap != NULL) {
		h->nsessions--;
		log_info(ss->id, "event=session-end");
	}
	imap_session_free(&ss->imap);
	io_timer_free(&ss->handover_timer);
	ipc_channel_free(&ss->ch);
	io_stream_free(&ss->stream);
	buf_free(&ss->in);
	free(ss);
	host_busy(h);
}

static void
make_runnable(struct session *ss)
{
	if (ss->runnable)
		return;
	ss->runnable = true;
	TAILQ_INSERT_TAIL(&ss->host->runnable, ss, run_link);
}

/* --- running -----------------------------------------------------------------------------------
 */

static void
take_input(struct session *ss, struct buf *in)
{
	size_t n = buf_len(in) < buf_room(&ss->in) ? buf_len(in) : buf_room(&ss->in);

	buf_put(&ss->in, buf_data(in), n);
	buf_drain(in, n);
	if (buf_len(in) > 0 && !ss->paused) {
		ss->paused = true;
		io_stream_pause(ss->stream, true);
	}
}

static void
run_one(struct session *ss)
{
	ss->waits_for = imap_session_run(ss->imap, &ss->in);
	switch (ss->waits_for) {
	case IMAP_RUN_AGAIN:
		ss->again = true;
		break;
	case IMAP_RUN_CLOSE:
		ss->closing = true;
		break;
	default:
		break;
	}
	if (buf_len(&ss->in) == 0 && ss->in.cap > 0)
		buf_free(&ss->in);
	if (ss->paused && buf_room(&ss->in) > SESSION_IN_MAX / 2 && !ss->closing) {
		ss->paused = false;
		io_stream_pause(ss->stream, false);
	}
	io_stream_deadline(ss->stream,
	    imap_session_is_idle(ss->imap) ? ss->host->config.idle_limit_ms : SESSION_COMMAND_MS);
}

bool
sessions_run(struct host *h)
{
	struct session *ss, *last = TAILQ_LAST(&h->runnable, session_list);
	bool any = last != NULL;

	/* Those that become runnable meanwhile have their turn in the next round. */
	while ((ss = TAILQ_FIRST(&h->runnable)) != NULL) {
		TAILQ_REMOVE(&h->runnable, ss, run_link);
		ss->runnable = false;
		if (!ss->closing)
			run_one(ss);
		if (ss == last)
			break;
	}
	return any;
}

/* True: something is on its way. The session may be gone. */
static bool
send_one(struct session *ss)
{
	struct buf *out = imap_session_out(ss->imap);
	size_t n = buf_len(out), room = io_stream_out_room(ss->stream);

	if (n > room)
		n = room;
	if (ss->ended) {
		buf_clear(out);
		if (!ss->runnable && !ss->again && ss->waits_for != IMAP_RUN_BACKEND) {
			session_free(ss);
			return false;
		}
		n = 0;
	}
	if (n > 0 && io_stream_write(ss->stream, buf_data(out), n) == 0)
		buf_drain(out, n);
	if (buf_len(out) == 0 && ss->closing) {
		io_stream_finish(&ss->stream);
		session_free(ss);
	}
	return n > 0;
}

void
sessions_again(struct host *h)
{
	struct session *ss;

	TAILQ_FOREACH(ss, &h->sessions, link) {
		if (ss->again)
			make_runnable(ss);
		ss->again = false;
	}
}

bool
sessions_send(struct host *h)
{
	struct session *ss, *next;
	bool sent = false;

	for (ss = TAILQ_FIRST(&h->sessions); ss != NULL; ss = next) {
		next = TAILQ_NEXT(ss, link);
		if (ss->imap != NULL)
			sent |= send_one(ss);
	}
	return sent;
}

/* --- the stream --------------------------------------------------------------------------------
 */

static void
on_data(void *arg, struct buf *in)
{
	struct session *ss = arg;

	host_busy(ss->host);
	take_input(ss, in);
	make_runnable(ss);
}

/* The engine may have waited for this. */
static void
on_drained(void *arg)
{
	make_runnable(arg);
}

static void
on_end(void *arg, enum io_end why)
{
	struct session *ss = arg;

	if (why == IO_END_EOF && !ss->closing) {
		ss->ended = true;
		make_runnable(ss);
		return;
	}
	if (why != IO_END_TIMEOUT || ss->closing) {
		session_free(ss);
		return;
	}
	log_info(ss->id, "event=session-timeout");
	imap_session_bye(ss->imap, "Idle for too long");
	make_runnable(ss);
}

static const struct io_stream_ops stream_ops = {
	.on_data = on_data,
	.on_drained = on_drained,
	.on_end = on_end,
};

static void
on_wake(void *arg)
{
	make_runnable(arg);
}

/* --- the hand-over -----------------------------------------------------------------------------
 */

static void
begin(struct session *ss, int fd, struct str tag, struct str hidden)
{
	static const struct io_stream_limits limits = { SESSION_STREAM_IN_MAX, IMAP_OUT_MAX,
		SESSION_STALL_MS };
	struct host *h = ss->host;
	const struct imap_session_config config = { .ops = &backend_ops,
		.backend = h->backend,
		.wake = on_wake,
		.wake_arg = ss,
		.hidden_capabilities = hidden };

	ss->stream = io_stream_new(h->config.loop, fd, &stream_ops, &limits, ss);
	if (h->nsessions >= h->config.max_sessions || h->stopping) {
		io_stream_write(ss->stream, tag.p, tag.n);
		io_stream_write(ss->stream, " NO [LIMIT] Too many sessions\r\n", 31);
		io_stream_finish(&ss->stream);
		return;
	}
	h->nsessions++;
	ss->imap = imap_session_new(&config);
	imap_session_welcome(ss->imap, tag);
	make_runnable(ss);
}

static void
on_handover(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_session_handover *m, int fd)
{
	struct session *ss = arg;
	char *tag, *hidden;

	(void)ch;
	(void)id;
	(void)fd;
	log_escape(ss->id, sizeof(ss->id), m->session);
	log_info(ss->id, "event=session protocol=imap login=\"%s\" client=\"%s\" tls=\"%s\"",
	    LOGS(m->login), LOGS(m->client_address), LOGS(m->tls));
	tag = xstrndup(m->tag.p, m->tag.n);
	hidden = xstrndup(m->hidden_capabilities.p, m->hidden_capabilities.n);
	if (!str_eq(m->protocol, STR("imap")) || m->tag.n == 0) {
		log_error(ss->id, "event=handover-refused reason=\"unknown protocol\"");
		session_free(ss);
	} else {
		buf_put(&ss->in, m->unread.p, m->unread.n);
		io_timer_free(&ss->handover_timer);
		begin(ss, ipc_channel_detach(&ss->ch, &ss->in), str_of(tag), str_of(hidden));
		if (ss->imap == NULL)
			session_free(ss);
	}
	free(tag);
	free(hidden);
}

static unsigned
on_state(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return IPC_ST_NEW;
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	session_free(arg);
}

static void
on_late(void *arg)
{
	session_free(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(session_handover, on_handover),
};
static const struct ipc_ops ops = {
	.handlers = handlers,
	.state = on_state,
	.on_close = on_close,
};

void
session_attach(struct host *h, int fd)
{
	struct session *ss = xcalloc(1, sizeof(*ss));

	ss->host = h;
	buf_init(&ss->in, SESSION_IN_MAX + SESSION_REST_MAX);
	ss->handover_timer = io_timer_new(h->config.loop, on_late, ss);
	io_timer_set(ss->handover_timer, SESSION_HANDOVER_MS);
	TAILQ_INSERT_TAIL(&h->sessions, ss, link);
	ss->ch = ipc_channel_new(h->config.loop, fd, IPC_CH_mailbox_session, IPC_SERVER, &ops, ss);
}

/* --- the end -----------------------------------------------------------------------------------
 */

void
sessions_stop(struct host *h)
{
	struct session *ss, *next;

	for (ss = TAILQ_FIRST(&h->sessions); ss != NULL; ss = next) {
		next = TAILQ_NEXT(ss, link);
		if (ss->imap == NULL) {
			session_free(ss);
			continue;
		}
		imap_session_bye(ss->imap, "Server is shutting down");
		make_runnable(ss);
	}
}

void
sessions_free(struct host *h)
{
	struct session *ss;

	while ((ss = TAILQ_FIRST(&h->sessions)) != NULL)
		session_free(ss);
}
