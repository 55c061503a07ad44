/* SPDX-License-Identifier: ISC */
/*
 * Children of this test enter the sandbox of each daemon and try what they must not and what they
 * must be able to do: as root, as an ordinary user, and as an ordinary user where user namespaces
 * are forbidden. tests/probe does the same inside the daemons themselves.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <grp.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/env.h"
#include "proc/sandbox.h"
#include "proc/sandbox_impl.h"
#include "proc/sandbox_probes.h"

enum mode { AS_ROOT, AS_USER, AS_USER_WITHOUT_NAMESPACE };
enum { UID = 54321, NOTHING_TRIED = 1 };

/* What a child tells, in memory it shares with the test. */
struct report {
	int entered; /* result of proc_sandbox_enter */
	char text[PROC_SANDBOX_TEXT_MAX];
	char wrong[256]; /* what had to work and did not */
	long result[PROBES_MAX];
	size_t nprobes;
};

struct house {
	char path[64]; /* a directory of the test's own */
	int dir, listener, log[2];
	uint16_t port;
	struct report *r;
};

static const char *const programs[] = { "control", "logger", "keys", "resolver", "accounts",
	"reputation", "auth", "smtpd", "queue", "delivery", "submission", "imapd", "mailbox" };
enum { NPROGRAMS = sizeof(programs) / sizeof(programs[0]) };

static int
setup(void **state)
{
	static struct house h;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	snprintf(h.path, sizeof(h.path), "/tmp/sandbox-test.XXXXXX");
	assert_non_null(mkdtemp(h.path));
	h.dir = open(h.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	h.listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(h.listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(h.listener, 128), 0);
	assert_int_equal(getsockname(h.listener, (struct sockaddr *)&sin, &len), 0);
	h.port = ntohs(sin.sin_port);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, h.log), 0);
	h.r = mmap(NULL, sizeof(*h.r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (geteuid() == 0)
		assert_int_equal(fchown(h.dir, UID, UID), 0);
	*state = &h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	rmdir(h->path);
	return 0;
}

/* --- in the child ----------------------------------------------------------------------------- */

/* Where the root directory was changed before, the kernel refuses new user namespaces. */
static void
forbid_namespaces(const struct house *h)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("/", h->path, NULL, MS_BIND, NULL) < 0 || chroot(h->path) < 0 || chdir("/") < 0)
		_exit(99);
}

static void
enter(struct house *h, const char *program, enum mode mode)
{
	const struct sandbox_row *row = sandbox_row(program);
	struct proc_sandbox_request rq = { .program = program, .uid = UID, .gid = UID };

	rq.root = mode == AS_ROOT;
	rq.dir = row->root == ROOT_EMPTY ? -1 : h->dir;
	if (mode == AS_USER_WITHOUT_NAMESPACE)
		forbid_namespaces(h);
	if (mode != AS_ROOT && geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(UID, UID, UID) < 0 ||
		setresuid(UID, UID, UID) < 0))
		_exit(99);
	if (mode != AS_ROOT)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as after exec */
	log_open(program, h->log[0]);
	if (row->calls & CALLS_CONNECT)
		proc_sandbox_allow_port(h->port);
	h->r->entered = proc_sandbox_enter(&rq, h->r->text, sizeof(h->r->text));
	if (h->r->entered < 0)
		_exit(98);
}

#define MUST(what) \
	do { \
		if (!(what)) { \
			snprintf( \
			    h->r->wrong, sizeof(h->r->wrong), "%s: %s", #what, strerror(errno)); \
			return; \
		} \
	} while (0)

static void
everybody_works(struct house *h)
{
	int sv[2] = { h->log[0], h->log[1] }, ep;
	char *big = malloc(8 << 20);
	struct stat st;
	struct timespec ts;
	uint8_t random[16];

	(void)ep;
	MUST(big != NULL);
	memset(big, 1, 8 << 20);
	free(big);
	MUST(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts) == 0);
	MUST(syscall(SYS_getrandom, random, sizeof(random), 0) == sizeof(random));
	MUST(fstat(sv[0], &st) == 0 && S_ISSOCK(st.st_mode));
	log_info("id", "hello");
	MUST(send(sv[0], "x", 1, MSG_NOSIGNAL) == 1);
	MUST(fcntl(sv[0], F_GETFL) >= 0);
}

