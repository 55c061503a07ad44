/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/io.h"
#include "io/stream_priv.h"

enum { IN_MAX = 4096, OUT_MAX = 1 << 20 };

/* What the callback `act_at` does to the stream. */
enum act { NOTHING, FREE, FINISH, PAUSE };
enum at { ON_DATA = 1, ON_DRAINED = 2, ON_END = 4 };

struct fixture {
	struct io_loop *loop;
	struct io_stream *s;
	struct io_timer *guard;
	int peer;
	enum act act;
	int act_at;
	bool keep;   /* on_data takes nothing */
	bool echo;   /* on_data writes back what it took */
	int stop_at; /* which callbacks end the loop */
	size_t got;  /* bytes taken by on_data */
	int nend, ndrained, ndata;
	enum io_end why;
	char bytes[IN_MAX];
};

static void
act(struct fixture *f, enum at at)
{
	if (f->act_at & (int)at) {
		if (f->act == FREE)
			io_stream_free(&f->s);
		else if (f->act == FINISH)
			io_stream_finish(&f->s);
		else if (f->act == PAUSE)
			io_stream_pause(f->s, true);
	}
	if (f->stop_at & (int)at)
		io_loop_stop(f->loop);
}

static void
on_data(void *arg, struct buf *in)
{
	struct fixture *f = arg;
	size_t n = buf_len(in);

	f->ndata++;
	if (!f->keep) {
		memcpy(f->bytes, buf_data(in), n < sizeof(f->bytes) ? n : sizeof(f->bytes));
		f->got += n;
		if (f->echo)
			assert_int_equal(io_stream_write(f->s, buf_data(in), n), 0);
		buf_drain(in, n);
	}
	act(f, ON_DATA);
}

static void
on_drained(void *arg)
{
	struct fixture *f = arg;

	f->ndrained++;
	act(f, ON_DRAINED);
}

static void
on_end(void *arg, enum io_end why)
{
	struct fixture *f = arg;

	f->nend++;
	f->why = why;
	act(f, ON_END);
}

static const struct io_stream_ops OPS = {
	.on_data = on_data, .on_drained = on_drained, .on_end = on_end
};

static void
stop_loop(void *arg)
{
	io_loop_stop(arg);
}

/* Runs until a stop_at callback, at most ms. */
static void
run(struct fixture *f, uint64_t ms)
{
	io_timer_set(f->guard, ms);
	io_loop_run(f->loop);
}

