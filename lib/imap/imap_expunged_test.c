/* SPDX-License-Identifier: ISC */
/* When EXPUNGE is told, and commands about messages that are gone: expunged by this session, or by another one
 * whose EXPUNGE has not been told yet (rfc2180:4.1, rfc9051:7.5.1, rfc6851:3.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

#define GONE "NO [EXPUNGEISSUED] Some of the messages are gone\r\n"

/* Three messages, of which UID 2 has been expunged by a; b has the folder open and was not told. */
static void
with_gap(struct client *a, struct client *b)
{
	in_inbox(a, 3);
	open_client(b);
	say(b, "b select inbox\r\n");
	got(b);
	say(a, "a uid store 2 +flags.silent \\Deleted\r\na uid expunge 2\r\n");
	assert_non_null(strstr(got(a), "* 2 EXPUNGE\r\n"));
}

static void
without_gap(struct client *a, struct client *b)
{
	close_client(b);
	done(a);
}

/* rfc3501:7.4.1: EXPUNGE never at the end of FETCH, STORE, SEARCH; at once while idling. */
static void
test_expunge_timing(void **state)
{
	struct client a, b, i;

	(void)state;
	in_inbox(&a, 4);
	open_client(&b);
	open_client(&i);
	say(&b, "b select inbox\r\n");
	say(&i, "i select inbox\r\n");
	got(&b);
	got(&i);
	EXPECT(&i, "i idle\r\n", "+ idling\r\n");
	EXPECT(&a, "a store 1,3 +flags.silent \\Deleted\r\n", "a OK Flags stored\r\n");
	assert_true(i.wakes > 0);
	run(&i);
	assert_string_equal(got(&i),
	    "* 1 FETCH (UID 1 FLAGS (\\Deleted))\r\n* 3 FETCH (UID 3 FLAGS (\\Deleted))\r\n");
	EXPECT(&a, "a expunge\r\n", "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\na OK Messages expunged\r\n");
	run(&i);
	assert_string_equal(got(&i), "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n");
	memory_deliver(&mem, "INBOX", str_of(simple_msg), 0);
	run(&i);
	assert_string_equal(got(&i), "* 3 EXISTS\r\n* 1 RECENT\r\n");
	EXPECT(&i, "done\r\n", "i OK Idle ended\r\n");
	/* b has not heard of anything: its numbers are the old ones; EXISTS may be told */
	EXPECT(&b, "b fetch 1:4 uid\r\n",
	    "* 2 FETCH (UID 2)\r\n* 4 FETCH (UID 4)\r\n* 5 EXISTS\r\n* 0 RECENT\r\n"
	    "b NO [EXPUNGEISSUED] Some of the messages are gone\r\n");
	EXPECT(&b, "b search all\r\n", "* SEARCH 2 4 5\r\nb OK Search completed\r\n");
	EXPECT(&b, "b store 3 +flags \\Seen\r\n",
	    "b NO [EXPUNGEISSUED] Some of the messages are gone\r\n");
	EXPECT(&b, "b copy 3 Trash\r\n",
	    "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n"
	    "b NO [EXPUNGEISSUED] Some of the messages are gone\r\n");
	close_client(&b);
	close_client(&i);
	done(&a);
}

static void
test_uid_expunge_tells(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 3);
	open_client(&b);
	say(&b, "b select inbox\r\n");
	got(&b);
	say(&a, "a store 1:3 +flags.silent \\Deleted\r\n");
	got(&a);
	EXPECT(&a, "a uid expunge 2\r\n", "* 2 EXPUNGE\r\na OK Messages expunged\r\n");
	EXPECT(&b, "b uid fetch 1:* uid\r\n",
	    "* 1 FETCH (UID 1)\r\n* 3 FETCH (UID 3)\r\n* 2 EXPUNGE\r\n"
	    "* 1 FETCH (UID 1 FLAGS (\\Deleted))\r\n* 2 FETCH (UID 3 FLAGS (\\Deleted))\r\n"
	    "b OK Messages fetched\r\n");
	EXPECT(&b, "b close\r\n", "b OK Folder closed\r\n");
	EXPECT(&a, "a noop\r\n", "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\na OK Done\r\n");
	close_client(&b);
	done(&a);
}

static void
test_many(void **state)
{
	struct client a, b;
	char *want = xmalloc(1 << 20), *p = want;

	(void)state;
	in_inbox(&a, 0);
	for (int i = 0; i < 3000; i++)
		memory_deliver(&mem, "INBOX", STR("\r\n"), i % 2 ? IMAP_DELETED : 0);
	EXPECT(&a, "a noop\r\n", "* 3000 EXISTS\r\n* 3000 RECENT\r\na OK Done\r\n");
	open_client(&b);
	say(&b, "b select inbox\r\n");
	got(&b);
	for (int i = 0; i < 1500; i++)
		p += sprintf(p, "* %d EXPUNGE\r\n", i + 2);
	strcpy(p, "a OK Messages expunged\r\n");
	EXPECT(&a, "a expunge\r\n", want);
	/* b's old numbers: odd ones are left */
	EXPECT(&b, "b fetch 2999,3 uid\r\n",
	    "* 3 FETCH (UID 3)\r\n* 2999 FETCH (UID 2999)\r\nb OK Messages fetched\r\n");
	EXPECT(&b, "b search 1:8\r\n", "* SEARCH 1 3 5 7\r\nb OK Search completed\r\n");
	strcpy(p, "b OK Done\r\n");
	EXPECT(&b, "b noop\r\n", want);
	EXPECT(&b, "b fetch 1500 uid\r\n", "* 1500 FETCH (UID 2999)\r\nb OK Messages fetched\r\n");
	free(want);
	close_client(&b);
	done(&a);
}

