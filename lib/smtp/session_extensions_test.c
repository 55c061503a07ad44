/* SPDX-License-Identifier: ISC */
/* What EHLO announces: early talkers, STARTTLS, XCLIENT and what hosts are told. */
#include "smtp/test_session.h"

static void
test_announcement(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	buf_clear(&h.out);
	harness_say(&h, "EHLO c.test\r\n");
	assert_true(str_eq(harness_text(&h.out),
	    STR("250-mx.example.test\r\n250-SIZE 2000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
		"250-STARTTLS\r\n250-DSN\r\n250-LIMITS RCPTMAX=100\r\n250 "
		"ENHANCEDSTATUSCODES\r\n")));
	harness_end(&h);
	harness_start(&h, &full);
	smtp_session_offer_tls(h.s, false);
	harness_say(&h, "EHLO c.test\r\n");
	assert_true(str_find_nocase(harness_text(&h.out), STR("250-PIPELINING\r\n")) > 0);
	assert_true(str_find_nocase(harness_text(&h.out), STR("250-CHUNKING\r\n")) > 0);
	assert_true(str_find_nocase(harness_text(&h.out), STR("STARTTLS")) < 0);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 454); /* TLS_UNAVAILABLE */
	harness_end(&h);
}

/* With refuse_early: what is said before its turn ends the session with 503; what has a fault of its own
 * says that; a QUIT behind the end of a message is let through. */
static void
test_early_talkers(void **state)
{
	static const struct {
		const char *said;
		size_t before_greeting;
		const char *want;
	} t[] = {
		{ "EHLO c.example\r\nNOOP\r\n", 0, "503" },
		{ "EHLO c.example\r\n", 16, "503" },
		{ "EHLO c.example\r\n", 0, "250" },
		{ "NOOP\r\nQUIT\r\n", 0, "250" },
		{ "NOOP\r\nqui", 0, "250" },
		{ "NOOP\r\nQUIT\r\nx", 0, "503" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct smtp_policy policy = { .hostname = "mx.example",
			.max_size = 1000,
			.max_recipients = 100,
			.refuse_early = true };
		struct smtp_session *s = smtp_session_new(&policy, NULL);
		struct smtp_event ev;

		smtp_session_greet(s, t[i].before_greeting);
		buf_clear(smtp_session_out(s));
		smtp_session_step(s, str_of(t[i].said), &ev);
		if (ev.type == SMTP_EV_HELLO)
			smtp_session_accept(s, NULL);
		assert_memory_equal(buf_data(smtp_session_out(s)), t[i].want, 3);
		smtp_session_free(&s);
	}
}

static void
test_early_bytes(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, "EHLO c.test\r\n");
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 0);
	harness_say(&h, "NOOP\r\nRSET\r\nNOOP\r\n"); /* 12 of 18 were sent ahead */
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 12);
	harness_say(&h, "NOOP\r\nNOOP\r\n");
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 18);
	harness_say(&h, "MAIL FROM:<>\r\n");
	harness_say(&h, "RCPT TO:<u@x>\r\n");
	harness_say(&h, "DATA\r\n");
	harness_say(&h, "a\r\n.\r\n");
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 18);
	harness_end(&h);
	harness_start(&h, &full);
	harness_say(&h, "NOOP\r\nRSET\r\nNOOP\r\n");
	assert_int_equal(smtp_session_facts(h.s).early_bytes, 0);
	harness_end(&h);
}

/* Content that comes before the 354 is nobody's content (and no command either). */
static void
test_strict_data(void **state)
{
	static const struct smtp_policy strict = { .hostname = "mx",
		.max_size = MAX_SIZE,
		.max_recipients = SMTP_RCPT_MIN,
		.strict_data = true };
	struct harness h;

	(void)state;
	harness_start(&h, &strict);
	assert_int_equal(code_of(&h, ENVELOPE "DATA\r\nx\r\n.\r\n"), 554);
	assert_true(h.closed);
	assert_int_equal(h.close, SMTP_CLOSE_EARLY);
	assert_int_equal(h.accepted, 0);
	harness_end(&h);
	harness_start(&h, &strict);
	assert_int_equal(code_of(&h, ENVELOPE "DATA\r\n"), 354);
	assert_int_equal(code_of(&h, "x\r\n.\r\n"), 250);
	harness_end(&h);
}

static void
test_starttls(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	assert_int_equal(code_of(&h, "EHLO c.test\r\n"), 250);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 220);
	smtp_session_tls_started(h.s, 0);
	assert_true(smtp_session_facts(h.s).tls);
	assert_string_equal(smtp_session_facts(h.s).helo, "");
	assert_int_equal(code_of(&h, "MAIL FROM:<>\r\n"), 503);
	harness_say(&h, "EHLO c.test\r\n");
	assert_true(str_find_nocase(harness_text(&h.out), STR("STARTTLS")) < 0);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 503);
	harness_end(&h);
	/* bytes behind the command: no 220 is given */
	harness_start(&h, &port25);
	buf_clear(&h.out);
	harness_say(&h, "STARTTLS\r\nEHLO x\r\n");
	assert_true(str_starts_nocase(harness_text(&h.out), STR("554-")));
	assert_int_equal(h.close, SMTP_CLOSE_INJECTION);
	harness_end(&h);
	/* bytes that came between our 220 and the handshake */
	harness_start(&h, &port25);
	assert_int_equal(code_of(&h, "STARTTLS\r\n"), 220);
	smtp_session_tls_started(h.s, 6);
	harness_run(&h);
	assert_true(h.closed);
	assert_int_equal(h.close, SMTP_CLOSE_INJECTION);
	harness_end(&h);
}

