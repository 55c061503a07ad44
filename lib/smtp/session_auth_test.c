/* SPDX-License-Identifier: ISC */
/* AUTH in a session (rfc4954). base64 here: AHUAcmlnaHQ= is NUL "u" NUL "right". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtp/session_harness.h"

static const struct smtp_policy submission = { .hostname = "mail.example.test",
	.max_size = 2000,
	.max_recipients = SMTP_RCPT_MIN,
	.pipelining = true,
	.chunking = true,
	.tls_required = true,
	.auth = true };
static const struct smtp_policy port25 = {
	.hostname = "mx.example.test", .max_size = 2000, .max_recipients = SMTP_RCPT_MIN
};

struct step {
	const char *say;
	int want;
};
struct dialogue {
	const char *name;
	struct step steps[12];
	unsigned accepted, cancelled;
	bool in;
};

#define RIGHT "AHUAcmlnaHQ="
#define WRONG "AHUAd3Jvbmc="
#define MESSAGE "MAIL FROM:<a@b>\r\nRCPT TO:<u@b>\r\nDATA\r\n"

static const struct dialogue dialogues[] = {
	{ "initial response",
	    { { "EHLO x\r\n", 250 }, { "AUTH PLAIN " RIGHT "\r\n", 235 }, { MESSAGE, 354 },
		{ "a\r\n.\r\n", 250 } },
	    1, 0, true },
	{ "without initial response",
	    { { "EHLO x\r\n", 250 }, { "auth plain\r\n", 334 }, { RIGHT "\r\n", 235 } }, 0, 0,
	    true },
	{ "two questions",
	    { { "EHLO x\r\n", 250 }, { "AUTH LOGIN\r\n", 334 }, { "dQ==\r\n", 334 },
		{ "cmlnaHQ=\r\n", 235 } },
	    0, 0, true },
	{ "empty responses",
	    { { "EHLO x\r\n", 250 }, { "AUTH PLAIN =\r\n", 535 }, { "AUTH PLAIN\r\n", 334 },
		{ "\r\n", 535 }, { "AUTH LOGIN =\r\n", 334 }, { "cmlnaHQ=\r\n", 235 } },
	    0, 0, true },
	{ "wrong password, then right",
	    { { "EHLO x\r\n", 250 }, { "AUTH PLAIN " WRONG "\r\n", 535 }, { MESSAGE, 503 },
		{ "AUTH PLAIN " RIGHT "\r\n", 235 } },
	    0, 0, true },
	{ "given up",
	    { { "EHLO x\r\n", 250 }, { "AUTH LOGIN\r\n", 334 }, { "*\r\n", 501 },
		{ "NOOP\r\n", 250 }, { "AUTH PLAIN\r\n", 334 }, { "NOOP x\r\n", 501 },
		{ "MAIL FROM:<a@b>\r\n", 530 } },
	    0, 2, false },
	{ "no base64",
	    { { "EHLO x\r\n", 250 }, { "AUTH PLAIN a\r\n", 501 }, { "AUTH PLAIN ====\r\n", 501 },
		{ "AUTH PLAIN AH UA\r\n", 501 }, { "AUTH PLAIN\r\n", 334 },
		{ "A\x01==\r\n", 501 } },
	    0, 1, false },
	{ "order",
	    { { "AUTH PLAIN " RIGHT "\r\n", 503 }, { "HELO x\r\n", 250 },
		{ "AUTH PLAIN " RIGHT "\r\n", 503 }, { "MAIL FROM:<a@b>\r\n", 530 },
		{ "EHLO x\r\n", 250 }, { "MAIL FROM:<a@b>\r\n", 530 }, { "AUTH\r\n", 501 },
		{ "AUTH CRAM-MD5\r\n", 504 }, { "AUTH PLAIN " RIGHT "\r\n", 235 },
		{ "AUTH PLAIN " RIGHT "\r\n", 503 } },
	    0, 0, true },
	{ "in a transaction",
	    { { "EHLO x\r\n", 250 }, { "AUTH PLAIN " RIGHT "\r\n", 235 },
		{ "MAIL FROM: <a@b> AUTH=<>\r\n", 250 }, { "AUTH PLAIN " RIGHT "\r\n", 503 },
		{ "RCPT TO: <u@b>\r\n", 250 }, { "RSET\r\n", 250 },
		{ "MAIL FROM:<a@b> AUTH=e+3Dmc2@b\r\n", 250 }, { "RSET\r\n", 250 },
		{ "MAIL FROM:<a@b> AUTH=+zz\r\n", 501 } },
	    0, 0, true },
};

static int
code_of(struct harness *h, const char *line)
{
	harness_code(h);
	harness_say(h, line);
	return harness_code(h);
}

static void
run_dialogue(const struct dialogue *d)
{
	struct harness h;

	harness_start(&h, &submission);
	assert_int_equal(harness_code(&h), 220);
	for (size_t i = 0; i < 12 && d->steps[i].say != NULL; i++) {
		int got = code_of(&h, d->steps[i].say);

		if (got != d->steps[i].want)
			fail_msg("%s: step %zu: got %d want %d", d->name, i, got, d->steps[i].want);
	}
	if (h.accepted != d->accepted || h.auth_cancelled != d->cancelled ||
	    smtp_session_facts(h.s).authenticated != d->in)
		fail_msg("%s: accepted %u cancelled %u", d->name, h.accepted, h.auth_cancelled);
	harness_end(&h);
}

static void
test_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++)
		run_dialogue(&dialogues[i]);
}

static bool
announced(struct harness *h, const char *line)
{
	bool found;

	buf_clear(&h->out);
	harness_say(h, "EHLO x\r\n");
	found = str_find_nocase(harness_text(&h->out), str_of(line)) >= 0;
	buf_clear(&h->out);
	return found;
}

/* Only inside TLS, only before a login, only where the service has it. */
static void
test_announcement(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &submission);
	assert_true(announced(&h, "250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"));
	assert_int_equal(code_of(&h, "AUTH PLAIN " RIGHT "\r\n"), 235);
	assert_false(announced(&h, "AUTH"));
	harness_end(&h);
	harness_start(&h, &port25);
	assert_false(announced(&h, "AUTH"));
	assert_int_equal(code_of(&h, "AUTH PLAIN " RIGHT "\r\n"), 502);
	harness_end(&h);
}

