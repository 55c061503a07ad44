/* SPDX-License-Identifier: ISC */
/*
 * A mailbox on disk: the journal and the model that is its sum. Single owner, one thread.
 *
 * Each operation writes its records into the journal's batch and applies them to the model at
 * once. store_turn(), once per turn of the loop and before anything of this turn is told to anyone,
 * makes it safe: one commit when somebody waits for stable storage, else one write for what shall
 * survive the end of the process (flag changes), which store_sync() makes stable within a second.
 * So what a client is told is never ahead of the disk. When a commit fails the model is ahead of
 * the journal: the store is failed, every call says so, and the process must end.
 */
#ifndef POSTERN_MAILBOX_STORE_H
#define POSTERN_MAILBOX_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "journal/journal.h"
#include "mailbox/model.h"

enum store_result {
	STORE_OK = 0,
	STORE_FULL = -1,   /* no space; nothing was changed */
	STORE_LIMIT = -2,  /* one of the limits of model.h */
	STORE_NONE = -3,   /* no such folder, message */
	STORE_EXISTS = -4, /* the name is taken */
	STORE_CANNOT = -5, /* INBOX */
	STORE_CHILDREN = -6,
	STORE_TROUBLE = -7, /* failed; or reading did not work */
	STORE_DAMAGED = -8,
	STORE_NEWER = -9, /* written by a newer version */
};
const char *store_strerror(int result);

enum {
	/* A batch that grows above this is written before the turn ends. */
	STORE_BATCH_MAX = 4 * 1024 * 1024,
	/* Small segments: emptying one moves less than 2 MiB, a few milliseconds. */
	STORE_SEGMENT = 8 * 1024 * 1024,
	STORE_FILL = 256 * 1024,
	/* Disk kept so that messages can be expunged when the disk is full. */
	STORE_RESERVE = 128 * 1024,
	/* MODSEQs are reserved in blocks: one more record per so many changes. */
	STORE_MODSEQ_BLOCK = 65536,
	/* After a restore from a backup, numbers given since that backup must not come again. */
	STORE_RESTORE_UIDS = 1 << 20,
	/* Records about messages (flags, expunges, copies) above this and above what saying it all
	 * again would take: say it all again, and let the old ones go. */
	STORE_STATE_MIN = 1024 * 1024,
	/* Messages said again in one slice: about 2 ms. */
	STORE_SLICE = 4 * REC_MESSAGES_MAX,
	/* Smaller content is stored as it is: compressed it would hardly take less. */
	STORE_PACK_MIN = 512,
	/* No content is larger: the highest value of general.message-size, and what is added to it. */
	STORE_CONTENT_MAX = 1024 * 1024 * 1024 + 1024 * 1024,
	/* Compressed content up to this can be read even on a full disk, larger one not: it is restored in
	 * memory then. */
	STORE_UNPACK_MEMORY = 64 * 1024 * 1024,
	/* A checkpoint is written when so many records came since the last one. */
	STORE_CHECKPOINT_RECORDS = 20000,
};

/* In the directory: a restore from a backup put it there. The memory of deliveries then covers all
 * messages, and numbers jump once; renamed to STORE_RESTORED when that is done. */
#define STORE_DEDUPE_ALL "dedupe-all"
#define STORE_RESTORED "dedupe-all.done"
/* Large compressed content while it is read; the name is there for a moment only. */
#define STORE_UNPACKED "unpacked"

struct store;

struct store_config {
	int dirfd; /* stays the caller's */
	/* 0: STORE_SEGMENT and STORE_STATE_MIN; tests take less, so that more happens. */
	size_t segment_bytes, state_min;
	uint64_t min_free; /* see store_low */
	bool compress;     /* new content, and what compaction moves */
	/* Directory of the index (as for db_open_index); NULL: none. */
	const char *index;
	/* Milliseconds since 1970. */
	uint64_t (*now_ms)(void *arg);
	/* An opened folder is no more (its messages are out of the model already). */
	void (*folder_gone)(void *arg, struct folder *f);
	/* One line about damage and the like; optional. */
	void (*report)(void *arg, const char *line);
	/* One line about ordinary work; optional. */
	void (*note)(void *arg, const char *line);
	void *arg;
};

