/* SPDX-License-Identifier: ISC */
/* SORT (rfc5256, rfc5267) and THREAD as a client sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

static void
deliver(const char *header)
{
	char msg[1000];

	snprintf(msg, sizeof(msg), "%s\r\nbody\r\n", header);
	memory_deliver(&mem, "INBOX", str_of(msg), 0);
}

/* A session in a folder with five messages. */
static void
in_five(struct client *c)
{
	in_inbox(c, 0);
	deliver("Subject: beta\r\nFrom: zoe@x\r\nTo: b@x\r\nCc: c@x\r\n"
		"Date: Mon, 1 Jan 2024 12:00:00 +0000\r\nMessage-ID: <1@x>\r\n");
	deliver("Subject: Re: [list] Alpha\r\nFrom: \"Anton\" <Anna@y>\r\nTo: a@x, z@x\r\n"
		"Date: Mon, 1 Jan 2024 12:30:00 +0100\r\nMessage-ID: <2@x>\r\n");
	deliver(
	    "Subject: \xc3\xa4lpha\r\nFrom: bob@z\r\nTo: c@x\r\nCc: a@x\r\n"
	    "Date: Sun, 31 Dec 2023 23:00:00 +0000\r\nMessage-ID: <3@x>\r\nReferences: <1@x>\r\n");
	deliver("Subject: ALPHA\r\nFrom: anna@x\r\nMessage-ID: <4@x>\r\nIn-Reply-To: <2@x>\r\n");
	deliver(
	    "From: \r\nTo: team: a@b;\r\nDate: Mon, 1 Jan 2024 12:00:00 +0000\r\n"
	    "Message-ID: <5@x>\r\nReferences: <1@x> <3@x>\r\nX: makes it longer than the others are, "
	    "so that its size is the largest of all five, whatever stands in them\r\n");
	say(c, "a noop\r\n");
	got(c);
}

static void
test_criteria(void **state)
{
	struct client c;

	(void)state;
	in_five(&c);
	memory_folder(&mem, STR("INBOX"))->msg[1].m.internal.seconds -= 100;
	EXPECT(&c, "a sort (subject) utf-8 all\r\n", "* SORT 5 2 4 3 1\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort (reverse subject) utf-8 all\r\n",
	    "* SORT 1 3 2 4 5\r\na OK Sort completed\r\n");
	/* Date; message 4 has none: INTERNALDATE, which is 2001 */
	EXPECT(&c, "a sort (date) us-ascii all\r\n", "* SORT 4 3 2 1 5\r\na OK Sort completed\r\n");
	EXPECT(
	    &c, "a sort (arrival) us-ascii all\r\n", "* SORT 2 1 3 4 5\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort (from) utf-8 all\r\n", "* SORT 5 2 4 3 1\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort (to) utf-8 all\r\n", "* SORT 4 2 1 3 5\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort (cc) utf-8 all\r\n", "* SORT 2 4 5 3 1\r\na OK Sort completed\r\n");
	EXPECT(
	    &c, "a sort (reverse size) utf-8 1,4:5\r\n", "* SORT 5 1 4\r\na OK Sort completed\r\n");
	/* several: each has its own direction */
	EXPECT(&c, "a sort (from reverse date) utf-8 all\r\n",
	    "* SORT 5 2 4 3 1\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort (reverse from date) utf-8 2:4\r\n",
	    "* SORT 3 4 2\r\na OK Sort completed\r\n");
	EXPECT(&c, "a SORT (Reverse Date Reverse Subject) UTF-8 All\r\n",
	    "* SORT 1 5 2 3 4\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort (size reverse size arrival size) utf-8 4:5\r\n",
	    "* SORT 4 5\r\na OK Sort completed\r\n");
	/* nothing found (the RFC's own example), and UIDs */
	EXPECT(&c, "a sort (subject) us-ascii text \"not in mailbox\"\r\n",
	    "* SORT\r\na OK Sort completed\r\n");
	say(&c, "a store 1 flags.silent \\Deleted\r\na expunge\r\n");
	got(&c);
	EXPECT(
	    &c, "a uid sort (subject) utf-8 all\r\n", "* SORT 5 2 4 3\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort (subject) utf-8 all\r\n", "* SORT 4 1 3 2\r\na OK Sort completed\r\n");
	done(&c);
}

