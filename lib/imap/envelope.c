/* SPDX-License-Identifier: ISC */
#include "imap/envelope.h"

#include <string.h>

struct reader {
	const char *p, *end;
	struct arena *a;
	bool bad;
};

static bool
try_bytes(struct reader *r, const char *bytes, size_t n)
{
	if ((size_t)(r->end - r->p) < n || memcmp(r->p, bytes, n) != 0)
		return false;
	r->p += n;
	return true;
}

static void
expect(struct reader *r, char c)
{
	r->bad |= !try_bytes(r, &c, 1);
}

/* Behind the opening quote. */
static struct str
quoted(struct reader *r)
{
	const char *from = r->p;
	bool escaped = false;
	struct str s;
	char *to;

	for (; r->p < r->end && *r->p != '"'; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end) {
			escaped = true;
			r->p++;
		}
	}
	s = str_from(from, (size_t)(r->p - from));
	expect(r, '"');
	if (!escaped || r->bad)
		return s;
	if ((to = arena_alloc(r->a, s.n)) == NULL) {
		r->bad = true;
		return s;
	}
	from = to;
	for (size_t i = 0; i < s.n; i++) {
		i += s.p[i] == '\\' && i + 1 < s.n;
		*to++ = s.p[i];
	}
	return str_from(from, (size_t)(to - from));
}

/* Behind the brace. */
static struct str
literal(struct reader *r)
{
	struct str s = { r->p, 0 };
	size_t n = 0;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9' && n <= (size_t)(r->end - r->p))
		n = 10 * n + (size_t)(*r->p++ - '0');
	r->bad |= !try_bytes(r, "}\r\n", 3) || n > (size_t)(r->end - r->p);
	if (r->bad)
		return s;
	s = str_from(r->p, n);
	r->p += n;
	return s;
}

static struct str
text_get(struct reader *r)
{
	struct str none = { NULL, 0 };

	if (try_bytes(r, "\"", 1))
		return quoted(r);
	if (try_bytes(r, "{", 1))
		return literal(r);
	r->bad |= !try_bytes(r, "NIL", 3);
	return none;
}

/* A list of addresses: the mailbox of the first one. */
static struct str
addresses_get(struct reader *r)
{
	struct str first = { NULL, 0 }, mailbox;

	if (!try_bytes(r, "(", 1))
		return text_get(r);
	for (bool any = false; !r->bad && !try_bytes(r, ")", 1); any = true) {
		expect(r, '(');
		for (int i = 0; i < 4 && !r->bad; i++) {
			struct str s = text_get(r);

			if (i == 2)
				mailbox = s;
			expect(r, i < 3 ? ' ' : ')');
		}
		if (!any && !r->bad)
			first = mailbox;
	}
	return first;
}

bool
imap_envelope_get(struct str text, struct arena *a, struct imap_envelope *out)
{
	struct reader r = { text.p, text.p + text.n, a, false };
	struct str skipped;
	const struct {
		struct str *to;
		bool addresses;
	} fields[] = { { &out->date, false }, { &out->subject, false }, { &out->from, true },
		{ &skipped, true }, { &skipped, true }, { &out->to, true }, { &out->cc, true },
		{ &skipped, true }, { &out->reply, false }, { &out->id, false } };

	*out = (struct imap_envelope){ 0 };
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && !r.bad; i++) {
		expect(&r, i == 0 ? '(' : ' ');
		if (!r.bad)
			*fields[i].to = fields[i].addresses ? addresses_get(&r) : text_get(&r);
	}
	expect(&r, ')');
	return !r.bad && r.p == r.end;
}
