/* SPDX-License-Identifier: ISC */
/* Between the parts of the sandbox; not for others. */
#ifndef POSTERN_PROC_SANDBOX_IMPL_H
#define POSTERN_PROC_SANDBOX_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum sandbox_root { ROOT_KEEP, ROOT_EMPTY, ROOT_OWN_RO, ROOT_OWN_RW };
enum sandbox_fsize { FSIZE_NONE, FSIZE_ANY };

enum {
	CALLS_BASE = 1 << 0,
	CALLS_STREAM = 1 << 1,
	CALLS_ACCEPT = 1 << 2,
	CALLS_KEYS = 1 << 3,
	CALLS_READ = 1 << 4,
	CALLS_WRITE = 1 << 5,
	CALLS_DB = 1 << 6,
	CALLS_LOGGER = 1 << 7,
	CALLS_DNS = 1 << 8,
	CALLS_SANITIZER = 1 << 9,
	CALLS_DOORS = 1 << 10,
	CALLS_CONNECT = 1 << 11,
	CALLS_INDEX = 1 << 12,
};

struct sandbox_row {
	const char *program;
	enum sandbox_root root;
	unsigned calls;
	unsigned nofile, data_mb;
	enum sandbox_fsize fsize;
};

/* NULL: no such program. */
const struct sandbox_row *sandbox_row(const char *program);

/* Each: 0, or -errno with the failing step's name in *step. */

/* Groups, gid, root directory, bounding set, uid. own: a uid of its own, not the caller's;
 * rooted: the root directory was changed. */
struct sandbox_identity {
	bool own, rooted;
};
int sandbox_identity_take(const struct sandbox_row *row, bool root, uid_t uid, gid_t gid, int dir,
    struct sandbox_identity *got, const char **step);
/* Takes capabilities that are not in keep (bit set) out of the bounding set. */
int sandbox_bounding_drop(uint64_t keep, const char **step);

/* For tests: the newest Landlock ABI to use, as if on an older kernel; 0: none. */
extern int sandbox_landlock_newest;
/* Returns the ABI in use, 0 when the kernel has no Landlock. */
int sandbox_landlock(const struct sandbox_row *row, int dir, const uint16_t *ports, size_t nports,
    const char **step);

/* Loads the filter; *count: how many calls are allowed. */
int sandbox_seccomp(const struct sandbox_row *row, unsigned *count, const char **step);
/* Master's: all is allowed but the KILL rows that are not its trade. */
int sandbox_seccomp_master(const char **step);

#endif