static void
open_pair(struct fixture *f, uint64_t stall_ms)
{
	struct io_stream_limits limits = { IN_MAX, OUT_MAX, stall_ms };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	f->peer = fds[1];
	f->s = io_stream_new(f->loop, fds[0], &OPS, &limits, f);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->loop = io_loop_new();
	f->guard = io_timer_new(f->loop, stop_loop, f->loop);
	open_pair(f, 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	io_stream_free(&f->s);
	io_timer_free(&f->guard);
	io_loop_free(&f->loop);
	close(f->peer);
	free(f);
	return 0;
}

static void
peer_send(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads all that is there (non-blocking); *eof tells of the end. */
static size_t
peer_read(struct fixture *f, bool *eof)
{
	char tmp[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = recv(f->peer, tmp, sizeof(tmp), MSG_DONTWAIT)) > 0)
		total += (size_t)n;
	if (eof != NULL)
		*eof = n == 0;
	return total;
}

static void
test_echo(void **state)
{
	struct fixture *f = *state;
	char tmp[16];

	f->echo = true;
	f->stop_at = ON_DRAINED;
	peer_send(f, "hello");
	run(f, 2000);
	assert_int_equal(recv(f->peer, tmp, sizeof(tmp), MSG_DONTWAIT), 5);
	assert_memory_equal(tmp, "hello", 5);
	assert_int_equal(f->ndrained, 1);
	assert_int_equal(io_stream_out_pending(f->s), 0);
}

static void
test_half_close(void **state)
{
	struct fixture *f = *state;
	bool eof;

	f->stop_at = ON_END;
	peer_send(f, "QUIT");
	shutdown(f->peer, SHUT_WR);
	run(f, 2000);
	assert_int_equal(f->got, 4);
	assert_int_equal(f->nend, 1);
	assert_int_equal(f->why, IO_END_EOF);
	/* The last words still go out after the peer's end. */
	io_stream_write(f->s, "bye", 3);
	io_stream_finish(&f->s);
	assert_null(f->s);
	run(f, 20);
	assert_int_equal(peer_read(f, &eof), 3);
	assert_true(eof);
	assert_int_equal(f->nend, 1);
}

static void
test_shutdown(void **state)
{
	struct fixture *f = *state;
	bool eof;

	io_stream_write(f->s, "last", 4);
	io_stream_shutdown(f->s);
	run(f, 10);
	assert_int_equal(peer_read(f, &eof), 4);
	assert_true(eof);
	/* The other direction is still open. */
	peer_send(f, "more");
	run(f, 10);
	assert_int_equal(f->got, 4);
	assert_int_equal(f->nend, 0);
}

static void
test_input_limit(void **state)
{
	struct fixture *f = *state;
	char big[3 * IN_MAX];

	memset(big, 'x', sizeof(big));
	f->keep = true;
	assert_int_equal(send(f->peer, big, sizeof(big), 0), sizeof(big));
	run(f, 20);
	assert_int_equal(buf_len(io_stream_in(f->s)), IN_MAX);
	/* Drained outside on_data: reading goes on. */
	f->keep = false;
	buf_drain(io_stream_in(f->s), IN_MAX);
	io_stream_pause(f->s, false);
	run(f, 20);
	assert_int_equal(f->got, 2 * IN_MAX);
	assert_int_equal(buf_len(io_stream_in(f->s)), 0);
}

static void
test_pause(void **state)
{
	struct fixture *f = *state;

	f->act = PAUSE;
	f->act_at = ON_DATA;
	f->keep = true;
	peer_send(f, "one");
	run(f, 20);
	assert_int_equal(f->ndata, 1);
	peer_send(f, "two");
	shutdown(f->peer, SHUT_WR);
	run(f, 20);
	assert_int_equal(f->ndata, 1);
	assert_int_equal(f->nend, 0);
	/* Resumed: first what waits, then the rest, then the end. */
	f->act_at = 0;
	f->keep = false;
	f->stop_at = ON_END;
	io_stream_pause(f->s, false);
	run(f, 2000);
	assert_int_equal(f->got, 6);
	assert_int_equal(f->nend, 1);
	assert_int_equal(f->why, IO_END_EOF);
}

static void
test_output_limit(void **state)
{
	struct fixture *f = *state;
	char *big = calloc(1, OUT_MAX);

	assert_int_equal(io_stream_out_room(f->s), OUT_MAX);
	assert_int_equal(io_stream_write(f->s, big, OUT_MAX), 0);
	assert_int_equal(io_stream_write(f->s, big, 1), BUF_LIMIT);
	assert_int_equal(io_stream_out_pending(f->s), OUT_MAX);
	run(f, 20);
	assert_int_equal(f->ndrained, 0);
	f->stop_at = ON_DRAINED;
	for (size_t got = 0; got < OUT_MAX;) {
		got += peer_read(f, NULL);
		run(f, 10);
	}
	assert_int_equal(f->ndrained, 1);
	assert_int_equal(io_stream_out_room(f->s), OUT_MAX);
	free(big);
}

static void
test_stall(void **state)
{
	struct fixture *f = *state;
	char *big = calloc(1, OUT_MAX);

	io_stream_free(&f->s);
	close(f->peer);
	open_pair(f, 60);
	f->stop_at = ON_END;
	io_stream_write(f->s, big, OUT_MAX);
	/* Progress moves the limit. */
	for (int i = 0; i < 3; i++) {
		run(f, 30);
		assert_int_equal(f->nend, 0);
		assert_true(peer_read(f, NULL) > 0);
	}
	run(f, 2000);
	assert_int_equal(f->nend, 1);
	assert_int_equal(f->why, IO_END_STALLED);
	/* Nothing can be said to such a peer. */
	assert_int_equal(io_stream_out_pending(f->s), 0);
	assert_int_equal(io_stream_write(f->s, "x", 1), 0);
	assert_int_equal(io_stream_out_pending(f->s), 0);
	free(big);
}

static void
test_deadline(void **state)
{
	struct fixture *f = *state;

	f->stop_at = ON_END;
	io_stream_deadline(f->s, 40);
	run(f, 20);
	io_stream_deadline(f->s, 100);
	run(f, 50);
	assert_int_equal(f->nend, 0);
	io_stream_deadline(f->s, 0);
	run(f, 100);
	assert_int_equal(f->nend, 0);
	io_stream_deadline(f->s, 10);
	run(f, 2000);
	assert_int_equal(f->nend, 1);
	assert_int_equal(f->why, IO_END_TIMEOUT);
	/* A farewell is possible. */
	io_stream_write(f->s, "421", 3);
	io_stream_finish(&f->s);
	run(f, 20);
	assert_int_equal(peer_read(f, NULL), 3);
}

static void
test_reset(void **state)
{
	struct fixture *f = *state;

	f->stop_at = ON_END;
	close(f->peer);
	f->peer = -1;
	io_stream_write(f->s, "x", 1);
	io_stream_pause(f->s, true);
	run(f, 2000);
	assert_int_equal(f->nend, 1);
	assert_int_equal(f->why, IO_END_ERROR);
}

static void
test_finish_bounded(void **state)
{
	struct fixture *f = *state;
	char *big = calloc(1, OUT_MAX);
	uint64_t t;
	bool eof = false;

	io_stream_write(f->s, big, OUT_MAX);
	io_stream_finish(&f->s);
	t = io_now_ms(f->loop);
	/* The loop ends by itself when nothing is watched any more; the guard is a timer. */
	run(f, 5500);
	assert_true(io_now_ms(f->loop) - t >= 5000);
	peer_read(f, &eof);
	assert_true(eof);
	assert_int_equal(f->nend + f->ndrained, 0);
	free(big);
}

/* A peer that is still sending must get the last words, not a reset. */
static void
test_finish_lingers(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct io_stream_limits limits = { IN_MAX, OUT_MAX, 0 };
	socklen_t len = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0), fd;
	char tmp[16 * 1024] = { 0 };
	bool eof;

	io_stream_free(&f->s);
	close(f->peer);
	assert_int_equal(bind(l, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(l, 1), 0);
	getsockname(l, (struct sockaddr *)&sa, &len);
	f->peer = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(f->peer, (struct sockaddr *)&sa, sizeof(sa)), 0);
	fd = accept(l, NULL, NULL);
	f->s = io_stream_new(f->loop, fd, &OPS, &limits, f);
	assert_int_equal(send(f->peer, tmp, sizeof(tmp), 0), sizeof(tmp));
	f->act = FINISH;
	f->act_at = ON_DATA;
	io_stream_write(f->s, "500", 3);
	run(f, 20);
	assert_null(f->s);
	assert_int_equal(send(f->peer, tmp, sizeof(tmp), MSG_NOSIGNAL), sizeof(tmp));
	run(f, 20);
	assert_int_equal(peer_read(f, &eof), 3);
	assert_true(eof);
	close(l);
	close(f->peer);
	f->peer = -1;
	run(f, 20);
}

