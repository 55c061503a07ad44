/* SPDX-License-Identifier: ISC */
/*
 * For tests only: a mail server played by a child process from a script, one for each connection
 * (the last one for all further ones). What it hears stands in memory shared with the test.
 */
#ifndef POSTERN_DELIVERY_FAKE_SERVER_H
#define POSTERN_DELIVERY_FAKE_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tls/fake_certificates.h"

enum fake_op {
	OVER,    /* end of the script: closes */
	SAY,     /* text as it is */
	HEAR,    /* a line that begins with text; anything else is noted and ends the script */
	CONTENT, /* up to the final dot */
	TLS,     /* the handshake, with certificate n */
	ENDLESS, /* text again and again until the peer closes */
	DRIP,    /* text again and again, a byte each n milliseconds, until the peer closes */
	MUTE,    /* nothing is said or read until the peer closes */
	HOLD,    /* nothing until the test says so (heard->release > n) or the peer closes */
	SIP, /* reads a little for each time that the test asks for it (heard->asked), until heard->release > n */
	LISTEN, /* reads until the peer closes, says nothing */
	RESET,  /* ends the connection hard */
	AGAIN,  /* goes back to step n, counted from 1 */
};

struct fake_step {
	enum fake_op op;
	const char *text;
	int n;
};

struct fake_heard {
	int connections, closed, dots, release, asked, sips;
	size_t n, content;
	char text[65536]; /* "1: EHLO ...\n": the connection's number and its lines */
	char wrong[256];
};

struct fake_server {
	pid_t pid;
	struct fake_heard *heard;
};

struct fake_session {
	struct fake_heard *heard;
	int fd, number;
	SSL *ssl;
	char buf[65536];
	size_t at, n;
	bool gone;
};

static void
fake_note(struct fake_heard *h, int number, const char *line)
{
	int n = snprintf(h->text + h->n, sizeof(h->text) - h->n, "%d: %s\n", number, line);

	if (n > 0 && (size_t)n < sizeof(h->text) - h->n)
		h->n += (size_t)n;
}

static int
fake_read(struct fake_session *s)
{
	int n;

	if (s->at < s->n)
		return (unsigned char)s->buf[s->at++];
	n = s->ssl != NULL ? SSL_read(s->ssl, s->buf, sizeof(s->buf))
			   : (int)recv(s->fd, s->buf, sizeof(s->buf), 0);
	if (n <= 0) {
		s->gone = true;
		return -1;
	}
	s->at = 1;
	s->n = (size_t)n;
	return (unsigned char)s->buf[0];
}

static void
fake_write(struct fake_session *s, const char *p, size_t n)
{
	while (n > 0 && !s->gone) {
		ssize_t k =
		    s->ssl != NULL ? SSL_write(s->ssl, p, (int)n) : send(s->fd, p, n, MSG_NOSIGNAL);

		if (k <= 0)
			s->gone = true;
		else
			p += k, n -= (size_t)k;
	}
}

static void
fake_hear(struct fake_session *s, const char *want)
{
	char line[4096];
	size_t n = 0;
	int c;

	while ((c = fake_read(s)) >= 0 && c != '\n')
		if (c != '\r' && n < sizeof(line) - 1)
			line[n++] = (char)c;
	line[n] = '\0';
	if (c < 0 && n == 0)
		return;
	fake_note(s->heard, s->number, line);
	if (strncmp(line, want, strlen(want)) != 0) {
		snprintf(
		    s->heard->wrong, sizeof(s->heard->wrong), "want %.60s, got %.150s", want, line);
		s->gone = true;
	}
}

static void
fake_content(struct fake_session *s)
{
	static const char end[] = "\r\n.\r\n";
	char line[1024];
	size_t matched = 2, n = 0; /* a dot may stand at once */
	int c;

	while (matched < 5 && (c = fake_read(s)) >= 0) {
		s->heard->content++;
		if (c == end[matched])
			matched++;
		else
			matched = c == '\r' ? 1 : 0;
		if (c == '\n' || n == sizeof(line) - 1) {
			line[n] = '\0';
			if (s->heard->n < 16384) /* the beginning will do */
				fake_note(s->heard, s->number, line);
			n = 0;
		} else if (c != '\r') {
			line[n++] = (char)c;
		}
	}
	s->heard->dots += matched == 5;
}

