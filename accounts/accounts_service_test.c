/* SPDX-License-Identifier: ISC */
/* The service of accounts: accounts from beginning to end, doors, peers that go or break the rules. */
#include "accounts/test_service.h"

/* ---- requests ---------------------------------------------------------------------------------
 */

static enum ipc_result
hide(const char *one, const char *other)
{
	enum ipc_result r;

	third = other;
	r = command(CMD_user_hide, "alice@example.test", one, NULL);
	third = NULL;
	return r;
}

/* Of account 1. */
static void
check_limits(uint64_t bytes, uint64_t messages)
{
	const struct account *a = directory_by_id(store_directory(store), 1);

	assert_true(a->quota_bytes == bytes && a->quota_messages == messages);
}

/* Hidden capabilities go along with each login of account 1, its limits to its mailbox. */
static void
check_options(uint64_t generation)
{
	login_open(1, generation);
	close(got.fd);
	assert_true(got.hidden[0] == 0);
	assert_int_equal(quota("3G", "none"), IPC_OK);
	assert_int_equal(hide("condstore", "UTF8=accept"), IPC_OK);
	login_open(1, generation);
	close(got.fd);
	check_limits((uint64_t)3 << 30, UINT64_MAX);
	assert_string_equal(got.hidden, "CONDSTORE UTF8=ACCEPT");
	assert_int_equal(command(CMD_user_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(
	    got.rows, "alice@example.test|1|active|3221225472|none|CONDSTORE UTF8=ACCEPT|\n");
	/* what is refused changes nothing */
	assert_int_equal(quota("0", "none"), IPC_INVALID);
	assert_int_equal(quota("1G", "1k"), IPC_INVALID);
	assert_int_equal(quota("-1", "1"), IPC_INVALID);
	assert_int_equal(quota("G", "1"), IPC_INVALID);
	assert_int_equal(quota("9000000T", "1"), IPC_INVALID);
	assert_int_equal(hide("SORT", "FOO"), IPC_INVALID);
	assert_string_equal(got.text, "FOO is no capability of IMAP here");
	assert_int_equal(command(CMD_user_hide, "nobody@example.test", "none", NULL), IPC_NO);
	/* one does not touch the other */
	assert_int_equal(quota("default", "7"), IPC_OK);
	login_open(1, generation);
	close(got.fd);
	check_limits(0, 7);
	assert_string_equal(got.hidden, "CONDSTORE UTF8=ACCEPT");
	assert_int_equal(hide("none", NULL), IPC_OK);
	assert_int_equal(quota("default", "default"), IPC_OK);
	login_open(1, generation);
	close(got.fd);
	check_limits(0, 0);
	assert_true(got.hidden[0] == 0);
}

static void
test_user_life(void **state)
{
	uint64_t generation;

	(void)state;
	assert_int_equal(
	    command(CMD_user_add, "alice@example.test", NULL, "correct horse"), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_CREATE);
	assert_int_equal(asked[0].account, 1);
	assert_int_equal(look_up("Alice+x@example.test"), IPC_OK);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.account, 1);
	assert_int_equal(look_up("bob@example.test"), IPC_NO);
	assert_int_equal(look_up("bob@other.test"), IPC_NOT_LOCAL);
	assert_int_equal(look_up("postmaster"), IPC_OK);

	assert_int_equal(verifier("ALICE@example.test"), IPC_OK);
	assert_int_equal(got.account, 1);
	assert_int_equal(strncmp(got.text, "$argon2id$v=19$m=8192,t=1,p=1$", 30), 0);
	assert_int_equal(crypto_pwhash_str_verify(got.text, "correct horse", 13), 0);
	generation = got.generation;
	assert_int_equal(verifier("alice+x@example.test"), IPC_NO);
	assert_int_equal(verifier("alice"), IPC_NO);
	assert_int_equal(verifier("postmaster"), IPC_NO);
	assert_int_equal(verifier(""), IPC_NO);

	login_open(1, generation);
	assert_int_equal(got.type, IPC_login_opened);
	assert_true(got.fd >= 0);
	close(got.fd);
	login_open(1, generation + 1);
	assert_int_equal(got.type, IPC_login_refused);
	login_open(2, generation);
	assert_int_equal(got.type, IPC_login_refused);

	check_options(generation);

	/* a new password ends the sessions and what was proven before */
	asked_n = 0;
	assert_int_equal(
	    command(CMD_user_passwd, "alice@example.test", NULL, "battery staple"), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_KICK);
	login_open(1, generation);
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(got.result, IPC_NO);
	assert_int_equal(verifier("alice@example.test"), IPC_OK);
	generation = got.generation;

	asked_n = 0;
	changed = 0;
	assert_int_equal(command(CMD_user_suspend, "alice@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_KICK);
	assert_int_equal(verifier("alice@example.test"), IPC_SUSPENDED);
	assert_int_equal(got.text[0], 0);
	assert_int_equal(look_up("alice@example.test"), IPC_SUSPENDED);
	assert_true(changed > 0); /* came before the answer to the look-up behind it */
	login_open(1, generation);
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(command(CMD_user_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "alice@example.test|1|suspended|default|default||\n");
	assert_int_equal(command(CMD_user_resume, "alice@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(verifier("alice@example.test"), IPC_OK);

	/* master has trouble with the mailbox: for now, not for ever */
	master_result = IPC_NO;
	login_open(1, got.generation);
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(got.result, IPC_TEMP);
	master_result = IPC_OK;

	asked_n = 0;
	assert_int_equal(command(CMD_user_remove, "alice@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_REMOVE);
	assert_int_equal(verifier("alice@example.test"), IPC_NO);
	assert_int_equal(service_pending(service), 0);
}

static void
test_refusals(void **state)
{
	char longest[PASSWORD_MAX + 1];

	(void)state;
	memset(longest, 'x', PASSWORD_MAX);
	longest[PASSWORD_MAX] = 0;
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "short"), IPC_INVALID);
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, NULL), IPC_INVALID);
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "tab\tinside"), IPC_INVALID);
	assert_int_equal(
	    command(CMD_user_add, "a@example.test", NULL, "\xff\xff\xff\xff\xff\xff\xff\xff"),
	    IPC_INVALID);
	assert_int_equal(command(CMD_user_add, "a@other.test", NULL, "long enough"), IPC_NOT_LOCAL);
	assert_int_equal(command(CMD_user_passwd, "a@example.test", NULL, "long enough"), IPC_NO);
	assert_int_equal(command(CMD_user_suspend, "a@example.test", NULL, NULL), IPC_NO);
	assert_int_equal(asked_n, 0);
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, longest), IPC_OK);
	assert_int_equal(command(CMD_user_add, "A@example.test", NULL, longest), IPC_EXISTS);
	assert_true(got.text[0] != 0);
	/* not for accounts, no such verb, wrong number of arguments */
	assert_int_equal(command(CMD_queue_list, NULL, NULL, NULL), IPC_INVALID);
	assert_int_equal(command((enum command_id)9999, NULL, NULL, NULL), IPC_INVALID);
	assert_int_equal(command(CMD_domain_add, NULL, NULL, NULL), IPC_INVALID);
	assert_int_equal(command(CMD_domain_add, "a.test", "b.test", NULL), IPC_INVALID);
}

