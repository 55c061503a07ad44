/* SPDX-License-Identifier: ISC */
/*
 * Search keys (rfc3501:6.4.4) as a tree, and whether a message matches it. Texts are compared
 * decoded (rfc2047, transfer encodings, charsets) and without case; what stands in a charset
 * without a table is compared as it is. A store that has an index of texts spares the search the
 * messages that cannot match; what it finds is what it would find without.
 */
#ifndef POSTERN_IMAP_SEARCH_H
#define POSTERN_IMAP_SEARCH_H

#include "base/buf.h"
#include "imap/parse.h"
#include "imap/text.h"
#include "imap/view.h"
#include "mail/mime.h"

struct imap_key;

enum imap_search_error { IMAP_SEARCH_OK, IMAP_SEARCH_SYNTAX, IMAP_SEARCH_CHARSET };

struct imap_search_request {
	const struct imap_key *key;
	bool no_charset;    /* in: CHARSET is not allowed (rfc9755:3) */
	struct str charset; /* in: p != NULL: of the texts; CHARSET is no word then (rfc5256:3) */
	bool uses_modseq;   /* the answer tells the highest one found (rfc7162:3.1.5) */
};

/* "[CHARSET x] key key ..." to the end of the command; the tree stands in the arena. */
enum imap_search_error imap_search_parse(
    struct imap_parse *p, const struct imap_view *v, struct imap_search_request *out);

enum imap_search_answer { IMAP_SEARCH_NO, IMAP_SEARCH_YES, IMAP_SEARCH_MORE };

struct imap_leaf;

/* Work of one SEARCH: the message's content is opened when a key asks for it. */
struct imap_search {
	const struct imap_view *view;
	size_t cost;     /* work done since the caller set it to 0; see IMAP_SEARCH_TURN */
	uint64_t budget; /* of the whole search */
	bool damaged;    /* some content could not be read */
	bool exhausted;  /* the budget is used up: nothing matches any more */

	struct imap_leaf *leaves; /* keys that look at content */
	size_t nleaves, nkeys, overlap;
	bool prepared;

	/* the message at hand */
	uint32_t uid; /* 0: none */
	unsigned stage;
	size_t leaf; /* next to be tested */
	struct imap_content content;
	bool has_content, tried;
	struct mime_tree tree;
	struct mime_parser *parser;
	struct imap_text text;
	struct imap_text_piece piece;
	struct buf field, folded; /* scratch */
};

void imap_search_init(struct imap_search *s, const struct imap_view *v);
void imap_search_free(struct imap_search *s);
/*
 * Does the message match? MORE: enough for one turn (cost is IMAP_SEARCH_TURN or above): call again
 * with the same message, or go on to another. The key is the same in all calls.
 */
enum imap_search_answer imap_search_matches(
    struct imap_search *s, const struct imap_key *key, const struct imap_seen *m);

#endif
