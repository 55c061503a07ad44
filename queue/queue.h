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
	/* Other servers: the first wait and the longest, transactions at one time, in all and with one
	 * domain. */
	uint64_t remote_retry_min_ms, remote_retry_max_ms;
	unsigned jobs_max, per_destination_max;
	uint64_t warn_after_ms, expire_after_ms; /* warn 0: never */
	char hostname[256];                      /* ours, in reports */
	char smarthost[320];                     /* all goes there; "": none. Fixed at the start */
	/* ms since 1970; NULL: the real clock. */
	uint64_t (*now_ms)(void *arg);
	/* Asks for a delivery channel; the answer comes as queue_mailbox_opened. */
	void (*open_mailbox)(void *arg, uint32_t account);
	void *arg;
};

/* 0, or a journal_result (*out is NULL). Deliveries of what is found begin at once. */
int queue_new(struct io_loop *loop, int dirfd, const struct queue_options *o, struct queue **out);
/* Orderly: commits what waits. */
void queue_free(struct queue **q);
void queue_set_options(struct queue *q, const struct queue_options *o);

/* For tests with a clock of their own: it has moved. */
void queue_time_passed(struct queue *q);

/* The channel to accounts, and to delivery; replaces an earlier one, takes over fd. */
void queue_accounts_peer(struct queue *q, int fd);
void queue_delivery_peer(struct queue *q, int fd);
/* A channel to a client; takes over fd. */
void queue_accept_peer(struct queue *q, int fd);
void queue_admin_peer(struct queue *q, int fd);
/* fd is taken over; -1 with a result other than IPC_OK. */
void queue_mailbox_opened(struct queue *q, uint32_t account, enum ipc_result result, int fd);

#endif
