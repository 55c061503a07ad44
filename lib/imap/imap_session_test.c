/* SPDX-License-Identifier: ISC */
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
test_append(void **state)
{
	struct client c;

	(void)state;
	for (size_t step = 0; step < 40; step++) {
		memory_init(&mem);
		open_client(&c);
		c.step = step;
		say(&c, "a APPEND Drafts (\\Seen Foo) \"17-Jul-1996 02:44:25 -0700\" {10}\r\n");
		assert_string_equal(got(&c), "+ Ready for the literal\r\n");
		say(&c, "Subject: x");
		assert_string_equal(got(&c), "");
		say(&c, "\r\n");
		assert_string_equal(got(&c), "a OK [APPENDUID 2 1] Message stored\r\n");
		EXPECT(&c, "b append {6+}\r\nDrafts {6+}\r\na{9}\r\n\r\n",
		    "b OK [APPENDUID 2 2] Message stored\r\n");
		EXPECT(&c, "c append nowhere {5+}\r\nb nop\r\n",
		    "c NO [TRYCREATE] No such folder\r\n");
		EXPECT(&c, "c append nowhere {5}\r\n", "c NO [TRYCREATE] No such folder\r\n");
		EXPECT(&c, "c append Drafts {0+}\r\n\r\n", "c NO The message is empty\r\n");
		EXPECT(&c, "c append Drafts (\\Seen {5+}\r\nb nop\r\n",
		    "c BAD Missing or invalid argument\r\n");
		EXPECT(&c, "c append Drafts {2000000}\r\n",
		    "c NO [OVERQUOTA] The mailbox is full\r\n");
		EXPECT(&c, "c append Drafts {3+}\r\nabc def\r\n",
		    "c BAD Unexpected text behind the message\r\n");
		EXPECT(&c, "c append Drafts\r\n", "c BAD Missing message\r\n");
		EXPECT(&c, "c examine Drafts\r\nd fetch 1:* (flags internaldate body[])\r\n",
		    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft Foo)\r\n"
		    "* OK [PERMANENTFLAGS ()] No permanent flags\r\n* 2 EXISTS\r\n* 2 RECENT\r\n"
		    "* OK [UNSEEN 2] First unseen message\r\n* OK [UIDVALIDITY 2] UIDs are valid\r\n"
		    "* OK [UIDNEXT 3] Next UID\r\n"
		    "* OK [MAILBOXID (F2)] Id of the folder\r\n* OK [HIGHESTMODSEQ 2] Highest\r\n"
		    "c OK [READ-ONLY] Folder selected\r\n"
		    "* 1 FETCH (FLAGS (\\Seen \\Recent Foo) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" "
		    "BODY[] {10}\r\nSubject: x)\r\n"
		    "* 2 FETCH (FLAGS (\\Recent) INTERNALDATE \" 9-Sep-2001 01:46:40 +0000\" BODY[] "
		    "{6}\r\na{9}\r\n)\r\nd OK Messages fetched\r\n");
		done(&c);
	}
}

static void
test_append_nul(void **state)
{
	static const char bytes[] = "a append INBOX {3+}\r\na\0b\r\nb noop\r\n";
	struct client c;

	(void)state;
	memory_init(&mem);
	open_client(&c);
	feed(&c, bytes, sizeof(bytes) - 1);
	assert_string_equal(
	    got(&c), "a NO [UNKNOWN-CTE] The message contains a NUL byte\r\nb OK Done\r\n");
	done(&c);
}

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

static const char searched[] =
    "Date: 1 Jan 2020 23:30:00 -0800\r\n"
    "From: =?utf-8?Q?J=C3=B6rg?= <j@example.org>\r\n"
    "Subject: =?iso-8859-1?Q?Gr=FC=DFe?= aus\r\n =?iso-8859-1?Q?K=D6LN?=\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=windows-1252\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    "F=DCR 5 =80 nach=\r\nnahme\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n"
    "w4RwZmVsIHVuZCBCaXJuZW4=\r\n--b--\r\n";

