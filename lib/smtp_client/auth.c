/* SPDX-License-Identifier: ISC */
#include "mail/decode.h"
#include "smtp_client/client_priv.h"

enum { RAW_MAX = 2 * SMTP_CLIENT_AUTH_MAX + 2, BASE64_MAX = (RAW_MAX + 2) / 3 * 4 };

static void
put_base64(struct buf *out, const void *p, size_t n)
{
	char text[BASE64_MAX];

	(void)buf_put(out, text, mail_base64_encode(p, n, text));
	explicit_bzero(text, sizeof(text));
}

/* "\0user\0secret" at once (rfc4616:2, rfc4954:4). */
static void
start_plain(struct smtp_client *c, struct str user, struct str secret)
{
	char raw[RAW_MAX] = { 0 };

	memcpy(raw + 1, user.p, user.n);
	memcpy(raw + 2 + user.n, secret.p, secret.n);
	(void)buf_puts(&c->out, "AUTH PLAIN ");
	put_base64(&c->out, raw, 2 + user.n + secret.n);
	(void)buf_puts(&c->out, "\r\n");
	explicit_bzero(raw, sizeof(raw));
	c->login_sent = 2;
}

static void
start_login(struct smtp_client *c, struct str user, struct str secret)
{
	(void)buf_reserve(&c->login[1], SMTP_CLIENT_AUTH_MAX * 2);
	put_base64(&c->login[0], user.p, user.n);
	put_base64(&c->login[1], secret.p, secret.n);
	(void)buf_puts(&c->out, "AUTH LOGIN\r\n");
	c->login_sent = 0;
}

int
smtp_client_auth(struct smtp_client *c, const char *user, struct str secret)
{
	struct str name = str_of(user);

	if (c->phase != SMTP_CLIENT_IDLE)
		return SMTP_CLIENT_ESTATE;
	if (!c->tls)
		return SMTP_CLIENT_EPLAIN;
	if (!c->caps.auth_plain && !c->caps.auth_login)
		return SMTP_CLIENT_EOFFER;
	if (name.n == 0 || name.n > SMTP_CLIENT_AUTH_MAX || secret.n == 0 ||
	    secret.n > SMTP_CLIENT_AUTH_MAX || str_chr(secret, '\0') >= 0)
		return SMTP_CLIENT_EINVAL;
	if (c->caps.auth_plain)
		start_plain(c, name, secret);
	else
		start_login(c, name, secret);
	c->phase = SMTP_CLIENT_AUTH;
	c->unsent = buf_len(&c->out);
	return 0;
}

void
smtp_client_auth_wipe(struct smtp_client *c)
{
	struct buf *out = &c->out;

	buf_free_secret(&c->login[0]);
	buf_free_secret(&c->login[1]);
	if (c->phase != SMTP_CLIENT_AUTH || out->data == NULL)
		return;
	explicit_bzero(out->data, out->off);
	explicit_bzero(out->data + out->off + out->len, out->cap - out->off - out->len);
}

static void
next_login(struct smtp_client *c)
{
	struct buf *b;

	if (c->login_sent >= 2) {
		smtp_client_fail(c, SMTP_CLIENT_WHY_PROTOCOL, "AUTH does not end");
		return;
	}
	b = &c->login[c->login_sent++];
	(void)buf_put(&c->out, buf_data(b), buf_len(b));
	(void)buf_puts(&c->out, "\r\n");
	buf_free_secret(b);
}

void
smtp_client_auth_reply(
    struct smtp_client *c, const struct smtp_client_result *r, enum smtp_client_event *ev)
{
	if (r->code == 334) {
		next_login(c);
	} else if (r->class == SMTP_CLIENT_NOT_YET) {
		smtp_client_fail(c, SMTP_CLIENT_WHY_PROTOCOL, "reply out of sequence");
	} else {
		smtp_client_auth_wipe(c);
		c->phase = SMTP_CLIENT_IDLE;
		*ev = SMTP_CLIENT_EV_AUTH;
	}
}
