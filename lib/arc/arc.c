/* SPDX-License-Identifier: ISC */
/* Chain validation (rfc8617:5.2). */
#include "arc/arc.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "dkim/parts.h"

struct set {
	const struct dkim_field *results, *message, *seal; /* NULL: not there */
	struct str results_value;                          /* behind "i=N;" */
	struct dkim_parsed ams, as;
};

struct chain {
	unsigned n; /* highest instance */
	size_t fields;
	struct set *sets; /* ARC_SETS_MAX + 1, by instance */
	const char *why;  /* a structure that is none */
	unsigned where;
};

const char *
arc_code_word(enum arc_code code)
{
	static const char *const words[] = {
#define X(id, word) word,
		ARC_CODES(X)
#undef X
	};
	return words[code];
}

/* --- structure -------------------------------------------------------------------------------- */

static void
broken(struct chain *c, unsigned where, const char *why)
{
	if (c->why != NULL)
		return;
	c->why = why;
	c->where = where;
}

/* "i=N;" in front of ARC-Authentication-Results (rfc8617:4.1.1); 0: it is not there. */
static unsigned
results_instance(struct str value, struct str *rest)
{
	ptrdiff_t end = str_chr(value, ';');
	const struct dkim_tag *i;
	struct dkim_tags tags;
	uint64_t n;

	if (end < 0 || !dkim_tags_parse(str_from(value.p, (size_t)end), &tags) ||
	    (i = dkim_tag_find(&tags, "i")) == NULL || !str_u64(i->value, 1000, &n))
		return 0;
	*rest = str_from(value.p + end + 1, value.n - (size_t)end - 1);
	return (unsigned)n;
}

static struct set *
set_of(struct chain *c, unsigned instance)
{
	c->fields++;
	if (instance == 0) {
		broken(c, 0, "a field of ARC without an instance");
		return NULL;
	}
	if (instance > ARC_SETS_MAX) {
		broken(c, instance, "more than 50 instances");
		return NULL;
	}
	if (instance > c->n)
		c->n = instance;
	return &c->sets[instance];
}

static void
put_once(
    struct chain *c, unsigned instance, const struct dkim_field **slot, const struct dkim_field *f)
{
	if (*slot != NULL)
		broken(c, instance, "a field of ARC stands twice");
	*slot = f;
}

static void
add_results(struct chain *c, const struct dkim_field *f, const struct mail_field *field)
{
	struct str rest;
	unsigned instance = results_instance(field->value, &rest);
	struct set *s = set_of(c, instance);

	if (s == NULL)
		return;
	put_once(c, instance, &s->results, f);
	s->results_value = rest;
}

static void
add_signature(struct chain *c, const struct dkim_message *m, size_t number, enum dkim_kind kind,
    const struct mail_field *field)
{
	struct dkim_parsed p;
	struct set *s;

	dkim_signature_parse(kind, field, &p);
	p.field = number;
	s = set_of(c, p.instance);
	if (s == NULL)
		return;
	if (kind == DKIM_KIND_ARC_SEAL) {
		put_once(c, p.instance, &s->seal, &m->fields[number]);
		s->as = p;
	} else {
		put_once(c, p.instance, &s->message, &m->fields[number]);
		s->ams = p;
	}
}

static void
collect(struct chain *c, const struct dkim_message *m)
{
	for (size_t i = 0; i < m->fields_n; i++) {
		const struct dkim_field *f = &m->fields[i];
		struct mail_field field;
		size_t off = 0;

		if (!str_starts_nocase(f->name, STR("ARC-")) ||
		    !mail_field_next(f->raw, &off, &field))
			continue;
		if (str_eq_nocase(f->name, STR("ARC-Authentication-Results")))
			add_results(c, f, &field);
		else if (str_eq_nocase(f->name, STR("ARC-Message-Signature")))
			add_signature(c, m, i, DKIM_KIND_ARC_MESSAGE, &field);
		else if (str_eq_nocase(f->name, STR("ARC-Seal")))
			add_signature(c, m, i, DKIM_KIND_ARC_SEAL, &field);
	}
}

