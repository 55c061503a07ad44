/* SPDX-License-Identifier: ISC */
/*
 * What the queue owns: the journal of messages and the index of it in memory.
 *
 * A message is one record (envelope as meta, received bytes as content). What became of its
 * deliveries is said by records about it; the last one kills it. Nothing is called done before
 * that is on stable storage. What another server said of a delivery is in a note (queue/note.h).
 *
 * Memory for a message with one delivery: about 200 bytes; strings and content stay on disk.
 */
#ifndef POSTERN_QUEUE_SPOOL_H
#define POSTERN_QUEUE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/str.h"
#include "journal/journal.h"
#include "journal/journal_io.h"
#include "queue/envelope.h"
#include "queue/note.h"

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
struct mailbox;     /* deliver.c */
struct destination; /* remote.c */

enum delivery_phase {
	PHASE_NONE,  /* in nobody's list: held, or just found */
	PHASE_WAIT,  /* for its turn */
	PHASE_LATER, /* remote: failed for now, waits for its time */
	PHASE_SENT,
	PHASE_SETTLED
};

/* One account or one address on another server that a message is for. */
struct delivery {
	union {
		/* Local: in its mailbox, by number, until settled on disk. Remote: PHASE_WAIT. */
		TAILQ_ENTRY(delivery) link;
		struct heap_node later; /* remote: PHASE_LATER */
	};
	struct message *message;
	union {
		struct mailbox *mailbox;         /* local; NULL: in no list */
		struct destination *destination; /* remote: always that of its domain */
	};
	journal_pos note; /* 0: none */
	uint32_t note_size;
	uint32_t target; /* an account or TARGET_* */
	uint16_t tries;
	uint8_t state;     /* enum delivery_state */
	uint8_t phase : 4; /* enum delivery_phase */
	bool durable : 1;  /* state is on disk */
	bool tell : 1;     /* local, on its way: success is to be told */
};
TAILQ_HEAD(delivery_list, delivery);

struct message {
	uint64_t number;
	struct journal_ref ref;
	uint64_t large_id;
	uint64_t arrival_ms;
	STAILQ_ENTRY(message) dirty_link;
	TAILQ_ENTRY(message) age_link; /* all messages of the spool, oldest first */
	uint32_t size;                 /* of the received bytes */
	uint16_t deliveries, pending;
	uint16_t attempts; /* since this process began */
	uint8_t flags;     /* MESSAGE_* */
	bool dirty : 1;
	bool owed : 1;    /* the reporter knows of it */
	bool removed : 1; /* by an administrator; what is on its way ends without a report */
	struct delivery delivery[];
};
STAILQ_HEAD(message_list, message);
TAILQ_HEAD(message_age, message);

/* Never used twice; the message's own number is one less than its first delivery's. */
static inline uint64_t
delivery_number(const struct delivery *d)
{
	return d->message->number + 1 + (uint64_t)(d - d->message->delivery);
}

struct spool;

struct spool_ops {
	/* A remote delivery is about to be part of the spool: where it goes. Later given back. */
	struct destination *(*destination)(void *arg, struct str address);
	void (*destination_done)(void *arg, struct destination *to);
	/* A message is on stable storage: deliver it. Also for each one found at the start. A remote
	 * delivery that was to wait has that time (ms since 1970) in later.key, else 0. */
	void (*on_message)(void *arg, struct message *m);
	/* This delivery's end is on stable storage; when it was the message's last one, neither is
	 * valid after the call. */
	void (*on_settled)(void *arg, struct delivery *d);
	/* A commit was good: all that was said before it is on stable storage. */
	void (*on_committed)(void *arg);
	/* The message leaves the spool: nothing may point to it any more. */
	void (*on_gone)(void *arg, struct message *m);
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
/* The message just added was made by the queue itself from what is settled in this same turn: both
 * reach the disk together or not at all. */
void spool_inside(struct spool *s);
int spool_large_new(struct spool *s, struct journal_large **out);

/* The delivery has ended with this state; on disk with a later commit, then on_settled. From
 * DELIVERY_DONE there is no way back; one that owes a report becomes DELIVERY_DONE later. */
void spool_settle(struct spool *s, struct delivery *d, enum delivery_state state);
/* The commit that should have stored the report was lost: it is owed again. */
void spool_owe_again(struct spool *s, struct delivery *d, enum delivery_state state);
/* MESSAGE_* of the message from now on; on disk with a later commit. */
void spool_set_flags(struct spool *s, struct message *m, uint8_t flags);
/*
 * What was heard of the delivery, and (due_ms, since 1970; 0: none) when it is tried again. With
 * d->tries as it is now. On disk with a later commit; a note that does not reach the disk is lost,
 * nothing else.
 */
void spool_note(struct spool *s, struct delivery *d, const struct answer *a, uint64_t due_ms);
/* The last note that is on disk; its strings are valid until the next call. false: there is none,
 * *n is empty then. */
bool spool_note_read(struct spool *s, const struct delivery *d, struct note *n);

/* At the end of each turn: one sync for all that was added. */
void spool_turn(struct spool *s);
/* Are there done marks or notes that wait for a sync? Then call spool_commit within a second. */
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
/* All messages, oldest first. */
const struct message_age *spool_by_age(const struct spool *s);
/* The numbers of all messages, ascending; the caller frees it. */
uint64_t *spool_numbers(struct spool *s, size_t *n);

#endif
