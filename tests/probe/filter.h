/* SPDX-License-Identifier: ISC */
/* The seccomp filters of a stopped process, read by ptrace and interpreted here: the verdict on a
 * call that would end the process, without ending it. */
#ifndef POSTERN_TESTS_PROBE_FILTER_H
#define POSTERN_TESTS_PROBE_FILTER_H

#include <stdint.h>
#include <sys/types.h>

enum { FILTER_UNKNOWN = -1, FILTER_ALLOW, FILTER_REFUSE, FILTER_KILL };

struct filters;

/* pid is stopped under our ptrace. NULL: this kernel does not tell. */
struct filters *filters_read(pid_t pid);
void filters_free(struct filters **f);
/* The strictest verdict of all filters. */
int filters_verdict(const struct filters *f, uint32_t arch, long nr, const uint64_t args[6]);

#endif
