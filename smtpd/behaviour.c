/* SPDX-License-Identifier: ISC */
/* What clients do and did: who gets a session, who waits, and what reputation is told. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "smtpd/session.h"

/* How the engine ended a session, as an offence; -1: it is none. */
static const int close_offence[] = {
	[SMTP_CLOSE_QUIT] = -1,
	[SMTP_CLOSE_ERRORS] = OFFENCE_ERRORS,
	[SMTP_CLOSE_SYNTAX] = OFFENCE_SYNTAX,
	[SMTP_CLOSE_FOREIGN] = OFFENCE_FOREIGN,
	[SMTP_CLOSE_INJECTION] = OFFENCE_INJECTION,
	[SMTP_CLOSE_EARLY] = OFFENCE_EARLY,
	[SMTP_CLOSE_TALKER] = OFFENCE_EARLY,
	[SMTP_CLOSE_OVERSIZE] = -1,
	[SMTP_CLOSE_HOST] = -1,
};

bool
behaviour_is_proxy(struct smtp_host *h, const char *peer)
{
	const struct smtpd *d = h->arg;

	return smtp_client_in_list(d->settings, SET_smtpd_proxy_from, peer);
}

enum smtp_reply_id
behaviour_admit(struct smtp_host *h, const struct net_address *client, struct refusal_args *args)
{
	struct smtpd *d = h->arg;
	uint32_t seconds;

	if (!settings_bool(d->settings, SET_smtpd_penalties) ||
	    (seconds = reputation_refused(d->reputation, client)) == 0)
		return SMTP_OK;
	snprintf(d->seconds, sizeof(d->seconds), "%u", seconds);
	args->seconds = d->seconds;
	return SMTP_MISBEHAVED;
}

uint64_t
behaviour_greet_ms(struct smtp_conn *c)
{
	struct smtpd *d = c->host->arg;
	uint64_t seconds = settings_u64(d->settings, SET_smtpd_greet_delay);

	if (seconds == 0 || !settings_bool(d->settings, SET_smtpd_penalties) ||
	    !reputation_watched(d->reputation, &c->address))
		return 0;
	log_info(c->id, "event=watched client=%s", c->client);
	return seconds * 1000;
}

/* --- notes -------------------------------------------------------------------------------------- */

static bool
was_slow(const struct smtp_conn *c)
{
	return c->ended != NULL &&
	       (strcmp(c->ended, "timeout") == 0 || strcmp(c->ended, "too-slow") == 0);
}

static void
tell_end(struct session *s)
{
	const struct smtp_conn *c = &s->conn;
	uint64_t early = smtp_session_facts(c->engine).early_bytes;
	int what = c->ended_by >= 0 ? close_offence[c->ended_by] : -1;

	if (early > 0 && settings_u64(s->d->settings, SET_smtpd_early_talkers) != SMTPD_TALKERS_OFF)
		log_info(c->id, "event=early-talker client=%s bytes=%llu", c->client,
		    (unsigned long long)early);
	if (was_slow(c))
		what = OFFENCE_SLOW;
	if (what >= 0)
		reputation_note(s->d->reputation, &c->address, (enum offence)what, 1);
}

/* So far. */
static void
tell(struct session *s)
{
	struct reputation *r = s->d->reputation;
	const struct net_address *client = &s->conn.address;

	reputation_note(r, client, OFFENCE_UNKNOWN_RECIPIENT, s->unknown);
	reputation_note(r, client, OFFENCE_RELAY, s->relay);
	reputation_note(r, client, OFFENCE_CONTENT, s->content);
	reputation_note(r, client, OFFENCE_ACCEPTED, s->accepted);
	s->unknown = s->relay = s->content = s->accepted = 0;
}

void
behaviour_tell(struct session *s)
{
	tell(s);
	tell_end(s);
}

/* What was said before was the proxy's; what it brought for others is theirs. */
bool
behaviour_changed(struct session *s)
{
	struct smtp_conn *c = &s->conn;
	struct refusal_args args = { .client = c->client };
	enum smtp_reply_id id;

	tell(s);
	if (net_parse(str_of(c->client), &c->address))
		net_print(&c->address, c->client); /* one text for each address */
	else
		c->address = c->peer;
	if ((id = behaviour_admit(c->host, &c->address, &args)) == SMTP_OK)
		return true;
	smtp_conn_refuse_with(c, id, &args, "client", str_of(c->client));
	return false;
}

/* What SPF vouches for, or "". */
static const char *
vouched(const struct session *s)
{
	const struct spf_verdict *v = &s->sender.spf_mail;

	return v->known && v->code == SPF_PASS && strlen(v->domain) < 256 ? v->domain : "";
}

void
behaviour_stored(struct session *s)
{
	struct str domain = str_of(vouched(s));
	bool spf = domain.n > 0;

	s->accepted++;
	if (!spf) /* the greylist knows the domain by the sender's address then */
		domain = address_domain(&smtp_session_mail(s->conn.engine)->from);
	if (spf || signatures_vouch(s, domain))
		reputation_good(s->d->reputation, s->conn.client, domain, spf);
}

/* --- greylist ----------------------------------------------------------------------------------- */

/* A client without a confirmed name, or one that has misbehaved lately; not one whose name could not be
 * asked for. */
static bool
is_suspicious(struct session *s)
{
	return s->client.iprev == IPREV_FAIL || s->client.iprev == IPREV_PERMERROR ||
	       reputation_watched(s->d->reputation, &s->conn.address);
}

static bool
must_ask(struct session *s)
{
	uint64_t mode = settings_u64(s->d->settings, SET_smtpd_greylist);

	if (mode == SMTPD_GREYLIST_OFF || !s->client.checked || checks_spares(s->asked))
		return false;
	return mode == SMTPD_GREYLIST_ALL || is_suspicious(s);
}

static void
on_grey(void *arg, uint32_t wait)
{
	struct session *s = arg;
	struct smtp_recipient *r = s->asked;
	bool answered = true;

	s->grey = NULL;
	if (wait == 0) {
		s->asked = NULL;
		log_info(s->conn.id, "event=greylist client=%s rcpt=\"%s\"", s->conn.client,
		    LOGS(r->address));
		smtp_recipient_accept(&s->conn, r);
	} else {
		answered = recipients_wait(s, wait);
	}
	if (answered)
		smtp_conn_pump(&s->conn);
}

bool
behaviour_greylist(struct session *s)
{
	struct smtp_recipient *r = s->asked;

	if (must_ask(s)) {
		s->grey = reputation_ask_grey(s->d->reputation,
		    &(struct reputation_grey){ .client = s->conn.client,
			.sender = str_of(s->conn.sender),
			.recipient = r->address,
			.domain = str_of(vouched(s)) },
		    on_grey, s);
		return false;
	}
	s->asked = NULL;
	smtp_recipient_accept(&s->conn, r);
	return true;
}

void
behaviour_forget(struct session *s)
{
	reputation_forget(&s->grey);
	s->asked = NULL;
}
