/* SPDX-License-Identifier: ISC */
/*
 * The event loop of a daemon. lib/io is the only place that includes event2/ headers, lib/tls the
 * only one that includes OpenSSL's SSL headers. One loop a process, one thread.
 *
 * Callbacks may free the object they were called for, unless the contract says otherwise.
 */
#ifndef POSTERN_IO_IO_H
#define POSTERN_IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"

struct io_loop;

/* Ends the process when the loop cannot be made. Ignores SIGPIPE. */
struct io_loop *io_loop_new(void);
void io_loop_free(struct io_loop **loop);
/* Runs until io_loop_stop. */
void io_loop_run(struct io_loop *loop);
void io_loop_stop(struct io_loop *loop);
/* Milliseconds of CLOCK_MONOTONIC, read once per turn of the loop. */
uint64_t io_now_ms(struct io_loop *loop);

/*
 * Called at the end of each turn, after all events that were ready have been handled and before
 * the loop waits again: the place to commit in groups and to flush output. Order of adding; the
 * same function and argument a second time changes nothing. Also called once before the first turn.
 */
void io_loop_after_turn(struct io_loop *loop, void (*fn)(void *arg), void *arg);
/* No more calls with this argument; safe inside a hook. Before what it points to is freed. */
void io_loop_after_turn_remove(struct io_loop *loop, void *arg);
/* The next turn comes without waiting, so that the hooks run again: for work that was made after
 * its hook had run. */
void io_loop_again(struct io_loop *loop);

/* --- watching a descriptor that the caller owns; io never closes it ----------------------------
 */
struct io_watch;
enum { IO_READ = 1, IO_WRITE = 2 };
typedef void io_watch_fn(void *arg, int events);
/* events: what to wait for now; level-triggered. */
struct io_watch *io_watch_new(struct io_loop *loop, int fd, int events, io_watch_fn *fn, void *arg);
void io_watch_set(struct io_watch *w, int events);
void io_watch_free(struct io_watch **w);

/* --- timers ------------------------------------------------------------------------------------
 */
struct io_timer;
typedef void io_timer_fn(void *arg);
struct io_timer *io_timer_new(struct io_loop *loop, io_timer_fn *fn, void *arg);
/* Fires once, ms from now; a second call moves it. */
void io_timer_set(struct io_timer *t, uint64_t ms);
void io_timer_stop(struct io_timer *t);
bool io_timer_pending(const struct io_timer *t);
void io_timer_free(struct io_timer **t);

/* --- signals -----------------------------------------------------------------------------------
 */
struct io_signal;
struct io_signal *io_signal_new(struct io_loop *loop, int signo, void (*fn)(void *arg), void *arg);
void io_signal_free(struct io_signal **s);

/* --- listeners ---------------------------------------------------------------------------------
 */
/*
 * Accepts from a listening socket that the caller (in the end: master) opened. The new descriptor
 * is non-blocking and close-on-exec and belongs to the callback. On EMFILE and the like accepting
 * pauses for 100 ms instead of spinning.
 */
struct io_listener;
typedef void io_accept_fn(void *arg, int fd, const struct sockaddr *sa, socklen_t salen);
struct io_listener *io_listener_new(struct io_loop *loop, int fd, io_accept_fn *fn, void *arg);
void io_listener_pause(struct io_listener *l, bool paused);
void io_listener_free(struct io_listener **l);

/* --- streams -----------------------------------------------------------------------------------
 */
/*
 * A byte stream over a socket, in plain text or TLS (io_stream_starttls, declared in tls/tls.h).
 * Input waits in a buffer of at most in_max bytes: when it is full reading stops until the owner
 * has drained it. Output that the peer does not take waits in a buffer of at most out_max bytes;
 * the owner stops producing when io_stream_out_room() says so and goes on at on_drained.
 */
struct io_stream;

