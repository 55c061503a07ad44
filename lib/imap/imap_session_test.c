/* SPDX-License-Identifier: ISC */
/* Sessions: what each command says, in order and in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "imap/limits.h"
#include "imap/test_client.h"

#define CAPS_BEFORE_MOVE \
	"IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR IDLE ID ENABLE NAMESPACE CHILDREN UIDPLUS UNSELECT"
#define CAPS_BEHIND_MOVE \
	"CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN SORT ESORT THREAD=ORDEREDSUBJECT " \
	"THREAD=REFERENCES QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE OBJECTID SAVEDATE MULTIAPPEND " \
	"BINARY UTF8=ACCEPT PREVIEW SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE " \
	"APPENDLIMIT=104857600"

/* ---- tests ------------------------------------------------------------------------------------ */
static void
test_welcome_and_simple(void **state)
{
	struct client c;

	(void)state;
	memory_init(&mem);
	open_client(&c);
	imap_session_welcome(c.s, STR("a001"));
	run(&c);
	assert_string_equal(got(&c),
	    "a001 OK [CAPABILITY " CAPS_BEFORE_MOVE " MOVE " CAPS_BEHIND_MOVE "] Logged in\r\n");
	EXPECT(&c, "a noop\r\n", "a OK Done\r\n");
	EXPECT(&c, "a NAMESPACE\r\n", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\na OK Done\r\n");
	EXPECT(&c, "a ID (\"name\" \"x\" \"version\" NIL)\r\n",
	    "* ID (\"name\" \"Postern\")\r\na OK Done\r\n");
	EXPECT(&c, "a fetch 1 flags\r\n", "a BAD No folder is selected\r\n");
	EXPECT(&c, "a xyzzy\r\n", "a BAD Unknown command\r\n");
	EXPECT(&c, "+ noop\r\n", "* BAD Missing or invalid tag\r\n");
	EXPECT(&c, "a noop \r\n", "a BAD Unexpected text at the end of the command\r\n");
	EXPECT(&c, "a LOGOUT\r\n", "* BYE Logging out\r\na OK Logged out\r\n");
	assert_int_equal(c.why, IMAP_RUN_CLOSE);
	done(&c);
}

static void
test_hidden(void **state)
{
	struct imap_session_config config = { &memory_ops, &mem, client_wake, NULL,
		STR("MOVE x-none") };
	struct client c;

	(void)state;
	memory_init(&mem);
	open_client(&c);
	imap_session_free(&c.s);
	c.s = imap_session_new(&config);
	EXPECT(&c, "a capability\r\n",
	    "* CAPABILITY " CAPS_BEFORE_MOVE " " CAPS_BEHIND_MOVE
	    "\r\na OK Capabilities listed\r\n");
	done(&c);
}

static void
test_select(void **state)
{
	struct client c;

	(void)state;
	memory_init(&mem);
	memory_deliver(&mem, "INBOX", str_of(simple_msg), IMAP_SEEN);
	memory_deliver(&mem, "INBOX", str_of(simple_msg), 0);
	open_client(&c);
	EXPECT(&c, "a EXAMINE INBOX\r\n",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
	    "* OK [PERMANENTFLAGS ()] No permanent flags\r\n"
	    "* 2 EXISTS\r\n* 2 RECENT\r\n* OK [UNSEEN 2] First unseen message\r\n"
	    "* OK [UIDVALIDITY 3] UIDs are valid\r\n* OK [UIDNEXT 3] Next UID\r\n"
	    "* OK [MAILBOXID (F3)] Id of the folder\r\n* OK [HIGHESTMODSEQ 2] Highest\r\n"
	    "a OK [READ-ONLY] Folder selected\r\n");
	EXPECT(&c, "a store 1 +flags \\Seen\r\n",
	    "a NO [READ-ONLY] The folder was opened to be read only\r\n");
	EXPECT(&c, "a SELECT \"iNbOx\"\r\n",
	    "* OK [CLOSED] Folder closed\r\n* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags and "
	    "keywords\r\n"
	    "* 2 EXISTS\r\n* 2 RECENT\r\n* OK [UNSEEN 2] First unseen message\r\n"
	    "* OK [UIDVALIDITY 3] UIDs are valid\r\n* OK [UIDNEXT 3] Next UID\r\n"
	    "* OK [MAILBOXID (F3)] Id of the folder\r\n* OK [HIGHESTMODSEQ 2] Highest\r\n"
	    "a OK [READ-WRITE] Folder selected\r\n");
	EXPECT(&c, "a status inbox (messages recent uidnext uidvalidity unseen)\r\n",
	    "* STATUS \"INBOX\" (MESSAGES 2 RECENT 0 UIDNEXT 3 UIDVALIDITY 3 UNSEEN 1)\r\n"
	    "a OK Status shown\r\n");
	EXPECT(&c, "a select nowhere\r\n",
	    "* OK [CLOSED] Folder closed\r\na NO [NONEXISTENT] No such folder or message\r\n");
	EXPECT(&c, "a check\r\n", "a BAD No folder is selected\r\n");
	done(&c);
}

static void
test_fetch(void **state)
{
	static const char envelope[] = "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
				       "\"IMAP4rev1 WG mtg summary and minutes\" "
				       "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
				       "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
				       "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
				       "((NIL NIL \"imap\" \"cac.washington.edu\")) "
				       "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
				       "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
				       "\"<B27397-0100000@cac.washington.edu>\")";
	struct client c;
	char want[2048];

	(void)state;
	in_inbox(&c, 1);
	snprintf(want, sizeof(want),
	    "* 1 FETCH (FLAGS (\\Recent) INTERNALDATE \" 9-Sep-2001 01:46:40 +0000\" RFC822.SIZE "
	    "%zu ENVELOPE %s BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" "
	    "23 2))\r\na OK Messages fetched\r\n",
	    sizeof(simple_msg) - 1, envelope);
	EXPECT(&c, "a fetch 1 full\r\n", want);
	EXPECT(&c,
	    "a uid fetch 1:* (uid BODY.PEEK[HEADER.FIELDS (Subject to)] body.peek[text]<6.9>)\r\n",
	    "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (Subject to)] {78}\r\n"
	    "Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\r\n"
	    " BODY[TEXT]<6> {9}\r\nWorld\r\nLi)\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 (body.peek[1] BODY.PEEK[2] body.peek[1.mime] body.peek[1.text])\r\n",
	    "* 1 FETCH (BODY[1] {23}\r\nHello World\r\nLine two\r\n BODY[2] NIL BODY[1.MIME] "
	    "{342}\r\nDate: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	    "From: Terry Gray <gray@cac.washington.edu>\r\n"
	    "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
	    "To: imap@cac.washington.edu\r\n"
	    "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
	    "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n BODY[1.TEXT] NIL)\r\n"
	    "a OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 rfc822.text\r\n",
	    "* 1 FETCH (FLAGS (\\Seen \\Recent) RFC822.TEXT {23}\r\nHello World\r\nLine "
	    "two\r\n)\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 (body[text]<100.5> flags)\r\n",
	    "* 1 FETCH (BODY[TEXT]<100> {0}\r\n FLAGS (\\Seen \\Recent))\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 2 flags\r\n", "a BAD No message has such a number\r\n");
	EXPECT(&c, "a uid fetch 2:9 flags\r\n", "a OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 body[\r\n", "a BAD Missing ']'\r\n");
	EXPECT(&c, "a fetch 1 body[]<1.0>\r\n", "a BAD Invalid partial range\r\n");
	EXPECT(&c, "a fetch 1 body[0]\r\n", "a BAD Invalid part number\r\n");
	EXPECT(&c, "a fetch 0 flags\r\n", "a BAD Invalid set of numbers\r\n");
	mem.fail_content = IMAP_CORRUPTION;
	EXPECT(&c, "a fetch 1 body[]\r\n",
	    "a NO [CORRUPTION] Some of the messages cannot be read\r\n");
	mem.fail_content = IMAP_DONE;
	done(&c);
}

static void
test_store(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 3);
	open_client(&b);
	say(&b, "b select inbox\r\n");
	got(&b);
	EXPECT(&a, "a store 2:4 +flags \\Deleted\r\n", "a BAD No message has such a number\r\n");
	EXPECT(&a, "a store 2:3 +FLAGS (\\Deleted)\r\n",
	    "* 2 FETCH (FLAGS (\\Deleted \\Recent))\r\n* 3 FETCH (FLAGS (\\Deleted \\Recent))\r\n"
	    "a OK Flags stored\r\n");
	EXPECT(&b, "b noop\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Deleted))\r\n* 3 FETCH (UID 3 FLAGS (\\Deleted))\r\n"
	    "b OK Done\r\n");
	EXPECT(&a, "a store 2 -flags.silent (\\deleted)\r\n", "a OK Flags stored\r\n");
	EXPECT(&a, "a uid store 1 flags ($Junk NonJunk)\r\n",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk NonJunk)\r\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk NonJunk "
	    "\\*)] Flags and keywords\r\n"
	    "* 1 FETCH (UID 1 FLAGS (\\Recent $Junk NonJunk))\r\na OK Flags stored\r\n");
	EXPECT(&b, "b noop\r\n",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk NonJunk)\r\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk NonJunk "
	    "\\*)] Flags and keywords\r\n"
	    "* 1 FETCH (UID 1 FLAGS ($Junk NonJunk))\r\n* 2 FETCH (UID 2 FLAGS ())\r\n"
	    "b OK Done\r\n");
	EXPECT(&a, "a store 1 +flags (\\Foo)\r\n", "a BAD Unknown system flag\r\n");
	EXPECT(&a, "a store 1 +flags (\\*)\r\n", "a BAD Missing or invalid argument\r\n");
	EXPECT(&a, "a search keyword $junk\r\n", "* SEARCH 1\r\na OK Search completed\r\n");
	EXPECT(
	    &a, "a search unkeyword nope deleted\r\n", "* SEARCH 3\r\na OK Search completed\r\n");
	close_client(&b);
	done(&a);
}

