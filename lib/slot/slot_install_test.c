/* SPDX-License-Identifier: ISC */
/*
 * Power cuts during an update. All writes and syncs of an installation are recorded. For a cut behind
 * each of them, disks are made in which of the writes since the last sync of a device any sectors
 * have arrived; a model of what the boot loader and the first program do then boots them. It must
 * find a whole system at once, the old one unless the new one is whole, and later everything.
 */
#include <errno.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "slot/install.h"
#include "slot/test_slot.h"

enum { OPS_MAX = 64, SECTOR = 512, CHUNK = 5000, SEEDS = 200 };

struct op {
	bool sync;
	enum slot_device d;
	uint64_t offset;
	size_t n;
	uint8_t *bytes;
};

struct machine {
	uint8_t slot[2][TEST_ROOM], env[GRUBENV_SIZE];
};

static struct op ops[OPS_MAX];
static size_t n_ops, fail_at;
static struct machine before, after;
static struct slot_keys keys;

static int
record(bool sync, enum slot_device d, uint64_t offset, const void *p, size_t n)
{
	struct op *o = &ops[n_ops];

	if (n_ops == fail_at) {
		errno = EIO;
		return -1;
	}
	assert_true(n_ops < OPS_MAX);
	*o = (struct op){ sync, d, offset, n, n ? malloc(n) : NULL };
	if (n > 0)
		memcpy(o->bytes, p, n);
	n_ops++;
	return 0;
}

static int
on_write(void *arg, enum slot_device d, uint64_t offset, const void *p, size_t n)
{
	(void)arg;
	return record(false, d, offset, p, n);
}

static int
on_sync(void *arg, enum slot_device d)
{
	(void)arg;
	return record(true, d, 0, NULL, 0);
}

static void
forget(void)
{
	for (size_t i = 0; i < n_ops; i++)
		free(ops[i].bytes);
	n_ops = 0;
}

/* Version 1 in both slots (2: in the other one, whole), running from running. */
static void
make_machine(enum slot running, const char *order)
{
	static uint8_t payload[TEST_PAYLOAD], raw[SLOT_TRAILER_SIZE];
	char text[GRUBENV_SIZE];
	int n;

	for (int s = 0; s < 2; s++) {
		test_make_slot(payload, raw, s == (int)running ? 1 : 2);
		memcpy(before.slot[s], payload, TEST_PAYLOAD);
		memcpy(before.slot[s] + TEST_ROOM - SLOT_TRAILER_SIZE, raw, SLOT_TRAILER_SIZE);
	}
	n = snprintf(text, sizeof(text),
	    "# GRUB Environment Block\norder=%s\ntry_a=3\ntry_b=3\nnew=\n", order);
	memset(before.env, '#', GRUBENV_SIZE);
	memcpy(before.env, text, (size_t)n);
}

static int
install(enum slot target, unsigned version, size_t cut, int flip)
{
	static uint8_t payload[TEST_PAYLOAD], raw[SLOT_TRAILER_SIZE];
	struct slot_io io = { on_write, on_sync, NULL };
	struct slot_install s;
	int r;

	forget();
	test_make_slot(payload, raw, version);
	if (flip >= 0)
		payload[flip] ^= 1;
	r = slot_install_begin(&s, &io, raw, target, TEST_ROOM, before.env);
	for (size_t at = 0; r == 0 && at < TEST_PAYLOAD - cut; at += CHUNK)
		r = slot_install_data(&s, payload + at,
		    TEST_PAYLOAD - cut - at < CHUNK ? TEST_PAYLOAD - cut - at : CHUNK);
	return r == 0 ? slot_install_end(&s) : r;
}

/* The version in a slot; 0: it is not whole. */
static unsigned
whole(const uint8_t slot[TEST_ROOM])
{
	const uint8_t *raw = slot + TEST_ROOM - SLOT_TRAILER_SIZE;
	struct slot_trailer t;
	uint8_t sum[SLOT_SUM_SIZE];
	const char *why;

	if (!slot_trailer_signed(raw, &keys) || slot_trailer_parse(raw, &t, &why) < 0)
		return 0;
	crypto_hash_sha256(sum, slot, t.size);
	return memcmp(sum, t.sha256, sizeof(sum)) == 0 ? (unsigned)t.serial - 1000 : 0;
}

static unsigned
env_digit(const struct machine *m, const char *name)
{
	const char *p = memmem(m->env, GRUBENV_SIZE, name, strlen(name));

	assert_non_null(p);
	return (unsigned)(p[strlen(name)] - '0');
}

/* What GRUB does, written anew: the first slot of the order that has tries. Its version. */
static unsigned
boot(const struct machine *m)
{
	bool a_first = memmem(m->env, GRUBENV_SIZE, "order=ab\n", 9) != NULL;
	unsigned tries[2] = { env_digit(m, "try_a="), env_digit(m, "try_b=") };
	int first = a_first ? 0 : 1;

	assert_true(a_first || memmem(m->env, GRUBENV_SIZE, "order=ba\n", 9) != NULL);
	return whole(m->slot[tries[first] > 0 ? first : tries[!first] > 0 ? !first : first]);
}

/* Sectors of one write arrive, all or those that chance picks. */
static void
arrive(struct machine *m, const struct op *o, enum slot target, bool all)
{
	uint8_t *device = o->d == SLOT_DEVICE_ENV ? m->env : m->slot[target];

	for (size_t at = 0, n; at < o->n; at += n) {
		n = SECTOR - (o->offset + at) % SECTOR;
		if (n > o->n - at)
			n = o->n - at;
		if (all || rand() % 2)
			memcpy(device + o->offset + at, o->bytes + at, n);
	}
}

