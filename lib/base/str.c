/* SPDX-License-Identifier: ISC */
#include "base/str.h"

int
ascii_tolower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

int
ascii_toupper(int c)
{
	return c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;
}

bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
str_eq_nocase(struct str a, struct str b)
{
	return a.n == b.n && str_starts_nocase(a, b);
}

bool
str_starts_nocase(struct str s, struct str prefix)
{
	if (s.n < prefix.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (ascii_tolower((unsigned char)s.p[i]) !=
		    ascii_tolower((unsigned char)prefix.p[i]))
			return false;
	return true;
}

bool
str_has_8bit(struct str s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all >= 0x80;
}

ptrdiff_t
str_chr(struct str s, int c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? at - s.p : -1;
}

ptrdiff_t
str_find_nocase(struct str hay, struct str needle)
{
	for (size_t i = 0; needle.n <= hay.n && i <= hay.n - needle.n; i++)
		if (str_starts_nocase(str_from(hay.p + i, hay.n - i), needle))
			return (ptrdiff_t)i;
	return -1;
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

struct str
str_keep(char **to, struct str s)
{
	struct str kept = { *to, s.n };

	if (s.n > 0)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return kept;
}

bool
str_u64(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}
