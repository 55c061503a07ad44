/* SPDX-License-Identifier: ISC */
/* The verdict (rfc6376:6.1). */
#include "dkim/parts.h"

static const char *const code_words[] = {
#define X(id, word) word,
	DKIM_CODES(X)
#undef X
};

static const char *const algorithm_words[] = {
#define X(id, word) word,
	DKIM_ALGORITHMS(X)
#undef X
};

const char *
dkim_code_word(enum dkim_code code)
{
	return code_words[code];
}

const char *
dkim_algorithm_word(enum dkim_algorithm algorithm)
{
	return algorithm_words[algorithm];
}

void
dkim_verify(const struct dkim_message *m, struct dkim_parsed *p, const struct dns_fact *fact)
{
	uint8_t digest[DKIM_DIGEST_SIZE];
	const uint8_t *body;

	if (p->decided)
		return;
	body = dkim_message_body(m, p, &p->shown.partial);
	if (body == NULL) {
		dkim_decide(p, DKIM_PERMERROR, "l= is more than the body has");
		return;
	}
	/* No key can help any more, so trouble with the key does not make it temporary. */
	if (!(p->kind == DKIM_KIND_ARC_MESSAGE && p->shown.partial) &&
	    memcmp(body, p->body_hash, DKIM_DIGEST_SIZE) != 0)
		dkim_decide(p, DKIM_FAIL, "the body was changed");
	dkim_message_digest(m, p, digest);
	if (fact != NULL)
		dkim_key_check(p, fact, digest);
	if (p->shown.partial)
		dkim_decide(p, DKIM_POLICY, "l= leaves a part of the body open");
	dkim_decide(p, DKIM_PASS, "");
}

/* From the best to the worst. */
static enum dkim_code
best(const struct dkim_result *r)
{
	static const enum dkim_code order[] = { DKIM_PASS, DKIM_TEMPERROR, DKIM_POLICY,
		DKIM_NEUTRAL, DKIM_FAIL, DKIM_PERMERROR };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		for (size_t k = 0; k < r->count; k++)
			if (r->signatures[k].code == order[i])
				return order[i];
	return DKIM_NONE;
}

static bool
check_one(struct dkim_message *m, size_t number, int64_t now, const struct dns_facts *facts,
    struct dkim_result *out)
{
	struct dkim_parsed p = m->signatures[number];
	const struct dns_fact *fact = NULL;
	bool need = false;

	dkim_times_check(&p, now);
	dkim_key_name_check(&p);
	if (!p.decided) {
		fact = dkim_key_ask(
		    &p, facts, out->questions, &out->question_count, DKIM_SIGNATURES_MAX);
		need = fact == NULL;
	}
	dkim_message_covered(m, p.shown.fields, &p.shown.covered, &p.shown.oversigned);
	if (!need && m->ended)
		dkim_verify(m, &p, fact);
	out->signatures[number] = p.shown;
	return need;
}

int
dkim_check(
    struct dkim_message *m, int64_t now, const struct dns_facts *facts, struct dkim_result *out)
{
	bool need = !m->ended;

	out->code = DKIM_NONE;
	out->reason = "";
	out->count = out->ignored = out->question_count = 0;
	if (!m->header_over)
		return DKIM_NEED;
	if (!m->too_large) {
		out->count = m->signatures_n;
		out->ignored = m->ignored;
		for (size_t i = 0; i < out->count; i++)
			need |= check_one(m, i, now, facts, out);
	}
	if (need)
		return DKIM_NEED;
	out->code = best(out);
	if (m->too_large)
		out->reason = "the header is too large";
	else if (out->count == 0)
		out->reason = "not signed";
	return DKIM_DONE;
}
