/* SPDX-License-Identifier: ISC */
/*
 * Greylisting as a function of what is remembered and of the time. A triplet (who sends: network or
 * authenticated domain; from whom; to whom) that is new has to come again: after the delay, and
 * within the window. What has passed once passes at once for its lifetime, which each use renews.
 */
#ifndef POSTERN_REPUTATION_GREYLIST_H
#define POSTERN_REPUTATION_GREYLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct grey_policy {
	uint32_t delay, window, lifetime; /* seconds */
};

/* What is remembered of a triplet; times in seconds since 1970, 0: nothing. */
struct grey_memory {
	uint32_t first; /* when it was first seen, while it waits */
	uint32_t last;  /* when it last passed */
};

struct grey_decision {
	bool pass;
	uint32_t wait;             /* seconds from now until it will pass */
	struct grey_memory memory; /* what is to be remembered from now on */
};

struct grey_decision grey_decide(
    const struct grey_policy *policy, struct grey_memory memory, uint32_t now);

enum { GREY_SENDER_MAX = 512 }; /* as in ipc_table.h: grey_ask */
/*
 * The sender as it counts: in small letters, digits in the local part as one '#', what stands
 * behind '+' left out. So mailing lists and the like, with an address for each message, are one sender.
 * Returns its length.
 */
unsigned grey_sender(struct str sender, char out[GREY_SENDER_MAX]);

#endif
