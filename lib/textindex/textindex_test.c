/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "textindex/textindex.h"

static size_t room; /* bytes the sink takes */

static bool
sink(void *arg, const void *p, size_t n)
{
	if (n > room)
		return false;
	room -= n;
	return buf_put(arg, p, n) == 0;
}

/* A segment about documents first, first + 1, ...: document i has the text "common", "i<i>." and, if
 * it is even, "even". */
static void
make(struct buf *out, uint64_t first, unsigned n)
{
	struct textindex_batch *b = textindex_batch_new();
	char text[32];
	int r = 1;

	buf_init(out, 1 << 24);
	room = SIZE_MAX;
	for (uint64_t i = first; i < first + n; i++) {
		assert_true(textindex_batch_has_room(b));
		textindex_batch_begin(b, i);
		textindex_batch_text(b, STR("common"));
		snprintf(text, sizeof(text), "i%03d.", (int)i);
		textindex_batch_text(b, str_of(text));
		if (i % 2 == 0)
			textindex_batch_text(b, STR("even"));
	}
	while (r == 1)
		r = textindex_batch_write(b, first - 1, first + n - 1, sink, out);
	assert_int_equal(r, 0);
	textindex_batch_free(&b);
}

/* Which of its documents may have the text: their numbers, as "1 2 3". */
static const char *
find(struct textindex_segment *s, const char *text)
{
	static char out[65536];
	uint32_t trigrams[TEXTINDEX_QUERY_MAX];
	uint8_t set[TEXTINDEX_SET];
	size_t n = textindex_query(str_of(text), trigrams), len = 0;
	uint64_t number;

	out[0] = 0;
	assert_int_equal(textindex_segment_find(s, trigrams, n, set), 0);
	for (uint32_t i = 0; i < s->info.ndocs; i++) {
		assert_int_equal(textindex_segment_number(s, i, &number), 0);
		if (set[i / 8] >> (i % 8) & 1)
			len += (size_t)snprintf(
			    out + len, sizeof(out) - len, "%s%d", len > 0 ? " " : "", (int)number);
	}
	return out;
}

static void
test_batch(void **state)
{
	struct textindex_segment s;
	struct buf out;

	(void)state;
	make(&out, 1, 12);
	assert_int_equal(textindex_segment_open(&s, buf_data(&out), out.len), 0);
	assert_int_equal(s.info.ndocs, 12);
	assert_int_equal(s.info.lo, 0);
	assert_int_equal(s.info.hi, 12);
	assert_string_equal(find(&s, "common"), "1 2 3 4 5 6 7 8 9 10 11 12");
	assert_string_equal(find(&s, "even"), "2 4 6 8 10 12");
	assert_string_equal(find(&s, "007."), "7");
	assert_string_equal(find(&s, "nothing"), "");
	assert_string_equal(find(&s, "commoneven"), ""); /* two texts are not one */
	textindex_segment_close(&s);
	buf_free(&out);
}

static void
test_any(void **state)
{
	struct textindex_batch *b = textindex_batch_new();
	struct textindex_segment s;
	char text[4] = "abc";
	struct buf out;
	int r = 1;

	(void)state;
	buf_init(&out, 1 << 24);
	room = SIZE_MAX;
	textindex_batch_begin(b, 5);
	textindex_batch_text(b, STR("abc"));
	textindex_batch_begin(b, 6);
	for (unsigned i = 0; i <= TEXTINDEX_TRIGRAMS_MAX; i++) {
		text[1] = (char)(i >> 8);
		text[2] = (char)i;
		textindex_batch_text(b, str_from(text, 3));
	}
	textindex_batch_begin(b, 7);
	textindex_batch_any(b);
	while (r == 1)
		r = textindex_batch_write(b, 0, 9, sink, &out);
	textindex_batch_free(&b);
	assert_int_equal(textindex_segment_open(&s, buf_data(&out), out.len), 0);
	assert_string_equal(find(&s, "abc"), "5 6 7");
	assert_string_equal(find(&s, "xyz"), "6 7");
	textindex_segment_close(&s);
	buf_free(&out);
}

