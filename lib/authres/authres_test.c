/* SPDX-License-Identifier: ISC */
/* What is written, byte for byte; which fields are taken for ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "authres/authres.h"

#define ID "mx.here.test"

static struct buf out;

static const char *
print(const char *id, const struct authres_result *results, size_t n, bool utf8)
{
	buf_free(&out);
	buf_init(&out, AUTHRES_FIELD_MAX + 1);
	assert_int_equal(authres_print(&out, str_of(id), results, n, utf8), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	return (const char *)buf_data(&out);
}

/* --- whole fields ----------------------------------------------------------------------------- */

static void
test_field(void **state)
{
	static const struct authres_result all[] = {
		{ .method = AUTHRES_IPREV,
		    .result = "pass",
		    .comment = STR("mail.there.test"),
		    .properties = { { "policy.iprev", STR("192.0.2.1") } } },
		{ .method = AUTHRES_SPF,
		    .result = "pass",
		    .properties = { { "smtp.mailfrom", STR("u@there.test") },
			{ "smtp.helo", STR("mail.there.test") } } },
		{ .method = AUTHRES_DKIM,
		    .result = "pass",
		    .comment = STR("2048-bit rsa"),
		    .properties = { { "header.d", STR("there.test") }, { "header.s", STR("s1") },
			{ "header.a", STR("rsa-sha256") }, { "header.b", STR("Zm9vYmFy") } } },
		{ .method = AUTHRES_DKIM,
		    .result = "fail",
		    .reason = STR("the body was changed"),
		    .properties = { { "header.d", STR("list.test") } } },
		{ .method = AUTHRES_DMARC,
		    .result = "pass",
		    .properties = { { "header.from", STR("there.test") } } },
		{ .method = AUTHRES_ARC, .result = "none" },
	};

	(void)state;
	assert_string_equal(print(ID, all, 6, false),
	    "Authentication-Results: mx.here.test;\r\n"
	    "\tiprev=pass (mail.there.test) policy.iprev=192.0.2.1;\r\n"
	    "\tspf=pass smtp.mailfrom=u@there.test smtp.helo=mail.there.test;\r\n"
	    "\tdkim=pass (2048-bit rsa) header.d=there.test header.s=s1\r\n"
	    "\theader.a=rsa-sha256 header.b=Zm9vYmFy;\r\n"
	    "\tdkim=fail reason=\"the body was changed\" header.d=list.test;\r\n"
	    "\tdmarc=pass header.from=there.test;\r\n"
	    "\tarc=none\r\n");
}

static void
test_nothing_checked(void **state)
{
	(void)state;
	assert_string_equal(
	    print(ID, NULL, 0, false), "Authentication-Results: mx.here.test; none\r\n");
	assert_string_equal(
	    print("a b", NULL, 0, false), "Authentication-Results: \"a b\"; none\r\n");
}

/* The limit of the buffer is the caller's: nothing is lost silently. */
static void
test_limit(void **state)
{
	struct authres_result r = { .method = AUTHRES_SPF, .result = "none" };
	struct buf small;
	size_t whole = strlen(print(ID, &r, 1, false));

	(void)state;
	for (size_t max = 0; max <= whole; max++) {
		buf_init(&small, max);
		assert_int_equal(
		    authres_print(&small, STR(ID), &r, 1, false), max < whole ? BUF_LIMIT : 0);
		buf_free(&small);
	}
}

/* The largest field has room in AUTHRES_FIELD_MAX, its lines in the 998 of rfc5322:2.1.1. */
static void
test_largest(void **state)
{
	static struct authres_result all[AUTHRES_RESULTS_MAX];
	static char quotes[4000];
	const char *text;
	size_t longest = 0;

	(void)state;
	memset(quotes, '"', sizeof(quotes));
	for (size_t i = 0; i < AUTHRES_RESULTS_MAX; i++) {
		all[i] = (struct authres_result){ .method = AUTHRES_DKIM,
			.result = "permerror",
			.comment = str_from(quotes, sizeof(quotes)),
			.reason = str_from(quotes, sizeof(quotes)) };
		for (size_t k = 0; k < AUTHRES_PROPERTIES_MAX; k++)
			all[i].properties[k] = (struct authres_property){ "smtp.remote-ip",
				str_from(quotes, sizeof(quotes)) };
	}
	text = print(ID, all, AUTHRES_RESULTS_MAX, false);
	for (const char *end; (end = strstr(text, "\r\n")) != NULL; text = end + 2)
		if ((size_t)(end - text) > longest)
			longest = (size_t)(end - text);
	assert_in_range(longest, 500, 998);
}

