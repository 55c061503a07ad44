/* SPDX-License-Identifier: ISC */
/* Client and sender against the DNS: the evaluators get their facts, and what they say becomes a
 * refusal, a line in the log and Authentication-Results. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "reception/dynamic.h"
#include "smtpd/session.h"

/* --- evaluators -------------------------------------------------------------------------------- */

static bool
iprev_known(struct session *s)
{
	struct client_checks *k = &s->client;
	struct iprev_result r;

	while (!k->iprev_known) {
		struct dns_facts facts = lookups_facts(&s->lookups);

		if (iprev_check(&k->address, &facts, &r) == IPREV_DONE) {
			k->iprev_known = true;
			k->iprev = r.code;
			memcpy(k->name, r.name, sizeof(k->name));
			memcpy(k->claimed, r.claimed, sizeof(k->claimed));
		} else if (lookups_ask(&s->lookups, r.questions, r.question_count)) {
			return false;
		}
	}
	return true;
}

static bool
origin_known(struct session *s)
{
	const struct smtp_mail *mail = smtp_session_mail(s->conn.engine);
	struct str more_tlds = str_of(settings_text(s->d->settings, SET_smtpd_more_tlds));
	struct sender_checks *k = &s->sender;
	struct origin_result r;

	while (!k->origin_known) {
		struct dns_facts facts = lookups_facts(&s->lookups);

		if (mail->from.domain_n == 0) {
			k->origin = ORIGIN_MX; /* the null reverse-path has no domain */
			k->origin_known = true;
		} else if (origin_check(address_domain(&mail->from), s->d->tlds, more_tlds, &facts,
			       &r) == ORIGIN_DONE) {
			k->origin = r.code;
			k->origin_known = true;
		} else if (lookups_ask(&s->lookups, r.questions, r.question_count)) {
			return false;
		}
	}
	return true;
}

static struct spf_input
spf_input(const struct session *s, enum spf_identity identity, const char *from)
{
	struct spf_input in = {
		.identity = identity,
		.client.n = s->client.address.n,
		.helo = str_of(smtp_session_facts(s->conn.engine).helo),
		.mail_from = str_of(from),
		.receiver = str_of(s->conn.host->hostname),
		.time = time(NULL),
	};

	memcpy(in.client.bytes, s->client.address.bytes, sizeof(in.client.bytes));
	return in;
}

static bool
spf_known(struct session *s, enum spf_identity identity, struct spf_verdict *v)
{
	struct spf_input in = spf_input(s, identity, s->conn.sender);
	struct spf_result r;

	while (!v->known) {
		struct dns_facts facts = lookups_facts(&s->lookups);
		char text[DNS_TEXT_MAX];

		if (spf_check(&in, &facts, &r) == SPF_DONE) {
			v->known = true;
			v->code = r.code;
			v->reason = r.reason;
			snprintf(v->domain, sizeof(v->domain), "%.255s",
			    r.domain.n > 0 ? dns_name_text(&r.domain, text) : "");
			memcpy(v->mechanism, r.mechanism, sizeof(v->mechanism));
			memcpy(v->explanation, r.explanation, sizeof(v->explanation));
		} else if (lookups_ask(&s->lookups, r.questions, r.question_count)) {
			return false;
		}
	}
	return true;
}

/* Each list that names the client, or could not be believed. */
static void
log_lists(const struct session *s, const struct dnsbl_result *r)
{
	const struct dnsbl_lists *lists = &s->d->blocklists.lists;

	for (size_t i = 0; i < lists->n; i++) {
		const struct dnsbl_found *f = &r->found[i];

		if (f->trouble != NULL)
			log_info(s->conn.id, "event=blocklist client=%s list=%s trouble=%s",
			    s->conn.client, lists->list[i].zone, f->trouble);
		else if (f->listed)
			log_info(s->conn.id,
			    "event=blocklist client=%s list=%s answer=127.%u.%u.%u class=\"%s\" "
			    "weight=%u refuse=%s",
			    s->conn.client, lists->list[i].zone, f->answer >> 16 & 255,
			    f->answer >> 8 & 255, f->answer & 255, f->class->english,
			    lists->list[i].weight, r->refuse ? "yes" : "no");
	}
}

static bool
lists_known(struct session *s)
{
	struct blocklist_verdict *v = &s->client.lists;
	struct blocklists *b = &s->d->blocklists;
	struct dnsbl_result r;

	while (s->client.checked && !v->known) {
		struct dns_facts facts = lookups_facts(&s->lookups);

		if (dnsbl_check(&s->client.address, &b->lists, &facts, &r) == DNSBL_DONE) {
			blocklists_note(b, &r);
			blocklists_verdict(b, &r, s->conn.client, v);
			log_lists(s, &r);
		} else if (lookups_ask(&s->lookups, r.questions, r.question_count)) {
			return false;
		}
	}
	return true;
}

