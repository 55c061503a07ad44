/* SPDX-License-Identifier: ISC */
#include "smtpd/lookups.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "smtpd/session.h"

/* One question without an answer. */
struct lookup {
	STAILQ_ENTRY(lookup) link; /* of the session's */
	struct lookups *of;        /* NULL: nobody waits for it, but resolver is still at it */
	uint64_t id;               /* 0: resolver does not have it yet */
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

/* A question less of l's. */
static void
unlink_lookup(struct lookup *one)
{
	struct lookups *l = one->of;

	STAILQ_REMOVE(&l->open, one, lookup, link);
	l->out--;
	if (one->id != 0)
		l->at_resolver--;
	one->of = NULL;
}

/* Gets no answer any more. What resolver has counts until its answer comes. */
static void
drop(struct lookup *one)
{
	unlink_lookup(one);
	if (one->id == 0)
		free(one);
}

static void
leave_turns(struct lookups *l)
{
	if (l->in_turns)
		TAILQ_REMOVE(&l->d->turns, l, turn);
	l->in_turns = false;
}

static void
give_up(struct lookups *l)
{
	struct lookup *one;

	leave_turns(l);
	while ((one = STAILQ_FIRST(&l->open)) != NULL) {
		no_answer(l, &one->question);
		drop(one);
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

/* --- turns -------------------------------------------------------------------------------------
 *
 * Resolver takes so many questions and fails what is beyond: those wait here, and the sessions take turns, so
 * that neither a burst of mail nor sessions whose servers do not answer make the DNS fail for the others.
 */

static struct lookup *
next_waiting(const struct lookups *l)
{
	struct lookup *one = NULL;

	if (l->at_resolver < LOOKUPS_AT_ONCE)
		STAILQ_FOREACH(one, &l->open, link)
			if (one->id == 0)
				break;
	return one;
}

static void
join_turns(struct lookups *l)
{
	if (l->in_turns || next_waiting(l) == NULL)
		return;
	TAILQ_INSERT_TAIL(&l->d->turns, l, turn);
	l->in_turns = true;
}

static void
send_question(struct smtpd *d, struct lookup *one)
{
	char text[DNS_TEXT_MAX];

	one->id = ++d->last_id;
	one->of->at_resolver++;
	map_put(d->questions, one->id, one);
	ipc_send_dns_query(d->resolver, one->id,
	    &(struct ipc_dns_query){ .type = one->question.type,
		.name = str_of(dns_name_text(&one->question.name, text)) });
}

static void
take_turns(struct smtpd *d)
{
	struct lookups *l;

	while (d->resolver != NULL && map_count(d->questions) < LOOKUPS_OUT_MAX &&
	       (l = TAILQ_FIRST(&d->turns)) != NULL) {
		leave_turns(l);
		send_question(d, next_waiting(l));
		join_turns(l);
	}
}

/* --- questions --------------------------------------------------------------------------------- */

void
lookups_init(struct lookups *l, struct smtpd *d, void *owner)
{
	l->d = d;
	l->owner = owner;
	STAILQ_INIT(&l->open);
}

void
lookups_clear(struct lookups *l)
{
	struct lookup *one;

	stop_waiting(l);
	leave_turns(l);
	while ((one = STAILQ_FIRST(&l->open)) != NULL)
		drop(one);
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
	const struct lookup *one;

	STAILQ_FOREACH(one, &l->open, link)
		if (one->question.type == q->type && dns_name_eq(&one->question.name, &q->name))
			return true;
	return false;
}

static void
ask(struct lookups *l, const struct dns_question *q)
{
	struct lookup *one;

	if (l->d->resolver == NULL || l->asked >= most(l) || l->waited_ms >= longest(l)) {
		no_answer(l, q);
		return;
	}
	one = xcalloc(1, sizeof(*one));
	one->of = l;
	one->question = *q;
	STAILQ_INSERT_TAIL(&l->open, one, link);
	l->out++;
	l->asked++;
	join_turns(l);
	take_turns(l->d);
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
	map_del(d->questions, id);
	if ((l = one->of) == NULL) {
		free(one);
		take_turns(d);
		return;
	}
	fact.asked = one->question;
	fact.state = state_of(m);
	if (!dns_name_parse(m->canonical, &fact.name))
		fact.name = one->question.name;
	if (fact.state == DNS_FACT_FOUND)
		fact.records = m->rdata;
	unlink_lookup(one);
	free(one);
	add_fact(l, &fact);
	join_turns(l);
	take_turns(d);
	if (l->out > 0)
		return;
	stop_waiting(l);
	session_facts_came(l->owner);
}

/* Nobody has any question any more; those who waited for one are in turns. */
static void
take_back(struct smtpd *d)
{
	struct lookup *one;
	size_t it;

	while (it = 0, (one = map_next(d->questions, &it, NULL)) != NULL) {
		map_del(d->questions, one->id);
		one->id = 0;
		if (one->of == NULL) {
			free(one);
		} else {
			one->of->at_resolver--;
			join_turns(one->of);
		}
	}
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct smtpd *d = arg;
	struct lookups *l;

	(void)ch;
	ipc_channel_free(&d->resolver);
	take_back(d);
	while ((l = TAILQ_FIRST(&d->turns)) != NULL) {
		stop_waiting(l);
		give_up(l);
		session_facts_came(l->owner);
	}
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(dns_answer, on_dns_answer),
};
const struct ipc_ops smtpd_resolver_ops = { .handlers = handlers, .on_close = on_close };
