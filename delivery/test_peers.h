/* SPDX-License-Identifier: ISC */
/* delivery over real sockets, for tests: queue and resolver are played in the test's own loop, the servers by
 * children (fake_server.h); all static. */
#ifndef POSTERN_DELIVERY_TEST_PEERS_H
#define POSTERN_DELIVERY_TEST_PEERS_H

#include "delivery/delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/xalloc.h"
#include "delivery/fake_server.h"
#include "delivery/impl.h"

enum { SERVERS = 4, NAMES = 16, JOBS = 128, GUARD_MS = 30000, RCPTS = 100 };

struct result {
	uint32_t code;
	uint8_t result, dsn;
	char enhanced[17], text[513], remote[321];
};

/* A job as queue sees it. */
struct order {
	const char *domain, *from, *envid;
	size_t nrcpts;
	const char *const *rcpts;
	uint64_t size; /* of the content: text, or this many bytes of lines */
	const char *text;
	bool body_8bit, cancel_at_want, no_content;
	/* what came back */
	struct result r[RCPTS];
	size_t nresults;
	uint64_t sent, wanted;
	bool done;
	uint8_t destination;
	char tls[65];
};

struct name {
	const char *name;
	uint16_t type;
	uint8_t result, exists;
	struct buf records;
};

struct fixture {
	struct io_loop *loop;
	struct io_timer *guard, *tick, *given;
	struct delivery_options o;
	struct delivery *d;
	struct ipc_channel *queue, *resolver;
	bool timed_out, queue_closed, stopped;
	struct fake_server s[SERVERS];
	uint16_t port;
	struct name names[NAMES];
	size_t nnames, asked;
	struct order *jobs[JOBS];
	uint64_t njobs;
	size_t open; /* jobs without job_done */
	int *until;  /* stop when this counter reaches until_n */
	int until_n;
	const char *until_text;
};

/* --- queue ----------------------------------------------------------------------------------- */

static inline void
send_content(struct fixture *f, uint64_t id, struct order *o, size_t n)
{
	while (n > 0) {
		char bytes[16384];
		size_t k = n < sizeof(bytes) ? n : sizeof(bytes);

		for (size_t i = 0; i < k; i++) {
			uint64_t at = o->sent + i;

			bytes[i] = o->text != NULL ? o->text[at]
				   : at + 2 >= o->size || at % 64 >= 62
				       ? (at + 2 == o->size || at % 64 == 62 ? '\r' : '\n')
				       : 'x';
		}
		ipc_send_job_content(
		    f->queue, id, &(struct ipc_job_content){ .bytes = str_from(bytes, k) });
		o->sent += k;
		n -= k;
	}
}

static inline void
on_job_want(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_want *m, int fd)
{
	struct fixture *f = arg;
	struct order *o = f->jobs[id];

	(void)ch, (void)fd;
	assert_false(o->done);
	o->wanted += m->bytes;
	assert_true(o->wanted <= o->size);
	assert_true(m->bytes <= DELIVERY_WINDOW);
	if (o->cancel_at_want)
		ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	else if (!o->no_content)
		send_content(f, id, o, m->bytes);
}

static inline void
on_job_result(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_result *m, int fd)
{
	struct fixture *f = arg;
	struct order *o = f->jobs[id];
	struct result *r = &o->r[m->recipient];

	(void)ch, (void)fd;
	assert_int_equal(m->recipient, o->nresults);
	o->nresults++;
	r->result = m->result;
	r->code = m->code;
	r->dsn = m->dsn;
	snprintf(r->enhanced, sizeof(r->enhanced), "%.*s", STRF(m->enhanced));
	snprintf(r->text, sizeof(r->text), "%.*s", STRF(m->text));
	snprintf(r->remote, sizeof(r->remote), "%.*s", STRF(m->remote));
}

