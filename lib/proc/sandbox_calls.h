/* SPDX-License-Identifier: ISC */
/*
 * The system calls behind the groups of proc/sandbox_table.h: the one list. No include guard.
 *
 *   CALL(group, name)                            allowed with any arguments
 *   CALL_IF(group, name, arg, mask, value)       allowed when (argument & mask) == value
 *   CALL_IF2(group, name, a, value, b, value)    allowed when two int arguments have these values
 *   CALL_SOCKET(group, family, type)             socket(family, type, 0): no other protocol
 *   CALL_ERRNO(name, error)                      refused without a word: what C libraries try by
 *                                                habit and do without
 *   CALL_KILL(name)                              ends the process at once
 *
 * A call that is in no row is refused with EPERM and logged once: a library may have tried it by
 * habit, and a missing row must not take mail down. What is in a KILL row has no honest caller in
 * a daemon, so whoever calls it is an intruder, and the process ends before the next attempt.
 * Several CALL_IF rows for one call add up. The published goals: at most 40 calls for a process
 * that faces the network, at most 20 for keys.
 */
#define ANY_INT 0xffffffffU

/* ---- every daemon: channels, the event loop, memory, time, the end --------------------------- */
CALL(BASE, read)
CALL(BASE, close)
CALL(BASE, recvmsg)
/* Not to a peer named in the call: that would connect past connect() and Landlock's ports. */
CALL_IF(BASE, sendmsg, 2, MSG_FASTOPEN, 0)
/* send() only: a datagram socket must not be pointed elsewhere. */
CALL_IF(BASE, sendto, 4, ~0ULL, 0)
CALL(BASE, epoll_ctl)
CALL(BASE, epoll_wait)
CALL(BASE, clock_gettime)
CALL_IF(BASE, mmap, 2, PROT_EXEC, 0)
CALL(BASE, munmap)
CALL(BASE, brk)
CALL(BASE, futex)
CALL(BASE, getrandom)
CALL(BASE, getpid)
CALL_IF(BASE, fcntl, 1, ANY_INT, F_GETFL)
CALL_IF(BASE, fcntl, 1, ANY_INT, F_SETFL)
CALL_IF(BASE, fcntl, 1, ANY_INT, F_GETFD)
CALL_IF(BASE, fcntl, 1, ANY_INT, F_SETFD)
CALL(BASE, rt_sigreturn)
CALL(BASE, exit_group)
#ifdef __aarch64__
CALL(BASE, epoll_pwait)
CALL(BASE, ppoll)
#endif

/* ---- who serves streams ---------------------------------------------------------------------- */
CALL(STREAM, write)
CALL(STREAM, poll)
CALL(STREAM, readv)
CALL(STREAM, writev)
CALL(STREAM, recvfrom)
CALL(STREAM, fstat)
CALL(STREAM, mremap)
CALL_IF(STREAM, mprotect, 2, PROT_EXEC, 0)
CALL(STREAM, madvise)
CALL(STREAM, rt_sigprocmask)
CALL(STREAM, restart_syscall)
CALL(STREAM, shutdown)
CALL(STREAM, getsockopt)
CALL(STREAM, gettid)
CALL_IF2(STREAM, setsockopt, 1, SOL_SOCKET, 2, SO_SNDBUF)
CALL_IF2(STREAM, setsockopt, 1, SOL_SOCKET, 2, SO_RCVBUF)
CALL_IF2(STREAM, setsockopt, 1, SOL_SOCKET, 2, SO_KEEPALIVE)
CALL_IF2(STREAM, setsockopt, 1, SOL_SOCKET, 2, SO_LINGER)
CALL_IF2(STREAM, setsockopt, 1, IPPROTO_TCP, 2, TCP_NODELAY)
CALL_IF2(STREAM, setsockopt, 1, IPPROTO_TCP, 2, TCP_CORK)
CALL_IF2(STREAM, setsockopt, 1, IPPROTO_TCP, 2, TCP_USER_TIMEOUT)
CALL_IF2(STREAM, setsockopt, 1, IPPROTO_TCP, 2, TCP_KEEPIDLE)
CALL_IF2(STREAM, setsockopt, 1, IPPROTO_TCP, 2, TCP_KEEPINTVL)
CALL_IF2(STREAM, setsockopt, 1, IPPROTO_TCP, 2, TCP_KEEPCNT)

/* ---- whoever was handed a listening socket --------------------------------------------------- */
CALL(ACCEPT, accept4)
CALL(ACCEPT, getsockname)
CALL(ACCEPT, getpeername)

