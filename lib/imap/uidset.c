/* SPDX-License-Identifier: ISC */
#include "imap/uidset.h"

#include <stdlib.h>
#include <string.h>

#include "base/bisect.h"
#include "base/xalloc.h"

static void
room(struct imap_uidset *s, size_t n)
{
	if (s->cap - s->end >= n)
		return;
	if (s->head > 0) {
		memmove(s->uid, s->uid + s->head, imap_uidset_count(s) * sizeof(s->uid[0]));
		s->end -= s->head;
		s->head = 0;
	}
	if (s->cap - s->end >= n)
		return;
	s->cap = s->end + n > 2 * s->cap ? s->end + n : 2 * s->cap;
	s->uid = xrealloc(s->uid, s->cap * sizeof(s->uid[0]));
}

static void
merge(struct imap_uidset *s, const uint32_t *uids, size_t n)
{
	size_t have = imap_uidset_count(s), i = 0, j = 0, k = 0;
	uint32_t *to = xmalloc((have + n) * sizeof(to[0]));

	while (i < have || j < n) {
		uint32_t a = i < have ? imap_uidset_at(s, i) : UINT32_MAX;
		uint32_t b = j < n ? uids[j] : UINT32_MAX;
		uint32_t least = a < b ? a : b;

		i += i < have && a == least;
		j += j < n && b == least;
		to[k++] = least;
	}
	free(s->uid);
	*s = (struct imap_uidset){ .uid = to, .end = k, .cap = have + n };
}

void
imap_uidset_add(struct imap_uidset *s, const uint32_t *uids, size_t n)
{
	if (n == 0)
		return;
	if (imap_uidset_count(s) > 0 && uids[0] <= s->uid[s->end - 1]) {
		if (n > 1 || !imap_uidset_has(s, uids[0]))
			merge(s, uids, n);
		return;
	}
	room(s, n);
	memcpy(s->uid + s->end, uids, n * sizeof(uids[0]));
	s->end += n;
}

size_t
imap_uidset_below(const struct imap_uidset *s, uint32_t uid)
{
	size_t at;

	BISECT(at, imap_uidset_count(s), i, imap_uidset_at(s, i) < uid);
	return at;
}

bool
imap_uidset_has(const struct imap_uidset *s, uint32_t uid)
{
	size_t i = imap_uidset_below(s, uid);

	return i < imap_uidset_count(s) && imap_uidset_at(s, i) == uid;
}

void
imap_uidset_remove(struct imap_uidset *s, const uint32_t *uids, size_t n)
{
	size_t i, k = 0, keep;

	if (n == 0 || imap_uidset_count(s) == 0)
		return;
	keep = i = s->head + imap_uidset_below(s, uids[0]);
	for (; i < s->end; i++) {
		while (k < n && uids[k] < s->uid[i])
			k++;
		if (k == n || uids[k] != s->uid[i])
			s->uid[keep++] = s->uid[i];
	}
	s->end = keep;
	if (s->head == s->end)
		imap_uidset_clear(s);
}

uint32_t
imap_uidset_take(struct imap_uidset *s)
{
	uint32_t uid = s->uid[s->head++];

	if (s->head == s->end)
		imap_uidset_clear(s);
	return uid;
}

void
imap_uidset_clear(struct imap_uidset *s)
{
	free(s->uid);
	*s = (struct imap_uidset){ 0 };
}
