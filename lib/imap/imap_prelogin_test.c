/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "imap/prelogin.h"

struct conn {
	struct imap_prelogin *p;
	struct buf in, out;
	enum imap_pre_event e;
};

static void
open_conn(struct conn *c, bool tls)
{
	c->p = imap_prelogin_new(tls, true);
	buf_init(&c->in, 1 << 20);
	buf_init(&c->out, IMAP_PRELOGIN_OUT_MAX);
}

static void
close_conn(struct conn *c)
{
	imap_prelogin_free(&c->p);
	buf_free(&c->in);
	buf_free(&c->out);
}

static const char *
got(struct conn *c)
{
	static char text[IMAP_PRELOGIN_OUT_MAX + 1];

	if (c->out.len > 0)
		memcpy(text, buf_data(&c->out), c->out.len);
	text[c->out.len] = 0;
	buf_clear(&c->out);
	return text;
}

static enum imap_pre_event
say(struct conn *c, const char *text)
{
	buf_puts(&c->in, text);
	return c->e = imap_prelogin_run(c->p, &c->in, &c->out);
}

#define EXPECT(c, text, event, want) \
	do { \
		assert_int_equal(say(c, text), event); \
		assert_string_equal(got(c), want); \
	} while (0)

static void
expect_auth(struct conn *c, const char *mechanism, bool has_initial, struct str data)
{
	struct imap_pre_auth a;

	imap_prelogin_auth(c->p, &a);
	assert_true(str_eq(a.mechanism, str_of(mechanism)));
	assert_int_equal(a.has_initial, has_initial);
	assert_true(str_eq(a.data, data));
}

static void
test_plain_text(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, false);
	imap_prelogin_greet(c.p, &c.out);
	assert_string_equal(got(&c),
	    "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID STARTTLS LOGINDISABLED] Postern ready\r\n");
	EXPECT(&c, "a login u p\r\n", IMAP_PRE_INPUT,
	    "a NO [PRIVACYREQUIRED] Use TLS before logging in\r\n");
	EXPECT(&c, "a authenticate plain AHUAcA==\r\n", IMAP_PRE_INPUT,
	    "a NO [PRIVACYREQUIRED] Use TLS before logging in\r\n");
	EXPECT(&c, "a starttls\r\n", IMAP_PRE_STARTTLS, "a OK Begin TLS now\r\n");
	imap_prelogin_tls_on(c.p);
	EXPECT(&c, "a capability\r\n", IMAP_PRE_INPUT,
	    "* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN "
	    "AUTH=SCRAM-SHA-256\r\n"
	    "a OK Capabilities listed\r\n");
	EXPECT(&c, "a starttls\r\n", IMAP_PRE_INPUT, "a BAD TLS is on already\r\n");
	EXPECT(&c, "a id NIL\r\n", IMAP_PRE_INPUT, "* ID (\"name\" \"Postern\")\r\na OK Done\r\n");
	EXPECT(&c, "a logout\r\nb noop\r\n", IMAP_PRE_CLOSE,
	    "* BYE Logging out\r\na OK Logged out\r\n");
	close_conn(&c);
}

static void
test_starttls_injection(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, false);
	EXPECT(&c, "a starttls\r\nb login u p\r\n", IMAP_PRE_CLOSE,
	    "a OK Begin TLS now\r\n* BYE Input behind STARTTLS\r\n");
	close_conn(&c);
}

