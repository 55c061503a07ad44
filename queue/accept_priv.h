/* SPDX-License-Identifier: ISC */
/* Acceptance: what accept.c and transaction.c know of each other. */
#ifndef POSTERN_QUEUE_ACCEPT_PRIV_H
#define POSTERN_QUEUE_ACCEPT_PRIV_H

#include "mail/address.h"
#include "queue/queue_priv.h"

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

/* --- transaction.c. All answers to the client of a transaction are given here. */
/* From the pool if it has one. */
struct txn *txn_new(struct accept *a);
void txn_free(struct accept *a, struct txn *t);
/* Out of the door's sight; the client hears nothing of it any more. */
void txn_leave(struct door *d, struct txn *t);
void txn_refuse(struct door *d, struct txn *t, enum ipc_result result, const char *why);
enum ipc_result txn_result_of(int journal_result);
/* Asks whether the reverse-path is the account's, on a bound door. */
void txn_ask_sender(struct txn *t, struct str reverse_path);
/* 0, or -1: not an address, or too many. */
int txn_recipient(struct txn *t, const struct ipc_msg_recipient *m);
/* 0, or a journal_result. */
int txn_content(struct accept *a, struct txn *t, struct str bytes);
/* All answers are there: into the batch. */
void txn_store(struct accept *a, struct txn *t);
/* On a bound door the address is given in normal form, for it may go to another server as it is. */
bool accept_normal_form(struct str address, char out[ADDRESS_TEXT_SIZE]);

#endif
