/* SPDX-License-Identifier: ISC */
/*
 * A file of test_vector.h. Oracles: at most so many questions, none twice, one round; what comes out is
 * in bounds; the same message in other pieces gives the same; a pass covers From and is not partial.
 */
#include <assert.h>

#include "dkim/test_vector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vector vector;

static void
check_signature(const struct dkim_signature *s)
{
	assert((s->reason[0] == '\0') == (s->code == DKIM_PASS));
	assert(strlen(s->shown) <= DKIM_SHOWN_MAX && strlen(s->identity) <= DKIM_IDENTITY_MAX);
	assert((s->oversigned & ~s->covered) == 0);
	assert(s->code != DKIM_NONE);
	if (s->code != DKIM_PASS)
		return;
	assert(!s->partial && (s->covered & 1U << DKIM_W_FROM) != 0);
	assert(s->domain[0] != '\0' && s->selector[0] != '\0' && s->bits > 0);
	assert(s->algorithm == DKIM_RSA_SHA256 || s->algorithm == DKIM_ED25519_SHA256);
}

static void
run(struct str message, size_t piece, struct dkim_result *r)
{
	struct dkim_message *m = dkim_message_new(0);

	for (size_t at = 0; at < message.n; at += piece)
		dkim_message_write(
		    m, message.p + at, message.n - at < piece ? message.n - at : piece);
	assert(dkim_check(m, vector.now, &vector.facts, r) == DKIM_NEED);
	dkim_message_end(m);
	if (dkim_check(m, vector.now, &vector.facts, r) == DKIM_NEED) {
		assert(vector.facts.n == 0 && r->question_count > 0);
		for (size_t i = 0; i < r->question_count; i++) {
			const struct dns_question *q = &r->questions[i];
			bool room;

			assert(dns_facts_find(&vector.facts, &q->name, q->type) == NULL);
			room = vector_answer(&vector, q);
			assert(room);
		}
		assert(dkim_check(m, vector.now, &vector.facts, r) == DKIM_DONE);
	}
	assert(r->question_count == 0 && r->count <= DKIM_SIGNATURES_MAX);
	for (size_t i = 0; i < r->count; i++)
		check_signature(&r->signatures[i]);
	assert((r->reason[0] != '\0') == (r->code == DKIM_NONE));
	dkim_message_free(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dkim_result whole, pieces;

	vector_open(&vector, str_from(data, size));
	run(vector.message, vector.message.n + 1, &whole);
	for (size_t piece = 1; piece < 80; piece += 26) {
		run(vector.message, piece, &pieces);
		assert(pieces.code == whole.code && pieces.count == whole.count);
		for (size_t i = 0; i < whole.count; i++)
			assert(pieces.signatures[i].code == whole.signatures[i].code);
	}
	vector_close(&vector);
	return 0;
}
