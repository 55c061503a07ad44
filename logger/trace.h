/* SPDX-License-Identifier: ISC */
/* postern trace: finds the lines of messages in all log files, a piece in each turn of the loop. */
#ifndef POSTERN_LOGGER_TRACE_H
#define POSTERN_LOGGER_TRACE_H

#include "io/io.h"
#include "ipc/ipc.h"

enum {
	TRACE_FILES_MAX =
	    64, /* newest first; at 4 MB a file that is all of 64 MB four times over */
	TRACE_PIECE = 256 << 10, /* bytes looked at in a turn: below a millisecond */
	TRACE_IDS_MAX = 64,      /* sessions and messages; of more the newest */
	TRACE_ROWS_MAX = 2000,   /* lines of an answer */
	TRACE_WORD_MIN = 3,      /* shorter words are in nearly every line */
};

/* Serves fd, an admin channel; the directory stays the caller's. Replaces an earlier channel. */
void trace_open(struct io_loop *loop, int dirfd, int fd);

#endif
