/* SPDX-License-Identifier: ISC */
#include "imapd/imapd.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "auth_client/auth_client.h"

static void
on_stop_time(void *arg)
{
	struct imapd *d = arg;

	while (!TAILQ_EMPTY(&d->clients))
		client_free(TAILQ_FIRST(&d->clients), "stopped");
	d->stopped(d->stopped_arg);
}

struct imapd *
imapd_new(struct io_loop *loop, const struct settings *settings, uint32_t instance)
{
	struct imapd *d = xcalloc(1, sizeof(*d));

	d->loop = loop;
	d->settings = settings;
	d->instance = instance;
	d->tls = tls_server_new(loop);
	d->auth = auth_pool_new(loop);
	d->per_address = map_new();
	d->stop = io_timer_new(loop, on_stop_time, d);
	TAILQ_INIT(&d->clients);
	return d;
}

void
imapd_free(struct imapd **dp)
{
	struct imapd *d = *dp;

	if (d == NULL)
		return;
	*dp = NULL;
	while (!TAILQ_EMPTY(&d->clients))
		client_free(TAILQ_FIRST(&d->clients), "stopped");
	auth_pool_free(&d->auth);
	tls_server_free(&d->tls);
	map_free(&d->per_address);
	io_timer_free(&d->stop);
	free(d);
}

void
imapd_set_settings(struct imapd *d, const struct settings *settings)
{
	d->settings = settings;
}

void
imapd_accept(struct imapd *d, bool implicit_tls, int fd, const struct sockaddr *sa, socklen_t salen)
{
	(void)salen;
	client_new(d, implicit_tls, fd, sa);
}

void
imapd_stop(struct imapd *d, void (*stopped)(void *arg), void *arg)
{
	struct client *c, *next;

	d->stopped = stopped;
	d->stopped_arg = arg;
	for (c = TAILQ_FIRST(&d->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		client_stop(c);
	}
	/* At least a moment, so that farewells under way leave. */
	io_timer_set(d->stop, TAILQ_EMPTY(&d->clients) ? IMAPD_STOP_MS / 10 : IMAPD_STOP_MS);
}
