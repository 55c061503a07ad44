/* SPDX-License-Identifier: ISC */
/* Every record: what was written is read, and no truncation or addition of it passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mailbox/records.h"

enum { ROOM = 65536 };

/* Reads s as a record of this type to its end; 0 or REC_BAD. */
static int
read_all(unsigned type, struct str s)
{
	union {
		struct rec_folders folders;
		struct rec_names names;
		struct rec_counters counters;
		struct rec_arrival arrival;
		struct rec_copy copy;
		struct rec_runs runs;
		struct rec_chunk chunk;
		uint64_t id;
		uint32_t version;
	} u;

	switch (type) {
	case REC_FORMAT:
		return rec_get_format(s, &u.version);
	case REC_FOLDERS:
		return rec_get_folders(s, &u.folders);
	case REC_SUBSCRIPTIONS:
		return rec_get_subscriptions(s, &u.names);
	case REC_KEYWORDS:
		return rec_get_keywords(s, &u.names);
	case REC_COUNTERS:
		return rec_get_counters(s, &u.counters);
	case REC_ARRIVAL:
	case REC_CONTENT:
		return rec_get_arrival(s, &u.arrival);
	case REC_COPY:
		return rec_get_copy(s, &u.copy);
	case REC_FLAGS:
		return rec_get_flags(s, &u.runs);
	case REC_EXPUNGE:
		return rec_get_expunge(s, &u.runs);
	case REC_CHUNK:
		return rec_get_chunk(s, &u.chunk);
	default:
		return rec_get_mark(s, &u.id);
	}
}

/* A copy of exactly n bytes, so that a sanitizer sees a read beyond them. */
static int
read_exact(unsigned type, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	int r;

	memcpy(copy, p, n);
	r = read_all(type, str_from(copy, n));
	free(copy);
	return r;
}

static void
check_bytes(unsigned type, struct buf *b)
{
	size_t n = buf_len(b);

	assert_int_equal(read_exact(type, buf_data(b), n), 0);
	for (size_t i = 0; i < n; i++)
		if (read_exact(type, buf_data(b), i) == 0)
			fail_msg("type %u: %zu of %zu bytes pass", type, i, n);
	buf_putc(b, 0);
	if (type != REC_FORMAT)
		assert_int_equal(read_exact(type, buf_data(b), n + 1), REC_BAD);
	buf_free(b);
}

static const struct rec_run runs[] = { { 1, 1, 1 }, { 5, 9, 0x100 },
	{ 4294967294u, 4294967295u, (uint64_t)1 << 63 } };

static void
test_small(void **state)
{
	struct rec_counters c = { REC_MODSEQ_MAX, UINT64_MAX }, got;
	struct buf b;
	uint32_t version;
	uint64_t id;

	(void)state;
	buf_init(&b, ROOM);
	rec_put_format(&b, 1);
	assert_int_equal(rec_get_format(str_from(buf_data(&b), buf_len(&b)), &version), 0);
	assert_int_equal(version, 1);
	check_bytes(REC_FORMAT, &b);
	rec_put_counters(&b, &c);
	assert_int_equal(rec_get_counters(str_from(buf_data(&b), buf_len(&b)), &got), 0);
	assert_int_equal(got.modseq, c.modseq);
	assert_int_equal(got.floor, c.floor);
	check_bytes(REC_COUNTERS, &b);
	rec_put_mark(&b, 300);
	assert_int_equal(rec_get_mark(str_from(buf_data(&b), buf_len(&b)), &id), 0);
	assert_int_equal(id, 300);
	check_bytes(REC_END, &b);
}

