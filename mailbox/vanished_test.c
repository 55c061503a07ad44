/* SPDX-License-Identifier: ISC */
/* What is remembered of expunged messages, through restarts and up to its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mailbox/store_priv.h"

static char path[64];
static int dirfd_;
static struct store *s;
static uint64_t clock_ms = 1700000000000;

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return clock_ms += 7;
}

static void
box_open(void)
{
	const struct store_config config = { .dirfd = dirfd_, .now_ms = now_ms };

	assert_int_equal(store_open(&config, &s), STORE_OK);
}

static int
setup(void **state)
{
	(void)state;
	strcpy(path, "/tmp/mailbox-vanished-XXXXXX");
	assert_non_null(mkdtemp(path));
	dirfd_ = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	box_open();
	return 0;
}

static int
teardown(void **state)
{
	struct dirent *e;
	DIR *d;

	(void)state;
	store_close(&s);
	d = opendir(path);
	while ((e = readdir(d)) != NULL)
		unlinkat(dirfd_, e->d_name, 0);
	closedir(d);
	close(dirfd_);
	rmdir(path);
	return 0;
}

static struct folder *
inbox(void)
{
	return model_folder_named(store_model(s), STR("INBOX"));
}

static void
add(unsigned n)
{
	while (n-- > 0) {
		struct store_arrival a = { .bytes = (uint8_t *)xstrdup("x"), .size = 1 };
		uint32_t uid;

		assert_int_equal(store_arrive(s, inbox(), &a, 1, &uid), 0);
	}
}

static uint64_t
expunge(uint32_t uid)
{
	assert_int_equal(store_expunge(s, inbox(), &uid, 1), 0);
	return inbox()->highest;
}

static void
on_run(void *arg, uint32_t lo, uint32_t hi)
{
	char *text = arg, *end = text + strlen(text);

	snprintf(end, 200 - (size_t)(end - text), lo == hi ? "%u," : "%u:%u,", lo, hi);
}

static const char *
vanished(uint64_t modseq)
{
	static char text[200];

	*text = '\0';
	vanished_tell(inbox(), modseq, on_run, text);
	return text;
}

static void
test_tells(void **state)
{
	uint64_t first, second;

	(void)state;
	add(10);
	assert_string_equal(vanished(0), "");
	first = expunge(3);
	second = expunge(7);
	expunge(4);
	assert_string_equal(vanished(0), "3:4,7,");
	assert_string_equal(vanished(first - 1), "3:4,7,");
	assert_string_equal(vanished(first), "4,7,");
	assert_string_equal(vanished(second), "4,");
	assert_string_equal(vanished(inbox()->highest), "");
}

/* An orderly end keeps all of it; so does a kill after a checkpoint. */
static void
test_survives(void **state)
{
	uint64_t first;

	(void)state;
	add(10);
	first = expunge(3);
	store_close(&s);
	box_open();
	assert_string_equal(vanished(first - 1), "3,");
	assert_string_equal(vanished(first), "");
	expunge(5);
	assert_int_equal(store_turn(s), 0);
	store_abandon(&s);
	box_open();
	assert_string_equal(vanished(first - 1), "3,5,");
	assert_string_equal(vanished(first), "5,");
}

/* Without checkpoint nothing is sure about the past: all that is not there is told. */
static void
test_without_checkpoint(void **state)
{
	uint64_t first;

	(void)state;
	add(10);
	first = expunge(3);
	expunge(5);
	assert_int_equal(store_turn(s), 0);
	store_abandon(&s);
	box_open();
	assert_string_equal(vanished(first), "3,5,");
	assert_string_equal(vanished(inbox()->vanished.horizon), "");
	expunge(10);
	assert_string_equal(vanished(inbox()->vanished.horizon), "10,");
}

/* The same when a checkpoint stands before chunks that say everything again. */
static void
test_said_again(void **state)
{
	uint64_t first;

	(void)state;
	add(10);
	store_close(&s);
	box_open();
	first = expunge(3);
	expunge(5);
	assert_int_equal(store_turn(s), 0);
	assert_int_equal(store_again(s), 0);
	assert_int_equal(store_sync(s), 0);
	assert_string_equal(vanished(first), "5,");
	store_abandon(&s);
	box_open();
	assert_string_equal(vanished(first), "3,5,");
}

/* An empty folder says HIGHESTMODSEQ 1, so nothing that changes may have it. */
static void
test_first_modseq(void **state)
{
	(void)state;
	assert_int_equal(inbox()->highest, 0);
	add(1);
	assert_true(message_modseq(&inbox()->messages[0]) > 1);
}

static void
test_bounded(void **state)
{
	uint64_t at[3 * VANISHED_RUNS_MAX];
	const struct vanished *v = &inbox()->vanished;

	(void)state;
	add(3 * VANISHED_RUNS_MAX);
	for (uint32_t i = 0; i < 2 * VANISHED_RUNS_MAX; i++) {
		at[i] = expunge(i + 1);
		assert_true(v->n <= VANISHED_RUNS_MAX);
	}
	assert_true(v->cap <= VANISHED_RUNS_MAX);
	/* at least three quarters of what fits are known */
	assert_true(v->horizon <= at[2 * VANISHED_RUNS_MAX - 3 * VANISHED_RUNS_MAX / 4]);
	assert_string_equal(vanished(at[2 * VANISHED_RUNS_MAX - 3]), "2047:2048,");
	assert_string_equal(vanished(at[0]), "1:2048,");
	/* one command with more runs than fit */
	{
		uint32_t uids[VANISHED_RUNS_MAX / 2], n = 0;

		for (uint32_t uid = 2 * VANISHED_RUNS_MAX + 1; uid < 3 * VANISHED_RUNS_MAX;
		     uid += 2)
			uids[n++] = uid;
		assert_int_equal(store_expunge(s, inbox(), uids, n), 0);
	}
	assert_true(v->n <= VANISHED_RUNS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tells, setup, teardown),
		cmocka_unit_test_setup_teardown(test_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_checkpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_said_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_modseq, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
