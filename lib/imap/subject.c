/* SPDX-License-Identifier: ISC */
#include "imap/subject.h"

#include "mail/word.h"

struct cutter {
	struct str s;
	bool reply;
	const char *no_refwd; /* a run of blobs that ends here has no "re:" behind it */
};

static struct str
from(struct str s, size_t n)
{
	return str_from(s.p + n, s.n - n);
}

static struct str
skip_blanks(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = from(s, 1);
	return s;
}

/* Behind a blob "[...]" and the blanks that follow it; p == NULL: there is none. */
static struct str
skip_blob(struct str s)
{
	if (s.n == 0 || s.p[0] != '[')
		return (struct str){ NULL, 0 };
	for (size_t i = 1; i < s.n && s.p[i] != '['; i++)
		if (s.p[i] == ']')
			return skip_blanks(from(s, i + 1));
	return (struct str){ NULL, 0 };
}

/* Behind "re:", "fw:", "fwd:", blanks and a blob before the colon allowed; p == NULL: none. */
static struct str
skip_refwd(struct str s)
{
	struct str blob;

	if (str_starts_nocase(s, STR("fwd")))
		s = from(s, 3);
	else if (str_starts_nocase(s, STR("re")) || str_starts_nocase(s, STR("fw")))
		s = from(s, 2);
	else
		return (struct str){ NULL, 0 };
	s = skip_blanks(s);
	blob = skip_blob(s);
	if (blob.p != NULL)
		s = blob;
	if (s.n == 0 || s.p[0] != ':')
		return (struct str){ NULL, 0 };
	return from(s, 1);
}

/* Step 2: blanks and "(fwd)" at the end. */
static void
cut_trailers(struct cutter *c)
{
	for (;;) {
		if (c->s.n > 0 && (c->s.p[c->s.n - 1] == ' ' || c->s.p[c->s.n - 1] == '\t')) {
			c->s.n--;
		} else if (c->s.n >= 5 && str_eq_nocase(from(c->s, c->s.n - 5), STR("(fwd)"))) {
			c->s.n -= 5;
			c->reply = true;
		} else {
			return;
		}
	}
}

/* Step 3: a blank, or blobs with "re:" behind them. */
static bool
cut_leader(struct cutter *c)
{
	struct str s = c->s, next;

	if (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		c->s = from(s, 1);
		return true;
	}
	/* a run of blobs is walked once: what ends where an earlier look ended, fails as it did */
	if (c->no_refwd != NULL && s.p < c->no_refwd)
		return false;
	while ((next = skip_blob(s)).p != NULL)
		s = next;
	next = skip_refwd(s);
	if (next.p == NULL) {
		c->no_refwd = s.p;
		return false;
	}
	c->s = next;
	c->reply = true;
	return true;
}

/* Step 4: a blob, if something is left behind it. */
static bool
cut_blob(struct cutter *c)
{
	struct str rest = skip_blob(c->s);

	if (rest.p == NULL || rest.n == 0)
		return false;
	c->s = rest;
	return true;
}

/* Step 6: "[fwd: ... ]". */
static bool
cut_forward(struct cutter *c)
{
	if (c->s.n < 6 || !str_starts_nocase(c->s, STR("[fwd:")) || c->s.p[c->s.n - 1] != ']')
		return false;
	c->s = str_from(c->s.p + 5, c->s.n - 6);
	c->reply = true;
	c->no_refwd = NULL;
	return true;
}

/* Tabs and runs of blanks become one space. */
static void
flatten(struct buf *b)
{
	char *p = (char *)b->data + b->off;
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++) {
		bool blank = p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n';

		if (!blank)
			p[n++] = p[i];
		else if (n == 0 || p[n - 1] != ' ')
			p[n++] = ' ';
	}
	b->len = n;
}

struct str
imap_subject_base(struct str value, struct buf *scratch, bool *reply)
{
	struct cutter c = { 0 };

	if (value.n > IMAP_SUBJECT_MAX)
		value.n = IMAP_SUBJECT_MAX;
	buf_clear(scratch);
	*reply = false;
	mail_words_decode(value, scratch);
	if (scratch->len == 0)
		return str_from("", 0);
	flatten(scratch);
	c.s = str_from(buf_data(scratch), scratch->len);
	do {
		cut_trailers(&c);
		while (cut_leader(&c) || cut_blob(&c))
			;
	} while (cut_forward(&c));
	*reply = c.reply;
	return c.s;
}
