/* SPDX-License-Identifier: ISC */
/* APPEND, MULTIAPPEND, BINARY, UTF8=ACCEPT, PREVIEW. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

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
test_multiappend(void **state)
{
	struct client c;

	(void)state;
	for (size_t step = 0; step < 2; step++) {
		in_inbox(&c, 0);
		c.step = step;
		EXPECT(&c,
		    "a append inbox (\\Seen) {3+}\r\none (\\Draft) \"17-Jul-1996 02:44:25 -0700\" "
		    "{3+}\r\ntwo {5+}\r\nthree\r\n",
		    "* 3 EXISTS\r\n* 3 RECENT\r\na OK [APPENDUID 3 1:3] Messages stored\r\n");
		EXPECT(&c, "a fetch 1:3 (flags body.peek[])\r\n",
		    "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[] {3}\r\none)\r\n"
		    "* 2 FETCH (FLAGS (\\Draft \\Recent) BODY[] {3}\r\ntwo)\r\n"
		    "* 3 FETCH (FLAGS (\\Recent) BODY[] {5}\r\nthree)\r\na OK Messages fetched\r\n");
		/* all or none */
		EXPECT(&c, "a append inbox {3+}\r\none {0+}\r\n {3+}\r\ntwo\r\n",
		    "a NO The message is empty\r\n");
		EXPECT(&c, "a append inbox {3+}\r\none (\\Foo) {3+}\r\ntwo\r\n",
		    "a BAD Unknown system flag\r\n");
		EXPECT(&c, "a append inbox {3+}\r\none foo {3+}\r\ntwo {1+}\r\nx\r\n",
		    "a BAD Unexpected text before the message\r\n");
		EXPECT(&c, "a append inbox {3}\r\n", "+ Ready for the literal\r\n");
		EXPECT(&c, "one {2000000000}\r\n", "a NO [TOOBIG] The message is too large\r\n");
		EXPECT(&c, "a append inbox {3+}\r\none x\r\n",
		    "a BAD Unexpected text behind the message\r\n");
		EXPECT(
		    &c, "a append inbox {3+}\r\none{3+}\r\ntwo\r\n", "a BAD Missing argument\r\n");
		EXPECT(&c, "a noop\r\n", "a OK Done\r\n");
		done(&c);
	}
}

/* A refused message in the middle: what follows is not taken for commands. */
static void
test_multiappend_refused(void **state)
{
	static const char bytes[] =
	    "a append inbox {3+}\r\na\0b {9+}\r\nx LOGOUT\r (\\Seen) {3+}\r\ntwo\r\nb noop\r\n";
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	feed(&c, bytes, sizeof(bytes) - 1);
	assert_string_equal(
	    got(&c), "a NO [UNKNOWN-CTE] The message contains a NUL byte\r\nb OK Done\r\n");
	done(&c);
}

static void
test_utf8_names(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	/* taken as UTF-8 before ENABLE as well; answers are in modified UTF-7 */
	EXPECT(&c, "a create \"M\xc3\xbcll\"\r\n", "a OK [MAILBOXID (F7)] Folder created\r\n");
	EXPECT(&c, "a list \"\" M*\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"M&APw-ll\"\r\na OK Folders listed\r\n");
	EXPECT(&c, "a enable UTF8=ACCEPT\r\n", "* ENABLED UTF8=ACCEPT\r\na OK Done\r\n");
	EXPECT(&c, "a list \"\" \"M\xc3\xbc*\" return (status (messages))\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"M\xc3\xbcll\"\r\n"
	    "* STATUS \"M\xc3\xbcll\" (MESSAGES 0)\r\na OK Folders listed\r\n");
	EXPECT(&c, "a create \"M\xc3\"\r\n", "a BAD Quoted string is not UTF-8\r\n");
	EXPECT(
	    &c, "a search charset utf-8 all\r\n", "a BAD No CHARSET after ENABLE UTF8=ACCEPT\r\n");
	EXPECT(&c, "a search subject \"\xc3\xbc\"\r\n", "* SEARCH\r\na OK Search completed\r\n");
	done(&c);
}

