/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "io/loop_priv.h"
#include "io/stream_priv.h"

enum {
	FINISH_MS = 5000,        /* io.h promises it */
	LINGER_BYTES = 256 << 10 /* the same */
};

enum phase {
	PLAIN,
	CONNECTING, /* output waits */
	DRAINING,   /* TLS was asked for; plain output goes out first */
	HANDSHAKE,  /* neither input nor output of the owner moves */
	SECURE,
};

struct io_stream {
	struct io_loop *loop;
	const struct io_stream_ops *ops;
	void *arg;
	struct io_stream_limits limits;
	struct buf in, out;
	struct event read_ev, write_ev, timer_ev;
	const struct io_transport *transport;
	void *state;
	size_t plain_left; /* output bytes that still go out in plain text */
	size_t lingered;
	uint64_t deadline, handshake_deadline, stall_at, timer_at; /* 0: none */
	int error;                                                 /* of connecting */
	uint64_t queued_turn;
	TAILQ_ENTRY(io_stream) entry;
	int fd;
	enum phase phase;
	bool queued;        /* on loop->work */
	bool paused;        /* by the owner */
	bool poke;          /* at the end of the turn: offer input again */
	bool read_on;       /* read_ev is added */
	bool write_on;      /* write_ev is added */
	bool blocked;       /* the kernel took less than all */
	bool read_waits_w;  /* transport: reading goes on when writable */
	bool write_waits_r; /* transport: writing goes on when readable */
	bool eof;           /* seen; on_end(IO_END_EOF) waits until input was offered */
	bool ended;         /* on_end was called */
	bool broken;        /* nothing can be written any more */
	bool shut;          /* the peer sees the end once out is empty */
	bool shut_done;
	bool finishing; /* the owner has gone */
	bool lingering;
	bool busy; /* a callback runs: memory stays */
	bool dead; /* freed meanwhile */
};

static void stream_end(struct io_stream *s, enum io_end why);

/* --- life --------------------------------------------------------------------------------------
 */

static void
stream_close(struct io_stream *s)
{
	event_del(&s->read_ev);
	event_del(&s->write_ev);
	event_del(&s->timer_ev);
	if (s->queued)
		TAILQ_REMOVE(&s->loop->work, s, entry);
	s->queued = false;
	if (s->transport != NULL) {
		if (s->phase == SECURE && !s->broken && !s->lingering && !s->shut_done)
			s->transport->shutdown(s->state);
		s->transport->free(s->state);
	}
	close(s->fd);
	s->fd = -1;
}

/* The owner's callback may still look at the input buffer: memory goes when it has returned. */
static void
stream_destroy(struct io_stream *s)
{
	if (!s->dead)
		stream_close(s);
	s->dead = true;
	if (s->busy)
		return;
	buf_free(&s->in);
	buf_free(&s->out);
	free(s);
}

/* After a callback: false when the stream is gone. */
static bool
stream_back(struct io_stream *s)
{
	s->busy = false;
	s->loop->again = true; /* the callback may have made work for the hooks */
	if (s->dead) {
		stream_destroy(s);
		return false;
	}
	return true;
}

static void
stream_queue(struct io_stream *s)
{
	if (s->queued)
		return;
	s->queued = true;
	s->queued_turn = s->loop->turn;
	TAILQ_INSERT_TAIL(&s->loop->work, s, entry);
}

