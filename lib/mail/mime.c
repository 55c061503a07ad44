/* SPDX-License-Identifier: ISC */
#include "mail/mime.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/xalloc.h"
#include "mail/header.h"
#include "mail/param.h"

/* Scratch for the quoted parameters of one Content-Type: many times what real mail has. */
enum { MIME_PARAMS_BYTES = 65536 };

/* A multipart whose delimiter counts, or a message/rfc822 that waits for its end. */
struct open_part {
	int32_t part;
	bool is_multipart;
	bool digest;
	bool closed;         /* the closing delimiter came: epilogue */
	struct str boundary; /* ours to free */
};

struct mime_parser {
	struct str msg;
	struct mime_tree *t;
	struct arena *arena; /* scratch for parameters */
	struct open_part open[MIME_DEPTH_MAX];
	size_t depth;
	int32_t current; /* the innermost part */
	bool in_header;
	uint32_t lines; /* line ends before the current line */
	size_t at;      /* start of the next line */
};

static int32_t
part_new(struct mime_parser *p, int32_t parent, size_t at)
{
	struct mime_tree *t = p->t;
	struct mime_part *part;

	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 8;
		t->parts = xrealloc(t->parts, t->cap * sizeof(t->parts[0]));
	}
	part = &t->parts[t->count];
	*part = (struct mime_part){ .header = at,
		.body = at,
		.end = at,
		.parent = parent,
		.child = MIME_NO_PART,
		.next = MIME_NO_PART };
	return (int32_t)t->count++;
}

/* Children of one parent come in order: the last one is remembered in its parent's child list. */
static int32_t
child_new(struct mime_parser *p, int32_t parent, int32_t before, size_t at)
{
	int32_t n = part_new(p, parent, at);

	if (before == MIME_NO_PART)
		p->t->parts[parent].child = n;
	else
		p->t->parts[before].next = n;
	p->current = n;
	p->in_header = true;
	return n;
}

static enum mime_encoding
encoding_of(struct str value)
{
	struct mail_lex rest;
	struct str token;

	if (!mail_token_parse(value, &token, &rest) || str_eq_nocase(token, STR("7bit")) ||
	    str_eq_nocase(token, STR("8bit")) || str_eq_nocase(token, STR("binary")))
		return MIME_ENC_NONE;
	if (str_eq_nocase(token, STR("base64")))
		return MIME_ENC_BASE64;
	return str_eq_nocase(token, STR("quoted-printable")) ? MIME_ENC_QP : MIME_ENC_OTHER;
}

static void
header_read(struct mime_parser *p, struct mime_part *part)
{
	struct str header = mime_header(p->msg, part);
	struct mail_field f;
	bool ctype = false, encoding = false;
	size_t off = 0;

	while (!(ctype && encoding) && mail_field_next(header, &off, &f)) {
		if (!ctype && str_eq_nocase(f.name, STR("Content-Type"))) {
			part->ctype = f.value;
			ctype = true;
		} else if (!encoding && str_eq_nocase(f.name, STR("Content-Transfer-Encoding"))) {
			part->encoding = encoding_of(f.value);
			encoding = true;
		}
	}
}

static bool
boundary_of(struct mime_parser *p, struct mail_lex params, struct str *boundary)
{
	arena_reset(p->arena);
	if (!mail_param_find(params, p->arena, STR("boundary"), boundary))
		return false;
	while (boundary->n > 0 &&
	       (boundary->p[boundary->n - 1] == ' ' || boundary->p[boundary->n - 1] == '\t'))
		boundary->n--; /* rfc2046:5.1.1: never ends with white space */
	return boundary->n > 0 && boundary->n <= MIME_BOUNDARY_MAX;
}

static bool
push(struct mime_parser *p, struct open_part o)
{
	if (p->depth == MIME_DEPTH_MAX) {
		p->t->truncated = true;
		return false;
	}
	p->open[p->depth++] = o;
	return true;
}