/* Thunderbird sends "&" as it is once it has enabled UTF8=ACCEPT. */
static void
test_raw_ampersand_after_utf8_accept(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	EXPECT(&c, "a create \"Tom & Eva\"\r\n",
	    "a NO [CANNOT] Folder name is not valid modified UTF-7\r\n");
	EXPECT(&c, "a enable UTF8=ACCEPT\r\n", "* ENABLED UTF8=ACCEPT\r\na OK Done\r\n");
	EXPECT(&c, "a CREATE \"Tom & Eva\"\r\n", "a OK [MAILBOXID (F7)] Folder created\r\n");
	EXPECT(&c, "a create \"R&AOQ-\"\r\n", "a OK [MAILBOXID (F8)] Folder created\r\n");
	EXPECT(&c, "a list \"\" (T* R*)\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"R&AOQ-\"\r\n"
	    "* LIST (\\HasNoChildren) \"/\" \"Tom & Eva\"\r\n"
	    "* LIST (\\HasNoChildren \\Trash) \"/\" \"Trash\"\r\na OK Folders listed\r\n");
	done(&c);
	/* others see them in the old way */
	in_inbox(&c, 0);
	memory_make(&mem, STR("Tom & Eva"), 0);
	EXPECT(&c, "a list \"\" To*\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"Tom &- Eva\"\r\na OK Folders listed\r\n");
	done(&c);
}

static void
test_utf8_append(void **state)
{
	struct imap_session_config config = { &memory_ops, &mem, client_wake, NULL,
		STR("UTF8=ACCEPT") };
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	EXPECT(&c, "a append inbox {14+}\r\nSubject: \xc3\xbc\r\n\r\r\n",
	    "a NO [CANNOT] Bytes above 127 in the header: ENABLE UTF8=ACCEPT first\r\n");
	EXPECT(&c, "a append inbox {12+}\r\nA: b\r\n\r\n\xc3\xbc\r\n\r\n",
	    "* 1 EXISTS\r\n* 1 RECENT\r\na OK [APPENDUID 3 1] Message stored\r\n");
	say(&c, "a enable utf8=accept\r\n");
	got(&c);
	EXPECT(&c, "a append inbox {14+}\r\nSubject: \xc3\xbc\r\n\r\r\n",
	    "* 2 EXISTS\r\n* 2 RECENT\r\na OK [APPENDUID 3 2] Message stored\r\n");
	EXPECT(&c, "a append inbox (\\Seen) UTF8 (~{14+}\r\nSubject: \xc3\xbc\r\n\r)\r\n",
	    "* 3 EXISTS\r\n* 3 RECENT\r\na OK [APPENDUID 3 3] Message stored\r\n");
	EXPECT(&c, "a append inbox UTF8 (~{1+}\r\nx {1+}\r\ny\r\n", "a BAD Missing ')'\r\n");
	EXPECT(&c, "a append inbox UTF8 (~{1+}\r\nx\r\n", "a BAD Missing ')'\r\n");
	EXPECT(&c, "a append inbox ~{1+}\r\nx\r\n",
	    "* 4 EXISTS\r\n* 4 RECENT\r\na OK [APPENDUID 3 4] Message stored\r\n");
	/* the capability is hidden: the rule that belongs to it does not count */
	imap_session_free(&c.s);
	c.s = imap_session_new(&config);
	EXPECT(&c, "a append inbox {14+}\r\nSubject: \xc3\xbc\r\n\r\r\n",
	    "a OK [APPENDUID 3 5] Message stored\r\n");
	done(&c);
}

static const char parts_msg[] =
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/html; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    "<html><head><title>no</title></head><style>p {x>y}</style><body>\r\n"
    "<p class=3D\"a>b\">Gr=FC=DFe &amp; <b>k</b>iss&#101;</p><!-- a>b --><div>2&lt;3 &foo</div>"
    "\r\n--b\r\nContent-Transfer-Encoding: base64\r\nContent-Type: image/png\r\n\r\n"
    "AGEA\r\n--b\r\nContent-Transfer-Encoding: x-own\r\nContent-Type: image/png\r\n\r\n"
    "xyz\r\n--b--\r\n";

