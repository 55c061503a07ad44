/* SPDX-License-Identifier: ISC */
#include "mail/word.h"

#include "mail/charset.h"
#include "mail/decode.h"
#include "mail/header.h"

struct word {
	enum mail_charset cs;
	struct str name, text;
	bool base64;
	size_t size; /* of the whole word */
};

/* Those that write letters of ASCII for others are no use in a header: programs that do not know them
 * would show another text. ISO-2022-JP is known everywhere, and Japan writes its headers so. */
static enum mail_charset
word_charset(struct str name)
{
	enum mail_charset cs = mail_charset_find(name);

	if (mail_charset_is_stateful(cs) && cs != MAIL_CHARSET_ISO_2022_JP)
		return MAIL_CHARSET_UNKNOWN;
	return cs;
}

static bool
word_at(struct str s, struct word *w)
{
	struct str rest = str_from(s.p + 2, s.n < 2 ? 0 : s.n - 2);
	ptrdiff_t q;

	if (s.n < 8 || s.p[0] != '=' || s.p[1] != '?')
		return false;
	if (rest.n > MAIL_WORD_MAX)
		rest.n = MAIL_WORD_MAX;
	if ((q = str_chr(rest, '?')) <= 0 || (size_t)q + 3 > rest.n || rest.p[q + 2] != '?')
		return false;
	w->name = str_from(rest.p, (size_t)q);
	w->cs = word_charset(w->name);
	w->base64 = ascii_tolower(rest.p[q + 1]) == 'b';
	if (!w->base64 && ascii_tolower(rest.p[q + 1]) != 'q')
		return false;
	rest = str_from(rest.p + q + 3, rest.n - (size_t)q - 3);
	for (size_t i = 0; i + 1 < rest.n; i++) {
		if (rest.p[i] == ' ' || rest.p[i] == '\t')
			return false;
		if (rest.p[i] != '?')
			continue;
		w->text = str_from(rest.p, i);
		w->size = (size_t)(rest.p + i + 2 - s.p);
		return rest.p[i + 1] == '=';
	}
	return false;
}

static size_t
word_bytes(const struct word *w, uint8_t *out)
{
	struct mail_base64 b64 = { 0 };
	struct mail_qp qp = { 0 };
	size_t n;

	if (w->base64) {
		n = mail_base64_decode(&b64, w->text, out);
		return n + mail_base64_end(&b64, out + n);
	}
	n = mail_qp_decode(&qp, w->text, true, out);
	return n + mail_qp_end(&qp, out + n);
}

static size_t
blanks(struct str s)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	return n;
}

/*
 * A run of words of one charset (at s, the first is *w), white space between them dropped: decoded
 * together, since senders cut characters in two; but each word begins in the first state of its charset
 * (rfc2047:3). Returns the bytes used, 0 at the limit of out.
 */
static size_t
run_decode(struct str s, struct word *w, struct buf *raw, struct buf *out)
{
	enum mail_charset cs = w->cs;
	size_t used = 0, next = 0;
	uint8_t *to;

	buf_clear(raw);
	do {
		used = next + w->size;
		if ((to = buf_reserve(raw, w->text.n + 80)) == NULL)
			break;
		buf_commit(raw, word_bytes(w, to));
		next = used + blanks(str_from(s.p + used, s.n - used));
	} while (!mail_charset_is_stateful(cs) && word_at(str_from(s.p + next, s.n - next), w) &&
		 w->cs == cs);
	if (mail_charset_to_utf8(cs, str_from(buf_data(raw), raw->len), out) != 0)
		return 0;
	return used;
}

static int
words_decode(struct str s, struct buf *raw, struct buf *out)
{
	struct word w;
	bool after_word = false;

	while (s.n > 0) {
		size_t n = blanks(s);

		if (n > 0) {
			struct str rest = str_from(s.p + n, s.n - n);

			if (!(after_word && word_at(rest, &w) && w.cs != MAIL_CHARSET_UNKNOWN) &&
			    buf_put(out, s.p, n) != 0)
				return BUF_LIMIT;
		} else if (word_at(s, &w) && w.cs != MAIL_CHARSET_UNKNOWN) {
			if ((n = run_decode(s, &w, raw, out)) == 0)
				return BUF_LIMIT;
			after_word = true;
		} else {
			n = 1;
			while (n < s.n && s.p[n] != '=' && s.p[n] != ' ' && s.p[n] != '\t')
				n++;
			if (buf_put(out, s.p, n) != 0)
				return BUF_LIMIT;
			after_word = false;
		}
		s = str_from(s.p + n, s.n - n);
	}
	return 0;
}

int
mail_words_decode(struct str value, struct buf *out)
{
	struct buf flat, raw;
	int r;

	buf_init(&flat, value.n);
	if (mail_unfold(value, &flat) != 0 || flat.len == 0) {
		buf_free(&flat);
		return 0;
	}
	if (memmem(buf_data(&flat), flat.len, "=?", 2) == NULL) {
		r = buf_put(out, buf_data(&flat), flat.len);
	} else {
		buf_init(&raw, value.n + 80);
		r = words_decode(str_from(buf_data(&flat), flat.len), &raw, out);
		buf_free(&raw);
	}
	buf_free(&flat);
	return r;
}
