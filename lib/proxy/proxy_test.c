/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define Z4 "\0\0\0\0"
#define FOUR "\xcb\0\x71\x05" /* 203.0.113.5 */
#define SIX "\x20\x01\x0d\xb8" Z4 Z4 "\0\0\0\x05"

/* want: the client; "local"; NULL: no header. */
struct row {
	const char *what;
	const char *in;
	size_t n;
	const char *want;
	uint16_t port;
};
#define ROW(what, in, want, port) \
	{ \
		what, in, sizeof(in) - 1, want, port \
	}

static const struct row rows[] = {
	ROW("v1", "PROXY TCP4 203.0.113.5 192.0.2.25 4711 25\r\n", "203.0.113.5", 4711),
	ROW("v1 v6", "PROXY TCP6 2001:db8::5 2001:db8::25 0 65535\r\n", "2001:db8::5", 0),
	ROW("v1 mapped", "PROXY TCP6 ::ffff:203.0.113.5 ::1 1 2\r\n", "203.0.113.5", 1),
	ROW("v1 unknown", "PROXY UNKNOWN\r\n", "local", 0),
	ROW("v1 unknown with words", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "local", 0),
	ROW("v1 bare lf", "PROXY TCP4 203.0.113.5 192.0.2.25 4711 25\n", NULL, 0),
	ROW("v1 two spaces", "PROXY TCP4  203.0.113.5 192.0.2.25 4711 25\r\n", NULL, 0),
	ROW("v1 more words", "PROXY TCP4 203.0.113.5 192.0.2.25 4711 25 x\r\n", NULL, 0),
	ROW("v1 less words", "PROXY TCP4 203.0.113.5 192.0.2.25 4711\r\n", NULL, 0),
	ROW("v1 port", "PROXY TCP4 203.0.113.5 192.0.2.25 65536 25\r\n", NULL, 0),
	ROW("v1 port with zero", "PROXY TCP4 203.0.113.5 192.0.2.25 025 25\r\n", NULL, 0),
	ROW("v1 wrong family", "PROXY TCP4 2001:db8::5 2001:db8::25 1 25\r\n", NULL, 0),
	ROW("v1 name", "PROXY TCP4 client.test 192.0.2.25 1 25\r\n", NULL, 0),
	ROW("v1 udp", "PROXY UDP4 203.0.113.5 192.0.2.25 1 25\r\n", NULL, 0),
	ROW("v1 small letters", "proxy TCP4 203.0.113.5 192.0.2.25 1 25\r\n", NULL, 0),
	ROW("smtp", "EHLO client.test\r\n", NULL, 0),
	ROW("v2", SIGNATURE "\x21\x11\0\x0c" FOUR FOUR "\x12\x67\0\x19", "203.0.113.5", 4711),
	ROW("v2 v6", SIGNATURE "\x21\x21\0\x24" SIX SIX "\x12\x67\0\x19", "2001:db8::5", 4711),
	ROW("v2 more",
	    SIGNATURE "\x21\x11\0\x10" FOUR FOUR "\0\1\0\x19"
		      "\x04\0\1x",
	    "203.0.113.5", 1),
	ROW("v2 local", SIGNATURE "\x20\0\0\0", "local", 0),
	ROW("v2 unspecified", SIGNATURE "\x21\0\0\0", "local", 0),
	ROW("v2 version", SIGNATURE "\x31\x11\0\x0c" FOUR FOUR "\0\1\0\x19", NULL, 0),
	ROW("v2 command", SIGNATURE "\x22\x11\0\x0c" FOUR FOUR "\0\1\0\x19", NULL, 0),
	ROW("v2 udp", SIGNATURE "\x21\x12\0\x0c" FOUR FOUR "\0\1\0\x19", NULL, 0),
	ROW("v2 too short", SIGNATURE "\x21\x11\0\x0b" FOUR FOUR "\0\1\0", NULL, 0),
	ROW("v2 too long", SIGNATURE "\x21\x11\x08\0", NULL, 0),
};

static void
check(const struct row *r)
{
	char more[256], text[NET_TEXT_MAX];
	struct proxy_header h;
	size_t used;
	int got;

	for (size_t n = 0; n < r->n; n++) {
		got = proxy_parse(str_from(r->in, n), &h, &used);
		if (got > 0 || (r->want != NULL && got != 0))
			fail_msg("%s: %d after %zu bytes", r->what, got, n);
	}
	memcpy(more, r->in, r->n);
	memcpy(more + r->n, "EHLO x\r\n", 8);
	got = proxy_parse(str_from(more, r->n + 8), &h, &used);
	if (got != (r->want != NULL ? 1 : -1))
		fail_msg("%s: got %d", r->what, got);
	if (got < 0)
		return;
	assert_int_equal(used, r->n);
	assert_int_equal(h.port, r->port);
	assert_string_equal(h.local ? "local" : net_print(&h.client, text), r->want);
}

static void
test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i]);
}

/* Without an end it is waited for so long, and no longer. */
static void
test_limits(void **state)
{
	char line[PROXY_V1_MAX + 1];
	struct proxy_header h;
	size_t used;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_parse(str_from(line, PROXY_V1_MAX - 1), &h, &used), 0);
	assert_int_equal(proxy_parse(str_from(line, PROXY_V1_MAX), &h, &used), -1);
	memcpy(line + PROXY_V1_MAX - 2, "\r\n", 2);
	assert_int_equal(proxy_parse(str_from(line, PROXY_V1_MAX), &h, &used), 1);
	assert_true(h.local);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