static void
test_starttls_first(void **state)
{
	struct harness h;

	(void)state;
	memset(&h, 0, sizeof(h));
	buf_init(&h.in, 1 << 16);
	buf_init(&h.out, 1 << 16);
	h.s = smtp_session_new(&submission, "S1");
	smtp_session_offer_tls(h.s, true);
	smtp_session_offer_auth(h.s, "PLAIN");
	smtp_session_greet(h.s, 0);
	assert_false(announced(&h, "AUTH"));
	assert_int_equal(code_of(&h, "AUTH PLAIN " RIGHT "\r\n"), 538);
	assert_int_equal(code_of(&h, "MAIL FROM:<a@b>\r\n"), 530);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 220);
	smtp_session_tls_started(h.s, 0);
	assert_int_equal(code_of(&h, "AUTH PLAIN " RIGHT "\r\n"), 503); /* rfc3207:4.2 */
	assert_true(announced(&h, "250-AUTH PLAIN\r\n"));
	assert_int_equal(code_of(&h, "AUTH PLAIN " RIGHT "\r\n"), 235);
	harness_end(&h);
}

/* The longest line auth takes passes, longer ones are refused, endless ones end the session. */
static void
test_limits(void **state)
{
	static char line[SMTP_LINE_AUTH_MAX + 100];
	struct harness h;
	size_t n = SMTP_AUTH_DATA_MAX / 3 * 4;

	(void)state;
	harness_start(&h, &submission);
	assert_int_equal(code_of(&h, "EHLO x\r\n"), 250);
	assert_int_equal(code_of(&h, "AUTH PLAIN\r\n"), 334);
	memset(line, 'A', sizeof(line));
	memcpy(line + n, "\r\n", 3);
	assert_int_equal(code_of(&h, line), 535);
	assert_int_equal(code_of(&h, "AUTH PLAIN\r\n"), 334);
	memcpy(line + n, "AAAAAAAA\r\n", 11);
	assert_int_equal(code_of(&h, line), 500);
	assert_int_equal(h.auth_cancelled, 1);
	assert_int_equal(code_of(&h, "AUTH PLAIN\r\n"), 334);
	memset(line, 'A', sizeof(line));
	harness_feed(&h, line, sizeof(line));
	assert_true(h.closed);
	harness_end(&h);
}

/* Nobody goes on for ever: refused logins and wrong lines add up. */
static void
test_counted(void **state)
{
	struct harness h;
	unsigned n = 0;

	(void)state;
	harness_start(&h, &submission);
	assert_int_equal(code_of(&h, "EHLO x\r\n"), 250);
	while (!h.closed && n < 1000) {
		harness_say(&h, "AUTH PLAIN " WRONG "\r\n");
		n++;
	}
	assert_true(n <= SMTP_JUNK_MAX + 1);
	harness_end(&h);
	harness_start(&h, &submission);
	assert_int_equal(code_of(&h, "EHLO x\r\n"), 250);
	for (n = 0; !h.closed && n < 1000; n++)
		harness_say(&h, "AUTH LOGIN\r\n*\r\n");
	assert_true(n <= SMTP_BAD_MAX + 1);
	harness_end(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_announcement),
		cmocka_unit_test(test_starttls_first),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