/* ---- keys: reads key and certificate files again on reload. Not even write() or raise() ------ */
CALL_IF(KEYS, openat, 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)
CALL(KEYS, fstat)
CALL(KEYS, getdents64)

/* ---- an own directory, to read --------------------------------------------------------------- */
CALL_IF(READ, openat, 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)
CALL(READ, newfstatat)
CALL(READ, faccessat2)
CALL(READ, fstat)
CALL(READ, getdents64)
CALL(READ, lseek)
CALL(READ, pread64)
CALL(READ, preadv)
CALL(READ, fadvise64)
CALL(READ, write)
CALL(READ, poll)
CALL(READ, readv)
CALL(READ, writev)
CALL(READ, recvfrom)
CALL(READ, mremap)
CALL_IF(READ, mprotect, 2, PROT_EXEC, 0)
CALL(READ, madvise)
CALL(READ, rt_sigprocmask)
CALL(READ, restart_syscall)
CALL(READ, gettid)
CALL(READ, shutdown)
CALL(READ, getsockopt)

/* ---- an own directory, to write -------------------------------------------------------------- */
CALL(WRITE, openat)
CALL(WRITE, pwrite64)
CALL(WRITE, pwritev)
CALL(WRITE, fsync)
CALL(WRITE, fdatasync)
CALL(WRITE, sync_file_range)
CALL(WRITE, ftruncate)
CALL(WRITE, fallocate)
CALL(WRITE, unlink)
CALL(WRITE, unlinkat)
CALL(WRITE, rename)
CALL(WRITE, renameat)
CALL(WRITE, renameat2)
CALL(WRITE, mkdir)
CALL(WRITE, mkdirat)
CALL(WRITE, rmdir)
CALL(WRITE, fstatfs)
CALL(WRITE, flock)
CALL_IF(WRITE, fcntl, 1, ANY_INT, F_SETLK)
CALL_IF(WRITE, fcntl, 1, ANY_INT, F_SETLKW)
CALL_IF(WRITE, fcntl, 1, ANY_INT, F_GETLK)
CALL_IF(WRITE, fcntl, 1, ANY_INT, F_OFD_SETLK)
CALL_IF(WRITE, fcntl, 1, ANY_INT, F_DUPFD_CLOEXEC)

/* ---- Berkeley DB: its environment's region files, its mutexes' waits ------------------------- */
CALL(DB, msync)
CALL(DB, pselect6)
CALL(DB, select)
CALL(DB, sched_yield)
CALL(DB, fchmod)
CALL(DB, chmod)
CALL(DB, getcwd)
CALL(DB, access)
CALL(DB, faccessat)
CALL(DB, faccessat2)
CALL(DB, sched_getaffinity)
CALL(DB, truncate)
CALL(DB, clock_nanosleep)

/* ---- mailbox: Berkeley DB for one process and thread alone needs no more than this ----------- */
CALL(INDEX, getcwd)
CALL(INDEX, sched_getaffinity)

/* ---- logger: many lines in one call ---------------------------------------------------------- */
CALL(LOGGER, recvmmsg)

/* ---- accounts: both ends of a login's door; no other kind of socket -------------------------- */
CALL_IF2(DOORS, socketpair, 0, AF_UNIX, 1, SOCK_STREAM | SOCK_CLOEXEC)

/* ---- resolver: UDP and TCP over IP, as a client. Ports: Landlock (TCP) ----------------------- */
CALL_IF2(DNS, socket, 0, AF_INET, 1, SOCK_DGRAM)
CALL_IF2(DNS, socket, 0, AF_INET, 1, SOCK_STREAM)
CALL_IF2(DNS, socket, 0, AF_INET, 1, SOCK_DGRAM | SOCK_CLOEXEC)
CALL_IF2(DNS, socket, 0, AF_INET, 1, SOCK_STREAM | SOCK_CLOEXEC)
CALL_IF2(DNS, socket, 0, AF_INET6, 1, SOCK_DGRAM)
CALL_IF2(DNS, socket, 0, AF_INET6, 1, SOCK_STREAM)
CALL_IF2(DNS, socket, 0, AF_INET6, 1, SOCK_DGRAM | SOCK_CLOEXEC)
CALL_IF2(DNS, socket, 0, AF_INET6, 1, SOCK_STREAM | SOCK_CLOEXEC)
CALL(DNS, connect)
CALL(DNS, bind)
CALL(DNS, sendto)
CALL(DNS, sendmsg) /* libunbound opens TCP connections fast */
CALL(DNS, getsockname)
CALL(DNS, setitimer) /* its watchdog */
CALL_IF(DNS, setsockopt, 1, ANY_INT, IPPROTO_IP)
CALL_IF(DNS, setsockopt, 1, ANY_INT, IPPROTO_IPV6)
CALL_IF2(DNS, setsockopt, 1, SOL_SOCKET, 2, SO_REUSEADDR)

