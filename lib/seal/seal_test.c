/* SPDX-License-Identifier: ISC */
#include "seal/seal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/le.h"
#include "seal/archive.h"

#define KEY_TEXT "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"

enum { BLOCKS_MAX = 4 };

/* A stream of a few blocks, sealed. */
struct fixture {
	struct seal_head h;
	struct seal_key key;
	uint8_t plain[BLOCKS_MAX][SEAL_BLOCK], sealed[BLOCKS_MAX][SEAL_BLOCK_SEALED];
	size_t length[BLOCKS_MAX];
	int n;
};

static struct fixture f;

static void
make(int n, size_t last)
{
	struct seal s;

	seal_head_new(&f.h, SEAL_KEY_FILE, 1764367200);
	assert_int_equal(seal_key_file(&f.key, &f.h, STR(KEY_TEXT)), 0);
	seal_begin(&s, &f.h, &f.key);
	for (int i = 0; i < n; i++) {
		size_t length = i == n - 1 ? last : SEAL_BLOCK;

		memset(f.plain[i], 'a' + i, sizeof(f.plain[i]));
		f.length[i] = seal_block(&s, f.plain[i], length, i == n - 1, f.sealed[i]);
		assert_int_equal(f.length[i], length + SEAL_EXTRA);
	}
	f.n = n;
}

/* How many blocks can be opened, of those named by order; -1 when one cannot. */
static int
opened(const struct seal_key *key, const char *order, bool *ended)
{
	static uint8_t out[SEAL_BLOCK];
	struct seal s;
	size_t length;
	int n = 0;

	if (seal_open(&s, &f.h, key) < 0)
		return -1;
	for (; *order != '\0'; order++, n++) {
		int i = *order - '0';

		if (seal_open_block(&s, f.sealed[i], f.length[i], out, &length) < 0)
			return -1;
		assert_int_equal(length, f.length[i] - SEAL_EXTRA);
		assert_memory_equal(out, f.plain[i], length);
	}
	*ended = s.ended;
	return n;
}

static void
test_round_trip(void **state)
{
	static const size_t lasts[] = { 0, 1, SEAL_BLOCK - 1, SEAL_BLOCK };
	bool ended;

	(void)state;
	for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
		make(3, lasts[i]);
		assert_int_equal(opened(&f.key, "012", &ended), 3);
		assert_true(ended);
		make(1, lasts[i]);
		assert_int_equal(opened(&f.key, "0", &ended), 1);
		assert_true(ended);
	}
}

static void
test_order(void **state)
{
	bool ended;

	(void)state;
	make(3, 100);
	assert_int_equal(opened(&f.key, "01", &ended), 2);
	assert_false(ended);
	assert_int_equal(opened(&f.key, "02", &ended), -1);
	assert_int_equal(opened(&f.key, "102", &ended), -1);
	assert_int_equal(opened(&f.key, "001", &ended), -1);
	assert_int_equal(opened(&f.key, "0122", &ended), -1);
	assert_int_equal(opened(&f.key, "12", &ended), -1);
}

