/* SPDX-License-Identifier: ISC */
/*
 * Text: the first line is "SPF-DOMAIN AUTH DKIM-DOMAIN AUTH ..." (AUTH: p, t or anything), then lines "OWNER
 * TXT VALUE" or "OWNER EXISTS", then an empty line and a message header. Oracle: the number of rounds has
 * its limit; no question twice; only a pass of an aligned identifier passes; only a failure has a
 * disposition; the same again gives the same.
 */
#include <assert.h>

#include "base/buf.h"
#include "dmarc/dmarc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { QUESTIONS_MAX = 128, IDENTIFIERS = 12 };

static struct dns_fact list[QUESTIONS_MAX];
static struct buf records[QUESTIONS_MAX];

static struct str
cut(struct str *s, int c)
{
	ptrdiff_t at = str_chr(*s, c);
	struct str head = at < 0 ? *s : str_from(s->p, (size_t)at);

	*s = at < 0 ? str_from(s->p + s->n, 0) : str_from(s->p + at + 1, s->n - (size_t)at - 1);
	return head;
}

static void
put_txt(struct buf *out, struct str text)
{
	static uint8_t rdata[65536];
	size_t n = 2;

	if (text.n > 60000)
		return;
	while (text.n > 0) {
		size_t take = text.n < 255 ? text.n : 255;

		rdata[n++] = (uint8_t)take;
		memcpy(rdata + n, text.p, take);
		n += take;
		text = str_from(text.p + take, text.n - take);
	}
	rdata[0] = (uint8_t)((n - 2) >> 8);
	rdata[1] = (uint8_t)(n - 2);
	buf_put(out, rdata, n);
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
		if (str_eq(line, STR("TEMP"))) {
			f->state = DNS_FACT_TEMP;
		} else if (q->type == DNS_TXT && str_eq(type, STR("TXT"))) {
			f->state = DNS_FACT_FOUND;
			put_txt(out, line);
		}
	}
	f->records = str_from(buf_data(out), buf_len(out));
}

static void
ask(const struct dmarc_result *r, struct str zone, struct dns_facts *facts)
{
	assert(r->question_count > 0 && r->question_count <= DMARC_QUESTIONS_MAX);
	for (size_t i = 0; i < r->question_count; i++) {
		const struct dns_question *q = &r->questions[i];

		assert(dns_facts_find(facts, &q->name, q->type) == NULL);
		assert(facts->n < QUESTIONS_MAX);
		answer(q, zone, &list[facts->n], &records[facts->n]);
		facts->n++;
	}
}

static void
check_done(const struct dmarc_input *in, const struct dmarc_result *r)
{
	bool pass = in->spf.auth == DMARC_AUTH_PASS && r->spf_aligned;

	assert(r->question_count == 0);
	assert(r->disposition == DMARC_P_NONE || r->code == DMARC_FAIL);
	assert((r->reason[0] == '\0') == (r->code == DMARC_PASS));
	if (r->dkim_aligned >= 0) {
		assert((size_t)r->dkim_aligned < in->dkim_count);
		pass = pass || in->dkim[r->dkim_aligned].auth == DMARC_AUTH_PASS;
	}
	assert(r->code != DMARC_PASS || (pass && in->author->state == DMARC_AUTHOR_OK));
	assert(r->code != DMARC_FAIL || !pass);
	assert((r->code != DMARC_PASS && r->code != DMARC_FAIL) || r->policy_domain.n > 0);
	assert(strlen(r->record.rua) <= DMARC_URIS_MAX);
}

static enum dmarc_auth
auth_of(struct str word)
{
	if (str_eq(word, STR("p")))
		return DMARC_AUTH_PASS;
	return str_eq(word, STR("t")) ? DMARC_AUTH_TEMP : DMARC_AUTH_FAIL;
}

static void
read_identifiers(struct str line, struct dmarc_input *in, struct dmarc_identifier *dkim)
{
	in->spf.domain = cut(&line, ' ');
	in->spf.auth = auth_of(cut(&line, ' '));
	in->dkim = dkim;
	while (line.n > 0 && in->dkim_count < IDENTIFIERS) {
		dkim[in->dkim_count].domain = cut(&line, ' ');
		dkim[in->dkim_count++].auth = auth_of(cut(&line, ' '));
	}
}

static struct str
cut_zone(struct str *s)
{
	const char *end = s->n > 0 ? memmem(s->p, s->n, "\n\n", 2) : NULL;
	struct str zone = *s;

	if (end == NULL) {
		*s = str_from(s->p, 0);
		return zone;
	}
	zone.n = (size_t)(end - s->p) + 1;
	*s = str_from(end + 2, s->n - zone.n - 1);
	return zone;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dmarc_result r, again;
	static bool ready;
	struct str s = str_from(data, size), line = cut(&s, '\n'), zone = cut_zone(&s);
	struct dmarc_identifier dkim[IDENTIFIERS];
	struct dmarc_author author;
	struct dmarc_input in = { .author = &author };
	struct dns_facts facts = { list, 0 };
	int rounds = 0;

	for (size_t i = 0; !ready && i < QUESTIONS_MAX; i++)
		buf_init(&records[i], 1 << 20);
	ready = true;
	read_identifiers(line, &in, dkim);
	dmarc_author_find(s, &author);
	assert((author.domain[0] != '\0') ==
	       (author.state == DMARC_AUTHOR_OK || author.state == DMARC_AUTHOR_DOUBTFUL));
	while (dmarc_check(&in, &facts, &r) == DMARC_NEED) {
		rounds++;
		assert(rounds <= DMARC_ROUNDS_MAX);
		ask(&r, zone, &facts);
	}
	check_done(&in, &r);
	assert(dmarc_check(&in, &facts, &again) == DMARC_DONE);
	assert(r.code == again.code && r.disposition == again.disposition);
	return 0;
}
