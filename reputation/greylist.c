/* SPDX-License-Identifier: ISC */
#include "reputation/greylist.h"

/* A time of the future was written before the clock was set back: it says nothing. */
static uint32_t
age(uint32_t then, uint32_t now)
{
	return then != 0 && then <= now ? now - then : UINT32_MAX;
}

struct grey_decision
grey_decide(const struct grey_policy *policy, struct grey_memory memory, uint32_t now)
{
	uint32_t waited = age(memory.first, now);

	if (age(memory.last, now) <= policy->lifetime)
		return (struct grey_decision){ .pass = true, .memory = { .last = now } };
	if (waited > policy->window)
		return (struct grey_decision){ .wait = policy->delay, .memory = { .first = now } };
	if (waited < policy->delay)
		return (struct grey_decision){ .wait = policy->delay - waited,
			.memory = { .first = memory.first } };
	return (struct grey_decision){ .pass = true, .memory = { .last = now } };
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

unsigned
grey_sender(struct str sender, char out[GREY_SENDER_MAX])
{
	const char *at = memrchr(sender.p, '@', sender.n);
	size_t local = at != NULL ? (size_t)(at - sender.p) : sender.n, n = 0;
	bool skip = false;

	for (size_t i = 0; i < sender.n && n < GREY_SENDER_MAX; i++) {
		char c = (char)ascii_tolower((unsigned char)sender.p[i]);

		if (i == local)
			skip = false;
		else if (i < local && i > 0 && c == '+')
			skip = true;
		if (skip)
			continue;
		if (i < local && is_digit(c)) {
			if (n > 0 && out[n - 1] == '#')
				continue;
			c = '#';
		}
		out[n++] = c;
	}
	return (unsigned)n;
}
