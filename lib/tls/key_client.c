/* SPDX-License-Identifier: ISC */
#include "tls/key_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ipc/frame.h"

/* Twice the largest message of the channel (a chain of 32 KiB). */
enum { CLIENT_IN_MAX = 128 << 10, CLIENT_CHUNK = 4096 };

struct key_client {
	struct buf in;
	uint64_t id;
	int64_t rest_until;
	int fd;
	bool changed, broken;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct key_client *
key_client_new(void)
{
	struct key_client *k = xcalloc(1, sizeof(*k));

	buf_init(&k->in, CLIENT_IN_MAX);
	k->fd = -1;
	return k;
}

void
key_client_set_fd(struct key_client *k, int fd)
{
	if (k->fd >= 0)
		close(k->fd);
	buf_free(&k->in);
	k->fd = fd;
	k->rest_until = 0;
	k->broken = false;
	k->changed = fd >= 0;
}

void
key_client_free(struct key_client **kp)
{
	if (*kp == NULL)
		return;
	key_client_set_fd(*kp, -1);
	free(*kp);
	*kp = NULL;
}

int
key_client_fd(const struct key_client *k)
{
	return k->fd;
}

bool
key_client_broken(const struct key_client *k)
{
	return k->broken;
}

/* The descriptor is watched: it must not be closed, and its number used again, before the watch
 * has ended. */
static void
client_cut(struct key_client *k, const char *why)
{
	log_warn("", "event=keys-lost reason=\"%s\"", why);
	shutdown(k->fd, SHUT_RDWR);
	if (!k->broken)
		ipc_lost(k->fd);
	k->broken = true;
}

/* 1: something came; 0: not now; -1: the channel is gone. */
static int
client_receive(struct key_client *k)
{
	uint8_t *p = buf_reserve(&k->in, CLIENT_CHUNK);
	ssize_t n;
	int fd;

	if (p == NULL) {
		client_cut(k, "too much input");
		return -1;
	}
	n = ipc_recv_fd(k->fd, p, CLIENT_CHUNK, &fd, MSG_DONTWAIT);
	if (fd >= 0)
		close(fd);
	if (n > 0) {
		buf_commit(&k->in, (size_t)n);
		return 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	client_cut(k, n == 0 ? "closed" : strerror(errno));
	return -1;
}

/*
 * The next frame with number id that is in the buffer already: 1 and its length in *used (drain
 * it after use), 0: none, -1: the channel was cut.
 */
static int
client_next(struct key_client *k, uint64_t id, enum ipc_type *type, union ipc_any *m, size_t *used)
{
	struct ipc_frame f;
	const char *why;
	int r;

	while ((r = ipc_frame_peek(&k->in, IPC_CH_keys, IPC_SERVER, &f, &why)) == 1) {
		size_t whole = IPC_HEADER + f.payload.n;

		if (ipc_decode(f.type, f.payload, m) < 0) {
			client_cut(k, "malformed message");
			return -1;
		}
		if (f.type != IPC_key_changed && f.id == id) {
			*type = f.type;
			*used = whole;
			return 1;
		}
		k->changed |= f.type == IPC_key_changed;
		buf_drain(&k->in, whole);
	}
	if (r < 0)
		client_cut(k, why);
	return r;
}

bool
key_client_changed(struct key_client *k)
{
	enum ipc_type type;
	union ipc_any m;
	size_t used;
	bool changed;

	while (k->fd >= 0 && !k->broken && client_receive(k) > 0)
		;
	if (k->fd >= 0 && !k->broken)
		client_next(k, 0, &type, &m, &used);
	changed = k->changed;
	k->changed = false;
	return changed;
}

static int
client_wait(struct key_client *k, short events, int64_t until)
{
	struct pollfd p = { .fd = k->fd, .events = events };
	int64_t left = until - now_ms();
	int r = poll(&p, 1, left > 0 ? (int)left : 0);

	if (r > 0 || (r < 0 && errno == EINTR))
		return 0;
	log_warn("", "event=keys-slow");
	k->rest_until = now_ms() + KEY_CLIENT_REST_MS;
	return -1;
}

static int
client_send(struct key_client *k, enum ipc_type type, const void *m, int64_t until)
{
	struct buf out;
	int r = -1;

	if (k->fd < 0 || k->broken || now_ms() < k->rest_until)
		return -1;
	buf_init(&out, IPC_HEADER + 256);
	if (ipc_encode(&out, type, ++k->id, m) == 0)
		r = 0;
	while (r == 0 && buf_len(&out) > 0) {
		ssize_t n = ipc_send_fd(k->fd, buf_data(&out), buf_len(&out), -1, MSG_DONTWAIT);

		if (n > 0) {
			buf_drain(&out, (size_t)n);
		} else if (errno != EAGAIN && errno != EWOULDBLOCK) {
			client_cut(k, strerror(errno));
			r = -1;
		} else if ((r = client_wait(k, POLLOUT, until)) < 0 && buf_len(&out) > 0) {
			/* Half a request may be on its way: what follows would be misread. */
			client_cut(k, "does not read");
		}
	}
	buf_free(&out);
	return r;
}

/* Waits for the next frame of the call under way; it must be of type want. */
static int
client_await(
    struct key_client *k, enum ipc_type want, union ipc_any *m, size_t *used, int64_t until)
{
	enum ipc_type type = IPC_none;
	int r;

	while ((r = client_next(k, k->id, &type, m, used)) == 0) {
		if (client_wait(k, POLLIN, until) < 0 || client_receive(k) < 0)
			return -1;
	}
	if (r == 1 && type != want) {
		client_cut(k, "wrong answer");
		return -1;
	}
	return r == 1 ? 0 : -1;
}

int
key_client_list(struct key_client *k, key_info_fn *fn, void *arg, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	union ipc_any m;
	size_t used;
	bool last = false;

	if (client_send(k, IPC_key_list, &(struct ipc_key_list){ 0 }, until) < 0)
		return -1;
	while (!last) {
		if (client_await(k, IPC_key_info, &m, &used, until) < 0)
			return -1;
		last = m.key_info.last != 0;
		if (m.key_info.chain.n > 0)
			fn(arg, m.key_info.key, m.key_info.is_default != 0, m.key_info.chain);
		buf_drain(&k->in, used);
	}
	return 0;
}

int
key_client_sign(struct key_client *k, uint32_t key, enum key_algorithm algorithm, struct str digest,
    uint8_t *signature, size_t *n, int timeout_ms)
{
	struct ipc_key_sign ask = { .key = key, .algorithm = (uint8_t)algorithm, .digest = digest };
	int64_t until = now_ms() + timeout_ms;
	union ipc_any m;
	size_t used;
	int r = -1;

	if (client_send(k, IPC_key_sign, &ask, until) < 0 ||
	    client_await(k, IPC_key_signature, &m, &used, until) < 0)
		return -1;
	if (m.key_signature.result == IPC_OK && m.key_signature.signature.n <= *n) {
		*n = m.key_signature.signature.n;
		memcpy(signature, m.key_signature.signature.p, *n);
		r = 0;
	}
	buf_drain(&k->in, used);
	return r;
}

int
key_client_tickets(struct key_client *k, uint8_t current[KEY_TICKET_BYTES],
    uint8_t previous[KEY_TICKET_BYTES], int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	union ipc_any m;
	size_t used;
	int r = -1;

	if (client_send(k, IPC_ticket_keys, &(struct ipc_ticket_keys){ 0 }, until) < 0 ||
	    client_await(k, IPC_ticket_keys_are, &m, &used, until) < 0)
		return -1;
	if (m.ticket_keys_are.current.n == KEY_TICKET_BYTES &&
	    m.ticket_keys_are.previous.n == KEY_TICKET_BYTES) {
		memcpy(current, m.ticket_keys_are.current.p, KEY_TICKET_BYTES);
		memcpy(previous, m.ticket_keys_are.previous.p, KEY_TICKET_BYTES);
		r = 0;
	}
	buf_drain(&k->in, used);
	return r;
}
