/* SPDX-License-Identifier: ISC */
/*
 * The tree of a message's parts (rfc2045, rfc2046) as offsets into its bytes, found in one pass of
 * linear time without recursion. Lenient and deterministic:
 *   - a line ends with LF; a CR before it belongs to the line end;
 *   - a delimiter line is "--" boundary, nothing but white space (and "--") behind it; that of an
 *     outer multipart ends all inner ones; the line end before it belongs to it;
 *   - the first boundary parameter and the first Content-Type field count; a multipart without a
 *     usable boundary has no children;
 *   - message/rfc822 is looked into unless its transfer encoding is base64 or quoted-printable;
 *   - what is deeper than MIME_DEPTH_MAX, and what comes behind MIME_PARTS_MAX parts, stays opaque.
 * Children lie inside of their parent's body, in order, without overlap.
 */
#ifndef POSTERN_MAIL_MIME_H
#define POSTERN_MAIL_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	MIME_DEPTH_MAX = 100,     /* real mail nests under ten deep */
	MIME_PARTS_MAX = 10000,   /* bounds memory: about 1 MB of parts */
	MIME_BOUNDARY_MAX = 1000, /* rfc2046 says 70; longer ones occur */
};

enum mime_kind { MIME_LEAF, MIME_TEXT, MIME_MULTIPART, MIME_MESSAGE };
enum mime_encoding {
	MIME_ENC_NONE, /* 7bit, 8bit, binary or no field */
	MIME_ENC_QP,
	MIME_ENC_BASE64,
	MIME_ENC_OTHER,
};
enum { MIME_NO_PART = -1 };

struct mime_part {
	size_t header;  /* start of the part's header */
	size_t body;    /* end of the header with its empty line, start of the body */
	size_t end;     /* end of the body */
	uint32_t lines; /* line ends within the body */
	enum mime_kind kind;
	enum mime_encoding encoding;
	bool default_message; /* in a multipart/digest: message/rfc822 without a Content-Type */
	struct str ctype;     /* raw value of Content-Type; n == 0: none */
	int32_t parent, child, next; /* numbers of parts, MIME_NO_PART: none */
};

struct mime_tree {
	struct mime_part *parts; /* 0 is the message itself */
	size_t count, cap;
	bool truncated; /* a limit was met */
};

/* Fills an empty tree ({ 0 }) or one used before; msg is borrowed for as long as the tree is used.
 */
void mime_parse(struct str msg, struct mime_tree *t);
void mime_tree_free(struct mime_tree *t);

/* The same in steps: the tree is complete when a step has returned true. Large messages take long. */
struct mime_parser;
struct mime_parser *mime_parser_new(struct str msg, struct mime_tree *t);
/* Looks at about so many bytes more. */
bool mime_parser_step(struct mime_parser *p, size_t bytes);
void mime_parser_free(struct mime_parser **p);

static inline struct str
mime_header(struct str msg, const struct mime_part *p)
{
	return str_from(msg.p + p->header, p->body - p->header);
}

static inline struct str
mime_body(struct str msg, const struct mime_part *p)
{
	return str_from(msg.p + p->body, p->end - p->body);
}

#endif
