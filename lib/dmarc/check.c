/* SPDX-License-Identifier: ISC */
/* Policy discovery, alignment and verdict (rfc9989:4.10, 5.3). */
#include "dmarc/dmarc.h"
#include "mail/address.h"

enum step_state { STEP_NONE, STEP_RECORD, STEP_TEMP, STEP_MISSING };

/* One name of a tree walk. */
struct step {
	uint8_t offset; /* where the name begins in the wire form of the first one */
	enum step_state state;
	enum dmarc_psd psd;
};

/* A tree walk from one domain, up to where it stopped. */
struct walk {
	struct dns_name from;
	struct step steps[DMARC_WALK_MAX];
	int n;
	bool missing, trouble; /* a step waits for a fact, has no good answer */
	int chosen;            /* number of the step that decides, or -1: no record at all */
	bool below;            /* the organisational domain is one label below that step (psd=y) */
};

enum aligned { ALIGNED_NO, ALIGNED_YES, ALIGNED_NEED, ALIGNED_TEMP };

struct work {
	const struct dmarc_input *in;
	const struct dns_facts *facts;
	struct dmarc_result *out;
	struct walk author;
};

/* --- names ------------------------------------------------------------------------------------ */

/* Only what mail may call a domain: DNS would take "bank.test(.evil.test", others read it otherwise. */
static bool
to_name(struct str domain, struct dns_name *out)
{
	char normal[ADDRESS_DOMAIN_MAX], ascii[IDN_SIZE];
	int n;

	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n == 0)
		return false;
	n = address_parse_domain(domain, ADDRESS_UTF8, normal);
	if (n > 0)
		n = idn_to_ascii(str_from(normal, (size_t)n), ascii);
	return n > 0 && dns_name_parse(str_from(ascii, (size_t)n), out);
}

static void
suffix(const struct dns_name *name, unsigned offset, struct dns_name *out)
{
	out->n = (uint8_t)(name->n - offset);
	memcpy(out->wire, name->wire + offset, out->n);
}

/* name is domain or below it. */
static bool
is_within(const struct dns_name *name, const struct dns_name *domain)
{
	unsigned p = 0;

	if (name->n < domain->n)
		return false;
	while (name->n - p > domain->n)
		p += 1U + name->wire[p];
	return name->n - p == domain->n && memcmp(name->wire + p, domain->wire, domain->n) == 0;
}

/* The names of a walk: the domain, then the last seven labels at most, one fewer each time. */
static void
plan(struct walk *k)
{
	uint8_t offsets[DNS_NAME_MAX / 2 + 1];
	int labels = 0;

	for (unsigned p = 0; k->from.wire[p] != 0; p += 1U + k->from.wire[p])
		offsets[labels++] = (uint8_t)p;
	k->n = 0;
	k->steps[k->n++].offset = 0;
	for (int i = labels > DMARC_WALK_MAX ? labels - (DMARC_WALK_MAX - 1) : 1; i < labels; i++)
		k->steps[k->n++].offset = offsets[i];
}

/* --- facts ------------------------------------------------------------------------------------ */

static const struct dns_fact *
ask(struct work *w, const struct dns_name *name, uint16_t type)
{
	struct dmarc_result *r = w->out;

	return dns_facts_ask(
	    w->facts, name, type, r->questions, &r->question_count, DMARC_QUESTIONS_MAX);
}

static bool
is_trouble(const struct dns_fact *f)
{
	return f->state == DNS_FACT_TEMP || f->state == DNS_FACT_BOGUS;
}

/* The strings of a TXT record as one; false: longer than a DMARC record can be. */
static bool
join(struct str record, char out[DMARC_RECORD_MAX], size_t *n)
{
	size_t i = 0;

	*n = 0;
	while (i < record.n) {
		size_t take = (uint8_t)record.p[i++];

		if (take > record.n - i)
			take = record.n - i;
		if (take > DMARC_RECORD_MAX - *n)
			return false;
		memcpy(out + *n, record.p + i, take);
		*n += take;
		i += take;
	}
	return true;
}

/* The only DMARC record among the TXT records; false: there is none or there are several. */
static bool
only_record(const struct dns_fact *f, struct dmarc_record *out)
{
	struct dmarc_record one;
	char text[DMARC_RECORD_MAX];
	struct str record;
	int count = 0;
	size_t n;

	for (size_t at = 0;
	     f->state == DNS_FACT_FOUND && dns_record_next(f->records, &at, &record);) {
		if (!join(record, text, &n) || !dmarc_record_parse(str_from(text, n), &one))
			continue;
		*out = one;
		count++;
	}
	return count == 1;
}

static bool
dmarc_name(const struct dns_name *name, unsigned offset, struct dns_name *out)
{
	static const uint8_t label[] = { 6, '_', 'd', 'm', 'a', 'r', 'c' };
	size_t n = name->n - offset;

	if (n + sizeof(label) > DNS_NAME_MAX)
		return false;
	memcpy(out->wire, label, sizeof(label));
	memcpy(out->wire + sizeof(label), name->wire + offset, n);
	out->n = (uint8_t)(n + sizeof(label));
	return true;
}

