/* SPDX-License-Identifier: ISC */
#include "mailbox/vanished.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "mailbox/model.h"

void
vanished_forget(struct vanished *v, uint64_t modseq)
{
	uint32_t k = 0;

	if (modseq <= v->horizon)
		return;
	v->horizon = modseq;
	while (k < v->n && v->runs[k].modseq <= modseq)
		k++;
	if (k == 0)
		return;
	v->n -= k;
	memmove(v->runs, v->runs + k, v->n * sizeof(*v->runs));
}

void
vanished_note(struct vanished *v, uint32_t lo, uint32_t hi, uint64_t modseq)
{
	struct vanished_run *last = v->n > 0 ? &v->runs[v->n - 1] : NULL;

	if (modseq <= v->horizon)
		return;
	if (last != NULL && last->modseq > modseq) /* not in order: nothing is sure any more */
		vanished_forget(v, last->modseq);
	if (modseq <= v->horizon)
		return;
	if (v->n > 0 && last->modseq == modseq && last->hi + 1 == lo) {
		last->hi = hi;
		return;
	}
	if (v->n == VANISHED_RUNS_MAX) /* a quarter at once, so that moving them is cheap */
		vanished_forget(v, v->runs[VANISHED_RUNS_MAX / 4].modseq);
	if (modseq <= v->horizon)
		return;
	if (v->n == v->cap) {
		v->cap = v->cap * 2 + 8 < VANISHED_RUNS_MAX ? v->cap * 2 + 8 : VANISHED_RUNS_MAX;
		v->runs = xrealloc(v->runs, v->cap * sizeof(*v->runs));
	}
	v->runs[v->n++] = (struct vanished_run){ modseq, lo, hi };
}

void
vanished_free(struct vanished *v)
{
	free(v->runs);
	*v = (struct vanished){ 0 };
}

static int
run_compare(const void *a, const void *b)
{
	const struct vanished_run *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

static void
tell_gaps(const struct folder *f, void (*tell)(void *arg, uint32_t lo, uint32_t hi), void *arg)
{
	uint32_t from = 1;

	for (uint32_t i = 0; i < f->n; i++) {
		if (f->messages[i].uid > from)
			tell(arg, from, f->messages[i].uid - 1);
		from = f->messages[i].uid + 1;
	}
	if (from < f->uidnext)
		tell(arg, from, f->uidnext - 1);
}

void
vanished_tell(const struct folder *f, uint64_t modseq,
    void (*tell)(void *arg, uint32_t lo, uint32_t hi), void *arg)
{
	const struct vanished *v = &f->vanished;
	struct vanished_run *runs, run;
	uint32_t from = 0, n;

	if (modseq < v->horizon) {
		tell_gaps(f, tell, arg);
		return;
	}
	while (from < v->n && v->runs[from].modseq <= modseq)
		from++;
	if ((n = v->n - from) == 0)
		return;
	runs = xmalloc(n * sizeof(*runs));
	memcpy(runs, v->runs + from, n * sizeof(*runs));
	qsort(runs, n, sizeof(*runs), run_compare);
	run = runs[0];
	for (uint32_t i = 1; i < n; i++) {
		if (runs[i].lo <= run.hi + 1) {
			if (runs[i].hi > run.hi)
				run.hi = runs[i].hi;
			continue;
		}
		tell(arg, run.lo, run.hi);
		run = runs[i];
	}
	tell(arg, run.lo, run.hi);
	free(runs);
}
