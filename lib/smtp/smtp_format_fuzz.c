/* SPDX-License-Identifier: ISC */
/*
 * First byte: what is refused; the rest is a message. Oracles: what is said does not depend on how it was
 * split; a message that is found sound has by the one splitter of headers a From field, no second one, and
 * nothing but fields.
 */
#include <stdint.h>
#include <stdlib.h>

#include "mail/header.h"
#include "smtp/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum smtp_reply_id
look(const struct smtp_format_rules *rules, struct str msg, size_t piece)
{
	struct smtp_format f;

	smtp_format_init(&f, rules);
	while (msg.n > 0) {
		size_t n = msg.n < piece ? msg.n : piece;

		smtp_format_content(&f, str_from(msg.p, n));
		msg = str_from(msg.p + n, msg.n - n);
	}
	return smtp_format_end(&f);
}

static void
check_sound(struct str msg)
{
	struct mail_field f;
	unsigned from = 0;
	size_t off = 0;

	while (mail_field_next(msg, &off, &f)) {
		if (f.name.n == 0)
			abort();
		from += str_eq_nocase(f.name, STR("From"));
	}
	if (from != 1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_format_rules rules;
	struct str msg;

	if (size < 2)
		return 0;
	rules = (struct smtp_format_rules){ .twice = data[0] & 1,
		.required = data[0] & 2,
		.nul = data[0] & 4,
		.ascii_header = data[0] & 8,
		.line = data[0] >> 4 };
	msg = str_from(data + 1, size - 1);
	if (look(&rules, msg, msg.n) != look(&rules, msg, 1) ||
	    look(&rules, msg, msg.n) != look(&rules, msg, 5))
		abort();
	if (rules.twice && rules.required && look(&rules, msg, 3) == SMTP_OK)
		check_sound(msg);
	return 0;
}