/* Full: no document more, and none that could have too many trigrams. */
static void
test_room(void **state)
{
	struct textindex_batch *b = textindex_batch_new();
	char text[4] = "abc";
	unsigned docs = 0;

	(void)state;
	for (; textindex_batch_has_room(b); docs++)
		textindex_batch_begin(b, docs);
	assert_int_equal(docs, TEXTINDEX_BATCH_DOCS);
	textindex_batch_free(&b);
	b = textindex_batch_new();
	for (docs = 0; textindex_batch_has_room(b); docs++) {
		textindex_batch_begin(b, docs);
		for (unsigned i = 0; i < TEXTINDEX_TRIGRAMS_MAX; i++) {
			text[0] = (char)(i >> 16);
			text[1] = (char)(i >> 8);
			text[2] = (char)i;
			textindex_batch_text(b, str_from(text, 3));
		}
	}
	assert_int_equal(docs, TEXTINDEX_BATCH_MAX / TEXTINDEX_TRIGRAMS_MAX);
	textindex_batch_free(&b);
}

static void
test_merge(void **state)
{
	struct textindex_segment s[3], all, *in[3] = { &s[0], &s[1], &s[2] };
	uint64_t live[600];
	struct buf bytes[3], out;
	struct textindex_merge *m;
	int r = 1;

	(void)state;
	buf_init(&out, 1 << 24);
	for (unsigned i = 0; i < 3; i++) {
		make(&bytes[i], 1 + 200 * i, 200);
		assert_int_equal(
		    textindex_segment_open(&s[i], buf_data(&bytes[i]), bytes[i].len), 0);
	}
	for (unsigned i = 0; i < 600; i++)
		live[i] = i + 1 + (i >= 299); /* all but the 300th */
	m = textindex_merge_new(in, 3, live, 599);
	while (r == 1)
		r = textindex_merge_step(m, sink, &out);
	assert_int_equal(r, 0);
	textindex_merge_free(&m);
	assert_int_equal(textindex_segment_open(&all, buf_data(&out), out.len), 0);
	assert_int_equal(all.info.ndocs, 599);
	assert_int_equal(all.info.lo, 0);
	assert_int_equal(all.info.hi, 600);
	assert_string_equal(find(&all, "i007."), "7");
	assert_string_equal(find(&all, "i599."), "599");
	assert_string_equal(find(&all, "i300."), "");
	assert_string_equal(find(&all, "29."), "29 129 229 329 429 529");
	textindex_segment_close(&all);
	for (unsigned i = 0; i < 3; i++) {
		textindex_segment_close(&s[i]);
		buf_free(&bytes[i]);
	}
	buf_free(&out);
}

/* Each bit counts: whatever is changed is found out when it is used. */
static void
test_damage(void **state)
{
	struct textindex_segment s;
	uint32_t trigrams[TEXTINDEX_QUERY_MAX];
	uint8_t set[TEXTINDEX_SET];
	struct buf out;

	(void)state;
	make(&out, 1, 12);
	for (size_t i = 0; i < out.len; i++) {
		((uint8_t *)(uintptr_t)buf_data(&out))[i] ^= 1;
		if (textindex_segment_open(&s, buf_data(&out), out.len) == 0) {
			assert_true(i < TEXTINDEX_PAGE);
			textindex_query(STR("even"), trigrams);
			assert_int_equal(
			    textindex_segment_find(&s, trigrams, 2, set), TEXTINDEX_DAMAGED);
			textindex_segment_close(&s);
		}
		((uint8_t *)(uintptr_t)buf_data(&out))[i] ^= 1;
	}
	for (size_t n = 0; n < out.len; n++)
		assert_int_equal(textindex_segment_open(&s, buf_data(&out), n), TEXTINDEX_DAMAGED);
	buf_free(&out);
}

static void
test_no_space(void **state)
{
	struct textindex_batch *b = textindex_batch_new();
	struct buf out;
	int r = 1;

	(void)state;
	buf_init(&out, 1 << 24);
	textindex_batch_begin(b, 1);
	textindex_batch_text(b, STR("abcdef"));
	room = 4100;
	while (r == 1)
		r = textindex_batch_write(b, 0, 9, sink, &out);
	assert_int_equal(r, TEXTINDEX_FAILED);
	textindex_batch_free(&b);
	buf_free(&out);
}

static void
test_query(void **state)
{
	uint32_t t[TEXTINDEX_QUERY_MAX];

	(void)state;
	assert_int_equal(textindex_query(STR("ab"), t), 0);
	assert_int_equal(textindex_query(STR("abc"), t), 1);
	assert_int_equal(t[0], 0x616263);
	assert_int_equal(textindex_query(STR("aaaaaa"), t), 1);
	assert_int_equal(
	    textindex_query(STR("abcdefghijklmnopqrstuvwxyz0123456789"), t), TEXTINDEX_QUERY_MAX);
	assert_int_equal(t[0], 0x616263);
	assert_int_equal(t[TEXTINDEX_QUERY_MAX - 1], 0x373839);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
