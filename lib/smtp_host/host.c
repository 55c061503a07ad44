/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "smtp_host/smtp_host.h"

void
smtp_host_init(struct smtp_host *h, struct io_loop *loop, const struct smtp_host_ops *ops,
    void *arg, const char *hostname, char letter, unsigned instance)
{
	memset(h, 0, sizeof(*h));
	h->loop = loop;
	h->ops = ops;
	h->arg = arg;
	h->tls = tls_server_new(loop);
	h->per_address = map_new();
	h->per_network = map_new();
	h->this_minute = map_new();
	LIST_INIT(&h->conns);
	snprintf(h->hostname, sizeof(h->hostname), "%s", hostname);
	h->policy.hostname = h->hostname;
	/* no id comes twice: the time of the start, the worker, a count */
	snprintf(h->id_prefix, sizeof(h->id_prefix), "%c%llx%x-", letter,
	    (unsigned long long)time(NULL), instance & 0xf);
}

void
smtp_host_reload(struct smtp_host *h, const struct settings *settings)
{
	const char *url = settings_text(settings, SET_general_help_url);

	h->policy.max_size = settings_u64(settings, SET_general_message_size);
	if (*url != '\0')
		snprintf(h->help_url, sizeof(h->help_url), "%s", url);
	else
		snprintf(h->help_url, sizeof(h->help_url), "https://%s/help/", h->hostname);
	h->policy.help_url = h->help_url;
}

void
smtp_host_free(struct smtp_host *h)
{
	struct smtp_conn *c;

	h->stopping = false;
	while ((c = LIST_FIRST(&h->conns)) != NULL)
		smtp_conn_shutdown(c, SMTP_STOPPING, "stopped");
	for (unsigned i = 0; i < h->nlisteners; i++)
		io_listener_free(&h->listeners[i]);
	tls_server_free(&h->tls);
	io_timer_free(&h->stop_timer);
	map_free(&h->per_address);
	map_free(&h->per_network);
	map_free(&h->this_minute);
}

static void
on_accept(void *arg, int fd, const struct sockaddr *sa, socklen_t salen)
{
	(void)salen;
	smtp_conn_new(arg, fd, sa, false);
}

static void
on_accept_tls(void *arg, int fd, const struct sockaddr *sa, socklen_t salen)
{
	(void)salen;
	smtp_conn_new(arg, fd, sa, true);
}

void
smtp_host_listen(struct smtp_host *h, int fd, bool implicit_tls)
{
	if (h->nlisteners == SMTP_HOST_LISTENERS_MAX || h->stopping) {
		log_error(NULL, "event=listener-refused count=%u", h->nlisteners);
		close(fd);
		return;
	}
	h->listeners[h->nlisteners++] =
	    io_listener_new(h->loop, fd, implicit_tls ? on_accept_tls : on_accept, h);
}

static void
on_stop_timer(void *arg)
{
	struct smtp_host *h = arg;
	struct smtp_conn *c;

	while ((c = LIST_FIRST(&h->conns)) != NULL) /* the last one calls stopped() */
		smtp_conn_shutdown(c, SMTP_STOPPING, "stopped");
}

void
smtp_host_stop(struct smtp_host *h, void (*stopped)(void *arg), void *arg)
{
	struct smtp_conn *c, *next;

	h->stopping = true;
	h->stopped = stopped;
	h->stopped_arg = arg;
	for (unsigned i = 0; i < h->nlisteners; i++)
		io_listener_free(&h->listeners[i]);
	h->nlisteners = 0;
	h->stop_timer = io_timer_new(h->loop, on_stop_timer, h);
	io_timer_set(h->stop_timer, SMTP_HOST_STOP_MS);
	if (h->count == 0)
		stopped(arg);
	for (c = LIST_FIRST(&h->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (!c->committed && !c->holds)
			smtp_conn_shutdown(c, SMTP_STOPPING, "stopping");
	}
}
