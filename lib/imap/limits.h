/* SPDX-License-Identifier: ISC */
/* Every limit of the IMAP engine, and why that number. */
#ifndef POSTERN_IMAP_LIMITS_H
#define POSTERN_IMAP_LIMITS_H

enum imap_limits {
	/* --- before login: little memory for a stranger --- */
	/* One command with its literals: SASL PLAIN with initial response fits with room. */
	IMAP_PRELOGIN_COMMAND_MAX = 4096,
	/* One base64 line of a SASL exchange (rfc4422 leaves it open; 8 KiB is what others take).
	 */
	IMAP_PRELOGIN_SASL_MAX = 8192,
	/* All bytes of a connection before login. */
	IMAP_PRELOGIN_BYTES_MAX = 65536,
	/* Commands that are not understood, then BYE. */
	IMAP_PRELOGIN_BAD_MAX = 3,
	/* Refused logins, then BYE: a person mistyping gets a fresh try, a guesser a new
	   connection. */
	IMAP_PRELOGIN_FAILURES_MAX = 3,
	/* Pending replies; more waits for the client to read. */
	IMAP_PRELOGIN_OUT_MAX = 16384,

	/* --- after login --- */
	/* Tag: rfc3501 has no limit, clients use up to ten bytes. Equals the hand-over field. */
	IMAP_TAG_MAX = 64,
	/* One command with its literals but for APPEND's message: a FETCH of 8,000 single UIDs fits
	 * (rfc7162 asks for 8,192 bytes at least). */
	IMAP_COMMAND_MAX = 131072,
	IMAP_LITERALS_MAX = 256,      /* literals in one command: more than any search needs */
	IMAP_DEPTH_MAX = 50,          /* parentheses and NOT/OR in SEARCH: bounds the stack */
	IMAP_SEARCH_KEYS_MAX = 1000,  /* search keys, each list of them counts as one */
	IMAP_SET_RANGES_MAX = 20000,  /* ranges in a set: COMMAND_MAX bounds it to 65,536 anyway */
	IMAP_FETCH_ITEMS_MAX = 64,    /* items of one FETCH */
	IMAP_HEADER_FIELDS_MAX = 200, /* names in HEADER.FIELDS */
	IMAP_SECTION_DEPTH_MAX = 100, /* 1.1.1...: as deep as MIME trees get */
	IMAP_ID_FIELDS_MAX = 30,      /* rfc2971 */
	IMAP_STORE_FLAGS_MAX = 64,    /* flags named in one STORE or APPEND */
	IMAP_LEVELS_MAX = 32,         /* levels of a folder name */
	IMAP_LIST_PATTERNS_MAX = 16,  /* patterns of one LIST */
	IMAP_IDLE_LINE_MAX = 256,     /* what may come instead of DONE */
	IMAP_BAD_MAX = 50,            /* bad commands in a row after login, then BYE */
	/* Largest message APPEND takes; the store may have a lower limit. */
	IMAP_APPEND_MAX = 100 * 1024 * 1024,
	/* A literal sent without asking that we refuse is read and dropped up to this; above: BYE.
	 */
	IMAP_SKIP_MAX = 128 * 1024 * 1024,
	/* Output that waits: above this a long answer pauses until the client has read. */
	IMAP_OUT_LOW = 65536,
	/* Output that waits never passes this. */
	IMAP_OUT_MAX = 262144,
	/* Messages looked at in one turn before others get theirs (flags only / with content). */
	IMAP_TURN_MESSAGES = 20000,
	IMAP_TURN_BYTES = 4 * 1024 * 1024,
	/* Headers that SORT and THREAD read in one turn: about half a millisecond. */
	IMAP_TURN_HEADERS = 50,
	/* Work of SEARCH in one turn before others get theirs: about as many bytes of messages are
	 * decoded and compared, a fifth of a millisecond. A message costs 32 besides, opening one 4096,
	 * comparing with one more text a quarter of its bytes. */
	IMAP_SEARCH_TURN = 64 * 1024,
	/* Work of one SEARCH, then NO [LIMIT]: so many times the folder's bytes and 4096 for each of its
	 * messages, and IMAP_SEARCH_LEAST. A client's search has a handful of texts, and one for 20 is
	 * always let through. */
	IMAP_SEARCH_TIMES = 8,
	IMAP_SEARCH_LEAST = 1024 * 1024 * 1024,
	/* Texts of one SEARCH for which the store's index is asked; each costs it up to 32 KiB. */
	IMAP_SEARCH_PROBES_MAX = 16,
	/* Memory of one command: the sets of UIDs of a very large folder are its largest tenants. */
	IMAP_ARENA_MAX = 64 * 1024 * 1024,
	/* Memory of one command before login. */
	IMAP_PRELOGIN_ARENA_MAX = 16384,
	/* Longest string that is sent in quotes, longer ones are literals: a line stays short. */
	IMAP_QUOTED_MAX = 1000,
	/* What one item of an answer may be long before it goes out. */
	IMAP_REPLY_MAX = 16 * 1024 * 1024,
	/* The largest part decoded (BINARY) must fit. */
	IMAP_SCRATCH_MAX = 256 * 1024 * 1024,
	/* What of it is kept after the command. */
	IMAP_SCRATCH_KEEP = 16384,
	/* What SORT and THREAD keep of the messages' headers. */
	IMAP_ORDER_ARENA_MAX = 128 * 1024 * 1024,
};

#endif
