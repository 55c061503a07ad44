/* SPDX-License-Identifier: ISC */
#include "imap/respond.h"

#include "imap/limits.h"
#include "imap/mutf7.h"
#include "imap/parse.h"

/* bytes above 0x7f only when utf8 is set */
static bool
can_be_quoted(struct str s, bool utf8)
{
	if (s.n > IMAP_QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || s.p[i] == '\r' || s.p[i] == '\n' ||
		    ((unsigned char)s.p[i] >= 0x80 && !utf8))
			return false;
	return true;
}

static int
string_put(struct buf *out, struct str s, bool utf8)
{
	uint8_t *to;
	size_t n = 0;

	if (!can_be_quoted(s, utf8)) {
		if (buf_printf(out, "{%zu}\r\n", s.n) != 0)
			return BUF_LIMIT;
		return buf_put(out, s.p, s.n);
	}
	if ((to = buf_reserve(out, 2 * s.n + 2)) == NULL)
		return BUF_LIMIT;
	to[n++] = '"';
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			to[n++] = '\\';
		to[n++] = (uint8_t)s.p[i];
	}
	to[n++] = '"';
	buf_commit(out, n);
	return 0;
}

int
imap_put_string(struct buf *out, struct str s)
{
	return string_put(out, s, false);
}

int
imap_put_astring(struct buf *out, struct str s)
{
	if (s.n == 0 || str_eq_nocase(s, STR("NIL")))
		return imap_put_string(out, s);
	for (size_t i = 0; i < s.n; i++)
		if (!imap_is_atom_char(s.p[i]))
			return imap_put_string(out, s);
	return buf_put(out, s.p, s.n);
}

int
imap_put_name(struct buf *out, struct str name, bool utf8)
{
	struct buf wire;
	int r;

	if (utf8)
		return string_put(out, name, true);
	buf_init(&wire, 6 * name.n + 8);
	r = imap_mutf7_encode(name, &wire);
	if (r == 0)
		r = imap_put_string(out, str_from(buf_data(&wire), wire.len));
	buf_free(&wire);
	return r;
}

int
imap_put_u64(struct buf *out, uint64_t n)
{
	char text[20];
	size_t i = sizeof(text);

	do
		text[--i] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return buf_put(out, text + i, sizeof(text) - i);
}

static int
word(struct buf *out, bool *first, struct str s)
{
	int r = *first ? 0 : buf_putc(out, ' ');

	*first = false;
	return r != 0 ? r : buf_put(out, s.p, s.n);
}

int
imap_put_flags(struct buf *out, const struct imap_backend_ops *ops, void *be, struct imap_folder *f,
    imap_flags flags, bool recent, bool star)
{
	static const struct {
		imap_flags bit;
		struct str name;
	} system[] = {
		{ IMAP_ANSWERED, { "\\Answered", 9 } },
		{ IMAP_FLAGGED, { "\\Flagged", 8 } },
		{ IMAP_DELETED, { "\\Deleted", 8 } },
		{ IMAP_SEEN, { "\\Seen", 5 } },
		{ IMAP_DRAFT, { "\\Draft", 6 } },
	};
	bool first = true;
	int r = buf_putc(out, '(');

	for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++)
		if (flags & system[i].bit)
			r |= word(out, &first, system[i].name);
	if (recent)
		r |= word(out, &first, STR("\\Recent"));
	flags &= ~(imap_flags)0xff;
	for (unsigned k = 0; flags != 0 && k < IMAP_KEYWORDS_MAX; k++) {
		if (!(flags & IMAP_KEYWORD(k)))
			continue;
		flags &= ~IMAP_KEYWORD(k);
		struct str name = ops->keyword_name(be, f, k);

		if (name.n > 0)
			r |= word(out, &first, name);
	}
	if (star)
		r |= word(out, &first, STR("\\*"));
	r |= buf_putc(out, ')');
	return r ? BUF_LIMIT : 0;
}

int
imap_put_set(struct buf *out, const uint32_t *uids, size_t n)
{
	int r = 0;

	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && uids[j] == uids[j - 1] + 1; j++)
			;
		if (i > 0)
			r |= buf_putc(out, ',');
		r |= imap_put_u64(out, uids[i]);
		if (j - i > 1)
			r |= buf_putc(out, ':') | imap_put_u64(out, uids[j - 1]);
	}
	return r ? BUF_LIMIT : 0;
}
