/* SPDX-License-Identifier: ISC */
#include "smtp/submitted.h"

#include <stdio.h>

#include "mail/date.h"
#include "mail/header.h"
#include "mail/originator.h"
#include "smtp/field.h"

/* --- fields ------------------------------------------------------------------------------------ */

static void
refuse(struct smtp_submitted *s, enum smtp_reply_id why)
{
	if (s->refusal == SMTP_OK)
		s->refusal = why;
}

/* Its role; counts it. */
static enum smtp_field_role
role_of(struct smtp_submitted *s, struct str name)
{
	int i = smtp_field(name);

	if (i < 0)
		return FIELD_PLAIN;
	if (smtp_fields[i].once) {
		if (s->once & 1u << i)
			refuse(s, SMTP_HEADER_TWICE);
		s->once |= 1u << i;
	}
	return smtp_fields[i].role;
}

/* --- addresses --------------------------------------------------------------------------------- */

static void
found(void *arg, const struct address *a, bool mailbox)
{
	struct smtp_submitted *s = arg;
	char text[ADDRESS_TEXT_SIZE];
	int n = address_print(a, text, sizeof(text));

	(void)mailbox;
	if (n < 0) {
		refuse(s, SMTP_FROM_BAD);
		return;
	}
	for (unsigned i = 0; i < s->senders; i++) {
		if (strcmp(s->sender[i], text) == 0)
			return;
	}
	if (s->senders == SMTP_SUBMITTED_SENDERS_MAX) {
		refuse(s, SMTP_TOO_MANY_SENDERS);
		return;
	}
	memcpy(s->sender[s->senders++], text, (size_t)n + 1);
}

/* The same for From: its first mailbox names the domain of a Message-ID. */
static void
found_from(void *arg, const struct address *a, bool mailbox)
{
	struct smtp_submitted *s = arg;

	if (mailbox && s->domain[0] == '\0') {
		memcpy(s->domain, a->domain, a->domain_n);
		s->domain[a->domain_n] = '\0';
	}
	found(s, a, mailbox);
}

static void
read_originators(struct smtp_submitted *s, enum smtp_field_role role, struct str value)
{
	int n = mail_originators(value, s->flags, role == FIELD_FROM ? found_from : found, s);

	if (n < 1 || (n > 1 && (role == FIELD_SENDER || role == FIELD_RESENT_SENDER)))
		refuse(s, SMTP_FROM_BAD);
	if (role == FIELD_FROM)
		s->from_count = n > 0 ? (unsigned)n : 0;
}

/* --- the header -------------------------------------------------------------------------------- */

/* CR and LF only together, and no NUL: where a line ends is beyond doubt. */
static bool
bytes_are_sound(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || s.p[i] == '\n')
			return false;
		if (s.p[i] != '\r')
			continue;
		if (++i == s.n || s.p[i] != '\n')
			return false;
	}
	return true;
}

static void
take_message_id(struct smtp_submitted *s, struct str value)
{
	s->has_message_id = true;
	smtp_message_id(value, s->message_id);
}

static void
read_field(struct smtp_submitted *s, const struct mail_field *f)
{
	enum smtp_field_role role;

	/* No field, or white space before the colon: skipped by some programs, not by others. */
	if (f->name.n == 0 || f->raw.p[f->name.n] != ':') {
		refuse(s, SMTP_HEADER_BAD);
		return;
	}
	role = role_of(s, f->name);
	if (role == FIELD_DATE)
		s->has_date = true;
	else if (role == FIELD_MESSAGE_ID)
		take_message_id(s, f->value);
	else if (role >= FIELD_FROM)
		read_originators(s, role, f->value);
}

static bool
seen(const struct smtp_submitted *s, enum smtp_field_role role)
{
	for (unsigned i = 0; i < SMTP_FIELDS; i++) {
		if (smtp_fields[i].role == role)
			return (s->once & 1u << i) != 0;
	}
	return false;
}

/* All of the header is there. */
static void
finish(struct smtp_submitted *s)
{
	struct str header = str_from(buf_data(&s->header), buf_len(&s->header));
	struct mail_field f;
	size_t off = 0;

	s->over = true;
	if (!bytes_are_sound(header))
		refuse(s, SMTP_HEADER_BAD);
	while (s->refusal == SMTP_OK && mail_field_next(header, &off, &f))
		read_field(s, &f);
	if (!seen(s, FIELD_FROM))
		refuse(s, SMTP_FROM_MISSING);
	if (s->from_count > 1 && !seen(s, FIELD_SENDER))
		refuse(s, SMTP_SENDER_MISSING); /* rfc5322:3.6.2 */
	buf_free(&s->header);
}

/* Where the header ends in the bytes so far, looked for from `from` on: the place behind the empty
 * line, or 0. */
static size_t
find_end(struct str s, size_t from)
{
	const char *at;

	if (s.n >= 2 && memcmp(s.p, "\r\n", 2) == 0)
		return 2;
	from = from > 3 ? from - 3 : 0;
	if (s.n == 0 || (at = memmem(s.p + from, s.n - from, "\r\n\r\n", 4)) == NULL)
		return 0;
	return (size_t)(at - s.p) + 4;
}

void
smtp_submitted_init(struct smtp_submitted *s, bool smtputf8)
{
	*s = (struct smtp_submitted){ .refusal = SMTP_OK, .flags = smtputf8 ? ADDRESS_UTF8 : 0 };
	buf_init(&s->header, SMTP_SUBMITTED_HEADER_MAX);
}

void
smtp_submitted_free(struct smtp_submitted *s)
{
	buf_free(&s->header);
}

bool
smtp_submitted_content(struct smtp_submitted *s, struct str run)
{
	size_t had = buf_len(&s->header), room = buf_room(&s->header), end;

	if (s->over)
		return false;
	buf_put(&s->header, run.p, run.n < room ? run.n : room);
	end = find_end(str_from(buf_data(&s->header), buf_len(&s->header)), had);
	if (end == 0 && run.n <= room)
		return false;
	if (end == 0) {
		refuse(s, SMTP_HEADER_TOO_LONG);
		end = buf_len(&s->header);
	}
	s->header.len = end;
	finish(s);
	return true;
}

bool
smtp_submitted_end(struct smtp_submitted *s)
{
	if (s->over)
		return false;
	finish(s);
	return true;
}

int
smtp_submitted_complete(
    const struct smtp_submitted *s, struct buf *out, int64_t seconds, const char *unique)
{
	char date[MAIL_RFC5322_TIME_SIZE];
	int error = 0;

	mail_time_format_rfc5322((struct mail_time){ .seconds = seconds }, date);
	if (!s->has_date)
		error |= buf_printf(out, "Date: %s\r\n", date);
	if (!s->has_message_id)
		error |= buf_printf(out, "Message-ID: <%s@%s>\r\n", unique, s->domain);
	return error != 0 ? BUF_LIMIT : 0;
}

void
smtp_submitted_id(const struct smtp_submitted *s, const char *unique, char *out)
{
	char made[ADDRESS_DOMAIN_MAX + SMTP_MESSAGE_ID_MAX];
	int n;

	if (s->has_message_id) {
		snprintf(out, SMTP_MESSAGE_ID_MAX + 1, "%s", s->message_id);
		return;
	}
	n = snprintf(made, sizeof(made), "%.*s@%s", SMTP_MESSAGE_ID_MAX / 2, unique, s->domain);
	smtp_message_id(str_from(made, (size_t)n), out);
}
