/* SPDX-License-Identifier: ISC */
/*
 * The journal: an append-only log in segment files, for the queue, each mailbox and the archive.
 *
 * Use by its single owner (one process, one thread):
 *
 *	journal_open     recovers: every record is shown once, in the order it was written
 *	journal_append   puts a record into the current batch, says where it will be
 *	journal_commit   one write and one sync for the batch: 0 = all of it is on stable storage.
 *	                 Call it once per turn of the loop: that is the group commit.
 *	journal_read     a committed (or flushed) record back, its checksums verified
 *
 * A batch is recovered whole or not at all. A batch whose commit failed is gone: the segment is cut
 * before it and a new one is begun, a failed sync is never retried into success. When that fails as
 * well the journal is failed (JOURNAL_FAILED from every call) until it is opened again.
 *
 * Space. Every record is live at first. A record may be "about" an earlier one (a done mark, a
 * change of flags, an expunge): it counts as live as long as the segment of the earlier one exists,
 * without help of the owner. One with `kill` makes the earlier one dead at its commit, and the
 * journal itself keeps it until the earlier one's file is gone for good. Records that are about
 * none are dead when the owner says so (journal_dead). Segments of which less than a quarter is
 * live are emptied by journal_compact, which moves what lives and then deletes the file. Positions
 * of records change only there.
 *
 * On disk (all numbers little-endian): see journal_format.h.
 */
#ifndef POSTERN_JOURNAL_JOURNAL_H
#define POSTERN_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/str.h"

enum journal_result {
	JOURNAL_OK = 0,
	JOURNAL_EIO = -1,     /* reading or writing failed; for a commit: this batch is lost */
	JOURNAL_FULL = -2,    /* no space: ordinary records are refused, urgent ones are not */
	JOURNAL_FAILED = -3,  /* nothing works any more: close and open again */
	JOURNAL_NEWER = -4,   /* written by a newer version of this program */
	JOURNAL_KIND = -5,    /* another kind of journal */
	JOURNAL_DAMAGED = -6, /* a checksum is wrong */
	JOURNAL_GONE = -7,    /* no such record */
	JOURNAL_LIMIT = -8,   /* longer than the format allows */
	JOURNAL_BUSY = -9,    /* another process has it open */
	JOURNAL_STALE = -10,  /* what was to be resumed does not fit: open again without */
};
const char *journal_strerror(int result);

enum {
	/* Content up to this size stands in the segment, above it in a file of its own: one sync
	 * for many small messages, no copying of large ones at compaction. */
	JOURNAL_INLINE_MAX = 128 * 1024,
	/* An envelope with 1,000 recipients of 512 bytes each fits. */
	JOURNAL_META_MAX = 1024 * 1024,
	JOURNAL_RECORD_MAX = JOURNAL_INLINE_MAX + JOURNAL_META_MAX + 64 + 8,
};

/* Where a record is; ordered like the records were written. 0: nowhere. */
typedef uint64_t journal_pos;

/* A record's place and its size on disk (header, padding and all, without large content). */
struct journal_ref {
	journal_pos pos;
	uint32_t size;
};

struct journal;
struct journal_large;
struct journal_io;

struct journal_record {
	uint8_t type; /* the owner's */
	bool kill;    /* as written */
	struct journal_ref ref;
	struct journal_ref about; /* pos 0: about none */
	uint64_t seq;             /* counts all records of this journal; never used twice */
	const uint8_t *meta;
	uint32_t meta_len;
	uint64_t content_len;
	uint32_t content_crc; /* journal_crc over all of the content */
	uint64_t large_id;    /* 0: the content is inline */
};

struct journal_damage {
	uint64_t segment;
	uint64_t offset;
	uint64_t length;  /* bytes skipped */
	const char *what; /* one English phrase */
};

struct journal_options {
	const char *kind;            /* up to 8 characters: "queue", "mailbox" */
	size_t segment_bytes;        /* a new segment is begun above this; 0: 16 MiB */
	size_t fill_step;            /* bytes zero-filled ahead, so that a sync need not commit the
					inode; 0: 1 MiB */
	size_t reserve_bytes;        /* disk kept for urgent records; 0: none */
	unsigned spare_max;          /* emptied segments kept for reuse */
	const struct journal_io *io; /* NULL: the real file system */

	/* Recovery: every record in the order written, journal positions final. r and what it
	 * points to is borrowed for the call. Content is not in memory: journal_read, later. */
	void (*on_record)(void *arg, const struct journal_record *r);
	/* Something was damaged and skipped; may also come later, from read and compact. */
	void (*on_damage)(void *arg, const struct journal_damage *d);
	void *arg;

	/* What journal_save wrote, with a checkpoint of the owner's state at that moment; NULL:
	 * none. Then only records written after it are shown, and older segments are not read. */
	const void *resume;
	size_t resume_len;
};

/*
 * Opens (and if empty, begins) the journal in the directory dirfd, which stays the caller's and
 * must stay open. Recovery reads headers and meta of each record, content only in the last
 * segment. Takes a lock on the directory's "lock" file. *out is NULL on errors: NEWER, KIND, BUSY,
 * EIO, FULL (not even a first segment fits).
 */
int journal_open(int dirfd, const struct journal_options *o, struct journal **out);
/*
 * Appends what is known of the segments to out, for a later open with `resume`. Nothing may be
 * uncommitted, no record about another, nothing damaged (JOURNAL_LIMIT).
 */
int journal_save(const struct journal *j, struct buf *out);
/* Drops an uncommitted batch; commit before. */
void journal_close(struct journal **j);

