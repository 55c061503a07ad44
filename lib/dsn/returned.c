/* SPDX-License-Identifier: ISC */
#include "dsn/returned.h"

#include "dsn/dsn.h"
#include "mail/charset.h"
#include "mail/header.h"

enum { LINE_MAX_BYTES = 998 }; /* rfc5322:2.1.1, without CRLF */

/* Only CRLF as line ends, none too long, no NUL: such a message can be a part as it is. */
static bool
sendable(struct str s, bool *eightbit)
{
	size_t line = 0;

	*eightbit = false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') {
			i++;
			line = 0;
		} else if (c == '\r' || c == '\n' || c == '\0' || ++line > LINE_MAX_BYTES) {
			return false;
		}
		*eightbit = *eightbit || c >= 0x80;
	}
	return true;
}

void
dsn_returned_prepare(struct str message, bool want_full, struct dsn_returned *r)
{
	size_t off = 0, end = 0;
	struct mail_field f;

	if (message.n == 0)
		message = STR(""); /* a place for the splitter to point to */
	*r = (struct dsn_returned){ .whole = message };
	while (mail_field_next(message, &off, &f) && off <= DSN_HEADER_MAX)
		end = (size_t)(f.raw.p - message.p) + f.raw.n;
	r->header = str_from(message.p, end);
	if (want_full && message.n > 0 && message.n <= DSN_FULL_MAX)
		r->full = sendable(message, &r->eightbit);
	if (!r->full)
		r->eightbit = false;
}

/* One line of a header without its end; n bytes of it are written. */
static int
put_line(struct str s, bool utf8, struct buf *out)
{
	size_t column = 0, used;
	uint32_t code;
	int rc = 0;

	for (size_t i = 0; i < s.n && rc == 0; i += used) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = mail_utf8_get(str_from(s.p + i, s.n - i), &code);
		bool keep = c == '\t' || (c >= ' ' && c < 0x7f) || (utf8 && n > 1);

		used = n == 0 ? 1 : n;
		/* A fold in the middle of a word: not what was meant, but it can be read. */
		if (column + used > LINE_MAX_BYTES - 1) {
			rc = buf_puts(out, "\r\n ");
			column = 1;
		}
		if (rc == 0)
			rc = keep ? buf_put(out, s.p + i, used) : buf_putc(out, '?');
		column += used;
	}
	return rc != 0 ? rc : buf_puts(out, "\r\n");
}

int
dsn_returned_put(const struct dsn_returned *r, bool utf8, struct buf *out)
{
	struct str rest = r->header;

	if (r->full)
		return buf_put(out, r->whole.p, r->whole.n);
	while (rest.n > 0) {
		ptrdiff_t lf = str_chr(rest, '\n');
		size_t n = lf < 0 ? rest.n : (size_t)lf, skip = lf < 0 ? n : n + 1;
		size_t end = n > 0 && lf >= 0 && rest.p[n - 1] == '\r' ? n - 1 : n;

		/* A last line without LF may end in CR: it is not a line end by itself. */
		if (put_line(str_from(rest.p, end), utf8, out) != 0)
			return BUF_LIMIT;
		rest = str_from(rest.p + skip, rest.n - skip);
	}
	return 0;
}