static const struct {
	const char *keys, *want;
} searches[] = {
	{ "all", " 1 2 3" },
	{ "2:*", " 2 3" },
	{ "uid 1:2", " 1 2" },
	{ "not seen", " 2 3" },
	{ "or seen 3", " 1 3" },
	{ "seen undeleted", " 1" },
	{ "new", " 2 3" },
	{ "old", "" },
	{ "subject \"wg mtg\"", " 1 2" },
	{ "subject {10+}\r\nGR\xc3\x9c\xc3\x9f"
	  "E AU",
	    " 3" },
	{ "charset iso-8859-1 subject \"aus K\xf6ln\"", " 3" },
	{ "from J\xc3\x96RG", "" },
	{ "from \"J\xc3\x96RG\"", " 3" },
	{ "header message-id \"\"", " 1 2" },
	{ "header x-none \"\"", "" },
	{ "body \"f\xc3\xbcr 5 \xe2\x82\xac nachnahme\"", " 3" },
	{ "body \"\xc3\xa4PFEL\"", " 3" },
	{ "body grüße", "" },
	{ "body \"gr\xc3\xbc\xc3\x9f"
	  "e\"",
	    "" },
	{ "text \"gr\xc3\xbc\xc3\x9f"
	  "e\"",
	    " 3" },
	{ "text \"hello world\"", " 1 2" },
	{ "body klensin", "" },
	{ "sentsince 1-Jan-2020 sentbefore 2-jan-2020", " 3" },
	{ "senton \"17-Jul-1996\"", " 1 2" },
	{ "on 9-Sep-2001", " 1 2 3" },
	{ "before 9-Sep-2001", "" },
	{ "since 10-Sep-2001", "" },
	{ "larger 5000", "" },
	{ "smaller 5000 larger 10", " 1 2 3" },
	{ "(or (2 unseen) (1 not (text x)))", " 2" },
	{ "not or 1 2 unflagged undraft unanswered", " 3" },
};

static void
test_search(void **state)
{
	struct client c;
	char line[256], want[256];

	(void)state;
	in_inbox(&c, 2);
	memory_deliver(&mem, "INBOX", str_of(searched), 0);
	say(&c, "a store 1 flags.silent \\Seen\r\n");
	got(&c);
	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
		bool bad =
		    strstr(searches[i].keys, "from J") || strstr(searches[i].keys, "body gr\xc3");

		snprintf(line, sizeof(line), "a search %s\r\n", searches[i].keys);
		snprintf(want, sizeof(want), "* SEARCH%s\r\na OK Search completed\r\n",
		    searches[i].want);
		say(&c, line);
		assert_string_equal(
		    got(&c), bad ? "a BAD Unexpected text at the end of the command\r\n" : want);
	}
	done(&c);
}

static void
test_search_refused(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2);
	EXPECT(&c, "a search charset x-foo text y\r\n",
	    "a NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252 ISO-8859-2 "
	    "ISO-8859-3 ISO-8859-4 ISO-8859-5 ISO-8859-6 ISO-8859-7 ISO-8859-8 ISO-8859-9 "
	    "ISO-8859-10 ISO-8859-13 ISO-8859-14 ISO-8859-16 WINDOWS-874 WINDOWS-1250 "
	    "WINDOWS-1251 WINDOWS-1253 WINDOWS-1254 WINDOWS-1255 WINDOWS-1256 WINDOWS-1257 "
	    "WINDOWS-1258 KOI8-R KOI8-U IBM437 IBM850 IBM852 IBM855 IBM866 MACINTOSH "
	    "MAC-CYRILLIC ARMSCII-8 GB18030 GBK GB2312 HZ-GB-2312 BIG5 SHIFT_JIS EUC-JP "
	    "ISO-2022-JP EUC-KR ISO-2022-KR UTF-7 UTF-16 UTF-16BE UTF-16LE)] Unknown character "
	    "set\r\n");
	EXPECT(&c, "a uid search uid 2:3 (1:* )\r\n", "a BAD Missing or invalid argument\r\n");
	EXPECT(&c, "a search\r\n", "a BAD Missing argument\r\n");
	EXPECT(&c, "a search foo\r\n", "a BAD Unknown search key\r\n");
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

