/* SPDX-License-Identifier: ISC */
/* QUOTA (rfc9208). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

static void
test_shown(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2); /* of 365 + ... bytes: begun KiB count */
	EXPECT(&c, "a getquota Mailbox\r\n",
	    "* QUOTA \"Mailbox\" (STORAGE 1 1024)\r\na OK Quota shown\r\n");
	mem.messages_limit = 50;
	EXPECT(&c, "a GETQUOTAROOT inbox\r\n",
	    "* QUOTAROOT \"INBOX\" \"Mailbox\"\r\n* QUOTA \"Mailbox\" (STORAGE 1 1024 MESSAGE 2 50)\r\n"
	    "a OK Quota shown\r\n");
	mem.no_quota = true;
	EXPECT(&c, "a getquota \"Mailbox\"\r\n",
	    "* QUOTA \"Mailbox\" (MESSAGE 2 50)\r\na OK Quota shown\r\n");
	/* nothing is limited: no root */
	mem.messages_limit = 0;
	EXPECT(&c, "a getquotaroot INBOX\r\n", "* QUOTAROOT \"INBOX\"\r\na OK Quota shown\r\n");
	EXPECT(&c, "a getquota Mailbox\r\n", "a NO [NONEXISTENT] No such quota root\r\n");
	mem.no_quota = false;
	EXPECT(&c, "a getquota \"\"\r\n", "a NO [NONEXISTENT] No such quota root\r\n");
	EXPECT(
	    &c, "a getquotaroot nowhere\r\n", "a NO [NONEXISTENT] No such folder or message\r\n");
	done(&c);
}

static void
test_set(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	EXPECT(&c, "a setquota Mailbox (STORAGE 512 MESSAGE 10)\r\n",
	    "a NO [NOPERM] Limits are set by the administrator\r\n");
	EXPECT(
	    &c, "a setquota \"\" ()\r\n", "a NO [NOPERM] Limits are set by the administrator\r\n");
	say(&c, "a setquota Mailbox STORAGE 512\r\n");
	assert_non_null(strstr(got(&c), "a BAD"));
	say(&c, "a setquota Mailbox (STORAGE)\r\n");
	assert_non_null(strstr(got(&c), "a BAD"));
	say(&c, "a getquota\r\n");
	assert_non_null(strstr(got(&c), "a BAD"));
	done(&c);
}

static void
test_deleted_storage(void **state)
{
	struct client c;
	char want[200];

	(void)state;
	in_inbox(&c, 3);
	EXPECT(&c, "a status INBOX (deleted-storage)\r\n",
	    "* STATUS \"INBOX\" (DELETED-STORAGE 0)\r\na OK Status shown\r\n");
	say(&c, "a store 1,3 flags.silent \\Deleted\r\n");
	got(&c);
	snprintf(want, sizeof(want),
	    "* STATUS \"INBOX\" (DELETED 2 DELETED-STORAGE %zu)\r\na OK Status shown\r\n",
	    2 * strlen(simple_msg));
	EXPECT(&c, "a status INBOX (deleted-storage deleted)\r\n", want);
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_deleted_storage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
