/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/submitted.h"

#define ME "From: me@own.test\r\n"

/* want NULL: refused with reply; else the addresses, each with a space. */
static const struct {
	const char *header;
	enum smtp_reply_id reply;
	const char *want;
} cases[] = {
	{ ME, SMTP_OK, "me@own.test " },
	{ "fRoM:me@own.test\r\nTo: you@far.test\r\n", SMTP_OK, "me@own.test " },
	{ "From:\r\n me@own.test\r\nX: y\r\n", SMTP_OK, "me@own.test " },
	{ ME "Sender: info@own.test\r\n", SMTP_OK, "me@own.test info@own.test " },
	{ "Sender: me@own.test\r\nFrom: me@own.test, a@own.test\r\n", SMTP_OK,
	    "me@own.test a@own.test " },
	{ ME "Resent-From: a@own.test\r\nResent-Sender: b@own.test\r\nResent-From: c@own.test\r\n",
	    SMTP_OK, "me@own.test a@own.test b@own.test c@own.test " },
	{ "From: \"boss@bank.test\" <me@own.test>\r\n", SMTP_OK, "boss@bank.test me@own.test " },
	{ ME "X: a\r\n \r\n b\r\n", SMTP_OK, "me@own.test " },
	{ ME "Received: a\r\nReceived: b\r\nComments: a\r\nComments: b\r\n", SMTP_OK,
	    "me@own.test " },
	{ "X-From: boss@bank.test\r\nFromage: brie\r\nFro: x\r\n" ME, SMTP_OK, "me@own.test " },

	{ "", SMTP_FROM_MISSING, NULL },
	{ "To: you@far.test\r\n", SMTP_FROM_MISSING, NULL },
	{ "Resent-From: me@own.test\r\n", SMTP_FROM_MISSING, NULL },
	{ ME ME, SMTP_HEADER_TWICE, NULL },
	{ ME "FROM: boss@bank.test\r\n", SMTP_HEADER_TWICE, NULL },
	{ ME "Sender: me@own.test\r\nsender: me@own.test\r\n", SMTP_HEADER_TWICE, NULL },
	{ ME "Date: a\r\nDate: b\r\n", SMTP_HEADER_TWICE, NULL },
	{ ME "Message-ID: <a@b>\r\nMessage-Id: <c@d>\r\n", SMTP_HEADER_TWICE, NULL },
	{ ME "To: a\r\nto: b\r\n", SMTP_HEADER_TWICE, NULL },
	{ ME "Subject: a\r\nSubject: b\r\n", SMTP_HEADER_TWICE, NULL },
	{ ME "Reply-To: a\r\nReply-To: b\r\n", SMTP_HEADER_TWICE, NULL },
	{ "From: me@own.test, a@own.test\r\n", SMTP_SENDER_MISSING, NULL },
	{ ME "Sender: me@own.test, a@own.test\r\n", SMTP_FROM_BAD, NULL },
	{ ME "Sender:\r\n", SMTP_FROM_BAD, NULL },
	{ ME "Resent-Sender: a@own.test, b@own.test\r\n", SMTP_FROM_BAD, NULL },
	{ ME "Resent-From: g: a@own.test;\r\n", SMTP_FROM_BAD, NULL },
	{ "From: g: me@own.test;\r\n", SMTP_FROM_BAD, NULL },
	{ "From:\r\n", SMTP_FROM_BAD, NULL },
	{ "From: me@own.test\r\n \r\n", SMTP_FROM_BAD, NULL },
	{ "From: me@own.test\r\n \r\n boss@bank.test\r\n", SMTP_FROM_BAD, NULL },
	{ "From : me@own.test\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "From : boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "From\t: boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
	{ "From boss@bank.test Sat Nov 28\r\n" ME, SMTP_HEADER_BAD, NULL },
	{ " From: boss@bank.test\r\n" ME, SMTP_HEADER_BAD, NULL },
	{ ME "no field\r\n", SMTP_HEADER_BAD, NULL },
	{ ME ": empty\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "Fr\303\266m: boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "From\302\240: boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "\357\273\277From: boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "X: a\rFrom: boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "X: a\nFrom: boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "X: a\n\nFrom: boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
	{ ME "X: a\r\r\nFrom: boss@bank.test\r\n", SMTP_HEADER_BAD, NULL },
};

/* Feeds it in pieces of this size; returns how often the header was said to be over. */
static unsigned
feed(struct smtp_submitted *s, struct str msg, size_t piece)
{
	unsigned over = 0;

	smtp_submitted_init(s, false);
	while (msg.n > 0) {
		size_t n = msg.n < piece ? msg.n : piece;

		over += smtp_submitted_content(s, str_from(msg.p, n));
		msg = str_from(msg.p + n, msg.n - n);
	}
	return over;
}

static void
check(const struct smtp_submitted *s, size_t i)
{
	char got[4096] = "";

	for (unsigned k = 0; k < s->senders; k++)
		sprintf(got + strlen(got), "%s ", s->sender[k]);
	if (s->refusal != cases[i].reply)
		fail_msg("case %zu: %s", i, smtp_reply_get(s->refusal)->name);
	if (cases[i].want != NULL)
		assert_string_equal(got, cases[i].want);
}

static void
test_cases(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 100000 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
			char msg[4096];
			struct smtp_submitted s;

			/* the body's From is nobody's business */
			snprintf(msg, sizeof(msg), "%s\r\nFrom: boss@bank.test\r\n\r\n",
			    cases[i].header);
			assert_int_equal(feed(&s, str_of(msg), pieces[k]), 1);
			assert_false(smtp_submitted_end(&s));
			check(&s, i);
			smtp_submitted_free(&s);
		}
	}
}

