/* SPDX-License-Identifier: ISC */
/*
 * Text: first line our name, then lines of values up to an empty line, then a header. Oracle: what is
 * written is a well-formed field and is taken for ours; cuts are whole fields in order, and without them
 * nothing of ours is left.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "authres/authres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str
cut(struct str *s, int c)
{
	ptrdiff_t at = str_chr(*s, c);
	struct str head = at < 0 ? *s : str_from(s->p, (size_t)at);

	*s = at < 0 ? str_from(s->p + s->n, 0) : str_from(s->p + at + 1, s->n - (size_t)at - 1);
	return head;
}

/* Lines end with CR LF, those behind the first begin with a tab and have more; no other control
 * characters; quotes and comments are closed. */
static void
check_field(struct str s, bool utf8)
{
	bool quoted = false, comment = false;

	assert(s.n > 2 && s.p[s.n - 2] == '\r' && s.p[s.n - 1] == '\n');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		assert(utf8 || c < 0x80);
		if (c == '\r') {
			assert(s.p[i + 1] == '\n' && !quoted && !comment);
			assert(i + 2 == s.n || (s.p[i + 2] == '\t' && s.p[i + 3] > ' '));
			i += i + 2 == s.n ? 1 : 2;
			continue;
		}
		assert(c >= ' ' && c != 0x7f);
		if (c == '\\')
			i++;
		else if (c == '"' && !comment)
			quoted = !quoted;
		else if (c == '(' && !quoted)
			comment = true;
		else if (c == ')' && !quoted)
			comment = false;
	}
	assert(!quoted && !comment);
}

static void
check_print(struct str id, struct str values, bool utf8)
{
	static struct buf out;
	struct authres_cut cuts[AUTHRES_CUTS_MAX];
	struct authres_result r[4];
	struct str field;
	size_t n = 0;

	for (; n < 4 && values.n > 0; n++)
		r[n] = (struct authres_result){ .method = AUTHRES_SPF,
			.result = "fail",
			.comment = cut(&values, '\n'),
			.reason = cut(&values, '\n'),
			.properties = { { "smtp.mailfrom", cut(&values, '\n') },
			    { "smtp.helo", cut(&values, '\n') } } };
	buf_init(&out, AUTHRES_FIELD_MAX);
	assert(authres_print(&out, id, r, n, utf8) == 0);
	field = str_from(buf_data(&out), buf_len(&out));
	check_field(field, utf8);
	if (authres_foreign(STR("Authentication-Results: plain.test;"), id, cuts) == 1)
		assert(authres_foreign(field, id, cuts) == 1 && cuts[0].begin == 0 &&
		       cuts[0].end == field.n);
	buf_free(&out);
}

static void
check_foreign(struct str id, struct str header)
{
	struct authres_cut cuts[AUTHRES_CUTS_MAX], again[AUTHRES_CUTS_MAX];
	int n = authres_foreign(header, id, cuts);
	char *rest = malloc(header.n + 1);
	size_t from = 0, o = 0;

	assert(n >= AUTHRES_ERR_MANY && n <= AUTHRES_CUTS_MAX);
	for (int i = 0; i < n; i++) {
		assert(cuts[i].begin < cuts[i].end && cuts[i].end <= header.n);
		assert(i == 0 || cuts[i].begin > cuts[i - 1].end);
		assert(cuts[i].begin == 0 || header.p[cuts[i].begin - 1] == '\n');
		memcpy(rest + o, header.p + from, cuts[i].begin - from);
		o += cuts[i].begin - from;
		from = cuts[i].end;
	}
	if (header.n > from)
		memcpy(rest + o, header.p + from, header.n - from);
	o += header.n - from;
	/* What followed a cut at the very start may have been a continued line. */
	if (n >= 0 && o > 0)
		assert(authres_foreign(str_from(rest, o), id, again) == 0);
	free(rest);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_from(data, size), id = cut(&s, '\n'), values = s;
	const char *end = s.n > 0 ? memmem(s.p, s.n, "\n\n", 2) : NULL;

	if (end != NULL) {
		values.n = (size_t)(end - s.p);
		s = str_from(end + 2, s.n - values.n - 2);
	}
	check_print(id, values, false);
	check_print(STR("plain.test"), values, true);
	check_foreign(id, s);
	return 0;
}
