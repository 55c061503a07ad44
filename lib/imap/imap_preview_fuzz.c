/* SPDX-License-Identifier: ISC */
/* Any message has a preview: UTF-8, one line, not too long. */
#include <assert.h>
#include <stdint.h>

#include "imap/preview.h"
#include "mail/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str msg = str_from(data, size), rest;
	struct mime_tree t = { 0 };
	unsigned chars = 0;
	struct buf out;

	buf_init(&out, 4 * IMAP_PREVIEW_CHARS);
	mime_parse(msg, &t);
	imap_preview(msg, &t, &out);
	rest = str_from(buf_data(&out), out.len);
	while (rest.n > 0) {
		uint32_t code = 0;
		size_t n = mail_utf8_get(rest, &code);

		assert(n > 0 && code >= ' ' && code != 0x7f);
		rest = str_from(rest.p + n, rest.n - n);
		chars++;
	}
	assert(chars <= IMAP_PREVIEW_CHARS);
	mime_tree_free(&t);
	buf_free(&out);
	return 0;
}
