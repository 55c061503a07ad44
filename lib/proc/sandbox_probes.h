/* SPDX-License-Identifier: ISC */
/*
 * For tests: what a daemon must not be able to do, as system calls with their arguments. Used by
 * sandbox_test.c in its own children and by tests/probe inside running daemons.
 *
 * Arguments that point at something point into a struct probe_data, which the user of this list has
 * placed at `base` in the address space of the process that is probed.
 */
#ifndef POSTERN_PROC_SANDBOX_PROBES_H
#define POSTERN_PROC_SANDBOX_PROBES_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum probe_want {
	PROBE_PERM,   /* EPERM from the filter */
	PROBE_PATH,   /* not reachable: ENOENT, EPERM, EACCES, ENOTDIR, EXDEV, ESRCH */
	PROBE_DENIED, /* any error */
	PROBE_KILL,   /* SIGSYS ends the process */
};

/* Who may do it after all, and is not probed. */
enum {
	PROBE_NOT_DNS = 1,       /* resolver */
	PROBE_NOT_SANITIZED = 2, /* sanitizer builds */
	PROBE_NOT_DB = 4,        /* accounts */
	PROBE_NOT_SHARED = 8,    /* a daemon with files whose root could not be changed */
	PROBE_NOT_ACCEPT = 16,
	PROBE_NOT_CONNECT = 32, /* delivery */
	/* Of resolver and delivery one may do what the other may not. */
	PROBE_NOT_OUTWARD = PROBE_NOT_DNS | PROBE_NOT_CONNECT,
};

struct probe {
	const char *name;
	enum probe_want want;
	unsigned except;
	long nr;
	uint64_t args[6];
};

struct probe_data {
	char passwd[32], up[32], root[8], memory[8], empty[8], proc[32];
	struct sockaddr_in in;
	struct sockaddr_un abstract;
	struct __user_cap_header_struct caphead;
	struct __user_cap_data_struct cap[2];
	uint64_t null_pair[2]; /* argv and envp: nothing */
	uint64_t zero[64];     /* a structure of any kind; room for an answer */
};

static inline void
probe_data_fill(struct probe_data *d, uint16_t tcp_port)
{
	memset(d, 0, sizeof(*d));
	strcpy(d->passwd, "/etc/passwd");
	strcpy(d->up, "../../../../etc/passwd");
	strcpy(d->root, "/");
	strcpy(d->memory, "probe");
	strcpy(d->proc, "/proc/self/status");
	d->in.sin_family = AF_INET;
	d->in.sin_port = htons(tcp_port);
	d->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	d->abstract.sun_family = AF_UNIX;
	memcpy(d->abstract.sun_path, "\0postern-probe", 14);
	d->caphead.version = _LINUX_CAPABILITY_VERSION_3;
	d->cap[0].effective = d->cap[0].permitted = 1U << CAP_SETUID;
}

enum { PROBES_MAX = 128 };

/* fd: some socket of the process; dir: its own directory or -1; other: a process it must not
 * touch; prog: an address in its code. Returns how many were written to out. */
