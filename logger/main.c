/* SPDX-License-Identifier: ISC */
/*
 * Writes the log. Every other process has a seqpacket socket to here; which one a line came by tells
 * its program, so nobody writes in another's name. A record holds one or more lines; each becomes
 *
 *     2026-11-23T01:02:03.456789Z smtpd[0] info 4gq7z client=192.0.2.1 ...
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "daemon/daemon.h"
#include "logger/logfile.h"
#include "logger/trace.h"

enum {
	RECORDS_AT_ONCE = 16,
	RECORDS_A_TURN = 256, /* of one program, before the others come */
	BATCH_MAX = 4 << 20,
	PREFIX_MAX = 128, /* time, program and instance before a line */
	/* After lines came all programs wait so long before they are read again: under load one
	 * wake-up then serves hundreds of lines. A socket holds about 500 (wmem_max). */
	GATHER_MS = 10,
	STDERR_PIECE = 4096, /* what a pipe that poll() calls writable takes without blocking */
};

struct source {
	TAILQ_ENTRY(source) link;
	struct io_watch *watch;
	int fd;
	char name[48];
};

static struct {
	struct daemon *d;
	struct logfile *file;
	TAILQ_HEAD(, source) sources;
	struct io_timer *gather;
	struct buf batch;
	char records[RECORDS_AT_ONCE][LOG_DATAGRAM_MAX];
	bool stderr_open;
} logger;

/* --- writing ------------------------------------------------------------------------------------------ */

static void
stamp(struct buf *b)
{
	struct timespec now;
	struct tm tm;
	char text[40];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "%s.%06ldZ ", text, now.tv_nsec / 1000);
}

static void write_batch(void *arg);

static void
add_line(const char *program, const char *line, size_t n)
{
	size_t start;
	uint8_t *p;

	/* A program that says very much fills a batch: no line is cut in two or lost by that. */
	if (buf_room(&logger.batch) < n + PREFIX_MAX)
		write_batch(NULL);
	stamp(&logger.batch);
	buf_printf(&logger.batch, "%s ", program);
	start = buf_len(&logger.batch);
	if (buf_put(&logger.batch, line, n) < 0 || buf_putc(&logger.batch, '\n') < 0)
		return;
	p = logger.batch.data + logger.batch.off + start;
	for (size_t i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] == 0x7f)
			p[i] = '?';
}

/* To the terminal or the service manager, as long as that takes it: it must not stop the log. */
static void
to_stderr(struct str s)
{
	while (logger.stderr_open && s.n > 0) {
		struct pollfd p = { .fd = 2, .events = POLLOUT };
		size_t piece = s.n < STDERR_PIECE ? s.n : STDERR_PIECE;
		ssize_t n;

		if (poll(&p, 1, 0) <= 0)
			return;
		n = write(2, s.p, piece);
		if (n <= 0) {
			logger.stderr_open = n < 0 && (errno == EINTR || errno == EAGAIN);
			return;
		}
		s.p += n;
		s.n -= (size_t)n;
	}
}

static void
write_batch(void *arg)
{
	struct str s = str_from(buf_data(&logger.batch), buf_len(&logger.batch));
	uint64_t lost;

	(void)arg;
	if (s.n == 0)
		return;
	lost = logfile_write(logger.file, s, (int64_t)time(NULL));
	to_stderr(s);
	buf_clear(&logger.batch);
	if (lost > 0) {
		char line[80];
		int n = snprintf(
		    line, sizeof(line), "error - log-lines-lost=%llu", (unsigned long long)lost);

		add_line("logger", line, (size_t)n);
	}
	if (logger.batch.cap > 256 << 10)
		buf_free(&logger.batch);
}

/* --- reading ------------------------------------------------------------------------------------------ */

static void
source_free(struct source *s)
{
	TAILQ_REMOVE(&logger.sources, s, link);
	io_watch_free(&s->watch);
	close(s->fd);
	free(s);
}

