/* SPDX-License-Identifier: ISC */
#include "imap/text.h"

#include "imap/part.h"
#include "mail/header.h"
#include "mail/word.h"

void
imap_text_init(struct imap_text *t)
{
	*t = (struct imap_text){ 0 };
	buf_init(&t->raw, IMAP_TEXT_MAX);
	buf_init(&t->utf8, IMAP_TEXT_MAX);
	buf_init(&t->out, IMAP_TEXT_MAX);
}

void
imap_text_free(struct imap_text *t)
{
	buf_free(&t->raw);
	buf_free(&t->utf8);
	buf_free(&t->out);
}

static void
shrink(struct buf *b)
{
	buf_clear(b);
	if (b->cap > IMAP_TEXT_KEEP)
		buf_free(b);
}

void
imap_text_begin(struct imap_text *t, struct str msg, const struct mime_tree *tree, size_t overlap)
{
	t->msg = msg;
	t->tree = tree;
	t->overlap = overlap;
	t->part = 0;
	t->in_body = t->begun = false;
	shrink(&t->raw);
	shrink(&t->utf8);
	shrink(&t->out);
}

void
imap_text_field(struct str value, struct buf *out)
{
	if (value.n > IMAP_TEXT_FIELD_MAX)
		value.n = IMAP_TEXT_FIELD_MAX;
	mail_words_decode(value, out);
}

/* ---- one text: a header, or the body of a text part --------------------------------------------
 */
static void
unit_begin(struct imap_text *t)
{
	const struct mime_part *p = &t->tree->parts[t->part];

	t->begun = true;
	t->at = t->in_body ? p->body : p->header;
	t->end = t->in_body ? p->end : p->body;
	if (t->in_body && p->kind != MIME_TEXT)
		t->at = t->end;
	t->base64 = (struct mail_base64){ 0 };
	t->qp = (struct mail_qp){ 0 };
	t->charset = (struct mail_charset_state){ .cs = MAIL_CHARSET_UTF8 };
	if (t->in_body && t->at < t->end)
		t->charset.cs = imap_part_charset(p);
	buf_clear(&t->raw);
	buf_clear(&t->out);
}

static void
unit_next(struct imap_text *t)
{
	t->begun = false;
	t->part += t->in_body;
	t->in_body = !t->in_body;
}

/* "Name: value" line by line, until it is enough. */
static void
header_fill(struct imap_text *t)
{
	struct str header = str_from(t->msg.p, t->end);
	size_t begin = t->at;
	struct mail_field f;

	buf_clear(&t->utf8);
	while (t->at - begin < IMAP_TEXT_CHUNK && mail_field_next(header, &t->at, &f)) {
		buf_put(&t->utf8, f.name.p, f.name.n);
		buf_puts(&t->utf8, ": ");
		imap_text_field(f.value, &t->utf8);
		buf_puts(&t->utf8, "\r\n");
	}
	if (t->at == begin) /* cannot be: the empty line is the header's last */
		t->at = t->end;
	mail_fold(str_from(buf_data(&t->utf8), t->utf8.len), &t->out);
}

/* Takes a chunk off its transfer encoding, to the end of raw. */
static void
raw_fill(struct imap_text *t, enum mime_encoding enc)
{
	size_t n = t->end - t->at < IMAP_TEXT_CHUNK ? t->end - t->at : IMAP_TEXT_CHUNK, got;
	struct str in = str_from(t->msg.p + t->at, n);
	uint8_t *to = buf_reserve(&t->raw, n + 2 * sizeof(t->qp.held));

	t->at += n;
	if (enc == MIME_ENC_BASE64) {
		got = mail_base64_decode(&t->base64, in, to);
		got += t->at == t->end ? mail_base64_end(&t->base64, to + got) : 0;
	} else if (enc == MIME_ENC_QP) {
		got = mail_qp_decode(&t->qp, in, false, to);
		got += t->at == t->end ? mail_qp_end(&t->qp, to + got) : 0;
	} else {
		memcpy(to, in.p, n);
		got = n;
	}
	buf_commit(&t->raw, got);
}

/* What cannot be converted yet, half a character, stays in raw. */
static void
body_fill(struct imap_text *t)
{
	struct str raw;
	ptrdiff_t used;
	bool last;

	raw_fill(t, t->tree->parts[t->part].encoding);
	last = t->at == t->end;
	raw = str_from(buf_data(&t->raw), t->raw.len);
	if (t->charset.cs == MAIL_CHARSET_UNKNOWN || t->charset.cs == MAIL_CHARSET_UTF8) {
		raw.n = last ? raw.n : mail_utf8_whole(raw);
		mail_fold(raw, &t->out);
	} else {
		buf_clear(&t->utf8);
		used = mail_charset_decode(&t->charset, raw, last, &t->utf8);
		raw.n = used < 0 ? raw.n : (size_t)used;
		mail_fold(str_from(buf_data(&t->utf8), t->utf8.len), &t->out);
	}
	buf_drain(&t->raw, raw.n);
}

bool
imap_text_next(struct imap_text *t, struct imap_text_piece *piece)
{
	while (t->part < t->tree->count) {
		if (!t->begun)
			unit_begin(t);
		if (t->at < t->end) {
			if (t->out.len > t->overlap)
				buf_drain(&t->out, t->out.len - t->overlap);
			if (t->in_body)
				body_fill(t);
			else
				header_fill(t);
			piece->text = str_from(buf_data(&t->out), t->out.len);
			piece->main_header = t->part == 0 && !t->in_body;
			return true;
		}
		unit_next(t);
	}
	return false;
}
