/* SPDX-License-Identifier: ISC */
/*
 * Questions to accounts: who an address stands for, who may send as whom. What is known is answered
 * at once, from a small exact memory that is emptied when accounts says that something changed or
 * when it goes away. Without accounts, or after a time, the answer is IPC_TEMP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/queue_priv.h"

enum {
	/* accounts answers within a millisecond; a client at the end of data has 10 minutes. */
	ASK_MS = 10000,
	/* Questions on their way: ten for each of a thousand sessions. */
	ASK_MAX = 10000,
	/* Bytes of answers that are kept; then all are forgotten. */
	ASK_MEMORY_MAX = 4 * 1024 * 1024,
};

/* An answer that is kept, or a question on its way: found by what was asked. */
struct known {
	struct known *next; /* another one with the same hash */
	struct str key, accounts, remote;
	uint8_t result, list, full;
	char bytes[];
};

struct question {
	TAILQ_ENTRY(question) link; /* in the order asked */
	uint64_t id, asked_ms;
	uint64_t
	    generation; /* of the memory: a later answer would be about what has changed since */
	ask_targets_fn *targets;
	ask_sender_fn *sender;
	void *arg;
	size_t key_n;
	char key[];
};
TAILQ_HEAD(question_list, question);

struct ask {
	struct queue *queue;
	struct ipc_channel *ch;
	struct question_list questions;
	struct map *by_id;
	uint64_t last_id, generation;
	struct map *known; /* by hash */
	size_t known_bytes;
	struct io_timer *timer;
	bool has_key;
	uint8_t key[ASK_FORWARD_KEY];
};

/* --- what is known ----------------------------------------------------------------------------- */
static uint64_t
hash(struct str s)
{
	return hash_add(HASH_START, s);
}

static void
forget_all(struct ask *a)
{
	struct known *k, *next;
	uint64_t h;
	size_t it = 0;

	while ((k = map_next(a->known, &it, &h)) != NULL) {
		map_del(a->known, h);
		for (; k; k = next) {
			next = k->next;
			free(k);
		}
	}
	a->known_bytes = 0;
	a->generation++;
}

static const struct known *
find_known(const struct ask *a, struct str key)
{
	struct known *k = map_get(a->known, hash(key));

	while (k && !str_eq(k->key, key))
		k = k->next;
	return k;
}

static void
keep(struct ask *a, struct str key, const struct ipc_address_targets *m)
{
	size_t n = key.n + m->accounts.n + m->remote.n;
	struct known *k;
	char *at;

	if (a->known_bytes + n + sizeof(*k) > ASK_MEMORY_MAX) {
		uint64_t generation = a->generation;

		forget_all(a);
		a->generation = generation; /* what is on its way is as good as before */
	}
	if (find_known(a, key))
		return;
	k = xmalloc(sizeof(*k) + n);
	at = k->bytes;
	k->key = str_keep(&at, key);
	k->accounts = str_keep(&at, m->accounts);
	k->remote = str_keep(&at, m->remote);
	k->result = m->result;
	k->list = m->list;
	k->full = m->full;
	k->next = map_put(a->known, hash(key), k);
	a->known_bytes += n + sizeof(*k);
}

/* --- questions --------------------------------------------------------------------------------- */
static void
question_end(struct ask *a, struct question *q, const struct ipc_address_targets *m)
{
	ask_targets_fn *targets = q->targets;
	ask_sender_fn *sender = q->sender;
	void *arg = q->arg;

	map_del(a->by_id, q->id);
	TAILQ_REMOVE(&a->questions, q, link);
	free(q);
	if (targets)
		targets(arg, m);
	else if (sender)
		sender(arg, (enum ipc_result)m->result);
}

static const struct ipc_address_targets later = { .result = IPC_TEMP };

static void
give_up(struct ask *a)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&a->questions)) != NULL)
		question_end(a, q, &later);
}

static void
on_timer(void *arg)
{
	struct ask *a = arg;
	uint64_t now = io_now_ms(a->queue->loop);
	struct question *q;

	while ((q = TAILQ_FIRST(&a->questions)) != NULL && q->asked_ms + ASK_MS <= now)
		question_end(a, q, &later);
	if (q)
		io_timer_set(a->timer, q->asked_ms + ASK_MS - now);
}

static struct question *
question_new(struct ask *a, struct str key, void *arg)
{
	struct question *q;

	if (a->ch == NULL || map_count(a->by_id) == ASK_MAX)
		return NULL;
	q = xcalloc(1, sizeof(*q) + key.n);
	memcpy(q->key, key.p, key.n);
	q->key_n = key.n;
	q->arg = arg;
	q->id = ++a->last_id;
	q->asked_ms = io_now_ms(a->queue->loop);
	q->generation = a->generation;
	map_put(a->by_id, q->id, q);
	TAILQ_INSERT_TAIL(&a->questions, q, link);
	if (!io_timer_pending(a->timer))
		io_timer_set(a->timer, ASK_MS);
	return q;
}

