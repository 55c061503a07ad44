/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ipc/frame.h"

enum {
	READ_CHUNK = 64 << 10,
	READ_TURN = 512 << 10, /* bytes one channel may take of a turn before others come */
	IN_MAX = IPC_HEADER + (256 << 10),
};

/* A descriptor that waits to be sent with the byte at absolute stream offset `at`. */
struct fd_out {
	STAILQ_ENTRY(fd_out) link;
	uint64_t at;
	int fd;
};

struct ipc_channel {
	TAILQ_ENTRY(ipc_channel) dirty_link;
	struct io_watch *watch;
	int fd;
	enum ipc_channel_kind kind;
	enum ipc_side side;
	const struct ipc_ops *ops;
	void *arg;
	struct buf in, out;
	uint64_t sent; /* absolute stream offset of the first byte of out */
	STAILQ_HEAD(, fd_out) fds_out;
	int fds_in[IPC_FDS_PENDING_MAX];
	unsigned fds_in_n;
	uint8_t seen[(IPC__MAX + 7) / 8]; /* for ONCE */
	bool dirty, broken, above_low;
	bool *freed; /* set when freed inside a callback */
};

static TAILQ_HEAD(, ipc_channel) dirty = TAILQ_HEAD_INITIALIZER(dirty);
static unsigned channels; /* of this process; its one loop has our hook while there are any */

static void (*lost_fn)(void *arg, int fd);
static void *lost_arg;

static void channel_flush(struct ipc_channel *ch);

void
ipc_on_lost(void (*fn)(void *arg, int fd), void *arg)
{
	lost_fn = fn;
	lost_arg = arg;
}

void
ipc_lost(int fd)
{
	if (lost_fn != NULL)
		lost_fn(lost_arg, fd);
}

void
ipc_flush_all(void)
{
	struct ipc_channel *ch;

	while ((ch = TAILQ_FIRST(&dirty)) != NULL) {
		TAILQ_REMOVE(&dirty, ch, dirty_link);
		ch->dirty = false;
		channel_flush(ch);
	}
}

static void
after_turn(void *arg)
{
	(void)arg;
	ipc_flush_all();
}

static void
channel_broken(struct ipc_channel *ch)
{
	if (ch->broken)
		return;
	ch->broken = true;
	io_watch_set(ch->watch, 0);
	ipc_lost(ch->fd);
	if (ch->ops->on_close != NULL)
		ch->ops->on_close(ch->arg, ch);
}

static void
violation(struct ipc_channel *ch, enum ipc_type type, const char *why)
{
	const struct ipc_row *row = ipc_row(type);

	log_error(NULL, "ipc-violation channel=%s message=%s reason=\"%s\"",
	    ipc_channel_name(ch->kind), row ? row->name : "?", why);
	channel_broken(ch);
}

/* --- receiving ----------------------------------------------------------------------------------- */

/* -1: none came; IPC_FD_LOST. */
static int
take_fd(struct ipc_channel *ch)
{
	int fd;

	if (ch->fds_in_n == 0)
		return -1;
	fd = ch->fds_in[0];
	ch->fds_in_n--;
	memmove(ch->fds_in, ch->fds_in + 1, ch->fds_in_n * sizeof(int));
	return fd;
}

static bool
permitted(struct ipc_channel *ch, const struct ipc_row *row, const struct ipc_frame *f)
{
	if (row->once) {
		uint8_t bit = (uint8_t)(1 << (f->type & 7));

		if (ch->seen[f->type >> 3] & bit)
			return false;
		ch->seen[f->type >> 3] |= bit;
	}
	if (row->states == IPC_ANY)
		return true;
	return ch->ops->state != NULL && (ch->ops->state(ch->arg, f->id) & row->states) != 0;
}

static void
call_handler(struct ipc_channel *ch, const struct ipc_frame *f, union ipc_any *m, int fd)
{
	const union ipc_handler *h = &ch->ops->handlers[f->type];

	switch (f->type) {
#define IPC_BEGIN(n, channel, from, states, hasfd, once, reply) \
	case IPC_##n: \
		h->n(ch->arg, ch, f->id, &m->n, fd); \
		break;
#include "ipc/ipc_noop_fields.h"
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
	default:
		break;
	}
}

/* One whole frame at the front of the buffer. */
static void
handle_frame(struct ipc_channel *ch, const struct ipc_frame *f)
{
	const struct ipc_row *row = ipc_row(f->type);
	union ipc_any m;
	int fd = -1;

	if (ch->ops->handlers[f->type].any == NULL) {
		violation(ch, f->type, "nobody handles it here");
	} else if (ipc_decode(f->type, f->payload, &m) < 0) {
		violation(ch, f->type, "malformed");
	} else if (row->fd && (fd = take_fd(ch)) == -1) {
		violation(ch, f->type, "descriptor missing");
	} else if (fd == IPC_FD_LOST) {
		/* Not the sender's fault: who waits for it times out, the channel goes on. */
		log_error(NULL, "ipc-descriptor-lost channel=%s message=%s",
		    ipc_channel_name(ch->kind), row->name);
	} else if (!permitted(ch, row, f)) {
		if (fd >= 0)
			close(fd);
		violation(ch, f->type, "not permitted in this state");
	} else {
		call_handler(ch, f, &m, fd);
	}
}

