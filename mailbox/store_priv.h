/* SPDX-License-Identifier: ISC */
/* Between the files of the store. */
#ifndef POSTERN_MAILBOX_STORE_PRIV_H
#define POSTERN_MAILBOX_STORE_PRIV_H

#include "base/buf.h"
#include "mailbox/store.h"
#include "mailbox/store_derive.h"
#include "pack/pack.h"

/* Bytes per segment: of records that are about messages, or that are dead. */
struct tally {
	struct tally_row {
		uint64_t segment, bytes;
	} * rows;
	size_t n, cap;
};

struct store_wait {
	void (*fn)(void *arg);
	void *arg;
};

/* Where saying everything again stands. */
struct store_again {
	bool running;
	uint64_t id;
	uint32_t folder, uid; /* next */
	journal_pos begin;
};

struct store {
	struct store_config config;
	struct journal *j;
	struct model *m;
	bool failed;
	bool opening;
	bool want_commit;
	bool restored;     /* from a backup, and deliveries from before it may still come */
	bool damaged;      /* something could not be read at recovery: nothing is dropped */
	uint64_t again_id; /* of the last BEGIN seen */
	struct buf record; /* the record being written */
	void **held;       /* content that the batch borrows */
	size_t nheld, held_cap;
	uint64_t *drops; /* content files to remove once the next commit is on stable storage */
	size_t ndrops, drops_cap;
	struct store_wait *waits;
	size_t nwaits, waits_cap;
	struct buf *spare; /* a scratch buffer for content, kept for the next reader */
	struct pack *pack; /* NULL: not needed at the moment */
	struct {
		uint64_t email; /* 0: none */
		int fd;
	} unpacked;                 /* the large content that was restored last */
	struct tally before, since; /* state records, around the last BEGIN */
	struct tally dead;          /* while opening */
	struct store_again again;
	journal_pos said_from; /* state records before this place are not needed */
	uint64_t compacting;   /* segment */
	uint64_t records;      /* since the last checkpoint */
	uint64_t floor_written;
	uint64_t restored_below; /* highest delivery remembered when it was opened */
	struct derive derive;
};

/* store.c */
/* The records are of this version, or will be when the batch is written. */
int store_format(struct store *s, uint32_t version);
/* Compressed into *out, if that is wanted and worth it. */
bool store_compress(struct store *s, const uint8_t *bytes, size_t n, struct buf *out);
int store_error(struct store *s, int journal_result);
/* Writes s->record as a record and applies it; content as in journal_write, which the caller lets the batch
 * borrow (store_hold). urgent: see there. */
int store_emit(struct store *s, unsigned type, bool urgent);
int store_emit_content(struct store *s, unsigned type, const struct iovec *v,
    struct journal_large *large, uint64_t size);
/* The next MODSEQ; reserves more when needed. 0: no space for that. */
uint64_t store_modseq(struct store *s);
void store_report(struct store *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void store_note(struct store *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct buf *store_record(struct store *s);
/* Takes over p, which the batch may borrow until it is written. */
void store_hold(struct store *s, void *p);
/* The content the batch borrowed is not needed any more. */
void store_release_held(struct store *s);
/* MODSEQs up to this may be used, once it is stable. */
int store_write_counters(struct store *s, uint64_t modseq);
/* Writes the batch, without sync; 0 or STORE_TROUBLE. */
int store_flush(struct store *s);

/* store_content.c */
struct pack *store_pack(struct store *s);
/* Memory and files that compressed content needs go back. */
void store_unpacked_forget(struct store *s);
/* Content in a file of its own is on the disk as it was written: all of it is read. */
bool store_stored_good(struct store *s, uint32_t index);

/* store_large.c */
struct journal_large *store_large_file(const struct store_large *l, bool *packed, uint64_t *size);
/* The journal has its file. */
void store_large_taken(struct store_large **l);

/* tally.c */
void tally_put(struct tally *t, uint64_t segment, uint64_t bytes);
void tally_add(struct tally *t, struct journal_ref ref);
void tally_merge(struct tally *into, struct tally *from);
void tally_drop(struct tally *t, uint64_t segment);
uint64_t tally_sum(const struct tally *t);
/* Tells the journal that all of it is dead, and empties it. */
void tally_dead(struct tally *t, struct journal *j);
void tally_free(struct tally *t);

/* store_tidy.c */
/* Bookkeeping for a record about messages; also at recovery. */
void store_saw_state(struct store *s, unsigned type, struct str meta, struct journal_ref ref);

/* Says all state again at once: for tests. */
int store_again(struct store *s);

/* checkpoint.c */
/* 0, or -1: not written; nothing is lost by that. */
int checkpoint_write(struct store *s);
/* Fills s->m (fresh) and appends the journal's part; -1: there is none, s->m is spoiled. */
int checkpoint_read(struct store *s, struct buf *journal);

#endif
