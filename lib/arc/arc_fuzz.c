/* SPDX-License-Identifier: ISC */
/*
 * A file of dkim/test_vector.h. Oracles: one round of at most ARC_KEYS_MAX questions; a pass has a
 * complete chain with a sealer; the same message in other pieces gives the same.
 */
#include <assert.h>

#include "arc/arc.h"
#include "dkim/test_vector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vector vector;

static void
check(struct dkim_message *m, const struct arc_result *r)
{
	char sealer[IDN_SIZE];

	assert(r->question_count == 0);
	assert((r->reason[0] == '\0') == (r->code == ARC_PASS));
	assert(r->code != ARC_FAIL || r->failed <= 1000);
	if (r->code != ARC_PASS)
		return;
	assert(r->sets >= 1 && r->sets <= ARC_SETS_MAX && r->oldest_pass <= r->sets);
	assert(r->failed == 0 && r->sealer[0] != '\0');
	for (unsigned i = 1; i <= r->sets; i++)
		assert(arc_sealer(m, i, sealer));
	assert(!arc_sealer(m, r->sets + 1, sealer));
}

static void
run(struct str message, size_t piece, struct arc_result *r)
{
	struct dkim_message *m = dkim_message_new(0);

	for (size_t at = 0; at < message.n; at += piece)
		dkim_message_write(
		    m, message.p + at, message.n - at < piece ? message.n - at : piece);
	dkim_message_end(m);
	if (arc_check(m, vector.now, &vector.facts, r) == ARC_NEED) {
		assert(vector.facts.n == 0 && r->question_count > 0);
		for (size_t i = 0; i < r->question_count; i++) {
			bool room = vector_answer(&vector, &r->questions[i]);

			assert(room);
		}
		assert(arc_check(m, vector.now, &vector.facts, r) == ARC_DONE);
	}
	check(m, r);
	dkim_message_free(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arc_result whole, pieces;

	vector_open(&vector, str_from(data, size));
	run(vector.message, vector.message.n + 1, &whole);
	for (size_t piece = 1; piece < 80; piece += 26) {
		run(vector.message, piece, &pieces);
		assert(pieces.code == whole.code && pieces.sets == whole.sets &&
		       pieces.oldest_pass == whole.oldest_pass && pieces.failed == whole.failed);
	}
	vector_close(&vector);
	return 0;
}