/* ---- delivery: TCP over IP, as a client only. Ports: Landlock. Protocol 0, as Landlock watches TCP
 * but not what looks like it (MPTCP, SCTP) ------------------------------------------------------ */
CALL_SOCKET(CONNECT, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)
CALL_SOCKET(CONNECT, AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)
CALL(CONNECT, connect)

/* ---- sanitizer builds only: what the sanitizers' runtime needs to work and to report --------- */
CALL(SANITIZER, write)
CALL(SANITIZER, sigaltstack)
CALL(SANITIZER, rt_sigaction)
CALL(SANITIZER, rt_sigprocmask)
CALL(SANITIZER, sched_getaffinity)
CALL(SANITIZER, sched_yield)
CALL(SANITIZER, prctl)
CALL(SANITIZER, prlimit64)
CALL(SANITIZER, getrlimit)
CALL(SANITIZER, pipe)
CALL(SANITIZER, pipe2)
CALL(SANITIZER, readlink)
CALL(SANITIZER, gettid)
CALL(SANITIZER, madvise)
CALL(SANITIZER, mremap)
CALL(SANITIZER, lseek)
CALL(SANITIZER, fstat)
CALL(SANITIZER, clock_nanosleep)
CALL_IF(SANITIZER, mprotect, 2, PROT_EXEC, 0)

/* ---- refused without a word ------------------------------------------------------------------ */
CALL_ERRNO(ioctl, ENOTTY)    /* isatty() of stdio */
CALL_ERRNO(sysinfo, EPERM)   /* qsort() asks how much memory there is */
CALL_ERRNO(madvise, EPERM)   /* malloc and OpenSSL, where it is not allowed: only advice */
CALL_ERRNO(rseq, ENOSYS)     /* libc */
CALL_ERRNO(prlimit64, EPERM) /* sysconf() */
/* libevent compares its clock with the wall's, which nobody asks it for. It is a call only where the vDSO has
 * no clock to read, as in some virtual machines. */
CALL_ERRNO(gettimeofday, EPERM)

/* ---- nobody honest --------------------------------------------------------------------------- */
CALL_KILL(execve)
CALL_KILL(execveat)
CALL_KILL(fork)
CALL_KILL(vfork)
CALL_KILL(clone)
CALL_KILL(clone3)
CALL_KILL(ptrace)
CALL_KILL(process_vm_readv)
CALL_KILL(process_vm_writev)
CALL_KILL(pidfd_open)
CALL_KILL(pidfd_getfd)
CALL_KILL(kcmp)
CALL_KILL(mount)
CALL_KILL(umount2)
CALL_KILL(pivot_root)
CALL_KILL(chroot)
CALL_KILL(unshare)
CALL_KILL(setns)
CALL_KILL(open_tree)
CALL_KILL(move_mount)
CALL_KILL(fsopen)
CALL_KILL(open_by_handle_at)
CALL_KILL(bpf)
CALL_KILL(perf_event_open)
CALL_KILL(userfaultfd)
CALL_KILL(io_uring_setup)
CALL_KILL(io_uring_enter)
CALL_KILL(io_uring_register)
CALL_KILL(add_key)
CALL_KILL(request_key)
CALL_KILL(keyctl)
CALL_KILL(personality)
CALL_KILL(modify_ldt)
CALL_KILL(iopl)
CALL_KILL(ioperm)
CALL_KILL(init_module)
CALL_KILL(finit_module)
CALL_KILL(delete_module)
CALL_KILL(kexec_load)
CALL_KILL(kexec_file_load)
CALL_KILL(reboot)
CALL_KILL(swapon)
CALL_KILL(swapoff)
CALL_KILL(acct)
CALL_KILL(settimeofday)
CALL_KILL(clock_settime)
CALL_KILL(adjtimex)
CALL_KILL(sethostname)
CALL_KILL(setdomainname)

#undef ANY_INT
#undef CALL
#undef CALL_IF
#undef CALL_IF2
#undef CALL_SOCKET
#undef CALL_ERRNO
#undef CALL_KILL
