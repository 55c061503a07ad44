/* SPDX-License-Identifier: ISC */
/*
 * Penalties for misbehaviour, as arithmetic: each offence adds points, half of them are gone after a
 * half-life, and a client with PENALTY_REFUSE or more is refused until they have faded. Who goes on is
 * refused longer, never longer than what PENALTY_MAX takes to fade: 4 half-lives.
 */
#ifndef POSTERN_REPUTATION_PENALTY_H
#define POSTERN_REPUTATION_PENALTY_H

#include <stdint.h>

enum {
	PENALTY_UNIT = 1000,                 /* a point, in what is kept */
	PENALTY_REFUSE = 100 * PENALTY_UNIT, /* from here on a client is refused */
	PENALTY_WATCH = 10 * PENALTY_UNIT, /* from here on it is watched: its greeting is delayed */
	PENALTY_MAX = 1600 * PENALTY_UNIT, /* more is not kept: an old sin must not last a day */
};

struct penalty {
	uint32_t points; /* at the time `at` */
	uint32_t at;     /* seconds since 1970 */
};

/* What is left of it now. A clock that goes back fades nothing. */
uint32_t penalty_now(const struct penalty *p, uint32_t now, uint32_t half_life);
/* points may be negative: good behaviour. */
void penalty_add(struct penalty *p, uint32_t now, uint32_t half_life, int64_t points);
/* Seconds until less than `limit` is left; 0: it is less already. */
uint32_t penalty_until(const struct penalty *p, uint32_t now, uint32_t half_life, uint32_t limit);

#endif
