/* SPDX-License-Identifier: ISC */
/* Folders: LIST, STATUS, CREATE and others with their extensions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

static void
test_folders(void **state)
{
	struct client c;

	(void)state;
	memory_init(&mem);
	open_client(&c);
	EXPECT(&c, "a LIST \"\" \"\"\r\n",
	    "* LIST (\\Noselect) \"/\" \"\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a create Work/M&APw-ller/\r\n", "a OK [MAILBOXID (F8)] Folder created\r\n");
	EXPECT(&c, "a create work//x\r\n", "a NO [CANNOT] Empty level in folder name\r\n");
	EXPECT(&c, "a create ../x&AA-\r\n",
	    "a NO [CANNOT] Folder name is not valid modified UTF-7\r\n");
	EXPECT(&c, "a create INBOX\r\n", "a NO [ALREADYEXISTS] A folder with this name exists\r\n");
	EXPECT(&c, "a list \"\" %\r\n",
	    "* LIST (\\HasNoChildren \\Archive) \"/\" \"Archive\"\r\n"
	    "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Drafts\"\r\n"
	    "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n"
	    "* LIST (\\HasNoChildren \\Junk) \"/\" \"Junk\"\r\n"
	    "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"\r\n"
	    "* LIST (\\HasNoChildren \\Trash) \"/\" \"Trash\"\r\n"
	    "* LIST (\\HasChildren) \"/\" \"Work\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a list Work/ %\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"Work/M&APw-ller\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a list \"\" inbo%\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a delete Work\r\n", "a NO [HASCHILDREN] There are folders below this one\r\n");
	EXPECT(&c, "a subscribe Old/Gone\r\nb subscribe Old/Other/X\r\n",
	    "a OK Subscribed\r\nb OK Subscribed\r\n");
	EXPECT(&c, "a unsubscribe Trash\r\n", "a OK Unsubscribed\r\n");
	EXPECT(&c, "a lsub \"\" %\r\n",
	    "* LSUB () \"/\" \"Archive\"\r\n* LSUB () \"/\" \"Drafts\"\r\n* LSUB () \"/\" \"INBOX\"\r\n"
	    "* LSUB () \"/\" \"Junk\"\r\n* LSUB (\\Noselect) \"/\" \"Old\"\r\n* LSUB () \"/\" \"Sent\"\r\n"
	    "a OK Folders listed\r\n");
	EXPECT(&c, "a lsub \"\" O*\r\n",
	    "* LSUB (\\Noselect) \"/\" \"Old/Gone\"\r\n* LSUB (\\Noselect) \"/\" \"Old/Other/X\"\r\n"
	    "a OK Folders listed\r\n");
	EXPECT(&c, "a lsub \"\" %/%\r\n",
	    "* LSUB (\\Noselect) \"/\" \"Old/Gone\"\r\n* LSUB (\\Noselect) \"/\" \"Old/Other\"\r\n"
	    "a OK Folders listed\r\n");
	EXPECT(&c, "a unsubscribe Old/Other/X\r\n", "a OK Unsubscribed\r\n");
	/* what Thunderbird sends */
	EXPECT(&c, "a LIST (SUBSCRIBED) \"\" \"*\" RETURN (SPECIAL-USE)\r\n",
	    "* LIST (\\Subscribed \\HasNoChildren \\Archive) \"/\" \"Archive\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Drafts) \"/\" \"Drafts\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren) \"/\" \"INBOX\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Junk) \"/\" \"Junk\"\r\n"
	    "* LIST (\\Subscribed \\NonExistent \\HasNoChildren) \"/\" \"Old/Gone\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Sent) \"/\" \"Sent\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"O%\" Se*) RETURN (CHILDREN)\r\n",
	    "* LIST (\\NonExistent \\HasNoChildren) \"/\" \"Old\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Sent) \"/\" \"Sent\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a LIST (SPECIAL-USE) \"\" T*\r\n",
	    "* LIST (\\HasNoChildren \\Trash) \"/\" \"Trash\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a rename Work Play\r\n", "a OK Folder renamed\r\n");
	EXPECT(&c, "a rename Play Play/x\r\n",
	    "a NO [CANNOT] A folder cannot be moved below itself\r\n");
	EXPECT(&c, "a list \"\" P*\r\n",
	    "* LIST (\\HasChildren) \"/\" \"Play\"\r\n* LIST (\\HasNoChildren) \"/\" "
	    "\"Play/M&APw-ller\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a delete inbox\r\n", "a NO [CANNOT] INBOX cannot be deleted\r\n");
	done(&c);
}

