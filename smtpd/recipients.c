/* SPDX-License-Identifier: ISC */
/* Whose address is it? accounts knows; its good answers are kept. */
#include <stdio.h>

#include "base/log.h"
#include "smtpd/address_cache.h"
#include "smtpd/session.h"

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

static void
refuse(struct session *s, enum smtp_reply_id why, const struct refusal_args *args)
{
	struct str address = s->asked->address;

	s->asked = NULL;
	checks_log(s);
	smtp_conn_refuse_with(&s->conn, why, args, "rcpt", address);
}

static void
refuse_listed(struct session *s)
{
	struct refusal_args args = { 0 };
	enum smtp_reply_id why = checks_listed_reply(s, &args);

	refuse(s, why, &args);
}

static void
refuse_for_now(struct session *s)
{
	char seconds[12];

	snprintf(seconds, sizeof(seconds), "%u", s->grey_wait);
	refuse(s, SMTP_GREYLISTED, &(struct refusal_args){ .seconds = seconds });
}

/* For the list that names the client, or the greylist. */
static void
refuse_not_allowed(struct session *s)
{
	if (s->grey_wait > 0)
		refuse_for_now(s);
	else
		refuse_listed(s);
}

/* A blocklist names the client, or the greylist does not know it: has this recipient allowed the sender? True:
 * the engine has its answer, because there is no sender who could have been. */
static bool
ask_allowed(struct session *s, uint32_t grey_wait)
{
	struct smtpd *d = s->d;

	s->grey_wait = grey_wait;
	if (s->conn.sender[0] == '\0') {
		refuse_not_allowed(s);
		return true;
	}
	if (d->accounts == NULL) {
		refuse(s, SMTP_TROUBLE, NULL);
		return true;
	}
	s->lookup = ++d->last_id;
	map_put(d->lookups, s->lookup, s);
	ipc_send_sender_allowed(d->accounts, s->lookup,
	    &(struct ipc_sender_allowed){
		.recipient = s->asked->address, .sender = str_of(s->conn.sender) });
	return false;
}

bool
recipients_wait(struct session *s, uint32_t seconds)
{
	return ask_allowed(s, seconds);
}

/* In spite of a list, or of the greylist. */
static void
take(struct session *s)
{
	struct smtp_recipient *r = s->asked;

	if (s->full != SMTP_OK || checks_other_class(s, r)) {
		refuse(s, s->full != SMTP_OK ? s->full : SMTP_OTHER_POLICY, NULL);
		return;
	}
	s->asked = NULL;
	smtp_recipient_accept(&s->conn, r);
}

/* The recipient is ours: do client and sender please? True: the engine has its answer. */
static bool
decide(struct session *s)
{
	struct refusal_args args = { 0 };
	enum smtp_reply_id why;

	if (!checks_known(s)) {
		s->waits = WAITS_RCPT;
		lookups_wait(&s->lookups);
		return false;
	}
	s->waits = WAITS_NOT;
	why = checks_verdict(s, s->asked, &args);
	if (why == SMTP_OK && checks_listed(s, s->asked))
		return ask_allowed(s, 0);
	if (why == SMTP_OK)
		why = s->full;
	if (why == SMTP_OK && checks_other_class(s, s->asked))
		why = SMTP_OTHER_POLICY;
	if (why == SMTP_OK)
		return behaviour_greylist(s);
	refuse(s, why, &args);
	return true;
}

void
recipients_go_on(struct session *s)
{
	if (decide(s))
		smtp_conn_pump(&s->conn);
}

/* True: the engine has its answer; who calls outside of the pump calls that next. */
static bool
recipient_known(
    struct session *s, unsigned result, bool for_good, const struct address_answer *answer)
{
	struct smtp_recipient *r = s->asked;

	s->lookup = 0;
	if (result == IPC_OK) {
		r->accounts = arena_str(s->conn.arena, answer->accounts);
		r->elsewhere = answer->elsewhere;
		if (r->accounts.p == NULL || (answer->accounts.n == 0 && !answer->elsewhere))
			result = IPC_TEMP;
	}
	s->full = result != IPC_FULL ? SMTP_OK
		  : for_good         ? SMTP_MAILBOX_FULL_LONG
				     : SMTP_MAILBOX_FULL;
	if (result == IPC_OK || result == IPC_FULL)
		return decide(s);
	s->asked = NULL;
	s->unknown += result == IPC_NO || result == IPC_SUSPENDED;
	s->relay += result == IPC_NOT_LOCAL;
	smtp_conn_refuse(&s->conn, recipient_reply(result), "rcpt", r->address);
	return true;
}

void
recipients_ask(struct smtp_conn *c, const struct smtp_rcpt *rcpt)
{
	struct session *s = (struct session *)c;
	struct smtpd *d = s->d;
	char address[ADDRESS_TEXT_SIZE];
	struct address_answer answer;

	address_print(&rcpt->to, address, sizeof(address));
	if (helo_refused(s, rcpt, address))
		return;
	if (d->accounts == NULL || (s->asked = smtp_recipient_new(c, rcpt, address)) == NULL) {
		log_warn(
		    c->id, "event=refused rcpt=\"%s\" reason=no-lookup", LOGS(str_of(address)));
		smtp_session_refuse(c->engine, SMTP_TROUBLE);
		return;
	}
	if (address_cache_get(d->known, str_of(address), &answer)) {
		recipient_known(s, IPC_OK, false, &answer);
		return;
	}
	s->lookup = ++d->last_id;
	map_put(d->lookups, s->lookup, s);
	ipc_send_address_lookup(
	    d->accounts, s->lookup, &(struct ipc_address_lookup){ .address = str_of(address) });
}

static void
recipient_answer(
    struct session *s, unsigned result, bool for_good, const struct address_answer *answer)
{
	if (result == IPC_OK && (answer->accounts.n > 0 || answer->elsewhere))
		address_cache_put(s->d->known, s->asked->address, answer);
	if (recipient_known(s, result, for_good, answer))
		smtp_conn_pump(&s->conn);
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
		recipient_answer(s, m->result, m->for_good != 0,
		    &(struct address_answer){
			.accounts = m->accounts, .elsewhere = m->elsewhere != 0 });
}

static void
on_sender_allowed_is(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_allowed_is *m, int fd)
{
	struct smtpd *d = arg;
	struct session *s = map_del(d->lookups, id);

	(void)ch;
	(void)fd;
	if (s == NULL)
		return;
	s->lookup = 0;
	if (m->result == IPC_OK) {
		log_info(s->conn.id, "event=allowed-by-recipient rcpt=\"%s\" from=\"%s\" %s=%s",
		    LOGS(s->asked->address), LOGS(str_of(s->conn.sender)),
		    s->grey_wait > 0 ? "greylist" : "list",
		    s->grey_wait > 0 ? "lifted" : s->client.lists.zone);
		take(s);
	} else {
		refuse_not_allowed(s);
	}
	smtp_conn_pump(&s->conn);
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
		recipient_answer(s, IPC_TEMP, false, &(struct address_answer){ 0 });
	}
}

static const union ipc_handler accounts_handlers[IPC__MAX] = {
	IPC_ON(address_is, on_address_is),
	IPC_ON(addresses_changed, on_addresses_changed),
	IPC_ON(sender_allowed_is, on_sender_allowed_is),
};
const struct ipc_ops smtpd_accounts_ops = {
	.handlers = accounts_handlers,
	.on_close = on_accounts_close,
};
