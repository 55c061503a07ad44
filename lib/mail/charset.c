/* SPDX-License-Identifier: ISC */
#include "mail/charset.h"

#include <string.h>

#include "mail/charset_kind.h"
#include "mail/charset_tables.h"

enum {
	REPLACEMENT = 0xfffd,
	/* Longer names are not known. */
	NAME_MAX_LETTERS = 32,
	ESC = 0x1b,
	SHIFT_OUT = 0x0e,
	SHIFT_IN = 0x0f,
};
/* These bytes change the state only. */
#define NO_CODE UINT32_MAX

/* ---- names ------------------------------------------------------------------------------------
 */
static const struct {
	enum charset_kind kind;
	const char *name;
} sets[MAIL_CHARSETS] = {
#define CHARSET(id, how, text) [MAIL_CHARSET_##id] = { KIND_##how, text },
#include "mail/charset_table.h"
#undef CHARSET
};

static const struct {
	const char *letters;
	enum mail_charset cs;
} other_names[] = {
#define CHARSET_NAME(text, id) { text, MAIL_CHARSET_##id },
#include "mail/charset_table.h"
#undef CHARSET_NAME
};

/* Letters and digits of a name, in lower case: senders write "utf8", "cp-1252", "'UTF-8'". */
static void
letters_of(struct str name, char out[static NAME_MAX_LETTERS + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < name.n && name.p[i] != '*'; i++) {
		char c = (char)ascii_tolower(name.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
			continue;
		if (n == NAME_MAX_LETTERS) {
			n = 0;
			break;
		}
		out[n++] = c;
	}
	out[n] = '\0';
}

enum mail_charset
mail_charset_find(struct str name)
{
	char letters[NAME_MAX_LETTERS + 1], own[NAME_MAX_LETTERS + 1];

	letters_of(name, letters);
	for (enum mail_charset cs = MAIL_CHARSET_ASCII; cs < MAIL_CHARSETS; cs++) {
		letters_of(str_of(sets[cs].name), own);
		if (strcmp(letters, own) == 0)
			return cs;
	}
	for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
		if (strcmp(letters, other_names[i].letters) == 0)
			return other_names[i].cs;
	return MAIL_CHARSET_UNKNOWN;
}

const char *
mail_charset_name(enum mail_charset cs)
{
	return cs < MAIL_CHARSETS ? sets[cs].name : NULL;
}

bool
mail_charset_is_stateful(enum mail_charset cs)
{
	enum charset_kind kind = sets[cs].kind;

	return kind == KIND_HZ || kind == KIND_ISO_2022_JP || kind == KIND_ISO_2022_KR ||
	       kind == KIND_UTF7 || kind == KIND_UTF16;
}

/* ---- two bytes for a character ----------------------------------------------------------------
 */
/* 0: not assigned. */
static uint32_t
pair_code(const struct charset_pairs *t, unsigned lead, unsigned trail)
{
	size_t width = 0xfeu - t->trail + 1;
	unsigned row, code;

	if (lead < CHARSET_LEAD || lead >= CHARSET_LEAD + CHARSET_LEADS || trail < t->trail ||
	    trail > 0xfe || (row = t->rows[lead - CHARSET_LEAD]) == 0)
		return 0;
	code = t->codes[(row - 1) * width + trail - t->trail];
	if (code >= CHARSET_RARE && code < CHARSET_RARE + sizeof(charset_rare) / sizeof(uint32_t))
		return charset_rare[code - CHARSET_RARE];
	return code;
}

/* A wrong second byte that is ASCII stands for itself. */
static size_t
pair_get(const struct charset_pairs *t, const uint8_t *p, size_t n, uint32_t *code)
{
	if (p[0] < CHARSET_LEAD || p[0] >= CHARSET_LEAD + CHARSET_LEADS)
		return 1;
	if (n < 2)
		return 0;
	if ((*code = pair_code(t, p[0], p[1])) != 0)
		return 2;
	*code = REPLACEMENT;
	return p[1] < 0x80 ? 1 : 2;
}

/* JIS X 0208 (and what Windows adds) by row and cell, both with the upper bit: the same characters
 * are in the table of Shift_JIS, two rows for each first byte. */
static uint32_t
jis0208_code(unsigned row, unsigned cell)
{
	unsigned lead, trail;

	if (row < 0xa1 || row > 0xfe || cell < 0xa1 || cell > 0xfe)
		return 0;
	lead = (row - 0xa1) / 2 + 0x81;
	lead += lead > 0x9f ? 0x40 : 0;
	trail = (row & 1) ? cell - 0x61 : cell - 2;
	trail += (row & 1) && trail >= 0x7f;
	return pair_code(&charset_sjis, lead, trail);
}

static size_t
sjis_get(const uint8_t *p, size_t n, uint32_t *code)
{
	if (p[0] >= 0xa1 && p[0] <= 0xdf) { /* half-width katakana */
		*code = 0xff61u + p[0] - 0xa1;
		return 1;
	}
	return pair_get(&charset_sjis, p, n, code);
}

static size_t
euc_jp_get(const uint8_t *p, size_t n, uint32_t *code)
{
	size_t more = p[0] == 0x8f;
	uint32_t c;

	if (p[0] != 0x8e && p[0] != 0x8f && p[0] < 0xa1)
		return 1;
	if (n < 2)
		return 0;
	if (p[1] < 0xa1)
		return 1;
	if (n < 2 + more)
		return 0;
	if (p[0] == 0x8e)
		c = p[1] <= 0xdf ? 0xff61u + p[1] - 0xa1 : 0;
	else
		c = more ? pair_code(&charset_jis0212, p[1], p[2]) : jis0208_code(p[0], p[1]);
	if (c != 0)
		*code = c;
	else if (more && p[2] < 0x80)
		return 2;
	return 2 + more;
}

/* Four bytes as one number. */
static uint32_t
gb18030_far(uint32_t at)
{
	size_t lo = 0, hi = sizeof(gb18030_runs) / sizeof(gb18030_runs[0]);

	if (at >= 189000)
		return at - 189000 < 0x100000 ? at - 189000 + 0x10000 : 0;
	if (at >= 39420)
		return 0;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (gb18030_runs[mid].at <= at)
			lo = mid;
		else
			hi = mid;
	}
	return gb18030_runs[lo].code ? gb18030_runs[lo].code + at - gb18030_runs[lo].at : 0;
}

