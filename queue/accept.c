/* SPDX-License-Identifier: ISC */
/*
 * Acceptance: transactions of smtpd and of logins (bound doors), many on one channel, told apart by
 * id. Content waits in memory up to JOURNAL_INLINE_MAX a message and ACCEPT_MEMORY_MAX in all,
 * beyond that in files.
 *
 * What the client says of local accounts is believed of smtpd only; whatever leads to another server
 * is asked of accounts, so that a taken-over smtpd relays nothing and a taken-over submission sends
 * as nobody but who is logged in. The answers come while the content does; a commit waits for them.
 *
 *	TXN_OPEN       the client sends
 *	TXN_REFUSED    it was told so; what is still on its way is passed over
 *	TXN_WAITING    committed, answers of accounts are missing
 *	TXN_COMMITTED  in the journal's batch
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/accept_priv.h"

enum {
	/* Content of open transactions: 250 sessions with the longest inline message each; a new
	 * message above it is refused for now, so that memory stays bounded. */
	ACCEPT_MEMORY_MAX = 32 * 1024 * 1024,
	/* Open transactions on one channel: far more than smtpd has sessions. */
	ACCEPT_OPEN_MAX = 20000,
	/* Doors of one account: a client opens a few connections; a thousand logins of a shared
	 * account at one time are not served by an office. */
	ACCEPT_DOORS_MAX = 1000,
	/* Content beyond the setting that counts as smtpd not doing its work. */
	ACCEPT_SLACK = 64 * 1024,
};

/* --- the client's messages --------------------------------------------------------------------- */
static unsigned
on_state(void *arg, uint64_t id)
{
	const struct door *d = arg;
	const struct txn *t = map_get(d->txns, id);

	if (t == NULL)
		return IPC_ST_IDLE;
	return t->state == TXN_COMMITTED || t->state == TXN_WAITING ? IPC_ST_BUSY : IPC_ST_OPEN;
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
	t->accept = a;
	t->state = TXN_OPEN;
	t->got = 0;
	t->eightbit = false;
	envelope_begin(&t->envelope, m);
	map_put(d->txns, id, t);
	queue_busy(a->queue);
	if (!spool_has_room(a->queue->spool))
		txn_refuse(d, t, IPC_FULL, "no space");
	else if (a->memory > ACCEPT_MEMORY_MAX || map_count(d->txns) > ACCEPT_OPEN_MAX)
		txn_refuse(d, t, IPC_TEMP, "too many messages at once");
	else
		txn_ask_sender(t, m->reverse_path);
}

static void
on_recipient(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_recipient *m, int fd)
{
	struct door *d = arg;
	struct txn *t = map_get(d->txns, id);

	(void)ch;
	(void)fd;
	if (t->state == TXN_OPEN && txn_recipient(t, m) != 0)
		txn_refuse(d, t, IPC_INVALID, "bad recipient or too many");
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
	r = txn_content(a, t, m->bytes);
	if (r != 0)
		txn_refuse(d, t, txn_result_of(r), "content cannot be written");
}

static void
on_commit(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_commit *m, int fd)
{
	struct door *d = arg;
	struct accept *a = d->accept;
	struct txn *t = map_get(d->txns, id);

	(void)ch;
	(void)fd;
	if (t->state != TXN_OPEN) {
		/* Was answered with msg_refused. */
		txn_leave(d, t);
		txn_free(a, t);
		return;
	}
	t->state = TXN_WAITING;
	/* Some clients announce 8-bit content always, others never: what counts for the next server
	 * is what is there. */
	envelope_set_8bit(&t->envelope, t->eightbit);
	if (m->junk)
		envelope_set_junk(&t->envelope);
	t->commit_size = m->size;
	buf_put(&t->prepend, m->prepend.p, m->prepend.n);
	if (LIST_EMPTY(&t->asked))
		txn_store(a, t);
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
	if (t == NULL || t->state == TXN_COMMITTED || t->state == TXN_WAITING)
		return;
	txn_leave(d, t);
	txn_free(d->accept, t);
}

