/* SPDX-License-Identifier: ISC */
/* The store of accounts: accounts, domains, options, export and import, upgrades. */
#include "accounts/test_store.h"

static void
test_lookup(void **state)
{
	static const struct {
		const char *address, *want;
	} cases[] = {
		{ "alice@example.test", "1" },
		{ "ALICE@Example.TEST", "1" },
		{ "alice+lists@example.test", "1" },
		{ "alice+@example.test", "1" },
		{ "+alice@example.test", NO },
		{ "\"alice\"@example.test", "1" },
		{ "bob@example.test", "2" },
		{ "carol@example.test", NO },
		{ "alice@other.test", NOT_LOCAL },
		{ "alice@sub.example.test", NOT_LOCAL },
		{ "alice@[127.0.0.1]", NOT_LOCAL },
		{ "postmaster", "1" },
		{ "PostMaster", "1" },
		{ "postmaster@example.test", "1" },
		{ "Abuse+x@example.test", "1" },
		{ "postmaster@other.test", NOT_LOCAL },
		{ "alice", INVALID },
		{ "alice@", INVALID },
		{ "", INVALID },
		{ "../x@example.test", INVALID },
		{ "a/b@example.test", NO },
		{ "%u%n@example.test", NO },
		{ "alice@example.test ", INVALID },
		{ "alice@example.test.", INVALID },
		{ "alice@d@example.test", INVALID },
		{ "\xff@example.test", INVALID },
	};

	(void)state;
	assert_string_equal(resolve("postmaster@example.test"), TEMP);
	assert_int_equal(add_user("Alice@example.test"), 1);
	assert_int_equal(add_user("bob@example.test"), 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(resolve(cases[i].address), cases[i].want) != 0)
			fail_msg("%s: got %s want %s", cases[i].address, resolve(cases[i].address),
			    cases[i].want);
	reopen();
	assert_string_equal(resolve("alice@example.test"), "1");
	assert_string_equal(
	    directory_by_id(store_directory(store), 1)->address, "Alice@example.test");
	assert_string_equal(directory_by_id(store_directory(store), 1)->verifier, "$fake");
}

static void
test_users(void **state)
{
	uint32_t id, id2;
	uint64_t generation;
	uint8_t todo;

	(void)state;
	assert_int_equal(store_user_check(store, STR("a@other.test"), &say), IPC_NOT_LOCAL);
	assert_int_equal(store_user_check(store, STR("a"), &say), IPC_INVALID);
	assert_int_equal(store_user_check(store, STR("a+b@example.test"), &say), IPC_INVALID);
	assert_int_equal(store_user_check(store, STR("a/b@example.test"), &say), IPC_INVALID);
	assert_int_equal(store_user_check(store, STR("\"a b\"@example.test"), &say), IPC_INVALID);
	assert_int_equal(store_user_check(store, STR("a@[127.0.0.1]"), &say), IPC_INVALID);
	id = add_user("alice@example.test");
	assert_int_equal(store_user_check(store, STR("ALICE@example.test"), &say), IPC_EXISTS);
	assert_false(store_todo_next(store, true, 0, &id2, &todo));
	generation = directory_by_id(store_directory(store), id)->generation;
	assert_true(generation > 0);

	/* each change of password or state gives a generation never used before */
	assert_int_equal(store_user_password(store, STR("alice@example.test"),
			     &(struct store_password){ .verifier = STR("$new") }, &id2, &say),
	    IPC_OK);
	assert_int_equal(id2, id);
	assert_true(directory_by_id(store_directory(store), id)->generation > generation);
	generation = directory_by_id(store_directory(store), id)->generation;
	assert_int_equal(
	    store_user_state(store, STR("alice@example.test"), ACCOUNT_SUSPENDED, &id2, &say),
	    IPC_OK);
	assert_true(directory_by_id(store_directory(store), id)->generation > generation);
	assert_string_equal(resolve("alice@example.test"), SUSPENDED);
	reopen();
	assert_string_equal(resolve("alice@example.test"), SUSPENDED);
	(void)add_user("bob@example.test");
	assert_string_equal(resolve("postmaster"), "2"); /* the first that is not locked */
	assert_int_equal(
	    store_user_state(store, STR("alice@example.test"), ACCOUNT_ACTIVE, &id2, &say), IPC_OK);
	assert_string_equal(resolve("postmaster"), "1");
	assert_string_equal(directory_by_id(store_directory(store), id)->verifier, "$new");

	/* removal: refused while an alias needs it; the number never comes again */
	assert_int_equal(alias("x@example.test", "alice+y@example.test", NULL), IPC_OK);
	assert_int_equal(
	    store_user_remove(store, STR("alice@example.test"), &id2, &say), IPC_DENIED);
	assert_int_equal(store_alias_remove(store, STR("x@example.test"), &say), IPC_OK);
	assert_int_equal(store_user_remove(store, STR("alice@example.test"), &id2, &say), IPC_OK);
	assert_int_equal(store_user_remove(store, STR("alice@example.test"), &id2, &say), IPC_NO);
	assert_string_equal(resolve("alice@example.test"), NO);
	reopen();
	assert_true(store_todo_next(store, true, 0, &id2, &todo));
	assert_int_equal(id2, id);
	assert_int_equal(todo, TODO_REMOVE);
	assert_false(store_todo_next(store, false, id2, &id2, &todo));
	store_todo_done(store, id);
	assert_false(store_todo_next(store, true, 0, &id2, &todo));
	assert_int_equal(add_user("alice@example.test"), 3);
}

