/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "base/xalloc.h"
#include "smtp_client/client_priv.h"

enum { NR_RSET, NR_MAIL, NR_RCPT };

static size_t
nr_data(const struct smtp_client *c)
{
	return NR_RCPT + c->m->nrcpts;
}

void
smtp_client_decide(struct smtp_client *c, const struct smtp_client_result *r)
{
	for (size_t i = 0; i < c->nresults; i++)
		if (c->results[i].class == SMTP_CLIENT_NOT_YET)
			c->results[i] = *r;
}

/* The first command from nr on that has to be sent. */
static size_t
next_command(const struct smtp_client *c, size_t nr)
{
	if (nr == NR_RSET && !c->needs_rset)
		nr++;
	while (nr >= NR_RCPT && nr < nr_data(c) &&
	       c->results[nr - NR_RCPT].why == SMTP_CLIENT_WHY_LOCAL)
		nr++;
	return nr;
}

static void
put_command(struct smtp_client *c, size_t nr)
{
	if (nr == NR_RSET)
		(void)buf_puts(&c->out, "RSET\r\n");
	else if (nr == NR_MAIL)
		smtp_client_put_mail(c);
	else if (nr < nr_data(c))
		smtp_client_put_rcpt(c, &c->m->rcpts[nr - NR_RCPT]);
	else
		(void)buf_puts(&c->out, "DATA\r\n");
}

/* Sends what may be sent: all up to DATA at once with PIPELINING (rfc2920:3.1), else one command. */
static void
send_commands(struct smtp_client *c)
{
	while (c->sent <= nr_data(c) && (c->caps.pipelining || c->sent == c->answered)) {
		put_command(c, c->sent);
		c->sent = next_command(c, c->sent + 1);
	}
	if (c->answered == NR_RSET)
		c->phase = SMTP_CLIENT_RSET;
	else if (c->answered == NR_MAIL)
		c->phase = SMTP_CLIENT_MAIL;
	else
		c->phase = c->answered < nr_data(c) ? SMTP_CLIENT_RCPT : SMTP_CLIENT_DATA_INIT;
}

static void
finish(struct smtp_client *c)
{
	c->m = NULL;
	c->phase = SMTP_CLIENT_IDLE;
	c->done_due = true;
}

/* Goes on behind the command just answered; or ends, when nobody is left to send to and DATA is
 * not on its way yet. */
static void
go_on(struct smtp_client *c)
{
	c->answered = next_command(c, c->answered + 1);
	if (c->answered == nr_data(c) && c->accepted == 0 && c->sent <= nr_data(c))
		finish(c);
	else
		send_commands(c);
}

static void
mail_reply(struct smtp_client *c, const struct smtp_client_result *r)
{
	c->needs_rset = true;
	if (r->class != SMTP_CLIENT_OK) {
		c->mail_refused = true;
		smtp_client_decide(c, r);
		if (!c->caps.pipelining) {
			finish(c);
			return;
		}
	}
	go_on(c);
}

static void
rcpt_reply(struct smtp_client *c, const struct smtp_client_result *r)
{
	struct smtp_client_result *own = &c->results[c->answered - NR_RCPT];

	if (own->class == SMTP_CLIENT_NOT_YET) { /* else MAIL was refused */
		if (r->class == SMTP_CLIENT_OK)
			c->accepted++;
		else
			*own = *r;
	}
	go_on(c);
}

static void
data_reply(struct smtp_client *c, const struct smtp_client_result *r, enum smtp_client_event *ev)
{
	if (r->class == SMTP_CLIENT_TEMP || r->class == SMTP_CLIENT_PERM) {
		smtp_client_decide(c, r);
		finish(c);
	} else if (r->code != 354 || c->mail_refused) {
		smtp_client_fail(c, SMTP_CLIENT_WHY_PROTOCOL, "reply out of sequence");
	} else if (c->accepted == 0) { /* a dot alone ends it (rfc2920:3.1) */
		(void)buf_puts(&c->out, ".\r\n");
		c->phase = SMTP_CLIENT_DATA_DONE;
	} else {
		c->phase = SMTP_CLIENT_DATA_BLOCK;
		*ev = SMTP_CLIENT_EV_CONTENT;
	}
}

/* A server that refuses amid the content is not going to read the rest. */
static void
early_reply(struct smtp_client *c, const struct smtp_client_result *r)
{
	if (r->class == SMTP_CLIENT_OK)
		smtp_client_fail(c, SMTP_CLIENT_WHY_PROTOCOL, "reply out of sequence");
	else
		smtp_client_fail_with(c, r);
}

