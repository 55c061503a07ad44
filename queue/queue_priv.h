/* SPDX-License-Identifier: ISC */
/* What the parts of queue know of each other. */
#ifndef POSTERN_QUEUE_PRIV_H
#define POSTERN_QUEUE_PRIV_H

#include "queue/queue.h"
#include "queue/report.h"

struct age;
struct ask;
struct owed;
struct redirection;
struct remote;
struct accept;
struct deliverer;
struct admin;

struct queue {
	struct io_loop *loop;
	struct queue_options options;
	struct spool *spool;
	struct accept *accept;
	struct deliverer *deliverer;
	struct ask *ask;
	struct remote *remote;
	struct owed *owed;
	struct age *age;
	LIST_HEAD(, redirection) redirections;
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
/* The server end of a login's channel (takes over fd), and the end of all of an account's. */
void accept_door(struct accept *a, uint32_t account, struct str login, int fd);
void accept_kick(struct accept *a, uint32_t account);

/* First member of what is given to spool_add as its cookie: what to do with the answer. */
struct stored_cookie {
	void (*stored)(
	    struct queue *q, struct stored_cookie *c, int result, const struct message *m);
};

/* --- ask.c: questions to accounts. The answer comes later or before the call returns; what is
 * borrowed in it lives until fn returns. */
enum { ASK_FORWARD_KEY = 32 };
typedef void ask_targets_fn(void *arg, const struct ipc_address_targets *m);
typedef void ask_sender_fn(void *arg, enum ipc_result result);
struct ask *ask_new(struct queue *q);
void ask_free(struct ask **a);
void ask_peer(struct ask *a, int fd);
void ask_targets(struct ask *a, struct str address, ask_targets_fn *fn, void *arg);
void ask_sender(struct ask *a, uint32_t account, struct str address, ask_sender_fn *fn, void *arg);
/* No answer comes to this arg any more. */
void ask_forget(struct ask *a, void *arg);
/* Secret of rewritten reverse-paths; NULL: not told yet. */
const uint8_t *ask_forward_key(const struct ask *a);

/* --- remote.c: deliveries to other servers */
struct delivery_view;
struct remote *remote_new(struct queue *q);
void remote_free(struct remote **o);
/* The channel to delivery; takes over fd. */
void remote_peer(struct remote *o, int fd);
/* The destination of this address; each call is given back by one of remote_destination_done. */
struct destination *remote_destination(struct remote *o, struct str address);
void remote_destination_done(struct remote *o, struct destination *to);
/* Its pending deliveries that are in no list are taken over, unless it is held. */
void remote_message(struct remote *o, struct message *m);
/* Out of its list: held. */
void remote_hold(struct remote *o, struct delivery *d);
void remote_retry(struct remote *o, struct delivery *d);
size_t remote_retry_domain(struct remote *o, struct str domain);
/* Ends one that is not on its way. */
void remote_settle(struct remote *o, struct delivery *d, enum delivery_state state);
/* No more content of what is on its way. */
void remote_cancel(struct remote *o, const struct message *m);
/* Why its destination is given up for now, or NULL. */
const struct answer *remote_why(const struct remote *o, const struct delivery *d);
void remote_view(const struct remote *o, const struct delivery *d, struct delivery_view *v);
/* Enough results wait for a commit. */
bool remote_commit_wanted(const struct remote *o);
void remote_committed(struct remote *o);
/* The clock may have moved: what is due is tried. */
void remote_time_passed(struct remote *o);

/* --- owed.c: reports to senders */
struct owed *owed_new(struct queue *q);
void owed_free(struct owed **o);
/* A message of the spool that may owe something; the end of a delivery that does, on disk. */
void owed_message(struct owed *o, struct message *m);
void owed_add(struct owed *o, struct message *m);
/* Its sender is to be told of the delay. */
void owed_delay(struct owed *o, struct message *m);
void owed_gone(struct owed *o, struct message *m);

/* --- age.c */
struct age *age_new(struct queue *q);
void age_free(struct age **a);
void age_message(struct age *a, struct message *m);
/* It was passed over and is to be looked at again. */
void age_again(struct age *a, struct message *m);
void age_gone(struct age *a, struct message *m);
void age_time_passed(struct age *a);
/* The end of a delivery that is not on its way and has been tried for too long. last may be NULL. */
void queue_expire(struct queue *q, struct delivery *d, const struct answer *last);

/* --- deliver.c: mailboxes */
struct deliverer *deliverer_new(struct queue *q);
void deliverer_free(struct deliverer **o);
/* A message in the spool: its pending deliveries are taken over. */
void deliverer_message(struct deliverer *o, struct message *m);
/* Its state is on disk; the delivery is not touched any more. */
void deliverer_settled(struct deliverer *o, struct delivery *d);
/* Not sent, or sent again; ended (one that is not on its way); tried now. */
void deliverer_hold(struct deliverer *o, struct delivery *d);
void deliverer_release(struct deliverer *o, struct delivery *d);
void deliverer_settle(struct deliverer *o, struct delivery *d, enum delivery_state state);
void deliverer_retry(struct deliverer *o, struct delivery *d);
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
/* ms since 1970, by the clock of the options. */
uint64_t queue_now(const struct queue *q);
/* Does the delivery's sender want to hear of that? Reads the envelope. */
bool queue_tells(struct queue *q, const struct delivery *d, enum dsn_kind kind);
/* No answer comes any more; at the end. */
void queue_redirections_end(struct queue *q);
/* Something happened: keep compaction and space checks going for a while. */
void queue_busy(struct queue *q);

#endif
