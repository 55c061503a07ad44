/* SPDX-License-Identifier: ISC */
/* check_host() (rfc7208:4). */
#include "spf/impl.h"

enum { RUN_NEED = -1 }; /* beside the values of enum spf_code */

static int run(struct spf_work *w, const struct dns_name *domain);

/* --- facts and limits ------------------------------------------------------------------------- */

const struct dns_fact *
spf_ask(struct spf_work *w, const struct dns_name *name, uint16_t type)
{
	struct spf_result *r = w->out;
	const struct dns_fact *f = dns_facts_ask(
	    w->facts, name, type, r->questions, &r->question_count, SPF_QUESTIONS_MAX);

	w->need |= f == NULL;
	return f;
}

static enum spf_eval
permanent(struct spf_work *w, const char *why)
{
	if (w->why == NULL)
		w->why = why;
	return SPF_EVAL_PERM;
}

static enum spf_eval
temporary(struct spf_work *w, enum dns_fact_state state)
{
	if (w->why == NULL)
		w->why = state == DNS_FACT_BOGUS ? "DNSSEC refuses an answer"
						 : "DNS gives no answer at the moment";
	return SPF_EVAL_TEMP;
}

bool
spf_count_lookup(struct spf_work *w)
{
	if (w->out->lookups == SPF_LOOKUPS_MAX) {
		permanent(w, "more than 10 terms that ask the DNS");
		return false;
	}
	w->out->lookups++;
	return true;
}

/* A term found nothing. */
static enum spf_eval
nothing(struct spf_work *w)
{
	if (w->out->voids == SPF_VOIDS_MAX)
		return permanent(w, "more than 2 look-ups found nothing");
	w->out->voids++;
	return SPF_EVAL_NO;
}

static bool
is_trouble(const struct dns_fact *f)
{
	return f->state == DNS_FACT_TEMP || f->state == DNS_FACT_BOGUS;
}

/* --- mechanisms ------------------------------------------------------------------------------- */

/* The name a term speaks about. */
static enum spf_eval
target(struct spf_work *w, const struct spf_term *t, const struct dns_name *domain,
    struct dns_name *out)
{
	char text[DNS_TEXT_MAX];

	if (t->argument.n == 0) {
		*out = *domain;
		return SPF_EVAL_MATCH;
	}
	return spf_expand_name(w, t->argument, str_of(dns_name_text(domain, text)), out);
}

/* SPF_EVAL_MATCH: the name has such records, which *f gets. */
static enum spf_eval
look_up(struct spf_work *w, const struct dns_name *name, uint16_t type, const struct dns_fact **f)
{
	*f = spf_ask(w, name, type);
	if (*f == NULL)
		return SPF_EVAL_NEED;
	if (is_trouble(*f))
		return temporary(w, (*f)->state);
	return (*f)->state == DNS_FACT_FOUND ? SPF_EVAL_MATCH : nothing(w);
}

static enum spf_eval
eval_a(struct spf_work *w, const struct spf_term *t, const struct dns_name *name)
{
	const struct dns_fact *f;
	enum spf_eval e = look_up(w, name, spf_address_type(w), &f);

	if (e != SPF_EVAL_MATCH)
		return e;
	return spf_client_in_records(w, f, t) ? SPF_EVAL_MATCH : SPF_EVAL_NO;
}

static enum spf_eval
eval_exists(struct spf_work *w, const struct dns_name *name)
{
	const struct dns_fact *f;

	return look_up(w, name, DNS_A, &f);
}

/* The addresses of the hosts of one MX answer. A match decides, whatever became of the others. */
static enum spf_eval
eval_hosts(struct spf_work *w, const struct spf_term *t, struct str records)
{
	enum dns_fact_state trouble = DNS_FACT_FOUND;
	bool need = false;
	struct dns_name host;
	struct str record;

	for (size_t at = 0; dns_record_next(records, &at, &record);) {
		const struct dns_fact *f;
		size_t end = 2;

		if (record.n < 3 ||
		    !dns_name_read((const uint8_t *)record.p, record.n, &end, &host) || host.n == 1)
			continue;
		f = spf_ask(w, &host, spf_address_type(w));
		if (f == NULL)
			need = true;
		else if (is_trouble(f))
			trouble = f->state;
		else if (f->state == DNS_FACT_FOUND && !need && spf_client_in_records(w, f, t))
			return SPF_EVAL_MATCH;
	}
	if (need)
		return SPF_EVAL_NEED;
	return trouble != DNS_FACT_FOUND ? temporary(w, trouble) : SPF_EVAL_NO;
}

