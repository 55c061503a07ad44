/* SPDX-License-Identifier: ISC */
#include "smtp_client/server_reply.h"

#include <string.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 200..599 in three digits, or 0. */
static unsigned
line_code(struct str s)
{
	if (s.n < 3 || s.p[0] < '2' || s.p[0] > '5' || !is_digit(s.p[1]) || !is_digit(s.p[2]))
		return 0;
	return (unsigned)(s.p[0] - '0') * 100 + (unsigned)(s.p[1] - '0') * 10 +
	       (unsigned)(s.p[2] - '0');
}

/* One to three digits at *at. */
static bool
skip_number(struct str s, size_t *at)
{
	size_t n = 0;

	while (n < 3 && *at + n < s.n && is_digit(s.p[*at + n]))
		n++;
	*at += n;
	return n > 0;
}

/* Length of the enhanced code at the start of the text, 0 when there is none of this class. */
static size_t
enhanced_length(struct str s, unsigned class)
{
	size_t at = 2;

	if (s.n < 5 || s.p[0] != (char)('0' + class) || s.p[1] != '.' || !skip_number(s, &at) ||
	    at >= s.n || s.p[at++] != '.' || !skip_number(s, &at))
		return 0;
	return at == s.n || s.p[at] == ' ' ? at : 0;
}

static void
add_text(struct server_reply *r, struct str s)
{
	if (r->text_n > 0 && s.n > 0 && r->text_n < sizeof(r->text) - 1)
		r->text[r->text_n++] = ' ';
	for (size_t i = 0; i < s.n && r->text_n < sizeof(r->text) - 1; i++)
		r->text[r->text_n++] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
	r->text[r->text_n] = '\0';
}

static void
keep_text(struct server_reply *r, struct str line)
{
	size_t n = enhanced_length(line, r->code / 100);

	if (n > 0 && r->enhanced[0] == '\0')
		memcpy(r->enhanced, line.p, n); /* at most 9 bytes, the rest is zero */
	add_text(r, str_trim(str_from(line.p + n, line.n - n)));
}

enum server_reply_status
server_reply_take(struct server_reply *r, struct str in, size_t *used, struct str *line)
{
	ptrdiff_t lf = str_chr(
	    str_from(in.p, in.n < SMTP_CLIENT_LINE_MAX ? in.n : SMTP_CLIENT_LINE_MAX), '\n');
	struct str s;
	unsigned code;

	*used = 0;
	if (lf < 0)
		return in.n >= SMTP_CLIENT_LINE_MAX ? SERVER_REPLY_BAD : SERVER_REPLY_MORE;
	*used = (size_t)lf + 1;
	s = str_from(in.p, (size_t)lf - (lf > 0 && in.p[lf - 1] == '\r'));
	code = line_code(s);
	if (code == 0 || (s.n > 3 && s.p[3] != ' ' && s.p[3] != '-') ||
	    (r->lines > 0 && code != r->code))
		return SERVER_REPLY_BAD;
	r->code = code;
	r->total += *used;
	if (++r->lines > SMTP_CLIENT_REPLY_LINES || r->total > SMTP_CLIENT_REPLY_MAX)
		return SERVER_REPLY_BAD;
	*line = s.n > 3 ? str_from(s.p + 4, s.n - 4) : str_from(s.p + 3, 0);
	keep_text(r, *line);
	return s.n > 3 && s.p[3] == '-' ? SERVER_REPLY_LINE : SERVER_REPLY_WHOLE;
}
