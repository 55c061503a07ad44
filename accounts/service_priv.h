/* SPDX-License-Identifier: ISC */
/* Between service.c, doors.c, usage.c and admin.c. */
#ifndef POSTERN_ACCOUNTS_SERVICE_PRIV_H
#define POSTERN_ACCOUNTS_SERVICE_PRIV_H

#include <sys/queue.h>

#include "accounts/service.h"

struct peer {
	LIST_ENTRY(peer) link;
	struct service *s;
	struct ipc_channel *ch;
};

/* What goes on when master has answered. */
enum pending_kind {
	PENDING_LOGIN,       /* open: pass the descriptor on */
	PENDING_COMMAND,     /* open: have the mailbox carry out a command */
	PENDING_USER_ADD,    /* create: make the account */
	PENDING_USER_REMOVE, /* remove: drop the note, answer */
	PENDING_KICK,        /* kick: answer */
	PENDING_TODO,        /* create, remove from before: drop the note */
	PENDING_WAKE,        /* open: nothing, it shall only say what it holds */
};

struct pending {
	enum pending_kind kind;
	uint32_t account;
	struct peer *peer; /* who waits; NULL: nobody any more */
	uint64_t their_id;
	uint32_t verb; /* of PENDING_COMMAND */
	/* Of PENDING_USER_ADD; the address of PENDING_COMMAND, too. */
	char *address, *verifier;
	bool has_keys;
	struct scram_keys keys;
};

struct service {
	struct io_loop *loop;
	struct store *store;
	const struct settings *settings;
	service_ask_fn *ask;
	void *ask_arg;
	LIST_HEAD(, peer) peers;
	LIST_HEAD(, relay) relays;
	struct map *pending;
	struct map *kicks;   /* accounts whose doors were to be closed while queue was away */
	struct map *to_note; /* accounts whose mailbox may have become full, or not full any more */
	struct io_timer *note_timer;
	uint64_t next_id;
	uint64_t announced; /* store_changes that smtpd has been told of */
};

/* NULL: too many; otherwise master has been asked. */
struct pending *service_request(struct service *s, enum pending_kind kind,
    enum service_request what, uint32_t account, struct peer *peer, uint64_t their_id);
/* on_close of every peer. */
void service_on_close(void *arg, struct ipc_channel *ch);
/* directory_resolve_all with the store's key, now. */
enum ipc_result service_resolve(struct service *s, struct str address, struct resolved *out);
/* The numbers of the accounts, as address_is and address_targets carry them. */
void service_put_accounts(struct buf *out, const struct resolved *found);

/* Channels with queue, and the doors of logins it serves. */
extern const struct ipc_ops doors_ops;
/* A new channel: queue learns the secret of rewritten reverse-paths. */
void doors_peer(struct service *s, struct peer *peer);
/* One end for the login: a queue_accept channel bound to the account. IPC_TEMP: queue is away. */
enum ipc_result doors_open(struct service *s, const struct account *a, int *fd);
/* All doors of the account close. */
void doors_kick(struct service *s, uint32_t account);

/* usage.c */
bool usage_full(const struct service *s, const struct account *a);
/* The one mailbox that mail to this address goes to is full. */
bool usage_refuses(const struct service *s, const struct resolved *found);
/* And has been for so long that mail to it is refused for good. */
bool usage_for_good(const struct service *s, const struct resolved *found);
/* What it may hold has changed. */
void usage_changed(struct service *s, const struct account *a);
/* Answers of before may be wrong: those who keep some are told at the end of this turn. */
void usage_announce(struct service *s);
/* The timer's. */
void usage_note(void *arg);
/* Writes now what was to be noted: before the end. */
void usage_flush(struct service *s);
/* At the start. */
void usage_begin(struct service *s);

/* relay.c: a command that a mailbox carries out; answers go to the peer. Takes over fd. */
void relay_begin(struct service *s, const struct pending *p, int fd);
/* Nobody waits for these answers any more. NULL: all. */
void relays_forget(struct service *s, const struct peer *peer);

void admin_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_request *m, int fd);
/* master's answer for PENDING_USER_ADD, _REMOVE and _KICK. */
void admin_done(struct service *s, struct pending *p, enum ipc_result result);

#endif
