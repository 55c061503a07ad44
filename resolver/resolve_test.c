/* SPDX-License-Identifier: ISC */
/*
 * Questions against a real authoritative server (nsd) on loopback that serves resolver/testdata:
 * test. signed, valid until 2050, with one record tampered with, and 127.in-addr.arpa. unsigned.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "proc/env.h"
#include "proc/sandbox.h"
#include "resolver/anchors.h"
#include "resolver/resolve.h"

#define NSD "/usr/sbin/nsd"

struct server {
	char dir[64];
	char at[32];
	pid_t pid;
	uint16_t port;
};

struct got {
	struct io_loop *loop;
	unsigned calls, want;
	struct resolve_result result;
	char name[DNS_TEXT_MAX];
	uint32_t ttl;
	size_t n;
	uint8_t records[512];
};

/* --- the server ------------------------------------------------------------------------------- */

static uint16_t
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

static void
write_config(const struct server *s, const char *path)
{
	FILE *f = fopen(path, "w");
	char *here = realpath("resolver/testdata", NULL);

	assert_non_null(f);
	assert_non_null(here); /* tests run in the top folder */
	fprintf(f,
	    "server:\n ip-address: 127.0.0.1@%u\n username: \"\"\n server-count: 1\n"
	    " pidfile: \"%s/pid\"\n database: \"\"\n zonelistfile: \"%s/zones\"\n"
	    " xfrdfile: \"%s/xfrd\"\n xfrdir: \"%s\"\n logfile: \"/dev/null\"\n zonesdir: \"%s\"\n"
	    " rrl-ratelimit: 0\nremote-control:\n control-enable: no\n"
	    "zone:\n name: test.\n zonefile: test.zone\n"
	    "zone:\n name: 127.in-addr.arpa.\n zonefile: 127.zone\n",
	    s->port, s->dir, s->dir, s->dir, s->dir, here);
	fclose(f);
	free(here);
}

static bool
answers(const struct server *s)
{
	static const uint8_t ask[] = "\0\1\0\0\0\1\0\0\0\0\0\0\4test\0\0\6\0\1";
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(s->port) };
	struct timeval tv = { .tv_usec = 100000 };
	uint8_t reply[512];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool yes;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	yes = connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
	      send(fd, ask, sizeof(ask) - 1, 0) > 0 && recv(fd, reply, sizeof(reply), 0) > 12;
	close(fd);
	return yes;
}