/* The disk after a cut behind op number cut: synced writes are there, of the others as chance will. */
static void
cut_at(size_t cut, enum slot target, unsigned seed)
{
	size_t synced[2] = { 0, 0 };

	for (size_t i = 0; i < cut; i++)
		if (ops[i].sync)
			synced[ops[i].d] = i;
	after = before;
	srand(seed);
	for (size_t i = 0; i < cut; i++) {
		bool safe = i < synced[ops[i].d];

		if (!ops[i].sync && (safe || seed != 0))
			arrive(&after, &ops[i], target, safe || seed == 1);
	}
}

static void
play(enum slot running, const char *order)
{
	enum slot target = slot_other(running);
	unsigned seen_old = 0, seen_new = 0;

	make_machine(running, order);
	assert_int_equal(install(target, 3, 0, -1), SLOT_INSTALL_OK);
	for (size_t cut = 0; cut <= n_ops; cut++)
		for (unsigned seed = 0; seed < SEEDS; seed++) {
			unsigned version;

			cut_at(cut, target, seed);
			version = boot(&after);
			assert_memory_equal(after.slot[running], before.slot[running], TEST_ROOM);
			assert_true(grubenv_valid(after.env));
			/* Before the first step is done the machine may boot what it would have. */
			if (version != 1 && version != 3 &&
			    !(version == 2 && order[0] == slot_letter(target)))
				fail_msg("cut %zu seed %u: boots %u", cut, seed, version);
			seen_old += version == 1;
			seen_new += version == 3;
		}
	assert_true(seen_old > SEEDS && seen_new > 0);
	cut_at(n_ops, target, 0);
	assert_int_equal(boot(&after), 3);
	assert_int_equal(env_digit(&after, "try_a="), 3);
	assert_int_equal(env_digit(&after, "try_b="), 3);
}

static void
test_cuts(void **state)
{
	(void)state;
	play(SLOT_A, "ab");
	play(SLOT_B, "ba");
	/* Running is what the order does not name first: the other one had failed. */
	play(SLOT_A, "ba");
	play(SLOT_B, "ab");
}

/* Each write or sync fails once: an error, and the old system boots. */
static void
test_errors(void **state)
{
	size_t all;

	(void)state;
	make_machine(SLOT_A, "ab");
	assert_int_equal(install(SLOT_B, 3, 0, -1), SLOT_INSTALL_OK);
	all = n_ops;
	for (fail_at = 0; fail_at < all; fail_at++) {
		assert_int_equal(install(SLOT_B, 3, 0, -1), SLOT_INSTALL_IO);
		assert_int_equal(n_ops, fail_at);
		cut_at(n_ops, SLOT_B, 1);
		/* Only the last sync comes when all is written already. */
		assert_int_equal(boot(&after), fail_at == all - 1 ? 3 : 1);
	}
	fail_at = SIZE_MAX;
}

static void
assert_old(enum slot target)
{
	cut_at(n_ops, target, 1);
	assert_int_equal(boot(&after), 1);
	assert_int_equal(whole(after.slot[target]), 0);
}

static void
test_wrong_bytes(void **state)
{
	static uint8_t payload[TEST_PAYLOAD], raw[SLOT_TRAILER_SIZE];
	struct slot_io io = { on_write, on_sync, NULL };
	struct slot_install s;

	(void)state;
	make_machine(SLOT_A, "ab");
	for (int i = 0; i < TEST_PAYLOAD; i += 2047) {
		assert_int_equal(install(SLOT_B, 3, 0, i), SLOT_INSTALL_SUM);
		assert_old(SLOT_B);
	}
	assert_int_equal(install(SLOT_B, 3, 1, -1), SLOT_INSTALL_LENGTH);
	assert_old(SLOT_B);
	forget();
	test_make_slot(payload, raw, 3);
	assert_int_equal(
	    slot_install_begin(&s, &io, raw, SLOT_B, TEST_ROOM, before.env), SLOT_INSTALL_OK);
	assert_int_equal(slot_install_data(&s, payload, TEST_PAYLOAD), SLOT_INSTALL_OK);
	assert_int_equal(slot_install_data(&s, payload, 1), SLOT_INSTALL_LENGTH);
}

static void
test_refused_before_a_write(void **state)
{
	static uint8_t payload[TEST_PAYLOAD], raw[SLOT_TRAILER_SIZE];
	struct slot_io io = { on_write, on_sync, NULL };
	struct slot_install s;
	uint8_t env[GRUBENV_SIZE];

	(void)state;
	make_machine(SLOT_A, "ab");
	forget();
	test_make_slot(payload, raw, 3);
	assert_int_equal(slot_install_begin(&s, &io, raw, SLOT_B,
			     TEST_PAYLOAD + SLOT_TRAILER_SIZE - 1, before.env),
	    SLOT_INSTALL_ROOM);
	assert_int_equal(
	    slot_install_begin(&s, &io, raw, SLOT_B, 100, before.env), SLOT_INSTALL_ROOM);
	memset(env, '#', sizeof(env));
	assert_int_equal(
	    slot_install_begin(&s, &io, raw, SLOT_B, TEST_ROOM, env), SLOT_INSTALL_ENV);
	raw[0] = 'P';
	assert_int_equal(
	    slot_install_begin(&s, &io, raw, SLOT_B, TEST_ROOM, before.env), SLOT_INSTALL_SUM);
	assert_int_equal(n_ops, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_wrong_bytes),
		cmocka_unit_test(test_refused_before_a_write) };
	int r;

	if (sodium_init() < 0)
		return 1;
	test_make_key();
	keys.n = 1;
	memcpy(keys.key[0], test_public, SLOT_KEY_SIZE);
	fail_at = SIZE_MAX;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	forget();
	return r;
}