/* --- questions on a bound door ----------------------------------------------------------------- */
/* The door may be gone when the answer comes. */
struct door_question {
	LIST_ENTRY(door_question) link;
	struct door *door;
	uint64_t id;
};

static void
door_answer(struct door_question *q, enum ipc_result result)
{
	ipc_send_door_answer(
	    q->door->ch, q->id, &(struct ipc_door_answer){ .result = (uint8_t)result });
	LIST_REMOVE(q, link);
	free(q);
}

static void
on_ask_sender(void *arg, enum ipc_result result)
{
	door_answer(arg, result);
}

static void
on_ask_targets(void *arg, const struct ipc_address_targets *m)
{
	bool known = m->result == IPC_OK || m->result == IPC_NOT_LOCAL;
	bool refused = m->result == IPC_NO || m->result == IPC_INVALID || m->result == IPC_DENIED;

	if (known)
		door_answer(arg, m->full ? IPC_FULL : IPC_OK);
	else
		door_answer(arg, refused ? (enum ipc_result)m->result : IPC_TEMP);
}

static void
on_door_ask(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_ask *m, int fd)
{
	char text[ADDRESS_TEXT_SIZE];
	struct door *d = arg;
	struct door_question *q = xcalloc(1, sizeof(*q));

	(void)ch;
	(void)fd;
	q->door = d;
	q->id = id;
	LIST_INSERT_HEAD(&d->questions, q, link);
	if (d->account == UNBOUND || m->what > 1)
		door_answer(q, IPC_INVALID);
	else if (m->what == 0 && m->address.n == 0)
		door_answer(q, IPC_OK);
	else if (!accept_normal_form(m->address, text))
		door_answer(q, IPC_INVALID);
	else if (m->what == 0)
		ask_sender(d->accept->queue->ask, d->account, m->address, on_ask_sender, q);
	else
		ask_targets(d->accept->queue->ask, str_of(text), on_ask_targets, q);
}

/* --- doors ------------------------------------------------------------------------------------- */
static void
door_free(struct door *d)
{
	struct door_question *q;
	struct txn *t;
	size_t it = 0;

	while ((q = LIST_FIRST(&d->questions)) != NULL) {
		ask_forget(d->accept->queue->ask, q);
		LIST_REMOVE(q, link);
		free(q);
	}
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
	IPC_ON(door_ask, on_door_ask),
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

static void
door_new(struct accept *a, uint32_t account, int fd)
{
	struct door *d = xcalloc(1, sizeof(*d));

	d->accept = a;
	d->account = account;
	d->txns = map_new();
	TAILQ_INIT(&d->refused);
	d->ch = ipc_channel_new(a->queue->loop, fd, IPC_CH_queue_accept, IPC_SERVER, &door_ops, d);
	TAILQ_INSERT_TAIL(&a->doors, d, link);
	if (a->told != IPC_OK)
		tell(d);
}

void
accept_peer(struct accept *a, int fd)
{
	door_new(a, UNBOUND, fd);
}

void
accept_door(struct accept *a, uint32_t account, struct str login, int fd)
{
	struct door *d;
	unsigned n = 0;

	TAILQ_FOREACH(d, &a->doors, link)
		n += d->account == account;
	if (account == UNBOUND || n >= ACCEPT_DOORS_MAX) {
		log_warn(NULL, "event=door-refused account=%u", account);
		close(fd);
		return;
	}
	log_info(NULL, "event=door-opened account=%u login=\"%s\"", account, LOGS(login));
	door_new(a, account, fd);
}

void
accept_kick(struct accept *a, uint32_t account)
{
	struct door *d, *next;

	for (d = TAILQ_FIRST(&a->doors); d; d = next) {
		next = TAILQ_NEXT(d, link);
		if (d->account == account && account != UNBOUND)
			door_free(d);
	}
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
