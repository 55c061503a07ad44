/* SPDX-License-Identifier: ISC */
#include "mail/header.h"

#include <string.h>

/* Bytes of the line at p with its line end. */
static size_t
line_size(const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);

	return lf ? (size_t)(lf - p) + 1 : n;
}

static bool
line_is_empty(const char *p, size_t line)
{
	return (line == 1 && p[0] == '\n') || (line == 2 && p[0] == '\r' && p[1] == '\n');
}

/* A name is printable ASCII (rfc5322:3.6.8); white space before the colon is tolerated. */
static size_t
name_size(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && (unsigned char)p[i] > 32 && (unsigned char)p[i] < 127 && p[i] != ':')
		i++;
	return i;
}

static void
field_split(struct mail_field *f)
{
	size_t n = f->raw.n, name, colon;
	const char *p = f->raw.p;

	if (n > 0 && p[n - 1] == '\n')
		n--;
	if (n > 0 && p[n - 1] == '\r')
		n--;
	name = colon = name_size(p, n);
	while (colon < n && (p[colon] == ' ' || p[colon] == '\t'))
		colon++;
	if (name == 0 || colon == n || p[colon] != ':') {
		f->name = str_from(p, 0);
		f->value = str_from(p, n);
		return;
	}
	f->name = str_from(p, name);
	f->value = str_from(p + colon + 1, n - colon - 1);
}

bool
mail_field_next(struct str msg, size_t *off, struct mail_field *f)
{
	size_t left = msg.n - *off, n;
	const char *p;

	if (left == 0)
		return false;
	p = msg.p + *off;
	n = line_size(p, left);
	if (line_is_empty(p, n)) {
		*off += n;
		return false;
	}
	while (n < left && (p[n] == ' ' || p[n] == '\t'))
		n += line_size(p + n, left - n);
	f->raw = str_from(p, n);
	field_split(f);
	*off += n;
	return true;
}

size_t
mail_header_size(struct str msg)
{
	size_t off = 0;

	while (off < msg.n) {
		size_t n = line_size(msg.p + off, msg.n - off);

		off += n;
		if (line_is_empty(msg.p + off - n, n))
			break;
	}
	return off;
}

bool
mail_field_find(struct str msg, struct str name, struct mail_field *f)
{
	size_t off = 0;

	while (mail_field_next(msg, &off, f))
		if (str_eq_nocase(f->name, name))
			return true;
	return false;
}

static bool
is_break(char c)
{
	return c == '\r' || c == '\n';
}

int
mail_unfold(struct str value, struct buf *out)
{
	size_t i = 0;

	while (value.n > 0 && (is_break(value.p[0]) || value.p[0] == ' ' || value.p[0] == '\t')) {
		value.p++;
		value.n--;
	}
	while (value.n > 0 && (is_break(value.p[value.n - 1]) || value.p[value.n - 1] == ' ' ||
				  value.p[value.n - 1] == '\t'))
		value.n--;
	while (i < value.n) {
		size_t from = i;

		while (i < value.n && !is_break(value.p[i]))
			i++;
		if (buf_put(out, value.p + from, i - from) != 0)
			return BUF_LIMIT;
		while (i < value.n && is_break(value.p[i]))
			i++;
	}
	return 0;
}
