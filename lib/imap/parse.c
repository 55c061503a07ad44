/* SPDX-License-Identifier: ISC */
#include "imap/parse.h"

#include <stdlib.h>

#include "base/bisect.h"
#include "imap/frame.h"
#include "imap/limits.h"
#include "mail/charset.h"
#include "mail/date.h"

void
imap_parse_init(struct imap_parse *p, struct str command, struct arena *a)
{
	*p = (struct imap_parse){ command.p, command.p + command.n, a, NULL, false };
}

bool
imap_parse_fail(struct imap_parse *p, const char *why)
{
	if (p->error == NULL)
		p->error = why;
	return false;
}

bool
imap_parse_at_end(const struct imap_parse *p)
{
	return p->p == p->end;
}

char
imap_parse_peek(const struct imap_parse *p)
{
	return p->p < p->end ? *p->p : '\0';
}

bool
imap_parse_try(struct imap_parse *p, char c)
{
	if (p->p == p->end || *p->p != c)
		return false;
	p->p++;
	return true;
}

bool
imap_parse_char(struct imap_parse *p, char c)
{
	static const struct {
		char c;
		const char *why;
	} texts[] = { { ' ', "Missing argument" }, { '(', "Missing '('" }, { ')', "Missing ')'" },
		{ ']', "Missing ']'" }, { '>', "Missing '>'" } };

	if (imap_parse_try(p, c))
		return true;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].c == c)
			return imap_parse_fail(p, texts[i].why);
	return imap_parse_fail(p, "Syntax error");
}

bool
imap_parse_sp(struct imap_parse *p)
{
	return imap_parse_char(p, ' ');
}

bool
imap_parse_end(struct imap_parse *p)
{
	if (p->p == p->end)
		return true;
	return imap_parse_fail(p, "Unexpected text at the end of the command");
}

/* ---- words ------------------------------------------------------------------------------------
 */
bool
imap_is_atom_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

static bool
run(struct imap_parse *p, const char *also, const char * not, struct str *s)
{
	const char *from = p->p;

	while (p->p < p->end && *p->p != '\0' &&
	       (imap_is_atom_char(*p->p) || strchr(also, *p->p) != NULL) &&
	       strchr(not, *p->p) == NULL)
		p->p++;
	*s = str_from(from, (size_t)(p->p - from));
	return s->n > 0;
}

bool
imap_parse_tag(struct imap_parse *p, struct str *tag)
{
	if (!run(p, "]", "+", tag))
		return imap_parse_fail(p, "Missing or invalid tag");
	return tag->n <= IMAP_TAG_MAX || imap_parse_fail(p, "Tag is too long");
}

bool
imap_parse_atom(struct imap_parse *p, struct str *s)
{
	return run(p, "", "", s) || imap_parse_fail(p, "Missing or invalid argument");
}

static bool
quoted(struct imap_parse *p, struct str *s)
{
	const char *from = ++p->p;
	bool escapes = false;
	char *to;

	for (; p->p < p->end && *p->p != '"'; p->p++) {
		if (*p->p == '\r' || *p->p == '\n' || *p->p == '\0')
			return imap_parse_fail(p, "Invalid character in a quoted string");
		if (*p->p != '\\')
			continue;
		escapes = true;
		if (++p->p == p->end || (*p->p != '"' && *p->p != '\\'))
			return imap_parse_fail(p, "Invalid escape in a quoted string");
	}
	if (p->p == p->end)
		return imap_parse_fail(p, "Quoted string without end");
	*s = str_from(from, (size_t)(p->p++ - from));
	if (p->utf8 && !mail_utf8_is_valid(*s))
		return imap_parse_fail(p, "Quoted string is not UTF-8");
	if (!escapes)
		return true;
	if ((to = arena_alloc(p->a, s->n)) == NULL)
		return imap_parse_fail(p, "Command is too long");
	for (size_t i = s->n = 0; from + i < p->p - 1; i++) {
		i += from[i] == '\\';
		to[s->n++] = from[i];
	}
	s->p = to;
	return true;
}

static bool
literal(struct imap_parse *p, struct str *s)
{
	const char *lf = memchr(p->p, '\n', (size_t)(p->end - p->p));
	size_t line, at;
	uint64_t size;
	bool sync;

	if (lf == NULL)
		return imap_parse_fail(p, "Invalid literal");
	line = (size_t)(lf - p->p);
	if (line > 0 && p->p[line - 1] == '\r')
		line--;
	/* the frame has cut by the same rule; here the announcement must stand alone */
	if (!imap_literal_at_end(str_from(p->p, line), &size, &sync, &at) || at != 0 ||
	    size > (uint64_t)(p->end - lf - 1))
		return imap_parse_fail(p, "Invalid literal");
	*s = str_from(lf + 1, (size_t)size);
	p->p = lf + 1 + size;
	if (s->n > 0 && memchr(s->p, '\0', s->n) != NULL)
		return imap_parse_fail(p, "NUL in a literal");
	return true;
}

