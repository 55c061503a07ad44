/* SPDX-License-Identifier: ISC */
/* Passwords come from the terminal or from standard input, never from the command line (which
 * everybody on the machine can read). */
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "admin/admin.h"

enum { PASSWORD_LEAST = 8, PASSWORD_MOST = 1000 };

static int
read_line(struct buf *out)
{
	char c;
	ssize_t n;

	while ((n = read(0, &c, 1)) == 1 && c != '\n')
		if (buf_putc(out, c) < 0)
			return -1;
	if (buf_len(out) > 0 && buf_data(out)[buf_len(out) - 1] == '\r')
		out->len--;
	return n < 0 || (n == 0 && buf_len(out) == 0) ? -1 : 0;
}

static int
ask(const char *prompt, struct buf *out)
{
	struct termios old, quiet;
	int r;

	if (tcgetattr(0, &old) < 0)
		return -1;
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* In this order: what is typed behind the prompt is never thrown away. */
	tcsetattr(0, TCSAFLUSH, &quiet);
	fprintf(stderr, "%s", prompt);
	r = read_line(out);
	tcsetattr(0, TCSAFLUSH, &old);
	fprintf(stderr, "\n");
	return r;
}

static int
ask_twice(struct buf *out)
{
	struct buf again;
	int r = -1;

	buf_init(&again, PASSWORD_MOST);
	if (ask("New password: ", out) == 0 && ask("Once more: ", &again) == 0) {
		r = buf_len(out) == buf_len(&again) &&
			    memcmp(buf_data(out), buf_data(&again), buf_len(out)) == 0
			? 0
			: -1;
		if (r < 0)
			fprintf(stderr, "postern: the two passwords differ; nothing was changed\n");
	}
	buf_free_secret(&again);
	return r;
}

int
password_line(const char *prompt, struct buf *out)
{
	if (isatty(0))
		return ask(prompt, out);
	fprintf(stderr, "%s\n", prompt);
	return read_line(out);
}

int
password_read(struct buf *out)
{
	buf_init(out, PASSWORD_MOST);
	if (isatty(0)) {
		if (ask_twice(out) < 0)
			return -1;
	} else if (read_line(out) < 0) {
		fprintf(stderr,
		    "postern: no password on standard input (one line, at most %d bytes)\n",
		    PASSWORD_MOST);
		return -1;
	}
	if (buf_len(out) < PASSWORD_LEAST || memchr(buf_data(out), 0, buf_len(out)) != NULL) {
		fprintf(
		    stderr, "postern: a password needs at least %d characters\n", PASSWORD_LEAST);
		return -1;
	}
	return 0;
}
