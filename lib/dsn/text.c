/* SPDX-License-Identifier: ISC */
#include "dsn/text.h"

#include "mail/charset.h"

enum { WRAP = 72, QP_LINE = 75, CLEAN_MAX = 4096 };

static bool
harmless(uint32_t c)
{
	if (c < 0xa0)
		return false;
	if (c == 0x2028 || c == 0x2029 || c == 0xfeff)
		return false;
	if (c == 0x200e || c == 0x200f || c == 0x061c)
		return false;
	return !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

/* One character as it may stand; *used are its bytes in the input. */
static struct str
clean_char(struct str in, bool utf8, size_t *used)
{
	unsigned char c = (unsigned char)in.p[0];
	uint32_t code;
	size_t n;

	*used = 1;
	if (c <= ' ')
		return STR(" ");
	if (c < 0x7f)
		return str_from(in.p, 1);
	n = mail_utf8_get(in, &code);
	if (n > 0)
		*used = n;
	return n > 1 && utf8 && harmless(code) ? str_from(in.p, n) : STR("?");
}

int
dsn_text_clean(struct str in, bool utf8, size_t max, struct buf *out)
{
	char line[CLEAN_MAX] = { 0 };
	size_t n = 0, dots = 0, used;

	if (max > sizeof(line))
		max = sizeof(line);
	for (size_t i = 0; i < in.n; i += used) {
		struct str c = clean_char(str_from(in.p + i, in.n - i), utf8, &used);

		if (c.p[0] == ' ' && (n == 0 || line[n - 1] == ' '))
			continue;
		if (n + c.n > max) {
			n = dots;
			return buf_put(out, line, n) != 0 ? BUF_LIMIT : buf_puts(out, "...");
		}
		memcpy(line + n, c.p, c.n);
		n += c.n;
		if (n + 3 <= max)
			dots = n;
	}
	while (n > 0 && line[n - 1] == ' ')
		n--;
	return buf_put(out, line, n);
}

/* The next piece: words up to about width columns; a longer word stays whole. Bytes taken. */
static size_t
piece(struct str s, size_t width)
{
	size_t best = 0, column = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ' ' && i > 0)
			best = i;
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			column++;
		if (column > width && best > 0)
			return best;
	}
	return s.n;
}

int
dsn_text_field(struct buf *out, const char *name, struct str value, bool utf8)
{
	size_t column = strlen(name) + 2;
	struct buf clean;
	struct str s;
	int rc = BUF_LIMIT;

	buf_init(&clean, DSN_FIELD_MAX);
	if (dsn_text_clean(value, utf8, DSN_FIELD_MAX, &clean) != 0)
		goto out;
	s = str_from(buf_data(&clean), buf_len(&clean));
	if (buf_printf(out, "%s: ", name) != 0)
		goto out;
	/* A line begins with the space it was broken at: that is the fold. */
	for (size_t n; s.n > 0; s = str_from(s.p + n, s.n - n), column = 0) {
		n = piece(s, column < WRAP ? WRAP - column : 1);
		if (buf_put(out, s.p, n) != 0 || (n < s.n && buf_puts(out, "\r\n") != 0))
			goto out;
	}
	rc = buf_puts(out, "\r\n");
out:
	buf_free(&clean);
	return rc;
}

int
dsn_text_wrap(struct buf *out, const char *indent, struct str words)
{
	size_t n;

	for (; words.n > 0; words = str_from(words.p + n, words.n - n)) {
		if (words.p[0] == ' ') {
			n = 1;
			continue;
		}
		n = piece(words, WRAP - strlen(indent));
		if (buf_printf(out, "%s%.*s\n", indent, (int)n, words.p) != 0)
			return BUF_LIMIT;
	}
	return 0;
}

int
dsn_text_qp(struct buf *out, struct str text)
{
	size_t column = 0;
	int rc = 0;

	for (size_t i = 0; i < text.n && rc == 0; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool last = i + 1 == text.n || text.p[i + 1] == '\n';
		bool plain = (c > ' ' && c < 0x7f && c != '=') || (c == ' ' && !last);

		if (c == '\n') {
			rc = buf_puts(out, "\r\n");
			column = 0;
			continue;
		}
		if (column + (plain ? 1 : 3) > QP_LINE) {
			rc = buf_puts(out, "=\r\n");
			column = 0;
		}
		/* No line begins with a dot, whatever carries it on. */
		if (c == '.' && column == 0)
			plain = false;
		if (rc == 0)
			rc = plain ? buf_putc(out, c) : buf_printf(out, "=%02X", c);
		column += plain ? 1 : 3;
	}
	return rc;
}
