/* SPDX-License-Identifier: ISC */
/* Records of facts.h. The input is a message and a record at once. Oracle: a message's record gives
 * its tree again, and what SORT and THREAD read in the message; whatever the record, a tree from it stays
 * inside of the message. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "imap/envelope.h"
#include "imap/facts.h"
#include "imap/headerkeys.h"
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
same_keys(struct str msg, struct str record, const struct imap_facts *f)
{
	enum { WANT = 2 * IMAP_WANT_IDS - 1 };
	struct arena *a = arena_new(8 * msg.n + 65536);
	struct imap_keys_reader r;
	struct imap_header_keys k, m;

	imap_keys_reader_init(&r);
	if (imap_keys_record(&r, record, msg.n, WANT, a, &k) == 1 &&
	    imap_keys_read(&r, msg, WANT, a, &m)) {
		assert(k.has_date == m.has_date && k.date == m.date && k.reply == m.reply);
		assert(str_eq(k.subject, m.subject) && str_eq(k.from, m.from));
		assert(str_eq(k.to, m.to) && str_eq(k.cc, m.cc) && str_eq(k.id, m.id));
		assert(k.nrefs == m.nrefs);
		for (size_t i = 0; i < k.nrefs; i++)
			assert(str_eq(k.refs[i], m.refs[i]));
	} else {
		assert((f->has & (FACTS_ENVELOPE | FACTS_REFERENCES)) !=
			   (FACTS_ENVELOPE | FACTS_REFERENCES) ||
		       msg.n > IMAP_STRUCTURE_ARENA / 64);
	}
	imap_keys_reader_free(&r);
	arena_free(&a);
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
	same_keys(msg, str_from(buf_data(&b), b.len), &f);
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
	struct imap_envelope e;
	struct arena *a;

	if (size == 0) /* data is NULL */
		return 0;
	a = arena_new(size + 4096);
	as_message(str_from(data, size));
	imap_envelope_get(str_from(data, size), a, &e);
	arena_free(&a);
	if (imap_facts_get(str_from(data, size), &f)) {
		f.size = (uint32_t)size;
		if (imap_facts_tree(&f, str_from(data, size), &t))
			inside(str_from(data, size), &t);
	}
	mime_tree_free(&t);
	return 0;
}