static int
server_start(void **state)
{
	static struct server s;
	char path[128];

	*state = &s;
	if (access(NSD, X_OK) < 0)
		return 0;
	snprintf(s.dir, sizeof(s.dir), "/tmp/resolve-test.XXXXXX");
	assert_non_null(mkdtemp(s.dir));
	s.port = free_port();
	snprintf(s.at, sizeof(s.at), "127.0.0.1@%u", s.port);
	snprintf(path, sizeof(path), "%s/conf", s.dir);
	write_config(&s, path);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (s.pid == 0) {
		execl(NSD, "nsd", "-d", "-c", path, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 50 && !answers(&s); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	assert_true(answers(&s));
	return 0;
}

static int
server_stop(void **state)
{
	static const char *const files[] = { "conf", "pid", "zones", "xfrd" };
	struct server *s = *state;
	char path[128];

	if (s->pid == 0)
		return 0;
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", s->dir, files[i]);
		unlink(path);
	}
	rmdir(s->dir);
	return 0;
}

/* --- asking ----------------------------------------------------------------------------------- */

static void
on_result(void *arg, const struct resolve_result *r)
{
	struct got *g = arg;

	g->calls++;
	g->result = *r;
	g->result.answer = NULL;
	g->n = 0;
	g->name[0] = '\0';
	if (r->answer != NULL) {
		dns_name_text(&r->answer->name, g->name);
		g->ttl = r->answer->ttl;
		g->n = buf_len(&r->answer->records);
		memcpy(g->records, buf_data(&r->answer->records),
		    g->n < sizeof(g->records) ? g->n : sizeof(g->records));
	}
	if (g->calls == g->want)
		io_loop_stop(g->loop);
}

static void
ask(struct resolve *r, struct io_loop *loop, const char *name, uint16_t type, struct got *g)
{
	struct question *q;

	memset(g, 0, sizeof(*g));
	g->loop = loop;
	g->want = 1;
	q = resolve_ask(r, str_of(name), type, on_result, g);
	if (q == NULL)
		assert_int_equal(g->calls, 1);
	else
		io_loop_run(loop);
	assert_int_equal(g->calls, 1);
}

static char *
anchor_text(void)
{
	FILE *f = fopen("resolver/testdata/test.key", "r");
	char *text = xcalloc(1, 4096);

	assert_non_null(f);
	assert_true(fread(text, 1, 4095, f) > 0);
	fclose(f);
	return text;
}

static struct resolve *
resolver_at(const char *server, const char *anchors, uint64_t timeout_ms, struct io_loop *loop)
{
	const char *servers[] = { server }, *why = "";
	struct resolve_options o = { .servers = servers, .nservers = 1, .cache = 1 << 20 };
	struct resolve *r;

	o.anchors = str_of(anchors);
	o.timeout_ms = timeout_ms;
	r = resolve_new(&o, &why);
	if (r == NULL)
		print_error("%s\n", why);
	assert_non_null(r);
	resolve_start(r, loop);
	return r;
}

static void
test_answers(void **state)
{
	static const struct {
		const char *name;
		uint16_t type;
		enum ipc_result want;
		bool secure;
		const char *canonical, *records;
		size_t n;
	} t[] = {
		{ "mx.example.test", DNS_A, IPC_OK, true, "mx.example.test", "\0\4\x7f\0\0\x19",
		    6 },
		{ "MX.Example.TEST.", DNS_A, IPC_OK, true, "mx.example.test", "\0\4\x7f\0\0\x19",
		    6 },
		{ "alias.test", DNS_A, IPC_OK, true, "mx.example.test", "\0\4\x7f\0\0\x19", 6 },
		{ "nobody.test", DNS_A, IPC_NO, true, "nobody.test", "", 0 },
		{ "mx.example.test", DNS_TXT, IPC_NO, true, "mx.example.test", "", 0 },
		{ "dangling.test", DNS_A, IPC_NO, true, "nowhere.test", "", 0 },
		{ "loop1.test", DNS_A, IPC_TEMP, false, "", "", 0 },
		{ "tampered.test", DNS_A, IPC_TEMP, false, "", "", 0 },
		{ "25.0.0.127.in-addr.arpa", DNS_PTR, IPC_OK, false, "25.0.0.127.in-addr.arpa",
		    "\0\21\2mx\7example\4test\0", 19 },
		{ "not..a.name", DNS_A, IPC_INVALID, false, "", "", 0 },
		{ "test", 255, IPC_INVALID, false, "", "", 0 },
	};
	struct server *s = *state;
	struct io_loop *loop;
	struct resolve *r;
	char *anchors;

	if (s->pid == 0)
		skip();
	loop = io_loop_new();
	anchors = anchor_text();
	r = resolver_at(s->at, anchors, 5000, loop);
	/* Twice: the second time from the cache. */
	for (size_t i = 0; i < 2 * sizeof(t) / sizeof(t[0]); i++) {
		size_t k = i % (sizeof(t) / sizeof(t[0]));
		struct got g;

		ask(r, loop, t[k].name, t[k].type, &g);
		if (g.result.result != t[k].want || g.result.secure != t[k].secure)
			print_error("%s %u: result %d secure %d\n", t[k].name, t[k].type,
			    g.result.result, g.result.secure);
		assert_int_equal(g.result.result, t[k].want);
		assert_int_equal(g.result.secure, t[k].secure);
		assert_string_equal(g.name, t[k].canonical);
		assert_int_equal(g.n, t[k].n);
		assert_memory_equal(g.records, t[k].records, g.n);
	}
	resolve_free(&r);
	io_loop_free(&loop);
	free(anchors);
}

/* Without an anchor the same names are answered, but not as secure. */
static void
test_without_anchor(void **state)
{
	struct server *s = *state;
	struct io_loop *loop;
	struct resolve *r;
	struct got g;

	if (s->pid == 0)
		skip();
	loop = io_loop_new();
	r = resolver_at(s->at, "", 5000, loop);
	ask(r, loop, "mx.example.test", DNS_A, &g);
	assert_int_equal(g.result.result, IPC_OK);
	assert_false(g.result.secure);
	assert_in_range(g.ttl, 1, 300);
	resolve_free(&r);
	/* The root's anchors do not make what is special bogus. */
	r = resolver_at(s->at, anchors_of_root, 5000, loop);
	ask(r, loop, "mx.example.test", DNS_A, &g);
	assert_int_equal(g.result.result, IPC_OK);
	assert_false(g.result.secure);
	resolve_free(&r);
	io_loop_free(&loop);
}

/* A server that never answers: all questions end in time, what was forgotten is not told. */
static void
test_silence(void **state)
{
	enum { N = 50 };
	struct io_loop *loop = io_loop_new();
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int deaf = socket(AF_INET, SOCK_DGRAM, 0);
	char at[32], name[32];
	struct resolve *r;
	struct got g = { .loop = loop, .want = N - 1 };
	struct question *first = NULL;
	uint64_t began;

	(void)state;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(deaf, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(deaf, (struct sockaddr *)&sin, &len), 0);
	snprintf(at, sizeof(at), "127.0.0.1@%u", ntohs(sin.sin_port));
	r = resolver_at(at, "", 300, loop);
	began = io_now_ms(loop);
	for (int i = 0; i < N; i++) {
		struct question *q;

		snprintf(name, sizeof(name), "n%d.test", i);
		q = resolve_ask(r, str_of(name), DNS_A, on_result, &g);
		assert_non_null(q);
		if (i == 0)
			first = q;
	}
	question_forget(&first);
	io_loop_run(loop);
	assert_int_equal(g.calls, N - 1);
	assert_int_equal(g.result.result, IPC_TEMP);
	assert_in_range(io_now_ms(loop) - began, 250, 2000);
	resolve_free(&r);
	io_loop_free(&loop);
	close(deaf);
}

/* Nobody listens there (what an offline machine sees): fails soon, does not spin. */
static void
test_offline(void **state)
{
	struct io_loop *loop = io_loop_new();
	char at[32];
	struct resolve *r;
	struct got g;
	clock_t cpu = clock();

	(void)state;
	snprintf(at, sizeof(at), "127.0.0.1@%u", free_port());
	r = resolver_at(at, "", 1000, loop);
	ask(r, loop, "mx.example.test", DNS_A, &g);
	assert_int_equal(g.result.result, IPC_TEMP);
	assert_true(clock() - cpu < CLOCKS_PER_SEC / 5);
	resolve_free(&r);
	io_loop_free(&loop);
}

/* A machine without any network, asking from the root: the same. */
static void
without_network(void)
{
	struct io_loop *loop = io_loop_new();
	const char *why = "";
	struct resolve_options o = { .cache = 1 << 20, .timeout_ms = 1500 };
	struct resolve *r;
	struct got g;
	clock_t cpu = clock();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		_exit(77);
	o.anchors = str_of(anchors_of_root);
	if ((r = resolve_new(&o, &why)) == NULL)
		_exit(1);
	resolve_start(r, loop);
	ask(r, loop, "mx.example.net", DNS_A, &g);
	_exit(g.result.result != IPC_TEMP ? 2 : clock() - cpu > CLOCKS_PER_SEC / 5 ? 3 : 0);
}

static void
test_without_network(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		without_network();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void
test_too_many(void **state)
{
	struct io_loop *loop = io_loop_new();
	char at[32], name[32];
	struct resolve *r;
	struct got g = { .loop = loop };

	(void)state;
	snprintf(at, sizeof(at), "127.0.0.1@%u", free_port());
	r = resolver_at(at, "", 60000, loop);
	for (int i = 0; i < RESOLVE_WAITING_MAX; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		resolve_ask(r, str_of(name), DNS_A, on_result, &g);
	}
	assert_int_equal(g.calls, 0);
	assert_null(resolve_ask(r, STR("more.test"), DNS_A, on_result, &g));
	assert_int_equal(g.calls, 1);
	assert_int_equal(g.result.result, IPC_TEMP);
	resolve_free(&r);
	io_loop_free(&loop);
}

/* The whole way in the sandbox, as the daemon goes it. Exits with the number of the failed step. */
static void
in_sandbox(const struct server *s)
{
	struct proc_sandbox_request rq = { .program = "resolver", .uid = 54321, .gid = 54321 };
	const char *servers[] = { s->at }, *why = "";
	struct resolve_options o = { .servers = servers, .nservers = 1, .cache = 1 << 20 };
	char text[PROC_SANDBOX_TEXT_MAX], *anchors = anchor_text();
	struct io_loop *loop = io_loop_new();
	struct resolve *r;
	struct got g;

	rq.root = geteuid() == 0;
	rq.dir = -1;
	o.anchors = str_of(anchors);
	o.timeout_ms = 5000;
	if ((r = resolve_new(&o, &why)) == NULL || proc_sandbox_allow_port(s->port) < 0)
		_exit(1);
	if (proc_sandbox_enter(&rq, text, sizeof(text)) < 0)
		_exit(2);
	resolve_start(r, loop);
	ask(r, loop, "mx.example.test", DNS_A, &g);
	if (g.result.result != IPC_OK || !g.result.secure)
		_exit(3);
	ask(r, loop, "big.test", DNS_TXT, &g); /* truncated: asked again by TCP */
	if (g.result.result != IPC_OK || g.n != 20 * 202)
		_exit(4);
	_exit(0);
}

static void
test_in_sandbox(void **state)
{
	struct server *s = *state;
	int status;
	pid_t pid;

	if (s->pid == 0)
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		in_sandbox(s);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_without_anchor),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_offline),
		cmocka_unit_test(test_without_network),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_in_sandbox),
	};

	return cmocka_run_group_tests(tests, server_start, server_stop);
}
