/* SPDX-License-Identifier: ISC */
/* The store of accounts: who may send as whom, and to whom. */
#include "accounts/test_store.h"

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

/* ---- export and import ------------------------------------------------------------------------
 */

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_senders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights_hold_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allowed_bounds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
