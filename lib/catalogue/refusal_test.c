/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "catalogue/catalogue.h"

/* All that we use of IANA's "Simple Mail Transfer Protocol (SMTP) Enhanced Status Codes Registry", without
 * the class. */
static const char *const registered[] = { "1.0", "1.1", "1.2", "1.3", "1.7", "1.8", "1.9", "1.10",
	"2.0", "2.1", "2.2", "2.3", "2.4", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "4.0", "4.1",
	"4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "5.0", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6",
	"6.0", "6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.7", "6.8", "6.9", "6.10", "7.0", "7.1",
	"7.2", "7.3", "7.4", "7.5", "7.6", "7.7", "7.8", "7.9", "7.10", "7.11", "7.12", "7.13",
	"7.14", "7.15", "7.16", "7.17", "7.18", "7.19", "7.20", "7.21", "7.22", "7.23", "7.24",
	"7.25", "7.26", "7.27", "7.28", "7.29", "7.30" };

static bool
is_registered(const char *enhanced)
{
	for (size_t i = 0; i < sizeof(registered) / sizeof(registered[0]); i++)
		if (strcmp(enhanced + 2, registered[i]) == 0)
			return true;
	return false;
}

/* Each "{" begins a hole of the table, and both languages have the same ones. */
static unsigned
holes_of(const struct refusal *r, enum language lang)
{
	unsigned found = 0, i;
	const char *name;
	char value[REFUSAL_ARG_SIZE];

	for (const char *p = r->text[lang]; (p = strchr(p, '{')) != NULL; p++) {
		size_t n = strcspn(p + 1, "}");
		bool known = false;

		for (i = 0; refusal_arg(NULL, i, &name, value); i++) {
			if (strlen(name) == n && strncmp(name, p + 1, n) == 0) {
				known = true;
				found |= 1u << i;
			}
		}
		if (!known)
			fail_msg("%s: {%.*s} is no argument", r->name, (int)n, p + 1);
	}
	return found;
}

static void
check_row(const struct refusal *r)
{
	if (r->code < 421 || r->code > 555)
		fail_msg("%s: code", r->name);
	if (r->product < 401 || r->product > 599 || r->product / 100 != r->code / 100 ||
	    (r->product >= 550 && r->product <= 555))
		fail_msg("%s: product code", r->name);
	if (r->enhanced[0] - '0' != r->code / 100 || r->enhanced[1] != '.' ||
	    !is_registered(r->enhanced))
		fail_msg("%s: enhanced code", r->name);
	for (unsigned lang = 0; lang < LANG__COUNT; lang++) {
		const char *advice = r->advice[lang];

		for (const char *p = r->text[lang]; *p; p++)
			if (*p < ' ' || *p > '~')
				fail_msg("%s: a reply is 7-bit", r->name);
		if (strlen(r->text[lang]) < 10 || strlen(advice) < 30 ||
		    advice[strlen(advice) - 1] != '.')
			fail_msg("%s: text or advice is missing", r->name);
		if (*refusal_party_text(r->party, (enum language)lang) == '\0')
			fail_msg("%s: party", r->name);
	}
	if (strcmp(r->text[LANG_EN], r->text[LANG_DE]) == 0 ||
	    strcmp(r->advice[LANG_EN], r->advice[LANG_DE]) == 0)
		fail_msg("%s: is not translated", r->name);
	if (holes_of(r, LANG_EN) != holes_of(r, LANG_DE))
		fail_msg("%s: the languages take different arguments", r->name);
}

static void
test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REFUSAL__COUNT; i++) {
		const struct refusal *r = refusal_get((enum refusal_id)i);

		check_row(r);
		assert_int_equal(refusal_by_name(str_of(r->name)), i);
		for (unsigned k = 0; k < i; k++) {
			const struct refusal *o = refusal_get((enum refusal_id)k);

			if (strcmp(r->text[LANG_EN], o->text[LANG_EN]) == 0)
				fail_msg("%s and %s have one text", r->name, o->name);
		}
	}
	assert_int_equal(refusal_by_name(STR("NO_SUCH_THING")), REFUSAL__COUNT);
}

/* Lines are whole, 7-bit, not too long, and carry what they must, whatever the arguments are. */
static void
check_printed(enum refusal_id id, const struct refusal_args *args)
{
	static char url[REFUSAL_URL_MAX + 100];
	struct refusal_frame frame = { .help_url = url, .id = "s1234567890abcdef1234-1", .now = 0 };
	const struct refusal *r = refusal_get(id);
	char product[16], *line, *next;
	struct buf out;
	int lines = 0;

	memset(url, 'u', sizeof(url) - 1);
	buf_init(&out, REFUSAL_PRINTED_MAX + 1);
	assert_int_equal(refusal_print(&out, id, &frame, args), 0);
	buf_putc(&out, '\0');
	snprintf(product, sizeof(product), " (P%d)\r\n", r->product);
	for (line = (char *)buf_data(&out); *line != '\0'; line = next, lines++) {
		next = strstr(line, "\r\n");
		assert_non_null(next);
		next += 2;
		if (next - line > REFUSAL_LINE_MAX)
			fail_msg("%s: line of %zd", r->name, next - line);
		assert_int_equal(atoi(line), r->code);
		assert_int_equal(strncmp(line + 4, r->enhanced, strlen(r->enhanced)), 0);
		assert_int_equal(line[3], *next == '\0' ? ' ' : '-');
		for (const char *p = line; p < next - 2; p++)
			assert_in_range((unsigned char)*p, ' ', '~');
		if (*next != '\0' && strncmp(next - strlen(product), product, strlen(product)) != 0)
			fail_msg("%s: product code is cut off", r->name);
	}
	assert_int_equal(lines, 3);
	assert_non_null(strstr((char *)buf_data(&out), " time 1970-01-01T00:00:00Z\r\n"));
	buf_free(&out);
}

