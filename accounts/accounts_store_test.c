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
#include "db/db.h"

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
	assert_int_equal(store_user_add(store, id, str_of(address),
			     &(struct store_password){ .verifier = STR("$fake") }, &say),
	    IPC_OK);
	return id;
}

/* "1,3 a@x.test" of accounts and others, or the result's number with '!' before it. */
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
	for (unsigned i = 0; i < r.remotes; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, " %.*s", STRF(r.remote[i]));
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

static enum ipc_result
forward(const char *address, const char *target)
{
	return store_forward_add(
	    store, str_of(address), str_from(target, strlen(target) + 1), &say);
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

static enum ipc_result
may(uint32_t account, const char *address)
{
	const struct directory *d = store_directory(store);

	return directory_may_send(d, directory_by_id(d, account), str_of(address));
}

static void
test_senders(void **state)
{
	static const struct {
		const char *address;
		enum ipc_result alice, bob;
	} cases[] = {
		{ "alice@example.test", IPC_OK, IPC_DENIED },
		{ "Alice+shop@Example.test", IPC_OK, IPC_DENIED },
		{ "bob@example.test", IPC_DENIED, IPC_OK },
		{ "ali@example.test", IPC_OK, IPC_DENIED },
		{ "ali+x@example.test", IPC_OK, IPC_DENIED },
		{ "nick@example.test", IPC_OK, IPC_DENIED },
		{ "team@example.test", IPC_DENIED, IPC_DENIED },
		{ "mixed@example.test", IPC_DENIED, IPC_DENIED },
		{ "locked@example.test", IPC_DENIED, IPC_DENIED },
		{ "elsewhere@example.test", IPC_DENIED, IPC_DENIED },
		{ "sales@example.test", IPC_DENIED, IPC_OK },
		{ "sales+x@example.test", IPC_DENIED, IPC_OK },
		{ "sales+own@example.test", IPC_OK, IPC_DENIED },
		{ "alice+bob@example.test", IPC_OK, IPC_OK },
		{ "postmaster", IPC_OK, IPC_DENIED },
		{ "postmaster@example.test", IPC_OK, IPC_DENIED },
		{ "abuse@example.test", IPC_DENIED, IPC_OK },
		{ "nobody@example.test", IPC_DENIED, IPC_DENIED },
		{ "alice@other.test", IPC_DENIED, IPC_DENIED },
		{ "alice@[127.0.0.1]", IPC_DENIED, IPC_DENIED },
		{ "alice", IPC_INVALID, IPC_INVALID },
		{ "", IPC_INVALID, IPC_INVALID },
		{ "a@b@example.test", IPC_INVALID, IPC_INVALID },
	};
	uint32_t id;

	(void)state;
	(void)add_user("alice@example.test");
	(void)add_user("bob@example.test");
	(void)add_user("carol@example.test");
	assert_int_equal(alias("ali@example.test", "alice@example.test", NULL), IPC_OK);
	assert_int_equal(
	    alias("nick@example.test", "ali@example.test", "alice@example.test"), IPC_OK);
	assert_int_equal(
	    alias("team@example.test", "alice@example.test", "bob@example.test"), IPC_OK);
	assert_int_equal(alias("mixed@example.test", "alice@example.test", "a@other.test"), IPC_OK);
	assert_int_equal(alias("elsewhere@example.test", "a@other.test", NULL), IPC_OK);
	assert_int_equal(
	    alias("locked@example.test", "alice@example.test", "carol@example.test"), IPC_OK);
	assert_int_equal(
	    alias("sales@example.test", "alice@example.test", "bob@example.test"), IPC_OK);
	assert_int_equal(alias("sales+own@example.test", "alice@example.test", NULL), IPC_OK);
	assert_int_equal(alias("abuse@example.test", "bob@example.test", NULL), IPC_OK);
	assert_int_equal(
	    store_user_state(store, STR("carol@example.test"), ACCOUNT_SUSPENDED, &id, &say),
	    IPC_OK);
	/* sending mail on gives nobody a right */
	assert_int_equal(forward("alice@example.test", "bob@example.test"), IPC_OK);

	assert_int_equal(
	    store_send_as_add(store, STR("bob@example.test"), STR("Sales@example.test"), &say),
	    IPC_OK);
	assert_int_equal(
	    store_send_as_add(store, STR("bob@example.test"), STR("sales@example.test"), &say),
	    IPC_EXISTS);
	assert_int_equal(
	    store_send_as_add(store, STR("bob@example.test"), STR("alice+bob@example.test"), &say),
	    IPC_OK);
	assert_int_equal(
	    store_send_as_add(store, STR("bob@example.test"), STR("x@other.test"), &say),
	    IPC_NOT_LOCAL);
	assert_int_equal(
	    store_send_as_add(store, STR("bob@example.test"), STR("nobody@example.test"), &say),
	    IPC_NO);
	reopen();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (may(1, cases[i].address) != cases[i].alice ||
		    may(2, cases[i].address) != cases[i].bob)
			fail_msg("%s: got %d and %d", cases[i].address, may(1, cases[i].address),
			    may(2, cases[i].address));
	assert_int_equal(may(3, "carol@example.test"), IPC_DENIED);

	/* an address somebody may send as is not given to others behind his back */
	assert_int_equal(store_alias_remove(store, STR("sales@example.test"), &say), IPC_DENIED);
	assert_int_equal(
	    store_send_as_remove(store, STR("bob@example.test"), STR("sales@EXAMPLE.test"), &say),
	    IPC_OK);
	assert_int_equal(may(2, "sales@example.test"), IPC_DENIED);
	assert_int_equal(store_alias_remove(store, STR("sales@example.test"), &say), IPC_OK);
	assert_int_equal(
	    store_send_as_remove(store, STR("bob@example.test"), STR("sales@example.test"), &say),
	    IPC_NO);
	assert_int_equal(store_send_as_remove(
			     store, STR("bob@example.test"), STR("alice+bob@example.test"), &say),
	    IPC_OK);
	assert_int_equal(may(2, "alice+bob@example.test"), IPC_DENIED);
}

/* What somebody may send as cannot be removed, nor an account that others send as. */
static void
test_rights_hold_names(void **state)
{
	uint32_t id;

	(void)state;
	(void)add_user("alice@example.test");
	(void)add_user("bob@example.test");
	assert_int_equal(
	    store_send_as_add(store, STR("bob@example.test"), STR("alice+x@example.test"), &say),
	    IPC_OK);
	assert_int_equal(
	    store_user_remove(store, STR("alice@example.test"), &id, &say), IPC_DENIED);
	assert_int_equal(store_user_remove(store, STR("bob@example.test"), &id, &say), IPC_OK);
	assert_int_equal(store_user_remove(store, STR("alice@example.test"), &id, &say), IPC_OK);
	/* an alias with a detail of its own */
	(void)add_user("carol@example.test");
	(void)add_user("dave@example.test");
	assert_int_equal(alias("c+list@example.test", "carol@example.test", NULL), IPC_OK);
	assert_int_equal(
	    store_send_as_add(store, STR("dave@example.test"), STR("c+list@example.test"), &say),
	    IPC_OK);
	assert_int_equal(store_alias_remove(store, STR("c+list@example.test"), &say), IPC_DENIED);
}

/* Rows of a backup that somebody changed: no more keys than there is room for in a message. */
static void
test_keys_bound(void **state)
{
	struct directory *d = directory_new(STR("example.test"));
	struct record_keys k = { .name = STR("x") };
	struct buf account, row;

	(void)state;
	buf_init(&account, 256);
	buf_init(&row, 65536);
	assert_int_equal(
	    record_put_account(&account, &(struct record_account){ .state = ACCOUNT_ACTIVE,
					     .address = STR("a@example.test") }),
	    0);
	assert_int_equal(
	    directory_apply(d, STR("u/00000001"), str_from(buf_data(&account), buf_len(&account))),
	    0);
	for (int i = 1; i <= APP_PASSWORDS_MAX + 1; i++) {
		assert_int_equal(record_put_keys(&row, &k), 0);
		assert_int_equal(
		    directory_apply(d, STR("y/00000001"), str_from(buf_data(&row), buf_len(&row))),
		    i <= APP_PASSWORDS_MAX ? 0 : -1);
	}
	buf_clear(&row);
	k.name = STR("");
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(record_put_keys(&row, &k), 0);
		assert_int_equal(
		    directory_apply(d, STR("y/00000001"), str_from(buf_data(&row), buf_len(&row))),
		    i == 1 ? 0 : -1);
	}
	buf_free(&account);
	buf_free(&row);
	directory_free(&d);
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

static enum ipc_result
allow(const char *account, const char *sender)
{
	uint32_t id;

	return store_allow(store, str_of(account), str_of(sender), &id, &say);
}

static enum ipc_result
disallow(const char *account, const char *sender)
{
	uint32_t id;

	return store_disallow(store, str_of(account), str_of(sender), &id, &say);
}

/* What lifts a blocklist: the exact sender, for whose account the mail is, and for nobody else's. */
static void
test_allowed(void **state)
{
	static const struct {
		const char *recipient, *sender;
		bool want;
	} cases[] = {
		{ "alice@example.test", "Friend@far.test", true },
		{ "ALICE@example.TEST", "Friend@FAR.test", true },
		{ "alice+detail@example.test", "Friend@far.test", true },
		{ "alice@example.test", "friend@far.test", false },
		{ "alice@example.test", "Friend+x@far.test", false },
		{ "alice@example.test", "Friend@sub.far.test", false },
		{ "alice@example.test", "@far.test", false },
		{ "alice@example.test", "", false },
		{ "bob@example.test", "Friend@far.test", false },
		{ "bob@example.test", "both@far.test", true },
		/* an alias: all of them want it */
		{ "ali@example.test", "Friend@far.test", true },
		{ "team@example.test", "Friend@far.test", false },
		{ "team@example.test", "both@far.test", true },
		{ "mixed@example.test", "both@far.test", false },
		{ "elsewhere@example.test", "both@far.test", false },
		/* her own forward is hers to know */
		{ "carol@example.test", "friend@far.test", true },
		{ "nobody@example.test", "both@far.test", false },
		{ "alice@other.test", "both@far.test", false },
		{ "no address", "both@far.test", false },
	};

	(void)state;
	(void)add_user("alice@example.test");
	(void)add_user("bob@example.test");
	(void)add_user("carol@example.test");
	assert_int_equal(alias("ali@example.test", "alice@example.test", NULL), IPC_OK);
	assert_int_equal(
	    alias("team@example.test", "alice@example.test", "bob@example.test"), IPC_OK);
	assert_int_equal(alias("mixed@example.test", "alice@example.test", "a@other.test"), IPC_OK);
	assert_int_equal(alias("elsewhere@example.test", "a@other.test", NULL), IPC_OK);
	assert_int_equal(forward("carol@example.test", "c@other.test"), IPC_OK);
	assert_int_equal(allow("alice@example.test", "Friend@FAR.test"), IPC_OK);
	assert_int_equal(allow("alice@example.test", "both@far.test"), IPC_OK);
	assert_int_equal(allow("bob@example.test", "both@far.test"), IPC_OK);
	assert_int_equal(allow("carol@example.test", "friend@far.test"), IPC_OK);
	reopen();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((directory_allows(store_directory(store), str_of(cases[i].recipient),
			 str_of(cases[i].sender)) == IPC_OK) != cases[i].want)
			fail_msg("%s from %s", cases[i].recipient, cases[i].sender);

	assert_int_equal(allow("alice@example.test", "Friend@far.test"), IPC_EXISTS);
	assert_int_equal(allow("alice@example.test", "far.test"), IPC_INVALID);
	assert_int_equal(allow("alice@example.test", "*@far.test x"), IPC_INVALID);
	assert_int_equal(allow("alice@example.test", ""), IPC_INVALID);
	assert_int_equal(allow("ali@example.test", "a@far.test"), IPC_NO);
	assert_int_equal(disallow("alice@example.test", "friend@far.test"), IPC_NO);
	assert_int_equal(disallow("alice@example.test", "Friend@far.test"), IPC_OK);
	assert_int_equal(directory_allows(store_directory(store), STR("alice@example.test"),
			     STR("Friend@far.test")),
	    IPC_NO);
	assert_int_equal(directory_allows(store_directory(store), STR("alice@example.test"),
			     STR("both@far.test")),
	    IPC_OK);
	assert_int_equal(disallow("bob@example.test", "both@far.test"), IPC_OK);
	assert_null(directory_by_id(store_directory(store), 2)->allowed);
	reopen();
	assert_null(directory_by_id(store_directory(store), 2)->allowed);
}

/* A list has an end, and a new account does not inherit that of an old one. */
static void
test_allowed_bounds(void **state)
{
	char sender[40];
	uint32_t id;

	(void)state;
	(void)add_user("alice@example.test");
	for (int i = 0; i < ALLOWED_MAX; i++) {
		(void)snprintf(sender, sizeof(sender), "s%d@far.test", i);
		assert_int_equal(allow("alice@example.test", sender), IPC_OK);
	}
	assert_int_equal(allow("alice@example.test", "more@far.test"), IPC_FULL);
	assert_int_equal(store_user_remove(store, STR("alice@example.test"), &id, &say), IPC_OK);
	reopen();
	(void)add_user("alice@example.test");
	assert_int_equal(
	    directory_allows(store_directory(store), STR("alice@example.test"), STR("s1@far.test")),
	    IPC_NO);
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
		cmocka_unit_test_setup_teardown(test_aliases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alias_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_senders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights_hold_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bomb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forward_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_export_import, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allowed_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_upgrade, setup, teardown),
		cmocka_unit_test_setup_teardown(test_speed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
