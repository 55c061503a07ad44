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

/* --- admin.c */
struct admin *admin_new(struct queue *q);
void admin_free(struct admin **a);
void admin_peer(struct admin *a, int fd);

/* --- queue.c */
/* Something happened: keep compaction and space checks going for a while. */
void queue_busy(struct queue *q);

#endif