/* --- time --------------------------------------------------------------------------------------
 */

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Deadlines move with each command; the timer is only touched when it would fire too late. */
static void
timer_update(struct io_stream *s)
{
	uint64_t at = earlier(earlier(s->deadline, s->handshake_deadline), s->stall_at);
	uint64_t now, ms;
	struct timeval tv;

	if (at == 0 || (s->timer_at != 0 && s->timer_at <= at))
		return;
	now = io_now_ms(s->loop);
	ms = at > now ? at - now : 1;
	tv = (struct timeval){ (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };
	s->timer_at = at;
	evtimer_add(&s->timer_ev, &tv);
}

static bool
passed(uint64_t at, uint64_t now)
{
	return at != 0 && now >= at;
}

static void
on_timer_event(evutil_socket_t fd, short what, void *arg)
{
	struct io_stream *s = arg;
	uint64_t now = io_now_ms(s->loop);

	(void)fd;
	(void)what;
	s->timer_at = 0;
	if (s->finishing && passed(s->deadline, now)) {
		stream_destroy(s);
	} else if (passed(s->handshake_deadline, now)) {
		s->handshake_deadline = 0;
		s->broken = true;
		stream_end(s, IO_END_TIMEOUT);
	} else if (passed(s->stall_at, now)) {
		s->broken = true;
		stream_end(s, IO_END_STALLED);
	} else if (passed(s->deadline, now)) {
		s->deadline = 0;
		stream_end(s, IO_END_TIMEOUT);
	} else {
		timer_update(s);
	}
}

/* --- what to wait for --------------------------------------------------------------------------
 */

static bool
can_read(const struct io_stream *s)
{
	if (s->lingering)
		return true;
	return (s->phase == PLAIN || s->phase == SECURE) && !s->paused && !s->eof && !s->ended &&
	       !s->finishing && buf_room(&s->in) > 0;
}

static void
event_switch(struct event *ev, bool *is_on, bool on)
{
	if (*is_on == on)
		return;
	*is_on = on;
	if (!on)
		event_del(ev);
	else if (event_add(ev, NULL) != 0)
		fatal("cannot watch a stream: %s", strerror(errno));
}

/* Reading is switched off only when an unwanted event comes: most pauses are over before that. */
static void
want_update(struct io_stream *s)
{
	bool w = s->blocked && !s->write_waits_r;

	if (s->phase != HANDSHAKE && s->phase != CONNECTING) {
		if ((can_read(s) && !s->read_waits_w) || s->write_waits_r)
			event_switch(&s->read_ev, &s->read_on, true);
		event_switch(&s->write_ev, &s->write_on, w || s->read_waits_w);
	}
}

/* --- the end -----------------------------------------------------------------------------------
 */

static void
stream_end(struct io_stream *s, enum io_end why)
{
	bool had_output = buf_len(&s->out) > 0;

	if (s->finishing) {
		stream_destroy(s);
		return;
	}
	if (s->broken) {
		buf_free(&s->out);
		s->blocked = s->write_waits_r = s->read_waits_w = false;
		s->stall_at = s->handshake_deadline = 0;
	}
	if (s->ended) {
		/* Whoever waits for the last words to leave must not wait for ever. */
		if (had_output && s->broken && s->ops->on_drained != NULL) {
			s->busy = true;
			s->ops->on_drained(s->arg);
			stream_back(s);
		}
		return;
	}
	s->ended = true;
	event_switch(&s->read_ev, &s->read_on, false);
	s->busy = true;
	s->ops->on_end(s->arg, why);
	if (stream_back(s))
		want_update(s);
}

static void
stream_break(struct io_stream *s)
{
	s->broken = true;
	stream_end(s, IO_END_ERROR);
}

/* --- plain text --------------------------------------------------------------------------------
 */

static ssize_t
plain_result(ssize_t n, int wait)
{
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? wait : IO_T_FAILED;
}

static ssize_t
raw_read(struct io_stream *s, void *p, size_t n)
{
	if (s->phase == SECURE)
		return s->transport->read(s->state, p, n);
	return plain_result(recv(s->fd, p, n, MSG_DONTWAIT), IO_T_READABLE);
}

static ssize_t
raw_write(struct io_stream *s, const void *p, size_t n)
{
	if (s->phase == SECURE)
		return s->transport->write(s->state, p, n);
	return plain_result(send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL), IO_T_WRITABLE);
}

/* --- input -------------------------------------------------------------------------------------
 */

/* Fills `in`; false when the transport failed. */
static bool
stream_fill(struct io_stream *s)
{
	size_t budget = IO_SCRATCH;
	ssize_t n = 0;

	s->read_waits_w = false;
	do {
		size_t most = buf_room(&s->in) < budget ? buf_room(&s->in) : budget;

		n = raw_read(s, s->loop->scratch, most);
		if (n <= 0)
			break;
		buf_put(&s->in, s->loop->scratch, (size_t)n);
		budget -= (size_t)n;
	} while (s->phase == SECURE && budget > 0 && buf_room(&s->in) > 0);
	if (n == 0)
		s->eof = true;
	s->read_waits_w = n == IO_T_WRITABLE;
	if (n > 0 && s->phase == SECURE && s->transport->pending(s->state)) {
		s->poke = true;
		stream_queue(s);
	}
	return n != IO_T_FAILED;
}

/* Offers input, then the end if it is known; false when the stream is gone. */
static bool
stream_offer(struct io_stream *s)
{
	if (buf_len(&s->in) > 0 && !s->paused) {
		s->busy = true;
		s->ops->on_data(s->arg, &s->in);
		if (!stream_back(s))
			return false;
		if (buf_len(&s->in) == 0)
			buf_free(&s->in);
	}
	return true;
}