static inline void
on_job_done(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_done *m, int fd)
{
	struct fixture *f = arg;
	struct order *o = f->jobs[id];

	(void)ch, (void)fd;
	assert_false(o->done);
	assert_int_equal(o->nresults, o->nrcpts);
	o->done = true;
	o->destination = m->destination;
	snprintf(o->tls, sizeof(o->tls), "%.*s", STRF(m->tls));
	if (--f->open == 0 && f->until == NULL && f->until_text == NULL)
		io_loop_stop(f->loop);
}

static inline unsigned
any_state(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return IPC_ANY;
}

static inline void
on_queue_close(void *arg, struct ipc_channel *ch)
{
	struct fixture *f = arg;

	(void)ch;
	f->queue_closed = true;
	ipc_channel_free(&f->queue);
	io_loop_stop(f->loop);
}

static const union ipc_handler queue_handlers[IPC__MAX] = {
	IPC_ON(job_want, on_job_want),
	IPC_ON(job_result, on_job_result),
	IPC_ON(job_done, on_job_done),
};
static const struct ipc_ops queue_ops = {
	.handlers = queue_handlers, .state = any_state, .on_close = on_queue_close
};

/* --- resolver -------------------------------------------------------------------------------- */

static inline void
on_dns_query(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_dns_query *m, int fd)
{
	struct fixture *f = arg;
	struct ipc_dns_answer answer = { .result = IPC_NO, .canonical = m->name };

	(void)fd;
	f->asked++;
	for (size_t i = 0; i < f->nnames; i++) {
		const struct name *n = &f->names[i];

		if (!str_eq(m->name, str_of(n->name)))
			continue;
		answer.exists = n->exists;
		if (m->type != n->type)
			continue;
		answer.result = n->result;
		answer.rdata = str_from(buf_data(&n->records), buf_len(&n->records));
		break;
	}
	ipc_send_dns_answer(ch, id, &answer);
}

static inline void
on_resolver_close(void *arg, struct ipc_channel *ch)
{
	struct fixture *f = arg;

	(void)ch;
	ipc_channel_free(&f->resolver);
}

static const union ipc_handler resolver_handlers[IPC__MAX] = {
	IPC_ON(dns_query, on_dns_query),
};
static const struct ipc_ops resolver_ops = { .handlers = resolver_handlers,
	.on_close = on_resolver_close };

static inline struct name *
name_get(struct fixture *f, const char *name, uint16_t type)
{
	struct name *n;

	for (size_t i = 0; i < f->nnames; i++)
		if (strcmp(f->names[i].name, name) == 0 && f->names[i].type == type)
			return &f->names[i];
	n = &f->names[f->nnames++];
	assert_true(f->nnames <= NAMES);
	*n = (struct name){ .name = name, .type = type, .result = IPC_OK, .exists = 1 };
	buf_init(&n->records, 4096);
	return n;
}

static inline void
put_record(struct name *n, const void *p, size_t size)
{
	buf_putc(&n->records, (int)(size >> 8));
	buf_putc(&n->records, (int)(size & 0xff));
	buf_put(&n->records, p, size);
}

static inline void
dns_mx(struct fixture *f, const char *domain, unsigned preference, const char *host)
{
	struct dns_name name;
	uint8_t record[260] = { (uint8_t)(preference >> 8), (uint8_t)preference };

	assert_true(dns_name_parse(str_of(host), &name));
	memcpy(record + 2, name.wire, name.n);
	put_record(name_get(f, domain, DNS_MX), record, 2U + name.n);
}

static inline void
dns_address(struct fixture *f, const char *host, const char *address)
{
	bool six = strchr(address, ':') != NULL;
	uint8_t b[16];

	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, address, b), 1);
	put_record(name_get(f, host, six ? DNS_AAAA : DNS_A), b, six ? 16 : 4);
}

/* --- the fixture ------------------------------------------------------------------------------ */

static inline void
on_guard(void *arg)
{
	struct fixture *f = arg;

	f->timed_out = true;
	io_loop_stop(f->loop);
}

