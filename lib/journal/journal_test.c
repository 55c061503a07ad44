/* SPDX-License-Identifier: ISC */
/*
 * The journal against a model: a random owner runs on the simulated disk, the model remembers what
 * each batch promised; then the power fails at every point and the journal is recovered. What comes
 * back must be exactly the state after some batch, not older than the last commit.
 *
 * JOURNAL_TEST_LONG=1 runs many more seeds; JOURNAL_TEST_SEED=n starts at another one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include <cmocka.h>

#include "base/xalloc.h"
#include "journal/crashsim.h"
#include "journal/journal.h"
#include "journal/journal_format.h"

enum { KEYS = 96, BATCHES_MAX = 512, BIG = 5000 };
enum { T_ARRIVE = 1, T_FLAG = 2, T_KILL = 3 };

static uint64_t
rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* --- contents follow from the key --------------------------------------------------------------
 */
static size_t
key_len(uint32_t key)
{
	static const size_t len[] = { 0, 1, 40, 500, 512, 900, 2600, BIG };

	return len[key * 2654435761u >> 29];
}

static bool
key_large(uint32_t key)
{
	return key_len(key) == BIG;
}

static void
key_content(uint32_t key, uint8_t *p)
{
	for (size_t i = 0; i < key_len(key); i++)
		p[i] = (uint8_t)(key * 131 + i * 7 + (i >> 8));
}

struct meta {
	uint32_t key;
	uint8_t flag;
	uint8_t pad[35]; /* so that metas straddle sectors */
};

/* --- an owner ----------------------------------------------------------------------------------
 */
struct state {
	uint8_t v[KEYS]; /* 0: not there, else 1 + flag */
};

struct owner {
	struct journal *j;
	struct crashsim *sim;
	struct state now;
	struct journal_ref ref[KEYS];
	uint64_t large[KEYS];
	struct state pending_base; /* state at the last commit */
	unsigned damages;
	uint32_t next_key;
	unsigned contents;
	struct journal_damage last_damage;
	/* history: states a crash may show */
	struct {
		struct state s;
		size_t from;    /* from this operation on it may be seen */
		size_t certain; /* from here on nothing older */
		size_t gone;    /* from here on not any more (its commit failed) */
	} hist[BATCHES_MAX];
	size_t hists;
	uint8_t content[64][BIG]; /* last: not cleared */
};

static void
on_record(void *arg, const struct journal_record *r)
{
	struct owner *o = arg;
	struct meta m;

	assert_int_equal(r->meta_len, sizeof(m));
	memcpy(&m, r->meta, sizeof(m));
	assert_true(m.key < KEYS);
	if (r->type == T_ARRIVE) {
		o->now.v[m.key] = 1 + m.flag;
		o->ref[m.key] = r->ref;
		o->large[m.key] = r->large_id;
	} else if (r->type == T_FLAG && o->now.v[m.key]) {
		o->now.v[m.key] = 1 + m.flag;
	} else if (r->type == T_KILL) {
		o->now.v[m.key] = 0;
	}
	if (m.key >= o->next_key)
		o->next_key = m.key + 1;
}

static void
on_damage(void *arg, const struct journal_damage *d)
{
	struct owner *o = arg;

	o->damages++;
	o->last_damage = *d;
}

static size_t reserve_bytes;

/*
 * An owner with checkpoints, as a mailbox is one: its records are about none, and now and then it
 * remembers its state beside what journal_save says.
 */
static bool checkpoints;
static struct checkpoint {
	struct buf journal;
	struct state now;
	struct journal_ref ref[KEYS];
	uint64_t large[KEYS];
	uint32_t next_key;
	size_t ops; /* of the disk at that moment */
} checkpoint;
static unsigned resumed, stale;

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
checkpoint_load(struct owner *o)
{
	o->now = checkpoint.now;
	memcpy(o->ref, checkpoint.ref, sizeof(o->ref));
	memcpy(o->large, checkpoint.large, sizeof(o->large));
	o->next_key = checkpoint.next_key;
}