static void
test_delete_selected(void **state)
{
	struct client a, b;

	(void)state;
	memory_init(&mem);
	open_client(&a);
	open_client(&b);
	say(&a, "a create x\r\nb select x\r\n");
	say(&b, "a select x\r\nb idle\r\n");
	got(&a);
	got(&b);
	EXPECT(&a, "a delete x\r\nb check\r\n",
	    "a OK Folder deleted\r\nb BAD No folder is selected\r\n");
	assert_int_equal(b.wakes, 1);
	run(&b);
	assert_string_equal(got(&b), "* BYE The selected folder was deleted\r\n");
	assert_int_equal(b.why, IMAP_RUN_CLOSE);
	close_client(&b);
	done(&a);
}

static void
test_create_special_use(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	EXPECT(&c, "a create Bin (USE (\\Trash))\r\n",
	    "a NO [USEATTR] Another folder has this use\r\n");
	EXPECT(&c, "a list \"\" Bin\r\n", "a OK Folders listed\r\n");
	EXPECT(&c, "a delete Trash\r\n", "a OK Folder deleted\r\n");
	EXPECT(&c, "a create Bin (USE (\\trash))\r\n", "a OK [MAILBOXID (F7)] Folder created\r\n");
	EXPECT(&c, "a list \"\" Bin\r\n",
	    "* LIST (\\HasNoChildren \\Trash) \"/\" \"Bin\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a create Everything (USE (\\All))\r\n",
	    "a NO [USEATTR] Folders cannot have this use here\r\n");
	EXPECT(&c, "a delete Sent\r\n", "a OK Folder deleted\r\n");
	EXPECT(&c, "a create x (USE (\\Sent \\All))\r\n",
	    "a NO [USEATTR] Folders cannot have this use here\r\n");
	EXPECT(&c, "a create x/y (USE ())\r\n", "a OK [MAILBOXID (F9)] Folder created\r\n");
	EXPECT(&c, "a create z (FOO (\\Sent))\r\n", "a BAD Unknown CREATE parameter\r\n");
	EXPECT(&c, "a create z (USE (Sent))\r\n", "a BAD Syntax error\r\n");
	EXPECT(&c, "a create z (USE (\\Sent)\r\n", "a BAD Missing ')'\r\n");
	done(&c);
}

static void
test_list_status(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2);
	say(&c, "a store 1 flags \\Seen\r\na subscribe Gone\r\n");
	got(&c);
	EXPECT(&c, "a list \"\" (INBOX S*) return (status (messages unseen size) subscribed)\r\n",
	    "* LIST (\\Subscribed \\HasNoChildren) \"/\" \"INBOX\"\r\n"
	    "* STATUS \"INBOX\" (MESSAGES 2 UNSEEN 1 SIZE 730)\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Sent) \"/\" \"Sent\"\r\n"
	    "* STATUS \"Sent\" (MESSAGES 0 UNSEEN 0 SIZE 0)\r\na OK Folders listed\r\n");
	/* what does not exist has no status */
	EXPECT(&c, "a list (subscribed) \"\" G* return (status (messages))\r\n",
	    "* LIST (\\Subscribed \\NonExistent \\HasNoChildren) \"/\" \"Gone\"\r\n"
	    "a OK Folders listed\r\n");
	EXPECT(&c, "a list \"\" * return (status)\r\n", "a BAD Missing argument\r\n");
	EXPECT(&c, "a list \"\" * return (status (foo))\r\n", "a BAD Unknown STATUS item\r\n");
	done(&c);
}

