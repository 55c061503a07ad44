/* SPDX-License-Identifier: ISC */
/*
 * The contract between the IMAP session engine (session.h) and the store that keeps one user's
 * mail. The mailbox daemon implements it over its journal, the tests over memory.
 *
 * One thread, one writer: between two calls nothing changes by itself. The engine never keeps a
 * copy of a folder. It sees the live list of messages through its own view (view.h), which it
 * keeps right from the notices at the end of this file.
 *
 * Operations that must reach stable storage take a token. They either answer at once (IMAP_DONE or
 * an error) or return IMAP_PENDING and call imap_session_done() with that token later, once: so one
 * sync can serve many sessions. Until then the engine holds the tagged reply and starts no further
 * command of that session. All notices that belong to an operation come before its end. What an
 * operation changes may become visible at the call or at its end, as the store likes, but all of
 * one operation at the same moment.
 *
 * Names are UTF-8, at most IMAP_NAME_MAX bytes, levels separated by '/', already checked and
 * normalised by the engine (INBOX in capitals, no empty level, no control character). They are
 * keys, never paths.
 */
#ifndef POSTERN_IMAP_BACKEND_H
#define POSTERN_IMAP_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct imap_session;
/* An opened folder; the store defines it. Stays valid until closed, even if the folder is renamed
 * or deleted meanwhile (a deleted one is empty, operations on it give IMAP_NONEXISTENT). */
struct imap_folder;
/* A message (or several) on its way in; the store defines it. */
struct imap_append;
/* A text that is looked for in the store's index; the store defines it. */
struct imap_probe;

enum imap_result {
	IMAP_PENDING = 1,
	IMAP_DONE = 0,
	IMAP_NONEXISTENT = -1, /* no such folder, or message gone */
	IMAP_EXISTS = -2,      /* the new name is taken */
	IMAP_LIMIT = -3,       /* too many folders, keywords, ... */
	IMAP_OVERQUOTA = -4,
	IMAP_HASCHILDREN = -5, /* delete: the folder has folders below it */
	IMAP_CANNOT = -6,      /* never possible: delete INBOX, name the store refuses */
	IMAP_UNAVAILABLE = -7, /* our trouble, may work later: disk full, I/O error */
	IMAP_CORRUPTION = -8,  /* this message or folder is damaged */
	IMAP_TOOBIG = -9,      /* message larger than the store takes */
};

/* Flags of one message: system flags in the low byte, keyword k (0..55) is bit 8 + k. */
typedef uint64_t imap_flags;
#define IMAP_SEEN ((imap_flags)1 << 0)
#define IMAP_ANSWERED ((imap_flags)1 << 1)
#define IMAP_FLAGGED ((imap_flags)1 << 2)
#define IMAP_DELETED ((imap_flags)1 << 3)
#define IMAP_DRAFT ((imap_flags)1 << 4)
#define IMAP_SYSTEM_FLAGS ((imap_flags)0x1f)
#define IMAP_KEYWORD(k) ((imap_flags)1 << (8 + (k)))

enum {
	/* 56 keywords: flags stay one word; clients use about ten. */
	IMAP_KEYWORDS_MAX = 56,
	/* Longest keyword; the longest registered one has 18 bytes. */
	IMAP_KEYWORD_MAX = 64,
	/* Longest folder name in UTF-8: one file name, one key, one IPC field. */
	IMAP_NAME_MAX = 255,
};

/* rfc6154 attribute of a folder; one bit set each so that a mask can be asked for later. */
enum imap_special {
	IMAP_SPECIAL_NONE = 0,
	IMAP_SPECIAL_ARCHIVE = 1 << 0,
	IMAP_SPECIAL_DRAFTS = 1 << 1,
	IMAP_SPECIAL_JUNK = 1 << 2,
	IMAP_SPECIAL_SENT = 1 << 3,
	IMAP_SPECIAL_TRASH = 1 << 4,
};

/* A moment as the client gave it: seconds since 1970 UTC, and the zone it was written in. */
struct imap_time {
	int64_t seconds;
	int16_t zone; /* minutes east of UTC */
};

struct imap_message {
	uint32_t uid;
	imap_flags flags;
	uint64_t modseq;
	uint64_t size; /* bytes of the content: RFC822.SIZE */
	struct imap_time internal;
	int64_t saved;   /* seconds since 1970: when it came into this folder */
	uint64_t email;  /* same for all copies */
	uint64_t thread; /* 0: none */
};

