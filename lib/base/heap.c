/* SPDX-License-Identifier: ISC */
#include "base/heap.h"

#include <stddef.h>

/* Of two roots the one with the lower key takes the other as its first child. */
static struct heap_node *
meld(struct heap_node *a, struct heap_node *b)
{
	struct heap_node *low, *high;

	if (a == NULL || b == NULL)
		return a ? a : b;
	low = b->key < a->key ? b : a;
	high = low == a ? b : a;
	high->next = low->child;
	if (high->next)
		high->next->prev = high;
	high->prev = low;
	low->child = high;
	low->next = low->prev = NULL;
	return low;
}

/* Children become one tree: pairs from the left, then these together. Without recursion. */
static struct heap_node *
meld_children(struct heap_node *first)
{
	struct heap_node *pairs = NULL, *tree = NULL, *a, *b, *after;

	for (a = first; a; a = after) {
		b = a->next;
		after = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	for (a = pairs; a; a = after) {
		after = a->next;
		a->next = NULL;
		tree = meld(tree, a);
	}
	return tree;
}

void
heap_add(struct heap *h, struct heap_node *n, uint64_t key)
{
	n->child = n->next = n->prev = NULL;
	n->key = key;
	h->root = meld(h->root, n);
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
	struct heap_node *children = meld_children(n->child);

	if (h->root == n) {
		h->root = children;
	} else {
		if (n->prev->child == n)
			n->prev->child = n->next;
		else
			n->prev->next = n->next;
		if (n->next)
			n->next->prev = n->prev;
		h->root = meld(h->root, children);
	}
	n->child = n->next = n->prev = NULL;
}