/* Each callback may free or finish the stream it was called for. */
static void
test_free_in_callback(void **state)
{
	static const enum act acts[] = { FREE, FINISH };
	static const enum at places[] = { ON_DATA, ON_DRAINED, ON_END };
	struct fixture *f = *state;

	for (size_t i = 0; i < 6; i++) {
		bool eof;

		io_stream_free(&f->s);
		close(f->peer);
		open_pair(f, 0);
		f->act = acts[i / 3];
		f->act_at = (int)places[i % 3];
		f->stop_at = 0;
		io_stream_write(f->s, "x", 1);
		peer_send(f, "y");
		shutdown(f->peer, SHUT_WR);
		run(f, 20);
		assert_null(f->s);
		peer_read(f, &eof);
		assert_true(eof || errno == ECONNRESET);
	}
}

static struct fixture *other;

static void
free_other(void *arg, struct buf *in)
{
	buf_drain(in, buf_len(in));
	(void)arg;
	io_stream_free(&other->s);
}

/* A callback of one stream may free another that has work in the same turn. */
static void
test_free_other(void **state)
{
	static const struct io_stream_ops ops = { .on_data = free_other, .on_end = on_end };
	struct fixture *f = *state;
	struct io_stream_limits limits = { IN_MAX, OUT_MAX, 0 };
	struct io_stream *a;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a = io_stream_new(f->loop, fds[0], &ops, &limits, f);
	other = f;
	io_stream_write(f->s, "x", 1);
	assert_int_equal(send(fds[1], "y", 1, 0), 1);
	peer_send(f, "z");
	run(f, 20);
	assert_null(f->s);
	io_stream_free(&a);
	close(fds[1]);
}

