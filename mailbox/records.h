/* SPDX-License-Identifier: ISC */
/*
 * What a mailbox's journal says: the records and their bytes (docs/formats.md has the tables).
 *
 * A mailbox is the sum of its records, applied in the order of the journal. Compaction may write a
 * record again at the end, always with the state of that moment, so each record is written in such
 * a way that saying it again does no harm: tables are complete (the last one holds), counters only
 * rise, a state of a message is absolute, an expunge is final because no UID is used twice.
 *
 * Numbers are unsigned LEB128 unless a width is named; fixed widths are little-endian. Decoders
 * verify the whole record (every number in range, no byte left over) before they say 0, so that
 * applying one cannot fail half way.
 */
#ifndef POSTERN_MAILBOX_RECORDS_H
#define POSTERN_MAILBOX_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Numbers are part of the format: never changed, never used for something else. */
enum rec_type {
	REC_FORMAT = 1,        /* version of these records; first in a new mailbox */
	REC_FOLDERS = 2,       /* all folders */
	REC_SUBSCRIPTIONS = 3, /* all subscribed names */
	REC_KEYWORDS = 4,      /* all keywords of one folder */
	REC_COUNTERS = 5,      /* reserved MODSEQs, delivery floor */
	REC_ARRIVAL = 6,       /* content, and the message that it came in as */
	REC_CONTENT = 7,       /* content alone: moved by compaction, its first message is gone */
	REC_COPY = 8,          /* messages with content that is there already */
	REC_FLAGS = 9,
	REC_EXPUNGE = 10,
	REC_CHUNK = 11, /* the exact state of a range of UIDs of one folder */
	REC_BEGIN = 12, /* chunks of everything follow ... */
	REC_END = 13,   /* ... up to here: what stands before BEGIN is said again */
};

enum {
	/* A higher one is refused. From 2 on content may be compressed: said before the first that is. */
	REC_VERSION = 2,
	REC_VERSION_PLAIN = 1,
	/* The fixed size of the meta of ARRIVAL and CONTENT, so that a message's size on disk
	 * follows from its content's. */
	REC_ARRIVAL_SIZE = 80,
	/* Folders and subscriptions: with names of 255 bytes a table still fits into one record. */
	REC_FOLDERS_MAX = 3000,
	/* Bytes of a folder's name. */
	REC_NAME_MAX = 255,
	/* Keywords of a folder: 64 bits of flags, eight of them for system flags. */
	REC_KEYWORDS_MAX = 56,
	/* Bytes of a keyword. */
	REC_KEYWORD_MAX = 64,
	/* Messages named in one record; more go into several records of the same batch. A COPY has
	 * at most 18 bytes each, a CHUNK 34: far below the journal's limit. */
	REC_MESSAGES_MAX = 8192,
};

#define REC_MODSEQ_MAX (((uint64_t)1 << 48) - 1)
/* Flags as in imap/imap_backend.h: system flags in the low five bits, keyword k is bit 8 + k. */
#define REC_FLAGS_MASK (~(uint64_t)0xe0)

enum { REC_BAD = -1 };

/* Reads numbers; after the end or a fault `bad` is set and everything reads as 0. */
struct rec_reader {
	const uint8_t *p, *end;
	bool bad;
};

struct rec_run {
	uint32_t lo, hi; /* UIDs, both included */
	uint64_t flags;  /* FLAGS only */
};

struct rec_arrival {
	uint32_t folder, uid;
	uint64_t modseq, flags;
	int64_t saved;
	uint64_t email, thread;
	int64_t seconds; /* internal date */
	int16_t zone;    /* minutes east of UTC */
	bool delivered;  /* came from queue: the two numbers below count */
	uint64_t number; /* queue's number of the delivery */
	uint64_t origin; /* hash of queue id and recipient: tells a number used again */
	bool packed;     /* the content is compressed (pack/pack.h); its size is: */
	uint32_t size;
};

struct rec_folder {
	uint32_t id, uidvalidity, uidnext;
	uint8_t special;
	struct str name;
};

struct rec_counters {
	uint64_t modseq; /* values up to here may have been used */
	uint64_t floor;  /* no delivery below comes again */
};

