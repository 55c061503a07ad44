/* SPDX-License-Identifier: ISC */
#include "bounce/bounce.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/xalloc.h"
#include "mail/decode.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/param.h"
#include "smtp/field.h"
#include "smtp/limits.h"

enum {
	TYPE_ARENA = 4096, /* for the parameters of one Content-Type */
	QP_MORE = 80,      /* what a decoder of quoted-printable may write beyond its input */
};

const char *
bounce_kind_word(enum bounce_kind kind)
{
	static const char *const words[] = { "none", "null", "delivery", "receipt" };

	return words[kind];
}

/* --- which kind -------------------------------------------------------------------------------- */

/* The report-type of a multipart/report; false: it is none. */
static bool
report_type(struct str header, struct arena *a, struct str *type)
{
	struct str major, minor;
	struct mail_lex params;
	struct mail_field f;

	*type = STR("");
	if (!mail_field_find(header, STR("Content-Type"), &f) ||
	    !mail_ctype_parse(f.value, &major, &minor, &params) ||
	    !str_eq_nocase(major, STR("multipart")) || !str_eq_nocase(minor, STR("report")))
		return false;
	(void)mail_param_find(params, a, STR("report-type"), type);
	return true;
}

static enum bounce_kind
kind_of(struct str header, bool null_sender)
{
	struct arena *a = arena_new(TYPE_ARENA);
	enum bounce_kind kind = null_sender ? BOUNCE_NULL : BOUNCE_NONE;
	struct str type;

	if (report_type(header, a, &type)) {
		if (str_eq_nocase(type, STR("feedback-report")) ||
		    str_eq_nocase(type, STR("tlsrpt")))
			kind = BOUNCE_NONE;
		else if (str_eq_nocase(type, STR("disposition-notification")))
			kind = BOUNCE_RECEIPT;
		else
			kind = BOUNCE_REPORT;
	}
	arena_free(&a);
	return kind;
}

/* --- Message-IDs ------------------------------------------------------------------------------- */

static void
put_id(struct buf *ids, struct str raw)
{
	char id[SMTP_MESSAGE_ID_MAX + 1];
	size_t n;

	smtp_message_id(raw, id);
	n = strlen(id);
	if (n > 0 && buf_len(ids) + n + 1 <= BOUNCE_IDS_MAX)
		(void)buf_put(ids, id, n + 1);
}

/* Some programs leave the brackets out. */
static bool
is_bare_id(struct str s)
{
	return str_chr(s, '@') > 0 && str_chr(s, ' ') < 0 && str_chr(s, '\t') < 0;
}

/* All <words> of a line. first: of a field, which may have its id without brackets. */
static void
ids_of_line(struct str line, bool first, struct buf *ids)
{
	ptrdiff_t open, close;
	bool any = false;

	while ((open = str_chr(line, '<')) >= 0) {
		line = str_from(line.p + open + 1, line.n - (size_t)open - 1);
		if ((close = str_chr(line, '>')) < 0)
			return;
		put_id(ids, str_from(line.p, (size_t)close));
		line = str_from(line.p + close + 1, line.n - (size_t)close - 1);
		any = true;
	}
	if (!any && first && is_bare_id(str_trim(line)))
		put_id(ids, line);
}

/* A field that names a message; own: also one that gives the name of the message it stands in. */
static bool
is_reference(struct str name, bool own)
{
	static const char *const names[] = { "Message-ID", "In-Reply-To", "References",
		"Original-Message-ID", "X-Original-Message-ID" };

	for (size_t i = own ? 0 : 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq_nocase(name, str_of(names[i])))
			return true;
	return false;
}

/* The next line without its end, out of *rest. */
static struct str
next_line(struct str *rest)
{
	ptrdiff_t lf = str_chr(*rest, '\n');
	size_t n = lf < 0 ? rest->n : (size_t)lf, used = lf < 0 ? n : n + 1;
	struct str line = str_from(rest->p, n > 0 && rest->p[n - 1] == '\r' ? n - 1 : n);

	*rest = str_from(rest->p + used, rest->n - used);
	return line;
}