static void
test_tables(void **state)
{
	struct rec_folder f = { 3, 77, 4000000000u, 2, STR("Entw\xc3\xbcrfe/alt") }, g;
	struct rec_folders folders;
	struct rec_names names;
	struct str s;
	struct buf b;

	(void)state;
	buf_init(&b, ROOM);
	rec_put_folders(&b, 9, 78, 2);
	rec_put_folder(&b, &f);
	rec_put_folder(&b, &(struct rec_folder){ 8, 78, 1, 0, STR("INBOX") });
	assert_int_equal(rec_get_folders(str_from(buf_data(&b), buf_len(&b)), &folders), 0);
	assert_int_equal(folders.next_id, 9);
	assert_true(rec_next_folder(&folders, &g));
	assert_int_equal(g.id, 3);
	assert_int_equal(g.uidnext, 4000000000u);
	assert_int_equal(g.special, 2);
	assert_true(str_eq(g.name, f.name));
	assert_true(rec_next_folder(&folders, &g));
	assert_false(rec_next_folder(&folders, &g));
	check_bytes(REC_FOLDERS, &b);
	rec_put_keywords(&b, 4, 2);
	rec_put_name(&b, STR("$Forwarded"));
	rec_put_name(&b, STR("x"));
	assert_int_equal(rec_get_keywords(str_from(buf_data(&b), buf_len(&b)), &names), 0);
	assert_int_equal(names.folder, 4);
	assert_true(rec_next_name(&names, &s));
	assert_true(str_eq(s, STR("$Forwarded")));
	check_bytes(REC_KEYWORDS, &b);
	rec_put_subscriptions(&b, 1);
	rec_put_name(&b, STR("INBOX"));
	check_bytes(REC_SUBSCRIPTIONS, &b);
	rec_put_subscriptions(&b, 0);
	check_bytes(REC_SUBSCRIPTIONS, &b);
}

static void
test_arrival(void **state)
{
	struct rec_arrival a = { .folder = 1,
		.uid = 4294967294u,
		.modseq = REC_MODSEQ_MAX,
		.flags = 0x1234567800000015,
		.saved = 1700000000,
		.email = UINT64_MAX,
		.thread = 99,
		.seconds = -5,
		.zone = -720,
		.delivered = true,
		.number = 1,
		.origin = 2 },
			   got;
	struct buf b;

	(void)state;
	buf_init(&b, ROOM);
	rec_put_arrival(&b, &a);
	assert_int_equal(buf_len(&b), REC_ARRIVAL_SIZE);
	assert_int_equal(rec_get_arrival(str_from(buf_data(&b), buf_len(&b)), &got), 0);
	assert_int_equal(got.uid, a.uid);
	assert_int_equal(got.modseq, a.modseq);
	assert_int_equal(got.flags, a.flags);
	assert_int_equal(got.seconds, -5);
	assert_int_equal(got.zone, -720);
	assert_int_equal(got.email, a.email);
	assert_int_equal(got.number, 1);
	assert_int_equal(got.origin, 2);
	assert_true(got.delivered);
	check_bytes(REC_ARRIVAL, &b);
	a.delivered = false;
	rec_put_arrival(&b, &a);
	assert_int_equal(rec_get_arrival(str_from(buf_data(&b), buf_len(&b)), &got), 0);
	assert_int_equal(got.number, 0);
	assert_false(got.packed);
	/* Compressed: with the size it had. */
	buf_clear(&b);
	a.packed = true;
	a.size = 70000;
	rec_put_arrival(&b, &a);
	assert_int_equal(buf_len(&b), REC_ARRIVAL_SIZE);
	assert_int_equal(rec_get_arrival(str_from(buf_data(&b), buf_len(&b)), &got), 0);
	assert_true(got.packed && got.size == 70000 && !got.delivered);
	buf_clear(&b);
	a.size = 0; /* nothing is not compressed */
	rec_put_arrival(&b, &a);
	assert_int_equal(rec_get_arrival(str_from(buf_data(&b), buf_len(&b)), &got), REC_BAD);
	buf_free(&b);
}

