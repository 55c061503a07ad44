/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "settings/settings.h"

static void
test_table(void **state)
{
	struct settings *s = settings_new();
	const char *why;

	(void)state;
	assert_int_equal(settings_check(s, &why), 0);
	for (int i = 0; i < SET__MAX; i++) {
		const struct setting_row *r = setting_row((enum setting)i);

		assert_int_equal(setting_by_name(r->name), i);
		assert_true(settings_is_default(s, (enum setting)i));
		assert_null(strchr(r->name, ' ')); /* a formatter was at the table */
		assert_true(r->who != 0);
		assert_int_equal(r->help[strlen(r->help) - 1], '.');
	}
	assert_int_equal(setting_by_name("no.such"), -1);
	assert_int_equal(settings_u64(s, SET_auth_memory), 19 * 1024 * 1024);
	settings_free(&s);
	settings_free(&s);
}

static void
test_host(void **state)
{
	struct str name;
	bool literal;
	uint16_t port;

	(void)state;
	assert_int_equal(settings_host(STR("a.test"), 587, &name, &literal, &port), 0);
	assert_true(str_eq(name, STR("a.test")) && !literal && port == 587);
	assert_int_equal(settings_host(STR("a.test:465"), 587, &name, &literal, &port), 0);
	assert_true(str_eq(name, STR("a.test")) && !literal && port == 465);
	assert_int_equal(settings_host(STR("[::1]:24"), 587, &name, &literal, &port), 0);
	assert_true(str_eq(name, STR("::1")) && literal && port == 24);
}

static void
test_secret(void **state)
{
	struct settings *s = settings_new();
	const char *why;

	(void)state;
	assert_string_equal(settings_shown(s, SET_delivery_smarthost_password), "");
	assert_int_equal(settings_set(s, SET_delivery_smarthost_password, "tell nobody", &why), 0);
	assert_string_equal(settings_text(s, SET_delivery_smarthost_password), "tell nobody");
	assert_null(strstr(settings_shown(s, SET_delivery_smarthost_password), "tell"));
	assert_string_equal(settings_shown(s, SET_delivery_port), "25");
	settings_free(&s);
}

