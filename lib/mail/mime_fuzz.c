/* SPDX-License-Identifier: ISC */
/* The MIME tree and the decoders. Oracle: the tree has no cycle, children lie in order inside of
 * their parent's body, decoders give the same in one piece and in two. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "mail/decode.h"
#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
tree_check(struct str msg, const struct mime_tree *t)
{
	size_t seen = 1;

	assert(t->count >= 1 && t->count <= MIME_PARTS_MAX);
	assert(t->parts[0].header == 0 && t->parts[0].end == msg.n);
	for (size_t i = 0; i < t->count; i++) {
		const struct mime_part *p = &t->parts[i];
		size_t at = p->body, depth = 0;

		assert(p->header <= p->body && p->body <= p->end && p->end <= msg.n);
		assert(p->lines <= p->end - p->body);
		for (int32_t up = p->parent; up != MIME_NO_PART; up = t->parts[up].parent)
			depth++;
		assert(depth <= MIME_DEPTH_MAX);
		for (int32_t c = p->child; c != MIME_NO_PART; c = t->parts[c].next) {
			const struct mime_part *q = &t->parts[c];

			assert((size_t)c > i && (size_t)c < t->count && q->parent == (int32_t)i);
			assert(q->header >= at && q->end <= p->end);
			at = q->end;
			seen++;
		}
	}
	assert(seen == t->count);
}

static size_t
decode(struct str in, size_t cut, bool base64, uint8_t *out)
{
	struct mail_base64 b = { 0 };
	struct mail_qp q = { 0 };
	struct str two[2] = { { in.p, cut }, { in.p + cut, in.n - cut } };
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		n += base64 ? mail_base64_decode(&b, two[i], out + n)
			    : mail_qp_decode(&q, two[i], false, out + n);
	return n + (base64 ? mail_base64_end(&b, out + n) : mail_qp_end(&q, out + n));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str msg = str_from(data, size);
	uint8_t *one = xmalloc(size + 256), *two = xmalloc(size + 256);
	struct mime_tree t = { 0 };

	mime_parse(msg, &t);
	tree_check(msg, &t);
	mime_tree_free(&t);
	for (int base64 = 0; base64 < 2 && size > 0; base64++) {
		size_t n = decode(msg, 0, base64, one);

		assert(n <= size);
		assert(decode(msg, data[0] % size, base64, two) == n && memcmp(one, two, n) == 0);
	}
	free(one);
	free(two);
	return 0;
}