struct rec_message {
	uint32_t uid;
	uint64_t email, modseq, flags;
	int64_t saved;
};

struct rec_folders {
	uint32_t next_id, last_uidvalidity, n;
	struct rec_reader rd;
};
struct rec_names { /* SUBSCRIPTIONS (folder 0), KEYWORDS */
	uint32_t folder, n;
	struct rec_reader rd;
};
struct rec_copy {
	uint32_t folder, first_uid, n; /* n messages with consecutive UIDs */
	uint64_t modseq;
	int64_t saved;
	struct rec_reader rd;
};
struct rec_runs { /* FLAGS, EXPUNGE */
	uint32_t folder, n, at;
	uint64_t modseq;
	uint32_t uidnext; /* EXPUNGE: the folder's, else 0 */
	bool has_flags;
	struct rec_reader rd;
};
struct rec_chunk {
	uint32_t folder, uidnext, n, at;
	uint32_t lo, hi;  /* below uidnext; UIDs of the range that are not named are gone */
	uint64_t highest; /* the folder's highest MODSEQ */
	struct rec_reader rd;
};

/* --- writing: appended to b, whose limit the caller has chosen large enough --------------------
 */
void rec_put_format(struct buf *b, uint32_t version);
void rec_put_folders(struct buf *b, uint32_t next_id, uint32_t last_uidvalidity, uint32_t n);
void rec_put_folder(struct buf *b, const struct rec_folder *f);
void rec_put_subscriptions(struct buf *b, uint32_t n);
void rec_put_keywords(struct buf *b, uint32_t folder, uint32_t n);
void rec_put_name(struct buf *b, struct str name); /* after one of the two above */
void rec_put_counters(struct buf *b, const struct rec_counters *c);
void rec_put_arrival(struct buf *b, const struct rec_arrival *a);
void rec_put_copy(struct buf *b, const struct rec_copy *c);
void rec_put_copy_message(struct buf *b, uint64_t email, uint64_t flags);
/* runs ascending */
void rec_put_flags(
    struct buf *b, uint32_t folder, uint64_t modseq, const struct rec_run *runs, uint32_t n);
void rec_put_expunge(struct buf *b, uint32_t folder, uint64_t modseq, uint32_t uidnext,
    const struct rec_run *runs, uint32_t n);
void rec_put_chunk(struct buf *b, const struct rec_chunk *c);
/* uids ascending; before: UID of the one put before (at first c->lo - 1). */
void rec_put_chunk_message(struct buf *b, const struct rec_message *m, uint32_t before);
void rec_put_mark(struct buf *b, uint64_t id); /* BEGIN, END */

/* --- reading: 0, or REC_BAD; then each element by its next function, false behind the last -----
 */
int rec_get_format(struct str s, uint32_t *version);
int rec_get_folders(struct str s, struct rec_folders *out);
bool rec_next_folder(struct rec_folders *r, struct rec_folder *out);
int rec_get_subscriptions(struct str s, struct rec_names *out);
int rec_get_keywords(struct str s, struct rec_names *out);
bool rec_next_name(struct rec_names *r, struct str *out);
int rec_get_counters(struct str s, struct rec_counters *out);
int rec_get_arrival(struct str s, struct rec_arrival *out);
int rec_get_copy(struct str s, struct rec_copy *out);
bool rec_next_copy_message(struct rec_copy *r, uint64_t *email, uint64_t *flags);
int rec_get_flags(struct str s, struct rec_runs *out);
int rec_get_expunge(struct str s, struct rec_runs *out);
bool rec_next_run(struct rec_runs *r, struct rec_run *out);
int rec_get_chunk(struct str s, struct rec_chunk *out);
bool rec_next_chunk_message(struct rec_chunk *r, struct rec_message *out);
int rec_get_mark(struct str s, uint64_t *id);

/* --- numbers, also used by the checkpoint ------------------------------------------------------
 */
void rec_put_u(struct buf *b, uint64_t v);
void rec_put_u64(struct buf *b, uint64_t v); /* 8 bytes */
uint64_t rec_get_u(struct rec_reader *r, uint64_t max);
uint64_t rec_get_u64(struct rec_reader *r);
struct str rec_get_str(struct rec_reader *r, size_t max);

#endif
