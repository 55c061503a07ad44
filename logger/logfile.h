/* SPDX-License-Identifier: ISC */
/*
 * The log file "postern.log" in a directory, with a budget: at file_size bytes it is renamed to
 * "postern.log.YYYYMMDD-HHMMSS" (UTC; ".2", ".3" ... if that is taken) and a new one begun; renamed
 * ones are removed, the oldest first, when all together are larger than total_size or one is older
 * than max_age. A full disk loses lines, which are counted, and never stops the program.
 */
#ifndef POSTERN_LOGGER_LOGFILE_H
#define POSTERN_LOGGER_LOGFILE_H

#include <stdint.h>

#include "base/str.h"

struct logfile;

struct logfile_budget {
	uint64_t file_size, total_size; /* bytes */
	uint64_t max_age;               /* seconds */
};

/* dirfd stays the caller's and must stay open. NULL: cannot write there, errno tells why. */
struct logfile *logfile_new(int dirfd, const struct logfile_budget *budget);
void logfile_free(struct logfile **f);
void logfile_set_budget(struct logfile *f, const struct logfile_budget *budget);
/*
 * Appends whole lines (each with its \n); now: seconds since 1970. Returns the number of lines that
 * were lost before and are told of with this call: 0 almost always.
 */
uint64_t logfile_write(struct logfile *f, struct str lines, int64_t now);

#endif
