/* SPDX-License-Identifier: ISC */
#include "imap/section.h"

#include "imap/respond.h"
#include "mail/header.h"

static bool
path_parse(struct imap_parse *p, struct imap_section *s)
{
	uint32_t path[IMAP_SECTION_DEPTH_MAX];
	uint64_t n;

	while (imap_parse_peek(p) >= '0' && imap_parse_peek(p) <= '9') {
		if (s->depth == IMAP_SECTION_DEPTH_MAX)
			return imap_parse_fail(p, "Section is too deep");
		if (!imap_parse_number(p, UINT32_MAX, &n) || n == 0)
			return imap_parse_fail(p, "Invalid part number");
		path[s->depth++] = (uint32_t)n;
		if (imap_parse_peek(p) == ']')
			break;
		if (!imap_parse_try(p, '.'))
			return imap_parse_fail(p, "Invalid section");
		if (imap_parse_peek(p) == ']')
			return imap_parse_fail(p, "Invalid section");
	}
	if (s->depth == 0)
		return true;
	s->path = arena_alloc(p->a, s->depth * sizeof(path[0]));
	if (s->path == NULL)
		return imap_parse_fail(p, "Command is too long");
	memcpy(s->path, path, s->depth * sizeof(path[0]));
	return true;
}

static bool
fields_parse(struct imap_parse *p, struct imap_section *s)
{
	struct str names[IMAP_HEADER_FIELDS_MAX];

	if (!imap_parse_sp(p) || !imap_parse_char(p, '('))
		return false;
	do {
		if (s->nfields == IMAP_HEADER_FIELDS_MAX)
			return imap_parse_fail(p, "Too many header fields");
		if (!imap_parse_astring(p, &names[s->nfields]))
			return false;
		s->nfields++;
	} while (imap_parse_try(p, ' '));
	if (!imap_parse_char(p, ')'))
		return false;
	s->fields = arena_alloc(p->a, s->nfields * sizeof(names[0]));
	if (s->fields == NULL)
		return imap_parse_fail(p, "Command is too long");
	memcpy(s->fields, names, s->nfields * sizeof(names[0]));
	return true;
}

static bool
kind_parse(struct imap_parse *p, struct imap_section *s)
{
	const char *from = p->p;
	struct str word;

	while (p->p < p->end && *p->p != ']' && *p->p != ' ')
		p->p++;
	word = str_from(from, (size_t)(p->p - from));
	if (word.n == 0) {
		s->kind = IMAP_SECTION_ALL;
		return true;
	}
	if (str_eq_nocase(word, STR("HEADER")))
		s->kind = IMAP_SECTION_HEADER;
	else if (str_eq_nocase(word, STR("TEXT")))
		s->kind = IMAP_SECTION_TEXT;
	else if (str_eq_nocase(word, STR("MIME")) && s->depth > 0)
		s->kind = IMAP_SECTION_MIME;
	else if (str_eq_nocase(word, STR("HEADER.FIELDS")))
		s->kind = IMAP_SECTION_FIELDS;
	else if (str_eq_nocase(word, STR("HEADER.FIELDS.NOT")))
		s->kind = IMAP_SECTION_FIELDS_NOT;
	else
		return imap_parse_fail(p, "Invalid section");
	if (s->kind == IMAP_SECTION_FIELDS || s->kind == IMAP_SECTION_FIELDS_NOT)
		return fields_parse(p, s);
	return true;
}

static bool
partial_parse(struct imap_parse *p, struct imap_section *s)
{
	uint64_t offset, length;

	if (!imap_parse_try(p, '<'))
		return true;
	if (!imap_parse_number(p, UINT32_MAX, &offset) || !imap_parse_char(p, '.') ||
	    !imap_parse_number(p, UINT32_MAX, &length) || !imap_parse_char(p, '>'))
		return false;
	if (length == 0)
		return imap_parse_fail(p, "Invalid partial range");
	s->partial = true;
	s->offset = (uint32_t)offset;
	s->length = (uint32_t)length;
	return true;
}

/* What the response calls it. */
static int
text_put(struct buf *out, const struct imap_section *s)
{
	static const char *const names[] = { "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT",
		"TEXT", "MIME" };
	int r = buf_putc(out, '[');

	for (size_t i = 0; i < s->depth; i++)
		r |= buf_printf(out, "%s%u", i ? "." : "", s->path[i]);
	if (s->depth > 0 && s->kind != IMAP_SECTION_ALL)
		r |= buf_putc(out, '.');
	r |= buf_puts(out, names[s->kind]);
	for (size_t i = 0; i < s->nfields; i++)
		r |= buf_puts(out, i ? " " : " (") | imap_put_astring(out, s->fields[i]);
	if (s->nfields > 0)
		r |= buf_putc(out, ')');
	r |= buf_putc(out, ']');
	if (s->partial)
		r |= buf_printf(out, "<%u>", s->offset);
	return r;
}

