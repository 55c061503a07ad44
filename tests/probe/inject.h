/* SPDX-License-Identifier: ISC */
/* Runs system calls inside another process, by ptrace; x86-64 only. */
#ifndef POSTERN_TESTS_PROBE_INJECT_H
#define POSTERN_TESTS_PROBE_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct inject;

/* Stops the process; NULL and errno. */
struct inject *inject_attach(pid_t pid);
/* Lets it go on where it was stopped, as if nothing had happened. */
void inject_detach(struct inject **in);

/* What the call returned (-errno); *sigsys: the filter answered by SIGSYS, which was kept from the
 * process; *died: the call ended the process (the signal's number). */
long inject_call(struct inject *in, long nr, const uint64_t args[6], bool *sigsys, int *died);
/* Memory of the process; false: not possible. */
bool inject_write(struct inject *in, uint64_t address, const void *p, size_t n);
/* An address in its code. */
uint64_t inject_code(const struct inject *in);

#endif
