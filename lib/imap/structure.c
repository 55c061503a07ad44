/* SPDX-License-Identifier: ISC */
#include "imap/structure.h"

#include "imap/respond.h"
#include "mail/addrlist.h"
#include "mail/header.h"
#include "mail/param.h"

/* ---- ENVELOPE ---------------------------------------------------------------------------------
 */
enum field {
	F_DATE,
	F_SUBJECT,
	F_FROM,
	F_SENDER,
	F_REPLY_TO,
	F_TO,
	F_CC,
	F_BCC,
	F_REPLY,
	F_ID,
	F_N
};

static const struct str envelope_fields[F_N] = { { "Date", 4 }, { "Subject", 7 }, { "From", 4 },
	{ "Sender", 6 }, { "Reply-To", 8 }, { "To", 2 }, { "Cc", 2 }, { "Bcc", 3 },
	{ "In-Reply-To", 11 }, { "Message-ID", 10 } };

static int
put_nil(struct buf *out)
{
	return buf_put(out, "NIL", 3);
}

/* The value of a field unfolded; p == NULL gives NIL. */
static int
put_text(struct buf *out, struct str value)
{
	struct buf flat;
	int r;

	if (value.p == NULL)
		return put_nil(out);
	if (value.n > IMAP_FIELD_TEXT_MAX)
		value.n = IMAP_FIELD_TEXT_MAX;
	buf_init(&flat, IMAP_FIELD_TEXT_MAX);
	mail_unfold(value, &flat);
	r = imap_put_string(out, str_from(buf_data(&flat), flat.len));
	buf_free(&flat);
	return r;
}

static int
put_nstring(struct buf *out, struct str s)
{
	return s.n > 0 ? imap_put_string(out, s) : put_nil(out);
}

static int
put_address(struct buf *out, const struct mail_addr *m)
{
	int r = buf_putc(out, '(');

	switch (m->kind) {
	case MAIL_ADDR_MAILBOX:
		r |= put_nstring(out, m->name) | buf_putc(out, ' ');
		r |= put_nstring(out, m->route) | buf_putc(out, ' ');
		r |= imap_put_string(out, m->local) | buf_putc(out, ' ');
		r |= imap_put_string(out, m->domain); /* NIL would make it a group */
		break;
	case MAIL_ADDR_GROUP:
		r |= buf_puts(out, "NIL NIL ") | imap_put_string(out, m->name) |
		     buf_puts(out, " NIL");
		break;
	case MAIL_ADDR_GROUP_END:
		r |= buf_puts(out, "NIL NIL NIL NIL");
		break;
	}
	return r | buf_putc(out, ')');
}

static int
put_addresses(struct buf *out, struct str value, struct arena *a)
{
	const struct mail_addr *list = NULL;
	int r;

	if (value.p != NULL) {
		arena_reset(a);
		list = mail_addrlist_parse(value, a);
	}
	if (list == NULL)
		return put_nil(out);
	r = buf_putc(out, '(');
	for (; list != NULL && r == 0; list = list->next)
		r = put_address(out, list);
	return r | buf_putc(out, ')');
}

static void
envelope_read(struct str header, struct str value[static F_N])
{
	struct mail_field f;
	size_t off = 0;

	while (mail_field_next(header, &off, &f)) {
		for (int i = 0; i < F_N && f.name.n > 0; i++) {
			if (value[i].p == NULL && str_eq_nocase(f.name, envelope_fields[i])) {
				value[i] = f.value;
				break;
			}
		}
	}
}

/* rfc3501:7.4.2: an absent or empty Sender or Reply-To is the From. */
static struct str
or_from(struct str value, struct str from, struct arena *a)
{
	if (value.p != NULL) {
		arena_reset(a);
		if (mail_addrlist_parse(value, a) != NULL)
			return value;
	}
	return from;
}

int
imap_put_envelope(struct buf *out, struct str header, struct arena *a)
{
	struct str v[F_N] = { 0 };
	size_t before = out->len;
	int r;

	envelope_read(header, v);
	v[F_SENDER] = or_from(v[F_SENDER], v[F_FROM], a);
	v[F_REPLY_TO] = or_from(v[F_REPLY_TO], v[F_FROM], a);
	r = buf_putc(out, '(');
	for (int i = 0; i < F_N && r == 0; i++) {
		if (i > 0)
			r |= buf_putc(out, ' ');
		r |= i >= F_FROM && i <= F_BCC ? put_addresses(out, v[i], a) : put_text(out, v[i]);
	}
	r |= buf_putc(out, ')');
	if (r != 0)
		out->len = before;
	return r ? BUF_LIMIT : 0;
}

