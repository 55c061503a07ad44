/* SPDX-License-Identifier: ISC */
/* The host over real sockets: queue and resolver are played in the test's own loop, the servers by
 * children (fake_server.h). */
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

static void
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

static void
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

static void
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

static void
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

static unsigned
any_state(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return IPC_ANY;
}

static void
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

static void
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

static void
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

static struct name *
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

static void
put_record(struct name *n, const void *p, size_t size)
{
	buf_putc(&n->records, (int)(size >> 8));
	buf_putc(&n->records, (int)(size & 0xff));
	buf_put(&n->records, p, size);
}

static void
dns_mx(struct fixture *f, const char *domain, unsigned preference, const char *host)
{
	struct dns_name name;
	uint8_t record[260] = { (uint8_t)(preference >> 8), (uint8_t)preference };

	assert_true(dns_name_parse(str_of(host), &name));
	memcpy(record + 2, name.wire, name.n);
	put_record(name_get(f, domain, DNS_MX), record, 2U + name.n);
}

static void
dns_address(struct fixture *f, const char *host, const char *address)
{
	bool six = strchr(address, ':') != NULL;
	uint8_t b[16];

	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, address, b), 1);
	put_record(name_get(f, host, six ? DNS_AAAA : DNS_A), b, six ? 16 : 4);
}

/* --- the fixture ------------------------------------------------------------------------------ */

static void
on_guard(void *arg)
{
	struct fixture *f = arg;

	f->timed_out = true;
	io_loop_stop(f->loop);
}

/* What happens in another process is looked for now and then. */
static void
on_tick(void *arg)
{
	struct fixture *f = arg;

	if ((f->until != NULL && __atomic_load_n(f->until, __ATOMIC_SEQ_CST) >= f->until_n) ||
	    (f->until_text != NULL && strstr(f->s[0].heard->text, f->until_text) != NULL))
		io_loop_stop(f->loop);
	else
		io_timer_set(f->tick, 2);
}

static void
run(struct fixture *f)
{
	f->timed_out = false;
	io_timer_set(f->guard, GUARD_MS);
	io_loop_run(f->loop);
	assert_false(f->timed_out);
}

/* Until a counter that a server keeps is at n. */
static void
run_until(struct fixture *f, int *counter, int n)
{
	f->until = counter;
	f->until_n = n;
	io_timer_set(f->tick, 1);
	run(f);
	f->until = NULL;
}

static void
run_until_heard(struct fixture *f, const char *text)
{
	f->until_text = text;
	io_timer_set(f->tick, 1);
	run(f);
	f->until_text = NULL;
}

static int
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

static void
server(struct fixture *f, int i, const char *address, const struct fake_step *const *scripts)
{
	fake_server_start(&f->s[i], address, &f->port, scripts);
}

static void
attach_queue(struct fixture *f)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	delivery_queue(f->d, sv[0]);
	f->queue = ipc_channel_new(f->loop, sv[1], IPC_CH_delivery, IPC_CLIENT, &queue_ops, f);
}

/* After the servers were started: their port is known then. */
static void
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

static int
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

static void
deliver(struct fixture *f, struct order *o)
{
	give(f, o);
	run(f);
	assert_true(o->done);
}

#define TEXT "Subject: x\r\n\r\n.dot\r\nend\r\n"

static bool
heard(const struct fixture *f, int i, const char *text)
{
	return strstr(f->s[i].heard->text, text) != NULL;
}

static void
nothing_wrong(const struct fixture *f)
{
	for (int i = 0; i < SERVERS; i++)
		if (f->s[i].pid > 0)
			assert_string_equal(f->s[i].heard->wrong, "");
}

/* The one domain a.test, with its mail server at 127.0.0.1. */
static void
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

/* Takes messages until QUIT. */
static const struct fake_step healthy[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, ACCEPT,
	{ AGAIN, NULL, 4 } };
static const struct fake_step *const all_healthy[] = { healthy, NULL };

/* --- transactions ----------------------------------------------------------------------------- */

static void
test_results(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL,
		{ HEAR, "RCPT TO:<bob@a.test>", 0 }, { SAY, "250 ok\r\n", 0 },
		{ HEAR, "RCPT TO:<eve@a.test>", 0 }, { SAY, "550 5.1.1 no eve here\r\n", 0 },
		{ HEAR, "RCPT TO:<tom@a.test>", 0 }, { SAY, "451 later\r\n", 0 }, DATA, ACCEPT,
		BYE };
	static const struct fake_step *const scripts[] = { script, NULL };
	static const char *const rcpts[] = { "bob@a.test", "eve@a.test", "tom@a.test" };
	struct fixture *f = *state;
	struct order o = { .rcpts = rcpts, .nrcpts = 3, .text = TEXT };
	char remote[64];

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.destination, IPC_OK);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(o.r[0].code, 250);
	assert_string_equal(o.r[0].enhanced, "2.0.0");
	assert_string_equal(o.r[0].text, "taken");
	assert_int_equal(o.r[0].dsn, 1);
	assert_int_equal(o.r[1].result, IPC_NO);
	assert_int_equal(o.r[1].code, 550);
	assert_string_equal(o.r[1].enhanced, "5.1.1");
	assert_int_equal(o.r[1].dsn, 0);
	assert_int_equal(o.r[2].result, IPC_TEMP);
	assert_string_equal(o.r[2].enhanced, "4.0.0");
	snprintf(remote, sizeof(remote), "mx.test [127.0.0.1]:%u", f->port);
	assert_string_equal(o.r[0].remote, remote);
	assert_true(heard(f, 0, "1: ..dot\n1: end\n1: .\n"));
	assert_int_equal(f->s[0].heard->connections, 1);
	nothing_wrong(f);
}

