/* SPDX-License-Identifier: ISC */
/* Framing shared by the event-driven and the synchronous end. */
#ifndef POSTERN_IPC_FRAME_H
#define POSTERN_IPC_FRAME_H

#include "ipc/ipc.h"

struct ipc_frame {
	enum ipc_type type;
	uint64_t id;
	bool fd;
	struct str payload;
};

/*
 * Looks at the front of in: 1 = *f is a whole frame of a row that the other end may send on this
 * kind of channel (IPC_HEADER + payload bytes long), 0 = more bytes needed, -1 = violation, *why
 * says which.
 */
int ipc_frame_peek(const struct buf *in, enum ipc_channel_kind kind, enum ipc_side sender,
    struct ipc_frame *f, const char **why);

/* A descriptor came, but this process may hold no more of them (EMFILE): the kernel dropped it. */
enum { IPC_FD_LOST = -2 };
/* recvmsg of bytes and at most one descriptor (-1: none, IPC_FD_LOST); as recv(2). flags: MSG_*. */
ssize_t ipc_recv_fd(int sock, void *p, size_t n, int *fd, int flags);
/* sendmsg of bytes and a descriptor (-1: none). */
ssize_t ipc_send_fd(int sock, const void *p, size_t n, int fd, int flags);

#endif
