/* SPDX-License-Identifier: ISC */
/*
 * Acceptance: transactions from smtpd, many on one channel, told apart by id. Content waits in
 * memory up to JOURNAL_INLINE_MAX a message and ACCEPT_MEMORY_MAX in all, beyond that in files.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/queue_priv.h"

enum {
	/* Content of open transactions: 250 sessions with the longest inline message each; a new
	 * message above it is refused for now, so that memory stays bounded. */
	ACCEPT_MEMORY_MAX = 32 * 1024 * 1024,
	/* Open transactions on one channel: far more than smtpd has sessions. */
	ACCEPT_OPEN_MAX = 20000,
	/* Refused ones are remembered, because their frames may still be on the way. */
	ACCEPT_REFUSED_MAX = 4096,
	/* Finished transactions kept with their memory for the next one. */
	ACCEPT_POOL_MAX = 128,
	ACCEPT_POOL_BYTES = 64 * 1024,
	/* Content beyond the setting that counts as smtpd not doing its work. */
	ACCEPT_SLACK = 64 * 1024,
};

enum txn_state { TXN_OPEN, TXN_REFUSED, TXN_COMMITTED };

struct txn {
	TAILQ_ENTRY(txn) link; /* in the pool, or in the door's refused ones */
	struct door *door;     /* NULL: the client is gone */
	uint64_t id;
	enum txn_state state;
	struct envelope_writer envelope;
	struct buf content;
	struct journal_large *large;
	uint64_t got;
};
TAILQ_HEAD(txn_list, txn);

/* One smtpd. */
struct door {
	TAILQ_ENTRY(door) link;
	struct accept *accept;
	struct ipc_channel *ch;
	struct map *txns;
	struct txn_list refused;
	size_t refused_count;
};

struct accept {
	struct queue *queue;
	TAILQ_HEAD(, door) doors;
	struct txn_list pool;
	size_t pool_count;
	enum ipc_result told; /* clients know that there is room, or none */
	size_t memory;        /* content of open and committed transactions */
};

/* --- transactions ------------------------------------------------------------------------------ */
static struct txn *
txn_new(struct accept *a)
{
	struct txn *t = TAILQ_FIRST(&a->pool);

	if (t) {
		TAILQ_REMOVE(&a->pool, t, link);
		a->pool_count--;
		return t;
	}
	t = xcalloc(1, sizeof(*t));
	envelope_writer_init(&t->envelope);
	buf_init(&t->content, JOURNAL_INLINE_MAX);
	return t;
}

static void
content_drop(struct accept *a, struct txn *t)
{
	a->memory -= buf_len(&t->content);
	if (t->content.cap > ACCEPT_POOL_BYTES)
		buf_free(&t->content);
	buf_clear(&t->content);
	journal_large_abort(&t->large);
}

static void
txn_free(struct accept *a, struct txn *t)
{
	content_drop(a, t);
	if (t->envelope.bytes.cap > ACCEPT_POOL_BYTES || a->pool_count == ACCEPT_POOL_MAX) {
		envelope_writer_free(&t->envelope);
		buf_free(&t->content);
		free(t);
		return;
	}
	t->door = NULL;
	TAILQ_INSERT_HEAD(&a->pool, t, link);
	a->pool_count++;
}

/* Out of the door's sight. */
static void
txn_leave(struct door *d, struct txn *t)
{
	map_del(d->txns, t->id);
	if (t->state == TXN_REFUSED) {
		TAILQ_REMOVE(&d->refused, t, link);
		d->refused_count--;
	}
	t->door = NULL;
}

static void
txn_refuse(struct door *d, struct txn *t, enum ipc_result result, const char *why)
{
	struct txn *oldest;

	log_warn(NULL, "event=refused reason=\"%s\"", why);
	ipc_send_msg_refused(d->ch, t->id, &(struct ipc_msg_refused){ .result = (uint8_t)result });
	content_drop(d->accept, t);
	t->state = TXN_REFUSED;
	TAILQ_INSERT_TAIL(&d->refused, t, link);
	if (++d->refused_count <= ACCEPT_REFUSED_MAX)
		return;
	oldest = TAILQ_FIRST(&d->refused);
	txn_leave(d, oldest);
	txn_free(d->accept, oldest);
}

static enum ipc_result
result_of(int journal_result)
{
	if (journal_result == 0)
		return IPC_OK;
	return journal_result == JOURNAL_FULL ? IPC_FULL : IPC_TEMP;
}