static void
look(struct work *w, struct walk *k, struct step *s, struct dmarc_record *record)
{
	const struct dns_fact *f;
	struct dns_name name;

	s->state = STEP_NONE;
	s->psd = DMARC_PSD_UNKNOWN;
	if (!dmarc_name(&k->from, s->offset, &name))
		return; /* too long for DNS: nothing can be there */
	f = ask(w, &name, DNS_TXT);
	if (f == NULL) {
		s->state = STEP_MISSING;
	} else if (is_trouble(f)) {
		s->state = STEP_TEMP;
	} else if (only_record(f, record)) {
		s->state = STEP_RECORD;
		s->psd = record->psd;
	}
}

/* --- the tree walk ---------------------------------------------------------------------------- */

/*
 * rfc9989:4.10 and 4.10.2. From the longest name to the shortest; psd=n or psd=y ends it. Names behind a
 * missing fact are asked for at once.
 */
static void
walk(struct work *w, struct walk *k)
{
	struct dmarc_record record;

	plan(k);
	k->chosen = -1;
	k->missing = k->trouble = k->below = false;
	for (int i = 0; i < k->n; i++) {
		struct step *s = &k->steps[i];

		look(w, k, s, &record);
		k->missing = k->missing || s->state == STEP_MISSING;
		k->trouble = k->trouble || s->state == STEP_TEMP;
		if (s->state != STEP_RECORD)
			continue;
		if (s->psd == DMARC_PSD_YES && i > 0)
			k->below = true;
		/* A record with psd=y at the very domain ends the walk like any other choice. */
		k->chosen = i;
		if (s->psd != DMARC_PSD_UNKNOWN) {
			k->n = i + 1;
			return;
		}
	}
}

static unsigned
offset_below(const struct walk *k, unsigned offset)
{
	unsigned p = 0;

	while (p + 1U + k->from.wire[p] < offset)
		p += 1U + k->from.wire[p];
	return p;
}

static void
organization_of(const struct walk *k, struct dns_name *out)
{
	unsigned offset = 0;

	if (k->chosen >= 0)
		offset = k->steps[k->chosen].offset;
	if (k->below)
		offset = offset_below(k, offset);
	suffix(&k->from, offset, out);
}

/* The step whose record applies: the author's own, the organisation's, that of the public suffix. */
static int
policy_step(const struct walk *k)
{
	if (k->steps[0].state == STEP_RECORD)
		return 0;
	if (k->below) {
		unsigned below = offset_below(k, k->steps[k->chosen].offset);

		for (int i = 0; i < k->chosen; i++)
			if (k->steps[i].offset == below && k->steps[i].state == STEP_RECORD)
				return i;
	}
	return k->chosen;
}

/* --- alignment -------------------------------------------------------------------------------- */

static enum aligned
align(struct work *w, const struct dmarc_identifier *id, bool strict)
{
	struct dns_name name, theirs;
	struct walk k;

	if (id->auth == DMARC_AUTH_FAIL || !to_name(id->domain, &name))
		return ALIGNED_NO;
	if (dns_name_eq(&name, &w->author.from))
		return ALIGNED_YES;
	if (strict)
		return ALIGNED_NO;
	if (w->author.trouble)
		return ALIGNED_TEMP;
	if (!is_within(&name, &w->out->organization))
		return ALIGNED_NO;
	k.from = name;
	walk(w, &k);
	if (k.missing)
		return ALIGNED_NEED;
	if (k.trouble)
		return ALIGNED_TEMP;
	organization_of(&k, &theirs);
	return dns_name_eq(&theirs, &w->out->organization) ? ALIGNED_YES : ALIGNED_NO;
}

struct tally {
	bool pass, need, temp;
};

/* true: this identifier passes. */
static bool
count(struct tally *t, enum aligned a, enum dmarc_auth auth)
{
	bool pass = a == ALIGNED_YES && auth == DMARC_AUTH_PASS;

	t->pass = t->pass || pass;
	t->need = t->need || a == ALIGNED_NEED;
	t->temp = t->temp || a == ALIGNED_TEMP || (a == ALIGNED_YES && auth == DMARC_AUTH_TEMP);
	return pass;
}

static void
align_all(struct work *w, struct tally *t)
{
	const struct dmarc_input *in = w->in;
	struct dmarc_result *r = w->out;

	r->spf_aligned = count(t, align(w, &in->spf, r->record.strict_spf), in->spf.auth);
	for (size_t i = 0; i < in->dkim_count && i < DMARC_DKIM_MAX; i++) {
		const struct dmarc_identifier *id = &in->dkim[i];

		if (count(t, align(w, id, r->record.strict_dkim), id->auth) && r->dkim_aligned < 0)
			r->dkim_aligned = (int)i;
	}
}