static void
stream_read(struct io_stream *s)
{
	size_t before = buf_len(&s->in);
	bool whole = stream_fill(s);

	if (buf_len(&s->in) > before && !stream_offer(s))
		return;
	if (s->finishing)
		return;
	if (!whole)
		stream_break(s);
	else if (s->eof && !s->ended && !s->paused)
		stream_end(s, IO_END_EOF);
	else
		want_update(s);
}

/* --- output ------------------------------------------------------------------------------------
 */

/* Reads and drops what the peer still sends; closes at its end. */
static void
stream_linger(struct io_stream *s)
{
	ssize_t n = recv(s->fd, s->loop->scratch, IO_SCRATCH, MSG_DONTWAIT);

	if (n > 0)
		s->lingered += (size_t)n;
	if (n == 0 || s->lingered > LINGER_BYTES ||
	    (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		stream_destroy(s);
}

/* All of a finishing stream's output has gone. */
static void
stream_goodbye(struct io_stream *s)
{
	bool more = buf_len(&s->in) > 0;
	ssize_t n = recv(s->fd, s->loop->scratch, IO_SCRATCH, MSG_DONTWAIT);

	if (n > 0)
		s->lingered = (size_t)n;
	if (n == 0 || (n < 0 && !more)) {
		stream_destroy(s);
		return;
	}
	if (s->phase == SECURE && !s->shut_done)
		s->transport->shutdown(s->state);
	shutdown(s->fd, SHUT_WR);
	buf_free(&s->in);
	s->lingering = true;
	want_update(s);
}

static void
handshake_step(struct io_stream *s)
{
	int r = s->transport->handshake(s->state);

	event_switch(&s->read_ev, &s->read_on, r == IO_T_READABLE);
	event_switch(&s->write_ev, &s->write_on, r == IO_T_WRITABLE);
	if (r == IO_T_FAILED) {
		stream_break(s);
		return;
	}
	if (r != 1)
		return;
	s->phase = SECURE;
	s->handshake_deadline = 0;
	/* What came behind the handshake may be inside already. */
	s->poke = true;
	stream_queue(s);
	if (s->ops->on_tls != NULL && !s->ended) {
		s->busy = true;
		s->ops->on_tls(s->arg);
		if (!stream_back(s))
			return;
	}
	want_update(s);
}

/* The kernel has decided about the connection. */
static void
connect_done(struct io_stream *s)
{
	socklen_t n = sizeof(s->error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &s->error, &n) < 0)
		s->error = errno;
	event_switch(&s->write_ev, &s->write_on, false);
	if (s->error != 0) {
		stream_break(s);
		return;
	}
	s->phase = PLAIN;
	s->handshake_deadline = 0;
	if (buf_len(&s->out) > 0)
		stream_queue(s);
	if (s->ops->on_connected != NULL && !s->ended) {
		s->busy = true;
		s->ops->on_connected(s->arg);
		if (!stream_back(s))
			return;
	}
	want_update(s);
}

static void
stream_shut(struct io_stream *s)
{
	if (!s->shut || s->shut_done || s->broken)
		return;
	s->shut_done = true;
	if (s->phase == SECURE)
		s->transport->shutdown(s->state);
	else
		shutdown(s->fd, SHUT_WR);
}

/* Everything that was pending has gone. */
static void
stream_drained(struct io_stream *s)
{
	buf_free(&s->out);
	s->stall_at = 0;
	stream_shut(s);
	want_update(s);
	if (s->finishing) {
		stream_goodbye(s);
		return;
	}
	if (s->ops->on_drained != NULL) {
		s->busy = true;
		s->ops->on_drained(s->arg);
		stream_back(s);
	}
}

/* Writes what can be written; `out` is not empty. */
static void
stream_flush(struct io_stream *s)
{
	bool progress = false;
	ssize_t n = 0;

	s->write_waits_r = false;
	while (buf_len(&s->out) > 0) {
		size_t most = s->phase == DRAINING ? s->plain_left : buf_len(&s->out);

		if (s->phase == HANDSHAKE || most == 0)
			break;
		n = raw_write(s, buf_data(&s->out), most);
		if (n < 0)
			break;
		progress = true;
		buf_drain(&s->out, (size_t)n);
		if (s->phase == DRAINING)
			s->plain_left -= (size_t)n;
	}
	if (n == IO_T_FAILED) {
		stream_break(s);
		return;
	}
	s->blocked = n < 0;
	s->write_waits_r = n == IO_T_READABLE;
	if (s->limits.stall_ms != 0 && s->blocked && (progress || s->stall_at == 0)) {
		s->stall_at = io_now_ms(s->loop) + s->limits.stall_ms;
		timer_update(s);
	}
	if (s->phase == DRAINING && s->plain_left == 0)
		stream_queue(s); /* for the handshake */
	if (buf_len(&s->out) == 0)
		stream_drained(s);
	else
		want_update(s);
}

/* --- events ------------------------------------------------------------------------------------
 */

static void
on_read_event(evutil_socket_t fd, short what, void *arg)
{
	struct io_stream *s = arg;

	(void)fd;
	(void)what;
	if (s->lingering) {
		stream_linger(s);
	} else if (s->phase == HANDSHAKE) {
		handshake_step(s);
	} else if (s->write_waits_r) {
		s->write_waits_r = false;
		stream_queue(s);
		if (can_read(s))
			stream_read(s);
	} else if (can_read(s)) {
		stream_read(s);
	} else {
		event_switch(&s->read_ev, &s->read_on, false);
	}
}

static void
on_write_event(evutil_socket_t fd, short what, void *arg)
{
	struct io_stream *s = arg;

	(void)fd;
	(void)what;
	if (s->phase == HANDSHAKE) {
		handshake_step(s);
		return;
	}
	if (s->phase == CONNECTING) {
		connect_done(s);
		return;
	}
	if (s->blocked)
		stream_queue(s);
	s->blocked = false;
	if (s->read_waits_w) {
		s->read_waits_w = false;
		s->poke = true;
		stream_queue(s);
	}
	want_update(s);
}

/* The owner resumed reading, or bytes wait inside the transport. */
static void
stream_poked(struct io_stream *s)
{
	if (s->finishing || s->ended || s->paused)
		return;
	if (buf_len(&s->in) > 0 && !stream_offer(s))
		return;
	if (s->finishing || s->ended || s->paused)
		return;
	if (s->eof)
		stream_end(s, IO_END_EOF);
	else if (s->phase == SECURE && can_read(s))
		stream_read(s);
	else
		want_update(s);
}

static void
stream_work(struct io_stream *s)
{
	bool poke = s->poke;

	s->poke = false;
	if (s->phase == DRAINING && s->plain_left == 0) {
		s->phase = HANDSHAKE;
		handshake_step(s);
		return;
	}
	if (poke) {
		if (buf_len(&s->out) > 0 || s->finishing)
			stream_queue(s); /* output has its turn after the input: answers join it */
		stream_poked(s);
		return;
	}
	if (s->phase == HANDSHAKE || s->phase == CONNECTING)
		return;
	if (buf_len(&s->out) > 0)
		stream_flush(s);
	else if (s->finishing && !s->lingering)
		stream_goodbye(s);
}

void
io_streams_end_turn(struct io_loop *loop)
{
	uint64_t turn = loop->turn++;
	struct io_stream *s;

	/* What callbacks add from here on waits for the next turn, so that this one ends. */
	while ((s = TAILQ_FIRST(&loop->work)) != NULL && s->queued_turn <= turn) {
		TAILQ_REMOVE(&loop->work, s, entry);
		s->queued = false;
		stream_work(s);
	}
}

/* --- the owner's calls -------------------------------------------------------------------------
 */

static struct io_stream *
stream_new(struct io_loop *loop, int fd, enum phase phase, const struct io_stream_ops *ops,
    const struct io_stream_limits *limits, void *arg)
{
	struct io_stream *s = xcalloc(1, sizeof(*s));
	int one = 1;

	*s = (struct io_stream){
		.loop = loop, .fd = fd, .phase = phase, .ops = ops, .limits = *limits, .arg = arg
	};
	buf_init(&s->in, limits->in_max);
	buf_init(&s->out, limits->out_max);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	event_assign(&s->read_ev, loop->base, fd, EV_READ | EV_PERSIST, on_read_event, s);
	event_assign(&s->write_ev, loop->base, fd, EV_WRITE | EV_PERSIST, on_write_event, s);
	evtimer_assign(&s->timer_ev, loop->base, on_timer_event, s);
	want_update(s);
	return s;
}

struct io_stream *
io_stream_new(struct io_loop *loop, int fd, const struct io_stream_ops *ops,
    const struct io_stream_limits *limits, void *arg)
{
	return stream_new(loop, fd, PLAIN, ops, limits, arg);
}

struct io_stream *
io_stream_connect(struct io_loop *loop, const struct sockaddr *sa, socklen_t salen,
    uint64_t connect_ms, const struct io_stream_ops *ops, const struct io_stream_limits *limits,
    void *arg)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct io_stream *s;

	if (fd < 0)
		return NULL;
	if (connect(fd, sa, salen) < 0 && errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		errno = error;
		return NULL;
	}
	s = stream_new(loop, fd, CONNECTING, ops, limits, arg);
	s->handshake_deadline = io_now_ms(loop) + connect_ms;
	timer_update(s);
	event_switch(&s->write_ev, &s->write_on, true);
	return s;
}