/* '*' is the last message there is, not the last that was. */
static void
test_star(void **state)
{
	struct client a;

	(void)state;
	in_inbox(&a, 3);
	say(&a, "a store 3 flags.silent \\Deleted\r\na expunge\r\n");
	got(&a);
	EXPECT(&a, "a uid fetch * uid\r\n", "* 2 FETCH (UID 2)\r\na OK Messages fetched\r\n");
	EXPECT(&a, "a uid fetch 9:* uid\r\n", "* 2 FETCH (UID 2)\r\na OK Messages fetched\r\n");
	EXPECT(&a, "a search uid *\r\n", "* SEARCH 2\r\na OK Search completed\r\n");
	done(&a);
}

static void
test_copy_move(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 3);
	EXPECT(&c, "a copy 1:2 nowhere\r\n", "a NO [TRYCREATE] No such folder\r\n");
	EXPECT(&c, "a copy 1,3 Trash\r\n", "a OK [COPYUID 6 1,3 1:2] Messages copied\r\n");
	EXPECT(&c, "a uid move 2 Archive\r\n",
	    "* OK [COPYUID 1 2 1] Messages moved\r\n* 2 EXPUNGE\r\na OK Done\r\n");
	EXPECT(&c, "a uid move 2 Archive\r\n", "a OK No such messages\r\n");
	EXPECT(&c, "a copy 1 inbox\r\n",
	    "* 3 EXISTS\r\n* 3 RECENT\r\na OK [COPYUID 3 1 4] Messages copied\r\n");
	done(&c);
}

