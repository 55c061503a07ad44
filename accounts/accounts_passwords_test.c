/* SPDX-License-Identifier: ISC */
/* The service of accounts: verifiers, and passwords of programs. */
#include "accounts/test_service.h"

/* ---- requests ---------------------------------------------------------------------------------
 */

/* The password in the row that app_password_add printed. */
static struct str
shown(const char *address, const char *name)
{
	char before[256];
	size_t n = (size_t)snprintf(before, sizeof(before), "%s|%s|", address, name);

	assert_int_equal(strncmp(got.rows, before, n), 0);
	return str_from(got.rows + n, strcspn(got.rows + n, "|"));
}

static bool
is_key(size_t i, struct str password)
{
	struct scram_keys keys;

	scram_keys_make(password, got.salt, &keys);
	return memcmp(&keys, &got.keys[i], sizeof(keys)) == 0;
}

/* The salt is there for everybody and says nothing about who is there. */
static void
test_salts(void **state)
{
	uint8_t salt[SCRAM_SALT];

	(void)state;
	assert_int_equal(verifier(A), IPC_NO);
	assert_int_equal(got.nkeys, 0);
	memcpy(salt, got.salt, SCRAM_SALT);
	assert_int_equal(verifier("b@example.test"), IPC_NO);
	assert_memory_not_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(verifier("no address"), IPC_NO);
	assert_memory_not_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier("A@Example.test"), IPC_OK);
	assert_int_equal(got.nkeys, 0);
	assert_memory_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(command(CMD_app_password_add, A, "phone", NULL), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_memory_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(command(CMD_user_suspend, A, NULL, NULL), IPC_OK);
	assert_int_equal(verifier(A), IPC_SUSPENDED);
	assert_int_equal(got.nkeys, 0);
	assert_memory_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(command(CMD_user_remove, A, NULL, NULL), IPC_OK);
	assert_int_equal(verifier(A), IPC_NO);
	assert_memory_equal(salt, got.salt, SCRAM_SALT);
}

static void
test_app_passwords(void **state)
{
	char first[64], second[64], name[80];
	uint64_t generation;

	(void)state;
	connect_peer(IPC_CH_accounts_queue, &queue);
	assert_int_equal(command(CMD_app_password_add, A, "phone", NULL), IPC_NO);
	assert_string_equal(got.rows, "");
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	assert_int_equal(command(CMD_app_password_list, A, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "");
	assert_int_equal(command(CMD_app_password_add, "A@EXAMPLE.test", "phone", NULL), IPC_OK);
	(void)snprintf(first, sizeof(first), "%.*s", STRF(shown("A@EXAMPLE.test", "phone")));
	assert_int_equal(strlen(first), 23);
	assert_int_equal(strspn(first, "abcdefghijkmnpqrstuvwxyz23456789-"), 23);
	assert_int_equal(command(CMD_app_password_add, A, "phone", NULL), IPC_EXISTS);
	assert_string_equal(got.rows, "");
	assert_int_equal(command(CMD_app_password_add, A, "lap top", NULL), IPC_OK);
	(void)snprintf(second, sizeof(second), "%.*s", STRF(shown(A, "lap top")));
	assert_string_not_equal(first, second);
	assert_int_equal(command(CMD_app_password_add, A, "", NULL), IPC_INVALID);
	assert_int_equal(command(CMD_app_password_add, A, "a\tb", NULL), IPC_INVALID);
	assert_int_equal(command(CMD_app_password_add, A, "\xff", NULL), IPC_INVALID);
	memset(name, 'n', sizeof(name));
	name[APP_NAME_MAX + 1] = 0;
	assert_int_equal(command(CMD_app_password_add, A, name, NULL), IPC_INVALID);

	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 2);
	assert_true(is_key(0, str_of(first)) && is_key(1, str_of(second)));
	generation = got.generation;
	assert_int_equal(command(CMD_app_password_list, NULL, NULL, NULL), IPC_OK);
	assert_non_null(strstr(got.rows, A "|phone|20"));
	assert_non_null(strstr(got.rows, A "|lap top|20"));
	assert_null(strstr(got.rows, first));
	assert_int_equal(command(CMD_app_password_list, "b@example.test", NULL, NULL), IPC_NO);

	/* another main password leaves them alone */
	assert_int_equal(command(CMD_user_passwd, A, NULL, "still longer"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 2);
	assert_true(got.generation > generation);
	generation = got.generation;

	/* taken back: what was proven with it is worth nothing, sessions and doors end */
	asked_n = 0;
	told.kicked = 0;
	assert_int_equal(command(CMD_app_password_remove, A, "phone", NULL), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_KICK);
	assert_int_equal(asked[0].account, 1);
	expand(A);
	assert_int_equal(told.kicked, 1);
	assert_int_equal(command(CMD_app_password_remove, A, "phone", NULL), IPC_NO);
	assert_int_equal(command(CMD_app_password_remove, A, "", NULL), IPC_NO);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 1);
	assert_true(is_key(0, str_of(second)));
	login_open(1, generation);
	assert_int_equal(got.type, IPC_login_refused);

	/* twenty, not one more */
	for (int i = 1; i < APP_PASSWORDS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "device %d", i);
		assert_int_equal(command(CMD_app_password_add, A, name, NULL), IPC_OK);
	}
	assert_int_equal(command(CMD_app_password_add, A, "one more", NULL), IPC_FULL);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, APP_PASSWORDS_MAX);
	/* with the account they go */
	assert_int_equal(command(CMD_user_remove, A, NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 0);
}

/* The main password gets keys for SCRAM only where that is wanted. */
static void
test_scram_main(void **state)
{
	const char *why;

	(void)state;
	assert_int_equal(settings_set(settings, SET_auth_scram_main_password, "yes", &why), 0);
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 1);
	assert_true(is_key(0, STR("long enough")));
	assert_int_equal(command(CMD_app_password_add, A, "phone", NULL), IPC_OK);
	assert_int_equal(command(CMD_user_passwd, "A@example.test", NULL, "still longer"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 2);
	assert_true(is_key(0, STR("still longer")));
	assert_int_equal(command(CMD_app_password_list, A, NULL, NULL), IPC_OK);
	assert_null(strchr(strchr(got.rows, '\n') + 1, '\n')); /* one row */
	/* with the next one it is gone */
	assert_int_equal(settings_set(settings, SET_auth_scram_main_password, "no", &why), 0);
	assert_int_equal(command(CMD_user_passwd, A, NULL, "even longer"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 1);
	assert_false(is_key(0, STR("even longer")));
	assert_int_equal(command(CMD_app_password_remove, A, "phone", NULL), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_salts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_app_passwords, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scram_main, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
