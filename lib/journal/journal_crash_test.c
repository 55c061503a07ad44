/* SPDX-License-Identifier: ISC */
/*
 * The journal against a model: a random owner runs on the simulated disk, the model remembers what
 * each batch promised; then the power fails at every point and the journal is recovered. What comes
 * back must be exactly the state after some batch, not older than the last commit.
 *
 * JOURNAL_TEST_LONG=1 runs many more seeds; JOURNAL_TEST_SEED=n starts at another one.
 */
#include "journal/test_crash.h"

static void
checkpoint_make(struct owner *o)
{
	buf_clear(&checkpoint.journal);
	assert_int_equal(journal_save(o->j, &checkpoint.journal), 0);
	checkpoint.now = o->now;
	memcpy(checkpoint.ref, o->ref, sizeof(o->ref));
	memcpy(checkpoint.large, o->large, sizeof(o->large));
	checkpoint.next_key = o->next_key;
	checkpoint.ops = crashsim_ops(o->sim);
}

static void
test_power_failures(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < rounds(60); i++) {
		uint64_t seed = seed_of(i);

		owner_begin(&owner, 0);
		for (int n = 0; n < 140; n++)
			assert_int_equal(step(&owner, &seed), 0);
		assert_int_equal(do_commit(&owner, false), 0);
		verify_contents(&owner);
		assert_int_equal(owner.damages, 0);
		check_all_crashes(&owner, seed, 3, 6);
		owner_end(&owner);
	}
}

static void
test_power_failures_with_checkpoints(void **unused)
{
	(void)unused;
	checkpoints = true;
	buf_init(&checkpoint.journal, 65536);
	resumed = stale = 0;
	for (unsigned i = 0; i < rounds(30); i++) {
		uint64_t seed = seed_of(i);
		unsigned at = (unsigned)(rnd(&seed) % 100);

		owner_begin(&owner, 0);
		for (unsigned n = 0; n < 140; n++) {
			assert_int_equal(step(&owner, &seed), 0);
			if (n != at)
				continue;
			assert_int_equal(do_commit(&owner, false), 0);
			checkpoint_make(&owner);
		}
		assert_int_equal(do_commit(&owner, false), 0);
		assert_int_equal(owner.damages, 0);
		check_all_crashes(&owner, seed, 3, 4);
		owner_end(&owner);
	}
	assert_true(resumed > stale);
	checkpoints = false;
	buf_free(&checkpoint.journal);
}

/* One run with the n-th call failing; false: there was no n-th call. */
static bool
run_with_fault(uint64_t seed, size_t n, size_t times, int err, bool crash)
{
	bool failed;
	int r;

	owner_begin(&owner, 0);
	crashsim_fail(owner.sim, n, times, err);
	for (int i = 0; i < 70; i++) {
		r = step(&owner, &seed);
		if (r == JOURNAL_FULL)
			journal_recover_space(owner.j);
		while (r == JOURNAL_FAILED && owner_reopen(&owner) != 0)
			crashsim_fail(owner.sim, 0, 0, 0);
		if (err == CRASHSIM_SHORT_WRITE)
			assert_int_equal(r, 0);
	}
	failed = crashsim_failed(owner.sim);
	crashsim_fail(owner.sim, 0, 0, 0);
	if (do_commit(&owner, false) == JOURNAL_FAILED)
		assert_int_equal(owner_reopen(&owner), 0);
	verify_contents(&owner);
	assert_int_equal(owner.damages, 0);
	journal_close(&owner.j);
	if (crash && failed)
		check_all_crashes(&owner, seed + n, 40, 3);
	check_disk_now(&owner);
	owner_end(&owner);
	return failed || err == CRASHSIM_SHORT_WRITE;
}

static void
test_failing_calls(void **unused)
{
	static const struct {
		int err;
		size_t times;
	} cases[] = { { EIO, 1 }, { EIO, 2 }, { EIO, 3 }, { EIO, 6 }, { ENOSPC, 1 }, { ENOSPC, 3 },
		{ EINTR, 1 }, { CRASHSIM_SHORT_WRITE, 1 } };

	(void)unused;
	for (unsigned i = 0; i < rounds(2); i++)
		for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
			for (size_t n = 1; n < 3000; n++)
				if (!run_with_fault(
					seed_of(i), n, cases[c].times, cases[c].err, true))
					break;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_failures),
		cmocka_unit_test(test_power_failures_with_checkpoints),
		cmocka_unit_test(test_failing_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
