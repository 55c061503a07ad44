/* SPDX-License-Identifier: ISC */
#include "resolver/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/xalloc.h"

struct pending {
	LIST_ENTRY(pending) link;
	struct client *client;
	struct question *question;
	uint64_t id;
	bool asking,
	    done; /* see on_query: answers from the cache come before resolve_ask returns */
};

struct client {
	struct resolve *resolve;
	struct ipc_channel *channel;
	LIST_HEAD(, pending) pending;
	unsigned count;
};

static void
send_answer(struct client *c, uint64_t id, const struct resolve_result *r)
{
	struct ipc_dns_answer m = {
		.result = (uint8_t)r->result, .secure = r->secure, .bogus = r->bogus
	};
	char text[DNS_TEXT_MAX];

	if (r->answer != NULL) {
		m.exists = r->result == IPC_OK || r->answer->rcode == 0;
		m.canonical = str_of(dns_name_text(&r->answer->name, text));
		m.ttl = r->answer->ttl;
		m.rdata = str_from(buf_data(&r->answer->records), buf_len(&r->answer->records));
	}
	/* An alias to a name of odd bytes: nothing a mail server could use. */
	if (m.canonical.n > DNS_NAME_MAX)
		m = (struct ipc_dns_answer){ .result = IPC_TEMP };
	ipc_send_dns_answer(c->channel, id, &m);
}

static void
pending_free(struct pending *p)
{
	LIST_REMOVE(p, link);
	p->client->count--;
	free(p);
}

static void
on_result(void *arg, const struct resolve_result *r)
{
	struct pending *p = arg;

	send_answer(p->client, p->id, r);
	if (p->asking)
		p->done = true;
	else
		pending_free(p);
}

static void
on_query(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_dns_query *m, int fd)
{
	struct client *c = arg;
	struct pending *p;

	(void)ch;
	(void)fd;
	if (c->count >= CLIENT_WAITING_MAX) {
		send_answer(c, id, &(struct resolve_result){ .result = IPC_TEMP });
		return;
	}
	p = xcalloc(1, sizeof(*p));
	p->client = c;
	p->id = id;
	LIST_INSERT_HEAD(&c->pending, p, link);
	c->count++;
	p->asking = true;
	p->question = resolve_ask(c->resolve, m->name, m->type, on_result, p);
	p->asking = false;
	if (p->done)
		pending_free(p);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct client *c = arg;
	struct pending *p;

	(void)ch;
	while ((p = LIST_FIRST(&c->pending)) != NULL) {
		question_forget(&p->question);
		pending_free(p);
	}
	ipc_channel_free(&c->channel);
	free(c);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(dns_query, on_query),
};

static const struct ipc_ops ops = {
	.handlers = handlers,
	.on_close = on_close,
};

void
client_new(struct resolve *r, struct io_loop *loop, const char *peer, int fd)
{
	struct client *c = xcalloc(1, sizeof(*c));

	log_debug(NULL, "client=%s", peer);
	c->resolve = r;
	LIST_INIT(&c->pending);
	c->channel = ipc_channel_new(loop, fd, IPC_CH_resolver, IPC_SERVER, &ops, c);
}
