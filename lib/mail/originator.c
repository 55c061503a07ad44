/* SPDX-License-Identifier: ISC */
#include "mail/originator.h"

#include "mail/charset.h"
#include "mail/header.h"
#include "mail/word.h"

enum {
	REPLACED = 0xfffd,   /* what a charset could not say */
	NAME_GROWTH = 4 * 4, /* bytes that one byte of an encoded word may become, with room */
};

struct reader {
	unsigned flags;
	mail_originator_fn *found;
	void *arg;
	struct buf plain; /* a name without its quotes */
	struct buf shown; /* the same, decoded */
};

/* --- characters -------------------------------------------------------------------------------- */

/* Nothing that moves to another line, is no character, or turns the direction of what follows. */
static bool
code_is_safe(uint32_t code)
{
	if (code < 0x20)
		return code == '\t';
	if (code >= 0x7f && code < 0xa0)
		return false;
	if (code == 0x2028 || code == 0x2029 || code == REPLACED)
		return false;
	return !(code >= 0x202a && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

static bool
text_is_safe(struct str s)
{
	uint32_t code;
	size_t n;

	for (; s.n > 0; s = str_from(s.p + n, s.n - n)) {
		if ((n = mail_utf8_get(s, &code)) == 0 || !code_is_safe(code))
			return false;
	}
	return true;
}

/* What an eye takes for this ASCII character, else itself. */
static uint32_t
code_looks(uint32_t code)
{
	switch (code) {
	case 0xff20: /* full width */
	case 0xfe6b: /* small */
		return '@';
	case 0x2024:
	case 0x3002:
	case 0xfe52:
	case 0xff0e:
	case 0xff61:
		return '.';
	default:
		return code;
	}
}

static bool
is_atext(unsigned char c)
{
	return c >= 0x80 || (c > ' ' && c < 0x7f && strchr("()<>[]:;@\\,.\"", c) == NULL);
}

/* --- addresses --------------------------------------------------------------------------------- */

static bool
read_address(struct reader *r, struct str s)
{
	char text[ADDRESS_TEXT_SIZE];
	struct address a;

	/* An encoded word in an address is not decoded by the rules, but some do it. */
	if (s.n == 0 || memmem(s.p, s.n, "=?", 2) != NULL ||
	    address_parse_mailbox(s, r->flags, &a) != 1 || a.domain_n == 0 ||
	    address_print(&a, text, sizeof(text)) < 0 || text[0] == '"')
		return false;
	r->found(r->arg, &a, true);
	return true;
}

/* Characters an address in a name may be made of; the rest stands around it. */
static bool
is_part(unsigned char c)
{
	return c == '.' || (is_atext(c) && c != '\'' && c != '`');
}

/* The text around the '@' at place `at`: false when it looks like an address but is none. */
static bool
read_claim(struct reader *r, struct str s, size_t at)
{
	size_t from = at, to = at + 1;
	struct address a;

	while (from > 0 && is_part((unsigned char)s.p[from - 1]))
		from--;
	while (from < at && s.p[from] == '.')
		from++;
	while (to < s.n && is_part((unsigned char)s.p[to]))
		to++;
	while (to > at + 1 && s.p[to - 1] == '.')
		to--;
	if (from == at || str_chr(str_from(s.p + at, to - at), '.') < 0)
		return true; /* "Anna @ home" */
	if (address_parse_mailbox(str_from(s.p + from, to - from), ADDRESS_UTF8, &a) != 1)
		return false;
	r->found(r->arg, &a, false);
	return true;
}

/* --- names ------------------------------------------------------------------------------------- */

/* Decodes r->plain to r->shown as a reader sees it. */
static bool
show(struct reader *r)
{
	struct str decoded;
	struct buf out;
	uint32_t code;
	bool safe;
	size_t n;

	buf_init(&out, NAME_GROWTH * (buf_len(&r->plain) + 8));
	safe = mail_words_decode(str_from(buf_data(&r->plain), buf_len(&r->plain)), &out) == 0;
	decoded = str_from(buf_data(&out), buf_len(&out));
	/* What is still an encoded word now might be decoded by others, or be decoded twice. */
	safe = safe && text_is_safe(decoded) &&
	       (decoded.n == 0 || memmem(decoded.p, decoded.n, "=?", 2) == NULL);
	buf_clear(&r->shown);
	for (; safe && decoded.n > 0; decoded = str_from(decoded.p + n, decoded.n - n)) {
		char utf8[4];

		n = mail_utf8_get(decoded, &code);
		safe = buf_put(&r->shown, utf8, mail_utf8_put(code_looks(code), utf8)) == 0;
	}
	buf_free(&out);
	return safe;
}

/* What stands in r->plain is shown as a name: the addresses in it count. */
static bool
read_shown(struct reader *r)
{
	struct str s;

	if (!show(r))
		return false;
	s = str_from(buf_data(&r->shown), buf_len(&r->shown));
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '@' && !read_claim(r, s, i))
			return false;
	}
	return true;
}

