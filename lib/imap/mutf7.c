/* SPDX-License-Identifier: ISC */
#include "imap/mutf7.h"

#include "mail/charset.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
sextet(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

struct utf16 {
	uint32_t high; /* first half of a surrogate pair, 0: none */
};

/* Takes one UTF-16 unit; false: halves in the wrong order, or what need not be encoded. */
static bool
unit_put(struct utf16 *u, uint32_t unit, struct buf *out)
{
	char utf8[4];

	if (u->high != 0) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		unit = 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00);
		u->high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		u->high = unit;
		return true;
	} else if ((unit >= 0xdc00 && unit <= 0xdfff) || (unit >= 0x20 && unit <= 0x7e)) {
		return false;
	}
	return buf_put(out, utf8, mail_utf8_put(unit, utf8)) == 0;
}

/* The sextets between '&' and '-'. */
static bool
run_decode(struct str in, struct buf *out)
{
	struct utf16 u = { 0 };
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < in.n; i++) {
		int v = sextet(in.p[i]);

		if (v < 0)
			return false;
		bits = (bits << 6 | (uint32_t)v) & 0xfffff;
		have += 6;
		if (have < 16)
			continue;
		have -= 16;
		if (!unit_put(&u, bits >> have & 0xffff, out))
			return false;
	}
	return u.high == 0 && have < 6 && (bits & ((1u << have) - 1)) == 0;
}

bool
imap_mutf7_decode(struct str in, struct buf *out)
{
	bool after_run = false;

	while (in.n > 0) {
		size_t used = 1;

		if (in.p[0] < 0x20 || in.p[0] > 0x7e)
			return false;
		if (in.p[0] == '&') {
			struct str rest = str_from(in.p + 1, in.n - 1);
			ptrdiff_t end = str_chr(rest, '-');

			/* two runs side by side are one run in the one right form */
			if (end < 0 || (end > 0 && after_run))
				return false;
			if (end == 0 ? buf_putc(out, '&') != 0
				     : !run_decode(str_from(rest.p, (size_t)end), out))
				return false;
			used = (size_t)end + 2;
			after_run = end > 0;
		} else {
			if (buf_putc(out, in.p[0]) != 0)
				return false;
			after_run = false;
		}
		in = str_from(in.p + used, in.n - used);
	}
	return true;
}

struct encoder {
	struct buf *out;
	uint32_t bits;
	unsigned have;
	bool open;
	int error;
};

static void
emit(struct encoder *e, int c)
{
	if (buf_putc(e->out, c) != 0)
		e->error = BUF_LIMIT;
}

static void
unit_encode(struct encoder *e, uint32_t unit)
{
	e->bits = e->bits << 16 | unit;
	e->have += 16;
	while (e->have >= 6) {
		e->have -= 6;
		emit(e, alphabet[e->bits >> e->have & 63]);
	}
}

static void
run_close(struct encoder *e)
{
	if (!e->open)
		return;
	if (e->have > 0)
		emit(e, alphabet[e->bits << (6 - e->have) & 63]);
	emit(e, '-');
	*e = (struct encoder){ .out = e->out, .error = e->error };
}

int
imap_mutf7_encode(struct str in, struct buf *out)
{
	struct encoder e = { .out = out };

	while (in.n > 0 && e.error == 0) {
		uint32_t code = 0xfffd;
		size_t n = mail_utf8_get(in, &code);

		if (code >= 0x20 && code <= 0x7e) {
			run_close(&e);
			emit(&e, (int)code);
			if (code == '&')
				emit(&e, '-');
		} else {
			if (!e.open)
				emit(&e, '&');
			e.open = true;
			if (code >= 0x10000) {
				unit_encode(&e, 0xd800 + ((code - 0x10000) >> 10));
				code = 0xdc00 + ((code - 0x10000) & 0x3ff);
			}
			unit_encode(&e, code);
		}
		n = n ? n : 1;
		in = str_from(in.p + n, in.n - n);
	}
	run_close(&e);
	return e.error;
}
