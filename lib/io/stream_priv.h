/* SPDX-License-Identifier: ISC */
/*
 * For lib/tls only: how bytes go through something else than plain recv and send. lib/io itself
 * knows no OpenSSL, so a process that speaks no TLS maps none.
 */
#ifndef POSTERN_IO_STREAM_PRIV_H
#define POSTERN_IO_STREAM_PRIV_H

#include <sys/types.h>

#include "io/io.h"

/* Negative results of a transport's calls. */
enum {
	IO_T_READABLE = -1, /* again when the descriptor is readable */
	IO_T_WRITABLE = -2, /* again when it is writable */
	IO_T_FAILED = -3,   /* broken: IO_END_ERROR */
};

struct io_transport {
	/* 1: complete; else negative. NULL: there is none. */
	int (*handshake)(void *state);
	/* Bytes read (> 0), 0 at an orderly end, else negative. */
	ssize_t (*read)(void *state, void *p, size_t n);
	/* Bytes taken (> 0), else negative. A repeated call has the same first bytes, maybe more.
	 */
	ssize_t (*write)(void *state, const void *p, size_t n);
	/* Bytes wait inside that no event of the descriptor will tell of. */
	bool (*pending)(void *state);
	/* Says goodbye, one try. */
	void (*shutdown)(void *state);
	void (*free)(void *state);
};

enum io_upgrade { IO_UPGRADE_OK = 0, IO_UPGRADE_INJECTED = -1, IO_UPGRADE_STATE = -2 };

/*
 * From now on bytes go through t: output written before still goes out in plain text, then the
 * handshake starts (at most handshake_ms from now, else on_end(IO_END_TIMEOUT)), then on_tls comes.
 * Takes over state on success. IO_UPGRADE_INJECTED: input is waiting that came in plain text.
 */
enum io_upgrade io_stream_upgrade(
    struct io_stream *s, const struct io_transport *t, void *state, uint64_t handshake_ms);
/* The state given to io_stream_upgrade when the transport is t, else NULL. */
void *io_stream_transport_state(const struct io_stream *s, const struct io_transport *t);

#endif
