/* SPDX-License-Identifier: ISC */
#include "mail/charset.h"

#include "mail/fold_table.h"

static const struct {
	struct str name;
	enum mail_charset cs;
} names[] = {
	{ { "us-ascii", 8 }, MAIL_CHARSET_ASCII },
	{ { "ascii", 5 }, MAIL_CHARSET_ASCII },
	{ { "ansi_x3.4-1968", 14 }, MAIL_CHARSET_ASCII },
	{ { "utf-8", 5 }, MAIL_CHARSET_UTF8 },
	{ { "utf8", 4 }, MAIL_CHARSET_UTF8 },
	{ { "iso-8859-1", 10 }, MAIL_CHARSET_LATIN1 },
	{ { "latin1", 6 }, MAIL_CHARSET_LATIN1 },
	{ { "iso-8859-15", 11 }, MAIL_CHARSET_LATIN9 },
	{ { "latin-9", 7 }, MAIL_CHARSET_LATIN9 },
	{ { "windows-1252", 12 }, MAIL_CHARSET_CP1252 },
	{ { "cp1252", 6 }, MAIL_CHARSET_CP1252 },
};

/* 0x80 to 0x9f; 0: not assigned. */
static const uint16_t cp1252[32] = { 0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d,
	0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178 };

enum { REPLACEMENT = 0xfffd };

enum mail_charset
mail_charset_find(struct str name)
{
	ptrdiff_t star = str_chr(name, '*');

	if (star >= 0)
		name.n = (size_t)star;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq_nocase(name, names[i].name))
			return names[i].cs;
	return MAIL_CHARSET_UNKNOWN;
}

size_t
mail_utf8_get(struct str s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (n == 0 || p[0] > 0xf4 || n > s.n)
		return 0;
	c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*code = c;
	return n;
}

size_t
mail_utf8_put(uint32_t code, char out[static 4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

bool
mail_utf8_is_valid(struct str s)
{
	uint32_t code;

	while (s.n > 0) {
		size_t n = mail_utf8_get(s, &code);

		if (n == 0)
			return false;
		s = str_from(s.p + n, s.n - n);
	}
	return true;
}

size_t
mail_utf8_whole(struct str s)
{
	for (size_t back = 1; back <= 3 && back <= s.n; back++) {
		unsigned char c = (unsigned char)s.p[s.n - back];
		size_t need = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;

		if ((c & 0xc0) != 0x80)
			return need > back ? s.n - back : s.n;
	}
	return s.n;
}

/* Bytes of ASCII at the start. */
static size_t
ascii_run(struct str s)
{
	size_t n = 0;
	uint64_t word;

	for (; n + sizeof(word) <= s.n; n += sizeof(word)) {
		memcpy(&word, s.p + n, sizeof(word));
		if (word & 0x8080808080808080u)
			break;
	}
	while (n < s.n && (unsigned char)s.p[n] < 0x80)
		n++;
	return n;
}

static uint32_t
latin9(unsigned char c)
{
	switch (c) {
	case 0xa4:
		return 0x20ac;
	case 0xa6:
		return 0x160;
	case 0xa8:
		return 0x161;
	case 0xb4:
		return 0x17d;
	case 0xb8:
		return 0x17e;
	case 0xbc:
		return 0x152;
	case 0xbd:
		return 0x153;
	case 0xbe:
		return 0x178;
	default:
		return c;
	}
}

static uint32_t
code_of(enum mail_charset cs, unsigned char c)
{
	if (cs == MAIL_CHARSET_LATIN9)
		return latin9(c);
	if (cs == MAIL_CHARSET_CP1252 && c < 0xa0)
		return cp1252[c - 0x80] ? cp1252[c - 0x80] : REPLACEMENT;
	return cs == MAIL_CHARSET_ASCII ? (uint32_t)REPLACEMENT : c;
}

static int
put_code(struct buf *out, uint32_t code)
{
	char utf8[4];

	return buf_put(out, utf8, mail_utf8_put(code, utf8));
}

int
mail_charset_to_utf8(enum mail_charset cs, struct str in, struct buf *out)
{
	if (cs == MAIL_CHARSET_UNKNOWN)
		return buf_put(out, in.p, in.n);
	while (in.n > 0) {
		size_t n = ascii_run(in);
		uint32_t code = REPLACEMENT;

		if (n > 0) {
			if (buf_put(out, in.p, n) != 0)
				return BUF_LIMIT;
		} else {
			if (cs != MAIL_CHARSET_UTF8)
				code = code_of(cs, (unsigned char)in.p[0]);
			else
				n = mail_utf8_get(in, &code);
			if (put_code(out, code) != 0)
				return BUF_LIMIT;
			n = n ? n : 1;
		}
		in = str_from(in.p + n, in.n - n);
	}
	return 0;
}

/* Appends the folded form of a code point, which stands in utf8. */
static int
fold_put(struct buf *out, struct str utf8, uint32_t c)
{
	uint16_t at = c < FOLD_END ? fold_blocks[fold_index[c / FOLD_BLOCK]][c % FOLD_BLOCK] : 0;

	if (at == 0)
		return buf_put(out, utf8.p, utf8.n);
	return buf_put(out, &fold_pool[at + 1], fold_pool[at]);
}

/* n bytes of ASCII in lower case, eight at a time: adding 0x3f sets the top bit from 'A' on, 0x25 from
 * behind 'Z' on; no byte carries into the next. */
static void
ascii_lower(char *to, const char *from, size_t n)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t w;

	for (; n >= sizeof(w); n -= sizeof(w), to += sizeof(w), from += sizeof(w)) {
		memcpy(&w, from, sizeof(w));
		w |= ((w + 0x3f * ones) & ~(w + 0x25 * ones) & 0x80 * ones) >> 2;
		memcpy(to, &w, sizeof(w));
	}
	for (; n > 0; n--)
		*to++ = (char)ascii_tolower(*from++);
}

int
mail_fold(struct str in, struct buf *out)
{
	while (in.n > 0) {
		size_t n = ascii_run(in);
		uint32_t code;

		if (n > 0) {
			char *to = (char *)buf_reserve(out, n);

			if (to == NULL)
				return BUF_LIMIT;
			ascii_lower(to, in.p, n);
			buf_commit(out, n);
		} else if ((n = mail_utf8_get(in, &code)) > 0) {
			if (fold_put(out, str_from(in.p, n), code) != 0)
				return BUF_LIMIT;
		} else {
			if (buf_putc(out, in.p[0]) != 0)
				return BUF_LIMIT;
			n = 1;
		}
		in = str_from(in.p + n, in.n - n);
	}
	return 0;
}
