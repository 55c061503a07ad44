/* SPDX-License-Identifier: ISC */
#include "http/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
test_good(void **state)
{
	static const struct {
		const char *text, *host, *authority, *path;
		uint16_t port;
	} cases[] = {
		{ "https://a.example", "a.example", "a.example", "/", 443 },
		{ "HTTPS://A.example:8443/x/y?z=1", "A.example", "A.example:8443", "/x/y?z=1",
		    8443 },
		{ "https://a.example?z", "a.example", "a.example", "/?z", 443 },
		{ "https://127.0.0.1:1/", "127.0.0.1", "127.0.0.1:1", "/", 1 },
		{ "https://[2001:db8::1]/", "2001:db8::1", "[2001:db8::1]", "/", 443 },
		{ "https://[::1]:65535/b", "::1", "[::1]:65535", "/b", 65535 },
	};
	struct http_url u;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(http_url_parse(str_of(cases[i].text), &u, &why), 0);
		assert_string_equal(u.host, cases[i].host);
		assert_string_equal(u.authority, cases[i].authority);
		assert_string_equal(u.path, cases[i].path);
		assert_int_equal(u.port, cases[i].port);
	}
}

static void
test_bad(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "only https" },
		{ "http://a.example/", "only https" },
		{ "ftp://a.example/", "only https" },
		{ "https://", "no address" },
		{ "https:///x", "no address" },
		{ "https://a.example:0/", "no address" },
		{ "https://a.example:65536/", "no address" },
		{ "https://a.example:/", "no address" },
		{ "https://a.example:8x/", "no address" },
		{ "https://a_b.example/", "no address" },
		{ "https://[::1/", "no address" },
		{ "https://[::1]x/", "no address" },
		{ "https://[a.example]/", "no address" },
		{ "https://a.example/#part", "no address" },
		{ "https://a.example/a b", "no address" },
		{ "https://a.example/a\r\nX: y", "no address" },
		{ "https://name:word@a.example/", "--login" },
	};
	char text[HTTP_URL_MAX + 2];
	struct http_url u;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(http_url_parse(str_of(cases[i].text), &u, &why), -1);
		assert_non_null(strstr(why, cases[i].why));
	}
	memset(text, 'a', sizeof(text));
	memcpy(text, "https://h/", 10);
	assert_int_equal(http_url_parse(str_from(text, HTTP_URL_MAX), &u, &why), 0);
	assert_int_equal(http_url_parse(str_from(text, HTTP_URL_MAX + 1), &u, &why), -1);
}

static void
test_follow(void **state)
{
	struct http_url u, to;
	const char *why;

	(void)state;
	assert_int_equal(http_url_parse(STR("https://a.example:8443/x/y"), &u, &why), 0);
	assert_int_equal(http_url_follow(&u, STR("/z?1"), &to, &why), 0);
	assert_string_equal(to.authority, "a.example:8443");
	assert_string_equal(to.path, "/z?1");
	assert_int_equal(http_url_follow(&u, STR("https://b.example/z"), &to, &why), 0);
	assert_string_equal(to.host, "b.example");
	assert_int_equal(http_url_follow(&u, STR("http://a.example:8443/z"), &to, &why), -1);
	assert_int_equal(http_url_follow(&u, STR("//b.example/z"), &to, &why), -1);
	assert_int_equal(http_url_follow(&u, STR("z"), &to, &why), -1);
	assert_int_equal(http_url_follow(&u, STR(""), &to, &why), -1);
	assert_int_equal(http_url_follow(&u, STR("/z\r\nX: y"), &to, &why), -1);
}

static void
test_below_and_kind(void **state)
{
	char out[HTTP_URL_MAX + 1], text[HTTP_URL_MAX + 1];

	(void)state;
	assert_int_equal(http_url_below("https://a.example/x", "name", out), 0);
	assert_string_equal(out, "https://a.example/x/name");
	assert_int_equal(http_url_below("https://a.example/x/", "name", out), 0);
	assert_string_equal(out, "https://a.example/x/name");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(http_url_below(text, "name", out), -1);
	assert_true(http_is_url("https://a"));
	assert_true(http_is_url("webdav://a"));
	assert_false(http_is_url("/mnt/usb"));
	assert_false(http_is_url("mnt:/x"));
	assert_false(http_is_url("://a"));
	assert_false(http_is_url("./https://a"));
}

static void
test_range(void **state)
{
	static const char *const bad[] = { "", "bytes", "bytes 1-2", "bytes */3", "bytes 2-1/3",
		"bytes 0-3/3", "bytes 0-1/*", "bytes -1/3", "lines 0-1/3", "bytes 0-1/3x",
		"bytes 0-99999999999999999999/3" };
	uint64_t first, last, total;

	(void)state;
	assert_int_equal(http_range_parse(STR(" bytes 4096-8191/8192"), &first, &last, &total), 0);
	assert_int_equal(first, 4096);
	assert_int_equal(last, 8191);
	assert_int_equal(total, 8192);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(http_range_parse(str_of(bad[i]), &first, &last, &total), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_below_and_kind),
		cmocka_unit_test(test_range),
	};

	return cmocka_run_group_tests_name("http_url", tests, NULL, NULL);
}
