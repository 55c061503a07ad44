/* SPDX-License-Identifier: ISC */
/* What a client may send, how much, and how often it may be wrong. */
#include "smtp/test_session.h"

static void
test_dot_unstuffing(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, ENVELOPE "DATA\r\n..a\r\n.b\r\nc.\r\n...\r\n.\r\n");
	assert_int_equal(h.accepted, 1);
	assert_true(str_eq(harness_text(&h.stored), STR(".a\r\nb\r\nc.\r\n..\r\n")));
	harness_end(&h);
}

static void
test_size_limit(void **state)
{
	struct harness h;
	char line[MAX_SIZE + 3];

	(void)state;
	for (int over = 0; over <= 1; over++) {
		harness_start(&h, &port25);
		harness_say(&h, ENVELOPE "DATA\r\n");
		memset(line, 'x', MAX_SIZE);
		memcpy(line + MAX_SIZE - 2 + over, "\r\n", 3);
		harness_say(&h, line);
		assert_int_equal(code_of(&h, ".\r\n"), over ? 552 : 250);
		harness_end(&h);
	}
	/* Endless content is cut, and no more than the limit is handed out. */
	harness_start(&h, &port25);
	harness_say(&h, ENVELOPE "DATA\r\n");
	memset(line, 'x', MAX_SIZE);
	for (int i = 0; i < 2 * SMTP_OVERSIZE_DRAIN / MAX_SIZE && !h.closed; i++)
		harness_feed(&h, line, MAX_SIZE);
	assert_true(h.closed);
	assert_int_equal(h.close, SMTP_CLOSE_OVERSIZE);
	assert_int_equal(harness_code(&h), 552);
	assert_true(buf_len(&h.content) <= MAX_SIZE);
	assert_true(h.offset <= MAX_SIZE + SMTP_OVERSIZE_DRAIN + MAX_SIZE + 200);
	harness_end(&h);
}

static void
test_loop(void **state)
{
	static const struct smtp_policy roomy = {
		.hostname = "mx", .max_size = 1 << 20, .max_recipients = 100
	};
	struct harness h;

	(void)state;
	for (int n = SMTP_HOPS_MAX; n <= SMTP_HOPS_MAX + 1; n++) {
		harness_start(&h, &roomy);
		harness_say(&h, ENVELOPE "DATA\r\n");
		for (int i = 0; i < n; i++)
			harness_say(&h,
			    i & 1 ? "Received: from x\r\n" : "RECEIVED:by y\r\n\tReceived:\r\n");
		harness_say(&h, "X-Received: a\r\n\r\nReceived: in the body\r\n");
		harness_say(&h, "Received: in the body\r\n");
		assert_int_equal(code_of(&h, ".\r\n"), n > SMTP_HOPS_MAX ? 554 : 250);
		harness_end(&h);
	}
}

static void
test_recipients(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, "EHLO x\r\nMAIL FROM:<>\r\n");
	for (int i = 0; i < SMTP_RCPT_MIN; i++)
		assert_int_equal(code_of(&h, "RCPT TO:<u@x>\r\n"), 250);
	for (int i = 0; i < SMTP_RCPT_OVER_MAX; i++)
		assert_int_equal(code_of(&h, "RCPT TO:<u@x>\r\n"), 452);
	assert_int_equal(code_of(&h, "RCPT TO:<u@x>\r\n"), 421);
	assert_true(h.closed);
	harness_end(&h);

	harness_start(&h, &port25);
	harness_say(&h, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<u@x>\r\n");
	for (int i = 0; i < SMTP_RCPT_REFUSED_MAX; i++)
		assert_int_equal(code_of(&h, "RCPT TO:<no@x>\r\n"), 550);
	assert_int_equal(code_of(&h, "RCPT TO:<no@x>\r\n"), 421);
	assert_true(h.closed);
	harness_end(&h);
}

/* Says the line until the session ends; how many times it took. */
static int
until_closed(const char *line, int *code)
{
	struct harness h;
	int n = 0;

	harness_start(&h, &port25);
	while (!h.closed && n < 100000) {
		*code = code_of(&h, line);
		n++;
	}
	harness_end(&h);
	return n;
}

static void
test_useless_commands(void **state)
{
	static const struct {
		const char *line;
		int want, code;
	} cases[] = {
		{ "XYZZY\r\n", SMTP_BAD_MAX + 1, 421 },
		{ "DATA\r\n", SMTP_BAD_MAX + 1, 421 },
		{ "EXPN x\r\n", SMTP_BAD_MAX + 1, 421 },
		{ "BDAT 1\r\n", SMTP_BAD_MAX + 1, 421 },
		{ "NOOP\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "RSET\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "VRFY x\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "EHLO x\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "HELP\r\n", SMTP_JUNK_MAX + 1, 421 },
		{ "xxxxxxxxxxxxxxxx", (SMTP_LINE_HARD_MAX + 1 + 15) / 16, 500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int code = 0, got = until_closed(cases[i].line, &code);

		if (got != cases[i].want || code != cases[i].code)
			fail_msg("%s: ended after %d with %d", cases[i].line, got, code);
	}
}

static void
test_policy_limits(void **state)
{
	static const struct smtp_policy strict = { .hostname = "mx",
		.max_size = MAX_SIZE,
		.max_recipients = SMTP_RCPT_MIN,
		.max_errors = 2,
		.max_commands = 5 };
	struct harness h;

	(void)state;
	harness_start(&h, &strict);
	assert_int_equal(code_of(&h, "X\r\n"), 500);
	assert_int_equal(code_of(&h, "X\r\n"), 500);
	assert_int_equal(code_of(&h, "X\r\n"), 421);
	harness_end(&h);
	harness_start(&h, &strict);
	for (int i = 0; i < 5; i++)
		assert_int_equal(code_of(&h, "NOOP\r\n"), 250);
	assert_int_equal(code_of(&h, "NOOP\r\n"), 421);
	assert_true(h.closed);
	harness_end(&h);
}

/* Neither the limit of junk nor that of refused recipients is reached, but that of bytes. */
static void
test_bytes_before_rcpt(void **state)
{
	static const char rcpt[] = "RCPT TO:<no@x> NOTIFY=SUCCESS,FAILURE,DELAY "
				   "ORCPT=rfc822;" S480 "\r\n";
	struct harness h;
	size_t sent = 0;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, "EHLO x\r\nMAIL FROM:<>\r\n");
	for (int i = 0; i < SMTP_JUNK_MAX - 1; i++, sent += 492)
		assert_int_equal(code_of(&h, "NOOP 12345" S480 "\r\n"), 250);
	for (int i = 0; i < SMTP_RCPT_REFUSED_MAX - 1 && !h.closed; i++, sent += sizeof(rcpt) - 1)
		harness_say(&h, rcpt);
	assert_true(h.closed);
	assert_int_equal(harness_code(&h), 421);
	assert_in_range(sent, SMTP_BEFORE_RCPT_MAX - 22, SMTP_BEFORE_RCPT_MAX + sizeof(rcpt));
	harness_end(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dot_unstuffing),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_useless_commands),
		cmocka_unit_test(test_policy_limits),
		cmocka_unit_test(test_bytes_before_rcpt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