/* --- verdict ---------------------------------------------------------------------------------- */

static int
done(struct work *w, enum dmarc_code code, const char *reason)
{
	struct dmarc_result *r = w->out;

	r->code = code;
	r->reason = reason;
	r->question_count = 0;
	if (code != DMARC_FAIL)
		r->disposition = DMARC_P_NONE;
	return DMARC_DONE;
}

/* What the tag says, and which it is. *need, *temp: whether the domain exists is not known. */
static void
apply(struct work *w, bool own, struct tally *t)
{
	struct dmarc_result *r = w->out;
	const struct dmarc_record *p = &r->record;
	bool exists = true;

	if (!own && p->has_np) {
		const struct dns_fact *f = ask(w, &w->author.from, DNS_MX);

		t->need = t->need || f == NULL;
		t->temp = t->temp || (f != NULL && is_trouble(f));
		exists = f == NULL || f->state != DNS_FACT_NXDOMAIN;
	}
	r->tag = own ? "p" : !exists ? "np" : p->has_sp ? "sp" : "p";
	r->published = own ? p->p : !exists ? p->np : p->sp;
	r->disposition = r->published;
	if (p->testing && r->disposition > DMARC_P_NONE)
		r->disposition = (enum dmarc_policy)(r->disposition - 1);
}

/* 1: r->record and r->policy_domain are there; 0: done. */
static int
discover(struct work *w, int *step)
{
	struct walk *k = &w->author;
	struct dmarc_result *r = w->out;

	*step = policy_step(k);
	if (k->steps[0].state == STEP_TEMP || (k->steps[0].state != STEP_RECORD && k->trouble))
		return done(w, DMARC_TEMPERROR, "DNS gives no answer about the policy"), 0;
	if (*step < 0)
		return done(w, DMARC_NONE, "no policy is published"), 0;
	look(w, k, &k->steps[*step], &r->record);
	suffix(&k->from, k->steps[*step].offset, &r->policy_domain);
	if (!k->trouble)
		organization_of(k, &r->organization);
	if (!r->record.policy_invalid)
		return 1;
	if (r->record.rua[0] == '\0')
		return done(w, DMARC_PERMERROR, "the policy record is not valid"), 0;
	r->record.p = r->record.sp = r->record.np = DMARC_P_NONE;
	r->record.has_sp = r->record.has_np = false;
	return 1;
}

static int
judge(struct work *w, const struct tally *t)
{
	if (t->need)
		return DMARC_NEED;
	if (t->pass) {
		if (w->in->author->state == DMARC_AUTHOR_DOUBTFUL)
			return done(
			    w, DMARC_PERMERROR, "programs may read the From field differently");
		return done(w, DMARC_PASS, "");
	}
	if (t->temp)
		return done(w, DMARC_TEMPERROR, "DNS gives no answer about an identifier");
	return done(w, DMARC_FAIL, "no aligned identifier passed");
}

static int
unusable(struct work *w)
{
	switch (w->in->author->state) {
	case DMARC_AUTHOR_NO_FIELD:
		return done(w, DMARC_PERMERROR, "no From field");
	case DMARC_AUTHOR_SEVERAL_FIELDS:
		return done(w, DMARC_PERMERROR, "several From fields");
	case DMARC_AUTHOR_SEVERAL_DOMAINS:
		return done(w, DMARC_NONE, "the From field has several domains");
	default:
		return done(w, DMARC_PERMERROR, "no domain can be read from the From field");
	}
}

static void
empty_result(struct dmarc_result *r)
{
	memset(&r->record, 0, sizeof(r->record));
	r->code = DMARC_NONE;
	r->disposition = r->published = DMARC_P_NONE;
	r->tag = r->reason = "";
	r->policy_domain.n = r->organization.n = 0;
	r->spf_aligned = false;
	r->dkim_aligned = -1;
	r->question_count = 0;
}

int
dmarc_check(const struct dmarc_input *in, const struct dns_facts *facts, struct dmarc_result *out)
{
	struct work w = { .in = in, .facts = facts, .out = out };
	struct tally t = { false };
	int step;

	empty_result(out);
	if ((in->author->state != DMARC_AUTHOR_OK && in->author->state != DMARC_AUTHOR_DOUBTFUL) ||
	    !to_name(str_of(in->author->domain), &w.author.from))
		return unusable(&w);
	walk(&w, &w.author);
	if (w.author.missing)
		return DMARC_NEED;
	if (!discover(&w, &step))
		return DMARC_DONE;
	align_all(&w, &t);
	apply(&w, step == 0, &t);
	return judge(&w, &t);
}

const char *
dmarc_code_word(enum dmarc_code code)
{
	static const char *const words[] = {
#define X(id, word) [id] = word,
		DMARC_CODES(X)
#undef X
	};

	return words[code];
}