struct imap_folder_state {
	uint64_t id; /* stays when the folder is renamed; never used twice */
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint64_t highestmodseq; /* at least 1; every later change gets a higher one */
	uint32_t messages, unseen, recent, deleted;
	uint64_t size;
};

/* One line of the folder list: what exists or is subscribed (or both). */
struct imap_folder_info {
	struct str name; /* borrowed until the next call that changes anything */
	enum imap_special special;
	bool exists, subscribed;
};

/* A message's content: borrowed, read-only, unchanged until released, even if the message is
 * expunged or the folder closed meanwhile. A session holds at most one, while its client takes the
 * bytes. */
struct imap_content {
	const uint8_t *p;
	size_t n;
	void *handle; /* the store's */
};

enum imap_store_mode { IMAP_STORE_REPLACE, IMAP_STORE_ADD, IMAP_STORE_REMOVE };

/* What a mailbox holds and may hold (rfc9208); limits: 0 is none. */
struct imap_quota {
	uint64_t bytes, messages;
	uint64_t bytes_limit, messages_limit;
};

/* End of an operation. */
struct imap_done {
	enum imap_result result; /* not IMAP_PENDING */
	/* append, copy, move: where the messages are now; UIDs are consecutive, in the order given.
	 */
	uint32_t uidvalidity, first_uid;
};

/*
 * be is the pointer given to imap_session_new; session the one that asks. Every function must be
 * there. Unless said otherwise 0 (IMAP_DONE) is success and the errors are those of imap_result.
 */
struct imap_backend_ops {
	/* --- folders ----------------------------------------------------------------------------
	 */
	/* The i-th entry in the order of the names' bytes; false behind the end. INBOX always
	 * exists. */
	bool (*list)(void *be, size_t i, struct imap_folder_info *info);
	/* viewer: the session that wants notices about this folder until it closes it; NULL: none.
	 * *out is untouched on failure. */
	enum imap_result (*open)(
	    void *be, struct str name, struct imap_session *viewer, struct imap_folder **out);
	void (*close)(void *be, struct imap_folder *f, struct imap_session *viewer);
	void (*state)(void *be, struct imap_folder *f, struct imap_folder_state *state);
	/* Creates missing parents as well. special: attribute of the new folder. */
	enum imap_result (*create)(void *be, struct imap_session *s, uint32_t token,
	    struct str name, enum imap_special special);
	enum imap_result (*delete_)(
	    void *be, struct imap_session *s, uint32_t token, struct str name);
	/* With everything below it; subscriptions keep their names (rfc3501:6.3.9). Renaming INBOX
	 * moves its messages into the new folder and leaves INBOX and what is below it
	 * (rfc3501:6.3.5). The engine has refused renaming a folder to a place below itself. */
	enum imap_result (*rename)(
	    void *be, struct imap_session *s, uint32_t token, struct str from, struct str to);
	/* Names need not exist. */
	enum imap_result (*subscribe)(
	    void *be, struct imap_session *s, uint32_t token, struct str name, bool on);

	/* --- messages of an open folder, ordered by UID ------------------------------------------
	 */
	size_t (*count)(void *be, struct imap_folder *f);
	/* The message at a place (0 .. count - 1) of the live list. Called in hot loops. */
	void (*message)(void *be, struct imap_folder *f, size_t i, struct imap_message *m);
	/* Place of the first message with at least this UID; count when there is none. */
	size_t (*find)(void *be, struct imap_folder *f, uint32_t uid);
	/* Content of the message with this UID; every success is followed by one release. */
	enum imap_result (*content)(
	    void *be, struct imap_folder *f, uint32_t uid, struct imap_content *c);
	void (*release)(void *be, struct imap_content *c);
	/* The record of imap/facts.h about the message with this UID, appended to out (which takes
	 * IMAP_FACTS_MAX bytes). IMAP_DONE; IMAP_NONEXISTENT: there is none, look at the content. A
	 * store that never has any is right, only slower. */
	enum imap_result (*facts)(void *be, struct imap_folder *f, uint32_t uid, struct buf *out);
	/*
	 * An index of texts (imap/text.h): which messages cannot have these bytes (3 at least, folded)
	 * in any of their texts? NULL: it cannot say. probe_may false: not in this message, for sure.
	 */
	struct imap_probe *(*probe_new)(void *be, struct str folded);
	bool (*probe_may)(void *be, struct imap_probe *p, const struct imap_message *m);
	void (*probe_free)(void *be, struct imap_probe **p);
	/* First UID no session has been told of as \Recent; with claim all up to now are told. May
	 * be forgotten when the process ends. */
	uint32_t (*recent)(void *be, struct imap_folder *f, bool claim);