static void
multipart_begin(struct mime_parser *p, int32_t n, struct str subtype, struct mail_lex params)
{
	struct open_part o = { .part = n, .is_multipart = true };

	o.digest = str_eq_nocase(subtype, STR("digest"));
	p->t->parts[n].kind = MIME_MULTIPART;
	if (boundary_of(p, params, &o.boundary) && push(p, o))
		p->open[p->depth - 1].boundary.p = xstrndup(o.boundary.p, o.boundary.n);
}

static void
message_begin(struct mime_parser *p, int32_t n)
{
	struct mime_part *part = &p->t->parts[n];

	if (part->encoding == MIME_ENC_QP || part->encoding == MIME_ENC_BASE64)
		return;
	if (p->t->count >= MIME_PARTS_MAX) {
		p->t->truncated = true;
		return;
	}
	if (!push(p, (struct open_part){ .part = n }))
		return;
	part->kind = MIME_MESSAGE;
	child_new(p, n, MIME_NO_PART, part->body);
}

/* The header of the current part ends at offset at: what is it, and what does it open? */
static void
header_end(struct mime_parser *p, size_t at)
{
	int32_t n = p->current;
	struct mime_part *part = &p->t->parts[n];
	struct str type, subtype;
	struct mail_lex params;

	part->body = part->end = at;
	part->lines = p->lines; /* until part_close turns it into a difference */
	p->in_header = false;
	header_read(p, part);
	if (part->ctype.n == 0) {
		if (part->parent != MIME_NO_PART && p->depth > 0 && p->open[p->depth - 1].digest) {
			part->default_message = true;
			message_begin(p, n);
		} else {
			part->kind = MIME_TEXT;
		}
	} else if (!mail_ctype_parse(part->ctype, &type, &subtype, &params) ||
		   str_eq_nocase(type, STR("text"))) {
		part->kind = MIME_TEXT; /* rfc2045:5.2: what cannot be read is plain text */
	} else if (str_eq_nocase(type, STR("multipart"))) {
		multipart_begin(p, n, subtype, params);
	} else if (str_eq_nocase(type, STR("message")) &&
		   (str_eq_nocase(subtype, STR("rfc822")) ||
		       str_eq_nocase(subtype, STR("global")))) {
		message_begin(p, n);
	}
}

/* The part's body ends at offset end, before which `lines` line ends have been counted. */
static void
part_close(struct mime_parser *p, int32_t n, size_t end, uint32_t lines)
{
	struct mime_part *part = &p->t->parts[n];

	part->end = end > part->body ? end : part->body;
	part->lines = lines > part->lines ? lines - part->lines : 0;
}

/* Ends the current part and what is open above level keep. */
static int32_t
close_down_to(struct mime_parser *p, size_t keep, size_t end, uint32_t lines)
{
	int32_t last, above;

	while (p->in_header) /* a header without an empty line: no body */
		header_end(p, end);
	last = p->current;
	above = keep > 0 ? p->open[keep - 1].part : MIME_NO_PART;
	for (int32_t n = last; n != above; n = p->t->parts[n].parent) {
		part_close(p, n, end, lines);
		last = n;
	}
	for (; p->depth > keep; p->depth--)
		if (p->open[p->depth - 1].is_multipart)
			free((char *)(uintptr_t)p->open[p->depth - 1].boundary.p);
	p->current = above;
	return last;
}

/* Is the line (without line end) a delimiter of this boundary? 1: opens, 2: closes, 0: no. */
static int
delimiter(struct str line, struct str boundary)
{
	struct str rest;

	if (line.n < boundary.n + 2 || memcmp(line.p + 2, boundary.p, boundary.n) != 0)
		return 0;
	rest = str_from(line.p + 2 + boundary.n, line.n - 2 - boundary.n);
	if (str_trim(rest).n == 0)
		return 1;
	if (rest.n < 2 || rest.p[0] != '-' || rest.p[1] != '-')
		return 0;
	return str_trim(str_from(rest.p + 2, rest.n - 2)).n == 0 ? 2 : 0;
}

/* Steps back over the line end before offset at, not before least. */
static size_t
before_break(struct str msg, size_t at, size_t least, uint32_t *lines)
{
	if (at > least && msg.p[at - 1] == '\n') {
		at--;
		--*lines;
		if (at > least && msg.p[at - 1] == '\r')
			at--;
	}
	return at;
}

