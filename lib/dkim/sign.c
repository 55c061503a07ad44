/* SPDX-License-Identifier: ISC */
/* Makes signatures (rfc6376:5): the field, and the digest that a key signs elsewhere. */
#include "dkim/parts.h"
#include "mail/decode.h"

enum { FOLD = 74 };

static const char *const watched[] = {
#define X(id, name) name,
	DKIM_WATCHED(X)
#undef X
};

static size_t
count(const struct dkim_message *m, struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < m->fields_n; i++)
		n += str_eq_nocase(m->fields[i].name, name);
	return n;
}

struct line {
	struct buf *out;
	size_t n; /* bytes of the line so far */
};

static int
put_word(struct line *l, const char *word, const char *after)
{
	size_t n = strlen(word) + strlen(after);

	if (l->n + n > FOLD) {
		if (buf_puts(l->out, "\r\n\t") != 0)
			return BUF_LIMIT;
		l->n = 8;
	}
	l->n += n;
	return buf_printf(l->out, "%s%s", word, after);
}

/* Every watched field as often as it is there, and once more. */
static int
put_names(const struct dkim_message *m, struct buf *out)
{
	struct line l = { out, 8 + 3 };

	for (unsigned w = 0; w < DKIM_W_MAX; w++) {
		size_t n = count(m, str_of(watched[w]));

		for (size_t i = 0; i <= n; i++)
			if (put_word(&l, watched[w], i == n && w + 1 == DKIM_W_MAX ? "" : ":") != 0)
				return BUF_LIMIT;
	}
	return 0;
}

static const char *
canon_word(enum dkim_canon c)
{
	return c == DKIM_RELAXED ? "relaxed" : "simple";
}

static const uint8_t *
full_body(const struct dkim_message *m, enum dkim_canon canon)
{
	const struct dkim_body *b = &m->bodies[canon];

	for (size_t i = 0; i < b->hashes_n; i++)
		if (!b->hashes[i]->limited)
			return b->hashes[i]->digest;
	return NULL;
}

static int
put_field(
    const struct dkim_message *m, const struct dkim_sign *s, const uint8_t *body, struct buf *out)
{
	char bh[(DKIM_DIGEST_SIZE + 2) / 3 * 4 + 1];

	bh[mail_base64_encode(body, DKIM_DIGEST_SIZE, bh)] = '\0';
	if (buf_printf(out, "DKIM-Signature: v=1; a=%s; c=%s/%s;\r\n\td=%.*s;\r\n\ts=%.*s; t=%lld;",
		dkim_algorithm_word(s->algorithm), canon_word(s->header_canon),
		canon_word(s->body_canon), STRF(s->domain), STRF(s->selector),
		(long long)s->time) != 0)
		return BUF_LIMIT;
	if (s->expiry > 0 && buf_printf(out, " x=%lld;", (long long)s->expiry) != 0)
		return BUF_LIMIT;
	if (buf_puts(out, "\r\n\th=") != 0 || put_names(m, out) != 0)
		return BUF_LIMIT;
	return buf_printf(out, ";\r\n\tbh=%s;\r\n\tb=", bh);
}

static bool
input_valid(const struct dkim_message *m, const struct dkim_sign *s)
{
	char text[IDN_SIZE];

	return m->ended && !m->too_large && count(m, STR("from")) > 0 &&
	       (s->algorithm == DKIM_RSA_SHA256 || s->algorithm == DKIM_ED25519_SHA256) &&
	       s->time >= 0 && dkim_domain(s->domain, 2, text) &&
	       dkim_domain(s->selector, 1, text) && full_body(m, s->body_canon) != NULL;
}

int
dkim_sign_begin(struct dkim_message *m, const struct dkim_sign *s, struct buf *field,
    uint8_t digest[DKIM_DIGEST_SIZE])
{
	struct mail_field f;
	struct dkim_tags tags;
	struct dkim_hash h;
	size_t off = 0;

	if (!input_valid(m, s))
		return DKIM_ERR_INPUT;
	if (put_field(m, s, full_body(m, s->body_canon), field) != 0)
		return BUF_LIMIT;
	if (!mail_field_next(str_from(buf_data(field), buf_len(field)), &off, &f) ||
	    !dkim_tags_parse(f.value, &tags))
		return DKIM_ERR_INPUT;
	dkim_hash_open(&h);
	dkim_message_fields(m, &h, s->header_canon, dkim_tag_find(&tags, "h")->value, m->fields_n);
	dkim_hash_field(&h, s->header_canon, f.raw, f.name, (struct str){ NULL, 0 }, false);
	dkim_hash_close(&h, digest);
	return 0;
}

int
dkim_sign_finish(struct buf *field, const void *signature, size_t n)
{
	char text[(DKIM_SIGNATURE_MAX + 2) / 3 * 4];
	size_t length, at, take;

	if (n > DKIM_SIGNATURE_MAX)
		return BUF_LIMIT;
	length = mail_base64_encode(signature, n, text);
	for (at = 0; at < length; at += take) {
		take = length - at < 64 ? length - at : 64;
		if ((at > 0 && buf_puts(field, "\r\n\t ") != 0) ||
		    buf_put(field, text + at, take) != 0)
			return BUF_LIMIT;
	}
	return buf_puts(field, "\r\n");
}