/* --- the client's messages --------------------------------------------------------------------- */
static unsigned
on_state(void *arg, uint64_t id)
{
	const struct door *d = arg;
	const struct txn *t = map_get(d->txns, id);

	if (t == NULL)
		return IPC_ST_IDLE;
	return t->state == TXN_COMMITTED ? IPC_ST_BUSY : IPC_ST_OPEN;
}

static void
on_begin(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_begin *m, int fd)
{
	struct door *d = arg;
	struct accept *a = d->accept;
	struct txn *t = txn_new(a);

	(void)ch;
	(void)fd;
	t->door = d;
	t->id = id;
	t->state = TXN_OPEN;
	t->got = 0;
	envelope_begin(&t->envelope, m);
	map_put(d->txns, id, t);
	queue_busy(a->queue);
	if (!spool_has_room(a->queue->spool))
		txn_refuse(d, t, IPC_FULL, "no space");
	else if (a->memory > ACCEPT_MEMORY_MAX || map_count(d->txns) > ACCEPT_OPEN_MAX)
		txn_refuse(d, t, IPC_TEMP, "too many messages at once");
}

/* The accounts as they came, four bytes each, most significant first. */
static int
add_accounts(struct envelope_writer *w, uint32_t recipient, struct str accounts)
{
	if (accounts.n % 4 != 0 || accounts.n == 0)
		return -1;
	for (size_t i = 0; i < accounts.n; i += 4) {
		const uint8_t *p = (const uint8_t *)accounts.p + i;
		uint32_t account =
		    (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

		if (account >= TARGET_NOBODY ||
		    envelope_delivery(w, recipient, account, DELIVERY_PENDING) != 0)
			return -1;
	}
	return 0;
}

static int
add_recipient(struct envelope_writer *w, const struct ipc_msg_recipient *m)
{
	int index = envelope_recipient(w, &(struct envelope_recipient){
					      .address = m->address,
					      .orcpt = m->orcpt,
					      .notify = m->notify,
					      .from = ENVELOPE_ITSELF,
					  });

	return index < 0 ? -1 : add_accounts(w, (uint32_t)index, m->accounts);
}

static void
on_recipient(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_recipient *m, int fd)
{
	struct door *d = arg;
	struct txn *t = map_get(d->txns, id);

	(void)ch;
	(void)fd;
	if (t->state == TXN_OPEN && add_recipient(&t->envelope, m) != 0)
		txn_refuse(d, t, IPC_INVALID, "bad recipient or too many");
}

/* From here on the content goes to a file. */
static int
spill(struct accept *a, struct txn *t)
{
	int r = spool_large_new(a->queue->spool, &t->large);

	if (r == 0)
		r = journal_large_write(t->large, buf_data(&t->content), buf_len(&t->content));
	a->memory -= buf_len(&t->content);
	buf_clear(&t->content);
	return r;
}

static int
content_add(struct accept *a, struct txn *t, struct str bytes)
{
	int r = 0;

	t->got += bytes.n;
	if (t->large == NULL && buf_room(&t->content) < bytes.n)
		r = spill(a, t);
	if (r == 0 && t->large)
		return journal_large_write(t->large, bytes.p, bytes.n);
	if (r == 0) {
		buf_put(&t->content, bytes.p, bytes.n);
		a->memory += bytes.n;
	}
	return r;
}

static void
on_content(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_content *m, int fd)
{
	struct door *d = arg;
	struct accept *a = d->accept;
	struct txn *t = map_get(d->txns, id);
	int r;

	(void)ch;
	(void)fd;
	if (t->state != TXN_OPEN)
		return;
	if (t->got + m->bytes.n > a->queue->options.message_max + ACCEPT_SLACK) {
		txn_refuse(d, t, IPC_INVALID, "too long");
		return;
	}
	r = content_add(a, t, m->bytes);
	if (r != 0)
		txn_refuse(d, t, result_of(r), "content cannot be written");
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
stored(struct txn *t, enum ipc_result result, const char *id)
{
	struct ipc_msg_stored m = { .result = (uint8_t)result, .queue_id = str_of(id) };

	if (t->door)
		ipc_send_msg_stored(t->door->ch, t->id, &m);
}

static void
on_commit(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_commit *m, int fd)
{
	struct door *d = arg;
	struct accept *a = d->accept;
	struct txn *t = map_get(d->txns, id);
	int r;

	(void)ch;
	(void)fd;
	if (t->state != TXN_OPEN) {
		/* Was answered with msg_refused. */
		txn_leave(d, t);
		txn_free(a, t);
		return;
	}
	t->state = TXN_COMMITTED;
	r = JOURNAL_LIMIT;
	if (m->size == t->got && envelope_deliveries(&t->envelope) > 0)
		r = spool_add(a->queue->spool, &t->envelope, now_ms(), m->prepend,
		    str_from(buf_data(&t->content), buf_len(&t->content)), &t->large, t);
	if (r == 0)
		return;
	log_error(NULL, "event=not-stored reason=\"%s\"", journal_strerror(r));
	stored(t, result_of(r), "");
	txn_leave(d, t);
	txn_free(a, t);
}

void
accept_stored(struct accept *a, void *cookie, int result, const struct message *m)
{
	char id[QUEUE_ID_SIZE];
	struct txn *t = cookie;

	stored(t, result_of(result), result == 0 ? queue_id_print(id, m->number) : "");
	if (t->door)
		txn_leave(t->door, t);
	txn_free(a, t);
}

static void
on_abort(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_abort *m, int fd)
{
	struct door *d = arg;
	struct txn *t = map_get(d->txns, id);

	(void)ch;
	(void)m;
	(void)fd;
	/* After the commit it is too late: the answer is on its way. */
	if (t == NULL || t->state == TXN_COMMITTED)
		return;
	txn_leave(d, t);
	txn_free(d->accept, t);
}

/* --- doors ------------------------------------------------------------------------------------- */
static void
door_free(struct door *d)
{
	struct txn *t;
	size_t it = 0;

	while ((t = map_next(d->txns, &it, NULL)) != NULL) {
		enum txn_state state = t->state;

		txn_leave(d, t);
		/* Committed ones are in the batch: the spool gives them back. */
		if (state != TXN_COMMITTED)
			txn_free(d->accept, t);
	}
	map_free(&d->txns);
	ipc_channel_free(&d->ch);
	TAILQ_REMOVE(&d->accept->doors, d, link);
	free(d);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	door_free(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(msg_begin, on_begin),
	IPC_ON(msg_recipient, on_recipient),
	IPC_ON(msg_content, on_content),
	IPC_ON(msg_commit, on_commit),
	IPC_ON(msg_abort, on_abort),
};
static const struct ipc_ops door_ops = {
	.handlers = handlers,
	.state = on_state,
	.on_close = on_close,
};

static void
tell(struct door *d)
{
	ipc_send_queue_room(
	    d->ch, 0, &(struct ipc_queue_room){ .result = (uint8_t)d->accept->told });
}

void
accept_peer(struct accept *a, int fd)
{
	struct door *d = xcalloc(1, sizeof(*d));

	d->accept = a;
	d->txns = map_new();
	TAILQ_INIT(&d->refused);
	d->ch = ipc_channel_new(a->queue->loop, fd, IPC_CH_queue_accept, IPC_SERVER, &door_ops, d);
	TAILQ_INSERT_TAIL(&a->doors, d, link);
	if (a->told != IPC_OK)
		tell(d);
}

void
accept_room(struct accept *a)
{
	enum ipc_result now = spool_has_room(a->queue->spool) ? IPC_OK : IPC_FULL;
	struct door *d;

	if (now == a->told)
		return;
	a->told = now;
	log_warn(NULL, "event=queue-%s messages=%zu", now == IPC_OK ? "open" : "full",
	    spool_count(a->queue->spool));
	TAILQ_FOREACH(d, &a->doors, link)
		tell(d);
}

struct accept *
accept_new(struct queue *q)
{
	struct accept *a = xcalloc(1, sizeof(*a));

	a->queue = q;
	a->told = IPC_OK;
	TAILQ_INIT(&a->doors);
	TAILQ_INIT(&a->pool);
	return a;
}

void
accept_free(struct accept **ap)
{
	struct accept *a = *ap;
	struct door *d;
	struct txn *t;

	if (a == NULL)
		return;
	while ((d = TAILQ_FIRST(&a->doors)) != NULL)
		door_free(d);
	while ((t = TAILQ_FIRST(&a->pool)) != NULL) {
		TAILQ_REMOVE(&a->pool, t, link);
		envelope_writer_free(&t->envelope);
		buf_free(&t->content);
		free(t);
	}
	free(a);
	*ap = NULL;
}
