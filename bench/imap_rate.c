/* SPDX-License-Identifier: ISC */
/*
 * imap_rate PORT USER PASSWORD FOLDER RAW SECONDS MOST COMMAND [FILE]: one IMAP client over TLS on loopback
 * that waits for each answer. It selects FOLDER, then sends COMMAND (followed by FILE as a literal, if there
 * is one) until SECONDS have passed or it has sent MOST of them; a % in COMMAND stands for 1, 2, 3 ...
 * Slices of it take turns with slices of 4 KiB appends with fdatasync to the file RAW, since a disk that others
 * use is not the same for two seconds. Prints "commands N seconds S raw N seconds S"; ends with status 1
 * when an answer is not OK.
 */
#include <err.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/loopback.h"

enum { ANSWER_MAX = 65536, COMMAND_MAX = 65536, RAW_BYTES = 4096, TIMEOUT_S = 120 };
static const double SLICE = 0.1;

struct client {
	SSL *ssl;
	unsigned count;
	char command[COMMAND_MAX], answer[ANSWER_MAX];
};

struct count {
	unsigned long n;
	double seconds;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads to the end of the line that begins with `prefix`; ends the program when that is not OK. */
static void
expect(struct client *c, const char *prefix)
{
	size_t n = 0, len = strlen(prefix);

	for (;;) {
		char *line = c->answer, *end;
		int got = SSL_read(c->ssl, c->answer + n, (int)(sizeof(c->answer) - 1 - n));

		if (got <= 0)
			errx(1, "connection ended");
		n += (size_t)got;
		c->answer[n] = '\0';
		while ((end = strchr(line, '\n')) != NULL) {
			if (strncmp(line, prefix, len) == 0 && strncmp(line + len, "OK", 2) == 0)
				return;
			if (strncmp(line, prefix, len) == 0)
				errx(1, "%.*s", (int)(end - line), line);
			line = end + 1;
		}
		n -= (size_t)(line - c->answer);
		memmove(c->answer, line, n);
	}
}

/* Sends "TAG text", with i in place of a %, and the literal; waits for the answer. */
static void
run(struct client *c, const char *text, unsigned long i, const char *literal, size_t size)
{
	const char *sign = strchr(text, '%');
	char tag[16];
	int n;

	snprintf(tag, sizeof(tag), "t%u ", ++c->count);
	if (sign != NULL)
		n = snprintf(c->command, sizeof(c->command), "%s%.*s%lu%s", tag, (int)(sign - text),
		    text, i, sign + 1);
	else
		n = snprintf(c->command, sizeof(c->command), "%s%s", tag, text);
	if (literal != NULL) {
		n += snprintf(c->command + n, sizeof(c->command) - (size_t)n, " {%zu+}\r\n", size);
		memcpy(c->command + n, literal, size);
		n += (int)size;
	}
	memcpy(c->command + n, "\r\n", 2);
	if (SSL_write(c->ssl, c->command, n + 2) <= 0)
		errx(1, "connection ended");
	expect(c, tag);
}

static void
log_in(struct client *c, SSL_CTX *ctx, int port, const char *user, const char *password)
{
	char text[1024];
	int fd = connect_loopback(port, TIMEOUT_S);

	if (fd < 0)
		err(1, "connect");
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, fd);
	if (SSL_connect(c->ssl) != 1)
		errx(1, "no TLS");
	expect(c, "* ");
	snprintf(text, sizeof(text), "LOGIN \"%s\" \"%s\"", user, password);
	run(c, text, 0, NULL, 0);
}

static void
raw_slice(int fd, struct count *count)
{
	static const char page[RAW_BYTES];
	double began = now();

	while (now() - began < SLICE) {
		if (write(fd, page, sizeof(page)) != (ssize_t)sizeof(page) || fdatasync(fd) != 0)
			err(1, "raw appends");
		count->n++;
	}
	count->seconds += now() - began;
}

/* The bytes of a file that is shorter than half of a command. */
static size_t
read_file(const char *path, char *bytes)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL)
		err(1, "%s", path);
	n = fread(bytes, 1, COMMAND_MAX / 2, f);
	fclose(f);
	return n;
}

int
main(int argc, char **argv)
{
	static char literal[COMMAND_MAX / 2];
	static struct client c;
	struct count done = { 0 }, raw = { 0 };
	unsigned long most;
	double seconds;
	size_t size = 0;
	char text[1024];
	SSL_CTX *ctx;
	int fd;

	if (argc < 9 || argc > 10)
		errx(100,
		    "usage: imap_rate PORT USER PASSWORD FOLDER RAW SECONDS MOST COMMAND [FILE]");
	seconds = strtod(argv[6], NULL);
	most = strtoul(argv[7], NULL, 10);
	if (argc == 10)
		size = read_file(argv[9], literal);
	signal(SIGPIPE, SIG_IGN);
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	log_in(&c, ctx, atoi(argv[1]), argv[2], argv[3]);
	snprintf(text, sizeof(text), "SELECT %s", argv[4]);
	run(&c, text, 0, NULL, 0);
	fd = open(argv[5], O_CREAT | O_WRONLY | O_TRUNC, 0600);
	if (fd < 0)
		err(1, "%s", argv[5]);
	while (done.n < most && done.seconds < seconds) {
		double began = now();

		while (done.n < most && now() - began < SLICE)
			run(&c, argv[8], ++done.n, size > 0 ? literal : NULL, size);
		done.seconds += now() - began;
		raw_slice(fd, &raw);
	}
	printf("commands %lu seconds %.6f raw %lu seconds %.6f\n", done.n, done.seconds, raw.n,
	    raw.seconds);
	close(fd);
	unlink(argv[5]);
	SSL_free(c.ssl);
	SSL_CTX_free(ctx);
	return 0;
}