static void
test_xclient(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	smtp_session_allow_xclient(h.s, true);
	assert_int_equal(code_of(&h, "EHLO c.test\r\n"), 250);
	assert_int_equal(code_of(&h, "XCLIENT\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT ADDR=1.2.3\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT ADDR=+00\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT PORT=65536\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT PROTO=X\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT ADDR=1.2.3.4 ADDR=1.2.3.4\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT FOO=1\r\n"), 501);
	assert_int_equal(
	    code_of(&h, "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=25 PROTO=SMTP "
			"HELO=other.test REVERSE_NAME=a+2Db.test LOGIN=joe+20d DESTADDR=192.0.2.25 "
			"DESTPORT=2525\r\n"),
	    220);
	assert_string_equal(h.xclient.attr[SMTP_X_LOGIN].value, "joe d");
	assert_string_equal(h.xclient.attr[SMTP_X_DESTADDR].value, "192.0.2.25");
	assert_string_equal(h.xclient.attr[SMTP_X_DESTPORT].value, "2525");
	assert_string_equal(h.xclient.attr[SMTP_X_ADDR].value, "2001:db8::1");
	assert_string_equal(h.xclient.attr[SMTP_X_REVERSE_NAME].value, "a-b.test");
	assert_int_equal(h.xclient.attr[SMTP_X_NAME].state, SMTP_X_UNAVAILABLE);
	assert_string_equal(smtp_session_facts(h.s).helo, "other.test");
	assert_false(smtp_session_facts(h.s).esmtp);
	assert_int_equal(code_of(&h, "MAIL FROM:<>\r\n"), 250);
	assert_int_equal(code_of(&h, "XCLIENT ADDR=1.2.3.4\r\n"), 503);
	harness_end(&h);

	harness_start(&h, &port25);
	smtp_session_allow_xclient(h.s, true);
	assert_int_equal(code_of(&h, "XCLIENT LOGIN=a+0Ab\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT DESTADDR=here.test\r\n"), 501);
	assert_int_equal(code_of(&h, "XCLIENT DESTPORT=x\r\n"), 501);
	harness_end(&h);
}

static void
test_envelope_facts(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, &port25);
	harness_say(&h, "EHLO C.Test\r\nMAIL FROM:<@r:A@B.Test> RET=FULL ENVID=Q+2B1 SIZE=9 "
			"BODY=8BITMIME\r\nRCPT TO:<\"u\"@X> NOTIFY=DELAY,FAILURE "
			"ORCPT=rfc822;u+40x\r\n");
	assert_string_equal(smtp_session_facts(h.s).helo, "c.test");
	assert_true(str_eq(address_local(&h.mail.from), STR("A")));
	assert_true(str_eq(address_domain(&h.mail.from), STR("b.test")));
	assert_string_equal(h.mail.envid, "Q+2B1");
	assert_int_equal(h.mail.ret, SMTP_RET_FULL);
	assert_int_equal(h.mail.size, 9);
	assert_true(h.mail.body_8bit);
	assert_true(str_eq(address_local(&h.rcpt.to), STR("u")));
	assert_int_equal(h.rcpt.notify, SMTP_NOTIFY_DELAY | SMTP_NOTIFY_FAILURE);
	assert_string_equal(h.rcpt.orcpt, "rfc822;u+40x");
	harness_end(&h);
}

/* Nothing is read while an answer is outstanding; a 421 of the host ends the session. */
static void
test_waiting(void **state)
{
	struct smtp_session *s = smtp_session_new(&port25, "S1");
	struct smtp_event ev;
	struct str in = STR("EHLO x\r\nNOOP\r\n");

	(void)state;
	assert_int_equal(smtp_session_step(s, in, &ev), 0); /* not greeted */
	smtp_session_greet(s, 0);
	assert_int_equal(smtp_session_step(s, in, &ev), 8);
	assert_int_equal(ev.type, SMTP_EV_HELLO);
	in = str_from(in.p + 8, in.n - 8);
	assert_int_equal(smtp_session_step(s, in, &ev), 0);
	assert_int_equal(ev.type, SMTP_EV_NONE);
	assert_true(smtp_session_waiting(s));
	smtp_session_refuse(s, SMTP_STOPPING);
	assert_int_equal(smtp_session_step(s, in, &ev), 0);
	assert_int_equal(ev.type, SMTP_EV_CLOSE);
	assert_int_equal(ev.close, SMTP_CLOSE_HOST);
	assert_true(smtp_session_closed(s));
	smtp_session_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announcement),
		cmocka_unit_test(test_early_talkers),
		cmocka_unit_test(test_early_bytes),
		cmocka_unit_test(test_strict_data),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_xclient),
		cmocka_unit_test(test_envelope_facts),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