/* The session that expunged it has two messages: there is no number 3, and UID 2 does no harm. */
static void
test_own(void **state)
{
	static const struct {
		const char *say, *want;
	} cases[] = {
		{ "a fetch 3 flags\r\n", "a BAD No message has such a number\r\n" },
		{ "a store 3 +flags \\Seen\r\n", "a BAD No message has such a number\r\n" },
		{ "a copy 3 Trash\r\n", "a BAD No message has such a number\r\n" },
		{ "a move 3 Trash\r\n", "a BAD No message has such a number\r\n" },
		{ "a uid fetch 2 flags\r\n", "a OK Messages fetched\r\n" },
		{ "a uid store 2 +flags \\Seen\r\n", "a OK Flags stored\r\n" },
		{ "a uid copy 2 Trash\r\n", "a OK No such messages\r\n" },
		{ "a uid move 2 Trash\r\n", "a OK No such messages\r\n" },
		{ "a uid expunge 2\r\n", "a OK Messages expunged\r\n" },
		{ "a uid search uid 2\r\n", "* SEARCH\r\na OK Search completed\r\n" },
		{ "a uid fetch 1:3 uid\r\n",
		    "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 3)\r\na OK Messages fetched\r\n" },
		{ "a uid copy 1:3 Trash\r\n", "a OK [COPYUID 6 1,3 1:2] Messages copied\r\n" },
		{ "a uid move 2:3 Trash\r\n",
		    "* OK [COPYUID 6 3 3] Messages moved\r\n* 2 EXPUNGE\r\na OK Done\r\n" },
		{ "a status Trash (messages)\r\n",
		    "* STATUS \"Trash\" (MESSAGES 3)\r\na OK Status shown\r\n" },
	};
	struct client a, b;

	(void)state;
	with_gap(&a, &b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT(&a, cases[i].say, cases[i].want);
	without_gap(&a, &b);
}

/* Another session still counts three. By number: what is there is done where the command is no all or
 * nothing, and NO says that something is missing. EXPUNGE is told only where numbers are not used. */
static void
test_not_told_yet(void **state)
{
	static const struct {
		const char *say, *want;
	} cases[] = {
		{ "b fetch 2 (uid flags)\r\n", "b " GONE },
		{ "b fetch 1:3 uid\r\n", "* 1 FETCH (UID 1)\r\n* 3 FETCH (UID 3)\r\nb " GONE },
		{ "b fetch 2 body[]\r\n", "b " GONE },
		{ "b store 2 +flags \\Seen\r\n", "b " GONE },
		{ "b store 2:3 +flags \\Seen\r\n", "* 3 FETCH (FLAGS (\\Seen))\r\nb " GONE },
		{ "b uid fetch 2 flags\r\n", "* 2 EXPUNGE\r\nb OK Messages fetched\r\n" },
		{ "b store 3 +flags \\Seen\r\n", "b BAD No message has such a number\r\n" },
	};
	static const struct {
		const char *say, *want;
	} telling[] = {
		{ "b copy 2 Trash\r\n", "* 2 EXPUNGE\r\nb " GONE },
		{ "b copy 1:3 Trash\r\n", "* 2 EXPUNGE\r\nb " GONE },
		{ "b move 2 Trash\r\n", "* 2 EXPUNGE\r\nb " GONE },
		{ "b move 1:3 Trash\r\n", "* 2 EXPUNGE\r\nb " GONE },
		{ "b uid copy 2 Trash\r\n", "* 2 EXPUNGE\r\nb OK No such messages\r\n" },
		{ "b uid move 2 Trash\r\n", "* 2 EXPUNGE\r\nb OK No such messages\r\n" },
		{ "b uid store 2 +flags \\Seen\r\n", "* 2 EXPUNGE\r\nb OK Flags stored\r\n" },
		{ "b uid expunge 2\r\n", "* 2 EXPUNGE\r\nb OK Messages expunged\r\n" },
	};
	struct client a, b;

	(void)state;
	with_gap(&a, &b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT(&b, cases[i].say, cases[i].want);
	without_gap(&a, &b);
	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
		with_gap(&a, &b);
		EXPECT(&b, telling[i].say, telling[i].want);
		/* Nothing was copied, not even what is there. */
		EXPECT(&b, "b status Trash (messages)\r\n",
		    "* STATUS \"Trash\" (MESSAGES 0)\r\nb OK Status shown\r\n");
		without_gap(&a, &b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expunge_timing),
		cmocka_unit_test(test_uid_expunge_tells),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_not_told_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
