/* SPDX-License-Identifier: ISC */
#include "smtpd/lookups.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "smtpd/session.h"

/* One question that is out. */
struct lookup {
	struct lookups *of;
	struct lookup *next;
	uint64_t id;
	struct dns_question question;
};

/* --- the share of one message ------------------------------------------------------------------ */

static size_t
most(const struct lookups *l)
{
	return l->message ? LOOKUPS_MAX : LOOKUPS_MAX - LOOKUPS_MESSAGE_MAX;
}

static size_t
most_bytes(const struct lookups *l)
{
	return l->message ? LOOKUPS_BYTES_MAX : LOOKUPS_BYTES_MAX - LOOKUPS_MESSAGE_BYTES_MAX;
}

static uint64_t
longest(const struct lookups *l)
{
	return l->message ? LOOKUPS_WAIT_MS : LOOKUPS_WAIT_MS - LOOKUPS_MESSAGE_WAIT_MS;
}

/* --- facts ------------------------------------------------------------------------------------- */

static void
add_fact(struct lookups *l, const struct dns_fact *fact)
{
	char *records = NULL;

	if (l->count == l->room) {
		l->room = l->room == 0 ? 8 : 2 * l->room;
		l->fact = xrealloc(l->fact, l->room * sizeof(*l->fact));
	}
	l->fact[l->count] = *fact;
	l->trouble = l->trouble || fact->state >= DNS_FACT_TEMP;
	if (l->bytes + fact->records.n > most_bytes(l)) {
		l->fact[l->count].state = DNS_FACT_TEMP;
		l->fact[l->count].records = (struct str){ 0 };
		l->trouble = true;
	} else if (fact->records.n > 0) {
		records = xmalloc(fact->records.n);
		memcpy(records, fact->records.p, fact->records.n);
		l->fact[l->count].records = str_from(records, fact->records.n);
		l->bytes += fact->records.n;
	}
	l->count++;
}

static void
no_answer(struct lookups *l, const struct dns_question *q)
{
	add_fact(l, &(struct dns_fact){ .asked = *q, .name = q->name, .state = DNS_FACT_TEMP });
}

/* --- who waits --------------------------------------------------------------------------------- */

static void
stop_waiting(struct lookups *l)
{
	if (l->waiting_since != 0)
		l->waited_ms += io_now_ms(l->d->host.loop) - l->waiting_since;
	l->waiting_since = 0;
	io_timer_free(&l->timer);
}

static void
unlink_lookup(struct lookup *one)
{
	struct lookup **at = &one->of->first;

	while (*at != one)
		at = &(*at)->next;
	*at = one->next;
	one->of->out--;
	map_del(one->of->d->questions, one->id);
}

/* What is out gets no answer any more. */
static void
give_up(struct lookups *l)
{
	struct lookup *one;

	while ((one = l->first) != NULL) {
		unlink_lookup(one);
		no_answer(l, &one->question);
		free(one);
	}
}

static void
on_timer(void *arg)
{
	struct lookups *l = arg;

	log_info(((struct session *)l->owner)->conn.id, "event=dns-given-up questions=%u", l->out);
	stop_waiting(l);
	l->waited_ms = longest(l);
	give_up(l);
	session_facts_came(l->owner);
}

void
lookups_wait(struct lookups *l)
{
	if (l->waiting_since != 0 || l->out == 0)
		return;
	l->waiting_since = io_now_ms(l->d->host.loop);
	l->timer = io_timer_new(l->d->host.loop, on_timer, l);
	io_timer_set(l->timer, l->waited_ms < longest(l) ? longest(l) - l->waited_ms : 1);
}

/* --- questions --------------------------------------------------------------------------------- */

void
lookups_init(struct lookups *l, struct smtpd *d, void *owner)
{
	l->d = d;
	l->owner = owner;
}