/* STORE_OK, FULL, TROUBLE, DAMAGED, NEWER. A new mailbox gets its folders. */
int store_open(const struct store_config *config, struct store **out);
/* Commits, gives reserved numbers back, writes a checkpoint. */
void store_close(struct store **s);
/* As if the process had been killed: for tests. */
void store_abandon(struct store **s);
struct model *store_model(struct store *s);
bool store_failed(const struct store *s);

/* --- safety ------------------------------------------------------------------------------------
 */
/* fn is called by store_turn when everything done until now is on stable storage. */
void store_wait(struct store *s, void (*fn)(void *arg), void *arg);
/* Drops the waiting calls with this arg. */
void store_forget(struct store *s, const void *arg);
/* 0, or STORE_TROUBLE: the store has failed, nobody was called. */
int store_turn(struct store *s);
/* Something is written but not on stable storage: call store_sync within a second. */
bool store_unsynced(const struct store *s);
int store_sync(struct store *s);
/* Housekeeping when there is time: compaction, saying state again, checkpoint; a few milliseconds.
 * true: there is more to do. */
bool store_tidy(struct store *s);
/* When nobody waits for the answers of this turn any more: what is derived from its messages. */
void store_turn_late(struct store *s);
/* Nothing has happened for a while: closes what can be opened again. */
void store_rest(struct store *s);

/* --- folders -----------------------------------------------------------------------------------
 */
/* With missing parents. special: enum imap_special. */
int store_create(struct store *s, struct str name, uint8_t special);
int store_delete(struct store *s, struct str name);
/* With all below it; renaming INBOX moves its messages: moved (optional) is told the UIDs. */
int store_rename(struct store *s, struct str from, struct str to);
int store_subscribe(struct store *s, struct str name, bool on);
/* Place of a keyword, made if need be; -1: full. */
int store_keyword(struct store *s, struct folder *f, struct str name);

/* --- messages ----------------------------------------------------------------------------------
 */
struct store_arrival {
	uint64_t flags;
	int64_t seconds; /* internal date */
	int16_t zone;
	uint64_t thread;
	bool delivered; /* from queue, with its number and the hash of where it comes from */
	uint64_t number, origin;
	/* Content: bytes, which the store takes over on success (free); or a file of its own. */
	uint8_t *bytes;
	size_t size;
	struct store_large *large;
};
/* All or none; consecutive UIDs from *first on. What the store has taken over is NULL then. */
int store_arrive(
    struct store *s, struct folder *f, struct store_arrival *a, size_t n, uint32_t *first);
/* Less than min_free bytes of disk are free: clients should not add messages. Deliveries still may,
 * until it is full: queue gives the same space back. */
bool store_low(struct store *s);
void store_set_min_free(struct store *s, uint64_t bytes);
void store_set_compress(struct store *s, bool compress);
/* Content above JOURNAL_INLINE_MAX: written piece by piece, then ended, which gives its memory back. 0, or as
 * everywhere here. */
struct store_large;
int store_large_new(struct store *s, struct store_large **out);
int store_large_write(struct store_large *l, const void *p, size_t n);
int store_large_end(struct store_large *l);
void store_large_abort(struct store_large **l);

/* runs: ascending, of messages that are there, each with the flags they shall have. */
int store_flags(struct store *s, struct folder *f, const struct rec_run *runs, size_t n);
int store_expunge(struct store *s, struct folder *f, const uint32_t *uids, size_t n);
int store_copy(struct store *s, struct folder *from, const uint32_t *uids, size_t n,
    struct folder *to, bool move, uint32_t *first);
/* The newest floor of deliveries; written with what comes next. */
void store_floor(struct store *s, uint64_t floor);

struct store_content {
	const uint8_t *p;
	size_t n;
	struct buf *scratch; /* inline: where the bytes are */
	size_t mapped;       /* a file of its own: mapped */
};
int store_content(struct store *s, struct folder *f, uint32_t uid, struct store_content *out);
/* The record of imap/facts.h about a message, appended to out. STORE_NONE: there is none. */
int store_facts(struct store *s, const struct folder *f, uint32_t uid, struct buf *out);
/* The content at a place of the model's contents that is in use. */
int store_content_at(struct store *s, uint32_t index, struct store_content *out);
void store_content_release(struct store *s, struct store_content *c);

#endif