struct journal_write {
	uint8_t type;
	bool urgent; /* may use the reserve: done marks, expunges, anything that frees space */
	bool kill;   /* the record named by about is dead once this is committed */
	struct journal_ref about;
	const void *meta; /* copied */
	size_t meta_len;
	/* At most JOURNAL_INLINE_MAX bytes in all; borrowed until the batch is committed or flushed
	 * (or the journal closed): no copy is made. */
	const struct iovec *content;
	int content_n;
	/* Or: content in a file of its own; taken over when the append succeeds. */
	struct journal_large *large;
};

/* 0, FULL (nothing added; try again later or refuse), LIMIT, FAILED, EIO. */
int journal_append(struct journal *j, const struct journal_write *w, struct journal_ref *out);
/* Bytes gathered since the last commit or flush: commit earlier when this grows large. */
size_t journal_batch_bytes(const struct journal *j);
/*
 * 0: everything appended so far is on stable storage. EIO, FULL: everything since the last
 * successful commit (flushed or not) is gone and its refs are void. The journal goes on unless
 * FAILED is returned. Without anything to do: 0 at once.
 */
int journal_commit(struct journal *j);
/* Writes the batch without syncing: survives the end of the process, not of the power. Errors as
 * in journal_commit. */
int journal_flush(struct journal *j);
/* Something is flushed or appended that is not synced. */
bool journal_dirty(const struct journal *j);

/* --- large content -----------------------------------------------------------------------------
 */
/* Streams content into a file of its own; synced by the commit of the record that takes it. */
int journal_large_new(struct journal *j, bool urgent, struct journal_large **out);
/* 0, FULL, EIO. */
int journal_large_write(struct journal_large *l, const void *p, size_t n);
uint64_t journal_large_size(const struct journal_large *l);
/* Its number: the large_id of the record that will take it. */
uint64_t journal_large_id(const struct journal_large *l);
/* Removes it: for content that no record took. */
void journal_large_abort(struct journal_large **l);
/* Removes the content of a record that is dead; call it only after the commit that made it so. */
void journal_large_drop(struct journal *j, uint64_t id);
/* After recovery: asks about every file of large content and removes those not in use. */
void journal_large_collect(struct journal *j, bool (*in_use)(void *arg, uint64_t id), void *arg);

/* --- reading -----------------------------------------------------------------------------------
 */
/*
 * One record; not from the uncommitted batch. ref.size 0: not known (one read more). meta and
 * inline content are placed in scratch (which is cleared before; its limit must allow the longest
 * record, JOURNAL_RECORD_MAX) and r->meta, *content point into it. For large content *content is
 * NULL: use journal_large_open. content may be NULL: then only the meta is read and verified.
 * Errors: GONE, DAMAGED (also reported), EIO, LIMIT (scratch too small).
 */
int journal_read(struct journal *j, struct journal_ref ref, struct buf *scratch,
    struct journal_record *r, const uint8_t **content);
/* A descriptor of the caller to read large content with pread(2); GONE, EIO. The size is checked
 * here; the bytes against content_crc by whoever reads them all. */
int journal_large_open(struct journal *j, const struct journal_record *r, int *fd);
/* crc 0 to begin with. */
uint32_t journal_crc(uint32_t crc, const void *p, size_t n);

/* --- space -------------------------------------------------------------------------------------
 */
/* Size on disk of a record with inline content (large: content_len 0). */
uint32_t journal_record_size(size_t meta_len, size_t content_len);
/* A record that is about none is not needed any more. Counts; nothing is written. */
void journal_dead(struct journal *j, struct journal_ref ref);

struct journal_mover {
	/*
	 * Is this record (not one with kill) still needed? If so it is written again, as w: w holds
	 * its type, about and meta; the content is moved unchanged, but see content. A moved record is replayed
	 * after everything that was written until now, so where later records may have changed what
	 * it says, type, about and meta of w must be replaced by the current state (borrowed until
	 * live is called again). One that is about another is shown only while the other's segment
	 * exists elsewhere. *key comes back in moved.
	 */
	bool (*live)(
	    void *arg, const struct journal_record *r, struct journal_write *w, uint64_t *key);
	/*
	 * Optional: other bytes for the inline content of the record live was asked about last, in place of
	 * *content (to be freed; the new ones come from malloc, at most JOURNAL_INLINE_MAX). w may be changed as
	 * in live.
	 */
	void (*content)(void *arg, struct journal_write *w, uint8_t **content, size_t *n);
	/* After the sync: the record is at the new place. The old one is gone. */
	void (*moved)(void *arg, uint64_t key, journal_pos from, struct journal_ref to);
	void *arg;
};
/* Is there something to compact? Cheap. */
bool journal_compact_wanted(const struct journal *j);
/*
 * Empties one segment, if one is wanted: 1 = done one, 0 = none wanted. Commits, so nothing of the
 * owner's may be uncommitted (JOURNAL_LIMIT). On errors nothing was moved.
 */
int journal_compact(struct journal *j, const struct journal_mover *m);

struct journal_checked {
	uint64_t segment, records, damaged; /* damaged: places; each was reported */
};
/*
 * Reads the first segment above number `after`: header and meta of each record (content: journal_read).
 * Good records are shown to fn (NULL: nobody) as at recovery. What is damaged is reported, and the
 * segment is kept for ever. 1: read one, 0: there is none.
 */
int journal_check(struct journal *j, uint64_t after, struct journal_checked *out,
    void (*fn)(void *arg, const struct journal_record *r), void *arg);

struct journal_space {
	uint64_t live_bytes;  /* in segments */
	uint64_t total_bytes; /* segments and spares on disk */
	uint64_t free_bytes;  /* of the file system, for us */
	unsigned segments;
	bool full; /* ordinary records are refused */
};
void journal_space(struct journal *j, struct journal_space *out);
/* Call about once a second while space.full: rebuilds the reserve when space is back. */
void journal_recover_space(struct journal *j);

#endif
