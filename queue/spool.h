/* SPDX-License-Identifier: ISC */
/*
 * What the queue owns: the journal of messages and the index of it in memory.
 *
 * A message is one record (envelope as meta, received bytes as content). What became of its
 * deliveries is noted by records about it; the last one kills it. Nothing is called done before
 * that note is on stable storage.
 *
 * Memory for a message with one delivery: about 200 bytes; strings and content stay on disk.
 */
#ifndef POSTERN_QUEUE_SPOOL_H
#define POSTERN_QUEUE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/str.h"
#include "journal/journal.h"
#include "journal/journal_io.h"
#include "queue/envelope.h"

enum {
	/* Disk kept for done marks and compaction: a segment's fill step and a quarter of one. */
	SPOOL_RESERVE_BYTES = 8 * 1024 * 1024,
	/* Numbers are reserved on disk in blocks of this size. */
	SPOOL_NUMBER_BLOCK = 1 << 20,
	/* Emptied segments kept for reuse: they need no zero-filling. */
	SPOOL_SPARES = 4,
	/* Done marks that may wait for the next acceptance's sync. */
	SPOOL_DIRTY_MAX = 4096,
};

struct message;
struct mailbox; /* the deliverer's */

enum delivery_phase { PHASE_WAIT, PHASE_SENT, PHASE_SETTLED };

/* One account a message is for. */
struct delivery {
	TAILQ_ENTRY(delivery) link; /* in its mailbox, by number, until settled on disk */
	struct message *message;
	struct mailbox *mailbox;
	uint32_t account;
	uint8_t state; /* enum delivery_state */
	uint8_t phase; /* enum delivery_phase */
	bool durable;  /* state is on disk */
};
TAILQ_HEAD(delivery_list, delivery);

struct message {
	uint64_t number;
	struct journal_ref ref;
	uint64_t large_id, size; /* of the received bytes */
	uint64_t arrival_ms;
	TAILQ_ENTRY(message) dirty_link;
	uint32_t attempts; /* since this process began */
	uint32_t deliveries, pending;
	bool dirty;
	struct delivery delivery[];
};
TAILQ_HEAD(message_list, message);

/* Never used twice; the message's own number is one less than its first delivery's. */
static inline uint64_t
delivery_number(const struct delivery *d)
{
	return d->message->number + 1 + (uint64_t)(d - d->message->delivery);
}

struct spool;

struct spool_ops {
	/* A message is on stable storage: deliver it. Also for each one found at the start. */
	void (*on_message)(void *arg, struct message *m);
	/* This delivery's end is on stable storage; d is not valid after the call. */
	void (*on_settled)(void *arg, struct delivery *d);
	/* The answer to spool_add: JOURNAL_OK (m is valid) or why not. */
	void (*on_stored)(void *arg, void *cookie, int result, const struct message *m);
	void *arg;
};

struct spool_limits {
	uint64_t max_messages, max_bytes, min_free;
};

struct spool_options {
	struct spool_limits limits;
	const struct journal_io *io; /* NULL: the real file system */
	size_t segment_bytes;        /* 0: the journal's usual */
};

/*
 * Opens and recovers. 0, or a journal_result. spool_start then shows the messages found, in the
 * order of their numbers. A file "renumber" in the directory (put there by restore) makes the
 * numbers go on far above all that were ever given out; it is removed.
 */
int spool_open(
    int dirfd, const struct spool_options *o, const struct spool_ops *ops, struct spool **out);
void spool_start(struct spool *s);
/* Commits what waits, then closes. */
void spool_close(struct spool **s);
void spool_set_limits(struct spool *s, const struct spool_limits *limits);

/* Is there room for one more message? Cheap; what spool_tick found last. */
bool spool_has_room(const struct spool *s);
/*
 * Puts a message into the batch; w was filled up to, not including, envelope_end. Either content
 * (at most JOURNAL_INLINE_MAX bytes, borrowed until on_stored) or large (taken over on success).
 * 0: on_stored will come with this cookie. Else a journal_result, and nothing happened.
 */
int spool_add(struct spool *s, struct envelope_writer *w, uint64_t arrival_ms, struct str prepend,
    struct str content, struct journal_large **large, void *cookie);
int spool_large_new(struct spool *s, struct journal_large **out);

/* The delivery has ended with this state; on disk with a later commit, then on_settled. */
void spool_settle(struct spool *s, struct delivery *d, enum delivery_state state);

/* At the end of each turn: one sync for all that was added. */
void spool_turn(struct spool *s);
/* Are there done marks that wait for a sync? Then call spool_commit within a second. */
bool spool_dirty(const struct spool *s);
void spool_commit(struct spool *s);
/* About ten times a second while the queue is in use: compaction, disk space. True: again, also
 * when nothing else happens. */
bool spool_tick(struct spool *s);

/* The message's envelope and inline content (NULL: large); valid until the next call. content may
 * be NULL: only the envelope is read. */
int spool_read(struct spool *s, const struct message *m, struct envelope *e,
    struct journal_record *r, const uint8_t **content);
int spool_large_open(struct spool *s, const struct journal_record *r, int *fd);

struct message *spool_find(struct spool *s, uint64_t number);
size_t spool_count(const struct spool *s);
/* The numbers of all messages, ascending; the caller frees it. */
uint64_t *spool_numbers(struct spool *s, size_t *n);

#endif
