/* SPDX-License-Identifier: ISC */
#include "ipc/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t
get_le(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

int
ipc_frame_peek(const struct buf *in, enum ipc_channel_kind kind, enum ipc_side sender,
    struct ipc_frame *f, const char **why)
{
	const uint8_t *p = buf_data(in);
	const struct ipc_row *row;
	uint64_t n;

	if (buf_len(in) < IPC_HEADER)
		return 0;
	n = get_le(p, 4);
	f->type = (enum ipc_type)get_le(p + 4, 2);
	f->fd = get_le(p + 6, 2) != 0;
	f->id = get_le(p + 8, 8);
	row = ipc_row(f->type);
	if (row == NULL || row->channel != kind)
		*why = "not a message of this channel";
	else if (row->from != sender)
		*why = "not for this end to send";
	else if (n > row->most)
		*why = "too long";
	else if (f->fd != row->fd)
		*why = f->fd ? "unexpected descriptor" : "descriptor missing";
	else if (buf_len(in) - IPC_HEADER < n)
		return 0;
	else {
		f->payload = str_from(p + IPC_HEADER, (size_t)n);
		return 1;
	}
	return -1;
}

ssize_t
ipc_recv_fd(int sock, void *p, size_t n, int *fd, int flags)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 4)];
	} control;
	struct iovec iov = { p, n };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	ssize_t r;

	*fd = -1;
	do {
		r = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return r;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* More than one at a time is never sent by us: keep the first, close the rest. */
		for (size_t i = 0; i < count; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*fd < 0)
				*fd = got;
			else
				close(got);
		}
	}
	if (*fd < 0 && (msg.msg_flags & MSG_CTRUNC))
		*fd = IPC_FD_LOST;
	return r;
}

ssize_t
ipc_send_fd(int sock, const void *p, size_t n, int fd, int flags)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do {
		r = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	} while (r < 0 && errno == EINTR);
	return r;
}
