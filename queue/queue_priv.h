/* SPDX-License-Identifier: ISC */
/* What the parts of queue know of each other. */
#ifndef POSTERN_QUEUE_PRIV_H
#define POSTERN_QUEUE_PRIV_H

#include "queue/queue.h"

struct accept;
struct deliverer;
struct admin;

struct queue {
	struct io_loop *loop;
	struct queue_options options;
	struct spool *spool;
	struct accept *accept;
	struct deliverer *deliverer;
	struct admin *admin;
	struct io_timer *done_timer; /* commits done marks when nobody else does */
	struct io_timer *tick;
	bool ticking;
};

/* --- accept.c: transactions of smtpd */
struct accept *accept_new(struct queue *q);
void accept_free(struct accept **a);
void accept_peer(struct accept *a, int fd);
/* Tells the clients when there is no room any more, or again. */
void accept_room(struct accept *a);
/* The answer of the spool to a transaction. */
void accept_stored(struct accept *a, void *cookie, int result, const struct message *m);

/* --- deliver.c: mailboxes */
struct deliverer *deliverer_new(struct queue *q);
void deliverer_free(struct deliverer **o);
/* A message in the spool: its pending deliveries are taken over. */
void deliverer_message(struct deliverer *o, struct message *m);
/* Its state is on disk; the delivery is not touched any more. */
void deliverer_settled(struct deliverer *o, struct delivery *d);
void deliverer_opened(struct deliverer *o, uint32_t account, enum ipc_result result, int fd);

/* --- primitives for admin.c: what an administrator can do with a message. Iterate with spool_by_age
 * or spool_numbers and spool_find; the last answer of a delivery is spool_note_read's. Durable with
 * the next commit (at most a second later) where that matters. */

/* Nothing of it is tried until it is released; what is on its way goes on. */
void queue_hold(struct queue *q, struct message *m);
void queue_release(struct queue *q, struct message *m);
/* What waits for its time is tried now; the destination, too, if it was given up for now. */
void queue_retry(struct queue *q, struct message *m);
/* All that waits for this domain; the number of deliveries. */
size_t queue_retry_domain(struct queue *q, struct str domain);
/* Its pending deliveries end without a report; what is on its way to another server may arrive
 * nevertheless. m is gone after the next commit. */
void queue_remove(struct queue *q, struct message *m);
/*
 * The pending deliveries that are not on their way go to this address instead (in normal form; of
 * our own or elsewhere), as a new message; its id is written to `id`. The answer comes later:
 * IPC_OK, IPC_NO (no such address), IPC_TEMP, IPC_INVALID (nothing of it is pending, or the message
 * is gone). It comes also when `arg` is not interested any more: see queue_redirect_forget.
 */
typedef void queue_redirected_fn(void *arg, enum ipc_result result, const char *id);
void queue_redirect(
    struct queue *q, uint64_t number, struct str address, queue_redirected_fn *fn, void *arg);
/* No answer comes to this arg any more. */
void queue_redirect_forget(struct queue *q, void *arg);

/* What the scheduler knows of a delivery. */
struct delivery_view {
	const char *domain; /* of a remote one, else NULL */
	bool sent;          /* on its way just now */
	bool held;
	uint64_t due_ms; /* since 1970, when it waits for its time, else 0 */
};
void queue_view(struct queue *q, const struct delivery *d, struct delivery_view *v);

/* --- admin.c */
struct admin *admin_new(struct queue *q);
void admin_free(struct admin **a);
void admin_peer(struct admin *a, int fd);

/* --- queue.c */
/* Something happened: keep compaction and space checks going for a while. */
void queue_busy(struct queue *q);

#endif
