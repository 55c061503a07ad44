/* SPDX-License-Identifier: ISC */
#include "mail/address.h"

#include <arpa/inet.h>
#include <string.h>

/* A reading place in the input. */
struct cursor {
	const char *p, *end;
	unsigned flags;
};

static bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* rfc5322:3.2.3 atext */
static bool
is_atext(unsigned char c)
{
	return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Length of the UTF-8 character at p, 0 when it is not one. rfc3629:4 */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	unsigned char low = 0x80, high = 0xbf;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
address_utf8_valid(struct str s)
{
	for (size_t i = 0, len; i < s.n; i += len)
		if ((len = utf8_length((const unsigned char *)s.p + i, s.n - i)) == 0)
			return false;
	return true;
}

/* One non-ASCII character at the cursor: its length or an error. C1 controls are no letters. */
static int
take_utf8(const struct cursor *c)
{
	const unsigned char *p = (const unsigned char *)c->p;
	size_t len = utf8_length(p, (size_t)(c->end - c->p));

	if (!(c->flags & ADDRESS_UTF8) || len == 0)
		return ADDRESS_ERR_8BIT;
	if (p[0] == 0xc2 && p[1] < 0xa0)
		return ADDRESS_ERR_SYNTAX;
	return (int)len;
}

static int
put_local(struct address *a, const char *p, size_t n)
{
	if (n > (size_t)(ADDRESS_LOCAL_MAX - a->local_n))
		return ADDRESS_ERR_LONG;
	memcpy(a->local + a->local_n, p, n);
	a->local_n += (unsigned char)n;
	return 1;
}

/* Quoted-string of rfc5321:4.1.2; the cursor stands on the opening quote. */
static int
parse_quoted(struct cursor *c, struct address *a)
{
	for (c->p++; c->p < c->end && *c->p != '"';) {
		int n = 1, r;

		if (*c->p == '\\') {
			if (++c->p == c->end || (unsigned char)*c->p >= 0x80)
				return ADDRESS_ERR_SYNTAX;
		}
		if ((unsigned char)*c->p >= 0x80) {
			if ((n = take_utf8(c)) < 0)
				return n;
			a->utf8 = true;
		} else if (*c->p < ' ' || *c->p == 0x7f) {
			return ADDRESS_ERR_SYNTAX;
		}
		if ((r = put_local(a, c->p, (size_t)n)) < 0)
			return r;
		c->p += n;
	}
	if (c->p == c->end)
		return ADDRESS_ERR_SYNTAX;
	c->p++;
	return 1;
}

/* Dot-string of rfc5321:4.1.2 */
static int
parse_dot_string(struct cursor *c, struct address *a)
{
	bool atom = false;

	for (; c->p < c->end; atom = *(c->p - 1) != '.') {
		int n = 1, r;

		if ((unsigned char)*c->p >= 0x80) {
			if ((n = take_utf8(c)) < 0)
				return n;
			a->utf8 = true;
		} else if (*c->p == '.' ? !atom : !is_atext((unsigned char)*c->p)) {
			break;
		}
		if ((r = put_local(a, c->p, (size_t)n)) < 0)
			return r;
		c->p += n;
	}
	return atom ? 1 : ADDRESS_ERR_SYNTAX;
}

static int
parse_local(struct cursor *c, struct address *a)
{
	const char *start = c->p;
	int r;

	if (c->p < c->end && *c->p == '"')
		r = parse_quoted(c, a);
	else
		r = parse_dot_string(c, a);
	if (r > 0 && c->p - start > ADDRESS_LOCAL_MAX)
		return ADDRESS_ERR_LONG;
	return r;
}

/* Domain labels up to the first byte that cannot be part of one; writes the normal form. */
static int
parse_domain(struct cursor *c, char *out, bool *utf8)
{
	size_t n = 0, label = 0;

	for (; c->p < c->end; c->p++) {
		unsigned char ch = (unsigned char)*c->p;
		int len = 1;

		if (ch >= 0x80) {
			if ((len = take_utf8(c)) < 0)
				return len;
			*utf8 = true;
		} else if (ch == '.') {
			if (label == 0 || out[n - 1] == '-')
				return ADDRESS_ERR_SYNTAX;
		} else if (ch == '-') {
			if (label == 0)
				return ADDRESS_ERR_SYNTAX;
		} else if (!is_alnum(ch) && ch != '_') {
			break;
		}
		label = ch == '.' ? 0 : label + (size_t)len;
		if (n + (size_t)len > ADDRESS_DOMAIN_MAX || label > ADDRESS_LABEL_MAX)
			return ADDRESS_ERR_LONG;
		for (int i = 0; i < len; i++)
			out[n++] = (char)ascii_tolower((unsigned char)c->p[i]);
		c->p += len - 1;
	}
	if (label == 0 || out[n - 1] == '-')
		return ADDRESS_ERR_SYNTAX;
	return (int)n;
}

int
address_parse_domain(struct str in, unsigned flags, char *out)
{
	struct cursor c = { in.p, in.p + in.n, flags };
	bool utf8 = false;
	int n = parse_domain(&c, out, &utf8);

	return n > 0 && c.p != c.end ? ADDRESS_ERR_SYNTAX : n;
}

int
address_parse_literal(struct str in, char *out)
{
	static const struct str tag = STR("[IPv6:");
	char text[INET6_ADDRSTRLEN + 1];
	unsigned char addr[16];
	bool v6 = str_starts_nocase(in, tag);
	size_t skip = v6 ? tag.n : 1, n;

	if (in.n < skip + 2 || in.p[0] != '[' || in.p[in.n - 1] != ']' ||
	    in.n - skip - 1 >= sizeof(text) || memchr(in.p, '\0', in.n) != NULL)
		return ADDRESS_ERR_SYNTAX;
	memcpy(text, in.p + skip, in.n - skip - 1);
	text[in.n - skip - 1] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, addr) != 1)
		return ADDRESS_ERR_SYNTAX;
	inet_ntop(v6 ? AF_INET6 : AF_INET, addr, text, sizeof(text));
	n = strlen(text);
	memcpy(out, tag.p, skip);
	memcpy(out + skip, text, n);
	out[skip + n] = ']';
	return (int)(skip + n + 1);
}

