/* SPDX-License-Identifier: ISC */
/*
 * Bounces, delivery reports and read receipts from outside: do they speak of a message that we sent?
 * reputation knows our Message-IDs. What speaks of none is marked in its header, or refused, by setting;
 * nobody is refused while the memory does not reach back far enough, or when reputation is away.
 */
#include <string.h>
#include <time.h>

#include "authres/authres.h"
#include "base/log.h"
#include "smtpd/session.h"

/* A report may come as long as a message may be under way: servers give up after five days, and people
 * read their mail after their holidays. */
enum { REPORTS_MEMORY_S = 30 * 86400 };

void
reports_header(struct session *s, struct str header)
{
	struct smtp_conn *c = &s->conn;

	bounce_free(&s->report.seen);
	if (s->client.checked &&
	    settings_u64(s->d->settings, SET_smtpd_foreign_reports) != SMTPD_REPORTS_OFF)
		bounce_header(
		    &s->report.seen, header, smtp_session_mail(c->engine)->from.domain_n == 0);
}

void
reports_body(struct session *s, struct str run)
{
	bounce_body(&s->report.seen, run);
}

void
reports_forget(struct session *s)
{
	reputation_forget(&s->report.question);
	bounce_free(&s->report.seen);
	s->report.foreign = false;
}

/* A bounce of mail that was forwarded comes to an address that accounts made for this message, and has
 * found right: the message was somebody else's. */
static bool
is_forwarded(const struct smtp_recipient *r)
{
	return r->elsewhere && (str_starts_nocase(r->address, STR("SRS0")) ||
				   str_starts_nocase(r->address, STR("SRS1")));
}

/* Of the recipients none must be spared: the message is refused for all of them. */
static bool
may_refuse(const struct session *s, uint64_t since)
{
	const struct smtp_recipient *r;
	uint64_t now = (uint64_t)time(NULL);

	if (settings_u64(s->d->settings, SET_smtpd_foreign_reports) != SMTPD_REPORTS_REFUSE ||
	    since > now || now - since < REPORTS_MEMORY_S)
		return false;
	STAILQ_FOREACH(r, &s->conn.envelope, entry)
		if (checks_spares(r))
			return false;
	return true;
}

static void
refuse(struct session *s)
{
	struct smtp_conn *c = &s->conn;

	smtp_conn_reset(c); /* queue forgets what it has of it */
	smtp_conn_refuse(c, SMTP_FOREIGN_REPORT, "message", STR(""));
}

static void
on_sent(void *arg, enum reputation_known known, uint64_t since)
{
	static const char *const words[] = { "yes", "no", "unknown" };
	struct session *s = arg;
	struct smtp_conn *c = &s->conn;
	bool refused = known == REPUTATION_NO && may_refuse(s, since);

	s->report.question = NULL;
	s->report.foreign = known == REPUTATION_NO;
	c->holds = false;
	log_info(c->id, "event=report kind=%s ours=%s%s", bounce_kind_word(s->report.seen.kind),
	    words[known],
	    !s->report.foreign ? ""
	    : refused          ? " foreign=refused"
			       : " foreign=marked");
	if (refused)
		refuse(s);
	else
		smtp_conn_commit(c);
	smtp_conn_pump(c);
}

static bool
must_ask(const struct session *s)
{
	const struct smtp_recipient *r;

	if (s->report.seen.kind == BOUNCE_NONE)
		return false;
	STAILQ_FOREACH(r, &s->conn.envelope, entry)
		if (is_forwarded(r))
			return false;
	return true;
}

bool
reports_ask(struct session *s)
{
	struct buf ids;

	if (!must_ask(s))
		return false;
	buf_init(&ids, REPUTATION_IDS_MAX);
	bounce_ids(&s->report.seen, &ids);
	s->report.question = reputation_ask_sent(
	    s->d->reputation, str_from(buf_data(&ids), buf_len(&ids)), on_sent, s);
	buf_free(&ids);
	s->conn.holds = true;
	return true;
}

void
reports_print(const struct session *s, struct buf *out)
{
	if (s->report.foreign)
		(void)buf_puts(out,
		    AUTHRES_REPORT_FIELD ": foreign (speaks of no message sent from here)\r\n");
}