static int
owner_open(struct owner *o, struct crashsim *sim)
{
	struct journal_options opt = {
		.kind = "test",
		.segment_bytes = 8192 * 2,
		.fill_step = 8192,
		.reserve_bytes = reserve_bytes,
		.spare_max = 2,
		.io = crashsim_io(sim),
		.on_record = on_record,
		.on_damage = on_damage,
		.arg = o,
	};

	o->sim = sim;
	memset(&o->now, 0, sizeof(o->now));
	return journal_open(3, &opt, &o->j);
}

/* With the checkpoint; when the journal does not fit it, as it is. */
static int
owner_resume(struct owner *o, struct crashsim *sim)
{
	struct journal_options opt = {
		.kind = "test",
		.segment_bytes = 8192 * 2,
		.fill_step = 8192,
		.spare_max = 2,
		.io = crashsim_io(sim),
		.on_record = on_record,
		.on_damage = on_damage,
		.arg = o,
		.resume = buf_data(&checkpoint.journal),
		.resume_len = buf_len(&checkpoint.journal),
	};
	int r;

	o->sim = sim;
	checkpoint_load(o);
	r = journal_open(3, &opt, &o->j);
	resumed += r == 0;
	stale += r == JOURNAL_STALE;
	return r == JOURNAL_STALE ? owner_open(o, sim) : r;
}

static bool
large_in_use(void *arg, uint64_t id)
{
	struct owner *o = arg;

	for (int k = 0; k < KEYS; k++)
		if (o->now.v[k] && o->large[k] == id)
			return true;
	return false;
}

/* Everything the owner believes in can be read and is right. */
static void
verify_contents(struct owner *o)
{
	static uint8_t want[BIG], got[BIG];
	struct journal_record r;
	struct buf b;
	const uint8_t *c;
	int fd;

	buf_init(&b, JOURNAL_RECORD_MAX);
	for (uint32_t k = 0; k < KEYS; k++) {
		if (!o->now.v[k])
			continue;
		assert_int_equal(journal_read(o->j, o->ref[k], &b, &r, &c), 0);
		assert_int_equal(r.content_len, key_len(k));
		key_content(k, want);
		if (r.large_id) {
			const struct journal_io *io = crashsim_io(o->sim);

			assert_int_equal(journal_large_open(o->j, &r, &fd), 0);
			assert_int_equal(io->pread(io->ctx, fd, got, BIG, 0), key_len(k));
			assert_int_equal(r.content_crc, journal_crc(0, got, key_len(k)));
			io->close(io->ctx, fd);
			c = got;
		}
		assert_memory_equal(c, want, key_len(k));
	}
	buf_free(&b);
}

static int
do_arrive(struct owner *o)
{
	struct meta m = { .key = o->next_key, .flag = 3 };
	struct journal_large *l = NULL;
	uint8_t *p = o->content[o->contents];
	struct iovec v[2];
	struct journal_write w = { .type = T_ARRIVE, .meta = &m, .meta_len = sizeof(m) };
	int r;

	if (o->next_key == KEYS || o->contents == 64)
		return 0;
	key_content(m.key, p);
	if (key_large(m.key)) {
		r = journal_large_new(o->j, false, &l);
		if (r == 0 && (r = journal_large_write(l, p, key_len(m.key))) != 0)
			journal_large_abort(&l);
		if (r != 0)
			return r;
		w.large = l;
	} else {
		v[0] = (struct iovec){ p, key_len(m.key) / 3 };
		v[1] = (struct iovec){ p + v[0].iov_len, key_len(m.key) - v[0].iov_len };
		w.content = v;
		w.content_n = 2;
	}
	o->large[m.key] = l ? journal_large_id(l) : 0;
	r = journal_append(o->j, &w, &o->ref[m.key]);
	if (r != 0) {
		journal_large_abort(&l);
		return r;
	}
	o->contents++;
	o->next_key++;
	o->now.v[m.key] = 1 + m.flag;
	return 0;
}

