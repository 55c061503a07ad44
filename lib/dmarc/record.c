/* SPDX-License-Identifier: ISC */
#include "dmarc/record.h"

#define TAGS(X) \
	X(TAG_P, "p") \
	X(TAG_SP, "sp") \
	X(TAG_NP, "np") \
	X(TAG_T, "t") \
	X(TAG_PSD, "psd") \
	X(TAG_ADKIM, "adkim") \
	X(TAG_ASPF, "aspf") \
	X(TAG_RUA, "rua") \
	X(TAG_RUF, "ruf") \
	X(TAG_FO, "fo")
#define X(id, word) id,
enum tag { TAGS(X) TAG_COUNT };
#undef X
#define X(id, word) word,
static const char *const tags[] = { TAGS(X) };
static const char *const policies[] = { DMARC_POLICIES(X) };
#undef X

const char *
dmarc_policy_word(enum dmarc_policy policy)
{
	return policies[policy];
}

/* Cuts what stands before the byte c off *s, without white space at its ends. */
static struct str
cut(struct str *s, int c)
{
	ptrdiff_t at = str_chr(*s, c);
	struct str head = at < 0 ? *s : str_from(s->p, (size_t)at);

	*s = at < 0 ? str_from(s->p + s->n, 0) : str_from(s->p + at + 1, s->n - (size_t)at - 1);
	return str_trim(head);
}

/* "v" = "DMARC1", the value in capitals; *rest: what follows the first semicolon. */
static bool
read_version(struct str s, struct str *rest)
{
	struct str value;

	if (s.n == 0 || ascii_tolower((unsigned char)s.p[0]) != 'v')
		return false;
	value = cut(&s, ';');
	*rest = s;
	return cut(&value, '=').n == 1 && str_eq(str_trim(value), STR("DMARC1"));
}

/* --- values ----------------------------------------------------------------------------------- */

static bool
read_policy(struct str value, enum dmarc_policy *out)
{
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		if (str_eq_nocase(value, str_of(policies[i]))) {
			*out = (enum dmarc_policy)i;
			return true;
		}
	}
	return false;
}

/* One letter: *out says whether it is `yes`; any other letter but `no` leaves *out alone. */
static void
read_flag(struct str value, char yes, char no, bool *out)
{
	int c = value.n == 1 ? ascii_tolower((unsigned char)value.p[0]) : 0;

	if (c == yes || c == no)
		*out = c == yes;
}

static void
read_psd(struct str value, enum dmarc_psd *out)
{
	if (str_eq_nocase(value, STR("y")))
		*out = DMARC_PSD_YES;
	else if (str_eq_nocase(value, STR("n")))
		*out = DMARC_PSD_NO;
}

/* "0", "1", "d", "s", or some of them with colons. */
static void
read_failure_options(struct str value, unsigned *out)
{
	static const char letters[] = "01ds";
	unsigned options = 0;

	while (value.n > 0) {
		struct str one = cut(&value, ':');
		int c = one.n == 1 ? ascii_tolower((unsigned char)one.p[0]) : 0;
		const char *at = c != 0 ? strchr(letters, c) : NULL;

		if (at == NULL)
			return;
		options |= 1U << (at - letters);
	}
	if (options != 0)
		*out = options;
}

static bool
is_scheme(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = ascii_tolower((unsigned char)s.p[i]);

		if (!(c >= 'a' && c <= 'z') &&
		    (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
			return false;
	}
	return s.n > 0;
}

/* A scheme, a colon, printable ASCII; of a mailto URI an address with both of its sides. */
static bool
is_uri(struct str s)
{
	ptrdiff_t colon = str_chr(s, ':'), at;

	if (colon <= 0 || !is_scheme(str_from(s.p, (size_t)colon)) || (size_t)colon + 1 == s.n)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	if (!str_eq_nocase(str_from(s.p, (size_t)colon), STR("mailto")))
		return true;
	at = str_chr(s, '@');
	return at > colon + 1 && (size_t)at + 1 < s.n;
}

/* The size limit behind an exclamation mark is of an earlier text and is dropped (rfc9989:C). */
static void
read_uris(struct str value, char out[DMARC_URIS_MAX + 1])
{
	size_t n = 0;

	while (value.n > 0) {
		struct str uri = cut(&value, ',');

		uri = cut(&uri, '!');
		if (!is_uri(uri) || n + (n > 0) + uri.n > DMARC_URIS_MAX)
			continue;
		if (n > 0)
			out[n++] = ',';
		memcpy(out + n, uri.p, uri.n);
		n += uri.n;
	}
	out[n] = '\0';
}

/* --- the record ------------------------------------------------------------------------------- */

static enum tag
tag_of(struct str name)
{
	int i = 0;

	while (i < TAG_COUNT && !str_eq_nocase(name, str_of(tags[i])))
		i++;
	return (enum tag)i;
}

static void
read_tag(struct dmarc_record *r, enum tag tag, struct str value)
{
	switch (tag) {
	case TAG_P:
		r->policy_invalid |= !read_policy(value, &r->p);
		break;
	case TAG_SP:
		r->has_sp = true;
		r->policy_invalid |= !read_policy(value, &r->sp);
		break;
	case TAG_NP:
		r->has_np = true;
		r->policy_invalid |= !read_policy(value, &r->np);
		break;
	case TAG_T:
		read_flag(value, 'y', 'n', &r->testing);
		break;
	case TAG_PSD:
		read_psd(value, &r->psd);
		break;
	case TAG_ADKIM:
		read_flag(value, 's', 'r', &r->strict_dkim);
		break;
	case TAG_ASPF:
		read_flag(value, 's', 'r', &r->strict_spf);
		break;
	case TAG_RUA:
		read_uris(value, r->rua);
		break;
	case TAG_RUF:
		read_uris(value, r->ruf);
		break;
	case TAG_FO:
		read_failure_options(value, &r->failure_options);
		break;
	case TAG_COUNT:
		break;
	}
}

bool
dmarc_record_parse(struct str txt, struct dmarc_record *out)
{
	bool seen[TAG_COUNT + 1] = { false };
	struct str rest;

	memset(out, 0, sizeof(*out));
	out->failure_options = DMARC_FO_ALL;
	if (txt.n > DMARC_RECORD_MAX || !read_version(txt, &rest))
		return false;
	while (rest.n > 0) {
		struct str value = cut(&rest, ';'), name;
		enum tag tag;

		if (str_chr(value, '=') < 0)
			continue;
		name = cut(&value, '=');
		tag = tag_of(name);
		/* Of two policies none is the owner's clear word. */
		if (tag <= TAG_NP && seen[tag])
			out->policy_invalid = true;
		if (!seen[tag])
			read_tag(out, tag, str_trim(value));
		seen[tag] = true;
	}
	if (!out->has_sp)
		out->sp = out->p;
	if (!out->has_np)
		out->np = out->sp;
	return true;
}
