/* SPDX-License-Identifier: ISC */
/*
 * One session's view of its open folder. Nothing is copied: what the client believes is the store's
 * live list, less the messages that came since (those above last_uid), plus the ones expunged since
 * (gone). A sequence number is a place in that merged list. At all times
 *     exists == live messages with UID <= last_uid + |gone|.
 */
#ifndef POSTERN_IMAP_VIEW_H
#define POSTERN_IMAP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imap/imap_backend.h"
#include "imap/uidset.h"

enum { IMAP_VIEW_RECENT_RANGES = 16 };

struct imap_view {
	const struct imap_backend_ops *ops;
	void *be;
	struct imap_folder *folder; /* NULL: nothing is open */
	uint32_t exists, last_uid;  /* what the client knows */
	struct imap_uidset gone;    /* expunged, not yet told */
	struct imap_uidset changed; /* flags changed, not yet told */
	struct imap_uidset saved;   /* "$": result of the last SEARCH with SAVE (rfc5182) */
	struct {
		uint32_t lo, hi;
	} recent[IMAP_VIEW_RECENT_RANGES]; /* UIDs that are \Recent in this session */
	unsigned nrecent;
};

/* Takes over the opened folder; the client knows of no message yet. */
void imap_view_open(
    struct imap_view *v, const struct imap_backend_ops *ops, void *be, struct imap_folder *folder);
/* Forgets everything; the folder itself is the caller's to close. */
void imap_view_close(struct imap_view *v);

/* Notices. */
void imap_view_note_gone(struct imap_view *v, const uint32_t *uids, size_t n);
void imap_view_note_flags(struct imap_view *v, const uint32_t *uids, size_t n);

/* New messages the client does not know of? */
bool imap_view_has_new(const struct imap_view *v);
/* Tells the client of all messages there are: exists and last_uid change. claim: those no session
 * was told of before become \Recent here (else they only look so). */
void imap_view_take_new(struct imap_view *v, bool claim);
/* The next EXPUNGE to tell: its sequence number; 0: none. */
uint32_t imap_view_take_gone(struct imap_view *v);

bool imap_view_is_recent(const struct imap_view *v, uint32_t uid);
uint32_t imap_view_recent_count(const struct imap_view *v);

/* ---- walking ----------------------------------------------------------------------------------
 */
/*
 * A place between messages that survives changes of the list: it remembers numbers, not indexes.
 * Walks the messages of one range, by sequence numbers or by UIDs, in ascending order.
 */
struct imap_walk {
	uint32_t next_uid; /* look from here */
	uint32_t hi;       /* last UID */
};

struct imap_seen {
	struct imap_message m; /* uid alone is set when it is gone */
	uint32_t seq;
	bool gone;
};

/* By UIDs lo..hi, as far as the client knows them. */
void imap_walk_uids(const struct imap_view *v, struct imap_walk *w, uint32_t lo, uint32_t hi);
/* By sequence numbers lo..hi (1 <= lo); what is above exists is left out. No EXPUNGE may be told
 * while walking. */
void imap_walk_seqs(const struct imap_view *v, struct imap_walk *w, uint32_t lo, uint32_t hi);
bool imap_walk_next(const struct imap_view *v, struct imap_walk *w, struct imap_seen *m);
/* What '*' stands for among UIDs: that of the last message the client knows. */
uint32_t imap_view_max_uid(const struct imap_view *v);
/* Sequence number of a UID that the client knows. */
uint32_t imap_view_seq_of(const struct imap_view *v, uint32_t uid);
/* UID of a sequence number (1 <= seq <= exists). */
uint32_t imap_view_uid_of(const struct imap_view *v, uint32_t seq);

#endif
