/* SPDX-License-Identifier: ISC */
/*
 * Who signed the message, who passed it on, whom it says it is from, and what the owner of that domain wants:
 * DKIM, ARC and DMARC. The message is looked at once, as it streams by; the questions go out when its header is
 * over, so that mostly the answers are there before its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "smtpd/repeats.h"
#include "smtpd/session.h"

void
signatures_begin(struct session *s)
{
	struct signatures *g;

	if (!s->client.checked || !settings_bool(s->d->settings, SET_smtpd_dkim))
		return;
	g = s->signatures = xcalloc(1, sizeof(*g));
	g->message = dkim_message_new(0);
	g->now = time(NULL);
	lookups_message(&s->lookups);
}

void
signatures_forget(struct session *s)
{
	struct signatures *g = s->signatures;

	if (g == NULL)
		return;
	dkim_message_free(&g->message);
	free(g);
	s->signatures = NULL;
}

/* --- evaluators -------------------------------------------------------------------------------- */

/* DKIM_NEED without questions: the body has not come yet. */
static bool
dkim_known(struct session *s)
{
	struct signatures *g = s->signatures;

	while (!g->dkim_known) {
		struct dns_facts facts = lookups_facts(&s->lookups);

		if (dkim_check(g->message, g->now, &facts, &g->dkim) == DKIM_DONE)
			g->dkim_known = true;
		else if (g->dkim.question_count == 0 ||
			 lookups_ask(&s->lookups, g->dkim.questions, g->dkim.question_count))
			return false;
	}
	return true;
}

static void
keep_arc(struct signatures *g, const struct arc_result *r)
{
	g->arc_known = true;
	g->arc = r->code;
	g->arc_sets = r->sets;
	g->arc_oldest = r->oldest_pass;
	g->arc_reason = r->reason;
	memcpy(g->sealer, r->sealer, sizeof(g->sealer));
}

static bool
arc_known(struct session *s)
{
	struct signatures *g = s->signatures;
	struct arc_result r;

	while (!g->arc_known) {
		struct dns_facts facts = lookups_facts(&s->lookups);

		if (arc_check(g->message, g->now, &facts, &r) == ARC_DONE)
			keep_arc(g, &r);
		else if (r.question_count == 0 ||
			 lookups_ask(&s->lookups, r.questions, r.question_count))
			return false;
	}
	return true;
}

static enum dmarc_auth
auth_of_spf(enum spf_code code)
{
	return code == SPF_PASS        ? DMARC_AUTH_PASS
	       : code == SPF_TEMPERROR ? DMARC_AUTH_TEMP
				       : DMARC_AUTH_FAIL;
}

static enum dmarc_auth
auth_of_dkim(enum dkim_code code)
{
	return code == DKIM_PASS        ? DMARC_AUTH_PASS
	       : code == DKIM_TEMPERROR ? DMARC_AUTH_TEMP
					: DMARC_AUTH_FAIL;
}

static void
keep_dmarc(struct signatures *g, const struct dmarc_result *r)
{
	char text[DNS_TEXT_MAX];

	g->dmarc_known = true;
	g->dmarc = r->code;
	g->disposition = r->disposition;
	g->published = r->published;
	g->policy_tag = r->tag;
	g->dmarc_reason = r->reason;
	g->aligned = r->dkim_aligned;
	snprintf(g->policy_domain, sizeof(g->policy_domain), "%.255s",
	    r->policy_domain.n > 0 ? dns_name_text(&r->policy_domain, text) : "");
}

/* Before the signatures are known it is only asked for the policy. */
static bool
dmarc_known(struct session *s)
{
	const struct spf_verdict *spf = &s->sender.spf_mail;
	struct signatures *g = s->signatures;
	struct dmarc_identifier ids[DKIM_SIGNATURES_MAX];
	struct dmarc_input in = { .author = &g->author, .dkim = ids };
	struct dmarc_result r;

	if (g->dkim_known) {
		in.dkim_count = g->dkim.count;
		in.spf = (struct dmarc_identifier){ str_of(spf->domain), auth_of_spf(spf->code) };
		for (size_t i = 0; i < g->dkim.count; i++)
			ids[i] = (struct dmarc_identifier){ str_of(g->dkim.signatures[i].domain),
				auth_of_dkim(g->dkim.signatures[i].code) };
	}
	while (!g->dmarc_known) {
		struct dns_facts facts = lookups_facts(&s->lookups);

		if (dmarc_check(&in, &facts, &r) == DMARC_NEED) {
			if (lookups_ask(&s->lookups, r.questions, r.question_count))
				return false;
		} else if (!g->dkim_known) {
			return false;
		} else {
			keep_dmarc(g, &r);
		}
	}
	return true;
}

