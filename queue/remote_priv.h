/* SPDX-License-Identifier: ISC */
/* Deliveries to other servers: what remote.c, destination.c and transfer.c know of each other. */
#ifndef POSTERN_QUEUE_REMOTE_PRIV_H
#define POSTERN_QUEUE_REMOTE_PRIV_H

#include "queue/job.h"
#include "queue/queue_priv.h"

struct destination {
	struct destination *same_hash;
	size_t refs; /* deliveries that name it */
	TAILQ_ENTRY(destination) run;
	struct heap_node wake;
	struct delivery_list ready;
	struct heap later;
	unsigned jobs, window, failures, streak;
	uint64_t again_ms;
	enum destination_class class;
	bool runs, wakes;        /* in a list; in the heap */
	struct job_answer *last; /* why it is away */
	char domain[];
};
TAILQ_HEAD(destination_list, destination);

struct remote {
	struct queue *queue;
	struct ipc_channel *ch;
	struct map *destinations; /* by hash of the domain */
	struct destination *smarthost;
	struct destination_list runnable[CLASS__MAX];
	struct heap wake;
	struct io_timer *timer, *commit;
	struct map *jobs; /* by id */
	struct job_list sending;
	uint64_t last_id, random;
	unsigned running[CLASS__MAX];
	unsigned unsure; /* jobs that have ended and whose results are not on disk */
	unsigned turn;
	bool pumping;
};

/* --- destination.c */
/* NULL: nothing was ever for it. destination_get makes it, with no reference. */
struct destination *destination_find(const struct remote *o, struct str domain);
struct destination *destination_get(struct remote *o, struct str domain);
void destination_free(struct destination *to);
/* Nobody names it any more: it goes, unless a job is still at it. */
void destination_forget(struct remote *o, struct destination *to);
/* Puts it where it belongs after anything changed. hot: its turn is next, for a connection is open. */
void destination_place(struct remote *o, struct destination *to, bool hot);
/* Out of its list, into the class; destination_place comes next. */
void destination_set_class(struct remote *o, struct destination *to, enum destination_class class);
void destination_set_timer(struct remote *o);

/* Where the delivery waits: its destination, or the smarthost. */
struct destination *delivery_place(const struct remote *o, const struct delivery *d);
/* Into the list of what is ready, into the heap of what waits, out of the one in which it is. The
 * destination is not placed anew. */
void delivery_wait_ready(struct remote *o, struct delivery *d);
void delivery_wait_later(struct remote *o, struct delivery *d, uint64_t due_ms);
void delivery_wait_no_more(struct remote *o, struct delivery *d);

/* ms since 1970; a random 3/4 to 5/4 of ms; the wait after so many failures in a row (from 1). */
uint64_t remote_now(const struct remote *o);
uint64_t remote_jitter(struct remote *o, uint64_t ms);
uint64_t remote_back_off(struct remote *o, unsigned failures);
bool remote_is_due(const struct remote *o, uint64_t key, uint64_t now);

/* --- transfer.c */
/* Gives delivery what it may have. */
void remote_pump(struct remote *o);
/* Jobs that have not ended. */
unsigned remote_running(const struct remote *o);

/* --- remote.c */
/* Its end, a failure for good (told: the sender hears of it), and one for now: noted, and logged. */
void delivery_settle(struct remote *o, struct delivery *d, enum delivery_state state);
void delivery_fail(struct remote *o, struct delivery *d, bool told, const struct answer *a);
void delivery_defer(struct remote *o, struct delivery *d, const struct answer *a, uint64_t due_ms);
void delivery_log(const struct delivery *d, const char *event, const struct answer *a);

#endif
