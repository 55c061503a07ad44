/* SPDX-License-Identifier: ISC */
/*
 * A sequence of records from hostile bytes, applied to a recovering model: nothing may be read or
 * written out of bounds, and a record that is refused changes nothing. Then the sums must agree.
 */
#include <assert.h>
#include <stdlib.h>

#include "mailbox/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_dead(void *arg, struct journal_ref ref)
{
	(void)arg;
	(void)ref;
}

static void
on_large(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
}

static void
on_content_gone(void *arg, uint64_t email)
{
	(void)arg;
	assert(email != 0);
}

static void
on_gone(void *arg, struct folder *f)
{
	(void)arg;
	(void)f;
}

static void
check(const struct model *m)
{
	uint32_t *refs = calloc((size_t)m->ncontents + 1, sizeof(*refs));

	for (uint32_t i = 0; i < m->nfolders; i++) {
		const struct folder *f = m->folders[i];
		uint32_t unseen = 0;
		uint64_t bytes = 0;

		for (uint32_t k = 0; k < f->n; k++) {
			const struct message *g = &f->messages[k];

			assert(g->content < m->ncontents && g->uid < f->uidnext);
			assert(k == 0 || f->messages[k - 1].uid < g->uid);
			refs[g->content]++;
			unseen += !(message_flags(g) & MODEL_SEEN);
			bytes += m->contents[g->content].size;
		}
		assert(unseen == f->unseen && bytes == f->bytes);
	}
	for (uint32_t i = 0; i < m->ncontents; i++)
		assert(refs[i] == m->contents[i].refs &&
		       (refs[i] == 0) == (m->contents[i].email == 0));
	free(refs);
}

/* Input: type, length (2 bytes), bytes; again and again. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct model_ops ops = { on_dead, on_large, on_content_gone, on_gone, NULL };
	struct model *m = model_new(&ops);
	uint64_t pos = 4096;

	while (size >= 3) {
		size_t n = (size_t)data[1] | (size_t)data[2] << 8;
		unsigned type = data[0];
		uint8_t *copy;

		data += 3;
		size -= 3;
		if (n > size)
			n = size;
		copy = malloc(n + 1);
		for (size_t i = 0; i < n; i++)
			copy[i] = data[i];
		model_apply(m, type, str_from(copy, n), (struct journal_ref){ pos, 64 }, n,
		    type == REC_CONTENT ? pos : 0);
		free(copy);
		pos += 64;
		data += n;
		size -= n;
	}
	model_settle(m);
	check(m);
	model_free(&m);
	return 0;
}
