/* SPDX-License-Identifier: ISC */
/* Finds the route of a job: the engine in lib/route says which DNS facts are missing, resolver is
 * asked for them. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "delivery/impl.h"

static void
ask(struct delivery *d, struct question *q)
{
	const struct dns_question *asked = &q->job->lookup->facts[q->fact].asked;
	char text[DNS_TEXT_MAX];

	q->id = ++d->last_question;
	d->nasked++;
	map_put(d->questions, q->id, q);
	ipc_send_dns_query(d->resolver, q->id,
	    &(struct ipc_dns_query){
		.type = asked->type, .name = str_of(dns_name_text(&asked->name, text)) });
}

static void
ask_waiting(struct delivery *d)
{
	struct question *q;

	while (d->resolver != NULL && d->nasked < DELIVERY_QUESTIONS_MAX &&
	       (q = TAILQ_FIRST(&d->waiting)) != NULL) {
		TAILQ_REMOVE(&d->waiting, q, link);
		ask(d, q);
	}
}

static void
question_drop(struct delivery *d, struct question *q)
{
	if (q->id == 0) {
		TAILQ_REMOVE(&d->waiting, q, link);
	} else if (map_del(d->questions, q->id) != NULL) {
		d->nasked--;
	}
	q->job = NULL;
}

void
lookup_stop(struct job *j)
{
	struct lookup *l = j->lookup;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->nfacts; i++) {
		if (l->questions[i].job != NULL)
			question_drop(j->d, &l->questions[i]);
		free(l->records[i]);
	}
	free(l);
	j->lookup = NULL;
	ask_waiting(j->d);
}

/* A new fact, not known yet; without resolver it will not be for now. */
static void
fact_wanted(struct job *j, const struct dns_question *asked)
{
	struct lookup *l = j->lookup;
	struct question *q = &l->questions[l->nfacts];
	struct dns_fact *f = &l->facts[l->nfacts];

	if (l->nfacts == JOB_FACTS_MAX) /* the engine asks in two rounds */
		return;
	*f = (struct dns_fact){ .asked = *asked, .state = DNS_FACT_TEMP, .name = asked->name };
	*q = (struct question){ .fact = l->nfacts++ };
	if (j->d->resolver == NULL)
		return;
	q->job = j;
	l->missing++;
	TAILQ_INSERT_TAIL(&j->d->waiting, q, link);
}

static struct route_input
input_of(const struct job *j)
{
	const struct delivery *d = j->d;
	struct route_input in = {
		.domain = str_of(j->domain),
		.seed = j->seed,
		.own_names = &d->own_name,
		.own_name_count = d->own_name.n > 0 ? 1 : 0,
		.own_addresses = d->o.own,
		.own_address_count = d->o.nown,
	};

	if (d->o.smarthost.host[0] != '\0') {
		in.domain = str_of(d->o.smarthost.route);
		in.flags = ROUTE_HOST | ROUTE_ALLOW_PRIVATE | ROUTE_ALLOW_OWN;
	} else if (d->o.allow_private) {
		in.flags = ROUTE_ALLOW_PRIVATE;
		in.own_address_count = 0;
	}
	return in;
}

/* The engine works on what is known; new questions go out, or the job goes on. */
static void
go_on(struct job *j)
{
	struct lookup *l = j->lookup;
	struct route_input in = input_of(j);
	int r;

	do {
		const struct dns_facts facts = { .facts = l->facts, .n = l->nfacts };
		size_t before = l->nfacts;

		r = route_mx(&in, &facts, j->route);
		for (size_t i = 0; r == ROUTE_NEED && i < j->route->question_count; i++)
			fact_wanted(j, &j->route->questions[i]);
		if (r == ROUTE_NEED && l->nfacts == before) {
			j->route->class = ROUTE_TEMP; /* cannot be: the engine asks without end */
			j->route->status = "4.3.0";
			j->route->reason = "the route cannot be found";
			break;
		}
	} while (r == ROUTE_NEED && l->missing == 0);
	if (l->missing > 0) {
		ask_waiting(j->d);
		return;
	}
	lookup_stop(j);
	job_routed(j);
}

void
lookup_start(struct job *j)
{
	j->state = JOB_ROUTING;
	j->route = xcalloc(1, sizeof(*j->route));
	j->lookup = xcalloc(1, sizeof(*j->lookup));
	go_on(j);
}

/* --- answers -------------------------------------------------------------------------------- */

static void
take_answer(struct lookup *l, size_t i, const struct ipc_dns_answer *m)
{
	struct dns_fact *f = &l->facts[i];
	struct dns_name name;
	size_t n = m->rdata.n < DELIVERY_ANSWER_MAX ? m->rdata.n : DELIVERY_ANSWER_MAX;

	f->secure = m->secure != 0;
	if (m->canonical.n > 0 && dns_name_parse(m->canonical, &name))
		f->name = name;
	if (m->result == IPC_OK && n > 0) {
		l->records[i] = xmalloc(n);
		memcpy(l->records[i], m->rdata.p, n);
		f->records = str_from(l->records[i], n);
		f->state = DNS_FACT_FOUND;
	} else if (m->result == IPC_NO || m->result == IPC_OK) {
		f->state = m->exists ? DNS_FACT_NONE : DNS_FACT_NXDOMAIN;
	} else if (m->result == IPC_INVALID) {
		f->state = DNS_FACT_NXDOMAIN; /* a name that cannot be asked for */
	}
}

static void
on_dns_answer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_dns_answer *m, int fd)
{
	struct delivery *d = arg;
	struct question *q = map_del(d->questions, id);
	struct job *j;

	(void)ch;
	(void)fd;
	if (q == NULL)
		return;
	d->nasked--;
	j = q->job;
	q->job = NULL;
	take_answer(j->lookup, q->fact, m);
	if (--j->lookup->missing == 0)
		go_on(j);
	ask_waiting(d);
}

/* What was asked is not known for now. */
static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct delivery *d = arg;
	struct question *q;
	size_t it;

	(void)ch;
	ipc_channel_free(&d->resolver);
	for (;;) {
		struct job *j;

		it = 0;
		if ((q = TAILQ_FIRST(&d->waiting)) == NULL &&
		    (q = map_next(d->questions, &it, NULL)) == NULL)
			break;
		j = q->job;
		question_drop(d, q);
		if (--j->lookup->missing == 0)
			go_on(j);
	}
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(dns_answer, on_dns_answer),
};
const struct ipc_ops delivery_resolver_ops = { .handlers = handlers, .on_close = on_close };
