/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "io/loop_priv.h"

/* Connections taken in one turn: the sessions already there get their turn, too. */
enum { ACCEPT_BATCH = 32, ACCEPT_PAUSE_MS = 100 };

struct io_listener {
	struct io_watch *watch;
	struct io_timer *retry;
	io_accept_fn *fn;
	void *arg;
	int fd;
	bool paused;
	bool busy; /* a callback runs: memory stays */
	bool dead; /* freed meanwhile */
};

static void
listener_update(struct io_listener *l)
{
	io_watch_set(l->watch, l->paused || io_timer_pending(l->retry) ? 0 : IO_READ);
}

static void
listener_retry(void *arg)
{
	listener_update(arg);
}

/* Errors of the connection, not of the socket: accept(2) lists them. */
static bool
is_peer_error(int e)
{
	return e == EINTR || e == ECONNABORTED || e == EPROTO || e == ENETDOWN ||
	       e == ENOPROTOOPT || e == EHOSTDOWN || e == ENONET || e == EHOSTUNREACH ||
	       e == EOPNOTSUPP || e == ENETUNREACH || e == EPERM;
}

static void
listener_ready(void *arg, int events)
{
	struct io_listener *l = arg;

	(void)events;
	l->busy = true;
	for (int i = 0; i < ACCEPT_BATCH && !l->dead && !l->paused; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		int fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			l->fn(l->arg, fd, (struct sockaddr *)&ss, len);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		if (is_peer_error(errno))
			continue;
		log_warn("", "event=accept-paused error=\"%s\"", strerror(errno));
		io_timer_set(l->retry, ACCEPT_PAUSE_MS);
		listener_update(l);
		break;
	}
	l->busy = false;
	if (l->dead)
		free(l);
}

struct io_listener *
io_listener_new(struct io_loop *loop, int fd, io_accept_fn *fn, void *arg)
{
	struct io_listener *l = xcalloc(1, sizeof(*l));

	evutil_make_socket_nonblocking(fd);
	l->fd = fd;
	l->fn = fn;
	l->arg = arg;
	l->retry = io_timer_new(loop, listener_retry, l);
	l->watch = io_watch_new(loop, fd, IO_READ, listener_ready, l);
	return l;
}

void
io_listener_pause(struct io_listener *l, bool paused)
{
	l->paused = paused;
	listener_update(l);
}

void
io_listener_free(struct io_listener **lp)
{
	struct io_listener *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	io_watch_free(&l->watch);
	io_timer_free(&l->retry);
	l->dead = true;
	if (!l->busy)
		free(l);
}