static void
test_deep_search(void **state)
{
	struct client c;
	char line[4096] = "a search ";

	(void)state;
	in_inbox(&c, 1);
	for (int i = 0; i < 100; i++)
		strcat(line, "not ");
	strcat(line, "all\r\n");
	EXPECT(&c, line, "a BAD Search keys are nested too deep\r\n");
	memset(line, '(', 2000);
	memcpy(line, "a search ", 9);
	strcpy(line + 2000, "\r\n");
	EXPECT(&c, line, "a BAD Search keys are nested too deep\r\n");
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

/* The same bytes in pieces of every size give the same answers. */
static void
test_splits(void **state)
{
	static const char script[] =
	    "a select inbox\r\n"
	    "b append {5}\r\nINBOX (\\Flagged $x) {12+}\r\na: b\r\n\r\n{3}\r\n\r\n"
	    "c fetch 1:* (flags body[] envelope bodystructure)\r\n"
	    "d search or subject {4+}\r\nimap text \"\\\"\\\\\" not from {1}\r\n}\r\n"
	    "e select {3+}\r\n{3}\r\n"
	    "f noop {10+}\r\nz logout\r\n\r\n"
	    "g uid store 1:* -flags.silent (\\Seen $x)\r\n"
	    "h idle\r\nDONE\r\n"
	    "i foo\r\n\r\n"
	    "j uid move 1 Trash\n"
	    "k list \"\" \"*\" return (special-use children subscribed)\r\n"
	    "l create \"a/{2+}\"\r\n"
	    "m logout\r\n";
	struct buf want;

	(void)state;
	buf_init(&want, 1 << 20);
	for (size_t step = 0; step < sizeof(script); step++) {
		struct client c;

		memory_init(&mem);
		memory_deliver(&mem, "INBOX", str_of(simple_msg), 0);
		open_client(&c);
		c.step = step;
		feed(&c, script, sizeof(script) - 1);
		assert_int_equal(c.why, IMAP_RUN_CLOSE);
		if (step == 0)
			buf_put(&want, buf_data(&c.got), c.got.len);
		assert_int_equal(c.got.len, want.len);
		assert_memory_equal(buf_data(&c.got), buf_data(&want), want.len);
		done(&c);
	}
	assert_non_null(memmem(buf_data(&want), want.len, "\r\nm OK ", 7));
	assert_non_null(memmem(buf_data(&want), want.len, "\r\nd OK ", 7));
	buf_free(&want);
}

/* ---- random commands of several sessions against what each client must believe ------------------ */
enum { MODEL_CLIENTS = 3, MODEL_MAX = 2000 };

struct believer {
	struct client c;
	uint32_t uid[MODEL_MAX]; /* by sequence number - 1; 0: not heard yet */
	size_t exists;
};

static void
believe_line(struct believer *b, const char *line, bool may_expunge)
{
	unsigned n, uid;
	char word[16];
	const char *at;

	if (sscanf(line, "* %u %15[A-Z]", &n, word) != 2)
		return;
	if (strcmp(word, "EXPUNGE") == 0) {
		assert_true(may_expunge);
		assert_in_range(n, 1, b->exists);
		memmove(&b->uid[n - 1], &b->uid[n], (b->exists - n) * sizeof(b->uid[0]));
		b->uid[--b->exists] = 0;
	} else if (strcmp(word, "EXISTS") == 0) {
		assert_in_range(n, b->exists, MODEL_MAX);
		b->exists = n;
	} else if (strcmp(word, "FETCH") == 0) {
		assert_in_range(n, 1, b->exists);
		at = strstr(line, "UID ");
		if (at == NULL || sscanf(at, "UID %u", &uid) != 1)
			return;
		assert_true(b->uid[n - 1] == 0 || b->uid[n - 1] == uid);
		b->uid[n - 1] = uid;
	}
}

static void
believe(struct believer *b, bool may_expunge)
{
	char *text = xstrdup(got(&b->c)), *save = NULL;

	for (char *l = strtok_r(text, "\r\n", &save); l; l = strtok_r(NULL, "\r\n", &save))
		believe_line(b, l, may_expunge);
	free(text);
}

static void
model_command(struct believer *b, unsigned r)
{
	unsigned n = b->exists ? r / 16 % (unsigned)b->exists + 1 : 1;
	char line[128];
	bool hold = false;

	switch (r % 16) {
	case 0:
		snprintf(line, sizeof(line), "a noop\r\n");
		break;
	case 1:
	case 2:
		hold = true;
		snprintf(line, sizeof(line), "a fetch %u:* (uid flags)\r\n", n);
		break;
	case 3:
		snprintf(line, sizeof(line), "a uid fetch %u:* flags\r\n", n);
		break;
	case 4:
	case 5:
		hold = true;
		snprintf(line, sizeof(line), "a store %u,%u +flags \\Deleted\r\n", n,
		    (n + 2) % (unsigned)(b->exists + 1) + (n + 2 == b->exists + 1));
		break;
	case 6:
		snprintf(line, sizeof(line), "a uid store 1:* %cflags kw%u\r\n", "+-"[r / 16 & 1],
		    r / 32 % 5);
		break;
	case 7:
		snprintf(line, sizeof(line), "a expunge\r\n");
		break;
	case 8:
		snprintf(
		    line, sizeof(line), "a uid expunge %u\r\n", b->exists ? b->uid[n - 1] + 1 : 1);
		break;
	case 9:
	case 10:
	case 11:
		snprintf(line, sizeof(line), "a append INBOX {3+}\r\nx\r\n\r\n");
		break;
	case 12:
		snprintf(line, sizeof(line), "a copy %u inbox\r\n", n);
		break;
	case 13:
		snprintf(line, sizeof(line), "a move %u Trash\r\n", n);
		break;
	case 14:
		hold = true;
		snprintf(line, sizeof(line), "a search deleted\r\n");
		break;
	default:
		snprintf(line, sizeof(line), "a idle\r\n");
		break;
	}
	say(&b->c, line);
	if (r % 16 == 15)
		return; /* idles until it has its turn again */
	believe(b, !hold);
}

static void
test_model(void **state)
{
	struct believer b[MODEL_CLIENTS] = { 0 };
	bool idles[MODEL_CLIENTS] = { false };
	unsigned x = 20261123;

	(void)state;
	memory_init(&mem);
	for (int i = 0; i < MODEL_CLIENTS; i++) {
		open_client(&b[i].c);
		say(&b[i].c, "a select inbox\r\n");
		believe(&b[i], false);
	}
	for (int round = 0; round < 20000; round++) {
		unsigned r = (x = x * 1664525 + 1013904223) >> 8, i = r / 4096 % MODEL_CLIENTS;

		mem.wait = r / 8192 & 1;
		if (idles[i]) {
			run(&b[i].c);
			say(&b[i].c, "done\r\n");
			believe(&b[i], true);
		}
		idles[i] = r % 16 == 15;
		if (memory_folder(&mem, STR("INBOX"))->n > 300)
			r = r / 16 * 16 + 13;
		model_command(&b[i], r);
		idles[i] = r % 16 == 15;
		memory_sync(&mem);
		run(&b[i].c);
		if (!idles[i])
			believe(&b[i], true);
	}
	for (int i = 0; i < MODEL_CLIENTS; i++) {
		struct imap_folder *f = memory_folder(&mem, STR("INBOX"));

		say(&b[i].c, idles[i] ? "done\r\na noop\r\n" : "a noop\r\n");
		believe(&b[i], true);
		say(&b[i].c, "a fetch 1:* uid\r\n");
		believe(&b[i], false);
		assert_int_equal(b[i].exists, f->n);
		for (size_t k = 0; k < f->n; k++)
			assert_int_equal(b[i].uid[k], f->msg[k].m.uid);
		close_client(&b[i].c);
	}
	memory_free(&mem);
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
		cmocka_unit_test(test_expunge_timing),
		cmocka_unit_test(test_uid_expunge_tells),
		cmocka_unit_test(test_copy_move),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_nul),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_delete_selected),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_search_refused),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_deep_search),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_bye),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
