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

/* Outlook takes no notice of PERMANENTFLAGS: each flag it sets must be there for the next session. */
static void
test_outlook_flags_are_permanent(void **state)
{
	struct client a, b;

	(void)state;
	in_inbox(&a, 1);
	say(&a,
	    "a uid store 1 +flags (\\Seen \\Answered \\Flagged \\Deleted \\Draft)\r\na logout\r\n");
	assert_non_null(strstr(got(&a), "a OK Flags stored\r\n"));
	open_client(&b);
	say(&b, "b select inbox\r\n");
	assert_non_null(strstr(
	    got(&b), "[PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)]"));
	EXPECT(&b, "b uid fetch 1 flags\r\n",
	    "* 1 FETCH (UID 1 FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft))\r\n"
	    "b OK Messages fetched\r\n");
	close_client(&b);
	done(&a);
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

/* As a word, or a name with a value. */
static bool
announced(const char *caps, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = caps; (p = strstr(p, word)) != NULL; p += n)
		if (p[-1] == ' ' && (p[n] == ' ' || p[n] == '=' || p[n] == '\r'))
			return true;
	return false;
}

/* What each program looks for in CAPABILITY. The ones it would use at once, or only all together, are
 * not announced before they are complete. */
static void
test_capabilities_programs_look_for(void **state)
{
	static const struct {
		const char *program, *wants, *lacks;
	} programs[] = {
		{ "Thunderbird",
		    "LITERAL+ IDLE ID NAMESPACE UIDPLUS MOVE SPECIAL-USE LIST-EXTENDED CONDSTORE ENABLE "
		    "UTF8=ACCEPT QUOTA",
		    "COMPRESS=DEFLATE ACL" },
		{ "Apple Mail",
		    "SASL-IR LITERAL+ IDLE ID UIDPLUS MOVE SPECIAL-USE LIST-STATUS CONDSTORE ESEARCH "
		    "ENABLE APPENDLIMIT",
		    "COMPRESS=DEFLATE UIDONLY PARTIAL UIDBATCHES MESSAGELIMIT" },
		{ "Outlook", "IDLE UIDPLUS", "" },
		{ "Thunderbird for Android",
		    "SASL-IR IDLE ID NAMESPACE UIDPLUS MOVE SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED "
		    "CONDSTORE ENABLE UTF8=ACCEPT",
		    "COMPRESS=DEFLATE" },
		{ "mbsync", "SASL-IR LITERAL+ NAMESPACE UIDPLUS MOVE UTF8=ACCEPT",
		    "COMPRESS=DEFLATE" },
	};
	struct client c;
	char caps[4096];

	(void)state;
	in_inbox(&c, 0);
	say(&c, "a capability\r\n");
	snprintf(caps, sizeof(caps), "%s", got(&c));
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		char word[64];
		int n;

		for (const char *p = programs[i].wants; sscanf(p, "%60s%n", word, &n) == 1; p += n)
			if (!announced(caps, word))
				fail_msg("%s wants %s", programs[i].program, word);
		for (const char *p = programs[i].lacks; sscanf(p, "%60s%n", word, &n) == 1; p += n)
			if (announced(caps, word))
				fail_msg("%s takes %s at its word", programs[i].program, word);
	}
	done(&c);
}

