/* SPDX-License-Identifier: ISC */
/*
 * Two passes over the files as they are when the request comes. The first collects the ids of
 * lines that have the word, and what those lines connect (a session with the message it brought); the
 * second sends the lines with these ids, oldest first. Lines that come meanwhile wait in the sockets a
 * millisecond longer.
 */
#include "logger/trace.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "catalogue/event.h"
#include "command/command.h"

enum { LINE_MAX_ = LOG_LINE_MAX + 256, ID_MAX = 32 };

struct search {
	uint64_t request;
	char word[LOG_ESCAPED_MAX];
	size_t word_n;
	int fd[TRACE_FILES_MAX]; /* oldest first */
	unsigned files, at;
	bool older; /* there are more files than are looked at */
	bool second;
	off_t offset;
	char ids[TRACE_IDS_MAX][ID_MAX + 1];
	uint64_t found; /* ids altogether */
	unsigned rows;
	char piece[TRACE_PIECE + 1];
};

static struct {
	struct io_loop *loop;
	struct ipc_channel *ch;
	int dir;
	struct io_timer *timer;
	struct search *s;
} trace;

/* --- files ------------------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The current file has the shortest name, but is the newest. */
static void
open_files(struct search *s)
{
	int copy = openat(trace.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	char **names = NULL;
	struct dirent *e;
	size_t n = 0, first;
	int fd;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, "postern.log.", 12) != 0)
			continue;
		names = xrealloc(names, (n + 1) * sizeof(*names));
		names[n++] = xstrdup(e->d_name);
	}
	if (d != NULL)
		closedir(d);
	if (n > 1)
		qsort(names, n, sizeof(*names), by_name);
	first = n > TRACE_FILES_MAX - 1 ? n - (TRACE_FILES_MAX - 1) : 0;
	s->older = first > 0;
	for (size_t i = 0; i < n; i++) {
		if (i >= first &&
		    (fd = openat(trace.dir, names[i], O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) >= 0)
			s->fd[s->files++] = fd;
		free(names[i]);
	}
	free(names);
	if ((fd = openat(trace.dir, "postern.log", O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) >= 0)
		s->fd[s->files++] = fd;
}

static void
search_free(struct search **sp)
{
	struct search *s = *sp;

	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->files; i++)
		close(s->fd[i]);
	free(s);
	*sp = NULL;
}

/* --- ids --------------------------------------------------------------------------------------- */

static bool
has_id(const struct search *s, struct str id)
{
	for (unsigned i = 0; i < TRACE_IDS_MAX; i++)
		if (s->ids[i][0] != '\0' && str_eq(id, str_of(s->ids[i])))
			return true;
	return false;
}

/* Of more than fit the newest stay. */
static void
add_id(struct search *s, struct str id)
{
	if (id.n < 2 || id.n > ID_MAX || has_id(s, id))
		return;
	snprintf(s->ids[s->found++ % TRACE_IDS_MAX], ID_MAX + 1, "%.*s", STRF(id));
}