static void
test_numbers_run_out(void **state)
{
	uint32_t id = 0;

	(void)state;
	store_close(&store);
	assert_int_equal(store_open(STR("example.test"), 3, &store, &say), 0);
	assert_int_equal(store_user_number(store, &id, &say), IPC_OK);
	assert_int_equal(id, 1);
	assert_int_equal(store_user_number(store, &id, &say), IPC_OK);
	assert_int_equal(id, 2);
	assert_int_equal(store_user_number(store, &id, &say), IPC_FULL);
}

static void
test_domains(void **state)
{
	(void)state;
	assert_int_equal(store_domain_add(store, STR("Example.TEST"), &say), IPC_EXISTS);
	assert_int_equal(store_domain_add(store, STR("a..b"), &say), IPC_INVALID);
	assert_int_equal(store_domain_add(store, STR("b\xc3\xbc.test"), &say), IPC_INVALID);
	assert_int_equal(store_domain_add(store, STR("Second.TEST"), &say), IPC_OK);
	(void)add_user("x@second.test");
	assert_string_equal(resolve("postmaster@second.test"), "1");
	assert_int_equal(store_domain_remove(store, STR("second.test"), &say), IPC_DENIED);
	assert_int_equal(store_domain_remove(store, STR("third.test"), &say), IPC_NO);
	assert_int_equal(store_domain_add(store, STR("third.test"), &say), IPC_OK);
	assert_int_equal(alias("a@third.test", "x@second.test", NULL), IPC_OK);
	assert_int_equal(store_domain_remove(store, STR("third.test"), &say), IPC_DENIED);
	assert_int_equal(store_alias_remove(store, STR("a@third.test"), &say), IPC_OK);
	assert_int_equal(store_domain_remove(store, STR("third.test"), &say), IPC_OK);
	assert_string_equal(resolve("a@third.test"), NOT_LOCAL);
	reopen();
	assert_string_equal(resolve("x@second.test"), "1");
	assert_string_equal(resolve("a@third.test"), NOT_LOCAL);
	assert_string_equal(resolve("nobody@example.test"), NO);
}

/* ---- export and import ------------------------------------------------------------------------
 */

