/* SPDX-License-Identifier: ISC */
/*
 * The queue daemon without its start-up harness: acceptance (smtpd is the client), the spool,
 * delivery to mailboxes, administration. Tests drive it over socketpairs.
 */
#ifndef POSTERN_QUEUE_QUEUE_H
#define POSTERN_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"
#include "ipc/ipc.h"
#include "journal/journal_io.h"
#include "queue/spool.h"

struct queue;

struct queue_options {
	struct spool_options spool;
	uint64_t message_max; /* bytes of one message as received */
	uint64_t retry_min_ms, retry_max_ms;
	unsigned mailboxes_max; /* delivered to at one time */
	/* Asks for a delivery channel; the answer comes as queue_mailbox_opened. */
	void (*open_mailbox)(void *arg, uint32_t account);
	void *arg;
};

/* 0, or a journal_result (*out is NULL). Deliveries of what is found begin at once. */
int queue_new(struct io_loop *loop, int dirfd, const struct queue_options *o, struct queue **out);
/* Orderly: commits what waits. */
void queue_free(struct queue **q);
void queue_set_options(struct queue *q, const struct queue_options *o);

/* A channel to a client; takes over fd. */
void queue_accept_peer(struct queue *q, int fd);
void queue_admin_peer(struct queue *q, int fd);
/* fd is taken over; -1 with a result other than IPC_OK. */
void queue_mailbox_opened(struct queue *q, uint32_t account, enum ipc_result result, int fd);

#endif