static void
test_syntax(void **state)
{
	struct client c;

	(void)state;
	in_five(&c);
	EXPECT(&c, "a sort () utf-8 all\r\n", "a BAD Missing or invalid argument\r\n");
	EXPECT(&c, "a sort (reverse) utf-8 all\r\n", "a BAD Missing argument\r\n");
	EXPECT(
	    &c, "a sort (reverse reverse date) utf-8 all\r\n", "a BAD Unknown sort criterion\r\n");
	EXPECT(&c, "a sort (displayfrom) utf-8 all\r\n", "a BAD Unknown sort criterion\r\n");
	EXPECT(&c, "a sort date utf-8 all\r\n", "a BAD Missing '('\r\n");
	EXPECT(&c, "a sort (date) all\r\n", "a BAD Missing argument\r\n");
	EXPECT(&c, "a sort (date) utf-8 foo\r\n", "a BAD Unknown search key\r\n");
	EXPECT(&c, "a sort (date) utf-8 charset utf-8 all\r\n", "a BAD Unknown search key\r\n");
	EXPECT(&c, "a sort return (min) (date) utf-8\r\n", "a BAD Missing argument\r\n");
	EXPECT(&c, "a thread jwz utf-8 all\r\n", "a BAD Unknown threading algorithm\r\n");
	EXPECT(&c, "a thread references all\r\n", "a BAD Missing argument\r\n");
	say(&c, "a sort (date) x-unknown all\r\n");
	assert_non_null(strstr(got(&c), "a NO [BADCHARSET (US-ASCII UTF-8"));
	say(&c, "a thread references \"\" all\r\n");
	assert_non_null(strstr(got(&c), "a NO [BADCHARSET (US-ASCII UTF-8"));
	/* texts are in the charset that was named */
	EXPECT(&c, "a sort (date) iso-8859-1 subject {1+}\r\n\xe4\r\n",
	    "* SORT 3\r\na OK Sort completed\r\n");
	/* unlike in SEARCH the charset has its place after UTF8=ACCEPT, too */
	say(&c, "a enable utf8=accept\r\n");
	got(&c);
	EXPECT(&c, "a sort (date) utf-8 1\r\n", "* SORT 1\r\na OK Sort completed\r\n");
	say(&c, "a close\r\na sort (date) utf-8 all\r\n");
	assert_non_null(strstr(got(&c), "a BAD No folder is selected"));
	done(&c);
}

/* rfc5267:3.1: MIN and MAX are the first and last in the order, ALL keeps it. */
static void
test_esort(void **state)
{
	struct client c;

	(void)state;
	in_five(&c); /* MODSEQs are 1 to 5 */
	say(&c, "a enable condstore\r\n");
	got(&c);
	EXPECT(&c, "a sort return () (reverse date) utf-8 all\r\n",
	    "* ESEARCH (TAG \"a\") ALL 1,5,2:4\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort return (min max count) (reverse date) utf-8 all\r\n",
	    "* ESEARCH (TAG \"a\") MIN 1 MAX 4 COUNT 5\r\na OK Sort completed\r\n");
	EXPECT(&c, "a uid sort return (count all) (date) utf-8 3:4\r\n",
	    "* ESEARCH (TAG \"a\") UID ALL 4,3 COUNT 2\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort return (min all count) (date) utf-8 deleted\r\n",
	    "* ESEARCH (TAG \"a\") COUNT 0\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort return (partial 1:2) (date) utf-8 all\r\n",
	    "a BAD Unknown SEARCH option\r\n");
	/* MODSEQs (rfc7162:3.1.10) */
	EXPECT(&c, "a sort (date) utf-8 modseq 2\r\n",
	    "* SORT 4 3 2 5 (MODSEQ 5)\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort return (min) (date) utf-8 modseq 2\r\n",
	    "* ESEARCH (TAG \"a\") MIN 4 MODSEQ 4\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort return (min max) (reverse subject) utf-8 modseq 2\r\n",
	    "* ESEARCH (TAG \"a\") MIN 3 MAX 5 MODSEQ 5\r\na OK Sort completed\r\n");
	/* rfc5182: a set; of MIN and MAX alone only those */
	EXPECT(&c, "a sort return (save) (subject) utf-8 2:4\r\n", "a OK Sort completed\r\n");
	EXPECT(&c, "a search $\r\n", "* SEARCH 2 3 4\r\na OK Search completed\r\n");
	EXPECT(&c, "a sort return (save min max) (reverse subject) utf-8 $\r\n",
	    "* ESEARCH (TAG \"a\") MIN 3 MAX 4\r\na OK Sort completed\r\n");
	EXPECT(&c, "a sort (size) utf-8 $\r\n", "* SORT 4 3\r\na OK Sort completed\r\n");
	EXPECT(
	    &c, "a thread references utf-8 $\r\n", "* THREAD (4)(3)\r\na OK Thread completed\r\n");
	/* rfc9051: only SEARCH has the new form without being asked */
	say(&c, "a enable imap4rev2\r\n");
	got(&c);
	EXPECT(&c, "a sort (size) utf-8 1\r\n", "* SORT 1\r\na OK Sort completed\r\n");
	done(&c);
}

