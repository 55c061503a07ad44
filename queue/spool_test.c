/* SPDX-License-Identifier: ISC */
/*
 * The spool through power failures on the simulated disk (journal/crashsim.h). At any point, with
 * any part of the unsynced writes lost: what was called stored is there until its deliveries are
 * called settled, what was called settled never comes again, and no number is given out twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/map.h"
#include "base/xalloc.h"
#include "journal/crashsim.h"
#include "queue/spool.h"

enum { MESSAGES_MAX = 600, DELIVERIES_MOST = 3, SEGMENT = 64 * 1024 };

/* What the world was told about a message, as points in the order of disk operations. */
struct known {
	uint64_t number;
	uint32_t deliveries;
	size_t stored;                   /* SIZE_MAX: never */
	size_t asked[DELIVERIES_MOST];   /* spool_settle was called */
	size_t settled[DELIVERIES_MOST]; /* and reported */
	enum delivery_state state[DELIVERIES_MOST];
	struct message *live;
};

struct world {
	struct crashsim *disk;
	struct spool *spool;
	struct known known[MESSAGES_MAX];
	size_t count;
	struct envelope_writer writer;
	uint64_t seed;
	/* content is borrowed until the commit */
	char content[64][3000];
	size_t contents;
	size_t destinations; /* given out and not given back */
	/* recovery */
	struct map *found;
};

static uint64_t
rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void
on_message(void *arg, struct message *m)
{
	struct world *w = arg;

	if (w->found)
		map_put(w->found, m->number, m);
}

static void
on_settled(void *arg, struct delivery *d)
{
	struct world *w = arg;

	for (size_t i = 0; i < w->count; i++)
		if (w->known[i].live == d->message)
			w->known[i].settled[d - d->message->delivery] = crashsim_ops(w->disk);
}

static struct destination *
on_destination(void *arg, struct str address)
{
	struct world *w = arg;

	assert_true(str_eq(address, STR("b@example.test")));
	w->destinations++;
	return (struct destination *)w;
}

static void
on_destination_done(void *arg, struct destination *to)
{
	struct world *w = arg;

	assert_ptr_equal(to, w);
	w->destinations--;
}

static void
on_gone(void *arg, struct message *m)
{
	struct world *w = arg;

	for (size_t i = 0; i < w->count; i++)
		if (w->known[i].live == m)
			w->known[i].live = NULL;
}

static void
on_committed(void *arg)
{
	(void)arg;
}

static void
on_stored(void *arg, void *cookie, int result, const struct message *m)
{
	struct world *w = arg;
	struct known *k = cookie;

	assert_int_equal(result, 0);
	for (size_t i = 0; i < w->count; i++)
		assert_true(&w->known[i] == k ||
			    w->known[i].number + w->known[i].deliveries < m->number ||
			    w->known[i].stored == SIZE_MAX);
	k->number = m->number;
	k->stored = crashsim_ops(w->disk);
	k->live = (struct message *)(uintptr_t)m;
}

static int
open_spool(struct world *w)
{
	struct spool_options o = {
		.limits = { 100000, 1 << 30, 0 },
		.io = crashsim_io(w->disk),
		.segment_bytes = SEGMENT,
	};
	struct spool_ops ops = {
		.on_message = on_message,
		.on_settled = on_settled,
		.on_stored = on_stored,
		.on_gone = on_gone,
		.on_committed = on_committed,
		.destination = on_destination,
		.destination_done = on_destination_done,
		.arg = w,
	};

	return spool_open(-1, &o, &ops, &w->spool);
}

