/* SPDX-License-Identifier: ISC */
/* Macros (rfc7208:7): syntax, and their expansion to names and explanations. */
#include <inttypes.h>
#include <stdio.h>

#include "spf/impl.h"

struct macro {
	char letter; /* lower case */
	bool escape; /* it was upper case */
	bool reverse;
	unsigned keep; /* right-most parts; 0: all */
	bool transforms;
	struct str delimiters; /* n == 0: the dot */
	size_t length;         /* of the whole macro */
};

/* Where expanded bytes go. A name keeps its end, an explanation its beginning. */
struct sink {
	char *out;
	size_t n, max;
	bool keep_end;
};

/* --- syntax ----------------------------------------------------------------------------------- */

static bool
is_delimiter(char c)
{
	return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

static bool
read_digits(struct str s, size_t *i, struct macro *m)
{
	size_t from = *i;

	while (*i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9') {
		if (m->keep < 1000)
			m->keep = m->keep * 10 + (unsigned)(s.p[*i] - '0');
		++*i;
	}
	m->transforms = *i > from;
	return !m->transforms || m->keep > 0;
}

/* "%{" letter digits "r" delimiters "}" at the start of s. */
static bool
macro_read(struct str s, enum spf_macro_place place, struct macro *m)
{
	const char *letters = place == SPF_IN_TERM ? "slodiphv" : "slodiphvcrt";
	size_t i = 3, from;

	memset(m, 0, sizeof(*m));
	if (s.n < 4 || s.p[0] != '%' || s.p[1] != '{')
		return false;
	m->letter = (char)ascii_tolower((unsigned char)s.p[2]);
	m->escape = m->letter != s.p[2];
	if (m->letter == '\0' || strchr(letters, m->letter) == NULL || !read_digits(s, &i, m))
		return false;
	if (i < s.n && (s.p[i] == 'r' || s.p[i] == 'R')) {
		m->reverse = m->transforms = true;
		i++;
	}
	from = i;
	while (i < s.n && is_delimiter(s.p[i]))
		i++;
	m->delimiters = str_from(s.p + from, i - from);
	m->transforms = m->transforms || m->delimiters.n > 0;
	m->length = i + 1;
	return i < s.n && s.p[i] == '}';
}

static bool
is_plain_escape(struct str s)
{
	return s.n >= 2 && (s.p[1] == '%' || s.p[1] == '_' || s.p[1] == '-');
}

/* *tail: what follows the last macro; *macros: there is one. */
static bool
scan(struct str s, enum spf_macro_place place, struct str *tail, bool *macros)
{
	size_t i = 0;
	struct macro m;

	*tail = s;
	*macros = false;
	while (i < s.n) {
		struct str rest = str_from(s.p + i, s.n - i);

		if (s.p[i] != '%') {
			if ((s.p[i] < '!' || s.p[i] > '~') &&
			    !(s.p[i] == ' ' && place == SPF_IN_EXPLANATION))
				return false;
			i++;
			continue;
		}
		if (is_plain_escape(rest))
			i += 2;
		else if (macro_read(rest, place, &m))
			i += m.length;
		else
			return false;
		*macros = true;
		*tail = str_from(s.p + i, s.n - i);
	}
	return true;
}

bool
spf_macro_valid(struct str s, enum spf_macro_place place)
{
	struct str tail;
	bool macros;

	return scan(s, place, &tail, &macros);
}

/* Letters, digits and inner hyphens, not digits only. */
static bool
is_top_label(struct str s)
{
	bool other = false;

	if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = ascii_tolower((unsigned char)s.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
		other = other || c < '0' || c > '9';
	}
	return other;
}

bool
spf_domain_spec_valid(struct str s)
{
	struct str tail;
	bool macros;

	if (!scan(s, SPF_IN_TERM, &tail, &macros))
		return false;
	if (tail.n == 0)
		return macros;
	if (tail.p[tail.n - 1] == '.')
		tail.n--;
	for (size_t i = tail.n; i > 0; i--)
		if (tail.p[i - 1] == '.')
			return is_top_label(str_from(tail.p + i, tail.n - i));
	return false;
}

/* --- expansion -------------------------------------------------------------------------------- */

static void
put(struct sink *k, char c)
{
	if (k->n == k->max) {
		if (!k->keep_end)
			return;
		/* More than a name can have stays. */
		memmove(k->out, k->out + k->max / 2, k->max - k->max / 2);
		k->n = k->max - k->max / 2;
	}
	k->out[k->n++] = c;
}

static bool
is_unreserved(unsigned char c)
{
	int l = ascii_tolower(c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

static void
put_value(struct sink *k, struct str s, bool escape)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!escape || is_unreserved(c)) {
			put(k, (char)c);
			continue;
		}
		put(k, '%');
		put(k, hex[c >> 4]);
		put(k, hex[c & 15]);
	}
}

