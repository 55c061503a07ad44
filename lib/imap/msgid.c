/* SPDX-License-Identifier: ISC */
#include "imap/msgid.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct id {
	char *out;
	size_t n;
	bool at, fits;
};

static void
put(struct id *id, char c)
{
	if (id->n < IMAP_MSGID_MAX)
		id->out[id->n++] = c;
	else
		id->fits = false;
}

/* What stands in quotes, from behind the first one; returns the place behind the last one. */
static size_t
quoted(struct str s, size_t i, struct id *id)
{
	while (i < s.n && s.p[i] != '"') {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		put(id, s.p[i++]);
	}
	return i < s.n ? i + 1 : i;
}

/* From behind '<'; returns the place where it ends. *ok: with '>', and there is an '@' inside. */
static size_t
bracketed(struct str s, size_t i, struct id *id, bool *ok)
{
	size_t left;

	*ok = false;
	while (i < s.n && s.p[i] != '<') {
		char c = s.p[i++];

		if (c == '>') {
			left = id->n;
			*ok = id->at && id->fits && left > 1 && id->out[0] != '@' &&
			      id->out[left - 1] != '@';
			return i;
		}
		if (c == '"') {
			i = quoted(s, i, id);
		} else if (!is_blank(c)) {
			id->at |= c == '@';
			put(id, c);
		}
	}
	return i;
}

size_t
imap_msgid_next(struct str *value, char out[static IMAP_MSGID_MAX])
{
	struct str s = *value;
	size_t i = 0;
	bool ok = false;

	while (i < s.n) {
		struct id id = { out, 0, false, true };

		if (s.p[i++] != '<')
			continue;
		i = bracketed(s, i, &id, &ok);
		if (ok) {
			*value = str_from(s.p + i, s.n - i);
			return id.n;
		}
	}
	*value = str_from(s.p + s.n, 0);
	return 0;
}