/* Larger than all windows together; each byte arrives. */
static void
test_large(void **state)
{
	struct fixture *f = *state;
	struct order o = { .size = 5000000 };

	simple(f, all_healthy);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(o.wanted, o.size);
	assert_int_equal(f->s[0].heard->content, o.size + 3);
}

static void
test_helo(void **state)
{
	static const struct fake_step script[] = { GREET, { SAY, "500 what?\r\n", 0 },
		{ HEAR, "HELO own.test", 0 }, { SAY, "250 hello\r\n", 0 }, MAIL, RCPT, DATA, ACCEPT,
		BYE };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(o.r[0].dsn, 0);
	nothing_wrong(f);
}

/* More recipients than the server says it takes: the rest waits. */
static void
test_recipient_limit(void **state)
{
	static const struct fake_step script[] = { GREET,
		{ SAY, "250-mx.test\r\n250 LIMITS RCPTMAX=1\r\n", 0 }, MAIL, RCPT, DATA, ACCEPT,
		BYE };
	static const struct fake_step *const scripts[] = { script, NULL };
	static const char *const rcpts[] = { "bob@a.test", "eve@a.test" };
	struct fixture *f = *state;
	struct order o = { .text = TEXT, .rcpts = rcpts, .nrcpts = 2 };

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(o.r[1].result, IPC_TEMP);
	assert_string_equal(o.r[1].enhanced, "4.5.3");
	assert_int_equal(o.destination, IPC_OK);
}

/* --- connections ------------------------------------------------------------------------------ */

static void
test_reuse(void **state)
{
	struct fixture *f = *state;

	f->o.max_messages = 2;
	simple(f, all_healthy);
	for (int i = 0; i < 5; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		assert_int_equal(o.r[0].result, IPC_OK);
	}
	assert_int_equal(f->s[0].heard->connections, 3);
	assert_int_equal(f->asked, 3 * 3); /* no question for a kept connection */
	assert_false(heard(f, 0, "RSET"));
	assert_true(heard(f, 0, "2: DATA"));
	/* The first two had their two messages and were told so. */
	run_until(f, &f->s[0].heard->closed, 2);
	assert_true(heard(f, 0, "1: QUIT"));
	assert_true(heard(f, 0, "2: QUIT"));
	assert_false(heard(f, 0, "3: QUIT"));
}

/* A kept connection ends by itself, politely. */
static void
test_idle_time(void **state)
{
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	f->o.idle_ms = 30;
	simple(f, all_healthy);
	deliver(f, &o);
	run_until_heard(f, "1: QUIT");
}

static void
test_no_reuse(void **state)
{
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT };

	f->o.idle_ms = 0;
	simple(f, all_healthy);
	deliver(f, &a);
	deliver(f, &b);
	assert_int_equal(f->s[0].heard->connections, 2);
	run_until(f, &f->s[0].heard->closed, 2);
	assert_true(heard(f, 0, "2: QUIT"));
}

/* Another destination never gets the connection of this one. */
static void
test_reuse_is_by_domain(void **state)
{
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT, .domain = "b.test" };

	simple(f, all_healthy);
	dns_mx(f, "b.test", 10, "mx.test");
	deliver(f, &a);
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_OK);
	assert_int_equal(f->s[0].heard->connections, 2);
}

