/* SPDX-License-Identifier: ISC */
#include "proc/sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * An empty directory that needs no place on a disk: the child shares our root directory, moves it
 * to its own /proc entry and ends; what is left is a directory without entries in which nobody, not
 * even root, can make one.
 */
static int
root_empty(void)
{
	int status;
	long pid = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int rc = chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0 ? errno : 0;

		_exit(rc);
	}
	while (waitpid((pid_t)pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -EIO;
	return -WEXITSTATUS(status);
}

static int
root_own(int dir)
{
	if (dir < 0)
		return -EBADF;
	return fchdir(dir) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
}

static int
root_change(const struct sandbox_row *row, int dir, const char **step)
{
	*step = "root directory";
	return row->root == ROOT_EMPTY ? root_empty() : root_own(dir);
}

static int
capabilities_clear(const char **step)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2];

	*step = "capabilities";
	memset(none, 0, sizeof(none));
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

int
sandbox_bounding_drop(uint64_t keep, const char **step)
{
	*step = "bounding set";
	/* The kernel answers EINVAL above its last capability. */
	for (unsigned long c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (!(keep >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

/* True when there is a way back to another uid: then nothing that was done is worth much. */
static int
way_back(uid_t uid)
{
	uid_t r, e, s;

	return getresuid(&r, &e, &s) < 0 || r != uid || e != uid || s != uid || setuid(0) == 0;
}

static int
as_root(const struct sandbox_row *row, uid_t uid, gid_t gid, int dir, const char **step)
{
	int rc;

	*step = "uid or gid 0";
	if (uid == 0 || gid == 0)
		return -EINVAL;
	*step = "groups";
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0)
		return -errno;
	if ((rc = root_change(row, dir, step)) < 0 || (rc = sandbox_bounding_drop(0, step)) < 0)
		return rc;
	*step = "uid";
	if (setresuid(uid, uid, uid) < 0)
		return -errno;
	if ((rc = capabilities_clear(step)) < 0)
		return rc;
	*step = "a way back to uid 0";
	return way_back(uid) ? -EPERM : 0;
}

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		/* Without the map the kernel still knows whose files are whose. */
		if (write(fd, text, strlen(text)) < 0)
			errno = 0;
		close(fd);
	}
}

/* In a namespace of its own an ordinary user may change the root directory. */
static bool
user_namespace(void)
{
	char uid[64], gid[64];

	snprintf(uid, sizeof(uid), "%u %u 1", (unsigned)getuid(), (unsigned)getuid());
	snprintf(gid, sizeof(gid), "%u %u 1", (unsigned)getgid(), (unsigned)getgid());
	if (unshare(CLONE_NEWUSER) < 0)
		return false;
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", uid);
	put("/proc/self/gid_map", gid);
	return true;
}

static int
as_user(const struct sandbox_row *row, int dir, bool *rooted, const char **step)
{
	int rc;

	*rooted = user_namespace() && root_change(row, dir, step) == 0;
	if (*rooted && (rc = sandbox_bounding_drop(0, step)) < 0)
		return rc;
	return capabilities_clear(step);
}

int
sandbox_identity_take(const struct sandbox_row *row, bool root, uid_t uid, gid_t gid, int dir,
    struct sandbox_identity *got, const char **step)
{
	got->own = got->rooted = root;
	if (root)
		return as_root(row, uid, gid, dir, step);
	return as_user(row, dir, &got->rooted, step);
}