static int
do_about(struct owner *o, uint8_t type, uint32_t key, uint8_t flag)
{
	struct meta m = { .key = key, .flag = flag };
	struct journal_ref ref;
	struct journal_write w = {
		.type = type,
		.urgent = true,
		.kill = type == T_KILL,
		.about = o->ref[key],
		.meta = &m,
		.meta_len = sizeof(m),
	};
	int r;

	if (!o->now.v[key])
		return 0;
	if (checkpoints) {
		w.kill = false;
		w.about = (struct journal_ref){ 0 };
	}
	r = journal_append(o->j, &w, &ref);
	if (r == 0)
		o->now.v[key] = type == T_KILL ? 0 : 1 + flag;
	return r;
}

/* A batch leaves memory now: its state may be seen by a crash from here on. */
static size_t
hist_begin(struct owner *o)
{
	assert_true(o->hists < BATCHES_MAX);
	o->hist[o->hists].s = o->now;
	o->hist[o->hists].from = crashsim_ops(o->sim);
	o->hist[o->hists].certain = SIZE_MAX;
	o->hist[o->hists].gone = SIZE_MAX;
	return o->hists++;
}

/* Everything since the last commit is gone: also what was flushed. */
static void
lost(struct owner *o, int why)
{
	/* When not even a new segment could be begun, opening again decides. */
	if (why != JOURNAL_FAILED)
		for (size_t i = 0; i < o->hists; i++)
			if (o->hist[i].certain == SIZE_MAX && o->hist[i].gone == SIZE_MAX)
				o->hist[i].gone = crashsim_ops(o->sim);
	o->now = o->pending_base;
	o->contents = 0;
}

/* What this commit removed; what points to it goes with it. */
static void
count_dead(struct owner *o)
{
	for (uint32_t k = 0; k < KEYS; k++)
		if (o->pending_base.v[k] && !o->now.v[k])
			journal_dead(o->j, o->ref[k]);
}

static int
do_commit(struct owner *o, bool flush)
{
	size_t h = hist_begin(o);
	int r = flush ? journal_flush(o->j) : journal_commit(o->j);

	o->contents = 0;
	if (r != 0) {
		lost(o, r);
		return r;
	}
	if (!flush || !journal_dirty(o->j)) {
		o->hist[h].certain = crashsim_ops(o->sim);
		if (checkpoints)
			count_dead(o);
		o->pending_base = o->now;
	}
	return 0;
}

static struct meta moving[KEYS * 4];
static unsigned movings;

static bool
mover_live(void *arg, const struct journal_record *r, struct journal_write *w, uint64_t *key)
{
	struct owner *o = arg;
	struct meta *m = &moving[movings++ % (KEYS * 4)];

	memcpy(m, r->meta, sizeof(*m));
	*key = UINT64_MAX;
	/* With checkpoints nothing says when the record it takes back is gone: it stays. */
	if (r->type == T_KILL)
		return checkpoints;
	if (!o->now.v[m->key])
		return false;
	if (r->type == T_ARRIVE && o->ref[m->key].pos != r->ref.pos)
		return false;
	if (r->type == T_FLAG && !checkpoints && o->ref[m->key].pos != r->about.pos)
		return false;
	m->flag = o->now.v[m->key] - 1;
	w->meta = m;
	*key = r->type == T_ARRIVE ? m->key : UINT64_MAX;
	return true;
}

static void
mover_moved(void *arg, uint64_t key, journal_pos from, struct journal_ref to)
{
	struct owner *o = arg;

	if (key == UINT64_MAX)
		return;
	assert_int_equal(o->ref[key].pos, from);
	o->ref[key] = to;
}

static int
do_compact(struct owner *o)
{
	struct journal_mover m = { .live = mover_live, .moved = mover_moved, .arg = o };
	int r;

	if (journal_dirty(o->j) && (r = do_commit(o, false)) != 0)
		return r;
	r = journal_compact(o->j, &m);
	return r > 0 ? 0 : r;
}

