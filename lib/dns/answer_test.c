/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns/answer.h"

/* Header of a response with one question: for example.test. */
#define HEAD(rcode, an, ns) "\x12\x34\x81" rcode "\0\1\0" an "\0" ns "\0\0"
#define QNAME "\7example\4test\0"
#define ASK(type) QNAME "\0" type "\0\1"
#define RR(owner, type, ttl, rdata) owner "\0" type "\0\1\0\0\0" ttl "\0" rdata
#define SELF "\xc0\x0c"
#define LIT(s) (s), sizeof(s) - 1

static const struct {
	const char *what, *packet;
	size_t size;
	uint16_t type;
	int want;
	unsigned count, rcode;
	uint32_t ttl;
	const char *name, *records;
	size_t nrecords;
} t[] = {
	{ "one A", LIT(HEAD("\x80", "\1", "\0") ASK("\1") RR(SELF, "\1", "\x3c", "\4\x7f\0\0\2")),
	    DNS_A, 1, 1, 0, 60, "example.test", LIT("\0\4\x7f\0\0\2") },
	{ "upper case owner",
	    LIT(HEAD("\x80", "\1", "\0") ASK("\1")
		    RR("\7EXAMPLE\4TeSt\0", "\1", "\x3c", "\4\x7f\0\0\2")),
	    DNS_A, 1, 1, 0, 60, "example.test", LIT("\0\4\x7f\0\0\2") },
	{ "two MX, one compressed",
	    LIT(HEAD("\x80", "\2", "\0") ASK("\x0f") RR(SELF, "\x0f", "\x3c", "\6\0\5\1a\xc0\x0c")
		    RR(SELF, "\x0f", "\x1e", "\3\0\0\0")),
	    DNS_MX, 1, 2, 0, 30, "example.test", LIT("\0\22\0\5\1a\7example\4test\0\0\3\0\0\0") },
	{ "alias, then A",
	    LIT(HEAD("\x80", "\2", "\0") ASK("\1") RR(SELF, "\5", "\x0a", "\4\1b\xc0\x0c")
		    RR("\1B\xc0\x0c", "\1", "\x3c", "\4\x7f\0\0\3")),
	    DNS_A, 1, 1, 0, 10, "b.example.test", LIT("\0\4\x7f\0\0\3") },
	{ "A of another name",
	    LIT(HEAD("\x80", "\1", "\0") ASK("\1") RR("\1x\0", "\1", "\x3c", "\4\x7f\0\0\2")),
	    DNS_A, 0, 0, 0, 0, "example.test", NULL, 0 },
	{ "no such name, SOA",
	    LIT(HEAD("\x83", "\0", "\1") ASK("\1")
		    RR(SELF, "\6", "\x3c", "\x16\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x1e")),
	    DNS_A, 0, 0, 3, 30, "example.test", NULL, 0 },
	{ "alias loop",
	    LIT(HEAD("\x80", "\1", "\0") ASK("\1") RR(SELF, "\5", "\x0a", "\2\xc0\x0c")), DNS_A,
	    DNS_ERR_ALIASES, 0, 0, 0, NULL, NULL, 0 },
	{ "A of five bytes",
	    LIT(HEAD("\x80", "\1", "\0") ASK("\1") RR(SELF, "\1", "\x3c", "\5\x7f\0\0\2\0")), DNS_A,
	    DNS_ERR_FORMAT, 0, 0, 0, NULL, NULL, 0 },
	{ "TXT", LIT(HEAD("\x80", "\1", "\0") ASK("\x10") RR(SELF, "\x10", "\x3c", "\5\1a\2bc")),
	    DNS_TXT, 1, 1, 0, 60, "example.test", LIT("\0\5\1a\2bc") },
	{ "TXT that says more than it has",
	    LIT(HEAD("\x80", "\1", "\0") ASK("\x10") RR(SELF, "\x10", "\x3c", "\5\1a\3bc")),
	    DNS_TXT, DNS_ERR_FORMAT, 0, 0, 0, NULL, NULL, 0 },
	{ "MX with bytes behind its name",
	    LIT(HEAD("\x80", "\1", "\0") ASK("\x0f") RR(SELF, "\x0f", "\x3c", "\4\0\1\0x")), DNS_MX,
	    DNS_ERR_FORMAT, 0, 0, 0, NULL, NULL, 0 },
	{ "a pointer to itself",
	    LIT(HEAD("\x80", "\1", "\0") ASK("\x0c") RR(SELF, "\x0c", "\x3c", "\2\xc0\x2a")),
	    DNS_PTR, DNS_ERR_FORMAT, 0, 0, 0, NULL, NULL, 0 },
	{ "a question", LIT("\x12\x34\1\0\0\1\0\0\0\0\0\0" ASK("\1")), DNS_A, DNS_ERR_FORMAT, 0, 0,
	    0, NULL, NULL, 0 },
	{ "record cut off",
	    LIT(HEAD("\x80", "\1", "\0") ASK("\1") RR(SELF, "\1", "\x3c", "\4\x7f\0\0")), DNS_A,
	    DNS_ERR_FORMAT, 0, 0, 0, NULL, NULL, 0 },
};

