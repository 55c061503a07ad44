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
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "mail/address.h"
#include "queue/queue_priv.h"
#include "queue/trace.h"

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
	/* Doors of one account: a client opens a few connections; a thousand logins of a shared
	 * account at one time are not served by an office. */
	ACCEPT_DOORS_MAX = 1000,
	/* Content beyond the setting that counts as smtpd not doing its work. */
	ACCEPT_SLACK = 64 * 1024,
};

static void on_stored(
    struct queue *q, struct stored_cookie *cookie, int result, const struct message *m);

enum txn_state { TXN_OPEN, TXN_REFUSED, TXN_WAITING, TXN_COMMITTED };

#define UNBOUND UINT32_MAX /* of a door: smtpd's */

/* An answer that a transaction waits for. */
struct asked {
	LIST_ENTRY(asked) link;
	struct txn *txn;
	uint32_t recipient;
};

struct txn {
	struct stored_cookie cookie;
	TAILQ_ENTRY(txn) link; /* in the pool, or in the door's refused ones */
	struct accept *accept;
	struct door *door; /* NULL: the client is gone */
	uint64_t id;
	enum txn_state state;
	struct envelope_writer envelope;
	struct buf content;
	struct journal_large *large;
	uint64_t got;
	bool eightbit; /* in what was got */
	LIST_HEAD(, asked) asked;
	enum ipc_result trouble; /* of an answer: the message will not be stored */
	struct buf seen;         /* Delivered-To addresses of content in a file */
	struct buf prepend;      /* of a commit that waits */
	uint64_t commit_size;
};
TAILQ_HEAD(txn_list, txn);

