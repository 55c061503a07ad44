/* SPDX-License-Identifier: ISC */
#include "proc/sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/log.h"

enum call_kind { ALLOW, ALLOW_IF, ALLOW_IF2, ALLOW_SOCKET, ERRNO, KILL };

struct call {
	const char *name;
	unsigned group;
	enum call_kind kind;
	int nr;
	/* ALLOW_IF: a, mask, value. ALLOW_IF2: a, value, b, value2. ALLOW_SOCKET: value, value2.
	 * ERRNO: value. */
	unsigned a, b;
	uint64_t mask, value, value2;
};

static const struct call calls[] = {
#define CALL(group, name) { #name, CALLS_##group, ALLOW, SCMP_SYS(name), 0, 0, 0, 0, 0 },
#define CALL_IF(group, name, arg, mask, value) \
	{ #name, CALLS_##group, ALLOW_IF, SCMP_SYS(name), arg, 0, mask, value, 0 },
#define CALL_IF2(group, name, a, value, b, value2) \
	{ #name, CALLS_##group, ALLOW_IF2, SCMP_SYS(name), a, b, 0, value, value2 },
#define CALL_SOCKET(group, family, type) \
	{ "socket", CALLS_##group, ALLOW_SOCKET, SCMP_SYS(socket), 0, 1, 0, family, type },
#define CALL_ERRNO(name, error) { #name, 0, ERRNO, SCMP_SYS(name), 0, 0, 0, error, 0 },
#define CALL_KILL(name) { #name, 0, KILL, SCMP_SYS(name), 0, 0, 0, 0, 0 },
#include "proc/sandbox_calls.h"
};
enum { NCALLS = sizeof(calls) / sizeof(calls[0]) };

/* What the kernel compares are 64-bit registers; of an int only the lower half counts. */
static const uint64_t int_mask = 0xffffffff;

static int
add_call(scmp_filter_ctx ctx, const struct call *c)
{
	switch (c->kind) {
	case ALLOW:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, c->nr, 0);
	case ALLOW_IF:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, c->nr, 1,
		    SCMP_CMP(c->a, SCMP_CMP_MASKED_EQ, c->mask, c->value));
	case ALLOW_IF2:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, c->nr, 2,
		    SCMP_CMP(c->a, SCMP_CMP_MASKED_EQ, int_mask, c->value),
		    SCMP_CMP(c->b, SCMP_CMP_MASKED_EQ, int_mask, c->value2));
	case ALLOW_SOCKET:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, c->nr, 3,
		    SCMP_CMP(c->a, SCMP_CMP_MASKED_EQ, int_mask, c->value),
		    SCMP_CMP(c->b, SCMP_CMP_MASKED_EQ, int_mask, c->value2),
		    SCMP_CMP(2, SCMP_CMP_MASKED_EQ, int_mask, 0));
	case ERRNO:
		return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint16_t)c->value), c->nr, 0);
	case KILL:
		return seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, c->nr, 0);
	}
	return -EINVAL;
}

static bool
counted_before(size_t i, unsigned groups)
{
	for (size_t k = 0; k < i; k++)
		if (calls[k].nr == calls[i].nr && calls[k].group & groups)
			return true;
	return false;
}

/* A row that allows a call makes a row that refuses it without a word pointless. */
static bool
wanted(size_t i, unsigned groups)
{
	return calls[i].group == 0 ? !counted_before(i, groups) : (calls[i].group & groups) != 0;
}

/* raise() and abort(): a signal to this very process. */
static int
add_own_signal(scmp_filter_ctx ctx, unsigned *count)
{
	++*count;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	    SCMP_CMP(0, SCMP_CMP_MASKED_EQ, int_mask, (uint64_t)getpid()));
}

static int
add_calls(scmp_filter_ctx ctx, unsigned groups, unsigned *count)
{
	int rc;

	*count = 0;
	if (groups & ~(CALLS_BASE | CALLS_KEYS) && (rc = add_own_signal(ctx, count)) < 0)
		return rc;
	for (size_t i = 0; i < NCALLS; i++) {
		if (!wanted(i, groups))
			continue;
		if (calls[i].group != 0 && calls[i].nr >= 0 && !counted_before(i, groups))
			++*count;
		if ((rc = add_call(ctx, &calls[i])) < 0)
			return rc;
	}
	return 0;
}

