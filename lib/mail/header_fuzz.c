/* SPDX-License-Identifier: ISC */
/* The header splitter, unfolding and what reads field values. Oracle: the fields, the empty line and
 * the body partition the input. */
#include <assert.h>
#include <stdint.h>

#include "mail/addrlist.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/param.h"
#include "mail/word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
value_read(struct str value, struct arena *a, struct buf *scratch)
{
	struct str type, subtype;
	struct mail_lex params;
	struct mail_time t;

	buf_clear(scratch);
	assert(mail_unfold(value, scratch) == 0);
	assert(scratch->len <= value.n);
	buf_clear(scratch);
	mail_words_decode(value, scratch);
	arena_reset(a);
	mail_addrlist_parse(value, a);
	if (mail_date_parse(value, &t)) {
		char text[MAIL_IMAP_TIME_SIZE];
		struct mail_time again;

		mail_time_format_imap(t, text);
		/* a zone may carry it out of the four digits of a year */
		if (t.seconds > -62100000000 && t.seconds < 253370000000)
			assert(mail_time_parse_imap(str_of(text), &again) &&
			       again.seconds == t.seconds && again.zone == t.zone);
	}
	arena_reset(a);
	buf_clear(scratch);
	if (mail_ctype_parse(value, &type, &subtype, &params))
		mail_param_get(params, a, STR("name"), scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str msg = str_from(data, size);
	struct arena *a = arena_new(4 * size + 65536);
	struct mail_field f;
	struct buf scratch;
	size_t off = 0, fields = 0;

	if (size == 0) {
		arena_free(&a);
		return 0;
	}
	buf_init(&scratch, 8 * size + 4096);
	while (mail_field_next(msg, &off, &f)) {
		assert(f.raw.p == msg.p + fields && f.raw.n > 0);
		assert(f.name.n + f.value.n <= f.raw.n);
		assert(f.value.p >= f.raw.p && f.value.p + f.value.n <= f.raw.p + f.raw.n);
		fields += f.raw.n;
		value_read(f.value, a, &scratch);
	}
	assert(off == mail_header_size(msg));
	assert(off >= fields && off - fields <= 2 && off <= size);
	buf_free(&scratch);
	arena_free(&a);
	return 0;
}