static struct refusal_args
all_args(const char *value)
{
	return (struct refusal_args){
#define REFUSAL_ARG(name, kind, most, what) .name = value,
#include "catalogue/refusal_table.h"
	};
}

static void
test_printed(void **state)
{
	static const char wild[] = "a\r\n250 x\x01\x80\xff{list}%s\"";
	char longest[1000];
	struct refusal_args args;

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (unsigned i = 0; i < REFUSAL__COUNT; i++) {
		check_printed((enum refusal_id)i, NULL);
		args = all_args(longest);
		check_printed((enum refusal_id)i, &args);
		args = all_args(wild);
		check_printed((enum refusal_id)i, &args);
	}
}

static void
test_arguments(void **state)
{
	static const struct {
		struct refusal_args args;
		const char *name, *want;
	} cases[] = {
		{ { .client = "2001:db8::1" }, "client", "2001:db8::1" },
		{ { .client = "192.0.2.1\r\n550 x" }, "client", "192.0.2.1??550??" },
		{ { .domain = "a-b.example_1.test" }, "domain", "a-b.example_1.test" },
		{ { .domain = "<script>" }, "domain", "?script?" },
		{ { .helo = "[IPv6:::1]" }, "helo", "[IPv6:::1]" },
		{ { .address = "a.b+c=d@x.test\"\\<>" }, "address", "a.b+c=d@x.test????" },
		{ { .seconds = "12a" }, "seconds", "12?" },
		{ { .seconds = "12345678901" }, "seconds", "1234567..." },
		{ { .text = "see \"http://x\"\t\xc3\xa4" }, "text", "see ?http://x????" },
		{ { .text = "" }, "text", "" },
		{ { .text = NULL }, "text", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char value[REFUSAL_ARG_SIZE];
		const char *name;
		unsigned k = 0;

		while (refusal_arg(&cases[i].args, k, &name, value) &&
		       strcmp(name, cases[i].name) != 0)
			k++;
		assert_string_equal(name, cases[i].name);
		assert_string_equal(value, cases[i].want);
	}
}

static void
test_frame(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	refusal_print(&out, REFUSAL_TROUBLE, &(struct refusal_frame){ .now = 1795884196 }, NULL);
	refusal_print(&out, REFUSAL_TROUBLE,
	    &(struct refusal_frame){ .help_url = "http://x/\r\n250 ", .id = "S1", .now = 1 }, NULL);
	buf_putc(&out, '\0');
	assert_string_equal((const char *)buf_data(&out),
	    "451-4.3.0 Internal trouble of this mail server, please try again later (P401)\r\n"
	    "451-4.3.0 Interne Stoerung dieses Mailservers, bitte spaeter erneut versuchen (P401)\r\n"
	    "451 4.3.0 P401 time 2026-11-28T16:43:16Z\r\n"
	    "451-4.3.0 Internal trouble of this mail server, please try again later (P401)\r\n"
	    "451-4.3.0 Interne Stoerung dieses Mailservers, bitte spaeter erneut versuchen (P401)\r\n"
	    "451 4.3.0 http://x/??250?401 id S1 time 1970-01-01T00:00:01Z\r\n");
	buf_free(&out);
}

static void
test_languages(void **state)
{
	(void)state;
	assert_int_equal(language_by_name("en"), LANG_EN);
	assert_int_equal(language_by_name("de"), LANG_DE);
	assert_int_equal(language_by_name("fr"), -1);
}

/* Our own words come in both languages, each in its line, and are cut each for itself. */
static void
test_words(void **state)
{
	struct refusal_args args = { .client = "192.0.2.1", .list = "bl.test", .link = "bl.test" };
	char long_words[200];
	struct buf out;

	(void)state;
	buf_init(&out, 2000);
	args.listing = "source of spam|Spamversand";
	assert_int_equal(refusal_text(&out, REFUSAL_BLOCKLISTED, LANG_EN, &args), 0);
	assert_int_equal(refusal_text(&out, REFUSAL_BLOCKLISTED, LANG_DE, &args), 0);
	buf_putc(&out, '\0');
	assert_non_null(strstr((char *)buf_data(&out), "bl.test: source of spam. "));
	assert_non_null(strstr((char *)buf_data(&out), "bl.test: Spamversand. "));
	assert_null(strchr((char *)buf_data(&out), '|'));
	buf_clear(&out);
	memset(long_words, 'w', sizeof(long_words));
	memcpy(long_words + 100, "|kurz", 6);
	args.listing = long_words;
	assert_int_equal(refusal_text(&out, REFUSAL_BLOCKLISTED, LANG_EN, &args), 0);
	assert_int_equal(refusal_text(&out, REFUSAL_BLOCKLISTED, LANG_DE, &args), 0);
	buf_putc(&out, '\0');
	assert_non_null(strstr((char *)buf_data(&out), "www.... "));
	assert_non_null(strstr((char *)buf_data(&out), "bl.test: kurz. "));
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_printed),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_languages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
