/* SPDX-License-Identifier: ISC */
#include "catalogue/catalogue.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct refusal refusals[REFUSAL__COUNT] = {
#define REFUSAL(n, p, c, e, who, english, german, advice_en, advice_de) \
	{ .name = #n, \
		.product = (p), \
		.code = (c), \
		.enhanced = (e), \
		.party = PARTY_##who, \
		.text = { english, german }, \
		.advice = { advice_en, advice_de } },
#include "catalogue/refusal_table.h"
};

static const char *const parties[PARTY__COUNT][LANG__COUNT] = {
#define PARTY(name, english, german) { english, german },
#include "catalogue/refusal_table.h"
};

enum kind { KIND_ADDRESS, KIND_NAME, KIND_MAILBOX, KIND_DIGITS, KIND_TEXT, KIND_WORDS };

static const struct hole {
	struct str name;
	size_t offset;
	enum kind kind;
	unsigned most;
} holes[] = {
#define REFUSAL_ARG(n, k, m, what) \
	{ { #n, sizeof(#n) - 1 }, offsetof(struct refusal_args, n), KIND_##k, m },
#include "catalogue/refusal_table.h"
};
enum { HOLES = sizeof(holes) / sizeof(holes[0]) };

int
language_by_name(const char *name)
{
	if (strcmp(name, "en") == 0)
		return LANG_EN;
	return strcmp(name, "de") == 0 ? LANG_DE : -1;
}

const struct refusal *
refusal_get(enum refusal_id id)
{
	assert((unsigned)id < REFUSAL__COUNT);
	return &refusals[id];
}

enum refusal_id
refusal_by_name(struct str name)
{
	unsigned i = 0;

	while (i < REFUSAL__COUNT && !str_eq(name, str_of(refusals[i].name)))
		i++;
	return (enum refusal_id)i;
}

const char *
refusal_party_text(enum refusal_party party, enum language lang)
{
	return parties[party][lang];
}

/* --- arguments --------------------------------------------------------------------------------- */

static bool
allowed(enum kind kind, unsigned char c)
{
	bool digit = c >= '0' && c <= '9',
	     letter = ascii_tolower(c) >= 'a' && ascii_tolower(c) <= 'z';

	switch (kind) {
	case KIND_DIGITS:
		return digit;
	case KIND_ADDRESS:
		return digit || c == '.' || c == ':' || (letter && ascii_tolower(c) <= 'f');
	case KIND_NAME:
		return digit || letter || strchr(".-_:[]", c) != NULL;
	case KIND_MAILBOX:
		return digit || letter || strchr(".-_+=@", c) != NULL;
	case KIND_TEXT:
	case KIND_WORDS:
		break;
	}
	return c >= ' ' && c < 0x7f && c != '"';
}

/* Words of our own have a part for each language. */
static const char *
part_of(const struct hole *h, const char *value, enum language lang)
{
	const char *bar = h->kind == KIND_WORDS && lang == LANG_DE ? strchr(value, '|') : NULL;

	return bar != NULL ? bar + 1 : value;
}

static bool
at_end(const struct hole *h, char c)
{
	return c == '\0' || (h->kind == KIND_WORDS && c == '|');
}

/* The value as it may stand in a reply; one that is too long ends in "...". */
static size_t
filter(const struct hole *h, const char *value, char out[REFUSAL_ARG_SIZE])
{
	size_t n = 0;

	for (; n < h->most && !at_end(h, value[n]); n++)
		out[n] = allowed(h->kind, (unsigned char)value[n]) ? value[n] : '?';
	if (!at_end(h, value[n]))
		memset(out + n - 3, '.', 3);
	out[n] = '\0';
	return n;
}

static const char *
value_of(const struct refusal_args *args, const struct hole *h)
{
	const char *value;

	memcpy(&value, (const char *)args + h->offset, sizeof(value));
	return value;
}

bool
refusal_arg(
    const struct refusal_args *args, unsigned i, const char **name, char value[REFUSAL_ARG_SIZE])
{
	if (i >= HOLES)
		return false;
	*name = holes[i].name.p;
	value[0] = '\0';
	if (args != NULL && value_of(args, &holes[i]) != NULL)
		filter(&holes[i], value_of(args, &holes[i]), value);
	return true;
}

/* --- text -------------------------------------------------------------------------------------- */

static char *
put(char *to, const char *end, const char *from, size_t n)
{
	if (n > (size_t)(end - to))
		n = (size_t)(end - to);
	memcpy(to, from, n);
	return to + n;
}

static char *
put_z(char *to, const char *end, const char *from)
{
	return put(to, end, from, strlen(from));
}

/* The hole that begins at text ("{name}"). The table has no others: a test looks at each. */
static const struct hole *
hole_at(const char *text)
{
	for (unsigned i = 0; i < HOLES; i++)
		if (strncmp(text + 1, holes[i].name.p, holes[i].name.n) == 0 &&
		    text[1 + holes[i].name.n] == '}')
			return &holes[i];
	return NULL;
}

static char *
put_filled(char *to, const char *end, const struct refusal *r, enum language lang,
    const struct refusal_args *args)
{
	const char *text = r->text[lang];
	char value[REFUSAL_ARG_SIZE];

	while (*text != '\0') {
		size_t n = strcspn(text, "{");
		const struct hole *h = text[n] == '{' ? hole_at(text + n) : NULL;
		const char *v;

		if (h == NULL || args == NULL) {
			n += text[n] == '{';
			to = put(to, end, text, n);
			text += n;
			continue;
		}
		to = put(to, end, text, n);
		text += n + h->name.n + 2;
		v = value_of(args, h);
		to = v != NULL ? put(to, end, value, filter(h, part_of(h, v, lang), value))
			       : put(to, end, "-", 1);
	}
	return to;
}

int
refusal_text(
    struct buf *out, enum refusal_id id, enum language lang, const struct refusal_args *args)
{
	char line[REFUSAL_LINE_MAX];
	char *end = put_filled(line, line + sizeof(line), refusal_get(id), lang, args);

	return buf_put(out, line, (size_t)(end - line));
}

/* --- replies ----------------------------------------------------------------------------------- */

static char *
put_codes(char *p, const char *end, const struct refusal *r, bool last)
{
	*p++ = (char)('0' + r->code / 100);
	*p++ = (char)('0' + r->code / 10 % 10);
	*p++ = (char)('0' + r->code % 10);
	*p++ = last ? ' ' : '-';
	p = put_z(p, end, r->enhanced);
	return put(p, end, " ", 1);
}

static char *
put_text_line(char *p, const char *end, const struct refusal *r, enum language lang,
    const struct refusal_args *args)
{
	char product[16];

	snprintf(product, sizeof(product), " (P%d)", r->product);
	p = put_codes(p, end, r, false);
	p = put_filled(p, end - strlen(product), r, lang, args);
	p = put_z(p, end, product);
	return put(p, end + 2, "\r\n", 2);
}

/* A setting, so almost certainly sound; it must not break the line in any case. */
static char *
put_url(char *p, const char *end, const char *url)
{
	for (size_t n = 0; n < REFUSAL_URL_MAX && url[n] != '\0' && p < end; n++)
		*p++ = url[n] > ' ' && url[n] < 0x7f ? url[n] : '?';
	return p;
}

/* Where it is explained, and what its line in the log is found by. */
static char *
put_last_line(char *p, const char *end, const struct refusal *r, const struct refusal_frame *f)
{
	const char *url = f->help_url != NULL ? f->help_url : "P";
	char number[16], when[32];
	time_t t = (time_t)f->now;
	struct tm tm;

	snprintf(number, sizeof(number), "%d", r->product);
	p = put_codes(p, end, r, true);
	p = put_url(p, end, url);
	p = put_z(p, end, number);
	if (f->id != NULL) {
		p = put_z(p, end, " id ");
		p = put_z(p, end, f->id);
	}
	if (gmtime_r(&t, &tm) != NULL &&
	    strftime(when, sizeof(when), " time %Y-%m-%dT%H:%M:%SZ", &tm))
		p = put_z(p, end, when);
	return put(p, end + 2, "\r\n", 2);
}

int
refusal_print(struct buf *out, enum refusal_id id, const struct refusal_frame *frame,
    const struct refusal_args *args)
{
	static const struct refusal_args none;
	const struct refusal *r = refusal_get(id);
	char text[REFUSAL_PRINTED_MAX], *p = text;

	if (args == NULL)
		args = &none;
	for (unsigned lang = 0; lang < LANG__COUNT; lang++)
		p = put_text_line(p, p + REFUSAL_LINE_MAX - 2, r, (enum language)lang, args);
	p = put_last_line(p, p + REFUSAL_LINE_MAX - 2, r, frame);
	return buf_put(out, text, (size_t)(p - text));
}
