/* SPDX-License-Identifier: ISC */
#include "smtpd/repeats.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/xalloc.h"

enum { PLACES_OF_ONE = 4 };

struct place {
	uint64_t what; /* hash of domain and signature */
	uint64_t since;
	uint32_t count; /* 0: empty */
};

struct repeats {
	struct place places[REPEATS_PLACES];
};

struct repeats *
repeats_new(void)
{
	return xcalloc(1, sizeof(struct repeats));
}

void
repeats_free(struct repeats **r)
{
	free(*r);
	*r = NULL;
}

/* Who finds collisions among signatures only makes his own messages count together. */
static uint64_t
hash(uint64_t h, struct str s)
{
	return hash_byte(hash_add(h, s), 0xff); /* no byte of a name: where one part ends counts */
}

static uint32_t
count_of(const struct place *p, uint64_t now)
{
	return p->count > 0 && now - p->since < REPEATS_WINDOW_S ? p->count : 0;
}

uint32_t
repeats_note(struct repeats *r, struct str domain, struct str signature, uint64_t now)
{
	uint64_t what = hash(hash(HASH_START, domain), signature);
	struct place *first =
	    &r->places[(what ^ what >> 32) % (REPEATS_PLACES - PLACES_OF_ONE + 1)];
	struct place *rarest = first;

	for (struct place *p = first; p < first + PLACES_OF_ONE; p++) {
		if (p->what == what && count_of(p, now) > 0)
			return ++p->count;
		if (count_of(p, now) < count_of(rarest, now))
			rarest = p;
	}
	*rarest = (struct place){ .what = what, .since = now, .count = 1 };
	return 1;
}
