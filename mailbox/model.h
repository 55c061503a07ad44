/* SPDX-License-Identifier: ISC */
/*
 * One user's mailbox in memory: the sum of the journal's records. Pure: it reads no file, no clock.
 *
 * model_apply() is the only way in which messages and tables change, at recovery and while the
 * mailbox lives, so what is recovered is what was. While recovering, records may speak of folders
 * and content whose own records come later (compaction moves those); model_settle() closes that.
 *
 * Size: 28 bytes for a message in a folder, 36 for its content, which copies share, and 2
 * more where any is compressed.
 */
#ifndef POSTERN_MAILBOX_MODEL_H
#define POSTERN_MAILBOX_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/str.h"
#include "journal/journal.h"
#include "mailbox/records.h"
#include "mailbox/vanished.h"

enum {
	/* Copies of one content: what 16 bits hold. */
	MODEL_COPIES_MAX = 65535,
	MODEL_KEYWORDS_MAX = REC_KEYWORDS_MAX, /* keywords of a folder */
	MODEL_FOLDERS_MAX = REC_FOLDERS_MAX,   /* folders of a mailbox */
	MODEL_BLOCK = 8,                       /* records are padded to this */
	MODEL_LIMIT = -2,                      /* copies refused, tables full */
};

#define MODEL_SEEN ((uint64_t)1)
#define MODEL_DELETED ((uint64_t)8)

/* A message in a folder. Packed: there are many; read it through the functions below. */
struct message {
	uint32_t uid;
	uint32_t content; /* index */
	uint32_t saved;   /* seconds since 1970 */
	uint32_t modseq_lo;
	uint32_t flags_lo, flags_hi;
	uint16_t modseq_hi;
	uint16_t unused;
} __attribute__((packed, aligned(4)));

struct content {
	uint64_t email; /* 0: this place is free */
	uint64_t pos;   /* in the journal; 0: not seen yet; of a free place: index of the next */
	uint64_t thread;
	int64_t seconds : 40; /* internal date */
	int64_t quarters : 8; /* its zone, in quarters of an hour */
	uint64_t refs : 16;
	uint32_t size;
} __attribute__((packed, aligned(4)));

struct folder {
	uint32_t id;
	uint32_t uidvalidity, uidnext;
	uint8_t special;
	bool gone;  /* deleted; kept until the last session has closed it */
	char *name; /* NULL: no table has named it (yet) */
	uint64_t highest;
	struct message *messages; /* ascending by UID */
	uint32_t n, cap;
	uint32_t unseen, deleted;
	uint64_t bytes;
	char *keywords[MODEL_KEYWORDS_MAX];
	uint32_t nkeywords;
	struct journal_ref keywords_ref;
	struct vanished vanished;
	/* The owner's. */
	uint32_t recent; /* UIDs from here on have not been shown as \Recent */
	uint32_t opens;
	void *viewers;
};

struct model_name {
	char *name;
	struct folder *folder; /* NULL: subscribed only */
	bool subscribed;
};

/* A delivery that has been done. */
struct model_delivery {
	uint64_t number, origin;
	uint32_t uid, folder;
};

struct model_ops {
	/* A record is not needed any more. */
	void (*dead)(void *arg, struct journal_ref ref);
	/* The content in a file of its own is not needed any more. */
	void (*large_dead)(void *arg, uint64_t large_id);
	/* The last message with this content is gone. */
	void (*content_gone)(void *arg, uint64_t email);
	/* A folder that sessions may have open was deleted: opens is not 0. The owner calls
	 * model_folder_release when it is. */
	void (*folder_gone)(void *arg, struct folder *f);
	void *arg;
};

