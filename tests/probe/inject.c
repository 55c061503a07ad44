/* SPDX-License-Identifier: ISC */
#include "tests/probe/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct inject {
	pid_t pid;
	int mem;
	struct user_regs_struct saved;
	uint64_t syscall_at; /* a syscall instruction */
	bool dead;
};

#ifdef __x86_64__

/* Waits for the next stop; false: the process has ended by signal *died. */
static bool
wait_stop(struct inject *in, int *signal, int *died)
{
	int status;

	while (waitpid(in->pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return false;
	if (WIFSTOPPED(status)) {
		*signal = WSTOPSIG(status);
		return true;
	}
	*died = WIFSIGNALED(status) ? WTERMSIG(status) : -1;
	in->dead = true;
	return false;
}

/* It was stopped in a system call, as an idle daemon is, and so stands behind the instruction. */
static bool
find_syscall(struct inject *in)
{
	uint8_t code[2];

	in->syscall_at = in->saved.rip - 2;
	return pread(in->mem, code, 2, (off_t)in->syscall_at) == 2 && code[0] == 0x0f &&
	       code[1] == 0x05;
}

struct inject *
inject_attach(pid_t pid)
{
	struct inject *in = calloc(1, sizeof(*in));
	char path[64];
	int sig, died;

	if (in == NULL)
		return NULL;
	in->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	if ((in->mem = open(path, O_RDWR | O_CLOEXEC)) < 0 ||
	    ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		goto bad;
	for (int tries = 0; tries < 100; tries++) {
		if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || !wait_stop(in, &sig, &died) ||
		    ptrace(PTRACE_GETREGS, pid, NULL, &in->saved) < 0)
			goto bad;
		if (find_syscall(in))
			return in;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		usleep(10000);
	}
	errno = EAGAIN;
bad:
	if (in->mem >= 0)
		close(in->mem);
	free(in);
	return NULL;
}

void
inject_detach(struct inject **inp)
{
	struct inject *in = *inp;

	if (in == NULL)
		return;
	*inp = NULL;
	if (!in->dead) {
		ptrace(PTRACE_SETREGS, in->pid, NULL, &in->saved);
		ptrace(PTRACE_DETACH, in->pid, NULL, NULL);
	}
	close(in->mem);
	free(in);
}

long
inject_call(struct inject *in, long nr, const uint64_t args[6], bool *sigsys, int *died)
{
	struct user_regs_struct r = in->saved;
	int sig = 0;

	*sigsys = false;
	*died = 0;
	r.rip = in->syscall_at;
	r.rax = (unsigned long long)nr;
	r.orig_rax = (unsigned long long)-1;
	r.rdi = args[0];
	r.rsi = args[1];
	r.rdx = args[2];
	r.r10 = args[3];
	r.r8 = args[4];
	r.r9 = args[5];
	if (ptrace(PTRACE_SETREGS, in->pid, NULL, &r) < 0)
		return -EFAULT;
	/* A call that was answered by SIGSYS leaves its step's SIGTRAP behind: this one is not over
	 * as long as the process still stands before it. */
	do {
		if (ptrace(PTRACE_SINGLESTEP, in->pid, NULL, NULL) < 0 ||
		    !wait_stop(in, &sig, died))
			return -ESRCH;
		if (ptrace(PTRACE_GETREGS, in->pid, NULL, &r) < 0)
			return -EFAULT;
	} while ((sig != SIGTRAP && sig != SIGSYS) || r.rip == in->syscall_at);
	*sigsys = sig == SIGSYS;
	return *sigsys ? -EPERM : (long)r.rax;
}

#else

struct inject *
inject_attach(pid_t pid)
{
	(void)pid;
	errno = ENOSYS;
	return NULL;
}

void
inject_detach(struct inject **in)
{
	(void)in;
}

long
inject_call(struct inject *in, long nr, const uint64_t args[6], bool *sigsys, int *died)
{
	(void)in;
	(void)nr;
	(void)args;
	(void)sigsys;
	(void)died;
	return -ENOSYS;
}

#endif

bool
inject_write(struct inject *in, uint64_t address, const void *p, size_t n)
{
	return pwrite(in->mem, p, n, (off_t)address) == (ssize_t)n;
}

uint64_t
inject_code(const struct inject *in)
{
	return in->syscall_at;
}