/* What happens in another process is looked for now and then. */
static inline void
on_tick(void *arg)
{
	struct fixture *f = arg;

	if ((f->until != NULL && __atomic_load_n(f->until, __ATOMIC_SEQ_CST) >= f->until_n) ||
	    (f->until_text != NULL && strstr(f->s[0].heard->text, f->until_text) != NULL))
		io_loop_stop(f->loop);
	else
		io_timer_set(f->tick, 2);
}

static inline void
run(struct fixture *f)
{
	f->timed_out = false;
	io_timer_set(f->guard, GUARD_MS);
	io_loop_run(f->loop);
	assert_false(f->timed_out);
}

/* Until a counter that a server keeps is at n. */
static inline void
run_until(struct fixture *f, int *counter, int n)
{
	f->until = counter;
	f->until_n = n;
	io_timer_set(f->tick, 1);
	run(f);
	f->until = NULL;
}

static inline void
run_until_heard(struct fixture *f, const char *text)
{
	f->until_text = text;
	io_timer_set(f->tick, 1);
	run(f);
	f->until_text = NULL;
}

static inline int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->loop = io_loop_new();
	f->guard = io_timer_new(f->loop, on_guard, f);
	f->tick = io_timer_new(f->loop, on_tick, f);
	snprintf(f->o.hostname, sizeof(f->o.hostname), "own.test");
	f->o.allow_private = true;
	f->o.connect_ms = f->o.command_ms = 10000;
	f->o.idle_ms = 5000;
	f->o.max_messages = 100;
	f->o.own[0] = (struct route_address){ 4, { 127, 0, 0, 1 } };
	f->o.nown = 1;
	*state = f;
	return 0;
}

static inline void
server(struct fixture *f, int i, const char *address, const struct fake_step *const *scripts)
{
	fake_server_start(&f->s[i], address, &f->port, scripts);
}

static inline void
attach_queue(struct fixture *f)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	delivery_queue(f->d, sv[0]);
	f->queue = ipc_channel_new(f->loop, sv[1], IPC_CH_delivery, IPC_CLIENT, &queue_ops, f);
}

/* After the servers were started: their port is known then. */
static inline void
begin(struct fixture *f)
{
	const char *why;
	int sv[2];

	f->o.port = f->port;
	if (f->o.smarthost.host[0] != '\0')
		f->o.smarthost.port = f->port;
	f->o.tls = tls_client_new(fake.ca_file, &why);
	f->d = delivery_new(f->loop, &f->o);
	assert_int_equal(ipc_pair(sv), 0);
	delivery_resolver(f->d, sv[0]);
	f->resolver =
	    ipc_channel_new(f->loop, sv[1], IPC_CH_resolver, IPC_SERVER, &resolver_ops, f);
	attach_queue(f);
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	delivery_free(&f->d);
	tls_client_free(&f->o.tls);
	ipc_channel_free(&f->queue);
	ipc_channel_free(&f->resolver);
	for (int i = 0; i < SERVERS; i++)
		fake_server_stop(&f->s[i]);
	for (size_t i = 0; i < f->nnames; i++)
		buf_free(&f->names[i].records);
	io_timer_free(&f->guard);
	io_timer_free(&f->tick);
	io_loop_free(&f->loop);
	free(f);
	return 0;
}

static uint64_t
give(struct fixture *f, struct order *o)
{
	static const char *const one[] = { "bob@a.test" };
	uint64_t id = f->njobs++;

	assert_true(id < JOBS);
	f->jobs[id] = o;
	f->open++;
	if (o->rcpts == NULL)
		o->rcpts = one;
	if (o->nrcpts == 0)
		o->nrcpts = 1;
	if (o->text != NULL)
		o->size = strlen(o->text);
	ipc_send_job_begin(f->queue, id,
	    &(struct ipc_job_begin){
		.domain = str_of(o->domain != NULL ? o->domain : "a.test"),
		.queue_id = STR("q1"),
		.reverse_path = str_of(o->from != NULL ? o->from : "alice@own.test"),
		.envid = str_of(o->envid),
		.body_8bit = o->body_8bit,
		.size = o->size,
		.recipients = (uint32_t)o->nrcpts,
	    });
	for (size_t i = 0; i < o->nrcpts; i++)
		ipc_send_job_recipient(
		    f->queue, id, &(struct ipc_job_recipient){ .address = str_of(o->rcpts[i]) });
	return id;
}

