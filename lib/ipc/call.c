/* SPDX-License-Identifier: ISC */
/* Synchronous calls: for the few places that must wait for an answer inside a library callback. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ipc/frame.h"

enum { CALL_BROKEN = -1, CALL_TIMEOUT = -2 };

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
wait_for(int sock, short events, int64_t until)
{
	struct pollfd p = { .fd = sock, .events = events };

	for (;;) {
		int64_t left = until - now_ms();
		int r = poll(&p, 1, left > 0 ? (int)left : 0);

		if (r > 0)
			return 0;
		if (r == 0)
			return CALL_TIMEOUT;
		if (errno != EINTR)
			return CALL_BROKEN;
	}
}

static int
send_all(int sock, const struct buf *out, int64_t until)
{
	size_t done = 0;
	int r;

	while (done < buf_len(out)) {
		ssize_t n =
		    ipc_send_fd(sock, buf_data(out) + done, buf_len(out) - done, -1, MSG_DONTWAIT);

		if (n > 0)
			done += (size_t)n;
		else if (errno != EAGAIN && errno != EWOULDBLOCK)
			return CALL_BROKEN;
		else if ((r = wait_for(sock, POLLOUT, until)) < 0)
			return r;
	}
	return 0;
}

/* Reads only what the wanted frame still lacks, so that nothing behind it is swallowed. */
static int
recv_frame(int sock, enum ipc_channel_kind kind, struct buf *in, struct ipc_frame *f, int *fd,
    int64_t until)
{
	const char *why;
	int r, got;

	while ((r = ipc_frame_peek(in, kind, IPC_SERVER, f, &why)) == 0) {
		size_t want = IPC_HEADER;
		uint8_t *p;
		ssize_t n;

		if (buf_len(in) >= IPC_HEADER) {
			const uint8_t *h = buf_data(in);

			want += (size_t)(h[0] | h[1] << 8 | h[2] << 16) | (size_t)h[3] << 24;
		}
		want -= buf_len(in);
		if ((p = buf_reserve(in, want)) == NULL)
			return CALL_BROKEN;
		if ((r = wait_for(sock, POLLIN, until)) < 0)
			return r;
		if ((n = ipc_recv_fd(sock, p, want, &got, MSG_DONTWAIT)) <= 0) {
			if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
				continue;
			return CALL_BROKEN;
		}
		buf_commit(in, (size_t)n);
		if (got >= 0 && *fd >= 0)
			close(got);
		else if (got >= 0)
			*fd = got;
	}
	return r < 0 ? CALL_BROKEN : 0;
}

static int
receive(int sock, enum ipc_channel_kind kind, uint64_t id, struct buf *storage, enum ipc_type *got,
    union ipc_any *reply, int *fd, int64_t until)
{
	struct ipc_frame f;
	int r;

	buf_clear(storage);
	*fd = -1;
	r = recv_frame(sock, kind, storage, &f, fd, until);
	if (r == 0 &&
	    (f.id != id || f.fd != (*fd >= 0) || ipc_decode(f.type, f.payload, reply) < 0))
		r = CALL_BROKEN;
	if (r < 0 && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	*got = r == 0 ? f.type : IPC_none;
	return r;
}

int
ipc_call(int sock, enum ipc_channel_kind kind, enum ipc_type type, uint64_t id, const void *m,
    struct buf *storage, enum ipc_type *got, union ipc_any *reply, int *fd, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	int r;

	*fd = -1;
	*got = IPC_none;
	buf_clear(storage);
	if (ipc_encode(storage, type, id, m) < 0)
		return CALL_BROKEN;
	if ((r = send_all(sock, storage, until)) < 0)
		return r;
	return receive(sock, kind, id, storage, got, reply, fd, until);
}

int
ipc_call_more(int sock, enum ipc_channel_kind kind, uint64_t id, struct buf *storage,
    enum ipc_type *got, union ipc_any *reply, int *fd, int timeout_ms)
{
	return receive(sock, kind, id, storage, got, reply, fd, now_ms() + timeout_ms);
}
