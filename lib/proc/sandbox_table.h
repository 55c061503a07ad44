/* SPDX-License-Identifier: ISC */
/*
 * What each daemon may do once it is in the sandbox: the one list. No include guard.
 *
 *   SANDBOX_ROW(program, root, calls, nofile, data_mb, fsize)
 *       program  as in proc/process_table.h
 *       root     ROOT_EMPTY: an empty directory; ROOT_OWN_RO, ROOT_OWN_RW: its own directory;
 *                ROOT_KEEP: stays where it is (master)
 *       calls    groups of system calls (proc/sandbox_calls.h); every daemon has BASE besides
 *       nofile   RLIMIT_NOFILE: sessions and channels it may hold at most, with some to spare
 *       data_mb  RLIMIT_DATA: what its documented limits can add up to, several times over; a
 *                daemon that leaks or is pushed dies by itself instead of taking the machine
 *       fsize    FSIZE_NONE: cannot make any file grow; FSIZE_ANY: its own budget decides
 *
 * Common to all but master: own uid and gid, no capability, no_new_privs, no process or thread can
 * be started (RLIMIT_NPROC 0 and no clone), no core file, TCP ports shut and abstract sockets and
 * signals kept inside by Landlock where the kernel knows how. Only resolver and delivery can make a
 * socket that reaches others, delivery for TCP alone, accounts only a pair of local ones; only master
 * can fork and exec.
 */
SANDBOX_ROW(master, ROOT_KEEP, 0, 0, 0, FSIZE_ANY)
SANDBOX_ROW(control, ROOT_EMPTY, CALLS_STREAM | CALLS_ACCEPT, 512, 64, FSIZE_NONE)
SANDBOX_ROW(logger, ROOT_OWN_RW, CALLS_READ | CALLS_WRITE | CALLS_LOGGER, 512, 64, FSIZE_ANY)
SANDBOX_ROW(keys, ROOT_OWN_RO, CALLS_KEYS, 256, 64, FSIZE_NONE)
SANDBOX_ROW(resolver, ROOT_EMPTY, CALLS_STREAM | CALLS_DNS, 1024, 64, FSIZE_NONE)
SANDBOX_ROW(accounts, ROOT_OWN_RW, CALLS_READ | CALLS_WRITE | CALLS_DB | CALLS_DOORS, 512, 128,
    FSIZE_ANY)
SANDBOX_ROW(reputation, ROOT_OWN_RW, CALLS_READ | CALLS_WRITE | CALLS_DB, 256, 512, FSIZE_ANY)
SANDBOX_ROW(auth, ROOT_EMPTY, CALLS_STREAM, 1024, 128, FSIZE_NONE)
SANDBOX_ROW(smtpd, ROOT_EMPTY, CALLS_STREAM | CALLS_ACCEPT, 8192, 512, FSIZE_NONE)
SANDBOX_ROW(queue, ROOT_OWN_RW, CALLS_STREAM | CALLS_READ | CALLS_WRITE, 8192, 512, FSIZE_ANY)
SANDBOX_ROW(delivery, ROOT_EMPTY, CALLS_STREAM | CALLS_CONNECT, 4096, 1024, FSIZE_NONE)
SANDBOX_ROW(submission, ROOT_EMPTY, CALLS_STREAM | CALLS_ACCEPT, 8192, 512, FSIZE_NONE)
SANDBOX_ROW(imapd, ROOT_EMPTY, CALLS_STREAM | CALLS_ACCEPT, 32768, 1024, FSIZE_NONE)
SANDBOX_ROW(mailbox, ROOT_OWN_RW, CALLS_STREAM | CALLS_READ | CALLS_WRITE | CALLS_INDEX, 4096, 512,
    FSIZE_ANY)
#undef SANDBOX_ROW
