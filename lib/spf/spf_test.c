/* SPDX-License-Identifier: ISC */
/*
 * Replays lib/spf/spf_cases.txt (its head tells the form; tests/spf_second_opinion.py reads it, too) and
 * tests what a table cannot say: limits of size, the rounds of questions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "dns/test_zone.h"
#include "spf/spf.h"

#define CASES "lib/spf/spf_cases.txt"

enum { LINE = 4096 };

static struct spf_result result;
static unsigned rounds;

/* --- one check -------------------------------------------------------------------------------- */

static struct spf_address
address(const char *text)
{
	struct spf_address a = { .n = strchr(text, ':') != NULL ? 16 : 4 };

	assert_int_equal(inet_pton(a.n == 4 ? AF_INET : AF_INET6, text, a.bytes), 1);
	return a;
}

/* mail: "HELO" asks for that identity, "<>" is the null reverse-path. */
static void
check(const char *helo, struct str mail, const char *ip)
{
	struct spf_input in = {
		.identity = str_eq(mail, STR("HELO")) ? SPF_HELO : SPF_MAIL_FROM,
		.client = address(ip),
		.helo = str_of(helo),
		.mail_from = str_eq(mail, STR("<>")) ? STR("") : mail,
		.receiver = STR("mx.here.test"),
		.time = 1234567890,
	};

	test_facts.n = 0;
	for (rounds = 0; spf_check(&in, &test_facts, &result) == SPF_NEED; rounds++) {
		assert_in_range(result.question_count, 1, SPF_QUESTIONS_MAX);
		assert_true(rounds < SPF_ROUNDS_MAX);
		for (size_t i = 0; i < result.question_count; i++) {
			const struct dns_question *q = &result.questions[i];

			assert_null(dns_facts_find(&test_facts, &q->name, q->type));
			test_zone_answer(q);
		}
	}
}

/* --- the table -------------------------------------------------------------------------------- */

struct wanted {
	char code[16], mechanism[SPF_MECHANISM_MAX + 1], explanation[LINE];
	int lookups, voids, rounds;
};

static void
read_wanted(char *words, struct wanted *w)
{
	char *word = strsep(&words, " ");

	*w = (struct wanted){ .lookups = -1, .voids = -1, .rounds = -1 };
	snprintf(w->code, sizeof(w->code), "%s", word);
	while ((word = strsep(&words, " ")) != NULL) {
		if (sscanf(word, "lookups=%d", &w->lookups) == 1 ||
		    sscanf(word, "voids=%d", &w->voids) == 1 ||
		    sscanf(word, "rounds=%d", &w->rounds) == 1)
			continue;
		snprintf(w->mechanism, sizeof(w->mechanism), "%s", word);
	}
}

static bool
as_wanted(const struct wanted *w)
{
	return strcmp(spf_code_word(result.code), w->code) == 0 &&
	       strcmp(result.mechanism, w->mechanism) == 0 &&
	       strcmp(result.explanation, w->explanation) == 0 &&
	       (w->lookups < 0 || (unsigned)w->lookups == result.lookups) &&
	       (w->voids < 0 || (unsigned)w->voids == result.voids) &&
	       (w->rounds < 0 || (unsigned)w->rounds == rounds);
}

struct table {
	char helo[LINE], mail[LINE], ip[64], what[LINE];
	struct wanted wanted;
	bool say;  /* what comes out is printed and not compared */
	bool open; /* a case was read and not yet replayed: its explanation may follow */
	unsigned line, cases, bad;
};

static void
replay(struct table *t)
{
	if (!t->open)
		return;
	t->open = false;
	t->cases++;
	check(t->helo, str_of(t->mail), t->ip);
	if (t->say) {
		printf("%u %s %s\n", t->line, spf_code_word(result.code), result.explanation);
		return;
	}
	if (as_wanted(&t->wanted))
		return;
	t->bad++;
	print_error("%s:%u: %s: want %s %s \"%s\", got %s %s \"%s\" lookups=%u voids=%u rounds=%u"
		    " (%s)\n",
	    CASES, t->line, t->what, t->wanted.code, t->wanted.mechanism, t->wanted.explanation,
	    spf_code_word(result.code), result.mechanism, result.explanation, result.lookups,
	    result.voids, rounds, result.reason);
}

