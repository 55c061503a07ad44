/* SPDX-License-Identifier: ISC */
/*
 * probe --pid N --daemon NAME [--kill PROBE]
 *
 * The sandbox of a running daemon, proved from inside: runs what it must not be able to do as
 * system calls in the process itself (lib/proc/sandbox_probes.h), looks at its status, limits, root
 * and descriptors. What would end the process is judged by its filter, read and interpreted; with
 * --kill one of these (such as "execve") is done in earnest at last, and the process has to die.
 *
 * Prints one line for each cell of the table, in the form of the Test Anything Protocol; exit
 * status 0: all hold. Needs root.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/proc/sandbox_probes.h"
#include "tests/probe/descriptors.h"
#include "tests/probe/filter.h"
#include "tests/probe/inject.h"

enum { FDS_MAX = 4096, SCRATCH = 8192 };

struct target {
	pid_t pid, parent;
	const char *daemon;
	struct descriptor fds[FDS_MAX];
	int nfds, socket, dir;
	unsigned except;
};

static int tests, failures;

static void __attribute__((format(printf, 3, 4)))
cell(const struct target *t, int holds, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - %s ", holds ? "" : "not ", ++tests, t->daemon);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	failures += !holds;
}

/* --- seen from outside ------------------------------------------------------------------------ */

static void
status_field(pid_t pid, const char *field, char *out, size_t size)
{
	char path[64], line[256];
	FILE *f;

	*out = '\0';
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if ((f = fopen(path, "r")) == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
			snprintf(out, size, "%.*s", (int)strcspn(line + strlen(field) + 2, "\n"),
			    line + strlen(field) + 2);
	fclose(f);
}

static void
check_status(const struct target *t)
{
	static const char none[] = "0000000000000000";
	static const struct {
		const char *field, *want;
	} want[] = { { "Seccomp", "2" }, { "NoNewPrivs", "1" }, { "CapInh", none },
		{ "CapPrm", none }, { "CapEff", none }, { "CapBnd", none }, { "CapAmb", none },
		{ "Threads", "1" } };
	char got[128];
	unsigned u[4] = { 0 };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		status_field(t->pid, want[i].field, got, sizeof(got));
		cell(t, strcmp(got, want[i].want) == 0, "status %s is %s", want[i].field, got);
	}
	for (int g = 0; g < 2; g++) {
		status_field(t->pid, g ? "Gid" : "Uid", got, sizeof(got));
		cell(t,
		    sscanf(got, "%u %u %u %u", &u[0], &u[1], &u[2], &u[3]) == 4 && u[0] != 0 &&
			u[0] == u[1] && u[0] == u[2] && u[0] == u[3],
		    "status %s is %u, not root", g ? "Gid" : "Uid", u[0]);
	}
	status_field(t->pid, "Groups", got, sizeof(got));
	cell(t, strspn(got, " ") == strlen(got), "no supplementary groups");
}

/* Workers of one daemon share a uid, but no two programs do. */
static void
check_own_uid(const struct target *t)
{
	char mine[128], name[128], other[128], other_name[128];
	struct dirent *e;
	DIR *d = opendir("/proc");
	int shared = 0;

	status_field(t->pid, "Uid", mine, sizeof(mine));
	status_field(t->pid, "Name", name, sizeof(name));
	while (d != NULL && (e = readdir(d)) != NULL) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (pid <= 0 || pid == t->pid)
			continue;
		status_field(pid, "Uid", other, sizeof(other));
		status_field(pid, "Name", other_name, sizeof(other_name));
		shared += strcmp(mine, other) == 0 && strcmp(name, other_name) != 0;
	}
	if (d != NULL)
		closedir(d);
	cell(t, !shared, "uid is shared with no other program");
}

static void
check_limits(const struct target *t)
{
	static const char *const zero[] = { "Max processes", "Max core file size" };
	char path[64], line[256];
	FILE *f;

	for (size_t i = 0; i < 2; i++) {
		int is_zero = 0;
		unsigned long soft, hard;

		snprintf(path, sizeof(path), "/proc/%d/limits", (int)t->pid);
		if ((f = fopen(path, "r")) == NULL)
			continue;
		while (fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, zero[i], strlen(zero[i])) == 0)
				is_zero = sscanf(line + 26, "%lu %lu", &soft, &hard) == 2 &&
					  soft == 0 && hard == 0;
		fclose(f);
		cell(t, is_zero, "limit %s is 0", zero[i]);
	}
}

static void
check_root(const struct target *t)
{
	char path[64], link[256];
	struct dirent *e;
	DIR *d;
	int entries = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)t->pid);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	cell(t, n > 0 && strcmp(link, "/") != 0, "root directory is not the machine's");
	if (descriptors_allowed(t->daemon) & KIND_DIR)
		return;
	snprintf(path, sizeof(path), "/proc/%d/root/", (int)t->pid);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		entries += *e->d_name != '.';
	if (d != NULL)
		closedir(d);
	cell(t, entries == 0, "root directory is empty");
}

