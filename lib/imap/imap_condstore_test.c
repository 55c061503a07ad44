/* SPDX-License-Identifier: ISC */
/* CONDSTORE and QRESYNC (rfc7162). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

static void
test_enable(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 1);
	EXPECT(&c, "a enable condstore\r\n",
	    "* ENABLED CONDSTORE\r\n* OK [HIGHESTMODSEQ 1] All is told up to here\r\na OK Done\r\n");
	EXPECT(&c, "a enable QRESYNC\r\n", "* ENABLED QRESYNC\r\na OK Done\r\n");
	done(&c);
	in_inbox(&c, 1);
	EXPECT(&c, "a select INBOX (QRESYNC (1 1))\r\n", "a BAD QRESYNC is not enabled\r\n");
	EXPECT(&c, "a uid fetch 1 (flags) (changedsince 1 vanished)\r\n",
	    "a BAD VANISHED needs UID, CHANGEDSINCE and QRESYNC\r\n");
	EXPECT(&c, "a select INBOX (FOO)\r\n", "a BAD Unknown SELECT parameter\r\n");
	done(&c);
}

static void
test_hidden_is_not_enabled(void **state)
{
	struct imap_session_config config = { &memory_ops, &mem, client_wake, NULL,
		STR("QRESYNC") };
	struct client c;

	(void)state;
	memory_init(&mem);
	open_client(&c);
	imap_session_free(&c.s);
	c.s = imap_session_new(&config);
	EXPECT(&c, "a enable QRESYNC\r\n", "* ENABLED\r\na OK Done\r\n");
	EXPECT(&c, "a select INBOX (QRESYNC (1 1))\r\n", "a BAD QRESYNC is not enabled\r\n");
	done(&c);
}

static void
test_fetch_modseq(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 3); /* MODSEQs 1, 2, 3 */
	EXPECT(&c, "a fetch 2 modseq\r\n",
	    "* OK [HIGHESTMODSEQ 3] All is told up to here\r\n"
	    "* 2 FETCH (MODSEQ (2))\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1:* flags (changedsince 2)\r\n",
	    "* 3 FETCH (FLAGS (\\Recent) MODSEQ (3))\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1:3 fast (changedsince 3)\r\n", "a OK Messages fetched\r\n");
	/* once is enough, and \Seen set by the way comes with its MODSEQ */
	EXPECT(&c, "a uid fetch 1 (modseq uid) (changedsince 0)\r\n",
	    "* 1 FETCH (UID 1 MODSEQ (1))\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 body[text]<0.5>\r\n",
	    "* 1 FETCH (MODSEQ (4) FLAGS (\\Seen \\Recent) BODY[TEXT]<0> {5}\r\nHello)\r\n"
	    "a OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 flags (changedsince x)\r\n", "a BAD Missing or invalid number\r\n");
	EXPECT(&c, "a fetch 1 flags (foo 1)\r\n", "a BAD Unknown FETCH modifier\r\n");
	EXPECT(&c, "a fetch 1 flags (changedsince 1\r\n", "a BAD Missing ')'\r\n");
	done(&c);
}

/* iOS asks for changes since 0. */
static void
test_changedsince_0(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2);
	say(&c, "a enable condstore\r\n");
	got(&c);
	EXPECT(&c, "a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0)\r\n",
	    "* 1 FETCH (UID 1 FLAGS (\\Recent) MODSEQ (1))\r\n"
	    "* 2 FETCH (UID 2 FLAGS (\\Recent) MODSEQ (2))\r\na OK Messages fetched\r\n");
	done(&c);
}

/* rfc7162:3.1.2.2: a folder without MODSEQs would say NOMODSEQ. Every folder here has them, an empty and a
 * new one too, however it is opened. */
static void
test_never_nomodseq(void **state)
{
	static const char *const folders[] = { "INBOX", "Trash", "New" };
	static const char *const forms[][2] = { { "select", "" }, { "examine", "" },
		{ "select", " (condstore)" }, { "select", " (qresync (1 1))" } };
	struct client c;

	(void)state;
	in_inbox(&c, 1);
	say(&c, "a create New\r\na enable qresync\r\n");
	got(&c);
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 4; k++) {
			char text[100], told[2048];

			snprintf(text, sizeof(text), "a %s %s%s\r\n", forms[k][0], folders[i],
			    forms[k][1]);
			say(&c, text);
			snprintf(told, sizeof(told), "%s", got(&c));
			assert_non_null(strstr(told, "a OK [READ-"));
			assert_non_null(strstr(told, "* OK [HIGHESTMODSEQ "));
			assert_null(strstr(told, "[HIGHESTMODSEQ 0]"));
			assert_null(strstr(told, "NOMODSEQ"));
		}
	done(&c);
}

