/* SPDX-License-Identifier: ISC */
/* The journal: damage, other formats, real files. */
#include "journal/test_crash.h"

static void
test_damage_in_the_middle(void **unused)
{
	static const struct {
		uint32_t victim;
		size_t at; /* offset in its record */
		const char *what;
		bool seen; /* the record is shown at recovery all the same */
	} cases[] = {
		{ 10, 40, "record header", false },
		{ 10, JOURNAL_RECORD_HEADER + 5, "record's meta", false },
		{ 10, JOURNAL_RECORD_HEADER + sizeof(struct meta) + 3, "record", true },
		{ 39, 20, "record header", false },
	};

	(void)unused;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct owner *o = &owner;
		struct crashsim *disk;
		struct journal_record r;
		const uint8_t *content;
		uint32_t victim = cases[c].victim;
		struct state want;
		char name[32];
		struct buf b;
		uint8_t *p;
		size_t n;

		owner_begin(o, 0);
		fill_keys(o, 45, true);
		while (key_large(victim) || key_len(victim) < 10)
			victim++;
		want = o->now;
		want.v[victim] = cases[c].seen ? want.v[victim] : 0;
		journal_close(&o->j);
		disk = crashsim_copy(o->sim);
		snprintf(name, sizeof(name), "%016llx.seg",
		    (unsigned long long)journal_pos_segment(o->ref[victim].pos));
		p = crashsim_file(disk, name, &n);
		assert_non_null(p);
		p[journal_pos_offset(o->ref[victim].pos) + cases[c].at] ^= 0x10;
		memset(&after, 0, offsetof(struct owner, content));
		assert_int_equal(owner_open(&after, disk), 0);
		assert_memory_equal(&after.now, &want, sizeof(want));
		if (cases[c].seen) {
			buf_init(&b, JOURNAL_RECORD_MAX);
			assert_int_equal(journal_read(after.j, after.ref[victim], &b, &r, &content),
			    JOURNAL_DAMAGED);
			buf_free(&b);
			after.now.v[victim] = 0;
		}
		assert_int_equal(after.damages, 1);
		assert_string_equal(after.last_damage.what, cases[c].what);
		assert_int_equal(after.last_damage.offset, journal_pos_offset(o->ref[victim].pos));
		verify_contents(&after);
		journal_close(&after.j);
		crashsim_free(&disk);
		owner_end(o);
	}
}

static void
test_other_formats(void **unused)
{
	static const struct {
		size_t at;
		uint8_t value;
		bool fix_crc;
		int want;
	} cases[] = {
		{ 8, JOURNAL_VERSION + 1, true, JOURNAL_NEWER }, { 16, 'x', true, JOURNAL_KIND },
		{ 33, 1, false, 0 }, /* damaged header: set aside */
	};

	(void)unused;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct crashsim *disk;
		uint32_t crc;
		uint8_t *p;
		size_t n;

		owner_begin(&owner, 0);
		fill_keys(&owner, 3, false);
		journal_close(&owner.j);
		disk = crashsim_copy(owner.sim);
		p = crashsim_file(disk, "0000000000000001.seg", &n);
		p[cases[c].at] ^= p[cases[c].at];
		p[cases[c].at] = cases[c].value;
		crc = journal_crc(0, p, 64);
		if (cases[c].fix_crc)
			memcpy(p + 64, &crc, 4);
		memset(&after, 0, offsetof(struct owner, content));
		assert_int_equal(owner_open(&after, disk), cases[c].want);
		if (cases[c].want == 0) {
			assert_int_equal(after.damages, 1);
			assert_non_null(crashsim_file(disk, "0000000000000001.bad", &n));
			fill_keys(&after, 3, false);
		} else {
			assert_null(after.j);
		}
		journal_close(&after.j);
		crashsim_free(&disk);
		owner_end(&owner);
	}
}

/* A batch whose sync failed stays away also when the segments behind it are emptied. */
static void
test_cut_is_remembered(void **unused)
{
	struct owner *o = &owner;
	uint32_t first;

	(void)unused;
	owner_begin(o, 0);
	fill_keys(o, 5, true);
	while (key_large(o->next_key))
		fill_keys(o, o->next_key + 1, true);
	assert_int_equal(do_arrive(o), 0);
	crashsim_fail(o->sim, 2, 1, EIO);
	assert_int_equal(do_commit(o, false), JOURNAL_EIO);
	assert_true(crashsim_failed(o->sim));
	first = o->next_key;
	fill_keys(o, first + 1, true);
	while (journal_pos_segment(o->ref[first].pos) ==
	       journal_pos_segment(o->ref[o->next_key - 1].pos))
		fill_keys(o, o->next_key + 1, true);
	for (uint32_t k = first; k < o->next_key; k++)
		assert_int_equal(do_about(o, T_KILL, k, 0), 0);
	assert_int_equal(do_commit(o, false), 0);
	while (journal_compact_wanted(o->j))
		assert_int_equal(do_compact(o), 0);
	journal_close(&o->j);
	check_disk_now(o);
	owner_end(o);
}

/* When the sync of a long message comes, the disk has most of it already. */
static void
test_large_content_is_written_out(void **unused)
{
	enum { PIECE = 65536, PIECES = 80 };
	static const uint8_t piece[PIECE];
	struct owner *o = &owner;
	struct journal_large *l;

	(void)unused;
	owner_begin(o, 0);
	assert_int_equal(journal_large_new(o->j, false, &l), 0);
	for (int i = 0; i < PIECES; i++)
		assert_int_equal(journal_large_write(l, piece, PIECE), 0);
	assert_in_range(crashsim_written_out(o->sim), PIECE * (PIECES - 16), PIECE * PIECES);
	journal_large_abort(&l);
	journal_close(&o->j);
	owner_end(o);
}

static unsigned real_seen;

static void
real_record(void *arg, const struct journal_record *r)
{
	(void)arg;
	(void)r;
	real_seen++;
}

static void
test_real_files(void **unused)
{
	char dir[] = "/tmp/journal_test.XXXXXX", cmd[64];
	struct journal_options opt = { .kind = "real", .on_record = real_record };
	struct journal *j, *second;
	struct journal_ref ref;
	struct journal_write w = { .type = 1, .meta = "meta", .meta_len = 4 };
	int fd;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(journal_open(fd, &opt, &j), 0);
	assert_int_equal(journal_open(fd, &opt, &second), JOURNAL_BUSY);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(journal_append(j, &w, &ref), 0);
		if (i % 10 == 0)
			assert_int_equal(journal_commit(j), 0);
	}
	assert_int_equal(journal_flush(j), 0);
	journal_close(&j);
	real_seen = 0;
	assert_int_equal(journal_open(fd, &opt, &j), 0);
	assert_int_equal(real_seen, 100);
	journal_close(&j);
	close(fd);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage_in_the_middle),
		cmocka_unit_test(test_other_formats),
		cmocka_unit_test(test_cut_is_remembered),
		cmocka_unit_test(test_large_content_is_written_out),
		cmocka_unit_test(test_real_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
