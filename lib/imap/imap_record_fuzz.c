/* SPDX-License-Identifier: ISC */
/* Records of facts.h. The input is a message and a record at once. Oracle: a message's record gives
 * its tree again; whatever the record, a tree from it stays inside of the message. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "imap/facts.h"
#include "imap/structure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
inside(struct str msg, const struct mime_tree *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct mime_part *p = &t->parts[i];

		assert(p->header <= p->body && p->body <= p->end && p->end <= msg.n);
		assert(p->ctype.n == 0 || (p->ctype.p >= msg.p + p->header &&
					      p->ctype.p + p->ctype.n <= msg.p + p->body));
		assert(p->child == MIME_NO_PART || (size_t)p->child < t->count);
		assert(
		    p->next == MIME_NO_PART || ((size_t)p->next > i && (size_t)p->next < t->count));
	}
}

static void
as_message(struct str msg)
{
	struct arena *a = arena_new(IMAP_STRUCTURE_ARENA);
	struct mime_tree t = { 0 }, u = { 0 };
	struct imap_facts f;
	struct buf b;

	buf_init(&b, IMAP_FACTS_MAX);
	mime_parse(msg, &t);
	assert(imap_facts_put(&b, msg, &t, a) == 0);
	assert(imap_facts_get(str_from(buf_data(&b), b.len), &f));
	if (f.has & FACTS_TREE) {
		assert(imap_facts_tree(&f, msg, &u) && u.count == t.count);
		for (size_t i = 0; i < t.count; i++)
			assert(t.parts[i].body == u.parts[i].body &&
			       t.parts[i].end == u.parts[i].end &&
			       str_eq(t.parts[i].ctype, u.parts[i].ctype));
	}
	buf_free(&b);
	mime_tree_free(&t);
	mime_tree_free(&u);
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_tree t = { 0 };
	struct imap_facts f;

	as_message(str_from(data, size));
	if (imap_facts_get(str_from(data, size), &f)) {
		f.size = (uint32_t)size;
		if (imap_facts_tree(&f, str_from(data, size), &t))
			inside(str_from(data, size), &t);
	}
	mime_tree_free(&t);
	return 0;
}