static void
test_pending(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 2);
	open_client(&b);
	mem.wait = true;
	say(&a, "a append Sent {2+}\r\nhi\r\nb noop\r\n");
	assert_string_equal(got(&a), "");
	assert_int_equal(a.why, IMAP_RUN_BACKEND);
	say(&b, "b append Sent {2+}\r\nho\r\n");
	assert_string_equal(got(&b), "");
	memory_sync(&mem);
	assert_int_equal(mem.syncs, 1);
	assert_true(a.wakes == 1 && b.wakes == 1);
	run(&a);
	run(&b);
	assert_string_equal(got(&a), "a OK [APPENDUID 5 1] Message stored\r\nb OK Done\r\n");
	assert_string_equal(got(&b), "b OK [APPENDUID 5 2] Message stored\r\n");
	say(&a, "a move 1 Trash\r\n");
	assert_string_equal(got(&a), "");
	memory_sync(&mem);
	run(&a);
	assert_string_equal(
	    got(&a), "* OK [COPYUID 6 1 1] Messages moved\r\n* 1 EXPUNGE\r\na OK Done\r\n");
	say(&a, "a create x\r\n"); /* never answered */
	close_client(&b);
	done(&a);
}

static void
test_bad_input(void **state)
{
	struct client c;
	char *big = xmalloc(300000);

	(void)state;
	memory_init(&mem);
	open_client(&c);
	memset(big, 'x', 300000);
	memcpy(big, "a noop ", 7);
	feed(&c, big, 300000);
	say(&c, "\r\nb noop\r\n");
	assert_string_equal(
	    got(&c), "a BAD [TOOBIG] Command or literal is too long\r\nb OK Done\r\n");
	/* a literal announced at the end of an oversize line is not read as commands */
	feed(&c, big, 131070);
	say(&c, "{12+}\r\nz capability\r\nb noop\r\n");
	assert_string_equal(
	    got(&c), "a BAD [TOOBIG] Command or literal is too long\r\nb OK Done\r\n");
	EXPECT(&c, "a select {200000}\r\nb noop\r\n",
	    "a BAD [TOOBIG] Command or literal is too long\r\nb OK Done\r\n");
	EXPECT(&c, "a select {99999999999999999999999}\r\n",
	    "a BAD [TOOBIG] Command or literal is too long\r\n");
	feed(&c, "a select \"x\0\"\r\n", 15);
	assert_string_equal(got(&c), "a BAD Invalid character in a quoted string\r\n");
	EXPECT(&c, "a select \"x\\n\"\r\n", "a BAD Invalid escape in a quoted string\r\n");
	EXPECT(&c, "a select {1+}\r\n*\r\n",
	    "a NO [CANNOT] Character not allowed in a folder name\r\n");
	for (int i = 0; i < 45; i++)
		say(&c, "a foo\r\n");
	assert_int_not_equal(c.why, IMAP_RUN_CLOSE);
	for (int i = 0; i < 10; i++)
		say(&c, "a foo\r\n");
	assert_int_equal(c.why, IMAP_RUN_CLOSE);
	got(&c);
	close_client(&c);
	open_client(&c);
	EXPECT(&c, "a select {4294967295+}\r\n", "* BYE [TOOBIG] Command is too long\r\n");
	close_client(&c);
	open_client(&c);
	say(&c, "a idle\r\n");
	feed(&c, big, 400);
	assert_string_equal(got(&c), "+ idling\r\n* BYE Line is too long\r\n");
	free(big);
	done(&c);
}