/* All are asked, also when the first has to wait: their questions go out together. */
bool
checks_known(struct session *s)
{
	bool known = iprev_known(s);

	known = lists_known(s) && known;
	if (!s->client.checked || !s->has_sender)
		return known;
	known = origin_known(s) && known;
	if (settings_bool(s->d->settings, SET_smtpd_spf)) {
		known = spf_known(s, SPF_HELO, &s->sender.spf_helo) && known;
		known = spf_known(s, SPF_MAIL_FROM, &s->sender.spf_mail) && known;
	}
	return known;
}

void
checks_client(struct session *s, bool named)
{
	struct client_checks *k = &s->client;
	char name[IPREV_NAME_SIZE];

	memcpy(name, k->name, sizeof(name));
	lookups_clear(&s->lookups);
	s->lookups.waited_ms = 0;
	memset(k, 0, sizeof(*k));
	k->iprev_known = true;
	k->iprev = IPREV_PERMERROR;
	if (!reception_client_parse(s->conn.client, &k->address))
		return;
	k->checked = !reception_client_inside(&k->address);
	lists_known(s);
	if (named) {
		memcpy(k->name, name, sizeof(k->name));
		memcpy(k->claimed, name, sizeof(k->claimed));
		k->iprev = name[0] != '\0' ? IPREV_PASS : IPREV_FAIL;
		return;
	}
	k->iprev_known = smtp_client_is_loopback(s->conn.client);
	iprev_known(s);
}

void
checks_mail(struct session *s)
{
	memset(&s->sender, 0, sizeof(s->sender));
	if (s->client.iprev_known && (s->client.lists.known || !s->client.checked))
		lookups_renew(&s->lookups);
	checks_known(s);
}

/* --- what they lead to ------------------------------------------------------------------------- */

bool
checks_spares(const struct smtp_recipient *r)
{
	static const char *const spared[] = { "postmaster", "postmaster@", "abuse@" };

	if (str_eq_nocase(r->address, STR("postmaster")))
		return true;
	for (size_t i = 1; i < sizeof(spared) / sizeof(spared[0]); i++)
		if (str_starts_nocase(r->address, str_of(spared[i])))
			return true;
	return false;
}

bool
checks_other_class(struct session *s, const struct smtp_recipient *r)
{
	enum policy_class class = verdict_class(r);

	if (s->conn.recipients == 0)
		s->class = class;
	return s->client.checked && class != s->class;
}

static enum smtp_reply_id
client_verdict(const struct session *s, struct refusal_args *args)
{
	const struct settings *settings = s->d->settings;
	const struct client_checks *k = &s->client;

	args->client = s->conn.client;
	args->name = k->claimed;
	if (settings_bool(settings, SET_smtpd_require_name) &&
	    (k->iprev == IPREV_FAIL || k->iprev == IPREV_PERMERROR))
		return k->claimed[0] == '\0' ? SMTP_NO_CLIENT_NAME : SMTP_CLIENT_NAME_DIFFERS;
	if (settings_bool(settings, SET_smtpd_refuse_dynamic) &&
	    dynamic_name(&k->address, str_of(k->claimed)))
		return SMTP_DYNAMIC_CLIENT;
	return SMTP_OK;
}

static enum smtp_reply_id
origin_verdict(const struct session *s)
{
	if (!settings_bool(s->d->settings, SET_smtpd_check_sender_domain))
		return SMTP_OK;
	switch (s->sender.origin) {
	case ORIGIN_NULL_MX:
		return SMTP_SENDER_NULL_MX;
	case ORIGIN_NOWHERE:
		return SMTP_SENDER_NOWHERE;
	case ORIGIN_UNKNOWN:
		return SMTP_SENDER_UNKNOWN;
	case ORIGIN_TLD:
		return SMTP_SENDER_TLD;
	case ORIGIN_LITERAL:
		return SMTP_SENDER_LITERAL;
	case ORIGIN_TEMPERROR:
		return SMTP_SENDER_UNCERTAIN;
	default:
		return SMTP_OK;
	}
}

