/* SPDX-License-Identifier: ISC */
/* The store of accounts: aliases, forwards, addresses elsewhere, their limits. */
#include "accounts/test_store.h"

static void
test_aliases(void **state)
{
	(void)state;
	(void)add_user("alice@example.test");
	(void)add_user("bob@example.test");
	assert_int_equal(
	    alias("team@example.test", "alice@example.test", "BOB@example.test"), IPC_OK);
	assert_string_equal(resolve("Team+x@example.test"), "1,2");
	assert_int_equal(
	    alias("all@example.test", "team@example.test", "alice@example.test"), IPC_OK);
	assert_string_equal(resolve("all@example.test"), "1,2");
	/* detail of its own */
	assert_int_equal(alias("all+urgent@example.test", "bob@example.test", NULL), IPC_OK);
	assert_string_equal(resolve("all+urgent@example.test"), "2");
	assert_string_equal(resolve("all+other@example.test"), "1,2");

	assert_int_equal(alias("x@example.test", "nobody@example.test", NULL), IPC_NO);
	assert_int_equal(alias("x@other.test", "alice@example.test", NULL), IPC_NOT_LOCAL);
	assert_int_equal(alias("alice@example.test", "bob@example.test", NULL), IPC_EXISTS);
	assert_int_equal(alias("team@example.test", "all@example.test", NULL), IPC_INVALID);
	assert_int_equal(alias("team@example.test", "team@example.test", NULL), IPC_INVALID);
	assert_int_equal(store_alias_add(store, STR("x@example.test"), STR(""), &say), IPC_INVALID);
	assert_string_equal(resolve("team@example.test"), "1,2");

	/* the roles: an alias wins over the first account, and may not lead in a circle */
	assert_int_equal(alias("abuse@example.test", "bob@example.test", NULL), IPC_OK);
	assert_string_equal(resolve("abuse@example.test"), "2");
	assert_int_equal(alias("help@example.test", "postmaster@example.test", NULL), IPC_OK);
	assert_int_equal(alias("postmaster@example.test", "help@example.test", NULL), IPC_INVALID);
	assert_int_equal(alias("postmaster@example.test", "bob@example.test", NULL), IPC_OK);
	assert_string_equal(resolve("postmaster"), "2");
	assert_string_equal(resolve("help@example.test"), "2");

	/* replaced, removed */
	assert_int_equal(alias("team@example.test", "bob@example.test", NULL), IPC_OK);
	assert_string_equal(resolve("team@example.test"), "2");
	assert_int_equal(store_alias_remove(store, STR("team@example.test"), &say), IPC_DENIED);
	assert_int_equal(store_alias_remove(store, STR("all@example.test"), &say), IPC_OK);
	assert_int_equal(store_alias_remove(store, STR("team@example.test"), &say), IPC_OK);
	assert_int_equal(store_alias_remove(store, STR("team@example.test"), &say), IPC_NO);
	assert_string_equal(resolve("team@example.test"), NO);
	reopen();
	assert_string_equal(resolve("all+urgent@example.test"), "2");
	assert_string_equal(resolve("team@example.test"), NO);
}

/* Targets on other servers, and what users have sent on. */
static void
test_elsewhere(void **state)
{
	(void)state;
	(void)add_user("alice@example.test");
	(void)add_user("bob@example.test");
	assert_int_equal(alias("out@example.test", "Carol@Other.Test", NULL), IPC_OK);
	assert_string_equal(resolve("out@example.test"), " Carol@other.test");
	assert_int_equal(alias("both@example.test", "alice@example.test", "c@other.test"), IPC_OK);
	assert_string_equal(resolve("both@example.test"), "1 c@other.test");
	/* the same one by two ways is one */
	assert_int_equal(alias("all@example.test", "both@example.test", "c@OTHER.test"), IPC_OK);
	assert_string_equal(resolve("all@example.test"), "1 c@other.test");
	assert_int_equal(alias("x@example.test", "a@[192.0.2.1]", NULL), IPC_INVALID);
	assert_int_equal(alias("x@example.test", "no address", NULL), IPC_INVALID);
	/* a domain that becomes ours must have what is sent there */
	assert_int_equal(store_domain_add(store, STR("other.test"), &say), IPC_INVALID);
	assert_string_equal(resolve("out@example.test"), " Carol@other.test");
	reopen();
	assert_string_equal(resolve("all@example.test"), "1 c@other.test");
}

