/* SPDX-License-Identifier: ISC */
/*
 * Which UIDs were expunged from a folder, and at what MODSEQ: what a client that comes back is told
 * (rfc7162, VANISHED EARLIER). Bounded: the oldest are forgotten, and the horizon tells up to
 * where. A question from before the horizon is answered with all UIDs that are not there.
 */
#ifndef POSTERN_MAILBOX_VANISHED_H
#define POSTERN_MAILBOX_VANISHED_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Runs of UIDs remembered per folder, 16 KiB: the expunges of some weeks of a busy folder.
	 * Forgetting costs a client that was away for longer a longer answer, nothing else. */
	VANISHED_RUNS_MAX = 1024,
};

struct vanished_run {
	uint64_t modseq;
	uint32_t lo, hi;
};

struct vanished {
	uint64_t horizon;          /* expunges up to this MODSEQ may be forgotten */
	struct vanished_run *runs; /* ascending by MODSEQ, all above the horizon */
	uint32_t n, cap;
};

void vanished_note(struct vanished *v, uint32_t lo, uint32_t hi, uint64_t modseq);
/* Nothing up to this MODSEQ is known any more. */
void vanished_forget(struct vanished *v, uint64_t modseq);
void vanished_free(struct vanished *v);

struct folder;
/* Tells the UIDs expunged after modseq, in ascending runs that do not touch. */
void vanished_tell(const struct folder *f, uint64_t modseq,
    void (*tell)(void *arg, uint32_t lo, uint32_t hi), void *arg);

#endif
