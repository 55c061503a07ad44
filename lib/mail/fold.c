/* SPDX-License-Identifier: ISC */
/* UTF-8, and texts folded for comparing. */
#include "mail/charset.h"

#include "mail/fold_table.h"

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

size_t
mail_ascii_run(struct str s)
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
		size_t n = mail_ascii_run(in);
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