/* "? MAIL IP = WANTED # what" */
static void
read_case(struct table *t, char *s, unsigned line)
{
	char *equal = strstr(s, " = "), *what = strstr(s, " # ");

	assert_non_null(equal);
	assert_non_null(what);
	*what = '\0';
	while (what > s && what[-1] == ' ')
		*--what = '\0';
	snprintf(t->what, sizeof(t->what), "%s", what + strlen(what) + 1);
	assert_int_equal(sscanf(s, "? %4095s %63s", t->mail, t->ip), 2);
	test_zone_unescape(t->mail);
	read_wanted(equal + 3, &t->wanted);
	t->line = line;
	t->open = true;
}

static void
read_line(struct table *t, char *s, unsigned line)
{
	if (s[0] == '>') {
		assert_true(t->open);
		snprintf(t->wanted.explanation, LINE, "%s", s + 2);
		return;
	}
	if (strncmp(s, "pyspf ", 6) == 0 || s[0] == '\0' || s[0] == '#')
		return;
	replay(t);
	if (s[0] == '?') {
		read_case(t, s, line);
	} else if (strncmp(s, "zone ", 5) == 0) {
		test_zone_clear();
		strcpy(t->helo, "helo.test");
	} else if (strncmp(s, "helo ", 5) == 0) {
		snprintf(t->helo, sizeof(t->helo), "%s", s + 5);
		test_zone_unescape(t->helo);
	} else {
		test_zone_line(s);
	}
}

static void
read_table(struct table *t, const char *path)
{
	static char s[LINE];
	unsigned line = 0;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(s, sizeof(s), f) != NULL) {
		s[strcspn(s, "\n")] = '\0';
		read_line(t, s, ++line);
	}
	replay(t);
	fclose(f);
}

static void
test_table(void **state)
{
	static struct table t;

	(void)state;
	read_table(&t, CASES);
	print_message("#! %u cases of SPF\n", t.cases);
	assert_in_range(t.cases, 250, 10000);
	assert_int_equal(t.bad, 0);
}

/* --- sizes ------------------------------------------------------------------------------------ */

/* d.test gets a record of terms "ip4:198.51.1.1" up to this many bytes of text, then " ip4:192.0.2.1". */
static void
long_record(size_t bytes)
{
	static char text[2 * SPF_RECORD_MAX];
	static uint8_t rdata[4 * SPF_RECORD_MAX];
	size_t n = (size_t)sprintf(text, "v=spf1"), o = 0;
	struct dns_name name;

	while (n + 15 + 14 <= bytes)
		n += (size_t)sprintf(text + n, " ip4:198.51.1.1");
	n += (size_t)sprintf(text + n, " ip4:192.0.2.1");
	for (size_t i = 0; i < n; i += 255) {
		size_t take = n - i < 255 ? n - i : 255;

		rdata[o++] = (uint8_t)take;
		memcpy(rdata + o, text + i, take);
		o += take;
	}
	assert_true(dns_name_parse(STR("d.test"), &name));
	buf_clear(&test_records[0]);
	test_zone_record(&test_records[0], rdata, o);
	test_list[0] = (struct dns_fact){ .asked = { name, DNS_TXT },
		.name = name,
		.state = DNS_FACT_FOUND,
		.records = str_from(buf_data(&test_records[0]), buf_len(&test_records[0])) };
	test_facts.n = 1;
}

