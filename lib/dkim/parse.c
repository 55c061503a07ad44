/* SPDX-License-Identifier: ISC */
/* The fields DKIM-Signature, ARC-Message-Signature and ARC-Seal (rfc6376:3.5, 6.1.1; rfc8617:4.1). */
#include "dkim/parts.h"

void
dkim_decide(struct dkim_parsed *p, enum dkim_code code, const char *reason)
{
	if (p->decided)
		return;
	p->decided = true;
	p->shown.code = code;
	p->shown.reason = reason;
}

static void
wrong(struct dkim_parsed *p, const char *reason)
{
	dkim_decide(p, DKIM_PERMERROR, reason);
}

static void
read_algorithm(struct dkim_parsed *p, const struct dkim_tag *a)
{
	static const char *const names[] = {
#define X(id, name) name,
		DKIM_ALGORITHMS(X)
#undef X
	};

	p->shown.algorithm = DKIM_UNKNOWN;
	if (a == NULL) {
		wrong(p, "no a= in the signature");
		return;
	}
	for (unsigned i = 0; i < DKIM_UNKNOWN; i++)
		if (str_eq_nocase(a->value, str_of(names[i])))
			p->shown.algorithm = (enum dkim_algorithm)i;
	if (p->shown.algorithm == DKIM_UNKNOWN)
		dkim_decide(p, DKIM_NEUTRAL, "an algorithm that is not known here");
	else if (p->shown.algorithm == DKIM_RSA_SHA1)
		wrong(p, "rsa-sha1 is not secure any more");
}

static bool
canon_of(struct str word, enum dkim_canon *out)
{
	*out = str_eq_nocase(word, STR("relaxed")) ? DKIM_RELAXED : DKIM_SIMPLE;
	return *out == DKIM_RELAXED || str_eq_nocase(word, STR("simple"));
}

static void
read_canon(struct dkim_parsed *p, const struct dkim_tag *c)
{
	ptrdiff_t slash;

	p->shown.header_canon = p->shown.body_canon = DKIM_SIMPLE;
	if (c == NULL)
		return;
	slash = str_chr(c->value, '/');
	if (slash < 0) {
		if (!canon_of(c->value, &p->shown.header_canon))
			wrong(p, "a canonicalisation that is not known");
		return;
	}
	if (!canon_of(str_from(c->value.p, (size_t)slash), &p->shown.header_canon) ||
	    !canon_of(str_from(c->value.p + slash + 1, c->value.n - (size_t)slash - 1),
		&p->shown.body_canon))
		wrong(p, "a canonicalisation that is not known");
}

/* A number of 1 to 12 digits (rfc6376:3.5); -1: the tag is not there. */
static int64_t
read_time(struct dkim_parsed *p, const struct dkim_tag *t)
{
	uint64_t value = 0;

	if (t == NULL)
		return -1;
	if (!str_u64(t->value, 999999999999, &value)) {
		wrong(p, "a time in the signature is malformed");
		return -1;
	}
	return (int64_t)value;
}

/* l= may have 76 digits; what is above 2^63 is more than any body. */
static void
read_length(struct dkim_parsed *p, const struct dkim_tag *l)
{
	if (l == NULL)
		return;
	p->shown.has_length = true;
	p->length = INT64_MAX;
	for (size_t i = 0; i < l->value.n; i++)
		if (l->value.p[i] < '0' || l->value.p[i] > '9')
			wrong(p, "l= is no number");
	if (l->value.n == 0 || l->value.n > 76)
		wrong(p, "l= is no number");
	str_u64(l->value, INT64_MAX, &p->length);
}

static void
read_identity(struct dkim_parsed *p, const struct dkim_tag *i)
{
	char domain[IDN_SIZE];
	size_t n, d = strlen(p->shown.domain);
	const char *at;

	p->shown.identity[0] = '@';
	memcpy(p->shown.identity + 1, p->shown.domain, d + 1);
	if (i == NULL)
		return;
	if (dkim_squeeze(i->value, p->shown.identity, sizeof(p->shown.identity)) < 0 ||
	    (at = strrchr(p->shown.identity, '@')) == NULL ||
	    !dkim_domain(str_of(at + 1), 2, domain)) {
		p->shown.identity[0] = '\0';
		wrong(p, "i= is malformed");
		return;
	}
	n = strlen(domain);
	p->exact = n != d;
	if (n < d || memcmp(domain + n - d, p->shown.domain, d) != 0 ||
	    (n > d && domain[n - d - 1] != '.'))
		wrong(p, "i= is not in the domain of d=");
}

static void
read_names(struct dkim_parsed *p, const struct dkim_tag *h)
{
	struct str rest, name;
	unsigned count = 0;

	if (h == NULL || h->value.n == 0) {
		wrong(p, "no h= in the signature");
		return;
	}
	p->shown.fields = rest = h->value;
	while (dkim_list_next(&rest, &name)) {
		if (name.n == 0 || ++count > DKIM_NAMES_MAX)
			wrong(p, "h= is malformed or too long");
		if (p->kind == DKIM_KIND_ARC_MESSAGE && str_eq_nocase(name, STR("arc-seal")))
			wrong(p, "h= names ARC-Seal");
	}
	if (!dkim_list_has(h->value, STR("from")))
		wrong(p, "From is not signed");
}

