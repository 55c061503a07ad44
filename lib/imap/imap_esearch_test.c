/* SPDX-License-Identifier: ISC */
/* ESEARCH, SEARCHRES, WITHIN, OBJECTID, SAVEDATE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

static void
test_esearch(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 6);
	say(&c, "a uid store 1:2 flags.silent \\Deleted\r\na expunge\r\n");
	got(&c); /* UIDs 3 to 6 are 1 to 4 */
	EXPECT(&c, "a1 search return (min max count all) all\r\n",
	    "* ESEARCH (TAG \"a1\") MIN 1 MAX 4 ALL 1:4 COUNT 4\r\na1 OK Search completed\r\n");
	EXPECT(&c, "a2 uid search return () or uid 3 uid 5:6\r\n",
	    "* ESEARCH (TAG \"a2\") UID ALL 3,5:6\r\na2 OK Search completed\r\n");
	EXPECT(&c, "a3 uid search return (Count) deleted\r\n",
	    "* ESEARCH (TAG \"a3\") UID COUNT 0\r\na3 OK Search completed\r\n");
	EXPECT(&c, "a4 search return (min max) deleted\r\n",
	    "* ESEARCH (TAG \"a4\")\r\na4 OK Search completed\r\n");
	EXPECT(&c, "a5 search return (all) charset utf-8 subject imap4rev1 uid 4\r\n",
	    "* ESEARCH (TAG \"a5\") ALL 2\r\na5 OK Search completed\r\n");
	EXPECT(&c, "a6 search return (foo) all\r\n", "a6 BAD Unknown SEARCH option\r\n");
	EXPECT(&c, "a7 search return (all)\r\n", "a7 BAD Missing argument\r\n");
	done(&c);
}

/* rfc7162:3.1.10: of the messages the answer names. */
static void
test_esearch_modseq(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 4);                                                    /* 1 to 4 */
	say(&c, "a enable condstore\r\na store 2 flags.silent \\Seen\r\n"); /* 5 */
	got(&c);
	EXPECT(&c, "a search return (min) modseq 1\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 MODSEQ 1\r\na OK Search completed\r\n");
	EXPECT(&c, "a search return (min max) modseq 1\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 MAX 4 MODSEQ 4\r\na OK Search completed\r\n");
	EXPECT(&c, "a search return (count min) modseq 1\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 COUNT 4 MODSEQ 5\r\na OK Search completed\r\n");
	EXPECT(&c, "a search return (count) modseq 9\r\n",
	    "* ESEARCH (TAG \"a\") COUNT 0\r\na OK Search completed\r\n");
	done(&c);
}

static void
test_saved(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 6);
	/* nothing saved is the empty set, not an error */
	EXPECT(&a, "a fetch $ flags\r\n", "a OK Messages fetched\r\n");
	EXPECT(&a, "a search return (save) 2:4\r\n", "a OK Search completed\r\n");
	EXPECT(&a, "a fetch $ uid\r\n",
	    "* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\n"
	    "a OK Messages fetched\r\n");
	EXPECT(&a, "a search return (save count) $ 3:6\r\n",
	    "* ESEARCH (TAG \"a\") COUNT 2\r\na OK Search completed\r\n");
	EXPECT(&a, "a uid store $ flags \\Seen\r\n",
	    "* 3 FETCH (UID 3 FLAGS (\\Seen \\Recent))\r\n"
	    "* 4 FETCH (UID 4 FLAGS (\\Seen \\Recent))\r\na OK Flags stored\r\n");
	EXPECT(&a, "a search uid $\r\n", "* SEARCH 3 4\r\na OK Search completed\r\n");
	/* an expunge takes out of it, also one that is not told yet */
	open_client(&b);
	say(&b, "b select inbox\r\nb uid store 3 flags.silent \\Deleted\r\nb expunge\r\n");
	got(&b);
	EXPECT(&a, "a search not $\r\n", "* SEARCH 1 2 5 6\r\na OK Search completed\r\n");
	EXPECT(&a, "a store $ flags.silent \\Answered\r\n", "a OK Flags stored\r\n");
	EXPECT(&a, "a noop\r\n", "* 3 EXPUNGE\r\na OK Done\r\n");
	EXPECT(&a, "a copy $ Trash\r\n", "a OK [COPYUID 6 4 1] Messages copied\r\n");
	/* of MIN and MAX alone only those are saved */
	EXPECT(&a, "a uid search return (save min max) all\r\n",
	    "* ESEARCH (TAG \"a\") UID MIN 1 MAX 6\r\na OK Search completed\r\n");
	EXPECT(&a, "a search $\r\n", "* SEARCH 1 5\r\na OK Search completed\r\n");
	/* BAD leaves it, NO and another folder empty it */
	EXPECT(&a, "a search return (save) foo\r\n", "a BAD Unknown search key\r\n");
	EXPECT(&a, "a search $\r\n", "* SEARCH 1 5\r\na OK Search completed\r\n");
	say(&a, "a search return (save) charset x all\r\n");
	assert_non_null(strstr(got(&a), "a NO [BADCHARSET"));
	EXPECT(&a, "a search $\r\n", "* SEARCH\r\na OK Search completed\r\n");
	EXPECT(&a, "a search return (save) all\r\n", "a OK Search completed\r\n");
	say(&a, "a select inbox\r\n");
	got(&a);
	EXPECT(&a, "a search $\r\n", "* SEARCH\r\na OK Search completed\r\n");
	EXPECT(&a, "a fetch $,1 uid\r\n", "a BAD Missing argument\r\n");
	close_client(&b);
	done(&a);
}

