/* SPDX-License-Identifier: ISC */
/* The section of a message that BODY[...] names (rfc3501:6.4.5). */
#ifndef POSTERN_IMAP_SECTION_H
#define POSTERN_IMAP_SECTION_H

#include "base/buf.h"
#include "imap/limits.h"
#include "imap/parse.h"
#include "mail/mime.h"

enum imap_section_kind {
	IMAP_SECTION_ALL, /* [], [1.2] */
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS,
	IMAP_SECTION_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME,
};

struct imap_section {
	enum imap_section_kind kind;
	uint32_t *path; /* part numbers */
	size_t depth;
	struct str *fields; /* names of HEADER.FIELDS */
	size_t nfields;
	bool partial;
	uint32_t offset, length;
	struct str text; /* as the response names it: from '[' to ']', and "<offset>" */
};

/* Parses from '[' on. */
bool imap_section_parse(struct imap_parse *p, struct imap_section *s);
/* Does finding it need the MIME tree? */
bool imap_section_needs_tree(const struct imap_section *s);
/* The part that the numbers name; NULL: there is none. depth must not be 0. */
const struct mime_part *imap_section_part(const struct imap_section *s, const struct mime_tree *t);
/* The partial range of bytes. */
struct str imap_section_cut(const struct imap_section *s, struct str bytes);
/*
 * The bytes: borrowed from msg, or put into scratch (header fields). False: there is no such part.
 * The partial range is applied.
 */
bool imap_section_find(const struct imap_section *s, struct str msg, const struct mime_tree *t,
    struct buf *scratch, struct str *bytes);

#endif