static bool
splits(const struct macro *m, char c)
{
	return m->delimiters.n > 0 ? str_chr(m->delimiters, (unsigned char)c) >= 0 : c == '.';
}

/* The last `keep` parts, in order. */
static void
put_parts(struct sink *k, const struct macro *m, struct str s)
{
	unsigned parts = 1;
	size_t from = s.n;

	while (from > 0) {
		if (splits(m, s.p[from - 1]) && parts++ == m->keep)
			break;
		from--;
	}
	while (from < s.n) {
		size_t end = from;

		while (end < s.n && !splits(m, s.p[end]))
			end++;
		put_value(k, str_from(s.p + from, end - from), m->escape);
		if (end < s.n)
			put(k, '.');
		from = end + 1;
	}
}

/* The first `keep` parts, the last of them first. */
static void
put_parts_reversed(struct sink *k, const struct macro *m, struct str s)
{
	unsigned parts = 1;
	size_t end = 0;

	while (end < s.n && !(splits(m, s.p[end]) && parts++ == m->keep))
		end++;
	for (;;) {
		size_t from = end;

		while (from > 0 && !splits(m, s.p[from - 1]))
			from--;
		put_value(k, str_from(s.p + from, end - from), m->escape);
		if (from == 0)
			return;
		put(k, '.');
		end = from - 1;
	}
}

static void
put_macro(struct sink *k, const struct macro *m, struct str value)
{
	if (!m->transforms)
		put_value(k, value, m->escape);
	else if (m->reverse)
		put_parts_reversed(k, m, value);
	else
		put_parts(k, m, value);
}

/* %{p}: a validated name of the client, best one of the current domain. */
static enum spf_eval
validated(struct spf_work *w, struct str domain, char text[DNS_TEXT_MAX])
{
	struct dns_name current, name, any;
	enum spf_eval e;
	bool empty;

	if (!w->counted_p) {
		w->counted_p = true;
		if (!spf_count_lookup(w))
			return SPF_EVAL_PERM;
	}
	if (!dns_name_parse(domain, &current))
		current.n = 0;
	e = spf_validated_name(w, &current, &name, &any, &empty);
	if (e == SPF_EVAL_NEED)
		return e;
	if (e == SPF_EVAL_MATCH)
		dns_name_text(&name, text);
	else if (any.n > 0)
		dns_name_text(&any, text);
	else
		strcpy(text, "unknown");
	return SPF_EVAL_MATCH;
}

/* What a letter stands for; text has room for what must be made. */
static enum spf_eval
value_of(
    struct spf_work *w, char letter, struct str domain, char text[DNS_TEXT_MAX], struct str *out)
{
	enum spf_eval e = SPF_EVAL_MATCH;

	switch (letter) {
	case 's':
		snprintf(
		    text, DNS_TEXT_MAX, "%.*s@%.*s", STRF(w->sender_local), STRF(w->sender_domain));
		break;
	case 'l':
		*out = w->sender_local;
		return e;
	case 'o':
		*out = w->sender_domain;
		return e;
	case 'd':
		*out = domain;
		return e;
	case 'i':
		spf_address_dotted(&w->client, text);
		break;
	case 'p':
		e = validated(w, domain, text);
		break;
	case 'v':
		strcpy(text, w->client.n == 4 ? "in-addr" : "ip6");
		break;
	case 'h':
		*out = w->helo;
		return e;
	case 'c':
		spf_address_text(&w->client, text);
		break;
	case 'r':
		*out = w->in->receiver.n > 0 ? w->in->receiver : STR("unknown");
		return e;
	case 't':
		snprintf(text, DNS_TEXT_MAX, "%" PRId64, w->in->time);
		break;
	}
	*out = e == SPF_EVAL_MATCH ? str_of(text) : str_from(text, 0);
	return e;
}

