/* SPDX-License-Identifier: ISC */
/*
 * Messages between daemons over AF_UNIX stream sockets. The messages are the rows of ipc_table.h.
 *
 * The receiver treats the sender as hostile: a frame of another channel or from the wrong end, in a
 * state in which it is not permitted, sent twice though ONCE, longer than its row allows, with
 * trailing bytes, with a missing or an unexpected descriptor, is a violation: it is logged and the
 * channel is closed (on_close), never the daemon. A descriptor that the kernel dropped because this
 * process may hold no more is not the sender's fault: its message is dropped and logged.
 */
#ifndef POSTERN_IPC_IPC_H
#define POSTERN_IPC_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "io/io.h"

enum ipc_channel_kind {
#define IPC_CHANNEL(name, what) IPC_CH_##name,
#include "ipc/ipc_channels.h"
#undef IPC_CHANNEL
	IPC_CH__MAX
};
const char *ipc_channel_name(enum ipc_channel_kind kind);

enum ipc_side { IPC_CLIENT, IPC_SERVER };

/* Session states a row may name; what a state means is the channel's matter. */
enum { IPC_ST_NEW = 1, IPC_ST_IDLE = 2, IPC_ST_OPEN = 4, IPC_ST_BUSY = 8, IPC_ANY = 0xff };

/* What a channel to a mailbox process is for. */
enum ipc_mailbox_purpose {
	IPC_MAILBOX_SESSION, /* a login: begins with its hand-over */
	IPC_MAILBOX_DELIVER,
	IPC_MAILBOX_COMMAND, /* of an administrator: an admin channel */
};

/* Results that messages carry. */
enum ipc_result {
	IPC_OK,
	IPC_NO,        /* there is no such thing: unknown user, no such account, wrong password */
	IPC_NOT_LOCAL, /* the domain is not ours */
	IPC_SUSPENDED,
	IPC_TEMP, /* trouble of our own: try again */
	IPC_FULL, /* disk or quota */
	IPC_DENIED,
	IPC_INVALID, /* the request makes no sense */
	IPC_EXISTS,
	IPC_RESULT__MAX
};

/* struct ipc_NAME for each row. STR and BYTES fields are struct str, borrowed. */
#define IPC_BEGIN(name, channel, from, states, fd, once, reply) struct ipc_##name {
#define IPC_U8(f) uint8_t f;
#define IPC_U32(f) uint32_t f;
#define IPC_U64(f) uint64_t f;
#define IPC_STR(f, most) struct str f;
#define IPC_BYTES(f, most) struct str f;
#define IPC_END(name) \
	char ipc_end_; \
	} \
	;
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"

enum ipc_type {
	IPC_none,
#define IPC_BEGIN(name, channel, from, states, fd, once, reply) IPC_##name,
#include "ipc/ipc_noop_fields.h"
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
	IPC__MAX
};

/* Room for any decoded message. */
union ipc_any {
#define IPC_BEGIN(name, channel, from, states, fd, once, reply) struct ipc_##name name;
#include "ipc/ipc_noop_fields.h"
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
};

/* What the table says of a message. */
struct ipc_row {
	const char *name;
	enum ipc_channel_kind channel;
	enum ipc_side from;
	uint8_t states;
	bool fd, once;
	enum ipc_type reply;
	uint32_t most; /* largest payload */
};
const struct ipc_row *ipc_row(enum ipc_type type); /* NULL: no such type */

struct ipc_channel;

/* Handlers: one member per row, so that the compiler checks each function's type. m and what it
 * points to are borrowed for the call. With an FD row the handler owns fd, otherwise fd is -1. */
