/* SPDX-License-Identifier: ISC */
/* The inside of a session, shared by the files that carry out its commands; not for hosts. */
#ifndef POSTERN_IMAP_STATE_H
#define POSTERN_IMAP_STATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "imap/capability.h"
#include "imap/frame.h"
#include "imap/limits.h"
#include "imap/parse.h"
#include "imap/session.h"
#include "imap/view.h"

/* What ENABLE (or the first use) has switched on. */
enum {
	IMAP_ON_CONDSTORE = 1,
	IMAP_ON_QRESYNC = 2,
	IMAP_ON_UTF8 = 4,
	IMAP_ON_REV2 = 8,
};

enum imap_phase {
	IMAP_PHASE_READ,   /* collecting a command */
	IMAP_PHASE_STREAM, /* a message of APPEND flows to the store */
	IMAP_PHASE_STEP,   /* carrying out: s->step */
	IMAP_PHASE_SYNC,   /* telling what happened in the folder */
	IMAP_PHASE_REPLY,  /* the tagged reply */
	IMAP_PHASE_IDLE,
	IMAP_PHASE_CLOSE,
};

enum imap_step {
	IMAP_STEP_DONE,
	IMAP_STEP_MORE,  /* output is full, or an operation is pending: call again */
	IMAP_STEP_YIELD, /* a long work: others first */
};

struct imap_append_state {
	struct imap_append *a;      /* NULL: the message is refused, its bytes are dropped */
	struct imap_folder *folder; /* where it goes */
	uint64_t left;              /* bytes still to come */
	size_t prefix;              /* length of the command up to the message */
	uint32_t count;             /* messages begun */
	bool active;
	bool wrapped; /* a ')' must follow the message */
	enum { IMAP_HEADER_LINE, IMAP_HEADER_INSIDE, IMAP_HEADER_OVER } header;
};

struct imap_session {
	const struct imap_backend_ops *ops;
	void *be;
	void (*wake)(void *arg);
	void *wake_arg;
	unsigned enabled; /* IMAP_ON_... */
	imap_caps hidden; /* not announced to this account, and not enabled */

	struct imap_frame frame;
	struct arena *arena; /* of the command at hand */
	struct buf out;
	struct buf scratch; /* a long answer on its way; chunk may point into it */
	struct str chunk; /* rest of a literal or a long answer that must follow before all else */

	/* the open folder: view.folder != NULL */
	struct imap_view view;
	bool read_only;
	bool folder_gone;
	bool own_store; /* inside of our own store: its notices are not for us */
	struct str
	    given; /* rev2: the last name of a folder as the client wrote it; n == 0: in our form */
	imap_flags keywords_told; /* keywords the client knows of */
	uint64_t synced;          /* changes up to this MODSEQ have been told */

	/* the command at hand */
	enum imap_phase phase;
	struct str tag;
	bool by_uid;
	bool hold_expunge; /* no EXPUNGE may be told at its end */
	bool bad;          /* was not understood */
	bool tell_synced;  /* an OK says [HIGHESTMODSEQ s->synced] to who has enabled QRESYNC */
	struct buf reply;  /* "OK text" */
	bool replied;      /* its tag is written */
	enum imap_step (*step)(struct imap_session *s);
	void (*cleanup)(struct imap_session *s); /* gives back what *cmd holds */
	void *cmd;                               /* the command's own state, in the arena */
	struct imap_append_state append;

	uint32_t token;
	bool waiting; /* for the operation with this token */
	struct imap_done done;

	const char *bye; /* the host wants an end */
	unsigned bad_run;
	bool logout;
};

/* --- replies -----------------------------------------------------------------------------------
 */
