/* SPDX-License-Identifier: ISC */
/* What ENABLE IMAP4rev2 changes (rfc9051). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

static void
test_select(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2);
	EXPECT(&c, "a enable imap4rev2\r\n", "* ENABLED IMAP4rev2\r\na OK Done\r\n");
	EXPECT(&c, "a select inbox\r\n",
	    "* OK [CLOSED] Folder closed\r\n"
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags and "
	    "keywords\r\n"
	    "* 2 EXISTS\r\n* OK [UIDVALIDITY 3] UIDs are valid\r\n* OK [UIDNEXT 3] Next UID\r\n"
	    "* OK [MAILBOXID (F3)] Id of the folder\r\n* OK [HIGHESTMODSEQ 2] Highest\r\n"
	    "* LIST (\\HasNoChildren) \"/\" \"INBOX\" (\"OLDNAME\" (\"inbox\"))\r\n"
	    "a OK [READ-WRITE] Folder selected\r\n");
	memory_deliver(&mem, "INBOX", str_of(simple_msg), 0);
	EXPECT(&c, "a noop\r\n", "* 3 EXISTS\r\na OK Done\r\n");
	EXPECT(&c, "a fetch 1:3 flags\r\n",
	    "* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS ())\r\n* 3 FETCH (FLAGS ())\r\n"
	    "a OK Messages fetched\r\n");
	say(&c, "a examine INBOX\r\n");
	assert_non_null(
	    strstr(got(&c), "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\na OK [READ-ONLY]"));
	done(&c);
}

static void
test_search(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 3);
	say(&c, "a enable imap4rev2\r\n");
	got(&c);
	EXPECT(&c, "a1 search 2:3\r\n",
	    "* ESEARCH (TAG \"a1\") ALL 2:3\r\na1 OK Search completed\r\n");
	EXPECT(&c, "a2 uid search charset utf-8 seen\r\n",
	    "* ESEARCH (TAG \"a2\") UID\r\na2 OK Search completed\r\n");
	done(&c);
}

static void
test_names(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	say(&c, "a enable imap4rev2\r\n");
	got(&c);
	EXPECT(&c, "a create \"M\xc3\xbcll & Co/\"\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"M\xc3\xbcll & Co\" (\"OLDNAME\" "
	    "(\"M\xc3\xbcll & Co/\"))\r\na OK [MAILBOXID (F7)] Folder created\r\n");
	EXPECT(&c, "a create \"Plain\"\r\n", "a OK [MAILBOXID (F8)] Folder created\r\n");
	EXPECT(&c, "a list \"\" M*\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"M\xc3\xbcll & Co\"\r\na OK Folders listed\r\n");
	/* headers in UTF-8 may be appended */
	EXPECT(&c, "a append Plain {14+}\r\nSubject: \xc3\xbc\r\n\r\r\n",
	    "a OK [APPENDUID 8 1] Message stored\r\n");
	done(&c);
}

/* message/global is a message for who has enabled rev2, for others something unknown. */
static void
test_global(void **state)
{
	static const char msg[] = "Content-Type: message/global\r\n\r\nSubject: x\r\n\r\ny\r\n";
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	memory_deliver(&mem, "INBOX", str_of(msg), 0);
	say(&c, "a noop\r\n");
	got(&c);
	EXPECT(&c, "a fetch 1 body\r\n",
	    "* 1 FETCH (BODY (\"message\" \"global\" NIL NIL NIL \"7BIT\" 17))\r\n"
	    "a OK Messages fetched\r\n");
	say(&c, "a enable imap4rev2\r\n");
	got(&c);
	EXPECT(&c, "a fetch 1 body\r\n",
	    "* 1 FETCH (BODY (\"message\" \"global\" NIL NIL NIL \"7BIT\" 17 "
	    "(NIL \"x\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 1) 3))\r\n"
	    "a OK Messages fetched\r\n");
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_global),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
