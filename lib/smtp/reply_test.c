/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/limits.h"
#include "smtp/received.h"
#include "smtp/reply.h"
#include "smtp/xtext.h"

/* Refusals are looked at in lib/catalogue. */
static void
check_row(const struct smtp_reply *r)
{
	int c, sub, detail, end = 0;

	if (r->code < 211 || r->code >= 400)
		fail_msg("%s: code", r->name);
	if (*r->enhanced != '\0' &&
	    (sscanf(r->enhanced, "%1d.%3d.%3d%n", &c, &sub, &detail, &end) != 3 ||
		r->enhanced[end] != '\0' || c != r->code / 100))
		fail_msg("%s: enhanced code", r->name);
	for (const char *p = r->text; *p; p++)
		assert_in_range((unsigned char)*p, ' ', '~');
}

static void
check_printed(enum smtp_reply_id id)
{
	const struct smtp_reply *r = smtp_reply_get(id);
	char arg[1000];
	struct buf out;
	const char *line;

	buf_init(&out, 4096);
	memset(arg, 'a', sizeof(arg) - 1);
	arg[sizeof(arg) - 1] = '\0';
	assert_int_equal(smtp_reply_print(&out, id, arg), 0);
	assert_in_range(buf_len(&out), 6, SMTP_REPLY_LINE_MAX);
	buf_putc(&out, '\0');
	line = (const char *)buf_data(&out);
	assert_int_equal(atoi(line), r->code);
	assert_int_equal(line[3], ' ');
	assert_int_equal(strcspn(line, "\r\n"), buf_len(&out) - 3);
	buf_free(&out);
}

static void
test_all_rows(void **state)
{
	(void)state;
	for (int i = 0; i < SMTP_REFUSALS; i++) {
		check_row(smtp_reply_get((enum smtp_reply_id)i));
		check_printed((enum smtp_reply_id)i);
	}
	for (int i = SMTP_REFUSALS; i < SMTP_REPLY__COUNT; i++)
		assert_int_equal(smtp_reply_get((enum smtp_reply_id)i)->code,
		    refusal_get((enum refusal_id)(i - SMTP_REFUSALS))->code);
}

static void
test_print(void **state)
{
	struct refusal_frame frame = { .help_url = "https://mx.test/help/", .id = "S7" };
	struct buf out;

	(void)state;
	buf_init(&out, 250);
	assert_int_equal(smtp_reply_print(&out, SMTP_STORED, "Q7"), 0);
	assert_int_equal(smtp_reply_refuse(&out, SMTP_UNKNOWN_RECIPIENT, &frame, NULL), 0);
	buf_putc(&out, '\0');
	assert_string_equal((const char *)buf_data(&out),
	    "250 2.0.0 Stored as Q7\r\n"
	    "550-5.1.1 There is no such mailbox here (P504)\r\n"
	    "550-5.1.1 Diese Mailadresse gibt es hier nicht (P504)\r\n"
	    "550 5.1.1 https://mx.test/help/504 id S7 time 1970-01-01T00:00:00Z\r\n");
	assert_int_equal(smtp_reply_refuse(&out, SMTP_TROUBLE, &frame, NULL), BUF_LIMIT);
	buf_free(&out);
}

static void
test_xtext(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "abc", "abc" },
		{ "a+2Bb+3D", "a+b=" },
		{ "a+20b", "a b" },
		{ "", "" },
		{ "a=b", NULL },
		{ "a b", NULL },
		{ "a+2bb", NULL },
		{ "a+", NULL },
		{ "a+2", NULL },
		{ "a+00", NULL },
		{ "a+0D", NULL },
		{ "a+7F", NULL },
		{ "a+FF", NULL },
		{ "\xc3\xa4", NULL },
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = smtp_xtext_decode(str_of(cases[i].in), out, sizeof(out));

		if (cases[i].want == NULL)
			assert_int_equal(n, -1);
		else
			assert_true(str_eq(str_from(out, (size_t)n), str_of(cases[i].want)));
	}
	assert_int_equal(smtp_xtext_decode(STR("abc"), out, 2), -1);
}

static void
test_received(void **state)
{
	static const struct {
		struct smtp_received r;
		const char *want;
	} cases[] = {
		{ { .helo = "c.test",
		      .rdns = "c.test",
		      .ip = "192.0.2.1",
		      .by = "mx.test",
		      .esmtp = true,
		      .tls = "",
		      .id = "S1",
		      .only_rcpt = "u@here.test",
		      .time = 0 },
		    "Received: from c.test (c.test [192.0.2.1]) by mx.test with ESMTP id S1 for\r\n"
		    "\t<u@here.test>; Thu, 01 Jan 1970 00:00:00 +0000\r\n" },
		{ { .helo = "c",
		      .rdns = "",
		      .ip = "2001:db8::1",
		      .by = "mx",
		      .tls = "",
		      .id = "S1",
		      .only_rcpt = NULL,
		      .time = 86400 },
		    "Received: from c ([IPv6:2001:db8::1]) by mx with SMTP id S1;\r\n"
		    "\tFri, 02 Jan 1970 00:00:00 +0000\r\n" },
		{ { .helo = "c\r\n",
		      .rdns = "",
		      .ip = "192.0.2.1",
		      .by = "mx",
		      .esmtp = true,
		      .smtputf8 = true,
		      .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384",
		      .id = "S1",
		      .time = 0 },
		    "Received: from c?? ([192.0.2.1]) by mx with UTF8SMTPS\r\n"
		    "\t(TLSv1.3 TLS_AES_256_GCM_SHA384) id S1;\r\n\tThu, 01 Jan 1970 00:00:00 "
		    "+0000\r\n" },
	};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&out, SMTP_RECEIVED_MAX);
		assert_int_equal(smtp_received_print(&out, &cases[i].r), 0);
		buf_putc(&out, '\0');
		assert_string_equal((const char *)buf_data(&out), cases[i].want);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_rows),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_received),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