/* Delivered messages are 86,460 seconds old here (memory_now). */
static void
test_within(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 1);
	EXPECT(&c, "a search older 86460\r\n", "* SEARCH 1\r\na OK Search completed\r\n");
	EXPECT(&c, "a search older 86461\r\n", "* SEARCH\r\na OK Search completed\r\n");
	EXPECT(&c, "a search younger 86460\r\n", "* SEARCH 1\r\na OK Search completed\r\n");
	EXPECT(&c, "a search younger 86459\r\n", "* SEARCH\r\na OK Search completed\r\n");
	EXPECT(&c, "a search not younger 1\r\n", "* SEARCH 1\r\na OK Search completed\r\n");
	EXPECT(&c, "a search older 0\r\n", "a BAD Invalid interval\r\n");
	done(&c);
}

static void
test_savedate(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 1);
	EXPECT(&c, "a fetch 1 (internaldate savedate)\r\n",
	    "* 1 FETCH (INTERNALDATE \" 9-Sep-2001 01:46:40 +0000\" "
	    "SAVEDATE \"10-Sep-2001 01:47:40 +0000\")\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a search savedon 10-Sep-2001 savedatesupported\r\n",
	    "* SEARCH 1\r\na OK Search completed\r\n");
	EXPECT(&c, "a search savedbefore 10-Sep-2001\r\n", "* SEARCH\r\na OK Search completed\r\n");
	EXPECT(
	    &c, "a search savedsince 10-Sep-2001\r\n", "* SEARCH 1\r\na OK Search completed\r\n");
	done(&c);
}

static void
test_objectid(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2);
	memory_folder(&mem, STR("INBOX"))->msg[1].m.thread = 0xabc;
	EXPECT(&c, "a fetch 1:2 (emailid threadid)\r\n",
	    "* 1 FETCH (EMAILID (M0000000000000001) THREADID (S0000000000000001))\r\n"
	    "* 2 FETCH (EMAILID (M0000000000000002) THREADID (T0000000000000abc))\r\n"
	    "a OK Messages fetched\r\n");
	EXPECT(&c, "a search emailid M0000000000000002\r\n",
	    "* SEARCH 2\r\na OK Search completed\r\n");
	EXPECT(&c, "a search or threadid T0000000000000abc threadid S0000000000000001\r\n",
	    "* SEARCH 1 2\r\na OK Search completed\r\n");
	EXPECT(
	    &c, "a search emailid m0000000000000002\r\n", "* SEARCH\r\na OK Search completed\r\n");
	/* a copy is the same message, a folder keeps its id when it is renamed */
	say(&c, "a copy 2 Trash\r\na rename Trash Bin\r\na select Bin\r\n");
	assert_non_null(strstr(got(&c), "* OK [MAILBOXID (F6)]"));
	EXPECT(&c, "a fetch 1 emailid\r\n",
	    "* 1 FETCH (EMAILID (M0000000000000002))\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a status Bin (mailboxid)\r\n",
	    "* STATUS \"Bin\" (MAILBOXID (F6))\r\na OK Status shown\r\n");
	EXPECT(&c, "a create New\r\n", "a OK [MAILBOXID (F7)] Folder created\r\n");
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_esearch),
		cmocka_unit_test(test_esearch_modseq),
		cmocka_unit_test(test_saved),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_savedate),
		cmocka_unit_test(test_objectid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