static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct dns_answer a;
		char text[DNS_TEXT_MAX];
		int got;

		buf_init(&a.records, 65000);
		got = dns_answer_read((const uint8_t *)t[i].packet, t[i].size, t[i].type, &a);
		if (got != t[i].want)
			print_error("%s: got %d\n", t[i].what, got);
		assert_int_equal(got, t[i].want);
		if (got >= 0) {
			assert_int_equal(a.count, t[i].count);
			assert_int_equal(a.rcode, t[i].rcode);
			assert_int_equal(a.ttl, t[i].ttl);
			assert_string_equal(dns_name_text(&a.name, text), t[i].name);
		}
		if (got == 1) {
			assert_int_equal(buf_len(&a.records), t[i].nrecords);
			assert_memory_equal(buf_data(&a.records), t[i].records, t[i].nrecords);
		}
		buf_free(&a.records);
	}
}

/* Every prefix of every good packet is refused or gives less, and reads nothing behind its end. */
static void
test_cut_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (size_t n = 0; n < t[i].size; n++) {
			uint8_t copy[256];
			struct dns_answer a;

			assert_true(n <= sizeof(copy));
			memcpy(copy + sizeof(copy) - n, t[i].packet, n);
			buf_init(&a.records, 65000);
			assert_true(dns_answer_read(copy + sizeof(copy) - n, n, t[i].type, &a) < 0);
			buf_free(&a.records);
		}
}

static void
test_size_limit(void **state)
{
	struct dns_answer a;

	(void)state;
	buf_init(&a.records, 5);
	assert_int_equal(
	    dns_answer_read((const uint8_t *)t[0].packet, t[0].size, DNS_A, &a), DNS_ERR_SIZE);
	buf_free(&a.records);
}

static void
test_names(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: refused */
	} n[] = {
		{ "", "." },
		{ ".", "." },
		{ "example.test", "example.test" },
		{ "Example.TEST.", "example.test" },
		{ "_25._tcp.mx", "_25._tcp.mx" },
		{ "0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa" },
		{ "..", NULL },
		{ ".a", NULL },
		{ "a..b", NULL },
		{ "a b", NULL },
		{ "a\\b", NULL },
		{ "a\nb", NULL },
		{ "\xc3\xa4.test", NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", NULL },
	};
	struct dns_name name;
	char text[DNS_TEXT_MAX], dots[300];

	(void)state;
	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		bool ok = dns_name_parse(str_of(n[i].in), &name);

		assert_int_equal(ok, n[i].want != NULL);
		if (ok)
			assert_string_equal(dns_name_text(&name, text), n[i].want);
	}
	for (size_t i = 0; i < sizeof(dots); i++)
		dots[i] = i % 2 ? '.' : 'a';
	assert_true(dns_name_parse(str_from(dots, 253), &name));
	assert_int_equal(name.n, DNS_NAME_MAX);
	assert_false(dns_name_parse(str_from(dots, 255), &name));
}

/* The longest text: 255 bytes on the wire, none of them plain. */
static void
test_longest_text(void **state)
{
	uint8_t wire[DNS_NAME_MAX];
	struct dns_name name;
	char text[DNS_TEXT_MAX];
	size_t at = 0;

	(void)state;
	memset(wire, 0xff, sizeof(wire));
	wire[0] = wire[64] = wire[128] = 63;
	wire[192] = 61;
	wire[254] = 0;
	assert_true(dns_name_read(wire, sizeof(wire), &at, &name));
	assert_int_equal(at, sizeof(wire));
	assert_int_equal(strlen(dns_name_text(&name, text)), 4 * 250 + 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_longest_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