static void
test_forwards(void **state)
{
	uint32_t id;

	(void)state;
	(void)add_user("alice@example.test");
	(void)add_user("bob@example.test");
	assert_int_equal(store_forward_keep(store, STR("alice@example.test"), false, &say), IPC_NO);
	assert_int_equal(forward("nobody@example.test", "a@other.test"), IPC_NO);
	assert_int_equal(forward("alice@example.test", "A@other.test"), IPC_OK);
	assert_string_equal(resolve("alice+x@example.test"), "1 A@other.test");
	assert_int_equal(store_forward_keep(store, STR("alice@example.test"), false, &say), IPC_OK);
	assert_string_equal(resolve("alice@example.test"), " A@other.test");
	assert_int_equal(forward("alice@example.test", "bob@example.test"), IPC_OK);
	assert_string_equal(resolve("alice@example.test"), "2 A@other.test");
	reopen();
	assert_string_equal(resolve("alice@example.test"), "2 A@other.test");

	/* circles: to oneself, of two, through an alias, past one who is locked */
	assert_int_equal(forward("bob@example.test", "bob+x@example.test"), IPC_INVALID);
	assert_int_equal(forward("bob@example.test", "alice@example.test"), IPC_INVALID);
	assert_int_equal(alias("a@example.test", "alice@example.test", NULL), IPC_OK);
	assert_int_equal(forward("bob@example.test", "a@example.test"), IPC_INVALID);
	assert_int_equal(
	    store_user_state(store, STR("alice@example.test"), ACCOUNT_SUSPENDED, &id, &say),
	    IPC_OK);
	assert_int_equal(forward("bob@example.test", "alice@example.test"), IPC_INVALID);
	assert_string_equal(resolve("bob@example.test"), "2");
	/* who is locked sends nothing on */
	assert_string_equal(resolve("alice@example.test"), SUSPENDED);
	assert_int_equal(
	    store_user_state(store, STR("alice@example.test"), ACCOUNT_ACTIVE, &id, &say), IPC_OK);

	/* what is pointed to stays */
	assert_int_equal(store_user_remove(store, STR("bob@example.test"), &id, &say), IPC_DENIED);
	assert_int_equal(forward("bob@example.test", "x@third.test"), IPC_OK);
	assert_int_equal(alias("b@example.test", "bob@example.test", NULL), IPC_OK);
	assert_string_equal(resolve("b@example.test"), "2 x@third.test");
	assert_int_equal(store_domain_add(store, STR("third.test"), &say), IPC_INVALID);

	assert_int_equal(
	    store_forward_remove(store, STR("alice@example.test"), STR("nobody@other.test"), &say),
	    IPC_NO);
	assert_int_equal(
	    store_forward_remove(store, STR("alice@example.test"), STR("a@other.test"), &say),
	    IPC_OK);
	assert_string_equal(resolve("alice@example.test"), "2 x@third.test");
	assert_int_equal(
	    store_forward_remove(store, STR("alice@example.test"), STR(""), &say), IPC_OK);
	assert_string_equal(resolve("alice@example.test"), "1");
	assert_int_equal(
	    store_forward_remove(store, STR("alice@example.test"), STR(""), &say), IPC_NO);
	/* kept again the next time */
	assert_int_equal(forward("alice@example.test", "c@other.test"), IPC_OK);
	assert_string_equal(resolve("alice@example.test"), "1 c@other.test");
	/* with the account its forward goes */
	assert_int_equal(store_alias_remove(store, STR("a@example.test"), &say), IPC_OK);
	assert_int_equal(store_user_remove(store, STR("alice@example.test"), &id, &say), IPC_OK);
	reopen();
	assert_int_equal(add_user("alice@example.test"), 3);
	assert_string_equal(resolve("alice@example.test"), "3");
}

