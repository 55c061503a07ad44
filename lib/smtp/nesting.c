/* SPDX-License-Identifier: ISC */
#include "smtp/nesting.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/xalloc.h"
#include "mail/header.h"
#include "mail/param.h"

enum { PARAMS_BYTES = 8 * SMTP_NESTING_TYPE_MAX }; /* scratch for quoted parameters of one field */

void
smtp_nesting_init(struct smtp_nesting *n)
{
	memset(n, 0, sizeof(*n));
	n->in_header = true;
}

/* What is open above this level ends. */
static void
close_to(struct smtp_nesting *n, unsigned depth)
{
	while (n->depth > depth)
		free(n->level[--n->depth].boundary);
}

void
smtp_nesting_free(struct smtp_nesting *n)
{
	close_to(n, 0);
}

/* --- headers ----------------------------------------------------------------------------------- */

static void
header_begin(struct smtp_nesting *n)
{
	n->in_header = true;
	n->in_type = false;
	n->type_n = 0;
}

static void
push(struct smtp_nesting *n, struct smtp_nesting_level level)
{
	if (n->depth == SMTP_NESTING_MAX) {
		n->too_deep = true;
		free(level.boundary);
		return;
	}
	n->level[n->depth++] = level;
	if (level.boundary == NULL)
		header_begin(n);
}

static void
multipart(struct smtp_nesting *n, struct str subtype, struct mail_lex params)
{
	struct arena *scratch = arena_new(PARAMS_BYTES);
	struct str boundary;

	if (mail_param_find(params, scratch, STR("boundary"), &boundary)) {
		while (boundary.n > 0 && strchr(" \t", boundary.p[boundary.n - 1]) != NULL)
			boundary.n--;
		if (boundary.n > 0)
			push(n, (struct smtp_nesting_level){
				    .boundary = xstrndup(boundary.p, boundary.n),
				    .digest = str_eq_nocase(subtype, STR("digest")) });
	}
	arena_free(&scratch);
}

/* What does the part open whose header is over? */
static void
header_end(struct smtp_nesting *n)
{
	struct str value = str_from(n->type, n->type_n), type, subtype;
	bool digest = n->depth > 0 && n->level[n->depth - 1].digest;
	struct mail_lex params;

	n->in_header = false;
	if (n->type_n == 0) {
		if (digest)
			push(n, (struct smtp_nesting_level){ .boundary = NULL });
	} else if (!mail_ctype_parse(value, &type, &subtype, &params)) {
		return;
	} else if (str_eq_nocase(type, STR("multipart"))) {
		multipart(n, subtype, params);
	} else if (str_eq_nocase(type, STR("message")) &&
		   (str_eq_nocase(subtype, STR("rfc822")) ||
		       str_eq_nocase(subtype, STR("global")))) {
		push(n, (struct smtp_nesting_level){ .boundary = NULL });
	}
}

static void
add_type(struct smtp_nesting *n, struct str s)
{
	size_t room = sizeof(n->type) - n->type_n, m = s.n < room ? s.n : room;

	memcpy(n->type + n->type_n, s.p, m);
	n->type_n += m;
}

static void
header_line(struct smtp_nesting *n, struct str line)
{
	struct mail_field f;
	size_t off = 0;

	if (line.n == 0) {
		header_end(n);
	} else if (line.p[0] == ' ' || line.p[0] == '\t') {
		if (n->in_type)
			add_type(n, line);
	} else {
		n->in_type = mail_field_next(line, &off, &f) && n->type_n == 0 &&
			     str_eq_nocase(f.name, STR("Content-Type"));
		if (n->in_type)
			add_type(n, f.value);
	}
}

/* --- lines ------------------------------------------------------------------------------------- */

/* 1: a part begins, 2: the last one has ended, 0: another line. */
static int
delimiter(struct str line, const char *boundary)
{
	size_t b = strlen(boundary);
	struct str rest;

	if (line.n < b + 2 || memcmp(line.p + 2, boundary, b) != 0)
		return 0;
	rest = str_from(line.p + 2 + b, line.n - 2 - b);
	if (str_trim(rest).n == 0)
		return 1;
	if (rest.n < 2 || rest.p[0] != '-' || rest.p[1] != '-')
		return 0;
	return str_trim(str_from(rest.p + 2, rest.n - 2)).n == 0 ? 2 : 0;
}

/* True: it was one of a multipart that is open. */
static bool
try_delimiter(struct smtp_nesting *n, struct str line)
{
	if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
		return false;
	for (unsigned i = n->depth; i-- > 0;) {
		struct smtp_nesting_level *l = &n->level[i];
		int what = l->boundary != NULL && !l->closed ? delimiter(line, l->boundary) : 0;

		if (what == 0)
			continue;
		close_to(n, i + 1);
		n->in_header = false;
		if (what == 2)
			l->closed = true;
		else
			header_begin(n);
		return true;
	}
	return false;
}

static void
line_end(struct smtp_nesting *n)
{
	struct str line = str_from(n->line, n->line_n);

	n->line_n = 0;
	if (line.n == sizeof(n->line)) /* only its start is here: no delimiter is as long */
		line.n--;
	else if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (!try_delimiter(n, line) && n->in_header)
		header_line(n, line);
}

void
smtp_nesting_content(struct smtp_nesting *n, struct str run)
{
	while (run.n > 0 && (n->in_header || n->depth > 0) && !n->too_deep) {
		const char *lf = memchr(run.p, '\n', run.n);
		size_t size = lf != NULL ? (size_t)(lf - run.p) : run.n;
		size_t room = sizeof(n->line) - n->line_n, m = size < room ? size : room;

		/* of a body only lines that begin like a delimiter are looked at */
		if (n->in_header || n->line_n > 0 || (!n->inside && run.p[0] == '-')) {
			memcpy(n->line + n->line_n, run.p, m);
			n->line_n += m;
		}
		n->inside = lf == NULL;
		if (lf == NULL)
			return;
		line_end(n);
		run = str_from(lf + 1, run.n - size - 1);
	}
}