/* --- values ----------------------------------------------------------------------------------- */

static const struct {
	struct str value;
	bool utf8;
	const char *want;
} values[] = {
	{ STR("there.test"), false, "there.test" },
	{ STR("u@there.test"), false, "u@there.test" },
	{ STR("@there.test"), false, "@there.test" },
	{ STR("u+a/b=c@there.test"), false, "u+a/b=c@there.test" },
	{ STR("\"a b\"@there.test"), false, "\"\\\"a b\\\"@there.test\"" },
	{ STR("a..b@there.test"), false, "\"a..b@there.test\"" },
	{ STR(".a@there.test"), false, "\".a@there.test\"" },
	{ STR("a@b@there.test"), false, "\"a@b@there.test\"" },
	{ STR("u@[192.0.2.1]"), false, "\"u@[192.0.2.1]\"" },
	{ STR("u@"), false, "\"u@\"" },
	{ STR(""), false, "\"\"" },
	{ STR("192.0.2.1"), false, "192.0.2.1" },
	{ STR("2001:db8::1"), false, "\"2001:db8::1\"" },
	{ STR("a+b/c=="), false, "\"a+b/c==\"" },
	{ STR("x; dkim=pass header.d=bank.test"), false, "\"x; dkim=pass header.d=bank.test\"" },
	{ STR("x\r\nX-Evil: 1"), false, "\"x??X-Evil: 1\"" },
	{ STR("a\0b"), false, "\"a?b\"" },
	{ STR("a\177b"), false, "\"a?b\"" },
	{ STR("back\\slash\""), false, "\"back\\\\slash\\\"\"" },
	{ STR("(comment)"), false, "\"(comment)\"" },
	{ STR("m\xc3\xbcller@there.test"), false, "\"m??ller@there.test\"" },
	{ STR("m\xc3\xbcller@there.test"), true, "\"m\xc3\xbcller@there.test\"" },
	{ STR("m\xfcller@there.test"), true, "\"m?ller@there.test\"" },
	{ STR("m\xc2\x85ller"), true, "\"m??ller\"" },
};

static void
test_values(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct authres_result r = { .method = AUTHRES_SPF,
			.result = "fail",
			.properties = { { "smtp.helo", values[i].value } } };
		char want[512];
		const char *got = print(ID, &r, 1, values[i].utf8);

		snprintf(want, sizeof(want),
		    "Authentication-Results: mx.here.test;\r\n\tspf=fail smtp.helo=%s\r\n",
		    values[i].want);
		if (strcmp(got, want) == 0)
			continue;
		print_error("want %s, got %s\n", want, got);
		bad++;
	}
	assert_int_equal(bad, 0);
}

static void
test_texts(void **state)
{
	struct authres_result r = { .method = AUTHRES_SPF,
		.result = "permerror",
		.comment = STR("a) spf=pass (\\ \r\n"),
		.reason = STR("\"; spf=pass \r\n") };

	(void)state;
	assert_string_equal(print(ID, &r, 1, false),
	    "Authentication-Results: mx.here.test;\r\n"
	    "\tspf=permerror (a\\) spf=pass \\(\\\\ ?\?) reason=\"\\\"; spf=pass ??\"\r\n");
}

/* --- fields of others ------------------------------------------------------------------------- */