struct model {
	struct model_ops ops;
	bool recovering;
	bool resumed;            /* from a checkpoint */
	struct folder **folders; /* ascending by id */
	uint32_t nfolders;
	struct model_name *names; /* ascending by the bytes of the names */
	uint32_t nnames;
	uint32_t next_folder, last_uidvalidity;
	struct content *contents;
	uint32_t ncontents, contents_cap;
	/* Of each content what it takes in the segment, in units of MODEL_BLOCK, when it is compressed
	 * there; 0: as its size says. NULL: none is. */
	uint16_t *blocks;
	uint32_t free_content; /* index + 1 of the first free place */
	uint32_t live_contents;
	struct map *by_email; /* made when needed, see model_content_find */
	struct map *large;    /* index + 1 -> number of the content's file */
	uint64_t modseq;      /* the last one used */
	uint64_t reserved;    /* the journal says: used up to here */
	uint64_t last_email;
	uint64_t floor;
	bool keep_deliveries;              /* all of them, whatever the floor says */
	struct model_delivery *deliveries; /* ascending by number */
	uint32_t ndeliveries, deliveries_cap;
	uint32_t version; /* of the records; 0: a new mailbox */
	struct journal_ref format_ref, folders_ref, subscriptions_ref, counters_ref;
	uint64_t unresolved; /* after model_settle: messages whose content was not found */
	uint32_t rescued;    /* ... and folders that no table named */
};

struct model *model_new(const struct model_ops *ops);
void model_free(struct model **m);

/* One record with its place (as in struct journal_record). 0, REC_BAD: nothing was changed. */
int model_apply(struct model *m, unsigned type, struct str meta, struct journal_ref ref,
    uint64_t content_len, uint64_t large_id);
/* The end of recovery: drops content without message and messages without content; a folder with
 * messages that no table names (damage) gets a name. Calls ops. */
void model_settle(struct model *m);

/* --- folders -----------------------------------------------------------------------------------
 */
struct folder *model_folder(const struct model *m, uint32_t id);
/* Place of a name in m->names, or where it would have to stand. */
uint32_t model_name_place(const struct model *m, struct str name, bool *found);
struct folder *model_folder_named(const struct model *m, struct str name);
/* Frees a folder that is gone when nobody has it open. */
void model_folder_release(struct model *m, struct folder *f);
/* Place of a keyword, ASCII without case; -1. */
int model_keyword(const struct folder *f, struct str name);

/* --- messages ----------------------------------------------------------------------------------
 */
/* Place of the first message with at least this UID; n when there is none. */
uint32_t model_find(const struct folder *f, uint32_t uid);
/* The message with this UID or NULL. */
struct message *model_message(const struct folder *f, uint32_t uid);
static inline uint64_t
message_modseq(const struct message *g)
{
	return (uint64_t)g->modseq_hi << 32 | g->modseq_lo;
}
static inline uint64_t
message_flags(const struct message *g)
{
	return (uint64_t)g->flags_hi << 32 | g->flags_lo;
}

/* Index of a content by its email id; -1. */
int64_t model_content_find(struct model *m, uint64_t email);
/* The map behind model_content_find costs memory: away with it when the work is done. */
void model_content_forget(struct model *m);
/* The record of a content, with its size. */
struct journal_ref model_content_ref(const struct model *m, uint32_t index);
/* Number of the file it has of its own, 0: none. */
uint64_t model_content_large(const struct model *m, uint32_t index);
/* Compaction has moved its record. */
void model_content_moved(struct model *m, uint32_t index, struct journal_ref to);
/* What an ARRIVAL or CONTENT record of this content must say now. Returns which of the two. */
enum rec_type model_content_state(
    const struct model *m, uint32_t index, const struct rec_arrival *was, struct rec_arrival *now);

/* A new email id: strictly ascending in a mailbox, made from the time in milliseconds. */
uint64_t model_email_next(const struct model *m, uint64_t now_ms);

/* --- deliveries --------------------------------------------------------------------------------
 */
/* NULL: not known. */
const struct model_delivery *model_delivered(
    const struct model *m, uint64_t number, uint64_t origin);

/* --- tables as records -------------------------------------------------------------------------
 */
void model_put_folders(const struct model *m, struct buf *b);
void model_put_subscriptions(const struct model *m, struct buf *b);
void model_put_keywords(const struct folder *f, struct buf *b);
/* The messages with UIDs from lo on, at most REC_MESSAGES_MAX of them and up to hi; returns where
 * the next chunk begins, 0: nothing is left. */
uint32_t model_put_chunk(
    const struct model *m, const struct folder *f, uint32_t lo, uint32_t hi, struct buf *b);

#endif
