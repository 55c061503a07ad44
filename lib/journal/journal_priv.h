/* SPDX-License-Identifier: ISC */
/* Shared by the files of lib/journal only. */
#ifndef POSTERN_JOURNAL_PRIV_H
#define POSTERN_JOURNAL_PRIV_H

#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/journal_io.h"

enum {
	SEGMENT_BYTES_DEFAULT = 16 * 1024 * 1024,
	FILL_STEP_DEFAULT = 1024 * 1024,
	/* Descriptors kept open for reading old segments. */
	OPEN_SEGMENTS_MAX = 16,
	/* A second fill step is wanted free before the reserve is rebuilt: no flapping. */
	RESERVE_SLACK_STEPS = 2,
	NAME_SIZE = 32,
	/* Headers and metas of one batch; owners commit once per turn, far below this. */
	BATCH_HEADS_MAX = 64 * 1024 * 1024,
};

/* Records in segment `in` that are about records of the segment that holds this. */
struct pin {
	uint64_t in;
	uint64_t bytes;
};

struct segment {
	uint64_t number, salt, first_seq;
	uint64_t cuts;    /* the older segment whose end only our header knows, 0: none */
	uint32_t end;     /* end of the last record written; what is above is not part of us */
	uint32_t filled;  /* size of the file */
	uint32_t known;   /* resumed: the owner knows all records below this offset */
	uint64_t live;    /* bytes of records still needed, by our counting */
	bool held;        /* damaged: never deleted */
	int fd;           /* -1: not open */
	uint64_t used_at; /* for closing the least recently used */
	struct pin *pins;
	size_t pin_count, pin_cap;
};

/* One record of the batch: its header and meta in batch.bytes, its content borrowed. */
struct entry {
	size_t off;
	uint32_t head_len; /* header and meta */
	uint32_t pad;
	size_t iov_first;
	int iov_count;
};

struct batch {
	struct buf bytes;
	struct entry *entries;
	size_t count, cap;
	struct iovec *iov; /* contents of all entries */
	size_t iov_count, iov_cap;
	struct iovec *out; /* what is written, built at the write */
	size_t out_cap;
	uint32_t size;
	struct journal_large **large;
	size_t large_count, large_cap;
};

struct journal {
	struct journal_io io;
	int dirfd, lock_fd;
	char kind[8];
	size_t segment_bytes, fill_step, reserve_bytes;
	unsigned spare_max;
	void (*on_record)(void *, const struct journal_record *);
	void (*on_damage)(void *, const struct journal_damage *);
	void *arg;

	struct segment **segments; /* by number; the last is the current one */
	size_t count, cap;
	struct segment *cur;
	uint64_t next_number, next_seq, next_large, clock;
	uint64_t resumed;    /* segments below were sealed when the owner made its checkpoint */
	uint32_t synced_end; /* of the current segment */
	bool failed, full, reserve_held, compact_hint;
	unsigned open_fds;
	uint64_t *spares; /* numbers of NUMBER.old files */
	size_t spare_count;
	struct batch batch;
};

struct journal_large {
	struct journal *j;
	uint64_t id, size;
	uint64_t written_out; /* so much was given to write_out */
	uint32_t crc;
	bool urgent;
	int fd;
};

/* --- journal_segment.c */
void segment_name(char out[NAME_SIZE], uint64_t number, const char *suffix);
struct segment *segment_find(const struct journal *j, uint64_t number);
/* Adds it to the list, which is kept in order. */
struct segment *segment_add(struct journal *j, uint64_t number);
/* Opens its file if that is not open; 0 or EIO. */
int segment_fd(struct journal *j, struct segment *s);
/* Makes and syncs a new current segment; the old current one ends at prev_end. */
int segment_roll(struct journal *j, uint32_t prev_end, bool cut);
/* Disk for the current segment's first `need` bytes. */
int segment_fill(struct journal *j, uint32_t need, bool urgent);
/* Deletes an emptied segment for good: the directory is synced. */
int segment_delete(struct journal *j, struct segment *s);
/* Forgets it; the file stays. */
void segment_remove(struct journal *j, struct segment *s);
void segments_free(struct journal *j);
void segment_pin(struct segment *target, uint64_t in, uint64_t bytes);
/* Bookkeeping for one more record. */
void segment_count_record(struct journal *j, const struct journal_record_header *h,
    struct segment *s, uint32_t size, bool count_kill);
void live_subtract(struct journal *j, uint64_t segment, uint64_t bytes);
int io_error(struct journal *j, int saved_errno);
int write_all(struct journal *j, int fd, struct iovec *v, size_t n, uint64_t off);
/* Exactly n bytes, or fewer at the end of the file (got). */
int read_all(struct journal *j, int fd, void *p, size_t n, uint64_t off, size_t *got);
void reserve_release(struct journal *j);
void reserve_build(struct journal *j);

/* --- journal_resume.c */
/* Takes over what a checkpoint knows of the segments; 0 or STALE. */
int journal_resume(struct journal *j, const struct journal_options *o);

/* --- journal_scan.c */
/* Reads a file in pieces. */
struct reader {
	struct journal *j;
	int fd;
	uint64_t off;
	size_t len, min;
	uint8_t *data;
	size_t cap;
};
void reader_init(struct reader *r, struct journal *j, int fd, size_t min);
void reader_free(struct reader *r);
/* NULL: not there (end of file), or *err set. */
const uint8_t *reader_get(struct reader *r, uint64_t off, size_t n, int *err);

typedef int scan_fn(
    void *arg, const struct journal_record *r, const struct journal_record_header *h);
/*
 * Every good record of s below end; damage is reported and skipped (*damaged). fn may end the scan
 * with a value other than 0, which is returned.
 */
int segment_scan(
    struct journal *j, struct segment *s, uint32_t end, bool *damaged, scan_fn *fn, void *arg);
struct segment_tail {
	uint32_t synced; /* below this everything was known to be on stable storage */
	uint32_t end;    /* end of the last whole batch */
	bool junk;       /* there is something above that looks like a record */
};
/* Where a segment of unknown end ends. */
int segment_find_end(struct journal *j, struct segment *s, struct segment_tail *t);
void damage_report(
    struct journal *j, uint64_t segment, uint64_t off, uint64_t len, const char *what);

/* --- journal.c */
void batch_reset(struct journal *j);
/* Takes back a batch of which nothing was written. */
void batch_drop(struct journal *j);
/* As journal_append; large_* names content that is there already. */
struct large_ref {
	uint64_t id, size;
	uint32_t crc;
};
int append_record(struct journal *j, const struct journal_write *w, const struct large_ref *large,
    bool count_kill, struct journal_ref *out);

/* --- journal_large.c */
/* Syncs and closes the contents of the batch, and the directory. */
int large_sync(struct journal *j);
void large_discard(struct journal_large *l);

#endif