int
io_stream_errno(const struct io_stream *s)
{
	return s->error;
}

void
io_stream_free(struct io_stream **sp)
{
	struct io_stream *s = *sp;

	*sp = NULL;
	if (s != NULL)
		stream_destroy(s);
}

void
io_stream_finish(struct io_stream **sp)
{
	struct io_stream *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	if (s->broken || s->phase == HANDSHAKE || s->phase == CONNECTING) {
		stream_destroy(s);
		return;
	}
	if (s->phase == DRAINING) {
		/* Only what was written before the handshake may go out in plain text. */
		s->phase = PLAIN;
		s->out.len = s->plain_left;
	}
	s->finishing = true;
	s->handshake_deadline = s->stall_at = 0;
	s->deadline = io_now_ms(s->loop) + FINISH_MS;
	timer_update(s);
	event_switch(&s->read_ev, &s->read_on, s->write_waits_r);
	if (!s->blocked)
		stream_queue(s);
}

int
io_stream_write(struct io_stream *s, const void *p, size_t n)
{
	assert(!s->shut);
	if (s->broken)
		return 0;
	if (buf_put(&s->out, p, n) != 0)
		return BUF_LIMIT;
	if (!s->blocked && n > 0)
		stream_queue(s);
	return 0;
}

void
io_stream_set_limits(struct io_stream *s, const struct io_stream_limits *limits)
{
	s->limits = *limits;
	s->in.max = limits->in_max > buf_len(&s->in) ? limits->in_max : buf_len(&s->in);
	s->out.max = limits->out_max > buf_len(&s->out) ? limits->out_max : buf_len(&s->out);
	want_update(s);
}