/* Four lines of SCRAM; -PLUS only when there is something to bind to. */
static void
test_scram(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, true);
	EXPECT(&c, "a authenticate scram-sha-256-plus\r\n", IMAP_PRE_INPUT,
	    "a NO [CANNOT] Unknown mechanism\r\n");
	EXPECT(&c, "a authenticate scram-sha-1\r\n", IMAP_PRE_INPUT,
	    "a NO [CANNOT] Unknown mechanism\r\n");
	EXPECT(&c, "a authenticate scram-sha-256 biws\r\n", IMAP_PRE_AUTH_START, "");
	expect_auth(&c, "SCRAM-SHA-256", true, STR("n,,"));
	imap_prelogin_auth_challenge(c.p, STR("r=x"), &c.out);
	EXPECT(&c, "Yz1iaXdz\r\n", IMAP_PRE_AUTH_CONTINUE, "+ cj14\r\n");
	expect_auth(&c, "SCRAM-SHA-256", false, STR("c=biws"));
	imap_prelogin_auth_challenge(c.p, STR("v=y"), &c.out);
	EXPECT(&c, "\r\n", IMAP_PRE_AUTH_CONTINUE, "+ dj15\r\n");
	expect_auth(&c, "SCRAM-SHA-256", false, STR(""));
	assert_true(str_eq(imap_prelogin_auth_ok(c.p), STR("a")));
	close_conn(&c);

	open_conn(&c, true);
	imap_prelogin_bound(c.p);
	EXPECT(&c, "a capability\r\n", IMAP_PRE_INPUT,
	    "* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256 "
	    "AUTH=SCRAM-SHA-256-PLUS\r\na OK Capabilities listed\r\n");
	EXPECT(&c, "a authenticate SCRAM-SHA-256-PLUS\r\n", IMAP_PRE_AUTH_START, "");
	expect_auth(&c, "SCRAM-SHA-256-PLUS", false, STR(""));
	close_conn(&c);
	/* not in plain text, whatever was said of bindings */
	open_conn(&c, false);
	imap_prelogin_bound(c.p);
	EXPECT(&c, "a authenticate SCRAM-SHA-256-PLUS\r\n", IMAP_PRE_INPUT,
	    "a NO [PRIVACYREQUIRED] Use TLS before logging in\r\n");
	close_conn(&c);
}

static void
test_login(void **state)
{
	struct conn c;
	struct str tag;

	(void)state;
	open_conn(&c, true);
	EXPECT(&c, "a login {5+}\r\nalice \"p\\\"w\"\r\nb noop\r\n", IMAP_PRE_AUTH_START, "");
	expect_auth(&c, "PLAIN", true, STR("\0alice\0p\"w"));
	assert_int_equal(imap_prelogin_run(c.p, &c.in, &c.out), IMAP_PRE_WAIT);
	imap_prelogin_auth_refused(c.p, IMAP_PRE_BAD_CREDENTIALS, &c.out);
	EXPECT(&c, "", IMAP_PRE_INPUT,
	    "a NO [AUTHENTICATIONFAILED] User name or password is wrong\r\nb OK Done\r\n");
	EXPECT(&c, "a login alice {2}\r\n", IMAP_PRE_INPUT, "+ Ready for the literal\r\n");
	EXPECT(&c, "pw\r\n", IMAP_PRE_AUTH_START, "");
	expect_auth(&c, "PLAIN", true, STR("\0alice\0pw"));
	imap_prelogin_auth_challenge(c.p, STR("no"), &c.out);
	EXPECT(&c, "", IMAP_PRE_AUTH_CANCEL, "a NO [AUTHENTICATIONFAILED] Login failed\r\n");
	EXPECT(&c, "A.7 login alice pw\r\nA8 select inbox\r\n", IMAP_PRE_AUTH_START, "");
	tag = imap_prelogin_auth_ok(c.p);
	assert_true(str_eq(tag, STR("A.7")));
	assert_int_equal(imap_prelogin_run(c.p, &c.in, &c.out), IMAP_PRE_WAIT);
	assert_true(str_eq(str_from(buf_data(&c.in), c.in.len), STR("A8 select inbox\r\n")));
	assert_int_equal(c.out.len, 0);
	close_conn(&c);
}

static void
test_authenticate(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, true);
	EXPECT(&c, "a AUTHENTICATE PLAIN AHUAcA==\r\n", IMAP_PRE_AUTH_START, "");
	expect_auth(&c, "PLAIN", true, STR("\0u\0p"));
	imap_prelogin_auth_refused(c.p, IMAP_PRE_UNAVAILABLE, &c.out);
	EXPECT(&c, "a authenticate plain =\r\n", IMAP_PRE_AUTH_START,
	    "a NO [UNAVAILABLE] Temporary trouble, try again later\r\n");
	expect_auth(&c, "PLAIN", true, STR(""));
	imap_prelogin_auth_refused(c.p, IMAP_PRE_TOO_MANY, &c.out);
	got(&c);
	EXPECT(&c, "a authenticate login\r\n", IMAP_PRE_AUTH_START, "");
	expect_auth(&c, "LOGIN", false, STR(""));
	imap_prelogin_auth_challenge(c.p, STR("Username:"), &c.out);
	EXPECT(&c, "dQ==\r\n", IMAP_PRE_AUTH_CONTINUE, "+ VXNlcm5hbWU6\r\n");
	expect_auth(&c, "LOGIN", false, STR("u"));
	imap_prelogin_auth_challenge(c.p, STR(""), &c.out);
	EXPECT(&c, "*\r\n", IMAP_PRE_AUTH_CANCEL, "+ \r\na BAD Authentication cancelled\r\n");
	EXPECT(&c, "", IMAP_PRE_INPUT, "");
	EXPECT(&c, "a authenticate cram-md5\r\n", IMAP_PRE_INPUT,
	    "a NO [CANNOT] Unknown mechanism\r\n");
	EXPECT(&c, "a authenticate plain AHUA!A==\r\n", IMAP_PRE_INPUT, "a BAD Invalid base64\r\n");
	say(&c, "a authenticate plain\r\n");
	imap_prelogin_auth_challenge(c.p, STR(""), &c.out);
	EXPECT(&c, "A\r\n", IMAP_PRE_AUTH_CANCEL,
	    "+ \r\na BAD Invalid base64\r\n* BYE Too many bad commands\r\n");
	EXPECT(&c, "", IMAP_PRE_CLOSE, "");
	close_conn(&c);
}