static size_t
gb18030_get(const uint8_t *p, size_t n, uint32_t *code)
{
	uint32_t c;

	if (p[0] == 0x80) { /* of GBK as Windows has it */
		*code = 0x20ac;
		return 1;
	}
	if (n < 2 || p[0] == 0xff || p[1] < 0x30 || p[1] > 0x39)
		return pair_get(&charset_gbk, p, n, code);
	if ((n > 2 && (p[2] < 0x81 || p[2] > 0xfe)) || (n > 3 && (p[3] < 0x30 || p[3] > 0x39)))
		return 1;
	if (n < 4)
		return 0;
	c = gb18030_far(
	    ((p[0] - 0x81u) * 10 + p[1] - 0x30u) * 1260 + (p[2] - 0x81u) * 10 + p[3] - 0x30u);
	*code = c ? c : REPLACEMENT;
	return 4;
}

/* ---- those with a state -----------------------------------------------------------------------
 */
enum { MODE_ASCII, MODE_KANA, MODE_0208, MODE_0212, MODE_PAIRS };

static const struct {
	struct str bytes;
	enum charset_kind kind;
	uint8_t mode;
} escapes[] = {
	{ { "\033(B", 3 }, KIND_ISO_2022_JP, MODE_ASCII },
	{ { "\033(J", 3 }, KIND_ISO_2022_JP, MODE_ASCII },
	{ { "\033(I", 3 }, KIND_ISO_2022_JP, MODE_KANA },
	{ { "\033$@", 3 }, KIND_ISO_2022_JP, MODE_0208 },
	{ { "\033$B", 3 }, KIND_ISO_2022_JP, MODE_0208 },
	{ { "\033$(B", 4 }, KIND_ISO_2022_JP, MODE_0208 },
	{ { "\033$(D", 4 }, KIND_ISO_2022_JP, MODE_0212 },
	{ { "\033$)C", 4 }, KIND_ISO_2022_KR, MODE_ASCII },
};

/* 1: no known sequence. */
static size_t
escape_get(struct mail_charset_state *st, struct str in)
{
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		struct str e = escapes[i].bytes;
		size_t n = e.n < in.n ? e.n : in.n;

		if (escapes[i].kind != sets[st->cs].kind || memcmp(in.p, e.p, n) != 0)
			continue;
		if (n < e.n)
			return 0;
		st->mode = escapes[i].mode;
		return n;
	}
	return 1;
}

