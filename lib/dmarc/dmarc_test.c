/* SPDX-License-Identifier: ISC */
/* Replays lib/dmarc/dmarc_cases.txt (its head tells the form); From fields; what a record says. */
#include <stdlib.h>

#include "dns/test_zone.h"
#include "dmarc/dmarc.h"

#define CASES "lib/dmarc/dmarc_cases.txt"

enum { LINE = 4096 };

static struct dmarc_result result;
static unsigned rounds;

/* --- the table -------------------------------------------------------------------------------- */

static void
check(const struct dmarc_input *in)
{
	test_facts.n = 0;
	for (rounds = 0; dmarc_check(in, &test_facts, &result) == DMARC_NEED; rounds++) {
		assert_in_range(result.question_count, 1, DMARC_QUESTIONS_MAX);
		assert_true(rounds < DMARC_ROUNDS_MAX);
		for (size_t i = 0; i < result.question_count; i++) {
			const struct dns_question *q = &result.questions[i];

			assert_null(dns_facts_find(&test_facts, &q->name, q->type));
			test_zone_answer(q);
		}
	}
}

/* "DOMAIN:AUTH" */
static struct dmarc_identifier
identifier(char *word)
{
	char *colon = strrchr(word, ':');
	struct dmarc_identifier id = { .auth = DMARC_AUTH_FAIL };

	assert_non_null(colon);
	*colon = '\0';
	if (strcmp(colon + 1, "pass") == 0)
		id.auth = DMARC_AUTH_PASS;
	else if (strcmp(colon + 1, "temp") == 0)
		id.auth = DMARC_AUTH_TEMP;
	else
		assert_string_equal(colon + 1, "fail");
	id.domain = str_from(word, test_zone_unescape(word));
	return id;
}

static void
evaluate(char *words)
{
	static struct dmarc_author author;
	static struct dmarc_identifier dkim[8];
	struct dmarc_input in = { .author = &author, .dkim = dkim };
	char *word = strsep(&words, " ");

	author.state = DMARC_AUTHOR_OK;
	snprintf(author.domain, sizeof(author.domain), "%s", word);
	while ((word = strsep(&words, " ")) != NULL) {
		if (strncmp(word, "spf=", 4) == 0) {
			in.spf = identifier(word + 4);
		} else {
			assert_true(strncmp(word, "dkim=", 5) == 0);
			dkim[in.dkim_count++] = identifier(word + 5);
		}
	}
	check(&in);
}

static bool
is_name(const struct dns_name *name, const char *want)
{
	char text[DNS_TEXT_MAX];

	return name->n > 0 && strcmp(dns_name_text(name, text), want) == 0;
}

static bool
is_so(const char *word, const char *value)
{
	if (strcmp(word, "do") == 0)
		return strcmp(dmarc_policy_word(result.disposition), value) == 0;
	if (strcmp(word, "tag") == 0)
		return strcmp(result.tag, value) == 0;
	if (strcmp(word, "at") == 0)
		return is_name(&result.policy_domain, value);
	if (strcmp(word, "org") == 0)
		return is_name(&result.organization, value);
	if (strcmp(word, "rounds") == 0)
		return rounds == strtoul(value, NULL, 10);
	assert_string_equal(word, "asked");
	return test_facts.n == strtoul(value, NULL, 10);
}

/* NULL, or the first word of the wish that is not fulfilled. */
static const char *
differs(char *words)
{
	char *word = strsep(&words, " ");

	if (strcmp(word, dmarc_code_word(result.code)) != 0)
		return word;
	while ((word = strsep(&words, " ")) != NULL) {
		char *equal = strchr(word, '=');

		assert_non_null(equal);
		*equal = '\0';
		if (!is_so(word, equal + 1)) {
			*equal = '=';
			return word;
		}
	}
	return NULL;
}

/* "? WHO = WANTED # what" */
static bool
replay(char *s, unsigned line)
{
	char *equal = strstr(s, " = "), *what = strstr(s, " # "), text[DNS_TEXT_MAX];
	const char *wrong;

	assert_non_null(equal);
	assert_non_null(what);
	*equal = *what = '\0';
	evaluate(s + 2);
	if ((wrong = differs(equal + 3)) == NULL)
		return true;
	print_error("%s:%u: %s: want %s, got %s do=%s tag=%s at=%s rounds=%u asked=%zu (%s)\n",
	    CASES, line, what + 3, wrong, dmarc_code_word(result.code),
	    dmarc_policy_word(result.disposition), result.tag,
	    result.policy_domain.n > 0 ? dns_name_text(&result.policy_domain, text) : "-", rounds,
	    test_facts.n, result.reason);
	return false;
}

