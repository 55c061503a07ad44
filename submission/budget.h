/* SPDX-License-Identifier: ISC */
/*
 * How much an account may send in an hour, so that a stolen password does not become a source of
 * bulk mail. Each account has a budget of messages and one of recipients that fill up again evenly.
 */
#ifndef POSTERN_SUBMISSION_BUDGET_H
#define POSTERN_SUBMISSION_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budgets;

struct budgets *budgets_new(void);
void budgets_free(struct budgets **b);
/* 0: no limit. */
void budgets_set(struct budgets *b, uint64_t messages, uint64_t recipients);
/* May it send one more message, and that to so many recipients? Nothing is taken. */
bool budgets_allow(struct budgets *b, uint32_t account, unsigned recipients, uint64_t now_ms);
/* A message goes to queue: before it is known whether queue takes it, so that sessions side by side
 * cannot all pass on the last of a budget. */
void budgets_take(struct budgets *b, uint32_t account, unsigned recipients, uint64_t now_ms);
/* Queue did not take it. */
void budgets_give_back(struct budgets *b, uint32_t account, unsigned recipients, uint64_t now_ms);

#endif
