/* SPDX-License-Identifier: ISC */
#include "imap/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void
imap_order_begin(struct imap_order *o, size_t n,
    int (*compare)(const void *arg, uint32_t a, uint32_t b), const void *arg)
{
	*o = (struct imap_order){ .n = n, .width = 1, .compare = compare, .arg = arg };
	o->at = xmalloc(n * sizeof(o->at[0]) + 1);
	o->spare = xmalloc(n * sizeof(o->spare[0]) + 1);
	for (size_t i = 0; i < n; i++)
		o->at[i] = (uint32_t)i;
}

/* Two sorted runs, from[lo .. mid-1] and from[mid .. hi-1], to one. */
static void
merge(const struct imap_order *o, size_t lo, size_t mid, size_t hi)
{
	const uint32_t *from = o->at;
	uint32_t *to = o->spare + lo;
	size_t i = lo, j = mid;

	if (mid >= hi || o->compare(o->arg, from[mid - 1], from[mid]) <= 0) {
		memcpy(to, from + lo, (hi - lo) * sizeof(to[0]));
		return;
	}
	while (i < mid && j < hi)
		*to++ = o->compare(o->arg, from[i], from[j]) <= 0 ? from[i++] : from[j++];
	memcpy(to, from + i, (mid - i) * sizeof(to[0]));
	to += mid - i;
	memcpy(to, from + j, (hi - j) * sizeof(to[0]));
}

bool
imap_order_pass(struct imap_order *o)
{
	uint32_t *was = o->at;

	if (o->width >= o->n)
		return true;
	for (size_t lo = 0; lo < o->n; lo += 2 * o->width) {
		size_t mid = lo + o->width < o->n ? lo + o->width : o->n;
		size_t hi = mid + o->width < o->n ? mid + o->width : o->n;

		merge(o, lo, mid, hi);
	}
	o->at = o->spare;
	o->spare = was;
	o->width *= 2;
	return o->width >= o->n;
}

void
imap_order_free(struct imap_order *o)
{
	free(o->at);
	free(o->spare);
	*o = (struct imap_order){ 0 };
}