/* A server that gave up a kept connection in whatever way costs no attempt. */
static void
test_stale(void **state)
{
	static const struct fake_step closes[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, ACCEPT,
		{ OVER, NULL, 0 } };
	static const struct fake_step says_421[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, ACCEPT,
		{ HEAR, "MAIL", 0 }, { SAY, "421 4.4.2 idle too long\r\n", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step closes_at_mail[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA,
		ACCEPT, { HEAR, "MAIL", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step resets_at_mail[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA,
		ACCEPT, { HEAR, "MAIL", 0 }, { RESET, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { closes, says_421, closes_at_mail,
		resets_at_mail, healthy, NULL };
	struct fixture *f = *state;

	simple(f, scripts);
	for (int i = 0; i < 6; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		assert_int_equal(o.r[0].result, IPC_OK);
		assert_int_equal(o.destination, IPC_OK);
		if (i == 0)
			run_until(f, &f->s[0].heard->closed, 1);
	}
	assert_int_equal(f->s[0].heard->connections, 5);
	assert_int_equal(f->s[0].heard->dots, 6);
	nothing_wrong(f);
}

/* --- routes ----------------------------------------------------------------------------------- */

/* Refused, busy, closed, then one that takes it. */
static void
test_next_mx(void **state)
{
	static const struct fake_step busy[] = { { SAY, "421 4.3.2 busy\r\n", 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step ehlo[] = { GREET, { SAY, "451 4.3.2 later\r\n", 0 }, BYE };
	static const struct fake_step *const s_busy[] = { busy, NULL }, *const s_ehlo[] = { ehlo,
		NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	server(f, 0, "127.0.0.2", s_busy);
	server(f, 1, "127.0.0.3", s_ehlo);
	server(f, 2, "::1", all_healthy);
	begin(f);
	dns_mx(f, "a.test", 10, "mx1.test"); /* nobody listens */
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_mx(f, "a.test", 30, "mx3.test");
	dns_mx(f, "a.test", 40, "mx.test");
	dns_address(f, "mx1.test", "127.0.0.9");
	dns_address(f, "mx2.test", "127.0.0.2");
	dns_address(f, "mx3.test", "127.0.0.3");
	dns_address(f, "mx.test", "::1");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_non_null(strstr(o.r[0].remote, "mx.test [::1]:"));
	assert_int_equal(f->s[0].heard->connections, 1);
	assert_int_equal(f->s[1].heard->connections, 1);
	nothing_wrong(f);
}

/* What a server says about a recipient counts; its neighbours are not asked. */
static void
test_no_next_mx_after_rcpt(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL, { HEAR, "RCPT", 0 },
		{ SAY, "550 5.1.1 unknown\r\n", 0 }, BYE };
	static const struct fake_step later[] = { GREET, EHLO_PLAIN, MAIL, { HEAR, "RCPT", 0 },
		{ SAY, "451 4.2.1 later\r\n", 0 }, BYE };
	static const struct fake_step *const scripts[] = { script, later, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT }, temp = { .text = TEXT };

	f->o.idle_ms = 0;
	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_address(f, "mx2.test", "127.0.0.2");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_NO);
	assert_int_equal(o.r[0].code, 550);
	assert_int_equal(o.destination, IPC_OK);
	deliver(f, &temp);
	assert_int_equal(temp.r[0].result, IPC_TEMP);
	assert_int_equal(temp.r[0].code, 451);
	assert_int_equal(f->s[1].heard->connections, 0);
	run_until(f, &f->s[0].heard->closed, 2);
	nothing_wrong(f);
}

/* A server that goes away before the content is no better than one that does not greet. */
static void
test_next_mx_in_transaction(void **state)
{
	static const struct fake_step closes[] = { GREET, EHLO_PLAIN, { HEAR, "MAIL", 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { closes, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_address(f, "mx2.test", "127.0.0.2");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(f->s[1].heard->dots, 1);
}

/* For good only when all servers refuse us for good. */
static void
test_refused_greeting(void **state)
{
	static const struct fake_step no[] = { { SAY, "554 5.7.1 not you\r\n", 0 }, BYE };
	static const struct fake_step *const s_no[] = { no, NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT };

	simple(f, s_no);
	server(f, 1, "127.0.0.2", s_no);
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_address(f, "mx2.test", "127.0.0.2");
	deliver(f, &a);
	assert_int_equal(a.r[0].result, IPC_NO);
	assert_int_equal(a.r[0].code, 554);
	assert_string_equal(a.r[0].enhanced, "5.7.1");
	assert_int_equal(f->s[1].heard->connections, 1);
	dns_mx(f, "a.test", 30, "mx3.test");
	dns_address(f, "mx3.test", "127.0.0.9");
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_TEMP);
	assert_string_equal(b.r[0].enhanced, "4.7.1");
	assert_int_equal(b.destination, IPC_TEMP);
	nothing_wrong(f);
}

static void
test_no_route(void **state)
{
	struct fixture *f = *state;
	struct order nx = { .text = TEXT, .domain = "none.test" };
	struct order null = { .text = TEXT, .domain = "null.test" };
	struct order loop = { .text = TEXT, .domain = "loop.test" };
	struct order temp = { .text = TEXT, .domain = "temp.test" };
	struct order dead = { .text = TEXT, .domain = "dead.test" };
	struct order literal = { .text = TEXT, .domain = "[127.0.0.1]" };

	simple(f, all_healthy);
	dns_mx(f, "null.test", 0, "");
	dns_mx(f, "loop.test", 10, "own.test");
	name_get(f, "temp.test", DNS_MX)->result = IPC_TEMP;
	dns_address(f, "dead.test", "127.0.0.9"); /* implicit MX; nobody listens */
	deliver(f, &nx);
	assert_int_equal(nx.r[0].result, IPC_NO);
	assert_string_equal(nx.r[0].enhanced, "5.1.2");
	deliver(f, &null);
	assert_int_equal(null.r[0].result, IPC_NO);
	assert_string_equal(null.r[0].enhanced, "5.1.10");
	deliver(f, &loop);
	assert_int_equal(loop.r[0].result, IPC_NO);
	assert_string_equal(loop.r[0].enhanced, "5.4.6");
	deliver(f, &temp);
	assert_int_equal(temp.r[0].result, IPC_TEMP);
	assert_string_equal(temp.r[0].enhanced, "4.4.3");
	assert_int_equal(temp.destination, IPC_TEMP);
	deliver(f, &dead);
	assert_int_equal(dead.r[0].result, IPC_TEMP);
	assert_string_equal(dead.r[0].enhanced, "4.4.1");
	assert_non_null(strstr(dead.r[0].text, "refused"));
	assert_int_equal(dead.destination, IPC_TEMP);
	deliver(f, &literal);
	assert_int_equal(literal.r[0].result, IPC_OK);
	assert_true(literal.r[0].remote[0] == '[');
}

/* Without the setting for tests no connection to such addresses is even tried. */
static void
test_private(void **state)
{
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, own = { .text = TEXT, .domain = "own2.test" };
	struct order literal = { .text = TEXT, .domain = "[127.0.0.1]" };

	f->o.allow_private = false;
	f->o.own[0] = (struct route_address){ 4, { 198, 51, 100, 7 } };
	f->o.nown = 1;
	simple(f, all_healthy);
	dns_mx(f, "own2.test", 10, "mx9.test");
	dns_address(f, "mx9.test", "198.51.100.7");
	deliver(f, &a);
	assert_int_equal(a.r[0].result, IPC_NO);
	assert_string_equal(a.r[0].enhanced, "5.4.4");
	deliver(f, &own);
	assert_int_equal(own.r[0].result, IPC_NO);
	assert_string_equal(own.r[0].enhanced, "5.4.6");
	deliver(f, &literal);
	assert_int_equal(literal.r[0].result, IPC_NO);
	assert_int_equal(f->s[0].heard->connections, 0);
}

/* A domain in other letters is asked for by its name in the DNS. */
static void
test_idn(void **state)
{
	struct fixture *f = *state;
	struct order o = { .text = TEXT,
		.domain = "b\xc3\xbc"
			  "cher.test" };
	struct order bad = { .text = TEXT,
		.domain = "b\xc3\x28"
			  "cher.test" };

	simple(f, all_healthy);
	dns_mx(f, "xn--bcher-kva.test", 10, "mx.test");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	deliver(f, &bad);
	assert_int_equal(bad.r[0].result, IPC_NO);
	assert_string_equal(bad.r[0].enhanced, "5.1.2");
}

static void
test_resolver_gone(void **state)
{
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT };

	simple(f, all_healthy);
	give(f, &a);
	ipc_channel_free(&f->resolver);
	run(f);
	assert_int_equal(a.r[0].result, IPC_TEMP);
	assert_string_equal(a.r[0].enhanced, "4.4.3");
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_TEMP);
}

/* --- TLS -------------------------------------------------------------------------------------- */

#define TLS_SCRIPT(kind) \
	{ \
		GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 }, { SAY, "220 go\r\n", 0 }, \
		    { TLS, NULL, kind }, { HEAR, "EHLO own.test", 0 }, \
		    { SAY, "250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n", 0 }, { HEAR, "", 0 }, \
		    { SAY, "250 2.0.0 first\r\n", 0 }, RCPT, DATA, ACCEPT, { LISTEN, NULL, 0 }, \
		{ \
			OVER, NULL, 0 \
		} \
	}
static const struct fake_step tls_scripts[FAKE__MAX][24] = {
	TLS_SCRIPT(0),
	TLS_SCRIPT(1),
	TLS_SCRIPT(2),
	TLS_SCRIPT(3),
	TLS_SCRIPT(4),
	TLS_SCRIPT(5),
	TLS_SCRIPT(6),
	TLS_SCRIPT(7),
	TLS_SCRIPT(8),
};

/* Any certificate is better than clear text. */
static void
test_tls_any(void **state)
{
	const struct fake_step *scripts[FAKE__MAX + 1] = { NULL };
	struct fixture *f = *state;

	f->o.max_messages = 1;
	for (int i = 0; i < FAKE__MAX; i++)
		scripts[i] = tls_scripts[i];
	simple(f, scripts);
	for (int i = 0; i < FAKE__MAX; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		if (o.r[0].result != IPC_OK || o.tls[0] == '\0')
			print_error("%s: %s %s\n", fake_names[i], o.r[0].text, o.tls);
		assert_int_equal(o.r[0].result, IPC_OK);
		assert_non_null(strstr(o.tls, "TLSv1"));
	}
	assert_int_equal(f->s[0].heard->connections, FAKE__MAX);
	nothing_wrong(f);
}

/* A handshake that fails is followed by clear text over a new connection; that is remembered. */
static void
test_tls_fails(void **state)
{
	static const struct fake_step rubbish[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "220 go\r\n", 0 }, { HEAR, "\x16\x03\x01", 0 },
		{ SAY, "I know no TLS at all\r\n", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step clear[] = { GREET, EHLO_TLS, MAIL, RCPT, DATA, ACCEPT, BYE };
	static const struct fake_step *const scripts[] = { rubbish, clear, NULL };
	struct fixture *f = *state;

	f->o.max_messages = 1;
	simple(f, scripts);
	for (int i = 0; i < 2; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		assert_int_equal(o.r[0].result, IPC_OK);
		assert_string_equal(o.tls, "");
	}
	assert_int_equal(f->s[0].heard->connections, 3);
	nothing_wrong(f);
}

/* Closed amid the handshake, or no answer to it: the same. */
static void
test_tls_ends(void **state)
{
	static const struct fake_step closed[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "220 go\r\n", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step mute[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "220 go\r\n", 0 }, { MUTE, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step clear[] = { GREET, EHLO_TLS, MAIL, RCPT, DATA, ACCEPT, BYE };
	static const struct fake_step *const s_closed[] = { closed, clear, NULL };
	static const struct fake_step *const s_mute[] = { mute, clear, NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT, .domain = "b.test" };

	f->o.command_ms = 200;
	simple(f, s_closed);
	server(f, 1, "127.0.0.2", s_mute);
	dns_address(f, "b.test", "127.0.0.2");
	deliver(f, &a);
	assert_int_equal(a.r[0].result, IPC_OK);
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_OK);
	assert_int_equal(f->s[1].heard->connections, 2);
	nothing_wrong(f);
}

static void
test_tls_refused(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "454 4.7.0 not now\r\n", 0 }, MAIL, RCPT, DATA, ACCEPT, BYE };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_string_equal(o.tls, "");
	nothing_wrong(f);
}

/* Bytes that somebody put behind the 220 are not taken for the server's. */
static void
test_tls_injection(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "220 go\r\n250 mx.test\r\n", 0 }, { LISTEN, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	simple(f, scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	assert_string_equal(o.r[0].enhanced, "4.7.0");
	assert_int_equal(f->s[0].heard->connections, 1);
	run_until(f, &f->s[0].heard->closed, 1);
	assert_false(heard(f, 0, "MAIL"));
}

/* --- smarthost -------------------------------------------------------------------------------- */

static void
smarthost(struct fixture *f, const char *host, const struct fake_step *const *scripts)
{
	f->o.allow_private = false; /* a smarthost may be private all the same */
	snprintf(f->o.smarthost.host, sizeof(f->o.smarthost.host), "%s", host);
	snprintf(f->o.smarthost.route, sizeof(f->o.smarthost.route),
	    strchr(host, '1') != NULL ? "[%s]" : "%s", host);
	snprintf(f->o.smarthost.user, sizeof(f->o.smarthost.user), "relay");
	snprintf(f->o.smarthost.password, sizeof(f->o.smarthost.password), "secret");
	simple(f, scripts);
}

#define STARTTLS_GOOD \
	GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 }, { SAY, "220 go\r\n", 0 }, \
	    { TLS, NULL, FAKE_GOOD }, \
	{ \
		HEAR, "EHLO own.test", 0 \
	}
/* \0relay\0secret */
#define AUTH_PLAIN \
	{ SAY, "250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n", 0 }, \
	    { HEAR, "AUTH PLAIN AHJlbGF5AHNlY3JldA==", 0 }, \
	{ \
		SAY, "235 2.7.0 welcome\r\n", 0 \
	}

static void
test_smarthost(void **state)
{
	static const struct fake_step script[] = { STARTTLS_GOOD, AUTH_PLAIN, MAIL, RCPT, DATA,
		ACCEPT, { AGAIN, NULL, 11 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT, .domain = "other.test" };

	smarthost(f, "mx.test", scripts);
	deliver(f, &a);
	assert_int_equal(a.r[0].result, IPC_OK);
	assert_non_null(strstr(a.tls, "TLSv1.3"));
	/* Whatever the domain: the same server, the same connection. */
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_OK);
	assert_int_equal(f->s[0].heard->connections, 1);
	nothing_wrong(f);
}

static void
test_smarthost_by_address(void **state)
{
	static const struct fake_step script[] = { { TLS, NULL, FAKE_GOOD }, GREET, AUTH_PLAIN,
		MAIL, RCPT, DATA, ACCEPT, BYE };
	static const struct fake_step expired[] = { { TLS, NULL, FAKE_EXPIRED },
		{ OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, expired, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT }, bad = { .text = TEXT };

	f->o.smarthost.tls_first = true;
	f->o.idle_ms = 0;
	smarthost(f, "127.0.0.1", scripts);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(f->asked, 0);
	deliver(f, &bad);
	assert_int_equal(bad.r[0].result, IPC_TEMP);
	assert_string_equal(bad.r[0].enhanced, "4.7.5");
	nothing_wrong(f);
}

/* Nothing of login or message is ever told to a server that is not proved. */
static void
test_smarthost_certificates(void **state)
{
	static const struct fake_step clear[] = { GREET,
		{ SAY, "250-mx.test\r\n250 AUTH PLAIN\r\n", 0 }, { LISTEN, NULL, 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step refuses[] = { GREET, EHLO_TLS, { HEAR, "STARTTLS", 0 },
		{ SAY, "454 not now\r\n", 0 }, { LISTEN, NULL, 0 }, { OVER, NULL, 0 } };
	const struct fake_step *scripts[FAKE__MAX + 2] = { clear, refuses };
	struct fixture *f = *state;

	for (int i = 1; i < FAKE__MAX; i++)
		scripts[i + 1] = tls_scripts[i];
	smarthost(f, "mx.test", scripts);
	for (int i = 0; i <= FAKE__MAX; i++) {
		struct order o = { .text = TEXT };

		deliver(f, &o);
		assert_int_equal(o.r[0].result, IPC_TEMP);
		assert_int_equal(o.destination, IPC_TEMP);
		assert_true(strncmp(o.r[0].enhanced, "4.7.", 4) == 0);
		assert_int_equal(o.wanted, 0);
	}
	run_until(f, &f->s[0].heard->closed, FAKE__MAX + 1);
	assert_int_equal(f->s[0].heard->connections, FAKE__MAX + 1);
	assert_false(heard(f, 0, "AUTH"));
	assert_false(heard(f, 0, "MAIL"));
}

static void
test_smarthost_login_refused(void **state)
{
	static const struct fake_step wrong[] = { STARTTLS_GOOD,
		{ SAY, "250-mx.test\r\n250 AUTH LOGIN\r\n", 0 }, { HEAR, "AUTH LOGIN", 0 },
		{ SAY, "334 VXNlcm5hbWU6\r\n", 0 }, { HEAR, "cmVsYXk=", 0 },
		{ SAY, "334 UGFzc3dvcmQ6\r\n", 0 }, { HEAR, "c2VjcmV0", 0 },
		{ SAY, "535 5.7.8 wrong\r\n", 0 }, { HEAR, "QUIT", 0 }, { OVER, NULL, 0 } };
	static const struct fake_step none[] = { STARTTLS_GOOD,
		{ SAY, "250-mx.test\r\n250 AUTH GSSAPI\r\n", 0 }, { HEAR, "QUIT", 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { wrong, none, NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT };

	smarthost(f, "mx.test", scripts);
	deliver(f, &a); /* the message is not to blame */
	assert_int_equal(a.r[0].result, IPC_TEMP);
	assert_int_equal(a.r[0].code, 535);
	assert_string_equal(a.r[0].enhanced, "4.7.8");
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_TEMP);
	run_until(f, &f->s[0].heard->closed, 2);
	nothing_wrong(f);
}

/* --- hostile servers -------------------------------------------------------------------------- */

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

static const struct {
	const char *what;
	struct fake_step script[24];
	uint8_t want;
	const char *enhanced;
} hostile[] = {
	{ "closed at once", { CLOSE }, IPC_TEMP, "4.4.2" },
	/* Before or after we see the connection. */
	{ "reset at once", { { RESET, NULL, 0 }, CLOSE }, IPC_TEMP, "4.4." },
	{ "closed at EHLO", { GREET, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "closed at MAIL", { TO_MAIL, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "closed at RCPT", { TO_RCPT, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "closed at DATA", { TO_DATA, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "closed in the content", { TO_DATA, { SAY, "354 go\r\n", 0 }, CLOSE }, IPC_TEMP,
	    "4.4.2" },
	{ "closed at the dot", { TO_DOT, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "reset at the dot", { TO_DOT, { RESET, NULL, 0 }, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "no greeting", { END }, IPC_TEMP, "4.4.2" },
	{ "no answer to EHLO", { GREET, END }, IPC_TEMP, "4.4.2" },
	{ "no answer to MAIL", { TO_MAIL, END }, IPC_TEMP, "4.4.2" },
	{ "no answer to RCPT", { TO_RCPT, END }, IPC_TEMP, "4.4.2" },
	{ "no answer to DATA", { TO_DATA, END }, IPC_TEMP, "4.4.2" },
	{ "no answer to the dot", { TO_DOT, END }, IPC_TEMP, "4.4.2" },
	{ "endless line", { { ENDLESS, "220-this line has no end ", 0 }, CLOSE }, IPC_TEMP,
	    "4.5.0" },
	{ "endless reply", { { ENDLESS, "220-one more line\r\n", 0 }, CLOSE }, IPC_TEMP, "4.5.0" },
	{ "endless reply to EHLO", { GREET, { ENDLESS, "250-X-YES\r\n", 0 }, CLOSE }, IPC_TEMP,
	    "4.5.0" },
	{ "endless reply to MAIL", { TO_MAIL, { ENDLESS, "250-yes\r\n", 0 }, CLOSE }, IPC_TEMP,
	    "4.5.0" },
	{ "endless greetings", { { ENDLESS, "220 hello\r\n", 0 }, CLOSE }, IPC_TEMP, "4.5.0" },
	{ "rubbish", { { SAY, "HTTP/1.0 400 Bad Request\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "NUL bytes", { { SAY, "\x01\xff\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "greets with 354", { { SAY, "354 go\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "two greetings", { { SAY, "220 a\r\n220 b\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "354 to MAIL", { TO_MAIL, { SAY, "354 go\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "250 to DATA", { TO_DATA, { SAY, "250 ok\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "334 to RCPT", { TO_RCPT, { SAY, "334 x\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "answers before the questions",
	    { { SAY, "220 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n250 f\r\n", 0 }, END }, IPC_TEMP,
	    "4.5.0" },
	{ "taken before the content", { TO_DATA, { SAY, "354 go\r\n250 taken\r\n", 0 }, END },
	    IPC_TEMP, "4.5.0" },
	{ "codes differ in a reply", { { SAY, "220-a\r\n250 b\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "421 at RCPT", { TO_RCPT, { SAY, "421 4.3.2 stop\r\n", 0 }, CLOSE }, IPC_TEMP, "4.3.2" },
	{ "refused at MAIL", { TO_MAIL, { SAY, "550 5.7.1 no\r\n", 0 }, END }, IPC_NO, "5.7.1" },
	{ "refused at DATA", { TO_DATA, { SAY, "554 5.7.1 no\r\n", 0 }, END }, IPC_NO, "5.7.1" },
	{ "refused at the dot", { TO_DOT, { SAY, "550 5.7.1 spam\r\n", 0 }, END }, IPC_NO,
	    "5.7.1" },
	{ "later at the dot", { TO_DOT, { SAY, "452 4.3.1 full\r\n", 0 }, END }, IPC_TEMP,
	    "4.3.1" },
	{ "a byte now and then", { { DRIP, "220-slow\r\n", 30 }, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "a byte now and then at the dot", { TO_DOT, { DRIP, "250-wait\r\n", 30 }, CLOSE },
	    IPC_TEMP, "4.4.2" },
	{ "never reads", { { SAY, "220 a\r\n", 0 }, { MUTE, NULL, 0 }, CLOSE }, IPC_TEMP, "4.4.2" },
};
enum { HOSTILE = sizeof(hostile) / sizeof(hostile[0]) };

/* Each ends as its own failure within the time, beside a server that is well all along. */
static void
test_hostile(void **state)
{
	const struct fake_step *scripts[HOSTILE + 1] = { NULL };
	struct fixture *f = *state;

	f->o.command_ms = 250;
	f->o.idle_ms = 0;
	for (size_t i = 0; i < HOSTILE; i++)
		scripts[i] = hostile[i].script;
	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_address(f, "good.test", "127.0.0.2");
	for (size_t i = 0; i < HOSTILE; i++) {
		struct order bad = { .size = 1000 }, good = { .text = TEXT, .domain = "good.test" };
		uint64_t began = io_now_ms(f->loop);

		give(f, &good);
		deliver(f, &bad);
		if (bad.r[0].result != hostile[i].want ||
		    strstr(bad.r[0].enhanced, hostile[i].enhanced) != bad.r[0].enhanced)
			print_error(
			    "%s: %s %s\n", hostile[i].what, bad.r[0].enhanced, bad.r[0].text);
		assert_int_equal(bad.r[0].result, hostile[i].want);
		assert_ptr_equal(strstr(bad.r[0].enhanced, hostile[i].enhanced), bad.r[0].enhanced);
		assert_int_equal(good.r[0].result, IPC_OK);
		assert_true(io_now_ms(f->loop) - began < 5000);
		assert_int_equal(f->s[0].heard->connections, i + 1);
	}
	run_until(f, &f->s[0].heard->closed, HOSTILE); /* nothing is left open */
	assert_string_equal(f->s[0].heard->wrong, "");
}

/* A server that takes no content holds up its own job alone, and little of that. */
static void
test_never_reads_content(void **state)
{
	static const struct fake_step script[] = { TO_DATA, { SAY, "354 go\r\n", 0 },
		{ MUTE, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order bad = { .size = 50000000 }, good = { .size = 3000000, .domain = "good.test" };

	f->o.command_ms = 500;
	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_address(f, "good.test", "127.0.0.2");
	give(f, &bad);
	deliver(f, &good);
	assert_int_equal(good.r[0].result, IPC_OK);
	assert_int_equal(bad.r[0].result, IPC_TEMP);
	assert_string_equal(bad.r[0].enhanced, "4.4.2");
	/* Window, buffers and what the kernel's sockets hold (up to 4 and 6 MB). */
	assert_true(bad.wanted < 16000000);
}

static void
test_connect_time(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[4];
	uint64_t began;

	f->o.connect_ms = 100;
	simple(f, all_healthy);
	dns_mx(f, "a.test", 5, "full.test");
	dns_address(f, "full.test", "127.0.0.5");
	inet_pton(AF_INET, "127.0.0.5", &sin.sin_addr);
	sin.sin_port = htons(f->port);
	assert_int_equal(bind(l, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(l, 0), 0);
	for (int i = 0; i < 4; i++) { /* its queue is full: the kernel drops who asks */
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	began = io_now_ms(f->loop);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_true(io_now_ms(f->loop) - began >= 95);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
	close(l);
}

/* --- queue ------------------------------------------------------------------------------------ */

static void
test_cancel(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, END };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .size = 100000, .cancel_at_want = true };

	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_mx(f, "a.test", 20, "mx2.test"); /* not tried after that */
	dns_address(f, "mx2.test", "127.0.0.2");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	run_until(f, &f->s[0].heard->closed, 1);
	assert_int_equal(f->s[0].heard->dots, 0);
	assert_int_equal(f->s[1].heard->connections, 0);
}

/* A tick until the whole content is in the dialogue, though the server takes no more of it. */
static void
on_content_given(void *arg)
{
	struct fixture *f = arg;
	const struct job *j = LIST_FIRST(&f->d->jobs);

	if (j != NULL && j->conn != NULL &&
	    smtp_client_phase(j->conn->engine) == SMTP_CLIENT_DATA_DONE &&
	    buf_len(smtp_client_out(j->conn->engine)) == 0 &&
	    io_stream_out_pending(j->conn->stream) > 0)
		io_loop_stop(f->loop);
	else
		io_timer_set(f->given, 2);
}

/* The final dot that was written, but has not left, never leaves. */
static void
test_cancel_dot_waits(void **state)
{
	static const struct fake_step script[] = { TO_DATA, { SAY, "354 go\r\n", 0 },
		{ HOLD, NULL, 0 }, { CONTENT, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order endless = { .size = 50000000 }, o = { 0 };
	uint64_t id;

	/* How much fits between us and a server that does not read. */
#ifdef POSTERN_SANITIZE
	f->o.command_ms = 6000;
#else
	f->o.command_ms = 1500; /* a busy machine stalls for less */
#endif
	simple(f, scripts);
	deliver(f, &endless);
	assert_int_equal(endless.r[0].result, IPC_TEMP);
	o.size = endless.sent - DELIVERY_WINDOW - SMTP_CLIENT_CONTENT_HIGH - 32768;
	f->d->o.command_ms = 20000;
	id = give(f, &o);
	f->given = io_timer_new(f->loop, on_content_given, f);
	io_timer_set(f->given, 1);
	run(f);
	io_timer_free(&f->given);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_true(o.done);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	assert_string_equal(o.r[0].text, "given up by the queue (DATA_DONE)");
	f->s[0].heard->release = 1;
	run_until(f, &f->s[0].heard->closed, 2);
	assert_int_equal(f->s[0].heard->dots, 0);
}

/* What is complete is not stopped: the result is the truth. */
static void
test_cancel_too_late(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA,
		{ CONTENT, NULL, 0 }, { DRIP, "250 2.0.0 taken\r\n", 20 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };
	uint64_t id;

	simple(f, scripts);
	id = give(f, &o);
	run_until(f, &f->s[0].heard->dots, 1);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_int_equal(o.r[0].result, IPC_OK);
}

/* Cancelled while the first of two servers has not greeted: the second is not tried. */
static void
test_cancel_before_greeting(void **state)
{
	static const struct fake_step script[] = { END };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };
	uint64_t id;

	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_address(f, "mx2.test", "127.0.0.2");
	id = give(f, &o);
	run_until(f, &f->s[0].heard->connections, 1);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	run_until(f, &f->s[0].heard->closed, 1);
	assert_int_equal(f->s[1].heard->connections, 0);
}

/* Cancelled while its route is looked for, and before all recipients have come. */
static void
test_cancel_early(void **state)
{
	struct fixture *f = *state;
	struct order o = { .text = TEXT }, half = { .text = TEXT, .nrcpts = 2 };
	static const char *const rcpts[] = { "bob@a.test", "eve@a.test" };
	uint64_t id;

	simple(f, all_healthy);
	id = give(f, &o);
	ipc_send_job_cancel(f->queue, id, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_int_equal(o.r[0].result, IPC_TEMP);
	half.rcpts = rcpts;
	f->jobs[f->njobs] = &half;
	f->open++;
	ipc_send_job_begin(f->queue, f->njobs,
	    &(struct ipc_job_begin){ .domain = STR("a.test"), .size = 5, .recipients = 2 });
	ipc_send_job_recipient(
	    f->queue, f->njobs, &(struct ipc_job_recipient){ .address = STR("bob@a.test") });
	ipc_send_job_cancel(f->queue, f->njobs++, &(struct ipc_job_cancel){ 0 });
	run(f);
	assert_true(half.done);
	assert_int_equal(half.r[1].result, IPC_TEMP);
}

/* The server waits for content in vain, and is left without the dot. */
static void
test_queue_gone(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, END };
	static const struct fake_step *const scripts[] = { script, healthy, NULL };
	struct fixture *f = *state;
	struct order o = { .size = 1000, .no_content = true }, again = { .text = TEXT };

	simple(f, scripts);
	give(f, &o);
	run_until_heard(f, "1: DATA");
	ipc_channel_free(&f->queue);
	run_until(f, &f->s[0].heard->closed, 1);
	assert_int_equal(f->s[0].heard->dots, 0);
	f->open = 0;
	attach_queue(f);
	deliver(f, &again);
	assert_int_equal(again.r[0].result, IPC_OK);
}

static void
cut_off(struct fixture *f)
{
	run(f);
	assert_true(f->queue_closed);
	assert_true(LIST_EMPTY(&f->d->jobs));
	assert_int_equal(f->d->in_flight, 0);
	f->queue_closed = false;
	f->open = 0;
	attach_queue(f);
}

/* What a queue that was taken over may not do. */
static void
test_violations(void **state)
{
	struct fixture *f = *state;
	struct order o = { .text = TEXT, .no_content = true }, good = { .text = TEXT };
	uint64_t id;

	simple(f, all_healthy);
	id = give(f, &o); /* content that nobody asked for */
	ipc_send_job_content(f->queue, id,
	    &(struct ipc_job_content){ .bytes = STR("0123456789012345678901234567890123456789") });
	cut_off(f);
	ipc_send_job_begin(f->queue, 70,
	    &(struct ipc_job_begin){ .domain = STR("a.test"), .recipients = 0xffffffff });
	cut_off(f);
	ipc_send_job_begin(
	    f->queue, 71, &(struct ipc_job_begin){ .domain = STR("a.test"), .recipients = 0 });
	cut_off(f);
	ipc_send_job_recipient(
	    f->queue, 72, &(struct ipc_job_recipient){ .address = STR("a@a.test") });
	cut_off(f);
	deliver(f, &good);
	assert_int_equal(good.r[0].result, IPC_OK);
}

/* Many at one time: what is asked of queue stays bounded, and all arrive. */
static void
test_many(void **state)
{
	static struct order o[100];
	struct fixture *f = *state;

	simple(f, all_healthy);
	memset(o, 0, sizeof(o));
	for (int i = 0; i < 100; i++) {
		o[i].size = 300000;
		give(f, &o[i]);
	}
	run(f);
	for (int i = 0; i < 100; i++)
		assert_int_equal(o[i].r[0].result, IPC_OK);
	assert_int_equal(f->s[0].heard->dots, 100);
	assert_int_equal(f->d->in_flight, 0);
	assert_true(f->d->nidle <= DELIVERY_IDLE_PER_DESTINATION);
}

/* --- stop ------------------------------------------------------------------------------------- */

static void
on_stopped(void *arg)
{
	struct fixture *f = arg;

	f->stopped = true;
	io_loop_stop(f->loop);
}

/* The reply to a final dot is waited for and told; other jobs are dropped without a word. */
static void
test_stop(void **state)
{
	static const struct fake_step slow[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA,
		{ CONTENT, NULL, 0 }, { DRIP, "250 2.0.0 taken\r\n", 20 }, { OVER, NULL, 0 } };
	static const struct fake_step waits[] = { GREET, EHLO_PLAIN, MAIL, RCPT, DATA, END };
	static const struct fake_step *const s_slow[] = { slow, NULL }, *const s_wait[] = { waits,
		NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT },
		     b = { .size = 1000, .domain = "b.test", .no_content = true };

	simple(f, s_slow);
	server(f, 1, "127.0.0.2", s_wait);
	dns_address(f, "b.test", "127.0.0.2");
	give(f, &a);
	give(f, &b);
	run_until(f, &f->s[0].heard->dots, 1);
	run_until(f, &f->s[1].heard->connections, 1);
	delivery_stop(f->d, on_stopped, f);
	assert_false(f->stopped);
	run(f);
	assert_true(f->stopped);
	f->open = 1;
	while (!a.done)
		run(f);
	assert_int_equal(a.r[0].result, IPC_OK);
	assert_false(b.done);
	run_until(f, &f->s[1].heard->closed, 1);
	assert_int_equal(f->s[1].heard->dots, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_results),
		T(test_large),
		T(test_helo),
		T(test_recipient_limit),
		T(test_reuse),
		T(test_idle_time),
		T(test_no_reuse),
		T(test_reuse_is_by_domain),
		T(test_stale),
		T(test_next_mx),
		T(test_no_next_mx_after_rcpt),
		T(test_next_mx_in_transaction),
		T(test_refused_greeting),
		T(test_no_route),
		T(test_private),
		T(test_idn),
		T(test_resolver_gone),
		T(test_tls_any),
		T(test_tls_fails),
		T(test_tls_ends),
		T(test_tls_refused),
		T(test_tls_injection),
		T(test_smarthost),
		T(test_smarthost_by_address),
		T(test_smarthost_certificates),
		T(test_smarthost_login_refused),
		T(test_hostile),
		T(test_never_reads_content),
		T(test_connect_time),
		T(test_cancel),
		T(test_cancel_dot_waits),
		T(test_cancel_too_late),
		T(test_cancel_before_greeting),
		T(test_cancel_early),
		T(test_queue_gone),
		T(test_violations),
		T(test_many),
		T(test_stop),
	};
	int r;

	fake_certificates_make();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	fake_certificates_free();
	return r;
}
