/* SPDX-License-Identifier: ISC */
/* What a session has to do with accounts (recipients) and queue (the message). */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "smtp/received.h"
#include "smtpd/address_cache.h"
#include "smtpd/session.h"

/* --- recipients
 * ----------------------------------------------------------------------------------- */

static struct recipient *
recipient_new(struct session *s, const struct smtp_rcpt *rcpt, const char *address)
{
	struct recipient *r;

	if (s->arena == NULL)
		s->arena = arena_new(SESSION_ENVELOPE_MAX);
	if ((r = arena_alloc(s->arena, sizeof(*r))) == NULL)
		return NULL;
	r->address = arena_str(s->arena, str_of(address));
	r->orcpt = arena_str(s->arena, str_of(rcpt->orcpt));
	r->notify = rcpt->notify;
	return r->address.p != NULL && r->orcpt.p != NULL ? r : NULL;
}

/* A suspended account looks like one that is not there: its state is nobody's business. */
static enum smtp_reply_id
recipient_reply(unsigned result)
{
	switch (result) {
	case IPC_NO:
	case IPC_SUSPENDED:
		return SMTP_UNKNOWN_RECIPIENT;
	case IPC_NOT_LOCAL:
		return SMTP_RELAY_DENIED;
	case IPC_INVALID:
		return SMTP_BAD_RECIPIENT;
	default:
		return SMTP_TROUBLE;
	}
}

/* The engine gets its answer; who calls outside of session_pump calls that next. */
static void
recipient_known(struct session *s, unsigned result, const struct address_answer *answer)
{
	struct recipient *r = s->asked;

	s->lookup = 0;
	s->asked = NULL;
	if (result == IPC_OK) {
		r->accounts = arena_str(s->arena, answer->accounts);
		r->elsewhere = answer->elsewhere;
		if (r->accounts.p == NULL || (answer->accounts.n == 0 && !answer->elsewhere))
			result = IPC_TEMP;
	}
	if (result == IPC_OK) {
		STAILQ_INSERT_TAIL(&s->envelope, r, entry);
		s->recipients++;
		smtp_session_accept(s->engine, NULL);
	} else {
		enum smtp_reply_id id = recipient_reply(result);

		log_info(s->id, "event=refused client=%s from=\"%s\" rcpt=\"%s\" code=%d %s",
		    s->client, LOGS(str_of(s->sender)), LOGS(r->address), smtp_reply_get(id)->code,
		    smtp_reply_get(id)->enhanced);
		smtp_session_refuse(s->engine, id);
	}
}

void
transaction_ask_recipient(struct session *s, const struct smtp_rcpt *rcpt)
{
	struct smtpd *d = s->d;
	char address[ADDRESS_TEXT_SIZE];
	struct address_answer answer;

	address_print(&rcpt->to, address, sizeof(address));
	if (d->accounts == NULL || (s->asked = recipient_new(s, rcpt, address)) == NULL) {
		log_warn(
		    s->id, "event=refused rcpt=\"%s\" reason=no-lookup", LOGS(str_of(address)));
		smtp_session_refuse(s->engine, SMTP_TROUBLE);
		return;
	}
	if (address_cache_get(d->known, str_of(address), &answer)) {
		recipient_known(s, IPC_OK, &answer);
		return;
	}
	s->lookup = ++d->last_id;
	map_put(d->lookups, s->lookup, s);
	ipc_send_address_lookup(
	    d->accounts, s->lookup, &(struct ipc_address_lookup){ .address = str_of(address) });
}

static void
recipient_answer(struct session *s, unsigned result, const struct address_answer *answer)
{
	if (result == IPC_OK && (answer->accounts.n > 0 || answer->elsewhere))
		address_cache_put(s->d->known, s->asked->address, answer);
	recipient_known(s, result, answer);
	session_pump(s);
}

static void
on_address_is(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_address_is *m, int fd)
{
	struct smtpd *d = arg;
	struct session *s = map_del(d->lookups, id);

	(void)ch;
	(void)fd;
	if (s != NULL)
		recipient_answer(s, m->result,
		    &(struct address_answer){
			.accounts = m->accounts, .elsewhere = m->elsewhere != 0 });
}

static void
on_addresses_changed(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_addresses_changed *m, int fd)
{
	struct smtpd *d = arg;

	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	address_cache_clear(d->known);
}

static void
on_accounts_close(void *arg, struct ipc_channel *ch)
{
	struct smtpd *d = arg;
	struct session *s;
	uint64_t id;
	size_t it;

	(void)ch;
	ipc_channel_free(&d->accounts);
	address_cache_clear(d->known); /* changes would not be heard of */
	while (it = 0, (s = map_next(d->lookups, &it, &id)) != NULL) {
		map_del(d->lookups, id);
		recipient_answer(s, IPC_TEMP, &(struct address_answer){ 0 });
	}
}

