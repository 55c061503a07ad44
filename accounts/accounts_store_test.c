/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "accounts/import.h"
#include "accounts/store.h"

static char dir[64];
static struct store *store;
static struct buf say;

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/postern-accounts-XXXXXX");
	buf_init(&say, 4096);
	if (sodium_init() < 0 || mkdtemp(dir) == NULL || chdir(dir) != 0)
		return -1;
	return store_open(STR("example.test"), 1000, &store, &say);
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	store_close(&store);
	buf_free(&say);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return chdir("/") != 0 || system(cmd) != 0 ? -1 : 0;
}

static void
reopen(void)
{
	store_close(&store);
	buf_clear(&say);
	if (store_open(STR("example.test"), 1000, &store, &say) != 0)
		fail_msg("%.*s", (int)buf_len(&say), (const char *)buf_data(&say));
}

static uint32_t
add_user(const char *address)
{
	uint32_t id = 0;

	assert_int_equal(store_user_check(store, str_of(address), &say), IPC_OK);
	assert_int_equal(store_user_number(store, &id, &say), IPC_OK);
	assert_int_equal(store_user_add(store, id, str_of(address), STR("$fake"), &say), IPC_OK);
	return id;
}

/* "1,3" of the accounts, or the result's number with '!' before it. */
static const char *
resolve(const char *address)
{
	static char out[1024];
	struct resolved r;
	enum ipc_result result = directory_resolve(store_directory(store), str_of(address), &r);
	size_t n = 0;

	if (result != IPC_OK) {
		(void)snprintf(out, sizeof(out), "!%d", result);
		return out;
	}
	for (unsigned i = 0; i < r.n; i++)
		n +=
		    (size_t)snprintf(out + n, sizeof(out) - n, "%s%u", i ? "," : "", r.accounts[i]);
	return out;
}

#define NO "!1"
#define NOT_LOCAL "!2"
#define SUSPENDED "!3"
#define TEMP "!4"
#define INVALID "!7"

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

static enum ipc_result
alias(const char *address, const char *t1, const char *t2)
{
	char targets[600];
	size_t n = strlen(t1) + 1;

	strcpy(targets, t1);
	if (t2) {
		strcpy(targets + n, t2);
		n += strlen(t2) + 1;
	}
	return store_alias_add(store, str_of(address), str_from(targets, n), &say);
}

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
	assert_int_equal(alias("x@example.test", "alice@other.test", NULL), IPC_NOT_LOCAL);
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
	assert_int_equal(
	    store_user_verifier(store, STR("alice@example.test"), STR("$new"), &id2, &say), IPC_OK);
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
		"782f78 00\n" };
	uint32_t id;
	uint8_t todo;
	FILE *f;

	(void)state;
	(void)add_user("alice@example.test");
	(void)add_user("bob@example.test");
	assert_int_equal(
	    alias("team@example.test", "alice@example.test", "bob@example.test"), IPC_OK);
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
	assert_string_equal(resolve("team@example.test"), "1,2");
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
	assert_string_equal(resolve("team@example.test"), "1,2");
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
		cmocka_unit_test_setup_teardown(test_aliases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alias_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_export_import, setup, teardown),
		cmocka_unit_test_setup_teardown(test_speed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
