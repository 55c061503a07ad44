/* SPDX-License-Identifier: ISC */
/* TLS to any server, and to the smarthost that has to prove who it is. */
#include "delivery/test_peers.h"

/* --- TLS -------------------------------------------------------------------------------------- */

#define TLS_SCRIPT(kind) \
	{ \
		GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 }, { SAY, "220 go\r\n", 0 }, \
		    { TLS, NULL, kind }, { HEAR, "EHLO own.test", 0 }, \
		    { SAY, "250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n", 0 }, { HEAR, "", 0 }, \
		    { SAY, "250 2.0.0 first\r\n", 0 }, RCPT, DATA, ACCEPT, { LISTEN, NULL, 0 }, \
		{ \
			OVER, NULL, 0 \
		} \
	}
static const struct fake_step tls_scripts[FAKE__MAX][24] = {
	TLS_SCRIPT(0),
	TLS_SCRIPT(1),
	TLS_SCRIPT(2),
	TLS_SCRIPT(3),
	TLS_SCRIPT(4),
	TLS_SCRIPT(5),
	TLS_SCRIPT(6),
	TLS_SCRIPT(7),
	TLS_SCRIPT(8),
};

/* Any certificate is better than clear text. */
static void
test_tls_any(void **state)
{
	const struct fake_step *scripts[FAKE__MAX + 1] = { NULL };
	struct fixture *f = *state;

	f->o.max_messages = 1;
	for (int i = 0; i < FAKE__MAX; i++)
		scripts[i] = tls_scripts[i];
	simple(f, scripts);
	for (int i = 0; i < FAKE__MAX; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		if (o.r[0].result != IPC_OK || o.tls[0] == '\0')
			print_error("%s: %s %s\n", fake_names[i], o.r[0].text, o.tls);
		assert_int_equal(o.r[0].result, IPC_OK);
		assert_non_null(strstr(o.tls, "TLSv1"));
	}
	assert_int_equal(f->s[0].heard->connections, FAKE__MAX);
	nothing_wrong(f);
}

/* A handshake that fails is followed by clear text over a new connection; that is remembered. */
static void
test_tls_fails(void **state)
{
	static const struct fake_step rubbish[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "220 go\r\n", 0 }, { HEAR, "\x16\x03\x01", 0 },
		{ SAY, "I know no TLS at all\r\n", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step clear[] = { GREET, EHLO_TLS, MAIL, RCPT, DATA, ACCEPT, BYE };
	static const struct fake_step *const scripts[] = { rubbish, clear, NULL };
	struct fixture *f = *state;

	f->o.max_messages = 1;
	simple(f, scripts);
	for (int i = 0; i < 2; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		assert_int_equal(o.r[0].result, IPC_OK);
		assert_string_equal(o.tls, "");
	}
	assert_int_equal(f->s[0].heard->connections, 3);
	nothing_wrong(f);
}

/* Closed amid the handshake, or no answer to it: the same. */
static void
test_tls_ends(void **state)
{
	static const struct fake_step closed[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "220 go\r\n", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step mute[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "220 go\r\n", 0 }, { MUTE, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step clear[] = { GREET, EHLO_TLS, MAIL, RCPT, DATA, ACCEPT, BYE };
	static const struct fake_step *const s_closed[] = { closed, clear, NULL };
	static const struct fake_step *const s_mute[] = { mute, clear, NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT, .domain = "b.test" };

	f->o.command_ms = 200;
	simple(f, s_closed);
	server(f, 1, "127.0.0.2", s_mute);
	dns_address(f, "b.test", "127.0.0.2");
	deliver(f, &a);
	assert_int_equal(a.r[0].result, IPC_OK);
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_OK);
	assert_int_equal(f->s[1].heard->connections, 2);
	nothing_wrong(f);
}

static void
test_tls_refused(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "454 4.7.0 not now\r\n", 0 }, MAIL, RCPT, DATA, ACCEPT, BYE };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_string_equal(o.tls, "");
	nothing_wrong(f);
}

/* Bytes that somebody put behind the 220 are not taken for the server's. */
static void
test_tls_injection(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "220 go\r\n250 mx.test\r\n", 0 }, { LISTEN, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	assert_string_equal(o.r[0].enhanced, "4.7.0");
	assert_int_equal(f->s[0].heard->connections, 1);
	run_until(f, &f->s[0].heard->closed, 1);
	assert_false(heard(f, 0, "MAIL"));
}

/* --- smarthost -------------------------------------------------------------------------------- */

static void
smarthost(struct fixture *f, const char *host, const struct fake_step *const *scripts)
{
	f->o.allow_private = false; /* a smarthost may be private all the same */
	snprintf(f->o.smarthost.host, sizeof(f->o.smarthost.host), "%s", host);
	snprintf(f->o.smarthost.route, sizeof(f->o.smarthost.route),
	    strchr(host, '1') != NULL ? "[%s]" : "%s", host);
	snprintf(f->o.smarthost.user, sizeof(f->o.smarthost.user), "relay");
	snprintf(f->o.smarthost.password, sizeof(f->o.smarthost.password), "secret");
	simple(f, scripts);
}