/* True while the peer has not closed. */
static bool
fake_open(struct fake_session *s, int ms)
{
	struct pollfd p = { .fd = s->fd, .events = POLLRDHUP };

	return poll(&p, 1, ms) == 0;
}

static void
fake_drip(struct fake_session *s, const char *text, int ms)
{
	for (size_t i = 0; !s->gone && fake_open(s, ms); i = (i + 1) % strlen(text))
		fake_write(s, text + i, 1);
	s->gone = true;
}

static bool
fake_released(const struct fake_session *s, int n)
{
	return __atomic_load_n(&s->heard->release, __ATOMIC_SEQ_CST) > n;
}

/* Little by little, and never more than was asked for. */
static void
fake_sip(struct fake_session *s, const struct fake_step *step)
{
	char bytes[2048];

	while (!fake_released(s, step->n) && fake_open(s, 2))
		if (__atomic_load_n(&s->heard->asked, __ATOMIC_SEQ_CST) > s->heard->sips &&
		    recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			__atomic_add_fetch(&s->heard->sips, 1, __ATOMIC_SEQ_CST);
}

static void
fake_step_do(struct fake_session *s, const struct fake_step *step)
{
	struct linger hard = { 1, 0 };

	switch (step->op) {
	case SAY:
		fake_write(s, step->text, strlen(step->text));
		break;
	case HEAR:
		fake_hear(s, step->text);
		break;
	case CONTENT:
		fake_content(s);
		break;
	case TLS:
		s->ssl = fake_accept(s->fd, (enum fake_certificate)step->n);
		s->gone = s->ssl == NULL;
		break;
	case ENDLESS:
		while (!s->gone)
			fake_write(s, step->text, strlen(step->text));
		break;
	case DRIP:
		fake_drip(s, step->text, step->n);
		break;
	case MUTE:
		while (fake_open(s, 1000))
			;
		s->gone = true;
		break;
	case HOLD:
		while (!fake_released(s, step->n) && fake_open(s, 2))
			;
		break;
	case SIP:
		fake_sip(s, step);
		break;
	case LISTEN:
		while (!s->gone)
			fake_hear(s, "");
		break;
	case RESET:
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		s->gone = true;
		break;
	case AGAIN:
	case OVER:
		break;
	}
}

/* Each connection has a process of its own, so that several go on at one time. */
static void
fake_session_run(struct fake_heard *heard, int fd, int number, const struct fake_step *script)
{
	static struct fake_session s;

	s.heard = heard;
	s.fd = fd;
	s.number = number;
	for (const struct fake_step *step = script; step->op != OVER && !s.gone;) {
		if (step->op == AGAIN) {
			step = &script[step->n - 1];
			continue;
		}
		fake_step_do(&s, step++);
	}
	if (s.ssl != NULL)
		SSL_shutdown(s.ssl);
	close(fd);
	__atomic_add_fetch(&heard->closed, 1, __ATOMIC_SEQ_CST);
	_exit(0);
}

static void
fake_server_run(struct fake_heard *heard, int listener, const struct fake_step *const *scripts)
{
	int number = 0;

	/* Nothing of the test's own may be held open here. */
	listener = dup2(listener, 3);
	close_range(4, ~0U, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(1);
		heard->connections = ++number;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listener);
			fake_session_run(heard, fd, number, *scripts);
		}
		close(fd);
		if (scripts[1] != NULL)
			scripts++;
	}
}

/* Listens on address (text) and *port (0: any, and it is told). scripts ends with NULL. */
static void
fake_server_start(struct fake_server *s, const char *address, uint16_t *port,
    const struct fake_step *const *scripts)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(*port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(*port) };
	bool six = strchr(address, ':') != NULL;
	struct sockaddr *sa = six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4;
	socklen_t n = six ? sizeof(in6) : sizeof(in4);
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	int small = 32768; /* so that a server that does not read is noticed soon */

	inet_pton(AF_INET, address, &in4.sin_addr);
	inet_pton(AF_INET6, address, &in6.sin6_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(fd, sa, n), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, sa, &n), 0);
	*port = ntohs(six ? in6.sin6_port : in4.sin_port);
	s->heard = mmap(
	    NULL, sizeof(*s->heard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->pid = fork();
	if (s->pid == 0)
		fake_server_run(s->heard, fd, scripts);
	close(fd);
}

static void
fake_server_stop(struct fake_server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->heard, sizeof(*s->heard));
	s->pid = 0;
}

#endif
