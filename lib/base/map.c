/* SPDX-License-Identifier: ISC */
#include "base/map.h"

#include <stdlib.h>

#include "base/xalloc.h"

/* Open addressing, linear probing; a deleted place keeps its mark until the next growth. */
enum { MAP_FIRST = 16 };

struct slot {
	uint64_t key;
	void *value;
};

struct map {
	struct slot *slot;
	size_t size, count, marks; /* marks: deleted places */
};

static char deleted;
#define DELETED ((void *)&deleted)

static size_t
place(const struct map *m, uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	return (size_t)key & (m->size - 1);
}

struct map *
map_new(void)
{
	struct map *m = xcalloc(1, sizeof(*m));

	m->size = MAP_FIRST;
	m->slot = xcalloc(m->size, sizeof(*m->slot));
	return m;
}

void
map_free(struct map **m)
{
	if (*m == NULL)
		return;
	free((*m)->slot);
	free(*m);
	*m = NULL;
}

static struct slot *
find(const struct map *m, uint64_t key)
{
	for (size_t i = place(m, key);; i = (i + 1) & (m->size - 1)) {
		struct slot *s = &m->slot[i];

		if (s->value == NULL)
			return NULL;
		if (s->value != DELETED && s->key == key)
			return s;
	}
}

void *
map_get(const struct map *m, uint64_t key)
{
	struct slot *s = find(m, key);

	return s ? s->value : NULL;
}

static void
insert(struct map *m, uint64_t key, void *value)
{
	size_t i = place(m, key);

	while (m->slot[i].value != NULL && m->slot[i].value != DELETED)
		i = (i + 1) & (m->size - 1);
	if (m->slot[i].value == DELETED)
		m->marks--;
	m->slot[i] = (struct slot){ key, value };
	m->count++;
}

static void
rehash(struct map *m)
{
	struct slot *old = m->slot;
	size_t n = m->size;

	while (m->count * 4 >= m->size * 2)
		m->size *= 2;
	m->slot = xcalloc(m->size, sizeof(*m->slot));
	m->count = m->marks = 0;
	for (size_t i = 0; i < n; i++)
		if (old[i].value != NULL && old[i].value != DELETED)
			insert(m, old[i].key, old[i].value);
	free(old);
}

void *
map_put(struct map *m, uint64_t key, void *value)
{
	struct slot *s = find(m, key);
	void *old;

	if (s != NULL) {
		old = s->value;
		s->value = value;
		return old;
	}
	if ((m->count + m->marks + 1) * 4 > m->size * 3)
		rehash(m);
	insert(m, key, value);
	return NULL;
}

void *
map_del(struct map *m, uint64_t key)
{
	struct slot *s = find(m, key);
	void *old;

	if (s == NULL)
		return NULL;
	old = s->value;
	s->value = DELETED;
	m->count--;
	m->marks++;
	return old;
}

size_t
map_count(const struct map *m)
{
	return m->count;
}

void *
map_next(const struct map *m, size_t *it, uint64_t *key)
{
	while (*it < m->size) {
		struct slot *s = &m->slot[(*it)++];

		if (s->value != NULL && s->value != DELETED) {
			if (key != NULL)
				*key = s->key;
			return s->value;
		}
	}
	return NULL;
}