#define STARTTLS_GOOD \
	GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 }, { SAY, "220 go\r\n", 0 }, \
	    { TLS, NULL, FAKE_GOOD }, \
	{ \
		HEAR, "EHLO own.test", 0 \
	}
/* \0relay\0secret */
#define AUTH_PLAIN \
	{ SAY, "250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n", 0 }, \
	    { HEAR, "AUTH PLAIN AHJlbGF5AHNlY3JldA==", 0 }, \
	{ \
		SAY, "235 2.7.0 welcome\r\n", 0 \
	}

static void
test_smarthost(void **state)
{
	static const struct fake_step script[] = { STARTTLS_GOOD, AUTH_PLAIN, MAIL, RCPT, DATA,
		ACCEPT, { AGAIN, NULL, 11 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT, .domain = "other.test" };

	smarthost(f, "mx.test", scripts);
	deliver(f, &a);
	assert_int_equal(a.r[0].result, IPC_OK);
	assert_non_null(strstr(a.tls, "TLSv1.3"));
	/* Whatever the domain: the same server, the same connection. */
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_OK);
	assert_int_equal(f->s[0].heard->connections, 1);
	nothing_wrong(f);
}

static void
test_smarthost_by_address(void **state)
{
	static const struct fake_step script[] = { { TLS, NULL, FAKE_GOOD }, GREET, AUTH_PLAIN,
		MAIL, RCPT, DATA, ACCEPT, BYE };
	static const struct fake_step expired[] = { { TLS, NULL, FAKE_EXPIRED },
		{ OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, expired, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT }, bad = { .text = TEXT };

	f->o.smarthost.tls_first = true;
	f->o.idle_ms = 0;
	smarthost(f, "127.0.0.1", scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(f->asked, 0);
	deliver(f, &bad);
	assert_int_equal(bad.r[0].result, IPC_TEMP);
	assert_string_equal(bad.r[0].enhanced, "4.7.5");
	nothing_wrong(f);
}

/* Nothing of login or message is ever told to a server that is not proved. */
static void
test_smarthost_certificates(void **state)
{
	static const struct fake_step clear[] = { GREET,
		{ SAY, "250-mx.test\r\n250 AUTH PLAIN\r\n", 0 }, { LISTEN, NULL, 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step refuses[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "454 not now\r\n", 0 }, { LISTEN, NULL, 0 }, { OVER, NULL, 0 } };
	const struct fake_step *scripts[FAKE__MAX + 2] = { clear, refuses };
	struct fixture *f = *state;

	for (int i = 1; i < FAKE__MAX; i++)
		scripts[i + 1] = tls_scripts[i];
	smarthost(f, "mx.test", scripts);
	for (int i = 0; i <= FAKE__MAX; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		assert_int_equal(o.r[0].result, IPC_TEMP);
		assert_int_equal(o.destination, IPC_TEMP);
		assert_true(strncmp(o.r[0].enhanced, "4.7.", 4) == 0);
		assert_int_equal(o.wanted, 0);
	}
	run_until(f, &f->s[0].heard->closed, FAKE__MAX + 1);
	assert_int_equal(f->s[0].heard->connections, FAKE__MAX + 1);
	assert_false(heard(f, 0, "AUTH"));
	assert_false(heard(f, 0, "MAIL"));
}

static void
test_smarthost_login_refused(void **state)
{
	static const struct fake_step wrong[] = { STARTTLS_GOOD,
		{ SAY, "250-mx.test\r\n250 AUTH LOGIN\r\n", 0 }, { HEAR, "AUTH LOGIN", 0 },
		{ SAY, "334 VXNlcm5hbWU6\r\n", 0 }, { HEAR, "cmVsYXk=", 0 },
		{ SAY, "334 UGFzc3dvcmQ6\r\n", 0 }, { HEAR, "c2VjcmV0", 0 },
		{ SAY, "535 5.7.8 wrong\r\n", 0 }, { HEAR, "QUIT", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step none[] = { STARTTLS_GOOD,
		{ SAY, "250-mx.test\r\n250 AUTH GSSAPI\r\n", 0 }, { HEAR, "QUIT", 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { wrong, none, NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT };

	smarthost(f, "mx.test", scripts);
	deliver(f, &a); /* the message is not to blame */
	assert_int_equal(a.r[0].result, IPC_TEMP);
	assert_int_equal(a.r[0].code, 535);
	assert_string_equal(a.r[0].enhanced, "4.7.8");
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_TEMP);
	run_until(f, &f->s[0].heard->closed, 2);
	nothing_wrong(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tls_any),
		T(test_tls_fails),
		T(test_tls_ends),
		T(test_tls_refused),
		T(test_tls_injection),
		T(test_smarthost),
		T(test_smarthost_by_address),
		T(test_smarthost_certificates),
		T(test_smarthost_login_refused),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