static void
test_table(void **state)
{
	static char s[LINE];
	unsigned line = 0, cases = 0, bad = 0;
	FILE *f = fopen(CASES, "r");

	(void)state;
	assert_non_null(f);
	while (fgets(s, sizeof(s), f) != NULL) {
		s[strcspn(s, "\n")] = '\0';
		line++;
		if (s[0] == '?') {
			cases++;
			bad += !replay(s, line);
		} else if (strncmp(s, "zone ", 5) == 0) {
			test_zone_clear();
		} else if (s[0] != '#' && s[0] != '\0') {
			test_zone_line(s);
		}
	}
	fclose(f);
	print_message("#! %u cases of DMARC\n", cases);
	assert_in_range(cases, 60, 10000);
	assert_int_equal(bad, 0);
}

/* --- From ------------------------------------------------------------------------------------- */

#define OK DMARC_AUTHOR_OK
#define DOUBT DMARC_AUTHOR_DOUBTFUL
#define NOFIELD DMARC_AUTHOR_NO_FIELD
#define FIELDS DMARC_AUTHOR_SEVERAL_FIELDS
#define DOMAINS DMARC_AUTHOR_SEVERAL_DOMAINS
#define UNREAD DMARC_AUTHOR_UNREADABLE

static const struct {
	const char *header;
	enum dmarc_author_state state;
	const char *domain;
} froms[] = {
	{ "From: a@example.com\r\n", OK, "example.com" },
	{ "from: A <a@EXAMPLE.com>\r\n", OK, "example.com" },
	{ "FROM : \"A, B\" <a@example.com> (hi)\r\n", OK, "example.com" },
	{ "Subject: x\r\nFrom:\r\n\ta@example.com\r\nTo: b@x.com\r\n", OK, "example.com" },
	{ "From: a@example.com, b@example.com\r\n", OK, "example.com" },
	{ "From: a@example.com, b@other.com\r\n", DOMAINS, "" },
	{ "From: a@example.com, b@mail.example.com\r\n", DOMAINS, "" },
	{ "From: a@example.com\r\nFrom: a@example.com\r\n", FIELDS, "" },
	{ "From: a@example.com\r\nSubject: x\r\nfrom: b@other.com\r\n", FIELDS, "" },
	{ "Subject: x\r\n", NOFIELD, "" },
	{ "", NOFIELD, "" },
	{ "Subject: x\r\n\r\nFrom: a@example.com\r\n", NOFIELD, "" },
	{ "Resent-From: a@example.com\r\nX-From: a@example.com\r\n", NOFIELD, "" },
	{ "From:\r\n", UNREAD, "" },
	{ "From: <>\r\n", UNREAD, "" },
	{ "From: a\r\n", UNREAD, "" },
	{ "From: a@\r\n", UNREAD, "" },
	{ "From: a@[192.0.2.1]\r\n", UNREAD, "" },
	{ "From: a@b..com\r\n", UNREAD, "" },
	{ "From: undisclosed:;\r\n", UNREAD, "" },
	{ "From: a@m\xc3\xbcller.de\r\n", OK, "xn--mller-kva.de" },
	{ "From: M <a@M\xc3\x9cLLER.de>\r\n", OK, "xn--mller-kva.de" },
	{ "From: a@m\xfcller.de\r\n", UNREAD, "" },
	{ "From: \"boss@bank.com\" <a@example.com>\r\n", OK, "example.com" },
	/* Some show the one, some the other: the owner of the first has a say. */
	{ "From: boss@bank.com <a@example.com>\r\n", DOUBT, "bank.com" },
	{ "From: =?x-unheard-of?B?gqA=?= <a@example.com>\r\n", OK, "example.com" },
	{ "From: =?x-unheard-of?B?gqA=?= <a@example.com>, b@other.com\r\n", DOMAINS, "" },
	{ "From: friends: a@example.com;\r\n", DOUBT, "example.com" },
	{ "From: friends: a@example.com, b@other.com;\r\n", DOMAINS, "" },
	{ "From: <@bank.com:a@example.com>\r\n", DOUBT, "example.com" },
	{ "From: \"a b\"@example.com\r\n", OK, "example.com" },
	{ "From: \"a@bank.com\"@example.com\r\n", DOUBT, "example.com" },
	{ "From: a(x(y))@example.com\r\n", DOUBT, "example.com" },
	{ "From: a@example.com (x) (y)\r\n", DOUBT, "example.com" },
};

static void
test_from(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
		struct dmarc_author a;

		dmarc_author_find(str_of(froms[i].header), &a);
		if (a.state == froms[i].state && strcmp(a.domain, froms[i].domain) == 0)
			continue;
		print_error("%s: want %d \"%s\", got %d \"%s\"\n", froms[i].header, froms[i].state,
		    froms[i].domain, a.state, a.domain);
		bad++;
	}
	assert_int_equal(bad, 0);
}

static enum dmarc_code
code_of_author(enum dmarc_author_state author_state, enum dmarc_auth auth)
{
	struct dmarc_author author = { author_state, "example.com" };
	struct dmarc_input in = { .author = &author, .spf = { STR("example.com"), auth } };

	if (author_state != OK && author_state != DOUBT)
		author.domain[0] = '\0';
	test_zone_clear();
	test_zone_put("_dmarc.example.com", "TXT", "v=DMARC1; p=reject");
	check(&in);
	return result.code;
}