bool
imap_parse_string(struct imap_parse *p, struct str *s)
{
	if (imap_parse_peek(p) == '"')
		return quoted(p, s);
	if (imap_parse_peek(p) == '{')
		return literal(p, s);
	return imap_parse_fail(p, "Missing string");
}

bool
imap_parse_astring(struct imap_parse *p, struct str *s)
{
	if (imap_parse_peek(p) == '"' || imap_parse_peek(p) == '{')
		return imap_parse_string(p, s);
	return run(p, "]", "", s) || imap_parse_fail(p, "Missing or invalid argument");
}

bool
imap_parse_nstring(struct imap_parse *p, struct str *s)
{
	if (imap_parse_peek(p) == '"' || imap_parse_peek(p) == '{')
		return imap_parse_string(p, s);
	if (!imap_parse_atom(p, s) || !str_eq_nocase(*s, STR("NIL")))
		return imap_parse_fail(p, "Missing string or NIL");
	*s = (struct str){ NULL, 0 };
	return true;
}

bool
imap_parse_list_pattern(struct imap_parse *p, struct str *s)
{
	if (imap_parse_peek(p) == '"' || imap_parse_peek(p) == '{')
		return imap_parse_string(p, s);
	return run(p, "]%*", "", s) || imap_parse_fail(p, "Missing or invalid pattern");
}

bool
imap_parse_number(struct imap_parse *p, uint64_t max, uint64_t *n)
{
	const char *from = p->p;

	while (p->p < p->end && *p->p >= '0' && *p->p <= '9')
		p->p++;
	if (!str_u64(str_from(from, (size_t)(p->p - from)), max, n))
		return imap_parse_fail(p, "Missing or invalid number");
	return true;
}

bool
imap_parse_date(struct imap_parse *p, int64_t *day)
{
	struct mail_date d;
	struct str s;

	if (!imap_parse_astring(p, &s))
		return false;
	if (!mail_date_parse_imap(s, &d))
		return imap_parse_fail(p, "Invalid date");
	*day = mail_days(d);
	return true;
}

/* ---- sets -------------------------------------------------------------------------------------
 */
static bool
set_number(struct imap_parse *p, uint32_t *n)
{
	uint64_t v;

	*n = 0;
	if (imap_parse_try(p, '*'))
		return true;
	if (!imap_parse_number(p, UINT32_MAX, &v) || v == 0)
		return imap_parse_fail(p, "Invalid set of numbers");
	*n = (uint32_t)v;
	return true;
}

bool
imap_parse_set(struct imap_parse *p, struct imap_set *set)
{
	size_t most = 1;

	*set = (struct imap_set){ .saved = imap_parse_try(p, '$') };
	if (set->saved)
		return true;
	for (const char *q = p->p; q < p->end && *q != ' ' && *q != ')'; q++)
		most += *q == ',';
	if (most > IMAP_SET_RANGES_MAX ||
	    (set->r = arena_alloc(p->a, most * sizeof(set->r[0]))) == NULL)
		return imap_parse_fail(p, "Set of numbers is too long");
	set->n = 0;
	do {
		struct imap_range *r = &set->r[set->n++];

		if (!set_number(p, &r->lo))
			return false;
		r->hi = r->lo;
		if (imap_parse_try(p, ':') && !set_number(p, &r->hi))
			return false;
	} while (imap_parse_try(p, ','));
	return true;
}

bool
imap_set_fill(struct imap_set *set, const uint32_t *uids, size_t n, struct arena *a)
{
	size_t most = 0;

	for (size_t i = 0; i < n; i++)
		most += i == 0 || uids[i] != uids[i - 1] + 1;
	if ((set->r = arena_alloc(a, most * sizeof(set->r[0]) + 1)) == NULL)
		return false;
	set->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && uids[i] == uids[i - 1] + 1)
			set->r[set->n - 1].hi = uids[i];
		else
			set->r[set->n++] = (struct imap_range){ uids[i], uids[i] };
	}
	return true;
}

static int
range_compare(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

void
imap_set_resolve(struct imap_set *set, uint32_t max)
{
	size_t k = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct imap_range *r = &set->r[i], copy;

		copy.lo = r->lo ? r->lo : max;
		copy.hi = r->hi ? r->hi : max;
		r->lo = copy.lo < copy.hi ? copy.lo : copy.hi;
		r->hi = copy.lo < copy.hi ? copy.hi : copy.lo;
	}
	qsort(set->r, set->n, sizeof(set->r[0]), range_compare);
	for (size_t i = 1; i < set->n; i++) {
		struct imap_range *last = &set->r[k], *r = &set->r[i];

		if (r->lo > last->hi && r->lo - last->hi > 1)
			set->r[++k] = *r;
		else if (r->hi > last->hi)
			last->hi = r->hi;
	}
	set->n = set->n ? k + 1 : 0;
}

bool
imap_set_has(const struct imap_set *set, uint32_t n)
{
	size_t at;

	BISECT(at, set->n, i, set->r[i].hi < n);
	return at < set->n && set->r[at].lo <= n;
}