static enum smtp_reply_id
spf_refusal(const struct session *s, struct refusal_args *args)
{
	const struct settings *settings = s->d->settings;
	const struct spf_verdict *v = &s->sender.spf_mail;

	if (!v->known)
		return SMTP_OK;
	if (v->code == SPF_FAIL && settings_bool(settings, SET_smtpd_refuse_spf_fail)) {
		args->text = v->explanation[0] != '\0' ? v->explanation : "(nothing)";
		return SMTP_SPF_FAIL;
	}
	if (v->code == SPF_PERMERROR && settings_bool(settings, SET_smtpd_refuse_spf_error)) {
		args->text = v->reason;
		return SMTP_SPF_BROKEN;
	}
	return SMTP_OK;
}

static enum smtp_reply_id
sender_verdict(const struct session *s, struct refusal_args *args)
{
	const struct smtp_mail *mail = smtp_session_mail(s->conn.engine);
	const struct spf_verdict *spf = &s->sender.spf_mail;
	const char *at = strrchr(s->conn.sender, '@');
	enum smtp_reply_id why = origin_verdict(s);

	args->domain = at != NULL ? at + 1 : spf->domain;
	if (mail->from.domain_n == 0 && s->conn.recipients > 0)
		return SMTP_NULL_SENDER_SEVERAL;
	return why != SMTP_OK ? why : spf_refusal(s, args);
}

enum smtp_reply_id
checks_verdict(const struct session *s, const struct smtp_recipient *r, struct refusal_args *args)
{
	enum smtp_reply_id why = SMTP_OK;

	if (!s->client.checked)
		return SMTP_OK;
	if (!checks_spares(r))
		why = client_verdict(s, args);
	return why != SMTP_OK ? why : sender_verdict(s, args);
}

bool
checks_listed(const struct session *s, const struct smtp_recipient *r)
{
	return s->client.lists.refuse && !checks_spares(r);
}

enum smtp_reply_id
checks_listed_reply(const struct session *s, struct refusal_args *args)
{
	const struct blocklist_verdict *v = &s->client.lists;

	args->client = s->conn.client;
	args->list = v->zone;
	args->listing = v->words;
	args->link = v->link;
	return v->class->dialup ? SMTP_BLOCKLISTED_DIALUP : SMTP_BLOCKLISTED;
}

/* --- what is told ------------------------------------------------------------------------------ */

void
checks_log(const struct session *s)
{
	const struct sender_checks *k = &s->sender;

	if (!s->client.checked)
		return;
	log_info(s->conn.id,
	    "event=checked client=%s iprev=%s name=\"%s\" sender-domain=%s spf-helo=%s spf=%s "
	    "spf-domain=\"%s\" spf-mechanism=\"%s\" spf-reason=\"%s\"",
	    s->conn.client, iprev_code_word(s->client.iprev), LOGS(str_of(s->client.claimed)),
	    origin_code_word(k->origin), k->spf_helo.known ? spf_code_word(k->spf_helo.code) : "",
	    k->spf_mail.known ? spf_code_word(k->spf_mail.code) : "",
	    LOGS(str_of(k->spf_mail.domain)), LOGS(str_of(k->spf_mail.mechanism)),
	    k->spf_mail.known ? k->spf_mail.reason : "");
}

static struct authres_result
spf_result(const struct spf_verdict *v, const char *property, const char *value)
{
	return (struct authres_result){ .method = AUTHRES_SPF,
		.result = spf_code_word(v->code),
		.reason = str_of(v->code == SPF_PERMERROR ? v->reason : v->mechanism),
		.properties = { { property, str_of(value) } } };
}

void
checks_print(const struct session *s, struct buf *out)
{
	struct smtp_facts facts = smtp_session_facts(s->conn.engine);
	struct authres_result r[AUTHRES_RESULTS_MAX];
	struct buf field;
	size_t n = 0;

	if (!s->client.checked)
		return;
	r[n++] = (struct authres_result){ .method = AUTHRES_IPREV,
		.result = iprev_code_word(s->client.iprev),
		.comment = str_of(s->client.claimed),
		.properties = { { "policy.iprev", str_of(s->conn.client) } } };
	if (s->sender.spf_helo.known)
		r[n++] = spf_result(&s->sender.spf_helo, "smtp.helo", facts.helo);
	if (s->sender.spf_mail.known)
		r[n++] = spf_result(&s->sender.spf_mail, "smtp.mailfrom",
		    s->conn.sender[0] != '\0' ? s->conn.sender : s->sender.spf_mail.domain);
	n += signatures_results(s, r + n);
	buf_init(&field, SMTP_HOST_PREPEND_MAX);
	if (authres_print(&field, str_of(s->conn.host->hostname), r, n,
		smtp_session_mail(s->conn.engine)->smtputf8) == 0)
		buf_put(out, buf_data(&field), buf_len(&field));
	buf_free(&field);
}