/* In the order in which Thunderbird 153 was seen to say it. */
static void
test_thunderbird_session(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 1);
	EXPECT(&c, "1 namespace\r\n", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n1 OK Done\r\n");
	say(&c,
	    "2 ENABLE CONDSTORE UTF8=ACCEPT\r\n3 ID (\"name\" \"Thunderbird\" \"version\" \"153.0\")\r\n");
	assert_non_null(strstr(got(&c), "3 OK"));
	say(&c, "4 select \"INBOX\" (CONDSTORE)\r\n");
	assert_non_null(strstr(got(&c), "4 OK [READ-WRITE]"));
	say(&c, "5 UID fetch 1:* (FLAGS)\r\n");
	assert_non_null(strstr(got(&c), "* 1 FETCH (UID 1 FLAGS ("));
	say(&c,
	    "6 UID fetch 1 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Resent-Message-ID "
	    "Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To "
	    "Content-Type Reply-To)])\r\n");
	assert_non_null(strstr(got(&c), "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"));
	say(&c, "7 UID fetch 1 (UID RFC822.SIZE BODY.PEEK[])\r\n");
	assert_non_null(strstr(got(&c), "7 OK"));
	EXPECT(&c, "8 uid store 1 +Flags (\\Seen)\r\n",
	    "* 1 FETCH (UID 1 MODSEQ (2) FLAGS (\\Seen))\r\n8 OK Flags stored\r\n");
	EXPECT(&c, "9 STATUS \"Sent\" (UIDNEXT MESSAGES UNSEEN RECENT)\r\n",
	    "* STATUS \"Sent\" (MESSAGES 0 RECENT 0 UIDNEXT 1 UNSEEN 0)\r\n9 OK Status shown\r\n");
	say(&c, "10 check\r\n");
	assert_non_null(strstr(got(&c), "10 OK"));
	say(&c, "11 APPEND \"Sent\" (\\Seen) {9+}\r\nA: b\r\n\r\nc\r\n");
	assert_non_null(strstr(got(&c), "11 OK [APPENDUID"));
	say(&c, "12 uid move 1 \"Trash\"\r\n");
	assert_non_null(strstr(got(&c), "* OK [COPYUID"));
	say(&c, "13 noop\r\n14 close\r\n15 logout\r\n");
	assert_non_null(strstr(got(&c), "* BYE"));
	done(&c);
}

/* It keeps up to five connections, each in IDLE, and another program changes something. */
static void
test_thunderbird_five_idle(void **state)
{
	struct client c[5], other;

	(void)state;
	in_inbox(&other, 1);
	for (size_t i = 0; i < 5; i++) {
		open_client(&c[i]);
		say(&c[i], "1 select inbox\r\n2 IDLE\r\n");
		assert_non_null(strstr(got(&c[i]), "+ "));
	}
	memory_deliver(&mem, "INBOX", str_of(simple_msg), 0);
	say(&other, "a store 1 +flags (Junk)\r\n");
	for (size_t i = 0; i < 5; i++) {
		const char *news;

		assert_true(c[i].wakes > 0);
		run(&c[i]);
		news = got(&c[i]);
		assert_non_null(strstr(news, "* 2 EXISTS\r\n"));
		assert_non_null(strstr(news, "* 1 FETCH (UID 1 FLAGS (Junk))\r\n"));
		EXPECT(&c[i], "DONE\r\n", "2 OK Idle ended\r\n");
		close_client(&c[i]);
	}
	done(&other);
}

/* An iPhone: what it needs to fill a list, quick resynchronisation included. */
static void
test_ios_session(void **state)
{
	struct client c;

	(void)state;
	in_inbox(&c, 2);
	say(&c,
	    "1 ENABLE CONDSTORE\r\n2 LIST \"\" \"*\" RETURN (SPECIAL-USE STATUS (MESSAGES UNSEEN UIDNEXT "
	    "UIDVALIDITY HIGHESTMODSEQ))\r\n");
	assert_non_null(
	    strstr(got(&c), "* STATUS \"INBOX\" (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 3 UNSEEN 2"));
	say(&c, "3 SELECT INBOX (CONDSTORE)\r\n");
	assert_non_null(strstr(got(&c), "[HIGHESTMODSEQ "));
	say(&c, "4 UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 0)\r\n");
	assert_non_null(strstr(got(&c), "* 2 FETCH (UID 2 FLAGS () MODSEQ ("));
	EXPECT(&c, "5 UID SEARCH RETURN (ALL) 1:* NOT DELETED\r\n",
	    "* ESEARCH (TAG \"5\") UID ALL 1:2\r\n5 OK Search completed\r\n");
	say(&c,
	    "6 UID FETCH 1:2 (INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (date subject from to "
	    "cc message-id in-reply-to references content-type)] BODYSTRUCTURE)\r\n");
	assert_non_null(strstr(got(&c), "BODYSTRUCTURE (\"TEXT\" \"PLAIN\""));
	say(&c, "7 UID FETCH 1 (BODY.PEEK[HEADER] BODY.PEEK[1])\r\n");
	assert_non_null(strstr(got(&c), "BODY[1] {23}\r\nHello World\r\n"));
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
		cmocka_unit_test(test_outlook_flags_are_permanent),
		cmocka_unit_test(test_ios_id_with_event),
		cmocka_unit_test(test_android_special_use_with_list_extended),
		cmocka_unit_test(test_capabilities_programs_look_for),
		cmocka_unit_test(test_thunderbird_session),
		cmocka_unit_test(test_thunderbird_five_idle),
		cmocka_unit_test(test_ios_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