static enum spf_code
code_of_long(size_t bytes)
{
	struct spf_input in = { .identity = SPF_MAIL_FROM,
		.client = address("192.0.2.1"),
		.helo = STR("helo.test"),
		.mail_from = STR("u@d.test") };

	long_record(bytes);
	assert_int_equal(spf_check(&in, &test_facts, &result), SPF_DONE);
	return result.code;
}

static void
test_long_record(void **state)
{
	(void)state;
	assert_int_equal(code_of_long(400), SPF_PASS);
	assert_int_equal(code_of_long(SPF_RECORD_MAX - 100), SPF_PASS);
	assert_int_equal(code_of_long(SPF_RECORD_MAX + 100), SPF_PERMERROR);
	assert_string_equal(result.reason, "the record is too long");
}

/* A term of so many bytes: "x=aaa..." is a modifier nobody knows. */
static enum spf_code
code_of_term(size_t bytes)
{
	char text[2048];
	size_t n = (size_t)sprintf(text, "v=spf1 ip4:192.0.2.1 x=");

	memset(text + n, 'a', bytes - 2);
	text[n + bytes - 2] = '\0';
	test_zone_clear();
	test_zone_put("d.test", "TXT", text);
	check("helo.test", STR("u@d.test"), "192.0.2.1");
	return result.code;
}

static void
test_long_term(void **state)
{
	(void)state;
	assert_int_equal(code_of_term(SPF_TERM_MAX), SPF_PASS);
	assert_int_equal(code_of_term(SPF_TERM_MAX + 1), SPF_PERMERROR);
}

/* An explanation is cut where the reply has no more room, a mechanism where the log has none. */
static void
test_long_texts(void **state)
{
	char name[256], text[1200];

	(void)state;
	memset(name, 'n', 180);
	name[60] = name[120] = '.';
	strcpy(name + 180, ".test");
	test_zone_clear();
	snprintf(text, sizeof(text), "v=spf1 -exists:%s exp=t.test", name);
	test_zone_put("d.test", "TXT", text);
	test_zone_put(name, "A", "127.0.0.2");
	memset(text, 'e', 900);
	text[900] = '\0';
	test_zone_put("t.test", "TXT", text);
	check("helo.test", STR("u@d.test"), "192.0.2.1");
	assert_int_equal(result.code, SPF_FAIL);
	assert_int_equal(strlen(result.explanation), SPF_EXPLANATION_MAX);
	assert_int_equal(strlen(result.mechanism), SPF_MECHANISM_MAX);
	assert_memory_equal(result.mechanism, "-exists:nnn", 11);
}

/* Ten mx of ten hosts each: 111 questions in rounds of SPF_QUESTIONS_MAX, and no more. */
static void
test_many_hosts(void **state)
{
	char text[1024] = "v=spf1", owner[32], host[64];

	(void)state;
	test_zone_clear();
	for (int i = 0; i < 10; i++) {
		sprintf(text + strlen(text), " mx:m%d.test", i);
		sprintf(owner, "m%d.test", i);
		for (int k = 0; k < 10; k++) {
			sprintf(host, "h%d-%d.test", i, k);
			test_zone_put(owner, "MX", host);
			test_zone_put(host, "A", "198.51.100.1");
		}
	}
	strcat(text, " -all");
	test_zone_put("d.test", "TXT", text);
	check("helo.test", STR("u@d.test"), "192.0.2.1");
	assert_int_equal(result.code, SPF_FAIL);
	assert_int_equal(test_facts.n, 1 + 10 + 100);
	assert_int_equal(rounds, 2 + (100 + SPF_QUESTIONS_MAX - 1) / SPF_QUESTIONS_MAX);
}

/* --say FILE: what comes out of the cases of another table (tests/spf_suite.py reads it). */
int
main(int argc, char **argv)
{
	static struct table t = { .say = true };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_long_record),
		cmocka_unit_test(test_long_term),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_many_hosts),
	};

	test_zone_init();
	if (argc == 3 && strcmp(argv[1], "--say") == 0) {
		read_table(&t, argv[2]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
