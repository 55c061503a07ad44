/* SPDX-License-Identifier: ISC */
#include "reputation/penalty.h"

/* Halves of whole half-lives; between two of them a straight line. */
static uint32_t
faded(uint32_t points, uint32_t seconds, uint32_t half_life)
{
	uint32_t halves = seconds / half_life, rest = seconds % half_life;

	if (halves >= 32)
		return 0;
	points >>= halves;
	return points - (uint32_t)((uint64_t)points * rest / (2 * (uint64_t)half_life));
}

uint32_t
penalty_now(const struct penalty *p, uint32_t now, uint32_t half_life)
{
	return now <= p->at ? p->points : faded(p->points, now - p->at, half_life);
}

void
penalty_add(struct penalty *p, uint32_t now, uint32_t half_life, int64_t points)
{
	int64_t sum = (int64_t)penalty_now(p, now, half_life) + points;

	p->points = sum < 0 ? 0 : sum > PENALTY_MAX ? PENALTY_MAX : (uint32_t)sum;
	if (now > p->at)
		p->at = now;
}

uint32_t
penalty_until(const struct penalty *p, uint32_t now, uint32_t half_life, uint32_t limit)
{
	uint32_t low = 0, high = 32 * half_life;

	if (penalty_now(p, now, half_life) < limit)
		return 0;
	while (high - low > 1) { /* at low it is not below the limit, at high it is */
		uint32_t middle = low + (high - low) / 2;

		if (penalty_now(p, now + middle, half_life) < limit)
			high = middle;
		else
			low = middle;
	}
	return high;
}
