/* SPDX-License-Identifier: ISC */
/*
 * The orders that tests/crash/orders.py gives to faults.so and what that tells in return: a file
 * beside the library, mapped by every daemon before it enters its sandbox. Python reads and writes
 * the same bytes: keep orders.py in step.
 */
#ifndef POSTERN_TESTS_CRASH_FAULTS_H
#define POSTERN_TESTS_CRASH_FAULTS_H

#include <stdint.h>

#define FAULTS_MAGIC UINT64_C(0x31544c5541465350) /* "PSFAULT1" */

/* What is counted, in classes of calls that fail alike. */
enum fault_kind {
	FAULT_WRITE,
	FAULT_SYNC,
	FAULT_RENAME,
	FAULT_LINK,
	FAULT_UNLINK,
	FAULT_MKDIR,
	FAULT_ALLOCATE,
	FAULT_TRUNCATE,
	FAULT_OPEN, /* for writing */
	FAULT_KINDS
};

enum fault_action {
	FAULT_NONE,
	FAULT_FAIL,        /* with the order's errno; nothing is done */
	FAULT_HALF,        /* a write: half of it, and that is what it returns */
	FAULT_KILL_BEFORE, /* SIGKILL instead of the call */
	FAULT_KILL_AFTER,  /* SIGKILL when it was done, before it returns */
	FAULT_KILL_HALF,   /* a write: half of it (never half a page in its place), then SIGKILL */
};

enum { FAULTS_PROGRAMS = 8 }; /* in the order of programs[] in faults.c */

struct faults {
	uint64_t magic;
	uint64_t log_start, log_end; /* where in the file entries stand */
	/* the order */
	uint32_t armed, program, kind, action;
	int32_t error;
	uint32_t times;
	uint64_t at; /* from this call on (1: the next), times calls */
	/* what happened */
	uint64_t hits;
	uint32_t recording, overflow;
	uint64_t log_used; /* bytes of entries: the clock of a recording */
	uint64_t count[FAULTS_PROGRAMS][FAULT_KINDS];
};

/*
 * One call in the recording. Writes and changes of directories are entered before they are done (so
 * they are seen by whatever they cause), syncs after they are.
 */
struct fault_entry {
	uint32_t size; /* of the whole entry, a multiple of 8; written last */
	uint8_t kind, program;
	uint8_t created; /* OPEN: the file was not there before */
	uint8_t pad;
	int64_t result;  /* as of the system call, -errno; FAULT_UNKNOWN: it did not return */
	uint64_t inode;  /* of the file; of the directory it is in for names */
	uint64_t other;  /* OPEN, MKDIR: of what it names; RENAME: of the directory it goes to */
	uint64_t offset; /* WRITE, TRUNCATE, ALLOCATE; OPEN: its flags */
	uint32_t length; /* of the data, or of the name, that follows */
	uint32_t length_other; /* RENAME: of the new name, after it */
};
#define FAULT_UNKNOWN INT64_MIN

#endif
