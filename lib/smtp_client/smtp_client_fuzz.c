/* SPDX-License-Identifier: ISC */
/*
 * First byte: what the host wants; the rest is what a server says. Oracles:
 * - the results and the client's bytes are the same for reads of one byte and of one line;
 * - each recipient of a finished transaction is decided, OK only by a 2xx to the final dot;
 * - no CR or LF stands alone in what the client says; texts are printable.
 */
#include <stdint.h>
#include <stdlib.h>

#include "smtp_client/smtp_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	WANT_STARTTLS = 1,
	WANT_TLS = 2,
	WANT_AUTH = 4,
	WANT_MANY = 8,
	WANT_8BIT = 16,
	WANT_UTF8 = 32
};

#define CHECK(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

static const struct smtp_client_rcpt rcpts[] = {
	{ "c@d.test", SMTP_NOTIFY_NEVER, NULL },
	{ "postmaster", SMTP_NOTIFY_DELAY, "rfc822;x" },
	{ "not an address", 0, NULL },
};

struct host {
	struct smtp_client *c;
	struct smtp_client_message m;
	unsigned want, orders;
	bool closed;
	struct buf in, log, sent;
};

static void
log_result(struct host *h, const struct smtp_client_result *r)
{
	CHECK(r->class != SMTP_CLIENT_NOT_YET);
	for (const char *p = r->text; *p != '\0'; p++)
		CHECK(*p >= ' ' && *p <= '~');
	buf_printf(&h->log, "%d %d %d %u %s %s\n", (int)r->class, (int)r->why, (int)r->phase,
	    r->code, r->enhanced, r->text);
}

static void
drain(struct host *h)
{
	struct buf *out = smtp_client_out(h->c);

	buf_put(&h->sent, buf_data(out), buf_len(out));
	buf_drain(out, buf_len(out));
}

static void
give_content(struct host *h)
{
	static const char text[] = "a: b\n\n.\n.\r\r\nx\xff";
	size_t n = sizeof(text) - 1 - !(h->want & WANT_8BIT);

	for (size_t at = 0; at < n && smtp_client_wants_content(h->c);)
		at += smtp_client_content(h->c, str_from(text + at, n - at));
	smtp_client_content_end(h->c);
}

static void
next_order(struct host *h)
{
	if (h->orders++ < 8) {
		if ((h->want & WANT_STARTTLS) && smtp_client_starttls(h->c) == 0)
			return;
		if ((h->want & WANT_AUTH) && h->orders < 3 &&
		    smtp_client_auth(h->c, "joe", STR("pass")) == 0)
			return;
		if (smtp_client_send(h->c, &h->m) == 0)
			return;
	}
	CHECK(smtp_client_quit(h->c) == 0);
}

static void
handle(struct host *h, enum smtp_client_event ev)
{
	const struct smtp_client_result *r;

	if (ev == SMTP_CLIENT_EV_STARTTLS)
		smtp_client_tls_started(h->c, 0);
	if (ev == SMTP_CLIENT_EV_CONTENT)
		give_content(h);
	for (size_t i = 0; ev == SMTP_CLIENT_EV_DONE && i < h->m.nrcpts; i++) {
		r = smtp_client_result(h->c, i);
		CHECK(r->class != SMTP_CLIENT_OK ||
		      (r->code / 100 == 2 && r->phase == SMTP_CLIENT_DATA_DONE));
		log_result(h, r);
	}
	if (ev == SMTP_CLIENT_EV_CLOSED) {
		CHECK(!h->closed);
		h->closed = true;
		log_result(h, smtp_client_last(h->c));
	}
}

static void
work(struct host *h)
{
	enum smtp_client_event ev;
	bool again = true;

	while (again) {
		size_t n = smtp_client_step(h->c, str_from(buf_data(&h->in), buf_len(&h->in)), &ev);

		buf_drain(&h->in, n);
		handle(h, ev);
		again = ev != SMTP_CLIENT_EV_NONE;
		if (!again && smtp_client_phase(h->c) == SMTP_CLIENT_IDLE) {
			next_order(h);
			again = true;
		}
		drain(h);
	}
	CHECK(h->closed || buf_len(&h->in) < SMTP_CLIENT_LINE_MAX);
}

static size_t
piece(const uint8_t *p, size_t n, bool lines)
{
	const uint8_t *lf = lines ? memchr(p, '\n', n) : p;

	return lf != NULL ? (size_t)(lf - p) + 1 : n;
}

static void
run(struct host *h, unsigned want, const uint8_t *p, size_t n, bool lines)
{
	*h = (struct host){ .want = want, .c = smtp_client_new("us", want & WANT_TLS) };
	h->m = (struct smtp_client_message){ .from = "a@b.test",
		.rcpts = rcpts,
		.nrcpts = want & WANT_MANY ? 3 : 1,
		.size = 20,
		.smtputf8 = want & WANT_UTF8 };
	buf_init(&h->in, SIZE_MAX / 2);
	buf_init(&h->log, SIZE_MAX / 2);
	buf_init(&h->sent, SIZE_MAX / 2);
	work(h);
	while (n > 0 && !h->closed) {
		size_t k = piece(p, n, lines);

		buf_put(&h->in, p, k);
		work(h);
		p += k;
		n -= k;
	}
	smtp_client_eof(h->c);
	work(h);
	CHECK(h->closed);
	smtp_client_free(&h->c);
}

static void
check_sent(const struct buf *b)
{
	const uint8_t *p = buf_data(b);

	for (size_t i = 0; i < buf_len(b); i++) {
		CHECK(p[i] != '\n' || (i > 0 && p[i - 1] == '\r'));
		CHECK(p[i] != '\r' || (i + 1 < buf_len(b) && p[i + 1] == '\n'));
	}
}

static void
run_end(struct host *h)
{
	buf_free(&h->in);
	buf_free(&h->log);
	buf_free(&h->sent);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host a, b;

	if (size < 1)
		return 0;
	run(&a, data[0], data + 1, size - 1, false);
	run(&b, data[0], data + 1, size - 1, true);
	check_sent(&a.sent);
	CHECK(str_eq(str_from(buf_data(&a.sent), buf_len(&a.sent)),
	    str_from(buf_data(&b.sent), buf_len(&b.sent))));
	CHECK(str_eq(str_from(buf_data(&a.log), buf_len(&a.log)),
	    str_from(buf_data(&b.log), buf_len(&b.log))));
	run_end(&a);
	run_end(&b);
	return 0;
}