void
lookups_clear(struct lookups *l)
{
	struct lookup *one;

	stop_waiting(l);
	while ((one = l->first) != NULL) {
		unlink_lookup(one);
		free(one);
	}
	for (size_t i = 0; i < l->count; i++)
		free((char *)(uintptr_t)l->fact[i].records.p);
	free(l->fact);
	l->fact = NULL;
	l->count = l->room = l->asked = l->bytes = 0;
	l->trouble = false;
}

/* A long session would fill its share with the domains of one message after the other. Good answers stay
 * for a while, so that a client with many messages does not ask for the same each time. */
void
lookups_renew(struct lookups *l)
{
	if (l->trouble || l->asked > LOOKUPS_MAX / 4)
		lookups_clear(l);
	l->waited_ms = 0;
	l->message = false;
}

void
lookups_message(struct lookups *l)
{
	l->message = true;
}

static bool
is_out(const struct lookups *l, const struct dns_question *q)
{
	for (const struct lookup *one = l->first; one != NULL; one = one->next)
		if (one->question.type == q->type && dns_name_eq(&one->question.name, &q->name))
			return true;
	return false;
}

static void
ask(struct lookups *l, const struct dns_question *q)
{
	struct lookup *one;
	char text[DNS_TEXT_MAX];

	if (l->d->resolver == NULL || l->asked >= most(l) || l->waited_ms >= longest(l)) {
		no_answer(l, q);
		return;
	}
	one = xcalloc(1, sizeof(*one));
	one->of = l;
	one->question = *q;
	one->id = ++l->d->last_id;
	one->next = l->first;
	l->first = one;
	l->out++;
	l->asked++;
	map_put(l->d->questions, one->id, one);
	ipc_send_dns_query(l->d->resolver, one->id,
	    &(struct ipc_dns_query){
		.type = q->type, .name = str_of(dns_name_text(&q->name, text)) });
}

bool
lookups_ask(struct lookups *l, const struct dns_question *questions, size_t n)
{
	struct dns_facts facts = lookups_facts(l);
	bool out = false;

	for (size_t i = 0; i < n; i++) {
		const struct dns_question *q = &questions[i];

		facts = lookups_facts(l);
		if (dns_facts_find(&facts, &q->name, q->type) != NULL)
			continue;
		if (!is_out(l, q))
			ask(l, q);
		out = out || is_out(l, q);
	}
	return out;
}

struct dns_facts
lookups_facts(const struct lookups *l)
{
	return (struct dns_facts){ l->fact, l->count };
}

/* --- answers ----------------------------------------------------------------------------------- */

static enum dns_fact_state
state_of(const struct ipc_dns_answer *m)
{
	if (m->result == IPC_OK)
		return DNS_FACT_FOUND;
	if (m->result != IPC_NO)
		return m->bogus ? DNS_FACT_BOGUS : DNS_FACT_TEMP;
	return m->exists ? DNS_FACT_NONE : DNS_FACT_NXDOMAIN;
}

static void
on_dns_answer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_dns_answer *m, int fd)
{
	struct smtpd *d = arg;
	struct lookup *one = map_get(d->questions, id);
	struct dns_fact fact = { .secure = m->secure != 0 };
	struct lookups *l;

	(void)ch;
	(void)fd;
	if (one == NULL)
		return;
	l = one->of;
	fact.asked = one->question;
	fact.state = state_of(m);
	if (!dns_name_parse(m->canonical, &fact.name))
		fact.name = one->question.name;
	if (fact.state == DNS_FACT_FOUND)
		fact.records = m->rdata;
	unlink_lookup(one);
	free(one);
	add_fact(l, &fact);
	if (l->out > 0)
		return;
	stop_waiting(l);
	session_facts_came(l->owner);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct smtpd *d = arg;
	struct lookup *one;
	size_t it;

	(void)ch;
	ipc_channel_free(&d->resolver);
	while (it = 0, (one = map_next(d->questions, &it, NULL)) != NULL) {
		struct lookups *l = one->of;

		stop_waiting(l);
		give_up(l);
		session_facts_came(l->owner);
	}
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(dns_answer, on_dns_answer),
};
const struct ipc_ops smtpd_resolver_ops = { .handlers = handlers, .on_close = on_close };
