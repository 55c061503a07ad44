/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/bisect.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/str.h"

/* Random appends and drains against a plain array. */
static void
test_buf_model(void **state)
{
	static uint8_t model[5000];
	size_t n = 0;
	struct buf b;

	(void)state;
	srand(1);
	buf_init(&b, sizeof(model));
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[700];
		size_t k = (size_t)rand() % sizeof(bytes);

		if (rand() % 2 == 0) {
			memset(bytes, rand(), k);
			if (n + k > sizeof(model)) {
				assert_int_equal(buf_put(&b, bytes, k), BUF_LIMIT);
			} else {
				assert_int_equal(buf_put(&b, bytes, k), 0);
				memcpy(model + n, bytes, k);
				n += k;
			}
		} else {
			k = k > n ? n : k;
			buf_drain(&b, k);
			memmove(model, model + k, n - k);
			n -= k;
		}
		assert_int_equal(buf_len(&b), n);
		assert_int_equal(buf_room(&b), sizeof(model) - n);
		if (n > 0)
			assert_memory_equal(buf_data(&b), model, n);
		assert_true(b.cap <= sizeof(model));
	}
	buf_free(&b);
}

static void
test_buf_printf_up_to_the_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_printf(&b, "%d", 12345), 0);
	assert_int_equal(buf_printf(&b, "%d", 123456), BUF_LIMIT);
	assert_int_equal(buf_len(&b), 5);
	assert_int_equal(buf_printf(&b, "%s", "abcde"), 0);
	assert_memory_equal(buf_data(&b), "12345abcde", 10);
	assert_int_equal(buf_putc(&b, 'x'), BUF_LIMIT);
	buf_free_secret(&b);
	assert_int_equal(buf_room(&b), 10);
}