static void
test_unchangedsince(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 3);
	open_client(&b);
	say(&b, "b select inbox\r\nb store 2 flags.silent \\Flagged\r\n"); /* MODSEQ 4 */
	got(&b);
	EXPECT(&a, "a store 1:3 (unchangedsince 3) +flags.silent (\\Seen)\r\n",
	    "* OK [HIGHESTMODSEQ 3] All is told up to here\r\n"
	    "* 1 FETCH (MODSEQ (5))\r\n* 3 FETCH (MODSEQ (6))\r\n"
	    "* 2 FETCH (UID 2 MODSEQ (4) FLAGS (\\Flagged \\Recent))\r\n"
	    "a OK [MODIFIED 2] Some were changed meanwhile\r\n");
	EXPECT(&a, "a uid store 1:3 (unchangedsince 4) flags \\Answered\r\n",
	    "* 2 FETCH (UID 2 MODSEQ (7) FLAGS (\\Answered \\Recent))\r\n"
	    "a OK [MODIFIED 1,3] Some were changed meanwhile\r\n");
	/* nothing changes: nothing is told when silent */
	EXPECT(&a, "a store 2 +flags.silent \\Answered\r\n", "a OK Flags stored\r\n");
	EXPECT(&a, "a store 2 (unchangedsince 0) flags ()\r\n",
	    "a OK [MODIFIED 2] Some were changed meanwhile\r\n");
	EXPECT(&a, "a store 2 (foo 0) flags ()\r\n", "a BAD Unknown STORE modifier\r\n");
	/* the other one hears of it, without MODSEQ, which it has not asked for */
	EXPECT(&b, "b noop\r\n",
	    "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 2 FETCH (UID 2 FLAGS (\\Answered))\r\n"
	    "* 3 FETCH (UID 3 FLAGS (\\Seen))\r\nb OK Done\r\n");
	say(&b, "b store 1 flags.silent \\Deleted\r\nb expunge\r\n");
	got(&b);
	EXPECT(&a, "a store 1:2 (unchangedsince 6) flags \\Seen\r\n",
	    "a NO [MODIFIED 2] Some were changed, some are gone\r\n");
	close_client(&b);
	done(&a);
}

static void
test_search_modseq(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 3);
	EXPECT(&c, "a search modseq 2\r\n",
	    "* OK [HIGHESTMODSEQ 3] All is told up to here\r\n"
	    "* SEARCH 2 3 (MODSEQ 3)\r\na OK Search completed\r\n");
	EXPECT(&c, "a uid search or modseq \"/flags/\\\\draft\" all 3 uid 1\r\n",
	    "* SEARCH 1 3 (MODSEQ 3)\r\na OK Search completed\r\n");
	EXPECT(&c, "a search modseq 4\r\n", "* SEARCH\r\na OK Search completed\r\n");
	EXPECT(&c, "a search modseq \"/flags/\\\\draft\" none 3\r\n", "a BAD Invalid MODSEQ\r\n");
	done(&c);
}

static void
test_status_highestmodseq(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 3);
	EXPECT(&c, "a status INBOX (highestmodseq)\r\n",
	    "* OK [HIGHESTMODSEQ 3] All is told up to here\r\n"
	    "* STATUS \"INBOX\" (HIGHESTMODSEQ 3)\r\na OK Status shown\r\n");
	done(&c);
}

static void
test_vanished(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 5);
	open_client(&b);
	say(&b, "b enable qresync\r\nb select inbox\r\n");
	got(&b);
	say(&a, "a store 1:2,4 flags.silent \\Deleted\r\n"); /* 6, 7, 8 */
	EXPECT(&a, "a noop\r\n", "a OK Flags stored\r\na OK Done\r\n");
	say(&a, "a expunge\r\n"); /* 9 */
	assert_non_null(strstr(got(&a), "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n"));
	/* not now, and what is gone counts still; what was changed before it went is not told */
	EXPECT(&b, "b fetch 3 flags\r\n", "* 3 FETCH (FLAGS ())\r\nb OK Messages fetched\r\n");
	EXPECT(&b, "b uid fetch 3 flags\r\n",
	    "* 3 FETCH (UID 3 FLAGS ())\r\n* VANISHED 1:2,4\r\nb OK Messages fetched\r\n");
	EXPECT(&b, "b store 1 +flags \\Deleted\r\n",
	    "* 1 FETCH (UID 3 MODSEQ (10) FLAGS (\\Deleted))\r\nb OK Flags stored\r\n");
	EXPECT(&b, "b uid expunge 3\r\n",
	    "* VANISHED 3\r\nb OK [HIGHESTMODSEQ 11] Messages expunged\r\n");
	close_client(&b);
	done(&a);
}

/* The HIGHESTMODSEQ in OK is never ahead of what was told. */
static void
test_highest_is_told(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 2);
	open_client(&b);
	say(&b, "b select inbox\r\n");
	got(&b);
	say(&a, "a store 1 flags.silent \\Deleted\r\na expunge\r\n"); /* 3, 4 */
	got(&a);
	/* FETCH must not tell of the expunge, so 4 is not reached */
	EXPECT(&b, "b fetch 2 modseq\r\n",
	    "* OK [HIGHESTMODSEQ 2] All is told up to here\r\n"
	    "* 2 FETCH (MODSEQ (2))\r\nb OK Messages fetched\r\n");
	close_client(&b);
	done(&a);
}

