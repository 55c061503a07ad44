/* SPDX-License-Identifier: ISC */
/*
 * Byte 0: kind; byte 1: bits (1 full, 2 utf8); byte 2: recipients - 1 (up to 4); then fields, each a
 * length byte and its bytes: from, to, message id, envid, and for each recipient address, orcpt,
 * status, remote server, reply, reason; what is left is the message, three times over when bit 4 is
 * set. Oracle: only CRLF ends lines, no line beyond 998, no NUL, the parts are three and in place,
 * the status fields are as many as they should be.
 */
#include <assert.h>

#include "base/fuzz_input.h"
#include "base/xalloc.h"
#include "dsn/dsn.h"
#include "mail/header.h"
#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_lines(struct str s)
{
	size_t line = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r') {
			assert(i + 1 < s.n && s.p[i + 1] == '\n');
			i++;
			line = 0;
			continue;
		}
		line++;
		assert(s.p[i] != '\n' && s.p[i] != '\0' && line <= 998);
	}
	assert(line == 0);
}

static unsigned
count_fields(struct str s, const char *name)
{
	struct mail_field f;
	unsigned n = 0;

	for (size_t off = 0; mail_field_next(s, &off, &f);) {
		assert(f.name.n > 0);
		n += str_eq_nocase(f.name, str_of(name));
	}
	return n;
}

static void
check_parts(struct str s, const struct dsn_input *in)
{
	struct mime_tree t = { 0 };
	struct str status;
	unsigned groups = 0;
	size_t parts = 0;

	assert(count_fields(s, "To") == 1 && count_fields(s, "Content-Type") == 1);
	mime_parse(s, &t);
	assert(t.parts[0].kind == MIME_MULTIPART);
	for (int32_t c = t.parts[0].child; c != MIME_NO_PART; c = t.parts[c].next, parts++) {
		if (parts != 1)
			continue;
		status = mime_body(s, &t.parts[c]);
		assert(count_fields(status, "Reporting-MTA") == 1);
		/* Each empty line begins one recipient; the body ends without one. */
		for (size_t at = 0; at < status.n; groups++) {
			struct str group = str_from(status.p + at, status.n - at);

			assert(count_fields(group, "Action") == (groups > 0));
			assert(count_fields(group, "Final-Recipient") == (groups > 0));
			at += mail_header_size(group);
		}
		assert(groups == in->recipient_count + 1);
	}
	assert(parts == 3);
	mime_tree_free(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_from(data, size);
	struct dsn_recipient r[4] = { 0 };
	struct dsn_input in = { .reporting_mta = STR("mx.test"), .recipients = r, .seed = 1 };
	struct dsn_result result;
	struct buf out, message;
	unsigned bits;
	int rc;

	in.kind = take_byte(&rest) % 5;
	bits = take_byte(&rest);
	in.full = bits & 1;
	in.utf8 = bits & 2;
	in.recipient_count = 1 + take_byte(&rest) % 4;
	in.from = take_counted(&rest);
	in.to = take_counted(&rest);
	in.message_id = take_counted(&rest);
	in.envid = take_counted(&rest);
	for (size_t i = 0; i < in.recipient_count; i++)
		r[i] = (struct dsn_recipient){ take_counted(&rest), take_counted(&rest),
			take_counted(&rest), take_counted(&rest), take_counted(&rest),
			take_counted(&rest), bits, bits, str_from(data, size < 300 ? size : 300) };
	buf_init(&message, 1 << 22);
	for (int i = 0; i < (bits & 4 ? 3 : 1); i++)
		buf_put(&message, rest.p, rest.n);
	in.original = str_from(buf_data(&message), buf_len(&message));
	in.original_size = in.original.n;
	buf_init(&out, DSN_MESSAGE_MAX);
	rc = dsn_build(&in, &out, &result);
	assert(rc == 0);
	check_lines(str_from(buf_data(&out), buf_len(&out)));
	check_parts(str_from(buf_data(&out), buf_len(&out)), &in);
	buf_free(&out);
	buf_free(&message);
	return 0;
}
