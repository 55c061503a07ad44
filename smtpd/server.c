/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "smtpd/address_cache.h"
#include "smtpd/session.h"

void
smtpd_reload(struct smtpd *d, const struct settings *settings)
{
	d->settings = settings;
	d->policy.max_size = settings_u64(settings, SET_general_message_size);
	d->policy.max_recipients = (unsigned)settings_u64(settings, SET_smtpd_max_recipients);
	d->policy.max_errors = (unsigned)settings_u64(settings, SET_smtpd_max_errors);
	d->policy.max_commands = settings_u64(settings, SET_smtpd_max_commands);
	d->max_connections = (unsigned)settings_u64(settings, SET_smtpd_max_connections);
	d->max_per_address =
	    (unsigned)settings_u64(settings, SET_smtpd_max_connections_per_address);
	d->command_ms = settings_u64(settings, SET_smtpd_command_timeout) * 1000;
	d->data_ms = settings_u64(settings, SET_smtpd_data_timeout) * 1000;
	d->session_ms = settings_u64(settings, SET_smtpd_session_timeout) * 1000;
}

struct smtpd *
smtpd_new(struct io_loop *loop, const struct settings *settings, unsigned instance)
{
	struct smtpd *d = xcalloc(1, sizeof(*d));

	d->loop = loop;
	d->tls = tls_server_new(loop);
	d->per_address = map_new();
	d->known = address_cache_new();
	d->lookups = map_new();
	d->messages = map_new();
	d->questions = map_new();
	LIST_INIT(&d->sessions);
	snprintf(
	    d->hostname, sizeof(d->hostname), "%s", settings_text(settings, SET_general_hostname));
	d->policy.hostname = d->hostname;
	d->policy.strict_data = true;
	/* no id comes twice: the time of the start, the worker, a count */
	snprintf(d->id_prefix, sizeof(d->id_prefix), "s%llx%x-", (unsigned long long)time(NULL),
	    instance & 0xf);
	smtpd_reload(d, settings);
	return d;
}

void
smtpd_free(struct smtpd **dp)
{
	struct smtpd *d = *dp;
	struct session *s;

	if (d == NULL)
		return;
	d->stopping = false;
	while ((s = LIST_FIRST(&d->sessions)) != NULL)
		session_shutdown(s, SMTP_STOPPING, "stopped");
	for (unsigned i = 0; i < d->nlisteners; i++)
		io_listener_free(&d->listeners[i]);
	ipc_channel_free(&d->accounts);
	ipc_channel_free(&d->resolver);
	ipc_channel_free(&d->queue);
	tls_server_free(&d->tls);
	io_timer_free(&d->stop_timer);
	map_free(&d->per_address);
	address_cache_free(&d->known);
	map_free(&d->lookups);
	map_free(&d->messages);
	map_free(&d->questions);
	free(d);
	*dp = NULL;
}

static void
on_accept(void *arg, int fd, const struct sockaddr *sa, socklen_t salen)
{
	session_new(arg, fd, sa, salen);
}

void
smtpd_client(struct smtpd *d, int fd, const struct sockaddr *sa, socklen_t salen)
{
	session_new(d, fd, sa, salen);
}

void
smtpd_listen(struct smtpd *d, int fd)
{
	if (d->nlisteners == SMTPD_LISTENERS_MAX || d->stopping) {
		log_error(NULL, "event=listener-refused count=%u", d->nlisteners);
		close(fd);
		return;
	}
	d->listeners[d->nlisteners++] = io_listener_new(d->loop, fd, on_accept, d);
}

/* What waited for the old end is answered before the new one takes its place. */
static void
replace(struct smtpd *d, struct ipc_channel **slot, enum ipc_channel_kind kind,
    const struct ipc_ops *ops, int fd)
{
	if (*slot != NULL)
		ops->on_close(d, *slot);
	*slot = ipc_channel_new(d->loop, fd, kind, IPC_CLIENT, ops, d);
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
	case IPC_CH_queue_accept:
		d->queue_room = IPC_OK;
		replace(d, &d->queue, kind, &smtpd_queue_ops, fd);
		break;
	case IPC_CH_keys:
		tls_server_set_keys(d->tls, fd);
		break;
	default:
		log_error(NULL, "event=unknown-peer channel=%s", ipc_channel_name(kind));
		close(fd);
	}
}

static void
on_stop_timer(void *arg)
{
	struct smtpd *d = arg;
	struct session *s;

	while ((s = LIST_FIRST(&d->sessions)) != NULL) /* the last one calls stopped() */
		session_shutdown(s, SMTP_STOPPING, "stopped");
}

void
smtpd_stop(struct smtpd *d, void (*stopped)(void *arg), void *arg)
{
	struct session *s, *next;

	d->stopping = true;
	d->stopped = stopped;
	d->stopped_arg = arg;
	for (unsigned i = 0; i < d->nlisteners; i++)
		io_listener_free(&d->listeners[i]);
	d->nlisteners = 0;
	d->stop_timer = io_timer_new(d->loop, on_stop_timer, d);
	io_timer_set(d->stop_timer, SMTPD_STOP_MS);
	if (d->count == 0)
		stopped(arg);
	for (s = LIST_FIRST(&d->sessions); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		if (!s->committed && !s->waits_rdns)
			session_shutdown(s, SMTP_STOPPING, "stopping");
	}
}
