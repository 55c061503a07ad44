/* SPDX-License-Identifier: ISC */
/* Clients from outside give their own full name or address. It is asked at RCPT, so that the log tells whose
 * message it was. */
#include "smtp/helo.h"

#include "smtpd/session.h"

/* Who has trouble with the check can say so. */
static bool
is_postmaster(const struct smtp_rcpt *rcpt)
{
	struct str local = address_local(&rcpt->to);

	return str_eq_nocase(local, STR("postmaster")) || str_eq_nocase(local, STR("abuse"));
}

bool
helo_refused(struct session *s, const struct smtp_rcpt *rcpt, const char *address)
{
	struct smtp_conn *c = &s->conn;
	const struct settings *settings = s->d->settings;
	const char *helo = smtp_session_facts(c->engine).helo;
	struct smtp_helo facts = { .helo = helo,
		.client = c->client,
		.ours = { c->host->hostname, settings_text(settings, SET_general_domain) } };
	enum smtp_reply_id why;

	if (!settings_bool(settings, SET_smtpd_helo_check) || !s->client.checked ||
	    is_postmaster(rcpt) ||
	    smtp_client_in_list(settings, SET_smtpd_trusted_clients, c->client) ||
	    (why = smtp_helo_check(&facts)) == SMTP_OK)
		return false;
	smtp_conn_refuse_with(c, why, &(struct refusal_args){ .helo = helo, .client = c->client },
	    "rcpt", str_of(address));
	return true;
}