/* --- a transport that flips each byte; its handshake is one byte each way ------------------------ */
struct flip {
	struct fixture *f;
	int fd;
	bool silent; /* the handshake never ends */
	bool freed, said_goodbye;
	size_t hidden; /* bytes it holds back inside, as TLS does with the rest of a record */
	char inside[4096];
};

static int
flip_handshake(void *state)
{
	struct flip *x = state;
	char c;

	if (x->silent || recv(x->fd, &c, 1, MSG_DONTWAIT) != 1)
		return IO_T_READABLE;
	return c == 'H' ? 1 : IO_T_FAILED;
}

static ssize_t
flip_read(void *state, void *p, size_t n)
{
	struct flip *x = state;
	ssize_t got = 0;

	if (x->hidden == 0) {
		got = recv(x->fd, x->inside, sizeof(x->inside), MSG_DONTWAIT);
		if (got <= 0)
			return got == 0 ? 0 : IO_T_READABLE;
		x->hidden = (size_t)got;
	}
	/* Ten bytes at a time. */
	n = n < 10 ? n : 10;
	n = n < x->hidden ? n : x->hidden;
	for (size_t i = 0; i < n; i++)
		((char *)p)[i] = (char)~x->inside[i];
	x->hidden -= n;
	memmove(x->inside, x->inside + n, x->hidden);
	return (ssize_t)n;
}

static ssize_t
flip_write(void *state, const void *p, size_t n)
{
	struct flip *x = state;
	char c = (char)~*(const char *)p;

	assert_true(n > 0);
	return send(x->fd, &c, 1, MSG_DONTWAIT) == 1 ? 1 : IO_T_WRITABLE;
}

static bool
flip_pending(void *state)
{
	return ((struct flip *)state)->hidden > 0;
}

static void
flip_shutdown(void *state)
{
	((struct flip *)state)->said_goodbye = true;
}

static void
flip_free(void *state)
{
	((struct flip *)state)->freed = true;
}

static const struct io_transport flip_transport = { flip_handshake, flip_read, flip_write,
	flip_pending, flip_shutdown, flip_free };

