/* SPDX-License-Identifier: ISC */
/* The message on its way to queue. */
#include <stdio.h>

#include "base/log.h"
#include "smtp_host/smtp_host.h"

/* --- the envelope ------------------------------------------------------------------------------ */

struct smtp_recipient *
smtp_recipient_new(struct smtp_conn *c, const struct smtp_rcpt *rcpt, const char *address)
{
	struct smtp_recipient *r;

	if (c->arena == NULL)
		c->arena = arena_new(SMTP_HOST_ENVELOPE_MAX);
	if ((r = arena_alloc(c->arena, sizeof(*r))) == NULL)
		return NULL;
	r->address = arena_str(c->arena, str_of(address));
	r->orcpt = arena_str(c->arena, str_of(rcpt->orcpt));
	r->accounts = STR("");
	r->elsewhere = false;
	r->notify = rcpt->notify;
	return r->address.p != NULL && r->orcpt.p != NULL ? r : NULL;
}

void
smtp_recipient_accept(struct smtp_conn *c, struct smtp_recipient *r)
{
	STAILQ_INSERT_TAIL(&c->envelope, r, entry);
	c->recipients++;
	smtp_session_accept(c->engine, NULL);
}

/* --- the message ------------------------------------------------------------------------------- */

/* Queue learns of the transaction together with its first bytes: one wake-up for all of them. */
static void
begin(struct smtp_conn *c)
{
	const struct smtp_mail *mail = smtp_session_mail(c->engine);
	struct ipc_channel *q = c->link->ch;
	struct smtp_recipient *r;

	c->began = true;
	c->message = ++c->link->last_id;
	map_put(c->link->messages, c->message, c);
	ipc_send_msg_begin(q, c->message,
	    &(struct ipc_msg_begin){ .session = str_of(c->id),
		.client_address = str_of(c->client),
		.reverse_path = str_of(c->sender),
		.envid = str_of(mail->envid),
		.dsn_ret = (uint8_t)mail->ret,
		.body_8bit = mail->body_8bit,
		.smtputf8 = mail->smtputf8,
		.size_hint = mail->size });
	STAILQ_FOREACH(r, &c->envelope, entry)
		ipc_send_msg_recipient(q, c->message,
		    &(struct ipc_msg_recipient){ .address = r->address,
			.elsewhere = r->elsewhere,
			.accounts = r->accounts,
			.orcpt = r->orcpt,
			.notify = (uint8_t)r->notify });
}

/* True when queue can be spoken to about this transaction. */
static bool
usable(struct smtp_conn *c)
{
	if (c->trouble != IPC_OK)
		return false;
	if (!c->began && c->link != NULL && c->link->ch != NULL)
		begin(c);
	if (!c->began)
		c->trouble = IPC_TEMP;
	return c->began;
}

void
smtp_conn_content(struct smtp_conn *c, struct str run)
{
	enum { MOST = 65536 }; /* of msg_content, ipc_table.h */

	if (!usable(c))
		return;
	while (run.n > 0) {
		struct str part = str_from(run.p, run.n < MOST ? run.n : MOST);

		ipc_send_msg_content(
		    c->link->ch, c->message, &(struct ipc_msg_content){ .bytes = part });
		run = str_from(run.p + part.n, run.n - part.n);
	}
}

static enum smtp_reply_id
message_reply(unsigned result)
{
	switch (result) {
	case IPC_FULL:
		return SMTP_QUEUE_FULL;
	case IPC_DENIED: /* a bound door: it was said at MAIL already, unless rights have changed */
		return SMTP_NOT_YOUR_ADDRESS;
	case IPC_EXISTS:
		return SMTP_LOOP;
	default:
		return SMTP_TROUBLE;
	}
}

static void
log_message(struct smtp_conn *c, const char *event, const char *queue_id, int code)
{
	const struct smtp_recipient *first = STAILQ_FIRST(&c->envelope);
	char tls[TLS_DESCRIPTION_MAX];

	log_info(c->id,
	    "event=%s%s%s code=%d client=%s helo=\"%s\" from=\"%s\" rcpts=%u rcpt=\"%s\" size=%llu "
	    "tls=\"%s\" message-id=\"%s\"",
	    event, *queue_id ? " queue=" : "", queue_id, code, c->client,
	    LOGS(str_of(smtp_session_facts(c->engine).helo)), LOGS(str_of(c->sender)),
	    c->recipients, first ? LOGS(first->address) : "", (unsigned long long)c->size,
	    tls_stream_describe(c->stream, tls),
	    c->message_id != NULL ? LOGS(str_of(c->message_id)) : "");
}

static void
refuse_message(struct smtp_conn *c, unsigned result)
{
	enum smtp_reply_id id = message_reply(result);

	log_message(c, "refused", "", smtp_reply_get(id)->code);
	smtp_conn_reset(c);
	smtp_session_refuse(c->engine, id);
}