static void
read_domain(struct dkim_parsed *p, const struct dkim_tag *d, const struct dkim_tag *s)
{
	char text[IDN_SIZE];

	if (d == NULL || dkim_squeeze(d->value, text, sizeof(text)) != (ptrdiff_t)d->value.n ||
	    !dkim_domain(d->value, 2, p->shown.domain))
		wrong(p, "d= is no domain name");
	if (s == NULL || dkim_squeeze(s->value, text, sizeof(text)) != (ptrdiff_t)s->value.n ||
	    !dkim_domain(s->value, 1, p->shown.selector))
		wrong(p, "s= is no selector");
}

static void
read_signature(struct dkim_parsed *p, const struct dkim_tag *b)
{
	char text[DKIM_RECORD_MAX + 1];
	ptrdiff_t n;

	if (b == NULL || b->value.n == 0) {
		wrong(p, "no b= in the signature");
		return;
	}
	p->hole = b->span;
	if (dkim_squeeze(b->value, text, sizeof(text)) > 0)
		for (int i = 0; i < DKIM_SHOWN_MAX && text[i] > ' ' && text[i] < 127; i++)
			p->shown.shown[i] = text[i];
	n = dkim_base64(b->value, p->signature, sizeof(p->signature));
	if (n < 0)
		wrong(p, "b= is not base64, or too long");
	else
		p->signature_n = (size_t)n;
}

/* What DKIM-Signature and ARC-Message-Signature share. */
static void
read_message_tags(struct dkim_parsed *p, const struct dkim_tags *tags)
{
	const struct dkim_tag *bh = dkim_tag_find(tags, "bh"), *q = dkim_tag_find(tags, "q");

	if (bh == NULL ||
	    dkim_base64(bh->value, p->body_hash, sizeof(p->body_hash)) != DKIM_DIGEST_SIZE)
		wrong(p, "bh= is missing or malformed");
	read_canon(p, dkim_tag_find(tags, "c"));
	read_names(p, dkim_tag_find(tags, "h"));
	read_length(p, dkim_tag_find(tags, "l"));
	if (q != NULL && !dkim_list_has(q->value, STR("dns/txt")))
		wrong(p, "the key is not to be had from DNS");
	p->shown.expiry = read_time(p, dkim_tag_find(tags, "x"));
	if (p->shown.expiry >= 0 && p->shown.time > p->shown.expiry)
		wrong(p, "x= is before t=");
}

static void
read_instance(struct dkim_parsed *p, const struct dkim_tags *tags)
{
	const struct dkim_tag *i = dkim_tag_find(tags, "i");
	uint64_t value;

	if (i == NULL || !str_u64(i->value, 1000, &value) || value == 0)
		wrong(p, "i= is no instance");
	else
		p->instance = (unsigned)value;
}

static void
read_own_tags(struct dkim_parsed *p, const struct dkim_tags *tags)
{
	const struct dkim_tag *v = dkim_tag_find(tags, "v"), *cv = dkim_tag_find(tags, "cv");

	if (p->kind == DKIM_KIND_DKIM) {
		if (v == NULL || !str_eq(v->value, STR("1")))
			wrong(p, "v= is not 1");
		read_identity(p, dkim_tag_find(tags, "i"));
		return;
	}
	read_instance(p, tags);
	if (p->kind == DKIM_KIND_ARC_MESSAGE) {
		if (v != NULL)
			wrong(p, "v= in ARC-Message-Signature");
		return;
	}
	if (dkim_tag_find(tags, "h") != NULL || dkim_tag_find(tags, "bh") != NULL)
		wrong(p, "h= or bh= in ARC-Seal");
	if (cv == NULL)
		wrong(p, "no cv= in ARC-Seal");
	else
		p->chain = cv->value;
}

void
dkim_signature_parse(enum dkim_kind kind, const struct mail_field *f, struct dkim_parsed *out)
{
	struct dkim_tags tags;

	*out = (struct dkim_parsed){ .kind = kind, .raw = f->raw };
	out->shown.reason = "";
	out->shown.algorithm = DKIM_UNKNOWN;
	out->shown.time = out->shown.expiry = -1;
	out->shown.fields = str_from(f->raw.p, 0);
	if (!dkim_tags_parse(f->value, &tags)) {
		wrong(out, "the signature is no list of tags");
		return;
	}
	read_algorithm(out, dkim_tag_find(&tags, "a"));
	read_signature(out, dkim_tag_find(&tags, "b"));
	read_domain(out, dkim_tag_find(&tags, "d"), dkim_tag_find(&tags, "s"));
	out->shown.time = read_time(out, dkim_tag_find(&tags, "t"));
	read_own_tags(out, &tags);
	if (kind != DKIM_KIND_ARC_SEAL)
		read_message_tags(out, &tags);
	else
		out->shown.header_canon = DKIM_RELAXED;
}

void
dkim_times_check(struct dkim_parsed *p, int64_t now)
{
	if (p->shown.expiry >= 0 && now > p->shown.expiry + DKIM_CLOCK_SKEW)
		dkim_decide(p, DKIM_FAIL, "the signature has expired");
	if (p->shown.time > now + DKIM_CLOCK_SKEW)
		dkim_decide(p, DKIM_FAIL, "the signature is of the future");
}