/* T222: rows that no command of ours lets in: ten levels of ten, each naming all of the next. */
static void
test_bomb(void **state)
{
	struct directory *d = directory_new(STR("example.test"));
	struct directory_fault fault;
	struct timespec a, b;
	struct resolved r;
	struct buf row;
	char key[64];

	(void)state;
	assert_int_equal(
	    directory_apply(d, STR("d/example.test"), str_from("\0\0\0\0\0\0\0\0", 8)), 0);
	buf_init(&row, 4096);
	for (int level = 0; level < 10; level++)
		for (int i = 0; i < 10; i++) {
			buf_clear(&row);
			for (int k = 0; k < 10; k++) {
				assert_int_equal(
				    buf_printf(&row, "a%d-%d@example.test", level + 1, k), 0);
				assert_int_equal(buf_putc(&row, 0), 0);
			}
			(void)snprintf(key, sizeof(key), "l/a%d-%d@example.test", level, i);
			assert_int_equal(directory_apply(d, str_of(key),
					     str_from(buf_data(&row), buf_len(&row))),
			    0);
		}
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(directory_resolve(d, STR("a0-0@example.test"), &r), IPC_TEMP);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 500);
	assert_false(directory_sound(d, &fault));
	buf_free(&row);
	directory_free(&d);
}

static void
test_forward_key(void **state)
{
	char before[STORE_SECRET];

	(void)state;
	assert_int_equal(store_forward_key(store).n, STORE_SECRET);
	memcpy(before, store_forward_key(store).p, STORE_SECRET);
	assert_false(sodium_is_zero((const uint8_t *)before, STORE_SECRET));
	reopen();
	assert_memory_equal(before, store_forward_key(store).p, STORE_SECRET);
	store_close(&store);
	assert_int_equal(system("rm -f data.db log.*"), 0);
	reopen();
	assert_memory_not_equal(before, store_forward_key(store).p, STORE_SECRET);
}

static void
test_alias_limits(void **state)
{
	struct buf targets;
	char a[64], b[64];

	(void)state;
	(void)add_user("u0@example.test");
	/* a chain of ten is allowed, eleven not */
	strcpy(a, "u0@example.test");
	for (int i = 1; i <= ALIAS_DEPTH_MAX; i++) {
		(void)snprintf(b, sizeof(b), "chain%d@example.test", i);
		assert_int_equal(alias(b, a, NULL), IPC_OK);
		strcpy(a, b);
	}
	assert_int_equal(alias("chain11@example.test", a, NULL), IPC_INVALID);

	/* a hundred accounts, not one more */
	buf_init(&targets, 65536);
	for (int i = 1; i <= 100; i++) {
		(void)snprintf(a, sizeof(a), "u%d@example.test", i);
		(void)add_user(a);
		assert_int_equal(buf_put(&targets, a, strlen(a) + 1), 0);
	}
	assert_int_equal(store_alias_add(store, STR("list@example.test"),
			     str_from(buf_data(&targets), buf_len(&targets)), &say),
	    IPC_OK);
	assert_int_equal(
	    alias("both@example.test", "list@example.test", "u0@example.test"), IPC_INVALID);
	assert_int_equal(buf_put(&targets, "u0@example.test", 16), 0);
	assert_int_equal(store_alias_add(store, STR("list2@example.test"),
			     str_from(buf_data(&targets), buf_len(&targets)), &say),
	    IPC_INVALID);
	buf_free(&targets);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_aliases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alias_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bomb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forward_key, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