bool
imap_section_parse(struct imap_parse *p, struct imap_section *s)
{
	struct buf text;
	int r;

	*s = (struct imap_section){ 0 };
	if (!imap_parse_char(p, '[') || !path_parse(p, s) || !kind_parse(p, s) ||
	    !imap_parse_char(p, ']') || !partial_parse(p, s))
		return false;
	buf_init(&text, IMAP_COMMAND_MAX);
	r = text_put(&text, s);
	s->text = arena_str(p->a, str_from(buf_data(&text), text.len));
	buf_free(&text);
	if (r != 0 || s->text.p == NULL)
		return imap_parse_fail(p, "Command is too long");
	return true;
}

bool
imap_section_needs_tree(const struct imap_section *s)
{
	return s->depth > 0;
}

/* ---- finding ----------------------------------------------------------------------------------
 */
static const struct mime_part *
nth_child(const struct mime_tree *t, const struct mime_part *p, uint32_t n)
{
	int32_t i = p->child;

	while (i != MIME_NO_PART && --n > 0)
		i = t->parts[i].next;
	return i == MIME_NO_PART ? NULL : &t->parts[i];
}

/* Part n of a whole message: one that is no multipart is its own part 1. */
static const struct mime_part *
of_message(const struct mime_tree *t, const struct mime_part *m, uint32_t n)
{
	if (m->kind == MIME_MULTIPART)
		return nth_child(t, m, n);
	return n == 1 ? m : NULL;
}

static const struct mime_part *
part_find(const struct mime_tree *t, const uint32_t *path, size_t depth)
{
	const struct mime_part *p = of_message(t, &t->parts[0], path[0]);

	for (size_t i = 1; i < depth && p != NULL; i++) {
		if (p->kind == MIME_MULTIPART)
			p = nth_child(t, p, path[i]);
		else if (p->kind == MIME_MESSAGE)
			p = of_message(t, &t->parts[p->child], path[i]);
		else
			p = NULL;
	}
	return p;
}

const struct mime_part *
imap_section_part(const struct imap_section *s, const struct mime_tree *t)
{
	return part_find(t, s->path, s->depth);
}

static bool
is_listed(const struct imap_section *s, struct str name)
{
	for (size_t i = 0; i < s->nfields; i++)
		if (str_eq_nocase(s->fields[i], name))
			return true;
	return false;
}

static bool
fields_collect(const struct imap_section *s, struct str header, struct buf *scratch)
{
	bool want = s->kind == IMAP_SECTION_FIELDS;
	struct mail_field f;
	size_t off = 0;

	while (mail_field_next(header, &off, &f)) {
		if ((f.name.n > 0 && is_listed(s, f.name)) != want)
			continue;
		if (buf_put(scratch, f.raw.p, f.raw.n) != 0)
			return false;
		if (f.raw.p[f.raw.n - 1] != '\n' && buf_puts(scratch, "\r\n") != 0)
			return false;
	}
	return buf_puts(scratch, "\r\n") == 0;
}

struct str
imap_section_cut(const struct imap_section *s, struct str b)
{
	if (!s->partial)
		return b;
	if (s->offset >= b.n)
		return str_from(b.p, 0);
	b = str_from(b.p + s->offset, b.n - s->offset);
	if (b.n > s->length)
		b.n = s->length;
	return b;
}

/* Header and text of a message that is not a part's body. */
static bool
of_whole(const struct imap_section *s, struct str msg, struct buf *scratch, struct str *bytes)
{
	size_t header = s->kind == IMAP_SECTION_ALL ? 0 : mail_header_size(msg);

	if (s->kind == IMAP_SECTION_ALL) {
		*bytes = msg;
	} else if (s->kind == IMAP_SECTION_TEXT) {
		*bytes = str_from(msg.p + header, msg.n - header);
	} else {
		*bytes = str_from(msg.p, header);
		if (s->kind != IMAP_SECTION_HEADER) {
			buf_clear(scratch);
			if (!fields_collect(s, *bytes, scratch))
				return false;
			*bytes = str_from(buf_data(scratch), scratch->len);
		}
	}
	*bytes = imap_section_cut(s, *bytes);
	return true;
}

bool
imap_section_find(const struct imap_section *s, struct str msg, const struct mime_tree *t,
    struct buf *scratch, struct str *bytes)
{
	const struct mime_part *p;

	if (s->depth == 0)
		return of_whole(s, msg, scratch, bytes);
	if ((p = part_find(t, s->path, s->depth)) == NULL)
		return false;
	if (s->kind == IMAP_SECTION_ALL) {
		*bytes = imap_section_cut(s, mime_body(msg, p));
		return true;
	}
	if (s->kind == IMAP_SECTION_MIME) {
		*bytes = imap_section_cut(s, mime_header(msg, p));
		return true;
	}
	return p->kind == MIME_MESSAGE && of_whole(s, mime_body(msg, p), scratch, bytes);
}