static void
add(struct world *w)
{
	struct ipc_msg_begin begin = { .session = STR("s"), .reverse_path = STR("a@example.org") };
	struct journal_large *none = NULL;
	struct known *k = &w->known[w->count];
	size_t n = rnd(&w->seed) % sizeof(w->content[0]);

	if (w->count == MESSAGES_MAX || w->contents == 64)
		return;
	k->deliveries = 1 + (uint32_t)(rnd(&w->seed) % DELIVERIES_MOST);
	k->stored = SIZE_MAX;
	for (int i = 0; i < DELIVERIES_MOST; i++)
		k->asked[i] = k->settled[i] = SIZE_MAX;
	envelope_begin(&w->writer, &begin);
	for (uint32_t i = 0; i < k->deliveries; i++) {
		struct envelope_recipient r = {
			.address = STR("b@example.test"),
			.from = ENVELOPE_ITSELF,
		};
		uint32_t target = i == 2 ? TARGET_REMOTE : i + 1;

		assert_int_equal(envelope_recipient(&w->writer, &r), i);
		assert_int_equal(envelope_delivery(&w->writer, i, target, DELIVERY_PENDING), 0);
	}
	w->count++;
	assert_int_equal(spool_add(w->spool, &w->writer, 5, STR("Received: x\r\n"),
			     str_from(w->content[w->contents++], n), &none, k),
	    0);
}

static void
settle(struct world *w)
{
	struct known *k;
	uint32_t i;

	if (w->count == 0)
		return;
	/* Mostly old ones: so that segments empty. */
	k = &w->known[rnd(&w->seed) % w->count * (rnd(&w->seed) % 4) / 4];
	i = (uint32_t)(rnd(&w->seed) % k->deliveries);
	if (k->stored == SIZE_MAX || k->asked[i] != SIZE_MAX)
		return;
	k->state[i] = rnd(&w->seed) % 40 ? DELIVERY_DONE : DELIVERY_FAILED;
	k->asked[i] = crashsim_ops(w->disk);
	spool_settle(w->spool, &k->live->delivery[i], k->state[i]);
}

static void
step(struct world *w)
{
	unsigned what = rnd(&w->seed) % 20;

	if (what < 4) {
		add(w);
	} else if (what < 16) {
		settle(w);
	} else if (what < 18) {
		spool_turn(w->spool);
		w->contents = 0;
	} else if (what < 19) {
		spool_commit(w->spool);
		w->contents = 0;
	} else {
		(void)spool_tick(w->spool);
		w->contents = 0;
	}
}

/* --- after the crash --------------------------------------------------------------------------- */
static void
check_delivery(const struct known *k, uint32_t i, const struct message *m, size_t at)
{
	enum delivery_state state = m ? m->delivery[i].state : DELIVERY_DONE;

	if (k->settled[i] <= at)
		assert_int_equal(state, k->state[i]);
	else if (k->asked[i] > at)
		assert_int_equal(state, DELIVERY_PENDING);
	else
		assert_true(state == DELIVERY_PENDING || state == k->state[i]);
}

static void
check_messages(const struct world *w, struct world *after, size_t at)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct known *k = &w->known[i];
		const struct message *m;

		if (k->stored > at)
			continue;
		m = spool_find(after->spool, k->number);
		if (m)
			assert_int_equal(m->deliveries, k->deliveries);
		for (uint32_t n = 0; n < k->deliveries; n++)
			check_delivery(k, n, m, at);
	}
}

static void
check_numbers(const struct world *w, struct world *after, size_t at)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < w->count; i++)
		if (w->known[i].stored <= at &&
		    w->known[i].number + w->known[i].deliveries > highest)
			highest = w->known[i].number + w->known[i].deliveries;
	add(after);
	spool_turn(after->spool);
	assert_true(after->known[0].stored != SIZE_MAX);
	assert_true(after->known[0].number > highest);
}

static void
check_contents(struct world *after)
{
	struct journal_record r;
	const uint8_t *content;
	struct envelope e;
	struct message *m;
	size_t it = 0;

	while ((m = map_next(after->found, &it, NULL)) != NULL) {
		assert_int_equal(spool_read(after->spool, m, &e, &r, &content), 0);
		assert_int_equal(r.content_len, m->size);
		assert_true(str_eq(e.reverse_path, STR("a@example.org")));
	}
}

