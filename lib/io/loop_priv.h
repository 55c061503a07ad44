/* SPDX-License-Identifier: ISC */
/* Inside of lib/io only: what loop.c and stream.c share. */
#ifndef POSTERN_IO_LOOP_PRIV_H
#define POSTERN_IO_LOOP_PRIV_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <sys/queue.h>

#include "io/io.h"

/* Most bytes taken from one stream in one turn: a fast peer must not starve the others. The
 * memory is one block a process, filled here and copied to the stream's own small buffer, so that
 * an idle stream needs none. */
enum { IO_SCRATCH = 65536 };

/* Rounds of hooks and flushing in one turn, while callbacks make new work: the events that wait
 * must get their turn, too. */
enum { IO_ROUNDS = 8 };

/* The first log line is sent at the end of its turn, what follows within so long goes together:
 * under load the logger is woken fifty times a second by a process, not at each message. Lines from
 * "warn" on never wait. It is also what is lost of the log when a process is killed. */
enum { IO_LOG_MS = 20 };

TAILQ_HEAD(io_stream_list, io_stream);

struct io_hook {
	void (*fn)(void *arg);
	void *arg;
};

struct io_loop {
	struct event_base *base;
	struct io_hook *hooks;
	size_t nhooks;
	struct io_stream_list work; /* streams with something to do at the end of the turn */
	uint64_t turn;
	uint64_t now_ms; /* 0: not read in this turn */
	uint8_t *scratch;
	bool stop, again;
	struct event log_timer; /* sends the log lines that wait */
	uint64_t log_ms;        /* when the last were sent */
};

/* Flushes output and brings back-pressure to an end; called after the hooks. */
void io_streams_end_turn(struct io_loop *loop);

#endif
