/* SPDX-License-Identifier: ISC */
/* Clients of sessions over the store in memory (memory_backend.h), for tests; all static. */
#ifndef POSTERN_IMAP_TEST_CLIENT_H
#define POSTERN_IMAP_TEST_CLIENT_H

#include "imap/memory_backend.h"

struct client {
	struct imap_session *s;
	struct buf in, got;
	enum imap_run why;
	unsigned wakes;
	size_t step; /* bytes fed at once; 0: all */
};

static struct memory mem;

static const char simple_msg[] = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
				 "From: Terry Gray <gray@cac.washington.edu>\r\n"
				 "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
				 "To: imap@cac.washington.edu\r\n"
				 "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
				 "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
				 "MIME-Version: 1.0\r\n"
				 "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
				 "\r\n"
				 "Hello World\r\nLine two\r\n";

static inline void
client_wake(void *arg)
{
	((struct client *)arg)->wakes++;
}

static inline void
run(struct client *c)
{
	struct buf *out = imap_session_out(c->s);

	do {
		c->why = imap_session_run(c->s, &c->in);
		assert_true(out->len <= IMAP_OUT_MAX);
		buf_put(&c->got, buf_data(out), out->len);
		imap_session_sent(c->s, out->len);
	} while (c->why == IMAP_RUN_OUTPUT || c->why == IMAP_RUN_AGAIN);
}

static inline void
feed(struct client *c, const char *p, size_t n)
{
	size_t step = c->step ? c->step : n;

	for (size_t i = 0; i < n; i += step) {
		buf_put(&c->in, p + i, n - i < step ? n - i : step);
		run(c);
	}
}

static inline void
open_client(struct client *c)
{
	struct imap_session_config config = { &memory_ops, &mem, client_wake, c, { NULL, 0 } };

	*c = (struct client){ 0 };
	buf_init(&c->in, 1 << 20);
	buf_init(&c->got, 1 << 26);
	c->s = imap_session_new(&config);
}

static inline void
close_client(struct client *c)
{
	imap_session_free(&c->s);
	buf_free(&c->in);
	buf_free(&c->got);
}

/* What came since the last call. */
static inline const char *
got(struct client *c)
{
	buf_putc(&c->got, 0);
	c->got.len--;
	buf_clear(&c->got);
	return (const char *)c->got.data;
}

static inline void
say(struct client *c, const char *text)
{
	feed(c, text, strlen(text));
}

#define EXPECT(c, text, want) \
	do { \
		say(c, text); \
		assert_string_equal(got(c), want); \
	} while (0)

/* A session in INBOX with n simple messages. */
static inline void
in_inbox(struct client *c, unsigned n)
{
	memory_init(&mem);
	for (unsigned i = 0; i < n; i++)
		memory_deliver(&mem, "INBOX", str_of(simple_msg), 0);
	open_client(c);
	say(c, "a select inbox\r\n");
	got(c);
}

static inline void
done(struct client *c)
{
	close_client(c);
	memory_free(&mem);
}

#endif