/* SPF and DKIM both have to be looked at, else mail would be found to fail that passes. */
static bool
wants_dmarc(const struct session *s)
{
	return settings_bool(s->d->settings, SET_smtpd_dmarc) && s->sender.spf_mail.known;
}

bool
signatures_known(struct session *s)
{
	struct signatures *g = s->signatures;
	bool known;

	if (g == NULL)
		return true;
	if (!g->header_over)
		return false;
	known = dkim_known(s);
	known = arc_known(s) && known;
	if (wants_dmarc(s))
		known = dmarc_known(s) && known;
	return known;
}

static void
header_over(struct session *s)
{
	struct signatures *g = s->signatures;

	g->header_over = true;
	dmarc_author_find(dkim_message_header(g->message), &g->author);
	signatures_known(s);
}

void
signatures_content(struct session *s, struct str run)
{
	struct signatures *g = s->signatures;

	if (g == NULL)
		return;
	dkim_message_write(g->message, run.p, run.n);
	if (!g->header_over && dkim_message_header_over(g->message))
		header_over(s);
}

void
signatures_end(struct session *s)
{
	struct signatures *g = s->signatures;

	if (g == NULL)
		return;
	dkim_message_end(g->message);
	if (!g->header_over)
		header_over(s);
}

/* --- what they lead to ------------------------------------------------------------------------- */

void
signatures_judge(const struct session *s, struct verdict *v)
{
	const struct signatures *g = s->signatures;
	bool refuse = settings_bool(s->d->settings, SET_smtpd_refuse_dmarc_reject);

	if (g == NULL || !g->dmarc_known)
		return;
	v->args.domain = g->author.domain;
	if (g->disposition == DMARC_P_REJECT && refuse)
		verdict_refuse(v, "dmarc", SMTP_DMARC_REJECT);
	else if (g->dmarc == DMARC_TEMPERROR && g->published == DMARC_P_REJECT && refuse)
		verdict_refuse(v, "dmarc", SMTP_DMARC_UNCERTAIN);
	else if (g->disposition != DMARC_P_NONE)
		verdict_junk(v, "dmarc");
	else if ((g->dmarc == DMARC_PERMERROR && g->author.state == DMARC_AUTHOR_DOUBTFUL) ||
		 g->author.state == DMARC_AUTHOR_SEVERAL_DOMAINS || /* DMARC has nothing to say */
		 g->author.state == DMARC_AUTHOR_UNREADABLE)
		verdict_junk(v, "from-field");
}

void
signatures_judge_repeated(const struct session *s, struct verdict *v)
{
	const struct signatures *g = s->signatures;
	uint64_t most = settings_u64(s->d->settings, SET_smtpd_same_message_per_hour);
	const struct dkim_signature *one = NULL;

	if (g == NULL || most == 0 || v->zone == ZONE_REFUSE)
		return;
	for (size_t i = 0; i < g->dkim.count && one == NULL; i++)
		if (g->dkim.signatures[i].code == DKIM_PASS)
			one = &g->dkim.signatures[i];
	if (one == NULL || repeats_note(s->d->repeats, str_of(one->domain), str_of(one->shown),
			       (uint64_t)g->now) <= most)
		return;
	v->args.domain = one->domain;
	verdict_refuse(v, "repeated", SMTP_REPEATED);
}

static bool
is_within(struct str domain, struct str parent)
{
	size_t more = domain.n - parent.n;

	return parent.n > 0 && domain.n >= parent.n &&
	       str_eq_nocase(str_from(domain.p + more, parent.n), parent) &&
	       (more == 0 || domain.p[more - 1] == '.');
}

