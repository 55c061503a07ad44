/* SPDX-License-Identifier: ISC */
/*
 * Search keys (rfc3501:6.4.4) as a tree, and whether a message matches it. Texts are compared
 * decoded (rfc2047, transfer encodings, charsets) and without case; what stands in a charset
 * without a table is compared as it is.
 */
#ifndef POSTERN_IMAP_SEARCH_H
#define POSTERN_IMAP_SEARCH_H

#include "base/buf.h"
#include "imap/parse.h"
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

/* Work of one SEARCH: the message's content is opened when a key asks for it. */
struct imap_search {
	const struct imap_view *view;
	struct imap_content content;
	bool has_content, tried, has_tree;
	bool damaged; /* some content could not be read */
	size_t bytes; /* content looked at since the caller set it to 0 */
	struct mime_tree tree;
	struct buf text, folded; /* scratch */
};

void imap_search_init(struct imap_search *s, const struct imap_view *v);
void imap_search_free(struct imap_search *s);
bool imap_search_matches(
    struct imap_search *s, const struct imap_key *key, const struct imap_seen *m);

#endif
