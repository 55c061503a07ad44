/* SPDX-License-Identifier: ISC */
/* The spool: what spool.c, spool_open.c and spool_space.c know of each other. */
#ifndef POSTERN_QUEUE_SPOOL_PRIV_H
#define POSTERN_QUEUE_SPOOL_PRIV_H

#include "queue/spool.h"

/* Records of the journal. */
enum { R_MESSAGE = 1, R_STATES = 2, R_NUMBERS = 3, R_NOTE = 4 };

struct fresh {
	struct message *message;
	void *cookie;
};

/* A note in the batch. */
struct fresh_note {
	struct delivery *delivery;
	struct journal_ref ref;
};

/* One that was found; its message may stand behind it. */
struct found_note {
	uint64_t number, due_ms;
	struct journal_ref ref;
	uint32_t delivery;
	uint16_t tries;
};

struct spool {
	struct journal *journal;
	struct spool_ops ops;
	struct spool_limits limits;
	struct map *messages; /* by number */
	struct message_age by_age;
	uint64_t bytes; /* received bytes of all messages */
	bool room, opened, started, newer, compaction_failed;

	uint64_t number, number_end; /* next one; end of what is reserved on disk */
	uint64_t number_asked;       /* end of what is reserved with the next commit */
	struct journal_ref numbers_ref, numbers_next;

	struct fresh *fresh; /* in the batch */
	size_t fresh_count, fresh_cap, inside_count;
	struct message_list dirty; /* states changed, not in the batch yet */
	size_t dirty_count;
	struct fresh_note *notes; /* in the batch */
	size_t notes_count, notes_cap;
	struct found_note *found; /* while the journal is opened */
	size_t found_count, found_cap;
	struct buf scratch, states, note;
};

/* --- spool.c */
/* Into the batch: numbers up to `end` are reserved. A journal_result. */
int spool_numbers_reserve(struct spool *s, uint64_t end);
/* The batch with it was committed, or was not. */
void spool_numbers_committed(struct spool *s, bool good);
struct message *spool_message_new(uint64_t number, uint32_t deliveries);
/* Gives back the destinations, too. */
void spool_message_free(struct spool *s, struct message *m);
/* Out of all lists, and freed. */
void spool_message_forget(struct spool *s, struct message *m);
/* Its states go into the next batch. */
void spool_message_dirty(struct spool *s, struct message *m);
/* What it is for; counts those that are pending. */
void spool_delivery_init(
    struct spool *s, struct delivery *d, uint32_t target, uint8_t state, struct str address);
/* The delivery has no note any more. */
void spool_note_dead(struct spool *s, struct delivery *d);
bool spool_is_over(const struct message *m);
/* The meta of an R_STATES record in s->states. */
void spool_states_of(struct spool *s, const struct message *m);

#endif