/* The output stops at its mark and goes on where it was, whatever is drained. */
static void
test_back_pressure(void **state)
{
	struct client c;
	size_t n = 700000, total = 0;
	char *big = xmalloc(n);
	struct buf *out;

	(void)state;
	memset(big, 'y', n);
	memcpy(big, "Subject: x\r\n\r\n", 14);
	memory_init(&mem);
	memory_deliver(&mem, "INBOX", str_from(big, n), 0);
	open_client(&c);
	say(&c, "a examine inbox\r\n");
	got(&c);
	buf_put(&c.in, "b fetch 1 body[]\r\nc noop\r\n", 26);
	out = imap_session_out(c.s);
	while (imap_session_run(c.s, &c.in) == IMAP_RUN_OUTPUT) {
		size_t take = out->len > 100000 ? 100000 : out->len;

		assert_true(out->len <= IMAP_OUT_MAX);
		assert_true(c.in.len > 0);
		total += take;
		imap_session_sent(c.s, take);
		if (total > 200000 && total < 320000) /* gone while it is read */
			memory_take_out(
			    &mem, memory_folder(&mem, STR("INBOX")), (uint32_t[]){ 1 }, 1);
	}
	total += out->len;
	assert_int_equal(
	    total, n + strlen("* 1 FETCH (BODY[] {700000}\r\n)\r\nb OK Messages fetched\r\n"
			      "* 0 EXPUNGE\r\nc OK Done\r\n"));
	imap_session_sent(c.s, out->len);
	free(big);
	done(&c);
}

static void
test_bye(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	assert_true(imap_session_is_idle(c.s));
	say(&c, "a noo");
	assert_false(imap_session_is_idle(c.s));
	imap_session_bye(c.s, "Idle for too long");
	run(&c);
	assert_string_equal(got(&c), "* BYE Idle for too long\r\n");
	assert_int_equal(c.why, IMAP_RUN_CLOSE);
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_welcome_and_simple),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_star),
		cmocka_unit_test(test_copy_move),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_bye),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