static enum spf_eval
eval_mx(struct spf_work *w, const struct spf_term *t, const struct dns_name *name)
{
	const struct dns_fact *f;
	enum spf_eval e = look_up(w, name, DNS_MX, &f);
	struct str record;
	int hosts = 0;

	if (e != SPF_EVAL_MATCH)
		return e;
	for (size_t at = 0; dns_record_next(f->records, &at, &record);)
		if (++hosts > SPF_NAMES_MAX)
			return permanent(w, "mx of a domain with more than 10 hosts");
	return eval_hosts(w, t, f->records);
}

static enum spf_eval
eval_ptr(struct spf_work *w, const struct dns_name *domain)
{
	struct dns_name name, any;
	bool empty;
	enum spf_eval e = spf_validated_name(w, domain, &name, &any, &empty);

	return empty ? nothing(w) : e;
}

/* rfc7208:5.2 has this table. */
static enum spf_eval
eval_include(struct spf_work *w, const struct dns_name *name)
{
	int code;

	w->depth++;
	code = run(w, name);
	w->depth--;
	switch (code) {
	case RUN_NEED:
		return SPF_EVAL_NEED;
	case SPF_PASS:
		return SPF_EVAL_MATCH;
	case SPF_TEMPERROR:
		return SPF_EVAL_TEMP;
	case SPF_PERMERROR:
		return SPF_EVAL_PERM;
	case SPF_NONE:
		return permanent(w, "include of a domain without an SPF record");
	default:
		return SPF_EVAL_NO;
	}
}

static enum spf_eval
eval_asking(struct spf_work *w, const struct spf_term *t, const struct dns_name *domain)
{
	struct dns_name name;
	enum spf_eval e;

	if (!spf_count_lookup(w))
		return SPF_EVAL_PERM;
	e = target(w, t, domain, &name);
	if (e == SPF_EVAL_NO && t->kind == SPF_M_INCLUDE)
		return permanent(w, "include of what is no domain name");
	if (e != SPF_EVAL_MATCH)
		return e;
	switch (t->kind) {
	case SPF_M_INCLUDE:
		return eval_include(w, &name);
	case SPF_M_A:
		return eval_a(w, t, &name);
	case SPF_M_MX:
		return eval_mx(w, t, &name);
	case SPF_M_PTR:
		return eval_ptr(w, &name);
	default:
		return eval_exists(w, &name);
	}
}

/* --- records ---------------------------------------------------------------------------------- */

static void
note_mechanism(struct spf_work *w, struct str text)
{
	if (w->depth > 0 || w->need)
		return;
	if (text.n > SPF_MECHANISM_MAX)
		text.n = SPF_MECHANISM_MAX;
	memcpy(w->out->mechanism, text.p, text.n);
	w->out->mechanism[text.n] = '\0';
}

/* The one SPF record among the TXT records: 1; 0: there is none; -1: several. */
static int
select_record(struct str records, struct str *out)
{
	struct str record;
	int found = 0;

	for (size_t at = 0; dns_record_next(records, &at, &record);) {
		if (!spf_record_is_ours(record))
			continue;
		if (found++ > 0)
			return -1;
		*out = record;
	}
	return found;
}

/* MATCH: *record is the domain's record; NO: it has none. */
static enum spf_eval
find_record(struct spf_work *w, const struct dns_name *domain, struct str *record)
{
	const struct dns_fact *f = spf_ask(w, domain, DNS_TXT);

	if (f == NULL)
		return SPF_EVAL_NEED;
	if (is_trouble(f))
		return temporary(w, f->state);
	if (f->state != DNS_FACT_FOUND)
		return SPF_EVAL_NO;
	switch (select_record(f->records, record)) {
	case 1:
		return SPF_EVAL_MATCH;
	case 0:
		return SPF_EVAL_NO;
	default:
		return permanent(w, "the domain has several SPF records");
	}
}