static void
test_all_header(void **state)
{
	struct smtp_submitted s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(feed(&s, str_of(cases[i].header), 5), 0);
		assert_true(smtp_submitted_end(&s));
		assert_false(smtp_submitted_end(&s));
		check(&s, i);
		smtp_submitted_free(&s);
	}
	feed(&s, STR(ME "\0: x\r\n\r\n"), 100);
	assert_int_equal(s.refusal, SMTP_HEADER_BAD);
	smtp_submitted_free(&s);
	feed(&s, STR("From: m\303\266@own.test\r\n\r\n"), 100);
	assert_int_equal(s.refusal, SMTP_FROM_BAD);
	smtp_submitted_free(&s);
	smtp_submitted_init(&s, true);
	assert_true(smtp_submitted_content(&s, STR("From: m\303\266@own.test\r\n\r\n")));
	assert_int_equal(s.refusal, SMTP_OK);
	smtp_submitted_free(&s);
}

/* A header of exactly n bytes with its empty line; From is at the end. */
static void
long_header(struct buf *out, size_t n)
{
	buf_init(out, n + 100);
	while (buf_len(out) + 200 < n)
		buf_puts(out, "X: 12345678901234567890\r\n");
	buf_puts(out, "Y: ");
	while (buf_len(out) + strlen("\r\n" ME "\r\n") < n)
		buf_putc(out, 'y');
	buf_puts(out, "\r\n" ME "\r\n");
	assert_int_equal(buf_len(out), n);
	buf_puts(out, "body");
}

static void
test_length(void **state)
{
	struct smtp_submitted s;
	struct buf msg;

	(void)state;
	for (int more = 0; more < 2; more++) {
		for (size_t piece = 1000; piece <= 1000000; piece *= 1000) {
			long_header(&msg, SMTP_SUBMITTED_HEADER_MAX + (size_t)more);
			assert_int_equal(
			    feed(&s, str_from(buf_data(&msg), buf_len(&msg)), piece), 1);
			assert_int_equal(s.refusal, more ? SMTP_HEADER_TOO_LONG : SMTP_OK);
			smtp_submitted_free(&s);
			buf_free(&msg);
		}
	}
}

static void
test_many_senders(void **state)
{
	struct smtp_submitted s;
	char from[4096];

	(void)state;
	for (int more = 0; more < 2; more++) {
		snprintf(from, sizeof(from), "Sender: a0@own.test\r\nFrom: a0@own.test");
		for (int i = 1; i < SMTP_SUBMITTED_SENDERS_MAX + more; i++)
			sprintf(from + strlen(from), ", a%d@own.test, a%d@OWN.test", i, i);
		strcat(from, "\r\n\r\n");
		feed(&s, str_of(from), 100);
		assert_int_equal(s.refusal, more ? SMTP_TOO_MANY_SENDERS : SMTP_OK);
		assert_int_equal(s.senders, SMTP_SUBMITTED_SENDERS_MAX);
		smtp_submitted_free(&s);
	}
}

static void
check_added(const char *header, const char *want)
{
	struct smtp_submitted s;
	struct buf out;

	feed(&s, str_of(header), 1000);
	assert_int_equal(s.refusal, SMTP_OK);
	buf_init(&out, SMTP_SUBMITTED_ADDED_MAX);
	assert_int_equal(smtp_submitted_complete(&s, &out, 1000000000, "1.u7"), 0);
	buf_putc(&out, '\0');
	assert_string_equal((const char *)buf_data(&out), want);
	buf_free(&out);
	smtp_submitted_free(&s);
}

#define DATE "Date: Sun, 09 Sep 2001 01:46:40 +0000\r\n"

static void
test_added(void **state)
{
	struct smtp_submitted s;
	char longest[400];
	struct buf out;

	(void)state;
	check_added(ME "\r\n", DATE "Message-ID: <1.u7@own.test>\r\n");
	check_added(ME "date: x\r\n\r\n", "Message-ID: <1.u7@own.test>\r\n");
	check_added("MESSAGE-ID: x\r\n" ME "\r\n", DATE);
	check_added("Message-ID: x\r\nDate: y\r\n" ME "\r\n", "");
	/* of a mailbox, not of a name; of From, not of Sender */
	check_added(
	    "Sender: a@b.test\r\nDate: y\r\nFrom: \"x@c.test\" <a@d.test>, a@e.test\r\n\r\n",
	    "Message-ID: <1.u7@d.test>\r\n");
	/* the limit of what is added holds for the longest domain there can be */
	snprintf(longest, sizeof(longest), "From: a@%.63s.%.63s.%.63s.%.60s\r\n\r\n",
	    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg",
	    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg",
	    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg",
	    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff");
	feed(&s, str_of(longest), 1000);
	assert_int_equal(s.refusal, SMTP_OK);
	buf_init(&out, SMTP_SUBMITTED_ADDED_MAX);
	assert_int_equal(smtp_submitted_complete(&s, &out, 1, "0123456789.0123456789"), 0);
	buf_free(&out);
	buf_init(&out, 50);
	assert_int_equal(smtp_submitted_complete(&s, &out, 1, "1"), BUF_LIMIT);
	buf_free(&out);
	smtp_submitted_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_all_header),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_many_senders),
		cmocka_unit_test(test_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
