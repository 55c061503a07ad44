/* SPDX-License-Identifier: ISC */
/* The surroundings of a program at its start: nothing of what it inherited counts. */
#ifndef POSTERN_PROC_ENV_H
#define POSTERN_PROC_ENV_H

/* Descriptors up to this one are handed over on purpose: standard ones, the channel to master, the
 * lock of the instance (DAEMON_MASTER_FD, DAEMON_LOCK_FD). */
enum { PROC_ENV_LAST_FD = 4 };

/*
 * First thing in a daemon's main(): the environment is TZ=UTC alone (sanitizer builds keep their
 * options), standard input and output are /dev/null, standard error too unless it is open (logger
 * writes there in the foreground; the others lose it in the sandbox), descriptors above
 * PROC_ENV_LAST_FD are closed, umask 077, directory "/", all signals at their default and
 * unblocked, SIGPIPE ignored. Ends the process when there is no /dev/null.
 */
void proc_env_prepare(void);

/* The environment for execve() of a daemon; static. */
char *const *proc_env_minimal(void);

#endif
