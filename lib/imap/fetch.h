/* SPDX-License-Identifier: ISC */
/* A FETCH under way: between fetch_parse.c and fetch.c. */
#ifndef POSTERN_IMAP_FETCH_H
#define POSTERN_IMAP_FETCH_H

#include "imap/facts.h"
#include "imap/section.h"
#include "imap/state.h"

enum item_kind {
	ITEM_UID,
	ITEM_FLAGS,
	ITEM_MODSEQ,
	ITEM_INTERNALDATE,
	ITEM_SIZE,
	ITEM_SAVEDATE,
	ITEM_EMAILID,
	ITEM_THREADID,
	ITEM_ENVELOPE,
	ITEM_BODY,
	ITEM_BODYSTRUCTURE,
	ITEM_PREVIEW,
	ITEM_SECTION,
	ITEM_BINARY,
	ITEM_BINARY_SIZE,
};

struct item {
	enum item_kind kind;
	struct str name; /* as the response calls it */
	struct imap_section section;
	bool peek;
	bool lazy; /* PREVIEW: only if it costs nothing */
};

struct fetch {
	struct item items[IMAP_FETCH_ITEMS_MAX];
	size_t nitems;
	bool needs_content, needs_tree, marks_seen, has_flags, has_modseq;
	unsigned wants; /* FACTS_...: with these no content is needed for ENVELOPE, BODYSTRUCTURE */
	bool changed;   /* CHANGEDSINCE: only messages above this MODSEQ */
	uint64_t since;
	bool vanished;    /* and what is gone since then */
	const char *text; /* the reply, if not fetch_end's own */
	struct imap_set set;
	size_t range; /* being walked */
	struct imap_walk walk;
	bool walking, some_gone, some_damaged, some_encoded;
	/* the message at hand */
	bool in_message, extra_flags, extra_modseq;
	size_t item;
	struct imap_seen m;
	struct imap_content content;
	bool has_content;
	struct mime_tree tree;
	struct buf record; /* of the store's index, and taken apart: */
	struct imap_facts facts;
	struct arena *arena; /* scratch of ENVELOPE and BODYSTRUCTURE */
	size_t turn_messages, turn_bytes;
};

bool imap_fetch_item_add(
    struct imap_parse *p, struct fetch *f, enum item_kind kind, struct str name);
/* "item", "(item ...)" or a macro. */
bool imap_fetch_items_parse(struct imap_parse *p, struct fetch *f);
/* " (CHANGEDSINCE n VANISHED)" (rfc7162:3.1.4, 3.2.6), if it is there. */
bool imap_fetch_modifiers_parse(struct imap_session *s, struct imap_parse *p, struct fetch *f);

#endif