union ipc_handler {
	void *any;
#define IPC_BEGIN(name, channel, from, states, fd, once, reply) \
	void (*name)( \
	    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_##name *m, int fd);
#include "ipc/ipc_noop_fields.h"
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
};
/* In a `static const union ipc_handler h[IPC__MAX]`: IPC_ON(msg_begin, on_msg_begin). */
#define IPC_ON(row, function) [IPC_##row] = { .row = (function) }

struct ipc_ops {
	const union ipc_handler *handlers; /* IPC__MAX of them; a row without one is a violation */
	/* State of session id for the permit check; NULL: only rows permitted in any state pass. */
	unsigned (*state)(void *arg, uint64_t id);
	/* The peer is gone or was cut off. The channel is freed by the owner (here or later). */
	void (*on_close)(void *arg, struct ipc_channel *ch);
	/* After ipc_send had left more than IPC_OUT_LOW bytes pending: they are below it again. */
	void (*on_drained)(void *arg, struct ipc_channel *ch);
};

enum {
	IPC_HEADER = 16,
	IPC_OUT_LOW = 256 << 10,  /* above this a producer should wait for on_drained */
	IPC_OUT_MAX = 16 << 20,   /* above this the peer counts as dead and is cut off */
	IPC_FDS_PENDING_MAX = 16, /* descriptors received whose frame has not come yet */
};

/* Takes over fd (made non-blocking). arg goes to all callbacks. */
struct ipc_channel *ipc_channel_new(struct io_loop *loop, int fd, enum ipc_channel_kind kind,
    enum ipc_side side, const struct ipc_ops *ops, void *arg);
/* Closes it; pending output is lost. Allowed inside any callback. */
void ipc_channel_free(struct ipc_channel **ch);
enum ipc_channel_kind ipc_channel_kind(const struct ipc_channel *ch);
size_t ipc_channel_pending(const struct ipc_channel *ch);
/* Takes the descriptor and what was received behind the last handled frame out of the channel and
 * frees it: for connections that change to another protocol. *rest must be initialised. */
int ipc_channel_detach(struct ipc_channel **ch, struct buf *rest);

/*
 * Queues one frame; it is written at the end of the turn. fd (or -1) is taken over in any case.
 * Breaking the table's own limits here is a bug of ours and asserts. After the peer is gone the
 * frame is dropped silently: on_close tells.
 * Typed forms: ipc_send_NAME(ch, id, &(struct ipc_NAME){ .field = ... }) and, for FD rows, the
 * same with the descriptor as last argument.
 */
void ipc_send(struct ipc_channel *ch, enum ipc_type type, uint64_t id, const void *m, int fd);
#define IPC_NOFD(name) \
	static inline void ipc_send_##name( \
	    struct ipc_channel *ch, uint64_t id, const struct ipc_##name *m) \
	{ \
		ipc_send(ch, IPC_##name, id, m, -1); \
	}
#define IPC_FD(name) \
	static inline void ipc_send_##name( \
	    struct ipc_channel *ch, uint64_t id, const struct ipc_##name *m, int fd) \
	{ \
		ipc_send(ch, IPC_##name, id, m, fd); \
	}
#define IPC_BEGIN(name, channel, from, states, fd, once, reply) IPC_##fd(name)
#include "ipc/ipc_noop_fields.h"
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
#undef IPC_NOFD
#undef IPC_FD

/* Writes what is pending on all channels now. Needed only by owners that send inside an
 * io_loop_after_turn function of their own, such as a group commit. */
void ipc_flush_all(void);

/*
 * fn is called for each channel whose peer is gone or was cut off, before its on_close, with its
 * descriptor: lib/daemon asks master for a new one. ipc_lost says the same of a descriptor that is
 * used without a struct ipc_channel.
 */
void ipc_on_lost(void (*fn)(void *arg, int fd), void *arg);
void ipc_lost(int fd);

/* --- codecs, also for tests ------------------------------------------------------------------- */
enum { IPC_ERR_SHORT = -1, IPC_ERR_TRAILING = -2, IPC_ERR_FIELD = -3, IPC_ERR_TYPE = -4 };
/* Appends header and payload. 0, or BUF_LIMIT. */
int ipc_encode(struct buf *out, enum ipc_type type, uint64_t id, const void *m);
/* payload without header; out borrows from it. 0 or IPC_ERR_*. */
int ipc_decode(enum ipc_type type, struct str payload, union ipc_any *out);

/* --- synchronous calls (keys' clients, auth to accounts) --------------------------------------- */
/*
 * Sends a request on a blocking-mode channel descriptor and waits for one frame from the other end.
 * storage keeps the reply's bytes as long as *reply is used. *fd gets a descriptor or -1.
 * Returns 0; -1: broken or violated (close the descriptor); -2: timeout (close it as well, a late
 * answer would be taken for the next one's).
 */
int ipc_call(int sock, enum ipc_channel_kind kind, enum ipc_type type, uint64_t id, const void *m,
    struct buf *storage, enum ipc_type *got, union ipc_any *reply, int *fd, int timeout_ms);
/* Waits for one more frame (lists that are answered by several). */
int ipc_call_more(int sock, enum ipc_channel_kind kind, uint64_t id, struct buf *storage,
    enum ipc_type *got, union ipc_any *reply, int *fd, int timeout_ms);

/* A connected pair of stream sockets, close-on-exec; 0 or -errno. */
int ipc_pair(int sv[2]);

#endif
