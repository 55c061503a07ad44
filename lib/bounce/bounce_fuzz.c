/* SPDX-License-Identifier: ISC */
/* The first byte says whether there is a sender; what comes of a message does not depend on how it comes. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bounce/bounce.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum bounce_kind
look(struct str message, bool null_sender, size_t step, struct buf *ids)
{
	size_t at = mail_header_size(message), n;
	struct bounce b = { 0 };
	enum bounce_kind kind;

	bounce_header(&b, str_from(message.p, at), null_sender);
	for (; at < message.n; at += n) {
		n = step < message.n - at ? step : message.n - at;
		bounce_body(&b, str_from(message.p + at, n));
	}
	kind = b.kind;
	bounce_ids(&b, ids);
	bounce_free(&b);
	return kind;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf a, b;
	bool null_sender;
	struct str message;

	if (size == 0)
		return 0;
	null_sender = data[0] & 1;
	message = str_from(data + 1, size - 1);
	buf_init(&a, BOUNCE_IDS_MAX);
	buf_init(&b, BOUNCE_IDS_MAX);
	assert(look(message, null_sender, size, &a) == look(message, null_sender, 7, &b));
	assert(buf_len(&a) == buf_len(&b));
	assert(buf_len(&a) == 0 || memcmp(buf_data(&a), buf_data(&b), buf_len(&a)) == 0);
	assert(buf_len(&a) == 0 || buf_data(&a)[buf_len(&a) - 1] == '\0');
	buf_free(&a);
	buf_free(&b);
	return 0;
}