static void
add_lines(const char *program, struct str lines)
{
	while (lines.n > 0) {
		ptrdiff_t end = str_chr(lines, '\n');
		size_t n = end < 0 ? lines.n : (size_t)end, skip = end < 0 ? n : n + 1;

		if (n > 0)
			add_line(program, lines.p, n < LOG_LINE_MAX ? n : LOG_LINE_MAX);
		lines = str_from(lines.p + skip, lines.n - skip);
	}
}

/* Number of records read; *ended: there is nobody at the other end any more. */
static int
receive(struct source *s, bool *ended)
{
	struct mmsghdr msgs[RECORDS_AT_ONCE];
	struct iovec iov[RECORDS_AT_ONCE];
	int n;

	memset(msgs, 0, sizeof(msgs));
	for (int i = 0; i < RECORDS_AT_ONCE; i++) {
		iov[i] = (struct iovec){ logger.records[i], LOG_DATAGRAM_MAX };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(s->fd, msgs, RECORDS_AT_ONCE, MSG_DONTWAIT, NULL);
	*ended = n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
	for (int i = 0; i < n && !*ended; i++) {
		*ended = msgs[i].msg_len == 0; /* nobody sends an empty one */
		add_lines(s->name, str_from(logger.records[i], msgs[i].msg_len));
	}
	return n;
}

static void
watch_all(int events)
{
	struct source *s;

	TAILQ_FOREACH(s, &logger.sources, link)
		io_watch_set(s->watch, events);
}

static void
on_gathered(void *arg)
{
	(void)arg;
	watch_all(IO_READ);
}

static void
on_lines(void *arg, int events)
{
	struct source *s = arg;
	bool ended = false;
	int total = 0;

	(void)events;
	while (!ended && total < RECORDS_A_TURN && receive(s, &ended) == RECORDS_AT_ONCE)
		total += RECORDS_AT_ONCE;
	if (ended)
		source_free(s);
	if (!io_timer_pending(logger.gather)) {
		io_timer_set(logger.gather, GATHER_MS);
		watch_all(0);
	}
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	struct source *s;

	if (kind == IPC_CH_admin && side == IPC_SERVER) {
		trace_open(daemon_loop(d), daemon_dir(d), fd);
		return;
	}
	if (kind != IPC_CH_log || side != IPC_SERVER) {
		close(fd);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->fd = fd;
	snprintf(s->name, sizeof(s->name), "%s[%u]", peer, instance);
	TAILQ_INSERT_TAIL(&logger.sources, s, link);
	s->watch = io_watch_new(daemon_loop(d), fd, IO_READ, on_lines, s);
}

/* --- start -------------------------------------------------------------------------------------------- */

static struct logfile_budget
budget(struct daemon *d)
{
	const struct settings *s = daemon_settings(d);

	return (struct logfile_budget){
		.file_size = settings_u64(s, SET_log_file_size),
		.total_size = settings_u64(s, SET_log_size),
		.max_age = settings_u64(s, SET_log_age),
	};
}

static void
on_reload(struct daemon *d)
{
	struct logfile_budget b = budget(d);

	logfile_set_budget(logger.file, &b);
}

static void
start(struct daemon *d)
{
	struct logfile_budget b = budget(d);

	logger.d = d;
	TAILQ_INIT(&logger.sources);
	logger.gather = io_timer_new(daemon_loop(d), on_gathered, NULL);
	logger.stderr_open = true;
	buf_init(&logger.batch, BATCH_MAX);
	logger.file = logfile_new(daemon_dir(d), &b);
	if (logger.file == NULL)
		fatal("log/postern.log: %s", strerror(errno));
	io_loop_after_turn(daemon_loop(d), write_batch, NULL);
}

/* All others have ended; their last lines are in the sockets already. */
static void
on_stop(struct daemon *d)
{
	struct source *s;
	bool ended;

	TAILQ_FOREACH(s, &logger.sources, link)
		while (receive(s, &ended) == RECORDS_AT_ONCE && !ended)
			write_batch(NULL);
	daemon_exit(d);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "logger",
		.start = start,
		.on_peer = on_peer,
		.on_reload = on_reload,
		.on_stop = on_stop,
	};

	return daemon_main(argc, argv, &spec);
}