static void
check_descriptors(struct target *t)
{
	unsigned may = descriptors_allowed(t->daemon);
	int bad = 0;

	for (int i = 0; i < t->nfds; i++) {
		const struct descriptor *d = &t->fds[i];

		if (d->kind == KIND_UNIX && d->fd > 4)
			t->socket = d->fd;
		if (d->kind == KIND_DIR)
			t->dir = d->fd;
		if (!(d->kind & may)) {
			printf("# %s holds %d: %s\n", t->daemon, d->fd, d->what);
			bad++;
		}
	}
	cell(t, t->nfds > 0 && bad == 0, "descriptors are those of the list (%d)", t->nfds);
}

/* --- from inside ------------------------------------------------------------------------------ */

static uint64_t
scratch(struct inject *in)
{
	const uint64_t args[6] = { 0, SCRATCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		(uint64_t)-1, 0 };
	bool sigsys;
	int died;
	long at = inject_call(in, SYS_mmap, args, &sigsys, &died);

	return at < 0 && at > -4096 ? 0 : (uint64_t)at;
}

static void
try_refused(const struct target *t, struct inject *in, const struct probe *p)
{
	bool sigsys;
	int died;
	long rc = inject_call(in, p->nr, p->args, &sigsys, &died);

	cell(t, died == 0 && probe_holds(p, rc), "%s refused (%s)", p->name,
	    rc < 0 && rc > -4096 ? strerror((int)-rc) : "it was possible");
}

static void
judge_deadly(const struct target *t, const struct filters *f, const struct probe *p)
{
	int verdict;

	if (f == NULL) {
		printf("ok %d - %s %s ends it # SKIP this kernel does not show filters\n", ++tests,
		    t->daemon, p->name);
		return;
	}
	verdict = filters_verdict(f, AUDIT_ARCH_X86_64, p->nr, p->args);
	cell(t, verdict == FILTER_KILL, "%s ends it (by its filter)", p->name);
}

static void
do_deadly(const struct target *t, struct inject *in, const struct probe *p)
{
	bool sigsys;
	int died;

	inject_call(in, p->nr, p->args, &sigsys, &died);
	cell(t, died == SIGSYS, "%s ended it (signal %d)", p->name, died);
}

static int
from_inside(const struct target *t, const char *deadly)
{
	struct probe probes[PROBES_MAX];
	struct probe_data data;
	struct inject *in = inject_attach(t->pid);
	struct filters *f;
	const struct probe *last = NULL;
	uint64_t base;
	size_t n;

	if (in == NULL || (base = scratch(in)) == 0) {
		fprintf(
		    stderr, "probe: cannot work in process %d: %s\n", (int)t->pid, strerror(errno));
		inject_detach(&in);
		return -1;
	}
	probe_data_fill(&data, 25);
	inject_write(in, base, &data, sizeof(data));
	n = probes_make(probes, base, t->socket, t->dir, t->parent, inject_code(in));
	f = filters_read(t->pid);
	for (size_t i = 0; i < n; i++) {
		if (probes[i].except & t->except)
			continue;
		if (deadly != NULL && strcmp(deadly, probes[i].name) == 0)
			last = &probes[i];
		if (probes[i].want == PROBE_KILL)
			judge_deadly(t, f, &probes[i]);
		else
			try_refused(t, in, &probes[i]);
	}
	if (f != NULL) {
		static const uint64_t none[6];

		cell(t, filters_verdict(f, AUDIT_ARCH_I386, 20, none) == FILTER_KILL,
		    "i386 entry ends it (by its filter)");
	}
	inject_call(
	    in, SYS_munmap, (const uint64_t[6]){ base, SCRATCH }, &(bool){ 0 }, &(int){ 0 });
	if (last != NULL)
		do_deadly(t, in, last);
	filters_free(&f);
	inject_detach(&in);
	return 0;
}

static int
usage(void)
{
	fprintf(stderr, "usage: probe --pid N --daemon NAME [--kill PROBE]\n");
	return 100;
}

int
main(int argc, char **argv)
{
	static struct target t = { .socket = 3, .dir = -1 };
	const char *deadly = NULL;
	char parent[32];

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--pid") == 0)
			t.pid = (pid_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--daemon") == 0)
			t.daemon = argv[i + 1];
		else if (strcmp(argv[i], "--kill") == 0)
			deadly = argv[i + 1];
		else
			return usage();
	}
	if (argc % 2 == 0 || t.pid <= 0 || t.daemon == NULL || descriptors_allowed(t.daemon) == 0)
		return usage();
	status_field(t.pid, "PPid", parent, sizeof(parent));
	t.parent = (pid_t)atoi(parent);
	if (strcmp(t.daemon, "resolver") == 0)
		t.except = PROBE_NOT_DNS;
	else if (strcmp(t.daemon, "delivery") == 0)
		t.except = PROBE_NOT_CONNECT;
	t.nfds = descriptors_read(t.pid, t.daemon, t.fds, FDS_MAX);
	check_status(&t);
	check_own_uid(&t);
	check_limits(&t);
	check_root(&t);
	check_descriptors(&t);
	if (from_inside(&t, deadly) < 0)
		cell(&t, 0, "could be entered");
	printf("1..%d\n", tests);
	return failures ? 1 : 0;
}