static void
reading_works(struct house *h)
{
	int fd = openat(h->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char names[4096];

	MUST(fd >= 0);
	MUST(syscall(SYS_getdents64, fd, names, sizeof(names)) > 0);
	MUST(close(fd) == 0);
}

static void
writing_works(struct house *h)
{
	int fd = openat(h->dir, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	MUST(fd >= 0);
	MUST(pwrite(fd, "hello", 5, 0) == 5);
	MUST(fdatasync(fd) == 0);
	MUST(ftruncate(fd, 3) == 0);
	MUST(fstatat(h->dir, "a", &st, 0) == 0 && st.st_size == 3);
	MUST(renameat(h->dir, "a", h->dir, "b") == 0);
	MUST(mkdirat(h->dir, "d", 0700) == 0);
	MUST(renameat(h->dir, "b", h->dir, "d/b") == 0);
	MUST(unlinkat(h->dir, "d/b", 0) == 0);
	MUST(unlinkat(h->dir, "d", AT_REMOVEDIR) == 0);
	MUST(fsync(h->dir) == 0);
	MUST(close(fd) == 0);
}

static void
writing_is_refused(struct house *h)
{
	MUST(openat(h->dir, "a", O_RDWR | O_CREAT, 0600) < 0);
	MUST(openat(h->dir, ".", O_RDWR | O_TMPFILE, 0600) < 0);
	MUST(unlinkat(h->dir, "a", 0) < 0 && errno == EPERM);
}

/* A client of ours was connected before. */
static void
accepting_works(struct house *h)
{
	int one = 1, fd = accept4(h->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	MUST(fd >= 0);
	MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	MUST(shutdown(fd, SHUT_WR) == 0);
	MUST(close(fd) == 0);
}

static void
asking_works(struct house *h)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(h->port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int tcp;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(fd >= 0);
	MUST(sendto(fd, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin)) == 1 ||
	     errno == ECONNREFUSED);
	/* The port was not allowed. */
	if (sandbox_landlock_newest < 4)
		return;
	tcp = socket(AF_INET, SOCK_STREAM, 0);
	MUST(tcp >= 0);
	MUST(connect(tcp, (struct sockaddr *)&sin, sizeof(sin)) < 0 && errno == EACCES);
}

/* A pair of local stream sockets, and nothing else by that call. */
static void
doors_work(struct house *h)
{
	int sv[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	MUST(close(sv[0]) == 0 && close(sv[1]) == 0);
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv) < 0 && errno == EPERM);
	MUST(socketpair(AF_NETLINK, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0 && errno == EPERM);
}

/* To the one port that was allowed, and where the kernel knows ports to no other. */
static void
connecting_works(struct house *h)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(h->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t n = sizeof(one);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(fd >= 0 && six >= 0);
	MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	MUST(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 || errno == EINPROGRESS);
	MUST(getsockopt(fd, SOL_SOCKET, SO_ERROR, &one, &n) == 0);
	MUST(close(fd) == 0 && close(six) == 0);
	if (sandbox_landlock_newest < 4)
		return;
	sin.sin_port = htons((uint16_t)(h->port ^ 1));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	MUST(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 && errno == EACCES);
	MUST(close(fd) == 0);
}

static void
works(struct house *h, const struct sandbox_row *row)
{
	everybody_works(h);
	if (row->calls & (CALLS_STREAM | CALLS_READ))
		MUST(raise(0) == 0);
	if (row->root == ROOT_OWN_RO || row->root == ROOT_OWN_RW)
		reading_works(h);
	if (row->root == ROOT_OWN_RO)
		writing_is_refused(h);
	if (row->root == ROOT_OWN_RW)
		writing_works(h);
	if (row->calls & CALLS_ACCEPT)
		accepting_works(h);
	if (row->calls & CALLS_DNS)
		asking_works(h);
	if (row->calls & CALLS_DOORS)
		doors_work(h);
	if (row->calls & CALLS_CONNECT)
		connecting_works(h);
}

static unsigned
exceptions(const struct sandbox_row *row, enum mode mode)
{
	unsigned e = 0;

	if (row->calls & CALLS_DNS)
		e |= PROBE_NOT_DNS;
	if (row->calls & CALLS_CONNECT)
		e |= PROBE_NOT_CONNECT;
	if (row->calls & CALLS_DB)
		e |= PROBE_NOT_DB;
	if (mode == AS_USER_WITHOUT_NAMESPACE && row->calls & CALLS_READ)
		e |= PROBE_NOT_SHARED;
#ifdef POSTERN_SANITIZE
	e |= PROBE_NOT_SANITIZED;
#endif
	return e;
}

static long
try_probe(const struct probe *p)
{
	long rc =
	    syscall(p->nr, p->args[0], p->args[1], p->args[2], p->args[3], p->args[4], p->args[5]);

	return rc < 0 ? -errno : rc;
}

/* deadly: the one deadly probe to try; "": none, but all that are merely refused. */
static void
child(struct house *h, const char *program, enum mode mode, const char *deadly)
{
	static struct probe_data data __attribute__((aligned(4096)));
	struct probe probes[PROBES_MAX];
	const struct sandbox_row *row = sandbox_row(program);
	size_t n;

	probe_data_fill(&data, h->port);
	n = probes_make(probes, (uint64_t)(uintptr_t)&data, h->log[0],
	    row->root == ROOT_EMPTY ? -1 : h->dir, getppid(), (uint64_t)(uintptr_t)&child);
	h->r->nprobes = n;
	enter(h, program, mode);
	if (*deadly == '\0')
		works(h, row);
	for (size_t i = 0; i < n; i++) {
		if ((probes[i].want == PROBE_KILL) != (*deadly != '\0') ||
		    (*deadly != '\0' && strcmp(deadly, probes[i].name) != 0) ||
		    probes[i].except & exceptions(row, mode))
			h->r->result[i] = NOTHING_TRIED;
		else
			h->r->result[i] = try_probe(&probes[i]);
	}
	if (*deadly == '\0')
		pause(); /* refused: goes on */
	_exit(0);
}

/* --- in the test -------------------------------------------------------------------------- */

static pid_t
start(struct house *h, const char *program, enum mode mode, const char *deadly)
{
	pid_t pid;

	memset(h->r, 0, sizeof(*h->r));
	h->r->entered = -2;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(h, program, mode, deadly);
	return pid;
}

static int
client(const struct house *h)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(h->port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static void
check_results(const struct house *h, const char *program, enum mode mode)
{
	struct probe probes[PROBES_MAX];
	size_t n = probes_make(probes, 0, 0, 0, 0, 0);
	int bad = 0;

	if (h->r->wrong[0] != '\0') {
		print_error("%s mode %d: does not work: %s\n", program, mode, h->r->wrong);
		bad++;
	}
	for (size_t i = 0; i < n; i++)
		if (h->r->result[i] != NOTHING_TRIED && !probe_holds(&probes[i], h->r->result[i])) {
			print_error("%s mode %d: %s: got %ld\n", program, mode, probes[i].name,
			    h->r->result[i]);
			bad++;
		}
	assert_int_equal(bad, 0);
}

static void
drain_log(const struct house *h)
{
	char line[LOG_LINE_MAX];

	while (recv(h->log[1], line, sizeof(line), MSG_DONTWAIT) > 0)
		;
}

static void
refused(struct house *h, enum mode mode)
{
	for (size_t i = 0; i < NPROGRAMS; i++) {
		int fd = client(h), status;
		pid_t pid = start(h, programs[i], mode, "");

		assert_int_equal(waitpid(pid, &status, 0), pid);
		close(fd);
		drain_log(h);
		if (h->r->entered != 0)
			print_error("%s: status %x, %s\n", programs[i], status, h->r->text);
		assert_int_equal(h->r->entered, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		check_results(h, programs[i], mode);
		if (getenv("VERBOSE") != NULL)
			print_message("%s: %s\n", programs[i], h->r->text);
	}
}

static void
killed(struct house *h, enum mode mode)
{
	struct probe probes[PROBES_MAX];
	size_t n = probes_make(probes, 0, 0, 0, 0, 0);
	/* One of each shape; the rows are the same for all. */
	static const char *const some[] = { "keys", "resolver", "smtpd", "accounts" };

	for (size_t p = 0; p < 4; p++)
		for (size_t i = 0; i < n; i++) {
			int status;
			pid_t pid;

			if (probes[i].want != PROBE_KILL)
				continue;
			pid = start(h, some[p], mode, probes[i].name);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			drain_log(h);
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
				print_error("%s: %s: status %x\n", some[p], probes[i].name, status);
			assert_int_equal(h->r->entered, 0);
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
		}
}

static void
test_refused_as_root(void **state)
{
	if (geteuid() != 0)
		skip();
	refused(*state, AS_ROOT);
}

/* Not in a chroot, nor where the machine forbids it to ordinary users. */
static bool
namespaces_allowed(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void
test_refused_as_user(void **state)
{
	if (!namespaces_allowed())
		skip();
	refused(*state, AS_USER);
}

static void
test_refused_without_namespace(void **state)
{
	if (geteuid() != 0)
		skip();
	refused(*state, AS_USER_WITHOUT_NAMESPACE);
}

/* Debian 12's kernel has ABI 2. Without Landlock an ordinary user without namespaces could walk out
 * of a daemon's directory by a path: that one combination is not claimed. */
static void
test_refused_with_older_kernels(void **state)
{
	static const int abis[] = { 2, 4, 0 };
	enum mode mode = geteuid() == 0 ? AS_ROOT : AS_USER;

	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++) {
		sandbox_landlock_newest = abis[i];
		refused(*state, mode);
		if (geteuid() == 0 && abis[i] > 0)
			refused(*state, AS_USER_WITHOUT_NAMESPACE);
	}
	sandbox_landlock_newest = INT_MAX;
}

static void
test_deadly(void **state)
{
	killed(*state, geteuid() == 0 ? AS_ROOT : AS_USER);
}

/* The published sizes of the filters. */
static void
test_calls_allowed(void **state)
{
	static const struct {
		const char *program;
		unsigned most;
	} want[] = { { "keys", 25 }, { "control", 40 }, { "smtpd", 40 }, { "imapd", 40 },
		{ "auth", 40 }, { "resolver", 50 }, { "delivery", 40 }, { "submission", 40 },
		{ "logger", 60 }, { "queue", 60 }, { "mailbox", 60 }, { "accounts", 75 },
		{ "reputation", 75 } };
	struct house *h = *state;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		pid_t pid = start(h, want[i].program, geteuid() == 0 ? AS_ROOT : AS_USER, "kcmp");
		const char *at;

		assert_int_equal(waitpid(pid, NULL, 0), pid);
		at = strstr(h->r->text, "seccomp=");
		assert_non_null(at);
#ifndef POSTERN_SANITIZE
		if ((unsigned)atoi(at + 8) > want[i].most)
			print_error("%s: %s\n", want[i].program, h->r->text);
		assert_true((unsigned)atoi(at + 8) <= want[i].most);
#endif
	}
}

static void
status_field(pid_t pid, const char *field, char *out, size_t size)
{
	char path[64], line[256];
	FILE *f;

	out[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
			snprintf(out, size, "%s", line + strlen(field) + 2);
	fclose(f);
}

static void
check_status(pid_t pid)
{
	static const struct {
		const char *field, *want;
	} t[] = { { "Seccomp", "2\n" }, { "NoNewPrivs", "1\n" },
		{ "Uid", "54321\t54321\t54321\t54321\n" },
		{ "Gid", "54321\t54321\t54321\t54321\n" }, { "Groups", " \n" },
		{ "CapInh", "0000000000000000\n" }, { "CapPrm", "0000000000000000\n" },
		{ "CapEff", "0000000000000000\n" }, { "CapBnd", "0000000000000000\n" },
		{ "CapAmb", "0000000000000000\n" } };
	char got[128];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		status_field(pid, t[i].field, got, sizeof(got));
		if (strcmp(t[i].field, "Groups") == 0)
			assert_true(strspn(got, " \n") == strlen(got));
		else
			assert_string_equal(got, t[i].want);
	}
}

static void
check_limits(pid_t pid)
{
	static const struct {
		const char *name;
		unsigned long want;
	} t[] = {
		{ "Max processes", 0 },
		{ "Max core file size", 0 },
		{ "Max msgqueue size", 0 },
#ifndef POSTERN_SANITIZE
		{ "Max file size", 0 },
		{ "Max data size", 512UL << 20 },
#endif
	};
	char path[64], line[256];
	size_t found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
			unsigned long soft = 1, hard = 1;

			if (strncmp(line, t[i].name, strlen(t[i].name)) != 0)
				continue;
			assert_int_equal(sscanf(line + 26, "%lu %lu", &soft, &hard), 2);
			assert_true(soft == t[i].want && hard == t[i].want);
			found++;
		}
	fclose(f);
	assert_int_equal(found, sizeof(t) / sizeof(t[0]));
}

/* A child that stays in the sandbox until its socket closes, seen from outside. */
static void
test_seen_from_outside(void **state)
{
	struct house *h = *state;
	int sv[2], status;
	char byte;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(sv[0]);
		enter(h, "smtpd", AS_ROOT);
		if (write(sv[1], "r", 1) == 1 && read(sv[1], &byte, 1) == 0)
			_exit(0);
		_exit(1);
	}
	close(sv[1]);
	assert_int_equal(read(sv[0], &byte, 1), 1);
	check_status(pid);
	check_limits(pid);
	close(sv[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_bad_requests(void **state)
{
	struct house *h = *state;
	char text[PROC_SANDBOX_TEXT_MAX];
	const struct proc_sandbox_request bad[] = {
		{ .program = "nobody", .root = false, .dir = -1 },
		{ .program = "master", .root = false, .dir = -1 },
		{ .program = "smtpd", .root = true, .uid = 0, .gid = 5, .dir = -1 },
		{ .program = "smtpd", .root = true, .uid = 5, .gid = 0, .dir = -1 },
		{ .program = "queue", .root = true, .uid = 5, .gid = 5, .dir = -1 },
	};

	(void)h;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			int err = dup(2);

			dup2(err, 2);
			_exit(proc_sandbox_enter(&bad[i], text, sizeof(text)) < 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void
test_master(void **state)
{
	struct house *h = *state;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char got[64];
		pid_t grandchild;

		if (proc_sandbox_master(h->r->text, sizeof(h->r->text)) < 0)
			_exit(1);
		if ((grandchild = fork()) == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(3);
		}
		if (waitpid(grandchild, &status, 0) != grandchild || status != 0)
			_exit(4);
		status_field(getpid(), "CapBnd", got, sizeof(got));
		if (geteuid() == 0 && strcmp(got, "00000000000405eb\n") != 0)
			_exit(5);
		syscall(SYS_bpf, 0, NULL, 0);
		_exit(6);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* --- the surroundings --------------------------------------------------------------------- */

static int
env_is_clean(void)
{
	struct stat st, null;
	sigset_t set;
	mode_t mask = umask(0);
	char dir[PATH_MAX];

	if (environ[0] == NULL || strcmp(environ[0], "TZ=UTC") != 0 || getenv("LD_PRELOAD") != NULL)
		return 1;
#ifndef POSTERN_SANITIZE
	if (environ[1] != NULL)
		return 2;
#endif
	if (stat("/dev/null", &null) < 0)
		return 3;
	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) < 0 || st.st_rdev != null.st_rdev)
			return 4;
	if (fcntl(9, F_GETFD) >= 0 || fcntl(200, F_GETFD) >= 0 || fcntl(3, F_GETFD) < 0)
		return 5;
	sigprocmask(SIG_SETMASK, NULL, &set);
	if (mask != 077 || sigismember(&set, SIGTERM) || signal(SIGTERM, SIG_DFL) != SIG_DFL ||
	    signal(SIGPIPE, SIG_DFL) != SIG_IGN)
		return 6;
	return getcwd(dir, sizeof(dir)) == NULL || strcmp(dir, "/") != 0 ? 7 : 0;
}

static void
test_env(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		sigset_t all;

		setenv("LD_PRELOAD", "/tmp/evil.so", 1);
		setenv("TZ", ":/tmp/evil", 1);
		dup2(1, 3);
		dup2(1, 9);
		dup2(1, 200);
		close(0);
		close(1);
		close(2);
		umask(0);
		signal(SIGTERM, SIG_IGN);
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		proc_env_prepare();
		_exit(env_is_clean());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_as_root),
		cmocka_unit_test(test_refused_as_user),
		cmocka_unit_test(test_refused_without_namespace),
		cmocka_unit_test(test_refused_with_older_kernels),
		cmocka_unit_test(test_deadly),
		cmocka_unit_test(test_calls_allowed),
		cmocka_unit_test(test_seen_from_outside),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_master),
		cmocka_unit_test(test_env),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