/* Seven bits: two bytes in a mode. Lines begin in ASCII, whatever the one before forgot. */
static size_t
seven_get(struct mail_charset_state *st, struct str in, uint32_t *code)
{
	const uint8_t *p = (const uint8_t *)in.p;
	uint32_t c = 0;

	if (p[0] <= ' ' || p[0] >= 0x7f || st->mode == MODE_ASCII) {
		if (p[0] == '\n')
			st->mode = MODE_ASCII;
		*code = p[0] < 0x80 ? p[0] : (uint32_t)REPLACEMENT;
		return 1;
	}
	if (st->mode == MODE_KANA) {
		*code = p[0] <= 0x5f ? 0xff61u + p[0] - 0x21 : (uint32_t)REPLACEMENT;
		return 1;
	}
	if (in.n < 2)
		return 0;
	if (p[1] <= ' ' || p[1] >= 0x7f)
		return 1;
	if (st->mode == MODE_0208)
		c = jis0208_code(p[0] | 0x80u, p[1] | 0x80u);
	else if (st->mode == MODE_0212)
		c = pair_code(&charset_jis0212, p[0] | 0x80u, p[1] | 0x80u);
	else
		c = pair_code(sets[st->cs].kind == KIND_HZ ? &charset_gbk : &charset_uhc,
		    p[0] | 0x80u, p[1] | 0x80u);
	*code = c ? c : REPLACEMENT;
	return 2;
}

static size_t
iso2022_get(struct mail_charset_state *st, struct str in, uint32_t *code)
{
	size_t n;

	if (in.p[0] == ESC && (n = escape_get(st, in)) != 1) {
		*code = NO_CODE;
		return n;
	}
	if (sets[st->cs].kind == KIND_ISO_2022_KR &&
	    (in.p[0] == SHIFT_OUT || in.p[0] == SHIFT_IN)) {
		st->mode = in.p[0] == SHIFT_OUT ? MODE_PAIRS : MODE_ASCII;
		*code = NO_CODE;
		return 1;
	}
	return seven_get(st, in, code);
}

static size_t
hz_get(struct mail_charset_state *st, struct str in, uint32_t *code)
{
	if (in.p[0] != '~')
		return seven_get(st, in, code);
	if (in.n < 2)
		return 0;
	*code = NO_CODE;
	if (in.p[1] == '{' || in.p[1] == '}') {
		st->mode = in.p[1] == '{' ? MODE_PAIRS : MODE_ASCII;
		return 2;
	}
	if (in.p[1] == '\n') /* goes on in the next line */
		return 2;
	*code = '~';
	return in.p[1] == '~' ? 2 : 1;
}

/* A unit of UTF-16 within UTF-7. */
static uint32_t
unit_code(struct mail_charset_state *st, unsigned unit)
{
	unsigned high = st->high;

	st->high = 0;
	if (unit >= 0xd800 && unit < 0xdc00) {
		st->high = (uint16_t)unit;
		return high ? (uint32_t)REPLACEMENT : NO_CODE;
	}
	if (unit < 0xdc00 || unit > 0xdfff)
		return unit;
	return high ? 0x10000 + ((high & 0x3ffu) << 10 | (unit & 0x3ffu)) : (uint32_t)REPLACEMENT;
}

static int
base64_digit(char c)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* rfc2152 */
static size_t
utf7_get(struct mail_charset_state *st, struct str in, uint32_t *code)
{
	int digit;

	if (st->mode == MODE_ASCII && in.p[0] == '+') {
		if (in.n < 2)
			return 0;
		*code = in.p[1] == '-' ? '+' : NO_CODE;
		st->mode = in.p[1] == '-' ? MODE_ASCII : MODE_PAIRS;
		st->nbits = 0;
		st->high = 0;
		return in.p[1] == '-' ? 2 : 1;
	}
	*code = (unsigned char)in.p[0] < 0x80 ? (uint32_t)in.p[0] : (uint32_t)REPLACEMENT;
	if (st->mode == MODE_ASCII)
		return 1;
	if ((digit = base64_digit(in.p[0])) < 0) {
		st->mode = MODE_ASCII;
		*code = in.p[0] == '-' ? NO_CODE : *code;
		return 1;
	}
	st->bits = st->bits << 6 | (uint32_t)digit;
	st->nbits += 6;
	*code = NO_CODE;
	if (st->nbits >= 16) {
		st->nbits -= 16;
		*code = unit_code(st, st->bits >> st->nbits & 0xffff);
	}
	return 1;
}

