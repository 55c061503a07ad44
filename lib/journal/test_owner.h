/* SPDX-License-Identifier: ISC */
/* A random owner of a journal on the simulated disk, and what each of its batches promised, for tests; all static. */
#ifndef POSTERN_JOURNAL_TEST_OWNER_H
#define POSTERN_JOURNAL_TEST_OWNER_H

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

static inline uint64_t
rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* --- contents follow from the key --------------------------------------------------------------
 */
static inline size_t
key_len(uint32_t key)
{
	static const size_t len[] = { 0, 1, 40, 500, 512, 900, 2600, BIG };

	return len[key * 2654435761u >> 29];
}

static inline bool
key_large(uint32_t key)
{
	return key_len(key) == BIG;
}

static inline void
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

static inline void
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

static inline void
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

static inline void
checkpoint_load(struct owner *o)
{
	o->now = checkpoint.now;
	memcpy(o->ref, checkpoint.ref, sizeof(o->ref));
	memcpy(o->large, checkpoint.large, sizeof(o->large));
	o->next_key = checkpoint.next_key;
}

static inline int
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
static inline int
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

static inline bool
large_in_use(void *arg, uint64_t id)
{
	struct owner *o = arg;

	for (int k = 0; k < KEYS; k++)
		if (o->now.v[k] && o->large[k] == id)
			return true;
	return false;
}

/* Everything the owner believes in can be read and is right. */
static inline void
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

static inline int
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

static inline int
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
static inline size_t
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
static inline void
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
static inline void
count_dead(struct owner *o)
{
	for (uint32_t k = 0; k < KEYS; k++)
		if (o->pending_base.v[k] && !o->now.v[k])
			journal_dead(o->j, o->ref[k]);
}

static inline int
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

static inline bool
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

static inline void
mover_moved(void *arg, uint64_t key, journal_pos from, struct journal_ref to)
{
	struct owner *o = arg;

	if (key == UINT64_MAX)
		return;
	assert_int_equal(o->ref[key].pos, from);
	o->ref[key] = to;
}

static inline int
do_compact(struct owner *o)
{
	struct journal_mover m = { .live = mover_live, .moved = mover_moved, .arg = o };
	int r;

	if (journal_dirty(o->j) && (r = do_commit(o, false)) != 0)
		return r;
	r = journal_compact(o->j, &m);
	return r > 0 ? 0 : r;
}

static inline int
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
static inline int
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

static struct owner owner;

static inline void
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

static inline void
owner_end(struct owner *o)
{
	journal_close(&o->j);
	crashsim_free(&o->sim);
}

static inline uint64_t
seed_of(unsigned i)
{
	const char *s = getenv("JOURNAL_TEST_SEED");

	return (s ? strtoull(s, NULL, 10) : 20261) * 7919 + i * 104729 + 1;
}

static inline unsigned
rounds(unsigned usual)
{
	return getenv("JOURNAL_TEST_LONG") ? usual * 50 : usual;
}

static inline void
fill_keys(struct owner *o, uint32_t keys, bool commit_each)
{
	while (o->next_key < keys) {
		assert_int_equal(do_arrive(o), 0);
		if (commit_each)
			assert_int_equal(do_commit(o, false), 0);
	}
	assert_int_equal(do_commit(o, false), 0);
}

#endif