static void
test_status_items(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 3);
	say(&c, "a store 1:2 flags.silent \\Deleted\r\n");
	got(&c);
	EXPECT(&c, "a status INBOX (size deleted appendlimit)\r\n",
	    "* STATUS \"INBOX\" (DELETED 2 SIZE 1095 APPENDLIMIT 104857600)\r\n"
	    "a OK Status shown\r\n");
	EXPECT(
	    &c, "a status nowhere (size)\r\n", "a NO [NONEXISTENT] No such folder or message\r\n");
	EXPECT(&c, "a status INBOX ()\r\n", "a BAD Missing or invalid argument\r\n");
	done(&c);
}

/* Thunderbird 153 asks like this for the special folders. */
static void
test_list_subscribed_return_special_use(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	say(&c, "a create Own\r\na unsubscribe Junk\r\n");
	got(&c);
	EXPECT(&c, "a LIST (SUBSCRIBED) \"\" \"*\" RETURN (SPECIAL-USE)\r\n",
	    "* LIST (\\Subscribed \\HasNoChildren \\Archive) \"/\" \"Archive\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Drafts) \"/\" \"Drafts\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren) \"/\" \"INBOX\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Sent) \"/\" \"Sent\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Trash) \"/\" \"Trash\"\r\n"
	    "a OK Folders listed\r\n");
	done(&c);
}

/* rfc5258:3.1: REMOTE asks for folders of other servers as well; there are none. It goes with others, and is
 * no base for RECURSIVEMATCH. */
static void
test_list_remote(void **state)
{
	struct client c;
	char plain[1024];

	(void)state;
	in_inbox(&c, 0);
	say(&c, "a create S/below\r\na subscribe S/below\r\na unsubscribe Sent\r\n");
	got(&c);
	say(&c, "a list () \"\" *\r\n");
	snprintf(plain, sizeof(plain), "%s", got(&c));
	assert_non_null(strstr(plain, "\"S/below\""));
	EXPECT(&c, "a list (remote) \"\" *\r\n", plain);
	EXPECT(&c, "a list (REMOTE SUBSCRIBED) \"\" S*\r\n",
	    "* LIST (\\Subscribed \\HasNoChildren) \"/\" \"S/below\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a list (remote special-use) \"\" S*\r\n",
	    "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a list (remote recursivematch subscribed) \"\" %\r\n",
	    "* LIST (\\Subscribed \\HasNoChildren \\Archive) \"/\" \"Archive\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Drafts) \"/\" \"Drafts\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren) \"/\" \"INBOX\"\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Junk) \"/\" \"Junk\"\r\n"
	    "* LIST (\\HasChildren) \"/\" \"S\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
	    "* LIST (\\Subscribed \\HasNoChildren \\Trash) \"/\" \"Trash\"\r\n"
	    "a OK Folders listed\r\n");
	EXPECT(&c, "a list (recursivematch remote) \"\" *\r\n",
	    "a BAD RECURSIVEMATCH needs another option\r\n");
	done(&c);
}

static void
test_enable_nothing(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	EXPECT(&c, "a enable X-FOO MOVE\r\n", "* ENABLED\r\na OK Done\r\n");
	EXPECT(&c, "a enable\r\n", "a BAD Missing argument\r\n");
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_delete_selected),
		cmocka_unit_test(test_create_special_use),
		cmocka_unit_test(test_list_status),
		cmocka_unit_test(test_status_items),
		cmocka_unit_test(test_list_subscribed_return_special_use),
		cmocka_unit_test(test_list_remote),
		cmocka_unit_test(test_enable_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
