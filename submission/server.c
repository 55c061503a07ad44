/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "submission/budget.h"
#include "submission/session.h"

void
submission_reload(struct submission *d, const struct settings *settings)
{
	struct smtp_host *h = &d->host;

	d->settings = settings;
	smtp_host_reload(h, settings);
	h->policy.max_recipients = (unsigned)settings_u64(settings, SET_submission_max_recipients);
	h->max_connections = (unsigned)settings_u64(settings, SET_submission_max_connections);
	h->max_per_address =
	    (unsigned)settings_u64(settings, SET_submission_max_connections_per_address);
	h->command_ms = settings_u64(settings, SET_submission_command_timeout) * 1000;
	h->data_ms = settings_u64(settings, SET_submission_data_timeout) * 1000;
	h->grace_ms = settings_u64(settings, SET_submission_data_grace) * 1000;
	h->session_ms = settings_u64(settings, SET_submission_session_timeout) * 1000;
	d->login_ms = settings_u64(settings, SET_submission_login_timeout) * 1000;
	d->max_login_failures = (unsigned)settings_u64(settings, SET_submission_max_login_failures);
	budgets_set(d->budgets, settings_u64(settings, SET_submission_messages_per_hour),
	    settings_u64(settings, SET_submission_recipients_per_hour));
}

struct submission *
submission_new(struct io_loop *loop, const struct settings *settings, unsigned instance)
{
	struct submission *d = xcalloc(1, sizeof(*d));

	smtp_host_init(&d->host, loop, &submission_host_ops, d,
	    settings_text(settings, SET_general_hostname), 'u', instance);
	d->host.policy.pipelining = d->host.policy.chunking = true;
	d->host.policy.tls_required = d->host.policy.auth = true;
	d->auth = auth_pool_new(loop);
	d->budgets = budgets_new();
	d->reputation = reputation_new(loop);
	submission_reload(d, settings);
	return d;
}

void
submission_free(struct submission **dp)
{
	struct submission *d = *dp;

	if (d == NULL)
		return;
	smtp_host_free(&d->host);
	auth_pool_free(&d->auth);
	budgets_free(&d->budgets);
	reputation_free(&d->reputation);
	free(d);
	*dp = NULL;
}

void
submission_peer(struct submission *d, enum ipc_channel_kind kind, uint32_t instance, int fd)
{
	if (kind == IPC_CH_keys) {
		tls_server_set_keys(d->host.tls, fd);
	} else if (kind == IPC_CH_reputation) {
		reputation_open(d->reputation, fd);
	} else if (kind == IPC_CH_auth) {
		auth_pool_add(d->auth, instance, fd);
	} else {
		log_error(NULL, "event=unknown-peer channel=%s", ipc_channel_name(kind));
		close(fd);
	}
}