/* ---- BODY, BODYSTRUCTURE ----------------------------------------------------------------------
 */
struct writer {
	struct buf *out;
	struct str msg;
	const struct mime_tree *t;
	unsigned how; /* enum imap_structure */
	struct arena *a;
};

enum mfield { M_ID, M_DESCRIPTION, M_ENCODING, M_MD5, M_DISPOSITION, M_LANGUAGE, M_LOCATION, M_N };

static const struct str mime_fields[M_N] = { { "Content-ID", 10 }, { "Content-Description", 19 },
	{ "Content-Transfer-Encoding", 25 }, { "Content-MD5", 11 }, { "Content-Disposition", 19 },
	{ "Content-Language", 16 }, { "Content-Location", 16 } };

static void
mime_read(struct str header, struct str value[static M_N])
{
	struct mail_field f;
	size_t off = 0;

	while (mail_field_next(header, &off, &f)) {
		if (!str_starts_nocase(f.name, STR("Content-")))
			continue;
		for (int i = 0; i < M_N; i++) {
			if (value[i].p == NULL && str_eq_nocase(f.name, mime_fields[i])) {
				value[i] = f.value;
				break;
			}
		}
	}
}

static int
put_params(struct writer *w, struct mail_lex params)
{
	struct mail_param p;
	int n = 0, r = 0;

	arena_reset(w->a);
	for (; n < MAIL_PARAMS_MAX && mail_param_next(&params, w->a, &p); n++) {
		r |= buf_putc(w->out, n ? ' ' : '(') | imap_put_string(w->out, p.name) |
		     buf_putc(w->out, ' ') | imap_put_string(w->out, p.value);
	}
	return r | (n ? buf_putc(w->out, ')') : put_nil(w->out));
}

static int
put_disposition(struct writer *w, struct str value)
{
	struct mail_lex params;
	struct str token;

	if (value.p == NULL || !mail_token_parse(value, &token, &params))
		return put_nil(w->out);
	return buf_putc(w->out, '(') | imap_put_string(w->out, token) | buf_putc(w->out, ' ') |
	       put_params(w, params) | buf_putc(w->out, ')');
}

/* "de, en" as a list, one as a string. */
static int
put_language(struct writer *w, struct str value)
{
	struct mail_lex l = mail_lex_of(value);
	struct str tag[16];
	size_t n = 0;
	int r = 0;

	while (value.p != NULL && n < 16 && l.p < l.end) {
		mail_lex_cfws(&l);
		tag[n] = mail_lex_until(&l, ",");
		n += tag[n].n > 0;
		mail_lex_cfws(&l);
		if (l.p < l.end && *l.p == ',')
			l.p++;
	}
	if (n == 0)
		return put_nil(w->out);
	if (n == 1)
		return imap_put_string(w->out, tag[0]);
	for (size_t i = 0; i < n; i++)
		r |= buf_putc(w->out, i ? ' ' : '(') | imap_put_string(w->out, tag[i]);
	return r | buf_putc(w->out, ')');
}

/* Body extensions behind md5 or the multipart's parameters. */
static int
put_extension(struct writer *w, const struct str v[static M_N])
{
	return buf_putc(w->out, ' ') | put_disposition(w, v[M_DISPOSITION]) |
	       buf_putc(w->out, ' ') | put_language(w, v[M_LANGUAGE]) | buf_putc(w->out, ' ') |
	       put_text(w->out, v[M_LOCATION]);
}

static int
put_encoding(struct writer *w, struct str value)
{
	struct mail_lex rest;
	struct str token;

	if (value.p == NULL || !mail_token_parse(value, &token, &rest))
		return buf_puts(w->out, "\"7BIT\"");
	return imap_put_string(w->out, token);
}

