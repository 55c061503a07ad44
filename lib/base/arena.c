/* SPDX-License-Identifier: ISC */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum { ARENA_BLOCK = 1024, ARENA_ALIGN = 16 };

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ARENA_ALIGN) unsigned char mem[];
};

struct arena {
	struct block *head; /* newest */
	size_t used, max;
};

static struct block *
block_new(size_t size, struct block *next)
{
	struct block *b = xmalloc(sizeof(*b) + size);

	b->next = next;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *
arena_new(size_t max)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->max = max;
	return a;
}

void
arena_reset(struct arena *a)
{
	while (a->head != NULL && (a->head->next != NULL || a->head->size > ARENA_BLOCK)) {
		struct block *b = a->head;

		a->head = b->next;
		free(b);
	}
	if (a->head != NULL)
		a->head->used = 0;
	a->used = 0;
}

void
arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	while ((*a)->head != NULL) {
		struct block *b = (*a)->head;

		(*a)->head = b->next;
		free(b);
	}
	free(*a);
	*a = NULL;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p;

	if (n > a->max - a->used)
		return NULL;
	n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (n == 0)
		n = ARENA_ALIGN;
	if (a->head == NULL || a->head->size - a->head->used < n)
		a->head = block_new(n > ARENA_BLOCK ? n : ARENA_BLOCK, a->head);
	p = a->head->mem + a->head->used;
	a->head->used += n;
	a->used = a->used + n > a->max ? a->max : a->used + n;
	return memset(p, 0, n);
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (p == NULL)
		return (struct str){ NULL, 0 };
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return str_from(p, s.n);
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}