static void
test_values(void **state)
{
	static const struct {
		enum setting which;
		const char *value;
		int want;
		const char *text;
	} cases[] = {
		{ SET_smtpd_max_connections, "77", 0, "77" },
		{ SET_smtpd_max_connections, " 77 ", 0, "77" },
		{ SET_smtpd_max_connections, "0", -1, NULL },
		{ SET_smtpd_max_connections, "20001", -1, NULL },
		{ SET_smtpd_max_connections, "1K", -1, NULL },
		{ SET_smtpd_max_connections, "-1", -1, NULL },
		{ SET_smtpd_max_connections, "", -1, NULL },
		{ SET_smtpd_max_connections, "99999999999999999999", -1, NULL },
		{ SET_general_message_size, "10M", 0, "10485760" },
		{ SET_general_message_size, "1g", 0, "1073741824" },
		{ SET_general_message_size, "18446744073709551615G", -1, NULL },
		{ SET_general_message_size, "M", -1, NULL },
		{ SET_imapd_idle_timeout, "1h", 0, "3600" },
		{ SET_smtpd_greylist, "All", 0, "all" },
		{ SET_smtpd_greylist, "off", 0, "off" },
		{ SET_smtpd_greylist, "of", -1, NULL },
		{ SET_smtpd_greylist, "off suspicious", -1, NULL },
		{ SET_smtpd_greylist, "", -1, NULL },
		{ SET_imapd_idle_timeout, "1k", -1, NULL },
		{ SET_delivery_smarthost, "Mail.example.net:465", 0, "mail.example.net:465" },
		{ SET_delivery_smarthost, "mail.example.net", 0, "mail.example.net" },
		{ SET_delivery_smarthost, "[2001:db8::1]:25", 0, "[2001:db8::1]:25" },
		{ SET_delivery_smarthost, "[192.0.2.1]", 0, "[192.0.2.1]" },
		{ SET_delivery_smarthost, "mail.example.net:", -1, NULL },
		{ SET_delivery_smarthost, "mail.example.net:0", -1, NULL },
		{ SET_delivery_smarthost, "mail.example.net:65536", -1, NULL },
		{ SET_delivery_smarthost, "[mail.example.net]", -1, NULL },
		{ SET_delivery_smarthost, "[192.0.2.1@25]", -1, NULL },
		{ SET_delivery_smarthost, "[192.0.2.1]25", -1, NULL },
		{ SET_delivery_smarthost, "[192.0.2.1", -1, NULL },
		{ SET_delivery_smarthost, ":25", -1, NULL },
		{ SET_delivery_smarthost, "2001:db8::1", -1, NULL },
		{ SET_log_debug, "on", 0, "yes" },
		{ SET_log_debug, "NO", 0, "no" },
		{ SET_log_debug, "maybe", -1, NULL },
		{ SET_general_domain, "Example.TEST", 0, "example.test" },
		{ SET_general_domain, "", 0, "" },
		{ SET_general_domain, "a..b", -1, NULL },
		{ SET_general_domain, "-a.b", -1, NULL },
		{ SET_general_domain, "a-.b", -1, NULL },
		{ SET_general_domain, "a.b.", -1, NULL },
		{ SET_general_domain, "a b", -1, NULL },
		{ SET_general_domain, "b\xc3\xbc.de", -1, NULL },
		{ SET_general_listen, "127.0.0.1, ::1", 0, "127.0.0.1,::1" },
		{ SET_general_listen, "", -1, NULL },
		{ SET_general_listen, "127.0.0.1@25", -1, NULL },
		{ SET_general_listen, "localhost", -1, NULL },
		{ SET_resolver_server, "127.0.0.1@5353 ::1", 0, "127.0.0.1@5353,::1" },
		{ SET_resolver_server, "127.0.0.1@0", -1, NULL },
		{ SET_resolver_server, "127.0.0.1@65536", -1, NULL },
		{ SET_resolver_server, "@53", -1, NULL },
		{ SET_resolver_server, "", 0, "" },
		{ SET_resolver_trust_anchor_file, "/a b/c", 0, "/a b/c" },
		{ SET_resolver_trust_anchor_file, "a/c", -1, NULL },
		{ SET_resolver_trust_anchor_file, "/a\nb", -1, NULL },
		{ SET_resolver_trust_anchor_file, "/a\"b", -1, NULL },
	};
	struct settings *s = settings_new();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = NULL;
		int got = settings_set(s, cases[i].which, cases[i].value, &why);

		if (got != cases[i].want)
			fail_msg("\"%s\": got %d (%s)", cases[i].value, got, why ? why : "");
		if (got == 0)
			assert_string_equal(settings_text(s, cases[i].which), cases[i].text);
	}
	settings_free(&s);
}

static void
test_check(void **state)
{
	struct settings *s = settings_new();
	const char *why;

	(void)state;
	assert_int_equal(settings_set(s, SET_general_daemon_uid_base, "66500", &why), 0);
	assert_int_equal(settings_check(s, &why), -1);
	assert_int_equal(settings_set(s, SET_general_daemon_uid_base, "65500", &why), 0);
	assert_int_equal(settings_check(s, &why), -1);
	assert_int_equal(settings_set(s, SET_general_daemon_uid_base, "50000", &why), 0);
	assert_int_equal(settings_check(s, &why), 0);
	settings_free(&s);
}

static void
test_lists_and_addresses(void **state)
{
	struct settings *s = settings_new();
	struct sockaddr_storage ss;
	struct str item;
	socklen_t len;
	size_t it = 0;
	const char *why;

	(void)state;
	assert_int_equal(
	    settings_set(s, SET_resolver_server, "192.0.2.1@5353,2001:db8::1", &why), 0);
	assert_true(settings_list_next(s, SET_resolver_server, &it, &item));
	assert_int_equal(settings_addr(item, 53, &ss, &len), 0);
	assert_int_equal(ss.ss_family, AF_INET);
	assert_int_equal(ntohs(((struct sockaddr_in *)&ss)->sin_port), 5353);
	assert_true(settings_list_next(s, SET_resolver_server, &it, &item));
	assert_int_equal(settings_addr(item, 53, &ss, &len), 0);
	assert_int_equal(ss.ss_family, AF_INET6);
	assert_int_equal(ntohs(((struct sockaddr_in6 *)&ss)->sin6_port), 53);
	assert_false(settings_list_next(s, SET_resolver_server, &it, &item));
	settings_free(&s);
}