static void
test_binary(void **state)
{
	static const char nul[] =
	    "* 1 FETCH (BINARY[2] ~{3}\r\n\0a\0)\r\na OK Messages fetched\r\n";
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	memory_deliver(&mem, "INBOX", str_of(parts_msg), 0);
	say(&c, "a noop\r\n");
	got(&c);
	EXPECT(&c, "a fetch 1 (binary.size[1] binary.size[2] binary.size[9])\r\n",
	    "* 1 FETCH (BINARY.SIZE[1] 148 BINARY.SIZE[2] 3 BINARY.SIZE[9] 0)\r\n"
	    "a OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 (binary.peek[1]<81.5> binary.peek[9])\r\n",
	    "* 1 FETCH (BINARY[1]<81> {5}\r\nGr\xfc\xdf"
	    "e BINARY[9] NIL)\r\na OK Messages fetched\r\n");
	say(&c, "a fetch 1 binary.peek[2]\r\n");
	assert_memory_equal(buf_data(&c.got), nul, sizeof(nul) - 1);
	got(&c);
	EXPECT(&c, "a fetch 1 binary[2]<1.1>\r\n",
	    "* 1 FETCH (FLAGS (\\Seen \\Recent) BINARY[2]<1> {1}\r\na)\r\n"
	    "a OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 (binary.peek[3] binary.size[3])\r\n",
	    "* 1 FETCH (BINARY[3] NIL BINARY.SIZE[3] 0)\r\n"
	    "a NO [UNKNOWN-CTE] Some parts cannot be decoded\r\n");
	EXPECT(&c, "a fetch 1 binary.peek[]<0.12>\r\n",
	    "* 1 FETCH (BINARY[]<0> {12}\r\nContent-Type)\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 binary[1.mime]\r\n", "a BAD Invalid section\r\n");
	EXPECT(&c, "a fetch 1 binary.size[1]<0.1>\r\n", "a BAD Invalid section\r\n");
	done(&c);
}

static void
test_preview(void **state)
{
	struct client c;
	char text[1000];

	(void)state;
	in_inbox(&c, 1);
	memory_deliver(&mem, "INBOX", str_of(parts_msg), 0);
	memory_deliver(&mem, "INBOX", STR("Content-Type: image/png\r\n\r\nx"), 0);
	say(&c, "a noop\r\n");
	got(&c);
	EXPECT(&c, "a fetch 1:3 preview\r\n",
	    "* 1 FETCH (PREVIEW \"Hello World Line two\")\r\n"
	    "* 2 FETCH (PREVIEW {24}\r\nGr\xc3\xbc\xc3\x9f"
	    "e & kisse 2<3 &foo)\r\n"
	    "* 3 FETCH (PREVIEW \"\")\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a uid fetch 1 (flags preview (lazy)) (changedsince 1)\r\n",
	    "* OK [HIGHESTMODSEQ 3] All is told up to here\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 3 preview (changedsince 1)\r\n",
	    "* 3 FETCH (PREVIEW \"\" MODSEQ (3))\r\na OK Messages fetched\r\n");
	/* LAZY gives the same; it stands behind PREVIEW only */
	EXPECT(&c, "a fetch 1 (preview (lazy) uid)\r\n",
	    "* 1 FETCH (PREVIEW \"Hello World Line two\" UID 1)\r\na OK Messages fetched\r\n");
	EXPECT(&c, "a fetch 1 preview (LAZY)\r\n",
	    "* 1 FETCH (PREVIEW \"Hello World Line two\")\r\na OK Messages fetched\r\n");
	say(&c, "a fetch 1 (preview (eager))\r\n");
	assert_non_null(strstr(got(&c), "a BAD"));
	say(&c, "a fetch 1 (uid (lazy))\r\n");
	assert_non_null(strstr(got(&c), "a BAD"));
	/* no longer than 200 characters, nothing quoted */
	strcpy(text, "\r\n> quoted\r\n");
	for (int i = 0; i < 60; i++)
		strcat(text, "w\xc3\xb6rd  \r\n");
	memory_deliver(&mem, "INBOX", str_of(text), 0);
	say(&c, "a fetch 1:4 preview\r\na fetch 4 preview\r\n");
	assert_non_null(strstr(got(&c), "* 4 FETCH (PREVIEW {240}\r\nw\xc3\xb6rd w"));
	done(&c);
}

/* The preview that Thunderbird makes itself. */
static void
test_thunderbird_body_peek_text(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 1);
	EXPECT(&c, "a UID FETCH 1 (UID BODY.PEEK[TEXT]<0.2048>)\r\n",
	    "* 1 FETCH (UID 1 BODY[TEXT]<0> {23}\r\nHello World\r\nLine two\r\n)\r\n"
	    "a OK Messages fetched\r\n");
	EXPECT(
	    &c, "a fetch 1 flags\r\n", "* 1 FETCH (FLAGS (\\Recent))\r\na OK Messages fetched\r\n");
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_nul),
		cmocka_unit_test(test_multiappend),
		cmocka_unit_test(test_multiappend_refused),
		cmocka_unit_test(test_utf8_names),
		cmocka_unit_test(test_raw_ampersand_after_utf8_accept),
		cmocka_unit_test(test_utf8_append),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_preview),
		cmocka_unit_test(test_thunderbird_body_peek_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
