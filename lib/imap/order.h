/* SPDX-License-Identifier: ISC */
/* Sorting in slices: stable, in time n log n whatever the input, so that a session can let others
 * have their turn in between. */
#ifndef POSTERN_IMAP_ORDER_H
#define POSTERN_IMAP_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct imap_order {
	uint32_t *at; /* the numbers being sorted */
	/* the rest is its own */
	uint32_t *spare;
	size_t n, width;
	int (*compare)(const void *arg, uint32_t a, uint32_t b);
	const void *arg;
};

/* The numbers 0 .. n - 1. */
void imap_order_begin(struct imap_order *o, size_t n,
    int (*compare)(const void *arg, uint32_t a, uint32_t b), const void *arg);
/* One pass over all; true: sorted. */
bool imap_order_pass(struct imap_order *o);
void imap_order_free(struct imap_order *o);

#endif
