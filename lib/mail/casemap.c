/* SPDX-License-Identifier: ISC */
#include "mail/casemap.h"

#include "mail/charset.h"

struct row {
	uint32_t code;
	uint16_t at;
	uint8_t n;
};

static const struct row rows[] = {
#define CASEMAP(code, at, n) { code, at, n },
#include "mail/casemap_table.h"
#undef CASEMAP
};

#define CASEMAP(code, at, n)
#define CASEMAP_WANT_POOL
#include "mail/casemap_table.h"
#undef CASEMAP

static const char pool[] = CASEMAP_POOL;

/* What a character beyond ASCII becomes; n == 0: it stays. */
static struct str
mapped(uint32_t code)
{
	size_t lo = 0, hi = sizeof(rows) / sizeof(rows[0]);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (rows[mid].code == code)
			return str_from(pool + rows[mid].at, rows[mid].n);
		if (rows[mid].code < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	return str_from(pool, 0);
}

int
mail_casemap(struct str in, struct buf *out)
{
	while (in.n > 0) {
		struct str to = { NULL, 0 };
		uint32_t code;
		size_t n = 0;

		while (n < in.n && (unsigned char)in.p[n] < 0x80)
			n++;
		if (n > 0) {
			uint8_t *at = buf_reserve(out, n);

			if (at == NULL)
				return BUF_LIMIT;
			for (size_t i = 0; i < n; i++)
				at[i] = (uint8_t)ascii_toupper((unsigned char)in.p[i]);
			buf_commit(out, n);
		} else {
			if ((n = mail_utf8_get(in, &code)) > 0)
				to = mapped(code);
			else
				n = 1;
			if (to.n == 0)
				to = str_from(in.p, n);
			if (buf_put(out, to.p, to.n) != 0)
				return BUF_LIMIT;
		}
		in = str_from(in.p + n, in.n - n);
	}
	return 0;
}
