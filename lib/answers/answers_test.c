/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "answers/answers.h"

static const char least[] =
    "domain=example.org\nhostname=mail.example.org\nadmin=alice\npassword=correct horse\n";

static struct answers a;
static char told[4096];

static int
parse(const char *text)
{
	struct buf faults;
	int r;

	buf_init(&faults, sizeof(told) - 1);
	r = answers_parse(str_of(text), &a, &faults);
	snprintf(
	    told, sizeof(told), "%.*s", (int)buf_len(&faults), (const char *)buf_data(&faults));
	buf_free(&faults);
	return r;
}

static void
test_files(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(parse(least), 0);
	assert_string_equal(a.value[ANSWER_network], "dhcp");
	assert_string_equal(a.value[ANSWER_timezone], "UTC");
	assert_string_equal(a.value[ANSWER_password], "correct horse");
	assert_false(answer_wanted(&a, ANSWER_gateway));
	snprintf(text, sizeof(text), "%snetwork = 192.0.2.5/24\r\n", least);
	assert_int_equal(parse(text), -1);
	assert_string_equal(told, "network: A fixed address needs gateway and dns.\n");
	snprintf(text, sizeof(text),
	    "# comment\n\n%snetwork=2001:db8::5/64\ngateway=2001:db8::1\ndns=192.0.2.1,::1", least);
	assert_int_equal(parse(text), 0);
	assert_true(answer_wanted(&a, ANSWER_gateway));
	assert_int_equal(parse("language=de\nhostname=x\nfoo\nbar=1\n"), -1);
	assert_string_equal(told,
	    "Zeile 2: Bitte einen vollen Namen wie example.org: Buchstaben, Ziffern, "
	    "Bindestriche und Punkte.\nZeile 3: Hier fehlt ein =.\nZeile 4: Diese Frage "
	    "gibt es nicht.\ndomain: Diese Antwort fehlt.\nhostname: Diese Antwort "
	    "fehlt.\nadmin: Diese Antwort fehlt.\npassword: Diese Antwort fehlt.\n");
	snprintf(text, sizeof(text), "%sdomain=example.net\n", least);
	assert_int_equal(parse(text), -1);
	assert_string_equal(told, "line 5: This answer stands there twice.\n");
}

static void
test_answers(void **state)
{
	static const struct {
		enum answer_id id;
		const char *good[6], *bad[12];
	} cases[] = {
		{ ANSWER_language, { "en", "de" }, { "", "fr", "EN" } },
		{ ANSWER_domain, { "example.org", "a-b.c1.example", "xn--bcher-kva.example" },
		    { "", "example", ".example.org", "example.org.", "a..b", "-a.org", "a-.org",
			"a b.org", "192.0.2.1", "a_b.org", "b\xc3\xbc.org" } },
		{ ANSWER_network,
		    { "dhcp", "192.0.2.5/24", "2001:db8::1/64", "192.0.2.5/24, 2001:db8::1/64" },
		    { "", "DHCP", "dhcp,192.0.2.5/24", "192.0.2.5/24,", "192.0.2.5", "192.0.2.5/33",
			"192.0.2.5/0", "192.0.2/24", "::/129", "192.0.2.5/", "192.0.2.5/24x" } },
		{ ANSWER_gateway, { "", "192.0.2.1", "fe80::1", "192.0.2.1,fe80::1" },
		    { "router", "192.0.2.256", "1", "192.0.2.1 fe80::1" } },
		{ ANSWER_dns, { "", "192.0.2.1", "192.0.2.1, ::1" },
		    { "192.0.2.1,", ",", "a.example" } },
		{ ANSWER_ntp, { "", "pool.example.org", "ntp,192.0.2.1" },
		    { "a b", "-x", "a,,b" } },
		{ ANSWER_admin, { "alice", "a.b-c_d", "7" },
		    { "", "a@example.org", ".a", "a.", "a..b", "a b", "a\"b", "a/b" } },
		{ ANSWER_password, { "12345678", "with space" },
		    { "", "1234567", "1234567\x01", " 12345678", "12345678 " } },
		{ ANSWER_timezone, { "UTC", "Europe/Berlin", "Etc/GMT+3" },
		    { "", "/etc/passwd", "../x", "Europe/", "a b" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t k = 0; k < 6 && cases[i].good[k] != NULL; k++)
			if (answer_check(cases[i].id, str_of(cases[i].good[k]), 0) != NULL)
				fail_msg("refused: %s", cases[i].good[k]);
		for (size_t k = 0; k < 12 && cases[i].bad[k] != NULL; k++) {
			if (answer_check(cases[i].id, str_of(cases[i].bad[k]), 0) == NULL)
				fail_msg("taken: %s", cases[i].bad[k]);
			assert_string_not_equal(
			    answer_check(cases[i].id, str_of(cases[i].bad[k]), 0),
			    answer_check(cases[i].id, str_of(cases[i].bad[k]), 1));
		}
	}
}

/* Each text stands there in both languages, and speaks of the machine in both or in none. */
static void
test_texts(void **state)
{
	(void)state;
	for (int i = 0; i < SAY__MAX; i++) {
		const char *en = answer_text((enum answer_text)i, 0),
			   *de = answer_text((enum answer_text)i, 1);

		assert_true(en[0] != '\0' && de[0] != '\0');
		assert_string_not_equal(en, de);
		assert_int_equal(strstr(en, "{host}") != NULL, strstr(de, "{host}") != NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_files),
		cmocka_unit_test(test_answers), cmocka_unit_test(test_texts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
