/* SPDX-License-Identifier: ISC */
/*
 * Landlock by raw calls: libc has no wrappers, and the kernel's header at build time may be older
 * than the kernel at run time, so the few constants stand here.
 */
#include "proc/sandbox_impl.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum { LL_VERSION = 1 }; /* flag of create_ruleset */
enum { LL_RULE_PATH = 1, LL_RULE_PORT = 2 };

enum {
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_REMOVE_DIR = 1 << 4,
	LL_REMOVE_FILE = 1 << 5,
	LL_MAKE_DIR = 1 << 7,
	LL_MAKE_REG = 1 << 8,
	LL_FS_ABI1 = (1 << 13) - 1,
	LL_REFER = 1 << 13,     /* ABI 2: rename between directories */
	LL_TRUNCATE = 1 << 14,  /* ABI 3 */
	LL_IOCTL_DEV = 1 << 15, /* ABI 5 */
};
enum { LL_BIND_TCP = 1, LL_CONNECT_TCP = 2 };        /* ABI 4 */
enum { LL_SCOPE_ABSTRACT = 1, LL_SCOPE_SIGNAL = 2 }; /* ABI 6 */

struct ll_ruleset {
	uint64_t fs, net, scoped;
};

struct ll_path {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

struct ll_port {
	uint64_t allowed, port;
};

int sandbox_landlock_newest = INT_MAX;

static const uint64_t own_read = LL_READ_FILE | LL_READ_DIR;
static const uint64_t own_write = LL_WRITE_FILE | LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR |
				  LL_MAKE_REG | LL_REFER | LL_TRUNCATE;

/* Everything this ABI can refuse is refused; returns the size of the structure it knows. */
static size_t
ruleset_of(int abi, struct ll_ruleset *r)
{
	*r = (struct ll_ruleset){ .fs = LL_FS_ABI1 };
	if (abi >= 2)
		r->fs |= LL_REFER;
	if (abi >= 3)
		r->fs |= LL_TRUNCATE;
	if (abi >= 4)
		r->net = LL_BIND_TCP | LL_CONNECT_TCP;
	if (abi >= 5)
		r->fs |= LL_IOCTL_DEV;
	if (abi >= 6)
		r->scoped = LL_SCOPE_ABSTRACT | LL_SCOPE_SIGNAL;
	return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

static int
add_dir(int set, const struct ll_ruleset *r, const struct sandbox_row *row, int dir)
{
	struct ll_path rule = { .fd = dir };

	if (row->root == ROOT_EMPTY || dir < 0)
		return 0;
	rule.allowed = (row->root == ROOT_OWN_RW ? own_read | own_write : own_read) & r->fs;
	return syscall(SYS_landlock_add_rule, set, LL_RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

static int
add_ports(int set, const struct ll_ruleset *r, const struct sandbox_row *row, const uint16_t *ports,
    size_t nports)
{
	if (r->net == 0 || !(row->calls & (CALLS_DNS | CALLS_CONNECT)))
		return 0;
	for (size_t i = 0; i < nports; i++) {
		struct ll_port rule = { .allowed = LL_CONNECT_TCP, .port = ports[i] };

		if (syscall(SYS_landlock_add_rule, set, LL_RULE_PORT, &rule, 0) < 0)
			return -errno;
	}
	return 0;
}

int
sandbox_landlock(
    const struct sandbox_row *row, int dir, const uint16_t *ports, size_t nports, const char **step)
{
	struct ll_ruleset r;
	int abi, set, rc;

	*step = "landlock";
	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);
	if (abi > sandbox_landlock_newest)
		abi = sandbox_landlock_newest;
	if (abi < 1)
		return 0; /* not built in (ENOSYS) or switched off (EOPNOTSUPP) */
	set = (int)syscall(SYS_landlock_create_ruleset, &r, ruleset_of(abi, &r), 0);
	if (set < 0)
		return -errno;
	if ((rc = add_dir(set, &r, row, dir)) < 0 ||
	    (rc = add_ports(set, &r, row, ports, nports)) < 0)
		goto out;
	rc = syscall(SYS_landlock_restrict_self, set, 0) < 0 ? -errno : 0;
out:
	close(set);
	return rc < 0 ? rc : abi;
}