static int
parse_at_domain(struct cursor *c, struct address *a)
{
	int n;

	if (c->p < c->end && *c->p == '[') {
		const char *close = memchr(c->p, ']', (size_t)(c->end - c->p));

		if (close == NULL)
			return ADDRESS_ERR_SYNTAX;
		n = address_parse_literal(str_from(c->p, (size_t)(close + 1 - c->p)), a->domain);
		a->literal = true;
		c->p = close + 1;
	} else {
		n = parse_domain(c, a->domain, &a->utf8);
	}
	if (n < 0)
		return n;
	a->domain_n = (unsigned char)n;
	return 1;
}

static int
parse_mailbox(struct cursor *c, struct address *a)
{
	int r = parse_local(c, a);

	if (r < 0)
		return r;
	if (c->p == c->end || *c->p != '@') {
		if ((c->flags & ADDRESS_POSTMASTER) &&
		    str_eq_nocase(address_local(a), STR("postmaster")))
			return 1;
		return ADDRESS_ERR_SYNTAX;
	}
	c->p++;
	return parse_at_domain(c, a);
}

/* "@a,@b:" before the mailbox: checked, then forgotten (rfc5321:4.1.1.3, appendix C). */
static int
skip_source_route(struct cursor *c)
{
	char scratch[ADDRESS_DOMAIN_MAX];
	bool utf8;
	int n;

	if (c->p == c->end || *c->p != '@')
		return 1;
	for (;;) {
		if (c->p == c->end || *c->p++ != '@')
			return ADDRESS_ERR_SYNTAX;
		if ((n = parse_domain(c, scratch, &utf8)) < 0)
			return n;
		if (c->p == c->end)
			return ADDRESS_ERR_SYNTAX;
		if (*c->p == ':')
			break;
		if (*c->p++ != ',')
			return ADDRESS_ERR_SYNTAX;
	}
	c->p++;
	return 1;
}

int
address_parse_path(struct str in, unsigned flags, struct address *out, size_t *used)
{
	struct cursor c;
	int r;

	memset(out, 0, sizeof(*out));
	if (in.n < 2 || in.p[0] != '<')
		return ADDRESS_ERR_SYNTAX;
	c = (struct cursor){ in.p + 1, in.p + in.n, flags };
	if (*c.p == '>' && (flags & ADDRESS_NULL)) {
		*used = 2;
		return 1;
	}
	if ((r = skip_source_route(&c)) < 0 || (r = parse_mailbox(&c, out)) < 0)
		return r;
	if (c.p == c.end || *c.p != '>')
		return ADDRESS_ERR_SYNTAX;
	*used = (size_t)(c.p + 1 - in.p);
	return *used > ADDRESS_PATH_MAX ? ADDRESS_ERR_LONG : 1;
}

int
address_parse_mailbox(struct str in, unsigned flags, struct address *out)
{
	struct cursor c = { in.p, in.p + in.n, flags };
	int r;

	memset(out, 0, sizeof(*out));
	if (in.n == 0)
		return (flags & ADDRESS_NULL) ? 1 : ADDRESS_ERR_SYNTAX;
	if ((r = parse_mailbox(&c, out)) < 0)
		return r;
	if (c.p != c.end)
		return ADDRESS_ERR_SYNTAX;
	return in.n > ADDRESS_PATH_MAX - 2 ? ADDRESS_ERR_LONG : 1;
}

static bool
needs_quotes(const struct address *a)
{
	bool atom = false;

	for (size_t i = 0; i < a->local_n; i++) {
		unsigned char ch = (unsigned char)a->local[i];

		if (ch == '.' ? !atom : (ch < 0x80 && !is_atext(ch)))
			return true;
		atom = ch != '.';
	}
	return !atom;
}

int
address_print(const struct address *a, char *out, size_t outsize)
{
	bool quote = !address_is_null(a) && needs_quotes(a);
	char text[2 * ADDRESS_LOCAL_MAX + 3 + ADDRESS_DOMAIN_MAX];
	size_t n = 0;

	if (quote)
		text[n++] = '"';
	for (size_t i = 0; i < a->local_n; i++) {
		if (a->local[i] == '"' || a->local[i] == '\\')
			text[n++] = '\\';
		text[n++] = a->local[i];
	}
	if (quote)
		text[n++] = '"';
	if (a->domain_n > 0) {
		text[n++] = '@';
		memcpy(text + n, a->domain, a->domain_n);
		n += a->domain_n;
	}
	if (n >= outsize)
		return ADDRESS_ERR_SPACE;
	memcpy(out, text, n);
	out[n] = '\0';
	return (int)n;
}

bool
address_equal(const struct address *a, const struct address *b)
{
	return str_eq(address_local(a), address_local(b)) &&
	       str_eq(address_domain(a), address_domain(b));
}

bool
address_split_detail(const struct address *a, struct str *user, struct str *detail)
{
	struct str local = address_local(a);
	ptrdiff_t plus = str_chr(local, '+');

	*user = local;
	*detail = str_from(local.p + local.n, 0);
	if (plus <= 0)
		return false;
	user->n = (size_t)plus;
	*detail = str_from(local.p + plus + 1, local.n - (size_t)plus - 1);
	return true;
}
