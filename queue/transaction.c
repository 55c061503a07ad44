/* SPDX-License-Identifier: ISC */
/* A transaction of acceptance: its recipients and content, the answers it waits for, its end. */
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/accept_priv.h"
#include "queue/trace.h"

enum {
	/* Refused ones are remembered, because their frames may still be on the way. */
	ACCEPT_REFUSED_MAX = 4096,
	/* Finished transactions kept with their memory for the next one. */
	ACCEPT_POOL_MAX = 128,
	ACCEPT_POOL_BYTES = 64 * 1024,
};

static void on_stored(
    struct queue *q, struct stored_cookie *cookie, int result, const struct message *m);

/* --- life -------------------------------------------------------------------------------------- */
struct txn *
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

void
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
void
txn_leave(struct door *d, struct txn *t)
{
	map_del(d->txns, t->id);
	if (t->state == TXN_REFUSED) {
		TAILQ_REMOVE(&d->refused, t, link);
		d->refused_count--;
	}
	t->door = NULL;
}

void
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

enum ipc_result
txn_result_of(int journal_result)
{
	if (journal_result == 0)
		return IPC_OK;
	return journal_result == JOURNAL_FULL ? IPC_FULL : IPC_TEMP;
}

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

/* --- recipients -------------------------------------------------------------------------------- */
bool
accept_normal_form(struct str address, char out[ADDRESS_TEXT_SIZE])
{
	struct address a;

	return address_parse_mailbox(address, ADDRESS_UTF8, &a) == 1 &&
	       address_print(&a, out, ADDRESS_TEXT_SIZE) >= 0;
}

/* On a bound door the reverse-path must be the account's. The null one is anybody's: notifications
 * of having read a message go out with it (rfc8098:3), and programs that send them do so here. */
void
txn_ask_sender(struct txn *t, struct str reverse_path)
{
	if (t->door->account == UNBOUND || reverse_path.n == 0)
		return;
	ask_sender(t->accept->queue->ask, t->door->account, reverse_path, on_sender_answer,
	    asked_new(t, 0));
}

int
txn_recipient(struct txn *t, const struct ipc_msg_recipient *m)
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

	if (bound && !accept_normal_form(m->address, text))
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

/* --- content ----------------------------------------------------------------------------------- */
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

int
txn_content(struct accept *a, struct txn *t, struct str bytes)
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

/* --- the end ----------------------------------------------------------------------------------- */
static void
answer_stored(struct txn *t, enum ipc_result result, const char *id)
{
	struct ipc_msg_stored m = { .result = (uint8_t)result, .queue_id = str_of(id) };

	if (t->door)
		ipc_send_msg_stored(t->door->ch, t->id, &m);
}

/* It is not stored. */
static void
txn_fail(struct accept *a, struct txn *t, enum ipc_result result)
{
	answer_stored(t, result, "");
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

void
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
	txn_fail(a, t, txn_result_of(r));
}

static void
on_stored(struct queue *q, struct stored_cookie *cookie, int result, const struct message *m)
{
	char id[QUEUE_ID_SIZE];
	struct txn *t = (struct txn *)(void *)cookie;
	struct accept *a = q->accept;

	answer_stored(t, txn_result_of(result), result == 0 ? queue_id_print(id, m->number) : "");
	if (t->door)
		txn_leave(t->door, t);
	txn_free(a, t);
}