	/* UIDs that were expunged after modseq, in ascending runs that do not touch. What the store
	 * does not remember any more is answered with all UIDs that are not there. */
	void (*vanished)(void *be, struct imap_folder *f, uint64_t modseq,
	    void (*tell)(void *arg, uint32_t lo, uint32_t hi), void *arg);

	/* --- keywords
	 * ----------------------------------------------------------------------------- */
	/* Name of keyword k in this folder, n == 0 when the place is not used. */
	struct str (*keyword_name)(void *be, struct imap_folder *f, unsigned k);
	/* Place of a keyword (compared without case in ASCII); -1: unknown and not created, or the
	 * table is full. A name once given a place keeps it. */
	int (*keyword_find)(void *be, struct imap_folder *f, struct str name, bool create);

	/* --- changes; uids ascending, all of them are in the folder at the call
	 * ------------------- */
	/* Survives kill -9 at the call, power loss after at most a second: should answer at once.
	 * Messages whose flags do not change get no new modseq and no notice. */
	enum imap_result (*store)(void *be, struct imap_session *s, uint32_t token,
	    struct imap_folder *f, const uint32_t *uids, size_t n, enum imap_store_mode mode,
	    imap_flags flags);
	enum imap_result (*expunge)(void *be, struct imap_session *s, uint32_t token,
	    struct imap_folder *f, const uint32_t *uids, size_t n);
	/* All or none; keywords are kept by name. move: and expunged from f in the same
	 * transaction. f and to may be the same folder. *done is filled when the answer is
	 * IMAP_DONE. */
	enum imap_result (*copy)(void *be, struct imap_session *s, uint32_t token,
	    struct imap_folder *f, const uint32_t *uids, size_t n, struct imap_folder *to,
	    bool move, struct imap_done *done);

	/* Seconds since 1970. */
	int64_t (*now)(void *be);
	/* The largest message append takes. */
	uint64_t (*append_limit)(void *be);
	void (*quota)(void *be, struct imap_quota *q);

	/* --- append: begin, (message, bytes...) once or more, then commit or abort
	 * ---------------- */
	/* The engine closes f after commit or abort has been called, perhaps before the end comes.
	 */
	enum imap_result (*append_begin)(
	    void *be, struct imap_session *s, struct imap_folder *f, struct imap_append **a);
	/* size: bytes that will follow; has_when false: now. After an error only abort is legal. */
	enum imap_result (*append_message)(struct imap_append *a, imap_flags flags, bool has_when,
	    struct imap_time when, uint64_t size);
	enum imap_result (*append_bytes)(struct imap_append *a, const void *p, size_t n);
	/* Both take *a over and set it to NULL. All messages or none. */
	enum imap_result (*append_commit)(
	    struct imap_append **a, uint32_t token, struct imap_done *done);
	void (*append_abort)(struct imap_append **a);

	/* The session ends: forget its tokens. What it began goes on. */
	void (*session_gone)(void *be, struct imap_session *s);
};

/* ---- what the store tells sessions (lib/imap/session.c) ----------------------------------------
 */
/* The operation with this token is complete (after IMAP_PENDING only). */
void imap_session_done(struct imap_session *s, uint32_t token, const struct imap_done *done);
/*
 * Notices to every session that has opened f as viewer, the one that asked included. They may be
 * given inside of an operation's call; nothing is written from inside of them. uids ascending.
 */
/* New messages stand at the end of the list. */
void imap_session_arrived(struct imap_session *s, struct imap_folder *f);
void imap_session_flags(
    struct imap_session *s, struct imap_folder *f, const uint32_t *uids, size_t n);
/* These have just been taken out of the list. */
void imap_session_expunged(
    struct imap_session *s, struct imap_folder *f, const uint32_t *uids, size_t n);
/* The folder is no more; its messages need not be expunged one by one. */
void imap_session_folder_gone(struct imap_session *s, struct imap_folder *f);

#endif