enum io_end {
	IO_END_EOF,     /* orderly end of the peer's bytes (with TLS: close_notify) */
	IO_END_ERROR,   /* reset, TLS error, end without close_notify */
	IO_END_TIMEOUT, /* a deadline of io_stream_deadline passed */
	IO_END_STALLED, /* the peer took no output for the stall time */
};

struct io_stream_ops {
	/* New bytes, or bytes left in `in` after reading was resumed. Drain what was used. */
	void (*on_data)(void *arg, struct buf *in);
	/* All output has been taken by the kernel; optional. */
	void (*on_drained)(void *arg);
	/*
	 * Nothing more will come; the owner frees the stream (here or later). Called once, after
	 * on_data has had all bytes that came before an orderly end (held back while paused).
	 * After IO_END_EOF and IO_END_TIMEOUT the last words can still be written, then
	 * io_stream_finish; after the others what is written is dropped.
	 */
	void (*on_end)(void *arg, enum io_end why);
	/* STARTTLS handshake is complete; optional. */
	void (*on_tls)(void *arg);
	/* The connection of io_stream_connect stands; optional for other streams. */
	void (*on_connected)(void *arg);
};

struct io_stream_limits {
	size_t in_max, out_max;
	uint64_t stall_ms; /* longest time in which pending output may make no progress; 0: none */
};

/* Takes over fd; sets TCP_NODELAY where it applies. */
struct io_stream *io_stream_new(struct io_loop *loop, int fd, const struct io_stream_ops *ops,
    const struct io_stream_limits *limits, void *arg);
/*
 * A TCP connection to sa, made without waiting: on_connected comes, or on_end (IO_END_ERROR: see
 * io_stream_errno; IO_END_TIMEOUT after connect_ms). What is written before goes out when it stands.
 * NULL and errno: it failed at once (no route, no descriptor); no callback comes then.
 */
struct io_stream *io_stream_connect(struct io_loop *loop, const struct sockaddr *sa,
    socklen_t salen, uint64_t connect_ms, const struct io_stream_ops *ops,
    const struct io_stream_limits *limits, void *arg);
/* Why connecting failed; 0 when it did not. */
int io_stream_errno(const struct io_stream *s);
/* Closes the descriptor at once; unsent output is lost. With TLS a close_notify is tried. */
void io_stream_free(struct io_stream **s);
/* Sends what is pending, then closes and frees by itself; no callback comes any more. The time
 * for that is bounded (5 s). What the peer is still sending is read and dropped meanwhile, at most
 * 256 KiB: closing over unread bytes would reset the connection and lose the last words. */
void io_stream_finish(struct io_stream **s);

/* Other limits from now on: a stranger gets less than somebody who has logged in. What waits
 * already stays, even if it is more. */
void io_stream_set_limits(struct io_stream *s, const struct io_stream_limits *limits);
/* The peer sees the end of our bytes when what is pending has gone; its own still come. Nothing may
 * be written any more. */
void io_stream_shutdown(struct io_stream *s);

/* 0, or BUF_LIMIT when out_max would be passed (nothing is queued then: end the session).
 * Output is written at the end of the turn, all of it in one call where possible. */
int io_stream_write(struct io_stream *s, const void *p, size_t n);
size_t io_stream_out_room(const struct io_stream *s);
size_t io_stream_out_pending(const struct io_stream *s);
/* What waits unread, also outside on_data (for handing over a session with its unread input);
 * after draining there call io_stream_pause(s, false). */
struct buf *io_stream_in(struct io_stream *s);
/* Back-pressure towards the peer; pausing keeps the input buffer. */
void io_stream_pause(struct io_stream *s, bool paused);
/* on_end(IO_END_TIMEOUT) at this point unless moved; 0 = none. */
void io_stream_deadline(struct io_stream *s, uint64_t ms_from_now);
int io_stream_fd(const struct io_stream *s);
bool io_stream_is_tls(const struct io_stream *s);

#endif