/* Every instance has its three fields, and says of those before it that they were valid. */
static void
check_structure(struct chain *c)
{
	for (unsigned i = 1; i <= c->n; i++) {
		struct set *s = &c->sets[i];

		if (s->results == NULL || s->message == NULL || s->seal == NULL)
			broken(c, i, "an instance is not complete");
		else if (i == c->n && str_eq_nocase(s->as.chain, STR("fail")))
			broken(c, i, "the chain was found broken before");
		else if (!str_eq_nocase(s->as.chain, i == 1 ? STR("none") : STR("pass")))
			broken(c, i, "cv= of a seal is not as it has to be");
	}
}

/* --- signatures ------------------------------------------------------------------------------- */

/* The fact of a key, or its question. */
static const struct dns_fact *
ask(const struct dkim_parsed *p, const struct dns_facts *facts, struct arc_result *out)
{
	return dkim_key_ask(p, facts, out->questions, &out->question_count, ARC_KEYS_MAX);
}

/* How many different keys the chain has, with or without facts. */
static bool
too_many_keys(const struct chain *c)
{
	enum { MOST = ARC_KEYS_MAX + 1 };
	static const struct dns_facts nothing = { NULL, 0 };
	struct dns_question *keys = xcalloc(MOST, sizeof(*keys));
	size_t n = 0;

	for (unsigned i = 1; i <= c->n; i++) {
		dkim_key_ask(&c->sets[i].ams, &nothing, keys, &n, MOST);
		dkim_key_ask(&c->sets[i].as, &nothing, keys, &n, MOST);
	}
	free(keys);
	return n == MOST;
}

static void
hash_whole(struct dkim_hash *h, const struct dkim_field *f)
{
	dkim_hash_field(h, DKIM_RELAXED, f->raw, f->name, (struct str){ NULL, 0 }, true);
}

/* Seals from the lowest: each covers all sets below and its own two fields (rfc8617:5.1.1). */
static void
check_seals(struct chain *c, const struct dns_facts *facts, struct arc_result *out)
{
	struct dkim_hash all, one;
	dkim_hash_open(&all);
	for (unsigned i = 1; i <= c->n; i++) {
		struct set *s = &c->sets[i];
		uint8_t digest[DKIM_DIGEST_SIZE];
		const struct dns_fact *fact = ask(&s->as, facts, out);

		hash_whole(&all, s->results);
		hash_whole(&all, s->message);
		dkim_hash_fork(&one, &all);
		dkim_hash_field(&one, DKIM_RELAXED, s->seal->raw, s->seal->name, s->as.hole, false);
		dkim_hash_close(&one, digest);
		hash_whole(&all, s->seal);
		if (fact != NULL && !s->as.decided)
			dkim_key_check(&s->as, fact, digest);
		dkim_decide(&s->as, DKIM_PASS, "");
	}
	dkim_hash_drop(&all);
}

static void
result(struct arc_result *out, enum arc_code code, unsigned where, const char *reason)
{
	out->code = code;
	out->failed = where;
	out->reason = reason;
}

static void
judge(struct chain *c, const struct dkim_message *m, const struct dns_facts *facts,
    struct arc_result *out)
{
	struct set *top = &c->sets[c->n];
	const struct dkim_parsed *trouble = NULL;
	dkim_verify(m, &top->ams, ask(&top->ams, facts, out));
	if (top->ams.shown.code == DKIM_TEMPERROR) {
		trouble = &top->ams;
	} else if (top->ams.shown.code != DKIM_PASS) {
		result(out, ARC_FAIL, c->n, top->ams.shown.reason);
		return;
	}
	check_seals(c, facts, out);
	for (unsigned i = c->n; i > 0; i--) {
		const struct dkim_parsed *as = &c->sets[i].as;

		if (as->shown.code == DKIM_TEMPERROR) {
			trouble = as;
		} else if (as->shown.code != DKIM_PASS) {
			result(out, ARC_FAIL, i, as->shown.reason);
			return;
		}
	}
	if (trouble != NULL)
		result(out, ARC_TEMPERROR, trouble->instance, trouble->shown.reason);
	else
		result(out, ARC_PASS, 0, "");
}

