/* SPDX-License-Identifier: ISC */
/* The form of messages from elsewhere, looked at while they stream to queue. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "smtpd/session.h"

static struct smtp_format_rules
rules_for(const struct session *s)
{
	const struct settings *settings = s->d->settings;
	bool check = settings_bool(settings, SET_smtpd_format_check);

	return (struct smtp_format_rules){ .twice = check,
		.required = check && s->client.checked,
		.nul = settings_bool(settings, SET_smtpd_format_nul),
		.ascii_header = settings_bool(settings, SET_smtpd_format_8bit) &&
				!smtp_session_mail(s->conn.engine)->smtputf8,
		.line = settings_u64(settings, SET_smtpd_max_line) };
}

void
format_content(struct smtp_conn *c, struct str run)
{
	struct session *s = (struct session *)c;

	if (!s->looking) {
		struct smtp_format_rules rules = rules_for(s);

		smtp_format_init(&s->format, &rules);
		s->looking = true;
		s->nesting = xmalloc(sizeof(*s->nesting));
		smtp_nesting_init(s->nesting);
		signatures_begin(s);
	}
	smtp_format_content(&s->format, run);
	smtp_nesting_content(s->nesting, run);
	if (s->format.refusal != SMTP_OK) /* nobody needs the rest */
		return;
	signatures_content(s, run);
	header_content(s, run);
}

void
format_forget(struct session *s)
{
	if (s->nesting != NULL)
		smtp_nesting_free(s->nesting);
	free(s->nesting);
	s->nesting = NULL;
	s->looking = false;
}

bool
format_refused(struct session *s)
{
	struct smtp_conn *c = &s->conn;
	enum smtp_reply_id why;

	if (!s->looking)
		format_content(c, STR(""));
	c->message_id = s->format.message_id;
	why = smtp_format_end(&s->format);
	if (why == SMTP_OK && s->nesting->too_deep)
		why = SMTP_NESTED_TOO_DEEP;
	if (why == SMTP_OK)
		return false;
	s->content++;
	smtp_conn_reset(c); /* queue forgets what it has of it */
	smtp_conn_refuse(c, why, "message", STR(""));
	return true;
}
