/* SPDX-License-Identifier: ISC */
/*
 * For tests and fuzzing only: a host that drives a session with given input and keeps what came
 * out. Recipients that begin with "no" are unknown, senders that begin with "trouble" get 451,
 * content with "X-Refuse:" in it is refused with 451 at its end. AUTH PLAIN knows the password
 * "right", AUTH LOGIN asks twice and knows it too.
 */
#ifndef POSTERN_SMTP_SESSION_HARNESS_H
#define POSTERN_SMTP_SESSION_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/session.h"

struct harness {
	struct smtp_session *s;
	struct buf in, out, content, stored; /* out: all replies; stored: accepted content */
	unsigned accepted, refused_content, resets;
	uint64_t offset;             /* bytes of input done with */
	uint64_t data_from, data_to; /* where the last content began and ended */
	enum smtp_close close;
	bool closed;
	enum smtp_reply_id last_refusal;
	struct smtp_rcpt rcpt;
	struct smtp_mail mail;
	struct smtp_xclient xclient;
	unsigned auth_lines, auth_cancelled;
	char mechanism[SMTP_MECHANISM_MAX + 1];
};

static inline void
harness_take(struct harness *h)
{
	struct buf *from = smtp_session_out(h->s);

	buf_put(&h->out, buf_data(from), buf_len(from));
	buf_clear(from);
}

static inline void
harness_start(struct harness *h, const struct smtp_policy *policy)
{
	memset(h, 0, sizeof(*h));
	buf_init(&h->in, 64 << 20);
	buf_init(&h->out, 64 << 20);
	buf_init(&h->content, 64 << 20);
	buf_init(&h->stored, 64 << 20);
	h->s = smtp_session_new(policy, "S1");
	if (policy->auth) {
		smtp_session_tls_implicit(h->s);
		smtp_session_offer_auth(h->s, "PLAIN LOGIN SCRAM-SHA-256");
	}
	smtp_session_offer_tls(h->s, true);
	smtp_session_greet(h->s, 0);
	harness_take(h);
}

static inline void
harness_end(struct harness *h)
{
	smtp_session_free(&h->s);
	buf_free(&h->in);
	buf_free(&h->out);
	buf_free(&h->content);
	buf_free(&h->stored);
}

static inline struct str
harness_text(const struct buf *b)
{
	return str_from(buf_data(b), buf_len(b));
}

static inline void
harness_answer_auth(struct harness *h, const struct smtp_auth *a)
{
	if (a->mechanism != NULL) {
		snprintf(h->mechanism, sizeof(h->mechanism), "%s", a->mechanism);
		h->auth_lines = 0;
	}
	h->auth_lines += a->has_data;
	if (h->auth_lines == 0)
		smtp_session_challenge(h->s, STR(""));
	else if (strcmp(h->mechanism, "LOGIN") == 0 && h->auth_lines == 1)
		smtp_session_challenge(h->s, STR("Password:"));
	else if (str_find_nocase(a->data, STR("right")) >= 0)
		smtp_session_accept(h->s, NULL);
	else
		smtp_session_refuse(h->s, SMTP_AUTH_REFUSED);
}

static inline void
harness_answer(struct harness *h, const struct smtp_event *ev)
{
	switch (ev->type) {
	case SMTP_EV_MAIL:
		h->mail = *ev->mail;
		if (str_starts_nocase(address_local(&ev->mail->from), STR("trouble")))
			smtp_session_refuse(h->s, SMTP_TROUBLE);
		else
			smtp_session_accept(h->s, NULL);
		break;
	case SMTP_EV_RCPT:
		h->rcpt = *ev->rcpt;
		if (str_starts_nocase(address_local(&ev->rcpt->to), STR("no")))
			smtp_session_refuse(h->s, SMTP_UNKNOWN_RECIPIENT);
		else
			smtp_session_accept(h->s, NULL);
		break;
	case SMTP_EV_DATA:
		buf_clear(&h->content);
		h->data_from = h->offset;
		smtp_session_accept(h->s, NULL);
		break;
	case SMTP_EV_END:
		h->data_to = h->offset;
		if (ev->size != buf_len(&h->content))
			abort();
		if (str_find_nocase(harness_text(&h->content), STR("X-Refuse:")) >= 0) {
			h->refused_content++;
			smtp_session_refuse(h->s, SMTP_TROUBLE);
			break;
		}
		h->accepted++;
		buf_put(&h->stored, buf_data(&h->content), buf_len(&h->content));
		smtp_session_accept(h->s, "Q1");
		break;
	case SMTP_EV_XCLIENT:
		h->xclient = *ev->xclient;
		smtp_session_accept(h->s, NULL);
		break;
	case SMTP_EV_AUTH:
		harness_answer_auth(h, ev->auth);
		break;
	case SMTP_EV_AUTH_CANCEL:
		h->auth_cancelled++;
		h->last_refusal = ev->reply;
		break;
	case SMTP_EV_HELLO:
	case SMTP_EV_STARTTLS:
		smtp_session_accept(h->s, NULL);
		break;
	case SMTP_EV_CONTENT:
		buf_put(&h->content, ev->content.p, ev->content.n);
		break;
	case SMTP_EV_RESET:
		h->resets++;
		if (smtp_reply_get(ev->reply)->code >= 400) {
			h->data_to = h->offset;
			h->refused_content++;
		}
		h->last_refusal = ev->reply;
		break;
	case SMTP_EV_REFUSED:
		h->last_refusal = ev->reply;
		break;
	case SMTP_EV_CLOSE:
		h->closed = true;
		h->close = ev->close;
		h->last_refusal = ev->reply;
		break;
	case SMTP_EV_NONE:
		break;
	}
}

/* Lets the session work on what is in h->in, until it wants more. */
static inline void
harness_run(struct harness *h)
{
	struct smtp_event ev;

	do {
		size_t used = smtp_session_step(h->s, harness_text(&h->in), &ev);

		h->offset += used;
		harness_answer(h, &ev);
		buf_drain(&h->in, used);
		harness_take(h);
	} while (ev.type != SMTP_EV_NONE);
}

static inline void
harness_feed(struct harness *h, const void *p, size_t n)
{
	buf_put(&h->in, p, n);
	harness_run(h);
}

static inline void
harness_say(struct harness *h, const char *text)
{
	harness_feed(h, text, strlen(text));
}

/* The code of the last reply, 0 when there was none since the last call. */
static inline int
harness_code(struct harness *h)
{
	struct str all = harness_text(&h->out), line;
	int code = 0;

	while (all.n > 0) {
		ptrdiff_t lf = str_chr(all, '\n');

		if (lf < 0)
			abort();
		line = str_from(all.p, (size_t)lf + 1);
		all = str_from(all.p + lf + 1, all.n - (size_t)lf - 1);
		if (line.n < 6 || line.n > SMTP_REPLY_LINE_MAX || line.p[line.n - 2] != '\r')
			abort();
		code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0';
	}
	buf_clear(&h->out);
	return code;
}

#endif