static const union ipc_handler accounts_handlers[IPC__MAX] = {
	IPC_ON(address_is, on_address_is),
	IPC_ON(addresses_changed, on_addresses_changed),
};
const struct ipc_ops smtpd_accounts_ops = {
	.handlers = accounts_handlers,
	.on_close = on_accounts_close,
};

/* --- the message
 * ---------------------------------------------------------------------------------- */

/* Queue learns of the transaction together with its first bytes: one wake-up for all of them. */
static void
begin(struct session *s)
{
	const struct smtp_mail *mail = smtp_session_mail(s->engine);
	struct ipc_channel *q = s->d->queue;
	struct recipient *r;

	s->began = true;
	s->message = ++s->d->last_id;
	map_put(s->d->messages, s->message, s);
	ipc_send_msg_begin(q, s->message,
	    &(struct ipc_msg_begin){ .session = str_of(s->id),
		.client_address = str_of(s->client),
		.reverse_path = str_of(s->sender),
		.envid = str_of(mail->envid),
		.dsn_ret = (uint8_t)mail->ret,
		.body_8bit = mail->body_8bit,
		.smtputf8 = mail->smtputf8,
		.size_hint = mail->size });
	STAILQ_FOREACH(r, &s->envelope, entry)
		ipc_send_msg_recipient(q, s->message,
		    &(struct ipc_msg_recipient){ .address = r->address,
			.elsewhere = r->elsewhere,
			.accounts = r->accounts,
			.orcpt = r->orcpt,
			.notify = (uint8_t)r->notify });
}

/* True when queue can be spoken to about this transaction. */
static bool
usable(struct session *s)
{
	if (s->trouble != IPC_OK)
		return false;
	if (!s->began && s->d->queue != NULL)
		begin(s);
	if (!s->began)
		s->trouble = IPC_TEMP;
	return s->began;
}

void
transaction_content(struct session *s, struct str run)
{
	enum { MOST = 65536 }; /* of msg_content, ipc_table.h */

	if (!usable(s))
		return;
	while (run.n > 0) {
		struct str part = str_from(run.p, run.n < MOST ? run.n : MOST);

		ipc_send_msg_content(
		    s->d->queue, s->message, &(struct ipc_msg_content){ .bytes = part });
		run = str_from(run.p + part.n, run.n - part.n);
	}
}

static enum smtp_reply_id
message_reply(unsigned result)
{
	return result == IPC_FULL ? SMTP_QUEUE_FULL : SMTP_TROUBLE;
}

static void
log_message(struct session *s, const char *event, const char *queue_id, int code)
{
	const struct recipient *first = STAILQ_FIRST(&s->envelope);
	char tls[TLS_DESCRIPTION_MAX];

	log_info(s->id,
	    "event=%s%s%s code=%d client=%s helo=\"%s\" from=\"%s\" rcpts=%u rcpt=\"%s\" size=%llu "
	    "tls=\"%s\"",
	    event, *queue_id ? " queue=" : "", queue_id, code, s->client,
	    LOGS(str_of(smtp_session_facts(s->engine).helo)), LOGS(str_of(s->sender)),
	    s->recipients, first ? LOGS(first->address) : "", (unsigned long long)s->size,
	    tls_stream_describe(s->stream, tls));
}

static void
refuse_message(struct session *s, unsigned result)
{
	enum smtp_reply_id id = message_reply(result);

	log_message(s, "refused", "", smtp_reply_get(id)->code);
	transaction_reset(s);
	smtp_session_refuse(s->engine, id);
}

static void
commit(struct session *s)
{
	char id[SMTPD_ID_MAX + 16], tls[TLS_DESCRIPTION_MAX], only[ADDRESS_TEXT_SIZE];
	struct smtp_facts facts = smtp_session_facts(s->engine);
	const struct recipient *first = STAILQ_FIRST(&s->envelope);
	struct buf prepend;

	snprintf(id, sizeof(id), "%s.%u", s->id, s->transactions);
	snprintf(only, sizeof(only), "%.*s", STRF(first->address));
	buf_init(&prepend, SMTP_RECEIVED_MAX);
	smtp_received_print(&prepend, &(struct smtp_received){ .helo = facts.helo,
					  .rdns = s->rdns.name,
					  .ip = s->client,
					  .by = s->d->hostname,
					  .esmtp = facts.esmtp,
					  .smtputf8 = smtp_session_mail(s->engine)->smtputf8,
					  .tls = tls_stream_describe(s->stream, tls),
					  .id = id,
					  .only_rcpt = s->recipients == 1 ? only : NULL,
					  .time = time(NULL) });
	s->committed = true;
	ipc_send_msg_commit(s->d->queue, s->message,
	    &(struct ipc_msg_commit){
		.size = s->size, .prepend = str_from(buf_data(&prepend), buf_len(&prepend)) });
	buf_free(&prepend);
}