static void
delimiter_found(struct mime_parser *p, size_t level, int what, size_t at, size_t next)
{
	struct open_part *o = &p->open[level];
	int32_t parent = o->part, before = MIME_NO_PART;
	uint32_t lines = p->lines;
	size_t end = at;

	if (p->current != parent) { /* otherwise: preamble, no child yet */
		struct mime_part *part = &p->t->parts[p->current];

		if (!p->in_header)
			end = before_break(p->msg, at, part->body, &lines);
		before = close_down_to(p, level + 1, end, lines);
	}
	if (what == 2) {
		o->closed = true;
		return;
	}
	if (p->t->count >= MIME_PARTS_MAX)
		return;
	child_new(p, parent, before, next);
}

/* True: the line at [at, next) was a delimiter. */
static bool
delimiter_try(struct mime_parser *p, size_t at, size_t next)
{
	struct str line = str_from(p->msg.p + at, next - at);

	if (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	for (size_t i = p->depth; i-- > 0;) {
		struct open_part *o = &p->open[i];
		int what;

		if (!o->is_multipart || o->closed)
			continue;
		if ((what = delimiter(line, o->boundary)) != 0) {
			delimiter_found(p, i, what, at, next);
			return true;
		}
	}
	return false;
}

/* Behind the last part that is taken down: only lines are counted. */
static void
rest_count(struct mime_parser *p)
{
	const char *m = p->msg.p, *lf;

	while ((lf = memchr(m + p->at, '\n', p->msg.n - p->at)) != NULL) {
		p->lines++;
		p->at = (size_t)(lf - m) + 1;
	}
	p->at = p->msg.n;
}

static void
line_take(struct mime_parser *p)
{
	const char *m = p->msg.p;
	size_t n = p->msg.n, at = p->at;
	const char *lf = memchr(m + at, '\n', n - at);
	size_t next = lf ? (size_t)(lf - m) + 1 : n;
	bool found = false;

	p->at = next;
	if (p->depth > 0 && n - at > 2 && m[at] == '-' && m[at + 1] == '-')
		found = delimiter_try(p, at, next);
	p->lines += lf != NULL;
	if (found && p->t->count >= MIME_PARTS_MAX) {
		p->t->truncated = true;
		rest_count(p);
	} else if (!found && p->in_header && (m[at] == '\n' || (m[at] == '\r' && next - at == 2))) {
		header_end(p, next);
	}
}

static void
parser_begin(struct mime_parser *p, struct str msg, struct mime_tree *t)
{
	p->msg = msg;
	p->t = t;
	p->arena = arena_new(MIME_PARAMS_BYTES);
	p->depth = 0;
	p->lines = 0;
	p->at = 0;
	p->in_header = true;
	t->count = 0;
	t->truncated = false;
	p->current = part_new(p, MIME_NO_PART, 0);
}

static void
parser_end(struct mime_parser *p)
{
	close_down_to(p, 0, p->msg.n, p->lines);
	arena_free(&p->arena);
}

void
mime_parse(struct str msg, struct mime_tree *t)
{
	struct mime_parser p;

	parser_begin(&p, msg, t);
	while (p.at < msg.n)
		line_take(&p);
	parser_end(&p);
}

struct mime_parser *
mime_parser_new(struct str msg, struct mime_tree *t)
{
	struct mime_parser *p = xmalloc(sizeof(*p));

	parser_begin(p, msg, t);
	return p;
}

bool
mime_parser_step(struct mime_parser *p, size_t bytes)
{
	size_t stop = p->msg.n - p->at > bytes ? p->at + bytes : p->msg.n;

	while (p->at < stop)
		line_take(p);
	if (p->at < p->msg.n)
		return false;
	if (p->arena != NULL)
		parser_end(p);
	return true;
}

void
mime_parser_free(struct mime_parser **pp)
{
	if (*pp != NULL && (*pp)->arena != NULL)
		parser_end(*pp);
	free(*pp);
	*pp = NULL;
}

void
mime_tree_free(struct mime_tree *t)
{
	free(t->parts);
	*t = (struct mime_tree){ 0 };
}
