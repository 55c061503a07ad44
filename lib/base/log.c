/* SPDX-License-Identifier: ISC */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const level_name[] = {
	[LOG_DEBUG_] = "debug",
	[LOG_INFO_] = "info",
	[LOG_WARN_] = "warn",
	[LOG_ERROR_] = "error",
	[LOG_FATAL_] = "fatal",
};

static const char *log_program = "postern";
static int log_fd = -1;
static int log_debug_on;
static unsigned log_dropped;
static int log_gathering;
static char waiting[LOG_DATAGRAM_MAX]; /* gathered lines */
static size_t waiting_n;
static unsigned waiting_lines;

void
log_open(const char *program, int fd)
{
	if (log_fd >= 0)
		log_flush();
	log_program = program;
	log_fd = fd;
}

void
log_set_debug(int on)
{
	log_debug_on = on;
}

static int
send_lines(const char *lines, size_t n)
{
	return send(log_fd, lines, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
}

/* Tells how many lines were lost before the next ones go out. */
static void
send_dropped(void)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "warn - log-lines-dropped=%u\n", log_dropped);

	if (send_lines(line, (size_t)n))
		log_dropped = 0;
}

void
log_flush(void)
{
	if (waiting_n == 0)
		return;
	if (log_dropped > 0)
		send_dropped();
	if (!send_lines(waiting, waiting_n))
		log_dropped += waiting_lines;
	waiting_n = waiting_lines = 0;
}

bool
log_pending(void)
{
	return waiting_n > 0;
}

void
log_gather(int on)
{
	log_gathering = on;
	if (!on)
		log_flush();
}

static void
add_line(enum log_level level, const char *line, size_t n)
{
	if (waiting_n + n + 1 > sizeof(waiting))
		log_flush();
	memcpy(waiting + waiting_n, line, n);
	waiting_n += n;
	waiting[waiting_n++] = '\n';
	waiting_lines++;
	if (!log_gathering || level >= LOG_WARN_)
		log_flush();
}

static void
log_vline(enum log_level level, const char *id, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	int saved = errno, n, m;

	n = snprintf(line, sizeof(line), "%s %s ", level_name[level], id && *id ? id : "-");
	m = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	n = m < 0 ? n : (m >= (int)sizeof(line) - n ? (int)sizeof(line) - 1 : n + m);
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = '?';
	if (log_fd < 0)
		dprintf(2, "%s %.*s\n", log_program, n, line);
	else
		add_line(level, line, (size_t)n);
	errno = saved;
}

void
log_line(enum log_level level, const char *id, const char *fmt, ...)
{
	va_list ap;

	if (level == LOG_DEBUG_ && !log_debug_on)
		return;
	va_start(ap, fmt);
	log_vline(level, id, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(LOG_FATAL_, NULL, fmt, ap);
	va_end(ap);
	exit(EXIT_FATAL);
}

const char *
log_escape(char *out, size_t outsize, struct str s)
{
	size_t o = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		int plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';

		if (o + (plain ? 1 : 4) + (i + 1 < s.n ? 3 : 0) >= outsize) {
			for (int k = 0; k < 3 && o + 1 < outsize; k++)
				out[o++] = '.';
			break;
		}
		if (plain)
			out[o++] = (char)c;
		else
			o += (size_t)snprintf(out + o, outsize - o, "\\x%02x", c);
	}
	out[o] = '\0';
	return out;
}
