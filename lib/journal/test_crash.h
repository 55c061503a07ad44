/* SPDX-License-Identifier: ISC */
/* Power failures of an owner at every point, and whether what is recovered is what was promised, for tests; all static. */
#ifndef POSTERN_JOURNAL_TEST_CRASH_H
#define POSTERN_JOURNAL_TEST_CRASH_H

#include "journal/test_owner.h"

/* --- crashes -----------------------------------------------------------------------------------
 */
struct chooser {
	uint64_t seed;
	int mode; /* 0 none, 1 all, 2 random, 3 bits of seed, 4 most, 5 few */
};

static inline bool
choose(void *arg, size_t i)
{
	struct chooser *c = arg;

	switch (c->mode) {
	case 0:
		return false;
	case 1:
		return true;
	case 3:
		return c->seed >> i % 64 & 1;
	case 4:
		return rnd(&c->seed) % 8 != 0;
	case 5:
		return rnd(&c->seed) % 8 == 0;
	default:
		return rnd(&c->seed) & 1;
	}
}

static struct owner after; /* too large for the stack */

static inline bool
state_allowed(const struct owner *o, const struct state *s, size_t at)
{
	size_t first = 0;

	for (size_t i = 0; i < o->hists; i++)
		if (o->hist[i].certain <= at)
			first = i;
	for (size_t i = first; i < o->hists; i++)
		if (o->hist[i].from <= at && o->hist[i].gone > at &&
		    memcmp(&o->hist[i].s, s, sizeof(*s)) == 0)
			return true;
	return false;
}

static inline void
print_state(const char *what, const struct state *s)
{
	printf("%s", what);
	for (int k = 0; k < KEYS; k++)
		if (s->v[k])
			printf(" %d=%d", k, s->v[k]);
	printf("\n");
}

static inline void check_crash(const struct owner *o, size_t at, struct chooser c, int depth);

/* What was recovered goes on living, and the power fails again. */
static inline void
second_life(struct owner *o, uint64_t seed)
{
	o->hist[hist_begin(o)].certain = 0;
	o->hist[0].from = 0;
	o->pending_base = o->now;
	for (int n = 0; n < 25; n++)
		assert_int_equal(step(o, &seed), 0);
	for (int i = 0; i < 8; i++)
		check_crash(o, rnd(&seed) % (crashsim_ops(o->sim) + 1),
		    (struct chooser){ .seed = rnd(&seed), .mode = i % 6 }, 1);
}

static inline void
print_difference(const struct owner *o, const struct state *got, size_t at, int mode)
{
	printf("crash at %zu mode %d\n", at, mode);
	print_state("got", got);
	for (size_t i = 0; i < o->hists; i++) {
		if (o->hist[i].from > at || o->hist[i].gone <= at)
			continue;
		printf("%zu..%zd ", o->hist[i].from, (ssize_t)o->hist[i].certain);
		print_state("have", &o->hist[i].s);
	}
}

/* It goes on working, and a second recovery agrees. */
static inline void
check_goes_on(struct owner *o, struct crashsim *disk)
{
	struct state first = o->now;

	o->next_key = KEYS - 1;
	if (first.v[KEYS - 1])
		return;
	assert_int_equal(do_arrive(o), 0);
	assert_int_equal(journal_commit(o->j), 0);
	first.v[KEYS - 1] = o->now.v[KEYS - 1];
	journal_close(&o->j);
	assert_int_equal(owner_open(o, disk), 0);
	assert_memory_equal(&o->now, &first, sizeof(first));
}

static inline void
check_crash(const struct owner *o, size_t at, struct chooser c, int depth)
{
	static struct owner lives[2];
	static uint64_t turn = 88172645463325252u;
	struct crashsim *disk = crashsim_crash(o->sim, at, choose, &c);
	struct owner *a = &lives[depth];

	memset(a, 0, offsetof(struct owner, content));
	if (checkpoints && depth == 0 && at >= checkpoint.ops)
		assert_int_equal(owner_resume(a, disk), 0);
	else
		assert_int_equal(owner_open(a, disk), 0);
	if (!state_allowed(o, &a->now, at)) {
		print_difference(o, &a->now, at, c.mode);
		fail();
	}
	assert_int_equal(a->damages, 0);
	journal_large_collect(a->j, large_in_use, a);
	verify_contents(a);
	if (depth == 0 && rnd(&turn) % 8 == 0)
		second_life(a, rnd(&turn));
	else
		check_goes_on(a, disk);
	journal_close(&a->j);
	crashsim_free(&disk);
}

static inline void
check_all_crashes(const struct owner *o, uint64_t seed, size_t stride, int samples)
{
	for (size_t at = 0; at <= crashsim_ops(o->sim); at += 1 + rnd(&seed) % stride) {
		size_t n = crashsim_choices(o->sim, at);

		check_crash(o, at, (struct chooser){ .mode = 0 }, 0);
		if (n == 0)
			continue;
		check_crash(o, at, (struct chooser){ .mode = 1 }, 0);
		if (n <= 3) {
			for (uint64_t bits = 1; bits + 1 < 1u << n; bits++)
				check_crash(o, at, (struct chooser){ .seed = bits, .mode = 3 }, 0);
			continue;
		}
		for (int i = 0; i < samples; i++)
			check_crash(o, at,
			    (struct chooser){ .seed = rnd(&seed), .mode = i % 3 ? 2 + i % 4 : 2 },
			    0);
	}
}

static inline void
check_disk_now(struct owner *o)
{
	memset(&after, 0, offsetof(struct owner, content));
	assert_int_equal(owner_open(&after, o->sim), 0);
	assert_memory_equal(&after.now, &o->now, sizeof(o->now));
	verify_contents(&after);
	journal_close(&after.j);
}

#endif