static void
test_resync(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 6);
	say(&a, "a store 2,5 flags.silent \\Deleted\r\na expunge\r\n"); /* 7, 8; 9 */
	say(&a, "a uid store 3 flags.silent \\Seen\r\n");               /* 10 */
	got(&a);
	open_client(&b);
	say(&b, "b enable qresync\r\n");
	got(&b);
#define HEAD(uidnext, highest) \
	"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n" \
	"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags and " \
	"keywords\r\n" \
	"* 4 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1] First unseen message\r\n" \
	"* OK [UIDVALIDITY 3] UIDs are valid\r\n* OK [UIDNEXT " uidnext "] Next UID\r\n" \
	"* OK [MAILBOXID (F3)] Id of the folder\r\n* OK [HIGHESTMODSEQ " highest "] Highest\r\n"
	EXPECT(&b, "b select inbox (qresync (3 6))\r\n",
	    HEAD("7", "10") "* VANISHED (EARLIER) 2,5\r\n"
			    "* 2 FETCH (UID 3 MODSEQ (10) FLAGS (\\Seen))\r\n"
			    "b OK [READ-WRITE] Folder selected\r\n");
	EXPECT(&b, "b select inbox (condstore qresync (3 6 1:4 (1:3 1,2,3)))\r\n",
	    "* OK [CLOSED] Folder closed\r\n" HEAD(
		"7", "10") "* VANISHED (EARLIER) 2\r\n"
			   "* 2 FETCH (UID 3 MODSEQ (10) FLAGS (\\Seen))\r\n"
			   "b OK [READ-WRITE] Folder selected\r\n");
	/* another UIDVALIDITY, or nothing new */
	EXPECT(&b, "b select inbox (qresync (4 6))\r\n",
	    "* OK [CLOSED] Folder closed\r\n" HEAD("7", "10") "b OK [READ-WRITE] Folder "
							      "selected\r\n");
	EXPECT(&b, "b select inbox (qresync (3 10 1:7))\r\n",
	    "* OK [CLOSED] Folder closed\r\n" HEAD("7", "10") "b OK [READ-WRITE] Folder "
							      "selected\r\n");
	EXPECT(&b, "b uid fetch 4:9 (flags) (changedsince 8 vanished)\r\n",
	    "* VANISHED (EARLIER) 5\r\nb OK Messages fetched\r\n");
	/* what this client still counts is not told as earlier */
	say(&a, "a uid store 4 flags.silent \\Deleted\r\na expunge\r\n");
	got(&a);
	EXPECT(&b, "b uid fetch 1:* (flags) (changedsince 8 vanished)\r\n",
	    "* VANISHED (EARLIER) 2,5\r\n* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (10))\r\n"
	    "* VANISHED 4\r\nb OK Messages fetched\r\n");
	EXPECT(&b, "b select inbox (qresync (3))\r\n", "b BAD Missing argument\r\n");
	EXPECT(&b, "b select inbox (qresync (3 6 (1 1))\r\n", "b BAD Missing ')'\r\n");
	close_client(&b);
	done(&a);
}

/* Thousands of expunges: several lines, none of them endless. */
static void
test_vanished_many(void **state)
{
	struct client a, b;
	unsigned lines = 0;

	(void)state;
	in_inbox(&a, 3000);
	open_client(&b);
	say(&b, "b enable qresync\r\nb select inbox\r\n");
	got(&b);
	for (unsigned i = 1; i < 3000; i += 2) {
		uint32_t uid = i;

		memory_take_out(&mem, memory_folder(&mem, STR("INBOX")), &uid, 1);
	}
	say(&b, "b noop\r\n");
	for (const char *p = got(&b); (p = strstr(p, "* VANISHED ")) != NULL; p++)
		lines++;
	assert_int_equal(lines, 2);
	EXPECT(&b, "b fetch * uid\r\n", "* 1500 FETCH (UID 3000)\r\nb OK Messages fetched\r\n");
	close_client(&b);
	done(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enable),
		cmocka_unit_test(test_hidden_is_not_enabled),
		cmocka_unit_test(test_fetch_modseq),
		cmocka_unit_test(test_changedsince_0),
		cmocka_unit_test(test_never_nomodseq),
		cmocka_unit_test(test_unchangedsince),
		cmocka_unit_test(test_search_modseq),
		cmocka_unit_test(test_status_highestmodseq),
		cmocka_unit_test(test_vanished),
		cmocka_unit_test(test_highest_is_told),
		cmocka_unit_test(test_resync),
		cmocka_unit_test(test_vanished_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