/* --- refused calls are told and answered with EPERM ------------------------------------------- */

static unsigned char told[1024 / 8];

static void
tell(int nr, const void *address)
{
	unsigned n = (unsigned)nr % 1024;

	if (told[n / 8] & 1U << n % 8)
		return;
	told[n / 8] |= (unsigned char)(1U << n % 8);
	log_warn(NULL, "sandbox refused=%d at=%p", nr, address);
}

#if defined(__x86_64__)
#define REG_RESULT(u) (u)->uc_mcontext.gregs[REG_RAX]
#define REG_ARG0(u) (u)->uc_mcontext.gregs[REG_RDI]
#define REG_ARG1(u) (u)->uc_mcontext.gregs[REG_RSI]
#define REG_ARG2(u) (u)->uc_mcontext.gregs[REG_RDX]
#define REG_ARG3(u) (u)->uc_mcontext.gregs[REG_R10]
#elif defined(__aarch64__)
#define REG_RESULT(u) (u)->uc_mcontext.regs[0]
#define REG_ARG0(u) (u)->uc_mcontext.regs[0]
#define REG_ARG1(u) (u)->uc_mcontext.regs[1]
#define REG_ARG2(u) (u)->uc_mcontext.regs[2]
#define REG_ARG3(u) (u)->uc_mcontext.regs[3]
#else
#error "the registers of a system call on this processor are not known"
#endif

/*
 * libc asks for the state of an open file by newfstatat(fd, "", ...), which with a path asks for
 * any file's: the filter cannot look behind the pointer. fstat is the same without a path.
 */
static bool
is_fstat(int nr, const ucontext_t *u)
{
	const char *path = (const char *)REG_ARG1(u);

	return nr == SYS_newfstatat && REG_ARG3(u) == AT_EMPTY_PATH && path != NULL &&
	       *path == '\0';
}

static void
on_sigsys(int signo, siginfo_t *si, void *context)
{
	ucontext_t *u = context;
	int saved = errno;

	(void)signo;
	if (is_fstat(si->si_syscall, u)) {
		REG_RESULT(u) = syscall(SYS_fstat, REG_ARG0(u), REG_ARG2(u)) < 0 ? -errno : 0;
	} else {
		tell(si->si_syscall, si->si_call_addr);
		REG_RESULT(u) = -EPERM;
	}
	errno = saved;
}

static int
catch_sigsys(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGSYS, &sa, NULL) < 0 ? -errno : 0;
}

/* --- loading ---------------------------------------------------------------------------------- */

static int
attributes(scmp_filter_ctx ctx)
{
	int rc;

	/* All threads; another instruction set (i386, x32) is nobody honest; a search tree. */
	if ((rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1)) < 0 ||
	    (rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)) < 0)
		return rc;
	return seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

int
sandbox_seccomp(const struct sandbox_row *row, unsigned *count, const char **step)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	unsigned groups = row->calls;
	int rc = -ENOMEM;

	*step = "seccomp";
#ifdef POSTERN_SANITIZE
	groups |= CALLS_SANITIZER;
#endif
	if (ctx == NULL || (rc = attributes(ctx)) < 0 || (rc = add_calls(ctx, groups, count)) < 0 ||
	    (rc = catch_sigsys()) < 0)
		goto out;
	rc = seccomp_load(ctx);
out:
	seccomp_release(ctx);
	return rc;
}

/* Master starts processes, and as an ordinary user they make their namespaces under its filter. */
static bool
masters_trade(int nr)
{
	return nr == SCMP_SYS(execve) || nr == SCMP_SYS(fork) || nr == SCMP_SYS(vfork) ||
	       nr == SCMP_SYS(clone) || nr == SCMP_SYS(clone3) || nr == SCMP_SYS(chroot) ||
	       nr == SCMP_SYS(unshare) || nr == SCMP_SYS(pidfd_open);
}

int
sandbox_seccomp_master(const char **step)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = -ENOMEM;

	*step = "seccomp";
	if (ctx == NULL || (rc = attributes(ctx)) < 0)
		goto out;
	for (size_t i = 0; i < NCALLS; i++)
		if (calls[i].kind == KILL && !masters_trade(calls[i].nr) &&
		    (rc = add_call(ctx, &calls[i])) < 0)
			goto out;
	rc = seccomp_load(ctx);
out:
	seccomp_release(ctx);
	return rc;
}