static void
put_escape(struct sink *k, char c)
{
	if (c == '-')
		put_value(k, STR("%20"), false);
	else
		put(k, c == '_' ? ' ' : '%');
}

/* MATCH: expanded; NO: a value is not ASCII, which no name of DNS can match (rfc8616:4). */
static enum spf_eval
expand(
    struct spf_work *w, struct str s, enum spf_macro_place place, struct str domain, struct sink *k)
{
	char text[DNS_TEXT_MAX];
	enum spf_eval worst = SPF_EVAL_MATCH, e;
	struct str value, rest;
	struct macro m;

	for (size_t i = 0; i < s.n;) {
		rest = str_from(s.p + i, s.n - i);
		if (s.p[i] != '%') {
			put(k, s.p[i++]);
		} else if (is_plain_escape(rest)) {
			put_escape(k, s.p[i + 1]);
			i += 2;
		} else {
			if (!macro_read(rest, place, &m))
				return SPF_EVAL_NO;
			i += m.length;
			e = value_of(w, m.letter, domain, text, &value);
			if (e == SPF_EVAL_PERM)
				return e;
			if (e == SPF_EVAL_NEED || worst == SPF_EVAL_NEED)
				worst = SPF_EVAL_NEED;
			else if (str_has_8bit(value))
				worst = SPF_EVAL_NO;
			put_macro(k, &m, value);
		}
	}
	return worst;
}

/* Any byte may stand in a label: a local part brings what it has. */
static bool
name_from(struct str s, struct dns_name *out)
{
	size_t from = 0;

	out->n = 0;
	for (size_t i = 0; i <= s.n; i++) {
		size_t n = i - from;

		if (i < s.n && s.p[i] != '.')
			continue;
		if (n == 0 || n > DNS_LABEL_MAX)
			return false;
		out->wire[out->n++] = (uint8_t)n;
		for (size_t k = from; k < i; k++)
			out->wire[out->n++] = (uint8_t)ascii_tolower((unsigned char)s.p[k]);
		from = i + 1;
	}
	out->wire[out->n++] = 0;
	return true;
}

enum spf_eval
spf_expand_name(struct spf_work *w, struct str spec, struct str domain, struct dns_name *name)
{
	char text[SPF_EXPANDED_MAX];
	struct sink k = { .out = text, .max = sizeof(text), .keep_end = true };
	enum spf_eval e = expand(w, spec, SPF_IN_TERM, domain, &k);
	struct str s = str_from(text, k.n);

	if (e != SPF_EVAL_MATCH)
		return e;
	if (s.n > 0 && s.p[s.n - 1] == '.')
		s.n--;
	while (s.n > SPF_DOMAIN_MAX) {
		ptrdiff_t dot = str_chr(s, '.');

		if (dot < 0)
			return SPF_EVAL_NO;
		s = str_from(s.p + dot + 1, s.n - (size_t)dot - 1);
	}
	return name_from(s, name) ? SPF_EVAL_MATCH : SPF_EVAL_NO;
}

bool
spf_expand_explanation(
    struct spf_work *w, struct str text, struct str domain, char out[SPF_EXPLANATION_MAX + 1])
{
	struct sink k = { .out = out, .max = SPF_EXPLANATION_MAX };

	out[0] = '\0';
	if (!spf_macro_valid(text, SPF_IN_EXPLANATION) ||
	    expand(w, text, SPF_IN_EXPLANATION, domain, &k) != SPF_EVAL_MATCH)
		k.n = 0;
	for (size_t i = 0; i < k.n; i++)
		if (out[i] < ' ' || out[i] > '~')
			k.n = 0;
	out[k.n] = '\0';
	return k.n > 0;
}
