/* SPDX-License-Identifier: ISC */
/* Canonical forms of header fields on their way into a hash (rfc6376:3.4.1, 3.4.2). */
#include <stdlib.h>

#include "dkim/parts.h"

void
dkim_hash_open(struct dkim_hash *h)
{
	h->n = 0;
	h->md = EVP_MD_CTX_new();
	if (h->md == NULL || EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) != 1)
		abort();
}

static void
flush(struct dkim_hash *h)
{
	if (h->n > 0)
		EVP_DigestUpdate(h->md, h->stage, h->n);
	h->n = 0;
}

void
dkim_hash_put(struct dkim_hash *h, const void *p, size_t n)
{
	if (n > DKIM_STAGE - h->n)
		flush(h);
	if (n >= DKIM_STAGE) {
		EVP_DigestUpdate(h->md, p, n);
		return;
	}
	if (n > 0)
		memcpy(h->stage + h->n, p, n);
	h->n += n;
}

void
dkim_hash_close(struct dkim_hash *h, uint8_t digest[DKIM_DIGEST_SIZE])
{
	flush(h);
	EVP_DigestFinal_ex(h->md, digest, NULL);
	EVP_MD_CTX_free(h->md);
	h->md = NULL;
}

void
dkim_hash_drop(struct dkim_hash *h)
{
	EVP_MD_CTX_free(h->md);
	h->md = NULL;
}

void
dkim_hash_fork(struct dkim_hash *h, struct dkim_hash *from)
{
	flush(from);
	h->n = 0;
	h->md = EVP_MD_CTX_new();
	if (h->md == NULL || EVP_MD_CTX_copy_ex(h->md, from->md) != 1)
		abort();
}

struct relaxed {
	struct dkim_hash *h;
	bool begun, space;
};

static bool
is_plain(unsigned char c)
{
	return c != ' ' && c != '\t' && c != '\r' && c != '\n';
}

/* Line ends vanish, white space becomes one space, and none at both ends of the value. */
static void
relaxed_put(struct relaxed *r, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t from = i;

		while (i < s.n && is_plain((unsigned char)s.p[i]))
			i++;
		if (i < s.n && s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n'))
			i++; /* a CR alone is an ordinary byte */
		if (i > from) {
			if (r->space && r->begun)
				dkim_hash_put(r->h, " ", 1);
			dkim_hash_put(r->h, s.p + from, i - from);
			r->begun = true;
			r->space = false;
			continue;
		}
		if (s.p[i] == ' ' || s.p[i] == '\t')
			r->space = true;
		i++;
	}
}

static struct str
without_line_end(struct str s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n > 0 && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

/* Cuts what stands before the hole off *s. */
static struct str
before(struct str *s, struct str hole)
{
	struct str head = *s;

	if (hole.p == NULL || hole.p < s->p || hole.p > s->p + s->n) {
		*s = str_from(s->p + s->n, 0);
		return head;
	}
	head.n = (size_t)(hole.p - s->p);
	*s = str_from(hole.p + hole.n, s->n - head.n - hole.n);
	return head;
}

static void
relaxed_field(struct dkim_hash *h, struct str rest, struct str name, struct str hole)
{
	struct relaxed r = { .h = h };
	size_t at = name.n;
	struct str head;

	for (size_t i = 0; i < name.n; i++) {
		char c = (char)ascii_tolower((unsigned char)name.p[i]);

		dkim_hash_put(h, &c, 1);
	}
	dkim_hash_put(h, ":", 1);
	while (at < rest.n && rest.p[at] != ':')
		at++;
	at += at < rest.n;
	rest = str_from(rest.p + at, rest.n - at);
	head = before(&rest, hole);
	relaxed_put(&r, head);
	relaxed_put(&r, rest);
}

void
dkim_hash_field(struct dkim_hash *h, enum dkim_canon canon, struct str raw, struct str name,
    struct str hole, bool end)
{
	struct str rest = without_line_end(raw), head;

	if (canon == DKIM_RELAXED) {
		relaxed_field(h, rest, name, hole);
	} else {
		head = before(&rest, hole);
		dkim_hash_put(h, head.p, head.n);
		dkim_hash_put(h, rest.p, rest.n);
	}
	if (end)
		dkim_hash_put(h, "\r\n", 2);
}
