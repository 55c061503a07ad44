/* SPDX-License-Identifier: ISC */
#include "auth_client/auth_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "tls/tls.h"

static const struct {
	const char *name;
	bool bound;
} mechanisms[] = {
#define SASL_MECHANISM(name, bound) { name, bound },
#include "scram/mechanisms.h"
#undef SASL_MECHANISM
};

const char *
auth_mechanisms(char out[AUTH_MECHANISMS_MAX], bool bound)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (bound || !mechanisms[i].bound)
			n += (size_t)snprintf(out + n, AUTH_MECHANISMS_MAX - n, "%s%s",
			    n > 0 ? " " : "", mechanisms[i].name);
	return out;
}

struct worker {
	TAILQ_ENTRY(worker) entry;
	struct auth_pool *pool;
	struct ipc_channel *channel;
	struct map *exchanges;
	uint64_t last_id;
	uint32_t instance;
};

struct auth_exchange {
	struct worker *worker;
	const struct auth_client_ops *ops;
	void *arg;
	uint64_t id;
};

struct auth_pool {
	struct io_loop *loop;
	TAILQ_HEAD(, worker) workers;
};

/* Before its end is told: the client's next steps may change the map. */
static struct auth_exchange
exchange_end(struct auth_exchange *x)
{
	struct auth_exchange ended = *x;

	map_del(x->worker->exchanges, x->id);
	free(x);
	return ended;
}

static void
refuse(struct auth_exchange *x, enum ipc_result result, struct str login)
{
	struct auth_exchange ended = exchange_end(x);

	ended.ops->refused(ended.arg, result, login);
}

static void
worker_free(struct worker *w)
{
	struct auth_exchange *x;
	size_t it = 0;

	TAILQ_REMOVE(&w->pool->workers, w, entry);
	while ((x = map_next(w->exchanges, &it, NULL)) != NULL) {
		refuse(x, IPC_TEMP, STR(""));
		it = 0;
	}
	ipc_channel_free(&w->channel);
	map_free(&w->exchanges);
	free(w);
}

/* --- from auth ----------------------------------------------------------------------------------
 */

/* A cancelled exchange may still be answered: every number ever used may come back. */
static unsigned
state_of(void *arg, uint64_t id)
{
	struct worker *w = arg;

	return id != 0 && id <= w->last_id ? IPC_ST_BUSY : 0;
}

static void
on_challenge(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_challenge *m, int fd)
{
	struct worker *w = arg;
	struct auth_exchange *x = map_get(w->exchanges, id);

	(void)ch, (void)fd;
	if (x != NULL)
		x->ops->challenge(x->arg, m->challenge);
}

static void
on_failed(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_failed *m, int fd)
{
	struct worker *w = arg;
	struct auth_exchange *x = map_get(w->exchanges, id);
	enum ipc_result result =
	    m->result < IPC_RESULT__MAX ? (enum ipc_result)m->result : IPC_TEMP;

	(void)ch, (void)fd;
	if (x != NULL)
		refuse(x, result, m->login);
}

static void
on_ok(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_ok *m, int fd)
{
	struct worker *w = arg;
	struct auth_exchange *x = map_get(w->exchanges, id), ended;

	(void)ch;
	if (x == NULL) {
		close(fd);
		return;
	}
	ended = exchange_end(x);
	ended.ops->ok(
	    ended.arg, &(struct auth_login){ m->account, m->login, m->hidden_capabilities }, fd);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct worker *w = arg;

	(void)ch;
	log_warn(
	    "", "event=auth-gone instance=%u exchanges=%zu", w->instance, map_count(w->exchanges));
	worker_free(w);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(auth_challenge, on_challenge),
	IPC_ON(auth_failed, on_failed),
	IPC_ON(auth_ok, on_ok),
};

static const struct ipc_ops ops = { .handlers = handlers, .state = state_of, .on_close = on_close };

/* --- to auth ------------------------------------------------------------------------------------
 */

static struct worker *
least_busy(struct auth_pool *p)
{
	struct worker *w, *best = NULL;

	TAILQ_FOREACH(w, &p->workers, entry)
		if (best == NULL || map_count(w->exchanges) < map_count(best->exchanges))
			best = w;
	return best;
}

struct auth_exchange *
auth_start(struct auth_pool *p, const struct auth_client_ops *cops, void *arg,
    const struct auth_request *request)
{
	struct worker *w = least_busy(p);
	struct tls_bindings b;
	struct auth_exchange *x;

	if (w == NULL)
		return NULL;
	tls_stream_bindings(request->stream, &b);
	x = xcalloc(1, sizeof(*x));
	*x = (struct auth_exchange){ .worker = w, .ops = cops, .arg = arg, .id = ++w->last_id };
	map_put(w->exchanges, x->id, x);
	ipc_send_auth_start(w->channel, x->id,
	    &(struct ipc_auth_start){ .service = request->service,
		.mechanism = request->mechanism,
		.client_address = str_of(request->client_address),
		.tls_exporter = b.exporter,
		.tls_unique = b.unique,
		.tls_server_end_point = b.end_point,
		.has_initial = request->has_initial,
		.initial = request->has_initial ? request->initial : STR("") });
	return x;
}

void
auth_continue(struct auth_exchange *x, struct str response)
{
	ipc_send_auth_continue(
	    x->worker->channel, x->id, &(struct ipc_auth_continue){ .response = response });
}

void
auth_cancel(struct auth_exchange **xp)
{
	struct auth_exchange *x = *xp;

	if (x == NULL)
		return;
	*xp = NULL;
	ipc_send_auth_cancel(x->worker->channel, x->id, &(struct ipc_auth_cancel){ 0 });
	map_del(x->worker->exchanges, x->id);
	free(x);
}

/* --- life ---------------------------------------------------------------------------------------
 */

struct auth_pool *
auth_pool_new(struct io_loop *loop)
{
	struct auth_pool *p = xcalloc(1, sizeof(*p));

	p->loop = loop;
	TAILQ_INIT(&p->workers);
	return p;
}

void
auth_pool_free(struct auth_pool **pp)
{
	struct auth_pool *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	while (!TAILQ_EMPTY(&p->workers))
		worker_free(TAILQ_FIRST(&p->workers));
	free(p);
}

void
auth_pool_add(struct auth_pool *p, uint32_t instance, int fd)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->pool = p;
	w->instance = instance;
	w->exchanges = map_new();
	w->channel = ipc_channel_new(p->loop, fd, IPC_CH_auth, IPC_CLIENT, &ops, w);
	TAILQ_INSERT_TAIL(&p->workers, w, entry);
}
