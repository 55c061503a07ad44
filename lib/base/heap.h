/* SPDX-License-Identifier: ISC */
/*
 * A priority queue of nodes that stand inside of what they are about (a pairing heap): nothing is
 * allocated. Adding and looking at the first are O(1), taking out is O(log n) over many calls.
 */
#ifndef POSTERN_BASE_HEAP_H
#define POSTERN_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap_node {
	struct heap_node *child, *next;
	struct heap_node
	    *prev; /* the one before among its parent's children; of the first: the parent */
	uint64_t key;
};

/* { 0 } is empty. */
struct heap {
	struct heap_node *root;
};

/* The node is in no heap yet. */
void heap_add(struct heap *h, struct heap_node *n, uint64_t key);
/* The node is in this heap. */
void heap_remove(struct heap *h, struct heap_node *n);
/* One with the lowest key, or NULL. */
static inline struct heap_node *
heap_first(const struct heap *h)
{
	return h->root;
}

/* The struct that the node stands in. */
#define heap_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
