/* SPDX-License-Identifier: ISC */
/*
 * For tests only: an event loop and clients of a service that runs in it, in plain text or TLS,
 * over socket pairs.
 */
#ifndef POSTERN_TLS_TEST_PEER_H
#define POSTERN_TLS_TEST_PEER_H

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/io.h"

enum { PEER_TEXT_MAX = 1 << 16 };

struct peer {
	int fd;
	SSL *ssl;
	char text[PEER_TEXT_MAX];
	size_t n;
	bool eof;
};

static struct io_loop *loop;
static struct io_timer *guard;
static SSL_CTX *client_ctx;

static inline void
stop_loop(void *arg)
{
	(void)arg;
	io_loop_stop(loop);
}

static inline void
peer_setup(void)
{
	client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(
	    client_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	loop = io_loop_new();
	guard = io_timer_new(loop, stop_loop, NULL);
}

static inline void
peer_teardown(void)
{
	io_timer_free(&guard);
	io_loop_free(&loop);
	SSL_CTX_free(client_ctx);
}

/* Lets the loop work for so long. */
static inline void
run(uint64_t ms)
{
	io_timer_set(guard, ms);
	io_loop_run(loop);
}

/* Begins anew; returns the service's end. */
static inline int
peer_pair(struct peer *p)
{
	int sv[2];

	*p = (struct peer){ .fd = -1 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	p->fd = sv[1];
	return sv[0];
}

static inline bool
peer_tls(struct peer *p)
{
	p->ssl = SSL_new(client_ctx);
	SSL_set_fd(p->ssl, p->fd);
	SSL_set_connect_state(p->ssl);
	for (int i = 0; i < 400; i++) {
		int r = SSL_do_handshake(p->ssl), e = SSL_get_error(p->ssl, r);

		if (r == 1)
			return true;
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			return false;
		run(2);
	}
	return false;
}

static inline void
peer_send(struct peer *p, const char *text)
{
	size_t n;

	if (p->ssl != NULL)
		assert_int_equal(SSL_write_ex(p->ssl, text, strlen(text), &n), 1);
	else
		assert_int_equal(send(p->fd, text, strlen(text), 0), strlen(text));
}

/* Reads what is there; the text starts anew. */
static inline size_t
peer_read(struct peer *p)
{
	ERR_clear_error();
	for (p->n = 0; p->n < PEER_TEXT_MAX - 1;) {
		size_t room = PEER_TEXT_MAX - 1 - p->n;
		int n = p->ssl != NULL ? SSL_read(p->ssl, p->text + p->n, (int)room)
				       : (int)recv(p->fd, p->text + p->n, room, 0);

		if (n <= 0) {
			p->eof = p->ssl != NULL ? SSL_get_error(p->ssl, n) != SSL_ERROR_WANT_READ
						: n == 0 || errno != EAGAIN;
			break;
		}
		p->n += (size_t)n;
	}
	p->text[p->n] = '\0';
	return p->n;
}

/* Sends, lets the service work, and expects want in the reply. */
static inline void
dialog(struct peer *p, const char *text, const char *want)
{
	if (text != NULL)
		peer_send(p, text);
	run(15);
	peer_read(p);
	if (strstr(p->text, want) == NULL)
		fail_msg("sent \"%s\": want \"%s\", got \"%s\"", text ? text : "", want, p->text);
}

static inline void
peer_close(struct peer *p)
{
	SSL_free(p->ssl);
	p->ssl = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

#endif
