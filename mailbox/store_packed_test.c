/* SPDX-License-Identifier: ISC */
/* Content that is stored compressed. */
#include "mailbox/test_box.h"

static void
box_open_packed(struct box *b, bool compress)
{
	bool was = packing;

	packing = compress;
	plain_now = false;
	box_open(b);
	packing = was;
}

/* Some kilobytes that can be compressed, now and then a large one. */
static uint32_t
packable(uint32_t i)
{
	return 4002 + i * 10;
}

static uint64_t
live_bytes(struct box *b)
{
	struct journal_space space;

	journal_space(b->s->j, &space);
	return space.live_bytes;
}

/* Sizes are those of the messages; what is stored is smaller; it is read with the setting and without. */
static void
test_packed(void **state)
{
	uint64_t plain, packed;
	struct box b;

	(void)state;
	box_new(&b);
	store_close(&b.s);
	box_open_packed(&b, false);
	for (uint32_t i = 1; i <= 100; i++)
		add(&b, folder(&b, "INBOX"), packable(i));
	store_turn(b.s);
	assert_int_equal(store_model(b.s)->version, REC_VERSION_PLAIN);
	plain = live_bytes(&b);
	store_close(&b.s);
	box_open_packed(&b, true);
	for (uint32_t i = 1; i <= 100; i++)
		add(&b, folder(&b, "Sent"), packable(i));
	store_turn(b.s);
	packed = live_bytes(&b) - plain;
	assert_true(packed < plain / 2);
	assert_int_equal(store_model(b.s)->version, REC_VERSION);
	assert_true(folder(&b, "INBOX")->bytes == folder(&b, "Sent")->bytes);
	for (int how = 0; how < 3; how++) {
		for (uint32_t uid = 1; uid <= 100; uid++) {
			check_content(&b, folder(&b, "INBOX"), uid, packable(uid));
			check_content(&b, folder(&b, "Sent"), uid, packable(uid));
		}
		if (how == 0)
			store_close(&b.s); /* the checkpoint */
		else
			store_abandon(&b.s);
		if (how == 1)
			unlinkat(b.dirfd, CHECKPOINT_NAME, 0);
		box_open_packed(&b, how == 1);
		assert_int_equal(live_bytes(&b), plain + packed);
		assert_true(folder(&b, "INBOX")->bytes == folder(&b, "Sent")->bytes);
	}
	box_free(&b);
}

/* What compaction moves is compressed on the way, when that is wanted. */
static void
test_packed_later(void **state)
{
	uint32_t gone[2000], n = 0;
	uint64_t before;
	struct box b;

	(void)state;
	segment_bytes = 256 * 1024;
	state_min = 1024;
	box_new(&b);
	store_close(&b.s);
	box_open_packed(&b, false);
	for (uint32_t i = 1; i <= 400; i++)
		add(&b, folder(&b, "INBOX"), packable(i));
	store_turn(b.s);
	for (uint32_t uid = 1; uid <= 400; uid++)
		if (uid % 8 != 0)
			gone[n++] = uid;
	assert_int_equal(store_expunge(b.s, folder(&b, "INBOX"), gone, n), 0);
	store_turn(b.s);
	before = live_bytes(&b);
	store_close(&b.s);
	box_open_packed(&b, true);
	assert_int_equal(store_again(b.s), 0);
	for (int i = 0; i < 1000 && store_tidy(b.s); i++)
		;
	assert_true(live_bytes(&b) < before / 2);
	assert_int_equal(store_model(b.s)->version, REC_VERSION);
	for (int how = 0; how < 3; how++) {
		for (uint32_t uid = 8; uid <= 400; uid += 8)
			check_content(&b, folder(&b, "INBOX"), uid, packable(uid));
		box_reopen(&b, (enum reopen)how);
	}
	segment_bytes = state_min = 0;
	box_free(&b);
}

/* A byte in a file of its own, which no journal checks on the way to a reader. */
static void
test_packed_damage(void **state)
{
	struct store_content c;
	struct dirent *e;
	struct box b;
	uint8_t byte;
	DIR *d;
	int fd = -1;

	(void)state;
	box_new(&b);
	store_close(&b.s);
	box_open_packed(&b, true);
	add(&b, folder(&b, "INBOX"), 97 * 2);
	add(&b, folder(&b, "INBOX"), 4);
	store_turn(b.s);
	check_content(&b, folder(&b, "INBOX"), 1, 97 * 2);
	box_reopen(&b, KILL);
	d = opendir(b.path);
	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, ".big") != NULL)
			fd = openat(b.dirfd, e->d_name, O_RDWR);
	closedir(d);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, 5000), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 5000), 1);
	reports = 0;
	assert_int_equal(store_content(b.s, folder(&b, "INBOX"), 1, &c), STORE_DAMAGED);
	assert_int_equal(reports, 1);
	check_content(&b, folder(&b, "INBOX"), 2, 4);
	/* Kept aside: its file outlives its message. */
	assert_int_equal(store_expunge(b.s, folder(&b, "INBOX"), (uint32_t[]){ 2 }, 1), 0);
	store_turn(b.s);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 5000), 1);
	check_content(&b, folder(&b, "INBOX"), 1, 97 * 2);
	close(fd);
	box_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_packed_later),
		cmocka_unit_test(test_packed_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
