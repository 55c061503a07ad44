/* SPDX-License-Identifier: ISC */
/* Writing the field (rfc8601:2.2): strict in what stands there. */
#include <assert.h>
#include <string.h>

#include "authres/authres.h"
#include "mail/address.h"

static const struct {
	const char *name, *results;
} methods[] = {
#define X(id, name, results) { name, results },
	AUTHRES_METHODS(X)
#undef X
};

/* A field under construction: words are built beside it, then put with a fold where one is due. */
struct writer {
	struct buf *out;
	size_t column;
	bool utf8;
	int error;
	char word[2 * AUTHRES_VALUE_MAX + 64]; /* a value, escaped, with its name */
	size_t n;
};

/* --- words ------------------------------------------------------------------------------------ */

static void
word_begin(struct writer *w, const char *text)
{
	w->n = strlen(text);
	memcpy(w->word, text, w->n);
}

static void
put_word(struct writer *w, bool new_line)
{
	if (w->column > 0 && (new_line || w->column + 1 + w->n > AUTHRES_FOLD)) {
		w->error |= buf_puts(w->out, "\r\n\t");
		w->column = 8;
	} else if (w->column > 0) {
		w->error |= buf_putc(w->out, ' ');
		w->column++;
	}
	w->error |= buf_put(w->out, w->word, w->n);
	w->column += w->n;
}

/* UTF-8 without the control characters beyond ASCII. */
static bool
utf8_may_stay(struct str s)
{
	if (!address_utf8_valid(s))
		return false;
	for (size_t i = 1; i < s.n; i++)
		if ((unsigned char)s.p[i - 1] == 0xc2 && (unsigned char)s.p[i] < 0xa0)
			return false;
	return true;
}

static void
add_escaped(struct writer *w, struct str s, size_t max, const char *specials)
{
	bool utf8 = w->utf8 && s.n <= max && utf8_may_stay(s);

	for (size_t i = 0; i < s.n && i < max; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8))
			c = '?';
		if (strchr(specials, c) != NULL)
			w->word[w->n++] = '\\';
		w->word[w->n++] = (char)c;
	}
}

static void
add_quoted(struct writer *w, struct str s, size_t max)
{
	w->word[w->n++] = '"';
	add_escaped(w, s, max, "\"\\");
	w->word[w->n++] = '"';
}

static bool
is_alnum(unsigned char c)
{
	int l = ascii_tolower(c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9');
}

/* Letters, digits and these; in one run or, with dots, in several. */
static bool
is_made_of(struct str s, const char *more)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum((unsigned char)s.p[i]) &&
		    (s.p[i] == '\0' || strchr(more, s.p[i]) == NULL))
			return false;
	return s.n > 0;
}

static bool
has_whole_parts(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '.' && (i == 0 || i + 1 == s.n || s.p[i - 1] == '.'))
			return false;
	return true;
}

/* pvalue without quotes: a token, or an address of plain atoms at a plain domain. */
static bool
is_bare(struct str s)
{
	static const char token[] = "!#$%&'*+-.^_`{|}~";
	ptrdiff_t at = str_chr(s, '@');
	struct str local, domain;

	if (s.n > AUTHRES_VALUE_MAX)
		return false;
	if (at < 0)
		return is_made_of(s, token);
	local = str_from(s.p, (size_t)at);
	domain = str_from(s.p + at + 1, s.n - (size_t)at - 1);
	return (local.n == 0 ||
		   (is_made_of(local, "!#$%&'*+-/=?^_`{|}~.") && has_whole_parts(local))) &&
	       is_made_of(domain, "-_.") && has_whole_parts(domain);
}

static void
add_value(struct writer *w, struct str s)
{
	if (is_bare(s))
		add_escaped(w, s, AUTHRES_VALUE_MAX, "");
	else
		add_quoted(w, s, AUTHRES_VALUE_MAX);
}

/* --- the field -------------------------------------------------------------------------------- */

/* The words of a table row are separated by spaces. */
static bool
is_word_of(const char *word, const char *row)
{
	size_t n = strlen(word);

	for (const char *p = row; n > 0 && (p = strstr(p, word)) != NULL; p++)
		if ((p == row || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

static void
put_property(struct writer *w, const struct authres_property *p)
{
	assert(strlen(p->name) < 40 && is_made_of(str_of(p->name), ".-"));
	w->n = 0;
	word_begin(w, p->name);
	w->word[w->n++] = '=';
	add_value(w, p->value);
	put_word(w, false);
}

static void
put_result(struct writer *w, const struct authres_result *r)
{
	assert(is_word_of(r->result, methods[r->method].results));
	word_begin(w, methods[r->method].name);
	w->word[w->n++] = '=';
	memcpy(w->word + w->n, r->result, strlen(r->result));
	w->n += strlen(r->result);
	put_word(w, true);
	if (r->comment.n > 0) {
		word_begin(w, "(");
		add_escaped(w, r->comment, AUTHRES_TEXT_MAX, "()\\");
		w->word[w->n++] = ')';
		put_word(w, false);
	}
	if (r->reason.n > 0) {
		word_begin(w, "reason=");
		add_quoted(w, r->reason, AUTHRES_TEXT_MAX);
		put_word(w, false);
	}
	for (size_t i = 0; i < AUTHRES_PROPERTIES_MAX && r->properties[i].name != NULL; i++)
		put_property(w, &r->properties[i]);
}

int
authres_print(struct buf *out, struct str authserv_id, const struct authres_result *results,
    size_t n, bool utf8)
{
	struct writer w = { .out = out, .utf8 = utf8 };

	assert(n <= AUTHRES_RESULTS_MAX);
	word_begin(&w, "Authentication-Results:");
	put_word(&w, false);
	w.n = 0;
	add_value(&w, authserv_id);
	w.word[w.n++] = ';';
	put_word(&w, false);
	for (size_t i = 0; i < n; i++) {
		put_result(&w, &results[i]);
		if (i + 1 < n) {
			w.error |= buf_putc(out, ';');
			w.column++;
		}
	}
	if (n == 0) {
		word_begin(&w, "none");
		put_word(&w, false);
	}
	w.error |= buf_puts(out, "\r\n");
	return w.error != 0 ? BUF_LIMIT : 0;
}
