/* SPDX-License-Identifier: ISC */
/* What single programs were seen to send or to need, each as a test of its own. More of them:
 * imap_condstore_test.c (CHANGEDSINCE 0), imap_append_test.c (raw "&", Thunderbird's preview),
 * imap_folders_test.c (Thunderbird's LIST). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "imap/limits.h"
#include "imap/test_client.h"

/* A phone repeats a MOVE whose answer was lost: it must not be an error, or it repeats for ever. */
static void
test_phone_moves_a_vanished_uid(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2);
	say(&c, "a uid move 1 Trash\r\n");
	assert_non_null(strstr(got(&c), "a OK"));
	EXPECT(&c, "b uid move 1 Trash\r\n", "b OK No such messages\r\n");
	EXPECT(&c, "b uid copy 1 Trash\r\n", "b OK No such messages\r\n");
	EXPECT(&c, "b uid store 1 +flags (\\Deleted)\r\n", "b OK Flags stored\r\n");
	EXPECT(&c, "b uid expunge 1\r\n", "b OK Messages expunged\r\n");
	EXPECT(&c, "b status Trash (messages)\r\n",
	    "* STATUS \"Trash\" (MESSAGES 1)\r\nb OK Status shown\r\n");
	done(&c);
}

/* Thunderbird marks junk without "$" and does not move it. */
static void
test_thunderbird_keywords_without_dollar(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 1);
	say(&c, "a uid store 1 +flags (Junk \\Seen)\r\n");
	assert_non_null(strstr(got(&c), "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent Junk))\r\n"));
	say(&c, "a uid store 1 -flags (Junk \\Seen)\r\na uid store 1 +flags (NonJunk)\r\n");
	assert_non_null(strstr(got(&c), "* 1 FETCH (UID 1 FLAGS (\\Recent NonJunk))\r\n"));
	EXPECT(&c, "a search keyword NonJunk unkeyword Junk\r\n",
	    "* SEARCH 1\r\na OK Search completed\r\n");
	done(&c);
}

/* mbsync keeps $Forwarded only where new keywords are permanent. */
static void
test_mbsync_keywords_are_permanent(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 1);
	say(&a, "a select inbox\r\n");
	assert_non_null(strstr(got(&a), "\\Draft \\*)] Flags"));
	say(&a, "a store 1 +flags ($Forwarded $MDNSent $Junk $NotJunk $Phishing)\r\n");
	got(&a);
	open_client(&b);
	say(&b, "b select inbox\r\n");
	assert_non_null(strstr(got(&b), "$Forwarded $MDNSent $Junk $NotJunk $Phishing \\*)]"));
	EXPECT(&b, "b fetch 1 flags\r\n",
	    "* 1 FETCH (FLAGS ($Forwarded $MDNSent $Junk $NotJunk $Phishing))\r\n"
	    "b OK Messages fetched\r\n");
	close_client(&b);
	done(&a);
}

/* Outlook asks again for the capabilities and fetches whole messages and headers by BODY.PEEK. */
static void
test_outlook_session(void **state)
{
	struct client c;
	char want[1024];

	(void)state;
	in_inbox(&c, 1);
	say(&c, "a CAPABILITY\r\n");
	assert_non_null(strstr(got(&c), "* CAPABILITY IMAP4rev1 "));
	say(&c, "a SELECT \"INBOX\"\r\n");
	assert_non_null(strstr(got(&c), "* 1 EXISTS\r\n"));
	say(&c, "a SELECT \"INBOX\"\r\n");
	assert_non_null(strstr(got(&c), "* OK [UIDVALIDITY 3]"));
	snprintf(want, sizeof(want),
	    "* 1 FETCH (UID 1 BODY[] {%zu}\r\n%s)\r\na OK Messages fetched\r\n",
	    sizeof(simple_msg) - 1, simple_msg);
	EXPECT(&c, "a UID FETCH 1 (BODY.PEEK[] UID)\r\n", want);
	say(&c, "a UID FETCH 1:* (BODY.PEEK[HEADER] UID)\r\n");
	assert_non_null(strstr(got(&c), "CHARSET=US-ASCII\r\n\r\n)\r\n"));
	EXPECT(&c, "a fetch 1 flags\r\n", "* 1 FETCH (FLAGS ())\r\na OK Messages fetched\r\n");
	done(&c);
}

/* Apple's programs name what they are about to do in ID. */
static void
test_ios_id_with_event(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	EXPECT(&c, "a ID (\"name\" \"iOS\" \"event\" \"indexer\")\r\n",
	    "* ID (\"name\" \"Postern\")\r\na OK Done\r\n");
	done(&c);
}

/* Thunderbird for Android wants SPECIAL-USE only together with LIST-EXTENDED. */
static void
test_android_special_use_with_list_extended(void **state)
{
	struct client c;
	const char *caps;

	(void)state;
	in_inbox(&c, 0);
	say(&c, "a capability\r\n");
	caps = got(&c);
	assert_non_null(strstr(caps, " SPECIAL-USE "));
	assert_non_null(strstr(caps, " LIST-EXTENDED "));
	EXPECT(&c, "a LIST \"\" \"D*\" RETURN (SPECIAL-USE)\r\n",
	    "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Drafts\"\r\na OK Folders listed\r\n");
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phone_moves_a_vanished_uid),
		cmocka_unit_test(test_thunderbird_keywords_without_dollar),
		cmocka_unit_test(test_mbsync_keywords_are_permanent),
		cmocka_unit_test(test_outlook_session),
		cmocka_unit_test(test_ios_id_with_event),
		cmocka_unit_test(test_android_special_use_with_list_extended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
