/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "smtpd/address_cache.h"
#include "smtpd/repeats.h"
#include "smtpd/session.h"

void
smtpd_reload(struct smtpd *d, const struct settings *settings)
{
	struct smtp_host *h = &d->host;

	d->settings = settings;
	smtp_host_reload(h, settings);
	blocklists_reload(&d->blocklists, settings_text(settings, SET_smtpd_blocklists));
	h->policy.max_recipients = (unsigned)settings_u64(settings, SET_smtpd_max_recipients);
	h->policy.max_errors = (unsigned)settings_u64(settings, SET_smtpd_max_errors);
	h->policy.max_commands = settings_u64(settings, SET_smtpd_max_commands);
	h->max_connections = (unsigned)settings_u64(settings, SET_smtpd_max_connections);
	h->max_per_address =
	    (unsigned)settings_u64(settings, SET_smtpd_max_connections_per_address);
	h->max_per_network =
	    (unsigned)settings_u64(settings, SET_smtpd_max_connections_per_network);
	h->max_per_minute = (unsigned)settings_u64(settings, SET_smtpd_connections_per_minute);
	h->policy.refuse_early =
	    settings_u64(settings, SET_smtpd_early_talkers) == SMTPD_TALKERS_REFUSE;
	h->command_ms = settings_u64(settings, SET_smtpd_command_timeout) * 1000;
	h->data_ms = settings_u64(settings, SET_smtpd_data_timeout) * 1000;
	h->grace_ms = settings_u64(settings, SET_smtpd_data_grace) * 1000;
	h->session_ms = settings_u64(settings, SET_smtpd_session_timeout) * 1000;
}

struct smtpd *
smtpd_new(struct io_loop *loop, const struct settings *settings, unsigned instance)
{
	struct smtpd *d = xcalloc(1, sizeof(*d));

	smtp_host_init(&d->host, loop, &smtpd_host_ops, d,
	    settings_text(settings, SET_general_hostname), 's', instance);
	smtp_link_init(&d->queue, &d->host);
	d->host.policy.strict_data = true;
	d->known = address_cache_new();
	d->repeats = repeats_new();
	d->reputation = reputation_new(loop);
	d->lookups = map_new();
	d->questions = map_new();
	TAILQ_INIT(&d->turns);
	smtpd_reload(d, settings);
	return d;
}

void
smtpd_free(struct smtpd **dp)
{
	struct smtpd *d = *dp;

	if (d == NULL)
		return;
	smtp_host_free(&d->host);
	smtp_link_free(&d->queue);
	ipc_channel_free(&d->accounts);
	smtpd_resolver_ops.on_close(d, d->resolver); /* what no session waits for */
	reputation_free(&d->reputation);
	address_cache_free(&d->known);
	repeats_free(&d->repeats);
	map_free(&d->lookups);
	map_free(&d->questions);
	free(d);
	*dp = NULL;
}

/* What waited for the old end is answered before the new one takes its place. */
static void
replace(struct smtpd *d, struct ipc_channel **slot, enum ipc_channel_kind kind,
    const struct ipc_ops *ops, int fd)
{
	if (*slot != NULL)
		ops->on_close(d, *slot);
	*slot = ipc_channel_new(d->host.loop, fd, kind, IPC_CLIENT, ops, d);
}

void
smtpd_peer(struct smtpd *d, enum ipc_channel_kind kind, int fd)
{
	switch (kind) {
	case IPC_CH_accounts_lookup:
		replace(d, &d->accounts, kind, &smtpd_accounts_ops, fd);
		break;
	case IPC_CH_resolver:
		replace(d, &d->resolver, kind, &smtpd_resolver_ops, fd);
		break;
	case IPC_CH_reputation:
		reputation_open(d->reputation, fd);
		break;
	case IPC_CH_queue_accept:
		smtp_link_open(&d->queue, fd);
		break;
	case IPC_CH_keys:
		tls_server_set_keys(d->host.tls, fd);
		break;
	default:
		log_error(NULL, "event=unknown-peer channel=%s", ipc_channel_name(kind));
		close(fd);
	}
}
