/* SPDX-License-Identifier: ISC */
/*
 * One user's mailbox process: the store, the sessions and delivery channels that are attached, and
 * the end of each turn of the loop: sessions run, one commit, then answers go out.
 */
#ifndef POSTERN_MAILBOX_HOST_H
#define POSTERN_MAILBOX_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"
#include "mailbox/store.h"

struct host;

enum {
	/* A flag change is on stable storage after this at the latest (promised: a second). */
	HOST_SYNC_MS = 900,
	/* Housekeeping follows activity after this ... */
	HOST_TIDY_MS = 200,
	/* ... and goes on in slices with this between them. */
	HOST_TIDY_NEXT_MS = 5,
	/* Silence after which files and memory that are not needed to wait are given back. */
	HOST_REST_MS = 5000,
	/* The index of texts, whose slices are shorter. */
	HOST_INDEX_NEXT_MS = 2,
	/* It waits for a pause of this length, so that a client that does one thing after the other is not
	 * kept waiting by it ... */
	HOST_INDEX_PAUSE_MS = 50,
	/* ... but not longer than this: what it does not know yet is looked at in each search. */
	HOST_INDEX_WAIT_MS = 3000,
	/* Rounds of running sessions and committing in one turn, before others (signals, timers)
	 * get theirs. */
	HOST_ROUNDS = 8,
	/* An orderly stop gives sessions so long to take their last lines. */
	HOST_STOP_MS = 100,
};

/* Sessions of IMAP clients. */
enum {
	/* Input that waits here: what came with the hand-over, or a read. */
	SESSION_IN_MAX = 80 * 1024,
	/* What may have been read behind the hand-over's frame (ipc's receive buffer). */
	SESSION_REST_MAX = 256 * 1024,
	/* Input of a client that the stream keeps: some hundred commands. */
	SESSION_STREAM_IN_MAX = 16 * 1024,
	/* A client (or imapd for it) that takes nothing for so long is cut off. */
	SESSION_STALL_MS = 180 * 1000,
	/* Silence in the middle of a command. */
	SESSION_COMMAND_MS = 300 * 1000,
	/* imapd must say who it is about. */
	SESSION_HANDOVER_MS = 10 * 1000,
};

/* Deliveries from queue. */
enum {
	/* Whole messages in memory on one channel; more are written at once. */
	DELIVER_BATCH_BYTES = 1024 * 1024,
	/* The same, of small ones. */
	DELIVER_BATCH_MESSAGES = 1000,
	/* A batch without an end is written after this. */
	DELIVER_BATCH_MS = 20,
	/* Trace and authentication fields that were added to a message of the largest size. */
	DELIVER_EXTRA_BYTES = 64 * 1024,
};

struct host_config {
	struct io_loop *loop;
	int dirfd;
	const char *index;      /* see struct store_config */
	uint64_t message_max;   /* bytes of a message from an IMAP client or from queue */
	uint64_t min_free;      /* bytes of disk below which IMAP clients cannot add messages */
	bool compress;          /* new content */
	uint64_t idle_exit_ms;  /* without sessions and deliveries: on_idle */
	uint64_t idle_limit_ms; /* silence after which a session ends */
	unsigned max_sessions;
	uint64_t quota_bytes,
	    quota_messages; /* where the account has no limits of its own; 0: none */
	/* Nothing to do; attached: sessions and channels that were attached since the start.
	 * Called again after each further idle_exit_ms. */
	void (*on_idle)(void *arg, uint64_t attached);
	/* What it holds: at the start, when a limit is reached or left, before on_idle. Optional. */
	void (*on_usage)(void *arg, uint64_t bytes, uint64_t messages);
	/* After host_stop: everything is safe and told. */
	void (*on_stopped)(void *arg);
	/* The store has failed: the process must end, nothing may be told any more. */
	void (*on_failed)(void *arg);
	void *arg;
};

/* Opens the store; STORE_OK or what store_open says (*out is NULL then). */
int host_new(const struct host_config *config, struct host **out);
void host_free(struct host **h);
/* New settings: message_max, min_free, the times, max_sessions and quotas of config are taken over. */
void host_settings(struct host *h, const struct host_config *config);
/* The account's own limits (ipc_table.h: mailbox_open). */
void host_limits(struct host *h, uint64_t bytes, uint64_t messages);
/* Takes over fd: an IMAP session that begins with its hand-over, a delivery or a command channel (enum
 * ipc_mailbox_purpose). */
void host_attach(struct host *h, uint8_t purpose, int fd);
void host_stop(struct host *h);
struct store *host_store(struct host *h);

#endif