static void
find_oldest(struct chain *c, const struct dkim_message *m, const struct dns_facts *facts,
    struct arc_result *out)
{

	for (unsigned i = c->n - 1; i > 0; i--) {
		struct dkim_parsed *ams = &c->sets[i].ams;

		dkim_verify(m, ams, ask(ams, facts, out));
		if (ams->shown.code != DKIM_PASS) {
			out->oldest_pass = i + 1;
			return;
		}
	}
}

static int
evaluate(struct chain *c, struct dkim_message *m, int64_t now, const struct dns_facts *facts,
    struct arc_result *out)
{

	for (unsigned i = 1; i <= c->n; i++) {
		dkim_times_check(&c->sets[i].ams, now);
		dkim_times_check(&c->sets[i].as, now);
		dkim_key_name_check(&c->sets[i].ams);
		dkim_key_name_check(&c->sets[i].as);
	}
	if (too_many_keys(c)) {
		result(out, ARC_FAIL, 0, "too many different keys");
		return ARC_DONE;
	}
	for (unsigned i = 1; i <= c->n; i++) {
		ask(&c->sets[i].ams, facts, out);
		ask(&c->sets[i].as, facts, out);
	}
	if (out->question_count > 0 || !m->ended)
		return ARC_NEED;
	judge(c, m, facts, out);
	if (out->code == ARC_PASS)
		find_oldest(c, m, facts, out);
	return ARC_DONE;
}

static void
chain_open(struct chain *c, const struct dkim_message *m)
{
	*c = (struct chain){ .sets = xcalloc(ARC_SETS_MAX + 1, sizeof(*c->sets)) };
	collect(c, m);
	check_structure(c);
}

/* Cheap, because nearly all messages have none. */
static bool
has_arc(const struct dkim_message *m)
{
	for (size_t i = 0; i < m->fields_n; i++)
		if (str_starts_nocase(m->fields[i].name, STR("ARC-")))
			return true;
	return false;
}

int
arc_check(
    struct dkim_message *m, int64_t now, const struct dns_facts *facts, struct arc_result *out)
{
	struct chain c;
	int rc = ARC_DONE;

	*out = (struct arc_result){ .code = ARC_NONE, .reason = "", .results = STR("") };
	if (!m->header_over)
		return ARC_NEED;
	if (m->too_large || !has_arc(m)) {
		out->reason = m->too_large ? "the header is too large" : "not sealed";
		return ARC_DONE;
	}
	chain_open(&c, m);
	out->sets = c.n;
	memcpy(out->sealer, c.sets[c.n].as.shown.domain, sizeof(out->sealer));
	if (c.fields == 0)
		out->reason = "not sealed";
	else if (c.why != NULL)
		result(out, ARC_FAIL, c.where, c.why);
	else
		rc = evaluate(&c, m, now, facts, out);
	if (rc == ARC_DONE && out->code == ARC_PASS)
		out->results = c.sets[c.n].results_value;
	free(c.sets);
	return rc;
}

bool
arc_sealer(struct dkim_message *m, unsigned instance, char out[IDN_SIZE])
{
	struct chain c;
	bool found;

	out[0] = '\0';
	if (!m->header_over || m->too_large || !has_arc(m) || instance == 0 ||
	    instance > ARC_SETS_MAX)
		return false;
	chain_open(&c, m);
	memcpy(out, c.sets[instance].as.shown.domain, IDN_SIZE);
	found = instance <= c.n && out[0] != '\0';
	free(c.sets);
	return found;
}
