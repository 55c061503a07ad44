/* SPDX-License-Identifier: ISC */
#include "keys/server.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ipc/ipc.h"
#include "keys/keyring.h"

enum { TICKET_BYTES = 80, SERVICE_MAX = 32 };

struct service {
	TAILQ_ENTRY(service) entry;
	char name[SERVICE_MAX];
	uint8_t current[TICKET_BYTES], previous[TICKET_BYTES];
};

struct request {
	enum ipc_type type;
	uint64_t id;
	uint32_t key;
	uint8_t algorithm, digest[KEY_DIGEST_MAX];
	size_t digest_n;
};

struct client {
	TAILQ_ENTRY(client) entry;
	struct keys_server *server;
	struct service *service;
	struct ipc_channel *channel;
	struct request pending[KEYS_PENDING_MAX];
	size_t n;
};

struct keys_server {
	struct io_loop *loop;
	struct keyring *ring;
	struct io_timer *rotation;
	TAILQ_HEAD(, client) clients;
	TAILQ_HEAD(, service) services;
	int dirfd;
};

/* --- ticket keys --------------------------------------------------------------------------------
 */

static void
random_bytes(uint8_t out[TICKET_BYTES])
{
	if (RAND_priv_bytes(out, TICKET_BYTES) != 1)
		fatal("no random numbers");
}

static struct service *
service_get(struct keys_server *s, const char *name)
{
	struct service *v;

	TAILQ_FOREACH(v, &s->services, entry)
		if (strcmp(v->name, name) == 0)
			return v;
	v = xcalloc(1, sizeof(*v));
	strncpy(v->name, name, SERVICE_MAX - 1);
	random_bytes(v->current);
	random_bytes(v->previous);
	TAILQ_INSERT_TAIL(&s->services, v, entry);
	return v;
}

