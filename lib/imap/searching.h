/* SPDX-License-Identifier: ISC */
/* The work of SEARCH that SORT and THREAD share: RETURN (rfc4731), the walk through the folder, the
 * answer; not for hosts. */
#ifndef POSTERN_IMAP_SEARCHING_H
#define POSTERN_IMAP_SEARCHING_H

#include "imap/search.h"
#include "imap/state.h"

enum {
	IMAP_RET_MIN = 1,
	IMAP_RET_MAX = 2,
	IMAP_RET_ALL = 4,
	IMAP_RET_COUNT = 8,
	IMAP_RET_SAVE = 16,
};

/* The reply when work.exhausted: the walk has ended early, n is 0. */
#define IMAP_SEARCH_EXHAUSTED "NO [LIMIT] The search takes too much time"

/* Begin with all zero. */
struct imap_searching {
	unsigned options; /* IMAP_RET_... */
	bool extended;    /* RETURN was there */
	struct imap_search_request request;
	struct imap_search work;
	struct imap_walk walk;
	uint32_t *found; /* UIDs, ascending */
	size_t n, cap, shown;
	uint64_t highest, first, last; /* MODSEQ of all, of the first and last found */
	bool complete, begun;
};

/* "RETURN (...) " or nothing. */
bool imap_searching_return(struct imap_parse *p, struct imap_searching *c);
/* The keys, to the end of the command. False: BAD; true and request.key == NULL: the reply is set. */
bool imap_searching_begin(struct imap_session *s, struct imap_parse *p, struct imap_searching *c);
/* After imap_searching_begin has found keys. */
void imap_searching_free(struct imap_searching *c);
/* One turn. True: the whole folder was looked at. */
bool imap_searching_look(struct imap_session *s, struct imap_searching *c);
/* With SAVE: what the client may use as "$"; of MIN and MAX alone only those (rfc5182:2.1). */
void imap_searching_save(
    struct imap_session *s, const struct imap_searching *c, uint32_t min, uint32_t max);
/* The answer, "* NAME ..." or ESEARCH, with the UIDs in found (which it changes), and the reply. */
enum imap_step imap_searching_show(struct imap_session *s, struct imap_searching *c,
    const char *name, uint32_t *found, const char *text);

#endif
