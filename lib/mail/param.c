/* SPDX-License-Identifier: ISC */
#include "mail/param.h"

#include "mail/charset.h"
#include "mail/word.h"

bool
mail_token_parse(struct str value, struct str *token, struct mail_lex *params)
{
	*params = mail_lex_of(value);
	mail_lex_cfws(params);
	*token = mail_lex_until(params, "()<>@,;:\\\"/[]?=");
	return token->n > 0;
}

bool
mail_ctype_parse(struct str value, struct str *type, struct str *subtype, struct mail_lex *params)
{
	if (!mail_token_parse(value, type, params))
		return false;
	mail_lex_cfws(params);
	if (params->p == params->end || *params->p != '/')
		return false;
	params->p++;
	mail_lex_cfws(params);
	*subtype = mail_lex_until(params, "()<>@,;:\\\"/[]?=");
	return subtype->n > 0;
}

/* To behind the next ';' outside of quotes and comments; false at the end. */
static bool
to_next(struct mail_lex *l)
{
	bool quoted = false;

	while (l->p < l->end) {
		char c = *l->p;

		if (!quoted && c == '(') {
			mail_lex_cfws(l);
			continue;
		}
		l->p += c == '\\' && quoted && l->p + 1 < l->end ? 2 : 1;
		if (c == '"')
			quoted = !quoted;
		if (!quoted && c == ';')
			return true;
	}
	return false;
}

bool
mail_param_next(struct mail_lex *l, struct arena *a, struct mail_param *p)
{
	while (to_next(l)) {
		mail_lex_cfws(l);
		p->name = mail_lex_until(l, "()<>@,;:\\\"/[]?=");
		mail_lex_cfws(l);
		if (p->name.n == 0 || l->p == l->end || *l->p != '=')
			continue;
		l->p++;
		mail_lex_cfws(l);
		if (l->p < l->end && *l->p == '"')
			return mail_lex_quoted(l, a, &p->value);
		p->value = mail_lex_until(l, ";\""); /* more than a token: names with odd bytes */
		return true;
	}
	return false;
}

bool
mail_param_find(struct mail_lex params, struct arena *a, struct str name, struct str *value)
{
	struct mail_param p;

	for (int i = 0; i < MAIL_PARAMS_MAX && mail_param_next(&params, a, &p); i++) {
		if (str_eq_nocase(p.name, name)) {
			*value = p.value;
			return true;
		}
	}
	return false;
}

/* ---- rfc2231 ----------------------------------------------------------------------------------
 */
struct pieces {
	struct str plain;
	bool has_plain;
	struct {
		struct str value;
		bool there, encoded;
	} part[MAIL_PARAMS_MAX];
};

/* suffix: what follows the name: "", "*", "*3", "*3*". */
static void
piece_add(struct pieces *ps, struct str suffix, struct str value)
{
	bool encoded = false;
	uint64_t k = 0;

	if (suffix.n == 0) {
		if (!ps->has_plain)
			ps->plain = value;
		ps->has_plain = true;
		return;
	}
	if (suffix.p[0] != '*')
		return;
	suffix = str_from(suffix.p + 1, suffix.n - 1);
	if (suffix.n == 0) {
		encoded = true;
	} else {
		if (suffix.p[suffix.n - 1] == '*') {
			encoded = true;
			suffix.n--;
		}
		if (!str_u64(suffix, MAIL_PARAMS_MAX - 1, &k))
			return;
	}
	if (ps->part[k].there)
		return;
	ps->part[k].value = value;
	ps->part[k].encoded = encoded;
	ps->part[k].there = true;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)ascii_tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
percent_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
			c = hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]);
			i += 2;
		}
		if (buf_putc(out, c) != 0)
			return BUF_LIMIT;
	}
	return 0;
}

/* Takes "charset'language'" off the first piece. */
static enum mail_charset
charset_take(struct str *s)
{
	enum mail_charset cs;
	struct str rest;
	ptrdiff_t q = str_chr(*s, '\''), q2;

	if (q < 0)
		return MAIL_CHARSET_UNKNOWN;
	cs = mail_charset_find(str_from(s->p, (size_t)q));
	rest = str_from(s->p + q + 1, s->n - (size_t)q - 1);
	if ((q2 = str_chr(rest, '\'')) < 0)
		return MAIL_CHARSET_UNKNOWN;
	*s = str_from(rest.p + q2 + 1, rest.n - (size_t)q2 - 1);
	return cs;
}

static bool
pieces_join(struct pieces *ps, struct buf *out)
{
	enum mail_charset cs = MAIL_CHARSET_UNKNOWN;
	struct buf raw;
	int r = 0;

	buf_init(&raw, buf_room(out));
	if (ps->part[0].encoded)
		cs = charset_take(&ps->part[0].value);
	for (int i = 0; i < MAIL_PARAMS_MAX && ps->part[i].there && r == 0; i++) {
		if (ps->part[i].encoded)
			r = percent_decode(ps->part[i].value, &raw);
		else
			r = buf_put(&raw, ps->part[i].value.p, ps->part[i].value.n);
	}
	if (r == 0 && raw.len > 0)
		r = mail_charset_to_utf8(cs, str_from(buf_data(&raw), raw.len), out);
	buf_free(&raw);
	return r == 0;
}

bool
mail_param_get(struct mail_lex params, struct arena *a, struct str name, struct buf *out)
{
	struct pieces ps;
	struct mail_param p;

	memset(&ps, 0, sizeof(ps));
	for (int i = 0; i < MAIL_PARAMS_MAX && mail_param_next(&params, a, &p); i++)
		if (str_starts_nocase(p.name, name))
			piece_add(&ps, str_from(p.name.p + name.n, p.name.n - name.n), p.value);
	if (ps.part[0].there)
		return pieces_join(&ps, out);
	return ps.has_plain && mail_words_decode(ps.plain, out) == 0;
}