static bool
choose(void *arg, size_t i)
{
	uint64_t *s = arg;

	(void)i;
	if (*s <= 2)
		return *s == 1;
	return rnd(s) & 1;
}

static void
check_crash(const struct world *w, size_t at, uint64_t choice)
{
	static struct world after;

	memset(&after, 0, sizeof(after));
	after.seed = 99;
	after.disk = crashsim_crash(w->disk, at, choose, &choice);
	after.found = map_new();
	envelope_writer_init(&after.writer);
	assert_int_equal(open_spool(&after), 0);
	spool_start(after.spool);
	check_messages(w, &after, at);
	check_contents(&after);
	check_numbers(w, &after, at);
	spool_close(&after.spool);
	envelope_writer_free(&after.writer);
	map_free(&after.found);
	crashsim_free(&after.disk);
}

static void
test_power_failures(void **unused)
{
	static struct world w;

	(void)unused;
	for (uint64_t round = 1; round <= (getenv("JOURNAL_TEST_LONG") ? 60u : 4u); round++) {
		memset(&w, 0, sizeof(w));
		w.seed = round * 7919;
		w.disk = crashsim_new();
		envelope_writer_init(&w.writer);
		assert_int_equal(open_spool(&w), 0);
		spool_start(w.spool);
		for (int n = 0; n < 1500; n++)
			step(&w);
		for (int n = 0; n < 150; n++)
			check_crash(&w, rnd(&w.seed) % (crashsim_ops(w.disk) + 1),
			    n % 5 ? 3 + rnd(&w.seed) % 1000000 : (uint64_t)(n % 2 + 1));
		spool_close(&w.spool);
		check_crash(&w, crashsim_ops(w.disk), 2);
		envelope_writer_free(&w.writer);
		crashsim_free(&w.disk);
	}
}

static void
add_and_commit(struct world *w, int n)
{
	while (n-- > 0) {
		add(w);
		spool_turn(w->spool);
		w->contents = 0;
	}
}

static void
settle_one(struct world *w, struct known *k, uint32_t i)
{
	k->state[i] = DELIVERY_DONE;
	k->asked[i] = crashsim_ops(w->disk);
	spool_settle(w->spool, &k->live->delivery[i], DELIVERY_DONE);
}

/* The note of one of two deliveries outlives the segment it was written to. */
static void
test_notes_move(void **unused)
{
	static struct world w;
	uint64_t seg;

	(void)unused;
	memset(&w, 0, sizeof(w));
	w.seed = 4;
	w.disk = crashsim_new();
	envelope_writer_init(&w.writer);
	assert_int_equal(open_spool(&w), 0);
	spool_start(w.spool);
	while (w.count == 0 || w.known[w.count - 1].deliveries < 2)
		add_and_commit(&w, 1);
	struct known *k = &w.known[w.count - 1];

	add_and_commit(&w, 80);
	seg = w.known[w.count - 1].live->ref.pos >> 32;
	assert_true(k->live->ref.pos >> 32 < seg);
	settle_one(&w, k, 1);
	spool_commit(w.spool);
	add_and_commit(&w, 150);
	for (size_t i = 0; i < w.count; i++) {
		struct known *o = &w.known[i];

		if (o->live->ref.pos >> 32 < seg)
			continue;
		for (uint32_t d = 0; d < o->deliveries; d++)
			settle_one(&w, o, d);
	}
	spool_commit(w.spool);
	while (spool_tick(w.spool))
		;
	for (uint64_t n = 1; n <= 2; n++)
		check_crash(&w, crashsim_ops(w.disk), n);
	spool_close(&w.spool);
	envelope_writer_free(&w.writer);
	crashsim_free(&w.disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_failures),
		cmocka_unit_test(test_notes_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