/* Returns false when the channel is gone. */
static bool
handle_input(struct ipc_channel *ch)
{
	bool freed = false, *outer = ch->freed;
	struct ipc_frame f;
	const char *why;
	int r;

	ch->freed = &freed;
	while ((r = ipc_frame_peek(&ch->in, ch->kind, !ch->side, &f, &why)) == 1) {
		handle_frame(ch, &f);
		if (freed) {
			if (outer != NULL)
				*outer = true;
			return false;
		}
		if (ch->broken)
			break;
		buf_drain(&ch->in, IPC_HEADER + f.payload.n);
	}
	if (r < 0 && !ch->broken)
		violation(ch, f.type, why);
	else if (!ch->broken && buf_len(&ch->in) == 0 && ch->fds_in_n > 0)
		violation(ch, IPC_none, "descriptor without a message");
	if (freed) {
		if (outer != NULL)
			*outer = true;
		return false;
	}
	ch->freed = outer;
	return !ch->broken;
}

/* 1 = got bytes, 0 = nothing now, -1 = gone or broken. */
static int
receive_some(struct ipc_channel *ch)
{
	size_t room = buf_room(&ch->in) < READ_CHUNK ? buf_room(&ch->in) : READ_CHUNK;
	uint8_t *p = buf_reserve(&ch->in, room);
	ssize_t n;
	int fd;

	n = ipc_recv_fd(ch->fd, p, room, &fd, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0) {
		channel_broken(ch);
		return -1;
	}
	buf_commit(&ch->in, (size_t)n);
	if (fd != -1 && ch->fds_in_n == IPC_FDS_PENDING_MAX) {
		if (fd >= 0)
			close(fd);
		violation(ch, IPC_none, "too many descriptors");
		return -1;
	}
	if (fd != -1)
		ch->fds_in[ch->fds_in_n++] = fd; /* a lost one keeps its place in the order */
	return (size_t)n == room || fd != -1 ? 1 : 2;
}

static void
on_event(void *arg, int events)
{
	struct ipc_channel *ch = arg;
	size_t taken = 0;
	int r;

	if (events & IO_WRITE) {
		bool freed = false;

		ch->freed = &freed;
		channel_flush(ch);
		if (freed)
			return;
		ch->freed = NULL;
	}
	while (!ch->broken && (events & IO_READ) && taken < READ_TURN) {
		size_t before = buf_len(&ch->in);

		if ((r = receive_some(ch)) <= 0)
			return;
		taken += buf_len(&ch->in) - before;
		if (!handle_input(ch))
			return;
		if (r == 2)
			break;
	}
	/* An idle channel holds no memory: hundreds of them may exist. */
	if (!ch->broken && buf_len(&ch->in) == 0 && ch->in.cap > 2 * READ_CHUNK)
		buf_free(&ch->in);
}

/* --- sending ------------------------------------------------------------------------------------- */

static void
mark_dirty(struct ipc_channel *ch)
{
	if (ch->dirty)
		return;
	ch->dirty = true;
	TAILQ_INSERT_TAIL(&dirty, ch, dirty_link);
}

static void
fds_out_pop(struct ipc_channel *ch)
{
	struct fd_out *f = STAILQ_FIRST(&ch->fds_out);

	STAILQ_REMOVE_HEAD(&ch->fds_out, link);
	close(f->fd);
	free(f);
}

/* Passwords pass here: what was sent does not stay in memory. */
static bool
carries_secrets(const struct ipc_channel *ch)
{
	return ch->kind == IPC_CH_auth || ch->kind == IPC_CH_admin ||
	       ch->kind == IPC_CH_accounts_auth;
}

/* Sends up to the next descriptor's place, which must travel with the byte it belongs to. */
static ssize_t
send_run(struct ipc_channel *ch)
{
	struct fd_out *f = STAILQ_FIRST(&ch->fds_out), *next;
	size_t n = buf_len(&ch->out);
	int fd = -1;
	ssize_t r;

	if (f != NULL && f->at == ch->sent) {
		fd = f->fd;
		next = STAILQ_NEXT(f, link);
	} else {
		next = f;
	}
	if (next != NULL && next->at - ch->sent < n)
		n = (size_t)(next->at - ch->sent);
	r = ipc_send_fd(ch->fd, buf_data(&ch->out), n, fd, MSG_DONTWAIT);
	if (r > 0) {
		if (fd >= 0)
			fds_out_pop(ch);
		if (carries_secrets(ch))
			explicit_bzero(ch->out.data + ch->out.off, (size_t)r);
		buf_drain(&ch->out, (size_t)r);
		ch->sent += (uint64_t)r;
	}
	return r;
}

