/* SPDX-License-Identifier: ISC */
/* A hash map from a 64-bit number to a pointer; the map does not own what the pointers name. */
#ifndef POSTERN_BASE_MAP_H
#define POSTERN_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map;

struct map *map_new(void);
void map_free(struct map **m);
void *map_get(const struct map *m, uint64_t key);
/* value must not be NULL; replaces an older one and returns it. */
void *map_put(struct map *m, uint64_t key, void *value);
/* Returns what was there, or NULL. */
void *map_del(struct map *m, uint64_t key);
size_t map_count(const struct map *m);
/*
 * Walks over all entries: start with *it = 0; returns NULL at the end. The map must not be changed
 * meanwhile, but for map_del of the entry just returned.
 */
void *map_next(const struct map *m, size_t *it, uint64_t *key);

#endif