void
ask_targets(struct ask *a, struct str address, ask_targets_fn *fn, void *arg)
{
	const struct known *k = find_known(a, address);
	struct question *q;

	if (k) {
		fn(arg, &(struct ipc_address_targets){ .result = k->result,
			    .list = k->list,
			    .full = k->full,
			    .accounts = k->accounts,
			    .remote = k->remote });
		return;
	}
	q = question_new(a, address, arg);
	if (q == NULL) {
		fn(arg, &later);
		return;
	}
	q->targets = fn;
	ipc_send_address_expand(a->ch, q->id, &(struct ipc_address_expand){ .address = address });
}

void
ask_sender(struct ask *a, uint32_t account, struct str address, ask_sender_fn *fn, void *arg)
{
	char text[600];
	/* No address begins with NUL. */
	int n = snprintf(text, sizeof(text), "%c%u %.*s", 0, account, STRF(address));
	const struct known *k = find_known(a, str_from(text, (size_t)n));
	struct question *q = k ? NULL : question_new(a, str_from(text, (size_t)n), arg);

	if (q == NULL) {
		fn(arg, k ? (enum ipc_result)k->result : IPC_TEMP);
		return;
	}
	q->sender = fn;
	ipc_send_sender_check(
	    a->ch, q->id, &(struct ipc_sender_check){ .account = account, .address = address });
}

void
ask_forget(struct ask *a, void *arg)
{
	struct question *q;

	TAILQ_FOREACH(q, &a->questions, link)
		if (q->arg == arg) {
			q->targets = NULL;
			q->sender = NULL;
		}
}

const uint8_t *
ask_forward_key(const struct ask *a)
{
	return a->has_key ? a->key : NULL;
}

/* --- accounts' messages ------------------------------------------------------------------------ */
static void
answered(struct ask *a, uint64_t id, bool about_sender, const struct ipc_address_targets *m)
{
	struct question *q = map_get(a->by_id, id);
	bool temporary = m->result == IPC_TEMP || m->result >= IPC_RESULT__MAX;

	if (q == NULL || (q->key[0] == '\0') != about_sender) {
		log_error(NULL, "event=bad-answer from=accounts");
		return;
	}
	if (!temporary && q->generation == a->generation)
		keep(a, str_from(q->key, q->key_n), m);
	question_end(a, q, m->result >= IPC_RESULT__MAX ? &later : m);
}

static void
on_targets(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_address_targets *m, int fd)
{
	(void)ch;
	(void)fd;
	answered(arg, id, false, m);
}

static void
on_sender(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_is *m, int fd)
{
	(void)ch;
	(void)fd;
	answered(arg, id, true, &(struct ipc_address_targets){ .result = m->result });
}

static void
on_changed(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_targets_changed *m, int fd)
{
	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	forget_all(arg);
}

static void
on_forward_key(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_forward_key *m, int fd)
{
	struct ask *a = arg;

	(void)ch;
	(void)id;
	(void)fd;
	a->has_key = m->key.n == sizeof(a->key);
	if (a->has_key)
		memcpy(a->key, m->key.p, sizeof(a->key));
}

static void
on_door_bind(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_bind *m, int fd)
{
	struct ask *a = arg;

	(void)ch;
	(void)id;
	accept_door(a->queue->accept, m->account, m->login, fd);
}

static void
on_door_kick(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_kick *m, int fd)
{
	struct ask *a = arg;

	(void)ch;
	(void)id;
	(void)fd;
	accept_kick(a->queue->accept, m->account);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct ask *a = arg;

	(void)ch;
	ipc_channel_free(&a->ch);
	forget_all(a); /* changes would not be heard of */
	give_up(a);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(address_targets, on_targets),
	IPC_ON(sender_is, on_sender),
	IPC_ON(targets_changed, on_changed),
	IPC_ON(forward_key, on_forward_key),
	IPC_ON(door_bind, on_door_bind),
	IPC_ON(door_kick, on_door_kick),
};
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

void
ask_peer(struct ask *a, int fd)
{
	if (a->ch)
		on_close(a, a->ch);
	a->ch = ipc_channel_new(a->queue->loop, fd, IPC_CH_accounts_queue, IPC_CLIENT, &ops, a);
}

struct ask *
ask_new(struct queue *q)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->queue = q;
	TAILQ_INIT(&a->questions);
	a->by_id = map_new();
	a->known = map_new();
	a->timer = io_timer_new(q->loop, on_timer, a);
	return a;
}

void
ask_free(struct ask **ap)
{
	struct ask *a = *ap;

	if (a == NULL)
		return;
	ipc_channel_free(&a->ch);
	give_up(a);
	forget_all(a);
	map_free(&a->by_id);
	map_free(&a->known);
	io_timer_free(&a->timer);
	explicit_bzero(a->key, sizeof(a->key));
	free(a);
	*ap = NULL;
}
