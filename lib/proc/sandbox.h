/* SPDX-License-Identifier: ISC */
/*
 * The sandbox of a daemon: entered once, after everything that is opened lazily has been opened and
 * before the first untrusted byte. What each daemon may do stands in proc/sandbox_table.h.
 *
 * In this order: groups, gid -> empty root (or the own directory), chdir -> bounding set -> uid ->
 * no_new_privs -> resource limits -> Landlock -> seccomp (all threads).
 *
 * The empty root needs /proc to be mounted. As root everything has to succeed but Landlock, which
 * the kernel may not have (one log line). As an ordinary user the uid is the caller's; the root is
 * changed in a user namespace where that is allowed; the rest holds all the same.
 */
#ifndef POSTERN_PROC_SANDBOX_H
#define POSTERN_PROC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proc_sandbox_request {
	const char *program; /* a row of proc/sandbox_table.h */
	bool root;           /* started by root: take uid and gid, neither may be 0 */
	uint32_t uid, gid;
	int dir; /* its own directory, stays open; -1: the row needs none */
};

enum {
	PROC_SANDBOX_TEXT_MAX = 128, /* room for what holds, or for the reason of a failure */
	PROC_SANDBOX_PORTS_MAX = 16, /* resolver: 8 servers and port 53; delivery: 2; air */
};

/*
 * 0: text tells what holds, "uid=65603 root=empty landlock=7 seccomp=34": the uid ("caller's" when
 * it is shared), the root directory (empty, own, or kept), the Landlock ABI in use (0: missing) and
 * the number of system calls allowed. -1: text tells the reason; the process is half dressed and
 * has to end.
 *
 * Standard error becomes /dev/null but for logger; SIGSYS is taken (refused calls are logged).
 */
int proc_sandbox_enter(const struct proc_sandbox_request *rq, char *text, size_t size);

/*
 * Before proc_sandbox_enter: a TCP port that a program with network access may connect to. Others
 * are refused where Landlock knows ports. 0, or -1 when PROC_SANDBOX_PORTS_MAX are taken.
 */
int proc_sandbox_allow_port(uint16_t port);

/* For master after its start: only the capabilities it needs are left in the bounding set, and what
 * nobody honest calls ends the process. 0, or -1 and the reason in text. */
int proc_sandbox_master(char *text, size_t size);

#endif
