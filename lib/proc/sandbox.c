/* SPDX-License-Identifier: ISC */
#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/sandbox_impl.h"

static const struct sandbox_row rows[] = {
#define SANDBOX_ROW(program, root, calls, nofile, data_mb, fsize) \
	{ #program, root, CALLS_BASE | (calls), nofile, data_mb, fsize },
#include "proc/sandbox_table.h"
};

static uint16_t ports[PROC_SANDBOX_PORTS_MAX];
static size_t nports;

#ifdef POSTERN_SANITIZE
/* The leak check at exit starts a thread that traces this one: impossible in the sandbox. */
static int entered;
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return entered;
}
#endif

const struct sandbox_row *
sandbox_row(const char *program)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].program, program) == 0)
			return &rows[i];
	return NULL;
}

int
proc_sandbox_allow_port(uint16_t port)
{
	if (nports == PROC_SANDBOX_PORTS_MAX)
		return -1;
	ports[nports++] = port;
	return 0;
}

static int
failed(char *text, size_t size, const char *step, int error)
{
	snprintf(text, size, "%s: %s", step, strerror(-error));
	return -1;
}

/* Lowers a limit; a hard limit that is lower already stays. */
static int
limit(int which, rlim_t most)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)which, &l) < 0)
		return -errno;
	if (l.rlim_max > most)
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	return setrlimit((__rlimit_resource_t)which, &l) < 0 ? -errno : 0;
}

static int
limits(const struct sandbox_row *row, const char **step)
{
	int rc;

	*step = "resource limits";
	/* With these a write to a full file is an error, not a death. */
	signal(SIGXFSZ, SIG_IGN);
	if ((rc = limit(RLIMIT_NOFILE, row->nofile)) < 0 || (rc = limit(RLIMIT_NPROC, 0)) < 0 ||
	    (rc = limit(RLIMIT_CORE, 0)) < 0 || (rc = limit(RLIMIT_MSGQUEUE, 0)) < 0)
		return rc;
#ifndef POSTERN_SANITIZE
	/* The sanitizers' shadow memory is terabytes, and their reports may go to a file. */
	if ((rc = limit(RLIMIT_DATA, (rlim_t)row->data_mb << 20)) < 0)
		return rc;
	if (row->fsize == FSIZE_NONE && (rc = limit(RLIMIT_FSIZE, 0)) < 0)
		return rc;
#endif
	return 0;
}

static int
no_new_privs(const char **step)
{
	*step = "no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
#ifndef POSTERN_SANITIZE
	/* No other process of the same uid may look in or attach. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
#endif
	return 0;
}

static void
describe(char *text, size_t size, const struct sandbox_row *row, const struct sandbox_identity *id,
    uint32_t uid, int landlock, unsigned calls)
{
	const char *root = "kept";
	int n;

	if (id->rooted)
		root = row->root == ROOT_EMPTY ? "empty" : "own";
	n = id->own ? snprintf(text, size, "uid=%u", (unsigned)uid)
		    : snprintf(text, size, "uid=caller's");
	if (n > 0 && (size_t)n < size)
		snprintf(text + n, size - (size_t)n, " root=%s landlock=%d seccomp=%u", root,
		    landlock, calls);
}

int
proc_sandbox_enter(const struct proc_sandbox_request *rq, char *text, size_t size)
{
	const struct sandbox_row *row = sandbox_row(rq->program);
	struct sandbox_identity id;
	const char *step = "";
	unsigned calls;
	int rc, landlock;

	if (row == NULL || row->root == ROOT_KEEP)
		return failed(text, size, rq->program, -EINVAL);
#ifndef POSTERN_SANITIZE
	if (strcmp(rq->program, "logger") != 0)
		dup2(STDIN_FILENO, STDERR_FILENO); /* /dev/null: proc_env_prepare */
#endif
	rc = sandbox_identity_take(row, rq->root, rq->uid, rq->gid, rq->dir, &id, &step);
	if (rc < 0 || (rc = no_new_privs(&step)) < 0 || (rc = limits(row, &step)) < 0)
		return failed(text, size, step, rc);
	if ((landlock = sandbox_landlock(row, rq->dir, ports, nports, &step)) < 0)
		return failed(text, size, step, landlock);
	if (landlock == 0)
		log_warn(
		    NULL, "sandbox landlock=missing: this kernel cannot confine files and ports");
	if ((rc = sandbox_seccomp(row, &calls, &step)) < 0)
		return failed(text, size, step, rc);
	malloc_trim(0); /* libseccomp's working memory */
	describe(text, size, row, &id, rq->uid, landlock, calls);
#ifdef POSTERN_SANITIZE
	entered = 1;
#endif
	return 0;
}

/* chown and access to the instance's directories, uids, roots and bounding sets of the others,
 * their signals, ports below 1024. */
static const uint64_t master_capabilities =
    1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_SETUID |
    1ULL << CAP_SETGID | 1ULL << CAP_SETPCAP | 1ULL << CAP_SYS_CHROOT | 1ULL << CAP_KILL |
    1ULL << CAP_NET_BIND_SERVICE;

int
proc_sandbox_master(char *text, size_t size)
{
	const char *step = "no_new_privs";
	int rc = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed(text, size, step, -errno);
	if (geteuid() == 0)
		rc = sandbox_bounding_drop(master_capabilities, &step);
	if (rc < 0 || (rc = sandbox_seccomp_master(&step)) < 0)
		return failed(text, size, step, rc);
	snprintf(text, size, "uid=%u", (unsigned)geteuid());
#ifdef POSTERN_SANITIZE
	entered = 1;
#endif
	return 0;
}