/* Sets the tagged reply: "OK ...", "NO ...", "BAD ...". */
void imap_reply(struct imap_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* OK with text, or NO with the code and text of the result. */
void imap_reply_result(struct imap_session *s, enum imap_result r, const char *text);
/* Untagged and continuation lines; a line that does not fit ends the session. */
void imap_put(struct imap_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Notes a failed write to out (which cannot happen while out is below IMAP_OUT_LOW). */
void imap_check(struct imap_session *s, int failed);
/* Room for one more answer? */
bool imap_has_room(const struct imap_session *s);
/* Writes what it can of s->chunk; true: all of it is written. */
bool imap_chunk_write(struct imap_session *s);

/* --- operations --------------------------------------------------------------------------------
 */
/* A token for the next operation; imap_pending() then takes its answer. */
uint32_t imap_token(struct imap_session *s);
/* True: wait; false: s->done.result is its end. The next step is called at the end either way. */
bool imap_pending(struct imap_session *s, enum imap_result r);

/* --- commands; false: BAD with p->error ----------------------------------------------------------
 */
bool imap_cmd_dispatch(struct imap_session *s, struct imap_parse *p);

bool imap_cmd_enable(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_list(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_lsub(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_status(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_create(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_delete(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_rename(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_subscribe(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_unsubscribe(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_select(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_examine(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_close(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_unselect(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_expunge(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_store(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_copy(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_move(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_fetch(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_search(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_sort(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_thread(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_getquota(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_getquotaroot(struct imap_session *s, struct imap_parse *p);
bool imap_cmd_setquota(struct imap_session *s, struct imap_parse *p);

/* APPEND is begun when its literal is announced. */
enum imap_append_verdict {
	IMAP_APPEND_NOT,     /* an ordinary literal */
	IMAP_APPEND_STREAM,  /* s->append takes the bytes */
	IMAP_APPEND_REFUSED, /* s->reply says why */
};
enum imap_append_verdict imap_append_literal(struct imap_session *s);
void imap_append_take(struct imap_session *s, struct buf *in);
/* The command is complete. */
bool imap_cmd_append(struct imap_session *s, struct imap_parse *p);
void imap_append_abort(struct imap_session *s);

/* --- shared pieces -------------------------------------------------------------------------------
 */
bool imap_arg_name(struct imap_session *s, struct imap_parse *p, struct str *name);
/* "(\Seen kw)" or without parentheses; creates keywords in f. enum: see imap_flags_parse. */
bool imap_arg_flags(struct imap_parse *p, bool list, struct str *names, size_t *n);
/* Names to bits; false: not possible, s->reply is set. create: unknown keywords get a place. */
bool imap_flags_resolve(struct imap_session *s, struct imap_folder *f, const struct str *names,
    size_t n, bool create, imap_flags *flags);
/* A set for this command, resolved: by UID or by sequence number. A sequence number that does not
 * exist is an error (rfc3501:7). */
bool imap_arg_set(struct imap_session *s, struct imap_parse *p, struct imap_set *set);
/* Starts walking the k-th range of a set. */
void imap_walk_range(
    const struct imap_session *s, const struct imap_set *set, size_t k, struct imap_walk *w);
/* UIDs of a set's live messages in the arena; NULL: out of room. *gone: some are expunged. */
uint32_t *imap_set_uids(struct imap_session *s, const struct imap_set *set, size_t *n, bool *gone);
/* "FLAGS (...)" of a message. */
int imap_put_message_flags(struct imap_session *s, const struct imap_seen *m);
/* Tells of keywords among flags that the client has not seen yet. */
void imap_tell_keywords(struct imap_session *s, imap_flags flags);
/* "* FLAGS" and "* OK [PERMANENTFLAGS]" as they stand. */
void imap_put_folder_flags(struct imap_session *s);
/* Tells one piece of what happened in the folder; false: nothing is left. */
bool imap_sync_one(struct imap_session *s, bool expunge);
/* Back to the authenticated state. */
void imap_folder_close(struct imap_session *s);
/* Switches CONDSTORE on. */
void imap_condstore_on(struct imap_session *s);
/* "MODSEQ (n)" */
void imap_put_modseq(struct imap_session *s, uint64_t modseq);
/* "* VANISHED (EARLIER)" of what was expunged after modseq from the resolved set of UIDs: into
 * s->chunk, for a step that begins with imap_chunk_write. */
void imap_put_earlier(struct imap_session *s, const struct imap_set *set, uint64_t modseq);
/* "* VANISHED" of what view.gone holds, which must not be empty. */
void imap_tell_vanished(struct imap_session *s);
/* What changed after modseq in the resolved set of UIDs, VANISHED (EARLIER) first, as steps of the
 * command at hand; then replies with text. */
bool imap_fetch_changed(
    struct imap_session *s, const struct imap_set *set, uint64_t modseq, const char *text);
/* "(MESSAGES ...)" as a set of items. */
bool imap_status_parse(struct imap_session *s, struct imap_parse *p, unsigned *items);
/* "* STATUS" of a folder; an error when it cannot be opened. */
enum imap_result imap_status_put(struct imap_session *s, struct str name, unsigned items);
/* One LIST line, for a client of rev2 that must hear of a folder's name. */
void imap_put_list_line(struct imap_session *s, struct str name);
/* The largest message APPEND takes. */
uint64_t imap_append_limit(const struct imap_session *s);
/* May this account use the capability? */
static inline bool
imap_has(const struct imap_session *s, enum imap_cap cap)
{
	return !(s->hidden & IMAP_CAP_BIT(cap));
}
/* Are names of folders written in UTF-8? */
static inline bool
imap_names_utf8(const struct imap_session *s)
{
	return (s->enabled & (IMAP_ON_UTF8 | IMAP_ON_REV2)) != 0;
}
/* Does the client speak rfc9051? Then there is no \\Recent, and SEARCH answers in the new form. */
static inline bool
imap_is_rev2(const struct imap_session *s)
{
	return (s->enabled & IMAP_ON_REV2) != 0;
}
/* What is announced after login, less what is hidden from this account. */
int imap_put_capabilities(struct imap_session *s, struct buf *out);

#endif
