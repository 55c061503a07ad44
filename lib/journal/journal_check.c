/* SPDX-License-Identifier: ISC */
#include "journal/journal_priv.h"

struct show {
	struct journal_checked *out;
	void (*fn)(void *arg, const struct journal_record *r);
	void *arg;
};

static int
count_record(void *arg, const struct journal_record *r, const struct journal_record_header *h)
{
	struct show *show = arg;

	(void)h;
	show->out->records++;
	if (show->fn != NULL)
		show->fn(show->arg, r);
	return 0;
}

/* Counts what is reported meanwhile, and hands it on. */
struct counter {
	void (*on_damage)(void *, const struct journal_damage *);
	void *arg;
	uint64_t n;
};

static void
count_damage(void *arg, const struct journal_damage *d)
{
	struct counter *c = arg;

	c->n++;
	if (c->on_damage != NULL)
		c->on_damage(c->arg, d);
}

int
journal_check(struct journal *j, uint64_t after, struct journal_checked *out,
    void (*fn)(void *arg, const struct journal_record *r), void *arg)
{
	struct show show = { out, fn, arg };
	struct counter counter = { j->on_damage, j->arg, 0 };
	struct segment *s = NULL;
	bool damaged;
	int r;

	*out = (struct journal_checked){ 0 };
	if (j->failed)
		return JOURNAL_FAILED;
	for (size_t i = 0; i < j->count && s == NULL; i++)
		if (j->segments[i]->number > after)
			s = j->segments[i];
	if (s == NULL)
		return 0;
	out->segment = s->number;
	j->on_damage = count_damage;
	j->arg = &counter;
	r = segment_scan(j, s, s->end, &damaged, count_record, &show);
	j->on_damage = counter.on_damage;
	j->arg = counter.arg;
	s->held |= damaged;
	out->damaged = counter.n;
	return r == 0 ? 1 : r;
}