/*
 * The terms that ask, from left to right, then the other one that matches. MATCH: *code is the verdict.
 * After a term that waits for facts the next ones are evaluated, too: what they ask will mostly be
 * needed, and one that ends the record ends it in any case.
 */
static enum spf_eval
eval_record(struct spf_work *w, struct str record, const struct spf_outline *outline,
    const struct dns_name *domain, enum spf_code *code)
{
	bool need = false;
	char text[SPF_TERM_MAX];
	struct spf_place place;
	struct spf_term t;

	for (unsigned i = 0; i < outline->asking_n; i++) {
		enum spf_eval e;

		place = outline->asking[i];
		spf_record_copy(record, place.begin, text, place.n);
		spf_term_read(str_from(text, place.n), &t);
		e = eval_asking(w, &t, domain);
		need = need || e == SPF_EVAL_NEED;
		if (e == SPF_EVAL_NO || e == SPF_EVAL_NEED)
			continue;
		*code = t.qualifier;
		if (e == SPF_EVAL_MATCH && !need)
			note_mechanism(w, t.text);
		return need ? SPF_EVAL_NEED : e;
	}
	if (need)
		return SPF_EVAL_NEED;
	place = outline->match;
	if (place.n == 0)
		return SPF_EVAL_NO;
	spf_record_copy(record, place.begin, text, place.n);
	*code = outline->code;
	note_mechanism(w, str_from(text, place.n));
	return SPF_EVAL_MATCH;
}

/* --- explanations ----------------------------------------------------------------------------- */

/* rfc7208:6.2. Trouble of any kind only costs the explanation. */
static void
explain(struct spf_work *w, const char *spec, const struct dns_name *domain)
{
	char current[DNS_TEXT_MAX], text[2 * SPF_TERM_MAX];
	struct dns_name name;
	const struct dns_fact *f;
	struct str record, more;
	size_t at = 0, n;

	if (w->depth > 0 || w->need || spec[0] == '\0')
		return;
	w->counted_p = true; /* no limit is counted here */
	dns_name_text(domain, current);
	if (spf_expand_name(w, str_of(spec), str_of(current), &name) != SPF_EVAL_MATCH ||
	    (f = spf_ask(w, &name, DNS_TXT)) == NULL || f->state != DNS_FACT_FOUND ||
	    !dns_record_next(f->records, &at, &record) || dns_record_next(f->records, &at, &more))
		return;
	n = spf_record_copy(record, 0, text, sizeof(text));
	if (n < sizeof(text))
		spf_expand_explanation(w, str_from(text, n), str_of(current), w->out->explanation);
}

/* --- check_host ------------------------------------------------------------------------------- */

/* The record of one domain. MATCH: *code is the verdict; NO: *next is where redirect= leads. */
static enum spf_eval
run_one(struct spf_work *w, const struct dns_name *domain, bool redirected, enum spf_code *code,
    struct dns_name *next)
{
	char current[DNS_TEXT_MAX];
	struct spf_outline outline;
	struct str record;
	const char *wrong;
	enum spf_eval e = find_record(w, domain, &record), waits = SPF_EVAL_NO;

	*code = SPF_NONE;
	if (e == SPF_EVAL_NO)
		return redirected ? permanent(w, "redirect to a domain without an SPF record")
				  : SPF_EVAL_MATCH;
	if (e != SPF_EVAL_MATCH)
		return e;
	if ((wrong = spf_record_check(record, &w->client, w->scratch, &outline)) != NULL)
		return permanent(w, wrong);
	e = eval_record(w, record, &outline, domain, code);
	if (e == SPF_EVAL_MATCH && *code == SPF_FAIL)
		explain(w, outline.exp, domain);
	if (e == SPF_EVAL_NEED)
		waits = e;
	else if (e != SPF_EVAL_NO)
		return e;
	*code = SPF_NEUTRAL;
	if (outline.match.n > 0 || outline.redirect[0] == '\0') {
		note_mechanism(w, STR("default"));
		return waits == SPF_EVAL_NEED ? waits : SPF_EVAL_MATCH;
	}
	if (!spf_count_lookup(w))
		return SPF_EVAL_PERM;
	e = spf_expand_name(
	    w, str_of(outline.redirect), str_of(dns_name_text(domain, current)), next);
	if (e == SPF_EVAL_MATCH)
		return SPF_EVAL_NO;
	return e == SPF_EVAL_NO ? permanent(w, "redirect to what is no domain name") : e;
}

