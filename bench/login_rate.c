/* SPDX-License-Identifier: ISC */
/*
 * login_rate PORT USER PASSWORD CLIENTS LOGINS: repeated IMAP logins of one user over TLS on
 * loopback. Each login is a new connection with a full handshake (no resumption), the greeting,
 * LOGIN and its tagged OK, LOGOUT. CLIENTS threads share LOGINS logins. Prints the rate; any
 * refused login ends it with status 1.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/loopback.h"

enum { MAX_CLIENTS = 256, LINE_MAX_BYTES = 8192, TIMEOUT_S = 30 };

static SSL_CTX *ctx;
static int port;
static const char *user, *password;
static atomic_int left, failures;

/* Reads until a line that starts with prefix is complete; 0, or -1 at the end of the stream. */
static int
read_until(SSL *ssl, const char *prefix, char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		char *end;
		int got = SSL_read(ssl, line + n, (int)(size - 1 - n));

		if (got <= 0)
			return -1;
		n += (size_t)got;
		line[n] = '\0';
		while ((end = strchr(line, '\n')) != NULL) {
			if (strncmp(line, prefix, strlen(prefix)) == 0)
				return 0;
			n -= (size_t)(end + 1 - line);
			memmove(line, end + 1, n + 1);
		}
		if (n == size - 1)
			return -1;
	}
}

static int
login_once(void)
{
	char line[LINE_MAX_BYTES], command[1024];
	int ok = -1, fd = connect_loopback(port, TIMEOUT_S);
	SSL *ssl = NULL;

	if (fd < 0)
		return -1;
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1 || read_until(ssl, "* OK", line, sizeof(line)) != 0)
		goto out;
	snprintf(command, sizeof(command), "a LOGIN \"%s\" \"%s\"\r\n", user, password);
	if (SSL_write(ssl, command, (int)strlen(command)) <= 0 ||
	    read_until(ssl, "a ", line, sizeof(line)) != 0 || strncmp(line, "a OK", 4) != 0) {
		fprintf(stderr, "login_rate: %s", line);
		goto out;
	}
	if (SSL_write(ssl, "b LOGOUT\r\n", 10) <= 0 ||
	    read_until(ssl, "b OK", line, sizeof(line)) != 0)
		goto out;
	ok = 0;
out:
	SSL_free(ssl);
	close(fd);
	return ok;
}

static void *
client_run(void *arg)
{
	(void)arg;
	while (atomic_fetch_sub(&left, 1) > 0) {
		if (login_once() != 0)
			atomic_fetch_add(&failures, 1);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t threads[MAX_CLIENTS];
	struct timespec begin, end;
	double seconds;
	int clients, logins;

	if (argc != 6 || (port = atoi(argv[1])) <= 0 || (clients = atoi(argv[4])) <= 0 ||
	    clients > MAX_CLIENTS || (logins = atoi(argv[5])) <= 0) {
		fprintf(stderr, "usage: login_rate PORT USER PASSWORD CLIENTS LOGINS\n");
		return 100;
	}
	user = argv[2];
	password = argv[3];
	signal(SIGPIPE, SIG_IGN);
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	atomic_store(&left, logins);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < clients; i++)
		pthread_create(&threads[i], NULL, client_run, NULL);
	for (int i = 0; i < clients; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("logins %d failed %d seconds %.3f rate %.1f\n", logins, atomic_load(&failures),
	    seconds, logins / seconds);
	SSL_CTX_free(ctx);
	return atomic_load(&failures) == 0 ? 0 : 1;
}
