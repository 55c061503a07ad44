/* SPDX-License-Identifier: ISC */
/* Clients from outside give their own full name or address. It is asked at RCPT, so that the log tells whose
 * message it was. */
#include "smtp/helo.h"

#include <arpa/inet.h>

#include "route/refuse.h"
#include "smtpd/session.h"

/* Printers there seldom know their names. */
bool
client_is_inside(const char *client)
{
	struct route_address a = { .n = 4 };

	if (smtp_client_is_loopback(client))
		return true;
	if (inet_pton(AF_INET, client, a.bytes) != 1) {
		a.n = 16;
		if (inet_pton(AF_INET6, client, a.bytes) != 1)
			return false;
	}
	return route_address_refused(&a) != NULL;
}

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

	if (!settings_bool(settings, SET_smtpd_helo_check) || client_is_inside(c->client) ||
	    is_postmaster(rcpt) ||
	    smtp_client_in_list(settings, SET_smtpd_trusted_clients, c->client) ||
	    (why = smtp_helo_check(&facts)) == SMTP_OK)
		return false;
	smtp_conn_refuse_with(c, why, &(struct refusal_args){ .helo = helo, .client = c->client },
	    "rcpt", str_of(address));
	return true;
}