static size_t
utf16_get(struct mail_charset_state *st, struct str in, uint32_t *code)
{
	enum { UNKNOWN_ORDER, BIG, LITTLE };
	const uint8_t *p = (const uint8_t *)in.p;
	unsigned swap, unit, low;

	if (in.n < 2)
		return 0;
	if (st->mode == UNKNOWN_ORDER) {
		bool mark = st->cs == MAIL_CHARSET_UTF16 && p[0] == 0xff && p[1] == 0xfe;

		st->mode = st->cs == MAIL_CHARSET_UTF16LE || mark ? LITTLE : BIG;
	}
	swap = st->mode == LITTLE;
	unit = (unsigned)p[swap] << 8 | p[!swap];
	*code = unit == 0xfeff ? NO_CODE : unit;
	if (unit < 0xd800 || unit > 0xdfff)
		return 2;
	*code = REPLACEMENT;
	if (unit >= 0xdc00)
		return 2;
	if (in.n < 4)
		return 0;
	low = (unsigned)p[2 + swap] << 8 | p[3 - swap];
	if (low < 0xdc00 || low > 0xdfff)
		return 2;
	*code = 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
	return 4;
}

/* ---- all --------------------------------------------------------------------------------------
 */
/* One character or change of state: bytes used, 0: it is only begun. */
static size_t
get(struct mail_charset_state *st, struct str in, uint32_t *code)
{
	const uint8_t *p = (const uint8_t *)in.p;
	size_t n;

	*code = REPLACEMENT;
	switch (sets[st->cs].kind) {
	case KIND_UTF8:
		if ((n = mail_utf8_get(in, code)) > 0)
			return n;
		return in.n <= MAIL_CHARSET_HELD && mail_utf8_whole(in) == 0 ? 0 : 1;
	case KIND_LATIN1:
		*code = p[0];
		return 1;
	case KIND_SINGLE:
		*code = charset_single[charset_single_at[st->cs] - 1][p[0] & 0x7f];
		*code = *code ? *code : (uint32_t)REPLACEMENT;
		return 1;
	case KIND_GB18030:
		return gb18030_get(p, in.n, code);
	case KIND_BIG5:
		return pair_get(&charset_big5, p, in.n, code);
	case KIND_SJIS:
		return sjis_get(p, in.n, code);
	case KIND_EUC_JP:
		return euc_jp_get(p, in.n, code);
	case KIND_EUC_KR:
		return pair_get(&charset_uhc, p, in.n, code);
	case KIND_ISO_2022_JP:
	case KIND_ISO_2022_KR:
		return iso2022_get(st, in, code);
	case KIND_HZ:
		return hz_get(st, in, code);
	case KIND_UTF7:
		return utf7_get(st, in, code);
	case KIND_UTF16:
		return utf16_get(st, in, code);
	case KIND_ASCII:
	case KIND_UNKNOWN:
		break;
	}
	return 1;
}

static int
put_code(struct buf *out, uint32_t code)
{
	char utf8[4];

	return code == NO_CODE ? 0 : buf_put(out, utf8, mail_utf8_put(code, utf8));
}

ptrdiff_t
mail_charset_decode(struct mail_charset_state *st, struct str in, bool last, struct buf *out)
{
	bool stateful = mail_charset_is_stateful(st->cs);
	size_t whole = in.n;

	if (st->cs == MAIL_CHARSET_UNKNOWN)
		return buf_put(out, in.p, in.n) == 0 ? (ptrdiff_t)in.n : -1;
	while (in.n > 0) {
		size_t n = stateful ? 0 : mail_ascii_run(in);
		uint32_t code;

		if (n > 0) {
			if (buf_put(out, in.p, n) != 0)
				return -1;
		} else {
			n = get(st, in, &code);
			if (n == 0 && !last)
				break;
			if (n == 0)
				code = REPLACEMENT;
			if (put_code(out, code) != 0)
				return -1;
			n = n ? n : 1;
		}
		in = str_from(in.p + n, in.n - n);
	}
	return (ptrdiff_t)(whole - in.n);
}

int
mail_charset_to_utf8(enum mail_charset cs, struct str in, struct buf *out)
{
	struct mail_charset_state st = { .cs = cs };

	return mail_charset_decode(&st, in, true, out) < 0 ? BUF_LIMIT : 0;
}
