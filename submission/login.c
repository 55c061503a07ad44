/* SPDX-License-Identifier: ISC */
/* From AUTH to the door. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "submission/session.h"

static void
log_login(struct session *s, bool good, struct str login, const char *reason)
{
	char tls[TLS_DESCRIPTION_MAX];

	log_info(s->conn.id, "event=%s client=%s login=\"%s\" mechanism=%s%s%s tls=\"%s\"",
	    good ? "login" : "login-failed", s->conn.client, LOGS(login), s->mechanism,
	    *reason ? " reason=" : "", reason, tls_stream_describe(s->conn.stream, tls));
}

/* --- refusals ---------------------------------------------------------------------------------- */

static void
refuse_now(void *arg)
{
	struct session *s = arg;

	smtp_session_refuse(s->conn.engine, s->refusal);
	smtp_conn_pump(&s->conn);
}

/* Later, and later each time; after too many the session ends. */
static void
refuse(struct session *s, enum smtp_reply_id reply)
{
	uint64_t ms = SUBMISSION_DELAY_MS * (uint64_t)(s->failures + 1);

	s->refusal = reply;
	if (reply == SMTP_AUTH_REFUSED && ++s->failures >= s->d->max_login_failures)
		s->refusal = SMTP_TOO_MANY_ERRORS;
	if (s->delay == NULL)
		s->delay = io_timer_new(s->d->host.loop, refuse_now, s);
	io_timer_set(s->delay, ms < SUBMISSION_DELAY_MAX_MS ? ms : SUBMISSION_DELAY_MAX_MS);
}

/* --- answers of auth --------------------------------------------------------------------------- */

static void
on_challenge(void *arg, struct str challenge)
{
	struct session *s = arg;

	smtp_session_challenge(s->conn.engine, challenge);
	smtp_conn_pump(&s->conn);
}

static void
on_refused(void *arg, enum ipc_result result, struct str login)
{
	struct session *s = arg;
	bool ours = result == IPC_TEMP || result == IPC_FULL;

	s->exchange = NULL;
	log_login(s, false, login, ours ? "unavailable" : "credentials");
	refuse(s, ours ? SMTP_AUTH_UNAVAILABLE : SMTP_AUTH_REFUSED);
}

static void
on_ok(void *arg, const struct auth_login *login, int fd)
{
	struct session *s = arg;

	s->exchange = NULL;
	s->account = login->account;
	snprintf(s->login, sizeof(s->login), "%.*s", STRF(login->login));
	log_login(s, true, login->login, "");
	s->conn.session_ms = 0; /* that of the host */
	smtp_link_open(&s->door, fd);
	smtp_session_accept(s->conn.engine, NULL);
	smtp_conn_pump(&s->conn);
}

static const struct auth_client_ops ops = {
	.challenge = on_challenge,
	.refused = on_refused,
	.ok = on_ok,
};

/* --- from the engine --------------------------------------------------------------------------- */

void
login_offer(struct session *s)
{
	struct tls_bindings b;
	bool bound;

	tls_stream_bindings(s->conn.stream, &b);
	bound = b.exporter.n > 0 || b.unique.n > 0 || b.end_point.n > 0;
	smtp_session_offer_auth(s->conn.engine, auth_mechanisms(s->mechanisms, bound));
}

void
login_step(struct session *s, const struct smtp_auth *auth)
{
	if (auth->mechanism == NULL && s->exchange != NULL) {
		auth_continue(s->exchange, auth->data);
		return;
	}
	if (auth->mechanism != NULL) {
		snprintf(s->mechanism, sizeof(s->mechanism), "%s", auth->mechanism);
		s->exchange = auth_start(s->d->auth, &ops, s,
		    &(struct auth_request){ .service = STR("smtp"),
			.mechanism = str_of(s->mechanism),
			.client_address = s->conn.client,
			.stream = s->conn.stream,
			.has_initial = auth->has_data,
			.initial = auth->data });
	}
	if (s->exchange == NULL) {
		log_warn(s->conn.id, "event=login-failed client=%s reason=no-auth-process",
		    s->conn.client);
		smtp_session_refuse(s->conn.engine, SMTP_AUTH_UNAVAILABLE);
	}
}

void
login_cancel(struct session *s)
{
	auth_cancel(&s->exchange);
}

void
login_end(struct session *s)
{
	auth_cancel(&s->exchange);
	io_timer_free(&s->delay);
}
