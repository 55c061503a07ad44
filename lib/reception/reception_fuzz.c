/* SPDX-License-Identifier: ISC */
/*
 * Up to the first newline: the domain of a sender. Then the client (a byte: IPv6 when it is odd; 4 or 16 bytes), and
 * for each question one byte of state, one of length, so many bytes of records. Oracle: at most two rounds each, no
 * question that has its answer; a confirmed name only with a pass, and any name may stand in a header; a domain
 * in ASCII stays as it is.
 */
#include <assert.h>
#include <string.h>

#include "base/fuzz_input.h"
#include "idn/idn.h"
#include "reception/dynamic.h"
#include "reception/iprev.h"
#include "reception/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FACTS_MAX = 2 * (IPREV_QUESTIONS_MAX + ORIGIN_QUESTIONS_MAX) };

static struct dns_fact list[FACTS_MAX];
static struct dns_facts facts = { list, 0 };

/* Two names of a client may be one, which is asked for twice then: the first answer counts. */
static void
answer(struct str *rest, const struct dns_question *questions, size_t n)
{
	struct dns_facts before = facts;

	assert(n > 0);
	for (size_t i = 0; i < n; i++) {
		unsigned state = take_byte(rest);

		assert(dns_facts_find(&before, &questions[i].name, questions[i].type) == NULL);
		assert(facts.n < FACTS_MAX);
		list[facts.n++] = (struct dns_fact){ .asked = questions[i],
			.name = questions[i].name,
			.state = state % 5,
			.records = take_counted(rest) };
	}
}

static void
check_name(const char *name)
{
	assert(name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._")] == '\0');
}

static void
look_at_client(const struct reception_client *client, struct str *rest)
{
	struct iprev_result r;
	int rounds = 0;

	while (iprev_check(client, &facts, &r) == IPREV_NEED) {
		rounds++;
		assert(rounds <= 2 && r.question_count <= IPREV_QUESTIONS_MAX);
		answer(rest, r.questions, r.question_count);
	}
	assert((r.name[0] != '\0') == (r.code == IPREV_PASS));
	check_name(r.name);
	check_name(r.claimed);
	(void)dynamic_name(client, str_of(r.claimed));
}

static void
look_at_domain(struct str domain, struct str *rest)
{
	char ascii[IDN_SIZE], again[IDN_SIZE];
	struct origin_result r;
	int n = idn_to_ascii(domain, ascii), rounds = 0;

	assert(n < IDN_SIZE);
	if (n >= 0) {
		assert((size_t)n == strlen(ascii) && !str_has_8bit(str_of(ascii)));
		assert(idn_to_ascii(str_of(ascii), again) == n && strcmp(ascii, again) == 0);
	}
	while (origin_check(domain, NULL, STR("lan"), &facts, &r) == ORIGIN_NEED) {
		rounds++;
		assert(rounds <= 2 && r.question_count <= ORIGIN_QUESTIONS_MAX);
		answer(rest, r.questions, r.question_count);
	}
	assert(origin_code_word(r.code) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_from(data, size), domain, address;
	struct reception_client client;
	ptrdiff_t nl = str_chr(rest, '\n');

	facts.n = 0;
	domain = take(&rest, nl < 0 ? rest.n : (size_t)nl);
	(void)take_byte(&rest);
	client = (struct reception_client){ .n = take_byte(&rest) % 2 == 0 ? 4 : 16 };
	address = take(&rest, client.n);
	memcpy(client.bytes, address.p, address.n);
	look_at_client(&client, &rest);
	look_at_domain(domain, &rest);
	return 0;
}