/* At the quote *i: appends the content to r->plain; *i is behind the closing quote. */
static bool
read_quoted(struct reader *r, struct str s, size_t *i)
{
	for ((*i)++; *i < s.n && s.p[*i] != '"'; (*i)++) {
		/* Only these two need it; others are left out by some and kept by others. */
		if (s.p[*i] == '\\' && (++*i == s.n || (s.p[*i] != '"' && s.p[*i] != '\\')))
			return false;
		buf_putc(&r->plain, s.p[*i]);
	}
	return (*i)++ < s.n;
}

/* At the parenthesis *i: the same with a comment, which some show and others do not. */
static bool
read_comment(struct reader *r, struct str s, size_t *i)
{
	size_t from = *i;

	while (*i < s.n) {
		char c = s.p[(*i)++];

		buf_putc(&r->plain, c);
		if (c == ')')
			return true;
		if (strchr("<>\\\"", c) != NULL || (c == '(' && *i != from + 1))
			return false;
	}
	return false;
}

/* Atoms, quoted strings and dots (rfc5322:4.1 obs-phrase; everybody sends "John Q. Public"). */
static bool
read_phrase(struct reader *r, struct str s)
{
	size_t i = 0;

	buf_clear(&r->plain);
	while (i < s.n) {
		char c = s.p[i];

		if (c == '"' || c == '(') {
			if (!(c == '"' ? read_quoted : read_comment)(r, s, &i))
				return false;
			continue;
		}
		if (!is_atext((unsigned char)c) && c != '.' && c != ' ' && c != '\t')
			return false;
		buf_putc(&r->plain, c);
		i++;
	}
	return read_shown(r);
}

/* What follows an address: nothing, or one plain comment to the end. */
static bool
read_rest(struct reader *r, struct str s)
{
	size_t i = 0;

	s = str_trim(s);
	if (s.n == 0)
		return true;
	buf_clear(&r->plain);
	if (s.p[0] != '(' || !read_comment(r, s, &i) || i != s.n)
		return false;
	return read_shown(r);
}

/* --- mailboxes --------------------------------------------------------------------------------- */

/* The first of these bytes outside of quotes, or s.n. */
static size_t
find_outside(struct str s, const char *bytes)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && strchr(bytes, s.p[i]) != NULL)
			return i;
	}
	return s.n;
}

static bool
read_mailbox(struct reader *r, struct str s)
{
	size_t open, close;

	s = str_trim(s);
	open = find_outside(s, "<");
	if (open == s.n) { /* address (name) */
		size_t end = find_outside(s, " \t(");

		return read_address(r, str_from(s.p, end)) &&
		       read_rest(r, str_from(s.p + end, s.n - end));
	}
	close = find_outside(s, ">");
	if (close == s.n || close < open)
		return false;
	return read_phrase(r, str_from(s.p, open)) &&
	       read_address(r, str_trim(str_from(s.p + open + 1, close - open - 1))) &&
	       read_rest(r, str_from(s.p + close + 1, s.n - close - 1));
}

static int
read_list(struct reader *r, struct str s)
{
	int count = 0;

	for (;;) {
		size_t comma = find_outside(s, ",");

		if (!read_mailbox(r, str_from(s.p, comma)))
			return -1;
		count++;
		if (comma == s.n)
			return count;
		s = str_from(s.p + comma + 1, s.n - comma - 1);
	}
}

/* Each line end is one of folding, and no line but the first is blank: some take that for the end
 * of the header. */
static bool
folds_are_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		size_t next = i + 2;

		if (s.p[i] == '\n')
			return false;
		if (s.p[i] != '\r')
			continue;
		if (next >= s.n || s.p[i + 1] != '\n' || (s.p[next] != ' ' && s.p[next] != '\t'))
			return false;
		while (next < s.n && (s.p[next] == ' ' || s.p[next] == '\t'))
			next++;
		if (next == s.n || s.p[next] == '\r')
			return false;
		i = next - 1;
	}
	return true;
}

int
mail_originators(struct str value, unsigned flags, mail_originator_fn *found, void *arg)
{
	struct reader r = { .flags = flags & ADDRESS_UTF8, .found = found, .arg = arg };
	struct buf flat;
	int count = -1;

	buf_init(&flat, value.n + 1);
	buf_init(&r.plain, value.n + 1);
	buf_init(&r.shown, NAME_GROWTH * (value.n + 8));
	if (folds_are_plain(value) && mail_unfold(value, &flat) == 0 && buf_len(&flat) > 0) {
		struct str s = str_from(buf_data(&flat), buf_len(&flat));

		if (text_is_safe(s))
			count = read_list(&r, s);
	}
	buf_free(&flat);
	buf_free(&r.plain);
	buf_free(&r.shown);
	return count;
}