/* Type, subtype and parameters; what has none or is not readable is what its kind says. */
static int
put_type(struct writer *w, const struct mime_part *p)
{
	struct str type, subtype;
	struct mail_lex params;

	if (p->ctype.n > 0 && mail_ctype_parse(p->ctype, &type, &subtype, &params))
		return imap_put_string(w->out, type) | buf_putc(w->out, ' ') |
		       imap_put_string(w->out, subtype) | buf_putc(w->out, ' ') |
		       put_params(w, params);
	if (p->default_message)
		return buf_puts(w->out, "\"MESSAGE\" \"RFC822\" NIL");
	return buf_puts(w->out, "\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\")");
}

static int put_part(struct writer *w, const struct mime_part *p);

static int
put_multipart(struct writer *w, const struct mime_part *p)
{
	struct str v[M_N] = { 0 }, type, subtype;
	struct mail_lex params;
	int r = 0;

	if (p->child == MIME_NO_PART) /* the grammar wants one */
		r = buf_puts(
		    w->out, "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0)");
	for (int32_t n = p->child; n != MIME_NO_PART && r == 0; n = w->t->parts[n].next)
		r = put_part(w, &w->t->parts[n]);
	if (r != 0 || !mail_ctype_parse(p->ctype, &type, &subtype, &params))
		return BUF_LIMIT;
	r |= buf_putc(w->out, ' ') | imap_put_string(w->out, subtype);
	if (!(w->how & IMAP_STRUCTURE_EXTENDED))
		return r;
	mime_read(mime_header(w->msg, p), v);
	return r | buf_putc(w->out, ' ') | put_params(w, params) | put_extension(w, v);
}

/* Shown with envelope and lines: a message/rfc822 that was looked into. */
static bool
is_rfc822(const struct writer *w, const struct mime_part *p)
{
	struct str type, subtype;
	struct mail_lex params;

	return p->default_message || (mail_ctype_parse(p->ctype, &type, &subtype, &params) &&
					 str_eq_nocase(type, STR("message")) &&
					 (str_eq_nocase(subtype, STR("rfc822")) ||
					     ((w->how & IMAP_STRUCTURE_GLOBAL) &&
						 str_eq_nocase(subtype, STR("global")))));
}

static int
put_single(struct writer *w, const struct mime_part *p)
{
	bool rfc822 = is_rfc822(w, p), whole = rfc822 && p->kind == MIME_MESSAGE;
	struct str v[M_N] = { 0 };
	int r;

	mime_read(mime_header(w->msg, p), v);
	if (rfc822 && !whole) /* not looked into: too deep, or encoded */
		r = buf_puts(w->out, "\"APPLICATION\" \"OCTET-STREAM\" NIL");
	else
		r = put_type(w, p);
	r |= buf_putc(w->out, ' ') | put_text(w->out, v[M_ID]) | buf_putc(w->out, ' ') |
	     put_text(w->out, v[M_DESCRIPTION]) | buf_putc(w->out, ' ') |
	     put_encoding(w, v[M_ENCODING]) | buf_putc(w->out, ' ') |
	     imap_put_u64(w->out, p->end - p->body);
	if (whole) {
		const struct mime_part *inner = &w->t->parts[p->child];

		r |= buf_putc(w->out, ' ') |
		     imap_put_envelope(w->out, mime_header(w->msg, inner), w->a) |
		     buf_putc(w->out, ' ') | put_part(w, inner);
	}
	if (whole || p->kind == MIME_TEXT)
		r |= buf_putc(w->out, ' ') | imap_put_u64(w->out, p->lines);
	if (!(w->how & IMAP_STRUCTURE_EXTENDED))
		return r;
	return r | buf_putc(w->out, ' ') | put_text(w->out, v[M_MD5]) | put_extension(w, v);
}

/* As deep as the tree: at most MIME_DEPTH_MAX. */
static int
put_part(struct writer *w, const struct mime_part *p)
{
	int r = buf_putc(w->out, '(');

	if (r == 0)
		r = p->kind == MIME_MULTIPART ? put_multipart(w, p) : put_single(w, p);
	return r | buf_putc(w->out, ')');
}

int
imap_put_structure(
    struct buf *out, struct str msg, const struct mime_tree *t, unsigned how, struct arena *a)
{
	struct writer w = { out, msg, t, how, a };
	size_t before = out->len;

	if (put_part(&w, &t->parts[0]) == 0)
		return 0;
	out->len = before;
	return BUF_LIMIT;
}