/* What is read in two ways never passes, but its policy holds. */
static void
test_authors(void **state)
{
	(void)state;
	assert_int_equal(code_of_author(OK, DMARC_AUTH_PASS), DMARC_PASS);
	assert_int_equal(code_of_author(DOUBT, DMARC_AUTH_PASS), DMARC_PERMERROR);
	assert_int_equal(result.disposition, DMARC_P_NONE);
	assert_int_equal(code_of_author(DOUBT, DMARC_AUTH_FAIL), DMARC_FAIL);
	assert_int_equal(result.disposition, DMARC_P_REJECT);
	assert_int_equal(code_of_author(DOMAINS, DMARC_AUTH_PASS), DMARC_NONE);
	assert_int_equal(code_of_author(NOFIELD, DMARC_AUTH_PASS), DMARC_PERMERROR);
	assert_int_equal(code_of_author(FIELDS, DMARC_AUTH_PASS), DMARC_PERMERROR);
	assert_int_equal(code_of_author(UNREAD, DMARC_AUTH_PASS), DMARC_PERMERROR);
}

/* Ten signatures count, the eleventh does not. */
static void
test_many_signatures(void **state)
{
	struct dmarc_author author = { OK, "example.com" };
	struct dmarc_identifier dkim[DMARC_DKIM_MAX + 1];
	struct dmarc_input in = { .author = &author, .dkim = dkim };

	(void)state;
	test_zone_clear();
	test_zone_put("_dmarc.example.com", "TXT", "v=DMARC1; p=reject");
	for (size_t i = 0; i <= DMARC_DKIM_MAX; i++)
		dkim[i] = (struct dmarc_identifier){ STR("other.com"), DMARC_AUTH_PASS };
	in.dkim_count = DMARC_DKIM_MAX + 1;
	dkim[DMARC_DKIM_MAX].domain = STR("example.com");
	check(&in);
	assert_int_equal(result.code, DMARC_FAIL);
	dkim[DMARC_DKIM_MAX - 1].domain = STR("example.com");
	check(&in);
	assert_int_equal(result.code, DMARC_PASS);
	assert_int_equal(result.dkim_aligned, DMARC_DKIM_MAX - 1);
	assert_false(result.spf_aligned);
}

/* --- reports ---------------------------------------------------------------------------------- */

/* Absent policies are those of the tag before. */
static void
test_defaults(void **state)
{
	struct dmarc_record r;

	(void)state;
	assert_true(dmarc_record_parse(STR("v=DMARC1; p=reject"), &r));
	assert_int_equal(r.sp, DMARC_P_REJECT);
	assert_int_equal(r.np, DMARC_P_REJECT);
	assert_true(dmarc_record_parse(STR("v=DMARC1; p=reject; sp=quarantine"), &r));
	assert_int_equal(r.np, DMARC_P_QUARANTINE);
	assert_false(r.has_np || r.testing || r.strict_dkim || r.strict_spf);
}

static void
test_report_tags(void **state)
{
	static char text[DMARC_RECORD_MAX + 100];
	struct dmarc_record r;

	(void)state;
	assert_true(dmarc_record_parse(
	    STR("v=DMARC1; rua=mailto:a@x.com , https://x.com/r!10m,nothing,mailto:@x.com;"
		" ruf=mailto:f@x.com!5; fo=1:d:s"),
	    &r));
	assert_string_equal(r.rua, "mailto:a@x.com,https://x.com/r");
	assert_string_equal(r.ruf, "mailto:f@x.com");
	assert_int_equal(r.failure_options, DMARC_FO_ANY | DMARC_FO_DKIM | DMARC_FO_SPF);
	assert_true(dmarc_record_parse(STR("v=DMARC1; fo=2; rua=a b"), &r));
	assert_string_equal(r.rua, "");
	assert_int_equal(r.failure_options, DMARC_FO_ALL);
	/* A list that has no room loses its last URIs, whole. */
	strcpy(text, "v=DMARC1; rua=mailto:a@x.com");
	for (int i = 0; i < 60; i++)
		strcat(text, ",mailto:another@x.com");
	assert_true(dmarc_record_parse(str_of(text), &r));
	assert_in_range(strlen(r.rua), DMARC_URIS_MAX - 21, DMARC_URIS_MAX);
	assert_string_equal(r.rua + strlen(r.rua) - 21, ",mailto:another@x.com");
	memset(text, ' ', sizeof(text));
	memcpy(text, "v=DMARC1;", 9);
	assert_true(dmarc_record_parse(str_from(text, DMARC_RECORD_MAX), &r));
	assert_false(dmarc_record_parse(str_from(text, DMARC_RECORD_MAX + 1), &r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_authors),
		cmocka_unit_test(test_many_signatures),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_report_tags),
	};

	test_zone_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