bool
signatures_vouch(const struct session *s, struct str domain)
{
	const struct signatures *g = s->signatures;

	if (g == NULL || !g->dkim_known)
		return false;
	for (size_t i = 0; i < g->dkim.count; i++)
		if (g->dkim.signatures[i].code == DKIM_PASS &&
		    is_within(domain, str_of(g->dkim.signatures[i].domain)))
			return true;
	return false;
}

/* --- what is told ------------------------------------------------------------------------------ */

/* The signature that says most: the one that counted for DMARC, else the first of the best. */
static const struct dkim_signature *
foremost(const struct signatures *g)
{
	if (g->dmarc_known && g->aligned >= 0)
		return &g->dkim.signatures[g->aligned];
	for (size_t i = 0; i < g->dkim.count; i++)
		if (g->dkim.signatures[i].code == g->dkim.code)
			return &g->dkim.signatures[i];
	return NULL;
}

void
signatures_log(const struct session *s)
{
	const struct signatures *g = s->signatures;
	const struct dkim_signature *one;

	if (g == NULL)
		return;
	one = foremost(g);
	log_info(s->conn.id,
	    "event=authenticated author=\"%s\" dmarc=%s dmarc-policy=%s dmarc-domain=\"%s\" "
	    "dmarc-reason=\"%s\" dkim=%s dkim-domain=\"%s\" dkim-selector=\"%s\" dkim-reason=\"%s\" "
	    "signatures=%zu arc=%s arc-sets=%u arc-sealer=\"%s\" arc-reason=\"%s\"",
	    LOGS(str_of(g->author.domain)),
	    g->dmarc_known ? dmarc_code_word(g->dmarc) : "unchecked",
	    dmarc_policy_word(g->published), LOGS(str_of(g->policy_domain)),
	    g->dmarc_known ? g->dmarc_reason : "", dkim_code_word(g->dkim.code),
	    one != NULL ? LOGS(str_of(one->domain)) : "",
	    one != NULL ? LOGS(str_of(one->selector)) : "",
	    one != NULL ? one->reason : g->dkim.reason, g->dkim.count + g->dkim.ignored,
	    arc_code_word(g->arc), g->arc_sets, LOGS(str_of(g->sealer)), g->arc_reason);
}

static struct authres_result
dkim_result(const struct dkim_signature *one)
{
	return (struct authres_result){ .method = AUTHRES_DKIM,
		.result = dkim_code_word(one->code),
		.reason = str_of(one->reason),
		.properties = { { "header.d", str_of(one->domain) },
		    { "header.s", str_of(one->selector) },
		    { "header.a", str_of(dkim_algorithm_word(one->algorithm)) },
		    { "header.b", str_of(one->shown) } } };
}

static struct authres_result
dmarc_result(const struct signatures *g)
{
	struct authres_result r = { .method = AUTHRES_DMARC,
		.result = dmarc_code_word(g->dmarc),
		.reason = str_of(g->dmarc_reason),
		.properties = { { "header.from", str_of(g->author.domain) } } };

	if (g->policy_tag[0] != '\0')
		r.comment = str_of(dmarc_policy_word(g->published));
	return r;
}

size_t
signatures_results(const struct session *s, struct authres_result *r)
{
	const struct signatures *g = s->signatures;
	size_t n = 0;

	if (g == NULL)
		return 0;
	for (size_t i = 0; i < g->dkim.count; i++)
		r[n++] = dkim_result(&g->dkim.signatures[i]);
	if (n == 0)
		r[n++] = (struct authres_result){ .method = AUTHRES_DKIM,
			.result = dkim_code_word(g->dkim.code),
			.comment = str_of(g->dkim.reason) };
	if (g->arc != ARC_TEMPERROR) /* for which rfc8601 has no word */
		r[n++] = (struct authres_result){ .method = AUTHRES_ARC,
			.result = arc_code_word(g->arc),
			.comment = str_of(g->sealer),
			.reason = str_of(g->arc_reason) };
	if (g->dmarc_known)
		r[n++] = dmarc_result(g);
	return n;
}