static inline void
deliver(struct fixture *f, struct order *o)
{
	give(f, o);
	run(f);
	assert_true(o->done);
}

#define TEXT "Subject: x\r\n\r\n.dot\r\nend\r\n"

static inline bool
heard(const struct fixture *f, int i, const char *text)
{
	return strstr(f->s[i].heard->text, text) != NULL;
}

static inline void
nothing_wrong(const struct fixture *f)
{
	for (int i = 0; i < SERVERS; i++)
		if (f->s[i].pid > 0)
			assert_string_equal(f->s[i].heard->wrong, "");
}

/* The one domain a.test, with its mail server at 127.0.0.1. */
static inline void
simple(struct fixture *f, const struct fake_step *const *scripts)
{
	server(f, 0, "127.0.0.1", scripts);
	begin(f);
	dns_mx(f, "a.test", 10, "mx.test");
	dns_address(f, "mx.test", "127.0.0.1");
}

/* --- scripts ---------------------------------------------------------------------------------- */

#define GREET \
	{ SAY, "220 mx.test\r\n", 0 }, \
	{ \
		HEAR, "EHLO own.test", 0 \
	}
#define EHLO_PLAIN \
	{ \
		SAY, "250-mx.test\r\n250 DSN\r\n", 0 \
	}
#define EHLO_TLS \
	{ \
		SAY, "250-mx.test\r\n250 STARTTLS\r\n", 0 \
	}
#define MAIL \
	{ HEAR, "MAIL FROM:<alice@own.test>", 0 }, \
	{ \
		SAY, "250 2.1.0 ok\r\n", 0 \
	}
#define RCPT \
	{ HEAR, "RCPT TO:<bob@a.test>", 0 }, \
	{ \
		SAY, "250 2.1.5 ok\r\n", 0 \
	}
#define DATA \
	{ HEAR, "DATA", 0 }, \
	{ \
		SAY, "354 go\r\n", 0 \
	}
#define ACCEPT \
	{ CONTENT, NULL, 0 }, \
	{ \
		SAY, "250 2.0.0 taken\r\n", 0 \
	}
#define BYE \
	{ HEAR, "QUIT", 0 }, { SAY, "221 bye\r\n", 0 }, \
	{ \
		OVER, NULL, 0 \
	}

#define TO_MAIL \
	GREET, EHLO_PLAIN, \
	{ \
		HEAR, "MAIL", 0 \
	}
#define TO_RCPT \
	GREET, EHLO_PLAIN, MAIL, \
	{ \
		HEAR, "RCPT", 0 \
	}
#define TO_DATA \
	GREET, EHLO_PLAIN, MAIL, RCPT, \
	{ \
		HEAR, "DATA", 0 \
	}
#define TO_DOT \
	GREET, EHLO_PLAIN, MAIL, RCPT, DATA, \
	{ \
		CONTENT, NULL, 0 \
	}
#define END \
	{ LISTEN, NULL, 0 }, \
	{ \
		OVER, NULL, 0 \
	}
#define CLOSE \
	{ \
		OVER, NULL, 0 \
	}

/* Takes messages until QUIT. */
static const struct fake_step healthy[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, ACCEPT,
	{ AGAIN, NULL, 4 } };
static const struct fake_step *const all_healthy[] = { healthy, NULL };

/* --- the cases -------------------------------------------------------------------------------- */

static inline int
make_certificates(void **state)
{
	(void)state;
	fake_certificates_make();
	return 0;
}

static inline int
free_certificates(void **state)
{
	(void)state;
	fake_certificates_free();
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