static void
test_every_bit_counts(void **state)
{
	bool ended;

	(void)state;
	make(2, 10);
	for (size_t i = 0; i < f.length[1] * 8; i++) {
		f.sealed[1][i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(opened(&f.key, "01", &ended), -1);
		f.sealed[1][i / 8] ^= (uint8_t)(1 << i % 8);
	}
	f.length[1]--;
	assert_int_equal(opened(&f.key, "01", &ended), -1);
}

static void
test_nothing_is_told(void **state)
{
	(void)state;
	make(1, SEAL_BLOCK);
	for (size_t i = 0; i + 8 < f.length[0]; i++)
		assert_memory_not_equal(f.sealed[0] + i, f.plain[0], 8);
}

static void
test_keys(void **state)
{
	struct seal_key other;
	struct seal_head h;
	char text[SEAL_KEY_SIZE * 2 + 2];
	bool ended;

	(void)state;
	make(1, 10);
	assert_int_equal(seal_key_file(&other, &f.h, STR("f" KEY_TEXT)), -1); /* a digit too many */
	assert_int_equal(seal_key_file(&other, &f.h, STR("")), -1);
	assert_int_equal(seal_key_file(&other, &f.h, STR("0001\n")), -1);
	seal_key_file_new(text);
	assert_int_equal(seal_key_file(&other, &f.h, str_of(text)), 0);
	assert_int_equal(opened(&other, "0", &ended), -1);
	/* The same key file, another backup: another key. */
	seal_head_new(&h, SEAL_KEY_FILE, 0);
	assert_int_equal(seal_key_file(&other, &h, STR(KEY_TEXT)), 0);
	assert_memory_not_equal(&other, &f.key, sizeof(other));
	seal_key_wipe(&other);
	assert_true(sodium_is_zero((const uint8_t *)&other, sizeof(other)));
}

static void
test_passphrase(void **state)
{
	struct seal_key one, again, other;
	struct seal_head h;

	(void)state;
	seal_head_new(&h, SEAL_PASSPHRASE, 0);
	assert_int_equal(h.passes, SEAL_PASSES);
	assert_int_equal(h.memory, SEAL_MEMORY);
	h.memory = crypto_pwhash_MEMLIMIT_MIN; /* only the test's time */
	assert_int_equal(seal_key_passphrase(&one, &h, STR("correct horse")), 0);
	assert_int_equal(seal_key_passphrase(&again, &h, STR("correct horse")), 0);
	assert_int_equal(seal_key_passphrase(&other, &h, STR("correct horsf")), 0);
	assert_memory_equal(&one, &again, sizeof(one));
	assert_memory_not_equal(&one, &other, sizeof(one));
	assert_memory_not_equal(one.head, one.stream, sizeof(one.head));
	h.salt[3] ^= 1;
	assert_int_equal(seal_key_passphrase(&other, &h, STR("correct horse")), 0);
	assert_memory_not_equal(&one, &other, sizeof(one));
}

static void
test_head(void **state)
{
	uint8_t raw[SEAL_HEAD_SIZE], bad[SEAL_HEAD_SIZE];
	struct seal_head h;
	const char *why;

	(void)state;
	make(1, 10);
	f.h.pieces = 3;
	f.h.piece_size = 1000;
	f.h.bytes = 2001;
	seal_head_write(&f.h, &f.key, raw);
	assert_memory_equal(raw, "PSTNSEAL\1\0\0\0\2\0\0\0", 16);
	assert_int_equal(le_get32(raw + 88), 3);
	assert_int_equal(seal_head_read(raw, sizeof(raw), &h, &why), 0);
	assert_memory_equal(&h, &f.h, sizeof(h));
	assert_true(seal_head_authentic(raw, &f.key));
	for (size_t i = 0; i < SEAL_HEAD_SIZE; i++) {
		memcpy(bad, raw, sizeof(bad));
		bad[i] ^= 1;
		assert_false(seal_head_authentic(bad, &f.key));
	}
	assert_int_equal(seal_head_read(raw, sizeof(raw) - 1, &h, &why), -1);
	assert_string_equal(why, "its head is damaged");
	assert_int_equal(seal_head_read(raw, 0, &h, &why), -1);
	assert_string_equal(why, "it is no backup");
	raw[32] = 1; /* a key file has no use for passes */
	assert_int_equal(seal_head_read(raw, sizeof(raw), &h, &why), -1);
	raw[8] = 2;
	assert_int_equal(seal_head_read(raw, sizeof(raw), &h, &why), -1);
	assert_non_null(strstr(why, "newer"));
}

/* Heads that anybody can write must not cost more than a little time and memory. */
static void
test_hostile_heads(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
	} cases[] = {
		{ 12, 3 },                                 /* kind */
		{ 32, SEAL_PASSES_MAX + 1 },               /* Argon2id */
		{ 40, SEAL_MEMORY_MAX + 1ULL },            /* the same */
		{ 40, 0 },                                 /* the same */
		{ 88, 0 },                                 /* pieces, and bytes of one: 1000 */
		{ 88, SEAL_PIECES_MAX + 1 },               /* the same */
		{ 88, 1 | (SEAL_PIECE_MAX + 1ULL) << 32 }, /* the same */
		{ 96, 2000 },                              /* would fit two pieces */
		{ 96, 3001 },                              /* needs four */
	};
	uint8_t raw[SEAL_HEAD_SIZE];
	struct seal_head h, got;
	const char *why;

	(void)state;
	make(1, 10);
	seal_head_new(&h, SEAL_PASSPHRASE, 0);
	h.pieces = 3;
	h.piece_size = 1000;
	h.bytes = 2001;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		seal_head_write(&h, &f.key, raw);
		assert_int_equal(seal_head_read(raw, sizeof(raw), &got, &why), 0);
		if (cases[i].at == 12 || (cases[i].at == 88 && cases[i].value <= UINT32_MAX))
			le_put32(raw + cases[i].at, (uint32_t)cases[i].value);
		else
			le_put64(raw + cases[i].at, cases[i].value);
		assert_int_equal(seal_head_read(raw, sizeof(raw), &got, &why), -1);
	}
}