void
smtp_conn_commit(struct smtp_conn *c)
{
	struct buf prepend;

	if (!usable(c)) {
		refuse_message(c, c->trouble);
		return;
	}
	buf_init(&prepend, SMTP_HOST_PREPEND_MAX);
	c->host->ops->prepend(c, &prepend);
	c->committed = true;
	ipc_send_msg_commit(c->link->ch, c->message,
	    &(struct ipc_msg_commit){ .size = c->size,
		.junk = c->junk,
		.prepend = str_from(buf_data(&prepend), buf_len(&prepend)) });
	buf_free(&prepend);
}

void
smtp_conn_reset(struct smtp_conn *c)
{
	if (c->message != 0) {
		map_del(c->link->messages, c->message);
		if (!c->committed && c->trouble == IPC_OK && c->link->ch != NULL)
			ipc_send_msg_abort(c->link->ch, c->message, &(struct ipc_msg_abort){ 0 });
	}
	c->message = 0;
	c->began = c->committed = c->holds = c->junk = false;
	c->trouble = IPC_OK;
	c->recipients = 0;
	c->message_id = NULL;
	c->size = 0;
	STAILQ_INIT(&c->envelope);
	if (c->host->ops->reset)
		c->host->ops->reset(c);
	arena_free(&c->arena);
}

/* --- answers of queue -------------------------------------------------------------------------- */

static void
on_msg_stored(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_stored *m, int fd)
{
	struct smtp_link *l = arg;
	struct smtp_conn *c = map_get(l->messages, id);
	char queue_id[SMTP_HOST_ID_MAX + 1];

	(void)ch;
	(void)fd;
	if (c == NULL || !c->committed)
		return;
	if (m->result != IPC_OK) {
		refuse_message(c, m->result);
	} else {
		snprintf(queue_id, sizeof(queue_id), "%.*s", STRF(m->queue_id));
		log_message(c, "accepted", queue_id, 250);
		if (c->host->ops->stored)
			c->host->ops->stored(c);
		smtp_conn_reset(c);
		smtp_session_accept(c->engine, queue_id);
	}
	smtp_conn_pump(c);
}

/* Queue has forgotten the transaction; the client learns it at the end of its data. True: that was
 * already, the session can go on. */
static bool
transaction_failed(struct smtp_conn *c, unsigned result)
{
	bool waiting = c->committed;

	map_del(c->link->messages, c->message);
	c->message = 0;
	c->trouble = result != IPC_OK ? (uint8_t)result : IPC_TEMP;
	if (waiting)
		refuse_message(c, c->trouble);
	return waiting;
}

static void
on_msg_refused(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_refused *m, int fd)
{
	struct smtp_link *l = arg;
	struct smtp_conn *c = map_get(l->messages, id);

	(void)fd;
	/* No more frames of it follow: queue need not remember it. */
	ipc_send_msg_abort(ch, id, &(struct ipc_msg_abort){ 0 });
	if (c != NULL && transaction_failed(c, m->result))
		smtp_conn_pump(c);
}

static void
on_queue_room(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_queue_room *m, int fd)
{
	struct smtp_link *l = arg;

	(void)ch;
	(void)id;
	(void)fd;
	l->room = m->result;
}

static void
on_door_answer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_answer *m, int fd)
{
	struct smtp_link *l = arg;

	(void)ch;
	(void)fd;
	if (l->on_answer && m->result < IPC_RESULT__MAX)
		l->on_answer(l, id, (enum ipc_result)m->result);
}

static void
unthrottle_all(struct smtp_link *l)
{
	struct smtp_conn *c;

	LIST_FOREACH(c, &l->host->conns, entry)
		if (c->link == l)
			smtp_conn_unthrottle(c);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct smtp_link *l = arg;

	(void)ch;
	smtp_link_close(l);
	if (l->owner)
		l->on_lost(l);
}

static void
on_drained(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	unthrottle_all(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(msg_stored, on_msg_stored),
	IPC_ON(msg_refused, on_msg_refused),
	IPC_ON(queue_room, on_queue_room),
	IPC_ON(door_answer, on_door_answer),
};
static const struct ipc_ops ops = {
	.handlers = handlers,
	.on_close = on_close,
	.on_drained = on_drained,
};

/* --- life -------------------------------------------------------------------------------------- */

void
smtp_link_init(struct smtp_link *l, struct smtp_host *h)
{
	*l = (struct smtp_link){ .host = h, .messages = map_new() };
}

void
smtp_link_open(struct smtp_link *l, int fd)
{
	smtp_link_close(l);
	l->room = IPC_OK;
	l->ch = ipc_channel_new(l->host->loop, fd, IPC_CH_queue_accept, IPC_CLIENT, &ops, l);
}

void
smtp_link_close(struct smtp_link *l)
{
	struct smtp_conn *c;
	size_t it;

	ipc_channel_free(&l->ch);
	unthrottle_all(l);
	while (it = 0, (c = map_next(l->messages, &it, NULL)) != NULL)
		if (transaction_failed(c, IPC_TEMP) && l->owner == NULL)
			smtp_conn_pump(c);
}

void
smtp_link_free(struct smtp_link *l)
{
	ipc_channel_free(&l->ch);
	map_free(&l->messages);
}
