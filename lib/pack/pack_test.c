/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants these before it */
#include <cmocka.h>
#include <zstd.h>

#include "base/xalloc.h"
#include "pack/pack.h"

static uint8_t text[3 * PACK_FRAME], back[sizeof(text)];

static void
fill(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(text); i++) {
		x = x * 1664525u + 1013904223u;
		/* A third can be compressed well, a third hardly. */
		text[i] = i < PACK_FRAME ? (uint8_t) "mail "[i % 5] : (uint8_t)(x >> 24);
	}
}

static struct str
all_of(const struct buf *b)
{
	return str_from(buf_data(b), buf_len(b));
}

static void
test_there_and_back(void **state)
{
	static const size_t sizes[] = { 1, 2, 1000, PACK_FRAME, sizeof(text) };
	struct pack *p = pack_new();
	struct buf b;

	(void)state;
	fill();
	buf_init(&b, 4 * PACK_FRAME_MAX);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		buf_clear(&b);
		for (size_t at = 0; at < sizes[i]; at += PACK_FRAME)
			assert_int_equal(
			    pack_frame(p, text + at,
				sizes[i] - at < PACK_FRAME ? sizes[i] - at : PACK_FRAME, &b),
			    0);
		assert_int_equal(pack_restore(p, all_of(&b), back, sizes[i]), 0);
		assert_memory_equal(text, back, sizes[i]);
		/* Neither less nor more than was said. */
		assert_int_equal(pack_restore(p, all_of(&b), back, sizes[i] - 1), -1);
		assert_int_equal(pack_restore(p, all_of(&b), back, sizes[i] + 1), -1);
	}
	assert_true(buf_len(&b) < sizeof(text) - PACK_FRAME + 4096);
	assert_int_equal(pack_frame(p, text, 0, &b), BUF_LIMIT);
	assert_int_equal(pack_frame(p, text, PACK_FRAME + 1, &b), BUF_LIMIT);
	assert_int_equal(pack_restore(p, STR(""), back, 0), 0);
	assert_int_equal(pack_restore(p, STR(""), back, 1), -1);
	buf_free(&b);
	pack_free(&p);
}

/* Each byte that changes, and each end that is missing, is noticed. */
static void
test_damage(void **state)
{
	struct pack *p = pack_new();
	struct buf b;
	uint8_t *bytes;
	size_t n;

	(void)state;
	fill();
	buf_init(&b, PACK_FRAME_MAX);
	assert_int_equal(pack_frame(p, text + PACK_FRAME - 300, 600, &b), 0);
	n = buf_len(&b);
	bytes = xmalloc(n);
	for (size_t i = 0; i < n; i++) {
		memcpy(bytes, buf_data(&b), n);
		bytes[i] ^= 0x10;
		if (pack_restore(p, str_from(bytes, n), back, 600) == 0)
			assert_memory_equal(back, text + PACK_FRAME - 300, 600);
		memcpy(bytes, buf_data(&b), n);
		assert_int_equal(pack_restore(p, str_from(bytes, i), back, 600), -1);
	}
	free(bytes);
	buf_free(&b);
	pack_free(&p);
}

/* Frames that zstd knows and that are none of ours: of any size, of unknown size, to be skipped. */
static void
test_hostile(void **state)
{
	size_t huge = (size_t)1 << 24, room = ZSTD_compressBound(huge), n;
	uint8_t *zeros = xcalloc(1, huge), *out = xmalloc(room);
	static const char skipped[] = { 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0 };
	struct pack *p = pack_new();
	ZSTD_CCtx *c = ZSTD_createCCtx();

	(void)state;
	n = ZSTD_compress(out, room, zeros, huge, 1);
	assert_true(n < 4096);
	assert_int_equal(pack_restore(p, str_from(out, n), zeros, huge), -1);
	n = ZSTD_compress(out, room, zeros, PACK_FRAME + 1, 1);
	assert_int_equal(pack_restore(p, str_from(out, n), zeros, PACK_FRAME + 1), -1);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
	n = ZSTD_compress2(c, out, room, zeros, 100);
	assert_int_equal(pack_restore(p, str_from(out, n), zeros, 100), -1);
	assert_int_equal(pack_restore(p, str_from(skipped, sizeof(skipped)), zeros, 0), -1);
	ZSTD_freeCCtx(c);
	pack_free(&p);
	free(out);
	free(zeros);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
