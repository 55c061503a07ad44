/* SPDX-License-Identifier: ISC */
/*
 * Text: the first line is "IDENTITY CLIENT HELO MAIL" (H or M, an address), the others are the DNS as
 * in spf_cases.txt, without escapes: "OWNER TYPE VALUE". Oracle: the number of rounds and questions
 * has its limit; no question twice; what comes out is printable; the same again gives the same, and
 * so does another order of the facts.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "spf/spf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	/* 11 policies, 10 mx, 100 hosts, a PTR and its 10 names, an explanation, with room. */
	QUESTIONS_MAX = 160,
};

static struct dns_fact list[QUESTIONS_MAX], other[QUESTIONS_MAX];
static struct buf records[QUESTIONS_MAX];

/* Cuts what stands before the byte c off *s. */
static struct str
cut(struct str *s, int c)
{
	ptrdiff_t at = str_chr(*s, c);
	struct str head = at < 0 ? *s : str_from(s->p, (size_t)at);

	*s = at < 0 ? str_from(s->p + s->n, 0) : str_from(s->p + at + 1, s->n - (size_t)at - 1);
	return head;
}

static void
put_record(struct buf *out, const void *p, size_t n)
{
	uint8_t length[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	buf_put(out, length, 2);
	buf_put(out, p, n);
}

static void
put_txt(struct buf *out, struct str text)
{
	static uint8_t rdata[65536];
	size_t n = 0;

	if (text.n > 60000)
		return;
	do {
		struct str piece = cut(&text, '|');

		do {
			size_t take = piece.n < 255 ? piece.n : 255;

			rdata[n++] = (uint8_t)take;
			if (take > 0)
				memcpy(rdata + n, piece.p, take);
			n += take;
			piece = str_from(piece.p + take, piece.n - take);
		} while (piece.n > 0);
	} while (text.n > 0 && n < 60000);
	put_record(out, rdata, n);
}

static uint16_t
type_of(struct str word)
{
	static const struct {
		const char *word;
		uint16_t type;
	} types[] = { { "A", DNS_A }, { "AAAA", DNS_AAAA }, { "MX", DNS_MX }, { "PTR", DNS_PTR },
		{ "TXT", DNS_TXT } };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(word, str_of(types[i].word)))
			return types[i].type;
	return 0;
}

static bool
parse_address(struct str s, struct spf_address *out)
{
	char text[64];

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	out->n = strchr(text, ':') != NULL ? 16 : 4;
	return inet_pton(out->n == 4 ? AF_INET : AF_INET6, text, out->bytes) == 1;
}

/* A value that is none is the record as it stands. */
static void
put_value(struct buf *out, uint16_t type, struct str value)
{
	uint8_t rdata[2 + DNS_NAME_MAX] = { 0 };
	size_t before = type == DNS_MX ? 2 : 0;
	struct spf_address a;
	struct dns_name name;

	if (type == DNS_TXT) {
		put_txt(out, value);
	} else if ((type == DNS_MX || type == DNS_PTR) && dns_name_parse(value, &name)) {
		memcpy(rdata + before, name.wire, name.n);
		put_record(out, rdata, before + name.n);
	} else if ((type == DNS_A || type == DNS_AAAA) && parse_address(value, &a)) {
		put_record(out, a.bytes, a.n);
	} else if (value.n < 60000) {
		put_record(out, value.p, value.n);
	}
}

static void
answer(const struct dns_question *q, struct str zone, struct dns_fact *f, struct buf *out)
{
	*f = (struct dns_fact){ .asked = *q, .name = q->name, .state = DNS_FACT_NXDOMAIN };
	buf_clear(out);
	while (zone.n > 0) {
		struct str line = cut(&zone, '\n'), owner = cut(&line, ' '), type = cut(&line, ' ');
		struct dns_name name;

		if (!dns_name_parse(owner, &name) || !dns_name_eq(&name, &q->name))
			continue;
		if (f->state == DNS_FACT_NXDOMAIN)
			f->state = DNS_FACT_NONE;
		if (type_of(type) != q->type)
			continue;
		f->state = str_eq(line, STR("TEMP")) ? DNS_FACT_TEMP : DNS_FACT_FOUND;
		if (f->state == DNS_FACT_FOUND)
			put_value(out, q->type, line);
	}
	f->records = str_from(buf_data(out), buf_len(out));
	if (f->state == DNS_FACT_FOUND && f->records.n == 0)
		f->state = DNS_FACT_NONE;
}

static void
check_text(const char *s, size_t max)
{
	size_t n = strlen(s);

	assert(n <= max);
	for (size_t i = 0; i < n; i++)
		assert(s[i] >= ' ' && s[i] <= '~');
}

static void
check_done(const struct spf_result *r)
{
	check_text(r->mechanism, SPF_MECHANISM_MAX);
	check_text(r->explanation, SPF_EXPLANATION_MAX);
	assert(r->question_count == 0);
	assert(r->lookups <= SPF_LOOKUPS_MAX && r->voids <= SPF_VOIDS_MAX);
	assert(r->code == SPF_FAIL || r->explanation[0] == '\0');
	assert((r->reason[0] != '\0') == (r->code == SPF_NONE || r->code >= SPF_TEMPERROR));
	assert((r->mechanism[0] != '\0') == (r->reason[0] == '\0'));
	assert(r->domain.n > 0 || r->code == SPF_NONE);
}

static void
ask(const struct spf_result *r, struct str zone, struct dns_facts *facts)
{
	assert(r->question_count > 0 && r->question_count <= SPF_QUESTIONS_MAX);
	for (size_t i = 0; i < r->question_count; i++) {
		const struct dns_question *q = &r->questions[i];

		assert(dns_facts_find(facts, &q->name, q->type) == NULL);
		assert(facts->n < QUESTIONS_MAX);
		answer(q, zone, &list[facts->n], &records[facts->n]);
		facts->n++;
	}
}

static void
init(void)
{
	static bool ready;

	for (size_t i = 0; !ready && i < QUESTIONS_MAX; i++)
		buf_init(&records[i], 1 << 20);
	ready = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spf_result r, again;
	struct str zone = str_from(data, size), line = cut(&zone, '\n'), word = cut(&line, ' ');
	struct spf_input in = { .receiver = STR("here.test"), .time = 1 };
	struct dns_facts facts = { list, 0 }, turned = { other, 0 };
	int rounds = 0;

	init();
	in.identity = str_eq(word, STR("H")) ? SPF_HELO : SPF_MAIL_FROM;
	if (!parse_address(cut(&line, ' '), &in.client))
		in.client.n = 4;
	in.helo = cut(&line, ' ');
	in.mail_from = line;
	while (spf_check(&in, &facts, &r) == SPF_NEED) {
		rounds++;
		assert(rounds <= SPF_ROUNDS_MAX);
		ask(&r, zone, &facts);
	}
	check_done(&r);
	for (size_t i = 0; i < facts.n; i++)
		other[i] = list[facts.n - 1 - i];
	turned.n = facts.n;
	assert(spf_check(&in, &turned, &again) == SPF_DONE);
	assert(r.code == again.code && strcmp(r.mechanism, again.mechanism) == 0 &&
	       strcmp(r.explanation, again.explanation) == 0 && r.lookups == again.lookups);
	return 0;
}
