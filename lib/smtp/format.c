/* SPDX-License-Identifier: ISC */
#include "smtp/format.h"

#include <string.h>

#include "mail/header.h"
#include "smtp/field.h"

static void
refuse(struct smtp_format *f, enum smtp_reply_id why)
{
	if (f->refusal == SMTP_OK)
		f->refusal = why;
}

void
smtp_format_init(struct smtp_format *f, const struct smtp_format_rules *rules)
{
	*f = (struct smtp_format){ .refusal = SMTP_OK, .rules = *rules };
}

/* --- the header -------------------------------------------------------------------------------- */

static void
read_name(struct smtp_format *f, struct str name)
{
	int field = smtp_field(name);

	if (field < 0)
		return;
	if (f->rules.twice && smtp_fields[field].once && (f->once & 1u << field))
		refuse(f, SMTP_HEADER_TWICE);
	f->once |= 1u << field;
	f->has_date |= smtp_fields[field].role == FIELD_DATE;
	f->in_id = smtp_fields[field].role == FIELD_MESSAGE_ID && f->message_id[0] == '\0';
}

/* A line of the header has ended; of one that is longer only the start is here. */
static void
header_line(struct smtp_format *f)
{
	struct str start = str_from(f->start, f->start_n);
	struct mail_field field = { 0 };
	size_t off = 0;

	f->start_n = 0;
	f->header++;
	if (start.n == 0 || (start.n == 1 && start.p[0] == '\r')) {
		f->body = true;
		return;
	}
	if (start.p[0] == ' ' || start.p[0] == '\t') {
		if (f->in_id && f->message_id[0] == '\0')
			smtp_message_id(start, f->message_id);
		if (f->fields == 0 && f->rules.required)
			refuse(f, SMTP_HEADER_BAD);
		return;
	}
	f->in_id = false;
	if (++f->fields > SMTP_FIELDS_MAX)
		refuse(f, SMTP_TOO_MANY_FIELDS);
	if (!mail_field_next(start, &off, &field) || field.name.n == 0 ||
	    field.raw.p[field.name.n] != ':') {
		if (f->rules.required)
			refuse(f, SMTP_HEADER_BAD);
	}
	/* also one with white space before the colon: programs differ in whether it is a field */
	if (field.name.n > 0)
		read_name(f, field.name);
	if (f->in_id)
		smtp_message_id(field.value, f->message_id);
}

/* A piece of a line of the header. */
static void
header_piece(struct smtp_format *f, struct str piece)
{
	size_t room = sizeof(f->start) - f->start_n, n = piece.n < room ? piece.n : room;

	memcpy(f->start + f->start_n, piece.p, n);
	f->start_n += n;
	f->header += piece.n;
	if (f->header > SMTP_HEADER_MAX)
		refuse(f, SMTP_HEADER_TOO_LONG);
	if (f->rules.ascii_header && str_has_8bit(piece))
		refuse(f, SMTP_HEADER_8BIT);
}

/* --- all of it --------------------------------------------------------------------------------- */

/* The length of the current line grows; a CR at its end is not counted against it. */
static void
line_piece(struct smtp_format *f, size_t n)
{
	f->line += n;
	if (f->rules.line > 0 && f->line > f->rules.line + 1)
		f->overlong = true;
}

void
smtp_format_content(struct smtp_format *f, struct str run)
{
	if (f->rules.nul && run.n > 0 && memchr(run.p, '\0', run.n) != NULL)
		f->nul = true;
	while (run.n > 0) {
		const char *lf = memchr(run.p, '\n', run.n);
		size_t n = lf != NULL ? (size_t)(lf - run.p) : run.n;

		line_piece(f, n);
		if (!f->body)
			header_piece(f, str_from(run.p, n));
		if (lf == NULL)
			return;
		if (!f->body)
			header_line(f);
		f->line = 0;
		run = str_from(run.p + n + 1, run.n - n - 1);
	}
}

enum smtp_reply_id
smtp_format_end(struct smtp_format *f)
{
	if (!f->body && f->start_n == 1 && f->start[0] == '\r') {
		if (f->rules.required) /* no empty line: its LF never came */
			refuse(f, SMTP_HEADER_BAD);
	} else if (!f->body && f->start_n > 0) {
		header_line(f);
	}
	if (f->nul)
		refuse(f, SMTP_NUL);
	if (f->overlong)
		refuse(f, SMTP_LONG_LINE);
	if (f->rules.required && !(f->once & 1u << smtp_field(STR("From"))))
		refuse(f, SMTP_FROM_MISSING);
	return f->refusal;
}
