/* SPDX-License-Identifier: ISC */
/*
 * Log lines of a daemon. A line is "LEVEL ID key=value ..."; time and program are put before it by
 * the logger, which knows them from the channel the line came by, so that no daemon can write in
 * another's name. Lines go as records of one or more, each ended by \n, and never block: when the
 * logger is behind, lines are counted and the count is sent later. Within the event loop, lines below
 * "warn" wait for the end of the turn, or a few milliseconds (IO_LOG_MS) when others have just been
 * sent, so that a busy process does not wake the logger all the time.
 *
 * fatal = our environment is broken: logs and exits with status 111 (111: try again, 100: usage).
 * Untrusted bytes reach a line only through LOGS() / log_escape().
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include <stdbool.h>

#include <stddef.h>

#include "base/str.h"

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_, LOG_FATAL_ };
enum {
	LOG_LINE_MAX = 1024,     /* longer lines are cut */
	LOG_ESCAPED_MAX = 256,   /* of what a peer said, in one line */
	LOG_DATAGRAM_MAX = 8192, /* lines that go to logger in one record */
};
enum { EXIT_USAGE = 100, EXIT_FATAL = 111 };

/* Before this call lines go to stderr as text. fd is a seqpacket socket to the logger; -1: stderr. */
void log_open(const char *program, int fd);
void log_set_debug(int on);
/* on: lines may wait for log_flush(); the event loop's business. Off flushes. */
void log_gather(int on);
void log_flush(void);
/* Gathered lines wait. */
bool log_pending(void);

/* id: session or queue id, NULL or "" when there is none. */
void log_line(enum log_level level, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define log_debug(id, ...) log_line(LOG_DEBUG_, id, __VA_ARGS__)
#define log_info(id, ...) log_line(LOG_INFO_, id, __VA_ARGS__)
#define log_warn(id, ...) log_line(LOG_WARN_, id, __VA_ARGS__)
#define log_error(id, ...) log_line(LOG_ERROR_, id, __VA_ARGS__)
void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Writes s with everything but printable ASCII (and with " and \) as \xNN into out, at most
 * outsize - 1 bytes and a NUL; what does not fit ends in "...". Returns out.
 */
const char *log_escape(char *out, size_t outsize, struct str s);
/* For one log call: a compound literal on the caller's stack. */
#define LOGS(s) log_escape((char[LOG_ESCAPED_MAX]){ 0 }, LOG_ESCAPED_MAX, (s))

#endif
