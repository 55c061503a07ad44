/* SPDX-License-Identifier: ISC */
/* The tree of search keys: between search_parse.c and search.c. */
#ifndef POSTERN_IMAP_SEARCH_KEY_H
#define POSTERN_IMAP_SEARCH_KEY_H

#include "imap/search.h"

enum imap_key_kind {
	K_ALL,
	K_SEQ,
	K_UID,
	K_FLAG,   /* any of flags is set */
	K_NOFLAG, /* none is */
	K_RECENT,
	K_NEW,
	K_OLD,
	K_DAY, /* internal date: lo <= day < hi */
	K_SENT_DAY,
	K_SAVED_DAY,
	K_TIME, /* internal date: lo <= seconds <= hi */
	K_EMAILID,
	K_THREADID,
	K_LARGER,
	K_SMALLER,
	K_MODSEQ, /* at least size */
	K_HEADER,
	K_BODY,
	K_TEXT,
	K_NOT,
	K_OR,
	K_AND,
};

struct imap_key {
	enum imap_key_kind kind;
	const struct imap_key *a, *b; /* NOT: a; OR: a, b; AND: the list that begins with a */
	struct imap_key *next;        /* in a list of AND */
	struct imap_set set;
	imap_flags flags;
	int64_t lo, hi;
	uint32_t leaf;          /* SENT_DAY, HEADER, BODY, TEXT: number among these */
	uint64_t size;          /* bytes, or a MODSEQ */
	struct str field, text; /* text: folded UTF-8; or an id */
};

#endif