static int
step(struct owner *o, uint64_t *seed)
{
	unsigned what = rnd(seed) % 20;
	uint32_t key = o->next_key ? (uint32_t)(rnd(seed) % o->next_key) : 0;

	if (what < 7)
		return do_arrive(o);
	if (what < 9)
		return do_about(o, T_FLAG, key, (uint8_t)(rnd(seed) % 7));
	if (what < 14)
		return do_about(o, T_KILL, key, 0);
	if (what < 15)
		return do_commit(o, true);
	if (what < 17)
		return do_compact(o);
	return do_commit(o, false);
}

/* Opens again after a failure; the disk is what the kernel still shows. */
static int
owner_reopen(struct owner *o)
{
	int r;

	journal_close(&o->j);
	r = owner_open(o, o->sim);
	if (r != 0)
		return r;
	o->pending_base = o->now;
	lost(o, 0);
	/* What was recovered is synced by opening. */
	o->hist[hist_begin(o)].certain = crashsim_ops(o->sim);
	return 0;
}

/* --- crashes -----------------------------------------------------------------------------------
 */
struct chooser {
	uint64_t seed;
	int mode; /* 0 none, 1 all, 2 random, 3 bits of seed, 4 most, 5 few */
};

static bool
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

static bool
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

static void
print_state(const char *what, const struct state *s)
{
	printf("%s", what);
	for (int k = 0; k < KEYS; k++)
		if (s->v[k])
			printf(" %d=%d", k, s->v[k]);
	printf("\n");
}

static void check_crash(const struct owner *o, size_t at, struct chooser c, int depth);

/* What was recovered goes on living, and the power fails again. */
static void
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

static void
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
static void
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

static void
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

static void
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

static struct owner owner;

static void
owner_begin(struct owner *o, size_t capacity)
{
	struct crashsim *sim = crashsim_new();
	size_t h;

	memset(o, 0, offsetof(struct owner, content));
	o->contents = 0;
	o->hists = 0;
	crashsim_set_capacity(sim, capacity);
	o->sim = sim;
	h = hist_begin(o);
	o->hist[h].certain = 0;
	assert_int_equal(owner_open(o, sim), 0);
}

static void
owner_end(struct owner *o)
{
	journal_close(&o->j);
	crashsim_free(&o->sim);
}

static uint64_t
seed_of(unsigned i)
{
	const char *s = getenv("JOURNAL_TEST_SEED");

	return (s ? strtoull(s, NULL, 10) : 20261) * 7919 + i * 104729 + 1;
}

static unsigned
rounds(unsigned usual)
{
	return getenv("JOURNAL_TEST_LONG") ? usual * 50 : usual;
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

static void
check_disk_now(struct owner *o)
{
	memset(&after, 0, offsetof(struct owner, content));
	assert_int_equal(owner_open(&after, o->sim), 0);
	assert_memory_equal(&after.now, &o->now, sizeof(o->now));
	verify_contents(&after);
	journal_close(&after.j);
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

/* --- single cases ------------------------------------------------------------------------------
 */
static void
fill_keys(struct owner *o, uint32_t keys, bool commit_each)
{
	while (o->next_key < keys) {
		assert_int_equal(do_arrive(o), 0);
		if (commit_each)
			assert_int_equal(do_commit(o, false), 0);
	}
	assert_int_equal(do_commit(o, false), 0);
}

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
		cmocka_unit_test(test_power_failures),
		cmocka_unit_test(test_power_failures_with_checkpoints),
		cmocka_unit_test(test_failing_calls),
		cmocka_unit_test(test_damage_in_the_middle),
		cmocka_unit_test(test_other_formats),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_nearly_full_disk),
		cmocka_unit_test(test_compaction_bounds_disk),
		cmocka_unit_test(test_kill_is_kept),
		cmocka_unit_test(test_cut_is_remembered),
		cmocka_unit_test(test_large_content_is_written_out),
		cmocka_unit_test(test_real_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
