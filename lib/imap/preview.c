/* SPDX-License-Identifier: ISC */
#include "imap/preview.h"

#include "imap/part.h"
#include "mail/header.h"
#include "mail/param.h"

struct writer {
	struct buf *out;
	unsigned chars;
	bool space; /* one is due before the next character */
};

static bool
is_full(const struct writer *w)
{
	return w->chars >= IMAP_PREVIEW_CHARS;
}

/* White space of any length is one space, none at the ends. */
static void
char_put(struct writer *w, uint32_t code)
{
	char utf8[4];

	if (code <= ' ' || code == 0xa0 || code == 0x7f) {
		w->space = w->chars > 0;
		return;
	}
	if ((code >= 0x80 && code < 0xa0) || (code >= 0x200b && code <= 0x200f) || code == 0xfeff)
		return; /* controls and what has no width: filler in commercial mail */
	if (w->space && w->chars + 1 < IMAP_PREVIEW_CHARS) {
		buf_putc(w->out, ' ');
		w->chars++;
	}
	w->space = false;
	buf_put(w->out, utf8, mail_utf8_put(code, utf8));
	w->chars++;
}

/* The code point at *s, which moves on; what is no UTF-8 is U+FFFD. */
static uint32_t
char_get(struct str *s)
{
	uint32_t code = 0xfffd;
	size_t n = mail_utf8_get(*s, &code);

	n = n ? n : 1;
	*s = str_from(s->p + n, s->n - n);
	return code;
}

/* ---- plain text -------------------------------------------------------------------------------
 */
static void
plain(struct writer *w, struct str text)
{
	while (text.n > 0 && !is_full(w)) {
		ptrdiff_t lf = str_chr(text, '\n');
		size_t n = lf < 0 ? text.n : (size_t)lf + 1;
		struct str line = str_from(text.p, n);

		text = str_from(text.p + n, text.n - n);
		if (line.p[0] == '>')
			continue;
		while (line.n > 0 && !is_full(w))
			char_put(w, char_get(&line));
	}
}

/* ---- html -------------------------------------------------------------------------------------
 */
static struct str
tag_name(struct str tag)
{
	size_t n = 0;

	if (tag.n > 0 && tag.p[0] == '/')
		tag = str_from(tag.p + 1, tag.n - 1);
	while (n < tag.n && ((tag.p[n] | 0x20) >= 'a' && (tag.p[n] | 0x20) <= 'z'))
		n++;
	return str_from(tag.p, n);
}

static bool
is_one_of(struct str name, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_nocase(name, list[i]))
			return true;
	return false;
}

/* Behind '<': up to behind '>', strings of attributes respected. */
static size_t
tag_length(struct str s)
{
	char quote = '\0';

	if (s.n >= 3 && memcmp(s.p, "!--", 3) == 0) {
		const char *end = s.n > 3 ? memmem(s.p + 3, s.n - 3, "-->", 3) : NULL;

		return end ? (size_t)(end - s.p) + 3 : s.n;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (quote != '\0')
			quote = s.p[i] == quote ? '\0' : quote;
		else if (s.p[i] == '"' || s.p[i] == '\'')
			quote = s.p[i];
		else if (s.p[i] == '>')
			return i + 1;
	}
	return s.n;
}

/* Content that is never shown: up to its end tag. */
static size_t
hidden_length(struct str s, struct str name)
{
	for (size_t i = 0; i + 2 + name.n <= s.n; i++) {
		if (s.p[i] == '<' && s.p[i + 1] == '/' &&
		    str_eq_nocase(str_from(s.p + i + 2, name.n), name))
			return i;
	}
	return s.n;
}

static struct str
tag_skip(struct writer *w, struct str s)
{
	static const struct str hidden[] = { { "script", 6 }, { "style", 5 }, { "head", 4 },
		{ "title", 5 } };
	static const struct str inlines[] = { { "a", 1 }, { "b", 1 }, { "i", 1 }, { "u", 1 },
		{ "em", 2 }, { "font", 4 }, { "span", 4 }, { "strong", 6 }, { "tt", 2 },
		{ "small", 5 }, { "big", 3 }, { "sup", 3 }, { "sub", 3 } };
	size_t n = tag_length(s);
	struct str name = tag_name(str_from(s.p, n));

	if (!is_one_of(name, inlines, sizeof(inlines) / sizeof(inlines[0])))
		char_put(w, ' ');
	if (n > 0 && s.p[0] != '/' && is_one_of(name, hidden, sizeof(hidden) / sizeof(hidden[0])))
		n += hidden_length(str_from(s.p + n, s.n - n), name);
	return str_from(s.p + n, s.n - n);
}