static inline size_t
probes_make(
    struct probe out[PROBES_MAX], uint64_t base, int fd, int dir, pid_t other, uint64_t code)
{
#define AT(field) (base + offsetof(struct probe_data, field))
#define FD(n) ((uint64_t)(int64_t)(n))
	const struct probe list[] = {
		{ "open /etc/passwd", PROBE_PATH, 0, SYS_openat,
		    { FD(AT_FDCWD), AT(passwd), O_RDONLY } },
		{ "create /etc/passwd", PROBE_PATH, 0, SYS_openat,
		    { FD(AT_FDCWD), AT(passwd), O_WRONLY | O_CREAT, 0600 } },
		{ "open /proc", PROBE_PATH, 0, SYS_openat, { FD(AT_FDCWD), AT(proc), O_RDONLY } },
		{ "open ..", PROBE_PATH, 0, SYS_openat,
		    { FD(dir >= 0 ? dir : AT_FDCWD), AT(up), O_RDONLY } },
		{ "stat /etc/passwd", PROBE_PATH, PROBE_NOT_SHARED, SYS_newfstatat,
		    { FD(AT_FDCWD), AT(passwd), AT(zero), 0 } },
		{ "statx", PROBE_PERM, 0, SYS_statx, { FD(AT_FDCWD), AT(passwd), 0, 0, AT(zero) } },
		{ "openat2", PROBE_PERM, 0, SYS_openat2,
		    { FD(AT_FDCWD), AT(passwd), AT(zero), 24 } },
		{ "readlinkat", PROBE_PERM, 0, SYS_readlinkat,
		    { FD(AT_FDCWD), AT(proc), AT(zero), 64 } },
		{ "symlinkat", PROBE_PERM, 0, SYS_symlinkat, { AT(passwd), FD(dir), AT(memory) } },
		{ "linkat", PROBE_PERM, 0, SYS_linkat,
		    { FD(AT_FDCWD), AT(passwd), FD(dir), AT(memory), 0 } },
		{ "mknodat", PROBE_PERM, 0, SYS_mknodat, { FD(dir), AT(memory), 020600, 0x103 } },
		{ "fchmodat", PROBE_PERM, 0, SYS_fchmodat, { FD(AT_FDCWD), AT(passwd), 0777 } },
		{ "fchownat", PROBE_PERM, 0, SYS_fchownat, { FD(AT_FDCWD), AT(passwd), 0, 0, 0 } },
		{ "name_to_handle_at", PROBE_PERM, 0, SYS_name_to_handle_at,
		    { FD(AT_FDCWD), AT(passwd), AT(zero), AT(null_pair), 0 } },
		{ "inotify_init1", PROBE_PERM, 0, SYS_inotify_init1, { 0 } },
		{ "socket inet stream", PROBE_PERM, PROBE_NOT_DNS, SYS_socket,
		    { AF_INET, SOCK_STREAM, 0 } },
		{ "socket inet tcp", PROBE_PERM, PROBE_NOT_CONNECT, SYS_socket,
		    { AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0 } },
		{ "socket inet6 tcp", PROBE_PERM, PROBE_NOT_CONNECT, SYS_socket,
		    { AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0 } },
		{ "socket mptcp", PROBE_PERM, 0, SYS_socket,
		    { AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 262 } },
		{ "socket sctp", PROBE_PERM, PROBE_NOT_DNS, SYS_socket,
		    { AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 132 } },
		{ "socket inet dgram", PROBE_PERM, PROBE_NOT_DNS, SYS_socket,
		    { AF_INET, SOCK_DGRAM, 0 } },
		{ "socket inet6", PROBE_PERM, PROBE_NOT_DNS, SYS_socket,
		    { AF_INET6, SOCK_STREAM, 0 } },
		{ "socket raw", PROBE_PERM, 0, SYS_socket, { AF_INET, SOCK_RAW, 1 } },
		{ "socket unix", PROBE_PERM, 0, SYS_socket, { AF_UNIX, SOCK_STREAM, 0 } },
		{ "socket netlink", PROBE_PERM, 0, SYS_socket, { AF_NETLINK, SOCK_RAW, 0 } },
		{ "socket packet", PROBE_PERM, 0, SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
		{ "socket vsock", PROBE_PERM, 0, SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
		{ "socket alg", PROBE_PERM, 0, SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 } },
		{ "socketpair", PROBE_PERM, 0, SYS_socketpair,
		    { AF_UNIX, SOCK_STREAM, 0, AT(zero) } },
		{ "connect tcp", PROBE_PERM, PROBE_NOT_OUTWARD, SYS_connect,
		    { FD(fd), AT(in), sizeof(struct sockaddr_in) } },
		{ "connect abstract", PROBE_DENIED, 0, SYS_connect,
		    { FD(fd), AT(abstract), 2 + 14 } },
		{ "sendto abstract", PROBE_DENIED, PROBE_NOT_DNS, SYS_sendto,
		    { FD(fd), AT(memory), 5, MSG_NOSIGNAL | MSG_DONTWAIT, AT(abstract), 2 + 14 } },
		{ "sendmsg with fast open", PROBE_PERM, PROBE_NOT_DNS, SYS_sendmsg,
		    { FD(fd), AT(zero), MSG_FASTOPEN | MSG_NOSIGNAL } },
		{ "bind", PROBE_PERM, PROBE_NOT_DNS, SYS_bind,
		    { FD(fd), AT(in), sizeof(struct sockaddr_in) } },
		{ "listen", PROBE_PERM, 0, SYS_listen, { FD(fd), 1 } },
		{ "setsockopt SO_ATTACH_FILTER", PROBE_PERM, 0, SYS_setsockopt,
		    { FD(fd), SOL_SOCKET, 26, AT(zero), 16 } },
		{ "kill", PROBE_PERM, 0, SYS_kill, { FD(other), 0 } },
		{ "tgkill", PROBE_PERM, 0, SYS_tgkill, { FD(other), FD(other), 0 } },
		{ "tkill", PROBE_PERM, 0, SYS_tkill, { FD(other), 0 } },
		{ "rt_sigqueueinfo", PROBE_PERM, 0, SYS_rt_sigqueueinfo,
		    { FD(other), 0, AT(zero) } },
		{ "pidfd_send_signal", PROBE_PERM, 0, SYS_pidfd_send_signal, { FD(fd), 0, 0, 0 } },
		{ "fcntl F_SETOWN", PROBE_PERM, 0, SYS_fcntl, { FD(fd), 8, FD(other) } },
		{ "fcntl F_SETSIG", PROBE_PERM, 0, SYS_fcntl, { FD(fd), 10, SIGKILL } },
		{ "ioctl TIOCSTI", PROBE_DENIED, 0, SYS_ioctl, { 0, 0x5412, AT(memory) } },
		{ "setuid 0", PROBE_PERM, 0, SYS_setuid, { 0 } },
		{ "setgid 0", PROBE_PERM, 0, SYS_setgid, { 0 } },
		{ "setresuid 0", PROBE_PERM, 0, SYS_setresuid, { 0, 0, 0 } },
		{ "setgroups", PROBE_PERM, 0, SYS_setgroups, { 0, 0 } },
		{ "capset", PROBE_PERM, 0, SYS_capset, { AT(caphead), AT(cap) } },
		{ "prctl PR_SET_DUMPABLE", PROBE_PERM, PROBE_NOT_SANITIZED, SYS_prctl,
		    { PR_SET_DUMPABLE, 1, 0, 0, 0 } },
		{ "prlimit64 of another", PROBE_DENIED, 0, SYS_prlimit64,
		    { FD(other), 7, AT(zero), 0 } },
		{ "setpriority", PROBE_PERM, 0, SYS_setpriority, { 0, FD(other), 19 } },
		{ "sched_setaffinity", PROBE_PERM, 0, SYS_sched_setaffinity,
		    { FD(other), 8, AT(cap) } },
		{ "mprotect exec", PROBE_PERM, 0, SYS_mprotect,
		    { base & ~0xfffULL, 4096, PROT_READ | PROT_EXEC } },
		{ "mprotect code writable", PROBE_DENIED, PROBE_NOT_SANITIZED, SYS_mprotect,
		    { code & ~0xfffULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC } },
		{ "pkey_mprotect exec", PROBE_PERM, 0, SYS_pkey_mprotect,
		    { base & ~0xfffULL, 4096, PROT_READ | PROT_EXEC, FD(-1) } },
		{ "mmap exec", PROBE_PERM, 0, SYS_mmap,
		    { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, FD(-1), 0 } },
		{ "memfd_create", PROBE_PERM, 0, SYS_memfd_create, { AT(memory), 0 } },
		{ "seccomp", PROBE_PERM, 0, SYS_seccomp, { 0, 0, 0 } },
		{ "shmget", PROBE_PERM, 0, SYS_shmget, { 0x5107, 4096, 01600 } },
		{ "msgget", PROBE_PERM, 0, SYS_msgget, { 0x5107, 01600 } },
		{ "semget", PROBE_PERM, 0, SYS_semget, { 0x5107, 1, 01600 } },
		{ "mq_open", PROBE_PERM, 0, SYS_mq_open,
		    { AT(memory), O_CREAT | O_RDWR, 0600, 0 } },
		{ "timer_create", PROBE_PERM, 0, SYS_timer_create, { 0, 0, AT(zero) } },
		{ "uname", PROBE_PERM, 0, SYS_uname, { AT(zero) } },

		{ "execve", PROBE_KILL, 0, SYS_execve,
		    { AT(passwd), AT(null_pair), AT(null_pair) } },
		{ "fexecve", PROBE_KILL, 0, SYS_execveat,
		    { FD(fd), AT(empty), AT(null_pair), AT(null_pair), AT_EMPTY_PATH } },
		{ "fork", PROBE_KILL, 0, SYS_clone, { SIGCHLD, 0, 0, 0, 0 } },
		{ "clone3", PROBE_KILL, 0, SYS_clone3, { AT(zero), 64 } },
		{ "ptrace", PROBE_KILL, 0, SYS_ptrace, { 16, FD(other), 0, 0 } },
		{ "process_vm_readv", PROBE_KILL, 0, SYS_process_vm_readv,
		    { FD(other), AT(zero), 1, AT(zero), 1, 0 } },
		{ "process_vm_writev", PROBE_KILL, 0, SYS_process_vm_writev,
		    { FD(other), AT(zero), 1, AT(zero), 1, 0 } },
		{ "pidfd_open", PROBE_KILL, 0, SYS_pidfd_open, { FD(other), 0 } },
		{ "pidfd_getfd", PROBE_KILL, 0, SYS_pidfd_getfd, { FD(fd), 0, 0 } },
		{ "kcmp", PROBE_KILL, 0, SYS_kcmp, { FD(other), FD(other), 0, 0, 0 } },
		{ "mount", PROBE_KILL, 0, SYS_mount, { AT(memory), AT(root), AT(memory), 0, 0 } },
		{ "umount2", PROBE_KILL, 0, SYS_umount2, { AT(memory), 0 } },
		{ "pivot_root", PROBE_KILL, 0, SYS_pivot_root, { AT(memory), AT(memory) } },
		{ "chroot", PROBE_KILL, 0, SYS_chroot, { AT(root) } },
		{ "unshare user", PROBE_KILL, 0, SYS_unshare, { CLONE_NEWUSER } },
		{ "setns", PROBE_KILL, 0, SYS_setns, { FD(fd), 0 } },
		{ "bpf", PROBE_KILL, 0, SYS_bpf, { 0, AT(zero), 64 } },
		{ "perf_event_open", PROBE_KILL, 0, SYS_perf_event_open,
		    { AT(zero), 0, FD(-1), FD(-1), 0 } },
		{ "userfaultfd", PROBE_KILL, 0, SYS_userfaultfd, { 1 } },
		{ "io_uring_setup", PROBE_KILL, 0, SYS_io_uring_setup, { 1, AT(zero) } },
		{ "keyctl", PROBE_KILL, 0, SYS_keyctl, { 0, FD(-3), 0 } },
		{ "add_key", PROBE_KILL, 0, SYS_add_key,
		    { AT(memory), AT(memory), AT(memory), 1, FD(-3) } },
		{ "personality", PROBE_KILL, 0, SYS_personality, { 0x0400000 } },
		{ "open_by_handle_at", PROBE_KILL, 0, SYS_open_by_handle_at,
		    { FD(fd), AT(zero), O_RDONLY } },
		{ "init_module", PROBE_KILL, 0, SYS_init_module, { AT(zero), 8, AT(empty) } },
		{ "finit_module", PROBE_KILL, 0, SYS_finit_module, { FD(-1), AT(empty), 0 } },
		{ "reboot", PROBE_KILL, 0, SYS_reboot, { 0, 0, 0, 0 } },
#ifdef __x86_64__
		{ "vfork", PROBE_KILL, 0, SYS_vfork, { 0 } },
		{ "modify_ldt", PROBE_KILL, 0, SYS_modify_ldt, { 0, AT(zero), 8 } },
		{ "iopl", PROBE_KILL, 0, SYS_iopl, { 3 } },
		{ "x32 entry", PROBE_KILL, 0, 0x40000000 | SYS_getpid, { 0 } },
#endif
	};
#undef AT
#undef FD
	_Static_assert(sizeof(list) / sizeof(list[0]) <= PROBES_MAX, "PROBES_MAX");
	memcpy(out, list, sizeof(list));
	return sizeof(list) / sizeof(list[0]);
}

/* result: what the call returned, -errno on failure. */
static inline int
probe_holds(const struct probe *p, long result)
{
	switch (p->want) {
	case PROBE_PERM:
		return result == -EPERM;
	case PROBE_PATH:
		return result == -EPERM || result == -ENOENT || result == -EACCES ||
		       result == -ENOTDIR || result == -EXDEV || result == -ESRCH;
	case PROBE_DENIED:
		return result < 0 && result != -EFAULT;
	case PROBE_KILL:
		return 0;
	}
	return 0;
}

#endif