/* --- archive ------------------------------------------------------------------------------------------ */

static void
test_paths(void **state)
{
	static const char *const good[] = { "postern.conf", "mail/1/0123456789abcdef.seg",
		".hidden", "a..b", "1/2/3/4/5/6/7/8" };
	static const char *const bad[] = { "", "/", "/etc/passwd", "..", ".", "a/..", "../a",
		"a/../b", "a//b", "a/", "./a", "a b", "a\nb", "a\\b", "\x80", "1/2/3/4/5/6/7/8/9" };
	char large[ARCHIVE_PATH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(archive_path_good(str_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(archive_path_good(str_of(bad[i])));
	memset(large, 'a', sizeof(large));
	assert_true(archive_path_good(str_from(large, ARCHIVE_PATH_MAX)));
	assert_false(archive_path_good(str_from(large, ARCHIVE_PATH_MAX + 1)));
}

static void
test_entries(void **state)
{
	struct archive_entry e = { ARCHIVE_FILE, "mail/1/a.seg", 0600, 1ULL << 33, -5, 999999999 };
	struct archive_entry got, end = { .kind = ARCHIVE_END };
	uint8_t out[ARCHIVE_HEADER_MAX];
	size_t n = archive_write(&e, out), used;

	(void)state;
	assert_int_equal(n, ARCHIVE_FIXED + strlen(e.path));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(archive_read(out, i, &got, &used), 0);
	assert_int_equal(archive_read(out, sizeof(out), &got, &used), 1);
	assert_int_equal(used, n);
	assert_memory_equal(&got, &e, sizeof(e));
	assert_int_equal(archive_write(&end, out), ARCHIVE_FIXED);
	assert_int_equal(archive_read(out, ARCHIVE_FIXED, &got, &used), 1);
	assert_int_equal(got.kind, ARCHIVE_END);
}

static void
test_bad_entries(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{ 0, 0 },
		{ 0, 5 },
		{ 0, ARCHIVE_END },
		{ 1, 1 },
		{ 3, 1 }, /* kind, path's length */
		{ 5, 0x0f },
		{ 15, 0x80 },
		{ 27, 0x7f }, /* setuid, size, nanoseconds */
		{ ARCHIVE_FIXED, '/' },
		{ ARCHIVE_FIXED + 1, 0 },
	};
	struct archive_entry e = { ARCHIVE_FILE, "mail/1/a.seg", 0600, 1, 0, 0 }, got;
	struct archive_entry wrong = { ARCHIVE_FILE, "../x", 0600, 1, 0, 0 };
	uint8_t out[ARCHIVE_HEADER_MAX];
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		archive_write(&e, out);
		out[cases[i].at] = cases[i].value;
		assert_int_equal(archive_read(out, sizeof(out), &got, &used), -1);
	}
	archive_write(&e, out);
	out[0] = ARCHIVE_FOLDER; /* with content */
	assert_int_equal(archive_read(out, sizeof(out), &got, &used), -1);
	assert_int_equal(archive_write(&wrong, out), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_nothing_is_told),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_passphrase),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_hostile_heads),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_bad_entries),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