/* The domain, then those it redirects to: each costs a look-up, so there are 11 at most. A fact that
 * is missing in one of them is missing at the end. */
static int
run(struct spf_work *w, const struct dns_name *domain)
{
	struct dns_name at = *domain, next;
	enum spf_code code = SPF_NONE;
	bool redirected = false, needed = w->need;
	enum spf_eval e;

	w->need = false;
	while ((e = run_one(w, &at, redirected, &code, &next)) == SPF_EVAL_NO) {
		at = next;
		redirected = true;
	}
	if (w->need)
		return RUN_NEED;
	w->need = needed;
	switch (e) {
	case SPF_EVAL_TEMP:
		return SPF_TEMPERROR;
	case SPF_EVAL_PERM:
		return SPF_PERMERROR;
	default:
		return (int)code;
	}
}

/* The identity's domain and sender; false: no name that SPF can be asked about (rfc7208:4.3). */
static bool
identify(struct spf_work *w)
{
	const struct spf_input *in = w->in;
	struct str domain = in->helo, local = STR("postmaster");
	bool found = in->identity == SPF_HELO || in->mail_from.n == 0;
	struct dns_name *name = &w->out->domain;
	size_t labels = 0;
	int n;

	for (size_t i = in->mail_from.n; !found && i > 0; i--) {
		if (in->mail_from.p[i - 1] != '@')
			continue;
		domain = str_from(in->mail_from.p + i, in->mail_from.n - i);
		if (i > 1)
			local = str_from(in->mail_from.p, i - 1);
		found = true;
	}
	if (!found || domain.n == 0 || domain.p[0] == '[' ||
	    (n = idn_to_ascii(domain, w->ascii_sender)) < 0)
		return false;
	w->sender_local = local;
	w->sender_domain = str_from(w->ascii_sender, (size_t)n);
	w->helo = in->helo;
	if (!dns_name_parse(w->sender_domain, name))
		return false;
	for (size_t p = 0; name->wire[p] != 0; p += 1U + name->wire[p])
		labels++;
	return labels > 1;
}

/* ::ffff:192.0.2.1 is 192.0.2.1 (rfc7208:5). */
static void
plain_address(const struct spf_address *in, struct spf_address *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	*out = *in;
	if (in->n == 16 && memcmp(in->bytes, mapped, sizeof(mapped)) == 0) {
		out->n = 4;
		memcpy(out->bytes, in->bytes + 12, 4);
	}
}

static void
empty_result(struct spf_result *out)
{
	out->code = SPF_NONE;
	out->domain.n = 0;
	out->mechanism[0] = out->explanation[0] = '\0';
	out->reason = "";
	out->lookups = out->voids = 0;
	out->question_count = 0;
}

int
spf_check(const struct spf_input *in, const struct dns_facts *facts, struct spf_result *out)
{
	struct spf_work w;
	int code;

	empty_result(out);
	w.in = in;
	w.facts = facts;
	w.out = out;
	w.need = w.counted_p = false;
	w.depth = 0;
	w.why = NULL;
	plain_address(&in->client, &w.client);
	if (!identify(&w)) {
		out->domain.n = 0;
		out->reason = "not the name of a domain";
		return SPF_DONE;
	}
	code = run(&w, &out->domain);
	if (code == RUN_NEED) {
		out->mechanism[0] = out->explanation[0] = '\0';
		return SPF_NEED;
	}
	out->question_count = 0;
	out->code = (enum spf_code)code;
	if (out->code == SPF_NONE)
		out->reason = "the domain has no SPF record";
	else if (w.why != NULL && (out->code == SPF_TEMPERROR || out->code == SPF_PERMERROR))
		out->reason = w.why;
	return SPF_DONE;
}

const char *
spf_code_word(enum spf_code code)
{
	static const char *const words[] = {
#define X(id, word) [id] = word,
		SPF_CODES(X)
#undef X
	};

	return words[code];
}
