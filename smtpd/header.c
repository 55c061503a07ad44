/* SPDX-License-Identifier: ISC */
/*
 * The header waits until it is complete: fields that claim to be our own results (rfc8601:5) are taken out
 * before anything goes to queue. The body passes as it comes.
 */
#include <string.h>

#include "authres/authres.h"
#include "base/log.h"
#include "smtpd/session.h"

void
header_start(struct session *s)
{
	buf_clear(&s->header);
	s->header_over = s->header_too_long = false;
	s->cut = 0;
}

/* Where the header ends, behind the empty line; 0: not yet. from: what was looked at before. */
static size_t
header_length(struct str text, size_t from)
{
	const char *p, *end = text.p + text.n;

	if (text.n >= 2 && memcmp(text.p, "\r\n", 2) == 0)
		return 2;
	p = text.p + (from > 3 ? from - 3 : 0);
	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		if (end - p < 4)
			return 0;
		if (memcmp(p, "\r\n\r\n", 4) == 0)
			return (size_t)(p - text.p) + 4;
		p++;
	}
	return 0;
}

static void
pass_body(struct session *s, struct str run)
{
	reports_body(s, run);
	smtp_conn_content(&s->conn, run);
}

static void
pass_header(struct session *s, size_t length)
{
	struct smtp_conn *c = &s->conn;
	struct str text = str_from(buf_data(&s->header), length);
	struct authres_cut cuts[AUTHRES_CUTS_MAX];
	int n = authres_foreign(text, str_of(c->host->hostname), cuts);
	size_t at = 0;

	reports_header(s, text);
	if (n < 0) {
		s->header_too_long = true;
		return;
	}
	for (int i = 0; i < n; i++) {
		if (cuts[i].begin > at)
			smtp_conn_content(c, str_from(text.p + at, cuts[i].begin - at));
		at = cuts[i].end;
		s->cut += cuts[i].end - cuts[i].begin;
	}
	if (at < text.n)
		smtp_conn_content(c, str_from(text.p + at, text.n - at));
	if (n > 0)
		log_info(c->id, "event=results-removed fields=%d", n);
}

void
header_content(struct session *s, struct str run)
{
	size_t before = buf_len(&s->header), length, take;

	if (s->header_over) {
		if (!s->header_too_long)
			pass_body(s, run);
		return;
	}
	take = run.n < SESSION_HEADER_MAX - before ? run.n : SESSION_HEADER_MAX - before;
	buf_put(&s->header, run.p, take);
	length = header_length(str_from(buf_data(&s->header), buf_len(&s->header)), before);
	if (length == 0) {
		s->header_over = s->header_too_long = before + take == SESSION_HEADER_MAX;
		return;
	}
	s->header_over = true;
	pass_header(s, length);
	if (!s->header_too_long && length - before < run.n)
		pass_body(s, str_from(run.p + (length - before), run.n - (length - before)));
}

enum smtp_reply_id
header_end(struct session *s)
{
	if (!s->header_over) {
		s->header_over = true;
		pass_header(s, buf_len(&s->header));
	}
	return s->header_too_long ? SMTP_HEADER_TOO_LONG : SMTP_OK;
}