void
smtp_client_transaction_reply(
    struct smtp_client *c, const struct smtp_client_result *r, enum smtp_client_event *ev)
{
	struct smtp_client_result temp = *r;

	switch (c->phase) {
	case SMTP_CLIENT_RSET:
		temp.class = SMTP_CLIENT_TEMP; /* says nothing about this message */
		if (r->class == SMTP_CLIENT_OK)
			go_on(c);
		else
			smtp_client_refused(c, &temp);
		break;
	case SMTP_CLIENT_MAIL:
		mail_reply(c, r);
		break;
	case SMTP_CLIENT_RCPT:
		rcpt_reply(c, r);
		break;
	case SMTP_CLIENT_DATA_INIT:
		data_reply(c, r, ev);
		break;
	case SMTP_CLIENT_DATA_BLOCK:
		early_reply(c, r);
		break;
	default: /* DATA_DONE */
		c->needs_rset = r->class != SMTP_CLIENT_OK;
		smtp_client_decide(c, r);
		finish(c);
		break;
	}
}

size_t
smtp_client_rcpt_max(const struct smtp_client *c)
{
	if (c->caps.rcpt_max > 0 && c->caps.rcpt_max < SMTP_CLIENT_RCPT_MAX)
		return (size_t)c->caps.rcpt_max;
	return SMTP_CLIENT_RCPT_MAX;
}

bool
smtp_client_may_send(const struct smtp_client *c)
{
	return c->phase == SMTP_CLIENT_IDLE &&
	       (c->caps.mail_max == 0 || c->mails < c->caps.mail_max);
}

static bool
someone_is_left(const struct smtp_client *c)
{
	for (size_t i = 0; i < c->nresults; i++)
		if (c->results[i].class == SMTP_CLIENT_NOT_YET)
			return true;
	return false;
}

int
smtp_client_send(struct smtp_client *c, const struct smtp_client_message *m)
{
	if (c->phase != SMTP_CLIENT_IDLE)
		return SMTP_CLIENT_ESTATE;
	if (!smtp_client_may_send(c))
		return SMTP_CLIENT_EOFFER;
	if (m->nrcpts == 0 || m->nrcpts > smtp_client_rcpt_max(c))
		return SMTP_CLIENT_EINVAL;
	c->m = m;
	free(c->results);
	c->results = xcalloc(m->nrcpts, sizeof(*c->results));
	c->nresults = m->nrcpts;
	c->accepted = 0;
	c->mail_refused = false;
	c->stuff = (struct smtp_client_stuff){ 0 };
	smtp_client_check_message(c);
	c->sent = c->answered = next_command(c, NR_RSET);
	if (someone_is_left(c)) {
		send_commands(c);
		c->unsent = buf_len(&c->out);
	} else {
		finish(c);
	}
	return 0;
}

bool
smtp_client_wants_content(const struct smtp_client *c)
{
	return c->phase == SMTP_CLIENT_DATA_BLOCK;
}

static void
refuse_8bit(struct smtp_client *c)
{
	const struct smtp_client_result r = {
		.class = SMTP_CLIENT_PERM,
		.why = SMTP_CLIENT_WHY_LOCAL,
		.phase = SMTP_CLIENT_DATA_BLOCK,
		.enhanced = "5.6.3",
		.text = "the server does not take 8-bit content",
	};

	smtp_client_fail_with(c, &r);
}

size_t
smtp_client_content(struct smtp_client *c, struct str run)
{
	size_t waiting = buf_len(&c->out), room;

	if (!smtp_client_wants_content(c) || waiting >= SMTP_CLIENT_CONTENT_HIGH)
		return 0;
	room = (SMTP_CLIENT_CONTENT_HIGH - waiting + 1) / 2; /* stuffing may double it */
	if (run.n > room)
		run.n = room;
	if (!c->caps.eightbit && str_has_8bit(run)) {
		refuse_8bit(c);
		return 0;
	}
	smtp_client_stuff(&c->stuff, run, &c->out);
	return run.n;
}

void
smtp_client_content_end(struct smtp_client *c)
{
	if (!smtp_client_wants_content(c))
		return;
	smtp_client_stuff_end(&c->stuff, &c->out);
	c->phase = SMTP_CLIENT_DATA_DONE;
}

const struct smtp_client_result *
smtp_client_result(const struct smtp_client *c, size_t i)
{
	return &c->results[i];
}
