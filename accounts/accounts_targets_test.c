/* SPDX-License-Identifier: ISC */
/* The service of accounts: who an address stands for, and who may send as whom. */
#include "accounts/test_service.h"

/* ---- requests ---------------------------------------------------------------------------------
 */

static enum ipc_result
allowed(const char *recipient, const char *from)
{
	ipc_send_sender_allowed(lookup, 78,
	    &(struct ipc_sender_allowed){ .recipient = str_of(recipient), .sender = str_of(from) });
	wait_reply();
	assert_int_equal(got.type, IPC_sender_allowed_is);
	assert_int_equal(got.id, 78);
	return got.result;
}

static void
test_lists(void **state)
{
	(void)state;
	assert_int_equal(command(CMD_domain_add, "Second.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_user_add, "bob@second.test", NULL, "long enough"), IPC_OK);
	assert_int_equal(
	    command(CMD_alias_add, "info@example.test", "bob@second.test", NULL), IPC_OK);
	assert_int_equal(command(CMD_domain_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "example.test|0|\nsecond.test|1|\n");
	assert_int_equal(command(CMD_alias_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "info@example.test|bob@second.test|\n");
	assert_int_equal(command(CMD_domain_remove, "second.test", NULL, NULL), IPC_DENIED);
	assert_non_null(strstr(got.text, "@"));
	assert_int_equal(command(CMD_accounts_export, NULL, NULL, NULL), IPC_OK);
	assert_non_null(strstr(got.rows, "752f3030303030303031|"));
	assert_int_equal(command(CMD_alias_remove, "info@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_user_remove, "bob@second.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_domain_remove, "second.test", NULL, NULL), IPC_OK);
}

static enum ipc_result
sender(uint32_t account, const char *address)
{
	ipc_send_sender_check(queue, 55,
	    &(struct ipc_sender_check){ .account = account, .address = str_of(address) });
	wait_reply();
	assert_int_equal(got.type, IPC_sender_is);
	assert_int_equal(got.id, 55);
	return got.result;
}

static void
two_users(void)
{
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "long enough"), IPC_OK);
	assert_int_equal(command(CMD_user_add, "b@example.test", NULL, "long enough"), IPC_OK);
	connect_peer(IPC_CH_accounts_queue, &queue);
}

static void
test_targets(void **state)
{
	(void)state;
	two_users();
	expand("a@example.test");
	assert_int_equal(got.result, IPC_OK);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.account, 1);
	assert_string_equal(got.text, "");
	assert_false(got.list);
	assert_int_equal(told.key_n, STORE_SECRET);
	assert_memory_equal(told.key, store_forward_key(store).p, STORE_SECRET);
	expand("nobody@example.test");
	assert_int_equal(got.result, IPC_NO);
	expand("a@other.test");
	assert_int_equal(got.result, IPC_NOT_LOCAL);
	expand("");
	assert_int_equal(got.result, IPC_INVALID);
}

static void
test_forwards(void **state)
{
	(void)state;
	two_users();
	told.changed = 0;
	assert_int_equal(command(CMD_forward_add, "a@example.test", "x@other.test", NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.changed, 1); /* came before the answer behind it */
	assert_string_equal(got.text, "x@other.test|");
	assert_int_equal(got.n, 1);
	assert_false(got.list);
	assert_int_equal(look_up("a@example.test"), IPC_OK);
	assert_true(got.elsewhere);
	assert_int_equal(got.n, 1);
	assert_int_equal(look_up("b@example.test"), IPC_OK);
	assert_false(got.elsewhere);
	assert_int_equal(command(CMD_forward_keep, "a@example.test", "maybe", NULL), IPC_INVALID);
	assert_int_equal(command(CMD_forward_keep, "a@example.test", "no", NULL), IPC_OK);
	assert_int_equal(command(CMD_forward_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "a@example.test|no|x@other.test|\n");
	expand("a@example.test");
	assert_int_equal(got.n, 0);
	assert_string_equal(got.text, "x@other.test|");
	assert_int_equal(command(CMD_alias_add, "one@example.test", "y@other.test", NULL), IPC_OK);
	expand("one@example.test");
	assert_false(got.list);
}

/* Which one stands in the way is said. */
static void
test_targets_that_are_needed(void **state)
{
	(void)state;
	two_users();
	assert_int_equal(command(CMD_forward_add, "a@example.test", "x@other.test", NULL), IPC_OK);
	assert_int_equal(command(CMD_alias_add, "one@example.test", "y@other.test", NULL), IPC_OK);
	assert_int_equal(
	    command(CMD_forward_add, "b@example.test", "a@example.test", NULL), IPC_OK);
	assert_int_equal(
	    command(CMD_forward_add, "a@example.test", "b@example.test", NULL), IPC_INVALID);
	assert_non_null(strstr(got.text, "the forward of "));
	assert_non_null(strstr(got.text, "@example.test leads in a circle"));
	assert_int_equal(
	    command(CMD_alias_add, "two@example.test", "one@example.test", NULL), IPC_OK);
	assert_int_equal(command(CMD_alias_remove, "one@example.test", NULL, NULL), IPC_DENIED);
	assert_string_equal(
	    got.text, "the alias two@example.test has it as a target; remove that first");
	assert_int_equal(command(CMD_user_remove, "a@example.test", NULL, NULL), IPC_DENIED);
	assert_string_equal(
	    got.text, "the forward of b@example.test points to it; remove that first");
	assert_int_equal(command(CMD_forward_remove, "b@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_forward_remove, "a@example.test", NULL, NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(got.n, 1);
}

static void
test_lists_as_senders(void **state)
{
	(void)state;
	two_users();
	assert_int_equal(
	    store_alias_add(store, STR("list@example.test"),
		str_from("a@example.test\0b@example.test", 30), &(struct buf){ .max = 100 }),
	    IPC_OK);
	expand("list@example.test");
	assert_int_equal(got.n, 2);
	assert_true(got.list);
	assert_int_equal(sender(1, "list@example.test"), IPC_DENIED);
	assert_int_equal(
	    command(CMD_send_as_add, "a@example.test", "list@example.test", NULL), IPC_OK);
	assert_int_equal(sender(1, "list@example.test"), IPC_OK);
	assert_int_equal(sender(2, "list@example.test"), IPC_DENIED);
	assert_int_equal(command(CMD_send_as_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "a@example.test|list@example.test|\n");
	assert_int_equal(
	    command(CMD_send_as_remove, "a@example.test", "list@example.test", NULL), IPC_OK);
	assert_int_equal(sender(1, "list@example.test"), IPC_DENIED);
	assert_int_equal(sender(1, ""), IPC_INVALID);
	assert_int_equal(sender(9, "a@example.test"), IPC_DENIED);
}

/* What smtpd asks when a blocklist names the client: the answer changes with the command. */
static void
test_allowed(void **state)
{
	(void)state;
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "password 1"), IPC_OK);
	assert_int_equal(command(CMD_user_add, "b@example.test", NULL, "password 1"), IPC_OK);
	assert_int_equal(allowed("a@example.test", "s@far.test"), IPC_NO);
	assert_int_equal(command(CMD_user_allow, "a@example.test", "s@FAR.test", NULL), IPC_OK);
	assert_int_equal(allowed("a@example.test", "s@far.test"), IPC_OK);
	assert_int_equal(allowed("b@example.test", "s@far.test"), IPC_NO);
	assert_int_equal(allowed("", ""), IPC_NO);
	assert_int_equal(command(CMD_user_allow, "b@example.test", "t@far.test", NULL), IPC_OK);
	assert_int_equal(command(CMD_user_allowed, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "a@example.test|s@far.test|\nb@example.test|t@far.test|\n");
	assert_int_equal(command(CMD_user_allowed, "b@example.test", NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "b@example.test|t@far.test|\n");
	assert_int_equal(command(CMD_user_allowed, "c@example.test", NULL, NULL), IPC_NO);
	assert_int_equal(command(CMD_user_allow, "a@example.test", "far.test", NULL), IPC_INVALID);
	assert_int_equal(command(CMD_user_disallow, "a@example.test", "s@far.test", NULL), IPC_OK);
	assert_int_equal(allowed("a@example.test", "s@far.test"), IPC_NO);
	assert_int_equal(command(CMD_user_disallow, "a@example.test", "s@far.test", NULL), IPC_NO);
}

/* What comes back to a rewritten reverse-path goes to the first sender, here or elsewhere. */
static void
test_rewritten(void **state)
{
	static const struct {
		int days; /* since it was made */
		const char *sender;
		enum ipc_result want;
		unsigned n;
		const char *remote;
	} cases[] = {
		{ 0, "Some.One@other.test", IPC_OK, 0, "Some.One@other.test|" },
		{ SRS_AGE_DAYS, "x@other.test", IPC_OK, 0, "x@other.test|" },
		{ SRS_AGE_DAYS + 1, "x@other.test", IPC_NO, 0, "" },
		{ 0, "a@example.test", IPC_OK, 1, "" },
		{ 0, "nobody@example.test", IPC_NO, 0, "" },
	};
	const uint8_t *key = (const uint8_t *)store_forward_key(store).p;
	uint32_t today = srs_day((uint64_t)time(NULL) * 1000);
	char address[ADDRESS_TEXT_SIZE], *tag;

	(void)state;
	connect_peer(IPC_CH_accounts_queue, &queue);
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(srs_make(key, today - (uint32_t)cases[i].days, str_of(cases[i].sender),
				STR("example.test"), address) > 0);
		expand(address);
		if (got.result != cases[i].want || got.n != cases[i].n ||
		    strcmp(got.text, cases[i].remote) != 0)
			fail_msg("case %zu: got %d %u %s", i, got.result, got.n, got.text);
		assert_false(got.list);
		assert_int_equal(look_up(address), cases[i].want);
		assert_int_equal(got.elsewhere, cases[i].remote[0] != 0);
		assert_int_equal(sender(1, address), IPC_DENIED);
	}
	/* forged, and of a domain that is not ours */
	assert_true(srs_make(key, today, STR("x@other.test"), STR("example.test"), address) > 0);
	tag = address + strlen("SRS0=");
	*tag = *tag == 'A' ? 'B' : 'A';
	expand(address);
	assert_int_equal(got.result, IPC_NO);
	assert_true(srs_make(key, today, STR("x@other.test"), STR("foreign.test"), address) > 0);
	expand(address);
	assert_int_equal(got.result, IPC_NOT_LOCAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets_that_are_needed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_as_senders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rewritten, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