/* Behind '&': the character, and *s behind its ';'; 0: it is none. */
static uint32_t
entity_get(struct str *s)
{
	static const struct {
		struct str name;
		uint32_t code;
	} names[] = { { { "amp;", 4 }, '&' }, { { "lt;", 3 }, '<' }, { { "gt;", 3 }, '>' },
		{ { "quot;", 5 }, '"' }, { { "apos;", 5 }, '\'' }, { { "nbsp;", 5 }, 0xa0 },
		{ { "auml;", 5 }, 0xe4 }, { { "ouml;", 5 }, 0xf6 }, { { "uuml;", 5 }, 0xfc },
		{ { "szlig;", 6 }, 0xdf }, { { "euro;", 5 }, 0x20ac }, { { "zwnj;", 5 }, 0x200c } };
	uint32_t code = 0;
	size_t i = 1;
	int base = 10;

	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		if (s->n >= names[k].name.n &&
		    memcmp(s->p, names[k].name.p, names[k].name.n) == 0) {
			*s = str_from(s->p + names[k].name.n, s->n - names[k].name.n);
			return names[k].code;
		}
	}
	if (s->n < 2 || s->p[0] != '#')
		return 0;
	if (s->p[1] == 'x' || s->p[1] == 'X')
		base = 16, i++;
	for (; i < s->n && s->p[i] != ';' && code < 0x110000; i++) {
		int c = ascii_tolower((unsigned char)s->p[i]);
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : 16;

		if (digit >= base)
			return 0;
		code = code * (uint32_t)base + (uint32_t)digit;
	}
	if (i == s->n || s->p[i] != ';' || code >= 0x110000 || (code >= 0xd800 && code < 0xe000))
		return 0;
	*s = str_from(s->p + i + 1, s->n - i - 1);
	return code ? code : ' ';
}

static void
html(struct writer *w, struct str text)
{
	while (text.n > 0 && !is_full(w)) {
		uint32_t code = char_get(&text), entity;

		if (code == '<') {
			text = tag_skip(w, text);
			continue;
		}
		if (code == '&' && (entity = entity_get(&text)) != 0)
			code = entity;
		char_put(w, code);
	}
}

/* ---- which part -------------------------------------------------------------------------------
 */
static bool
is_attachment(struct str msg, const struct mime_part *p)
{
	struct mail_field f;
	struct mail_lex rest;
	struct str token;

	return mail_field_find(mime_header(msg, p), STR("Content-Disposition"), &f) &&
	       mail_token_parse(f.value, &token, &rest) && str_eq_nocase(token, STR("attachment"));
}

static bool
is_subtype(const struct mime_part *p, struct str want)
{
	struct str type, subtype;
	struct mail_lex params;

	if (!mail_ctype_parse(p->ctype, &type, &subtype, &params))
		return str_eq_nocase(want, STR("plain"));
	return str_eq_nocase(subtype, want);
}

static const struct mime_part *
find(struct str msg, const struct mime_tree *t, struct str subtype)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct mime_part *p = &t->parts[i];

		if (p->kind == MIME_TEXT && is_subtype(p, subtype) && !is_attachment(msg, p))
			return p;
	}
	return NULL;
}

void
imap_preview(struct str msg, const struct mime_tree *t, struct buf *out)
{
	const struct mime_part *p = find(msg, t, STR("plain"));
	struct writer w = { .out = out };
	struct buf decoded, utf8;
	struct str text;
	bool is_html = p == NULL;

	if (p == NULL && (p = find(msg, t, STR("html"))) == NULL)
		return;
	text = mime_body(msg, p);
	if (text.n > IMAP_PREVIEW_BYTES)
		text.n = IMAP_PREVIEW_BYTES;
	buf_init(&decoded, IMAP_PREVIEW_BYTES + 128);
	buf_init(&utf8, 4 * IMAP_PREVIEW_BYTES);
	text = imap_part_decode(text, p->encoding, &decoded);
	if (imap_part_charset(p) != MAIL_CHARSET_UNKNOWN) {
		mail_charset_to_utf8(imap_part_charset(p), text, &utf8);
		text = str_from(buf_data(&utf8), utf8.len);
	}
	if (is_html)
		html(&w, text);
	else
		plain(&w, text);
	buf_free(&decoded);
	buf_free(&utf8);
}
