/* SPDX-License-Identifier: ISC */
#include "resolver/anchors.h"

#include <string.h>

const char anchors_of_root[] =
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next whole record from *at on, blanks squeezed; false: the end, or too long (*at is < n). */
static bool
next_record(struct str text, size_t *at, char out[ANCHOR_MAX])
{
	size_t o = 0;
	int depth = 0;
	bool comment = false;

	for (; *at < text.n; ++*at) {
		char c = text.p[*at];

		if (c == '\n')
			comment = false;
		if (c == '\n' && depth == 0 && o > 0)
			break;
		if (comment || c == '\0')
			continue;
		if (c == ';') {
			comment = true;
		} else if (c == '(' || c == ')') {
			depth += c == '(' ? 1 : -1;
		} else if (!is_blank(c) || (o > 0 && out[o - 1] != ' ')) {
			if (o + 1 >= ANCHOR_MAX)
				return false;
			out[o++] = is_blank(c) ? ' ' : c;
		}
	}
	out[o] = '\0';
	return o > 0;
}

static bool
is_anchor(const char *record)
{
	return *record != '$' &&
	       (strstr(record, " DS ") != NULL || strstr(record, " DNSKEY ") != NULL);
}

int
anchors_each(struct str text, void (*fn)(void *arg, const char *record), void *arg)
{
	char record[ANCHOR_MAX];
	size_t at = 0;
	int count = 0;

	while (next_record(text, &at, record)) {
		if (!is_anchor(record))
			continue;
		count++;
		fn(arg, record);
	}
	return at < text.n ? -1 : count;
}

struct cover {
	struct str name;
	bool yes;
};

static void
cover_one(void *arg, const char *record)
{
	struct cover *c = arg;
	struct str owner = str_from(record, strcspn(record, " "));

	if (owner.n > 0 && owner.p[owner.n - 1] == '.')
		owner.n--;
	if (owner.n < c->name.n)
		return;
	/* "example.test" ends in "test", behind a dot. */
	if (owner.n > c->name.n && owner.p[owner.n - c->name.n - 1] != '.')
		return;
	owner.p += owner.n - c->name.n;
	owner.n = c->name.n;
	c->yes |= str_eq_nocase(owner, c->name);
}

bool
anchors_cover(struct str text, const char *name)
{
	struct cover c = { str_of(name), false };

	if (c.name.n > 0 && c.name.p[c.name.n - 1] == '.')
		c.name.n--;
	anchors_each(text, cover_one, &c);
	return c.yes;
}