static int
export_line(void *arg, struct str key, struct str value)
{
	struct buf b;
	FILE *f = arg;

	buf_init(&b, IMPORT_LINE_MAX);
	assert_int_equal(import_put_hex(&b, key), 0);
	assert_int_equal(buf_putc(&b, ' '), 0);
	assert_int_equal(import_put_hex(&b, value), 0);
	assert_int_equal(buf_putc(&b, '\n'), 0);
	assert_int_equal(fwrite(buf_data(&b), buf_len(&b), 1, f), 1);
	buf_free(&b);
	return 0;
}

static void
test_export_import(void **state)
{
	static const char *const bad[] = { "zz 00\n", "642f 0\n", "642f2e 00\n", "6d2f6e657874\n",
		"782f78 00\n", /* a forward of nobody, one without targets, a right without end */
		"772f3030303030303039 01614062\n", "772f3030303030303031 01\n",
		/* keys: too short, of nobody */
		"792f3030303030303031 00\n", "792f3030303030303039 00\n",
		"782f3030303030303031 6140622e74657374\n" };
	uint8_t salt[SCRAM_SALT], again[SCRAM_SALT];
	char key[STORE_SECRET];
	const struct account *a;
	struct record_keys row;
	struct scram_keys keys;
	size_t it = 0;
	uint32_t id;
	uint8_t todo;
	FILE *f;

	(void)state;
	(void)add_user("alice@example.test");
	(void)add_user("bob@example.test");
	assert_int_equal(
	    alias("team@example.test", "alice@example.test", "bob@example.test"), IPC_OK);
	assert_int_equal(forward("alice@example.test", "a@other.test"), IPC_OK);
	assert_int_equal(
	    store_send_as_add(store, STR("bob@example.test"), STR("team@example.test"), &say),
	    IPC_OK);
	memset(&keys, 7, sizeof(keys));
	assert_int_equal(
	    store_app_add(store, STR("alice@example.test"), STR("phone"), &keys, &id, &say),
	    IPC_OK);
	memcpy(key, store_forward_key(store).p, STORE_SECRET);
	store_salt(store, STR("alice@example.test"), salt);
	f = fopen("saved", "w");
	assert_non_null(f);
	assert_int_equal(store_rows(store, 0, export_line, f), 0);
	assert_int_equal(fclose(f), 0);

	/* not over what is there */
	assert_int_equal(link("saved", "import"), 0);
	store_close(&store);
	assert_int_equal(store_open(STR("example.test"), 1000, &store, &say), -1);
	assert_int_equal(system("rm -f data.db log.*"), 0);
	reopen();
	assert_int_equal(access("import", F_OK), -1);
	assert_string_equal(resolve("team@example.test"), "1,2 a@other.test");
	assert_int_equal(may(2, "team@example.test"), IPC_OK);
	assert_memory_equal(key, store_forward_key(store).p, STORE_SECRET);
	store_salt(store, STR("alice@example.test"), again);
	assert_memory_equal(salt, again, sizeof(salt));
	a = directory_by_id(store_directory(store), 1);
	assert_int_equal(record_keys_next(str_from(a->keys, a->keys_n), &it, &row), 1);
	assert_true(str_eq(row.name, STR("phone")));
	assert_memory_equal(&row.keys, &keys, sizeof(keys));
	assert_string_equal(directory_by_id(store_directory(store), 1)->verifier, "$fake");
	assert_true(store_todo_next(store, true, 0, &id, &todo));
	assert_int_equal(id, 1);
	assert_int_equal(todo, TODO_CREATE);
	assert_int_equal(add_user("carol@example.test"), 3);
	reopen();
	assert_string_equal(resolve("carol@example.test"), "3");

	/* malformed: nothing is taken over, a good file then works */
	store_close(&store);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(system("rm -f data.db log.*; cp saved import"), 0);
		f = fopen("import", "a");
		assert_non_null(f);
		assert_true(fputs(bad[i], f) >= 0);
		assert_int_equal(fclose(f), 0);
		if (store_open(STR("example.test"), 1000, &store, &say) != -1)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(system("cp saved import"), 0);
	reopen();
	assert_string_equal(resolve("team@example.test"), "1,2 a@other.test");
}