static void
submission(uint32_t account, uint64_t generation)
{
	got.fd = -1;
	ipc_send_login_open(auth, 98,
	    &(struct ipc_login_open){
		.account = account, .submission = 1, .generation = generation });
	wait_reply();
}

/* Both ends of a door: one with queue, one with auth; and its end. */
static void
test_doors(void **state)
{
	uint64_t generation;
	char byte = 0;

	(void)state;
	assert_int_equal(command(CMD_user_add, "A@example.test", NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier("a@example.test"), IPC_OK);
	generation = got.generation;
	submission(1, generation); /* queue is away */
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(got.result, IPC_TEMP);
	connect_peer(IPC_CH_accounts_queue, &queue);
	asked_n = 0;
	submission(1, generation);
	assert_int_equal(got.type, IPC_login_opened);
	assert_int_equal(asked_n, 0); /* no mailbox is started for it */
	expand("a@example.test");
	assert_int_equal(told.account, 1);
	assert_string_equal(told.login, "A@example.test");
	assert_int_equal(write(got.fd, "x", 1), 1);
	assert_int_equal(read(told.fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(got.fd);
	close(told.fd);
	submission(1, generation + 1);
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(got.result, IPC_NO);

	assert_int_equal(command(CMD_user_passwd, "a@example.test", NULL, "still longer"), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.kicked, 1);
	told.kicked = 0;
	assert_int_equal(command(CMD_user_suspend, "a@example.test", NULL, NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.kicked, 1);
	told.kicked = 0;
	assert_int_equal(command(CMD_user_resume, "a@example.test", NULL, NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.kicked, 0);
	/* while the channel is away: told when it is there again, once */
	ipc_channel_free(&queue);
	assert_int_equal(look_up("a@example.test"), IPC_OK);
	assert_int_equal(command(CMD_user_passwd, "a@example.test", NULL, "longer yet"), IPC_OK);
	connect_peer(IPC_CH_accounts_queue, &queue);
	expand("a@example.test");
	assert_int_equal(told.kicked, 1);
	told.kicked = 0;
	ipc_channel_free(&queue);
	assert_int_equal(look_up("a@example.test"), IPC_OK);
	connect_peer(IPC_CH_accounts_queue, &queue);
	expand("a@example.test");
	assert_int_equal(told.kicked, 0);
	assert_int_equal(command(CMD_user_remove, "a@example.test", NULL, NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.kicked, 1);
}

/* A crash while master works: the note is there, the next start asks again. */
static void
test_owed(void **state)
{
	uint32_t id;
	uint8_t todo;

	(void)state;
	master_answers = false;
	assert_int_equal(
	    command(CMD_user_add, "a@example.test", NULL, "long enough"), IPC_RESULT__MAX);
	assert_int_equal(service_pending(service), 1);
	assert_int_equal(look_up("a@example.test"), IPC_NO);
	assert_true(store_todo_next(store, true, 0, &id, &todo));
	assert_int_equal(todo, TODO_REMOVE);
	service_free(&service);
	asked_n = 0;
	service = service_new(loop, store, settings, ask, NULL);
	assert_int_equal(asked_n, 1);
	assert_int_equal(asked[0].what, SERVICE_REMOVE);
	assert_int_equal(asked[0].account, 1);
	master_answer(0);
	assert_false(store_todo_next(store, true, 0, &id, &todo));
	assert_int_equal(service_pending(service), 0);
}

/* The asker goes away while master works: the descriptor is not left open, nothing crashes. */
static void
test_peer_gone(void **state)
{
	int before, after;

	(void)state;
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier("a@example.test"), IPC_OK);
	master_answers = false;
	asked_n = 0;
	login_open(1, got.generation);
	assert_int_equal(got.type, IPC_none);
	assert_int_equal(asked_n, 1);
	ipc_channel_free(&auth);
	wait_reply();
	before = dup(0);
	close(before);
	master_answer(0);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	assert_int_equal(service_pending(service), 0);
	/* answers nobody asked for */
	service_done(service, 12345, IPC_OK);
	service_opened(service, 12345, IPC_OK, open("/dev/null", O_RDONLY));
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	connect_peer(IPC_CH_accounts_auth, &auth);
	master_answers = true;
	assert_int_equal(verifier("a@example.test"), IPC_OK);
}

/* A row of another channel ends that peer only. */
static void
test_violation(void **state)
{
	uint8_t junk[64];

	(void)state;
	memset(junk, 0xee, sizeof(junk));
	ipc_channel_free(&lookup);
	{
		int sv[2];

		assert_int_equal(ipc_pair(sv), 0);
		service_peer(service, IPC_CH_accounts_lookup, sv[0]);
		assert_int_equal(write(sv[1], junk, sizeof(junk)), (ssize_t)sizeof(junk));
		lookup =
		    ipc_channel_new(loop, sv[1], IPC_CH_accounts_lookup, IPC_CLIENT, &ops, &lookup);
		wait_reply();
		assert_true(got.closed);
	}
	assert_int_equal(verifier("a@example.test"), IPC_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_user_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_violation, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
