/* SPDX-License-Identifier: ISC */
/* Tag lists of signatures and keys (rfc6376:3.2), and the kinds of values in them. */
#include "dkim/parts.h"
#include "mail/decode.h"

static bool
is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_alpha(unsigned char c)
{
	c = (unsigned char)ascii_tolower(c);
	return c >= 'a' && c <= 'z';
}

static bool
is_name(unsigned char c)
{
	return is_alpha(c) || (c >= '0' && c <= '9') || c == '_';
}

static struct str
trim(struct str s)
{
	while (s.n > 0 && is_space((unsigned char)s.p[0]))
		s = str_from(s.p + 1, s.n - 1);
	while (s.n > 0 && is_space((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool
value_valid(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x21 || c == 0x7f) && !is_space(c))
			return false;
	}
	return true;
}

static bool
tag_read(struct str s, struct dkim_tag *t)
{
	ptrdiff_t eq = str_chr(s, '=');

	if (eq < 0)
		return false;
	t->name = trim(str_from(s.p, (size_t)eq));
	t->span = str_from(s.p + eq + 1, s.n - (size_t)eq - 1);
	t->value = trim(t->span);
	if (t->name.n == 0 || !is_alpha((unsigned char)t->name.p[0]) || !value_valid(t->value))
		return false;
	for (size_t i = 0; i < t->name.n; i++)
		if (!is_name((unsigned char)t->name.p[i]))
			return false;
	return true;
}

static bool
stands_already(const struct dkim_tags *tags, struct str name)
{
	for (size_t i = 0; i < tags->n; i++)
		if (str_eq(tags->tag[i].name, name))
			return true;
	return false;
}

bool
dkim_tags_parse(struct str list, struct dkim_tags *out)
{
	out->n = 0;
	while (list.n > 0) {
		ptrdiff_t end = str_chr(list, ';');
		struct str one = end < 0 ? list : str_from(list.p, (size_t)end);
		struct dkim_tag t;

		list = end < 0 ? str_from(list.p, 0)
			       : str_from(list.p + end + 1, list.n - (size_t)end - 1);
		if (list.n == 0 && trim(one).n == 0)
			break;
		if (end >= 0 && trim(list).n == 0)
			list.n = 0; /* what stands behind the last semicolon */
		if (!tag_read(one, &t) || out->n == DKIM_TAGS_MAX || stands_already(out, t.name))
			return false;
		out->tag[out->n++] = t;
	}
	return out->n > 0;
}

const struct dkim_tag *
dkim_tag_find(const struct dkim_tags *tags, const char *name)
{
	for (size_t i = 0; i < tags->n; i++)
		if (str_eq(tags->tag[i].name, str_of(name)))
			return &tags->tag[i];
	return NULL;
}

ptrdiff_t
dkim_squeeze(struct str value, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (is_space((unsigned char)value.p[i]))
			continue;
		if (n + 1 >= size)
			return -1;
		out[n++] = value.p[i];
	}
	out[n] = '\0';
	return (ptrdiff_t)n;
}

ptrdiff_t
dkim_base64(struct str value, uint8_t *out, size_t size)
{
	char text[DKIM_RECORD_MAX + 1];
	uint8_t bytes[DKIM_RECORD_MAX];
	ptrdiff_t n = dkim_squeeze(value, text, sizeof(text));
	size_t got;

	if (n <= 0 || !mail_base64_strict(str_from(text, (size_t)n), bytes, &got) || got > size)
		return -1;
	memcpy(out, bytes, got);
	return (ptrdiff_t)got;
}

bool
dkim_list_next(struct str *rest, struct str *word)
{
	ptrdiff_t end;

	if (rest->p == NULL)
		return false;
	end = str_chr(*rest, ':');
	*word = trim(end < 0 ? *rest : str_from(rest->p, (size_t)end));
	*rest = end < 0 ? (struct str){ NULL, 0 }
			: str_from(rest->p + end + 1, rest->n - (size_t)end - 1);
	return true;
}

bool
dkim_list_has(struct str list, struct str word)
{
	struct str one;

	while (dkim_list_next(&list, &one))
		if (str_eq_nocase(one, word))
			return true;
	return false;
}

/* Letters, digits, hyphens inside, and underscores, which senders in the field have. */
static bool
label_valid(struct str s)
{
	if (s.n == 0 || s.n > DNS_LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_name((unsigned char)s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

bool
dkim_domain(struct str value, unsigned labels, char out[IDN_SIZE])
{
	int n = idn_to_ascii(value, out);
	unsigned count = 0;
	struct str rest;

	if (n <= 0 || n > DNS_NAME_MAX - 2)
		goto bad;
	for (rest = str_from(out, (size_t)n);; count++) {
		ptrdiff_t dot = str_chr(rest, '.');

		if (!label_valid(dot < 0 ? rest : str_from(rest.p, (size_t)dot)))
			goto bad;
		if (dot < 0)
			break;
		rest = str_from(rest.p + dot + 1, rest.n - (size_t)dot - 1);
	}
	if (count + 1 < labels)
		goto bad;
	for (int i = 0; i < n; i++)
		out[i] = (char)ascii_tolower((unsigned char)out[i]);
	return true;
bad:
	out[0] = '\0';
	return false;
}