static void
test_str_u64(void **state)
{
	static const struct {
		const char *in;
		uint64_t max;
		bool ok;
		uint64_t want;
	} cases[] = {
		{ "0", 10, true, 0 },
		{ "10", 10, true, 10 },
		{ "11", 10, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999", UINT64_MAX, false, 0 },
		{ "", 10, false, 0 },
		{ "-1", 10, false, 0 },
		{ "+1", 10, false, 0 },
		{ " 1", 10, false, 0 },
		{ "1x", 10, false, 0 },
		{ "007", 10, true, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t got = 99;

		assert_int_equal(str_u64(str_of(cases[i].in), cases[i].max, &got), cases[i].ok);
		assert_true(got == (cases[i].ok ? cases[i].want : 99));
	}
}

static void
test_str(void **state)
{
	(void)state;
	assert_true(str_eq_nocase(STR("HeLo"), STR("hElO")));
	assert_false(str_eq_nocase(STR("HELO"), STR("HELOO")));
	assert_false(str_eq_nocase(STR("\xc4"), STR("\xe4"))); /* ASCII only */
	assert_true(str_starts_nocase(STR("EHLO x"), STR("ehlo")));
	assert_int_equal(str_chr(STR("abc"), 'c'), 2);
	assert_int_equal(str_chr(STR("abc"), 'd'), -1);
	assert_int_equal(str_find_nocase(STR("xxABCxx"), STR("abc")), 2);
	assert_int_equal(str_find_nocase(STR("ab"), STR("abc")), -1);
	assert_int_equal(str_find_nocase(STR("ab"), STR("")), 0);
	assert_true(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
	assert_int_equal(str_trim(STR(" \t ")).n, 0);
}

static void
test_str_keep(void **state)
{
	char block[8] = "", *to = block;
	struct str a, none, b;

	(void)state;
	a = str_keep(&to, STR("one"));
	none = str_keep(&to, (struct str){ NULL, 0 });
	b = str_keep(&to, STR("two"));
	assert_true(str_eq(a, STR("one")) && a.p == block);
	assert_int_equal(none.n, 0);
	assert_true(str_eq(b, STR("two")) && b.p == block + 3);
	assert_ptr_equal(to, block + 6);
}

/* Each length, each key: on a thing, between two, before and behind all. */
static void
test_bisect(void **state)
{
	static const unsigned things[] = { 10, 20, 20, 20, 30, 40 };

	(void)state;
	for (size_t n = 0; n <= sizeof(things) / sizeof(things[0]); n++) {
		for (unsigned key = 0; key <= 50; key += 5) {
			size_t want = 0;
			uint8_t at;

			while (want < n && things[want] < key)
				want++;
			BISECT(at, n, i, things[i] < key);
			assert_int_equal(at, want);
		}
	}
}

/* Numbers made of it stand on disk: they never change. */
static void
test_hash(void **state)
{
	(void)state;
	assert_true(hash_add(HASH_START, STR("")) == 0xcbf29ce484222325);
	assert_true(hash_add(HASH_START, STR("a")) == 0xaf63dc4c8601ec8c);
	assert_true(hash_add(hash_add(HASH_START, STR("foo")), STR("bar")) == 0x85944171f73967e8);
	assert_true(hash_mix(1) == 0xb456bcfc34c2cb2c);
}

static void
test_arena_limit_and_reuse(void **state)
{
	struct arena *a = arena_new(10000);

	(void)state;
	for (int round = 0; round < 3; round++) {
		size_t got = 0;
		unsigned char *p;

		while ((p = arena_alloc(a, 100)) != NULL) {
			assert_int_equal((uintptr_t)p % 16, 0);
			for (int i = 0; i < 100; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xff, 100);
			got += 100;
		}
		assert_true(got >= 8800 && got <= 10000);
		assert_true(arena_used(a) <= 10000);
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	assert_string_equal(arena_str(a, STR("text")).p, "text");
	assert_null(arena_str(a, str_from("x", 20000)).p);
	arena_free(&a);
	assert_null(a);
}

static void
test_map_model(void **state)
{
	static char mark[3000];
	static bool there[3000];
	struct map *m = map_new();
	size_t count = 0, it, seen;
	uint64_t key;
	char *value;

	(void)state;
	srand(2);
	for (int i = 0; i < 100000; i++) {
		size_t k = (size_t)rand() % 3000;

		if (rand() % 2 == 0) {
			assert_ptr_equal(map_put(m, k * 16, &mark[k]), there[k] ? &mark[k] : NULL);
			count += !there[k];
			there[k] = true;
		} else {
			assert_ptr_equal(map_del(m, k * 16), there[k] ? &mark[k] : NULL);
			count -= there[k];
			there[k] = false;
		}
		assert_int_equal(map_count(m), count);
		assert_ptr_equal(map_get(m, k * 16), there[k] ? &mark[k] : NULL);
	}
	for (it = 0, seen = 0; (value = map_next(m, &it, &key)) != NULL; seen++) {
		assert_true(there[value - mark]);
		assert_int_equal(key, (uint64_t)(value - mark) * 16);
		if (seen % 2 == 0)
			map_del(m, key);
	}
	assert_int_equal(seen, count);
	map_free(&m);
}

/* Against a plain array: the first is always one with the lowest key. */
static void
test_heap_model(void **state)
{
	enum { N = 300 };
	static struct heap_node node[N];
	bool there[N] = { false };
	struct heap h = { 0 };
	unsigned seed = 17;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		unsigned k = (unsigned)rand_r(&seed) % N;
		uint64_t lowest = UINT64_MAX;

		if (i % 7 == 0 && heap_first(&h))
			k = (unsigned)(heap_first(&h) - node);
		if (there[k])
			heap_remove(&h, &node[k]);
		else
			heap_add(&h, &node[k], (uint64_t)rand_r(&seed) % 100);
		there[k] = !there[k];
		for (int n = 0; n < N; n++)
			if (there[n] && node[n].key < lowest)
				lowest = node[n].key;
		if (lowest == UINT64_MAX)
			assert_null(heap_first(&h));
		else
			assert_int_equal(heap_first(&h)->key, lowest);
	}
}

static void
test_log_escape(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(log_escape(out, sizeof(out), STR("plain")), "plain");
	assert_string_equal(log_escape(out, sizeof(out), STR("a\nb")), "a\\x0ab");
	assert_string_equal(log_escape(out, sizeof(out), STR("\"\\")), "\\x22\\x5c");
	assert_string_equal(log_escape(out, sizeof(out), STR("1234567890123")), "1234567890123");
	assert_string_equal(
	    log_escape(out, sizeof(out), STR("1234567890123456")), "123456789012...");
	assert_string_equal(
	    log_escape(out, sizeof(out), STR("\x1b\x1b\x1b\x1b")), "\\x1b\\x1b\\x1b...");
}

/* One datagram a line, control characters gone; a full socket is counted, not waited for. */
static void
test_log_lines(void **state)
{
	char line[LOG_LINE_MAX + 1];
	int sv[2], n, sent = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	log_open("test", sv[0]);
	log_info("id1", "key=%s", "a\nb");
	n = (int)recv(sv[1], line, sizeof(line), 0);
	line[n] = '\0';
	assert_string_equal(line, "info id1 key=a?b\n");
	log_debug(NULL, "not wanted");
	/* Gathered: one datagram for a turn, but a warning does not wait. */
	log_gather(1);
	log_info("a", "1");
	log_info("b", "2");
	assert_int_equal(recv(sv[1], line, sizeof(line), MSG_DONTWAIT), -1);
	log_flush();
	line[recv(sv[1], line, sizeof(line), 0)] = '\0';
	assert_string_equal(line, "info a 1\ninfo b 2\n");
	log_info("a", "1");
	log_warn("b", "2");
	line[recv(sv[1], line, sizeof(line), 0)] = '\0';
	assert_string_equal(line, "info a 1\nwarn b 2\n");
	log_gather(0);
	for (int i = 0; i < 100000 && sent < 100000; i++, sent++)
		log_warn(NULL, "n=%d", i);
	n = 0;
	while (recv(sv[1], line, sizeof(line), MSG_DONTWAIT) > 0)
		n++;
	assert_true(n > 0 && n < sent);
	log_error(NULL, "again");
	line[recv(sv[1], line, sizeof(line), 0)] = '\0';
	assert_memory_equal(line, "warn - log-lines-dropped=", 25);
	assert_int_equal(atoi(line + 25), sent - n);
	line[recv(sv[1], line, sizeof(line), 0)] = '\0';
	assert_string_equal(line, "error - again\n");
	log_open("test", -1);
	close(sv[0]);
	close(sv[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_model),
		cmocka_unit_test(test_buf_printf_up_to_the_limit),
		cmocka_unit_test(test_str_u64),
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_str_keep),
		cmocka_unit_test(test_bisect),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_arena_limit_and_reuse),
		cmocka_unit_test(test_map_model),
		cmocka_unit_test(test_heap_model),
		cmocka_unit_test(test_log_escape),
		cmocka_unit_test(test_log_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