static void
test_runs(void **state)
{
	struct rec_runs r;
	struct rec_run run;
	struct buf b;

	(void)state;
	buf_init(&b, ROOM);
	rec_put_flags(&b, 7, 1000, runs, 3);
	assert_int_equal(rec_get_flags(str_from(buf_data(&b), buf_len(&b)), &r), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(rec_next_run(&r, &run));
		assert_int_equal(run.lo, runs[i].lo);
		assert_int_equal(run.hi, runs[i].hi);
		assert_int_equal(run.flags, runs[i].flags);
	}
	assert_false(rec_next_run(&r, &run));
	check_bytes(REC_FLAGS, &b);
	rec_put_expunge(&b, 7, 1000, 12, runs, 3);
	assert_int_equal(rec_get_expunge(str_from(buf_data(&b), buf_len(&b)), &r), 0);
	assert_int_equal(r.uidnext, 12);
	assert_int_equal(r.modseq, 1000);
	check_bytes(REC_EXPUNGE, &b);
}

static void
test_messages(void **state)
{
	struct rec_copy c = { .folder = 2, .first_uid = 10, .n = 2, .modseq = 5, .saved = 6 }, cg;
	struct rec_chunk k = { .folder = 2,
		.lo = 3,
		.hi = 90,
		.uidnext = 91,
		.n = 2,
		.highest = 44 },
			 kg;
	struct rec_message m = { 3, 1, 40, 1, 1700000000 }, mg;
	uint64_t email, flags;
	struct buf b;

	(void)state;
	buf_init(&b, ROOM);
	rec_put_copy(&b, &c);
	rec_put_copy_message(&b, 77, 1);
	rec_put_copy_message(&b, UINT64_MAX, 0x100);
	assert_int_equal(rec_get_copy(str_from(buf_data(&b), buf_len(&b)), &cg), 0);
	assert_int_equal(cg.first_uid, 10);
	assert_true(rec_next_copy_message(&cg, &email, &flags));
	assert_true(rec_next_copy_message(&cg, &email, &flags));
	assert_int_equal(email, UINT64_MAX);
	assert_int_equal(flags, 0x100);
	assert_false(rec_next_copy_message(&cg, &email, &flags));
	check_bytes(REC_COPY, &b);
	rec_put_chunk(&b, &k);
	rec_put_chunk_message(&b, &m, 2);
	m.uid = 90;
	rec_put_chunk_message(&b, &m, 3);
	assert_int_equal(rec_get_chunk(str_from(buf_data(&b), buf_len(&b)), &kg), 0);
	assert_true(rec_next_chunk_message(&kg, &mg));
	assert_int_equal(mg.uid, 3);
	assert_int_equal(mg.saved, 1700000000);
	assert_true(rec_next_chunk_message(&kg, &mg));
	assert_int_equal(mg.uid, 90);
	assert_false(rec_next_chunk_message(&kg, &mg));
	check_bytes(REC_CHUNK, &b);
}

static void
test_bad(void **state)
{
	static const struct {
		const char *what;
		unsigned type;
		struct str bytes;
	} cases[] = {
		{ "number not in its shortest form", REC_END, STR("\x80\x00") },
		{ "number of 65 bits", REC_END, STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02") },
		{ "version 0", REC_FORMAT, STR("\x00") },
		{ "folder 0", REC_KEYWORDS, STR("\x00\x00") },
		{ "57 keywords", REC_KEYWORDS, STR("\x01\x39") },
		{ "keyword without bytes", REC_KEYWORDS, STR("\x01\x01\x00") },
		{ "name longer than the record", REC_SUBSCRIPTIONS,
		    STR("\x01\x05"
			"abc") },
		{ "run of UID 0", REC_EXPUNGE, STR("\x01\x01\x02\x01\x00\x00") },
		{ "reserved flag bit", REC_FLAGS, STR("\x01\x01\x01\x01\x00\x20") },
		{ "copy of nothing", REC_COPY, STR("\x01\x01\x01\x00\x00") },
		{ "chunk up to uidnext", REC_CHUNK, STR("\x01\x01\x05\x05\x01\x00") },
		{ "id not below next id", REC_FOLDERS,
		    STR("\x01\x01\x01\x01\x01\x01\x00\x01"
			"a") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (read_exact(
			cases[i].type, (const uint8_t *)cases[i].bytes.p, cases[i].bytes.n) == 0)
			fail_msg("%s passes", cases[i].what);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_arrival),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