/* Marks of a quotation, as in "> Message-ID: <a@b>", are left out. */
static struct str
unquoted(struct str line)
{
	while (line.n > 0 && (line.p[0] == '>' || line.p[0] == '|')) {
		line = str_from(line.p + 1, line.n - 1);
		if (line.n > 0 && line.p[0] == ' ')
			line = str_from(line.p + 1, line.n - 1);
	}
	return line;
}

/* The name before the colon, without white space around it; n == 0: none. */
static struct str
field_name(struct str line)
{
	ptrdiff_t colon = str_chr(line, ':');

	return colon < 0 ? STR("") : str_trim(str_from(line.p, (size_t)colon));
}

/* Lines that are fields, wherever they stand, with those that continue them. */
static void
scan(struct str text, bool own, struct buf *ids)
{
	bool inside = false;

	while (text.n > 0) {
		struct str line = unquoted(next_line(&text));

		if (is_reference(field_name(line), own)) {
			size_t value = (size_t)str_chr(line, ':') + 1;

			ids_of_line(str_from(line.p + value, line.n - value), true, ids);
			inside = true;
		} else if (inside && line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
			ids_of_line(line, false, ids);
		} else {
			inside = false;
		}
	}
}

/* --- parts ------------------------------------------------------------------------------------- */

static size_t
decode(const struct mime_part *p, struct str body, uint8_t *out)
{
	struct mail_base64 b = { 0 };
	struct mail_qp q = { 0 };
	size_t n;

	if (p->encoding == MIME_ENC_BASE64) {
		n = mail_base64_decode(&b, body, out);
		return n + mail_base64_end(&b, out + n);
	}
	n = mail_qp_decode(&q, body, false, out);
	return n + mail_qp_end(&q, out + n);
}

/* What is encoded cannot be read as it stands: a returned message in base64, for example. */
static void
scan_encoded(struct str message, struct buf *ids)
{
	struct mime_tree tree = { 0 };

	mime_parse(message, &tree);
	for (size_t i = 0; i < tree.count; i++) {
		const struct mime_part *p = &tree.parts[i];
		struct str body = mime_body(message, p);
		uint8_t *out;

		if (p->child != MIME_NO_PART || body.n == 0 ||
		    (p->encoding != MIME_ENC_BASE64 && p->encoding != MIME_ENC_QP))
			continue;
		out = xmalloc(body.n + QP_MORE);
		scan(str_from(out, decode(p, body, out)), true, ids);
		free(out);
	}
	mime_tree_free(&tree);
}

/* --- the observer ------------------------------------------------------------------------------ */

static void
keep(struct bounce *b, struct str run)
{
	size_t room = BOUNCE_LOOK_MAX - buf_len(&b->seen);

	(void)buf_put(&b->seen, run.p, run.n < room ? run.n : room);
}

void
bounce_header(struct bounce *b, struct str header, bool null_sender)
{
	b->kind = kind_of(header, null_sender);
	if (b->kind == BOUNCE_NONE)
		return;
	buf_init(&b->seen, BOUNCE_LOOK_MAX);
	keep(b, header);
	b->header = buf_len(&b->seen);
}

void
bounce_body(struct bounce *b, struct str run)
{
	if (b->kind != BOUNCE_NONE)
		keep(b, run);
}

void
bounce_ids(const struct bounce *b, struct buf *ids)
{
	struct str all;

	if (b->kind == BOUNCE_NONE || buf_len(&b->seen) == 0)
		return;
	all = str_from(buf_data(&b->seen), buf_len(&b->seen));
	scan(str_from(all.p, b->header), false, ids);
	scan(str_from(all.p + b->header, all.n - b->header), true, ids);
	scan_encoded(all, ids);
}

void
bounce_free(struct bounce *b)
{
	if (b->kind != BOUNCE_NONE)
		buf_free(&b->seen);
	*b = (struct bounce){ .kind = BOUNCE_NONE };
}
