/* SPDX-License-Identifier: ISC */
#include "reputation/table.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/xalloc.h"

TAILQ_HEAD(rows, row);

struct table {
	struct map *rows; /* key -> row, without those that are gone */
	struct rows used, changed;
	uint64_t most;
	unsigned which;
};

struct table *
table_new(uint64_t most, unsigned which)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->rows = map_new();
	t->most = most;
	t->which = which;
	TAILQ_INIT(&t->used);
	TAILQ_INIT(&t->changed);
	return t;
}

void
table_free(struct table **tp)
{
	struct table *t = *tp;
	struct row *r, *next;

	if (t == NULL)
		return;
	for (r = TAILQ_FIRST(&t->changed); r != NULL; r = next) {
		next = TAILQ_NEXT(r, changed);
		if (r->gone)
			free(r);
	}
	for (r = TAILQ_FIRST(&t->used); r != NULL; r = next) {
		next = TAILQ_NEXT(r, used);
		free(r);
	}
	map_free(&t->rows);
	free(t);
	*tp = NULL;
}

void
table_set_most(struct table *t, uint64_t most)
{
	t->most = most;
}

uint64_t
table_count(const struct table *t)
{
	return map_count(t->rows);
}

const struct row *
table_get(const struct table *t, uint64_t key)
{
	return map_get(t->rows, key);
}

static void
mark(struct table *t, struct row *r)
{
	if (!r->dirty)
		TAILQ_INSERT_TAIL(&t->changed, r, changed);
	r->dirty = true;
}

static void
drop(struct table *t, struct row *r)
{
	map_del(t->rows, r->key);
	TAILQ_REMOVE(&t->used, r, used);
	if (r->stored) {
		r->gone = true;
		mark(t, r);
		return;
	}
	if (r->dirty)
		TAILQ_REMOVE(&t->changed, r, changed);
	free(r);
}

static struct row *
row_new(struct table *t, uint64_t key)
{
	struct row *r = xcalloc(1, sizeof(*r));

	r->key = key;
	map_put(t->rows, key, r);
	TAILQ_INSERT_TAIL(&t->used, r, used);
	return r;
}

bool
table_put(struct table *t, uint64_t key, uint32_t v0, uint32_t v1, struct row *out)
{
	struct row *r = map_get(t->rows, key);
	bool evicted = false;

	if (r != NULL) {
		TAILQ_REMOVE(&t->used, r, used);
		TAILQ_INSERT_TAIL(&t->used, r, used);
	} else {
		while (map_count(t->rows) >= t->most && !TAILQ_EMPTY(&t->used)) {
			if (out != NULL)
				*out = *TAILQ_FIRST(&t->used);
			drop(t, TAILQ_FIRST(&t->used));
			evicted = true;
		}
		r = row_new(t, key);
	}
	r->v[0] = v0;
	r->v[1] = v1;
	mark(t, r);
	return evicted;
}

void
table_del(struct table *t, uint64_t key)
{
	struct row *r = map_get(t->rows, key);

	if (r != NULL)
		drop(t, r);
}

const struct row *
table_oldest(const struct table *t)
{
	return TAILQ_FIRST(&t->used);
}

const struct row *
table_next(const struct table *t, const struct row *r)
{
	return r == NULL ? TAILQ_FIRST(&t->used) : TAILQ_NEXT(r, used);
}

void
table_load(struct table *t, uint64_t key, uint32_t v0, uint32_t v1)
{
	struct row *r = map_get(t->rows, key);

	if (r == NULL)
		r = row_new(t, key);
	r->v[0] = v0;
	r->v[1] = v1;
	r->stored = true;
}

static unsigned order_by;

static int
by_time(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;

	return x->v[order_by] < y->v[order_by] ? -1 : x->v[order_by] > y->v[order_by];
}

/* The order of use, as far as the rows tell; more of them than the limit go. */
void
table_loaded(struct table *t)
{
	size_t n = map_count(t->rows), i = 0;
	struct row **all = xcalloc(n + 1, sizeof(*all)), *r;

	TAILQ_FOREACH(r, &t->used, used)
		all[i++] = r;
	order_by = t->which;
	qsort(all, n, sizeof(*all), by_time);
	TAILQ_INIT(&t->used);
	for (i = 0; i < n; i++)
		TAILQ_INSERT_TAIL(&t->used, all[i], used);
	free(all);
	while (map_count(t->rows) > t->most)
		drop(t, TAILQ_FIRST(&t->used));
}

const struct row *
table_changed(const struct table *t, const struct row *after)
{
	return after == NULL ? TAILQ_FIRST(&t->changed) : TAILQ_NEXT(after, changed);
}

void
table_written(struct table *t, const struct row *written)
{
	struct row *r = (struct row *)written;

	TAILQ_REMOVE(&t->changed, r, changed);
	r->dirty = false;
	r->stored = true;
	if (r->gone)
		free(r);
}