static void
test_limits(void **state)
{
	char *big = xmalloc(70001);
	struct conn c;

	(void)state;
	memset(big, 'x', 70000);
	big[70000] = 0;
	open_conn(&c, true);
	say(&c, big);
	EXPECT(&c, "", IMAP_PRE_CLOSE, "* BYE Too much input before login\r\n");
	close_conn(&c);

	open_conn(&c, true);
	EXPECT(&c, "a foo\r\n\r\nc bar\r\nd noop\r\n", IMAP_PRE_CLOSE,
	    "a BAD Unknown command, or log in first\r\n* BAD Missing or invalid tag\r\n"
	    "c BAD Unknown command, or log in first\r\n* BYE Too many bad commands\r\n");
	close_conn(&c);

	open_conn(&c, true);
	EXPECT(&c, "a login {5000}\r\n", IMAP_PRE_INPUT,
	    "a BAD [TOOBIG] Command or literal is too long\r\n");
	EXPECT(&c, "a login {7+}\r\nb noop\n {4000+}\r\n", IMAP_PRE_INPUT, "");
	close_conn(&c);

	open_conn(&c, true);
	big[9000] = 0;
	say(&c, "a authenticate plain\r\n");
	imap_prelogin_auth_challenge(c.p, STR(""), &c.out);
	got(&c);
	EXPECT(&c, big, IMAP_PRE_AUTH_CANCEL, "* BYE Authentication line is too long\r\n");
	EXPECT(&c, "", IMAP_PRE_CLOSE, "");
	close_conn(&c);

	open_conn(&c, true);
	for (int i = 0; i < IMAP_PRELOGIN_FAILURES_MAX; i++) {
		assert_int_equal(say(&c, "a login u p\r\n"), IMAP_PRE_AUTH_START);
		imap_prelogin_auth_refused(c.p, IMAP_PRE_BAD_CREDENTIALS, &c.out);
		got(&c);
	}
	EXPECT(&c, "", IMAP_PRE_CLOSE, "");
	close_conn(&c);
	free(big);
}

/* A login in pieces of every size. */
static void
test_splits(void **state)
{
	static const char script[] = "a noop\r\nb login {1+}\r\nu {1}\r\np\r\nc rest\r\n";
	const size_t login = strlen(script) - strlen("c rest\r\n");

	(void)state;
	for (size_t step = 1; step < sizeof(script); step++) {
		enum imap_pre_event e = IMAP_PRE_INPUT;
		struct conn c;

		open_conn(&c, true);
		for (size_t i = 0; i < sizeof(script) - 1 && e == IMAP_PRE_INPUT; i += step) {
			size_t n = sizeof(script) - 1 - i < step ? sizeof(script) - 1 - i : step;

			buf_put(&c.in, script + i, n);
			e = imap_prelogin_run(c.p, &c.in, &c.out);
			if (e == IMAP_PRE_AUTH_START)
				assert_int_equal(c.in.len, i + n - login);
		}
		assert_int_equal(e, IMAP_PRE_AUTH_START);
		expect_auth(&c, "PLAIN", true, STR("\0u\0p"));
		assert_string_equal(got(&c), "a OK Done\r\n+ Ready for the literal\r\n");
		close_conn(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_text),
		cmocka_unit_test(test_starttls_injection),
		cmocka_unit_test(test_scram),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_authenticate),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_splits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
