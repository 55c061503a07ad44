/* SPDX-License-Identifier: ISC */
/* The commands of a transaction, and what has to be refused before they are sent. */
#include <inttypes.h>
#include <stdio.h>

#include "mail/address.h"
#include "smtp_client/client_priv.h"

static struct smtp_client_result
local_refusal(const char *enhanced, const char *text)
{
	struct smtp_client_result r = {
		.class = SMTP_CLIENT_PERM,
		.why = SMTP_CLIENT_WHY_LOCAL,
		.phase = SMTP_CLIENT_MAIL,
	};

	snprintf(r.enhanced, sizeof(r.enhanced), "%s", enhanced);
	snprintf(r.text, sizeof(r.text), "%s", text);
	return r;
}

/* The mailbox in normal form; false: no mailbox, or one this message cannot have. */
static bool
normal_form(const struct smtp_client *c, const char *mailbox, unsigned flags, char *out)
{
	char path[ADDRESS_PATH_MAX + 1];
	struct address a;
	size_t used;
	int n = snprintf(path, sizeof(path), "<%s>", mailbox);

	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	if (c->m->smtputf8)
		flags |= ADDRESS_UTF8;
	return address_parse_path(str_from(path, (size_t)n), flags, &a, &used) == 1 &&
	       used == (size_t)n && address_print(&a, out, ADDRESS_TEXT_SIZE) >= 0;
}

static void
check_extensions(struct smtp_client *c)
{
	struct smtp_client_result r = { .class = SMTP_CLIENT_NOT_YET };

	if (c->m->smtputf8 && !c->caps.smtputf8)
		r = local_refusal("5.6.7", "the server does not take internationalized mail");
	else if (c->m->body_8bit && !c->caps.eightbit)
		r = local_refusal("5.6.3", "the server does not take 8-bit content");
	else if (c->caps.size_max > 0 && c->m->size > c->caps.size_max)
		r = local_refusal("5.3.4", "the message is larger than the server takes");
	if (r.class != SMTP_CLIENT_NOT_YET)
		smtp_client_decide(c, &r);
}

void
smtp_client_check_message(struct smtp_client *c)
{
	char text[ADDRESS_TEXT_SIZE];

	check_extensions(c);
	if (!normal_form(c, c->m->from, ADDRESS_NULL, text)) {
		struct smtp_client_result r = local_refusal("5.1.7", "not a sender's address");

		smtp_client_decide(c, &r);
	}
	for (size_t i = 0; i < c->m->nrcpts; i++)
		if (c->results[i].class == SMTP_CLIENT_NOT_YET &&
		    !normal_form(c, c->m->rcpts[i].to, ADDRESS_POSTMASTER, text))
			c->results[i] = local_refusal("5.1.3", "not a recipient's address");
}

/* A value that cannot end the command or begin another parameter. */
static bool
is_word(const char *s, size_t max)
{
	size_t n = 0;

	if (s == NULL)
		return false;
	while (s[n] > ' ' && s[n] <= '~')
		n++;
	return n > 0 && n <= max && s[n] == '\0';
}

void
smtp_client_put_mail(struct smtp_client *c)
{
	const struct smtp_client_message *m = c->m;
	char text[ADDRESS_TEXT_SIZE] = "";

	(void)normal_form(c, m->from, ADDRESS_NULL, text); /* was checked */
	(void)buf_printf(&c->out, "MAIL FROM:<%s>", text);
	if (c->caps.size && m->size > 0)
		(void)buf_printf(&c->out, " SIZE=%" PRIu64, m->size);
	if (c->caps.eightbit && m->body_8bit)
		(void)buf_puts(&c->out, " BODY=8BITMIME");
	if (m->smtputf8)
		(void)buf_puts(&c->out, " SMTPUTF8");
	if (c->caps.dsn && m->ret != SMTP_RET_NONE)
		(void)buf_printf(&c->out, " RET=%s", m->ret == SMTP_RET_FULL ? "FULL" : "HDRS");
	if (c->caps.dsn && is_word(m->envid, SMTP_ENVID_MAX))
		(void)buf_printf(&c->out, " ENVID=%s", m->envid);
	(void)buf_puts(&c->out, "\r\n");
	c->mails++;
}

/* NEVER stands alone (rfc3461:4.1). */
static void
put_notify(struct buf *out, unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = { { SMTP_NOTIFY_SUCCESS, "SUCCESS" }, { SMTP_NOTIFY_FAILURE, "FAILURE" },
		{ SMTP_NOTIFY_DELAY, "DELAY" } };
	const char *before = " NOTIFY=";

	if (notify & SMTP_NOTIFY_NEVER) {
		(void)buf_puts(out, " NOTIFY=NEVER");
		return;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (notify & words[i].bit) {
			(void)buf_printf(out, "%s%s", before, words[i].word);
			before = ",";
		}
}

void
smtp_client_put_rcpt(struct smtp_client *c, const struct smtp_client_rcpt *rcpt)
{
	char text[ADDRESS_TEXT_SIZE] = "";

	(void)normal_form(c, rcpt->to, ADDRESS_POSTMASTER, text); /* was checked */
	(void)buf_printf(&c->out, "RCPT TO:<%s>", text);
	if (c->caps.dsn)
		put_notify(&c->out, rcpt->notify);
	if (c->caps.dsn && is_word(rcpt->orcpt, SMTP_ORCPT_MAX))
		(void)buf_printf(&c->out, " ORCPT=%s", rcpt->orcpt);
	(void)buf_puts(&c->out, "\r\n");
}