static void
test_transport(void **state)
{
	struct fixture *f = *state;
	struct flip x = { .f = f, .fd = io_stream_fd(f->s) };
	char tmp[3000], want[3000];

	io_stream_write(f->s, "plain", 5);
	assert_int_equal(io_stream_upgrade(f->s, &flip_transport, &x, 1000), IO_UPGRADE_OK);
	io_stream_write(f->s, "AB", 2);
	run(f, 10);
	assert_int_equal(recv(f->peer, tmp, sizeof(tmp), MSG_DONTWAIT), 5);
	assert_false(io_stream_is_tls(f->s));
	/* Handshake and data in one go: what is behind it is not lost. */
	memset(want, (char)~'d', sizeof(want));
	want[0] = 'H';
	assert_int_equal(send(f->peer, want, sizeof(want), 0), sizeof(want));
	run(f, 20);
	assert_true(io_stream_is_tls(f->s));
	assert_int_equal(f->got, sizeof(want) - 1);
	assert_int_equal(f->bytes[0], 'd');
	assert_int_equal(recv(f->peer, tmp, sizeof(tmp), MSG_DONTWAIT), 2);
	assert_int_equal(tmp[0], (char)~'A');
	/* Bytes that wait inside are offered after a pause, though no event tells of them. */
	f->act = PAUSE;
	f->act_at = ON_DATA;
	f->got = 0;
	assert_int_equal(send(f->peer, want, 100, 0), 100);
	run(f, 10);
	x.hidden = 50;
	memset(x.inside, 'x', 50);
	f->act_at = 0;
	io_stream_pause(f->s, false);
	run(f, 10);
	assert_int_equal(f->got, 150);
	io_stream_finish(&f->s);
	run(f, 10);
	assert_true(x.said_goodbye);
	assert_true(x.freed);
}

static void
test_handshake_deadline(void **state)
{
	struct fixture *f = *state;
	struct flip x = { .f = f, .fd = io_stream_fd(f->s), .silent = true };

	f->stop_at = ON_END;
	f->act = FREE;
	f->act_at = ON_END;
	assert_int_equal(io_stream_upgrade(f->s, &flip_transport, &x, 30), IO_UPGRADE_OK);
	/* A client that keeps sending does not move it. */
	peer_send(f, "Hxxxxxx");
	run(f, 2000);
	assert_int_equal(f->nend, 1);
	assert_int_equal(f->why, IO_END_TIMEOUT);
	assert_true(x.freed);
	assert_false(x.said_goodbye);
}

static int hooks;

static void
count_hook(void *arg)
{
	hooks++;
	if (hooks == 1)
		io_loop_again(arg);
}

static void
test_hooks_and_signals(void **state)
{
	struct fixture *f = *state;
	struct io_signal *sig = io_signal_new(f->loop, SIGUSR1, stop_loop, f->loop);

	hooks = 0;
	io_loop_after_turn(f->loop, count_hook, f->loop);
	raise(SIGUSR1);
	io_timer_set(f->guard, 2000);
	io_loop_run(f->loop);
	assert_true(io_timer_pending(f->guard));
	assert_true(hooks >= 2);
	io_signal_free(&sig);
}

static int accepted;

static void
on_accept(void *arg, int fd, const struct sockaddr *sa, socklen_t salen)
{
	struct io_listener **l = arg;

	(void)salen;
	assert_int_equal(sa->sa_family, AF_INET);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	if (++accepted == 2)
		io_listener_free(l);
}

static void
test_listener(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	struct io_listener *l = NULL;
	int fd = socket(AF_INET, SOCK_STREAM, 0), c[3];

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	l = io_listener_new(f->loop, fd, on_accept, &l);
	io_listener_pause(l, true);
	for (int i = 0; i < 3; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(c[i], (struct sockaddr *)&sa, sizeof(sa)), 0);
	}
	run(f, 20);
	assert_int_equal(accepted, 0);
	io_listener_pause(l, false);
	run(f, 20);
	assert_int_equal(accepted, 2);
	assert_null(l);
	for (int i = 0; i < 3; i++)
		close(c[i]);
	close(fd);
}

static int watched;

static void
on_watch(void *arg, int events)
{
	struct io_watch **w = arg;

	watched |= events;
	if (events & IO_WRITE)
		io_watch_set(*w, IO_READ);
	if (events & IO_READ)
		io_watch_free(w);
}

