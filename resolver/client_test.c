/* SPDX-License-Identifier: ISC */
/* The message side of resolver, against a server that never answers and one that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <unistd.h>

#include "resolver/client.h"

struct asker {
	struct io_loop *loop;
	struct ipc_channel *ch;
	unsigned answers, want, result[IPC_RESULT__MAX];
	bool seen[1024];
	unsigned repeated;
};

static void
on_dns_answer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_dns_answer *m, int fd)
{
	struct asker *a = arg;

	(void)ch;
	(void)fd;
	assert_true(id < 1024 && m->result < IPC_RESULT__MAX);
	a->repeated += a->seen[id];
	a->seen[id] = true;
	a->result[m->result]++;
	if (++a->answers == a->want)
		io_loop_stop(a->loop);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)arg;
	(void)ch;
	fail_msg("resolver closed the channel");
}

static const union ipc_handler handlers[IPC__MAX] = { IPC_ON(dns_answer, on_dns_answer) };
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

static int
deaf_server(char at[32])
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(at, 32, "127.0.0.1@%u", ntohs(sin.sin_port));
	return fd;
}

static struct resolve *
resolver_at(const char *at, uint64_t timeout_ms, struct io_loop *loop)
{
	const char *servers[] = { at }, *why = "";
	struct resolve_options o = { .servers = servers, .nservers = 1, .cache = 1 << 20 };
	struct resolve *r;

	o.timeout_ms = timeout_ms;
	r = resolve_new(&o, &why);
	assert_non_null(r);
	resolve_start(r, loop);
	return r;
}

static void
asker_connect(struct asker *a, struct resolve *r, struct io_loop *loop)
{
	int sv[2];

	memset(a, 0, sizeof(*a));
	assert_int_equal(ipc_pair(sv), 0);
	a->loop = loop;
	client_new(r, loop, "test", sv[0]);
	a->ch = ipc_channel_new(loop, sv[1], IPC_CH_resolver, IPC_CLIENT, &ops, a);
}

static void
ask(struct asker *a, uint64_t id, const char *name, uint32_t type)
{
	ipc_send_dns_query(
	    a->ch, id, &(struct ipc_dns_query){ .type = type, .name = str_of(name) });
}

/* Questions above the limit fail at once, the others in time; each is answered once. */
static void
test_limit(void **state)
{
	enum { N = CLIENT_WAITING_MAX + 44 };
	struct io_loop *loop = *state;
	struct asker a, other;
	struct resolve *r;
	char at[32], name[32];
	int deaf = deaf_server(at);
	uint64_t began = io_now_ms(loop);

	r = resolver_at(at, 400, loop);
	asker_connect(&a, r, loop);
	asker_connect(&other, r, loop);
	for (unsigned i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		ask(&a, i, name, DNS_A);
	}
	a.want = N - CLIENT_WAITING_MAX;
	io_loop_run(loop);
	assert_in_range(io_now_ms(loop) - began, 0, 350);
	/* Another client is not concerned. */
	ask(&other, 1, "not..a.name", DNS_A);
	ask(&other, 2, "test", 255);
	other.want = 2;
	io_loop_run(loop);
	assert_int_equal(other.result[IPC_INVALID], 2);
	a.want = N;
	io_loop_run(loop);
	assert_int_equal(a.result[IPC_TEMP], N);
	assert_int_equal(a.repeated, 0);
	ipc_channel_free(&a.ch);
	ipc_channel_free(&other.ch);
	resolve_free(&r);
	close(deaf);
}

static void
stop(void *arg)
{
	io_loop_stop(arg);
}

/* A client that goes away with questions waiting takes nothing with it. */
static void
test_gone(void **state)
{
	struct io_loop *loop = *state;
	struct io_timer *timer = io_timer_new(loop, stop, loop);
	struct asker a, other;
	struct resolve *r;
	char at[32];
	int deaf = deaf_server(at);

	r = resolver_at(at, 200, loop);
	asker_connect(&a, r, loop);
	asker_connect(&other, r, loop);
	ask(&a, 1, "a.test", DNS_A);
	ask(&a, 2, "b.test", DNS_A);
	ask(&other, 3, "a.test", DNS_A);
	io_timer_set(timer, 50);
	io_loop_run(loop);
	ipc_channel_free(&a.ch);
	other.want = 1;
	io_loop_run(loop);
	assert_int_equal(other.result[IPC_TEMP], 1);
	assert_int_equal(a.answers, 0);
	ipc_channel_free(&other.ch);
	io_timer_set(timer, 50);
	io_loop_run(loop);
	io_timer_free(&timer);
	resolve_free(&r);
	close(deaf);
}

/* One loop for all: as in a daemon, the channels flush at the end of its turns only. */
static int
setup(void **state)
{
	*state = io_loop_new();
	return 0;
}

static int
teardown(void **state)
{
	struct io_loop *loop = *state;

	io_loop_free(&loop);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
