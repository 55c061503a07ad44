/* SPDX-License-Identifier: ISC */
#include "submission/budget.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/xalloc.h"
#include "submission/submission.h"

enum { MESSAGES, RECIPIENTS, KINDS };

/* What is used up: it goes back to nothing within the span. */
struct budget {
	double used[KINDS];
	uint64_t at_ms;
};

struct budgets {
	struct map *accounts; /* account + 1 */
	uint64_t most[KINDS];
};

struct budgets *
budgets_new(void)
{
	struct budgets *b = xcalloc(1, sizeof(*b));

	b->accounts = map_new();
	return b;
}

void
budgets_free(struct budgets **bp)
{
	struct budgets *b = *bp;
	struct budget *one;
	size_t it = 0;

	if (b == NULL)
		return;
	while ((one = map_next(b->accounts, &it, NULL)) != NULL)
		free(one);
	map_free(&b->accounts);
	free(b);
	*bp = NULL;
}

void
budgets_set(struct budgets *b, uint64_t messages, uint64_t recipients)
{
	b->most[MESSAGES] = messages;
	b->most[RECIPIENTS] = recipients;
}

/* What has come back since the last look. */
static void
refill(const struct budgets *b, struct budget *one, uint64_t now_ms)
{
	double part = (double)(now_ms - one->at_ms) / SUBMISSION_BUDGET_MS;

	for (int k = 0; k < KINDS; k++) {
		one->used[k] -= part * (double)b->most[k];
		if (one->used[k] < 0)
			one->used[k] = 0;
	}
	one->at_ms = now_ms;
}

/* Those who have all of it again need not be remembered. */
static void
forget_idle(struct budgets *b, uint64_t now_ms)
{
	struct budget *one;
	uint64_t key;
	size_t it = 0;

	while ((one = map_next(b->accounts, &it, &key)) != NULL) {
		refill(b, one, now_ms);
		if (one->used[MESSAGES] <= 0 && one->used[RECIPIENTS] <= 0)
			free(map_del(b->accounts, key));
	}
}

static struct budget *
budget_of(struct budgets *b, uint32_t account, uint64_t now_ms)
{
	struct budget *one = map_get(b->accounts, (uint64_t)account + 1);

	if (one != NULL) {
		refill(b, one, now_ms);
		return one;
	}
	if (map_count(b->accounts) >= SUBMISSION_BUDGETS_MAX)
		forget_idle(b, now_ms);
	one = xcalloc(1, sizeof(*one));
	one->at_ms = now_ms;
	map_put(b->accounts, (uint64_t)account + 1, one);
	return one;
}

bool
budgets_allow(struct budgets *b, uint32_t account, unsigned recipients, uint64_t now_ms)
{
	const struct budget *one = budget_of(b, account, now_ms);

	return (b->most[MESSAGES] == 0 || one->used[MESSAGES] + 1 <= (double)b->most[MESSAGES]) &&
	       (b->most[RECIPIENTS] == 0 ||
		   one->used[RECIPIENTS] + recipients <= (double)b->most[RECIPIENTS]);
}

void
budgets_take(struct budgets *b, uint32_t account, unsigned recipients, uint64_t now_ms)
{
	struct budget *one = budget_of(b, account, now_ms);

	one->used[MESSAGES] += 1;
	one->used[RECIPIENTS] += recipients;
}

void
budgets_give_back(struct budgets *b, uint32_t account, unsigned recipients, uint64_t now_ms)
{
	struct budget *one = budget_of(b, account, now_ms);

	one->used[MESSAGES] -= 1;
	one->used[RECIPIENTS] -= recipients;
	refill(b, one, now_ms); /* not below nothing */
}