static void
on_rdns_timer(void *arg)
{
	struct session *s = arg;

	rdns_stop(s);
	transaction_go_on(s);
}

/* The name may delay a message until SMTPD_RDNS_MS after the connection began. */
static bool
must_wait(struct session *s)
{
	uint64_t age = io_now_ms(s->d->loop) - s->started_ms;

	if (s->rdns.question == 0)
		return false;
	if (age >= SMTPD_RDNS_MS) {
		rdns_stop(s);
		return false;
	}
	if (s->rdns_timer == NULL)
		s->rdns_timer = io_timer_new(s->d->loop, on_rdns_timer, s);
	io_timer_set(s->rdns_timer, SMTPD_RDNS_MS - age);
	return true;
}

void
transaction_commit(struct session *s, uint64_t size)
{
	s->size = size;
	s->transactions++;
	if (!usable(s))
		refuse_message(s, s->trouble);
	else if (!(s->waits_rdns = must_wait(s)))
		commit(s);
}

void
transaction_go_on(struct session *s)
{
	s->waits_rdns = false;
	io_timer_free(&s->rdns_timer);
	if (usable(s)) {
		commit(s);
		return;
	}
	refuse_message(s, s->trouble);
	session_pump(s);
}

void
transaction_reset(struct session *s)
{
	if (s->message != 0) {
		map_del(s->d->messages, s->message);
		if (!s->committed && s->trouble == IPC_OK && s->d->queue != NULL)
			ipc_send_msg_abort(s->d->queue, s->message, &(struct ipc_msg_abort){ 0 });
	}
	s->message = 0;
	s->began = s->committed = s->waits_rdns = false;
	s->trouble = IPC_OK;
	s->recipients = 0;
	s->size = 0;
	s->asked = NULL;
	io_timer_free(&s->rdns_timer);
	STAILQ_INIT(&s->envelope);
	arena_free(&s->arena);
}

/* --- answers of queue
 * ----------------------------------------------------------------------------- */

static void
on_msg_stored(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_stored *m, int fd)
{
	struct smtpd *d = arg;
	struct session *s = map_get(d->messages, id);
	char queue_id[SMTPD_ID_MAX + 1];

	(void)ch;
	(void)fd;
	if (s == NULL || !s->committed)
		return;
	if (m->result != IPC_OK) {
		refuse_message(s, m->result);
	} else {
		snprintf(queue_id, sizeof(queue_id), "%.*s", STRF(m->queue_id));
		log_message(s, "accepted", queue_id, 250);
		transaction_reset(s);
		smtp_session_accept(s->engine, queue_id);
	}
	session_pump(s);
}

/* Queue has forgotten the transaction; the client learns it at the end of its data. */
static void
transaction_failed(struct session *s, unsigned result)
{
	bool waiting = s->committed;

	map_del(s->d->messages, s->message);
	s->message = 0;
	s->trouble = result != IPC_OK ? (uint8_t)result : IPC_TEMP;
	if (!waiting)
		return;
	refuse_message(s, s->trouble);
	session_pump(s);
}

static void
on_msg_refused(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_refused *m, int fd)
{
	struct smtpd *d = arg;
	struct session *s = map_get(d->messages, id);

	(void)fd;
	/* No more frames of it follow: queue need not remember it. */
	ipc_send_msg_abort(ch, id, &(struct ipc_msg_abort){ 0 });
	if (s != NULL)
		transaction_failed(s, m->result);
}

static void
on_queue_room(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_queue_room *m, int fd)
{
	struct smtpd *d = arg;

	(void)ch;
	(void)id;
	(void)fd;
	d->queue_room = m->result;
}

static void
go_on_all(struct smtpd *d)
{
	struct session *s;

	LIST_FOREACH(s, &d->sessions, entry)
		session_unthrottle(s);
}

static void
on_queue_close(void *arg, struct ipc_channel *ch)
{
	struct smtpd *d = arg;
	struct session *s;
	size_t it;

	(void)ch;
	ipc_channel_free(&d->queue);
	while (it = 0, (s = map_next(d->messages, &it, NULL)) != NULL)
		transaction_failed(s, IPC_TEMP);
	go_on_all(d);
}

static void
on_queue_drained(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	go_on_all(arg);
}

static const union ipc_handler queue_handlers[IPC__MAX] = {
	IPC_ON(msg_stored, on_msg_stored),
	IPC_ON(msg_refused, on_msg_refused),
	IPC_ON(queue_room, on_queue_room),
};
const struct ipc_ops smtpd_queue_ops = {
	.handlers = queue_handlers,
	.on_close = on_queue_close,
	.on_drained = on_queue_drained,
};