static void
test_export_import(void **state)
{
	struct settings *a = settings_new(), *b = settings_new();
	const char *why;
	struct buf out;
	struct str text;

	(void)state;
	buf_init(&out, SETTINGS_EXPORT_MAX);
	assert_int_equal(settings_set(a, SET_smtpd_xclient_from, "127.0.0.1,::1", &why), 0);
	assert_int_equal(settings_set(a, SET_smtpd_max_connections, "7", &why), 0);
	assert_int_equal(settings_set(a, SET_log_debug, "yes", &why), 0);
	assert_int_equal(settings_set(a, SET_auth_memory, "64M", &why), 0);
	assert_int_equal(settings_export(a, "smtpd", &out), 0);
	text = str_from(buf_data(&out), buf_len(&out));
	assert_true(str_find_nocase(text, STR("auth.")) < 0);
	assert_int_equal(settings_import(b, text), 0);
	assert_int_equal(settings_u64(b, SET_smtpd_max_connections), 7);
	assert_string_equal(settings_text(b, SET_smtpd_xclient_from), "127.0.0.1,::1");
	assert_true(settings_bool(b, SET_log_debug));
	assert_true(settings_is_default(b, SET_auth_memory));

	assert_int_equal(settings_import(b, STR("smtpd.max-connections=9\nno.such=1\n")), -1);
	assert_int_equal(settings_u64(b, SET_smtpd_max_connections), 7);
	assert_int_equal(settings_import(b, STR("smtpd.max-connections=9")), -1);
	assert_int_equal(settings_import(b, STR("smtpd.max-connections=0\n")), -1);
	assert_int_equal(settings_import(b, STR("smtpd.max-connections\n")), -1);
	assert_int_equal(settings_import(b, STR("smtpd.max-connections=9\0\n")), -1);
	assert_int_equal(settings_import(b, STR("smtpd.max-connections=9\n")), 0);

	assert_false(settings_need_restart(a, b, SP_SMTPD));
	assert_int_equal(settings_set(a, SET_general_hostname, "mx.example.test", &why), 0);
	assert_true(settings_need_restart(a, b, SP_SMTPD));
	assert_false(settings_need_restart(a, b, SP_LOGGER));
	assert_int_equal(settings_program("imapd"), SP_IMAPD);
	assert_int_equal(settings_program("nobody"), 0);
	buf_free(&out);
	settings_free(&a);
	settings_free(&b);
}

static void
test_describe(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 256);
	setting_describe(SET_general_message_size, &b);
	assert_int_equal(buf_putc(&b, 0), 0);
	assert_string_equal(
	    (const char *)buf_data(&b), "a number of bytes (K, M, G) from 64K to 1G");
	buf_clear(&b);
	setting_describe(SET_smtpd_greylist, &b);
	assert_int_equal(buf_putc(&b, 0), 0);
	assert_string_equal((const char *)buf_data(&b), "one of: off suspicious all");
	buf_free(&b);
}

/* A word stands for its place. */
static void
test_choice(void **state)
{
	struct settings *s = settings_new();
	const char *why;

	(void)state;
	assert_int_equal(settings_u64(s, SET_smtpd_greylist), 1);
	assert_int_equal(settings_set(s, SET_smtpd_greylist, "all", &why), 0);
	assert_int_equal(settings_u64(s, SET_smtpd_greylist), 2);
	assert_int_equal(settings_set(s, SET_smtpd_greylist, "some", &why), -1);
	assert_string_equal(settings_text(s, SET_smtpd_greylist), "all");
	settings_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_lists_and_addresses),
		cmocka_unit_test(test_export_import),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