static const struct {
	const char *field;
	bool ours;
} fields[] = {
	{ "Authentication-Results: mx.here.test; spf=pass", true },
	{ "authentication-results: MX.Here.Test; spf=pass", true },
	{ "AUTHENTICATION-RESULTS : mx.here.test; none", true },
	{ "Authentication-Results:mx.here.test;none", true },
	{ "Authentication-Results: mx.here.test 1; none", true },
	{ "Authentication-Results: mx.here.test/1; none", true },
	{ "Authentication-Results: mx.here.test", true },
	{ "Authentication-Results: mx.here.test.; none", true },
	{ "Authentication-Results: \"mx.here.test\"; none", true },
	{ "Authentication-Results: \"mx.h\\ere.test\"; none", true },
	{ "Authentication-Results: mx.\"here\".test; none", true },
	{ "Authentication-Results: (x) mx.here.test; none", true },
	{ "Authentication-Results: (;) mx.here.test; none", true },
	{ "Authentication-Results: (a (b) ;) mx.here.test(x)1; none", true },
	{ "Authentication-Results: (a \\) ;) mx.here.test; none", true },
	{ "Authentication-Results: mx.(c)here . test; none", true },
	{ "Authentication-Results: mx . here . test 1; none", true },
	{ "Authentication-Results:\r\n\tmx.here.test;\r\n\tnone", true },
	{ "Authentication-Results:\r\n \r\n\tmx.here.test; none", true },
	{ "Authentication-Results: (mx.here.test; spf=pass", true },
	{ "Authentication-Results: (by mx.here.test) other; none", true },
	{ "Authentication-Results: \"mx.here.test; spf=pass", true },
	{ "Authentication-Results: other mx.here.test; none", true },
	{ "Authentication-Results: spf=pass mx.here.test", true },
	{ "Authentication-Results: mx.here.test spf=pass", true },
	{ "Authentication-Results: \x01mx.here.test; none", true },
	{ "Authentication-Results: other.test; spf=pass smtp.helo=mx.here.test", false },
	{ "Authentication-Results: mx.here.test.evil; none", false },
	{ "Authentication-Results: xmx.here.test; none", false },
	{ "Authentication-Results: here.test; none", false },
	{ "Authentication-Results: mx.here.test2; none", false },
	{ "Authentication-Results: ; none", false },
	{ "Authentication-Results:", false },
	{ "ARC-Authentication-Results: i=1; mx.here.test; none", false },
	{ "X-Authentication-Results: mx.here.test; none", false },
	{ "Subject: Authentication-Results: mx.here.test; none", false },
	{ "X-Postern-Report: foreign (forged)", true },
	{ "x-postern-report:\r\n ours", true },
	{ "X-Postern-Reporter: a", false },
};

static void
test_which_are_ours(void **state)
{
	struct authres_cut cuts[AUTHRES_CUTS_MAX];
	char header[512];
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		int n;

		snprintf(
		    header, sizeof(header), "To: a\r\n%s\r\nFrom: b\r\n\r\nbody", fields[i].field);
		n = authres_foreign(str_of(header), STR(ID), cuts);
		if (n == (fields[i].ours ? 1 : 0) &&
		    (n == 0 ||
			(cuts[0].begin == 7 && cuts[0].end == 7 + strlen(fields[i].field) + 2)))
			continue;
		print_error("%s: %d\n", fields[i].field, n);
		bad++;
	}
	assert_int_equal(bad, 0);
}

static void
test_names_beyond_ascii(void **state)
{
	struct authres_cut cuts[AUTHRES_CUTS_MAX];

	(void)state;
	assert_int_equal(authres_foreign(STR("Authentication-Results: m\xc3\xbcller.de; none\r\n"),
			     STR("xn--mller-kva.de"), cuts),
	    1);
	assert_int_equal(authres_foreign(STR("Authentication-Results: M\xc3\x9cLLER.de; none\r\n"),
			     STR("xn--mller-kva.de"), cuts),
	    1);
	assert_int_equal(authres_foreign(STR("Authentication-Results: xn--mller-kva.de; none\r\n"),
			     STR("m\xc3\xbcller.de"), cuts),
	    1);
	assert_int_equal(authres_foreign(STR("Authentication-Results: m\xfcller.de; none\r\n"),
			     STR("xn--mller-kva.de"), cuts),
	    0);
}

/* Fields in a row make one cut; the body is no header. */
static void
test_cuts(void **state)
{
#define OURS "Authentication-Results: mx.here.test; none\r\n"
	struct authres_cut cuts[AUTHRES_CUTS_MAX];
	static char many[AUTHRES_CUTS_MAX * 64 + 200];

	(void)state;
	assert_int_equal(
	    authres_foreign(STR(OURS OURS "A: b\r\n" OURS "\r\n" OURS), STR(ID), cuts), 2);
	assert_int_equal(cuts[0].begin, 0);
	assert_int_equal(cuts[0].end, 2 * strlen(OURS));
	assert_int_equal(cuts[1].begin, 2 * strlen(OURS) + 6);
	assert_int_equal(cuts[1].end, 3 * strlen(OURS) + 6);
	many[0] = '\0';
	for (int i = 0; i < AUTHRES_CUTS_MAX; i++)
		strcat(many, OURS "A: b\r\n");
	assert_int_equal(authres_foreign(str_of(many), STR(ID), cuts), AUTHRES_CUTS_MAX);
	strcat(many, OURS);
	assert_int_equal(authres_foreign(str_of(many), STR(ID), cuts), AUTHRES_ERR_MANY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_nothing_checked),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_which_are_ours),
		cmocka_unit_test(test_names_beyond_ascii),
		cmocka_unit_test(test_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