static void
test_watch(void **state)
{
	struct fixture *f = *state;
	struct io_watch *w = io_watch_new(f->loop, f->peer, 0, on_watch, &w);

	run(f, 10);
	assert_int_equal(watched, 0);
	io_watch_set(w, IO_READ | IO_WRITE);
	run(f, 10);
	assert_int_equal(watched, IO_WRITE);
	io_stream_write(f->s, "x", 1);
	run(f, 10);
	assert_int_equal(watched, IO_READ | IO_WRITE);
	assert_null(w);
}

/* --- connecting --------------------------------------------------------------------------------
 */

static int
listening(struct sockaddr_in *sin, int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(*sin);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET };
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)sin, sizeof(*sin)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sin, &n), 0);
	return fd;
}

static int nconnected;

static void
on_connected(void *arg)
{
	(void)arg;
	nconnected++;
}

static void
start_connect(struct fixture *f, const struct sockaddr_in *sin, uint64_t ms)
{
	static const struct io_stream_ops ops = { .on_data = on_data,
		.on_drained = on_drained,
		.on_end = on_end,
		.on_connected = on_connected };
	struct io_stream_limits limits = { IN_MAX, OUT_MAX, 0 };

	nconnected = 0;
	io_stream_free(&f->s);
	f->s = io_stream_connect(
	    f->loop, (const struct sockaddr *)sin, sizeof(*sin), ms, &ops, &limits, f);
	assert_non_null(f->s);
}

static void
test_connect(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in sin;
	int l = listening(&sin, 8);
	char tmp[16];

	start_connect(f, &sin, 2000);
	/* Written before it stands: goes out when it does. */
	assert_int_equal(io_stream_write(f->s, "EHLO", 4), 0);
	f->stop_at = ON_DRAINED;
	run(f, 2000);
	assert_int_equal(nconnected, 1);
	assert_int_equal(io_stream_errno(f->s), 0);
	close(f->peer);
	f->peer = accept(l, NULL, NULL);
	assert_true(f->peer >= 0);
	assert_int_equal(recv(f->peer, tmp, sizeof(tmp), 0), 4);
	f->stop_at = ON_DATA;
	peer_send(f, "220 hello");
	run(f, 2000);
	assert_int_equal(f->got, 9);
	close(l);
}

static void
test_connect_refused(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in sin;
	int l = listening(&sin, 8);

	close(l);
	start_connect(f, &sin, 5000);
	f->stop_at = ON_END;
	run(f, 5000);
	assert_int_equal(nconnected, 0);
	assert_int_equal(f->nend, 1);
	assert_int_equal(f->why, IO_END_ERROR);
	assert_int_equal(io_stream_errno(f->s), ECONNREFUSED);
}

/* A server whose queue of connections is full: the kernel drops what asks for one. */
static void
test_connect_timeout(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in sin;
	int l = listening(&sin, 0), fill[4];
	uint64_t began;

	for (int i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fill[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	start_connect(f, &sin, 100);
	began = io_now_ms(f->loop);
	f->stop_at = ON_END;
	run(f, 5000);
	assert_int_equal(nconnected, 0);
	assert_int_equal(f->nend, 1);
	assert_int_equal(f->why, IO_END_TIMEOUT);
	assert_true(io_now_ms(f->loop) - began < 4000);
	/* Nothing was sent, and nothing waits for it. */
	start_connect(f, &sin, 10000);
	assert_int_equal(io_stream_write(f->s, "x", 1), 0);
	io_stream_finish(&f->s);
	assert_null(f->s);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
	close(l);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_echo),
		T(test_half_close),
		T(test_shutdown),
		T(test_input_limit),
		T(test_pause),
		T(test_output_limit),
		T(test_stall),
		T(test_deadline),
		T(test_reset),
		T(test_finish_bounded),
		T(test_finish_lingers),
		T(test_free_in_callback),
		T(test_free_other),
		T(test_transport),
		T(test_handshake_deadline),
		T(test_hooks_and_signals),
		T(test_listener),
		T(test_watch),
		T(test_connect),
		T(test_connect_refused),
		T(test_connect_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