static void
test_thread(void **state)
{
	struct client c;

	(void)state;
	in_five(&c);
	EXPECT(&c, "a thread references utf-8 all\r\n",
	    "* THREAD (2 4)(1 3 5)\r\na OK Thread completed\r\n");
	EXPECT(&c, "a uid thread references us-ascii 2:5\r\n",
	    "* THREAD (3 5)(2 4)\r\na OK Thread completed\r\n");
	EXPECT(&c, "a thread orderedsubject utf-8 all\r\n",
	    "* THREAD (4 2)(3)(1)(5)\r\na OK Thread completed\r\n");
	EXPECT(&c, "a thread orderedsubject utf-8 deleted\r\n",
	    "* THREAD\r\na OK Thread completed\r\n");
	say(&c, "a store 1 flags.silent \\Deleted\r\na expunge\r\n");
	got(&c);
	EXPECT(&c, "a thread references utf-8 all\r\n",
	    "* THREAD (2 4)(1 3)\r\na OK Thread completed\r\n");
	EXPECT(&c, "a uid thread references utf-8 all\r\n",
	    "* THREAD (3 5)(2 4)\r\na OK Thread completed\r\n");
	done(&c);
}

/* Another session expunges: numbers stay until it is told, which SORT must not do by numbers. */
static void
test_expunged(void **state)
{
	struct client a, b;

	(void)state;
	in_five(&a);
	open_client(&b);
	say(&b, "b select inbox\r\nb store 2:3 flags.silent \\Deleted\r\nb expunge\r\n");
	got(&b);
	EXPECT(
	    &b, "b sort (reverse size) utf-8 all\r\n", "* SORT 3 1 2\r\nb OK Sort completed\r\n");
	EXPECT(
	    &a, "a sort (reverse size) utf-8 all\r\n", "* SORT 5 1 4\r\na OK Sort completed\r\n");
	EXPECT(&a, "a thread references utf-8 all\r\n",
	    "* THREAD (4)(1 5)\r\na OK Thread completed\r\n");
	EXPECT(&a, "a uid sort (reverse size) utf-8 all\r\n",
	    "* SORT 5 1 4\r\n* 2 EXPUNGE\r\n* 2 EXPUNGE\r\na OK Sort completed\r\n");
	EXPECT(
	    &a, "a sort (reverse size) utf-8 all\r\n", "* SORT 3 1 2\r\na OK Sort completed\r\n");
	close_client(&b);
	done(&a);
}

/* A message whose content is damaged is sorted as one with an empty header. */
static void
test_damaged(void **state)
{
	struct client c;

	(void)state;
	in_five(&c);
	mem.fail_content = IMAP_CORRUPTION;
	EXPECT(&c, "a sort (subject) utf-8 all\r\n", "* SORT 1 2 3 4 5\r\na OK Sort completed\r\n");
	EXPECT(&c, "a thread references utf-8 1:2\r\n",
	    "* THREAD (1)(2)\r\na OK Thread completed\r\n");
	EXPECT(&c, "a sort (size) utf-8 text x\r\n",
	    "* SORT\r\na NO [CORRUPTION] Some of the messages cannot be read\r\n");
	mem.fail_content = IMAP_DONE;
	done(&c);
}

/* More than one turn, more than one buffer of output. */
static void
test_many(void **state)
{
	enum { N = 20000 };
	struct client c;
	const char *p;
	char msg[100];

	(void)state;
	in_inbox(&c, 0);
	for (int i = 0; i < N; i++) {
		snprintf(msg, sizeof(msg), "Subject: %d\r\n\r\n", 100000 + (i * 7919 % N));
		memory_deliver(&mem, "INBOX", str_of(msg), 0);
	}
	say(&c, "a noop\r\n");
	got(&c);
	say(&c, "a sort (subject) utf-8 all\r\n");
	p = got(&c);
	assert_int_equal(strncmp(p, "* SORT ", 7), 0);
	p += 6;
	for (int i = 0; i < N; i++) {
		assert_int_equal(*p++, ' ');
		assert_int_equal((strtol(p, (char **)(uintptr_t)&p, 10) - 1) * 7919 % N, i);
	}
	assert_string_equal(p, "\r\na OK Sort completed\r\n");
	say(&c, "a thread orderedsubject utf-8 all\r\n");
	p = got(&c);
	assert_int_equal(strncmp(p, "* THREAD (1)(2)(3)", 18), 0);
	assert_non_null(strstr(p, "(19999)(20000)\r\na OK Thread completed\r\n"));
	/* closed in the middle of it */
	buf_puts(&c.in, "a sort (subject) utf-8 all\r\n");
	assert_int_equal(imap_session_run(c.s, &c.in), IMAP_RUN_AGAIN);
	close_client(&c);
	open_client(&c);
	say(&c, "a select inbox\r\n");
	buf_puts(&c.in, "a thread references utf-8 all\r\n");
	for (int i = 0; i < 30; i++)
		assert_int_equal(imap_session_run(c.s, &c.in), IMAP_RUN_AGAIN);
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_criteria),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_esort),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_expunged),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