/* Settings of an account are there after a start and gone with it. */
static void
test_options(void **state)
{
	const struct account *a;
	struct record_options o;
	uint32_t id;

	(void)state;
	(void)add_user("alice@example.test");
	assert_int_equal(
	    store_quota(store, STR("alice@example.test"), 1 << 20, UINT64_MAX, &say), IPC_OK);
	assert_int_equal(
	    store_hide(store, STR("alice@example.test"), STR("SORT IDLE"), &say), IPC_OK);
	assert_int_equal(store_quota(store, STR("bob@example.test"), 1, 1, &say), IPC_NO);
	reopen();
	a = directory_by_name(store_directory(store), STR("alice@example.test"));
	assert_non_null(a);
	assert_true(a->quota_bytes == 1 << 20 && a->quota_messages == UINT64_MAX);
	assert_string_equal(a->hidden, "SORT IDLE");
	assert_int_equal(store_user_remove(store, STR("alice@example.test"), &id, &say), IPC_OK);
	reopen();
	assert_null(directory_by_id(store_directory(store), id));
	assert_int_equal(record_get_options(STR("0123456789abcde"), &o), -1);
	assert_int_equal(record_get_options(STR("0123456789abcdef"), &o), 0);
	assert_int_equal(record_get_options(STR("0123456789abcdefSO\0RT"), &o), -1);
}

/* A store of the version before becomes one of this version; then the older program refuses it. */
static void
test_upgrade(void **state)
{
	const struct account *a;
	struct db *db;
	struct db_txn *txn;

	(void)state;
	(void)add_user("alice@example.test");
	store_close(&store);
	assert_int_equal(db_open(ACCOUNTS_FORMAT, &db, &say), 0);
	assert_int_equal(db_begin(db, true, &txn), 0);
	assert_int_equal(db_set_format(txn, 1), 0);
	assert_int_equal(db_del(txn, STR("m/login-key")), 0);
	assert_int_equal(db_del(txn, STR("m/forward-key")), 0);
	assert_int_equal(
	    db_put(txn, STR("|/00000001"), STR("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2")), 0);
	assert_int_equal(db_commit(&txn), 0);
	db_close(&db);
	reopen();
	assert_string_equal(resolve("alice@example.test"), "1");
	a = directory_by_id(store_directory(store), 1);
	assert_true(a->noted && a->holds.bytes == 1 && a->holds.messages == 2);
	assert_true(a->holds.since == 0);
	assert_false(sodium_is_zero((const uint8_t *)store_forward_key(store).p, STORE_SECRET));
	store_close(&store);
	assert_int_equal(db_open(1, &db, &say), DBE_NEWER);
	assert_int_equal(db_open(ACCOUNTS_FORMAT, &db, &say), 0);
	assert_int_equal(db_format(db), ACCOUNTS_FORMAT);
	/* a secret that is not one stops the start, it is not made anew */
	assert_int_equal(db_begin(db, true, &txn), 0);
	assert_int_equal(db_put(txn, STR("m/login-key"), STR("short")), 0);
	assert_int_equal(db_commit(&txn), 0);
	db_close(&db);
	assert_int_equal(store_open(STR("example.test"), 1000, &store, &say), -1);
}

static void
test_speed(void **state)
{
	struct timespec a, b;
	struct resolved r;
	double us;

	(void)state;
	(void)add_user("alice@example.test");
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(
		    directory_resolve(store_directory(store), STR("alice+detail@example.test"), &r),
		    IPC_OK);
	clock_gettime(CLOCK_MONOTONIC, &b);
	us = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 20000 / 1e3;
	print_message("a look-up with detail takes %.2f microseconds\n", us);
	assert_true(us < 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lookup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_export_import, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_upgrade, setup, teardown),
		cmocka_unit_test_setup_teardown(test_speed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