/* One smtpd, or one login. */
struct door {
	TAILQ_ENTRY(door) link;
	struct accept *accept;
	struct ipc_channel *ch;
	uint32_t account; /* or UNBOUND */
	struct map *txns;
	struct txn_list refused;
	size_t refused_count;
	LIST_HEAD(, door_question) questions;
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
	t->cookie.stored = on_stored;
	envelope_writer_init(&t->envelope);
	buf_init(&t->content, JOURNAL_INLINE_MAX);
	buf_init(&t->seen, TRACE_SEEN_MAX);
	buf_init(&t->prepend, 16384); /* of msg_commit, ipc_table.h */
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
asked_drop(struct accept *a, struct txn *t)
{
	struct asked *q;

	while ((q = LIST_FIRST(&t->asked)) != NULL) {
		ask_forget(a->queue->ask, q);
		LIST_REMOVE(q, link);
		free(q);
	}
}

static void
txn_free(struct accept *a, struct txn *t)
{
	asked_drop(a, t);
	content_drop(a, t);
	buf_free(&t->seen);
	buf_free(&t->prepend);
	t->trouble = IPC_OK;
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
	asked_drop(d->accept, t);
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
	return t->state == TXN_COMMITTED || t->state == TXN_WAITING ? IPC_ST_BUSY : IPC_ST_OPEN;
}

static void txn_store(struct accept *a, struct txn *t);
static void stored(struct txn *t, enum ipc_result result, const char *id);

/* --- answers of accounts ----------------------------------------------------------------------- */
/* The message cannot be stored. A client that has not committed is told at once, so that it need
 * not send the rest. */
static void
txn_trouble(struct txn *t, enum ipc_result result, const char *why)
{
	if (t->trouble == IPC_OK)
		t->trouble = result;
	if (t->state == TXN_OPEN && t->door)
		txn_refuse(t->door, t, result, why);
}

static void
asked_end(struct accept *a, struct asked *q)
{
	struct txn *t = q->txn;

	LIST_REMOVE(q, link);
	free(q);
	if (LIST_EMPTY(&t->asked) && t->state == TXN_WAITING)
		txn_store(a, t);
}

static struct asked *
asked_new(struct txn *t, uint32_t recipient)
{
	struct asked *q = xcalloc(1, sizeof(*q));

	q->txn = t;
	q->recipient = recipient;
	LIST_INSERT_HEAD(&t->asked, q, link);
	return q;
}

static void
on_sender_answer(void *arg, enum ipc_result result)
{
	struct asked *q = arg;
	struct txn *t = q->txn;
	struct accept *a = t->accept;

	if (result == IPC_OK) {
		asked_end(a, q);
		return;
	}
	t->trouble = result;
	if (t->state == TXN_WAITING)
		asked_end(a, q);
	else
		txn_trouble(t, result, "the reverse-path is not the account's");
}

/* A delivery to each account and address that accounts named. */
static int
add_targets(struct txn *t, uint32_t recipient, const struct ipc_address_targets *m)
{
	return expand_targets(&t->envelope, recipient, m,
	    &(struct expand_from){
		.key = ask_forward_key(t->accept->queue->ask),
		.rewrite = t->door->account == UNBOUND,
		.now_ms = queue_now(t->accept->queue),
	    });
}

static enum ipc_result
targets_result(struct txn *t, uint32_t recipient, const struct ipc_address_targets *m)
{
	bool bound = t->door->account != UNBOUND;

	switch (m->result) {
	case IPC_OK:
		return add_targets(t, recipient, m) == 0 ? IPC_OK : IPC_INVALID;
	case IPC_NOT_LOCAL:
		if (!bound)
			return IPC_DENIED; /* smtpd said it was ours: no relaying */
		return envelope_delivery(
			   &t->envelope, recipient, TARGET_REMOTE, DELIVERY_PENDING) == 0
			   ? IPC_OK
			   : IPC_INVALID;
	case IPC_NO:
	case IPC_INVALID:
		return bound ? (enum ipc_result)m->result : IPC_TEMP;
	default:
		return IPC_TEMP;
	}
}

static void
on_targets_answer(void *arg, const struct ipc_address_targets *m)
{
	struct asked *q = arg;
	struct txn *t = q->txn;
	struct accept *a = t->accept;
	enum ipc_result r = targets_result(t, q->recipient, m);

	if (r != IPC_OK && t->state == TXN_OPEN) {
		txn_trouble(t, r, "a recipient cannot be reached");
		return;
	}
	if (r != IPC_OK && t->trouble == IPC_OK)
		t->trouble = r;
	asked_end(a, q);
}

/* --- the client's messages, again -------------------------------------------------------------- */
/* On a bound door the reverse-path must be the account's. The null one is anybody's: notifications
 * of having read a message go out with it (rfc8098:3), and programs that send them do so here. */
static void
check_sender(struct txn *t, struct str reverse_path)
{
	if (t->door->account == UNBOUND || reverse_path.n == 0)
		return;
	ask_sender(t->accept->queue->ask, t->door->account, reverse_path, on_sender_answer,
	    asked_new(t, 0));
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
		check_sender(t, m->reverse_path);
}

/* On a bound door the address is given in normal form, for it may go to another server as it is. */
static bool
normal_form(struct str address, char out[ADDRESS_TEXT_SIZE])
{
	struct address a;

	return address_parse_mailbox(address, ADDRESS_UTF8, &a) == 1 &&
	       address_print(&a, out, ADDRESS_TEXT_SIZE) >= 0;
}

static int
add_recipient(struct txn *t, const struct ipc_msg_recipient *m)
{
	bool bound = t->door->account != UNBOUND;
	struct envelope_recipient r = {
		.address = m->address,
		.orcpt = m->orcpt,
		.notify = m->notify,
		.from = ENVELOPE_ITSELF,
	};
	char text[ADDRESS_TEXT_SIZE];
	int index;

	if (bound && !normal_form(m->address, text))
		return -1;
	if (bound)
		r.address = str_of(text);
	index = envelope_recipient(&t->envelope, &r);
	if (index < 0)
		return -1;
	if (!bound && !m->elsewhere)
		return expand_targets(&t->envelope, (uint32_t)index,
		    &(struct ipc_address_targets){ .accounts = m->accounts },
		    &(struct expand_from){ .rewrite = false });
	ask_targets(
	    t->accept->queue->ask, r.address, on_targets_answer, asked_new(t, (uint32_t)index));
	return 0;
}

static void
on_recipient(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_recipient *m, int fd)
{
	struct door *d = arg;
	struct txn *t = map_get(d->txns, id);

	(void)ch;
	(void)fd;
	if (t->state == TXN_OPEN && add_recipient(t, m) != 0)
		txn_refuse(d, t, IPC_INVALID, "bad recipient or too many");
}

/* From here on the content goes to a file. */
static int
spill(struct accept *a, struct txn *t)
{
	int r = spool_large_new(a->queue->spool, &t->large);

	trace_seen(str_from(buf_data(&t->content), buf_len(&t->content)), &t->seen);
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
	t->eightbit = t->eightbit || str_has_8bit(bytes);
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

static void
stored(struct txn *t, enum ipc_result result, const char *id)
{
	struct ipc_msg_stored m = { .result = (uint8_t)result, .queue_id = str_of(id) };

	if (t->door)
		ipc_send_msg_stored(t->door->ch, t->id, &m);
}

/* It is not stored. */
static void
txn_fail(struct accept *a, struct txn *t, enum ipc_result result)
{
	stored(t, result, "");
	if (t->door)
		txn_leave(t->door, t);
	txn_free(a, t);
}

/* A forward that leads back to where the message has been would go round until the count of
 * Received fields ends it. */
static bool
goes_round(struct txn *t)
{
	if (buf_len(&t->seen) == 0)
		trace_seen(str_from(buf_data(&t->content), buf_len(&t->content)), &t->seen);
	return trace_goes_round(&t->envelope, &t->seen);
}

static int
txn_add(struct accept *a, struct txn *t)
{
	if (t->commit_size != t->got || envelope_deliveries(&t->envelope) == 0)
		return JOURNAL_LIMIT;
	return spool_add(a->queue->spool, &t->envelope, queue_now(a->queue),
	    str_from(buf_data(&t->prepend), buf_len(&t->prepend)),
	    str_from(buf_data(&t->content), buf_len(&t->content)), &t->large, t);
}

/* All answers are there. */
static void
txn_store(struct accept *a, struct txn *t)
{
	int r;

	t->state = TXN_COMMITTED;
	if (t->trouble == IPC_OK && goes_round(t)) {
		log_info(NULL, "event=not-stored reason=\"forwarded in a circle\"");
		t->trouble = IPC_EXISTS;
	}
	if (t->trouble != IPC_OK) {
		txn_fail(a, t, t->trouble);
		return;
	}
	r = txn_add(a, t);
	if (r == 0)
		return;
	log_error(NULL, "event=not-stored reason=\"%s\"", journal_strerror(r));
	txn_fail(a, t, result_of(r));
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
on_stored(struct queue *q, struct stored_cookie *cookie, int result, const struct message *m)
{
	char id[QUEUE_ID_SIZE];
	struct txn *t = (struct txn *)(void *)cookie;
	struct accept *a = q->accept;

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
	if (t == NULL || t->state == TXN_COMMITTED || t->state == TXN_WAITING)
		return;
	txn_leave(d, t);
	txn_free(d->accept, t);
}

/* --- questions on a bound door ------------------------------------------------------------------ */
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
	else if (!normal_form(m->address, text))
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
