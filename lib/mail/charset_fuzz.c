/* SPDX-License-Identifier: ISC */
/* Any bytes in any character set. The first byte chooses the set, the second where the text is cut.
 * Oracle: what comes out is UTF-8 of limited length, the same at every cut; folding it, too. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mail/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
in_two(enum mail_charset cs, struct str text, size_t cut, struct buf *out)
{
	struct mail_charset_state st = { .cs = cs };
	ptrdiff_t used = mail_charset_decode(&st, str_from(text.p, cut), false, out);

	assert(used >= 0 && (size_t)used <= cut && cut - (size_t)used <= MAIL_CHARSET_HELD);
	text = str_from(text.p + used, text.n - (size_t)used);
	assert(mail_charset_decode(&st, text, true, out) == (ptrdiff_t)text.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut, folded;
	enum mail_charset cs;
	struct str text;

	if (size < 3)
		return 0;
	cs = data[0] % MAIL_CHARSETS;
	text = str_from(data + 2, size - 2);
	buf_init(&whole, 3 * text.n + 8);
	buf_init(&cut, 3 * text.n + 8);
	buf_init(&folded, MAIL_FOLD_TIMES * (3 * text.n + 8));
	assert(mail_charset_to_utf8(cs, text, &whole) == 0);
	in_two(cs, text, data[1] % (text.n + 1), &cut);
	assert(whole.len == cut.len);
	assert(whole.len == 0 || memcmp(buf_data(&whole), buf_data(&cut), whole.len) == 0);
	text = str_from(buf_data(&whole), whole.len);
	assert(cs == MAIL_CHARSET_UNKNOWN || mail_utf8_is_valid(text));
	assert(mail_fold(text, &folded) == 0);
	mail_charset_find(text);
	buf_free(&whole);
	buf_free(&cut);
	buf_free(&folded);
	return 0;
}