static void
on_rotation(void *arg)
{
	struct keys_server *s = arg;
	struct service *v;

	TAILQ_FOREACH(v, &s->services, entry) {
		memcpy(v->previous, v->current, TICKET_BYTES);
		random_bytes(v->current);
	}
	io_timer_set(s->rotation, KEYS_ROTATION_MS);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void
answer_list(struct client *c, uint64_t id)
{
	const struct keyring *r = c->server->ring;
	size_t n = keyring_count(r);

	if (n == 0)
		ipc_send_key_info(c->channel, id, &(struct ipc_key_info){ .last = 1 });
	for (size_t i = 0; i < n; i++) {
		struct keyring_entry e;

		keyring_get(r, i, &e);
		ipc_send_key_info(c->channel, id,
		    &(struct ipc_key_info){ .last = i + 1 == n,
			.key = e.key,
			.is_default = e.is_default,
			.chain = e.chain });
	}
}

static void
answer_sign(struct client *c, const struct request *q)
{
	static const enum ipc_result results[] = { [-KEYRING_OK] = IPC_OK,
		[-KEYRING_UNKNOWN] = IPC_NO,
		[-KEYRING_INVALID] = IPC_INVALID,
		[-KEYRING_FAILED] = IPC_TEMP };
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t n = 0;
	int r = keyring_sign(
	    c->server->ring, q->key, q->algorithm, str_from(q->digest, q->digest_n), signature, &n);

	if (r != KEYRING_OK) {
		log_warn("", "event=sign-refused client=%s key=%08x algorithm=%u result=%d",
		    c->service->name, q->key, q->algorithm, r);
		n = 0;
	}
	ipc_send_key_signature(c->channel, q->id,
	    &(struct ipc_key_signature){
		.result = (uint8_t)results[-r], .signature = str_from(signature, n) });
}

static void
answer(struct client *c)
{
	struct request q = c->pending[0];

	memmove(c->pending, c->pending + 1, --c->n * sizeof(q));
	if (q.type == IPC_key_list)
		answer_list(c, q.id);
	else if (q.type == IPC_key_sign)
		answer_sign(c, &q);
	else
		ipc_send_ticket_keys_are(c->channel, q.id,
		    &(struct ipc_ticket_keys_are){
			.current = str_from(c->service->current, TICKET_BYTES),
			.previous = str_from(c->service->previous, TICKET_BYTES) });
}

/* After each turn: one request of each client; events in between bring the others'. */
static void
answer_turn(void *arg)
{
	struct keys_server *s = arg;
	struct client *c;
	bool more = false;

	TAILQ_FOREACH(c, &s->clients, entry) {
		if (c->n > 0)
			answer(c);
		more |= c->n > 0;
	}
	ipc_flush_all();
	if (more)
		io_loop_again(s->loop);
}

/* --- clients ------------------------------------------------------------------------------------
 */

static void
client_free(struct client *c)
{
	TAILQ_REMOVE(&c->server->clients, c, entry);
	ipc_channel_free(&c->channel);
	free(c);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	client_free(arg);
}

static void
request(struct client *c, const struct request *q)
{
	if (c->n < KEYS_PENDING_MAX) {
		c->pending[c->n++] = *q;
		return;
	}
	log_error("", "event=flood client=%s", c->service->name);
	client_free(c);
}

static void
on_key_list(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_key_list *m, int fd)
{
	(void)ch, (void)m, (void)fd;
	request(arg, &(struct request){ .type = IPC_key_list, .id = id });
}

static void
on_key_sign(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_key_sign *m, int fd)
{
	struct request q = { .type = IPC_key_sign,
		.id = id,
		.key = m->key,
		.algorithm = m->algorithm,
		.digest_n = m->digest.n };

	(void)ch, (void)fd;
	_Static_assert(sizeof(q.digest) >= 64, "the field's limit in ipc_table.h");
	memcpy(q.digest, m->digest.p, m->digest.n);
	request(arg, &q);
}

static void
on_ticket_keys(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_ticket_keys *m, int fd)
{
	(void)ch, (void)m, (void)fd;
	request(arg, &(struct request){ .type = IPC_ticket_keys, .id = id });
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(key_list, on_key_list),
	IPC_ON(key_sign, on_key_sign),
	IPC_ON(ticket_keys, on_ticket_keys),
};

static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

void
keys_server_add(struct keys_server *s, const char *service, int fd)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->server = s;
	c->service = service_get(s, service);
	c->channel = ipc_channel_new(s->loop, fd, IPC_CH_keys, IPC_SERVER, &ops, c);
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
}

/* --- life ---------------------------------------------------------------------------------------
 */

void
keys_server_reload(struct keys_server *s)
{
	struct keyring *ring = keyring_load(s->dirfd);
	struct client *c;

	if (keyring_count(ring) == 0 && keyring_count(s->ring) > 0) {
		log_error("", "event=reload-refused reason=\"no usable key\"");
		keyring_free(&ring);
		return;
	}
	keyring_free(&s->ring);
	s->ring = ring;
	TAILQ_FOREACH(c, &s->clients, entry)
		ipc_send_key_changed(c->channel, 0, &(struct ipc_key_changed){ 0 });
}

struct keys_server *
keys_server_new(struct io_loop *loop, int dirfd)
{
	struct keys_server *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->dirfd = dirfd;
	TAILQ_INIT(&s->clients);
	TAILQ_INIT(&s->services);
	s->ring = keyring_load(dirfd);
	s->rotation = io_timer_new(loop, on_rotation, s);
	io_timer_set(s->rotation, KEYS_ROTATION_MS);
	io_loop_after_turn(loop, answer_turn, s);
	return s;
}

void
keys_server_free(struct keys_server **sp)
{
	struct keys_server *s = *sp;
	struct service *v;

	if (s == NULL)
		return;
	*sp = NULL;
	while (!TAILQ_EMPTY(&s->clients))
		client_free(TAILQ_FIRST(&s->clients));
	while ((v = TAILQ_FIRST(&s->services)) != NULL) {
		TAILQ_REMOVE(&s->services, v, entry);
		OPENSSL_cleanse(v, sizeof(*v));
		free(v);
	}
	io_timer_free(&s->rotation);
	keyring_free(&s->ring);
	free(s);
}
