/* SPDX-License-Identifier: ISC */
/* AUTH (rfc4954): the engine moves base64 lines, what they mean is the host's business. */
#include <assert.h>
#include <string.h>

#include "mail/decode.h"
#include "smtp/session_priv.h"

void
smtp_auth_wipe(struct smtp_session *s)
{
	if (buf_len(&s->secret) > 0)
		buf_free_secret(&s->secret);
	s->auth = (struct smtp_auth){ 0 };
}

void
smtp_auth_announce(struct smtp_session *s)
{
	if (s->policy->auth && s->tls && !s->authenticated && *s->mechanisms != '\0')
		buf_printf(&s->out, "250-AUTH %s\r\n", s->mechanisms);
}

/* Is it one of those offered? Then its name in upper case stands in s->mechanism. */
static bool
find_mechanism(struct smtp_session *s, struct str name)
{
	struct str rest = str_of(s->mechanisms);

	while (rest.n > 0) {
		ptrdiff_t space = str_chr(rest, ' ');
		struct str one = str_from(rest.p, space >= 0 ? (size_t)space : rest.n);

		if (one.n <= SMTP_MECHANISM_MAX && str_eq_nocase(one, name)) {
			memcpy(s->mechanism, one.p, one.n);
			s->mechanism[one.n] = '\0';
			return true;
		}
		rest = str_from(rest.p + one.n, rest.n - one.n);
		if (rest.n > 0)
			rest = str_from(rest.p + 1, rest.n - 1);
	}
	return false;
}

/* SMTP_OK, or why the text is not what a client may say in an exchange. */
static enum smtp_reply_id
take(struct smtp_session *s, struct str text)
{
	uint8_t *to;
	size_t n = 0;

	if (text.n / 4 * 3 > SMTP_AUTH_DATA_MAX)
		return SMTP_AUTH_LINE_TOO_LONG;
	buf_free_secret(&s->secret);
	if (text.n > 0 && ((to = buf_reserve(&s->secret, text.n / 4 * 3 + 3)) == NULL ||
			      !mail_base64_strict(text, to, &n)))
		return SMTP_BAD_BASE64;
	if (n > 0)
		buf_commit(&s->secret, n);
	s->auth.has_data = true;
	s->auth.data = str_from(buf_data(&s->secret), n);
	return SMTP_OK;
}

static void
ask_host(struct smtp_session *s, struct smtp_event *ev)
{
	ev->auth = &s->auth;
	smtp_ask(s, ev, SMTP_EV_AUTH);
}

void
smtp_auth_command(struct smtp_session *s, struct str args, struct smtp_event *ev)
{
	ptrdiff_t space = str_chr(args, ' ');
	struct str name = str_from(args.p, space >= 0 ? (size_t)space : args.n), initial;
	enum smtp_reply_id fault = SMTP_OK;

	initial = str_trim(str_from(args.p + name.n, args.n - name.n));
	if (!s->policy->auth) {
		smtp_bad(s, SMTP_NOT_IMPLEMENTED);
		return;
	}
	if (!s->esmtp || !s->hello || s->authenticated || s->in_mail)
		fault = SMTP_BAD_SEQUENCE;
	else if (name.n == 0)
		fault = SMTP_BAD_SYNTAX;
	else if (!s->tls)
		fault = SMTP_AUTH_NEEDS_TLS;
	else if (!find_mechanism(s, name))
		fault = SMTP_NO_MECHANISM;
	else if (initial.n > 0) /* "=": there is one, of no length */
		fault = take(s, str_eq(initial, STR("=")) ? STR("") : initial);
	if (fault != SMTP_OK) {
		smtp_bad(s, fault);
		return;
	}
	s->auth.mechanism = s->mechanism;
	ask_host(s, ev);
}

/* The client's next word in the exchange, or "*". */
void
smtp_auth_line(struct smtp_session *s, struct str line, struct smtp_event *ev)
{
	enum smtp_reply_id fault = str_eq(line, STR("*")) ? SMTP_AUTH_CANCELLED : take(s, line);

	s->state = ST_COMMAND;
	if (fault == SMTP_OK) {
		ask_host(s, ev);
		return;
	}
	smtp_bad(s, fault);
	smtp_tell(ev, SMTP_EV_AUTH_CANCEL, fault);
}

void
smtp_session_challenge(struct smtp_session *s, struct str challenge)
{
	char *to;

	assert(s->state == ST_WAIT && s->asked == SMTP_EV_AUTH);
	s->state = ST_AUTH;
	smtp_auth_wipe(s);
	buf_puts(&s->out, "334 ");
	to = (char *)buf_reserve(&s->out, (challenge.n + 2) / 3 * 4 + 1);
	if (to == NULL) { /* no challenge of ours is as long */
		smtp_close_with(s, SMTP_TROUBLE, SMTP_CLOSE_HOST);
		return;
	}
	buf_commit(&s->out, mail_base64_encode(challenge.p, challenge.n, to));
	buf_puts(&s->out, "\r\n");
}