void
io_stream_shutdown(struct io_stream *s)
{
	s->shut = true;
	if (buf_len(&s->out) == 0 && (s->phase == PLAIN || s->phase == SECURE))
		stream_shut(s);
}

size_t
io_stream_out_room(const struct io_stream *s)
{
	return buf_room(&s->out);
}

size_t
io_stream_out_pending(const struct io_stream *s)
{
	return buf_len(&s->out);
}

struct buf *
io_stream_in(struct io_stream *s)
{
	return &s->in;
}

void
io_stream_pause(struct io_stream *s, bool paused)
{
	bool was = s->paused;

	s->paused = paused;
	if (paused)
		return;
	if (was && (buf_len(&s->in) > 0 || s->eof || s->phase == SECURE)) {
		s->poke = true;
		stream_queue(s);
	} else {
		want_update(s);
	}
}

void
io_stream_deadline(struct io_stream *s, uint64_t ms_from_now)
{
	s->deadline = ms_from_now == 0 ? 0 : io_now_ms(s->loop) + ms_from_now;
	timer_update(s);
}

int
io_stream_fd(const struct io_stream *s)
{
	return s->fd;
}

bool
io_stream_is_tls(const struct io_stream *s)
{
	return s->phase == SECURE;
}

enum io_upgrade
io_stream_upgrade(
    struct io_stream *s, const struct io_transport *t, void *state, uint64_t handshake_ms)
{
	if (s->phase != PLAIN || s->ended || s->broken)
		return IO_UPGRADE_STATE;
	if (buf_len(&s->in) > 0)
		return IO_UPGRADE_INJECTED;
	evutil_make_socket_nonblocking(s->fd);
	s->transport = t;
	s->state = state;
	s->phase = DRAINING;
	s->plain_left = buf_len(&s->out);
	s->handshake_deadline = io_now_ms(s->loop) + handshake_ms;
	timer_update(s);
	event_switch(&s->read_ev, &s->read_on, false);
	stream_queue(s);
	return IO_UPGRADE_OK;
}

void *
io_stream_transport_state(const struct io_stream *s, const struct io_transport *t)
{
	return s->transport == t ? s->state : NULL;
}