static void
channel_flush(struct ipc_channel *ch)
{
	while (!ch->broken && buf_len(&ch->out) > 0) {
		if (send_run(ch) > 0)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			io_watch_set(ch->watch, IO_READ | IO_WRITE);
			break;
		}
		/* Reading still may give what the peer said last; that read reports the end. */
		shutdown(ch->fd, SHUT_WR);
		buf_clear(&ch->out);
		io_watch_set(ch->watch, IO_READ);
		return;
	}
	if (ch->broken)
		return;
	if (buf_len(&ch->out) == 0) {
		io_watch_set(ch->watch, IO_READ);
		if (ch->out.cap > IPC_OUT_LOW)
			buf_free(&ch->out);
	}
	if (ch->above_low && buf_len(&ch->out) <= IPC_OUT_LOW) {
		ch->above_low = false;
		if (ch->ops->on_drained != NULL)
			ch->ops->on_drained(ch->arg, ch);
	}
}

void
ipc_send(struct ipc_channel *ch, enum ipc_type type, uint64_t id, const void *m, int fd)
{
	const struct ipc_row *row = ipc_row(type);
	uint64_t at = ch->sent + buf_len(&ch->out);
	struct fd_out *f;

	assert(row != NULL && row->channel == ch->kind && row->from == ch->side);
	assert(row->fd == (fd >= 0));
	if (ch->broken || ipc_encode(&ch->out, type, id, m) == BUF_LIMIT) {
		if (fd >= 0)
			close(fd);
		if (!ch->broken) {
			log_error(NULL, "ipc-peer-stalled channel=%s pending=%zu",
			    ipc_channel_name(ch->kind), buf_len(&ch->out));
			shutdown(ch->fd, SHUT_RDWR); /* the loop reports the end */
		}
		return;
	}
	if (fd >= 0) {
		f = xmalloc(sizeof(*f));
		*f = (struct fd_out){ .at = at, .fd = fd };
		STAILQ_INSERT_TAIL(&ch->fds_out, f, link);
	}
	if (buf_len(&ch->out) > IPC_OUT_LOW)
		ch->above_low = true;
	mark_dirty(ch);
}

/* --- life ---------------------------------------------------------------------------------------- */

struct ipc_channel *
ipc_channel_new(struct io_loop *loop, int fd, enum ipc_channel_kind kind, enum ipc_side side,
    const struct ipc_ops *ops, void *arg)
{
	struct ipc_channel *ch = xcalloc(1, sizeof(*ch));

	if (channels++ == 0)
		io_loop_after_turn(loop, after_turn, NULL);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		fatal("ipc: fcntl: %s", strerror(errno));
	ch->fd = fd;
	ch->kind = kind;
	ch->side = side;
	ch->ops = ops;
	ch->arg = arg;
	STAILQ_INIT(&ch->fds_out);
	buf_init(&ch->in, IN_MAX);
	buf_init(&ch->out, IPC_OUT_MAX);
	ch->watch = io_watch_new(loop, fd, IO_READ, on_event, ch);
	return ch;
}

static void
channel_release(struct ipc_channel *ch)
{
	channels--;
	if (ch->dirty)
		TAILQ_REMOVE(&dirty, ch, dirty_link);
	io_watch_free(&ch->watch);
	while (!STAILQ_EMPTY(&ch->fds_out))
		fds_out_pop(ch);
	while (ch->fds_in_n > 0)
		if (ch->fds_in[--ch->fds_in_n] >= 0)
			close(ch->fds_in[ch->fds_in_n]);
	buf_free_secret(&ch->in);
	buf_free_secret(&ch->out);
	if (ch->freed != NULL)
		*ch->freed = true;
	free(ch);
}

void
ipc_channel_free(struct ipc_channel **chp)
{
	struct ipc_channel *ch = *chp;

	if (ch == NULL)
		return;
	*chp = NULL;
	close(ch->fd);
	channel_release(ch);
}

int
ipc_channel_detach(struct ipc_channel **chp, struct buf *rest)
{
	struct ipc_channel *ch = *chp;
	struct ipc_frame f;
	const char *why;
	size_t handled = 0;
	int fd = ch->fd;

	/* Inside a handler its own frame is still at the front. */
	if (ch->freed != NULL && ipc_frame_peek(&ch->in, ch->kind, !ch->side, &f, &why) == 1)
		handled = IPC_HEADER + f.payload.n;
	buf_put(rest, buf_data(&ch->in) + handled, buf_len(&ch->in) - handled);
	*chp = NULL;
	channel_release(ch);
	return fd;
}

enum ipc_channel_kind
ipc_channel_kind(const struct ipc_channel *ch)
{
	return ch->kind;
}

size_t
ipc_channel_pending(const struct ipc_channel *ch)
{
	return buf_len(&ch->out);
}

int
ipc_pair(int sv[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0 ? -errno : 0;
}