/* Is the word at this place a whole one? */
static bool
is_whole(struct str line, size_t at, size_t n)
{
	static const char inside[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@+";
	bool before = at > 0 && strchr(inside, line.p[at - 1]) != NULL;
	bool behind = at + n < line.n && strchr(inside, line.p[at + n]) != NULL;

	return !before && !behind;
}

static bool
has_word(const struct search *s, struct str line)
{
	const char *p = line.p, *end = line.p + line.n;

	while ((p = memmem(p, (size_t)(end - p), s->word, s->word_n)) != NULL) {
		if (is_whole(line, (size_t)(p - line.p), s->word_n))
			return true;
		p++;
	}
	return false;
}

/* --- lines ------------------------------------------------------------------------------------- */

static void
send_line(struct search *s, const struct event_line *e)
{
	char cells[4][LINE_MAX_ + 1];
	const struct str parts[4] = { e->time, e->program, e->id, e->rest };
	const char *pointers[4];

	for (unsigned i = 0; i < 4; i++) {
		snprintf(cells[i], sizeof(cells[i]), "%.*s", STRF(parts[i]));
		pointers[i] = cells[i];
	}
	command_row(trace.ch, s->request, 4, pointers);
	s->rows++;
}

static void
look_at(struct search *s, struct str line)
{
	struct event_line e;

	if (line.n > LINE_MAX_ || (!s->second && !has_word(s, line)) || !event_parse(line, &e) ||
	    !event_is_told(&e))
		return;
	if (!s->second) {
		add_id(s, e.id);
		add_id(s, event_value(&e, STR("queue")));
	} else if (has_id(s, e.id) && s->rows < TRACE_ROWS_MAX) {
		send_line(s, &e);
	}
}

/* One piece of the current file; false: it is over. */
static bool
next_piece(struct search *s)
{
	ssize_t n = pread(s->fd[s->at], s->piece, TRACE_PIECE, s->offset);
	struct str rest = str_from(s->piece, n > 0 ? (size_t)n : 0);
	ptrdiff_t end;

	while ((end = str_chr(rest, '\n')) >= 0) {
		look_at(s, str_from(rest.p, (size_t)end));
		rest = str_from(rest.p + end + 1, rest.n - (size_t)end - 1);
	}
	if (n <= 0 || (rest.n == (size_t)n && n < TRACE_PIECE))
		return false;
	/* a line without end in a whole piece is none of ours: it is skipped */
	s->offset += rest.n == (size_t)n ? n : n - (ssize_t)rest.n;
	return true;
}

static void
finish(struct search *s)
{
	const char *more =
	    s->rows == TRACE_ROWS_MAX  ? "There are more lines; name one message by its id."
	    : s->found > TRACE_IDS_MAX ? "There are more messages; these are the newest."
	    : s->older                 ? "The oldest log files were not looked at."
				       : "";

	if (s->rows == 0)
		command_end(trace.ch, s->request, IPC_NO, "The log has nothing about this.");
	else
		command_end(trace.ch, s->request, IPC_OK, "%s", more);
	search_free(&trace.s);
}

static void
on_timer(void *arg)
{
	struct search *s = trace.s;

	(void)arg;
	if (s == NULL)
		return;
	if (s->at < s->files && next_piece(s)) {
		io_timer_set(trace.timer, 1);
		return;
	}
	s->offset = 0;
	if (s->at < s->files)
		s->at++;
	if (s->at >= s->files && !s->second) {
		s->second = true;
		s->at = 0;
	} else if (s->at >= s->files) {
		finish(s);
		return;
	}
	io_timer_set(trace.timer, 1);
}

/* --- the channel ------------------------------------------------------------------------------- */

static void
on_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_request *m, int fd)
{
	struct command_line line;
	struct search *s;

	(void)arg;
	(void)fd;
	if (m->verb != CMD_trace || command_request(m, &line) < 0) {
		command_end(ch, id, IPC_INVALID, "This command is not known here.");
		return;
	}
	if (trace.s != NULL) {
		command_end(
		    ch, id, IPC_TEMP, "Somebody else is searching the log just now; try again.");
		return;
	}
	if (strlen(line.args[0]) < TRACE_WORD_MIN) {
		command_end(ch, id, IPC_INVALID, "That is too short to look for.");
		return;
	}
	s = trace.s = xcalloc(1, sizeof(*s));
	s->request = id;
	log_escape(s->word, sizeof(s->word), str_of(line.args[0])); /* as it stands in the log */
	s->word_n = strlen(s->word);
	open_files(s);
	io_timer_set(trace.timer, 0);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)arg;
	(void)ch;
	search_free(&trace.s);
	ipc_channel_free(&trace.ch);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(admin_request, on_request),
};
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

void
trace_open(struct io_loop *loop, int dirfd, int fd)
{
	if (trace.ch != NULL)
		on_close(NULL, trace.ch);
	trace.loop = loop;
	trace.dir = dirfd;
	if (trace.timer == NULL)
		trace.timer = io_timer_new(loop, on_timer, NULL);
	trace.ch = ipc_channel_new(loop, fd, IPC_CH_admin, IPC_SERVER, &ops, NULL);
}
