/* SPDX-License-Identifier: ISC */
/* The journal on a disk that gets full, and what compaction gives back. */
#include "journal/test_crash.h"

static bool
has_file(struct crashsim *s, const char *name)
{
	const char *p;

	for (size_t i = 0; (p = crashsim_name(s, i)) != NULL; i++)
		if (strcmp(p, name) == 0)
			return true;
	return false;
}

/* The disk fills up; done marks still go through, then everything comes back by itself. */
static void
test_full_disk(void **unused)
{
	struct owner *o = &owner;
	struct journal_space sp;
	bool used = false;
	int r = 0;

	(void)unused;
	reserve_bytes = 32768;
	owner_begin(o, 120000);
	while (o->next_key < KEYS && (r = do_arrive(o)) == 0)
		assert_int_equal(do_commit(o, false), 0);
	assert_int_equal(r, JOURNAL_FULL);
	journal_space(o->j, &sp);
	assert_true(sp.full);
	assert_int_equal(do_arrive(o), JOURNAL_FULL);
	journal_recover_space(o->j);
	journal_space(o->j, &sp);
	assert_true(sp.full);
	for (uint32_t k = 0; k < o->next_key; k++) {
		assert_int_equal(do_about(o, T_FLAG, k, 1), 0);
		assert_int_equal(do_about(o, T_KILL, k, 0), 0);
		assert_int_equal(do_commit(o, false), 0);
		used = used || !has_file(o->sim, "reserve");
	}
	while (journal_compact_wanted(o->j))
		assert_int_equal(do_compact(o), 0);
	for (uint32_t k = 0; k < KEYS; k++)
		if (o->large[k])
			journal_large_drop(o->j, o->large[k]);
	journal_large_collect(o->j, large_in_use, o);
	journal_recover_space(o->j);
	journal_space(o->j, &sp);
	assert_false(sp.full);
	assert_true(has_file(o->sim, "reserve"));
	assert_true(used);
	assert_int_equal(do_arrive(o), 0);
	assert_int_equal(do_commit(o, false), 0);
	verify_contents(o);
	check_all_crashes(o, 5, 30, 2);
	owner_end(o);
	reserve_bytes = 0;
}

/* All kinds of owners' steps on a disk that is always nearly full: refusals, never loss. */
static void
test_nearly_full_disk(void **unused)
{
	(void)unused;
	reserve_bytes = 16384;
	for (unsigned i = 0; i < rounds(30); i++) {
		uint64_t seed = seed_of(i);
		unsigned refused = 0;

		owner_begin(&owner, 70000 + 1000 * i);
		for (int n = 0; n < 150; n++) {
			int r = step(&owner, &seed);

			assert_true(r == 0 || r == JOURNAL_FULL || r == JOURNAL_FAILED);
			refused += r == JOURNAL_FULL;
			if (r == JOURNAL_FAILED)
				assert_int_equal(owner_reopen(&owner), 0);
			journal_recover_space(owner.j);
		}
		if (do_commit(&owner, false) == JOURNAL_FAILED)
			assert_int_equal(owner_reopen(&owner), 0);
		verify_contents(&owner);
		check_all_crashes(&owner, seed, 60, 2);
		owner_end(&owner);
		(void)refused;
	}
	reserve_bytes = 0;
}

/* Steady state of a queue: segments are emptied and used again, disk use does not grow. */
static void
test_compaction_bounds_disk(void **unused)
{
	struct owner *o = &owner;
	struct journal_space sp;

	(void)unused;
	owner_begin(o, 0);
	fill_keys(o, 1, false);
	for (int round = 0; round < 40; round++) {
		uint32_t first = o->next_key = 1;

		while (o->next_key < 20) {
			o->now.v[o->next_key] = 0;
			if (key_large(o->next_key))
				o->next_key++;
			else
				assert_int_equal(do_arrive(o), 0);
		}
		assert_int_equal(do_commit(o, false), 0);
		for (uint32_t k = first; k < o->next_key; k++)
			assert_int_equal(do_about(o, T_KILL, k, 0), 0);
		assert_int_equal(do_commit(o, false), 0);
		while (journal_compact_wanted(o->j))
			assert_int_equal(do_compact(o), 0);
		journal_space(o->j, &sp);
		assert_true(sp.segments <= 4);
		assert_true(sp.live_bytes < 8192);
		/* history is not the point here */
		o->hists = 0;
	}
	verify_contents(o);
	owner_end(o);
}

/* A kill record moves along as long as the file of what it killed exists. */
static void
test_kill_is_kept(void **unused)
{
	struct owner *o = &owner;
	uint64_t victim_segment, kill_segment;
	uint32_t first;

	(void)unused;
	owner_begin(o, 0);
	fill_keys(o, 40, true);
	victim_segment = journal_pos_segment(o->ref[0].pos);
	assert_true(victim_segment < journal_pos_segment(o->ref[39].pos));
	assert_int_equal(do_about(o, T_KILL, 0, 0), 0);
	first = o->next_key;
	fill_keys(o, 41, true);
	kill_segment = journal_pos_segment(o->ref[first].pos);
	while (journal_pos_segment(o->ref[o->next_key - 1].pos) == kill_segment)
		fill_keys(o, o->next_key + 1, true);
	for (uint32_t k = 20; k < o->next_key; k++)
		if (journal_pos_segment(o->ref[k].pos) == kill_segment)
			assert_int_equal(do_about(o, T_KILL, k, 0), 0);
	assert_int_equal(do_commit(o, false), 0);
	while (journal_compact_wanted(o->j))
		assert_int_equal(do_compact(o), 0);
	for (size_t i = 0; crashsim_name(o->sim, i); i++)
		assert_int_not_equal(
		    strncmp(crashsim_name(o->sim, i) + 16, ".seg", 4) == 0 &&
			strtoull(crashsim_name(o->sim, i), NULL, 16) == kill_segment,
		    1);
	journal_close(&o->j);
	check_disk_now(o);
	owner_end(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_nearly_full_disk),
		cmocka_unit_test(test_compaction_bounds_disk),
		cmocka_unit_test(test_kill_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
